"""Passes for a score vector per row."""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, kernel
from steepest.kernels.rows import accumulate_many, scores_many
from steepest.losses.registry import conjugate, value_slope


@fast_kernel
def product_many(rows, W, b, start, stop, Z):
    """Z = X W + b."""
    scores_many(rows, W, b, start, stop, Z)


@fast_kernel
def transposed_many(rows, p, U, start, stop, G, total):
    """G += X^T diag(p) U; total += sum p U."""
    accumulate_many(rows, p, U, start, stop, G, total)


@fast_kernel
def losses_slopes_many(loss, Z, y, p, start, stop, U):
    """Slopes U of known scores; returns sum p loss."""
    total = 0.0
    for i in range(start, stop):
        v = value_slope(loss, Z[i], y[i], U[i])
        total += p[i] * v if p[i] != 0.0 else 0.0
    return total


@fast_kernel
def along_ray_many(loss, Z, D, t, y, p, start, stop):
    """(sum p loss, its derivative in t) at the scores Z + t D."""
    k = Z.shape[1]
    z = np.empty(k)
    u = np.empty(k)
    total = 0.0
    derivative = 0.0
    for i in range(start, stop):
        for c in range(k):
            z[c] = Z[i, c] + t * D[i, c]
        v = value_slope(loss, z, y[i], u)
        total += p[i] * v if p[i] != 0.0 else 0.0
        s = 0.0
        for c in range(k):
            s += u[c] * D[i, c]
        derivative += p[i] * s
    return total, derivative


@kernel
def conjugates_sum_many(loss, U, y, p):
    """sum p loss*(U_i)."""
    total = 0.0
    for i in range(U.shape[0]):
        if p[i] != 0.0:
            total += p[i] * conjugate(loss, U[i], y[i])
    return total
