"""The classic batch methods and the stochastic ones by name, with their options.

    make("gradient_descent", problem, line_search="1/L")

Every entry states its options and defaults in its signature; an option that it does not know is an error that
lists them.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable
from typing import Any

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.problems.rowspan import RowSpanProblem
from steepest.solvers import newton
from steepest.solvers.batch import Batch
from steepest.solvers.closed_form import ClosedForm
from steepest.solvers.directions import BFGS, LBFGS
from steepest.solvers.gradient import OneOverL, SteepestDescent
from steepest.solvers.needs import require
from steepest.solvers.newton_cg import NewtonCG
from steepest.solvers.searches import Fixed, StrongWolfe
from steepest.solvers.searches_ray import Armijo, Exact, Remembered
from steepest.solvers.stochastic import StochasticGradient

LINE_SEARCHES = ("fixed", "1/L", "exact", "armijo", "wolfe")
BFGS_LARGEST = 4000  # parameters: 128 MB for the matrix


def line_search(name: str, step: float | None, remember: bool) -> tuple[Any, Any]:
    """The search of that name, and the schedule that it needs (or None).

    ``remember``: for directions without a natural length, start from the step taken last.
    """
    if name not in LINE_SEARCHES:
        near = difflib.get_close_matches(str(name), LINE_SEARCHES, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"line_search: expected one of {list(LINE_SEARCHES)}, got {name!r}.{hint}")
    if name == "fixed":
        if step is None or not 0.0 < step < math.inf:
            raise InvalidParameterError(
                f"step: line_search='fixed' expects a finite step > 0, got {step!r}. "
                "Use line_search='1/L' to have it found."
            )
        return Fixed(float(step)), None
    if step is not None:
        raise InvalidParameterError(f"step: only line_search='fixed' takes one, got {step!r} with '{name}'.")
    if name == "1/L":
        search = OneOverL()
        return search, search.schedule
    if name == "exact":
        return Exact(), None
    if name == "armijo":
        return (Remembered(Armijo(), 4.0) if remember else Armijo()), None
    # a step of steepest descent is worth a better search: c2 as for non-linear conjugate gradients
    return (Remembered(StrongWolfe(c2=0.1), 1.0) if remember else StrongWolfe()), None


def gradient_descent(
    problem: Any, *, line_search: str = "armijo", step: float | None = None, metric: Any = None
) -> Batch:
    """Steepest descent (E1, E2), ``w <- w - t M^-1 grad P(w)``.

    Parameters
    ----------
    problem : Problem
    line_search : {"fixed", "1/L", "exact", "armijo", "wolfe"}
    step : float, optional
        The step of "fixed".
    metric : optional
        With ``solve``; "diagonal" takes column variances.
    """
    search, schedule = _search(line_search, step, remember=True)
    if metric == "diagonal":
        metric = _diagonal(problem)
    if metric is not None and line_search == "1/L":
        raise InvalidParameterError("metric: line_search='1/L' is meant without a metric. Use line_search='armijo'.")
    if line_search == "1/L" and not math.isfinite(_base(problem).loss.smoothness):
        raise IncompatibleError(
            f"line_search: '1/L' needs a loss whose slope has a Lipschitz constant; "
            f"'{_base(problem).loss.name}' has none. Use line_search='armijo'."
        )
    return Batch("gradient_descent", SteepestDescent(metric), search, schedule)


def newton_cholesky(problem: Any, *, line_search: str = "wolfe", step: float | None = None) -> Batch:
    """Newton's method with the full Hessian (E11)."""
    _needs_plain(problem, "newton-cholesky")
    if problem.size > newton.LARGEST:
        raise IncompatibleError(
            f"solver: 'newton-cholesky' forms a matrix of {problem.size}^2 numbers; the most is {newton.LARGEST}^2. "
            "Use solver='newton-cg'."
        )
    if not hasattr(problem, "hessian"):
        raise IncompatibleError("solver: 'newton-cholesky' needs a problem with a Hessian. Use solver='lbfgs'.")
    search, schedule = _search(line_search, step, remember=False)
    return Batch("newton-cholesky", newton.NewtonCholesky(), search, schedule)


