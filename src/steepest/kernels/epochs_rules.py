"""Epochs of stochastic steps with any rule: any scalar loss, dense or sparse rows, O(non-zeros) a step.

A step moves the coordinates that its rows touch, by the rule and then by a proximal step for the penalty, in the
rule's metric h and with the rate E; one that was at rest is brought up to date first, by the rule's own `rest` and by
one such step for the sum E of the rates missed::

    w_j <- T(w_j, E l1 h_j) / (1 + E l2 h_j)          T: soft threshold

So a coordinate that few rows touch pays as much for a penalty as others do, and where gradient and penalty cancel
is the minimum of the objective, whatever the metric.  On dense rows nothing rests.  For exactness on sparse rows see
`steepest.rules.registry`.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.epochs import ask_ahead, cut
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import slope
from steepest.rules.registry import advance, constants, metric, rest

SLOTS = 2  # of a rule; behind them stand the clock and the step up to which a coordinate is up to date
CLOCK = 2
STEP = 3


@inner
def catch_up(rule, w, state, j, clock, t, l2, l1, a, b, c):
    """Bring coordinate j to the end of step t, when the rates of all steps summed to ``clock``."""
    travelled = clock - state[CLOCK, j]
    rest(rule, w, state, j, t - state[STEP, j], travelled)
    if l1 > 0.0 or l2 > 0.0:
        h = travelled * metric(rule, state, j, a, b, c)
        w[j] = cut(w[j], h * l1) / (1.0 + h * l2)
    state[CLOCK, j] = clock
    state[STEP, j] = t


@inner
def move(rule, w, state, j, g, eta, clock, t, l2, l1, a, b, c):
    """Step t of coordinate j, which is up to date."""
    advance(rule, w, state, j, g, a, b, c)
    if l1 > 0.0 or l2 > 0.0:
        h = eta * metric(rule, state, j, a, b, c)
        w[j] = cut(w[j], h * l1) / (1.0 + h * l2)
    state[CLOCK, j] = clock
    state[STEP, j] = t


@fast_kernel
def rule_epoch(rule, free, loss, rows, y, p, order, factors, rates, size, l2, l1, w, d, state, t, gradient, mean):
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

    Returns
    -------
    float
        t after the epoch.  All coordinates are up to date.
    """
    averaging = mean.shape[0] > 0
    weighted = p.shape[0] > 0
    factored = factors.shape[0] > 0
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
                    catch_up(rule, w, state, j, clock, t, l2, l1, a, b, c)
                s += entry(rows, i, e) * w[j]
            g = slope(loss, s, y[i]) * share
            if weighted:
                g *= p[i]
            if factored:
                g *= factors[k]
            u[k - start] = g
            total += g
        t += 1.0
        clock += eta
        a, b, c = constants(rule, eta, t)
        if size == 1:
            i = order[start]
            first, end = span(rows, i)
            for e in range(first, end):
                j = column(rows, i, e)
                move(rule, w, state, j, u[0] * entry(rows, i, e), eta, clock, t, l2, l1, a, b, c)
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
                        move(rule, w, state, j, gradient[j], eta, clock, t, l2, l1, a, b, c)
                        gradient[j] = 0.0
                        if averaging:
                            mean[j] += w[j]
        if intercept:
            fa, fb, fc = constants(free, eta, t)
            advance(free, w, state, d, total, fa, fb, fc)
            bias_sum += w[d]
    for j in range(d):
        if averaging:
            mean[j] += w[j] * (t - state[STEP, j])
        if state[STEP, j] < t:
            catch_up(rule, w, state, j, clock, t, l2, l1, a, b, c)
    if averaging and intercept:
        mean[d] += bias_sum
    return t
