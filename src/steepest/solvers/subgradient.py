"""Subgradient descent: any convex function, kinks and all; the best point is kept (E3).

    w <- w - t_k g_k,   g_k a subgradient of P at w_k,   projected onto the constraint where there is one

P need not fall, for a subgradient is no direction of descent; of the points seen the best one is the result.  With
``|g_k| <= G`` and ``R = |w_0 - w*|``

    min_{j <= k} P(w_j) - P*  <=  (R^2 + G^2 sum t_j^2) / (2 sum t_j)

which goes to zero where ``sum t = inf`` and ``sum t^2 / sum t -> 0``, and so for every schedule that meets the
Robbins-Monro conditions.  Steps ``R / (G sqrt(k))`` give the order ``R G log(k) / sqrt(k)``, and no method that sees
only subgradients does better than ``R G / sqrt(k)`` in many dimensions (Nesterov 2004, 3.2.1).  A constant step t ends
within ``G^2 t / 2``.  Polyak's step ``(P(w_k) - P*) / |g_k|^2`` gives ``R G / sqrt(k)`` without knowing R or G; where
P* is not given it is estimated: the best value less a gap that is halved where no progress is made.

Mixed, later ones more, the slopes of the losses make a dual point, whose value bounds P* from below.  With a squared
penalty and steps ``1 / (l2 k)``, mixed in the proportion of their steps, the gap between the two goes to zero as
``log(k) / k``, where the slopes at one point, which jump at the kinks, prove nothing.  No gap is larger than that to
the least that the rows can lose, which is 0 for most losses.

Cost: one pass a step.

References
----------
Shor (1985), Minimization methods for non-differentiable functions.  Polyak (1969), Minimization of unsmooth
functionals.  Brännlund, Kiwiel, Lindberg (1995), for steps by estimated levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, gap_bound, quick_bound
from steepest.certify.gap import has_dual
from steepest.certify.proposal import gap_of_proposal
from steepest.exceptions import InvalidParameterError
from steepest.kernels import fenchel
from steepest.protocols import Bound, Evaluation, FloatArray, Round, Traits
from steepest.solvers.schedules import Constant, Inverse, InverseNext, InverseRoot

STEPS: dict[str, Any] = {"constant": Constant, "1/k": Inverse, "1/(k+1)": InverseNext, "1/sqrt(k)": InverseRoot}
"""Steps by name; "pegasos" and "polyak" beside them."""

HAIR = 1e-7  # of a length
PATIENT = 20  # steps of Polyak's rule without a better value, after which the level comes nearer
NEGLIGIBLE = "steps of Polyak's rule have become negligible; that says nothing of how far the optimum is"


@dataclass(slots=True)
class SubgradientState:
    """Where the method stands, the best that it has seen, and the mixture of its slopes."""

    problem: Any
    w: FloatArray
    at: Evaluation | None = None
    best: Evaluation | None = None
    schedule: Any = None
    k: int = 0
    mean: FloatArray | None = None
    weight: float = 0.0
    gap: float = math.nan  # of the level below the best value
    waited: int = 0
    mark: float = math.inf  # the best value when the level was last moved
    slopes: FloatArray | None = None
    lower: float = -math.inf
    proof: FloatArray | None = None
    floor: float = 0.0


class SubgradientDescent:
    """Steps against a subgradient; the best point is kept.

    A round is a step.  `missing` asks for one thing only: a loss of one score, or several, or a function; kinks and l1
    penalties are what it is for.

    Parameters
    ----------
    step : {"auto", "constant", "1/k", "1/(k+1)", "1/sqrt(k)", "pegasos", "polyak"} or schedule
        "auto" is "polyak", which needs no scale: with the others the first step may lead anywhere.  "pegasos" is
        ``1 / (l2 k)``, for P that a squared penalty makes strongly convex; where that is small so are only late steps.
    eta0 : float, optional
        The factor of the steps; by default such that the first step is one length of `reach`.
    reach : float, optional
        About the distance from the start to the minimum; default 1.  The first step goes so far where ``eta0`` is
        not given.
    optimum : float, optional
        P*, for "polyak"; estimated where it is not known.
    average : bool
        Whether rounds report the mean of the iterates, the k-th with weight k, where that is lower.  Costs another
        pass a step.
    """

    name = "subgradient"
    patience = 2000  # P need not fall
    constraints = True  # each step is projected

    def __init__(
        self,
        step: Any = "auto",
        eta0: float | None = None,
        reach: float | None = None,
        optimum: float | None = None,
        average: bool = False,
    ) -> None:
        known = ["auto", *STEPS, "pegasos", "polyak"]
        if not (hasattr(step, "rates") or (isinstance(step, str) and step in known)):
            raise InvalidParameterError(f"step: expected one of {known} or a schedule, got {step!r}. Use 'auto'.")
        for option, value in (("eta0", eta0), ("reach", reach)):
            if value is not None and not (isinstance(value, int | float) and 0.0 < value < math.inf):
                raise InvalidParameterError(f"{option}: expected a finite number > 0 or None, got {value!r}.")
        if eta0 is not None and not (isinstance(step, str) and step in STEPS):
            raise InvalidParameterError(f"eta0: only {list(STEPS)} take one, got {eta0!r} with {step!r}. Leave it out.")
        if optimum is not None and not (isinstance(optimum, int | float) and math.isfinite(optimum)):
            raise InvalidParameterError(f"optimum: expected a finite number or None, got {optimum!r}.")
        if optimum is not None and step not in ("polyak", "auto"):
            raise InvalidParameterError(f"optimum: only step='polyak' uses one, got {optimum!r} with {step!r}.")
        self.step, self.eta0, self.reach, self.optimum, self.average = step, eta0, reach, optimum, bool(average)
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """The steps of "pegasos" need a squared penalty."""
        if self.step == "pegasos" and not traits.l2 > 0.0:
            return "a squared penalty (steps 1 / (l2 k))"
        return None

    def start(self, problem: Any, w: FloatArray) -> SubgradientState:
        """Nothing is computed yet."""
        if problem.traits.constrained:
            w = problem.project(w)
        floor = FLOOR * abs(problem.null_value()) if hasattr(problem, "null_value") else 0.0
        return SubgradientState(problem, w.copy(), floor=floor, lower=least_possible(problem))

    def advance(self, state: SubgradientState) -> Round:
        """One step; the first round evaluates the start."""
        problem = state.problem
        if state.at is None:
            at, t = problem.evaluate(state.w), math.nan
            self._choose(state, at)
        else:
            g = subgradient(problem, state.at)
            if problem.traits.constrained and state.schedule is None:
                g = feasible(problem, state.w, g)
            squared = problem.inner(g, g)
            if squared == 0.0:
                return Round(state.at, 0.0, "the subgradient is zero", exhausted=True)
            t = self._length(state, state.at.value, squared)
            if not t > 0.0:
                said = NEGLIGIBLE if self.optimum is None else "P* is reached"
                return Round(state.at, 0.0, said, exhausted=True)
            _mix(state, state.at, t)
            state.w = state.w - t * g
            if problem.traits.constrained:
                state.w = problem.project(state.w)
            state.k += 1
            at = problem.evaluate(state.w)
        state.at = at
        shown = self._mean(state, at) if self.average else at
        if state.best is None or shown.value < state.best.value:
            state.best = shown
        bound = _prove(state, shown)
        return Round(shown, t, bound=bound, dual=state.proof)

    # ---------------------------------------------------------------------------------------------------- steps

    def _choose(self, state: SubgradientState, at: Evaluation) -> None:
        """The schedule, or None for Polyak's."""
        step = self.step
        if step == "auto":
            step = "polyak"  # the others need to be told how far
        g = subgradient(state.problem, at)
        norm = math.sqrt(state.problem.inner(g, g))
        reach = 1.0 if self.reach is None else self.reach
        if hasattr(step, "rates"):
            state.schedule = step
        elif step == "pegasos":
            from steepest.solvers.schedules import Pegasos

            state.schedule = Pegasos(state.problem.traits.l2)
        elif step != "polyak":
            first = STEPS[step](1.0).rates(0, 1)[0]
            eta0 = self.eta0 if self.eta0 is not None else reach / (norm * first if norm > 0.0 else 1.0)
            state.schedule = STEPS[step](eta0)
        state.gap = reach * norm  # P falls by no more within that reach, being convex
        state.mark = at.value
        said = "steps after Polyak" if state.schedule is None else f"steps by {state.schedule!r}"
        if state.schedule is None and self.optimum is None:
            said += ", to an estimated optimum"
        elif state.schedule is not None:
            holds = state.schedule.robbins_monro.holds
            words = {True: "meet", False: "do not meet", None: "may or may not meet"}
            said += f", which {words[holds]} the Robbins-Monro conditions"
        self.notes.append(said)

    def _length(self, state: SubgradientState, value: float, squared: float) -> float:
        if state.schedule is not None:
            return float(state.schedule.rates(state.k, 1)[0])
        if self.optimum is not None:
            return (value - self.optimum) / squared
        assert state.best is not None
        least = state.best.value
        if state.mark - least >= 0.5 * state.gap:  # the level is about reached: aim as far below again
            state.mark, state.waited = least, 0
        elif state.waited >= PATIENT:
            state.gap *= 0.5
            state.mark, state.waited = least, 0
        else:
            state.waited += 1
        level = max(least - state.gap, state.lower)
        return (value - level) / squared

    def _mean(self, state: SubgradientState, at: Evaluation) -> Evaluation:
        if state.mean is None:
            state.mean = at.w.copy()
            return at
        state.mean += (2.0 / (state.k + 1.0)) * (at.w - state.mean)
        other: Evaluation = state.problem.evaluate(state.mean.copy())
        return other if other.value < at.value else at


