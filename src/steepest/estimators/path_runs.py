"""Paths on one X: threads, source and factorisations are shared by all targets, folds' strengths and mixes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR
from steepest.data.source import as_source
from steepest.estimators.fitting import SMALL
from steepest.estimators.jobs import Control, Job, make_problem, null_value
from steepest.exceptions import DataError
from steepest.parallel import Pool, effective_jobs, one_blas_thread
from steepest.protocols import FloatArray, Status
from steepest.solvers.path import Point, follow
from steepest.solvers.path_quadratic import (
    RidgeFactor,
    judged,
    sparse_path,
    strengths_of,
    suits_eigen,
    suits_moments,
)


class Runner:
    """Runs paths on one source; what depends on X and weights alone is computed once.

    Parameters
    ----------
    source : Source
    control : Control
    """

    def __init__(self, source: Any, control: Control) -> None:
        self.source, self.control = source, control
        began = time.perf_counter()
        self.deadline = math.inf if control.max_time is None else began + control.max_time
        self.shared: dict[str, Any] = {}
        self.plan: dict[str, Any] = {}

    def problem(self, job: Job) -> Any:
        """The problem of a job."""
        return make_problem(self.source, job, self.control.fit_intercept)

    def factor(self, p: FloatArray) -> RidgeFactor:
        """Eigenvectors for all strengths and targets of these weights."""
        if "factor" not in self.shared:
            self.shared["factor"] = RidgeFactor(self.source, p, self.control.fit_intercept)
        return self.shared["factor"]  # type: ignore[no-any-return]

    def path(self, job: Job, penalties: Sequence[Any], start: FloatArray | None = None) -> list[Point]:
        """The certified points of a job, from the first penalty on, which begins at ``start``."""
        control = self.control
        problem = self.problem(job)
        null = null_value(job)
        if not math.isfinite(null):
            raise DataError(
                f"y: the loss '{job.loss.name}' of these targets at score 0 is {null}, not a finite number. "
                "Scale the target, or remove its extreme values."
            )
        limited = control.max_iter is not None and control.max_iter < 100  # a budget is for rounds, as solvers count
        direct = control.solver == "auto" and not limited and not control.verbose and math.isinf(self.deadline)
        points: list[Point] = []
        if direct and problem.traits.quadratic:
            points = self._direct(problem, job, penalties, null)
        for i in range(len(points)):
            if not points[i].certificate.passed:  # rounding of squared columns, mostly: solve it from the rows
                points[i] = self._follow(problem, penalties[i : i + 1], null, points[i].w, job.label)[0]
        if len(points) < len(penalties):
            start = points[-1].w if points else start
            points += self._follow(problem, penalties[len(points) :], null, start, job.label)
        return points

    def _direct(self, problem: Any, job: Job, penalties: Sequence[Any], null: float) -> list[Point]:
        """Points from second moments, for as many of the first penalties as they suit."""
        tol = self.control.tol
        sparse = [penalty.l1 > 0.0 for penalty in penalties]
        positive = [penalty.l1 > 0.0 or penalty.l2 > 0.0 for penalty in penalties]
        count = positive.index(False) if False in positive else len(positive)
        if count == 0 or any(s != sparse[0] for s in sparse[:count]):
            return []
        chosen = penalties[:count]
        if sparse[0] and suits_moments(problem):
            W, epochs, seconds = sparse_path(problem, chosen, tol, null, self.shared)
            self._say("coordinate", "coordinate descent on second moments, read from X once for the whole path")
        elif not sparse[0] and suits_eigen(problem):
            began = time.perf_counter()
            W = self.factor(job.p).coefficients(problem.y, strengths_of(chosen))
            epochs = [1] * count
            seconds = np.full(count, (time.perf_counter() - began) / count)
            self._say("closed_form", "one set of eigenvectors gives every strength in closed form")
        else:
            return []
        return judged(problem, chosen, W, epochs, seconds, tol, null)

    def _follow(
        self, problem: Any, penalties: Sequence[Any], null: float, start: FloatArray | None, label: str
    ) -> list[Point]:
        control = self.control
        points, plan = follow(
            problem,
            penalties,
            tol=control.tol,
            null_value=null,
            solver=control.solver,
            options=control.options or None,
            start=start,
            max_iter=control.max_iter,
            deadline=self.deadline,
            title=f"{control.name} {label}".strip(),
        )
        self._say(plan.name, plan.why)
        return points

    def _say(self, name: str, why: str) -> None:
        if not self.plan:
            notes = [*self.control.notes, *self.source.notes]
            self.plan = {"name": name, "why": why, "options": self.control.options, "notes": notes}


@contextmanager
def runner(X: Any, control: Control) -> Iterator[Runner]:
    """A `Runner` with its threads, for the length of the block."""
    with ExitStack() as stack:
        if math.prod(X.shape) > SMALL:
            stack.enter_context(one_blas_thread())
        stack.enter_context(np.errstate(all="ignore"))
        pool = Pool(effective_jobs(control.n_jobs))
        stack.callback(pool.close)
        yield Runner(as_source(X, pool=pool), control)


def interrupted(points: Sequence[Point]) -> bool:
    """Whether Ctrl-C ended a path."""
    return bool(points) and points[-1].certificate.status is Status.INTERRUPTED


def floor(job: Job) -> float:
    """Below it relative gaps mean nothing."""
    return FLOOR * abs(null_value(job))
