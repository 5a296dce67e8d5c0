"""Epochs of stochastic steps for losses of k scores a row: plain or any rule, dense or sparse rows.

A step costs O(k non-zeros of its rows).  The weights of a column lie side by side, ``w[j k + c]``, and are brought up
to date together; intercepts stand behind them.  What is lazy, and how, is as for one score: see
`steepest.kernels.epochs` for the plain rule and `steepest.kernels.epochs_rules` for the others.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.epochs import TINY, ask_ahead, cut
from steepest.kernels.epochs_rules import shrink
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import value_slope
from steepest.rules.registry import advance, constants, rest

CLOCK = 0
STEP = 1


@inner
def multiply_out_many(v, d, k, scale, cuts, seen, truncating, reach, lag, mean, averaging):
    """v <- w; the mean's sum is brought up to date."""
    for j in range(d):
        for e in range(j * k, j * k + k):
            if truncating:
                v[e] = cut(v[e], cuts - seen[j])
            if averaging:
                mean[e] += reach * v[e] - lag[e]
                lag[e] = 0.0
            v[e] *= scale
        if truncating:
            seen[j] = 0.0


@fast_kernel
def plain_epoch_many(loss, rows, y, p, order, factors, rates, size, l2, l1, bias_rate, w, d, k, seen, mean, lag, noted):
    """One plain step for each ``size`` rows of ``order``; as `steepest.kernels.epochs.plain_epoch`.

    Parameters
    ----------
    ... : as there
    w : (d k [+ k],)
        Weights, then intercepts where they are fitted.
    d, k : int
        Columns, scores.
    seen : (d,) scratch, or of length 0 where l1 is 0
    noted : (m, k), or of shape (0, k)
    """
    truncating = l1 > 0.0
    averaging = mean.shape[0] > 0
    weighted = p.shape[0] > 0
    factored = factors.shape[0] > 0
    noting = noted.shape[0] > 0
    m = order.shape[0]
    base = d * k
    intercept = w.shape[0] > base
    bias = bias_rate if intercept else 0.0
    U = np.empty((size, k))
    z = np.empty(k)
    b = np.zeros(k)
    bias_sum = np.zeros(k)
    for j in range(seen.shape[0]):
        seen[j] = 0.0
    for e in range(lag.shape[0]):
        lag[e] = 0.0
    if intercept:
        for c in range(k):
            b[c] = w[base + c]
    scale = 1.0
    cuts = 0.0
    reach = 0.0
    for step in range(rates.shape[0]):
        eta = rates[step]
        start = step * size
        stop = min(start + size, m)
        for r in range(start, stop):
            ask_ahead(rows, y, order, r, m)
            i = order[r]
            first, end = span(rows, i)
            for c in range(k):
                z[c] = 0.0
            for e in range(first, end):
                j = column(rows, i, e)
                x = entry(rows, i, e)
                at = np.int64(j) * k
                if truncating and seen[j] != cuts:
                    for c in range(k):
                        v = w[at + c]
                        new = cut(v, cuts - seen[j])
                        if averaging:
                            lag[at + c] += reach * (new - v)
                        w[at + c] = new
                    seen[j] = cuts
                for c in range(k):
                    z[c] += x * w[at + c]
            for c in range(k):
                z[c] = scale * z[c] + b[c]
            u = U[r - start]
            value_slope(loss, z, y[i], u)
            if noting:
                for c in range(k):
                    noted[r, c] = u[c]
            if weighted or factored:
                factor = 1.0
                if weighted:
                    factor *= p[i]
                if factored:
                    factor *= factors[r]
                for c in range(k):
                    u[c] *= factor
        scale *= max(0.0, 1.0 - eta * l2)
        if scale < TINY:
            multiply_out_many(w, d, k, scale, cuts, seen, truncating, reach, lag, mean, averaging)
            scale = 1.0
            cuts = 0.0
            reach = 0.0
        move = eta / (stop - start)
        pull = -move / scale
        for r in range(start, stop):
            i = order[r]
            u = U[r - start]
            first, end = span(rows, i)
            for e in range(first, end):
                x = pull * entry(rows, i, e)
                at = np.int64(column(rows, i, e)) * k
                if averaging:
                    for c in range(k):
                        lag[at + c] += reach * (x * u[c])
                for c in range(k):
                    w[at + c] += x * u[c]
            for c in range(k):
                b[c] -= bias * move * u[c]
        if truncating:
            cuts += eta * l1 / scale
        if averaging:
            reach += scale
            for c in range(k):
                bias_sum[c] += b[c]
    multiply_out_many(w, d, k, scale, cuts, seen, truncating, reach, lag, mean, averaging)
    if intercept:
        for c in range(k):
            w[base + c] = b[c]
            if averaging:
                mean[base + c] += bias_sum[c]


