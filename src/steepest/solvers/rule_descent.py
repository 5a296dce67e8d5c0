"""Update rules with full gradients: Adam, momentum and the others on any function, as on rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.protocols import Evaluation, FloatArray, Round, Traits
from steepest.rules.stepper import Stepper
from steepest.solvers.schedules import SCHEDULES, Constant, Cosine, ReduceOnPlateau, StepDecay, WarmUp

CURVED = ("sgd", "momentum", "nesterov")  # whose rate is an inverse curvature; that of the others is a length
RANGE = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3)  # rates of a range test, in units of the variables
TRIED = 15  # steps of each
PATIENCE = 50  # rounds without decrease after which an automatic rate is halved
FALLBACKS = 40  # halvings of an automatic rate that made f grow
STILL = 3  # rounds without a move after which there will be none
_GROWN = 1e3


@dataclass(slots=True)
class RuleState:
    """Where a rule stands."""

    problem: Any
    w: FloatArray
    stepper: Stepper
    at: Evaluation | None = None
    best: Evaluation | None = None
    schedule: Any = None
    eta: float = math.nan
    steps: int = 0
    started: float = math.nan
    fallbacks: int = 0
    still: int = 0


class RuleDescent:
    """``w <- rule(w, grad f(w), eta_t)``, one full gradient a round.

    Under a constraint the point is then projected in the rule's own metric, ``argmin_v sum q_j (v_j - w_j)^2`` with
    ``g_j`` moving coordinate j by ``eta g_j / q_j``; for Adagrad that is the Mahalanobis norm of its regret bound.
    Values need not fall from round to round.  adagrad_full has no such projection and keeps to no constraint.

    With ``learning_rate="auto"`` the rate of sgd, momentum and nesterov is 1/L, with L the curvature along the steepest
    directions at the start (power iterations on products with the Hessian); that of the other rules, which is a
    length, is the best of a range test: a few steps at each of 7 rates from the typical size of the variables
    downwards.  It is halved after `PATIENCE` rounds without decrease, and where f grows a thousandfold; the rule then
    goes on from the best point.  A rate that is given is kept to.

    Sources: Duchi, Hazan & Singer (2011), Adaptive subgradient methods, for the projection; those of the rules.

    Parameters
    ----------
    rule : str or rule
    learning_rate : float, str or schedule
        "auto", a number, the name of a schedule (which begins at the automatic rate unless eta0 is given), or one.
    eta0 : float, optional
        The first rate of a schedule that is named.
    """

    patience = 500

    def __init__(self, rule: Any, *, learning_rate: Any = "auto", eta0: float | None = None) -> None:
        from steepest.rules import get_rule

        self.rule = get_rule(rule)
        self.name = self.rule.name
        self.constraints = not self.rule.whole
        self.learning_rate = learning_rate
        self.eta0 = eta0
        if eta0 is not None and not (_number(eta0) and 0.0 < eta0 < math.inf):
            raise InvalidParameterError(f"eta0: expected a finite number > 0, got {eta0!r}. Leave it out for 'auto'.")
        self.automatic = isinstance(learning_rate, str) and learning_rate == "auto"
        if isinstance(learning_rate, str) and learning_rate not in ("auto", *SCHEDULES):
            raise InvalidParameterError(
                f"learning_rate: expected 'auto', a number, a schedule or one of {sorted(SCHEDULES)}, "
                f"got {learning_rate!r}."
            )
        if learning_rate == "pegasos":
            raise InvalidParameterError(
                "learning_rate: 'pegasos' needs the strength of a penalty. Give Pegasos(alpha), or use 'inverse'."
            )
        if not isinstance(learning_rate, str):
            known = hasattr(learning_rate, "rates") or (_number(learning_rate) and 0.0 < learning_rate < math.inf)
            if not known:
                raise InvalidParameterError(
                    f"learning_rate: expected a finite number > 0, a schedule or 'auto', got {learning_rate!r}."
                )
            if eta0 is not None:
                raise InvalidParameterError(
                    f"eta0: only a schedule given by name takes one, got {eta0!r} with {learning_rate!r}. Leave it out."
                )
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """A (sub)gradient is all that rules ask for."""
        return "a penalty without an l1 part (full gradients do not see it)" if traits.l1 > 0.0 else None

    def start(self, problem: Any, w: FloatArray) -> RuleState:
        """Nothing is computed yet."""
        return RuleState(problem, w, Stepper(self.rule, problem.size))

    start_here = start

    def advance(self, state: RuleState) -> Round:
        """One step; the first round evaluates the start."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(_project(problem, state.w))
            state.best, state.started = state.at, state.at.value
            return Round(state.at, math.nan)
        note = ""
        if state.schedule is None:
            state.schedule, note = self._schedule(problem, state.at)
        eta = float(state.schedule.rates(state.steps, 1)[0])
        if not eta > 0.0:
            return Round(state.at, 0.0, "the schedule has come to a rate of zero", exhausted=True)
        if eta != state.eta:
            _seed(state.stepper, state.at.w, eta)
            state.eta = eta
        new = _step(problem, state.stepper, state.at, eta)
        state.steps += 1
        assert state.best is not None
        if self.automatic and not _tame(new, state):
            state.fallbacks += 1
            if state.fallbacks > FALLBACKS:
                return Round(state.at, 0.0, "no rate keeps the function from growing", exhausted=True)
            state.schedule = state.schedule._replace(rate=0.5 * state.schedule.rate)
            state.stepper.reset()
            state.at = state.best
            said = f"learning_rate: f grew to {new.value:.3g}; from the best point on with {state.schedule.rate:.3g}"
            return Round(state.at, eta, f"{note}; {said}" if note else said)
        state.still = state.still + 1 if np.array_equal(new.w, state.at.w) else 0
        state.at = new
        if new.value < state.best.value:
            state.best = new
        state.schedule = state.schedule.observed(new.value)
        if self.automatic and state.schedule.rate < eta:  # too long for what is left to be found
            state.at = state.best
            if self.name in CURVED:
                state.stepper.reset()
        if state.still >= STILL:
            return Round(new, eta, "the rule does not move x any more", exhausted=True)
        return Round(new, eta, note)

    def _schedule(self, problem: Any, at: Evaluation) -> tuple[Any, str]:
        """The schedule, and how its rate was found."""
        given = self.learning_rate
        if not isinstance(given, str):
            return (given, "") if hasattr(given, "rates") else (Constant(float(given)), "")
        eta, note = (self.eta0, "") if self.eta0 is not None else self._rate(problem, at)
        if self.automatic:
            return ReduceOnPlateau(eta, factor=0.5, patience=PATIENCE, threshold=0.0), note
        if given == "warm_up":
            return WarmUp(Constant(eta)), note
        made = SCHEDULES[given](eta)
        if isinstance(made, Cosine | StepDecay):
            note = (note + "; " if note else "") + f"learning_rate: {made}"
        return made, note

    def _rate(self, problem: Any, at: Evaluation) -> tuple[float, str]:
        if self.name in CURVED:
            L, products = steepest_curvature(problem, at)
            if L > 0.0:
                return 1.0 / L, (
                    f"learning_rate: {1.0 / L:.3g} = 1/L with the curvature L = {L:.3g} at the start "
                    f"({products} products with the Hessian)"
                )
        return self._range_test(problem, at)

    def _range_test(self, problem: Any, at: Evaluation) -> tuple[float, str]:
        """The rate whose few steps end lowest."""
        typical = float(np.median(getattr(problem, "typical", np.ones(1))))
        if self.name in CURVED:  # no curvature at the start: lengths over the slope there
            typical /= max(float(np.linalg.norm(at.gradient)), 1e-300)
        ends = []
        for share in RANGE:
            eta = share * typical
            stepper = Stepper(self.rule, problem.size)
            _seed(stepper, at.w, eta)
            here = at
            for _ in range(TRIED):
                here = _step(problem, stepper, here, eta)
                if not math.isfinite(here.value):
                    break
            ends.append((here.value if math.isfinite(here.value) else math.inf, eta))
        least, eta = min(ends)
        if not math.isfinite(least):
            raise IncompatibleError(
                f"learning_rate: f is not finite after steps of any size down to {RANGE[-1] * typical:.3g}. "
                "Give a smaller learning_rate."
            )
        return eta, f"learning_rate: {eta:.3g}, the best of {len(RANGE)} after {TRIED} steps each"


def steepest_curvature(problem: Any, at: Evaluation, most: int = 20) -> tuple[float, int]:
    """The largest absolute curvature met by power iterations from the gradient and a random direction.

    Returns
    -------
    L : float
        1.01 times the largest that was met; 0 where there is no curvature, or it is not finite.
    products : int
    """
    random = np.random.default_rng(0).standard_normal(problem.size)
    norm = float(np.linalg.norm(at.gradient))
    turn = -1.0 if float(random @ at.gradient) < 0.0 else 1.0
    v = turn * random / float(np.linalg.norm(random)) + (at.gradient / norm if norm > 0.0 else 0.0)
    L, count = 0.0, 0
    for count in range(1, most + 1):
        v = v / float(np.linalg.norm(v))
        product = problem.hvp(at, v)
        reached = float(np.linalg.norm(product))
        if not (math.isfinite(reached) and reached > 0.0):
            return 0.0, count
        settled = abs(reached - L) <= 1e-2 * reached
        L, v = max(reached, L), product
        if settled and count > 3:
            break
    return 1.01 * L, count


def _number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _project(problem: Any, w: FloatArray) -> FloatArray:
    return w if getattr(problem, "constraint", None) is None else np.ascontiguousarray(problem.project(w))


def _step(problem: Any, stepper: Stepper, at: Evaluation, eta: float) -> Evaluation:
    w = np.array(at.w)
    stepper.step(w, np.ascontiguousarray(at.gradient), eta)
    constraint = getattr(problem, "constraint", None)
    if constraint is not None and np.all(np.isfinite(w)):
        q = metric(stepper, eta)
        w = np.ascontiguousarray(constraint.project(w) if q is None else constraint.project_metric(w, q))
    return problem.evaluate(w)  # type: ignore[no-any-return]


