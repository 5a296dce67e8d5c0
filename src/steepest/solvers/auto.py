"""Which solver, and why.

`choose` looks at shape, density, traits and memory, and returns a plan: the solver, the problem in the
parametrisation that suits it, and two sentences for the record.  A solver that the caller names is taken,
after its needs are checked against the problem's traits.  Solver modules are imported when they are chosen:
a fit loads what it uses.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses.registry import has
from steepest.protocols import FloatArray
from steepest.solvers.needs import require

HESSIAN_MOST = 3000  # features up to which a full metric is worth its (d, d) memory
DUAL_MOST = 10.0  # mean of n p |x|^2 / (n l2), the weight of a row in its own optimum: dual epochs grow with it
CLASSES_MOST = 64  # classes up to which one metric a class is
NEWTON_MOST = 150  # parameters, and multiply-adds of a Hessian, up to which Newton's method is the quickest
NEWTON_WORK = 1e6
FACTOR_WORTH = 100.0  # d^3 over the numbers in X: factors cost no more than passes
DENSE_WIDTH = 200  # columns of dense rows, and mean length of sparse ones, up to which their squares cost some passes
ROW_LENGTH = 50
SINGLE_BYTES = 16 << 20  # float32 rows from this size on are multiplied in float32 at first
DIRECT_MOST = 5000  # order of the largest matrix that the closed form factors


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
        return self.problem.project(w.copy()) if self.problem.traits.constrained else w.copy()


def diagonal_metric(problem: Any) -> Any:
    """Column variances times the loss's curvature at the start, with the intercept's arrow."""
    from steepest.solvers.metric import Diagonal

    first, second = problem.source.moments(problem.p)
    problem.passes += 0.5
    bound = problem.loss.smoothness
    scale = bound if 0.0 < bound < float("inf") else 1.0
    intercept = problem.layout.intercept
    return Diagonal(
        scale * second, scale * first if intercept else None, scale, problem.traits.l2, problem.layout.n_outputs
    )


# ---------------------------------------------------------------------------------- one factory a family


def _made(kind: Any, name: str, options: dict[str, Any]) -> Any:
    """An instance, or an error that lists the options there are."""
    if not options:
        return kind()
    known = list(inspect.signature(kind).parameters)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InvalidParameterError(
            f"solver_options: '{name}' takes {known or 'none'}, got {unknown[0]!r}. Leave it out."
        )
    return kind(**options)


def _lbfgs(problem: Any, warm: bool, memory: int = 10, **others: Any) -> Plan:
    if others:  # a search or a metric of the caller's: the textbook method
        return _classic("lbfgs")(problem, warm, memory=memory, **others)
    from steepest.solvers.batch import Batch
    from steepest.solvers.directions import LBFGS
    from steepest.solvers.searches import StrongWolfe

    n, d = problem.source.shape
    k, traits = problem.layout.n_outputs, problem.traits
    search = StrongWolfe()
    if problem.source.dtype == np.float32 and (k > 1 or problem.source.nbytes > SINGLE_BYTES):
        problem.precise = False  # Batch goes over to float64 where rounding stops it; certificates are float64
    if d <= HESSIAN_MOST and k <= CLASSES_MOST:
        from steepest.solvers.precondition import HessianSchedule, SoftmaxSchedule
        from steepest.solvers.rough import rough_start, sample_size

        schedule: Any = HessianSchedule(problem) if k == 1 else SoftmaxSchedule(problem)
        prologue = rough_start if not warm and sample_size(problem) else None
        metric = None
        if k > 1:
            why = f"{d} features, {k} classes: L-BFGS in the metric of one Hessian block a class"
        elif schedule.wait and prologue is None:
            metric = diagonal_metric(problem)
            why = (
                f"{n} rows, {d} features: L-BFGS in the metric of the column variances, and in that of a Hessian from "
                f"round {schedule.wait} on, when its cost has been spent on rounds"
            )
        else:
            why = f"{d} features: a ({d}, {d}) Hessian is cheap, so L-BFGS runs in the metric of one"
        solver = Batch("lbfgs", LBFGS(metric, memory), search, schedule, prologue)
        return Plan(solver, problem, "lbfgs", why, "10 to 40 passes to a relative gap of 1e-6")
    placed = not problem.layout.intercept or k > 1 or has(problem.loss, "curvature")
    if n <= d and traits.l2 > 0.0 and traits.l1 == 0.0 and not warm and placed:
        from steepest.problems.rowspan import RowSpanProblem

        why = f"{n} rows, {d} features: L-BFGS on the span of the rows, whose vectors are {d / n:.0f} times shorter"
        solver = Batch("lbfgs", LBFGS(None, memory), search)
        return Plan(solver, RowSpanProblem(problem), "lbfgs", why, "10 to 60 passes to a relative gap of 1e-6")
    why = f"{d} features: too many for a full metric, so L-BFGS runs in that of the column variances"
    solver = Batch("lbfgs", LBFGS(diagonal_metric(problem), memory), search)
    return Plan(solver, problem, "lbfgs", why, "20 to 200 passes to a relative gap of 1e-6")


def _classic(name: str) -> Callable[..., Plan]:
    def make(problem: Any, warm: bool, **options: Any) -> Plan:
        from steepest.solvers.catalogue import EXPECTED
        from steepest.solvers.catalogue import make as make_classic

        solver = make_classic(name, problem, **options)
        return Plan(solver, problem, name, "asked for by name", EXPECTED[name])

    return make


def _closed_form(problem: Any, warm: bool, **options: Any) -> Plan:
    plan = _classic("closed_form")(problem, warm, **options)
    n, d = problem.source.shape
    plan.why = f"squared loss, {n} rows, {d} features: a matrix of order {min(n, d)} solves it directly"
    return plan


def _coordinate(problem: Any, warm: bool, **options: Any) -> Plan:
    from steepest.solvers.coordinate import CoordinateDescent

    why = "an l1 penalty: coordinate descent on the few features that matter, the others screened by the gap"
    if problem.traits.constrained:
        why = f"weights held in {problem.constraint!r}: coordinate descent on those that are not at a limit"
    return Plan(
        _made(CoordinateDescent, "coordinate", options),
        problem,
        "coordinate",
        why,
        "3 to 20 passes to a relative gap of 1e-6",
    )


def _proximal(name: str) -> Callable[..., Plan]:
    def make(problem: Any, warm: bool, **options: Any) -> Plan:
        from steepest.solvers import proximal

        kinds = {kind.name: kind for kind in (proximal.FISTA, proximal.ProximalGradient, proximal.ProjectedGradient)}
        solver = _made(kinds[name], name, options)
        why = "an l1 penalty on a score vector a row: accelerated proximal gradient in a diagonal metric"
        if problem.traits.constrained:
            why = f"weights held in {problem.constraint!r}: projected steps with momentum in a diagonal metric"
        return Plan(solver, problem, name, why, "50 to 2000 passes")

    return make


def _augmented(problem: Any, warm: bool, **options: Any) -> Plan:
    from steepest.solvers.augmented import AugmentedLagrangian

    why = f"the loss '{problem.loss.name}' has kinks: augmented Lagrangian, whose multipliers prove the gap"
    expected = "5 to 30 multiplier steps, each of a few Newton steps"
    return Plan(
        _made(AugmentedLagrangian, "augmented_lagrangian", options), problem, "augmented_lagrangian", why, expected
    )


def _wide_rows(problem: Any) -> bool:
    """Sparse rows in more dimensions than there are rows, a squared penalty and no intercept."""
    n, d = problem.source.shape
    traits = problem.traits
    plain = traits.l2 > 0.0 and traits.l1 == 0.0 and not problem.layout.intercept
    return bool(problem.source.kind == "csr" and d > HESSIAN_MOST and n <= d and plain)


def _suits_dual(problem: Any) -> bool:
    """Wide sparse rows, no intercept, and steps that are long beside what other rows have built: few epochs do."""
    traits, source = problem.traits, problem.source
    n, d = source.shape
    fits = (
        source.kind == "csr"
        and d > HESSIAN_MOST
        and n <= d
        and traits.l2 > 0.0
        and traits.l1 == 0.0
        and traits.convex
        and traits.has_conjugate
        and not problem.layout.intercept
        and (
            (traits.n_outputs == 1 and (traits.has_prox or has(problem.loss, "curvature")))
            or (problem.loss.name == "softmax" and problem.y.ndim == 1)
        )
    )
    return fits and float(problem.p @ source.square_norms()) <= DUAL_MOST * n * traits.l2


def _dual(problem: Any, warm: bool, **options: Any) -> Plan:
    from steepest.solvers.dual_coordinate import DualCoordinateAscent, check

    check(problem)
    n, d = problem.source.shape
    why = f"{n} rows, {d} features, no intercept: dual coordinate ascent, an optimum a row at a time"
    solver = _made(DualCoordinateAscent, "dual_coordinate", options)
    return Plan(solver, problem, "dual_coordinate", why, "5 to 15 epochs to a relative gap of 1e-6")


def _margin(problem: Any, warm: bool, **options: Any) -> Plan:
    from steepest.solvers.margin_dual import LOSSES, MarginDual

    if problem.loss.name not in LOSSES:
        raise IncompatibleError(
            f"solver: 'margin_dual' needs the hinge or the squared hinge, got the loss '{problem.loss.name}'. "
            "Use solver='auto'."
        )
    n, d = problem.source.shape
    why = f"the loss '{problem.loss.name}', {n} rows, {d} features: dual coordinate descent finds the rows that matter"
    last = "an augmented Lagrangian" if problem.loss.name == "hinge" else "Newton steps between the limits"
    why += f", and {last} their multipliers"
    expected = "5 to 100 passes to a relative gap of 1e-6"
    return Plan(_made(MarginDual, "margin_dual", options), problem, "margin_dual", why, expected)


def _multiclass_dual(problem: Any, warm: bool, **options: Any) -> Plan:
    from steepest.solvers.multiclass_dual import LOSSES, MulticlassDual

    if problem.loss.name not in LOSSES:
        raise IncompatibleError(
            f"solver: 'multiclass_dual' needs one of the losses {list(LOSSES)}, got '{problem.loss.name}'. "
            "Use solver='auto'."
        )
    k = problem.layout.n_outputs
    why = f"the loss '{problem.loss.name}', {k} classes: dual coordinate descent, the {k} numbers of a row at a time"
    solver = _made(MulticlassDual, "multiclass_dual", options)
    return Plan(solver, problem, "multiclass_dual", why, "10 to 30 passes to a relative gap of 1e-3")


def _margin_newton(problem: Any, warm: bool, **options: Any) -> Plan:
    from steepest.solvers.margin_newton import MarginNewton

    if problem.loss.name != "squared_hinge":
        raise IncompatibleError(
            f"solver: 'margin_newton' needs the squared hinge, got the loss '{problem.loss.name}'. Use solver='auto'."
        )
    n, d = problem.source.shape
    why = f"the loss 'squared_hinge', {n} rows, {d} features: Newton steps with the matrix of rows inside the margin"
    expected = "8 to 25 passes to a relative gap of 1e-6, and hardly more to any smaller one"
    return Plan(_made(MarginNewton, "margin_newton", options), problem, "margin_newton", why, expected)


SOLVERS: dict[str, Callable[..., Plan]] = {
    "lbfgs": _lbfgs,
    "closed_form": _closed_form,
    "coordinate": _coordinate,
    "fista": _proximal("fista"),
    "proximal_gradient": _proximal("proximal_gradient"),
    "projected_gradient": _proximal("projected_gradient"),
    "augmented_lagrangian": _augmented,
    "dual_coordinate": _dual,
    "margin_dual": _margin,
    "margin_newton": _margin_newton,
    "multiclass_dual": _multiclass_dual,
    "gradient_descent": _classic("gradient_descent"),
    "bfgs": _classic("bfgs"),
    "newton-cholesky": _classic("newton-cholesky"),
    "newton-cg": _classic("newton-cg"),
    "sgd": _classic("sgd"),
    "momentum": _classic("momentum"),
    "nesterov": _classic("nesterov"),
    "adagrad": _classic("adagrad"),
    "rmsprop": _classic("rmsprop"),
    "adam": _classic("adam"),
    "adamw": _classic("adamw"),
    "ftrl": _classic("ftrl"),
    "hogwild": _classic("hogwild"),
    "parallel_sgd": _classic("parallel_sgd"),
    "subgradient": _classic("subgradient"),
    "svrg": _classic("svrg"),
    "saga": _classic("saga"),
}


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
        The solver needs a trait that the problem lacks; names it, and the solver that would do.
    """
    if solver == "auto":
        if options:
            raise InvalidParameterError(
                f"solver_options: 'auto' takes none, got {sorted(options)}. Name the solver they are meant for."
            )
        return _automatic(problem, warm)
    if solver not in SOLVERS:
        near = difflib.get_close_matches(str(solver), SOLVERS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"solver: expected 'auto' or one of {sorted(SOLVERS)}, got {solver!r}.{hint}")
    plan = SOLVERS[solver](problem, warm, **(options or {}))
    require(solver, plan.solver, problem)
    if plan.why != "asked for by name":
        plan.why = f"asked for by name ({plan.why})"
    return plan


