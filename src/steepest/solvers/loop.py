"""The only driver: runs a solver round by round, records, watches the limits, and asks for the certificate.

A solver proposes points and never judges them.  The loop stops it when a cheap bound says that the target
is met, and then has the certificate recomputed from the parameters alone.  If that certificate misses the
target, which rounding or an intercept can cause, the target is tightened and the same solver goes on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, quick_bound
from steepest.protocols import Bound, Certificate, Evaluation, FloatArray, Observer, Status
from steepest.record.history import History

RETRIES = 8  # times that the target is tightened when the certificate misses it


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: proven relative suboptimality, rounds, seconds (None: no limit)."""

    tol: float = 1e-4
    max_iter: int | None = None
    max_time: float | None = None


@dataclass(slots=True)
class Outcome:
    """What the loop returns: parameters in the user's layout, certificate, history, and how it went."""

    w: FloatArray
    certificate: Certificate
    history: History
    iterations: int
    seconds: dict[str, float]
    notes: list[str] = field(default_factory=list)


class _Watch:
    """Best iterate, history, observers and the clock of one run."""

    def __init__(self, problem: Any, limits: Limits, observers: Sequence[Observer]) -> None:
        self.problem, self.limits, self.observers = problem, limits, observers
        self.began = time.perf_counter()
        self.history = History()
        self.best: Evaluation | None = None
        self.best_bound: Bound | None = None
        self.dual: FloatArray | None = None
        self.iterations = 0
        self.notes: list[str] = []

    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    def see(self, at: Evaluation, bound: Bound, step: float, dual: FloatArray | None = None) -> bool:
        """Record a round; True where an observer asks to stop."""
        if self.best is None or at.value <= self.best.value or not math.isfinite(self.best.value):
            self.best, self.best_bound = at, bound
        if dual is not None:
            self.dual = dual
        norm = math.sqrt(max(self.problem.inner(at.gradient, at.gradient), 0.0))
        row = {
            "iteration": float(self.iterations),
            "passes": float(self.problem.passes),
            "seconds": self.elapsed(),
            "objective": at.value,
            "gap": bound.value if bound.bounds == "suboptimality" else math.nan,
            "relative_gap": bound.relative if bound.bounds == "suboptimality" else math.nan,
            "gradient_norm": norm,
            "step": step,
        }
        self.history.append(**row)
        asked = False
        for observer in self.observers:
            view = at.w.view()
            view.flags.writeable = False
            asked = bool(observer.round(row, view)) or asked
        return asked

    def over(self) -> str | None:
        """The limit that is reached, in words."""
        limits = self.limits
        if limits.max_iter is not None and self.iterations >= limits.max_iter:
            return f"max_iter={limits.max_iter} reached"
        if limits.max_time is not None and self.elapsed() >= limits.max_time:
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

    Returns
    -------
    Outcome
    """
    watch = _Watch(problem, limits, observers)
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
            final, certificate, spent = _certified(watch, problem, certify, status, reason)
            certify_seconds += spent
            if certificate.passed or status is not Status.CERTIFIED:
                break
            if attempt == RETRIES:
                break
            # the cheap bound promised what the certificate does not confirm: ask for more
            miss = certificate.relative / limits.tol if math.isfinite(certificate.relative) else 10.0
            target = min(target, watch.best_bound.relative if watch.best_bound else target) * max(0.5 / miss, 1e-3)
            watch_ended = _advance(solver, state, watch, target, floor, first=False)
    except KeyboardInterrupt:
        status, reason = Status.INTERRUPTED, "interrupted; the best iterate so far is kept"
        final, certificate, spent = _certified(watch, problem, certify, status, reason, fallback=w)
        certify_seconds += spent
    assert certificate is not None
    for observer in observers:
        observer.end(certificate)
    total = watch.elapsed()
    notes = watch.notes + list(getattr(solver, "notes", []))
    return Outcome(
        final,
        certificate,
        watch.history,
        watch.iterations,
        {"solve": total - certify_seconds, "certify": certify_seconds},
        notes,
    )


def _certified(
    watch: _Watch,
    problem: Any,
    certify: Callable[[FloatArray, Status, str, FloatArray | None], Certificate],
    status: Status,
    reason: str,
    fallback: FloatArray | None = None,
) -> tuple[FloatArray, Certificate, float]:
    began = time.perf_counter()
    at = watch.best.w if watch.best is not None else fallback
    assert at is not None
    weights = problem.weights(at)
    polish = getattr(problem, "polish", None)
    if polish is not None and watch.best is not None and math.isfinite(watch.best.value):
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
            watch.iterations += 1
        round_ = solver.advance(state)
        at = round_.at
        if round_.note:
            watch.notes.append(round_.note)
        bound = quick_bound(problem, at, floor) if round_.bound is None else round_.bound
        before = watch.best.value if watch.best is not None else math.inf
        asked = watch.see(at, bound, round_.step, round_.dual)
        first = False
        if not np.isfinite(at.value):
            return Status.DIVERGED, f"the objective is {at.value} after {watch.iterations} rounds"
        if bound.bounds == "suboptimality" and bound.relative <= target:
            return Status.CERTIFIED, "the bound meets tol"
        if round_.settled:
            return Status.CERTIFIED, "the solver reports a solution"
        if asked:
            return Status.INTERRUPTED, "an observer asked to stop"
        if round_.exhausted:
            return Status.STALLED, round_.note or "no step decreases the objective beyond rounding"
        grew = at.value > 1e3 * abs(before) + 1e3 * abs(floor / FLOOR)
        if grew and watch.iterations > 3 and round_.dual is None:  # a method on the dual may pass such points
            return Status.DIVERGED, f"the objective grew to {at.value:.3g}, from {before:.3g} at best"
        flat = flat + 1 if not at.value < before else 0
        if flat >= solver.patience:
            return Status.STALLED, f"no decrease of the objective in {flat} rounds"
