"""Epochs of dual coordinate descent for margins between classes: Crammer-Singer and Weston-Watkins, with shrinking.

    maximise over the u_i in their polytopes:   sum_i p_i (costs . u_i) - |W|^2 l2 / 2,   W = - X' p u / l2

A coordinate is a row: its k numbers go to their optimum together.  With the scores ``z = x_i W + b``, the steepness
``g_j = costs_yj + z_j`` and the weight of the row in its own optimum ``A = p_i (|x_i|^2 + reach) / l2`` that is

- Crammer-Singer: with ``q = u + e_y``, the point of the simplex nearest to ``q + g / A``;
- Weston-Watkins: ``u_j = clip(u_j + (g_j - g_y) / A - t, 0, 1)`` for j != y, where t is how much their sum has grown;
  a falling function of t, whose zero is found by Newton steps inside a bracket.

Classes are padded to whole `lanes`.  An intercept is a further feature of value ``sqrt(reach)``; the solver moves its
centre.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.lanes import add_scaled, load, plus_scaled, store
from steepest.kernels.margin_dual import random_below
from steepest.kernels.rows import announce, column, entry, fetch, span

AHEAD = 4  # rows between asking the memory and use
STILL = 1e-14  # a steepness that moves nothing


@inner
def row_scores(rows, W, i, first, end, b, z):
    """z = x_i W + b; three lanes in one walk along the row where there are as many."""
    width = np.uint64(W.shape[1])
    c = np.uint64(0)
    while c + np.uint64(24) <= width:
        s0 = load(b, c)
        s1 = load(b, c + np.uint64(8))
        s2 = load(b, c + np.uint64(16))
        for e in range(first, end):
            x = entry(rows, i, e)
            j = column(rows, i, e)
            s0 = plus_scaled(s0, x, W, j, c)
            s1 = plus_scaled(s1, x, W, j, c + np.uint64(8))
            s2 = plus_scaled(s2, x, W, j, c + np.uint64(16))
        store(s0, z, c)
        store(s1, z, c + np.uint64(8))
        store(s2, z, c + np.uint64(16))
        c += np.uint64(24)
    if c + np.uint64(16) <= width:
        s0 = load(b, c)
        s1 = load(b, c + np.uint64(8))
        for e in range(first, end):
            x = entry(rows, i, e)
            j = column(rows, i, e)
            s0 = plus_scaled(s0, x, W, j, c)
            s1 = plus_scaled(s1, x, W, j, c + np.uint64(8))
        store(s0, z, c)
        store(s1, z, c + np.uint64(8))
    elif c < width:
        s0 = load(b, c)
        for e in range(first, end):
            s0 = plus_scaled(s0, entry(rows, i, e), W, column(rows, i, e), c)
        store(s0, z, c)


@inner
def row_update(rows, W, i, first, end, v):
    """W += x_i v'."""
    width = np.uint64(W.shape[1])
    c = np.uint64(0)
    while c + np.uint64(24) <= width:
        s0 = load(v, c)
        s1 = load(v, c + np.uint64(8))
        s2 = load(v, c + np.uint64(16))
        for e in range(first, end):
            x = entry(rows, i, e)
            j = column(rows, i, e)
            add_scaled(W, j, c, x, s0)
            add_scaled(W, j, c + np.uint64(8), x, s1)
            add_scaled(W, j, c + np.uint64(16), x, s2)
        c += np.uint64(24)
    while c < width:
        s0 = load(v, c)
        for e in range(first, end):
            add_scaled(W, column(rows, i, e), c, entry(rows, i, e), s0)
        c += np.uint64(8)


# ----------------------------------------------------------------------------- one row: how far, and its optimum


@inner
def singer_state(g, u, own, classes):
    """(what the row adds to the gap, how steep its best move is, by how much it rests at a vertex)."""
    top = -np.inf
    low = np.inf
    second = -np.inf
    mean = 0.0
    weighed = 0
    for c in range(classes):
        q = u[c] + (1.0 if c == own else 0.0)
        mean += q * g[c]
        top = max(top, g[c])
        if q > 0.0:
            low = min(low, g[c])
            weighed += 1
        else:
            second = max(second, g[c])
    return top - mean, top - low, (low - second if weighed == 1 else -np.inf)


