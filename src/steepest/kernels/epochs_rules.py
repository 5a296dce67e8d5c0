"""Epochs of stochastic steps with any rule: any scalar loss, dense or sparse rows, O(non-zeros) a step.

A step moves the coordinates that its rows touch.  Before a row reads a coordinate, it is brought up to date: by the
rule's own `rest` for the steps that it missed, then by one proximal step for the penalty, in the metric q of the rule
and for the sum E of all rates since::

    w_j <- T(w_j q, E l1) / (q + E l2)          T: soft threshold

So a coordinate that few rows touch pays as much for a penalty as others do, and where gradient and penalty cancel
is the minimum of the objective, whatever the metric.  On dense rows nothing rests, E is the last rate, and this is
the proximal step of the rule.  For exactness on sparse rows see `steepest.rules.registry`.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.epochs import ask_ahead, cut
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import slope
from steepest.rules.registry import advance, constants, rest, stiffness

SLOTS = 2  # of a rule; behind them stand the clock and the step up to which a coordinate is up to date
CLOCK = 2
STEP = 3


@inner
def shrink(rule, w, s, r, length, l2, l1, a, b, c):
    """The proximal step for the penalty, at a rate of ``length``."""
    q = stiffness(rule, s, r, a, b, c)
    return cut(w * q, length * l1) / (q + length * l2) if q > 0.0 else w


@fast_kernel
def rule_epoch(
    rule, free, loss, rows, y, p, order, factors, rates, size, l2, l1, w, d, state, t, gradient, mean, noted
):
    """One step for each ``size`` rows of ``order``; as `steepest.kernels.epochs.plain_epoch`.

    Parameters
    ----------
    ... : as there
    rule, free : rules of one class
        ``free`` moves the intercept (see `steepest.rules.unpenalised`).
    state : (4, length of w)
        Two slots of the rule, two of this kernel.
    t : float
        Steps taken before.
    gradient : (d,) zeros, and zeros again afterwards
    mean : of the length of w, or of length 0 for no average
        Gains the sum over steps of the parameters as they stood when last touched.
    noted : as there

    Returns
    -------
    float
        t after the epoch.  All coordinates are up to date.
    """
    penalised = l1 > 0.0 or l2 > 0.0
    averaging = mean.shape[0] > 0
    weighted = p.shape[0] > 0
    factored = factors.shape[0] > 0
    noting = noted.shape[0] > 0
    intercept = w.shape[0] > d
    m = order.shape[0]
    u = np.empty(size)
    for j in range(d):
        state[CLOCK, j] = 0.0
        state[STEP, j] = t
    clock = 0.0
    bias_sum = 0.0
    a, b, c = constants(rule, rates[0] if rates.shape[0] > 0 else 1.0, t + 1.0)
    for step in range(rates.shape[0]):
        eta = rates[step]
        start = step * size
        stop = min(start + size, m)
        share = 1.0 / (stop - start)
        shift = w[d] if intercept else 0.0
        total = 0.0
        for k in range(start, stop):
            ask_ahead(rows, y, order, k, m)
            i = order[k]
            first, end = span(rows, i)
            s = shift
            for e in range(first, end):
                j = column(rows, i, e)
                if state[STEP, j] < t:
                    if averaging:
                        mean[j] += w[j] * (t - state[STEP, j])
                    w[j], state[0, j], state[1, j] = rest(rule, w[j], state[0, j], state[1, j], t - state[STEP, j], c)
                    state[STEP, j] = t
                if penalised:
                    gap = clock - state[CLOCK, j]
                    if gap > 0.0:
                        w[j] = shrink(rule, w[j], state[0, j], state[1, j], gap, l2, l1, a, b, c)
                        state[CLOCK, j] = clock
                s += entry(rows, i, e) * w[j]
            g = slope(loss, s, y[i])
            if noting:
                noted[k] = g
            g *= share
            if weighted:
                g *= p[i]
            if factored:
                g *= factors[k]
            u[k - start] = g
            total += g
        t += 1.0
        a, b, c = constants(rule, eta, t)
        if size == 1:
            i = order[start]
            first, end = span(rows, i)
            for e in range(first, end):
                j = column(rows, i, e)
                g = u[0] * entry(rows, i, e)
                w[j], state[0, j], state[1, j] = advance(rule, w[j], state[0, j], state[1, j], g, a, b, c)
                state[STEP, j] = t
                if averaging:
                    mean[j] += w[j]
        else:
            for k in range(start, stop):
                i = order[k]
                first, end = span(rows, i)
                for e in range(first, end):
                    gradient[column(rows, i, e)] += u[k - start] * entry(rows, i, e)
            for k in range(start, stop):
                i = order[k]
                first, end = span(rows, i)
                for e in range(first, end):
                    j = column(rows, i, e)
                    if state[STEP, j] < t:  # the first of the rows that touch it moves it
                        g = gradient[j]
                        w[j], state[0, j], state[1, j] = advance(rule, w[j], state[0, j], state[1, j], g, a, b, c)
                        state[STEP, j] = t
                        gradient[j] = 0.0
                        if averaging:
                            mean[j] += w[j]
        if intercept:
            fa, fb, fc = constants(free, eta, t)
            w[d], state[0, d], state[1, d] = advance(free, w[d], state[0, d], state[1, d], total, fa, fb, fc)
            bias_sum += w[d]
        clock += eta
    for j in range(d):
        if averaging:
            mean[j] += w[j] * (t - state[STEP, j])
        if state[STEP, j] < t:
            w[j], state[0, j], state[1, j] = rest(rule, w[j], state[0, j], state[1, j], t - state[STEP, j], c)
        gap = clock - state[CLOCK, j]
        if penalised and gap > 0.0:
            w[j] = shrink(rule, w[j], state[0, j], state[1, j], gap, l2, l1, a, b, c)
    if averaging and intercept:
        mean[d] += bias_sum
    return t
