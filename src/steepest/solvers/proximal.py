"""Proximal gradient and FISTA in a diagonal metric, for every smooth loss, penalty and constraint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.penalties.constrained import constrained_prox
from steepest.protocols import Evaluation, FloatArray, Round, Traits
from steepest.solvers.searches import tolerance
from steepest.solvers.working_set import certified_gap, evaluate_known, null_floor, polished

STEPS_MOST = 10  # iterations a round: each round also evaluates the point that it ends at
SHRINK, GROW = 0.5, 1.5
CALM = 10  # accepted steps after which a longer one is tried


@dataclass(slots=True)
class ProximalState:
    """The last two points with their scores, the momentum, the step, and the metric."""

    problem: Any
    w: FloatArray
    scores: FloatArray | None = None
    value: float = math.inf
    at: Evaluation | None = None  # everything at w, where it is known
    before: tuple[FloatArray, FloatArray] | None = None  # the point before, and its scores
    theta: float = 1.0
    t: float = 1.0
    calm: int = 0
    rounds: int = 0
    floor: float = 0.0
    metric: FloatArray | None = None

    def evaluated(self) -> Evaluation:
        """Everything at w: nothing, or half a pass."""
        if self.at is None:
            self.at = evaluate_known(self.problem, self.w, self.scores)
        return self.at


def eliminated(problem: Any) -> bool:
    """Whether intercepts are kept at their best for the weights: the method then sees centred columns."""
    return bool(problem.layout.intercept and problem.traits.has_curvature)


def column_metric(problem: Any, at: Evaluation) -> FloatArray:
    """``L sum_i p_i x_ij^2`` (+ l2) for every weight, about the mean where intercepts are eliminated: half a pass.

    L is the smoothness of the loss, or its largest weighted curvature at the start where it has none.  A column of
    zeros gets the least of the others.  In this metric the scale of a column is of no account, and the largest
    eigenvalue of the Hessian lies between 1 and the number of columns.
    """
    layout = problem.layout
    first, second = problem.source.moments(problem.p)
    problem.passes += 0.5
    if eliminated(problem):
        second = np.maximum(second - first * first, 1e-12 * second)
    bound = float(problem.loss.smoothness)
    if not 0.0 < bound < math.inf:
        live = problem.p > 0.0
        bound = 1.0
        if layout.n_outputs == 1 and problem.traits.has_curvature and live.any():
            bound = float((problem.curvatures(at)[live] / problem.p[live]).max())
        bound = bound if 0.0 < bound < math.inf else 1.0
    scale = bound * second
    positive = scale[scale > 0.0]
    scale = np.maximum(scale, positive.min() if len(positive) else bound) + problem.traits.l2
    weights = np.repeat(scale, layout.n_outputs)
    if not layout.intercept:
        return weights
    return np.concatenate([weights, np.full(layout.n_outputs, bound)])


class ProximalGradient:
    """``w+ = prox(w - t M^-1 grad f(w))`` in a diagonal metric M, with t by backtracking (E12).

    f is the loss with the l2 part; prox is the soft threshold at ``t l1 / M_jj``, intercepts excepted, and the exact
    minimum on the set where weights are held in one (`steepest.penalties.constrained`).  A step is accepted when
    ``f(w+) <= f(w) + grad f(w).(w+ - w) + |w+ - w|_M^2 / (2 t)``; after ten accepted steps a longer one is tried.
    Intercepts stay at their best for the weights, so that columns count as centred.

    Cost: a pass an iteration, ten iterations a round, half a pass for a step that is not accepted.  Guarantee: the
    objective never increases; ``P - P* = O(1/k)``, linear under strong convexity.  Extra memory: a few vectors of
    length n and d.  Source: Beck & Teboulle (2009), SIAM J. Imaging Sci. 2.
    """

    name = "proximal_gradient"
    patience = 10
    constraints = True
    accelerated = False

    def missing(self, traits: Traits) -> str | None:
        """A smooth loss is all that is needed."""
        return None if traits.smooth else "a smooth loss"

    def start(self, problem: Any, w: FloatArray) -> ProximalState:
        """Nothing is computed yet."""
        return ProximalState(problem, problem.project(np.asarray(w, dtype=np.float64)))

    def advance(self, state: ProximalState) -> Round:
        """A round of iterations and the evaluation of where they end; the first evaluates the start."""
        problem = state.problem
        if state.scores is None:
            at = problem.evaluate(state.w)
            if eliminated(problem):
                at = evaluate_known(problem, *polished(problem, at.w, at.scores))
                state.w = at.w
            state.at, state.scores, state.value = at, at.scores, at.value
            state.floor, state.metric = null_floor(problem), column_metric(problem, at)
            return Round(at, math.nan, bound=certified_gap(problem, at, state.floor))
        count = min(STEPS_MOST, 1 << state.rounds)
        state.rounds += 1
        stuck = False
        for k in range(count):
            if not self._step(state):
                stuck = k == 0
                break
        at = state.evaluated()
        note = "no step decreases the objective beyond rounding" if stuck else ""
        return Round(at, state.t, note, exhausted=stuck, bound=certified_gap(problem, at, state.floor))

    # ------------------------------------------------------------------------------------- one iteration

    def _step(self, state: ProximalState) -> bool:
        """One iteration; False where no step changes the objective beyond rounding."""
        problem, metric = state.problem, state.metric
        assert metric is not None
        slack, centred = tolerance(problem, state.value), eliminated(problem)
        y, momentum = self._extrapolated(state)
        smooth = y.loss + self._l2_value(problem, y.w)
        while True:
            w = self._prox(problem, y, state.t, metric)
            d = w - y.w
            length = float((metric * d) @ d)
            if not length > 0.0:
                return self._without_momentum(state) if momentum else False
            scores = y.scores + problem.along(y, d).dz
            if centred:
                w, scores = polished(problem, w, scores)
            loss = problem.losses_at(scores)
            reached = loss + self._l2_value(problem, w)
            if reached <= smooth + float(y.gradient @ d) + length / (2.0 * state.t) + slack:
                break
            state.t, state.calm = SHRINK * state.t, 0
            if state.t < 1e-18:
                return False
        value = loss + problem.penalty_value(w)
        if not value <= state.value + slack:
            return self._without_momentum(state) if momentum else False
        if not momentum and length / state.t <= 1e-16 * abs(value) and value >= state.value:
            return False
        uphill = momentum and float((metric * (y.w - w)) @ (w - state.w)) > 0.0
        assert state.scores is not None
        state.before = (state.w, state.scores)
        state.w, state.scores, state.value, state.at = w, scores, value, None
        if uphill:
            self._restart(state)
        state.calm += 1
        if state.calm >= CALM:
            state.t, state.calm = GROW * state.t, 0
        return True

    def _without_momentum(self, state: ProximalState) -> bool:
        self._restart(state)
        return self._step(state)

    def _extrapolated(self, state: ProximalState) -> tuple[Evaluation, bool]:
        """Where the gradient is taken, and whether momentum led there."""
        return state.evaluated(), False

    @staticmethod
    def _restart(state: ProximalState) -> None:
        state.theta, state.before = 1.0, None

    @staticmethod
    def _prox(problem: Any, y: Evaluation, t: float, metric: FloatArray) -> FloatArray:
        m, l1 = problem.layout.n_weights, problem.traits.l1
        w = y.w - t * y.gradient / metric
        if problem.traits.constrained:
            head, q = problem.layout.split(w)[0], problem.layout.split(metric)[0] / t
            w[:m] = constrained_prox(problem.constraint, head, q, l1).ravel()
        elif l1 > 0.0:
            head = w[:m]
            w[:m] = np.sign(head) * np.maximum(np.abs(head) - t * l1 / metric[:m], 0.0)
        return w

    @staticmethod
    def _l2_value(problem: Any, w: FloatArray) -> float:
        head = w[: problem.layout.n_weights]
        return 0.5 * float(problem.traits.l2) * float(head @ head)


class FISTA(ProximalGradient):
    """`ProximalGradient` from ``y = w + beta (w - w_before)``, with adaptive restart (E12).

    ``beta = (theta - 1) / theta+`` with ``theta+ = (1 + (1 + 4 theta^2)^1/2) / 2``; theta returns to 1 when the
    momentum points against the step, ``<y - w+, w+ - w>_M > 0``, or led uphill.  The scores at y are a combination
    of known ones, so an iteration costs no more products than without momentum; each round adds half a pass.

    Guarantee: ``O(1/k^2)``; linear after restarts under strong convexity; the objective never increases.
    Sources: Beck & Teboulle (2009), SIAM J. Imaging Sci. 2; O'Donoghue & Candes (2015), Found. Comput. Math. 15.
    """

    name = "fista"
    accelerated = True

    def _extrapolated(self, state: ProximalState) -> tuple[Evaluation, bool]:
        after = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * state.theta * state.theta))
        beta, state.theta = (state.theta - 1.0) / after, after
        if beta == 0.0 or state.before is None:
            return state.evaluated(), False
        assert state.scores is not None
        w, scores = state.before
        y = state.w + beta * (state.w - w)
        scores = state.scores + beta * (state.scores - scores)
        if eliminated(state.problem):
            y, scores = polished(state.problem, y, scores)
        return evaluate_known(state.problem, y, scores), True


class ProjectedGradient(ProximalGradient):
    """`ProximalGradient` for weights held in a set: ``w+ = P(w - t M^-1 grad f(w))``, P the nearest point in M.

    With an l1 penalty the step is the proximal one on the set.  Source: Levitin & Polyak (1966), USSR Comput. Math.
    """

    name = "projected_gradient"

    def missing(self, traits: Traits) -> str | None:
        """A smooth loss, and a set to project onto."""
        return super().missing(traits) if traits.constrained else "a constraint to project onto"
