"""What a race is run on: rows with targets, through an estimator, or a function, through `minimize`.

A track knows the solvers that there are (it asks the catalogue, so a new solver enters by itself), makes their code
warm, and runs one of them.  Which of them fit is not decided here: a solver that lacks something says so, by the same
error as in a fit.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from steepest.estimators import LinearClassifier, LinearRegressor
from steepest.exceptions import DataError, IncompatibleError, SteepestError
from steepest.jit import compile_clock
from steepest.losses.registry import VECTOR_LOSSES, get_loss
from steepest.optimize import minimize
from steepest.problems.function import starting_point
from steepest.problems.least_squares import LeastSquares
from steepest.protocols import AnyArray, Certificate, FloatArray
from steepest.racing.result import Run
from steepest.record.history import History
from steepest.record.observers import RoundCallback, observe
from steepest.solvers.auto import SOLVERS
from steepest.solvers.choice_function import EVERY_METHOD

CLASSES_MOST = 50  # different whole numbers up to which targets are taken for labels
WARM_ROUNDS = 2
WARM_MOST = 1 << 21  # numbers in X up to which code is warmed on all rows, so on the very path that is timed
WARM_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Entrant:
    """A solver with options: its name in the table, what is asked for, and its options."""

    name: str
    solver: Any
    options: dict[str, Any]


class Track(Protocol):
    """What `race` drives."""

    kind: str
    where: str
    objective: str
    known: float

    def names(self) -> list[str]: ...
    def warm(self, entrant: Entrant) -> float:
        """Compile what the entrant needs; the seconds of it."""
        ...

    def run(self, entrant: Entrant, show: Any) -> Run: ...


class _Clock:
    """An observer that notes how much had been compiled at each round, and hands the round on without it."""

    def __init__(self, clock: Any, show: Any) -> None:
        self.clock, self.show = clock, show
        self.compiled: list[float] = []

    def __call__(self, row: dict[str, float], w: FloatArray) -> bool:
        self.compiled.append(float(self.clock.seconds))
        self.show.round({**row, "seconds": row["seconds"] - self.compiled[-1]})
        return False

    def corrected(self, history: History) -> History:
        """The history as it would be with warm code."""
        found = History()
        for i, row in enumerate(history):
            compiled = self.compiled[min(i, len(self.compiled) - 1)] if self.compiled else 0.0
            found.append(**{**row, "seconds": max(row["seconds"] - compiled, 0.0)})
        return found


@contextlib.contextmanager
def _unseen() -> Iterator[contextvars.Context]:
    """A context without the caller's observers, and without warnings: for runs that only warm up code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield contextvars.Context()


# ------------------------------------------------------------------------------------------------- rows


def guess_loss(y: Any) -> str:
    """The loss for targets: "squared" for numbers, "logistic" for two labels, "softmax" for more.

    Labels are texts, booleans, and whole numbers of at most 50 different values.

    >>> guess_loss(["a", "b", "a"]), guess_loss([0, 1, 2, 1]), guess_loss([0.5, 1.0, 2.0])
    ('logistic', 'softmax', 'squared')
    """
    values = np.asarray(y)
    if values.dtype.kind in "fiu":
        if not np.isfinite(values).all():
            return "squared"  # the estimator says what is wrong with them
        different = np.unique(values)
        if len(different) > CLASSES_MOST or np.any(different != np.floor(different)):
            return "squared"
    else:
        different = np.unique(values.astype(str) if values.dtype.kind == "O" else values)
    return "logistic" if len(different) <= 2 else "softmax"