def subgradient(problem: Any, at: Evaluation) -> FloatArray:
    """A subgradient of P: of the smooth part as it stands, of ``l1 |w|`` the one that leaves least at zero weights."""
    l1 = float(problem.traits.l1)
    if l1 == 0.0:
        return at.gradient
    g = at.gradient.copy()
    m = problem.layout.n_weights
    w = at.w[:m]
    g[:m] += np.where(w != 0.0, l1 * np.sign(w), -np.clip(g[:m], -l1, l1))
    return g


def feasible(problem: Any, w: FloatArray, g: FloatArray) -> FloatArray:
    """What is left of g where the set allows a move: a subgradient of P and of the set together.

    Polyak's step is one to where P would be optimal, and what cannot be moved gains nothing on the way.
    """
    norm = math.sqrt(problem.inner(g, g))
    if norm == 0.0:
        return g
    short = HAIR * (1.0 + math.sqrt(problem.inner(w, w))) / norm
    left: FloatArray = (w - problem.project(w - short * g)) / short
    return left if math.sqrt(problem.inner(left, left)) > HAIR * norm else np.zeros_like(g)


# ------------------------------------------------------------------------------------------------------ the bound


def _mix(state: SubgradientState, at: Evaluation, t: float) -> None:
    """The slopes into the mixture: ``u <- (1 - a) u + a u_k``, ``a = max(t l2, t k^2 / sum t k^2)``.

    With ``a = t l2`` alone ``-X^T p u / l2`` would follow w where that began at zero; where l2 is small that leaves too
    much of the first slopes.
    """
    if not len(at.slopes) or not state.problem.traits.has_conjugate:
        return
    own = t * (state.k + 1.0) ** 2
    state.weight += own
    share = max(min(1.0, t * float(state.problem.traits.l2)), own / state.weight)
    if state.slopes is None:
        state.slopes = at.slopes.copy()
    else:
        state.slopes += share * (at.slopes - state.slopes)


