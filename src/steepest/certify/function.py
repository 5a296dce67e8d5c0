"""What first and second derivatives say about a point of any function.

Let ``H = V diag(lam) V'`` be the Hessian in variables scaled to equal curvature and ``c = V' g``.  The quadratic with
the absolute curvatures promises a decrease of

    delta = 1/2 sum_i c_i^2 / |lam_i|,

Newton's decrement where H is positive.  A point is *stationary* where ``delta <= tol (f(x_0) - f(x))``: what is left
is at most the share tol of the decrease that was made (of a sum of squares, tol f(x) if that is less).  That does not
change when a constant is added to f, or when
a variable is given in other units.  No more is asked than float64 resolves, which is measured: a ``c_i`` that moving
the point by its last digits makes as large counts as zero, and the right side is at least what that does to f.

Under a constraint all of this is asked of the *face* of the point (`steepest.certify.faces`): ``H`` and ``g`` along
the directions that are left free, with the curvature that a round boundary adds; multipliers that press the wrong way
free their coordinates.

Of a function that is only known at points nothing is proven about other minima, nor beyond second order: the
certificate says "minimum to second order", "degenerate" (no negative curvature, but none at all in some direction),
"saddle", "maximum", "stationary" (no curvature whatever) or "not stationary", and never that it passed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.faces import EDGE, Face, face_at
from steepest.certify.second_order import Verdict, curvatures_by_lanczos
from steepest.certify.verdict import certificate_of
from steepest.penalties.nearest import norm
from steepest.protocols import Bound, Certificate, CertificateKind, Evaluation, FloatArray, Status

GOOD = ("minimum to second order", "degenerate")  # no direction is known that leads down
DENSE = 200  # variables up to which the Hessian is formed
PROMPT = 0.5  # seconds that a verdict may take after an interrupt
_EPS = 2.0**-52
_KEPT = (Status.BUDGET, Status.INTERRUPTED, Status.DIVERGED)
FALLEN = 1e20  # times the value at the start: a function that fell so far has no minimum


class Look(NamedTuple):
    """A verdict, the decrease that was allowed to be left, a direction of the smallest curvature, and the face."""

    verdict: Verdict
    allowed: float
    direction: FloatArray | None
    face: Face


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
    Cost: a Hessian and 3 gradients up to `DENSE` free directions, else some tens of products with the Hessian.
    """
    allowed = leftover(at, tol, started)
    units = problem.units(at.w)
    face = face_at(problem.constraint, at.w, at.gradient, EDGE * units, 10.0 * allowed / units)
    norm = projected_gradient_norm(problem, at)
    unknown = Look(Verdict("not stationary", norm, math.nan, math.nan), allowed, None, face)
    if face.size == 0:  # a corner, with multipliers that all press: the first order suffices
        fixed = face.left <= allowed and np.all(np.isfinite(at.gradient))
        name = "minimum to second order" if fixed else "not stationary"
        return Look(Verdict(name, norm, math.inf, face.left), allowed, None, face)
    if face.size > DENSE or problem.size > 20 * DENSE:
        smallest, largest, vector = curvatures_by_lanczos(problem if face.whole else Within(problem, face, at), at)
        if not math.isfinite(smallest):
            return unknown
        slope = float(np.linalg.norm(face.along(at.gradient)))
        predicted = slope * slope / (2.0 * max(abs(smallest), 1e-9 * largest, 1e-300)) if slope else 0.0
        predicted += face.left
        name = _name(smallest, largest, largest, 1e-7, predicted <= allowed)
        direction = vector if face.whole else face.along(vector)
        return _possible(problem, at, Look(Verdict(name, norm, smallest, predicted), allowed, direction, face))
    model = quadratic(problem, at, face)
    if model is None:
        return unknown
    largest = float(np.abs(model.values).max())
    c = model.slopes(at)
    if largest == 0.0:
        predicted = 0.0 if not np.any(c) else math.inf
    else:
        blur, spread = _last_digits(problem, at, model, c, face.free)
        if face.normal is not None:  # the multiplier, which may be large, is subtracted
            blur = np.maximum(blur, _EPS * (np.abs(model.basis).T @ np.abs(at.gradient)))
        allowed = max(allowed, spread)
        c = np.where(np.abs(c) > 4.0 * blur, c, 0.0)
        least = (1e-9 if problem.differenced else _EPS) * largest  # a curvature that is noise may be as small
        bends = np.abs(model.values)
        predicted = 0.5 * float(np.sum(c * c / np.where(bends > model.noise * largest, bends, least)))
    predicted += face.left
    name = _name(float(model.values[0]), float(model.values[-1]), largest, model.noise, predicted <= allowed)
    direction = model.basis[:, 0]
    bend = float(model.values[0]) / float(direction @ direction)  # in the user's own variables
    return _possible(problem, at, Look(Verdict(name, norm, bend, predicted), allowed, direction, face))


