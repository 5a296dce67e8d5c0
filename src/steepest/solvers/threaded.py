"""What the parallel stochastic solvers share: rates, row weights, and when an epoch is evaluated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.certify.bounds import quick_bound
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.protocols import Evaluation, FloatArray, Round, Traits
from steepest.solvers.rates import row_curvature
from steepest.solvers.schedules import Fading
from steepest.solvers.stochastic import due

QUARTERS = 12  # that a rate of "auto" is cut by where it diverges
GROWN = 10.0  # times the objective at the start: such a rate diverges, whatever is still finite


def rates_of(problem: Any, learning_rate: Any) -> Any:
    """The schedule: a given one, or ``eta0 / (1 + eta0 l2 t)``; eta0 is given, or half of a row's inverse curvature.

    That ends as ``1 / (l2 t)``, the rate of strongly convex functions.  Without a squared penalty the rates fall with
    the power 0.6 of the epochs.
    """
    if hasattr(learning_rate, "rates"):
        return learning_rate
    if isinstance(learning_rate, str):
        eta0 = 0.5 / (lipschitz(problem.loss) * row_curvature(problem) + float(problem.traits.l2) or 1.0)
    else:
        try:
            eta0 = float(learning_rate)
        except (TypeError, ValueError):
            eta0 = math.nan
        if not 0.0 < eta0 < math.inf:
            raise InvalidParameterError(
                f"learning_rate: expected 'auto', a number > 0 or a schedule, got {learning_rate!r}. Try 'auto'."
            )
    l2 = float(problem.traits.l2)
    if l2 > 0.0:
        return Fading(eta0, eta0 * l2, 1.0)
    return Fading(eta0, 1.0 / len(problem.p), 0.6)


def lipschitz(loss: Any) -> float:
    """The Lipschitz constant of its slope; 1 for a loss that has none."""
    bound = float(loss.smoothness)
    return bound if 0.0 < bound < math.inf else 1.0


def row_weights(problem: Any) -> FloatArray:
    """Weights of mean 1, or of length 0 where all rows weigh the same."""
    p: FloatArray = problem.p * len(problem.p)
    return np.empty(0) if np.all(p == p[0]) else p


@dataclass(slots=True)
class EpochState:
    """Where an epochs method stands: parameters, steps taken, and the epoch under way."""

    problem: Any
    w: FloatArray
    p: FloatArray
    schedule: Any
    epoch: int = 0
    steps: int = 0
    mean: FloatArray | None = None
    count: int = 0  # of the pieces in the mean
    averaged: bool = False  # the mean was the better one when both were measured last
    begun: bool = False
    first: FloatArray | None = None  # where the run began, and the objective there
    value: float = math.inf
    quarters: int = 0
    piece: int = 0  # of the epoch under way
    pieces: int = 1
    rows: Any = None
    rates: Any = None
    head: Any = None  # of columns that threads hold copies of


class Epochs:
    """A solver whose round is an epoch, in pieces between which the clock and Ctrl-C are looked at."""

    name = "epochs"
    patience = 20  # evaluations, not epochs
    keeps = "last"

    def __init__(self, learning_rate: Any, average: bool, seed: int) -> None:
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
            raise InvalidParameterError(f"seed: expected an integer >= 0, got {seed!r}. Use 0.")
        if isinstance(learning_rate, str) and learning_rate != "auto":
            raise InvalidParameterError(
                f"learning_rate: expected 'auto', a number > 0 or a schedule, got {learning_rate!r}. Try 'auto'."
            )
        if not isinstance(average, bool | np.bool_):
            raise InvalidParameterError(f"average: expected True or False, got {average!r}.")
        self.learning_rate = learning_rate
        self.average = bool(average)
        self.seed = int(seed)
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """One score a row, and no constraint."""
        if traits.constrained:
            return "a problem without a constraint"
        return "a loss of one score a row" if traits.n_outputs > 1 else None

    def check(self, problem: Any) -> None:
        """Refuse what traits do not tell."""
        if not (hasattr(problem, "source") and hasattr(problem, "p")):
            raise IncompatibleError(
                f"solver: '{self.name}' steps by rows of data, which a function has none of. Use 'subgradient'."
            )

    def start(self, problem: Any, w: FloatArray) -> EpochState:
        """The rates; nothing else is computed."""
        self.check(problem)
        schedule = rates_of(problem, self.learning_rate)
        first = float(schedule.rates(0, 1)[0])
        self.notes.append(f"rates begin at {first:.3g} ({schedule!r})")
        return EpochState(problem, w.copy(), row_weights(problem), schedule)

    def begin(self, state: EpochState) -> None:
        """Rows, rates and pieces of the next epoch."""
        raise NotImplementedError

    def work(self, state: EpochState) -> None:
        """One piece."""
        raise NotImplementedError

    def advance(self, state: EpochState) -> Round:
        """The start, then epochs, each in pieces."""
        problem = state.problem
        if not state.begun:
            state.begun = True
            at = problem.evaluate(state.w.copy())
            state.first, state.value = at.w, at.value
            return Round(at, math.nan)
        if state.piece == 0:
            self.begin(state)
        self.work(state)
        rate = float(state.rates[-1])
        if not np.all(np.isfinite(state.w)):
            return Round(None, rate, w=state.w.copy(), part=self._gentler(state))
        if self.average:
            _remember(state)
        state.piece += 1
        if state.piece < state.pieces:
            return Round(None, rate, w=self._reached(state), part=True)
        state.piece = 0
        state.epoch += 1
        state.steps += len(state.rates)
        problem.passes += 1.0
        if not due(state.epoch):
            return Round(None, rate, w=self._reached(state))
        at = self._measure(state)
        if not at.value <= GROWN * state.value and self._gentler(state):
            return Round(None, rate, w=state.w.copy(), part=True)
        state.schedule = state.schedule.observed(at.value)
        return Round(at, rate)

    def _measure(self, state: EpochState) -> Evaluation:
        """P at the iterate or at the mean, whichever is proven closer to the optimum, or lower where nothing is."""
        at = _placed(state.problem, state.w.copy())
        if state.problem.layout.intercept:
            state.w[-1] = at.w[-1]
        if state.mean is None:
            return at
        other = _placed(state.problem, state.mean.copy())
        mine, its = quick_bound(state.problem, at, 0.0), quick_bound(state.problem, other, 0.0)
        proven = mine.bounds == its.bounds == "suboptimality"
        state.averaged = its.value < mine.value if proven else other.value < at.value
        return other if state.averaged else at

    def _gentler(self, state: EpochState) -> bool:
        """Back to the start with a fourth of a rate that was found here; False where that cannot be done."""
        if not isinstance(self.learning_rate, str) or state.quarters == QUARTERS or state.first is None:
            return False
        state.quarters += 1
        old = state.schedule
        state.schedule = old._replace(eta0=0.25 * old.eta0, decay=old.decay * (0.25 if old.power == 1.0 else 1.0))
        self.notes.append(f"learning_rate='auto': the steps diverged; began again with {state.schedule.eta0:.3g}")
        state.w, state.mean, state.count, state.averaged = state.first.copy(), None, 0, False
        state.piece = state.epoch = state.steps = 0
        return True

    def _reached(self, state: EpochState) -> FloatArray:
        return (state.mean if state.averaged and state.mean is not None else state.w).copy()

    def cure(self, state: EpochState) -> str:
        """What to do about divergence."""
        if isinstance(self.learning_rate, str):
            return "even small rates diverged; scale the columns of X"
        return "the learning rate is too large. Divide it by 4, or use learning_rate='auto'"


def pieces_for(problem: Any, cost: float, most: int = 16, share: float = 0.1) -> int:
    """Pieces of an epoch, each ended by work of ``cost``, which together take about ``share`` of it at most."""
    return int(np.clip(share * problem.source.nnz / max(cost, 1.0), 1, most))


def _remember(state: EpochState) -> None:
    """The mean of the ends of pieces, the k-th with weight k: O(d).

    Lacoste-Julien, Schmidt, Bach (2012), A simpler approach to obtaining an O(1/t) convergence rate.
    """
    if state.mean is None:
        state.mean = state.w.copy()
        state.count = 1
        return
    state.count += 1
    state.mean += (2.0 / (state.count + 1.0)) * (state.w - state.mean)


def _placed(problem: Any, w: FloatArray) -> Evaluation:
    """P at w with its intercept at the best place: the last few rows leave it anywhere."""
    at: Evaluation = problem.evaluate(w)
    if not (problem.layout.intercept and math.isfinite(at.value)):
        return at
    better = problem.polish(w, at.scores)
    return at if better is w else problem.evaluate(better)