def least_possible(problem: Any) -> float:
    """A lower bound of P that needs no data: ``-sum p loss*(0)``, the least that each row can lose; 0 for most losses.

    Penalties are not negative.  -inf where the conjugate is not known.
    """
    if not (hasattr(problem, "p") and problem.traits.has_conjugate):
        return -math.inf
    present = problem.p > 0.0
    k = problem.layout.n_outputs
    y = problem.y[present]
    values = np.empty(len(y))
    if k == 1:
        fenchel.conjugates(problem.loss, np.zeros(len(y)), y, values)
    else:
        fenchel.conjugates_many(problem.loss, np.zeros((len(y), k)), y, values)
    least = -float(problem.p[present] @ values) if np.all(np.isfinite(values)) else -math.inf
    return least + 0.0  # no -0


def _prove(state: SubgradientState, at: Evaluation) -> Bound | None:
    """The gap to the dual value of the mixed slopes, where that is better than what one evaluation proves."""
    problem = state.problem
    if not len(at.slopes) or not problem.traits.convex:
        return None
    plain = quick_bound(problem, at, state.floor)
    # with an intercept that one is an estimate
    if plain.bounds == "suboptimality" and math.isfinite(plain.dual) and not problem.layout.intercept:
        state.lower = max(state.lower, plain.dual)
    if state.slopes is not None and has_dual(problem) and _due(state.k):
        found = gap_of_proposal(problem, at, state.slopes)  # D = P(w) - gap, whatever w is
        if found is not None and at.value - found.value > state.lower:
            state.proof = found.slopes
            state.lower = at.value - found.value
    if not math.isfinite(state.lower):
        return plain
    proven = gap_bound(at.value, state.lower, state.floor)
    return plain if plain.bounds == "suboptimality" and plain.value <= proven.value else proven


def _due(k: int) -> bool:
    """A dual value costs half a pass: every eighth step."""
    return k <= 8 or k % 8 == 0
