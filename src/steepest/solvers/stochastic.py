"""Stochastic gradient steps on linear problems: an update rule, an order of the rows, and a schedule of rates."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.orders import ORDERS, ClassAlternating, LargeErrorFirst, Visit
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.protocols import FloatArray, Round, Traits
from steepest.rules import RULES, get_rule
from steepest.solvers.rates import CURVED, advice, auto, steered, uneven
from steepest.solvers.schedule_names import get_schedule
from steepest.solvers.schedules import Constant, ReduceOnPlateau, WarmUp
from steepest.solvers.steps import Memory, Steps
from steepest.solvers.visited import Visited, provable

EVALUATE = ("geometric", "every", "rarely", "never")
PIECES = 8  # of an epoch, where something changes within it
POWER = 3.0  # the average of "auto" weighs step t by t^3
STEERED = 8  # epochs after which the gap steers a rate of "auto"
REMEMBERED = 1e4
HALVINGS = 12  # of a rate of "auto" that diverges


@dataclass(slots=True)
class StochasticState:
    """Where a run stands within its epoch."""

    problem: Any
    steps: Steps
    memory: Memory
    order: Any
    visit: Visit | None = None
    place: int = 0  # rows of the visit that are done
    rate: float = math.nan
    begun: bool = False
    halvings: int = 0
    visited: Visited | None = None


def due(epoch: int) -> bool:
    """Whether an epoch is evaluated: 0, 1, 2, 3, 4, 6, 8, 11, 16, ..., in powers of the root of 2.

    Examples
    --------
    >>> [epoch for epoch in range(50) if due(epoch)]
    [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45]
    """
    return epoch <= 4 or epoch == round(2.0 ** (round(2.0 * math.log2(epoch)) / 2.0))


def measured(evaluate: str, epoch: int) -> bool:
    """Whether an epoch from 1 on is evaluated; ``evaluate`` is one of `EVALUATE`."""
    if evaluate == "rarely":
        return bool(epoch == 4 ** round(math.log(epoch, 4)))
    return evaluate == "every" or (evaluate == "geometric" and due(epoch))


class StochasticGradient:
    """Stochastic gradient descent with any rule, order, schedule and batch size.

    A step takes a batch B of rows and moves by the rule along ``mean over B of p_i loss'(x_i.w + b) x_i``, with the
    row weights p of mean 1, and by a proximal or exact step for the penalty.  It costs O(non-zeros of its rows),
    whatever the penalty, the average and the rule.  A round is an epoch.

    Guarantee: with a schedule that meets the Robbins-Monro conditions and a convex loss the iterates converge; at a
    constant rate they end in a ball around the optimum.  The certificate says how far away they are.

    Parameters
    ----------
    rule : str or rule
        By name a rule takes what it `absorbs` (the decay of AdamW, the penalties of FTRL) from the problem.
    learning_rate : "auto", float, str or schedule
        See `steepest.solvers.schedule_names.get_schedule`; "auto" is measured on the problem, see `solvers.rates`.
    eta0 : float, optional
        The first rate of a schedule given by name.
    schedule_options : dict, optional
        Other parameters of it.
    order : str or order
        One of `steepest.data.orders.ORDERS`.
    batch_size : int, "all" or None
        Rows of a step; "all" and None take all of them.
    average : "auto", bool or int
        Whether the result is the mean of the iterates; a number begins it at that step.  "auto": a mean that weighs
        step t by t^3, with ``learning_rate="auto"``, and none otherwise.  On sparse rows with a penalty, rules other
        than the plain one are averaged over pieces of an epoch, at whose ends all weights are up to date.
    seed : int
    bias_rate : float
        What multiplies the rate of intercepts; for the plain rule, without a constraint.
    evaluate : {"geometric", "every", "rarely", "never"}
        Which epochs are evaluated (a pass each); "rarely" are 1, 4, 16, 64, ..., and no dual point is carried along.
        A schedule that looks at the objective is given it every epoch.
    mean_weight : float
        The mean weight of the rows, for a stream of batches that weigh unequally.
    steer : bool
        Whether the parts of the duality gap, at epochs that are evaluated, move a rate of "auto" of plain steps; where
        their mean is the result.
    memory : Memory, optional
        To go on from.

    Attributes
    ----------
    memory : Memory or None
        Where the last finished epoch ended.  A later run with it goes on as if there had been no pause, but for a rate
        that is steered: what the gap is measured by begins anew.

    References
    ----------
    Robbins, Monro (1951), A stochastic approximation method.  Bottou, Curtis, Nocedal (2018), Optimization methods for
    large-scale machine learning.  Polyak, Juditsky (1992), Acceleration of stochastic approximation by averaging.
    Shamir, Zhang (2013), Stochastic gradient descent for non-smooth optimization.
    """

    keeps = "last"
    constraints = True
    wanders = False  # it proposes dual points, and descends all the same

    def __init__(
        self,
        rule: Any = "sgd",
        *,
        learning_rate: Any = "auto",
        eta0: float | None = None,
        schedule_options: dict[str, Any] | None = None,
        order: Any = "shuffled",
        batch_size: int | str | None = 1,
        average: Any = "auto",
        seed: int = 0,
        bias_rate: float = 1.0,
        evaluate: str = "geometric",
        mean_weight: float = 1.0,
        steer: bool = True,
        memory: Memory | None = None,
    ) -> None:
        self.named = isinstance(rule, (str, type))
        self.rule = get_rule(rule)
        if self.rule.whole:
            offered = sorted(name for name, kind in RULES.items() if not kind.whole)  # type: ignore[attr-defined]
            raise InvalidParameterError(f"rule: expected one of {offered}, got '{self.rule.name}'. Use 'adagrad'.")
        self.name: str = self.rule.name
        self.learning_rate, self.eta0, self.schedule_options = learning_rate, eta0, dict(schedule_options or {})
        if isinstance(learning_rate, str) and learning_rate == "auto" and (eta0 is not None or schedule_options):
            raise InvalidParameterError(
                "eta0: learning_rate='auto' finds it, got one. Name a schedule, or leave it out."
            )
        self.order = order
        self.batch_size = _batch(batch_size)
        self.average = _average(average)
        self.seed = _whole("seed", seed, 0)
        self.bias_rate = _number("bias_rate", bias_rate)
        if self.bias_rate != 1.0 and self.name != "sgd":
            raise InvalidParameterError(f"bias_rate: only the rule 'sgd' takes one, got {bias_rate!r}. Leave it out.")
        if evaluate not in EVALUATE:
            raise InvalidParameterError(f"evaluate: expected one of {list(EVALUATE)}, got {evaluate!r}. Try 'every'.")
        self.evaluate = evaluate
        self.mean_weight = _number("mean_weight", mean_weight)
        self.steer = bool(steer)
        self.memory = memory
        self.patience = 30 if evaluate == "every" else 12
        self.notes: list[str] = []

    @property
    def slows(self) -> bool:
        """Whether the loop may end a run of which a doubling brings little; a rate that waits for that goes on."""
        return not self.wanders and (self.memory is None or not _looks(self.memory.schedule))

    def missing(self, traits: Traits) -> str | None:
        """A loss with a slope, or a subgradient, does; FTRL has no metric to project in."""
        held = traits.constrained and self.name == "ftrl"
        return "weights that are free ('adagrad' keeps them in a set)" if held else None

    # ------------------------------------------------------------------------------------------------ start

    @property
    def automatic(self) -> bool:
        """Whether the rate is found here."""
        return isinstance(self.learning_rate, str) and self.learning_rate == "auto"

    def start(self, problem: Any, w: FloatArray) -> StochasticState:
        """Rates are found, nothing is evaluated yet; with a memory its parameters are the start, not w."""
        n = problem.source.shape[0]
        size = n if self.batch_size is None else min(self.batch_size, n)
        rule = self._absorbing(problem, size)
        if problem.traits.constrained and self.bias_rate != 1.0:
            raise IncompatibleError("bias_rate: expected 1 with a constraint, whose steps share a rate. Leave it out.")
        steps = Steps(problem, rule, size, self.bias_rate, self.mean_weight)
        if self.memory is not None:
            if self.memory.w.shape != (problem.size,):
                raise InvalidParameterError(
                    f"memory: expected one of {problem.size} parameters, got {self.memory.w.shape[0]}. Start anew."
                )
            return self._state(problem, steps, self.memory.copy())
        averages = self._averages(problem, size)
        if self.automatic:
            schedule, said = auto(problem, rule, size, averaging=averages, seed=self.seed)
            self.notes += [note for note in (said, uneven(problem)) if note]
        else:
            alpha = problem.traits.l1 + problem.traits.l2
            schedule = get_schedule(self.learning_rate, eta0=self.eta0, alpha=alpha, **self.schedule_options)
        if rule.name == "ftrl" and not isinstance(schedule, Constant):
            raise InvalidParameterError(
                f"learning_rate: the rule 'ftrl' keeps a rate for each coordinate and expects a constant, "
                f"got {schedule!r}. Give a number."
            )
        start = np.array(problem.project(w) if problem.traits.constrained else w, dtype=np.float64)
        state = steps.state(start, float(schedule.rates(0, 1)[0]))
        mean = np.zeros(problem.size) if averages else None
        return self._state(problem, steps, Memory(start, state, 0, 0, schedule, mean))

    def _state(self, problem: Any, steps: Steps, memory: Memory) -> StochasticState:
        """Where epochs are evaluated, a dual point is carried along."""
        proving = self.evaluate in ("geometric", "every") and provable(problem)
        visited = Visited(problem, POWER) if proving else None
        return StochasticState(problem, steps, memory, self._ordered(problem), visited=visited)

    def _averages(self, problem: Any, size: int) -> bool:
        """Whether the result is a mean; "auto" takes none of whole batches, which have no noise."""
        if self.average != "auto":
            return self.average is not False
        return self.automatic and size < problem.source.shape[0]

    def _absorbing(self, problem: Any, size: int) -> Any:
        """The rule, holding the penalty of the problem where it is one that does.

        With a rate of "auto" RMSProp remembers `REMEMBERED` rows.  Where a few make up most of the scale of a step,
        steps follow the signs of gradients, and end where their median is zero, not their mean.
        """
        rule, traits = self.rule, problem.traits
        if rule.name == "rmsprop" and self.named and self.automatic:
            return rule._replace(rho=max(rule.rho, 1.0 - size / REMEMBERED))
        if rule.name == "adamw" and self.named:
            return rule._replace(decay=traits.l2)
        if rule.name == "ftrl" and (rule.l1 or rule.l2) and (traits.l1 or traits.l2):
            raise IncompatibleError(
                "rule: this FTRL holds penalties of its own, and the problem has one too. Leave one of them out."
            )
        return rule

    def _ordered(self, problem: Any) -> Any:
        """The order for these rows."""
        given, n = self.order, problem.source.shape[0]
        if not isinstance(given, str):
            if not callable(getattr(given, "epoch", None)):
                raise InvalidParameterError(f"order: expected one of {sorted(ORDERS)} or an order, got {given!r}.")
            length = getattr(given, "n", None)
            if length is not None and length != n:
                raise InvalidParameterError(f"order: expected one of {n} rows, got one of {length}. Use its name.")
            return given
        if given not in ORDERS:
            raise InvalidParameterError(f"order: expected one of {sorted(ORDERS)}, got '{given}'. Try 'shuffled'.")
        if given == "alternating":
            if problem.y.ndim != 1 or problem.loss.targets not in ("class", "sign"):
                raise IncompatibleError("order: 'alternating' expects classes as targets. Use order='shuffled'.")
            return ClassAlternating(np.unique(problem.y, return_inverse=True)[1])
        return None if given == "large_error" else ORDERS[given](n)

    # ---------------------------------------------------------------------------------------------- advance

    def advance(self, state: StochasticState) -> Round:
        """An epoch, or a part of a long one; the first round is the start."""
        memory = state.memory
        if not state.begun:
            state.begun = True
            if self.memory is None:
                self.memory = memory.copy()
            return self._round(state, self.evaluate != "never")
        if state.visit is None:
            state.visit, state.place = self._visit(state), 0
            if state.visited is not None:
                state.visited.begin(memory.epoch + 1)
        self._piece(state)
        if not np.all(np.isfinite(memory.w)):
            if self._gentler(state):
                return Round(None, state.rate, w=state.memory.point().copy(), part=True)
            return Round(None, state.rate, w=memory.w)
        if state.place < len(state.visit.rows):
            return Round(None, state.rate, w=memory.point().copy(), part=True)
        state.visit = None
        memory.epoch += 1
        looks = _looks(memory.schedule)
        done = self._round(state, looks or measured(self.evaluate, memory.epoch))
        if looks and done.at is not None:
            memory.schedule = memory.schedule.observed(done.at.value)
        self.memory = memory.copy()
        return done

    def _round(self, state: StochasticState, evaluated: bool) -> Round:
        point = state.memory.point().copy()
        if not evaluated:
            return Round(None, state.rate, w=point)
        at, visited = state.problem.evaluate(point), state.visited
        if visited is None:
            return Round(at, state.rate)
        bound = visited.judge(at)
        memory = state.memory
        fits = self.rule.name in CURVED and memory.mean is not None and not state.problem.traits.constrained
        if self.steer and self.automatic and fits and memory.epoch >= STEERED:
            memory.schedule = steered(memory.schedule, memory.t, visited.noise, visited.bias)
        return Round(at, state.rate, bound=bound, dual=visited.proof)

    def _visit(self, state: StochasticState) -> Visit:
        if state.order is not None:
            return state.order.epoch(state.memory.epoch, self.seed)  # type: ignore[no-any-return]
        at = state.problem.evaluate(state.memory.w)
        slopes = at.slopes if at.slopes.ndim == 1 else np.sqrt(np.einsum("ij,ij->i", at.slopes, at.slopes))
        order = LargeErrorFirst(np.abs(slopes) * state.problem.p * len(slopes))
        outliers = order.outliers()
        if len(outliers):
            self._note_outliers(outliers)
        return order.epoch(state.memory.epoch, self.seed)

    def _note_outliers(self, rows: Any) -> None:
        shown = ", ".join(str(int(row)) for row in rows[:8]) + (", ..." if len(rows) > 8 else "")
        said = f"order='large_error': {len(rows)} rows look like outliers, their errors are cut: {shown}"
        self.notes = [note for note in self.notes if not note.startswith("order='large_error'")] + [said]

    def _piece(self, state: StochasticState) -> None:
        """Steps over the next rows, and their share of the average."""
        memory, steps, visit = state.memory, state.steps, state.visit
        assert visit is not None
        m, size = len(visit.rows), steps.size
        many = PIECES if steps.growing else 1
        if memory.mean is not None:
            many = max(many, steps.calls, PIECES >> memory.epoch if self.average == "auto" else 1)
        length = max(1, min(steps.longest, -(-m // many)) // size) * size
        averaging = memory.mean is not None
        if averaging and not isinstance(self.average, bool | str) and memory.t < self.average - 1:
            length = min(length, (self.average - 1 - memory.t) * size)
            averaging = False
        stop = min(m, state.place + length)
        total = np.zeros(state.problem.size) if averaging and not steps.lazy else None
        factors = visit.factors[state.place : stop] if len(visit.factors) else np.empty(0)
        before = memory.t
        noted = () if state.visited is None else (state.visited.slopes, state.visited.mix)
        state.rate = steps.run(memory, visit.rows[state.place : stop], np.array(factors), total, *noted)
        state.place = stop
        if averaging and memory.mean is not None:
            count = memory.t - before
            share = count * (memory.t**POWER if self.average == "auto" else 1.0)
            memory.weight += share
            memory.mean += ((memory.w if total is None else total / count) - memory.mean) * (share / memory.weight)

    # ------------------------------------------------------------------------------------------- divergence

    def _gentler(self, state: StochasticState) -> bool:
        """Back to the end of the last epoch, with a fourth of a rate that was found here."""
        if not self.automatic or state.halvings >= HALVINGS or self.memory is None:
            return False
        state.halvings += 1
        self.memory.schedule = self.memory.schedule._replace(eta0=0.25 * self.memory.schedule.eta0)
        state.memory, state.visit = self.memory.copy(), None
        if state.visited is not None:
            state.visited.forget()
        self.notes.append(
            f"learning_rate='auto': the steps diverged; began again with {state.memory.schedule.eta0:.3g}"
        )
        return True

    def advice(self, problem: Any, history: Any, tol: float) -> str:
        """What makes a run that ended without a proof so slow, and what to do, in sentences."""
        return advice(problem, history, tol, self.automatic)

    def cure(self, state: StochasticState) -> str:
        """What to do about divergence."""
        if self.automatic:
            return (
                "a rate found by learning_rate='auto' was too large; scale the columns of X, or give a smaller number"
            )
        rate = f"{state.rate:.3g}" if math.isfinite(state.rate) else "given"
        return f"the learning rate {rate} is too large. Halve it, or use learning_rate='auto'"


def _looks(schedule: Any) -> bool:
    """Whether a schedule looks at the objective."""
    return isinstance(schedule, ReduceOnPlateau) or (isinstance(schedule, WarmUp) and _looks(schedule.then))


def _whole(name: str, given: Any, low: int) -> int:
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < low:
        raise InvalidParameterError(f"{name}: expected a whole number >= {low}, got {given!r}. Try {max(low, 0)}.")
    return int(given)


def _number(name: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, numbers.Real) or not 0.0 <= float(given) < math.inf:
        raise InvalidParameterError(f"{name}: expected a number >= 0, got {given!r}. Leave it out for 1.")
    return float(given)


def _batch(given: Any) -> int | None:
    if given is None or (isinstance(given, str) and given == "all"):
        return None
    try:
        return _whole("batch_size", given, 1)
    except InvalidParameterError:
        raise InvalidParameterError(
            f"batch_size: expected a whole number >= 1, 'all' or None, got {given!r}. Try 1."
        ) from None


def _average(given: Any) -> Any:
    if isinstance(given, bool | np.bool_):
        return bool(given)
    if isinstance(given, str):
        if given == "auto":
            return given
        raise InvalidParameterError(f"average: expected 'auto', a bool or a whole number, got '{given}'. Try True.")
    return _whole("average", given, 0) or False
