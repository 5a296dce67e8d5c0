"""Cheap bounds from one evaluation: what the loop steers by, before the certificate proper.

These cost O(n + d) beside an evaluation that exists.  They are exact proofs without an intercept, and close
estimates with one; the certificate recomputes everything.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.certify.gap import always_finite, apart, fenchel_sum, rounding, scales
from steepest.protocols import Bound, CertificateKind, Evaluation, FloatArray

NEAR = 1e-13  # of the objective: bounds below it are given their rounding
FLOOR = 1e-10  # of the objective at zero: below it, relative to the optimum means nothing in float64


def relative_to(value: float, lower: float, primal: float, floor: float) -> float:
    """``value`` over the scale of the optimum.

    The scale is the proven lower bound of P* where that is positive; P* >= lower, so the ratio bounds
    (P - P*) / P*.  Where the optimum may be zero or negative it is max(|primal|, |lower|).  ``floor``, a
    tiny multiple of the objective at zero parameters, keeps the ratio meaningful for data that are fitted
    exactly.
    """
    if not math.isfinite(value):
        return math.inf
    scale = lower if lower > 0.0 else max(abs(primal), abs(lower) if math.isfinite(lower) else 0.0)
    scale = max(scale, floor, np.finfo(np.float64).tiny)
    return max(value, 0.0) / scale


def gap_bound(primal: float, lower: float, floor: float) -> Bound:
    """What a point and a proven lower bound of the optimum say of each other.

    >>> gap_bound(0.5, 0.4, 1e-10)
    Bound(kind='duality_gap', value=0.09999999999999998, relative=0.24999999999999994, bounds='suboptimality', \
primal=0.5, dual=0.4)
    """
    gap = max(primal - lower, 0.0)
    return Bound("duality_gap", gap, relative_to(gap, lower, primal, floor), "suboptimality", primal, lower)


def quick_bound(problem: Any, at: Evaluation, floor: float) -> Bound:
    """The best bound that one evaluation gives.

    - l2 > 0, no l1: ``|grad|^2 / (2 l2)``, which is the duality gap at the slopes.
    - l1 > 0, or a constraint: the duality gap at the slopes, scaled until the dual constraint holds.
    - none of these: the gradient norm; it bounds nothing by itself.
    """
    traits = problem.traits
    if not math.isfinite(at.value):
        return Bound("none", math.inf, math.inf, "nothing", at.value, math.nan)
    if traits.l1 == 0.0 and traits.l2 > 0.0 and traits.convex and not traits.constrained:
        intercept = at.gradient[-problem.layout.n_outputs :] if problem.layout.intercept else at.gradient[:0]
        own = float(intercept @ intercept)
        squared = max(problem.inner(at.gradient, at.gradient) - own, 0.0)
        value = squared / (2.0 * traits.l2)
        if own:
            value += own / (2.0 * max(_intercept_curvature(problem, at), 1e-300))
        return _bound(problem, at, value, floor)
    held = traits.constrained and hasattr(problem, "layout")
    if traits.convex and (traits.l1 > 0.0 or held) and (traits.has_conjugate or always_finite(problem)):
        return scaled_gap(problem, at, floor)
    norm = math.sqrt(max(problem.inner(at.gradient, at.gradient), 0.0))
    return Bound("gradient_norm", norm, math.inf, "stationarity", at.value, math.nan)


def _intercept_curvature(problem: Any, at: Evaluation) -> float:
    """About the second derivative in the intercept: the mean square of the slopes is the information."""
    if problem.traits.quadratic:
        return 1.0
    u: FloatArray = at.slopes
    p: FloatArray = problem.p if hasattr(problem, "p") else problem.base.p
    if u.ndim == 1:
        return float(p @ (u * u))
    squares: FloatArray = np.einsum("ij,ij->i", u, u)
    return float(p @ squares) / len(u[0])


def _bound(problem: Any, at: Evaluation, value: float, floor: float) -> Bound:
    if value < NEAR * abs(at.value):
        value += rounding(problem, at)
    lower = at.value - value
    kind: CertificateKind = "duality_gap" if problem.traits.has_conjugate else "strong_convexity"
    return Bound(kind, value, relative_to(value, lower, at.value, floor), "suboptimality", at.value, lower)


def scaled_gap(problem: Any, at: Evaluation, floor: float) -> Bound:
    """Duality gap for an l1 or elastic-net penalty, or weights held in a set, at the scaled slopes.

    ``D(s u) = -sum p loss*(s u) - penalty*(-X^T p s u)`` with s = 1 (elastic net, bounded set) or the largest s <= 1
    that keeps ``|s X^T p u| <= l1``; the better of the two.  No conjugate is evaluated for s = 1.
    """
    l2 = problem.traits.l2
    m, k = problem.layout.n_weights, problem.layout.n_outputs
    correlation = at.gradient[:m] - l2 * at.w[:m]
    value = math.inf
    for s in scales(problem, correlation):
        if s != 1.0 and not problem.traits.has_conjugate:
            continue
        loss_part = fenchel_sum(problem, at.scores, at.slopes, s)[0] if s != 1.0 else 0.0
        value = min(value, loss_part + apart(problem, at.w[:m], s * correlation))
    if problem.layout.intercept:
        own = at.gradient[-k:]
        value += float(own @ own) / (2.0 * max(_intercept_curvature(problem, at), 1e-300))
    return _bound(problem, at, value, floor)
