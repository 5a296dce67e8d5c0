"""Row sums for the augmented Lagrangian of a loss; rows of weight 0 are absent."""

from __future__ import annotations

import math

from steepest.jit import fast_kernel, kernel
from steepest.losses.registry import conjugate, curvature, slope, value

_NEAR = 1e-13
_ROUNDING = 8.0 * 2.0**-52


@kernel
def settle_multipliers(loss, step, z, y, p, u):
    """Moves multipliers that rounding put outside the domain of the conjugate back into it; sums at (z, u).

    A multiplier is a difference of scores over the step, so that is how far rounding can put it outside.
    Returns ``(sum p loss(z), sum p [loss(z) + loss*(u) - u z]_+)``.
    """
    total = 0.0
    gap = 0.0
    for i in range(z.shape[0]):
        a = conjugate(loss, u[i], y[i])
        if a == math.inf:
            near = _NEAR + _ROUNDING * ((abs(z[i]) + abs(y[i])) / step + abs(u[i]))
            u[i] = 0.0 if abs(u[i]) < near else u[i] * (1.0 - near)
            a = conjugate(loss, u[i], y[i])
            if a == math.inf:
                u[i] = slope(loss, z[i], y[i])
                a = conjugate(loss, u[i], y[i])
        if p[i] != 0.0:
            v = value(loss, z[i], y[i])
            t = v + a - u[i] * z[i]
            total += p[i] * v
            gap += 0.0 if t <= 0.0 else p[i] * t
    return total, gap


@fast_kernel
def shifted_slopes(loss, z, shift, y, p):
    """(sum p loss', sum p loss'') at the scores z + shift."""
    total = 0.0
    curved = 0.0
    for i in range(z.shape[0]):
        total += p[i] * slope(loss, z[i] + shift, y[i])
        curved += p[i] * curvature(loss, z[i] + shift, y[i])
    return total, curved


@kernel
def loss_scale(loss, z, y, p):
    """(sum p loss^2, sum p loss slope^2): their quotient is a score squared over a loss, that of the rows that pay."""
    squares = 0.0
    slopes = 0.0
    for i in range(z.shape[0]):
        if p[i] != 0.0:
            v = value(loss, z[i], y[i])
            u = slope(loss, z[i], y[i])
            squares += p[i] * v * v
            slopes += p[i] * v * u * u
    return squares, slopes
