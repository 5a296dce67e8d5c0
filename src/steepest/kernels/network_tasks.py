"""Tasks of a team other than products and updates: rows into a batch, products with compressed rows.

Each takes a task as `steepest.kernels.addresses` has it: its pointers are the arrays in the order of the parameters,
its sizes are told below.  What is scaled has a factor for every column.
"""

from __future__ import annotations

import numba

from steepest.jit import entry
from steepest.kernels.addresses import PARTS, sizes_of
from steepest.kernels.network_gather import (
    add_sparse_rows,
    gather_columns_rows,
    gather_dense_rows,
    sparse_gradient_rows,
)
from steepest.kernels.products import part_of


@entry
def gather_part(task, part, scratch, X, rows, shift, factor, out, p5, p6, p7):
    """Rows of a batch by `gather_dense`; sizes: rows and columns of X, rows of the batch, scaled columns or 0."""
    n, d, m, scaled, _, _, _, _ = sizes_of(task)
    low, high = part_of(m, part, task[PARTS]), part_of(m, part + 1, task[PARTS])
    gather_dense_rows(
        numba.carray(X, (n, d)),
        numba.carray(rows, (m,))[low:high],
        numba.carray(shift, (scaled,)),
        numba.carray(factor, (scaled,)),
        numba.carray(out, (m, d))[low:high],
    )


@entry
def gather_columns_part(task, part, scratch, X, rows, columns, shift, factor, out, p6, p7):
    """Rows of a batch by `gather_columns`; sizes as of `gather_part`, and how many columns."""
    n, d, m, scaled, count, _, _, _ = sizes_of(task)
    low, high = part_of(m, part, task[PARTS]), part_of(m, part + 1, task[PARTS])
    gather_columns_rows(
        numba.carray(X, (n, d)),
        numba.carray(rows, (m,))[low:high],
        numba.carray(columns, (count,)),
        numba.carray(shift, (scaled,)),
        numba.carray(factor, (scaled,)),
        numba.carray(out, (m, count))[low:high],
    )


@entry
def add_sparse_part(task, part, scratch, indptr, indices, data, rows, factor, W, out, p7):
    """Rows of `add_sparse_product`; sizes: rows of X, entries, rows of the batch, scaled columns, columns, width."""
    n, entries, m, scaled, d, width, _, _ = sizes_of(task)
    low, high = part_of(m, part, task[PARTS]), part_of(m, part + 1, task[PARTS])
    add_sparse_rows(
        numba.carray(indptr, (n + 1,)),
        numba.carray(indices, (entries,)),
        numba.carray(data, (entries,)),
        numba.carray(rows, (m,))[low:high],
        numba.carray(factor, (scaled,)),
        numba.carray(W, (d, width)),
        numba.carray(out, (m, width))[low:high],
    )


@entry
def sparse_gradient_part(task, part, scratch, indptr, indices, data, rows, factor, D, out, p7):
    """Rows of `sparse_gradient`; sizes as of `add_sparse_part`."""
    n, entries, m, scaled, d, width, _, _ = sizes_of(task)
    low, high = part_of(d, part, task[PARTS]), part_of(d, part + 1, task[PARTS])
    sparse_gradient_rows(
        numba.carray(indptr, (n + 1,)),
        numba.carray(indices, (entries,)),
        numba.carray(data, (entries,)),
        numba.carray(rows, (m,)),
        numba.carray(factor, (scaled,)),
        numba.carray(D, (m, width)),
        numba.carray(out, (d, width)),
        low,
        high,
    )