@inner
def watkins_state(g, u, own, classes):
    """(what the row adds to the gap, how steep its steepest move is, by how much all rest at their limits)."""
    lost = 0.0
    steep = 0.0
    rest = np.inf
    for c in range(classes):
        if c != own:
            h = g[c] - g[own]
            lost += max(h, 0.0) - u[c] * h
            if u[c] < 1.0:
                steep = max(steep, h)
            if u[c] > 0.0:
                steep = max(steep, -h)
            rest = min(rest, (-h if u[c] <= 0.0 else h) if u[c] <= 0.0 or u[c] >= 1.0 else -np.inf)
    return lost, steep, rest


@inner
def onto_simplex(v, own, classes):
    """v <- (its nearest point of the simplex) - e_own: Michelot's method, from all that can be in it."""
    cut = -np.inf
    for c in range(classes):
        cut = max(cut, v[c])
    cut -= 1.0
    last = classes + 1
    while True:
        total = -1.0
        count = 0
        for c in range(classes):
            if v[c] > cut:
                total += v[c]
                count += 1
        if count >= last or count == 0:  # rounding could let one in again
            break
        last = count
        cut = total / count
    for c in range(classes):
        v[c] = max(v[c] - cut, 0.0)
    v[own] -= 1.0


@inner
def into_box(v, own, classes, before):
    """v <- clip(v - t, 0, 1) with ``sum of them - before = t``, but minus their sum at ``own``."""
    low = -before
    high = classes - 1.0 - before
    t = 0.0
    for _ in range(100):
        total = 0.0
        slope = 1.0
        for c in range(classes):
            if c != own:
                x = v[c] - t
                total += min(max(x, 0.0), 1.0)
                slope += 1.0 if 0.0 < x < 1.0 else 0.0
        f = total - before - t
        if abs(f) <= 1e-15 * classes:
            break
        if f > 0.0:
            low = t
        else:
            high = t
        t += f / slope
        if not low < t < high:
            t = 0.5 * (low + high)
        if not low < t < high:
            break
    total = 0.0
    for c in range(classes):
        if c != own:
            v[c] = min(max(v[c] - t, 0.0), 1.0)
            total += v[c]
    v[own] = -total


@inner
def row_optimum(box, g, u, own, classes, a, v):
    """v <- the row's best u where a step s costs ``a s^2 / 2``."""
    if box:
        before = 0.0
        for c in range(classes):
            h = g[c] - g[own]
            v[c] = u[c] + h / a if h != 0.0 else u[c]  # a may be zero
            before += u[c] if c != own else 0.0
        into_box(v, own, classes, before)
    else:
        top = g[own]
        for c in range(classes):
            top = max(top, g[c])
        for c in range(classes):
            h = g[c] - top
            v[c] = u[c] + (1.0 if c == own else 0.0) + (h / a if h != 0.0 else 0.0)
        onto_simplex(v, own, classes)


# --------------------------------------------------------------------------------------------------- passes


@fast_kernel
def multiclass_epoch(rows, y, p, norms, costs, box, l2, reach, active, size, state, shuffle, threshold, W, b, U, out):
    """One pass over the rows in ``active[:size]``, in a new random order or in that one; returns how many stay.

    A row that rests at a vertex by more than ``threshold`` leaves; those that stay are moved to the front.  ``out``:
    the steepest move met, and the sum of the rows' gaps as they were met.

    Cost: k times the non-zeros of the rows, twice for those that move.
    """
    m = np.uint64(size)
    one = np.uint64(1)
    k = m if shuffle else one
    while k > one:  # Fisher and Yates
        j = np.uint64(random_below(state, k))
        k -= one
        active[k], active[j] = active[j], active[k]
    classes = U.shape[1]
    z = np.zeros(W.shape[1])
    v = np.zeros(W.shape[1])
    most = 0.0
    gap = 0.0
    kept = np.uint64(0)
    for k in range(m):
        if k + np.uint64(2 * AHEAD) < m:
            announce(rows, active[k + np.uint64(2 * AHEAD)])
            fetch(rows, active[k + np.uint64(AHEAD)])
        i = active[k]
        own = y[i]
        first, end = span(rows, i)
        row_scores(rows, W, i, first, end, b, z)
        for c in range(classes):
            z[c] += costs[own, c]
        u = U[i]
        lost, steep, rest = watkins_state(z, u, own, classes) if box else singer_state(z, u, own, classes)
        gap += p[i] * lost
        if rest > threshold:
            continue
        active[kept] = i
        kept += one
        most = max(most, steep)
        if steep > STILL:
            row_optimum(box, z, u, own, classes, p[i] * (norms[i] + reach) / l2, v)
            scale = p[i] / l2
            for c in range(classes):
                new = v[c]
                v[c] = (u[c] - new) * scale
                u[c] = new
                b[c] += reach * v[c]
            row_update(rows, W, i, first, end, v)
    out[0] = most
    out[1] = gap
    return kept