class DataTrack:
    """Solvers of linear models on X and y."""

    kind = "data"
    known = float("nan")

    def __init__(self, X: Any, y: Any, sample_weight: Any, loss: Any, parameters: dict[str, Any]) -> None:
        if np.ndim(y) != 1:
            raise DataError(
                f"y: a race is about one problem, so y has one dimension; got {np.ndim(y)}. Race each target alone."
            )
        self.X, self.y, self.sample_weight = X, y, sample_weight
        labels = guess_loss(y)
        loss = labels if isinstance(loss, str) and loss == "auto" else loss
        value = get_loss(loss)
        several = type(value) in VECTOR_LOSSES.values()
        numbers = np.asarray(y).dtype.kind in "fiu"
        classifies = several or type(value).targets in ("sign", "class") or not numbers
        if classifies and not several and labels == "softmax":
            raise IncompatibleError(
                f"loss: '{value.name}' with more than two classes is one problem a class, and a race is about one. "
                "Use loss='softmax', or y == label."
            )
        self.parameters = {"loss": loss, "on_unconverged": "ignore", **parameters}
        self.model = LinearClassifier if classifies else LinearRegressor
        self.objective = ""
        if len(np.shape(X)) != 2:
            raise DataError(
                f"X: expected rows of shape (n, d), or a function, got {type(X).__name__} of shape {np.shape(X)}. "
                "Give one column as X.reshape(-1, 1)."
            )
        n, d = np.shape(X)
        self.where = f"{n:,} rows x {d:,} features"

    def names(self) -> list[str]:
        """The choice of solvers, and every solver it knows."""
        return ["auto", *SOLVERS]

    def warm(self, entrant: Entrant) -> float:
        """A few rounds, on few rows where there are many."""
        rows = self._rows()
        weight = self.sample_weight if rows is None or self.sample_weight is None else _take(self.sample_weight, rows)
        X, y = (self.X, self.y) if rows is None else (_take(self.X, rows), _take(self.y, rows))
        model = self._model(entrant).set_params(max_iter=WARM_ROUNDS, max_time=1.0)
        with _unseen() as context, compile_clock() as clock:
            context.run(model.fit, X, y, weight)
        if _interrupted(model.certificate_):
            raise KeyboardInterrupt
        return float(clock.seconds)

    def run(self, entrant: Entrant, show: Any) -> Run:
        """A fit, with the clock stopped while code is compiled."""
        model = self._model(entrant)
        with compile_clock() as clock:
            watch = _Clock(clock, show)
            with observe(RoundCallback(watch)):
                model.fit(self.X, self.y, self.sample_weight)
        record = model.fit_record_
        self.objective = self.objective or record.objective
        compiled = float(record.seconds.get("compile", 0.0))
        seconds = max(float(record.seconds["total"]) - compiled, 0.0)
        return Run(
            name=entrant.name,
            solver=str(record.solver["name"]),
            options=entrant.options,
            success=bool(model.certificate_.passed),
            certificate=model.certificate_,
            seconds=seconds,
            compile_seconds=compiled,
            passes=float(record.passes),
            iterations=int(record.iterations),
            history=watch.corrected(model.history_),
            result=model,
            times=(seconds,),
        )

    def _model(self, entrant: Entrant) -> Any:
        return self.model(solver=entrant.solver, solver_options=entrant.options or None, **self.parameters)

    def _rows(self) -> AnyArray | None:
        """Which rows warm up code: None for all, else some evenly spread and the first ones of every class."""
        n, d = np.shape(self.X)
        size = self.X.nnz if sp.issparse(self.X) else n * d
        if n <= WARM_ROWS or size <= WARM_MOST:
            return None
        spread = np.linspace(0, n - 1, WARM_ROWS).astype(np.int64)
        if self.model is LinearRegressor:
            return spread
        _, first = np.unique(np.asarray(self.y), return_index=True)
        return np.unique(np.concatenate([spread, first]))


def _take(values: Any, rows: AnyArray) -> Any:
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if sp.issparse(values):
        return values.tocsr()[rows]
    return values[rows] if hasattr(values, "shape") else np.asarray(values)[rows]


def _interrupted(certificate: Certificate) -> bool:
    return str(certificate.status) == "interrupted"


# --------------------------------------------------------------------------------------------- functions


@dataclass(slots=True)
class FunctionTrack:
    """Methods of `minimize` on a function."""

    fun: Any
    x0: Any
    parameters: dict[str, Any]
    kind: str = "function"
    where: str = ""
    objective: str = ""
    known: float = float("nan")
    checked: bool = field(default=False)

    def __post_init__(self) -> None:
        start = starting_point(self.x0)
        head = ", ".join(f"{value:.4g}" for value in start[:4])
        self.where = f"{len(start)} variables, from ({head}{', ...' if len(start) > 4 else ''})"
        name = getattr(self.fun, "name", None) or getattr(self.fun, "__name__", None) or type(self.fun).__name__
        formula = getattr(self.fun, "formula", "")
        self.objective = f"{name}: {formula}" if formula else str(name)
        least = getattr(self.fun, "least", None)
        free = self.parameters.get("constraint") is None
        if free and isinstance(least, int | float) and np.isfinite(least):
            self.known = float(least)

    def names(self) -> list[str]:
        """Every method."""
        return list(EVERY_METHOD)

    def warm(self, entrant: Entrant) -> float:
        """Loads the method on a function of its own: calls of the user's may be dear."""
        toy: Any = lambda x: float(x @ x)  # noqa: E731
        if isinstance(self.fun, LeastSquares):
            toy = LeastSquares(lambda x: x - 1.0, lambda x: np.eye(2))
        with _unseen() as context, compile_clock() as clock, contextlib.suppress(SteepestError):
            context.run(minimize, toy, np.ones(2), method=entrant.solver, options=entrant.options, max_iter=WARM_ROUNDS)
        return float(clock.seconds)

    def run(self, entrant: Entrant, show: Any) -> Run:
        """A minimisation, with the clock stopped while code is compiled."""
        with compile_clock() as clock:
            watch = _Clock(clock, show)
            began = time.perf_counter()
            with observe(RoundCallback(watch)):
                found = minimize(
                    self.fun, self.x0, method=entrant.solver, options=entrant.options,
                    check_gradient=not self.checked, **self.parameters,
                )  # fmt: skip
            seconds = max(time.perf_counter() - began - clock.seconds, 0.0)
            compiled = float(clock.seconds)
        self.checked = True
        return Run(
            name=entrant.name,
            solver=found.method,
            options=entrant.options,
            success=found.success,
            certificate=found.certificate,
            seconds=seconds,
            compile_seconds=compiled,
            passes=float(found.nfev + found.njev + found.nhev),
            iterations=found.nit,
            history=watch.corrected(found.history),
            result=found,
            times=(seconds,),
        )
