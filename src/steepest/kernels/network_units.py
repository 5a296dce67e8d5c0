"""Units in place, one row at a time: values from sums, and slopes from values.

A row is a loop over neighbouring numbers without a branch or a call, so it runs in vector lanes.  The exponential of
each type is a polynomial of its own: to 2 units in the last place on float32 as `steepest.elementary` has on float64.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from steepest.elementary import log1p_unit
from steepest.jit import fused_inner, inner

IDENTITY, SIGMOID, TANH, RELU, LEAKY, ELU, SOFTPLUS = range(7)

_F = np.float32
_LOG2E = 1.4426950408889634
_ROUNDER32, _LOG2E32 = _F(12582912.0), _F(_LOG2E)  # 1.5 * 2**23: what is added to it loses its fraction
_HIGH32, _LOW32 = _F(0.693359375), _F(-2.12194440e-4)  # ln 2 in two parts: the first has 9 bits
_LEAST32 = _F(-87.0)
_ROUNDER64 = 6755399441055744.0
_HIGH64, _LOW64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LEAST64 = -708.0

_C2, _C3, _C4, _C5, _C6, _C7 = (_F(1.0 / math.factorial(k)) for k in range(2, 8))


@fused_inner
def _parts32(x):
    """q and s with exp(x) = s (1 + q), for x <= 0."""
    a = _LEAST32 if x < _LEAST32 else x
    shifted = _F(a * _LOG2E32 + _ROUNDER32)
    k = _F(shifted - _ROUNDER32)
    r = _F((a - k * _HIGH32) - k * _LOW32)
    p = _C7
    p = p * r + _C6
    p = p * r + _C5
    p = p * r + _C4
    p = p * r + _C3
    p = p * r + _C2
    q = r + (r * r) * p
    return q, np.int32((shifted.view(np.int32) + np.int32(127)) << np.int32(23)).view(np.float32)


@fused_inner
def _parts64(x):
    """As `_parts32`, in float64."""
    a = _LEAST64 if x < _LEAST64 else x
    shifted = np.float64(a * _LOG2E + _ROUNDER64)
    k = shifted - _ROUNDER64
    r = (a - k * _HIGH64) - k * _LOW64
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0))
    mid = (1.0 / 720.0 + r * (1.0 / 5040.0)) + r2 * (1.0 / 40320.0 + r * (1.0 / 362880.0))
    high = (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) + r2 * (1.0 / 479001600.0 + r * (1.0 / 6227020800.0))
    q = r + r2 * (low + r4 * (mid + r4 * high))
    return q, np.int64((shifted.view(np.int64) + 1023) << 52).view(np.float64)


def _parts(x):
    return (_parts32 if isinstance(x, np.float32) else _parts64)(x)


@overload(_parts, inline="never", jit_options={"forceinline": True, "nogil": True, "error_model": "numpy"})
def _parts_typed(x):
    if x is types.float32:
        return lambda x: _parts32(x)
    return lambda x: _parts64(x)


@inner
def exp_below(x):
    """exp(x) for x <= 0, of the type of x."""
    q, s = _parts(x)
    return s + s * q


@inner
def expm1_below(x, one):
    """exp(x) - 1 for x <= 0, without cancellation near 0."""
    q, s = _parts(x)
    return s * q + (s - one)


@inner
def apply_unit(code, parameter, A, i):
    """Row i of A as sums becomes the outputs of its units."""
    a = A[i]
    zero, one, two = A.dtype.type(0), A.dtype.type(1), A.dtype.type(2)
    if code == RELU:
        for j in range(a.shape[0]):
            v = a[j]
            a[j] = zero if v <= zero else v  # NaN stays
    elif code == SIGMOID:
        for j in range(a.shape[0]):
            v = a[j]
            e = exp_below(-abs(v))
            r = one / (one + e)
            a[j] = r if v >= zero else e * r
    elif code == TANH:
        for j in range(a.shape[0]):
            v = a[j]
            e = expm1_below(-two * abs(v), one)
            t = e / (two + e)
            a[j] = t if v < zero else -t
    elif code == LEAKY:
        for j in range(a.shape[0]):
            v = a[j]
            a[j] = parameter * v if v <= zero else v
    elif code == ELU:
        for j in range(a.shape[0]):
            v = a[j]
            below = v if v <= zero else zero
            e = parameter * expm1_below(below, one)
            a[j] = v if v > zero else e if v == v else v
    elif code == SOFTPLUS:
        for j in range(a.shape[0]):
            v = a[j]
            a[j] = (v if v > zero else zero) + log1p_unit(exp_below(-abs(v)))


@inner
def apply_unit_slope(code, parameter, A, G, D, i, keep):
    """Row i of D is that of G times the slope of the units, whose outputs times 1 / keep are row i of A."""
    a, g, d = A[i], G[i], D[i]
    zero, one = A.dtype.type(0), A.dtype.type(1)
    if code == RELU:
        for j in range(a.shape[0]):
            d[j] = g[j] if a[j] > zero else zero
    elif code == SIGMOID:
        for j in range(a.shape[0]):
            v = keep * a[j]
            d[j] = g[j] * (v * (one - v))
    elif code == TANH:
        for j in range(a.shape[0]):
            v = keep * a[j]
            d[j] = g[j] * (one - v * v)
    elif code == LEAKY:
        for j in range(a.shape[0]):
            d[j] = g[j] if a[j] > zero else parameter * g[j]
    elif code == ELU:
        for j in range(a.shape[0]):
            v = keep * a[j]
            d[j] = g[j] if v > zero else g[j] * (v + parameter)
    elif code == SOFTPLUS:
        for j in range(a.shape[0]):
            d[j] = -g[j] * expm1_below(-keep * a[j], one)
    else:
        for j in range(a.shape[0]):
            d[j] = g[j]