@fast_kernel
def rule_epoch_many(
    rule, free, loss, rows, y, p, order, factors, rates, size, l2, l1, w, d, k, state, seen, t, gradient, mean, noted
):
    """One step for each ``size`` rows of ``order``; as `steepest.kernels.epochs_rules.rule_epoch`.

    Parameters
    ----------
    ... : as there
    w : (d k [+ k],)
    d, k : int
    state : (2 or more, length of w)
        Two slots of the rule.
    seen : (2, d) scratch
        The clock and the step up to which a column is up to date.
    gradient : (d k,) zeros, and zeros again afterwards; or of length 0 for single rows
    noted : (m, k), or of shape (0, k)

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
    base = d * k
    intercept = w.shape[0] > base
    m = order.shape[0]
    U = np.empty((size, k))
    z = np.empty(k)
    total = np.empty(k)
    for j in range(d):
        seen[CLOCK, j] = 0.0
        seen[STEP, j] = t
    clock = 0.0
    a, b, c = constants(rule, rates[0] if rates.shape[0] > 0 else 1.0, t + 1.0)
    for step in range(rates.shape[0]):
        eta = rates[step]
        start = step * size
        stop = min(start + size, m)
        share = 1.0 / (stop - start)
        for q in range(k):
            total[q] = 0.0
        for r in range(start, stop):
            ask_ahead(rows, y, order, r, m)
            i = order[r]
            first, end = span(rows, i)
            for q in range(k):
                z[q] = w[base + q] if intercept else 0.0
            for e in range(first, end):
                j = column(rows, i, e)
                x = entry(rows, i, e)
                at = np.int64(j) * k
                missed = t - seen[STEP, j]
                if missed > 0.0:
                    for h in range(at, at + k):
                        if averaging:
                            mean[h] += w[h] * missed
                        w[h], state[0, h], state[1, h] = rest(rule, w[h], state[0, h], state[1, h], missed, c)
                    seen[STEP, j] = t
                if penalised:
                    gap = clock - seen[CLOCK, j]
                    if gap > 0.0:
                        for h in range(at, at + k):
                            w[h] = shrink(rule, w[h], state[0, h], state[1, h], gap, l2, l1, a, b, c)
                        seen[CLOCK, j] = clock
                for q in range(k):
                    z[q] += x * w[at + q]
            u = U[r - start]
            value_slope(loss, z, y[i], u)
            if noting:
                for q in range(k):
                    noted[r, q] = u[q]
            factor = share
            if weighted:
                factor *= p[i]
            if factored:
                factor *= factors[r]
            for q in range(k):
                u[q] *= factor
                total[q] += u[q]
        t += 1.0
        a, b, c = constants(rule, eta, t)
        if size == 1:
            i = order[start]
            first, end = span(rows, i)
            for e in range(first, end):
                j = column(rows, i, e)
                x = entry(rows, i, e)
                at = np.int64(j) * k
                for q in range(k):
                    h = at + q
                    w[h], state[0, h], state[1, h] = advance(rule, w[h], state[0, h], state[1, h], U[0, q] * x, a, b, c)
                    if averaging:
                        mean[h] += w[h]
                seen[STEP, j] = t
        else:
            for r in range(start, stop):
                i = order[r]
                first, end = span(rows, i)
                for e in range(first, end):
                    x = entry(rows, i, e)
                    at = np.int64(column(rows, i, e)) * k
                    for q in range(k):
                        gradient[at + q] += U[r - start, q] * x
            for r in range(start, stop):
                i = order[r]
                first, end = span(rows, i)
                for e in range(first, end):
                    j = column(rows, i, e)
                    if seen[STEP, j] < t:  # the first of the rows that touch it moves it
                        at = np.int64(j) * k
                        for h in range(at, at + k):
                            w[h], state[0, h], state[1, h] = advance(
                                rule, w[h], state[0, h], state[1, h], gradient[h], a, b, c
                            )
                            gradient[h] = 0.0
                            if averaging:
                                mean[h] += w[h]
                        seen[STEP, j] = t
        if intercept:
            fa, fb, fc = constants(free, eta, t)
            for q in range(k):
                h = base + q
                w[h], state[0, h], state[1, h] = advance(free, w[h], state[0, h], state[1, h], total[q], fa, fb, fc)
                if averaging:
                    mean[h] += w[h]
        clock += eta
    for j in range(d):
        missed = t - seen[STEP, j]
        gap = clock - seen[CLOCK, j]
        for h in range(j * k, j * k + k):
            if averaging:
                mean[h] += w[h] * missed
            if missed > 0.0:
                w[h], state[0, h], state[1, h] = rest(rule, w[h], state[0, h], state[1, h], missed, c)
            if penalised and gap > 0.0:
                w[h] = shrink(rule, w[h], state[0, h], state[1, h], gap, l2, l1, a, b, c)
    return t
