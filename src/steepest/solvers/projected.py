"""Spectral projected gradient: for any set onto which a projection is known."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import Evaluation, FloatArray, Round, Traits

LONGEST = 1e100  # spectral steps are kept between its inverse and it
_EPS = 2.0**-52


def spectral_step(s: FloatArray, y: FloatArray, before: float) -> float:
    """Barzilai's and Borwein's ``s's / s'y``, an inverse curvature; where none was met, 10 ``before``."""
    bend, far = float(s @ y), 10.0 * before
    if not bend > 0.0:
        return min(far, LONGEST)
    return max(float(s @ s) / bend, 1.0 / LONGEST) if float(s @ s) < LONGEST * bend else far


def first_step(problem: Any, at: Evaluation) -> float:
    """A step that moves the fastest variable by its unit at most."""
    fastest = float(np.abs(at.gradient / problem.units(at.w)).max())
    return 1.0 / fastest if fastest > 0.0 else 1.0


@dataclass(slots=True)
class ProjectedState:
    """Where the method stands."""

    problem: Any
    w: FloatArray
    at: Evaluation | None = None
    step: float = math.nan
    recent: deque[float] = field(default_factory=deque)


class ProjectedGradient:
    """``d = P(x - alpha g) - x``, then ``x + t d`` with t from 1 on downwards.

    alpha is Barzilai's and Borwein's step, which makes gradient steps about as good as conjugate gradients.  A step is
    taken that is below the worst of the last ``memory`` values by ``1e-4 t |g'd|``: with a memory of 1 that is Armijo's
    rule, with more the method may climb, as spectral steps must.  Every limit point is stationary; at a minimum to
    second order it converges at a linear rate, which grows with the condition.  Cost of a round: a projection and an
    evaluation.  Source: Birgin, Martínez & Raydan (2000), Nonmonotone spectral projected gradient methods on convex
    sets, algorithm 2.2.

    Parameters
    ----------
    memory : int
    """

    name = "projected_gradient"
    constraints = True
    patience = 100

    def __init__(self, memory: int = 10) -> None:
        if not (isinstance(memory, int | np.integer) and memory >= 1):
            raise InvalidParameterError(f"memory: expected an integer >= 1, got {memory!r}. 1 never climbs.")
        self.memory = int(memory)
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """A gradient everywhere."""
        if traits.l1 > 0.0:
            return "a penalty without an l1 part (its gradient does not exist at zero weights)"
        return None if traits.smooth else "a smooth loss"

    def start(self, problem: Any, w: FloatArray) -> ProjectedState:
        """Nothing is computed yet."""
        return ProjectedState(problem, w, recent=deque(maxlen=self.memory))

    start_here = start

    def advance(self, state: ProjectedState) -> Round:
        """One step; the first round evaluates the start."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(problem.project(state.w))
            state.recent.append(state.at.value)
            return Round(state.at, math.nan)
        at = state.at
        if math.isnan(state.step):
            state.step = first_step(problem, at)
        d = problem.project(at.w - state.step * at.gradient) - at.w
        slope = float(at.gradient @ d)
        if not slope < 0.0:
            return Round(at, 0.0, "the projected gradient is zero or rounding", exhausted=True)
        worst = max(state.recent)
        t = 1.0
        for _ in range(60):
            new = problem.evaluate(at.w + t * d)
            made = worst - new.value
            if made >= -1e-4 * t * slope or (made >= -10.0 * _EPS * abs(worst) and -t * slope <= _EPS * abs(worst)):
                break
            bend = new.value - at.value - t * slope
            best = -0.5 * t * t * slope / bend if math.isfinite(bend) and bend > 0.0 else 0.5 * t
            t = min(max(best, 0.1 * t), 0.9 * t)
        else:
            return Round(at, 0.0, "no step decreases the function beyond rounding", exhausted=True)
        state.step = spectral_step(new.w - at.w, new.gradient - at.gradient, state.step)
        state.at = new
        state.recent.append(new.value)
        return Round(new, t)
