"""Epochs of stochastic steps with any rule: any scalar loss, dense or sparse rows, O(non-zeros) a step.

A step moves the coordinates that its rows touch.  Before a row reads a coordinate, it is brought up to date: by the
rule's own `rest` for the steps that it missed, then by one proximal step for the penalty, in the metric q of the rule
and for the sum E of all rates since::

    w_j <- T(w_j q, E l1) / (q + E l2)          T: soft threshold

So a coordinate that few rows touch pays as much for a penalty as others do, and where gradient and penalty cancel
is the minimum of the objective, whatever the metric.  On dense rows nothing rests, E is the last rate, and this is
the proximal step of the rule.  For exactness on sparse rows see `steepest.rules.registry`.

All numbers of a coordinate lie in one line of the cache during an epoch, for a row meets its columns anywhere.  A step
by one row collects what it meets into arrays, where roots and divisions run several at a time, and puts it back.  That
needs columns that differ, so a row whose columns do not rise is taken as a batch of one, as is one without room: a
batch sums what its rows say of a column before the column moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from steepest.jit import fast_kernel, inner, value_class
from steepest.kernels.epochs import ask_ahead, cut
from steepest.kernels.prefetch import prefetch
from steepest.kernels.rows import column, entry, span
from steepest.losses.registry import slope
from steepest.rules.registry import advance, constants, rest, stiffness

# A coordinate's line: the weight, two slots of the rule, the clock and the step up to which it is up to date, the
# gradient of a batch, the step that last moved it, the sum of the mean.
W, S, R, CLOCK, STEP, GRADIENT, MARK, MEAN = (np.uint64(place) for place in range(8))
LINE = np.uint64(8)

ROOM = np.uint64(1064)  # entries of a row taken at once; in bytes no fraction of a page, where equal offsets collide
W_AT, S_AT, R_AT, MEAN_AT, STEP_AT, CLOCK_AT = (ROOM * np.uint64(place) for place in range(6))

WIDE = 10_000  # columns whose lines no longer lie in the nearer caches: they are asked for ahead


def two_slots(rule: Any) -> bool:
    """Whether a rule remembers two numbers of a coordinate; known to the compiler."""
    return bool(rule.slots == 2)


@overload(two_slots)
def _two_slots(rule):
    two = value_class(rule).slots == 2
    return lambda rule: two


@inner
def shrink(rule, w, s, r, length, l2, l1, a, b, c):
    """The proximal step for the penalty, at a rate of ``length``."""
    q = stiffness(rule, s, r, a, b, c)
    return cut(w * q, length * l1) / (q + length * l2) if q > 0.0 else w


@inner
def prepare(rows, i, base, places, entries, nowhere):
    """Where the lines of a row are, and its entries, filled up to whole registers; the length, 0 for a batch of one."""
    first, end = span(rows, i)
    count = end - first
    if count > ROOM:
        return np.uint64(0)
    falls = 0
    for e in range(np.uint64(1), count):
        falls += column(rows, i, first + e) <= column(rows, i, first + e - np.uint64(1))
    if falls:
        return np.uint64(0)
    for e in range(count):
        places[base + e] = column(rows, i, first + e) * LINE
        entries[base + e] = entry(rows, i, first + e)
    full = (count + np.uint64(7)) & ~np.uint64(7)
    for e in range(count, full):
        places[base + e] = nowhere
        entries[base + e] = 0.0
    return full


@inner
def collect(full, base, places, lines, held, clocked, stepped, second, averaging):
    """What a row meets, each number by itself."""
    e = np.uint64(0)  # one at a time, here and in `put_back`: loads by vectors wait until earlier stores are done
    while e < full:
        line = places[base + e]
        held[W_AT + e] = lines[line + W]
        held[S_AT + e] = lines[line + S]
        if second:
            held[R_AT + e] = lines[line + R]
        if stepped:
            held[STEP_AT + e] = lines[line + STEP]
        if clocked:
            held[CLOCK_AT + e] = lines[line + CLOCK]
        if averaging:
            held[MEAN_AT + e] = lines[line + MEAN]
        e += np.uint64(1)


@inner
def renew(rule, full, base, entries, held, clock, t, l2, l1, a, b, c, clocked, stepped, averaging):
    """Brings what is collected up to date; x.w."""
    total = 0.0
    for e in range(full):
        w = held[W_AT + e]
        if stepped:
            s = held[S_AT + e]
            r = held[R_AT + e]
            missed = t - held[STEP_AT + e]
            if averaging:
                held[MEAN_AT + e] += w * missed
            w1, s1, r1 = rest(rule, w, s, r, missed, c)
            w = w1 if missed > 0.0 else w
            held[S_AT + e] = s1 if missed > 0.0 else s
            held[R_AT + e] = r1 if missed > 0.0 else r
        if clocked:
            gap = clock - held[CLOCK_AT + e]
            w2 = shrink(rule, w, held[S_AT + e], held[R_AT + e], gap, l2, l1, a, b, c)
            w = w2 if gap > 0.0 else w
        if stepped or clocked:
            held[W_AT + e] = w
        total += entries[base + e] * w
    return total


@inner
def put_back(count, base, places, lines, held, clock, t, clocked, stepped, second, averaging):
    """What a row met, after its step."""
    e = np.uint64(0)
    while e < count:
        line = places[base + e]
        lines[line + W] = held[W_AT + e]
        lines[line + S] = held[S_AT + e]
        if second:
            lines[line + R] = held[R_AT + e]
        if stepped:
            lines[line + STEP] = t
        if clocked:
            lines[line + CLOCK] = clock
        if averaging:
            lines[line + MEAN] = held[MEAN_AT + e]
        e += np.uint64(1)


@inner
def move(rule, full, base, entries, held, g, a, b, c, averaging):
    """The step of what is collected."""
    for e in range(full):
        w, s, r = advance(rule, held[W_AT + e], held[S_AT + e], held[R_AT + e], g * entries[base + e], a, b, c)
        held[W_AT + e] = w
        held[S_AT + e] = s
        held[R_AT + e] = r
        if averaging:
            held[MEAN_AT + e] += w


@fast_kernel
def rule_epoch(rule, free, loss, rows, y, p, order, factors, rates, size, l2, l1, w, d, state, t, mean, noted):
    """One step for each ``size`` rows of ``order``; as `steepest.kernels.epochs.plain_epoch`.

    Parameters
    ----------
    ... : as there
    rule, free : rules of one class
        ``free`` moves the intercept (see `steepest.rules.unpenalised`).
    state : (at least 2, length of w)
        The slots of the rule.
    t : float
        Steps taken before.
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
    same = free == rule
    m = order.shape[0]
    u = np.empty(size)
    given = np.empty(np.uint64(d + 2) * LINE)
    lines = given[(64 - given.ctypes.data % 64) % 64 // 8 :]
    nowhere = np.uint64(d) * LINE  # a line of nobody
    for at in range(nowhere, nowhere + LINE):
        lines[at] = 0.0
    held = np.empty(6 * ROOM)
    places = np.empty(2 * ROOM, dtype=np.uint64)
    entries = np.empty(2 * ROOM)
    base = np.uint64(0)
    full = np.uint64(0)
    if size == 1 and m > 0:
        full = prepare(rows, order[0], base, places, entries, nowhere)
    a, b, c = constants(rule, rates[0] if rates.shape[0] > 0 else 1.0, t + 1.0)
    second = two_slots(rule)
    # false for rules that leave a resting coordinate as it is, and known to the compiler: no steps are counted then
    stepped = averaging or rest(rule, 0.7, 0.6, 0.5, 3.0, 0.3) != (0.7, 0.6, 0.5)
    for j in range(np.uint64(d)):
        at = j * LINE
        lines[at + W] = w[j]
        lines[at + S] = state[0, j]
        lines[at + R] = state[1, j]
        lines[at + CLOCK] = 0.0
        lines[at + STEP] = t
        lines[at + GRADIENT] = 0.0
        lines[at + MARK] = t
        lines[at + MEAN] = mean[j] if averaging else 0.0
    clock = 0.0
    bias_sum = 0.0
    for step in range(rates.shape[0]):
        eta = rates[step]
        start = step * size
        stop = min(start + size, m)
        share = 1.0 / (stop - start)
        shift = w[d] if intercept else 0.0
        total = 0.0
        ahead = np.uint64(0)
        for k in range(start, stop):
            ask_ahead(rows, y, order, k, m)
            if d > WIDE and k + 1 < m:
                i = order[k + 1]
                first, end = span(rows, i)
                for e in range(first, end):
                    prefetch(lines, column(rows, i, e) * LINE)
            i = order[k]
            first, end = span(rows, i)
            s = shift
            if full:
                collect(full, base, places, lines, held, penalised, stepped, second, averaging)
                s += renew(rule, full, base, entries, held, clock, t, l2, l1, a, b, c, penalised, stepped, averaging)
            else:
                for e in range(first, end):
                    at = column(rows, i, e) * LINE
                    missed = t - lines[at + STEP]
                    if missed > 0.0:
                        lines[at + MEAN] += lines[at + W] * missed
                        lines[at + W], lines[at + S], lines[at + R] = rest(
                            rule, lines[at + W], lines[at + S], lines[at + R], missed, c
                        )
                        lines[at + STEP] = t
                    gap = clock - lines[at + CLOCK]
                    if penalised and gap > 0.0:
                        lines[at + W] = shrink(rule, lines[at + W], lines[at + S], lines[at + R], gap, l2, l1, a, b, c)
                        lines[at + CLOCK] = clock
                    s += entry(rows, i, e) * lines[at + W]
            if size == 1 and k + 1 < m:  # while this row computes
                ahead = prepare(rows, order[k + 1], ROOM - base, places, entries, nowhere)
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
        if full:
            first, end = span(rows, order[start])
            move(rule, full, base, entries, held, total, a, b, c, averaging)
            put_back(end - first, base, places, lines, held, clock, t, penalised, stepped, second, averaging)
        else:
            for k in range(start, stop):
                i = order[k]
                first, end = span(rows, i)
                for e in range(first, end):
                    lines[column(rows, i, e) * LINE + GRADIENT] += u[k - start] * entry(rows, i, e)
            for k in range(start, stop):
                i = order[k]
                first, end = span(rows, i)
                for e in range(first, end):
                    at = column(rows, i, e) * LINE
                    if lines[at + MARK] < t:  # the first of the rows that touch it moves it
                        lines[at + W], lines[at + S], lines[at + R] = advance(
                            rule, lines[at + W], lines[at + S], lines[at + R], lines[at + GRADIENT], a, b, c
                        )
                        lines[at + STEP] = t
                        lines[at + MARK] = t
                        lines[at + GRADIENT] = 0.0
                        lines[at + MEAN] += lines[at + W]
        if intercept:
            fa, fb, fc = a, b, c
            if not same:
                fa, fb, fc = constants(free, eta, t)
            w[d], state[0, d], state[1, d] = advance(free, w[d], state[0, d], state[1, d], total, fa, fb, fc)
            bias_sum += w[d]
        clock += eta
        full = ahead
        base = ROOM - base
    for j in range(np.uint64(d)):
        at = j * LINE
        v = lines[at + W]
        s = lines[at + S]
        r = lines[at + R]
        missed = t - lines[at + STEP]
        if averaging:
            mean[j] = lines[at + MEAN] + v * missed
        if stepped and missed > 0.0:
            v, s, r = rest(rule, v, s, r, missed, c)
        gap = clock - lines[at + CLOCK]
        if penalised and gap > 0.0:
            v = shrink(rule, v, s, r, gap, l2, l1, a, b, c)
        w[j] = v
        state[0, j] = s
        state[1, j] = r
    if averaging and intercept:
        mean[d] += bias_sum
    return t
