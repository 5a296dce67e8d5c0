"""What all estimators share: validation, the run, the attributes after it, and what they say about it."""

from __future__ import annotations

import html
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from steepest.estimators.fitting import Control, Job, Solution, solve
from steepest.estimators.objective import describe
from steepest.estimators.parameters import COMMON, Rules, validate
from steepest.estimators.solvers import own_name
from steepest.estimators.warnings import ConvergenceWarning, sentence
from steepest.exceptions import DataError, NotConvergedError
from steepest.protocols import AnyArray, Certificate, FloatArray, Status
from steepest.record.history import History
from steepest.record.record import FitRecord

FLOATS = [np.float64, np.float32]
SQUARABLE = 1e16  # float32 numbers up to which squares, and sums of them, stay in float32
CHUNK = 1 << 22  # bytes of rows taken at a time where X must change its precision


def scores(X: Any, coef: Any, intercept: Any) -> FloatArray:
    """X coef^T + intercept in float64, without a float64 copy of X.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, d)
    coef : array of shape (d,) or (k, d), or sparse
    intercept : float or array of shape (k,)
    """
    if sp.issparse(coef):
        coef = coef.toarray()
    if sp.issparse(X) or X.dtype == np.float64:
        return np.asarray(X @ coef.T) + intercept  # type: ignore[no-any-return]
    out = np.empty((X.shape[0], *coef.shape[:-1]))
    step = max(64, CHUNK // (8 * max(1, X.shape[1])))
    for low in range(0, X.shape[0], step):
        out[low : low + step] = X[low : low + step].astype(np.float64) @ coef.T
    out += intercept
    return out


def _leaves_float32(X: AnyArray) -> bool:
    """Whether squares of a column, as Gram matrices add them, lie outside float32: told by 64 rows, so by the unit."""
    sample = np.abs(X[:: max(1, len(X) // 64)])
    top = sample.max(axis=0, initial=0.0)
    return bool(np.any(top > SQUARABLE) or np.any((top > 0.0) & (top < 1.0 / SQUARABLE)))


def _name_columns(X: Any) -> None:
    """Raises where a frame, pandas or polars, has columns that are no numbers: the failed conversion names none."""
    columns, dtypes = getattr(X, "columns", None), getattr(X, "dtypes", None)
    if columns is None or dtypes is None or not np.iterable(columns) or not np.iterable(dtypes):
        return
    kinds = {str(name): str(dtype) for name, dtype in zip(columns, dtypes, strict=False)}
    words = ("categor", "enum", "date", "time", "duration", "str", "struct", "list", "binary", "period", "interval[")
    odd = [f"'{name}' ({kind})" for name, kind in kinds.items() if kind.lower().startswith(words)]
    if odd:
        raise DataError(
            f"X: expected columns of numbers, got {', '.join(odd[:5])}{' ...' if len(odd) > 5 else ''}. "
            "Encode them, for instance with OneHotEncoder, or leave them out."
        )


def _brief(value: Any) -> Any:
    """A parameter as the record keeps it: a large array by its shape."""
    size = np.size(value) if hasattr(value, "shape") else 0
    return f"array of shape {np.shape(value)}" if size > 100 else value


class LinearModel(BaseEstimator):  # type: ignore[misc]
    """Base of all estimators: one path from ``fit`` to certified coefficients.

    After ``fit``: ``coef_``, ``intercept_``, ``n_iter_``, ``certificate_`` (what is proven), ``history_`` (one
    row a round), ``fit_record_`` (all about the fit), ``objective_`` (the function that was minimised).
    """

    certificate_: Certificate
    history_: History
    fit_record_: FitRecord
    coef_: Any
    intercept_: Any

    _rules: ClassVar[Mapping[str, Rules]] = {}
    _inert: ClassVar[Mapping[str, Any]] = {}  # parameters that change nothing in the result, and their defaults

    # ------------------------------------------------------------------------------------- before the run

    def _check_parameters(self) -> None:
        parameters = self.get_params(deep=False)
        validate(type(self).__name__, parameters, {**COMMON, **self._rules})

    def _check_data(self, X: Any, y: Any, *, numeric: bool, multi_output: bool = False) -> tuple[Any, AnyArray]:
        if sp.issparse(y):
            raise DataError(
                "y: expected an array, got a sparse matrix. Sparse targets are not offered: use y.toarray()."
            )
        try:
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse="csr",
                accept_large_sparse=True,
                dtype=FLOATS,
                y_numeric=numeric,
                multi_output=multi_output,
            )
        except (TypeError, ValueError):
            _name_columns(X)
            raise
        if isinstance(X, np.ndarray) and X.dtype == np.float32 and _leaves_float32(X):
            X = X.astype(np.float64)
        return X, np.asarray(y)

    def _control(self) -> Control:
        def get(name: str, default: Any) -> Any:
            return getattr(self, name, default)

        solver, notes = own_name(str(get("solver", "auto")))
        for name, default in self._inert.items():
            given = get(name, default)
            if given is not default and not (np.ndim(given) == 0 and given == default):
                notes.append(f"{name} only steers scikit-learn's solvers: not used")
        return Control(
            name=type(self).__name__,
            fit_intercept=bool(get("fit_intercept", True)),
            solver=solver,
            options=dict(get("solver_options", None) or {}),
            tol=float(get("tol", 1e-4)),
            max_iter=get("max_iter", None),
            max_time=get("max_time", None),
            n_jobs=get("n_jobs", None),
            verbose=int(get("verbose", 0)),
            notes=notes,
        )

    def _previous(self, outputs: int, d: int) -> tuple[FloatArray, FloatArray] | None:
        """Coefficients (outputs, d) and intercepts of the last fit, where warm_start asks for them and they fit."""
        if not getattr(self, "warm_start", False) or not hasattr(self, "coef_"):
            return None
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        coef = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        intercept = np.asarray(self.intercept_, dtype=np.float64).ravel()
        if coef.shape != (outputs, d) or not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            return None
        return coef, np.broadcast_to(intercept, (outputs,))

    # ---------------------------------------------------------------------------------------- the run

    def _run(
        self, X: Any, jobs: Sequence[Job], control: Control, began: float, total: float, weighted: bool
    ) -> Solution:
        """Solves the jobs and sets every attribute but the coefficients."""
        solution = solve(X, jobs, control, time.perf_counter() - began)
        self._record(solution, jobs, control, total, weighted)
        return solution

    def _record(self, solution: Solution, jobs: Sequence[Job], control: Control, total: float, weighted: bool) -> None:
        """Sets the attributes that say what was minimised, what is proven and how it went."""
        first = jobs[0]
        self._objective = describe(
            first.loss,
            first.penalty,
            total=total,
            weighted=weighted,
            intercept=control.fit_intercept,
            n_outputs=first.n_outputs,
        ) + (f", for each of {len(jobs)} targets" if len(jobs) > 1 else "")
        self.certificate_ = solution.certificate
        self.history_ = solution.history
        self.fit_record_ = FitRecord(
            estimator=type(self).__name__,
            objective=self._objective,
            parameters={name: _brief(value) for name, value in self.get_params(deep=False).items()},
            data=solution.data,
            solver=solution.solver,
            seconds=solution.seconds,
            passes=solution.passes,
            iterations=sum(solution.iterations),
            certificate=solution.certificate,
            history=solution.history,
        )

    def _split(self, solution: Solution, d: int, k: int, fit_intercept: bool) -> tuple[FloatArray, FloatArray]:
        """Coefficients (outputs, d) and intercepts (outputs,) of one vector job or of several scalar ones."""
        if len(solution.weights) == 1 and k > 1:
            w = solution.weights[0]
            coef = np.ascontiguousarray(w[: d * k].reshape(d, k).T)
            return coef, (w[d * k :].copy() if fit_intercept else np.zeros(k))
        coef = np.stack([w[:d] for w in solution.weights])
        return coef, (np.array([w[d] for w in solution.weights]) if fit_intercept else np.zeros(len(coef)))

    def _conclude(self) -> None:
        """Warns or raises where the fit was not certified; called by ``fit`` itself, for the warning's line."""
        certificate = self.certificate_
        if certificate.passed or getattr(self, "on_unconverged", "warn") == "ignore":
            return
        text = sentence(type(self).__name__, certificate)
        if getattr(self, "on_unconverged", "warn") == "raise" and certificate.status is not Status.INTERRUPTED:
            raise NotConvergedError(text, certificate, self)
        warnings.warn(text, ConvergenceWarning, stacklevel=3)

    # ------------------------------------------------------------------------------------------ after it

    @property
    def objective_(self) -> str:
        """The exact function that was minimised, with its numbers."""
        check_is_fitted(self)
        return self._objective

    def _scores(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc", "coo"], dtype=FLOATS, reset=False)
        return scores(X, self.coef_, self.intercept_)

    def _html_repr(self) -> str:
        drawn = str(super()._html_repr())
        if not hasattr(self, "certificate_"):
            return drawn
        certificate = self.certificate_
        gap = f", proven relative gap {certificate.relative:.2g}" if certificate.bounds == "suboptimality" else ""
        line = f"minimised {self._objective}; {certificate.status}{gap}"
        return f'{drawn}<p style="font-family: monospace">{html.escape(line)}</p>'

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags
