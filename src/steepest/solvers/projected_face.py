"""Projected Newton and quasi-Newton methods: curvature along the face that a point is on, projections to change it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.certify.faces import EDGE, Face, face_at
from steepest.certify.function import equal_scale
from steepest.exceptions import InvalidParameterError
from steepest.protocols import Evaluation, FloatArray, Round, Traits
from steepest.solvers.projected import first_step, spectral_step

_EPS = 2.0**-52
NEAR = 1e-3  # of a variable's unit: bounds as near as this hold it for a step that leads to them


class FaceNewton:
    """``-Z |Z'(H + bend I)Z|^-1 Z'g``, with the absolute values of the curvatures, so that it descends."""

    def __call__(self, problem: Any, at: Evaluation, face: Face) -> FloatArray | None:
        Z = face.basis()
        H = Z.T @ problem.hessian(at) @ Z + face.bend * np.eye(face.size)
        if not np.all(np.isfinite(H)):
            return None
        scale = equal_scale(H, np.sqrt((Z * Z).T @ problem.units(at.w) ** 2))
        values, vectors = np.linalg.eigh(H * scale * scale[:, None])
        bends = np.maximum(np.abs(values), 1e-10 * float(np.abs(values).max()))
        if not float(bends[-1]) > 0.0:
            return None
        back = vectors.T @ (scale * (Z.T @ at.gradient))
        return -(Z @ (scale * (vectors @ (back / bends))))  # type: ignore[no-any-return]

    def update(self, old: Evaluation, new: Evaluation) -> None:
        """Nothing is remembered."""

    def reset(self) -> bool:
        """There is nothing to forget."""
        return False


class FaceLBFGS:
    """L-BFGS with all pairs (s, y) taken along the present face; those without curvature there are left out.

    Parameters
    ----------
    memory : int
        Pairs kept.
    """

    def __init__(self, memory: int = 10) -> None:
        if not (isinstance(memory, int | np.integer) and memory >= 1):
            raise InvalidParameterError(f"memory: expected an integer >= 1, got {memory!r}. 10 is usual.")
        self.pairs: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=int(memory))

    def __call__(self, problem: Any, at: Evaluation, face: Face) -> FloatArray | None:
        q = -face.along(at.gradient)
        kept = []
        for s, y in self.pairs:
            along = face.along(s)
            bent = face.along(y) + face.bend * along
            sy = float(along @ bent)
            if sy > 1e-10 * float(np.linalg.norm(along)) * float(np.linalg.norm(bent)):
                kept.append((along, bent, sy))
        if not kept:
            return None
        weights = []
        for s, y, sy in reversed(kept):
            weights.append(float(s @ q) / sy)
            q = q - weights[-1] * y
        q *= kept[-1][2] / float(kept[-1][1] @ kept[-1][1])
        for (s, y, sy), weight in zip(kept, reversed(weights), strict=True):
            q = q + (weight - float(y @ q) / sy) * s
        return face.along(q)

    def update(self, old: Evaluation, new: Evaluation) -> None:
        """Remember a step."""
        self.pairs.append((new.w - old.w, new.gradient - old.gradient))

    def reset(self) -> bool:
        """Forget; False where there was nothing."""
        had = bool(self.pairs)
        self.pairs.clear()
        return had


@dataclass(slots=True)
class FaceState:
    """Where the method stands."""

    problem: Any
    w: FloatArray
    at: Evaluation | None = None
    spectral: float = math.nan


class FaceDescent:
    """Steps along the face in its own curvature, and projected gradient steps that find the face.

    With bounds, variables within a small distance of a bound that g pushes them to are held there, the others take a
    (quasi-)Newton step of their own, and the search goes along ``P(x + t d)``: Bertsekas' two-metric projection, which
    descends because the metric is diagonal in the variables held.  On other sets that may fail, so a spectral projected
    gradient step comes first in every round.  Where multipliers do not vanish, the face of the minimum is found in
    finitely many rounds; from there on it is Newton's method, or L-BFGS, in that face.  Sources: Bertsekas (1982),
    Projected Newton methods for optimization problems with simple constraints; Moré & Toraldo (1991), On the solution
    of large quadratic programming problems with bound constraints.

    Parameters
    ----------
    name : str
    direction : FaceNewton or FaceLBFGS
    """

    constraints = True
    patience = 10

    def __init__(self, name: str, direction: Any) -> None:
        self.name = name
        self.direction = direction
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """A gradient, and its derivative."""
        if traits.l1 > 0.0:
            return "a penalty without an l1 part (its gradient does not exist at zero weights)"
        return None if traits.smooth and traits.has_curvature else "second derivatives"

    def start(self, problem: Any, w: FloatArray) -> FaceState:
        """Nothing is computed yet."""
        return FaceState(problem, w)

    start_here = start

    def advance(self, state: FaceState) -> Round:
        """One round; the first evaluates the start."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(problem.project(state.w))
            state.spectral = first_step(problem, state.at)
            return Round(state.at, math.nan)
        at, t = state.at, 0.0
        boxed = problem.constraint is None or problem.constraint.separable
        if not boxed:
            taken = self._spectral(state, at)
            at, t = taken if taken is not None else (at, t)
        taken = self._along_face(state, at, boxed)
        if taken is None and boxed:
            taken = self._spectral(state, at)
        at, t = taken if taken is not None else (at, t)
        if at is state.at:
            if self.direction.reset():
                return Round(at, 0.0)
            return Round(at, 0.0, "no step decreases the function beyond rounding", exhausted=True)
        state.at = at
        return Round(at, t)

    def _along_face(self, state: FaceState, at: Evaluation, boxed: bool) -> tuple[Evaluation, float] | None:
        problem = state.problem
        units = problem.units(at.w)
        slack = EDGE * units
        if boxed:
            reach = float(np.abs((problem.project(at.w - at.gradient) - at.w) / units).max())
            slack = max(min(NEAR, reach), EDGE) * units
        face = face_at(problem.constraint, at.w, at.gradient, slack)
        d = self.direction(problem, at, face) if face.size else np.zeros(problem.size)
        if d is None:
            return None
        if boxed:
            d[face.held] = face.targets - at.w[face.held]
        return self._arc(state, at, d, 1.0, 40 if boxed else 10)

    def _spectral(self, state: FaceState, at: Evaluation) -> tuple[Evaluation, float] | None:
        return self._arc(state, at, -state.spectral * at.gradient, 1.0, 60)

    def _arc(
        self, state: FaceState, at: Evaluation, d: FloatArray, t: float, tries: int
    ) -> tuple[Evaluation, float] | None:
        """Armijo's rule along ``P(x + t d)``."""
        problem = state.problem
        for attempt in range(tries):
            w = problem.project(at.w + t * d)
            move = w - at.w
            slope = float(at.gradient @ move)
            if not np.any(move):
                return None
            if slope < 0.0:
                new = problem.evaluate(w) if attempt == 0 or problem.value(w) <= at.value + 1e-4 * slope else None
                if new is not None and (
                    new.value <= at.value + 1e-4 * slope or self._last_digits(problem, at, new, slope)
                ):
                    new, t = self._further(problem, at, new, d, t) if attempt == 0 else (new, t)
                    self.direction.update(at, new)
                    state.spectral = spectral_step(new.w - at.w, new.gradient - at.gradient, state.spectral)
                    return new, t
            t *= 0.5 if attempt < 4 else 0.1
        return None

    @staticmethod
    def _further(problem: Any, at: Evaluation, new: Evaluation, d: FloatArray, t: float) -> tuple[Evaluation, float]:
        """Where f falls as steeply at the end of a step as at its beginning, ten times as far, and again."""
        for _ in range(30):
            move = new.w - at.w
            if not float(new.gradient @ move) <= 0.9 * float(at.gradient @ move):
                break
            ahead = problem.evaluate(problem.project(at.w + 10.0 * t * d))
            if not ahead.value < new.value:
                break
            new, t = ahead, 10.0 * t
        return new, t

    @staticmethod
    def _last_digits(problem: Any, at: Evaluation, new: Evaluation, slope: float) -> bool:
        """Differences of f are rounding: a step counts that leaves a much smaller projected gradient."""
        rounding = 10.0 * _EPS * abs(at.value)
        if not (-slope <= 10.0 * rounding and new.value <= at.value + rounding):
            return False
        before = problem.project(at.w - at.gradient) - at.w
        after = problem.project(new.w - new.gradient) - new.w
        return float(np.linalg.norm(after)) < 0.5 * float(np.linalg.norm(before))
