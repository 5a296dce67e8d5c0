"""Epochs of stochastic gradient steps with the plain rule: any scalar loss, dense or sparse rows.

A step costs O(non-zeros of its rows), with both penalties, and is exactly that of the dense formula::

    w <- T((1 - eta l2) w - eta c x),   c = the weighted slope at x.w + b,   T: soft threshold at eta l1

``w = scale v``: a squared penalty changes one number.  A threshold on w is one of ``eta l1 / |scale|`` on v, and
thresholds add up, so a coordinate is cut by what the running sum gained since a row last touched it.  The mean of
all iterates is ``(C v - u) / steps`` with C the sum of the scales: u changes only where v does.  When the scale has
become tiny, or zero, everything is multiplied out once, O(d).

References
----------
Bottou (2012), Stochastic gradient descent tricks.  Xu (2011), Towards optimal one pass large scale learning with
averaged stochastic gradient descent.  Duchi, Singer (2009), Efficient online and batch learning using forward
backward splitting.  Langford, Li, Zhang (2009), Sparse online learning via truncated gradient.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner
from steepest.kernels.prefetch import prefetch
from steepest.kernels.rows import announce, column, entry, fetch, span
from steepest.losses.registry import slope

TINY = 1e-9  # a scale below it is multiplied out
FAR = 16  # rows ahead, of those asked for
NEAR = 8


@inner
def ask_ahead(rows, y, order, k, m):
    """Bring rows to come nearer; see `steepest.kernels.prefetch`."""
    if k + FAR < m:
        far = order[k + FAR]
        announce(rows, far)
        prefetch(y, far)
        fetch(rows, order[k + NEAR])


@inner
def cut(v, by):
    """Soft threshold of v; without a branch, for signs follow no pattern."""
    return max(v - by, 0.0) + min(v + by, 0.0)


@inner
def dot(rows, w, i, first, end):
    """x_i . w; four sums, so that additions need not wait for each other."""
    one = np.uint64(1)
    s0 = 0.0
    s1 = 0.0
    s2 = 0.0
    s3 = 0.0
    e = first
    while e + np.uint64(4) <= end:
        s0 += entry(rows, i, e) * w[column(rows, i, e)]
        e += one
        s1 += entry(rows, i, e) * w[column(rows, i, e)]
        e += one
        s2 += entry(rows, i, e) * w[column(rows, i, e)]
        e += one
        s3 += entry(rows, i, e) * w[column(rows, i, e)]
        e += one
    while e < end:
        s0 += entry(rows, i, e) * w[column(rows, i, e)]
        e += one
    return (s0 + s1) + (s2 + s3)


@inner
def multiply_out(v, d, scale, cuts, seen, truncating, reach, lag, mean, averaging):
    """v <- w; the mean's sum is brought up to date."""
    for j in range(d):
        if truncating:
            v[j] = cut(v[j], cuts - seen[j])
            seen[j] = 0.0
        if averaging:
            mean[j] += reach * v[j] - lag[j]
            lag[j] = 0.0
        v[j] *= scale


@fast_kernel
def plain_epoch(loss, rows, y, p, order, factors, rates, size, l2, l1, bias_rate, w, d, seen, mean, lag, noted):
    """One step for each ``size`` rows of ``order``; ``w`` holds d weights, then the intercept where one is fitted.

    Parameters
    ----------
    p : (n,) weights of rows, of mean 1; or of length 0, which is all 1
    order : (m,) unsigned
        Rows, in the order of their use.
    factors : (m,), or of length 0
        What the gradient of each position is multiplied by (sampling that is not uniform).
    rates : (number of steps,)
        Of each step; the gradient of a step is the mean over its rows.
    bias_rate : float
        Multiplies the rate of the intercept.
    seen : (d,) scratch, or of length 0 where l1 is 0
    mean, lag : of the length of w, or of length 0 for no average
        ``mean`` gains the sum of the parameters after each step.
    noted : (m,), or of length 0
        Takes the slope that each position met, without its weight and factor.
    """
    truncating = l1 > 0.0
    averaging = mean.shape[0] > 0
    weighted = p.shape[0] > 0
    factored = factors.shape[0] > 0
    noting = noted.shape[0] > 0
    intercept = w.shape[0] > d
    m = order.shape[0]
    u = np.empty(size)
    for j in range(seen.shape[0]):
        seen[j] = 0.0
    for j in range(lag.shape[0]):
        lag[j] = 0.0
    b = w[d] if intercept else 0.0
    scale = 1.0
    cuts = 0.0
    reach = 0.0
    bias_sum = 0.0
    last = 0.0
    for step in range(rates.shape[0]):
        eta = rates[step]
        start = step * size
        stop = min(start + size, m)
        for k in range(start, stop):
            ask_ahead(rows, y, order, k, m)
            i = order[k]
            first, end = span(rows, i)
            if truncating:
                for e in range(first, end):
                    j = column(rows, i, e)
                    if seen[j] != cuts:
                        v = w[j]
                        new = cut(v, cuts - seen[j])
                        seen[j] = cuts
                        if averaging:
                            lag[j] += reach * (new - v)
                        w[j] = new
            c = slope(loss, scale * dot(rows, w, i, first, end) + b, y[i])
            if noting:
                noted[k] = c
            if weighted:
                c *= p[i]
            if factored:
                c *= factors[k]
            u[k - start] = c
            last = c
        scale *= max(0.0, 1.0 - eta * l2)
        if scale < TINY:
            multiply_out(w, d, scale, cuts, seen, truncating, reach, lag, mean, averaging)
            scale = 1.0
            cuts = 0.0
            reach = 0.0
        move = eta / (stop - start)
        pull = -move / scale  # here, and not in the loop: a division would stand between slope and weights
        total = 0.0
        for k in range(start, stop):
            i = order[k]
            c = last if size == 1 else u[k - start]  # not by way of the memory
            total += c
            c *= pull
            if c != 0.0:
                first, end = span(rows, i)
                if averaging:
                    for e in range(first, end):
                        lag[column(rows, i, e)] += reach * (c * entry(rows, i, e))
                for e in range(first, end):
                    w[column(rows, i, e)] += c * entry(rows, i, e)
        if intercept:
            b -= bias_rate * move * total
        if truncating:
            cuts += eta * l1 / scale
        if averaging:
            reach += scale
            bias_sum += b
    multiply_out(w, d, scale, cuts, seen, truncating, reach, lag, mean, averaging)
    if intercept:
        w[d] = b
        if averaging:
            mean[d] += bias_sum


@fast_kernel
def gather_notes(noted, order, mix, slopes, k):
    """Slopes of rows, k each and flat, move by ``mix`` of the way to what was noted at their visits."""
    for at in range(order.shape[0]):
        if at + FAR < order.shape[0]:
            prefetch(slopes, np.int64(order[at + FAR]) * k)
        to = np.int64(order[at]) * k
        for c in range(k):
            slopes[to + c] += mix * (noted[at * k + c] - slopes[to + c])
