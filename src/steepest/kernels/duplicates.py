"""Equal rows: found by hashing, confirmed by comparison."""

from __future__ import annotations

import numpy as np

from steepest.jit import inner, kernel

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@inner
def mixed(h, bits):
    """One step of a multiplicative hash."""
    h = (h ^ bits) * _MIX
    return h ^ (h >> _SHIFT)


@inner
def bits_of(x):
    """The bits of a float64; adding 0.0 makes one zero of both."""
    return np.float64(x + 0.0).view(np.uint64)


@kernel
def hash_dense(X, y, start, stop, out):
    """out[i]: hash of (x_i, y_i)."""
    for i in range(start, stop):
        h = bits_of(np.float64(y[i])) * _MIX
        for j in range(X.shape[1]):
            h = mixed(h, bits_of(np.float64(X[i, j])))
        out[i] = h


@kernel
def hash_sparse(data, indices, indptr, y, start, stop, out):
    """out[i]: hash of (x_i, y_i), entries in the order listed."""
    for i in range(start, stop):
        h = bits_of(np.float64(y[i])) * _MIX
        for e in range(indptr[i], indptr[i + 1]):
            h = mixed(mixed(h, np.uint64(indices[e])), bits_of(np.float64(data[e])))
        out[i] = h


@inner
def same_dense(X, a, b):
    """Whether two rows are equal."""
    for j in range(X.shape[1]):  # noqa: SIM110  (compiled: no generators)
        if X[a, j] != X[b, j]:
            return False
    return True


@inner
def same_sparse(data, indices, indptr, a, b):
    """Whether two rows list the same entries."""
    low = indptr[a]
    other = indptr[b]
    if indptr[a + 1] - low != indptr[b + 1] - other:
        return False
    for e in range(indptr[a + 1] - low):
        if indices[low + e] != indices[other + e] or data[low + e] != data[other + e]:
            return False
    return True


@kernel
def group_dense(X, y, hashes, table, first):
    """first[i]: the earliest row equal to row i with the same target; returns how many there are.

    ``table`` holds -1, its length is a power of two above twice the rows.
    """
    mask = np.uint64(table.shape[0] - 1)
    groups = 0
    for i in range(hashes.shape[0]):
        slot = hashes[i] & mask
        while True:
            r = table[slot]
            if r < 0:
                table[slot] = i
                first[i] = i
                groups += 1
                break
            if hashes[r] == hashes[i] and y[r] == y[i] and same_dense(X, r, i):
                first[i] = r
                break
            slot = (slot + np.uint64(1)) & mask
    return groups


@kernel
def group_sparse(data, indices, indptr, y, hashes, table, first):
    """As `group_dense`, for rows that list the same entries in the same order."""
    mask = np.uint64(table.shape[0] - 1)
    groups = 0
    for i in range(hashes.shape[0]):
        slot = hashes[i] & mask
        while True:
            r = table[slot]
            if r < 0:
                table[slot] = i
                first[i] = i
                groups += 1
                break
            if hashes[r] == hashes[i] and y[r] == y[i] and same_sparse(data, indices, indptr, r, i):
                first[i] = r
                break
            slot = (slot + np.uint64(1)) & mask
    return groups
