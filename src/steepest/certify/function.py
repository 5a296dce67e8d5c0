"""What first and second derivatives say about a point of any function.

Let ``H = V diag(lam) V'`` be the Hessian in variables scaled to equal curvature and ``c = V' g``.  The quadratic with
the absolute curvatures promises a decrease of

    delta = 1/2 sum_i c_i^2 / |lam_i|,

Newton's decrement where H is positive.  A point is *stationary* where ``delta <= tol (f(x_0) - f(x))``: what is left
is at most the share tol of the decrease that was made (of a sum of squares, tol f(x) if that is less).  That does not
change when a constant is added to f, or when
a variable is given in other units.  No more is asked than float64 resolves, which is measured: a ``c_i`` that moving
the point by its last digits makes as large counts as zero, and the right side is at least what that does to f.

Of a function that is only known at points nothing is proven about other minima, nor beyond second order: the
certificate says "minimum to second order", "degenerate" (no negative curvature, but none at all in some direction),
"saddle", "maximum", "stationary" (no curvature whatever) or "not stationary", and never that it passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.second_order import Verdict, curvatures_by_lanczos
from steepest.protocols import Bound, Certificate, CertificateKind, Evaluation, FloatArray, Status

GOOD = ("minimum to second order", "degenerate")  # no direction is known that leads down
DENSE = 200  # variables up to which the Hessian is formed
_EPS = 2.0**-52
_KEPT = (Status.BUDGET, Status.INTERRUPTED, Status.DIVERGED)
FALLEN = 1e20  # times the value at the start: a function that fell so far has no minimum


class Look(NamedTuple):
    """A verdict, the decrease that was allowed to be left, and a direction of the smallest curvature."""

    verdict: Verdict
    allowed: float
    direction: FloatArray | None


class Quadratic(NamedTuple):
    """f around a point in axes of its own, ``p = basis y``: ``sum c_i y_i + 1/2 values_i y_i^2``.

    ``slopes(other)`` is c for the gradient of another evaluation; ``noise`` is the curvature, as a share of the
    largest, that cannot be told from zero.
    """

    values: FloatArray
    basis: FloatArray
    slopes: Callable[[Evaluation], FloatArray]
    noise: float


def look(problem: Any, at: Evaluation, tol: float, started: float) -> Look:
    """Judge a point.

    Parameters
    ----------
    problem : FunctionProblem
    at : Evaluation
    tol : float
    started : float
        f at the start of the run.

    Notes
    -----
    Cost: a Hessian and 3 gradients up to `DENSE` variables, else some tens of products with the Hessian.
    """
    norm = float(np.linalg.norm(at.gradient))
    allowed = leftover(at, tol, started)
    if problem.size > DENSE:
        smallest, largest, vector = curvatures_by_lanczos(problem, at)
        if not math.isfinite(smallest):
            return Look(Verdict("not stationary", norm, math.nan, math.nan), allowed, None)
        predicted = norm * norm / (2.0 * max(abs(smallest), 1e-9 * largest, 1e-300)) if norm else 0.0
        name = _name(smallest, largest, largest, 1e-7, predicted <= allowed)
        return Look(Verdict(name, norm, smallest, predicted), allowed, vector)
    model = quadratic(problem, at)
    if model is None:
        return Look(Verdict("not stationary", norm, math.nan, math.nan), allowed, None)
    largest = float(np.abs(model.values).max())
    c = model.slopes(at)
    if largest == 0.0:
        predicted = 0.0 if not np.any(c) else math.inf
    else:
        blur, spread = _last_digits(problem, at, model, c)
        allowed = max(allowed, spread)
        c = np.where(np.abs(c) > 4.0 * blur, c, 0.0)
        least = (1e-9 if problem.differenced else _EPS) * largest  # a curvature that is noise may be as small
        bends = np.abs(model.values)
        predicted = 0.5 * float(np.sum(c * c / np.where(bends > model.noise * largest, bends, least)))
    name = _name(float(model.values[0]), float(model.values[-1]), largest, model.noise, predicted <= allowed)
    direction = model.basis[:, 0]
    bend = float(model.values[0]) / float(direction @ direction)  # in the user's own variables
    return Look(Verdict(name, norm, bend, predicted), allowed, direction)


def leftover(at: Evaluation, tol: float, started: float) -> float:
    """The decrease that may be left: tol times that made so far; of a sum of squares not more than tol times f."""
    scale = max(started - at.value, 0.0)
    if "residuals" in at.extra:
        scale = min(scale, at.value)
    return max(tol * scale, 4.0 * _EPS * abs(at.value))


def quadratic(problem: Any, at: Evaluation) -> Quadratic | None:
    """The second-order model; None where second derivatives are not finite.

    For a sum of squares ``J = Q R`` and ``H = R' (I + K) R``, with ``K = R^-T (sum r_i H_i) R^-1``: no digit is lost by
    forming ``J' J``.
    """
    if "jacobian" in at.extra:
        J = at.extra["jacobian"]
        norms = np.linalg.norm(J, axis=0)
        if len(J) >= problem.size and np.all(norms > 0.0):
            Q, R = np.linalg.qr(J / norms)
            if np.all(np.abs(np.diag(R)) > 1e-12):
                inverse = np.linalg.inv(R) / norms[:, None]
                K = inverse.T @ problem.residual_curvature(at) @ inverse
                if np.all(np.isfinite(K)):
                    values, vectors = np.linalg.eigh(np.eye(problem.size) + 0.5 * (K + K.T))
                    axes = Q @ vectors
                    return Quadratic(values, inverse @ vectors, lambda e: axes.T @ e.extra["residuals"], 1e-6)
    H = problem.hessian(at)
    if not np.all(np.isfinite(H)):
        return None
    scale = equal_scale(H, problem.units(at.w))
    values, vectors = np.linalg.eigh(H * scale * scale[:, None])
    basis = scale[:, None] * vectors
    noise = 1e-12 if problem.hess is not None else (1e-5 if problem.differenced else 1e-8)
    return Quadratic(values, basis, lambda e: basis.T @ e.gradient, noise)


def equal_scale(H: FloatArray, units: FloatArray) -> FloatArray:
    """s with all of ``s_i H_ij s_j`` at most 1: units of the variables in which curvatures are comparable."""
    rows = np.abs(H * units * units[:, None]).max(axis=1)
    top = float(rows.max(initial=0.0))
    rows = np.where(rows > 1e-14 * top, rows, top if top > 0.0 else 1.0)
    return units / np.sqrt(rows)


def _name(low: float, high: float, largest: float, noise: float, stationary: bool) -> str:
    if not stationary:
        return "not stationary"
    if largest == 0.0:
        return "stationary"
    if high < -noise * largest:
        return "maximum"
    if low < -noise * largest:
        return "saddle"
    return "minimum to second order" if low > noise * largest else "degenerate"


def _last_digits(problem: Any, at: Evaluation, model: Quadratic, c: FloatArray) -> tuple[FloatArray, float]:
    """What the last digits of x change in the slopes c, and in f."""
    random = np.random.default_rng(0)
    blur, spread = np.zeros_like(c), 0.0
    for _ in range(3):
        near = problem.evaluate(at.w * (1.0 + 2.0 * _EPS * random.choice([-1.0, 1.0], problem.size)))
        if math.isfinite(near.value):
            blur = np.maximum(blur, np.abs(model.slopes(near) - c))
            spread = max(spread, abs(near.value - at.value))
    return blur, spread


_AS = {
    "minimum to second order": "a minimum to second order",
    "degenerate": "stationary without negative curvature, but flat along a direction, where second derivatives"
    " cannot tell a minimum",
    "saddle": "a saddle: there is a direction of negative curvature",
    "maximum": "a maximum",
    "stationary": "stationary, without any curvature: second derivatives cannot tell what it is",
    "not stationary": "not a stationary point",
}


def certify_function(
    problem: Any, w: FloatArray, *, tol: float, started: float, status: Status, reason: str
) -> Certificate:
    """The certificate of a point of a function: a verdict to second order, recomputed from the point alone.

    Parameters
    ----------
    problem : FunctionProblem
    w : array of shape (problem.size,)
    tol, started : float
        As for `look`.
    status, reason : Status, str
        How the run ended.
    """
    at = problem.evaluate(w)
    if not math.isfinite(at.value) or at.value < -FALLEN * max(1.0, abs(started)):
        said = (
            f"the function fell to {at.value:.3g}: as far as was seen it falls without bound and has no minimum"
            if at.value < 0.0
            else "the function is not finite here"
        )
        bound = Bound("none", math.inf, math.inf, "nothing", at.value, math.nan)
        return _certificate(bound, tol, Status.DIVERGED, said, {"verdict": "not stationary"})
    seen = look(problem, at, tol, started)
    verdict = seen.verdict
    good = verdict.name in GOOD
    kind: CertificateKind = "second_order" if math.isfinite(verdict.smallest_curvature) else "gradient_norm"
    made = max(started - at.value, 0.0)
    relative = verdict.predicted_decrease / made if made > 0.0 else (0.0 if good else math.inf)
    size = f"the gradient norm is {verdict.gradient_norm:.2g}"
    if kind == "second_order":
        size += (
            f", the smallest curvature {verdict.smallest_curvature:.2g}, and {verdict.predicted_decrease:.2g} of"
            f" decrease {'is' if good else 'would be'} left to second order (allowed: {seen.allowed:.2g})"
        )
    said = f"{_AS[verdict.name]}: {size}; nothing is proven about other minima"
    early = status in _KEPT or (status is Status.STALLED and not good)
    if early and reason:
        said = f"{reason}; {said}"
    kept = Status.APPROXIMATE if good else (status if status in _KEPT else Status.STALLED)
    evidence = {
        "verdict": verdict.name,
        "gradient_norm": verdict.gradient_norm,
        "smallest_curvature": verdict.smallest_curvature,
        "predicted_decrease": verdict.predicted_decrease,
        "allowed_decrease": seen.allowed,
    }
    if verdict.name in ("saddle", "maximum") and seen.direction is not None:
        evidence["direction"] = seen.direction / np.linalg.norm(seen.direction)
    bound = Bound(kind, verdict.predicted_decrease, relative, "stationarity", at.value, math.nan)
    return _certificate(bound, tol, kept, said, evidence)


def _certificate(bound: Bound, tol: float, status: Status, reason: str, evidence: dict[str, Any]) -> Certificate:
    return Certificate(
        kind=bound.kind,
        value=bound.value,
        relative=bound.relative,
        tol=tol,
        passed=False,
        bounds=bound.bounds,
        primal=bound.primal,
        dual=bound.dual,
        status=status,
        reason=reason,
        evidence=evidence,
    )
