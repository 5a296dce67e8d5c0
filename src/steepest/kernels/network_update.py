"""One step of a rule on a flat vector of float32 or float64, in one pass over all that it reads and writes."""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_inner, fast_kernel
from steepest.kernels.denormals import flush_denormals, restore_denormals
from steepest.rules.registry import advance, constants

_BLOCK = 4096  # squares are summed in the vector's own precision within one


@fast_inner
def update_range(rule, w, state, g, start, stop, l2, scale, limit, keep, eta, t):
    """Move ``w[start:stop]`` along ``scale clip(g) + l2 w``; the sum of their squares before.

    Arithmetic is that of w's dtype; give the rule by `steepest.rules.narrowed`.

    Parameters
    ----------
    rule : rule
        With fields of w's dtype.
    w, g : (size,)
    state : (slots, size)
    start, stop : int
    l2, scale, limit, keep : float
        Penalty; what clipping multiplies the gradient by; entries of g are cut to [-limit, limit] (inf: not); what
        decoupled decay leaves of w.
    eta, t : float
        Rate, and number of the step from 1 on.
    """
    cast = w.dtype.type
    first, second, third = constants(rule, eta, t)
    a, b, c = cast(first), cast(second), cast(third)
    strength, times, top, kept, zero = cast(l2), cast(scale), cast(limit), cast(keep), cast(0.0)
    slots = state.shape[0]
    total = 0.0
    before = flush_denormals()
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        x, d = w[low:high], g[low:high]
        squares = zero
        if slots == 0:
            for j in range(high - low):
                v, u = x[j], d[j]
                squares += v * v
                u = times * (top if u > top else -top if u < -top else u) + strength * v
                x[j], _, _ = advance(rule, kept * v, zero, zero, u, a, b, c)
        elif slots == 1:
            s = state[0, low:high]
            for j in range(high - low):
                v, u = x[j], d[j]
                squares += v * v
                u = times * (top if u > top else -top if u < -top else u) + strength * v
                x[j], s[j], _ = advance(rule, kept * v, s[j], zero, u, a, b, c)
        else:
            s, r = state[0, low:high], state[1, low:high]
            for j in range(high - low):
                v, u = x[j], d[j]
                squares += v * v
                u = times * (top if u > top else -top if u < -top else u) + strength * v
                x[j], s[j], r[j] = advance(rule, kept * v, s[j], r[j], u, a, b, c)
        total += squares
    restore_denormals(before)
    return total


@fast_kernel
def update(rule, w, state, g, start, stop, l2, scale, limit, keep, eta, t):
    """`update_range`, from Python."""
    return update_range(rule, w, state, g, start, stop, l2, scale, limit, keep, eta, t)


@fast_kernel
def square_sum(g, limit):
    """The sum of squares of g, its entries cut to [-limit, limit]; in float64."""
    total = 0.0
    top = g.dtype.type(limit)
    for j in range(g.shape[0]):
        u = g[j]
        u = top if u > top else -top if u < -top else u
        total += np.float64(u) * np.float64(u)
    return total


@fast_kernel
def average(mean, w, share):
    """mean <- mean + share (w - mean), in float64."""
    for j in range(mean.shape[0]):
        mean[j] += share * (np.float64(w[j]) - mean[j])
