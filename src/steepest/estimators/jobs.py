"""What a fit is made of: jobs on one X, how they are run, what came of them, and the problem that a job is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.kernels import multiclass, passes
from steepest.losses.registry import SCALAR_LOSSES
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import AnyArray, Certificate, FloatArray
from steepest.record.history import History


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


#: Losses whose value at score 0 is the same for every target, or plain arithmetic: no kernel need be loaded.
_AT_ZERO: dict[str, Callable[[Job], float]] = {
    "logistic": lambda job: math.log(2.0),
    "bernoulli": lambda job: math.log(2.0),
    "softmax": lambda job: math.log(job.n_outputs),
    "hinge": lambda job: 1.0,
    "squared_hinge": lambda job: 1.0,
    "squared": lambda job: 0.5 * float(job.p @ (job.y * job.y)),
}


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