def metric(stepper: Stepper, eta: float) -> FloatArray | None:
    """The diagonal q of a rule's metric, relative to its largest; None where it is a multiple of the identity.

    Coordinates of which nothing is known yet are free to move: they get the least weight of the others.
    """
    rule, state = stepper.rule, stepper.state
    if rule.slots == 0 or rule.name in CURVED or stepper.t == 0:
        return None
    if rule.name == "ftrl":
        q = _ftrl_metric(stepper, eta)
    else:
        a, b, c = rule.constants(float(eta), float(stepper.t))
        past = state[1] if rule.slots > 1 else np.zeros(state.shape[1])
        q = np.array([rule.stiffness(s, r, a, b, c) for s, r in zip(state[0], past, strict=True)])
    known = q > 0.0
    if not np.any(known):
        return None
    q = np.where(known, q, float(q[known].min()))
    return np.maximum(q / float(q.max()), 1e-12)


def _seed(stepper: Stepper, w: FloatArray, eta: float) -> None:
    """FTRL's w is a function of its sums at one rate: they are made such that it is w at this one."""
    rule = stepper.rule
    if rule.name == "ftrl":
        stepper.state[0] = -(w * _ftrl_metric(stepper, eta) + np.sign(w) * rule.l1)


def _ftrl_metric(stepper: Stepper, eta: float) -> FloatArray:
    """What FTRL's sums are divided by: ``(beta + sqrt n) / eta + l2``."""
    return np.asarray((stepper.rule.beta + np.sqrt(stepper.state[1])) / eta + stepper.rule.l2)


def _tame(new: Evaluation, state: RuleState) -> bool:
    """Whether f has not exploded."""
    assert state.best is not None
    scale = max(abs(state.started - state.best.value), abs(state.started), 1e-300)
    return math.isfinite(new.value) and new.value <= state.started + _GROWN * scale
