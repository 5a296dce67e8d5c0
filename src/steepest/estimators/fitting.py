"""The one path from validated data to certified parameters, for every estimator.

A fit is one *job*, or several independent ones that share X: the targets of a multi-output regression, the
classes of one-vs-rest.  Each job is a problem, a plan (which solver, why), a run of the loop, a certificate.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR
from steepest.certify.certificate import certify
from steepest.data.source import as_source
from steepest.estimators.outcomes import combine, facts, unasked
from steepest.estimators.side_by_side import Stop, run_side_by_side, suits
from steepest.exceptions import DataError, SteepestError
from steepest.jit import compile_clock
from steepest.kernels import multiclass, passes
from steepest.losses.registry import SCALAR_LOSSES
from steepest.parallel import Pool, effective_jobs
from steepest.penalties import NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import AnyArray, Certificate, FloatArray, Observer, Status
from steepest.record.history import History
from steepest.record.observers import watching
from steepest.record.validation import Monitor
from steepest.solvers.auto import Plan, choose
from steepest.solvers.loop import Limits, Outcome, accept, run


@dataclass(slots=True)
class HeldOut:
    """Rows on which a job is watched and which its problem does not contain.

    Attributes
    ----------
    X : array or CSR matrix of shape (m, d), validated
    y : array of shape (m,)
        Targets as the loss of the job takes them.
    p : array of shape (m,)
        Weights that sum to 1.
    score : callable or None
        ``score(w)`` of flat parameters, higher is better; None monitors the loss.
    name : str
        Of the monitored number.
    """

    X: Any
    y: AnyArray
    p: FloatArray
    score: Callable[[FloatArray], float] | None = None
    name: str = "loss"


@dataclass(slots=True)
class Job:
    """One problem on the shared X.

    Attributes
    ----------
    y : array of shape (n,)
        Targets as the loss takes them; a fresh array.
    p : array of shape (n,)
        Weights that sum to 1.
    loss, penalty
        Values.
    n_outputs : int
        Scores a row.
    start : flat array or None
        Parameters to begin from.
    label : str
        Which target or class, for messages.
    held : HeldOut or None
        Validation rows.
    dual : array or None
        A dual point from an earlier fit, which may prove that ``start`` is optimal; it is verified.
    memory : object or None
        What a solver that goes on from where it stopped remembers of its earlier epochs.
    constraint : optional
        A set for the weights.
    """

    y: AnyArray
    p: FloatArray
    loss: Any
    penalty: Any
    n_outputs: int = 1
    start: FloatArray | None = None
    label: str = ""
    held: HeldOut | None = None
    dual: FloatArray | None = None
    memory: Any = None
    constraint: Any = None


@dataclass(slots=True)
class Control:
    """How to run: what the estimator's parameters say.  Where ``asks`` is False, all rounds are run."""

    name: str
    fit_intercept: bool = True
    solver: str = "auto"
    options: dict[str, Any] = field(default_factory=dict)
    make: Callable[[], Any] | None = None  # the solver itself, in place of its name
    tol: float = 1e-4
    asks: bool = True  # for a proof
    max_iter: int | None = None
    max_time: float | None = None
    n_jobs: int | None = None
    verbose: int = 0
    patience: int | None = None
    min_delta: float = 0.0
    notes: list[str] = field(default_factory=list)
    keep_scores: bool = False


@dataclass(slots=True)
class Solution:
    """What came of all jobs.

    ``systems`` are the matrices that the closed form factored, ``scores`` those of all rows where they were asked for
    and known.
    """

    weights: list[FloatArray]
    certificate: Certificate
    certificates: list[Certificate]
    histories: list[History]
    iterations: list[int]
    passes: float
    data: dict[str, Any]
    solver: dict[str, Any]
    seconds: dict[str, float]
    systems: list[Any]
    duals: list[FloatArray | None] = field(default_factory=list)
    memories: list[Any] = field(default_factory=list)
    scores: list[FloatArray | None] = field(default_factory=list)
    deterministic: bool = True

    @property
    def history(self) -> History:
        """That of the job with most rounds."""
        return max(self.histories, key=len)


# ---------------------------------------------------------------------------------------------- threads

