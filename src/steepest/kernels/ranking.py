"""Sums over the pairs of a query, by sorting and counting: no pair is ever listed.

A pair (i, j) of one query has ``y_i > y_j``, the score difference ``t = z_i - z_j`` and the weight 1, or ``y_i - y_j``
where pairs are graded.  Rows sorted by score enter a Fenwick tree over the levels of relevance one after the other,
so the partners of a row that lie in a band of t are a prefix of the tree: O(m log m) for the sort of m rows, O(m log L)
for the sums over L levels.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import inner, kernel

_SHORT = 32  # rows up to which an insertion sort is the quickest


@kernel
def sort_queries(scores, rows, starts, z, order):
    """Scores less their mean in the query, into z; and the rows of each query by ascending score, into order.

    ``rows[starts[q]:starts[q + 1]]`` are the rows of query q.  Differences within a query are what counts: the mean is
    taken off so that squares of large scores lose no digits.
    """
    keys = np.empty(_SHORT)
    for q in range(len(starts) - 1):
        a = starts[q]
        b = starts[q + 1]
        mean = 0.0
        for at in range(a, b):
            mean += scores[rows[at]]
        mean /= max(b - a, 1)
        for at in range(a, b):
            z[rows[at]] = scores[rows[at]] - mean
        if b - a <= _SHORT:
            for at in range(a, b):
                row = rows[at]
                key = z[row]
                free = at
                while free > a and keys[free - 1 - a] > key:
                    keys[free - a] = keys[free - 1 - a]
                    order[free] = order[free - 1]
                    free -= 1
                keys[free - a] = key
                order[free] = row
        else:
            own = rows[a:b]
            order[a:b] = own[np.argsort(z[own])]


@inner
def _enter(at, sign, graded, row, y, V, counts, sums, size):
    """Adds a row to the tree (sign 1), or takes it out (-1)."""
    at += 1
    while at <= size:
        counts[at, 0] += sign
        for c in range(V.shape[1]):
            sums[at, 0, c] += sign * V[row, c]
        if graded:
            counts[at, 1] += sign * y[row]
            for c in range(V.shape[1]):
                sums[at, 1, c] += sign * y[row] * V[row, c]
        at += at & -at


@inner
def _partners_of(at, upper, graded, row, y, counts, sums, W):
    """Weight of the rows in the tree below ``at``, as partners of a row; adds their weighted V to W."""
    total = 0.0
    above = 1.0 if upper else -1.0
    while at > 0:
        if graded:
            total += above * (y[row] * counts[at, 0] - counts[at, 1])
            for c in range(W.shape[1]):
                W[row, c] += above * (y[row] * sums[at, 0, c] - sums[at, 1, c])
        else:
            total += counts[at, 0]
            for c in range(W.shape[1]):
                W[row, c] += sums[at, 0, c]
        at -= at & -at
    return total


@kernel
def band_sums(z, y, level, order, starts, sizes, low, high, graded, scale, V, N, B, W):
    """Sums over the pairs with ``low <= z_i - z_j < high``, for every row in both of its roles.

    With q the weight of a pair: ``N_r`` is the weight of all pairs of row r, ``B_r`` that of the pairs where it is the
    more relevant one less that where it is the other, and ``W_r = sum q (V_r - V_partner)``, of shape (n, k), which is
    the product of V with the Laplacian of the pairs.  ``level`` is the rank of y within the query, of which there are
    ``sizes[q]``.  All are multiplied by ``scale``.  Cost: O(n k log L).
    """
    k = V.shape[1]
    most = 1
    for q in range(len(sizes)):
        most = max(most, sizes[q])
    counts = np.zeros((most + 1, 2))
    sums = np.zeros((most + 1, 2, k))
    for q in range(len(sizes)):
        a = starts[q]
        b = starts[q + 1]
        size = sizes[q]
        for at in range(a, b):
            row = order[at]
            N[row] = 0.0
            B[row] = 0.0
            for c in range(k):
                W[row, c] = 0.0
        if size < 2:
            continue
        # the more relevant rows, from the highest score down: their partners enter from the top
        counts[: size + 1] = 0.0
        sums[: size + 1] = 0.0
        enter = b - 1
        leave = b - 1
        for at in range(b - 1, a - 1, -1):
            row = order[at]
            while enter >= a and z[row] - z[order[enter]] < high:
                _enter(level[order[enter]], 1.0, graded, order[enter], y, V, counts, sums, size)
                enter -= 1
            while leave >= a and z[row] - z[order[leave]] < low:
                _enter(level[order[leave]], -1.0, graded, order[leave], y, V, counts, sums, size)
                leave -= 1
            total = _partners_of(level[row], True, graded, row, y, counts, sums, W)
            N[row] += total
            B[row] += total
        # the less relevant ones, from the lowest score up; the tree is over the levels from the top
        counts[: size + 1] = 0.0
        sums[: size + 1] = 0.0
        enter = a
        leave = a
        for at in range(a, b):
            row = order[at]
            while enter < b and z[order[enter]] - z[row] < high:
                _enter(size - 1 - level[order[enter]], 1.0, graded, order[enter], y, V, counts, sums, size)
                enter += 1
            while leave < b and z[order[leave]] - z[row] < low:
                _enter(size - 1 - level[order[leave]], -1.0, graded, order[leave], y, V, counts, sums, size)
                leave += 1
            total = _partners_of(size - 1 - level[row], False, graded, row, y, counts, sums, W)
            N[row] += total
            B[row] -= total
        for at in range(a, b):
            row = order[at]
            N[row] *= scale
            B[row] *= scale
            for c in range(k):
                W[row, c] = N[row] * V[row, c] - scale * W[row, c]
