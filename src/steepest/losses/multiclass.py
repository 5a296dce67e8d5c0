"""Losses of a vector of k scores a row.

A target is a class index (an integer), or a row of a distribution over the classes (soft labels).
"""
# mypy: disable-error-code="misc,no-untyped-def"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload

from steepest.elementary import exp_neg
from steepest.losses.registry import vector_loss
from steepest.protocols import FloatArray

# ------------------------------------------------------------- what differs between an index and a distribution


def target_share(y: Any, j: int) -> float:
    """The share of class j in the target: ``1[y == j]`` for an index y, ``y[j]`` for a distribution."""
    return float(y[j]) if isinstance(y, np.ndarray) else float(y == j)


@overload(target_share, jit_options={"nogil": True, "error_model": "numpy", "forceinline": True})
def _target_share(y, j):
    if isinstance(y, types.Integer):
        return lambda y, j: 1.0 if y == j else 0.0
    if isinstance(y, types.Array) and y.ndim == 1:
        return lambda y, j: float(y[j])
    return None


def finish_cross_entropy(z: FloatArray, y: Any, top: float, out: FloatArray) -> float:
    """Subtract the target from ``out``; returns ``sum_j y_j (top - z_j)``."""
    if not isinstance(y, np.ndarray):
        out[y] -= 1.0
        return top - float(z[y])
    inner = 0.0
    for j in range(z.shape[0]):
        if y[j] != 0.0:  # 0 * inf
            inner += y[j] * (top - z[j])
        out[j] -= y[j]
    return inner


@overload(finish_cross_entropy, jit_options={"nogil": True, "error_model": "numpy", "forceinline": True})
def _finish_cross_entropy(z, y, top, out):
    if isinstance(y, types.Integer):

        def by_index(z, y, top, out):
            out[y] -= 1.0
            return top - float(z[y])

        return by_index
    if isinstance(y, types.Array) and y.ndim == 1:

        def by_distribution(z, y, top, out):
            inner = 0.0
            for j in range(z.shape[0]):
                if y[j] != 0.0:
                    inner += y[j] * (top - z[j])
                out[j] -= y[j]
            return inner

        return by_distribution
    return None


# ------------------------------------------------------------------------------------------------------ losses


@vector_loss("softmax")
class Softmax(NamedTuple):
    """Softmax cross-entropy ``log sum_j exp(z_j) - z_y``, or ``log sum_j exp(z_j) - sum_j y_j z_j``.

    The second form is for soft labels: y a distribution (non-negative, sum 1).  The gradient in z is ``p - y``
    with ``p = softmax(z)`` and y one-hot for an index.  Scores of any finite size are safe: the largest is
    subtracted first.  Cost: O(k).

    Facts.  Convex.  The Hessian ``diag(p) - p p'`` is at most ``(I - 11'/k) / 2`` in the order of matrices
    (Böhning 1992, Ann. Inst. Stat. Math. 44), so the gradient is 1/2-Lipschitz.  ``self_concordance = 1`` is
    meant along any direction v in the semi-norm ``max v - min v``: the second and third derivatives along v are
    the variance and the third central moment of v under p, and ``|v_j - mean| <= max v - min v``, hence
    ``|D3[v, v, v]| <= (max v - min v) D2[v, v]``; in the Euclidean norm the constant is ``sqrt 2``.

    Conjugate, with ``q = u + y``: ``sum_j q_j log q_j`` on the simplex, infinite outside.  A q that leaves the
    simplex by rounding, ``4 (k + 4)`` units of 2^-52 in a sum or an entry, counts as on it, for gradients
    computed above must be inside.

    Examples
    --------
    >>> out = np.empty(2)
    >>> print(round(Softmax().value_slope(np.zeros(2), 0, out), 4))
    0.6931
    >>> out
    array([-0.5,  0.5])
    """

    convex = True
    smoothness = 0.5
    self_concordance = 1.0
    targets = "class"
    link = "softmax"

    def value_slope(self, z: FloatArray, y: Any, out: FloatArray) -> float:
        k = z.shape[0]
        top = z[0]
        for j in range(1, k):
            top = max(top, z[j])
        total = 0.0
        for j in range(k):
            out[j] = exp_neg(z[j] - top)
        for j in range(k):
            total += out[j]
        scale = 1.0 / total
        for j in range(k):
            out[j] *= scale
        return math.log(total) + finish_cross_entropy(z, y, top, out)

    def conjugate(self, u: FloatArray, y: Any) -> float:
        k = u.shape[0]
        slack = 4.0 * (k + 4) * 2.0**-52
        total = 0.0
        result = 0.0
        for j in range(k):
            q = u[j] + target_share(y, j)
            if q < -slack:
                return math.inf
            total += q
            if not q <= 0.0:  # NaN goes on
                result += q * math.log(q)
        if abs(total - 1.0) > slack:
            return math.inf
        return result
