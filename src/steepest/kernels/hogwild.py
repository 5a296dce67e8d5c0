"""Stochastic steps of several threads on one vector, without locks: sparse rows, any scalar loss.

Every thread runs this kernel on rows of its own and on the same ``v``.  Reads and writes are those of aligned 64-bit
words, which the processors that Numba compiles for do not tear; where two threads add to one coordinate at once, one
of the two may be lost.  With sparse rows that is rare, and small beside the noise of the rows themselves.

``w = scale v``, as in `steepest.kernels.epochs`, so the squared penalty costs nothing an entry.  The scale is not
shared: it follows from the rates, so it is known beforehand for every step.  A thread that lags behind takes scores
that are off by the decay of the steps between, which vanishes with the rates.

References
----------
Niu, Recht, Re, Wright (2011), Hogwild!: a lock-free approach to parallelizing stochastic gradient descent.
"""

from __future__ import annotations

from steepest.jit import fast_kernel
from steepest.kernels.epochs import ask_ahead
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import slope


@fast_kernel
def hogwild_steps(loss, rows, y, p, order, scales, pulls, bias_rates, v, d):
    """One step a row of ``order``.

    Parameters
    ----------
    p : (n,) weights of rows, of mean 1; or of length 0, which is all 1
    order : (m,) unsigned
        The rows of this thread.
    scales, pulls : (m,)
        What turns v into w before each step; the rate over the scale after it.
    bias_rates : (m,)
        Rates of the intercept.
    v : (d,) or (d + 1,), shared, aligned to 8 bytes
        Weights over the scale, then the intercept itself where one is fitted.
    """
    weighted = p.shape[0] > 0
    intercept = v.shape[0] > d
    m = order.shape[0]
    for k in range(m):
        ask_ahead(rows, y, order, k, m)
        i = order[k]
        first, end = span(rows, i)
        s = 0.0
        for e in range(first, end):
            s += entry(rows, i, e) * v[column(rows, i, e)]
        s *= scales[k]
        if intercept:
            s += v[d]
        c = slope(loss, s, y[i])
        if weighted:
            c *= p[i]
        if c != 0.0:
            if intercept:
                v[d] -= bias_rates[k] * c
            c *= -pulls[k]
            for e in range(first, end):
                v[column(rows, i, e)] += c * entry(rows, i, e)
