"""Training a network epoch by epoch, as a solver that the loop drives."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.data.orders import ORDERS, ClassAlternating, LargeErrorFirst, Visit
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.training import Training, TrainingState
from steepest.networks.training_update import stepping
from steepest.protocols import FloatArray, Round, Traits
from steepest.solvers.schedule_names import get_schedule
from steepest.solvers.schedules import Constant

PIECE = 0.4  # seconds between looks at the clock, and within which Ctrl-C is heard
SMALLEST = 1e-6  # rate at which "adaptive" ends
DIVISOR = 5.0


@dataclass(slots=True)
class NetworkMemory:
    """All that epochs remember of those before; picklable.

    Attributes
    ----------
    state : TrainingState
    schedule : schedule
        As it stands now.
    best : float
        The least mean loss of an epoch.
    waited : int
        Epochs since it fell by more than tol.
    """

    state: TrainingState
    schedule: Any
    best: float = math.inf
    waited: int = 0

    def copy(self) -> NetworkMemory:
        """The same numbers in arrays of their own."""
        return NetworkMemory(self.state.copy(), self.schedule, self.best, self.waited)


@dataclass(slots=True)
class EpochsState:
    """Where a run stands within its epoch."""

    problem: Any
    training: Training
    memory: NetworkMemory
    order: Any
    visit: Visit | None = None
    rates: FloatArray = field(default_factory=lambda: np.empty(0))
    place: int = 0  # steps of the epoch that are done
    length: int = 1  # steps of a piece
    begun: bool = False
    passes: float = 0.0  # over the rows, before the epoch


class NetworkEpochs:
    """Epochs of stochastic steps on a network.

    The result is the last epoch's.  Nothing is evaluated: what an epoch reports is the mean loss of its batches, each
    at the weights that it met, plus the penalty there.  It is free, and close to the objective when steps are small.

    Guarantee: none, for the objective is not convex; the certificate says what the point that it reached is.

    Parameters
    ----------
    rule : str or rule
        Of `steepest.rules`, but "ftrl" and "adagrad_full".
    learning_rate : float, str or schedule
        Rates of steps, see `steepest.solvers.schedule_names.get_schedule`.  "adaptive" is scikit-learn's: where a run
        would end for want of improvement, the rate is divided by 5 and the run goes on, until the rate is 1e-6.
    eta0 : float, optional
        The first rate of a schedule given by name.
    schedule_options : dict, optional
        Other parameters of it.
    order : str or order
        One of `steepest.data.orders.ORDERS`; "large_error" looks at the losses of all rows before every epoch.
    batch_size : int
    tol : float
        A run ends when the mean loss of an epoch has not been below the best one less ``tol`` for more than
        ``n_iter_no_change`` epochs, as scikit-learn's.  That proves nothing.  -inf: it does not end so.
    n_iter_no_change : int
    decay, clip_norm, clip_value, augment, seed, average, probe
        As of `steepest.networks.training.Training`.
    dtype : dtype
        float32 or float64: of the training; the problem stays in float64.
    memory : NetworkMemory, optional
        To go on from.

    Attributes
    ----------
    memory : NetworkMemory or None
        Where the last finished epoch ended; a later run with it goes on as if there had been no pause.  These are the
        arrays of the run, no copies: while it is within a later epoch, and where it ended there, there is none.
    losses : list of float
        The mean loss (with the penalty) of every epoch of this run.

    References
    ----------
    Robbins, Monro (1951), A stochastic approximation method.  Rumelhart, Hinton, Williams (1986), Learning
    representations by back-propagating errors.
    """

    name = "epochs"
    turn = "epoch"
    keeps = "last"
    wanders = True

    def __init__(
        self,
        rule: Any = "adam",
        *,
        learning_rate: Any = 1e-3,
        eta0: float | None = None,
        schedule_options: dict[str, Any] | None = None,
        order: Any = "shuffled",
        batch_size: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        augment: Any = None,
        seed: int = 0,
        average: bool | int = False,
        probe: Any = None,
        dtype: Any = np.float32,
        memory: NetworkMemory | None = None,
    ) -> None:
        self.rule = stepping(rule)
        self.adaptive = isinstance(learning_rate, str) and learning_rate == "adaptive"
        if self.adaptive:
            self.schedule: Any = Constant(1e-3 if eta0 is None else eta0)
        else:
            self.schedule = get_schedule(learning_rate, eta0=eta0, **(schedule_options or {}))
        if n_iter_no_change < 1:
            raise InvalidParameterError(f"n_iter_no_change: expected epochs >= 1, got {n_iter_no_change!r}. Try 10.")
        self.order, self.tol, self.n_iter_no_change = order, float(tol), n_iter_no_change
        self.options = {
            "rule": self.rule,
            "batch_size": batch_size,
            "decay": decay,
            "clip_norm": clip_norm,
            "clip_value": clip_value,
            "augment": augment,
            "seed": int(seed),
            "average": average,
            "probe": probe,
        }
        self.seed, self.dtype = int(seed), np.dtype(dtype)
        self.memory = memory
        self.losses: list[float] = []
        self.notes: list[str] = []
        self._running: EpochsState | None = None
        self.patience = 1 << 30  # nothing is evaluated: the loop has nothing to wait for

    def missing(self, traits: Traits) -> str | None:
        """A loss with a slope does."""
        return None

    # -------------------------------------------------------------------------------------------------- start

    def start(self, problem: Any, w: FloatArray) -> EpochsState:
        """Programs are laid out; with a memory its parameters are the start, not w."""
        stack = retyped(problem.stack, self.dtype)
        memory = None if self.memory is None else self.memory.copy()
        if memory is None:
            slots = np.zeros((self.rule.slots, stack.size), self.dtype)
            statistics = stack.initial_statistics()
            if problem.statistics is not None:
                statistics[:] = problem.statistics
            memory = NetworkMemory(TrainingState(np.array(w, self.dtype), slots, statistics), self.schedule)
        feed = problem.feed.astype(self.dtype)
        training = Training(
            stack, problem.objective, feed, problem.y, problem.s, l2=problem.l2, state=memory.state, **self.options
        )
        self._running = EpochsState(problem, training, memory, self._ordered(problem, training))
        return self._running

    def rest(self) -> None:
        """The run is over: give back all that it needed but `memory`."""
        state, self._running = self._running, None
        if state is not None:
            del state.training, state.memory, state.order, state.visit
        if hasattr(self.options["probe"], "rest"):
            self.options["probe"].rest()

    def _ordered(self, problem: Any, training: Training) -> Any:
        """The order for these rows; None where losses decide it."""
        given, n = self.order, training.feed.n
        if not isinstance(given, str):
            if not callable(getattr(given, "epoch", None)):
                raise InvalidParameterError(f"order: expected one of {sorted(ORDERS)} or an order, got {given!r}.")
            if getattr(given, "n", n) != n:
                raise InvalidParameterError(f"order: expected one of {n} rows, got one of {given.n}. Use its name.")
            return given
        if given not in ORDERS:
            raise InvalidParameterError(f"order: expected one of {sorted(ORDERS)}, got '{given}'. Try 'shuffled'.")
        if given == "alternating":
            if problem.y.ndim != 1 or problem.y.dtype.kind not in "iu":
                raise IncompatibleError("order: 'alternating' expects classes as targets. Use order='shuffled'.")
            return ClassAlternating(np.unique(problem.y, return_inverse=True)[1])
        return None if given == "large_error" else ORDERS[given](n)

    # ------------------------------------------------------------------------------------------------ advance

    def advance(self, state: EpochsState) -> Round:
        """An epoch, or a part of it; the first round is the start."""
        training, memory = state.training, state.memory
        if not state.begun:
            state.begun = True
            if self.memory is None:
                self.memory = memory
            self._share(state)
            return Round(None, math.nan, w=self._point(state))
        if state.visit is None:
            if self.memory is memory:
                self.memory = None
            state.visit, state.place = self._visit(state), 0
            state.passes = state.problem.passes
            state.rates = memory.schedule.rates(memory.state.t, training.count(len(state.visit.rows)))
        visit, many = state.visit, len(state.rates)
        stop = min(state.place + state.length, many)
        began = time.perf_counter()
        finite = training.steps(visit.rows, visit.factors, state.rates, state.place, stop)
        spent = time.perf_counter() - began
        # results do not depend on how an epoch is cut
        state.length = max(1, int((stop - state.place) * min(PIECE / max(spent, 1e-9), 64.0)))
        state.place = stop
        state.problem.passes = state.passes + stop / many
        rate = float(state.rates[stop - 1])
        if not finite:
            return Round(None, rate, w=np.full(len(training.w), math.nan))
        if stop < many:
            self._share(state)
            return Round(None, rate, w=self._point(state), part=True)
        loss = training.finish(visit.rows)
        state.visit = None
        self.losses.append(loss)
        memory.schedule = memory.schedule.observed(loss)
        said = self._judge(memory, loss, rate)
        self.memory = memory
        self._share(state)
        return Round(None, rate, said or "", exhausted=said is not None, w=self._point(state), seen=loss)

    def _judge(self, memory: NetworkMemory, loss: float, rate: float) -> str | None:
        """Why the run ends here, where it does, by the rule of scikit-learn."""
        memory.waited = memory.waited + 1 if loss > memory.best - self.tol else 0
        memory.best = min(memory.best, loss)
        if memory.waited <= self.n_iter_no_change:
            return None
        memory.waited = 0
        if self.adaptive and rate > SMALLEST:
            memory.schedule = Constant(rate / DIVISOR)
            return None
        least = f", nor at any rate down to {rate:.2g}" if self.adaptive else ""
        return (
            f"the training loss has not improved by more than tol={self.tol:g} for more than "
            f"{self.n_iter_no_change} epochs{least}; that proves nothing about the point"
        )

    def _visit(self, state: EpochsState) -> Visit:
        epoch = state.memory.state.epoch
        if state.order is not None:
            return state.order.epoch(epoch, self.seed)  # type: ignore[no-any-return]
        order = LargeErrorFirst(state.training.errors())
        state.problem.passes += 1.0 / 3.0
        outliers = order.outliers()
        if len(outliers):
            shown = ", ".join(str(int(row)) for row in outliers[:8]) + (", ..." if len(outliers) > 8 else "")
            said = f"order='large_error': {len(outliers)} rows look like outliers, their errors are cut: {shown}"
            self.notes = [note for note in self.notes if not note.startswith("order='large_error'")] + [said]
        return order.epoch(epoch, self.seed)

    def _point(self, state: EpochsState) -> FloatArray:
        return state.memory.state.point().copy()

    def _share(self, state: EpochsState) -> None:
        """The function that the problem computes is that of the running statistics as they are now."""
        if state.problem.statistics is not None:
            state.problem.statistics[:] = state.memory.state.statistics

    def cure(self, state: EpochsState) -> str:
        """What to do about divergence."""
        rate = f" {state.rates[0]:.3g}" if len(state.rates) else ""
        return f"the learning rate{rate} is too large. Divide it by 10, scale the columns of X, or set clip_norm=1"


def retyped(stack: Any, dtype: Any) -> Any:
    """The stack with graphs of another dtype, and the same numbers in layers that are not trained."""
    if stack.dtype == np.dtype(dtype):
        return stack
    out = copy.copy(stack)
    out.dtype = np.dtype(dtype)
    if stack.fixed is not None:
        out.fixed = stack.fixed.astype(dtype)
    return out