SMALL = 4_000  # numbers in X; looking for the BLAS libraries would take longer than such a fit
_CONTROLLER: list[Any] = []
_BLAS_LOCK = threading.Lock()
_BLAS_LIMITS: list[Any] = []  # one entry a running fit; the first is the limiter that restores


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Shards of rows are the threads; BLAS below them must not start its own, not even for a scalar product.

    The limit is that of the process: the first of several fits at once sets it, the last one restores.
    """
    with _BLAS_LOCK:
        if not _CONTROLLER:  # looking for the libraries takes milliseconds: once a process
            from threadpoolctl import ThreadpoolController

            _CONTROLLER.append(ThreadpoolController())
        _BLAS_LIMITS.append(None if _BLAS_LIMITS else _CONTROLLER[0].limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _BLAS_LOCK:
            if len(_BLAS_LIMITS) == 1:
                _BLAS_LIMITS[0].restore_original_limits()
            _BLAS_LIMITS.pop()


def _forget_limits() -> None:
    """In a forked child no other thread lives on: neither its fit nor its hold of the lock."""
    global _BLAS_LOCK
    _BLAS_LOCK = threading.Lock()
    if _BLAS_LIMITS:
        _BLAS_LIMITS[0].restore_original_limits()
        _BLAS_LIMITS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_limits)


# ----------------------------------------------------------------------------------------------- running


#: Losses whose value at score 0 is the same for every target, or plain arithmetic: no kernel need be loaded.
_AT_ZERO: dict[str, Callable[[Job], float]] = {
    "logistic": lambda job: math.log(2.0),
    "bernoulli": lambda job: math.log(2.0),
    "softmax": lambda job: math.log(job.n_outputs),
    "hinge": lambda job: 1.0,
    "squared_hinge": lambda job: 1.0,
    "squared": lambda job: 0.5 * float(job.p @ (job.y * job.y)),
}


ENDLESS = 2**62  # rounds without decrease that nobody waits for
NEVER = -1.0  # a target that no bound meets, for bounds are not negative


#: Solvers whose first round is dear, or whose multipliers an earlier fit may have left.
_PROVEN_FIRST = ("closed_form", "augmented_lagrangian", "dual_coordinate", "margin_dual")


def null_value(job: Job) -> float:
    """The objective at zero parameters, without touching X: the scale of relative gaps."""
    if job.loss.name in _AT_ZERO:
        with np.errstate(over="ignore"):
            return _AT_ZERO[job.loss.name](job)
    n = len(job.p)
    if type(job.loss) in SCALAR_LOSSES.values():
        return float(passes.losses_slopes(job.loss, np.zeros(n), job.y, job.p, np.empty(n)))
    shape = (n, job.n_outputs)
    U = np.empty(shape)
    return float(multiclass.losses_slopes_many(job.loss, np.zeros(shape), job.y, job.p, 0, n, U))


def make_problem(source: Any, job: Job, fit_intercept: bool) -> LinearProblem | MulticlassProblem:
    """The problem of a job."""
    if source.kind == "stream":
        from steepest.problems.stream import make_stream_problem

        return make_stream_problem(source, job.y, job.p, job.loss, job.penalty, fit_intercept, job.n_outputs)
    if type(job.loss) in SCALAR_LOSSES.values():
        return LinearProblem(source, job.y, job.p, job.loss, job.penalty, fit_intercept, job.constraint)
    more = (job.n_outputs, job.constraint)
    return MulticlassProblem(source, job.y, job.p, job.loss, job.penalty, fit_intercept, *more)


def solve(X: Any, jobs: Sequence[Job], control: Control, validate_seconds: float = 0.0) -> Solution:
    """Run every job on X and certify it.

    Parameters
    ----------
    X : array or CSR matrix, validated
    jobs : sequence of Job
    control : Control
    validate_seconds : float
        What validation has taken so far, for the record.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        clock = stack.enter_context(compile_clock())
        if math.prod(X.shape) > SMALL:  # BLAS itself takes one thread for less
            stack.enter_context(one_blas_thread())
        stack.enter_context(np.errstate(all="ignore"))  # loop and certificate judge the numbers themselves
        pool = Pool(effective_jobs(control.n_jobs))
        stack.callback(pool.close)
        observers: list[Observer] = stack.enter_context(watching())
        if control.verbose:
            from steepest.record.progress import Progress

            progress = Progress(title=control.name)
            stack.callback(progress.close)
            observers.append(progress)
        source = as_source(X, pool=pool)
        runs = _Runs(source, control, observers, clock)
        if suits(source, jobs, observers):
            runs.absorb(run_side_by_side(source, jobs, runs.twin, _explained))
        else:
            for job in jobs:
                _explained(runs, job)
    solution = runs.solution()
    total = time.perf_counter() - began + validate_seconds
    solution.seconds.update(total=total, validate=validate_seconds, compile=clock.seconds)
    return solution


