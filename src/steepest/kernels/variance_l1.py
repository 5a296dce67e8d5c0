"""Epochs of variance-reduced steps with an l1 part, on sparse rows: every step exact, O(non-zeros of its row).

The steps are those of `steepest.kernels.variance_scalar`.  A coordinate that no row touches moves by ``-eta G_j`` and
its penalties alone, by the same formula each time: `caught_up` takes all these steps at once, when a row next needs
it.  ``w = scale v``, so that the squared penalty changes one number; a step of length eta is one of ``eta / scale`` on
v, and ``reach`` is the sum of those.  While v keeps its sign, all steps together are one step with the sum.  Where v
comes to zero, and the pull is no stronger than l1, it stays there.  Else it goes on to the other side: the step of the
crossing is found in ``reaches``, the sums so far, by bisection.

References
----------
Defazio, Bach, Lacoste-Julien (2014), SAGA: a fast incremental gradient method.  Schmidt, Le Roux, Bach (2017),
Minimizing finite sums with the stochastic average gradient, section 4.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.epochs import ask_ahead
from steepest.kernels.rows import column, entry, span
from steepest.kernels.variance_scalar import TINY
from steepest.losses.registry import slope


@inner
def soft(v, by):
    """Soft threshold, without branches: signs are hard to foresee."""
    return v - min(max(v, -by), by)


@inner
def crossing(v, pull, since, low, high, reaches):
    """The first place in ``reaches``, after ``low``, where ``v - pull (reach - since)`` has not the sign of v."""
    while high - low > 1:
        middle = (low + high) // 2
        if (v - pull * (reaches[middle] - since)) * v > 0.0:
            low = middle
        else:
            high = middle
    return high


@inner
def caught_up(v, G, l1, since, now, reaches, first, last):
    """v after the steps from reach ``since`` to ``now`` with the pull G and a threshold at l1 alone.

    ``reaches[first : last + 1]`` are the sums between which both lie.
    """
    if v == 0.0:
        return -soft(G, l1) * (now - since)
    pull = G + l1 if v > 0.0 else G - l1
    moved = v - pull * (now - since)
    if moved * v > 0.0:
        return moved
    if abs(G) <= l1:
        return 0.0
    at = crossing(v, pull, since, first, last, reaches)
    before = max(reaches[at - 1], since)
    h = reaches[at] - before
    across = soft(v - pull * (before - since) - h * G, h * l1)
    return across - soft(G, l1) * (now - reaches[at])  # on the other side, where the pull leads


@inner
def all_caught_up(V, d, kinds, l1, reach, scale, inverse, reaches, first, last):
    """Every feature at this step, multiplied out."""
    for j in range(d):
        c = kinds[j]
        if V[j, 1] != reach[c]:
            V[j, 0] = caught_up(V[j, 0], V[j, 2], l1[c], V[j, 1], reach[c], reaches[c], first, last)
        V[j, 0] *= scale[c]
        V[j, 1] = 0.0
    for c in range(scale.shape[0]):
        scale[c] = 1.0
        inverse[c] = 1.0
        reach[c] = 0.0
        reaches[c, last] = 0.0


@fast_kernel
def sparse_l1_epoch(loss, rows, y, order, factors, p, u, eta, bias_rate, l1, l2, kinds, V, b, keep):
    """One step for each row of ``order``, with both penalties.

    Parameters
    ----------
    loss, rows, y, order, factors, p, u, eta, bias_rate, kinds, b, keep
        As for `steepest.kernels.variance_scalar.sparse_epoch`.
    l1, l2 : (c,)
        Strengths for each kind of feature.
    V : (d, 4)
        Weights, scratch, G, nothing: what a step needs of a feature lies together.
    """
    d = V.shape[0]
    m = order.shape[0]
    many = l2.shape[0]
    factored = factors.shape[0] > 0
    scale = np.ones(many)
    inverse = np.ones(many)
    reach = np.zeros(many)
    shrink = 1.0 / (1.0 + eta * l2)
    grow = 1.0 + eta * l2
    reaches = np.zeros((many, m + 1))
    base = 0
    for j in range(d):
        V[j, 1] = 0.0
    shift = b[0]
    pull = b[1]
    for k in range(m):
        ask_ahead(rows, y, order, k, m)
        i = order[k]
        first, end = span(rows, i)
        z = shift
        for e in range(first, end):
            j = column(rows, i, e)
            c = kinds[j]
            v = V[j, 0]
            if V[j, 1] != reach[c]:
                v = caught_up(v, V[j, 2], l1[c], V[j, 1], reach[c], reaches[c], base, k)
                V[j, 0] = v
            z += entry(rows, i, e) * v * scale[c]
        new = slope(loss, z, y[i])
        change = new - u[i]
        move = change * factors[i] if factored else change
        kept = p[i] * change if keep else 0.0
        for e in range(first, end):
            j = column(rows, i, e)
            c = kinds[j]
            x = entry(rows, i, e)
            h = eta * inverse[c]
            V[j, 0] = soft(V[j, 0] - h * (move * x + V[j, 2]), h * l1[c])
            V[j, 1] = reach[c] + h
            V[j, 2] += kept * x
        shift -= bias_rate * eta * (move + pull)
        if keep:
            u[i] = new
            pull += kept
        least = 1.0
        for c in range(many):
            reach[c] += eta * inverse[c]
            scale[c] *= shrink[c]
            inverse[c] *= grow[c]
            least = min(least, scale[c])
            reaches[c, k + 1] = reach[c]
        if least < TINY:
            all_caught_up(V, d, kinds, l1, reach, scale, inverse, reaches, base, k + 1)
            base = k + 1
    all_caught_up(V, d, kinds, l1, reach, scale, inverse, reaches, base, m)
    b[0] = shift
    b[1] = pull
