"""Eight float64 numbers side by side, as compiled code holds them in vector registers.

A compiler finds vector instructions in a loop over numbers that lie side by side when it knows how many there are.
The classes of a model are few, and their number is not known, so kernels that keep a sum a class take eight at a
time and say so:

    s = none()
    for e in ...:
        s = plus_scaled(s, x, W, j, c)     # s += x W[j, c:c+8]
    store(s, z, c)

Rows of W must be multiples of eight long; `aligned` makes such arrays, each row on whole cache lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, overload, register_model

from steepest.protocols import FloatArray

LANES = 8
LINE = 64  # bytes of a cache line
_KIND = ir.VectorType(ir.DoubleType(), LANES)


class _LanesType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="Lanes8")


_lanes = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _KIND)


def aligned(rows: int, classes: int) -> FloatArray:
    """Zeros of shape (rows, classes rounded up to a multiple of eight), every row on whole cache lines.

    Examples
    --------
    >>> W = aligned(3, 10)
    >>> W.shape, W.ctypes.data % 64
    ((3, 16), 0)
    """
    width = -(-classes // LANES) * LANES
    raw = np.zeros(rows * width + LANES)
    first = (-raw.ctypes.data % LINE) // raw.itemsize
    return raw[first : first + rows * width].reshape(rows, width)


def _place(context: Any, builder: Any, kinds: Any, args: Any) -> Any:
    """Address of ``array[i, c]``, or ``array[c]``, as that of eight numbers."""
    held = context.make_array(kinds[0])(context, builder, args[0])
    strides = cgutils.unpack_tuple(builder, held.strides, kinds[0].ndim)
    offset = ir.Constant(context.get_value_type(types.uintp), 0)
    for stride, kind, index in zip(strides, kinds[1:], args[1:], strict=True):
        offset = builder.add(offset, builder.mul(context.cast(builder, index, kind, types.uintp), stride))
    address = builder.gep(builder.bitcast(held.data, ir.IntType(8).as_pointer()), [offset])
    return builder.bitcast(address, _KIND.as_pointer())


def _spread(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Eight times the same number."""
    number = context.cast(builder, value, kind, types.float64)
    zero = ir.IntType(32)(0)
    one = builder.insert_element(ir.Constant(_KIND, ir.Undefined), number, zero)
    return builder.shuffle_vector(one, ir.Constant(_KIND, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)([0] * 8))


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c."""
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _is_numbers(array: Any, ndim: int) -> bool:
    return isinstance(array, types.Array) and array.ndim == ndim and array.dtype == types.float64


@intrinsic
def _none(context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(_KIND, [0.0] * LANES)

    return _lanes(), generate


@intrinsic
def _plus_scaled(context: Any, s: Any, x: Any, W: Any, j: Any, c: Any) -> Any:
    if not _is_numbers(W, 2):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        part = builder.load(_place(context, builder, kinds[2:], args[2:]), align=8)
        number = _spread(context, builder, kinds[1], args[1])
        return _fused(builder, number, part, args[0])

    return _lanes(s, x, W, j, c), generate


@intrinsic
def _store(context: Any, s: Any, z: Any, c: Any) -> Any:
    if not _is_numbers(z, 1):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[0], _place(context, builder, signature.args[1:], args[1:]), align=8)
        return context.get_dummy_value()

    return types.void(s, z, c), generate


@intrinsic
def _load(context: Any, z: Any, c: Any) -> Any:
    if not _is_numbers(z, 1):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_place(context, builder, signature.args, args), align=8)

    return _lanes(z, c), generate


@intrinsic
def _add_scaled(context: Any, W: Any, j: Any, c: Any, x: Any, s: Any) -> Any:
    if not _is_numbers(W, 2):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[:3], args[:3])
        number = _spread(context, builder, signature.args[3], args[3])
        builder.store(_fused(builder, number, args[4], builder.load(place, align=8)), place, align=8)
        return context.get_dummy_value()

    return types.void(W, j, c, x, s), generate


@intrinsic
def _prefetch(context: Any, W: Any, j: Any, c: Any) -> Any:
    if not _is_numbers(W, 2):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(_place(context, builder, signature.args, args), byte)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0i8"
        )
        builder.call(function, [address, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(W, j, c), generate


# ------------------------------------------------------------------------------------- what kernels may call


def none() -> Any:
    """Eight zeros."""
    return np.zeros(LANES)


def plus_scaled(s: Any, x: Any, W: Any, j: Any, c: Any) -> Any:
    """``s + x W[j, c:c+8]``."""
    return s + x * W[j, c : c + np.uint64(LANES)]


def store(s: Any, z: Any, c: Any) -> None:
    """``z[c:c+8] = s``."""
    z[c : c + np.uint64(LANES)] = s


def load(z: Any, c: Any) -> Any:
    """``z[c:c+8]``."""
    return z[c : c + np.uint64(LANES)].copy()


def add_scaled(W: Any, j: Any, c: Any, x: Any, s: Any) -> None:
    """``W[j, c:c+8] += x s``."""
    W[j, c : c + np.uint64(LANES)] += x * s


def prefetch_line(W: Any, j: Any, c: Any) -> None:
    """Ask for the cache line of ``W[j, c]``; plain Python does nothing."""


@overload(none, inline="always")
def _o_none():
    return lambda: _none()


@overload(plus_scaled, inline="always")
def _o_plus_scaled(s, x, W, j, c):
    return lambda s, x, W, j, c: _plus_scaled(s, x, W, j, c)


@overload(store, inline="always")
def _o_store(s, z, c):
    return lambda s, z, c: _store(s, z, c)


@overload(load, inline="always")
def _o_load(z, c):
    return lambda z, c: _load(z, c)


@overload(add_scaled, inline="always")
def _o_add_scaled(W, j, c, x, s):
    return lambda W, j, c, x, s: _add_scaled(W, j, c, x, s)


@overload(prefetch_line, inline="always")
def _o_prefetch_line(W, j, c):
    return lambda W, j, c: _prefetch(W, j, c)
