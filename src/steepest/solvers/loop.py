"""The only driver: runs a solver round by round, records, watches the limits, and asks for the certificate.

A solver proposes points and never judges them.  The loop stops it when a cheap bound says that the target
is met, and then has the certificate recomputed from the parameters alone.  If that certificate misses the
target, which rounding or an intercept can cause, the target is tightened and the same solver goes on.  Held-out
rows may end a run too, and choose which of its rounds is the result; no solver sees them.

The best round is the result.  A solver with ``keeps = "last"`` goes on from where it stopped: at the end of a budget
the result is its last round, as it stands, so that one run of many epochs equals many runs of one.  Such a solver
need not evaluate every round (``Round.at`` is None), and may hand over a round in parts, between which the clock is
looked at.  The history holds the rounds that were measured; observers see all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, quick_bound
from steepest.protocols import HISTORY_COLUMNS, Bound, Certificate, Evaluation, FloatArray, Observer, Round, Status
from steepest.record.history import History
from steepest.record.validation import Monitor
from steepest.solvers.stagnation import Doublings

RETRIES = 8  # times that the target is tightened when the certificate misses it
ULPS = 4.0 * 2.0**-52  # of the objective: what rounding makes of equal ones
TINY = 2.0**-1000  # a tol of zero asks for more than any target gives


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: proven relative suboptimality, rounds, seconds (None: no limit).

    ``compiling()`` reads a clock of seconds spent compiling, which ``max_time`` does not count.
    """

    tol: float = 1e-4
    max_iter: int | None = None
    max_time: float | None = None
    compiling: Callable[[], float] | None = None


@dataclass(slots=True)
class Outcome:
    """What the loop returns: parameters in the user's layout, certificate, history, and how it went."""

    w: FloatArray
    certificate: Certificate
    history: History
    iterations: int
    seconds: dict[str, float]
    notes: list[str] = field(default_factory=list)
    dual: FloatArray | None = None  # the last dual point that the solver proposed


class _Watch:
    """Best iterate, history, observers and the clock of one run."""

    def __init__(self, problem: Any, limits: Limits, observers: Sequence[Observer], monitor: Monitor | None) -> None:
        self.problem, self.limits, self.observers, self.monitor = problem, limits, observers, monitor
        self.began = time.perf_counter()
        self.compiled = limits.compiling() if limits.compiling is not None else 0.0
        self.best_round = -1
        self.rounds = 0
        self.last: FloatArray | None = None  # the parameters of the last round
        self.spent = False  # the patience of the monitor
        self.history = History()
        self.best: Evaluation | None = None
        self.best_bound: Bound | None = None
        self.dual: FloatArray | None = None
        self.iterations = 0
        self.notes: list[str] = []
        waits = monitor is not None and monitor.selects
        self.doublings = Doublings(0.0 if waits else limits.tol, limits.max_iter)

    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    def see(self, at: Evaluation, bound: Bound, step: float, dual: FloatArray | None = None) -> bool:
        """Record a round; True where an observer asks to stop."""
        if self._better(at, bound):
            self.best, self.best_bound, self.best_round = at, bound, self.rounds
        if dual is not None:
            self.dual = dual
        proven = bound.bounds == "suboptimality"
        measured = {
            "objective": at.value,
            "gap": bound.value if proven else math.nan,
            "relative_gap": bound.relative if proven else math.nan,
            "gradient_norm": math.sqrt(max(self.problem.inner(at.gradient, at.gradient), 0.0)),
        }
        return self.note(at.w, step, measured)

    def _better(self, at: Evaluation, bound: Bound) -> bool:
        """Whether a round is the best so far; of values that are equal but for rounding, the one that is better proven.

        A gap of the first order is the root of what the objective shows: 1e-8 where that has come to rest.
        """
        best, known = self.best, self.best_bound
        if best is None or known is None or at.value <= best.value or not math.isfinite(best.value):
            return True
        proven = bound.bounds == known.bounds == "suboptimality" and bound.value < known.value
        return proven and at.value <= best.value + ULPS * abs(best.value)

    def note(self, w: FloatArray, step: float, measured: dict[str, float] | None = None) -> bool:
        """A round at w, of which little or nothing was measured; True where an observer asks to stop."""
        self.last = w
        self.rounds += 1
        row = dict.fromkeys(HISTORY_COLUMNS, math.nan)
        row.update(iteration=float(self.iterations), passes=float(self.problem.passes), seconds=self.elapsed())
        row.update(measured or {}, step=step)
        if self.monitor is not None:
            self.spent = self.monitor.see(self.problem.weights(w))
            row.update(self.monitor.row)
        if measured is not None or self.monitor is not None:
            self.history.append(**row)
        asked = False
        for observer in self.observers:
            view = w.view()
            view.flags.writeable = False
            asked = bool(observer.round(row, view)) or asked
        return asked

    def over(self) -> str | None:
        """The limit that is reached, in words."""
        limits = self.limits
        if limits.max_iter is not None and self.iterations >= limits.max_iter:
            return f"max_iter={limits.max_iter} reached"
        return self.late()

    def late(self) -> str | None:
        """The limit of time, where it is reached."""
        limits = self.limits
        if limits.max_time is not None:
            compiled = limits.compiling() - self.compiled if limits.compiling is not None else 0.0
            if self.elapsed() - compiled >= limits.max_time:
                return f"max_time={limits.max_time:g} s reached"
        return None


