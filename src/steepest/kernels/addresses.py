"""Addresses: of arrays, and of compiled code that is called by its own; tasks, which are made of them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from steepest.jit import inner

_WORD = ir.IntType(64)
# numbers of a task: what to do, its parts, eight addresses, sizes
WHAT, PARTS, PLACES, SIZES, ROOM = 0, 1, 2, 10, 18


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
        kind = ir.FunctionType(ir.IntType(32), [byte, _WORD] + [byte] * (1 + SIZES - PLACES))
        code = builder.inttoptr(args[0], kind.as_pointer())
        pointers = [
            builder.inttoptr(builder.load(builder.gep(numbers, [ir.Constant(_WORD, i)])), byte)
            for i in range(PLACES, SIZES)
        ]
        builder.call(code, [builder.bitcast(numbers, byte), args[2], builder.bitcast(room, byte), *pointers])
        return context.get_dummy_value()

    return types.void(types.int64, task, types.int64, scratch), generate


@inner
def sizes_of(task):
    """The sizes of a task, those that it has no use for included."""
    return (
        task[SIZES],
        task[SIZES + 1],
        task[SIZES + 2],
        task[SIZES + 3],
        task[SIZES + 4],
        task[SIZES + 5],
        task[SIZES + 6],
        task[SIZES + 7],
    )
