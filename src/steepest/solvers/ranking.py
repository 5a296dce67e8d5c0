"""Newton's method for ranking by pairs, on the squared hinge or on a hinge that is smoothed less and less."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.problems.ranking import RankingProblem
from steepest.protocols import Bound, Evaluation, FloatArray, Round, Traits
from steepest.solvers.newton_cg import NewtonCG

DENSE_MOST = 400  # features up to which the Hessian of dense rows is formed
NARROWEST = 1e-7  # width of a smoothed hinge, below which rounding is what is left


@dataclass(slots=True)
class RankingState:
    """Where the method stands; ``rows`` is X as a float64 array where the Hessian is formed."""

    problem: RankingProblem
    w: FloatArray
    at: Evaluation | None = None
    rows: FloatArray | None = None
    width: float = 1.0


class RankNewton:
    """A Newton step on the smoothed objective a round; the width of the smoothing follows the gap.

    The gap of the hinge at the multipliers of the smoothed hinge has two parts: what a better w would close, and what
    the smoothing leaves, which goes down with the square of the width.  When the second is the larger one the width is
    divided by ``narrower``.  The Newton system is factored for dense rows of at most `DENSE_MOST` features, else solved
    by conjugate gradients.  Cost of a round: the products with X of a Newton step, and O(n log m) a pair sum.

    Source: smoothing as in Nesterov (2005), Smooth minimization of non-smooth functions; sums over pairs by sorting as
    in Joachims (2006), Training linear SVMs in linear time, and Lee & Lin (2014), Large-scale linear RankSVM.

    Parameters
    ----------
    narrower : float
        Above 1.
    """

    name = "rank_newton"
    patience = 15
    wanders = True  # the smoothed objective goes down, not the hinge itself

    def __init__(self, narrower: float = 4.0) -> None:
        self.narrower = narrower
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """A penalty."""
        return None if traits.l2 > 0.0 else "a penalty"

    def start(self, problem: RankingProblem, w: FloatArray) -> RankingState:
        """Nothing is computed yet."""
        state = RankingState(problem, w)
        if problem.source.kind == "dense" and problem.size <= DENSE_MOST:
            state.rows = np.ascontiguousarray(problem.source.X, dtype=np.float64)
        return state

    def advance(self, state: RankingState) -> Round:
        """One Newton step; the first round evaluates the start."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(state.w, state.width)
            return self._round(state, math.nan)
        at = state.at
        if at.extra["blur"] > at.extra["stationary"] and state.width > NARROWEST:
            state.width = max(state.width / self.narrower, NARROWEST)
            at = problem.evaluate_at(at.w, at.scores, state.width)
        d = self._direction(state, at)
        slope = float(at.gradient @ d)
        if not slope < 0.0:
            return self._stuck(state, at)
        ray = problem.along(at, d)
        t = best_along(ray, at.extra["smooth"], slope)
        if t == 0.0:
            return self._stuck(state, at)
        state.at = ray.complete(t)
        return self._round(state, t)

    def _direction(self, state: RankingState, at: Evaluation) -> FloatArray:
        if state.rows is None:
            return NewtonCG()(state.problem, at)
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        H = state.problem.hessian(at, state.rows)
        try:
            return -cho_solve(cho_factor(H, lower=True, check_finite=False), at.gradient)  # type: ignore[no-any-return]
        except LinAlgError:  # a penalty below the rounding of the curvatures
            return NewtonCG()(state.problem, at)

    def _round(self, state: RankingState, step: float, note: str = "", exhausted: bool = False) -> Round:
        at = state.at
        assert at is not None
        bound = bound_at(at)
        return Round(at, step, note, exhausted, bound=bound, dual=np.append(at.w, at.extra["width"]))

    def _stuck(self, state: RankingState, at: Evaluation) -> Round:
        state.at = at
        over = state.width <= NARROWEST or not at.extra["blur"] > at.extra["stationary"]
        return self._round(state, 0.0, "no step decreases the objective beyond rounding" if over else "", over)


def bound_at(at: Evaluation) -> Bound:
    """The gap that an evaluation of a ranking problem carries."""
    gap, dual = max(at.extra["gap"], 0.0), at.extra["dual"]
    relative = gap / dual if dual > 0.0 else math.inf
    return Bound("duality_gap", gap, relative, "suboptimality", at.value, dual)


def best_along(ray: Any, value: float, slope: float) -> float:
    """A step with a small slope that goes down: the root of the slope of a convex function, by a safeguarded secant.

    t = 1 is tried first and kept where the slope has at least halved; 0 where no step goes down.
    """
    low, slope_low, high, slope_high = 0.0, slope, math.inf, math.nan
    t, best, best_value = 1.0, 0.0, value
    for _ in range(40):
        reached, s = ray.value_slope(t)
        down = reached < best_value
        if down:
            best, best_value = t, reached
        if down and abs(s) <= 0.5 * abs(slope):
            return t
        if s < 0.0:
            low, slope_low = t, s
        else:
            high, slope_high = t, s
        if math.isinf(high):
            t *= 2.0
            continue
        secant = low + (high - low) * slope_low / (slope_low - slope_high) if slope_high > slope_low else 0.0
        margin = 0.05 * (high - low)
        t = min(max(secant, low + margin), high - margin) if math.isfinite(secant) else 0.5 * (low + high)
        if high - low <= 1e-12 * high:
            break
    return best