def run(
    solver: Any,
    problem: Any,
    w: FloatArray,
    *,
    limits: Limits,
    certify: Callable[[FloatArray, Status, str, FloatArray | None], Certificate],
    null_value: float,
    observers: Sequence[Observer] = (),
    info: dict[str, Any] | None = None,
    monitor: Monitor | None = None,
) -> Outcome:
    """Minimise ``problem`` from ``w`` and certify what came of it.

    Parameters
    ----------
    solver : Solver
    problem : Problem
        As the solver sees it (perhaps reparametrised; `problem.weights` leads back).
    w : array of shape (problem.size,)
    limits : Limits
    certify : callable
        ``certify(weights, status, reason, dual)`` recomputes the certificate; status and reason say how the
        run ended and are kept where the certificate does not pass; ``dual`` is None, or a proposal to verify.
    null_value : float
        The objective at zero parameters, the scale of the floor of relative gaps.
    observers : sequence of Observer
    info : dict, optional
        What observers are told at the beginning.
    monitor : Monitor, optional
        Held-out rows.  With patience, the result is the round that was best on them, whatever ended the run.

    Returns
    -------
    Outcome
    """
    watch = _Watch(problem, limits, observers, monitor)
    floor = FLOOR * abs(null_value)
    for observer in observers:
        observer.begin(dict(info or {}, tol=limits.tol, max_iter=limits.max_iter, max_time=limits.max_time))
    target = limits.tol
    certify_seconds = 0.0
    certificate: Certificate | None = None
    final = w
    try:
        state = solver.start(problem, w)
        watch_ended = _advance(solver, state, watch, target, floor, first=True)
        for attempt in range(RETRIES + 1):
            status, reason = watch_ended
            if status is Status.STOPPED_EARLY:
                break
            last = status is Status.BUDGET and getattr(solver, "keeps", "best") == "last"
            final, certificate, spent = _certified(watch, problem, certify, status, reason, last=last, fallback=w)
            certify_seconds += spent
            if certificate.passed or status is not Status.CERTIFIED:
                break
            if attempt == RETRIES:
                break
            # the cheap bound promised what the certificate does not confirm: ask for more
            miss = certificate.relative / max(limits.tol, TINY) if math.isfinite(certificate.relative) else 10.0
            target = min(target, watch.best_bound.relative if watch.best_bound else target) * max(0.5 / miss, 1e-3)
            watch_ended = _advance(solver, state, watch, target, floor, first=False)
    except KeyboardInterrupt:
        which = "the last" if watch.best is None else "the best"
        status, reason = Status.INTERRUPTED, f"interrupted; {which} iterate so far is kept"
        final, certificate, spent = _certified(watch, problem, certify, status, reason, fallback=w)
        certify_seconds += spent
    if monitor is not None and monitor.selects and (certificate is None or monitor.best_round != watch.best_round):
        final, certificate, spent = _selected(watch, monitor, certify, status, reason)
        certify_seconds += spent
    assert certificate is not None
    for observer in observers:
        observer.end(certificate)
    return _outcome(watch, final, certificate, certify_seconds, list(getattr(solver, "notes", [])))


