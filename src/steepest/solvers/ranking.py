"""Newton's method for ranking by pairs, on the squared hinge or on a hinge that is smoothed less and less."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.exceptions import DataError
from steepest.problems.ranking import RankingProblem, sampled
from steepest.protocols import AnyArray, Bound, Evaluation, FloatArray, Round, Traits
from steepest.solvers.newton_cg import NewtonCG

DENSE_MOST = 1000  # features up to which the Hessian is formed
REFINEMENTS = 3  # solutions of the system of a wide problem, the first and those of what it leaves
COPY_MOST = 1 << 20  # numbers of sparse rows that are copied to an array for that
ROUNDING = 2.0**-48
EAGER = 10.0  # times the part of the gap that is due to smoothing, above which the width goes down
NARROWEST = 1e-7  # width of a smoothed hinge, below which rounding is what is left


@dataclass(slots=True)
class RankingState:
    """Where the method stands; ``rows`` is X as a float64 array where the Hessian is formed.

    ``gram`` is ``X X'`` where that is the smaller matrix.
    """

    problem: RankingProblem
    w: FloatArray
    at: Evaluation | None = None
    rows: FloatArray | None = None
    gram: FloatArray | None = None
    width: float = 1.0
    cg: NewtonCG = field(default_factory=lambda: NewtonCG(most=1000))


SHARE = 6  # of the rows, for the sample that a start from zero begins with
FEWEST = 500  # rows of a sample
NEAR = 1e-2  # of the optimum: a gap on the sample that ends the rounds on it
ROUNDS = 15


def sample_rows(problem: RankingProblem) -> AnyArray | None:
    """Rows of every sixth query, or every sixth row of few long queries; None where that would be too few."""
    p = problem.parts
    n = len(p.y)
    if n < SHARE * max(FEWEST, 20 * problem.size):
        return None
    if p.n_queries >= 20 * SHARE:
        taken = np.arange(p.n_queries) % SHARE == 0
        return np.sort(p.rows[np.repeat(taken, np.diff(p.starts))])
    chosen = np.random.default_rng(0).permutation(n)[: n // SHARE]
    return np.sort(chosen)


class RankNewton:
    """A Newton step on the smoothed objective a round; the width of the smoothing follows the gap.

    The gap of the hinge at the multipliers of the smoothed hinge has two parts: what a better w would close, and what
    the smoothing leaves, which goes down with the square of the width.  When the second is more than a tenth of the
    first, the width is divided by ``narrower``.  With many rows, the first rounds are on a sample of the queries.  The
    Newton system is factored where features (of dense, or few, rows) or rows are at most `DENSE_MOST`, else solved by
    conjugate gradients.
    Cost of a round: the products with X of a Newton step, and O(n log m) a pair sum.

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

    def __init__(self, narrower: float = 5.0) -> None:
        self.narrower = narrower
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """A penalty."""
        return None if traits.l2 > 0.0 else "a penalty"

    def start(self, problem: RankingProblem, w: FloatArray) -> RankingState:
        """Nothing is computed yet, but for some rounds on a sample where the start is zero."""
        rows = None if w.any() else sample_rows(problem)
        if rows is None:
            return self._state(problem, w)
        try:
            small = sampled(problem, rows)
        except DataError:  # no pair among them
            return self._state(problem, w)
        state = self._state(small, w)
        for _ in range(ROUNDS):
            round_ = self.advance(state)
            assert round_.bound is not None
            if round_.exhausted or round_.bound.relative <= NEAR:
                break
        assert state.at is not None
        problem.passes += small.passes * len(rows) / len(problem.parts.y)
        self.notes.append(f"began from the solution on {len(rows)} of {len(problem.parts.y)} rows")
        whole = self._state(problem, state.at.w)
        whole.width = state.width
        return whole

    def _state(self, problem: RankingProblem, w: FloatArray) -> RankingState:
        state = RankingState(problem, w)
        source = problem.source
        if problem.size > DENSE_MOST:
            if source.shape[0] <= DENSE_MOST:
                X = source.X if source.kind == "dense" else source.matrix
                product = X.astype(np.float64, copy=False) @ X.T
                state.gram = product if source.kind == "dense" else product.toarray()
            return state
        if source.kind == "dense":
            state.rows = np.ascontiguousarray(source.X, dtype=np.float64)
        elif source.shape[0] * source.shape[1] <= COPY_MOST:
            state.rows = source.matrix.toarray().astype(np.float64, copy=False)
        return state

    def advance(self, state: RankingState) -> Round:
        """One Newton step; the first round evaluates the start."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(state.w, state.width)
            return self._round(state, math.nan)
        at = state.at
        if EAGER * at.extra["blur"] > at.extra["stationary"] and state.width > NARROWEST:
            state.width = max(state.width / self.narrower, NARROWEST)
            at = problem.evaluate_at(at.w, at.scores, state.width)
        d = self._direction(state, at)
        slope = float(at.gradient @ d)
        if not slope < 0.0:
            return self._stuck(state, at)
        ray = problem.along(at, d)
        noise = ROUNDING * (1.0 + at.value) / min(state.width, 1.0)
        t = best_along(ray, at.extra["smooth"], slope, noise)
        if t == 0.0:
            return self._stuck(state, at)
        state.at = ray.complete(t)
        return self._round(state, t)

    def _direction(self, state: RankingState, at: Evaluation) -> FloatArray:
        if state.gram is not None:
            return self._wide(state.problem, at, state.gram)
        if state.rows is None:
            return state.cg(state.problem, at)
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        H = state.problem.hessian(at, state.rows)
        if not np.all(np.isfinite(H)):
            return np.full_like(at.gradient, np.nan)  # no direction: squares of features overflow
        try:
            return -cho_solve(cho_factor(H, lower=True, check_finite=False), at.gradient)  # type: ignore[no-any-return]
        except LinAlgError:  # a penalty below the rounding of the curvatures
            return state.cg(state.problem, at)

    @staticmethod
    def _wide(problem: RankingProblem, at: Evaluation, K: FloatArray) -> FloatArray:
        """The Newton step by a system of the size of the rows: ``-(I - X' (l2 I + M K)^-1 M X) g / l2``, K = X X'."""
        from scipy.linalg import lu_factor, lu_solve

        g, l2, M = at.gradient, problem.traits.l2, problem.laplacian(at)
        inner = M @ K
        inner[np.diag_indices(len(K))] += l2
        if not (np.all(np.isfinite(inner)) and np.all(np.isfinite(g))):
            return np.full_like(g, np.nan)
        factors = lu_factor(inner, check_finite=False)
        d, rest = np.zeros_like(g), -g
        for _ in range(REFINEMENTS):  # the formula takes the difference of what is nearly equal
            pulled, _ = problem.source.rmatvec(np.ones(len(K)), lu_solve(factors, M @ problem.source.matvec(rest)))
            d += (rest - pulled) / l2
            rest = -g - problem.hvp(at, d)
            problem.passes += 1.0
        return np.asarray(d)

    def _round(self, state: RankingState, step: float, note: str = "", exhausted: bool = False) -> Round:
        at = state.at
        assert at is not None
        bound = bound_at(at)
        return Round(at, step, note, exhausted, bound=bound, dual=np.append(at.w, at.extra["width"]))

    def _stuck(self, state: RankingState, at: Evaluation) -> Round:
        state.at = at
        over = state.width <= NARROWEST or not EAGER * at.extra["blur"] > at.extra["stationary"]
        return self._round(state, 0.0, "no step decreases the objective beyond rounding" if over else "", over)


def bound_at(at: Evaluation) -> Bound:
    """The gap that an evaluation of a ranking problem carries."""
    gap, dual = max(at.extra["gap"], 0.0), at.extra["dual"]
    relative = gap / dual if dual > 0.0 else math.inf
    return Bound("duality_gap", gap, relative, "suboptimality", at.value, dual)


def best_along(ray: Any, value: float, slope: float, noise: float) -> float:
    """A step with a small slope that goes down: the root of the slope of a convex function, by a safeguarded secant.

    t = 1 is tried first and kept where the slope has at least halved; 0 where no step goes down.  Values are good to
    ``noise``; slopes tell what they hide.
    """
    low, slope_low, high, slope_high = 0.0, slope, math.inf, math.nan
    t, best, best_value = 1.0, 0.0, value
    for _ in range(40):
        reached, s = ray.value_slope(t)
        if reached < best_value:
            best, best_value = t, reached
        if (s <= 0.0 or reached <= value + noise) and abs(s) <= 0.5 * abs(slope):
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
