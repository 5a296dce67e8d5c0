"""Fenchel's inequality row by row: ``loss(z) + loss*(u) - z u >= 0``, zero exactly where u is a subgradient at z.

Its weighted sum is the share of the loss in a duality gap.  A row where slopes break the equality shows that the
value, the slope and the conjugate of a loss contradict each other.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import kernel
from steepest.losses.registry import conjugate, value, value_slope

_DOUBT = 1e-9  # relative to the terms: far above rounding, far below what a slope off by a thousandth gives
_NOISE = 64.0 * 2.0**-52


@kernel
def fenchel(loss, z, u, s, y, p, start, stop):
    """Sums over rows of positive weight at the dual point s u.

    Returns ``(sum p [loss + loss*(s u) - s u z]_+, sum p (|loss| + |loss*| + |s u z|), row)``, where row is the
    first one that breaks the equality by more than rounding, or -1.
    """
    total = 0.0
    size = 0.0
    row = -1
    for i in range(start, stop):
        if p[i] == 0.0:
            continue
        v = s * u[i]
        a = value(loss, z[i], y[i])
        b = conjugate(loss, v, y[i])
        c = z[i] * v
        t = a + b - c
        m = abs(a) + abs(b) + abs(c)
        if row < 0 and not abs(t) <= _DOUBT * m + _NOISE * abs(z[i] * y[i]):
            row = i
        total += 0.0 if t <= 0.0 else p[i] * t
        size += p[i] * m
    return total, size, row


@kernel
def fenchel_many(loss, Z, U, s, y, p, start, stop):
    """As `fenchel`, for a score vector per row."""
    k = Z.shape[1]
    v = np.empty(k)
    scratch = np.empty(k)
    total = 0.0
    size = 0.0
    row = -1
    for i in range(start, stop):
        if p[i] == 0.0:
            continue
        c = 0.0
        m = 0.0
        reach = 0.0
        for j in range(k):
            v[j] = s * U[i, j]
            c += Z[i, j] * v[j]
            m += abs(Z[i, j] * v[j])
            reach += abs(Z[i, j])
        a = value_slope(loss, Z[i], y[i], scratch)
        b = conjugate(loss, v, y[i])
        t = a + b - c
        m += abs(a) + abs(b)
        if row < 0 and not abs(t) <= _DOUBT * m + _NOISE * (k + reach):
            row = i
        total += 0.0 if t <= 0.0 else p[i] * t
        size += p[i] * m
    return total, size, row


@kernel
def conjugates(loss, u, y, out):
    """out = loss*(u)."""
    for i in range(u.shape[0]):
        out[i] = conjugate(loss, u[i], y[i])


@kernel
def conjugates_many(loss, U, y, out):
    """out = loss*(U_i)."""
    for i in range(U.shape[0]):
        out[i] = conjugate(loss, U[i], y[i])


@kernel
def broken_subgradient(loss, z, u, y, p, start, stop):
    """The first row where ``loss(z + h) < loss(z) + u h`` for a small h, which no subgradient allows; or -1."""
    for i in range(start, stop):
        if p[i] == 0.0:
            continue
        a = value(loss, z[i], y[i])
        for power in (2, 4, 6):
            h = (1.0 + abs(z[i])) * 10.0 ** (-power)
            for side in (-1.0, 1.0):
                t = side * ((z[i] + h) - z[i])
                b = value(loss, z[i] + t, y[i])
                lack = a + u[i] * t - b
                if not lack <= 1e-6 * abs(u[i] * t) + _NOISE * (abs(a) + abs(b) + abs(u[i] * (1.0 + abs(z[i])))):
                    return i
    return -1
