"""Duality gaps: lower bounds of the optimum from a dual point, by weak duality.

With ``c = X^T p u`` and, where there is an intercept, ``sum p u = 0``::

    P* >= D(u) = - sum_i p_i loss*(u_i, y_i) - penalty*(-c)

    P(w) - D(u) = sum_i p_i [loss(z_i) + loss*(u_i) - u_i z_i]  +  sum_j [pen(w_j) + pen*(-c_j) + w_j c_j]

Both sums are of numbers that are never negative, and each is computed as it stands: nothing cancels.  What is left
are the errors of P and D themselves; `rounding` estimates them, and every gap contains it.  At the slopes
``u = loss'(z)`` the first sum is zero, and for a pure l2 penalty the second is ``|grad|^2 / (2 l2)``.

Sources: Rockafellar, Convex Analysis (1970), sections 12 and 31; Mairal (2010), thesis, appendix D, for the scaled
point of an l1 penalty.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.balance import Balanced, balanced
from steepest.certify.columns import correlation_errors
from steepest.certify.held import bounded, forgiven, held_gap, held_scales
from steepest.kernels import fenchel
from steepest.protocols import Evaluation, FloatArray

_EPS = 2.0**-52
_PIECE = 1 << 15  # parameters taken at a time


class Gap(NamedTuple):
    """``value >= P - P*`` by the dual point ``scale * slopes``."""

    value: float
    slopes: FloatArray
    scale: float
    fenchel_used: bool  # False: no conjugate was needed, the slopes alone prove it


def rounding(problem: Any, at: Evaluation) -> float:
    """``4 eps (sum p |loss| + sum p |u| (|z| + 2 |b|) + penalty)``: about what rounding makes of P.  O(n k).

    A score is off by some ``eps (|x' w| + |b|)``, and P by the slope times that.  An estimate: errors of many rows are
    taken to differ in sign, and columns to be no longer than their product with the weights.
    """
    m, k = problem.layout.n_weights, problem.layout.n_outputs
    size = np.abs(at.scores)
    if problem.layout.intercept:
        size = size + 2.0 * np.abs(at.w[m:] if k > 1 else at.w[m])
    size *= np.abs(at.slopes)
    rows = size if size.ndim == 1 else size.sum(axis=1)
    return 4.0 * _EPS * (float(problem.p @ rows) + abs(at.loss) + abs(at.value - at.loss))


def fenchel_sum(problem: Any, z: FloatArray, u: FloatArray, s: float = 1.0) -> tuple[float, float, int]:
    """``(sum p [loss + loss*(s u) - s u z], the size of its terms, a row that breaks equality or -1)``: O(n k)."""
    function: Any = fenchel.fenchel if z.ndim == 1 else fenchel.fenchel_many
    parts = problem.source.pool.map(
        lambda r: function(problem.loss, z, u, s, problem.y, problem.p, r[0], r[1]), problem.source.shards
    )
    rows = [part[2] for part in parts if part[2] >= 0]
    return sum(part[0] for part in parts), sum(part[1] for part in parts), rows[0] if rows else -1


def penalty_gap(w: FloatArray, c: FloatArray, l1: float, l2: float, errors: FloatArray | None = None) -> float:
    """``sum_j pen(w_j) + pen*(-c_j) + w_j c_j`` for ``l1 |w| + l2/2 w^2``, every term written without cancellation.

    With ``e = [|c| - l1]_+``: ``(l2 |w| - e)^2 / (2 l2)`` where w and -c agree in sign and e > 0, else
    ``|w| (l1 + sign(w) c) + l2/2 w^2 + e^2 / (2 l2)``.  With ``errors``, the most that it can be for a c that is off
    by no more than these.

    Examples
    --------
    >>> import numpy as np
    >>> w, c = np.array([1.0, 0.0]), np.array([-2.5, 0.25])
    >>> penalty_gap(w, c, 0.5, 2.0)
    0.0
    >>> penalty_gap(w, c, 0.5, 2.0, np.array([0.0, 0.5]))  # 0.25 + 0.5 stands out of the box by 0.25
    0.015625
    """
    if l1 == 0.0:
        if l2 == 0.0:
            return 0.0 if not np.any(c) else math.inf
        total = 0.0
        for low in range(0, len(w), _PIECE):  # pieces stay in the cache; whole temporaries would be new memory
            g = l2 * w[low : low + _PIECE]
            g += c[low : low + _PIECE]
            if errors is not None:
                np.abs(g, out=g)
                g += errors[low : low + _PIECE]
            total += float(g @ g)
        return total / (2.0 * l2)
    off = np.zeros(len(w)) if errors is None else errors
    size = np.abs(w)
    plain = np.maximum(size * l1 + w * c, 0.0) + size * off
    excess = np.maximum(np.abs(c) - l1, 0.0)
    most = np.maximum(np.abs(c) + off - l1, 0.0)
    if l2 == 0.0:
        # a point scaled onto the boundary may stand a few units outside
        return float(plain.sum()) if float(most.max(initial=0.0)) <= 8.0 * _EPS * l1 else math.inf
    agree = (excess > 0.0) & (w * c <= 0.0)
    squares = np.where(agree, np.abs(l2 * size - excess) + off, 0.0)
    rest = np.where(agree, 0.0, plain + 0.5 * l2 * w * w + most * most / (2.0 * l2))
    return float(squares @ squares) / (2.0 * l2) + float(rest.sum())


def scales_for(c: FloatArray, l1: float, l2: float, errors: FloatArray | None = None) -> list[float]:
    """Factors of the dual point worth trying: into the box ``|c| + errors <= l1``, and 1 where that is allowed."""
    if l1 == 0.0:
        return [1.0] if l2 > 0.0 else [0.0]
    size = np.abs(c) if errors is None else np.abs(c) + errors
    most = float(size.max(initial=0.0))
    inside = 1.0 if most <= l1 else l1 / most * (1.0 - 4.0 * _EPS)
    return [inside, 1.0] if l2 > 0.0 and inside < 1.0 else [inside]


def has_dual(problem: Any) -> bool:
    """Whether dual points can prove anything: weights that are penalised or held in a set."""
    return bool(problem.traits.l1 > 0.0 or problem.traits.l2 > 0.0 or problem.traits.constrained)


def always_finite(problem: Any) -> bool:
    """Whether every dual point has a value: an l2 penalty, or a bounded set."""
    return bool(problem.traits.l2 > 0.0 or (problem.traits.constrained and bounded(problem)))


def apart(problem: Any, w: FloatArray, c: FloatArray, errors: FloatArray | None = None) -> float:
    """What penalty and constraint add to a gap: `penalty_gap`, or `held_gap` where weights are held in a set."""
    if problem.traits.constrained:
        return held_gap(problem, w, c, errors)
    return penalty_gap(w, c, problem.traits.l1, problem.traits.l2, errors)


def scales(problem: Any, c: FloatArray, errors: FloatArray | None = None) -> list[float]:
    """Factors of the dual point worth trying."""
    if problem.traits.constrained:
        return held_scales(problem, c, errors)
    return scales_for(c, problem.traits.l1, problem.traits.l2, errors)


def gap_at(problem: Any, at: Evaluation, point: Balanced, c: FloatArray) -> Gap:
    """The best gap among the scalings of a dual point with ``c = X^T p u``, whose rounding it contains."""
    m = problem.layout.n_weights
    w, tail = at.w[:m], at.w[m:]
    error = rounding(problem, at)
    c, errors = correlation_errors(problem, point.slopes, c, at.value)
    if problem.traits.constrained:
        c, price = forgiven(problem, w, c, point.slopes)
        error += price
    reach = 2.0 * point.imbalance * (float(np.abs(tail + point.shift).max(initial=0.0)) + 1.0) if len(tail) else 0.0
    best = Gap(math.inf, point.slopes, 0.0, False)
    for s in scales(problem, c, errors):
        free = s == 1.0 and point.exact
        if free:
            loss_part = point.drop
        elif not problem.traits.has_conjugate:
            continue
        else:
            loss_part, size, _ = fenchel_sum(problem, at.scores, point.slopes, s)
            loss_part += 4.0 * _EPS * size
        # at zero nothing is off, by however much it was
        own = apart(problem, w, c, errors) if s == 1.0 else apart(problem, w, s * c, s * errors if s else None)
        value = loss_part + own + s * reach + error
        if value < best.value:
            best = Gap(value, point.slopes, s, not free)
    return best


def duality_gap(problem: Any, at: Evaluation, enough: float = 0.0) -> Gap | None:
    """The gap at the slopes of ``at``, for a convex loss with a penalty or a constraint; None where there is none.

    ``enough`` is how much of it may be spent on balancing an intercept before more trials are made.

    Cost: O(n k + d k), no product with X, where there is no intercept or it is at its optimum up to rounding;
    else half a pass.
    """
    layout, l2 = problem.layout, problem.traits.l2
    m = layout.n_weights
    if layout.intercept:
        found = balanced(problem, at, enough)
        if found is None:
            return None
        point = found
    else:
        point = Balanced(at.slopes, np.zeros(0), 0.0, True, 0.0, True)
    if point.same:
        c = at.gradient[:m] - l2 * at.w[:m] if l2 else at.gradient[:m]
    else:
        c = products(problem, point.slopes)[0]
    if not np.all(np.isfinite(c)):
        return None
    return gap_at(problem, at, point, c)


def gap_at_zero(problem: Any, at: Evaluation) -> Gap | None:
    """The gap at u = 0: the objective above the sum of the least losses; what an exact fit is proven by.  O(n k)."""
    if not problem.traits.has_conjugate:
        return None
    u = np.zeros_like(at.slopes)
    loss_part, size, _ = fenchel_sum(problem, at.scores, u, 1.0)
    value = loss_part + 2.0 * _EPS * size + problem.penalty_value(at.w) + rounding(problem, at)
    return Gap(value, u, 1.0, True)


def products(problem: Any, u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``X^T p u``, flat, and ``sum p u``: half a pass."""
    c, own = problem.source.rmatvec(problem.p, u)
    problem.passes += 0.5
    return c.ravel(), np.atleast_1d(own)


def remainder(problem: Any, at: Evaluation, c: FloatArray, own: FloatArray, reach: FloatArray) -> float:
    """What a dual point that misses its equalities by rounding may claim too much; inf where it is no rounding.

    Without a penalty the dual constraint is ``X^T p u = 0``, with an unpenalised intercept ``sum p u = 0``.  A
    miss r lets the bound be wrong by r times the parameters of the optimum; ``reach`` is their order of size.
    """
    m, k = problem.layout.n_weights, problem.layout.n_outputs
    free = np.zeros(m) if has_dual(problem) else c
    sizes = np.zeros(m)
    if np.any(free):
        _, second = problem.source.moments(problem.p)
        problem.passes += 0.5
        sizes = np.repeat(np.sqrt(second), k)
    if problem.layout.intercept:
        free, sizes = np.concatenate([free, own]), np.concatenate([sizes, np.ones(k)])
    squares = at.slopes**2 if k == 1 else np.sum(at.slopes**2, axis=1)
    typical = math.sqrt(float(problem.p @ squares))
    if not np.all(np.abs(free) <= 1e-11 * typical * sizes):
        return math.inf
    return 4.0 * float(np.abs(free) @ reach)
