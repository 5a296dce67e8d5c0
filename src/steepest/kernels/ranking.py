"""Sums over the pairs of a query, by sorting and counting: no pair is ever listed.

A pair (i, j) of one query has ``y_i > y_j``, the score difference ``t = z_i - z_j`` and the weight 1, or ``y_i - y_j``
where pairs are graded.  Rows sorted by score enter a Fenwick tree over the levels of relevance one after the other,
so the partners of a row that lie in a band of t are a prefix of the tree: O(m log m) for the sort of m rows, O(m log L)
for the sums over L levels.  In a short query, of at most `SHORT` rows, looking at every pair is quicker than a tree.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner, kernel

SHORT = 128  # rows of a query up to which its pairs are looked at one by one


@kernel
def centre(scores, rows, starts, z):
    """Scores less their mean in the query, into z; the rows of query q are ``rows[starts[q]:starts[q + 1]]``.

    Differences within a query are what counts: the mean is taken off so that squares of large scores lose no digits.
    """
    for q in range(len(starts) - 1):
        mean = 0.0
        for at in range(starts[q], starts[q + 1]):
            mean += scores[rows[at]]
        mean /= max(starts[q + 1] - starts[q], 1)
        for at in range(starts[q], starts[q + 1]):
            z[rows[at]] = scores[rows[at]] - mean


@fast_kernel
def short_losses(z, y, level, rows, starts, short, width, squared, graded, scales, u, N, out):
    """Losses of the pairs of short queries, pair by pair: their sums added to out, their slopes into u.

    With the slack ``s = (1 - t)_+`` and the multiplier ``a = min(1, s / width)``, or ``a = 2 s`` for the squared hinge,
    ``out`` gets the sums over pairs of the loss, the smoothed loss, the multipliers, and the weight of pairs with
    curvature; u gets the slope in every score, N the weight of a row's pairs with curvature.  A pair of query q counts
    ``scales[q]``.  The rows of a query are in the order of their level.  Cost: O(pairs).
    """
    most = 1
    for q in range(len(short)):
        if short[q]:
            most = max(most, starts[q + 1] - starts[q])
    zs = np.empty(most)
    ys = np.empty(most)
    us = np.empty(most)
    ns = np.empty(most)
    band = 1e300 if squared else width
    over = 2.0 if squared else 1.0 / width
    top = 1e300 if squared else 1.0
    bent = 0.5 if squared else width
    for q in range(len(short)):
        if not short[q]:
            continue
        loss_sum = 0.0
        smooth_sum = 0.0
        count_sum = 0.0
        scale = scales[q]
        a = starts[q]
        size = starts[q + 1] - a
        for i in range(size):
            zs[i] = z[rows[a + i]]
            ys[i] = y[rows[a + i]]
            us[i] = 0.0
            ns[i] = 0.0
        end = 0  # of the rows of lower levels
        for i in range(1, size):
            if level[rows[a + i]] != level[rows[a + i - 1]]:
                end = i
            z_high = zs[i] - 1.0
            y_high = ys[i]
            slope = 0.0
            near = 0.0
            for j in range(end):
                s = max(zs[j] - z_high, 0.0)
                weight = y_high - ys[j] if graded else 1.0
                m = weight * min(s * over, top)
                inside = weight if (s > 0.0) & (s <= band) else 0.0
                loss_sum += weight * s * (s if squared else 1.0)
                smooth_sum += m * (s - (0.5 * bent) * min(s * over, top))
                slope += m
                us[j] += m
                near += inside
                ns[j] += inside
            us[i] -= slope
            ns[i] += near
            count_sum += slope
        for i in range(size):
            u[rows[a + i]] = scale * us[i]
            N[rows[a + i]] = scale * ns[i]
        out[0] += scale * loss_sum
        out[1] += scale * smooth_sum
        out[2] += scale * count_sum


@fast_kernel
def short_curvature(z, y, level, order, starts, short, low, high, graded, scales, X, N, roots, heads, partners):
    """``X' L X`` of short queries as ``R' R - A - A'``, ``A = X[heads]' P``; L is the Laplacian of pairs in the band.

    Row by row, ``roots`` gets ``sqrt(N_r) x_r`` of the rows with pairs, ``heads`` the rows that are the more relevant
    of some pair, and ``partners``, P, the sum of their partners' x.  How many of each are returned.  What is added is
    the partners in the band, or the lower levels less the partners that are not: whichever are fewer.  N is the weight
    of the pairs of every row.  Cost: O(pairs), and O(d) a row and a pair that is added.
    """
    d = X.shape[1]
    below = np.empty(d)
    below_y = np.empty(d)
    n_roots = 0
    n_heads = 0
    for q in range(len(short)):
        if not short[q]:
            continue
        a = starts[q]
        end = a
        added = a
        below[:] = 0.0
        below_y[:] = 0.0
        for at in range(a, starts[q + 1]):
            row = order[at]
            if N[row] > 0.0:
                root = np.sqrt(N[row])
                for c in range(d):
                    roots[n_roots, c] = root * X[row, c]
                n_roots += 1
            if at > a and level[row] != level[order[at - 1]]:
                end = at
            inside = 0
            for other in range(a, end):
                inside += low <= z[row] - z[order[other]] < high
            if inside == 0:
                continue
            most = 2 * inside > end - a
            if most:
                while added < end:
                    p = order[added]
                    for c in range(d):
                        below[c] += X[p, c]
                    if graded:
                        for c in range(d):
                            below_y[c] += y[p] * X[p, c]
                    added += 1
            sum_ = partners[n_heads]
            for c in range(d):
                sum_[c] = ((y[row] * below[c] - below_y[c]) if graded else below[c]) if most else 0.0
            for other in range(a, end):
                p = order[other]
                if (low <= z[row] - z[p] < high) != most:
                    weight = y[row] - y[p] if graded else 1.0
                    if most:
                        weight = -weight
                    x = X[p]
                    for c in range(d):
                        sum_[c] += weight * x[c]
            for c in range(d):
                sum_[c] *= scales[q]
            heads[n_heads] = row
            n_heads += 1
    return n_roots, n_heads


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


@inner
def _one_by_one(a, b, z, y, level, order, low, high, graded, V, N, B, W):
    """The sums of a query whose rows are in the order of their level, pair by pair; W is final but for the scale."""
    end = a
    for at in range(a, b):
        row = order[at]
        N[row] = 0.0
        B[row] = 0.0
        W[row] = 0.0
    for at in range(a + 1, b):
        row = order[at]
        if level[row] != level[order[at - 1]]:
            end = at
        for other in range(a, end):
            partner = order[other]
            t = z[row] - z[partner]
            if low <= t < high:
                weight = y[row] - y[partner] if graded else 1.0
                N[row] += weight
                N[partner] += weight
                B[row] += weight
                B[partner] -= weight
                for c in range(V.shape[1]):
                    move = weight * (V[row, c] - V[partner, c])
                    W[row, c] += move
                    W[partner, c] -= move


@kernel
def band_sums(z, y, level, order, starts, sizes, short, low, high, graded, scales, V, N, B, W):
    """Sums over the pairs with ``low <= z_i - z_j < high``, for every row in both of its roles.

    With q the weight of a pair: ``N_r`` is the weight of all pairs of row r, ``B_r`` that of the pairs where it is the
    more relevant one less that where it is the other, and ``W_r = sum q (V_r - V_partner)``, of shape (n, k), which is
    the product of V with the Laplacian of the pairs.  ``level`` is the rank of y within the query, of which there are
    ``sizes[q]``.  ``order`` has the rows of a query by ascending score, or by level where ``short[q]``.  All are
    multiplied by ``scales[q]``.  Cost: O(n k log L), and O(k) a pair of short queries.
    """
    k = V.shape[1]
    most = 1
    for q in range(len(sizes)):
        if not short[q]:
            most = max(most, sizes[q])
    counts = np.zeros((most + 1, 2))
    sums = np.zeros((most + 1, 2, k))
    for q in range(len(sizes)):
        a = starts[q]
        b = starts[q + 1]
        size = sizes[q]
        scale = scales[q]
        if short[q]:
            _one_by_one(a, b, z, y, level, order, low, high, graded, V, N, B, W)
            for at in range(a, b):
                N[order[at]] *= scale
                B[order[at]] *= scale
                W[order[at]] *= scale
            continue
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
