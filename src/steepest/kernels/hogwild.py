"""Stochastic steps of several threads on one vector, without locks: sparse rows, any scalar loss.

Every thread runs this kernel on rows of its own and on the same ``v``.  Reads and writes are those of aligned 64-bit
words, which the processors that Numba compiles for do not tear; where two threads add to one coordinate at once, one
of the two may be lost.  With sparse rows that is rare, and small beside the noise of the rows themselves.

What costs is a cache line that another thread has written, and every second use of one has that fate, however rare its
columns are.  So each thread holds the frequent columns, the *head*, in a copy of its own, and now and then adds to the
shared one what it has gained since the last time, and reads that again: the more often the more frequent a column is.

``w = scale v``, as in `steepest.kernels.epochs`, so the squared penalty costs nothing an entry.  The scale is not
shared: it follows from the rates, so it is known beforehand for every step.  A thread that lags behind takes scores
that are off by the decay of the steps between, which vanishes with the rates.

References
----------
Niu, Recht, Re, Wright (2011), Hogwild!: a lock-free approach to parallelizing stochastic gradient descent.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_inner, fast_kernel, kernel
from steepest.kernels.epochs import ask_ahead
from steepest.kernels.prefetch import prefetch
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import slope

FAR = 16  # rows ahead whose split is asked for
BIAS = 8  # rows between two looks at the shared intercept


@kernel
def column_sums(data, indices, indptr, rows, p, sums):
    """Of the rows listed, by column: how many hold it, and the sums of ``p |x|`` and ``p x^2``, into (d, 3)."""
    weighted = p.shape[0] > 0
    for k in range(rows.shape[0]):
        i = rows[k]
        q = p[i] if weighted else 1.0
        for e in range(indptr[i], indptr[i + np.uint64(1)]):
            j = indices[e]
            x = abs(data[e] * 1.0)
            sums[j, 0] += 1.0
            sums[j, 1] += q * x
            sums[j, 2] += q * x * x


@kernel
def heads_first(data, indices, indptr, numbers, h, start, stop, out_data, out_indices, split):
    """Rows anew, the head in front, up to ``split[i]``; ``numbers`` has the number of a column in the head, or ``h``.

    No branch on the column, which follows no pattern: an entry is written at either end of what is left of its row.
    """
    one = np.uint64(1)
    for i in range(np.uint64(start), np.uint64(stop)):
        front = indptr[i]
        back = indptr[i + one] - one
        for e in range(indptr[i], indptr[i + one]):
            j = indices[e]
            number = numbers[j]
            inside = number < h
            place = front if inside else back
            out_data[place] = data[e]
            out_indices[place] = number if inside else j
            front += np.uint64(inside)
            back -= np.uint64(not inside)
        split[i] = front


@fast_inner
def join(hub, own, base, low, high):
    """What this thread has gained since the last time into the shared head, and that into its copy."""
    for j in range(low, high):
        s = hub[j] + (own[j] - base[j])
        hub[j] = s
        own[j] = s
        base[j] = s


@fast_kernel
def hogwild_steps(
    loss, rows, split, y, p, order, scales, pulls, bias_rates, v, hub, own, base, edges, every, bias, share
):
    """One step a row of ``order``.

    Parameters
    ----------
    rows, split : sparse rows with the head in front, as `heads_first` makes them
    p : (n,) weights of rows, of mean 1; or of length 0, which is all 1
    order : (m,) unsigned
        The rows of this thread.
    scales, pulls : (m,)
        What turns v into w before each step; the rate over the scale after it.
    bias_rates : (m,), or of length 0 for no intercept
        Its rates.
    v : (d,) or longer, shared, aligned to 8 bytes
        Weights over the scale of the columns that are not in the head.
    hub : (h,), shared
        The same of those in the head.
    own, base : (h,)
        The copy of this thread, and the copy as it was last read: overwritten.
    edges, every : (classes + 1,), (classes,)
        Where the classes of the head begin, and rows between two times that one is added up.
    bias : (1,), shared
        The intercept.
    share : float
        Of a thread's change of the intercept that counts: every row moves that, so changes are averaged, not added.
    """
    weighted = p.shape[0] > 0
    intercept = bias_rates.shape[0] > 0
    m = order.shape[0]
    h = edges[-1]
    for j in range(h):
        own[j] = hub[j]
        base[j] = own[j]
    b = bias[0] if intercept else 0.0
    known = b
    left = every.copy()
    for k in range(m):
        ask_ahead(rows, y, order, k, m)
        if k + FAR < m:
            prefetch(split, order[k + FAR])
        i = order[k]
        first, end = span(rows, i)
        mid = split[i]
        s = 0.0
        for e in range(first, mid):
            s += entry(rows, i, e) * own[column(rows, i, e)]
        for e in range(mid, end):
            s += entry(rows, i, e) * v[column(rows, i, e)]
        c = slope(loss, scales[k] * s + b, y[i])
        if weighted:
            c *= p[i]
        if intercept:
            b -= bias_rates[k] * c
            if k % BIAS == BIAS - 1:
                b = bias[0] + share * (b - known)
                bias[0] = b
                known = b
        c *= -pulls[k]
        if c != 0.0:
            for e in range(first, mid):
                own[column(rows, i, e)] += c * entry(rows, i, e)
            for e in range(mid, end):
                v[column(rows, i, e)] += c * entry(rows, i, e)
        for group in range(every.shape[0]):
            left[group] -= 1
            if left[group] == 0:
                left[group] = every[group]
                join(hub, own, base, edges[group], edges[group + 1])
    join(hub, own, base, 0, h)
    if intercept:
        bias[0] += share * (b - known)
