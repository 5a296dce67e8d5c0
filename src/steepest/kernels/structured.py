"""Planes of a structured SVM: kept in one long list, each with a weight, and steps on the weights of one example.

A plane of example i is ``loss + w.(x_i (x) u)``; its code u is sparse, ``codes[starts[a]:starts[a + 1]]`` and values
beside.  Planes of an example are ``slots[i, :counts[i]]``, the first of them the truth, which is zero.  ``W`` holds
(d, width) numbers; where ``plain``, x_i is the number 1 and W has one row.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner, kernel
from steepest.kernels.rows import column, entry, span

EASED = 0.05  # of the gap of an example: what steps on it leave


@fast_kernel
def row_scores(rows, chosen, low, high, W, Z):
    """Z[t] = x_i W for the rows i = chosen[t], t in low..high."""
    width = W.shape[1]
    for t in range(low, high):
        i = np.uint64(chosen[t])
        for c in range(width):
            Z[t, c] = 0.0
        first, end = span(rows, i)
        for e in range(first, end):
            x = entry(rows, i, e)
            j = column(rows, i, e)
            for c in range(width):
                Z[t, c] += x * W[j, c]


@kernel
def add_planes(chosen, losses, indptr, indices, data, slots, counts, loss, starts, codes, values, stamps, now, held):
    """Append planes that their examples do not have yet; ``held`` planes are there, room for all is."""
    for t in range(len(chosen)):
        i = chosen[t]
        size = indptr[t + 1] - indptr[t]
        known = False
        for s in range(counts[i]):
            a = slots[i, s]
            if loss[a] != losses[t] or starts[a + 1] - starts[a] != size:
                continue
            known = True
            for e in range(size):
                at = starts[a] + e
                if codes[at] != indices[indptr[t] + e] or values[at] != data[indptr[t] + e]:
                    known = False
                    break
            if known:
                stamps[a] = now
                break
        if known:
            continue
        slots[i, counts[i]] = held
        counts[i] += 1
        loss[held] = losses[t]
        stamps[held] = now
        for e in range(size):
            codes[starts[held] + e] = indices[indptr[t] + e]
            values[starts[held] + e] = data[indptr[t] + e]
        starts[held + 1] = starts[held] + size
        held += 1
    return held


@kernel
def drop_planes(oldest, slots, counts, weight, loss, starts, codes, values, stamps, into):
    """Copy planes with a weight, or a stamp from ``oldest`` on, to the arrays of ``into``; returns how many.

    ``into`` is (weight, loss, starts, codes, values, stamps); the planes of an example come to lie beside each other.
    """
    new_weight, new_loss, new_starts, new_codes, new_values, new_stamps = into
    held = 0
    for i in range(len(counts)):
        kept = 0
        for s in range(counts[i]):
            a = slots[i, s]
            if s > 0 and weight[a] == 0.0 and stamps[a] < oldest:
                continue
            new_weight[held] = weight[a]
            new_loss[held] = loss[a]
            new_stamps[held] = stamps[a]
            at = new_starts[held]
            for e in range(starts[a], starts[a + 1]):
                new_codes[at] = codes[e]
                new_values[at] = values[e]
                at += 1
            new_starts[held + 1] = at
            slots[i, kept] = held
            kept += 1
            held += 1
        counts[i] = kept
    return held


@inner
def pair_steps(g, G, a, m, enough):
    """Steps between two of m weights each, until the gap is at most ``enough``: (gap, gain of the dual, steps).

    Maximises ``a.g0 - a'G a / 2`` over weights with the sum that they have; ``g`` is its gradient, kept up to date.
    The first of a pair has the largest gradient, the second promises the most.
    """
    gain = 0.0
    steps = 0
    gap = 0.0
    for _ in range(20 + 8 * m):
        top = 0
        for s in range(1, m):
            if g[s] > g[top]:
                top = s
        gap = 0.0
        low = -1
        most = 0.0
        for s in range(m):
            if a[s] > 0.0:
                ahead = g[top] - g[s]
                gap += a[s] * ahead
                bend = G[top, top] + G[s, s] - 2.0 * G[top, s]
                step = min(a[s], ahead / bend) if bend > 0.0 else a[s]
                promise = step * (ahead - 0.5 * step * max(bend, 0.0))
                if promise > most:
                    most = promise
                    low = s
        if gap <= enough or low < 0:
            break
        bend = G[top, top] + G[low, low] - 2.0 * G[top, low]
        ahead = g[top] - g[low]
        step = a[low]
        if bend * a[low] > ahead:
            step = ahead / bend
            a[low] -= step
        else:
            a[low] = 0.0
        a[top] += step
        gain += most
        steps += 1
        for s in range(m):
            g[s] -= step * (G[s, top] - G[s, low])
    return gap, gain, steps


@fast_kernel
def solve_examples(
    rows,
    plain,
    W,
    alpha,
    norms,
    p,
    order,
    enough,
    slots,
    counts,
    weight,
    loss,
    starts,
    codes,
    values,
    stamps,
    now,
    gaps,
):
    """Steps on the weights of each example of ``order`` with a gap above ``enough p_i``; W follows.

    Returns the sum of the gaps before, and the gain of the dual.  A gap, ``p_i max_a value_a - sum_a weight_a value_a``
    at the W that an example meets, goes to ``gaps``.
    """
    width = W.shape[1]
    most = slots.shape[1]
    own = np.zeros(width)
    marked = np.zeros(width, dtype=np.bool_)
    touched = np.empty(width, dtype=np.int64)
    g = np.empty(most)
    a = np.empty(most)
    G = np.zeros((most, most))
    total_gap = 0.0
    total_gain = 0.0
    for t in range(len(order)):
        i = order[t]
        m = counts[i]
        gaps[i] = 0.0
        if m < 2:
            continue
        ui = np.uint64(i)
        n_touched = 0
        all_of = False
        if not plain:
            for s in range(1, m):
                plane = slots[i, s]
                for e in range(starts[plane], starts[plane + 1]):
                    c = codes[e]
                    if not marked[c]:
                        marked[c] = True
                        touched[n_touched] = c
                        n_touched += 1
            all_of = 4 * n_touched > width
            for r in range(n_touched):
                marked[touched[r]] = False
            first, end = span(rows, ui)
            if all_of:
                for c in range(width):
                    own[c] = 0.0
                for e in range(first, end):
                    x = entry(rows, ui, e)
                    j = column(rows, ui, e)
                    for c in range(width):
                        own[c] += x * W[j, c]
            else:
                for r in range(n_touched):
                    own[touched[r]] = 0.0
                for e in range(first, end):
                    x = entry(rows, ui, e)
                    j = column(rows, ui, e)
                    for r in range(n_touched):
                        own[touched[r]] += x * W[j, touched[r]]
        z = W[0] if plain else own
        top = 0
        held = 0.0
        for s in range(m):
            plane = slots[i, s]
            value = loss[plane]
            for e in range(starts[plane], starts[plane + 1]):
                value += z[codes[e]] * values[e]
            g[s] = value
            a[s] = weight[plane]
            held += a[s] * value
            if value > g[top]:
                top = s
        gap = max(p[i] * g[top] - held, 0.0)
        gaps[i] = gap
        total_gap += gap
        stamps[slots[i, top]] = now
        if gap <= enough * p[i]:
            continue
        # the products of codes, through a row of zeros
        if plain or not all_of:
            for r in range(n_touched):
                own[touched[r]] = 0.0
        else:
            for c in range(width):
                own[c] = 0.0
        scale = norms[i] / alpha
        for s in range(1, m):
            plane = slots[i, s]
            for e in range(starts[plane], starts[plane + 1]):
                own[codes[e]] = values[e]
            for r in range(1, s + 1):
                other = slots[i, r]
                product = 0.0
                for e in range(starts[other], starts[other + 1]):
                    product += own[codes[e]] * values[e]
                G[s, r] = scale * product
                G[r, s] = G[s, r]
            for e in range(starts[plane], starts[plane + 1]):
                own[codes[e]] = 0.0
        _, gain, _ = pair_steps(g, G, a, m, EASED * gap)
        total_gain += gain
        for s in range(m):
            plane = slots[i, s]
            change = (a[s] - weight[plane]) / alpha
            weight[plane] = a[s]
            if change == 0.0:
                continue
            if plain:
                for e in range(starts[plane], starts[plane + 1]):
                    W[0, codes[e]] -= change * values[e]
            else:
                for e in range(starts[plane], starts[plane + 1]):
                    own[codes[e]] += change * values[e]
        if plain:
            continue
        first, end = span(rows, ui)
        for e in range(first, end):
            x = entry(rows, ui, e)
            j = column(rows, ui, e)
            if all_of:
                for c in range(width):
                    W[j, c] -= x * own[c]
            else:
                for r in range(n_touched):
                    W[j, touched[r]] -= x * own[touched[r]]
        # own is written over by the next example; a plain one leaves it zero
    return total_gap, total_gain


@kernel
def simplex_steps(g, G, a, enough):
    """`pair_steps` on all weights, a few times over: the gap that is left."""
    gap = np.inf
    for _ in range(5):
        gap, _, steps = pair_steps(g, G, a, len(a), enough)
        if gap <= enough or steps == 0:
            break
    return gap


@kernel
def project_simplices(z, edges, totals):
    """The nearest points with entries >= 0 and the sum ``totals[t]`` in each of z[edges[t]:edges[t + 1]]."""
    out = np.empty_like(z)
    for t in range(len(totals)):
        low, high = edges[t], edges[t + 1]
        falling = np.sort(z[low:high])[::-1]
        largest = falling[0]  # taken off, so that large z leave the total its digits
        total = -totals[t]
        shift = 0.0
        for k in range(high - low):
            total += falling[k] - largest
            if k > 0 and falling[k] - largest - total / (k + 1) <= 0.0:
                break
            shift = total / (k + 1)
        held = 0.0
        for k in range(low, high):
            out[k] = max(z[k] - largest - shift, 0.0)
            held += out[k]
        for k in range(low, high):
            out[k] *= totals[t] / held
    return out
