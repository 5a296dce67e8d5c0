"""Rows of X into a batch, and products of sparse rows with the weights of a first layer."""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_inner, fast_kernel, inner, kernel
from steepest.kernels.prefetch import prefetch

_LINE = 64  # bytes that come at once
_AHEAD = 2  # rows


@inner
def gather_dense_rows(X, rows, shift, factor, out):
    """out <- (X[rows] - shift) * factor, rows as they come; nothing is shifted where ``factor`` is empty.

    The rows to come are asked for: a row in random order is a miss a cache line.
    """
    m, d = out.shape
    zero = out.dtype.type(0)
    step = max(1, _LINE // X.itemsize)
    for i in range(m):
        if i + _AHEAD < m:
            ahead = X[rows[i + _AHEAD]]
            for j in range(0, d, step):
                prefetch(ahead, j)
        source, target = X[rows[i]], out[i]
        if factor.shape[0] == 0:
            for j in range(d):
                target[j] = source[j]
        else:
            for j in range(d):
                target[j] = (zero + source[j] - shift[j]) * factor[j]


@kernel
def gather_dense(X, rows, shift, factor, out):
    """`gather_dense_rows`, from Python."""
    gather_dense_rows(X, rows, shift, factor, out)


@kernel
def gather_sparse(indptr, indices, data, rows, shift, factor, out):
    """As `gather_dense`, of CSR rows; entries that are stored twice add up."""
    m, d = out.shape
    for i in range(m):
        row, target = rows[i], out[i]
        if factor.shape[0] == 0:
            for j in range(d):
                target[j] = 0.0
            for k in range(indptr[row], indptr[row + 1]):
                target[indices[k]] += data[k]
        else:
            for j in range(d):
                target[j] = -shift[j] * factor[j]
            for k in range(indptr[row], indptr[row + 1]):
                j = indices[k]
                target[j] += factor[j] * data[k]


@fast_kernel
def sparse_product(indptr, indices, data, rows, factor, W, out):
    """out <- X[rows] W, a stored entry at a time: it adds a multiple of a row of W."""
    width = W.shape[1]
    for i in range(out.shape[0]):
        row, target = rows[i], out[i]
        for c in range(width):
            target[c] = 0.0
        for k in range(indptr[row], indptr[row + 1]):
            j = indices[k]
            x = W.dtype.type(data[k])
            if factor.shape[0]:
                x *= factor[j]
            source = W[j]
            for c in range(width):
                target[c] += x * source[c]


@fast_inner
def add_sparse_rows(indptr, indices, data, rows, factor, W, out):
    """out <- out + X[rows] W, as `sparse_product`."""
    width = W.shape[1]
    for i in range(out.shape[0]):
        row, target = rows[i], out[i]
        for k in range(indptr[row], indptr[row + np.uint64(1)]):
            j = indices[k]
            x = W.dtype.type(data[k])
            if factor.shape[0]:
                x *= factor[j]
            source = W[j]
            for c in range(width):
                target[c] += x * source[c]


@fast_kernel
def add_sparse_product(indptr, indices, data, rows, factor, W, out):
    """`add_sparse_rows`, from Python."""
    add_sparse_rows(indptr, indices, data, rows, factor, W, out)


@fast_inner
def sparse_gradient_rows(indptr, indices, data, rows, factor, D, out, first, last):
    """Rows first to last of out <- X[rows]' D: zeros, and a multiple of a row of D for every stored entry."""
    width = D.shape[1]
    out[first:last] = 0.0
    for i in range(D.shape[0]):
        row, source = rows[i], D[i]
        for k in range(indptr[row], indptr[row + np.uint64(1)]):
            j = np.int64(indices[k])
            if j < first or j >= last:
                continue
            x = D.dtype.type(data[k])
            if factor.shape[0]:
                x *= factor[j]
            target = out[j]
            for c in range(width):
                target[c] += x * source[c]


@fast_kernel
def sparse_gradient(indptr, indices, data, rows, factor, D, out):
    """`sparse_gradient_rows`, of all, from Python."""
    sparse_gradient_rows(indptr, indices, data, rows, factor, D, out, 0, out.shape[0])


@kernel
def square_entries(indptr, indices, data, rows, factor):
    """The sum of squares of the stored entries of rows."""
    total = 0.0
    for i in range(rows.shape[0]):
        for k in range(indptr[rows[i]], indptr[rows[i] + np.uint64(1)]):
            x = np.float64(data[k])
            if factor.shape[0]:
                x *= factor[indices[k]]
            total += x * x
    return total


@inner
def gather_columns_rows(X, rows, columns, shift, factor, out):
    """out <- (X[rows, columns] - shift) * factor, as `gather_dense`; unsigned columns need no test.

    ``shift`` and ``factor`` are those of the columns of ``out``.
    """
    m, d, k = out.shape[0], X.shape[1], columns.shape[0]
    zero = out.dtype.type(0)
    step = max(1, _LINE // X.itemsize)
    for i in range(m):
        if i + _AHEAD < m:
            ahead = X[rows[i + _AHEAD]]
            for j in range(0, d, step):
                prefetch(ahead, j)
        source, target = X[rows[i]], out[i]
        if factor.shape[0] == 0:
            for j in range(k):
                target[j] = source[columns[j]]
        else:
            for j in range(k):
                target[j] = (zero + source[columns[j]] - shift[j]) * factor[j]


@kernel
def gather_columns(X, rows, columns, shift, factor, out):
    """`gather_columns_rows`, from Python."""
    gather_columns_rows(X, rows, columns, shift, factor, out)


@kernel
def count_entries(X, starts, lengths, counts):
    """counts[i] <- how many numbers of row i, in runs of columns, are not zero."""
    for i in range(X.shape[0]):
        found = 0
        for run in range(starts.shape[0]):
            piece = X[i, starts[run] : starts[run] + lengths[run]]
            for j in range(piece.shape[0]):
                found += piece[j] != 0
        counts[i] = found


@kernel
def keep_entries(X, starts, lengths, indptr, indices, data):
    """The numbers that are not zero in runs of columns as compressed rows; columns count within the runs."""
    for i in range(X.shape[0]):
        at, k = 0, indptr[i]
        for run in range(starts.shape[0]):
            piece = X[i, starts[run] : starts[run] + lengths[run]]
            for j in range(piece.shape[0]):
                if piece[j] != 0:
                    indices[k], data[k] = at + j, piece[j]
                    k += 1
            at += piece.shape[0]


@kernel
def gather_labels(y, rows, out):
    """out <- y[rows], of one or two axes."""
    if y.ndim == 1:
        for i in range(rows.shape[0]):
            out[i] = y[rows[i]]
    else:
        for i in range(rows.shape[0]):
            for j in range(y.shape[1]):
                out[i, j] = y[rows[i], j]


@kernel
def gather_weights(s, factors, rows, out):
    """out <- s[rows] * factors; either may be empty, for ones."""
    for i in range(rows.shape[0]):
        weight = s[rows[i]] if s.shape[0] else 1.0
        out[i] = weight * factors[i] if factors.shape[0] else weight


@kernel
def permute_rows(block, order):
    """block <- block[order], for each place of it once; the memory of a row beside it."""
    n, width = block.shape
    done, kept = np.zeros(n, np.bool_), np.empty(width, block.dtype)
    for start in range(n):
        if done[start]:
            continue
        first = block[start]
        for c in range(width):
            kept[c] = first[c]
        at = start
        while True:
            done[at] = True
            source, target = order[at], block[at]
            if source == start:
                for c in range(width):
                    target[c] = kept[c]
                break
            row = block[source]
            for c in range(width):
                target[c] = row[c]
            at = source
