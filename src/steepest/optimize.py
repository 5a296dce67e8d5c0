"""`minimize`: any Python function, by the same solvers, driven by the same loop, as every fit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np

from steepest.certify.function import GOOD, certify_function
from steepest.exceptions import GradientWarning, InvalidParameterError
from steepest.penalties.constraints import Box, get_constraint
from steepest.problems.function import FunctionProblem, gradient_error
from steepest.problems.least_squares import LeastSquares, LeastSquaresProblem
from steepest.protocols import Certificate, FloatArray, Status
from steepest.record.history import History
from steepest.record.observers import RoundCallback, watching
from steepest.solvers.choice_function import METHODS as METHODS
from steepest.solvers.choice_function import function_solver, moves_alone
from steepest.solvers.loop import Limits, Outcome, run
from steepest.solvers.settling import Settling

PATH_LARGEST = 1000  # variables up to which the path is kept


@dataclass(slots=True)
class Minimum:
    """What `minimize` found, under the names of scipy.optimize.

    Attributes
    ----------
    x : array of shape (d,)
        The best point seen.
    fun : float
    jac : array of shape (d,)
        The gradient at x.
    success : bool
        Whether x is stationary within tol and no direction is known that leads down: a minimum to second order, or
        a point with flat directions, as the message says.
    status : Status
        "approximate" for a minimum to second order (nothing is proven about others), else how the run ended.
    message : str
        The verdict in words.
    nit, nfev, njev, nhev : int
        Rounds, and calls of fun, grad, and hess or hessp.
    certificate : Certificate
        ``evidence`` holds the verdict, the smallest curvature, the decrease that is left to second order, and at a
        saddle a direction that leads down.  Under a constraint also the coordinates that are ``held``, their
        ``multipliers`` (positive where they press), that of the boundary of a simplex or ball, and as
        ``gradient_norm`` that of the projected gradient ``P(x - grad) - x``.
    history : History
    path : array of shape (rounds, d), or None
        The points of the rounds; None beyond `PATH_LARGEST` variables.
    method : str
    notes : list of str
    """

    x: FloatArray
    fun: float
    jac: FloatArray
    success: bool
    status: Status
    message: str
    nit: int
    nfev: int
    njev: int
    nhev: int
    certificate: Certificate
    history: History = field(repr=False)
    path: FloatArray | None = field(repr=False)
    method: str
    notes: list[str] = field(repr=False)


def minimize(
    fun: Any,
    x0: Any = None,
    *,
    args: Any = (),
    grad: Any = None,
    hess: Callable[..., Any] | None = None,
    hessp: Callable[..., Any] | None = None,
    method: Any = "auto",
    options: dict[str, Any] | None = None,
    tol: float = 1e-14,
    max_iter: int | None = 10_000,
    max_time: float | None = None,
    callback: Any = None,
    check_gradient: bool = True,
    bounds: Any = None,
    constraint: Any = None,
) -> Minimum:
    """A local minimum of a function of several variables.

    Parameters
    ----------
    fun : callable, LeastSquares or steepest.networks.Graph
        ``fun(x) -> float``, or ``(float, gradient)``.  Where it is not finite, or raises an ArithmeticError, the
        point counts as outside the domain, and the search steps back.  A graph brings its start and its derivatives
        (as does any callable with ``start``, ``grad`` and ``hessp``), and is left at the point that is returned.
    x0 : array-like of shape (d,), or a number; optional for a graph
        The start; its sizes are taken as typical of the variables.  A start outside a constraint is projected.
    args : tuple
        Further arguments of fun, grad and hess (after x), and of hessp (after x and v).
    grad : callable, optional
        Its gradient; without it, central differences.
    hess, hessp : callable, optional
        ``hess(x)`` and ``hessp(x, v)``; without them, differences of gradients.
    method : str, rule or Solver
        - "newton" (a trust region, needs few rounds and d gradients each), "levenberg-marquardt" (for
          `LeastSquares`), "bfgs", "lbfgs", "newton-cg", "newton-cholesky", "gradient_descent";
        - "projected_newton", "projected_lbfgs" (curvature along the face of the constraint), "projected_gradient"
          (spectral steps), with or without a constraint;
        - an update rule, "sgd" (the plain gradient step), "momentum", "nesterov", "adagrad", "adagrad_full",
          "rmsprop", "adam", "adamw", "ftrl" or a value such as ``Adam(beta1=0.8)``, with full gradients.  Nothing
          but the rule moves x then, not even off a saddle;
        - "subgradient", for functions with kinks; or a solver object.

        "auto" takes Levenberg-Marquardt for sums of squares, Newton for a given Hessian or up to 50 variables with a
        gradient, BFGS up to 500 variables, else L-BFGS; under a constraint "projected_newton" where there would be
        Newton, else "projected_lbfgs".
    options : dict, optional
        Of the method, such as ``{"line_search": "exact"}``, or of a rule ``{"learning_rate": 0.1}``: a number, a
        schedule, its name, or "auto".
    tol : float
        The share of the decrease made since x0 that may be left, to second order, for x to count as a minimum.
        Never asks for more than float64 resolves; 0 asks for just that.
    max_iter, max_time : int, float or None
        Rounds and seconds at most; looked at between rounds.
    callback : callable or Observer, optional
        ``callback(row, x)`` after each round, with the row of the history; a true result ends the run.
    check_gradient : bool
        Whether a given gradient is compared with differences at the start: 4 values.  A `GradientWarning` names the
        worst variable.
    bounds : sequence of (low, high), or scipy.optimize.Bounds, optional
        A pair for each variable; None or an infinity stands for no limit.  fun is asked only within them, also for
        differences.
    constraint : str or constraint, optional
        A value of `steepest.penalties`: Box, NonNegative, L2Ball, L1Ball, Simplex; or a name, such as "simplex".
        Differences for a gradient that is not given step out of a ball.

    Returns
    -------
    Minimum

    Examples
    --------
    >>> import steepest
    >>> found = steepest.minimize(lambda x: (x[0] - 1) ** 2 + 10 * (x[1] + 2) ** 2, [0, 0])
    >>> found.success, found.x.round(6).tolist()
    (True, [1.0, -2.0])
    >>> found.certificate.evidence["verdict"]
    'minimum to second order'
    >>> held = steepest.minimize(lambda x: (x[0] - 1) ** 2 + 10 * (x[1] + 2) ** 2, [0, 0], bounds=[(None, 0.5), (0, 1)])
    >>> held.success, held.x.tolist(), held.certificate.evidence["multipliers"].round(6).tolist()
    (True, [0.5, 0.0], [1.0, 40.0])
    """
    _check_limits(tol, max_iter, max_time)
    if not (callback is None or callable(callback) or hasattr(callback, "round")):
        raise InvalidParameterError(
            f"callback: expected a function of (row, x) or an Observer, got {type(callback).__name__}. Leave it out."
        )
    if all(hasattr(fun, name) for name in ("start", "grad", "hessp")):
        x0 = fun.start if x0 is None else x0
        grad, hessp = grad or fun.grad, hessp or fun.hessp
    elif x0 is None:
        raise InvalidParameterError("x0: expected the point to begin at, got none. Give a vector, such as [0.0, 0.0].")
    held = _constraint(bounds, constraint)
    problem = _problem(fun, x0, args, grad, hess, hessp, held)
    inner = function_solver(method, problem, options or {})
    solver = Settling(inner, tol, steer=not moves_alone(inner))
    if inner.name == "subgradient":
        problem.traits = problem.traits._replace(smooth=False)
    first = problem.evaluate(problem.x0)
    if not math.isfinite(first.value):
        raise InvalidParameterError("grad: the gradient is not finite at x0. Begin inside its domain.")
    if check_gradient:
        wrong = gradient_error(problem, first)
        if wrong is not None:
            warnings.warn(
                f"grad: element {wrong[0]} is {wrong[1]:.6g} at x0, but differences of fun give {wrong[2]:.6g}. "
                "Correct the gradient, or leave it out.",
                GradientWarning,
                stacklevel=2,
            )
    points: list[FloatArray] = []
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))  # loop and certificate judge the numbers themselves
        observers = [*stack.enter_context(watching())]
        if callback is not None:
            observers.append(callback if hasattr(callback, "round") else RoundCallback(callback))
        if problem.size <= PATH_LARGEST:
            observers.append(RoundCallback(lambda row, w: points.append(np.array(w))))
        outcome = run(
            solver,
            problem,
            problem.start(),
            limits=Limits(tol, max_iter, max_time),
            certify=lambda w, status, reason, dual: certify_function(
                problem, w, tol=tol, started=first.value, status=status, reason=reason
            ),
            null_value=first.value,
            observers=observers,
            info={"function": getattr(fun, "__name__", type(fun).__name__), "method": solver.name},
        )
    final = problem.evaluate(outcome.w)
    certificate = outcome.certificate
    calls = problem.calls
    return Minimum(
        x=outcome.w,
        fun=final.value,
        jac=final.gradient,
        success=certificate.evidence.get("verdict") in GOOD,
        status=certificate.status,
        message=certificate.reason,
        nit=outcome.iterations,
        nfev=calls.values,
        njev=calls.gradients,
        nhev=calls.hessians,
        certificate=certificate,
        history=outcome.history,
        path=np.array(points) if points else None,
        method=solver.name,
        notes=_notes(problem, outcome, moves_alone(inner)),
    )


def _notes(problem: FunctionProblem, outcome: Outcome, alone: bool) -> list[str]:
    notes = ["x0 is outside the constraint: its projection is the start"] if problem.moved else []
    notes += outcome.notes
    certificate = outcome.certificate
    if certificate.status is Status.STALLED and certificate.evidence["verdict"] == "not stationary" and not alone:
        notes.append("no way down was found from a point that is not stationary: if kinks are why, try 'subgradient'")
    return notes


def _check_limits(tol: float, max_iter: int | None, max_time: float | None) -> None:
    if not (isinstance(tol, Real) and not isinstance(tol, bool) and 0.0 <= tol < 1.0):
        raise InvalidParameterError(f"tol: expected a number from 0 to below 1, got {tol!r}. Leave it out for 1e-14.")
    if max_iter is not None and not (
        isinstance(max_iter, Integral) and not isinstance(max_iter, bool) and max_iter >= 0
    ):
        raise InvalidParameterError(f"max_iter: expected an integer >= 0 or None, got {max_iter!r}. Try 1000.")
    if max_time is not None and not (isinstance(max_time, Real) and not isinstance(max_time, bool) and max_time > 0.0):
        raise InvalidParameterError(f"max_time: expected seconds > 0 or None, got {max_time!r}. Try 10.")


def _constraint(bounds: Any, constraint: Any) -> Any:
    """The set as one value, from either spelling."""
    if bounds is None:
        return get_constraint(constraint)
    if constraint is not None:
        raise InvalidParameterError("bounds: expected either bounds or a constraint, got both. Leave one out.")
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        low, high = ((side if np.size(side) != 1 else float(np.ravel(side)[0])) for side in (bounds.lb, bounds.ub))
    else:
        try:
            pairs = [(low, high) for low, high in bounds]
        except (TypeError, ValueError):
            raise InvalidParameterError(
                f"bounds: expected a (low, high) pair for each variable or scipy.optimize.Bounds, got {bounds!r}. "
                "None stands for no limit."
            ) from None
        low = [-math.inf if pair[0] is None else pair[0] for pair in pairs]
        high = [math.inf if pair[1] is None else pair[1] for pair in pairs]
    try:
        return Box(low, high)
    except InvalidParameterError as error:
        raise InvalidParameterError(f"bounds: {error}") from None


def _problem(fun: Any, x0: Any, args: Any, grad: Any, hess: Any, hessp: Any, held: Any) -> FunctionProblem:
    if isinstance(fun, LeastSquares):
        if grad is not None or hess is not None or hessp is not None:
            raise InvalidParameterError(
                "grad: a LeastSquares function makes its derivatives from its Jacobian. Give that, not grad or hess."
            )
        if args != ():
            raise InvalidParameterError("args: the residuals of LeastSquares take x alone. Bind them there.")
        return LeastSquaresProblem(fun, x0, held)
    if not callable(fun):
        raise InvalidParameterError(f"fun: expected a function of x, got {type(fun).__name__}.")
    if not (grad is None or isinstance(grad, bool) or callable(grad)):
        raise InvalidParameterError(f"grad: expected a function of x, True or None, got {type(grad).__name__}.")
    bound = [_with(f, args) for f in (fun, grad, hess, hessp)]
    return FunctionProblem(bound[0], x0, bound[1], bound[2], bound[3], held)


def _with(f: Any, args: Any) -> Any:
    """f with further arguments after its own; a single one need not be a tuple."""
    more = args if isinstance(args, tuple) else (args,)
    return f if not (more and callable(f)) else lambda *x: f(*x, *more)
