"""Asking the memory for data before they are needed.

Rows in a shuffled order lie anywhere, and a processor that meets one too late waits some 100 ns for it: longer than
a sparse row takes.  The order is known beforehand, so kernels ask for the rows to come.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload


@intrinsic
def _prefetch(context: Any, array: Any, index: Any) -> Any:
    if not (isinstance(array, types.Array) and isinstance(index, types.Integer)):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, _ = signature.args
        held = context.make_array(kind)(context, builder, args[0])
        place = context.cast(builder, args[1], signature.args[1], types.uintp)
        stride = cgutils.unpack_tuple(builder, held.strides, kind.ndim)[0]
        byte = ir.IntType(8).as_pointer()
        address = builder.gep(builder.bitcast(held.data, byte), [builder.mul(place, stride)])
        flag = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0i8"
        )
        builder.call(function, [address, flag(0), flag(3), flag(1)])  # for reading, to all caches, data
        return context.get_dummy_value()

    return types.void(array, index), generate


def prefetch(array: Any, index: Any) -> None:
    """Ask for the cache line of ``array[index]``; changes nothing, and plain Python does nothing."""


@overload(prefetch, inline="always")
def _compiled(array, index):
    return lambda array, index: _prefetch(array, index)
