"""Addresses: of arrays, and of compiled code that is called by its own."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_WORD = ir.IntType(64)
_PLACES = 8  # pointers that a task has, from its third number on


@intrinsic
def address_of(typingctx: Any, array: Any) -> Any:
    """Where an array begins."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.ptrtoint(held.data, _WORD)

    return types.uint64(array), generate


@intrinsic
def stand_alone(typingctx: Any) -> Any:
    """Keep the function that says so out of its callers: long ones would be compiled once for each."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def call_at(typingctx: Any, place: Any, task: Any, part: Any, scratch: Any) -> Any:
    """Call the code at an address with the task, a part, the address of the scratch, and the pointers of the task."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        numbers, room = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (1, 3))
        kind = ir.FunctionType(ir.IntType(32), [byte, _WORD] + [byte] * (_PLACES + 1))
        code = builder.inttoptr(args[0], kind.as_pointer())
        pointers = [
            builder.inttoptr(builder.load(builder.gep(numbers, [ir.Constant(_WORD, 2 + i)])), byte)
            for i in range(_PLACES)
        ]
        builder.call(code, [builder.bitcast(numbers, byte), args[2], builder.bitcast(room, byte), *pointers])
        return context.get_dummy_value()

    return types.void(types.int64, task, types.int64, scratch), generate
