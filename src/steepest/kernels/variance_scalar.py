"""Epochs of variance-reduced gradient steps, SAGA's and SVRG's, for any loss of one score.

With ``u_i`` the slope kept of row i and ``G = sum_i p_i u_i x_i``, a step takes row i, drawn with probability q_i, to

    w <- prox(w - eta (p_i / q_i (loss'(x_i.w + b) - u_i) x_i + G)),    prox(v) = soft(v, eta l1) / (1 + eta l2),

and the mean of the bracket is the gradient.  SAGA then keeps the new slope, and G follows; SVRG keeps those of its
snapshot.  Penalties may differ from feature to feature.

Every step moves every weight, by ``-eta G`` and the penalty.  Without l1 that takes two numbers a kind of feature,
``w = scale (v - reach G)``: the squared penalty multiplies ``scale``, G adds ``eta / scale`` to ``reach``, and only the
features of the row are touched.  Their v makes good what a change of G would do to w.  `variance_l1` has the rest.

References
----------
Defazio, Bach, Lacoste-Julien (2014), SAGA: a fast incremental gradient method.  Johnson, Zhang (2013), Accelerating
stochastic gradient descent using predictive variance reduction.  Schmidt, Le Roux, Bach (2017), Minimizing finite sums
with the stochastic average gradient, section 4.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.epochs import ask_ahead
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import slope

TINY = 1e-5  # a scale below it is multiplied out


@inner
def multiply_out(V, d, kinds, scale, inverse, reach):
    """v <- w."""
    for j in range(d):
        c = kinds[j]
        V[j, 0] = scale[c] * (V[j, 0] - reach[c] * V[j, 1])
    for c in range(scale.shape[0]):
        scale[c] = 1.0
        inverse[c] = 1.0
        reach[c] = 0.0


@fast_kernel
def sparse_epoch(loss, rows, y, order, factors, p, u, eta, bias_rate, l2, kinds, V, b, keep):
    """One step for each row of ``order``, without l1, in O(its non-zeros); see the formulas above.

    Parameters
    ----------
    order : (m,) unsigned
    factors : (n,), or of length 0 for all 1
        ``p_i / q_i`` of each row.
    p : (n,) weights of sum 1
    u : (n,)
        The slopes kept.
    bias_rate : float
        Multiplies the rate of the intercept; 0 where there is none.
    l2 : (c,)
        Strength for each kind of feature.
    kinds : (d,) unsigned
    V : (d, 2)
        Weights and G: what a step needs of a feature lies together.
    b : (2,)
        The intercept and its part of G.
    keep : bool
        Whether u and G follow the steps (SAGA).
    """
    d = V.shape[0]
    m = order.shape[0]
    one = np.uint64(1)
    many = l2.shape[0]
    factored = factors.shape[0] > 0
    scale = np.ones(many)
    inverse = np.ones(many)
    reach = np.zeros(many)
    pulls = np.zeros(many)
    shrink = 1.0 / (1.0 + eta * l2)
    grow = 1.0 + eta * l2
    shift = b[0]
    pull = b[1]
    for k in range(m):
        ask_ahead(rows, y, order, k, m)
        i = order[k]
        first, end = span(rows, i)
        z = 0.0
        if many == 1:
            z1 = 0.0  # two sums of each, so that additions need not wait for each other
            drift = 0.0
            drift1 = 0.0
            e = first
            while e + one < end:
                j = column(rows, i, e)
                x = entry(rows, i, e)
                z += x * V[j, 0]
                drift += x * V[j, 1]
                e += one
                j = column(rows, i, e)
                x = entry(rows, i, e)
                z1 += x * V[j, 0]
                drift1 += x * V[j, 1]
                e += one
            if e < end:
                j = column(rows, i, e)
                x = entry(rows, i, e)
                z += x * V[j, 0]
                drift += x * V[j, 1]
            z += z1
            drift += drift1
            z = scale[0] * (z - reach[0] * drift)
        else:
            for e in range(first, end):
                j = column(rows, i, e)
                c = kinds[j]
                z += entry(rows, i, e) * scale[c] * (V[j, 0] - reach[c] * V[j, 1])
        new = slope(loss, z + shift, y[i])
        change = new - u[i]
        move = change * factors[i] if factored else change
        kept = p[i] * change if keep else 0.0
        least = 1.0
        for c in range(many):
            h = eta * inverse[c]
            reach[c] += h
            pulls[c] = reach[c] * kept - h * move
            scale[c] *= shrink[c]
            inverse[c] *= grow[c]
            least = min(least, scale[c])
        if keep:
            for e in range(first, end):
                j = column(rows, i, e)
                x = entry(rows, i, e)
                V[j, 0] += pulls[kinds[j] if many > 1 else 0] * x
                V[j, 1] += kept * x
        elif many == 1:
            a = pulls[0]
            for e in range(first, end):
                V[column(rows, i, e), 0] += a * entry(rows, i, e)
        else:
            for e in range(first, end):
                j = column(rows, i, e)
                V[j, 0] += pulls[kinds[j]] * entry(rows, i, e)
        shift -= bias_rate * eta * (move + pull)
        if keep:
            u[i] = new
            pull += kept
        if least < TINY:
            multiply_out(V, d, kinds, scale, inverse, reach)
    multiply_out(V, d, kinds, scale, inverse, reach)
    b[0] = shift
    b[1] = pull


@fast_kernel
def full_epoch(loss, rows, y, order, factors, p, u, eta, bias_rate, l1, l2, center, unit, w, G, b, keep):
    """As `sparse_epoch`, for dense rows and with l1: every step moves all weights; ``x = unit (row - center)``.

    Parameters
    ----------
    l1, l2, center, unit, w, G : (d,)
    """
    d = w.shape[0]
    m = order.shape[0]
    factored = factors.shape[0] > 0
    shrink = 1.0 / (1.0 + eta * l2)
    cuts = eta * l1
    shift = b[0]
    pull = b[1]
    for k in range(m):
        ask_ahead(rows, y, order, k, m)
        i = order[k]
        z = 0.0
        for j in range(d):
            z += (entry(rows, i, j) - center[j]) * unit[j] * w[j]
        new = slope(loss, z + shift, y[i])
        change = new - u[i]
        move = change * factors[i] if factored else change
        kept = p[i] * change if keep else 0.0
        for j in range(d):
            x = (entry(rows, i, j) - center[j]) * unit[j]
            v = w[j] - eta * (move * x + G[j])
            w[j] = (v - min(max(v, -cuts[j]), cuts[j])) * shrink[j]
            G[j] += kept * x
        shift -= bias_rate * eta * (move + pull)
        if keep:
            u[i] = new
            pull += kept
    b[0] = shift
    b[1] = pull
