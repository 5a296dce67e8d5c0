"""Weighted Gram matrices of sparse rows."""

from __future__ import annotations

from steepest.jit import fast_kernel, kernel


@fast_kernel
def sparse_gram(data, indices, indptr, h, start, stop, G):
    """Lower and upper entries G[a, b] += h_i x_ia x_ib as the row lists them: nnz_i**2 / 2 products a row."""
    for i in range(start, stop):
        if h[i] == 0.0:
            continue
        low = indptr[i]
        high = indptr[i + 1]
        for e in range(low, high):
            c = h[i] * data[e]
            a = indices[e]
            for f in range(low, e + 1):
                G[a, indices[f]] += c * data[f]


@fast_kernel
def sparse_gram_rows(data, indices, indptr, rows, h, sign, G):
    """Adds sign h_i (x_i, 1) (x_i, 1)^T of some rows to the lower half of G, of order d + 1; h has an entry a row."""
    last = G.shape[0] - 1
    for r in range(rows.shape[0]):
        i = rows[r]
        weight = sign * h[i]
        low = indptr[i]
        high = indptr[i + 1]
        for e in range(low, high):
            c = weight * data[e]
            a = indices[e]
            G[last, a] += c
            for f in range(low, e + 1):
                b = indices[f]
                if b > a:
                    G[b, a] += c * data[f]
                else:
                    G[a, b] += c * data[f]
        G[last, last] += weight


@kernel
def repeats(indices, indptr, last, most):
    """Whether a row lists a column twice; ``last`` has a zero a column, and holds numbers up to ``most``."""
    mark = 0
    for i in range(indptr.shape[0] - 1):
        mark += 1
        if mark > most:
            last[:] = 0
            mark = 1
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            if last[j] == mark:
                return True
            last[j] = mark
    return False