def projected_gradient_norm(problem: Any, at: Evaluation) -> float:
    """``|P(x - g) - x|``, which is the norm of the gradient where there is no constraint."""
    moved = at.gradient if problem.constraint is None else problem.project(at.w - at.gradient) - at.w
    return norm(moved)


def _possible(problem: Any, at: Evaluation, seen: Look) -> Look:
    """A way down must stay in the set: a boundary that only just holds is not in the face, but in the way."""
    if problem.constraint is None or seen.verdict.name not in ("saddle", "maximum") or seen.direction is None:
        return seen
    d = seen.direction * (1e-4 / float(np.abs(seen.direction / problem.units(at.w)).max()))
    for way in (d, -d):
        if float(np.linalg.norm(problem.project(at.w + way) - at.w - way)) <= 0.1 * float(np.linalg.norm(d)):
            return seen._replace(direction=way)
    return seen._replace(verdict=seen.verdict._replace(name="degenerate"))


class Within:
    """The Hessian in a face, for Lanczos' method: along other directions it has a curvature of the same size."""

    def __init__(self, problem: Any, face: Face, at: Evaluation) -> None:
        self.problem, self.face, self.size = problem, face, problem.size
        v = face.along(np.random.default_rng(0).standard_normal(problem.size))
        self.filler = float(np.linalg.norm(self._inside(at, v))) / float(np.linalg.norm(v))

    def _inside(self, at: Evaluation, v: FloatArray) -> FloatArray:
        return self.face.along(self.problem.hvp(at, v)) + self.face.bend * v

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """The product with v."""
        part = self.face.along(v)
        return self._inside(at, part) + self.filler * (v - part)


def leftover(at: Evaluation, tol: float, started: float) -> float:
    """The decrease that may be left: tol times that made so far; of a sum of squares not more than tol times f."""
    scale = max(started - at.value, 0.0)
    if "residuals" in at.extra:
        scale = min(scale, at.value)
    return max(tol * scale, 4.0 * _EPS * abs(at.value))


def quadratic(problem: Any, at: Evaluation, face: Face) -> Quadratic | None:
    """The second-order model in a face; None where second derivatives are not finite.

    For a sum of squares ``J = Q R`` and ``H = R' (I + K) R``, with ``K = R^-T (sum r_i H_i) R^-1``: no digit is lost by
    forming ``J' J``.
    """
    Z = None if face.whole else face.basis()
    size = problem.size if Z is None else face.size
    if "jacobian" in at.extra and face.bend == 0.0:
        J = at.extra["jacobian"] if Z is None else at.extra["jacobian"] @ Z
        norms = np.linalg.norm(J, axis=0)
        if len(J) >= size and np.all(norms > 0.0):
            Q, R = np.linalg.qr(J / norms)
            if np.all(np.abs(np.diag(R)) > 1e-12):
                inverse = np.linalg.inv(R) / norms[:, None]
                S = problem.residual_curvature(at)
                K = inverse.T @ (S if Z is None else Z.T @ S @ Z) @ inverse
                if np.all(np.isfinite(K)):
                    values, vectors = np.linalg.eigh(np.eye(size) + 0.5 * (K + K.T))
                    axes = Q @ vectors
                    basis = inverse @ vectors
                    basis = basis if Z is None else Z @ basis
                    return Quadratic(values, basis, lambda e: axes.T @ e.extra["residuals"], 1e-6)
    units = problem.units(at.w)
    if Z is None:
        H = problem.hessian(at)
    else:
        HZ = problem.hessian(at) @ Z if problem.size <= DENSE else np.array([problem.hvp(at, z) for z in Z.T]).T
        H = Z.T @ HZ + face.bend * np.eye(size)
        H, units = 0.5 * (H + H.T), np.sqrt((Z * Z).T @ units**2)
    if not np.all(np.isfinite(H)):
        return None
    scale = equal_scale(H, units)
    values, vectors = np.linalg.eigh(H * scale * scale[:, None])
    basis = scale[:, None] * vectors
    basis = basis if Z is None else Z @ basis
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


