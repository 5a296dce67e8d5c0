"""Tiles of matrix products in vector registers.

A tile of some rows and two vectors of columns is the sum over k of a column of the left matrix times a row of the
right one: it stays in registers while k runs, so that a step of it costs one load a row for as many products as a
vector has lanes, twice.  The right matrix is given packed, two vectors a k; loops over tiles are in `products`.

Numba offers no vectors, so tiles are written for LLVM.  Their shape follows from the registers of the processor;
the order of the sum does not: one k after the other, products fused where the processor can.

All take an array of the matrices' numbers first, for its type alone, then addresses as uint64 and strides as int64
numbers (not bytes); nothing is checked.
"""

from __future__ import annotations

import platform
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

_WORD = ir.IntType(64)
_LANE = ir.IntType(32)


def _registers() -> tuple[int, int]:
    """Bytes of a vector, and rows of a tile that leave room for the two vectors of the right matrix."""
    machine = platform.machine().lower()
    if machine in ("aarch64", "arm64"):
        return 16, 8
    if machine not in ("x86_64", "amd64"):
        return 16, 4
    # What Numba compiles for, which users may limit: machine code is kept on disk under these very words.
    given = numba.config.CPU_FEATURES
    features = set((get_host_cpu_features() if given is None else given).split(","))
    if {"+avx512f", "+avx512vl"} <= features:
        return 64, 8
    return (32, 6) if {"+avx2", "+fma"} <= features else (16, 4)


VECTOR, ROWS = _registers()


class _Kind:
    """LLVM's types for a type of numbers."""

    def __init__(self, context: Any, numbers: Any) -> None:
        self.one = context.get_data_type(numbers.dtype)
        self.lanes = VECTOR * 8 // numbers.dtype.bitwidth
        self.vector = ir.VectorType(self.one, self.lanes)
        self.align = numbers.dtype.bitwidth // 8
        self.suffix = f"f{numbers.dtype.bitwidth}"

    def pointer(self, builder: Any, address: Any) -> Any:
        return builder.inttoptr(address, self.one.as_pointer())

    def load(self, builder: Any, place: Any) -> Any:
        return builder.load(builder.bitcast(place, self.vector.as_pointer()), align=self.align)

    def store(self, builder: Any, value: Any, place: Any) -> None:
        builder.store(value, builder.bitcast(place, self.vector.as_pointer()), align=self.align)

    def spread(self, builder: Any, value: Any) -> Any:
        """A vector of one number."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = builder.insert_element(nothing, value, ir.Constant(_LANE, 0))
        lanes = ir.Constant(ir.VectorType(_LANE, self.lanes), [0] * self.lanes)
        return builder.shuffle_vector(first, nothing, lanes)

    def multiply_add(self, builder: Any, a: Any, b: Any, c: Any) -> Any:
        name = f"llvm.fmuladd.v{self.lanes}{self.suffix}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def _tile(rows: int) -> Any:
    """The intrinsic for so many rows."""

    @intrinsic
    def tile(
        typingctx: Any, numbers: Any, A: Any, row: Any, step: Any, B: Any, C: Any, width: Any, K: Any, more: Any
    ) -> Any:
        """C <- A B, or C <- C + A B where ``more``: a tile.

        ``A[i, k]`` is ``i row + k step`` numbers from its address, packed ``B[k]`` two vectors, C has ``width`` numbers
        a row.
        """
        whole = types.int64
        signature = types.void(
            numbers, types.uint64, whole, whole, types.uint64, types.uint64, whole, whole, types.boolean
        )

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = _Kind(context, signature.args[0])
            _, A, row, step, B, C, width, K, more = args
            a, b, c = (kind.pointer(builder, address) for address in (A, B, C))
            lanes, two = ir.Constant(_WORD, kind.lanes), ir.Constant(_WORD, 2 * kind.lanes)
            zero = ir.Constant(_WORD, 0)
            places = []
            for i in range(rows):
                left = builder.gep(c, [builder.mul(ir.Constant(_WORD, i), width)])
                places.append((left, builder.gep(left, [lanes])))
            begins = [builder.mul(ir.Constant(_WORD, i), row) for i in range(rows)]
            kept, fresh = builder.append_basic_block("kept"), builder.append_basic_block("fresh")
            loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
            builder.cbranch(more, kept, fresh)
            builder.position_at_end(kept)
            before = [[kind.load(builder, place) for place in pair] for pair in places]
            builder.branch(loop)
            builder.position_at_end(fresh)
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(_WORD)
            sums = [[builder.phi(kind.vector) for _ in pair] for pair in places]
            for block in (kept, fresh):
                k.add_incoming(zero, block)
            for i in range(rows):
                for v in range(2):
                    sums[i][v].add_incoming(before[i][v], kept)
                    sums[i][v].add_incoming(ir.Constant(kind.vector, [0.0] * kind.lanes), fresh)
            line = builder.gep(b, [builder.mul(k, two)])
            right = [kind.load(builder, line), kind.load(builder, builder.gep(line, [lanes]))]
            column = builder.gep(a, [builder.mul(k, step)])
            for i in range(rows):
                left = kind.spread(builder, builder.load(builder.gep(column, [begins[i]]), align=kind.align))
                for v in range(2):
                    total = kind.multiply_add(builder, left, right[v], sums[i][v])
                    sums[i][v].add_incoming(total, loop)
                    before[i][v] = total
            following = builder.add(k, ir.Constant(_WORD, 1))
            k.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, K), loop, end)
            builder.position_at_end(end)
            for i in range(rows):
                for v in range(2):
                    kind.store(builder, before[i][v], places[i][v])
            return context.get_dummy_value()

        return signature, generate

    return tile


tile_whole, tile_four, tile_two, tile_one = (_tile(rows) for rows in (ROWS, 4, 2, 1))


@intrinsic
def copy_pair(typingctx: Any, numbers: Any, source: Any, target: Any) -> Any:
    """Two vectors, from one address to another."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = _Kind(context, signature.args[0])
        a, b = kind.pointer(builder, args[1]), kind.pointer(builder, args[2])
        lanes = [ir.Constant(_WORD, v * kind.lanes) for v in range(2)]
        for value, offset in [(kind.load(builder, builder.gep(a, [v])), v) for v in lanes]:
            kind.store(builder, value, builder.gep(b, [offset]))
        return context.get_dummy_value()

    return types.void(numbers, types.uint64, types.uint64), generate


