"""Epochs of variance-reduced steps for losses of several scores: SAGA's and SVRG's, with l1 and l2.

The steps are those of `steepest.kernels.variance_scalar` with a slope u_i of k numbers a row.  Features that no row
touches wait, as in `steepest.kernels.variance_l1`; the k weights of a feature wait together.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.epochs import ask_ahead
from steepest.kernels.rows import column, entry, span
from steepest.kernels.variance_l1 import caught_up, soft
from steepest.kernels.variance_scalar import TINY
from steepest.losses.registry import value_slope


@inner
def catch_up(W, G, j, l1, since, now, reaches, first, last):
    """The k weights of feature j, brought to this step."""
    for a in range(W.shape[1]):
        if l1 == 0.0:
            W[j, a] -= G[j, a] * (now - since)
        else:
            W[j, a] = caught_up(W[j, a], G[j, a], l1, since, now, reaches, first, last)


@inner
def all_caught_up(W, G, seen, kinds, l1, reach, scale, inverse, reaches, first, last):
    """Every weight at this step, multiplied out."""
    for j in range(W.shape[0]):
        c = kinds[j]
        if seen[j] != reach[c]:
            catch_up(W, G, j, l1[c], seen[j], reach[c], reaches[c], first, last)
        for a in range(W.shape[1]):
            W[j, a] *= scale[c]
        seen[j] = 0.0
    for c in range(scale.shape[0]):
        scale[c] = 1.0
        inverse[c] = 1.0
        reach[c] = 0.0
        reaches[c, last] = 0.0


@fast_kernel
def vector_epoch(
    loss, rows, y, order, factors, p, U, eta, bias_rate, l1, l2, kinds, center, unit, W, G, b, pull, keep
):  # fmt: skip
    """One step for each row of ``order``, in O(k) times its non-zeros; ``x = unit (row - center)``.

    Parameters
    ----------
    loss, rows, y, order, factors, p, eta, bias_rate, kinds, keep
        As for `steepest.kernels.variance_scalar.sparse_epoch`.
    U : (n, k)
        The slopes kept.
    l1, l2 : (c,)
        Strengths for each kind of feature.
    center, unit : (d,)
    W, G : (d, k)
    b, pull : (k,)
        The intercepts and their part of G.
    """
    d, classes = W.shape
    m = order.shape[0]
    many = l2.shape[0]
    factored = factors.shape[0] > 0
    scale = np.ones(many)
    inverse = np.ones(many)
    reach = np.zeros(many)
    shrink = 1.0 / (1.0 + eta * l2)
    grow = 1.0 + eta * l2
    reaches = np.zeros((many, m + 1))
    seen = np.zeros(d)
    z = np.empty(classes)
    new = np.empty(classes)
    move = np.empty(classes)
    base = 0
    for t in range(m):
        ask_ahead(rows, y, order, t, m)
        i = order[t]
        first, end = span(rows, i)
        for a in range(classes):
            z[a] = b[a]
        for e in range(first, end):
            j = column(rows, i, e)
            c = kinds[j]
            if seen[j] != reach[c]:
                catch_up(W, G, j, l1[c], seen[j], reach[c], reaches[c], base, t)
            x = (entry(rows, i, e) - center[j]) * unit[j] * scale[c]
            for a in range(classes):
                z[a] += x * W[j, a]
        value_slope(loss, z, y[i], new)
        factor = factors[i] if factored else 1.0
        share = p[i] if keep else 0.0
        for a in range(classes):
            change = new[a] - U[i, a]
            move[a] = change * factor
            b[a] -= bias_rate * eta * (move[a] + pull[a])
            new[a] = share * change
            if keep:
                U[i, a] += change
                pull[a] += new[a]
        for e in range(first, end):
            j = column(rows, i, e)
            c = kinds[j]
            x = (entry(rows, i, e) - center[j]) * unit[j]
            h = eta * inverse[c]
            by = h * l1[c]
            for a in range(classes):
                W[j, a] = soft(W[j, a] - h * (move[a] * x + G[j, a]), by)
                G[j, a] += new[a] * x
            seen[j] = reach[c] + h
        least = 1.0
        for c in range(many):
            reach[c] += eta * inverse[c]
            scale[c] *= shrink[c]
            inverse[c] *= grow[c]
            least = min(least, scale[c])
            reaches[c, t + 1] = reach[c]
        if least < TINY:
            all_caught_up(W, G, seen, kinds, l1, reach, scale, inverse, reaches, base, t + 1)
            base = t + 1
    all_caught_up(W, G, seen, kinds, l1, reach, scale, inverse, reaches, base, m)
