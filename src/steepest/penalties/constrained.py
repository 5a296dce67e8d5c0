"""The proximal map of an l1 penalty on a set, exactly, in a diagonal metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.penalties.constraints import L1Ball, Simplex
from steepest.protocols import FloatArray


def constrained_prox(constraint: Any, w: FloatArray, q: FloatArray, l1: float) -> FloatArray:
    """``argmin over v of the set of l1 |v|_1 + sum_j q_j (v_j - w_j)**2 / 2``, a new array.

    - box, non-negative: the soft threshold at ``l1 / q``, then the nearest point of the interval, for a convex function
      of one variable is least as near its minimiser as the interval allows;
    - L2 ball: with a multiplier m of the ball ``q (v - w) + l1 sign(v) + m v = 0``, so v is the nearest point to the
      soft threshold, in the metric q;
    - L1 ball: the threshold is ``(l1 + m) / q``; where m > 0 that is the nearest point to w itself;
    - simplex: ``|v|_1`` is constant there: the nearest point.

    An l2 penalty belongs into q and w: ``l2/2 v^2 + q/2 (v - w)^2`` is ``(q + l2)/2 (v - q w / (q + l2))^2`` and a
    constant.

    Parameters
    ----------
    constraint : Box, NonNegative, L2Ball, L1Ball or Simplex
    w, q : arrays of shape (d,) or (d, k)
        q is positive.  With k columns, each is taken by itself.
    l1 : float

    Examples
    --------
    >>> from steepest.penalties import L2Ball, NonNegative
    >>> w, q = np.array([3.0, -3.0, 0.5]), np.array([1.0, 1.0, 2.0])
    >>> constrained_prox(NonNegative(), w, q, 1.0)
    array([2., 0., 0.])
    >>> constrained_prox(L2Ball(1.0), w, q, 3.0)
    array([ 0., -0.,  0.])
    """
    if l1 == 0.0 or isinstance(constraint, Simplex):
        return constraint.project_metric(w, q)
    soft = np.sign(w) * np.maximum(np.abs(w) - l1 / q, 0.0)
    if not isinstance(constraint, L1Ball):
        return constraint.project_metric(soft, q)
    if soft.ndim == 2:
        return np.stack([constrained_prox(constraint, w[:, k], q[:, k], l1) for k in range(w.shape[1])], axis=1)
    inside = float(np.abs(soft).sum()) <= constraint.radius
    return soft if inside else constraint.project_metric(w, q)
