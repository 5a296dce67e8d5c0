"""Projected stochastic steps: after each batch the weights are brought back into their set, O(d) a step.

A step moves every coordinate by the rule, then by its proximal step for the penalty, and then to the nearest point of
the set in the metric of both, ``q + eta l2``.  Thresholds and shifts of the same metric add up, so for boxes, balls of
either norm and the simplex the last two together are the proximal map of the penalty on the set.  Nothing is lazy:
the projection may move every coordinate.

References
----------
Duchi, Shalev-Shwartz, Singer, Chandra (2008), Efficient projections onto the l1-ball for learning in high dimensions.
Duchi, Hazan, Singer (2011), Adaptive subgradient methods for online learning and stochastic optimization.
"""

from __future__ import annotations

import math

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.epochs import ask_ahead, cut
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import slope, value_slope
from steepest.penalties.constraints import project_into
from steepest.rules.registry import advance, constants, stiffness

SEPARABLE, BALL, DIAMOND, SIMPLEX = 0, 1, 2, 3  # how a set is projected on in a metric


@inner
def level_of(w, q, d, total, signed):
    """tau with ``sum_j [|w_j| - tau / q_j]_+ = total``, of w itself where not signed; Newton from the left."""
    tau = -math.inf
    for _ in range(d + 2):
        above = 0.0
        weight = 0.0
        for j in range(d):
            v = abs(w[j]) if signed else w[j]
            if v * q[j] > tau:
                above += v
                weight += 1.0 / q[j]
        reached = (above - total) / weight if weight > 0.0 else tau
        if not reached > tau:
            break
        tau = reached
    return tau


@inner
def onto(constraint, kind, size, w, q, d):
    """``w[:d]`` becomes the nearest point of the set in the metric q."""
    if kind == SEPARABLE:
        project_into(constraint, w, d)
    elif kind == BALL:
        total = 0.0
        for j in range(d):
            total += w[j] * w[j]
        if total > size * size:
            lam = 0.0
            for _ in range(100):
                norm = 0.0
                slope_ = 0.0
                for j in range(d):
                    v = w[j] * q[j] / (q[j] + lam)
                    norm += v * v
                    slope_ += v * v / (q[j] + lam)
                norm = math.sqrt(norm)
                step = (norm / size - 1.0) * norm * norm / slope_  # Newton's step for 1 / norm, which is concave
                if not norm > size * (1.0 + 1e-14) or not lam + step > lam:
                    break
                lam += step
            for j in range(d):
                w[j] *= q[j] / (q[j] + lam)
            project_into(constraint, w, d)  # rounding
    elif kind == DIAMOND:
        total = 0.0
        for j in range(d):
            total += abs(w[j])
        if total > size:
            tau = level_of(w, q, d, size, True)
            for j in range(d):
                w[j] = cut(w[j], tau / q[j])
    else:
        tau = level_of(w, q, d, size, False)
        for j in range(d):
            w[j] = max(w[j] - tau / q[j], 0.0)


@inner
def settle(rule, constraint, kind, size, w, state, gradient, d, k, eta, t, l2, l1, q, part):
    """A step of every weight along the gradient, which becomes zero; q and part are scratch of length d."""
    a, b, c = constants(rule, eta, t)
    threshold = 0.0 if kind == SIMPLEX else eta * l1  # |w|_1 is constant on a simplex
    for o in range(k):
        least = math.inf
        for j in range(d):
            e = j * k + o
            w[e], state[0, e], state[1, e] = advance(rule, w[e], state[0, e], state[1, e], gradient[e], a, b, c)
            gradient[e] = 0.0
            own = stiffness(rule, state[0, e], state[1, e], a, b, c)
            q[j] = 0.0
            part[j] = w[e]
            if own > 0.0:
                q[j] = own + eta * l2
                part[j] = cut(w[e] * own, threshold) / q[j]
                least = min(least, q[j])
        if not least < math.inf:
            least = 1.0
        for j in range(d):  # nothing is known of a coordinate yet: it moves as easily as any other
            if q[j] == 0.0:
                q[j] = least
        onto(constraint, kind, size, part, q, d)
        for j in range(d):
            w[j * k + o] = part[j]