def newton_cg(
    problem: Any, *, line_search: str = "wolfe", step: float | None = None, metric: Any = None, max_products: int = 200
) -> Batch:
    """Newton's method by truncated conjugate gradients (E11); ``metric`` preconditions them."""
    _needs_plain(problem, "newton-cg")
    if metric == "diagonal":
        metric = _diagonal(problem)
    search, schedule = _search(line_search, step, remember=False)
    return Batch("newton-cg", NewtonCG(metric, max_products), search, schedule)


def bfgs(problem: Any, *, line_search: str = "wolfe", step: float | None = None) -> Batch:
    """BFGS with the full inverse matrix (E11)."""
    _needs_plain(problem, "bfgs")
    if problem.size > BFGS_LARGEST:
        raise IncompatibleError(
            f"solver: 'bfgs' keeps a matrix of {problem.size}^2 numbers; the most is {BFGS_LARGEST}^2. "
            "Use solver='lbfgs'."
        )
    search, schedule = _search(line_search, step, remember=False)
    return Batch("bfgs", BFGS(), search, schedule)


def lbfgs(
    problem: Any, *, line_search: str = "wolfe", step: float | None = None, memory: int = 10, metric: Any = None
) -> Batch:
    """Limited-memory BFGS, without a metric unless one is given."""
    if metric == "diagonal":
        metric = _diagonal(problem)
    search, schedule = _search(line_search, step, remember=False)
    return Batch("lbfgs", LBFGS(metric, memory), search, schedule)


def _stochastic(name: str) -> Callable[..., Any]:
    """The factory of a stochastic method: the parameters of the rule and those of the solver are its options."""
    from steepest.rules import RULES

    rule: Any = RULES[name]

    def factory(problem: Any, **options: Any) -> StochasticGradient:
        _needs_plain(problem, name)
        chosen = {field: options.pop(field) for field in rule._fields if field in options}
        given = options.pop("rule", None)
        if given is not None and (chosen or type(given) is not rule):
            raise InvalidParameterError(
                f"rule: expected a value of {rule.__name__} and no other parameters of it, got {given!r}. "
                f"Use solver='{getattr(given, 'name', name)}'."
            )
        return StochasticGradient(given or (rule(**chosen) if chosen else name), **options)

    own = [p for p in inspect.signature(StochasticGradient).parameters.values() if p.kind is p.KEYWORD_ONLY]
    fields = [inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY) for field in ("rule", *rule._fields)]
    problem = inspect.Parameter("problem", inspect.Parameter.POSITIONAL_ONLY)
    factory.__signature__ = inspect.Signature([problem, *fields, *own])  # type: ignore[attr-defined]
    factory.__name__ = factory.__qualname__ = name
    factory.__doc__ = f"Stochastic steps of the rule '{name}'; see `steepest.solvers.stochastic`."
    return factory


def closed_form(problem: Any) -> ClosedForm:
    """Least squares and ridge directly (C1)."""
    _needs_plain(problem, "closed_form")
    return ClosedForm()


def hogwild(problem: Any, *, learning_rate: Any = "auto", average: bool = True, seed: int = 0) -> Any:
    """Lock-free parallel stochastic steps on sparse rows (E9); see `steepest.solvers.hogwild`."""
    from steepest.solvers.hogwild import Hogwild

    _needs_plain(problem, "hogwild")
    solver = Hogwild(learning_rate, average, seed)
    solver.check(problem)
    return solver


def parallel_sgd(
    problem: Any,
    *,
    learning_rate: Any = "auto",
    shards: int = 4,
    averages: int | None = None,
    batch_size: int = 1,
    average: bool = True,
    seed: int = 0,
) -> Any:
    """Synchronous parallel stochastic steps, the same bits for any n_jobs (E9); see `steepest.solvers.parallel_sgd`."""
    from steepest.solvers.parallel_sgd import ParallelSGD

    _needs_plain(problem, "parallel_sgd")
    return ParallelSGD(learning_rate, shards, averages, batch_size, average, seed)


def subgradient(
    problem: Any,
    *,
    step: Any = "auto",
    eta0: float | None = None,
    reach: float | None = None,
    optimum: float | None = None,
    average: bool = False,
) -> Any:
    """Subgradient descent, for kinks and l1 penalties (E3); see `steepest.solvers.subgradient`."""
    from steepest.solvers.subgradient import SubgradientDescent

    _needs_plain(problem, "subgradient")
    return SubgradientDescent(step, eta0, reach, optimum, average)


def svrg(problem: Any, *, step: float | str = "auto", inner: float | str = "auto", seed: int = 0) -> Any:
    """Stochastic variance-reduced gradient (E8); see `steepest.solvers.svrg`."""
    from steepest.solvers.svrg import SVRG

    _needs_plain(problem, "svrg")
    return SVRG(step=step, inner=inner, seed=seed)


def saga(problem: Any, *, step: float | str = "auto", inner: float | str = "auto", seed: int = 0) -> Any:
    """SAGA (E8); see `steepest.solvers.saga`."""
    from steepest.solvers.saga import SAGA

    _needs_plain(problem, "saga")
    return SAGA(step=step, inner=inner, seed=seed)


CATALOGUE: dict[str, Callable[..., Any]] = {
    "gradient_descent": gradient_descent,
    "lbfgs": lbfgs,
    "bfgs": bfgs,
    "newton-cholesky": newton_cholesky,
    "newton-cg": newton_cg,
    "closed_form": closed_form,
}

STOCHASTIC: dict[str, Callable[..., Any]] = {
    name: _stochastic(name) for name in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "ftrl")
}

STOCHASTIC |= {"hogwild": hogwild, "parallel_sgd": parallel_sgd, "subgradient": subgradient, "svrg": svrg, "saga": saga}
CATALOGUE |= STOCHASTIC

EXPECTED: dict[str, str] = {
    "gradient_descent": "passes in proportion to the condition number: hundreds to millions",
    "lbfgs": "20 to 200 passes to a relative gap of 1e-6",
    "bfgs": "20 to 200 passes to a relative gap of 1e-6, fewer near the end",
    "newton-cholesky": "4 to 12 steps, each a Hessian and a pass",
    "newton-cg": "5 to 15 steps, each of 3 to 50 passes",
    "closed_form": "one factorisation and two or three passes",
    **dict.fromkeys(STOCHASTIC, "5 to 50 epochs to a relative gap of 1e-3, many more for a small one"),
    "parallel_sgd": "10 to 50 epochs to a relative gap of 1e-3, more than one thread alone would need, each quicker",
    "svrg": "5 to 50 rounds of two passes to a relative gap of 1e-6, on badly scaled columns up to hundreds",
    "saga": "10 to 100 epochs to a relative gap of 1e-6, on badly scaled columns up to hundreds",
    "subgradient": "100 to 10000 passes to a relative gap of 1e-3",
}


def make(name: str, problem: Any, **options: Any) -> Any:
    """The solver of that name for the problem.

    Raises
    ------
    InvalidParameterError
        Unknown name or option.
    IncompatibleError
        The problem lacks what the solver needs.

    Examples
    --------
    >>> make("newton", None)
    Traceback (most recent call last):
    ...
    steepest.exceptions.InvalidParameterError: solver: expected one of ['adagrad', 'adam', ...
    """
    if name not in CATALOGUE:
        near = difflib.get_close_matches(str(name), CATALOGUE, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"solver: expected one of {sorted(CATALOGUE)}, got {name!r}.{hint}")
    factory = CATALOGUE[name]
    if options:
        known = [p for p in inspect.signature(factory).parameters if p != "problem"]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise InvalidParameterError(
                f"solver options: '{name}' takes {known or 'none'}, got {unknown[0]!r}. Leave it out."
            )
    solver = factory(problem, **options)
    require(name, solver, problem)
    return solver


_search = line_search  # `line_search` is also the name of an option


def _base(problem: Any) -> Any:
    return getattr(problem, "base", problem)


def _needs_plain(problem: Any, name: str) -> None:
    if isinstance(problem, RowSpanProblem):
        raise IncompatibleError(f"solver: '{name}' works on the parameters themselves, not on the span of the rows.")


def _diagonal(problem: Any) -> Any:
    from steepest.solvers.auto import diagonal_metric

    return diagonal_metric(problem)
