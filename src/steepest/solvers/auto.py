"""Which solver, and why.

`choose` looks at shape, density, traits and memory, and returns a plan: the solver, the problem in the
parametrisation that suits it, and two sentences for the record.  A solver that the caller names is taken,
after its needs are checked against the problem's traits.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses.registry import has
from steepest.problems.rowspan import RowSpanProblem
from steepest.protocols import FloatArray
from steepest.solvers.batch import Batch
from steepest.solvers.directions import LBFGS
from steepest.solvers.metric import Diagonal
from steepest.solvers.precondition import HessianSchedule, SoftmaxSchedule
from steepest.solvers.searches import StrongWolfe

HESSIAN_MOST = 3000  # features up to which a full metric is worth its (d, d) memory
CLASSES_MOST = 64  # classes up to which one metric a class is


@dataclass(slots=True)
class Plan:
    """A solver, the problem as it sees it, and why.

    ``start(w)`` turns flat weights and intercepts into the problem's own coordinates.
    """

    solver: Any
    problem: Any
    name: str
    why: str
    expected: str

    def start(self, w: FloatArray | None) -> FloatArray:
        """Where to begin: the given parameters, or zero."""
        if w is None:
            return self.problem.start()  # type: ignore[no-any-return]
        return w.copy()


def diagonal_metric(problem: Any) -> Diagonal:
    """Column variances times the loss's curvature at the start, with the intercept's arrow."""
    first, second = problem.source.moments(problem.p)
    problem.passes += 0.5
    bound = problem.loss.smoothness
    scale = bound if 0.0 < bound < float("inf") else 1.0
    intercept = problem.layout.intercept
    return Diagonal(
        scale * second, scale * first if intercept else None, scale, problem.traits.l2, problem.layout.n_outputs
    )


def _lbfgs(problem: Any, warm: bool, memory: int = 10) -> Plan:
    n, d = problem.source.shape
    k, traits = problem.layout.n_outputs, problem.traits
    search = StrongWolfe()
    if k > 1 and problem.source.dtype == np.float32:
        problem.precise = False  # Batch goes over to float64 where rounding stops it; certificates are float64
    if d <= HESSIAN_MOST and (k == 1 or k <= CLASSES_MOST):
        schedule = HessianSchedule(problem) if k == 1 else SoftmaxSchedule(problem)
        why = (
            f"{d} features: a ({d}, {d}) Hessian is cheap, so L-BFGS runs in the metric of one"
            if k == 1
            else f"{d} features, {k} classes: L-BFGS in the metric of one Hessian block a class"
        )
        solver = Batch("lbfgs", LBFGS(None, memory), search, schedule)
        return Plan(solver, problem, "lbfgs", why, "10 to 40 passes to a relative gap of 1e-6")
    placed = not problem.layout.intercept or k > 1 or has(problem.loss, "curvature")
    if n <= d and traits.l2 > 0.0 and not warm and placed:
        why = f"{n} rows, {d} features: L-BFGS on the span of the rows, whose vectors are {d / n:.0f} times shorter"
        solver = Batch("lbfgs", LBFGS(None, memory), search)
        return Plan(solver, RowSpanProblem(problem), "lbfgs", why, "10 to 60 passes to a relative gap of 1e-6")
    why = f"{d} features: too many for a full metric, so L-BFGS runs in that of the column variances"
    solver = Batch("lbfgs", LBFGS(diagonal_metric(problem), memory), search)
    return Plan(solver, problem, "lbfgs", why, "20 to 200 passes to a relative gap of 1e-6")


SOLVERS: dict[str, Callable[..., Plan]] = {"lbfgs": _lbfgs}


def choose(problem: Any, solver: str = "auto", *, warm: bool = False, options: dict[str, Any] | None = None) -> Plan:
    """A plan for a problem.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
    solver : str
        "auto" or a name from `SOLVERS`.
    warm : bool
        Whether a start other than zero will be given.
    options : dict, optional
        Options of the named solver.

    Raises
    ------
    InvalidParameterError
        An unknown name; the nearest known one is offered.
    IncompatibleError
        The solver needs a trait that the problem lacks; names it, and the solvers that would do.
    """
    if solver == "auto":
        return _automatic(problem, warm)
    if solver not in SOLVERS:
        near = difflib.get_close_matches(solver, SOLVERS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"solver: expected 'auto' or one of {sorted(SOLVERS)}, got '{solver}'.{hint}")
    plan = SOLVERS[solver](problem, warm, **(options or {}))
    lacking = plan.solver.missing(problem.traits)
    if lacking is not None:
        raise IncompatibleError(
            f"solver='{solver}' needs {lacking}; the loss '{problem.loss.name}' with this penalty does not give it. "
            "Use solver='auto'."
        )
    return plan


def _automatic(problem: Any, warm: bool) -> Plan:
    return _lbfgs(problem, warm)
