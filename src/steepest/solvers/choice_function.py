"""The solver of a function: by name, by rule, or by what the function offers."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.problems.function import FunctionProblem
from steepest.problems.least_squares import LeastSquaresProblem
from steepest.rules.registry import RULES
from steepest.solvers.catalogue import make
from steepest.solvers.projected import ProjectedGradient
from steepest.solvers.projected_face import FaceDescent, FaceLBFGS, FaceNewton
from steepest.solvers.rule_descent import RuleDescent
from steepest.solvers.subgradient import SubgradientDescent
from steepest.solvers.trust import GaussNewtonModel, NewtonModel, TrustRegion

METHODS = (
    "auto", "newton", "levenberg-marquardt", "bfgs", "lbfgs", "newton-cg", "newton-cholesky", "gradient_descent",
)  # fmt: skip
PROJECTED = ("projected_newton", "projected_lbfgs", "projected_gradient")
RULE_METHODS = ("sgd", "momentum", "nesterov", "adagrad", "adagrad_full", "rmsprop", "adam", "adamw", "ftrl")
NEWTON_LARGEST = 50  # variables up to which "auto" takes Newton's method with a Hessian by differences
PROJECTED_NEWTON_LARGEST = 1000  # ... with a Hessian that is given, under a constraint
BFGS_LARGEST = 500


def projected_newton() -> FaceDescent:
    """Newton's method on the face."""
    return FaceDescent("projected_newton", FaceNewton())


def projected_lbfgs(*, memory: int = 10) -> FaceDescent:
    """L-BFGS on the face."""
    return FaceDescent("projected_lbfgs", FaceLBFGS(memory))


def projected_gradient(*, memory: int = 10) -> ProjectedGradient:
    """Spectral projected gradient."""
    return ProjectedGradient(memory)


_OWN: dict[str, Callable[..., Any]] = {
    "projected_newton": projected_newton,
    "projected_lbfgs": projected_lbfgs,
    "projected_gradient": projected_gradient,
    "subgradient": SubgradientDescent,
}

EVERY_METHOD = (*METHODS, *_OWN, *RULE_METHODS)


def function_solver(method: Any, problem: FunctionProblem, options: dict[str, Any]) -> Any:
    """The solver for ``method``.

    Parameters
    ----------
    method : str, rule or Solver
    problem : FunctionProblem
    options : dict
        Of the solver; none with a solver object.
    """
    solver = _made(method, problem, options)
    if not getattr(solver, "constraints", False):
        _needs_freedom(solver.name, problem)
    lacking = solver.missing(problem.traits)
    if lacking is not None:
        raise IncompatibleError(f"method: '{solver.name}' needs {lacking}. Use method='auto'.")
    return solver


def _made(method: Any, problem: FunctionProblem, options: dict[str, Any]) -> Any:
    if not isinstance(options, dict):
        raise InvalidParameterError(f"options: expected a dict of options of the method, got {type(options).__name__}.")
    if hasattr(method, "advance") and hasattr(method, "start"):
        if options:
            raise InvalidParameterError(
                f"options: a solver object has its own, got {sorted(options)}. Give them to {method.name} itself."
            )
        return method
    if type(method) in RULES.values() or (isinstance(method, type) and method in RULES.values()):
        return _checked("rule", RuleDescent, options, method)
    if method == "auto":
        method = _chosen(problem)
    known = list(EVERY_METHOD)
    if not isinstance(method, str) or method not in known:
        near = difflib.get_close_matches(str(method), known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"method: expected one of {known}, a rule or a solver, got {method!r}.{hint}")
    if method in RULE_METHODS:
        return _checked(method, RuleDescent, options, method)
    if method in _OWN:
        return _checked(method, _OWN[method], options)
    _needs_freedom(method, problem)
    if method == "levenberg-marquardt":
        if not isinstance(problem, LeastSquaresProblem):
            raise IncompatibleError(
                "method: 'levenberg-marquardt' needs the residuals of a sum of squares. Give fun as "
                "steepest.LeastSquares(residuals, jacobian), or use method='newton'."
            )
        return _checked(method, TrustRegion, options, method, GaussNewtonModel())
    if method == "newton":
        return _checked(method, TrustRegion, options, method, NewtonModel())
    if options.get("line_search") == "1/L":
        raise IncompatibleError(
            "options: line_search='1/L' needs a Lipschitz constant, which a function does not tell. "
            "Use 'armijo', or 'fixed' with a step."
        )
    return make(method, problem, **options)


def _needs_freedom(name: str, problem: FunctionProblem) -> None:
    if problem.constraint is not None:
        raise IncompatibleError(
            f"method: '{name}' does not keep to bounds or a constraint; {list(PROJECTED)} and the update rules do. "
            "Use method='auto'."
        )


def _chosen(problem: FunctionProblem) -> str:
    given = problem.hess is not None
    exact = given or not problem.differenced
    if problem.constraint is not None:
        largest = PROJECTED_NEWTON_LARGEST if given else NEWTON_LARGEST
        return "projected_newton" if exact and problem.size <= largest else "projected_lbfgs"
    if isinstance(problem, LeastSquaresProblem):
        return "levenberg-marquardt"
    if given or (exact and problem.size <= NEWTON_LARGEST):
        return "newton"
    return "bfgs" if problem.size <= BFGS_LARGEST else "lbfgs"


def _checked(name: str, factory: Callable[..., Any], options: dict[str, Any], *first: Any) -> Any:
    known = list(inspect.signature(factory).parameters)[len(first) :]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InvalidParameterError(
            f"options: method='{name}' takes {known or 'none'}, got {unknown[0]!r}. Leave it out."
        )
    return factory(*first, **options)


def moves_alone(solver: Any) -> bool:
    """Whether nothing should steer a solver but itself: update rules and subgradients."""
    return isinstance(solver, RuleDescent | SubgradientDescent)
