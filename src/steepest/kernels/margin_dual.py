"""Epochs of dual coordinate descent for margins: hinge and squared hinge, with shrinking.

    minimise over 0 <= a_i <= cap:   |w|^2 l2 / 2 + shift^2 l2 / (2 reach) + sum_i p_i (diagonal a_i^2 / 2 - a_i)

with ``w = sum_i p_i a_i y_i x_i / l2``.  The hinge has ``cap = 1`` and ``diagonal = 0``, the squared hinge
``cap = inf`` and ``diagonal = 1/2``.  An intercept is a further feature of value ``sqrt(reach)``;
the solver moves its centre.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.prefetch import prefetch
from steepest.kernels.rows import add_row, announce, dot_row, fetch

AHEAD = 4  # rows between asking the memory and use


@inner
def random_below(state, count):
    """A number below ``count``, from the 64 bits of ``state`` (xorshift), which move on."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return np.uint32(((x >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))


@fast_kernel
def margin_epoch(rows, y, p, norms, l2, reach, diagonal, cap, active, size, state, bounds, w, shift, a):
    """One pass over the rows in ``active[:size]``, in random order; returns ``(size, shift, gap)``.

    Each multiplier goes to its optimum with the others fixed.  One that rests at a limit, and whose derivative there
    is beyond what any had in the last pass (``bounds``: most and least), leaves ``active``; those that stay are moved
    to the front.  ``bounds`` then holds those of this pass.  ``gap`` sums what the rows owed to the duality gap when
    they were met: between the gap before and that after, as far as rows that rest owe nothing.

    Cost: the non-zeros of the rows, twice for those that move.
    """
    m = np.uint64(size)
    one = np.uint64(1)
    k = m
    while k > one:  # Fisher and Yates
        j = np.uint64(random_below(state, k))
        k -= one
        active[k], active[j] = active[j], active[k]
    upper = bounds[0]
    lower = bounds[1]
    most = -np.inf
    least = np.inf
    kept = np.uint64(0)
    b = shift
    bias = reach / l2
    gap = 0.0
    for k in range(m):
        if k + np.uint64(2 * AHEAD) < m:
            announce(rows, active[k + np.uint64(2 * AHEAD)])
            i = active[k + np.uint64(AHEAD)]
            fetch(rows, i)
            prefetch(a, i)
            prefetch(norms, i)
            prefetch(y, i)
        i = active[k]
        v = a[i]
        g = y[i] * (dot_row(rows, w, i) + b) - 1.0 + diagonal * v
        steep = g
        if v <= 0.0:
            if g > upper:
                continue
            steep = min(g, 0.0)
        elif v >= cap:
            if g < lower:
                continue
            steep = max(g, 0.0)
        active[kept] = i
        kept += one
        slack = max(diagonal * v - g, 0.0)
        gap += p[i] * ((slack if diagonal == 0.0 else slack * slack / (2.0 * diagonal)) + v * (g - 0.5 * diagonal * v))
        most = max(most, steep)
        least = min(least, steep)
        if abs(steep) > 1e-13:
            q = p[i] * (norms[i] + reach) / l2 + diagonal
            new = min(max(v - g / q, 0.0), cap) if q > 0.0 else (cap if g < 0.0 else 0.0)
            change = new - v
            if change != 0.0:
                a[i] = new
                c = p[i] * y[i] * change
                b += bias * c
                add_row(rows, i, c / l2, w)
    bounds[0] = most
    bounds[1] = least
    return kept, b, gap
