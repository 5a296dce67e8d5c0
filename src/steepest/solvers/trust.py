"""Trust regions: Newton's method and Levenberg's and Marquardt's for any start and any signature of the Hessian.

Each step minimises a quadratic model inside an ellipsoid,

    min_p  g'p + 1/2 p' B p   subject to   |D p| <= radius,

exactly, from the eigenvalues of ``D^-1 B D^-1``.  The radius follows how well the model predicted f.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.function import equal_scale
from steepest.protocols import Evaluation, FloatArray, Round, Traits

_EPS = 2.0**-52


class Model(NamedTuple):
    """The quadratic in its own axes: ``sum c_i y_i + 1/2 lam_i y_i^2`` with ``p = D^-1 V y``."""

    values: FloatArray  # ascending
    slopes: FloatArray
    basis: FloatArray  # D^-1 V

    def decrease(self, y: FloatArray) -> float:
        """What a step promises."""
        return -float(self.slopes @ y + 0.5 * (self.values * y) @ y)


class NewtonModel:
    """``B = H``, the Hessian as it is.  D makes its entries comparable and only grows."""

    def __init__(self) -> None:
        self._metric: FloatArray | None = None

    def missing(self, traits: Traits) -> str | None:
        """Curvature."""
        return None if traits.has_curvature else "second derivatives"

    def __call__(self, problem: Any, at: Evaluation) -> Model | None:
        H = problem.hessian(at)
        if not np.all(np.isfinite(H)):
            return None
        metric = 1.0 / equal_scale(H, problem.units(at.w))
        self._metric = metric if self._metric is None else np.maximum(metric, self._metric)
        inverse = 1.0 / self._metric
        values, vectors = np.linalg.eigh(H * inverse * inverse[:, None])
        return Model(values, vectors.T @ (inverse * at.gradient), inverse[:, None] * vectors)

    def length(self, w: FloatArray) -> float:
        """|D w|."""
        assert self._metric is not None
        return float(np.linalg.norm(self._metric * w))


class GaussNewtonModel:
    """``B = J'J`` of a sum of squares, by the singular values of ``J D^-1``; D holds the largest column norms so far.

    Source: Moré (1978), The Levenberg-Marquardt algorithm: implementation and theory.
    """

    def __init__(self) -> None:
        self._metric: FloatArray | None = None

    def missing(self, traits: Traits) -> str | None:
        """Nothing that traits know."""
        return None

    def __call__(self, problem: Any, at: Evaluation) -> Model | None:
        J, r = at.extra["jacobian"], at.extra["residuals"]
        norms = np.linalg.norm(J, axis=0)
        metric = np.where(norms > 0.0, norms, 1.0 / problem.units(at.w))
        self._metric = metric if self._metric is None else np.maximum(metric, self._metric)
        inverse = 1.0 / self._metric
        U, s, Vt = np.linalg.svd(J * inverse, full_matrices=False)
        order = np.argsort(s)
        s, slopes = s[order], s[order] * (U.T @ r)[order]
        return Model(s * s, slopes, inverse[:, None] * Vt[order].T)

    def length(self, w: FloatArray) -> float:
        """|D w|."""
        assert self._metric is not None
        return float(np.linalg.norm(self._metric * w))


def within(model: Model, radius: float) -> FloatArray:
    """The minimiser y of the model with ``|y| <= radius``.

    ``y_i = -c_i / (lam_i + mu)`` with the least ``mu >= 0`` that makes all ``lam_i + mu >= 0`` and keeps the radius:
    Newton's iteration on ``1 / |y|``, kept in a bracket.  Where the slope has no part along the lowest curvature
    and that is negative (the hard case), a move along it fills the radius.  Source: Moré & Sorensen (1983).

    Examples
    --------
    >>> import numpy as np
    >>> saddle = Model(np.array([-1.0, 1.0]), np.zeros(2), np.eye(2))
    >>> abs(within(saddle, 0.5))
    array([0.5, 0. ])
    """
    lam, c = model.values, model.slopes
    low = float(lam[0])
    top = max(float(np.abs(lam).max()), 1e-300)
    if low > _EPS * top:
        y = -c / lam
        if float(np.linalg.norm(y)) <= radius:
            return y

    shifted = lam + max(0.0, -low)
    shifted[0] = max(float(shifted[0]), 0.0)

    def at(mu: float) -> FloatArray:
        return -np.divide(c, shifted + mu, out=np.zeros_like(c), where=shifted + mu > 1e-290)

    left = min(1e-13 * top, abs(float(c[0])) / (4.0 * radius))  # outside, where the slope has a part along the lowest
    y = at(left)
    if float(np.linalg.norm(y)) <= radius:
        if low < -_EPS * top:
            y[0] += math.copysign(math.sqrt(max(radius**2 - float(y @ y), 0.0)), -float(c[0]))
        return y
    right = float(np.linalg.norm(c)) / radius + left
    mu = left
    for _ in range(80):
        y = at(mu)
        norm = float(np.linalg.norm(y))
        if abs(norm - radius) <= 1e-3 * radius:
            break
        if norm > radius:
            left = mu
        else:
            right = mu
        weight = float(np.sum(y * y / np.maximum(shifted + mu, 1e-290)))
        mu += (norm / radius - 1.0) * norm**2 / weight if weight > 0.0 else 0.0
        if not left < mu < right:
            mu = math.sqrt(left * right) if left > 0.0 else 0.5 * right
    return y


@dataclass(slots=True)
class TrustState:
    """Where a trust region stands."""

    problem: Any
    w: FloatArray
    at: Evaluation | None = None
    model: Model | None = None
    radius: float = math.nan


class TrustRegion:
    """A model of f and a radius in which it is trusted.

    Converges to a stationary point from any start, quadratically near a minimum with the Hessian or with residuals
    that vanish there; with the Hessian it leaves saddles along negative curvature.  Cost of a round: the model,
    ``about 10 d^3`` operations, and one evaluation for each radius that is tried.  Source: Conn, Gould & Toint, Trust
    Region Methods (2000), algorithm 6.1.1.

    Parameters
    ----------
    name : str
    model : callable
        `NewtonModel` or `GaussNewtonModel`.
    factor : float
        The first radius, in units of ``|D x_0|``.
    """

    patience = 10

    def __init__(self, name: str, model: Any, factor: float = 1.0) -> None:
        self.name = name
        self.model = model
        self.factor = factor
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """What the model needs and the problem lacks."""
        return self.model.missing(traits)  # type: ignore[no-any-return]

    def start(self, problem: Any, w: FloatArray) -> TrustState:
        """Nothing is computed yet."""
        return TrustState(problem, w)

    def start_here(self, problem: Any, w: FloatArray) -> TrustState:
        """The same from a later point."""
        return TrustState(problem, w)

    def advance(self, state: TrustState) -> Round:
        """One accepted step; the first round evaluates the start."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(state.w)
            return Round(state.at, math.nan)
        at = state.at
        if state.model is None:
            state.model = self.model(problem, at)
            if state.model is None:
                return Round(at, 0.0, "second derivatives are not finite here", exhausted=True)
        model = state.model
        if math.isnan(state.radius):
            size = self.model.length(at.w)
            state.radius = self.factor * (size if size > 0.0 else self.model.length(problem.typical))
        for _ in range(100):
            y = within(model, state.radius)
            length = float(np.linalg.norm(y))
            promised = model.decrease(y)
            if not promised > 0.0 or length == 0.0:
                return Round(at, 0.0, "the model promises no decrease", exhausted=True)
            new = problem.evaluate(at.w + model.basis @ y)
            made = at.value - new.value
            ratio = made / promised if math.isfinite(new.value) else -math.inf
            if promised <= 10.0 * _EPS * abs(at.value):
                return self._last_digits(state, new, promised, length)
            if ratio < 0.25:
                state.radius = min(0.25 * state.radius, max(0.5 * length, 0.1 * state.radius))
                if not math.isfinite(new.value):
                    state.radius = 0.1 * length
            elif ratio > 0.75 and length > 0.9 * state.radius:
                state.radius *= 2.0
            if ratio > 1e-4:
                state.at, state.model = new, None
                return Round(new, length)
        return Round(at, 0.0, "no step decreases the function beyond rounding", exhausted=True)

    def _last_digits(self, state: TrustState, new: Evaluation, promised: float, length: float) -> Round:
        """Differences of f are rounding: a step counts that leaves much less to be promised."""
        at, model = state.at, state.model
        assert at is not None
        assert model is not None
        over = Round(at, 0.0, "no step decreases the function beyond rounding", exhausted=True)
        if not (math.isfinite(new.value) and new.value <= at.value + 10.0 * _EPS * abs(at.value)):
            return over
        after = self.model(state.problem, new)
        if after is None or not after.decrease(within(after, state.radius)) < 0.25 * promised:
            return over
        state.at, state.model = new, after
        return Round(new, length)
