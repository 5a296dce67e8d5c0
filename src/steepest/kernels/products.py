"""Matrix products of C-contiguous matrices, a part at a time, in a fixed order of sums.

BLAS multiplies large matrices as fast as can be, but not the narrow ones of networks, and keeps its threads to itself.
Here any thread computes any part, and what it computes has the same bits: sums run over k in order, in blocks of
`BLOCK`, whatever the parts.

Three kinds of product make a layer: ``C = A B`` (scores), ``C = A' B`` (gradient of weights) and ``C = A B'``
(gradient of inputs).  The right matrix is packed into panels of two vectors a k, which the first level of cache holds;
so is the left one where it is transposed.  References: Goto, van de Geijn (2008), Anatomy of high-performance matrix
multiplication; Van Zee, van de Geijn (2015), BLIS.
"""

from __future__ import annotations

import numba
import numpy as np

from steepest.jit import called, entry, inner
from steepest.kernels.addresses import PARTS, PLACES, address_of, sizes_of, stand_alone
from steepest.kernels.tiles import (
    ROWS,
    VECTOR,
    copy_pair,
    copy_rows,
    read,
    tile_four,
    tile_one,
    tile_two,
    tile_whole,
    transpose,
    write,
)

PLAIN, LEFT, RIGHT = 0, 1, 2  # which matrix is transposed
BLOCK = 256  # of k
GROUP = 8  # tiles whose left matrix is packed at once
PANELS = 4  # of the right matrix that are packed at once: its rows are read in longer pieces
_PANEL = 2 * VECTOR * BLOCK  # bytes
# bytes that a thread needs
SCRATCH = PANELS * _PANEL + 8 * BLOCK * GROUP * ROWS + 2 * VECTOR * ROWS + 4 * VECTOR


@inner
def part_of(count, part, parts):
    """Where a part of ``count`` things begins."""
    return count * part // parts


@called
def multiply(numbers, kind, A, wide_a, B, wide_b, C, wide_c, M, N, K, part, parts):
    """A part of C (M, N): of its rows where the left matrix is transposed or there are few panels, else of panels.

    Parameters
    ----------
    numbers : array of at least `SCRATCH` bytes
        To work in; its type is that of the matrices.
    kind : int
        `PLAIN`, `LEFT` or `RIGHT`.
    A, B, C : uint64
        Addresses.
    wide_a, wide_b, wide_c : int
        Numbers from a row to the next, as stored.
    part, parts : int
    """
    stand_alone()
    size = np.uint64(numbers.itemsize)
    lanes = VECTOR // numbers.itemsize
    two = 2 * lanes
    edge = np.uint64(VECTOR)
    right = (address_of(numbers) + edge - np.uint64(1)) // edge * edge
    left = right + np.uint64(PANELS * _PANEL)
    spare = left + size * np.uint64(BLOCK * GROUP * ROWS)
    panels = (N + two - 1) // two
    first, last, low, high = 0, M, 0, N
    if kind == LEFT or panels < parts:
        tiles = (M + ROWS - 1) // ROWS
        first, last = part_of(tiles, part, parts) * ROWS, min(M, part_of(tiles, part + 1, parts) * ROWS)
    else:
        low, high = part_of(panels, part, parts) * two, min(N, part_of(panels, part + 1, parts) * two)
    for k in range(0, K, BLOCK):
        deep = min(BLOCK, K - k)
        for begin in range(low, high, PANELS * two):
            end = min(high, begin + PANELS * two)
            if kind == RIGHT:
                _pack_turned(numbers, B + size * np.uint64(begin * wide_b + k), wide_b, right, end - begin, deep)
            else:
                _pack(numbers, B + size * np.uint64(k * wide_b + begin), wide_b, right, end - begin, deep)
            top = first
            while top < last:
                bottom = last
                if kind == LEFT:
                    bottom = min(last, top + GROUP * ROWS)
                    _pack_left(numbers, A + size * np.uint64(k * wide_a + top), wide_a, left, bottom - top, deep)
                for j in range(begin, end, two):
                    columns = min(two, N - j)
                    panel = right + size * np.uint64((j - begin) * deep)
                    for i in range(top, bottom, ROWS):
                        rows = min(ROWS, bottom - i)
                        if kind == LEFT:
                            a, row, step = left + size * np.uint64((i - top) * deep), 1, ROWS
                        else:
                            a, row, step = A + size * np.uint64(i * wide_a + k), wide_a, 1
                        c = C + size * np.uint64(i * wide_c + j)
                        if columns == two:
                            _tiles(numbers, rows, a, row, step, panel, c, wide_c, deep, k > 0)
                        else:
                            _tiles(numbers, rows, a, row, step, panel, spare, two, deep, False)
                            _keep(numbers, spare, two, c, wide_c, rows, columns, k > 0)
                top = bottom