@fast_kernel
def lane_scores(rows, W, b, order, Z):
    """Z[k] = x_i W + b for the rows i of ``order``, as many classes as Z has."""
    z = np.zeros(W.shape[1])
    for k in range(np.uint64(len(order))):
        i = order[k]
        first, end = span(rows, i)
        row_scores(rows, W, i, first, end, b, z)
        for c in range(Z.shape[1]):
            Z[k, c] = z[c]


@fast_kernel
def lane_sums(rows, weights, V, order, W, b):
    """W += sum_k weights_k x_i V[k]', b += sum_k weights_k V[k], for the rows i of ``order``."""
    v = np.zeros(W.shape[1])
    for k in range(np.uint64(len(order))):
        i = order[k]
        some = False
        for c in range(V.shape[1]):
            v[c] = weights[k] * V[k, c]
            b[c] += v[c]
            some = some or v[c] != 0.0
        if some:
            first, end = span(rows, i)
            row_update(rows, W, i, first, end, v)


@fast_kernel
def can_move(Z, y, p, costs, box, U, tight, out):
    """out[i]: whether some move of row i at the scores Z is steeper than ``tight``."""
    classes = U.shape[1]
    g = np.empty(classes)
    for i in range(U.shape[0]):
        own = y[i]
        for c in range(classes):
            g[c] = Z[i, c] + costs[own, c]
        state = watkins_state(g, U[i], own, classes) if box else singer_state(g, U[i], own, classes)
        out[i] = state[1] > tight and p[i] > 0.0


@fast_kernel
def free_moves(y, box, U, M):
    """M: 1 where an entry of u can move both ways (the own class of Weston-Watkins with any other), else 0.

    Returns how many rows have at least two such entries.
    """
    classes = U.shape[1]
    rows = 0
    for i in range(U.shape[0]):
        own = y[i]
        count = 0
        for c in range(classes):
            if c == own:
                free = box or U[i, c] > -1.0
            else:
                free = U[i, c] > 0.0 and (not box or U[i, c] < 1.0)
            M[i, c] = 1.0 if free else 0.0
            count += 1 if free else 0
        if count < 2:
            for c in range(classes):
                M[i, c] = 0.0
        else:
            rows += 1
    return rows


@fast_kernel
def onto_face(M, V):
    """V: zero where M is, and of sum zero in every row, by the least change."""
    for k in range(V.shape[0]):
        total = 0.0
        count = 0.0
        for c in range(V.shape[1]):
            total += M[k, c] * V[k, c]
            count += M[k, c]
        mean = total / count if count > 0.0 else 0.0
        for c in range(V.shape[1]):
            V[k, c] = M[k, c] * (V[k, c] - mean)


@fast_kernel
def back_inside(y, box, V):
    """Rows of V to the nearest point of their polytope (Crammer-Singer), or cut off at the limits."""
    classes = V.shape[1]
    for k in range(V.shape[0]):
        own = y[k]
        if box:
            total = 0.0
            for c in range(classes):
                if c != own:
                    V[k, c] = min(max(V[k, c], 0.0), 1.0)
                    total += V[k, c]
            V[k, own] = -total
        else:
            V[k, own] += 1.0
            onto_simplex(V[k], own, classes)


@fast_kernel
def count_entries(X, out):
    """out[i]: entries of row i that are not zero."""
    for i in range(X.shape[0]):
        count = 0
        for j in range(X.shape[1]):
            count += 1 if X[i, j] != 0 else 0
        out[i] = count


@fast_kernel
def gather_entries(X, indptr, data, indices):
    """The entries of X that are not zero, as compressed rows; the arrays are one longer than needed."""
    for i in range(X.shape[0]):
        e = indptr[i]
        for j in range(X.shape[1]):  # no branch: zeros are written and then overwritten
            data[e] = X[i, j]
            indices[e] = j
            e += np.uint64(1) if X[i, j] != 0 else np.uint64(0)