def _last_digits(problem: Any, at: Evaluation, model: Quadratic, c: FloatArray, free: Any) -> tuple[FloatArray, float]:
    """What the last digits of the free coordinates change in the slopes c, and in f."""
    random = np.random.default_rng(0)
    blur, spread = np.zeros_like(c), 0.0
    for _ in range(3):
        turns = random.choice([-1.0, 1.0], problem.size)
        near = problem.evaluate(at.w * (1.0 + 2.0 * _EPS * np.where(free, turns, 0.0)))
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
    began = time.perf_counter()
    at = problem.evaluate(w)
    spent = time.perf_counter() - began
    if not math.isfinite(at.value) or at.value < -FALLEN * max(1.0, abs(started)):
        said = (
            f"the function fell to {at.value:.3g}: as far as was seen it falls without bound and has no minimum"
            if at.value < 0.0
            else "the function is not finite here"
        )
        bound = Bound("none", math.inf, math.inf, "nothing", at.value, math.nan)
        return _certificate(bound, tol, Status.DIVERGED, said, {"verdict": "not stationary"})
    if not problem.traits.smooth and np.any(at.gradient):
        norm = projected_gradient_norm(problem, at)
        said = f"{reason}; this is the best point seen; at kinks derivatives do not tell how near a minimum is"
        bound = Bound("none", math.nan, math.nan, "nothing", at.value, math.nan)
        ended = status if status in _KEPT else Status.STALLED
        return _certificate(bound, tol, ended, said, {"verdict": "not examined", "gradient_norm": norm})
    if status is Status.INTERRUPTED and 2.0 * problem.size * spent > PROMPT:
        norm = projected_gradient_norm(problem, at)
        said = f"{reason}; the gradient norm is {norm:.2g}; second derivatives would take long and were not looked at"
        bound = Bound("gradient_norm", math.nan, math.nan, "stationarity", at.value, math.nan)
        return _certificate(bound, tol, status, said, {"verdict": "not examined", "gradient_norm": norm})
    seen = look(problem, at, tol, started)
    verdict, face = seen.verdict, seen.face
    good = verdict.name in GOOD
    corner = face.size == 0
    kind: CertificateKind = "second_order" if not math.isnan(verdict.smallest_curvature) else "gradient_norm"
    made = max(started - at.value, 0.0)
    relative = verdict.predicted_decrease / made if made > 0.0 else (0.0 if good else math.inf)
    constrained = problem.constraint is not None
    size = f"the {'projected ' if constrained else ''}gradient norm is {verdict.gradient_norm:.2g}"
    if kind == "second_order":
        smallest = "no direction is free" if corner else f"the smallest curvature {verdict.smallest_curvature:.2g}"
        size += (
            f", {smallest}, and {verdict.predicted_decrease:.2g} of"
            f" decrease {'is' if good else 'would be'} left to second order (allowed: {seen.allowed:.2g})"
        )
    where = face.words(at.w)
    said = f"{_AS[verdict.name]}{' ' if where else ''}{where}: {size}; nothing is proven about other minima"
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
    if constrained:
        evidence |= {"held": face.held, "multipliers": face.pressures, "boundary_multiplier": face.multiplier}
    if verdict.name in ("saddle", "maximum") and seen.direction is not None:
        evidence["direction"] = seen.direction / np.linalg.norm(seen.direction)
    bound = Bound(kind, verdict.predicted_decrease, relative, "stationarity", at.value, math.nan)
    return _certificate(bound, tol, kept, said, evidence)


def _certificate(bound: Bound, tol: float, status: Status, reason: str, evidence: dict[str, Any]) -> Certificate:
    return certificate_of(bound, tol, False, status, reason, (), evidence)
