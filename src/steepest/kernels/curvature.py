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


@kernel
def repeats(indices, indptr, last):
    """Whether a row lists a column twice; ``last`` has an entry a column, none of them a row number."""
    for i in range(indptr.shape[0] - 1):
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            if last[j] == i:
                return True
            last[j] = i
    return False