def accept(
    problem: Any,
    w: FloatArray,
    certificate: Certificate,
    *,
    limits: Limits,
    observers: Sequence[Observer] = (),
    info: dict[str, Any] | None = None,
    monitor: Monitor | None = None,
) -> Outcome:
    """The outcome of a start that is certified as it is: one row of history, no solver.

    Parameters
    ----------
    problem, limits, observers, info, monitor
        As for `run`.
    w : array of shape (problem.size,)
    certificate : Certificate
        That of w.
    """
    watch = _Watch(problem, limits, observers, monitor)
    for observer in observers:
        observer.begin(dict(info or {}, tol=limits.tol, max_iter=limits.max_iter, max_time=limits.max_time))
    c = certificate
    bound = Bound(c.kind, c.value, c.relative, c.bounds, c.primal, c.dual)
    none = np.empty(0)
    watch.see(Evaluation(w, c.primal, math.nan, np.full(1, math.nan), none, none), bound, math.nan)
    for observer in observers:
        observer.end(certificate)
    return _outcome(watch, w, certificate, 0.0, ["the given start is certified as it is: no solver was started"])


def _outcome(
    watch: _Watch, w: FloatArray, certificate: Certificate, certify_seconds: float, notes: list[str]
) -> Outcome:
    seconds = {"solve": watch.elapsed() - certify_seconds, "certify": certify_seconds}
    if watch.monitor is not None:
        seconds["solve"] -= watch.monitor.seconds
        seconds["monitor"] = watch.monitor.seconds
    return Outcome(w, certificate, watch.history, watch.iterations, seconds, watch.notes + notes, watch.dual)


def _selected(
    watch: _Watch,
    monitor: Monitor,
    certify: Callable[[FloatArray, Status, str, FloatArray | None], Certificate],
    status: Status,
    reason: str,
) -> tuple[FloatArray, Certificate, float]:
    """The round that held-out rows chose.  A run that a limit ended keeps that status: patience was not spent."""
    began = time.perf_counter()
    weights = monitor.weights
    assert weights is not None
    own = status in (Status.CERTIFIED, Status.STALLED, Status.STOPPED_EARLY)
    said = monitor.reason() if own else f"{reason}; {monitor.reason()}"
    certificate = certify(weights, Status.STOPPED_EARLY if own else status, said, watch.dual)
    return weights, certificate, time.perf_counter() - began


def _certified(
    watch: _Watch,
    problem: Any,
    certify: Callable[[FloatArray, Status, str, FloatArray | None], Certificate],
    status: Status,
    reason: str,
    fallback: FloatArray | None = None,
    last: bool = False,
) -> tuple[FloatArray, Certificate, float]:
    began = time.perf_counter()
    reached = watch.best.w if watch.best is not None else None
    usable = status is not Status.DIVERGED and watch.last is not None and np.all(np.isfinite(watch.last))
    if usable and (last or reached is None):
        reached = watch.last
    at = reached if reached is not None else fallback
    assert at is not None
    weights = problem.weights(at)
    polish = getattr(problem, "polish", None)
    if polish is not None and not last and watch.best is not None and math.isfinite(watch.best.value):
        weights = polish(weights, watch.best.scores)
    certificate = certify(weights, status, reason, watch.dual)
    return weights, certificate, time.perf_counter() - began