@called
def _tiles(numbers, rows, a, row, step, panel, c, wide, deep, more):
    """A tile of up to `ROWS` rows."""
    stand_alone()
    if rows == ROWS:
        tile_whole(numbers, a, row, step, panel, c, wide, deep, more)
        return
    size = np.uint64(numbers.itemsize)
    done = 0
    while done < rows:
        x, y = a + size * np.uint64(done * row), c + size * np.uint64(done * wide)
        if rows - done >= 4:
            tile_four(numbers, x, row, step, panel, y, wide, deep, more)
            done += 4
        elif rows - done >= 2:
            tile_two(numbers, x, row, step, panel, y, wide, deep, more)
            done += 2
        else:
            tile_one(numbers, x, row, step, panel, y, wide, deep, more)
            done += 1


@called
def _keep(numbers, source, two, target, wide, rows, columns, more):
    """The columns of a tile that there are."""
    stand_alone()
    for i in range(rows):
        for j in range(columns):
            value = read(numbers, source, i * two + j)
            if more:
                value += read(numbers, target, i * wide + j)
            write(numbers, target, i * wide + j, value)


@called
def _pack(numbers, source, wide, panels, columns, deep):
    """Rows in pieces of two vectors, panel after panel; what is missing of the last one is zero."""
    stand_alone()
    size = np.uint64(numbers.itemsize)
    two = 2 * VECTOR // numbers.itemsize
    whole = columns // two * two
    for k in range(deep):
        line = source + size * np.uint64(k * wide)
        for j in range(0, whole, two):
            copy_pair(numbers, line + size * np.uint64(j), panels + size * np.uint64(j * deep + k * two))
    if whole < columns:
        last, rest = panels + size * np.uint64(whole * deep), columns - whole
        for k in range(deep):
            for j in range(two):
                value = read(numbers, source, k * wide + whole + j) if j < rest else numbers.dtype.type(0)
                write(numbers, last, k * two + j, value)


@called
def _pack_turned(numbers, source, wide, panels, columns, deep):
    """The same of a transposed matrix."""
    stand_alone()
    size = np.uint64(numbers.itemsize)
    lanes = VECTOR // numbers.itemsize
    two = 2 * lanes
    for first in range(0, columns, lanes):
        place = panels + size * np.uint64(first // two * two * deep + first % two)
        done = 0
        if columns >= first + lanes:
            while done + lanes <= deep:
                from_there = source + size * np.uint64(first * wide + done)
                transpose(numbers, from_there, wide, place + size * np.uint64(done * two), two)
                done += lanes
        for j in range(lanes):
            for k in range(done, deep):
                value = read(numbers, source, (first + j) * wide + k) if first + j < columns else numbers.dtype.type(0)
                write(numbers, place, k * two + j, value)
    if columns % two and columns % two <= lanes:  # the last vector has no column
        place = panels + size * np.uint64(columns // two * two * deep + lanes)
        for k in range(deep):
            for j in range(lanes):
                write(numbers, place, k * two + j, numbers.dtype.type(0))


@called
def _pack_left(numbers, source, wide, group, rows, deep):
    """Columns of the transposed left matrix: those of a tile side by side."""
    stand_alone()
    size = np.uint64(numbers.itemsize)
    for i in range(0, rows, ROWS):
        target = group + size * np.uint64(i * deep)
        if rows - i >= ROWS:
            for k in range(deep):
                copy_rows(numbers, source + size * np.uint64(k * wide + i), target + size * np.uint64(k * ROWS))
        else:
            for k in range(deep):
                for r in range(rows - i):
                    write(numbers, target, k * ROWS + r, read(numbers, source, k * wide + i + r))


@entry
def product_part(task, part, scratch, a, b, c, p3, p4, p5, p6, p7):
    """`multiply` as a task: its sizes are the kind, the three row lengths, M, N and K."""
    kind, wide_a, wide_b, wide_c, M, N, K, _ = sizes_of(task)
    A, B, C = np.uint64(task[PLACES]), np.uint64(task[PLACES + 1]), np.uint64(task[PLACES + 2])
    numbers = numba.carray(scratch, (SCRATCH,))  # more than there is: none is read by its index
    multiply(numbers, kind, A, wide_a, B, wide_b, C, wide_c, M, N, K, part, task[PARTS])
