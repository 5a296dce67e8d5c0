"""Epochs of dual coordinate ascent: one row, one multiplier at a time."""

from __future__ import annotations

import numpy as np

from steepest.elementary import exp_neg
from steepest.jit import fast_kernel, inner
from steepest.kernels.rows import accumulate, accumulate_many, scores, scores_many
from steepest.losses.registry import curvature, prox, slope

_FAR = 1e300
STEPS = 80  # of a safeguarded Newton iteration; a few suffice


@inner
def proximal_slope(loss, c, q, y):
    """The slope at the root of ``t + q loss'(t) = c``, for a smooth convex loss.

    The root lies between c and ``c - q loss'(c)``; Newton's method, with bisection where it leaves the bracket.
    """
    t = c - q * slope(loss, c, y)
    low = min(t, c)
    high = max(t, c)
    last = high - low
    for _ in range(STEPS):
        u = slope(loss, t, y)
        f = t + q * u - c
        if f > 0.0:
            high = t
        else:
            low = t
        step = f / (1.0 + q * curvature(loss, t, y))
        new = t - step
        if not (low <= new <= high and abs(step) <= 0.5 * last):
            last = 0.5 * (high - low)
            t = low + last
        else:
            last = abs(step)
            t = new
            if not abs(step) > 1e-6 * (abs(t) + abs(c)):  # the step just taken squares its error
                break
    return slope(loss, t, y)


@fast_kernel
def smooth_epoch(loss, rows, y, p, norms, l2, order, w, u, z, pull, one, share):
    """Every row of ``order`` once: u_i to its optimum with the others fixed, ``w = -X^T (p u) / l2`` kept.

    ``share`` in (0, 1] is the part of the way that is gone: less still raises the concave dual.  ``z`` and ``pull``
    are scratch of length n, ``one`` is ones.
    """
    for i in order:
        if p[i] == 0.0:
            continue
        scores(rows, w, 0.0, i, i + 1, z)
        q = p[i] * norms[i] / l2
        new = proximal_slope(loss, z[i] + q * u[i], q, y[i])
        change = share * (new - u[i])
        if change != 0.0:
            u[i] = new if share == 1.0 else u[i] + change
            pull[i] = -p[i] * change / l2
            accumulate(rows, pull, one, i, i + 1, w)


@fast_kernel
def kinked_epoch(loss, rows, y, p, norms, l2, order, w, u, z, pull, one, share):
    """As `smooth_epoch`, for a loss with a proximal map: ``u = (c - prox(c)) / q``."""
    for i in order:
        if p[i] == 0.0:
            continue
        scores(rows, w, 0.0, i, i + 1, z)
        q = p[i] * norms[i] / l2
        if q > 0.0:
            c = z[i] + q * u[i]
            new = (c - prox(loss, c, y[i], q)) / q
            # rounding must not carry it over the edge of the domain, where slopes end
            new = min(max(new, slope(loss, -_FAR, y[i])), slope(loss, _FAR, y[i]))
        else:
            new = slope(loss, z[i], y[i])
        change = share * (new - u[i])
        if change != 0.0:
            u[i] = new if share == 1.0 else u[i] + change
            pull[i] = -p[i] * change / l2
            accumulate(rows, pull, one, i, i + 1, w)


@fast_kernel
def class_sums(rows, y, p, u, G):
    """G[:, y_i] += p_i u_i x_i."""
    for i in range(u.shape[0]):
        accumulate(rows, p, u, i, i + 1, G[:, y[i]])


@inner
def softmax_into(t, s):
    """s = softmax(t)."""
    k = t.shape[0]
    top = t[0]
    for c in range(1, k):
        top = max(top, t[c])
    total = 0.0
    for c in range(k):
        s[c] = exp_neg(t[c] - top)
        total += s[c]
    for c in range(k):
        s[c] /= total


@inner
def softmax_proximal(center, q, label, t, s, f):
    """The root t of ``t + q (softmax(t) - onehot) = center``; s becomes its softmax.

    Newton's method; the Jacobian ``diag(1 + q s) - q s s'`` is inverted by the formula of Sherman and Morrison.  A step
    that does not shorten the residual is halved: the system is the gradient of a strongly convex function.
    """
    k = t.shape[0]
    softmax_into(t, s)
    size = 0.0
    for c in range(k):
        f[c] = t[c] + q * (s[c] - (1.0 if c == label else 0.0)) - center[c]
        size += f[c] * f[c]
    for _ in range(STEPS):
        scale = 0.0
        for c in range(k):
            scale += t[c] * t[c] + center[c] * center[c]
        if not size > 1e-20 * (scale + 1e-300):
            break
        a = 0.0
        b = 0.0
        for c in range(k):
            w = s[c] / (1.0 + q * s[c])
            a += w * f[c]
            b += w * s[c]
        a *= q / (1.0 - q * b)
        for c in range(k):
            f[c] = (f[c] + a * s[c]) / (1.0 + q * s[c])  # the Newton step
        rate = 1.0
        reached = size
        for _ in range(30):
            for c in range(k):
                t[c] -= rate * f[c]
            softmax_into(t, s)
            reached = 0.0
            for c in range(k):
                r = t[c] + q * (s[c] - (1.0 if c == label else 0.0)) - center[c]
                reached += r * r
            if reached < size:
                break
            for c in range(k):
                t[c] += rate * f[c]
            rate *= 0.5
        if not reached < size:
            softmax_into(t, s)
            break
        size = reached
        for c in range(k):
            f[c] = t[c] + q * (s[c] - (1.0 if c == label else 0.0)) - center[c]


@fast_kernel
def softmax_epoch(rows, y, p, norms, l2, order, W, U, Z, pull, one, zero, total, share):
    """Every row of ``order`` once: its k multipliers to their optimum with those of other rows fixed.

    ``W = -X^T diag(p) U / l2`` of shape (d, k) is kept.  ``Z``, ``pull`` (n, k), ``one`` (n) are scratch, ``zero`` k
    zeros, ``total`` k numbers nobody reads.
    """
    k = W.shape[1]
    center = np.empty(k)
    t = np.empty(k)
    s = np.empty(k)
    f = np.empty(k)
    for i in order:
        if p[i] == 0.0:
            continue
        scores_many(rows, W, zero, i, i + 1, Z)
        q = p[i] * norms[i] / l2
        for c in range(k):
            center[c] = Z[i, c] + q * U[i, c]
            t[c] = Z[i, c]
        softmax_proximal(center, q, y[i], t, s, f)
        for c in range(k):
            new = s[c] - (1.0 if c == y[i] else 0.0)
            if share != 1.0:
                new = U[i, c] + share * (new - U[i, c])
            pull[i, c] = -p[i] * (new - U[i, c]) / l2
            U[i, c] = new
        accumulate_many(rows, one, pull, i, i + 1, W, total)
