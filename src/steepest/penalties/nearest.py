"""Nearest points of a simplex and of an L2 ball, by Newton's method in one dimension.

The nearest point of a simplex or an L1 ball is ``[w_j - tau / q_j]_+``, where tau is the root of a convex, decreasing,
piecewise linear function.  Newton's method from the left (Michelot 1986, J. Optim. Theory Appl. 50) ends there after
finitely many steps, each O(d), without sorting.  The nearest point of an L2 ball in a metric is ``q w / (q + lam)``,
where ``1 / |v|`` is concave in lam, so Newton's method from the left is monotone there too (More & Sorensen 1983,
SIAM J. Sci. Stat. Comput. 4).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.jit import inner
from steepest.protocols import AnyArray, FloatArray


def norm(v: FloatArray) -> float:
    """``|v|_2`` without overflow or underflow."""
    scale = float(np.max(np.abs(v), initial=0.0))
    return scale * float(np.linalg.norm(v / scale)) if 0.0 < scale < math.inf else scale


def shrink(w: FloatArray, q: FloatArray, radius: float) -> FloatArray:
    """``q w / (q + lam)`` with the lam that gives it the norm radius, for ``|w| > radius`` and q <= 1."""
    lam, v = 0.0, w
    for _ in range(200):
        size = norm(v)
        if not size > radius * (1.0 + 1e-14):
            break
        # Newton's step for 1/|v| = 1/radius
        direction = v / size
        reached = lam + (size / radius - 1.0) / float((direction * direction) @ (1.0 / (q + lam)))
        if not reached > lam:
            break
        lam = reached
        v = w * (q / (q + lam))
    return v


def threshold(w: FloatArray, c: FloatArray | None, total: float) -> FloatArray:
    """``[w - tau c]_+`` with the tau that makes it sum to total; c = 1 where None."""
    w = w - float(w.max()) if c is None else w  # what is left is near the largest: subtract without rounding
    tau, active = _root(w, c, total)
    left = w[active] - tau * (1.0 if c is None else c[active])
    out = np.zeros(len(w))
    out[active] = np.maximum(left, 0.0)
    reached = float(out.sum())
    if reached > 0.0:
        return out * (total / reached)
    out[int(np.argmax(w if c is None else w / c))] = total  # total is below the rounding of w
    return out


def _root(w: FloatArray, c: FloatArray | None, total: float) -> tuple[float, AnyArray]:
    """tau with ``sum [w - tau c]_+ = total``, and where that is positive."""
    active = np.arange(len(w))
    part, share = w, c
    tau = 0.0
    for _ in range(len(w) + 1):
        weight = float(len(active)) if share is None else float(share.sum())
        tau = (float(part.sum()) - total) / weight
        keep = part > tau if share is None else part > tau * share
        if keep.all() or not keep.any():
            break
        active, part = active[keep], part[keep]
        share = None if share is None else share[keep]
    return tau, active


def level(w: FloatArray, total: float) -> float:
    """kappa with ``sum [w - kappa]_+ = total``, for a total > 0.

    Examples
    --------
    >>> level(np.array([3.0, 2.0, 0.0]), 2.0)
    1.5
    """
    largest = float(w.max())
    return largest + _root(w - largest, None, total)[0]


@inner
def threshold_into(w: Any, d: int, total: float) -> None:
    """As `threshold` for c = 1, of ``w[:d]``, in place."""
    largest = w[0]
    for j in range(1, d):
        largest = max(largest, w[j])
    tau = -math.inf
    count = -1
    for _ in range(d + 1):
        reached = 0.0
        active = 0
        for j in range(d):
            moved = w[j] - largest
            if moved > tau:
                reached += moved
                active += 1
        if active == count or active == 0:
            break
        count = active
        tau = (reached - total) / active
    reached = 0.0
    for j in range(d):
        w[j] = max(w[j] - largest - tau, 0.0)
        reached += w[j]
    factor = total / reached
    for j in range(d):
        w[j] *= factor
