"""Numbers too small for full precision, taken for zero while a kernel runs.

What an update rule remembers fades by a constant factor a step: in float32 it falls below 1e-38 within some hundred
steps where no gradient comes.  x86 processors work on such numbers a hundred times more slowly, and nothing that small
moves a weight.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

_RESULTS, _OPERANDS = 0x8000, 0x0040  # bits of MXCSR that say so
_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")


@intrinsic
def _flush(typingctx: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        old = _read(builder)
        _write(builder, builder.or_(old, ir.Constant(old.type, _RESULTS | _OPERANDS)))
        return old

    return types.uint32(), generate


@intrinsic
def _restore(typingctx: Any, old: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _write(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.uint32), generate


def flush_denormals() -> int:
    """Take denormal operands and results of this thread for zero; what `restore_denormals` wants.

    On processors other than x86, where they cost little, and in plain Python nothing happens.
    """
    return 0


def restore_denormals(before: int) -> None:
    """As it was before `flush_denormals`."""


@overload(flush_denormals, inline="always")
def _flush_compiled():
    return lambda: _flush()


@overload(restore_denormals, inline="always")
def _restore_compiled(before):
    return lambda before: _restore(before)


def _read(builder: Any) -> Any:
    word = ir.IntType(32)
    if not _X86:
        return ir.Constant(word, 0)
    place = cgutils.alloca_once(builder, word)
    _call(builder, "llvm.x86.sse.stmxcsr", place)
    return builder.load(place)


def _write(builder: Any, value: Any) -> None:
    if _X86:
        place = cgutils.alloca_once_value(builder, value)
        _call(builder, "llvm.x86.sse.ldmxcsr", place)


def _call(builder: Any, name: str, place: Any) -> None:
    pointer = ir.IntType(8).as_pointer()
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [pointer]), name)
    builder.call(function, [builder.bitcast(place, pointer)])
