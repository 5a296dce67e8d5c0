"""The one path from validated data to certified parameters, for every estimator.

A fit is one *job*, or several independent ones that share X: the targets of a multi-output regression, the
classes of one-vs-rest.  Each job is a problem, a plan (which solver, why), a run of the loop, a certificate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR
from steepest.certify.certificate import certify
from steepest.data.source import as_source
from steepest.estimators.jobs import Control, Job, Solution, make_problem, null_value
from steepest.estimators.outcomes import combine, facts, unasked
from steepest.estimators.side_by_side import Stop, run_side_by_side, suits
from steepest.exceptions import DataError, SteepestError
from steepest.jit import compile_clock
from steepest.parallel import Pool, effective_jobs, one_blas_thread
from steepest.penalties import NoPenalty
from steepest.protocols import Certificate, FloatArray, Observer, Status
from steepest.record.observers import watching
from steepest.record.validation import Monitor
from steepest.solvers.auto import Plan, choose
from steepest.solvers.loop import Limits, Outcome, accept, run

SMALL = 4_000  # numbers in X; looking for the BLAS libraries would take longer than such a fit
ENDLESS = 2**62  # rounds without decrease that nobody waits for
NEVER = -1.0  # a target that no bound meets, for bounds are not negative

#: Solvers whose first round is dear, or whose multipliers an earlier fit may have left.
_PROVEN_FIRST = ("closed_form", "augmented_lagrangian", "dual_coordinate", "margin_dual")


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
            for name in ("jobs", "outcomes", "iterations", "floors", "memories", "scores"):
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