def _advance(solver: Any, state: Any, watch: _Watch, target: float, floor: float, first: bool) -> tuple[Status, str]:
    """Rounds until the cheap bound meets the target, a limit is reached, or the solver cannot move."""
    problem = watch.problem
    flat = 0
    while True:
        if not first:
            over = watch.over()
            if over is not None:
                return Status.BUDGET, over
        round_ = solver.advance(state)
        while round_.part:
            watch.last = round_.w  # an interrupt may come before the round is finished
            late = watch.late()
            if late is not None:
                return Status.BUDGET, late
            round_ = solver.advance(state)
        watch.iterations += not first  # of whole rounds: one that is interrupted does not count
        at = round_.at
        if round_.note:
            watch.notes.append(round_.note)
        if at is None:
            stop = _unmeasured(solver, state, watch, round_)
            first = False
            if stop is not None:
                return stop
            continue
        bound = quick_bound(problem, at, floor) if round_.bound is None else round_.bound
        before = watch.best.value if watch.best is not None else math.inf
        asked = watch.see(at, bound, round_.step, round_.dual)
        first = False
        if not np.isfinite(at.value):
            said = f"the objective is {at.value} after {_turns(solver, watch.iterations)}"
            return Status.DIVERGED, said + _cure(solver, state)
        if bound.bounds == "suboptimality" and bound.relative <= target:
            watch.best, watch.best_bound, watch.best_round = at, bound, watch.rounds - 1  # one before may prove less
            return Status.CERTIFIED, "the bound meets tol"
        if round_.settled:
            return Status.CERTIFIED, "the solver reports a solution"
        if asked:
            return Status.INTERRUPTED, "an observer asked to stop"
        if watch.spent:
            return Status.STOPPED_EARLY, "the validation rows got no better"
        if round_.exhausted:
            return Status.STALLED, round_.note or "no step decreases the objective beyond rounding"
        grew = at.value > 1e3 * abs(before) + 1e3 * abs(floor / FLOOR)
        wanders = getattr(solver, "wanders", round_.dual is not None)  # methods on the dual pass such points
        if grew and watch.iterations > 3 and not wanders:
            said = f"the objective grew to {at.value:.3g}, from {before:.3g} at best"
            return Status.DIVERGED, said + _cure(solver, state)
        flat = flat + 1 if not at.value < before else 0
        if flat >= solver.patience:
            return Status.STALLED, f"no decrease of the objective in {_turns(solver, flat)}"
        if getattr(solver, "slows", False):
            slow = watch.doublings.see(watch.iterations, at.value, bound.relative)
            if slow is not None:
                return Status.STALLED, slow


def _unmeasured(solver: Any, state: Any, watch: _Watch, round_: Round) -> tuple[Status, str] | None:
    """Take note of a round that was not evaluated; how the run ends, where it does."""
    w = round_.w
    assert w is not None
    finite = bool(np.all(np.isfinite(w))) and (round_.seen is None or math.isfinite(round_.seen))
    measured = None if round_.seen is None else {"objective": round_.seen}
    if finite and watch.note(w, round_.step, measured):
        return Status.INTERRUPTED, "an observer asked to stop"
    if not finite:
        said = f"the parameters are not finite after {_turns(solver, watch.iterations)}"
        return Status.DIVERGED, said + _cure(solver, state)
    if watch.spent:
        return Status.STOPPED_EARLY, "the validation rows got no better"
    if round_.exhausted:
        return Status.STALLED, round_.note or "the solver goes no further"
    return None


def _turns(solver: Any, many: int) -> str:
    """A number of rounds, in the word of the solver."""
    return f"{many} {getattr(solver, 'turn', 'round')}{'' if many == 1 else 's'}"


def _cure(solver: Any, state: Any) -> str:
    """What the solver says should be done about divergence."""
    cure = getattr(solver, "cure", None)
    return f": {cure(state)}" if cure is not None else ""