@inner
def gather(p, order, factors, r, share):
    """What the slope of the row at place r is multiplied by."""
    factor = share
    if p.shape[0] > 0:
        factor *= p[order[r]]
    if factors.shape[0] > 0:
        factor *= factors[r]
    return factor


@fast_kernel
def projected_epoch(
    rule, free, constraint, kind, radius, loss, rows, y, p, order, factors, rates, size, l2, l1,
    w, d, state, t, mean, noted,
):  # fmt: skip
    """Projected steps for a scalar loss; as `steepest.kernels.epochs_rules.rule_epoch`.

    Parameters
    ----------
    ... : as there
    constraint : a value of `steepest.penalties.constraints`
    kind : int
        SEPARABLE, BALL, DIAMOND or SIMPLEX.
    radius : float
        The radius of a ball, the total of a simplex.

    Returns
    -------
    float
        t after the epoch.
    """
    averaging = mean.shape[0] > 0
    noting = noted.shape[0] > 0
    intercept = w.shape[0] > d
    m = order.shape[0]
    gradient = np.zeros(d)
    q = np.empty(d)
    part = np.empty(d)
    for step in range(rates.shape[0]):
        eta = rates[step]
        start = step * size
        stop = min(start + size, m)
        share = 1.0 / (stop - start)
        total = 0.0
        shift = w[d] if intercept else 0.0
        for r in range(start, stop):
            ask_ahead(rows, y, order, r, m)
            i = order[r]
            first, end = span(rows, i)
            s = shift
            for e in range(first, end):
                s += entry(rows, i, e) * w[column(rows, i, e)]
            g = slope(loss, s, y[i])
            if noting:
                noted[r] = g
            g *= gather(p, order, factors, r, share)
            total += g
            if g != 0.0:
                for e in range(first, end):
                    gradient[column(rows, i, e)] += g * entry(rows, i, e)
        t += 1.0
        settle(rule, constraint, kind, radius, w, state, gradient, d, 1, eta, t, l2, l1, q, part)
        if intercept:
            a, b, c = constants(free, eta, t)
            w[d], state[0, d], state[1, d] = advance(free, w[d], state[0, d], state[1, d], total, a, b, c)
        if averaging:
            for j in range(w.shape[0]):
                mean[j] += w[j]
    return t


@fast_kernel
def projected_epoch_many(
    rule, free, constraint, kind, radius, loss, rows, y, p, order, factors, rates, size, l2, l1,
    w, d, k, state, t, mean, noted,
):  # fmt: skip
    """Projected steps for a loss of k scores; the weights of each score are held in the set by themselves."""
    averaging = mean.shape[0] > 0
    noting = noted.shape[0] > 0
    base = d * k
    intercept = w.shape[0] > base
    m = order.shape[0]
    gradient = np.zeros(base)
    q = np.empty(d)
    part = np.empty(d)
    z = np.empty(k)
    u = np.empty(k)
    total = np.empty(k)
    for step in range(rates.shape[0]):
        eta = rates[step]
        start = step * size
        stop = min(start + size, m)
        share = 1.0 / (stop - start)
        for o in range(k):
            total[o] = 0.0
        for r in range(start, stop):
            ask_ahead(rows, y, order, r, m)
            i = order[r]
            first, end = span(rows, i)
            for o in range(k):
                z[o] = w[base + o] if intercept else 0.0
            for e in range(first, end):
                x = entry(rows, i, e)
                at = np.int64(column(rows, i, e)) * k
                for o in range(k):
                    z[o] += x * w[at + o]
            value_slope(loss, z, y[i], u)
            if noting:
                for o in range(k):
                    noted[r, o] = u[o]
            factor = gather(p, order, factors, r, share)
            for o in range(k):
                u[o] *= factor
                total[o] += u[o]
            for e in range(first, end):
                x = entry(rows, i, e)
                at = np.int64(column(rows, i, e)) * k
                for o in range(k):
                    gradient[at + o] += x * u[o]
        t += 1.0
        settle(rule, constraint, kind, radius, w, state, gradient, d, k, eta, t, l2, l1, q, part)
        if intercept:
            a, b, c = constants(free, eta, t)
            for o in range(k):
                h = base + o
                w[h], state[0, h], state[1, h] = advance(free, w[h], state[0, h], state[1, h], total[o], a, b, c)
        if averaging:
            for j in range(w.shape[0]):
                mean[j] += w[j]
    return t