def _explained(runs: _Runs, job: Job) -> None:
    """Runs a job; a user's loss that cannot be compiled is named with its method and line."""
    try:
        runs.one(job)
    except SteepestError:
        raise
    except Exception:  # the compiler lets errors of many kinds through
        from steepest.losses.compiling import require_compiled

        require_compiled(job.loss)  # a sum is ours, its terms may not be
        raise


class _Runs:
    """The jobs of one fit, under common limits."""

    def __init__(self, source: Any, control: Control, observers: list[Observer], clock: Any) -> None:
        self.source, self.control, self.observers, self.clock = source, control, observers, clock
        self.held: dict[int, Any] = {}  # sources of validation rows, which all jobs share
        self.watched: list[dict[str, Any]] = []
        self.began = time.perf_counter()
        self.jobs: list[Job] = []
        self.outcomes: list[Outcome] = []
        self.iterations: list[int] = []
        self.floors: list[float] = []
        self.passes = 0.0
        self.plan: dict[str, Any] = {}
        self.systems: dict[Any, Any] = {}  # factored once for all targets
        self.memories: list[Any] = []
        self.scores: list[FloatArray | None] = []
        self.deterministic = True
        self.stop: Stop | None = None

    def twin(self, source: Any, stop: Stop) -> _Runs:
        """A runner for one of several jobs at once."""
        made = _Runs(source, self.control, [stop], self.clock)
        made.began, made.stop = self.began, stop
        return made

    def absorb(self, others: Sequence[_Runs]) -> None:
        """What twins have done, as if it had been done here."""
        for other in others:
            for name in ("jobs", "outcomes", "iterations", "floors", "memories"):
                getattr(self, name).extend(getattr(other, name))
            self.passes += other.passes
            self.deterministic &= other.deterministic
            notes = [*(self.plan or other.plan)["notes"], *other.plan["notes"]]
            self.plan = {**(self.plan or other.plan), "notes": list(dict.fromkeys(notes))}

    def _limits(self) -> Limits:
        control = self.control
        left = None
        if control.max_time is not None:
            spent = time.perf_counter() - self.began - self.clock.seconds
            left = max(control.max_time - spent, 0.0)
        stopped = self.stop is not None and self.stop.asked
        stopped = stopped or any(outcome.certificate.status is Status.INTERRUPTED for outcome in self.outcomes)
        tol = control.tol if control.asks else NEVER
        return Limits(tol, 0 if stopped else control.max_iter, left, lambda: float(self.clock.seconds))

    def _monitor(self, job: Job) -> Monitor | None:
        """Validation rows as the loop takes them: one product with them a round."""
        held, control = job.held, self.control
        if held is None:
            return None
        if id(held.X) not in self.held:
            self.held[id(held.X)] = as_source(held.X, pool=self.source.pool)
        source = self.held[id(held.X)]
        outside = Job(held.y, held.p, job.loss, NoPenalty(), job.n_outputs)
        problem = make_problem(source, outside, control.fit_intercept)

        def loss(w: FloatArray) -> float:
            coef, b = problem.layout.split(w)
            shift: Any = b if job.n_outputs > 1 and len(b) else (float(b[0]) if len(b) else 0.0)
            return problem.losses_at(source.matvec(np.ascontiguousarray(coef), shift))

        return Monitor(loss, held.score, patience=control.patience, min_delta=control.min_delta, name=held.name)

    def _accepted(self, problem: Any, job: Job, null: float) -> Certificate | None:
        """The certificate of a start that passes as it is: two passes, before a matrix is built."""
        assert job.start is not None
        if not self.control.asks:
            return None
        found = certify(problem, job.start, tol=self.control.tol, null_value=null, dual=job.dual, deep=False)
        return found if found.passed else None

    def _plan(self, problem: Any, warm: bool) -> Plan:
        """The solver for a problem."""
        control = self.control
        if control.make is None:
            plan = choose(problem, control.solver, warm=warm, options=control.options or None)
        else:
            solver = control.make()
            plan = Plan(solver, problem, solver.name, "asked for by name", "epochs in proportion to 1 / tol")
        if self.source.kind == "stream":
            from steepest.solvers.streamed import StreamedEpochs

            plan.solver = StreamedEpochs(plan.solver)
        return plan

    def one(self, job: Job) -> None:
        """Problem, plan, run, certificate."""
        control = self.control
        problem = make_problem(self.source, job, control.fit_intercept)
        null = null_value(job)
        if not math.isfinite(null):
            raise DataError(
                f"y: the loss '{job.loss.name}' of these targets at score 0 is {null}, not a finite number. "
                "Scale the target, or remove its extreme values."
            )
        warm = job.start is not None and bool(np.any(job.start))
        plan = self._plan(problem, warm)
        start = plan.start(job.start if warm else None)
        if plan.name == "closed_form":
            plan.solver.shared = self.systems
        if not control.asks:
            plan.solver.patience = ENDLESS
        if hasattr(plan.solver, "memory"):
            plan.solver.memory = job.memory
        if hasattr(plan.solver, "aim") and control.asks:
            plan.solver.aim = control.tol

        limits = self._limits()

        def judge(w: FloatArray, status: Status, reason: str, dual: FloatArray | None) -> Certificate:
            if limits.max_time is not None:  # what was left for this job, but the user knows the whole
                reason = reason.replace(f"max_time={limits.max_time:g} s", f"max_time={control.max_time:g} s")
            # a gap proves enough where nothing was asked; Hessians, which sharpen it, cost more than epochs
            deep = control.asks or not (problem.traits.convex and problem.traits.l1 + problem.traits.l2 > 0.0)
            how: dict[str, Any] = {"status": status, "reason": reason, "null_value": null, "dual": dual, "deep": deep}
            found = certify(problem, w, tol=control.tol, **how)
            return found if control.asks else unasked(found)

        info = {"title": f"{control.name} {job.label}".strip(), "solver": plan.name}
        monitor = self._monitor(job)
        # solvers of these names begin with work that a start at the optimum makes idle, or cannot prove it alone
        first = warm and plan.name in _PROVEN_FIRST and problem.traits.l1 + problem.traits.l2 > 0.0
        known = self._accepted(problem, job, null) if first else None
        if known is not None and job.start is not None:
            outcome = accept(
                problem,
                job.start.copy(),
                known,
                limits=limits,
                observers=self.observers,
                info=info,
                monitor=monitor,
            )
            outcome.dual = job.dual
        else:
            outcome = run(
                plan.solver,
                plan.problem,
                start,
                limits=limits,
                certify=judge,
                null_value=null,
                observers=self.observers,
                info=info,
                monitor=monitor,
            )
        if control.tol is not None and not outcome.certificate.passed and hasattr(plan.solver, "advice"):
            said = plan.solver.advice(plan.problem, outcome.history, control.tol)
            evidence = {**outcome.certificate.evidence, "advice": said}
            outcome.certificate = replace(outcome.certificate, evidence=evidence)
        self.jobs.append(job)
        self.outcomes.append(outcome)
        self.memories.append(getattr(plan.solver, "memory", None))
        last = getattr(problem, "last", None) if control.keep_scores else None
        self.scores.append(last[1] if last is not None and np.array_equal(last[0], outcome.w) else None)
        self.deterministic &= getattr(plan.solver, "deterministic", True)
        if monitor is not None:
            self.watched.append({"label": job.label, **monitor.summary()})
        # the loop counts rounds after the first, which for a direct method is all of its work
        direct = plan.name == "closed_form" and known is None
        self.iterations.append(max(1, outcome.iterations) if direct else outcome.iterations)
        self.floors.append(FLOOR * abs(null))
        self.passes += float(problem.passes)
        if not self.plan:
            self.plan = {
                "name": plan.name,
                "why": plan.why,
                "expected": plan.expected,
                "options": control.options,
                "notes": [*control.notes, *self.source.notes],
            }
        self.plan["notes"] = list(dict.fromkeys([*self.plan["notes"], *outcome.notes]))

    def solution(self) -> Solution:
        """Everything, added up."""
        certificates = [outcome.certificate for outcome in self.outcomes]
        names = ("solve", "certify", "monitor") if self.watched else ("solve", "certify")
        seconds = {name: sum(outcome.seconds[name] for outcome in self.outcomes) for name in names}
        watched: dict[str, Any] = {}
        if self.watched:
            rows = next(iter(self.held.values())).shape[0]
            watched["validation"] = {"n_samples": rows, **self.watched[0]}
            if len(self.jobs) > 1:
                watched["validation"]["outputs"] = self.watched
        return Solution(
            weights=[outcome.w for outcome in self.outcomes],
            certificate=combine(certificates, [job.label for job in self.jobs]),
            certificates=certificates,
            histories=[outcome.history for outcome in self.outcomes],
            iterations=self.iterations,
            passes=self.passes,
            data={**facts(self.source, self.jobs), **watched},
            solver=self.plan,
            seconds=seconds,
            systems=[system for system, _ in self.systems.values()],
            duals=[outcome.dual for outcome in self.outcomes],
            memories=self.memories,
            scores=self.scores,
            deterministic=self.deterministic,
        )