@intrinsic
def copy_rows(typingctx: Any, numbers: Any, source: Any, target: Any) -> Any:
    """As many numbers as a tile has rows."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = _Kind(context, signature.args[0])
        vector = ir.VectorType(kind.one, ROWS).as_pointer()
        a, b = (builder.bitcast(kind.pointer(builder, address), vector) for address in args[1:])
        builder.store(builder.load(a, align=kind.align), b, align=kind.align)
        return context.get_dummy_value()

    return types.void(numbers, types.uint64, types.uint64), generate


@intrinsic
def transpose(typingctx: Any, numbers: Any, source: Any, stride: Any, target: Any, width: Any) -> Any:
    """A square of as many rows as a vector has lanes, turned: rows ``stride`` apart become columns ``width`` apart."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = _Kind(context, signature.args[0])
        a, b = kind.pointer(builder, args[1]), kind.pointer(builder, args[3])
        n = kind.lanes
        rows = [kind.load(builder, builder.gep(a, [builder.mul(ir.Constant(_WORD, i), args[2])])) for i in range(n)]
        half = 1
        while half < n:  # squares of twice the size, from four of those before
            low = [j if (j // half) % 2 == 0 else n + j - half for j in range(n)]
            high = [j + half if (j // half) % 2 == 0 else n + j for j in range(n)]
            chosen = [ir.Constant(ir.VectorType(_LANE, n), lanes) for lanes in (low, high)]
            for i in range(n):
                if (i // half) % 2 == 0:
                    x, y = rows[i], rows[i + half]
                    rows[i], rows[i + half] = (builder.shuffle_vector(x, y, lanes) for lanes in chosen)
            half *= 2
        for i in range(n):
            kind.store(builder, rows[i], builder.gep(b, [builder.mul(ir.Constant(_WORD, i), args[4])]))
        return context.get_dummy_value()

    return types.void(numbers, types.uint64, types.int64, types.uint64, types.int64), generate


@intrinsic
def read(typingctx: Any, numbers: Any, address: Any, offset: Any) -> Any:
    """The number so many numbers from an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = _Kind(context, signature.args[0])
        return builder.load(builder.gep(kind.pointer(builder, args[1]), [args[2]]), align=kind.align)

    return numbers.dtype(numbers, types.uint64, types.int64), generate


@intrinsic
def write(typingctx: Any, numbers: Any, address: Any, offset: Any, value: Any) -> Any:
    """Write the number so many numbers from an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = _Kind(context, signature.args[0])
        builder.store(args[3], builder.gep(kind.pointer(builder, args[1]), [args[2]]), align=kind.align)
        return context.get_dummy_value()

    return types.void(numbers, types.uint64, types.int64, numbers.dtype), generate