def _is_small(problem: Any) -> bool:
    """Whether a full Hessian and its factor cost less than the rounds of Python that they save."""
    size = problem.size
    return (
        size <= NEWTON_MOST
        and problem.source.nnz * problem.source.shape[1] * problem.layout.n_outputs**2 <= NEWTON_WORK
        and problem.traits.convex
        and problem.traits.has_curvature
        and hasattr(problem, "hessian")
    )


def _small_newton(problem: Any) -> Plan:
    from steepest.solvers.batch import Batch
    from steepest.solvers.newton import NewtonCholesky
    from steepest.solvers.searches import StrongWolfe

    solver = Batch("newton-cholesky", NewtonCholesky(), StrongWolfe())
    why = f"{problem.size} parameters: Newton steps with the full Hessian cost less than the rounds that they save"
    return Plan(solver, problem, "newton-cholesky", why, "4 to 10 rounds, the last of which squares the error")


def _suits_margin_newton(problem: Any) -> bool:
    """The squared hinge, where the matrix of rows inside the margin and its factor cost no more than some passes."""
    traits, source = problem.traits, problem.source
    n, d = source.shape
    plain = traits.n_outputs == 1 and traits.l2 > 0.0 and traits.l1 == 0.0 and not traits.constrained
    if not plain or problem.loss.name != "squared_hinge" or d > HESSIAN_MOST or d**3 > FACTOR_WORTH * source.nnz:
        return False
    return bool(d <= DENSE_WIDTH if source.kind == "dense" else source.kind == "csr" and source.nnz <= ROW_LENGTH * n)


def _automatic(problem: Any, warm: bool) -> Plan:
    if _suits_margin_newton(problem):
        return _margin_newton(problem, warm)
    traits = problem.traits
    if traits.n_outputs == 1 and traits.smooth and not traits.quadratic and problem.source.shape[1] <= HESSIAN_MOST:
        from steepest.problems.merged import merged

        fewer = merged(problem)
        if fewer is not None:
            plan = _chosen(fewer, warm)
            rows, kept = problem.source.shape[0], fewer.source.shape[0]
            plan.why += f"; {rows - kept} of {rows} rows are equal to others with the same target and merged with them"
            return plan
    return _chosen(problem, warm)


def _constrained(problem: Any, warm: bool) -> Plan:
    traits = problem.traits
    if not traits.smooth:
        plan = SOLVERS["subgradient"](problem, warm)
        plan.why = f"the loss '{problem.loss.name}' has kinks and weights are held in {problem.constraint!r}"
        return plan
    newton = traits.convex and (problem.loss.name == "softmax" or has(problem.loss, "curvature"))
    return _coordinate(problem, warm) if newton and problem.constraint.separable else SOLVERS["fista"](problem, warm)


def _kinked_scores(problem: Any, warm: bool) -> Plan:
    """Several scores a row and a loss with kinks."""
    traits = problem.traits
    if problem.loss.name in ("crammer_singer", "weston_watkins") and traits.l2 > 0.0 and traits.l1 == 0.0:
        return _multiclass_dual(problem, warm)
    plan = SOLVERS["adagrad" if traits.l2 > 0.0 else "subgradient"](problem, warm)
    plan.why = (
        f"the loss '{problem.loss.name}' has several scores and kinks, and only a squared penalty opens its dual: "
        f"{'stochastic steps' if traits.l2 > 0.0 else 'subgradients'}, whose means over time prove what they can"
    )
    return plan


def _chosen(problem: Any, warm: bool) -> Plan:
    traits = problem.traits
    if traits.constrained:
        return _constrained(problem, warm)
    if traits.n_outputs > 1 and not traits.smooth:
        return _kinked_scores(problem, warm)
    if not warm and problem.loss.name == "squared_hinge" and _wide_rows(problem):
        return _margin(problem, warm)
    if not warm and problem.loss.name == "hinge" and traits.l2 > 0.0 and traits.l1 == 0.0:
        return _margin(problem, warm)
    if not warm and _suits_dual(problem):
        return _dual(problem, warm)
    if not traits.smooth and has(problem.loss, "prox") and traits.has_conjugate:
        return _augmented(problem, warm)
    if traits.l1 > 0.0:
        newton = traits.convex and (problem.loss.name == "softmax" or has(problem.loss, "curvature"))
        return _coordinate(problem, warm) if newton else SOLVERS["fista"](problem, warm)
    if traits.quadratic and (min(problem.source.shape) <= DIRECT_MOST):
        return _closed_form(problem, warm)
    if traits.smooth and _is_small(problem):
        return _small_newton(problem)
    return _lbfgs(problem, warm)
