"""What all estimators share: validation, the run, the attributes after it, and what they say about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from steepest.estimators.callbacks import CallbackSupport, under_callbacks
from steepest.estimators.collecting import hand_in, warn_once_a_search
from steepest.estimators.fitting import solve
from steepest.estimators.jobs import Control, Job, Solution
from steepest.estimators.objective import describe
from steepest.estimators.page import certificate_note
from steepest.estimators.parameters import COMMON, Rules, validate
from steepest.estimators.solvers import own_name
from steepest.estimators.targets import check_numbers
from steepest.estimators.validation import FLOATS, Rows, resolve
from steepest.estimators.warnings import sentence
from steepest.exceptions import DataError, NotConvergedError
from steepest.parallel import Pool, effective_jobs
from steepest.protocols import AnyArray, Certificate, FloatArray, Status
from steepest.record.history import History
from steepest.record.record import FitRecord
from steepest.solvers.auto import SOLVERS

SQUARABLE = 1e16  # float32 numbers up to which squares, and sums of them, stay in float32
PARALLEL_SUM = 1 << 21  # numbers from which threads pay for their start
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


def split(weights: Sequence[FloatArray], d: int, k: int, fit_intercept: bool) -> tuple[FloatArray, FloatArray]:
    """Coefficients (outputs, d) and intercepts (outputs,) of one vector job or of several scalar ones."""
    if len(weights) == 1 and k > 1:
        w = weights[0]
        coef = np.ascontiguousarray(w[: d * k].reshape(d, k).T)
        return coef, (w[d * k :].copy() if fit_intercept else np.zeros(k))
    coef = np.stack([w[:d] for w in weights])
    return coef, (np.array([w[d] for w in weights]) if fit_intercept else np.zeros(len(coef)))


def _leaves_float32(X: AnyArray) -> bool:
    """Whether squares of a column, as Gram matrices add them, lie outside float32: told by 64 rows, so by the unit."""
    sample = np.abs(X[:: max(1, len(X) // 64)])
    top = sample.max(axis=0, initial=0.0)
    return bool(np.any(top > SQUARABLE) or np.any((top > 0.0) & (top < 1.0 / SQUARABLE)))


def _is_plain(X: Any, y: Any, n_jobs: int | None) -> bool:
    """Whether scikit-learn's checks would hand X and y through as they are: finite numbers in plain arrays."""
    if type(X) is not np.ndarray or type(y) is not np.ndarray or X.ndim != 2 or y.ndim != 1:
        return False
    if X.dtype not in FLOATS or y.dtype.kind not in "fiub" or len(X) != len(y) or X.size == 0:
        return False
    return _finite_sum(X, n_jobs) and _finite_sum(y, n_jobs)


def _finite_sum(X: AnyArray, n_jobs: int | None) -> bool:
    """Whether the sum of all numbers is finite, as it is where each is and none is huge; large arrays on threads."""
    pool = Pool(effective_jobs(n_jobs) if X.size > PARALLEL_SUM else 1)
    edges = np.linspace(0, len(X), 1 + (8 if pool.n_jobs > 1 else 1)).astype(np.int64).tolist()

    def task(rows: tuple[int, int]) -> float:
        with np.errstate(all="ignore"):
            return float(X[rows[0] : rows[1]].sum())

    try:
        return bool(np.isfinite(pool.map(task, list(pairwise(edges)))).all())
    finally:
        pool.close()


def name_columns(X: Any) -> None:
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


def shortened(value: Any) -> Any:
    """A parameter as the record keeps it: a large array by its shape."""
    size = np.size(value) if hasattr(value, "shape") and not isinstance(value, type) else 0
    return f"array of shape {np.shape(value)}" if size > 100 else value


@contextmanager
def untouched_by_errors(model: Any) -> Iterator[None]:
    """A fit that fails leaves a model as it was: the one before still predicts, and none looks fitted by half."""
    before = dict(model.__dict__)
    try:
        yield
    except BaseException:
        model.__dict__.clear()
        model.__dict__.update(before)
        raise


class LinearModel(CallbackSupport, BaseEstimator):  # type: ignore[misc]
    """Base of all estimators: one path from ``fit`` to certified coefficients.

    After ``fit``: ``coef_``, ``intercept_``, ``n_iter_``, ``certificate_`` (what is proven), ``history_`` (one
    row a round), ``fit_record_`` (all about the fit), ``objective_`` (the function that was minimised).
    """

    certificate_: Certificate
    history_: History
    fit_record_: FitRecord
    coef_: Any
    intercept_: Any

    _parameter_names: ClassVar[tuple[str, ...]]
    _rules: ClassVar[Mapping[str, Rules]] = {}
    _names_solvers: ClassVar[bool] = False  # whether a name that both know is a solver here, and not its nearest
    _inert: ClassVar[Mapping[str, Any]] = {}  # parameters that change nothing in the result, and their defaults

    # ------------------------------------------------------------------------------------- before the run

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """As scikit-learn finds them in the signature, looked up once a class."""
        if "_parameter_names" not in vars(cls):
            cls._parameter_names = tuple(super()._get_param_names())
        return list(cls._parameter_names)

    def _check_parameters(self) -> None:
        parameters = self.get_params(deep=False)
        validate(type(self).__name__, parameters, {**COMMON, **self._rules})

    def _check_data(self, X: Any, y: Any, *, numeric: bool, multi_output: bool = False) -> tuple[Any, AnyArray]:
        if sp.issparse(y):
            raise DataError(
                "y: expected an array, got a sparse matrix. Sparse targets are not offered: use y.toarray()."
            )
        if _is_plain(X, y, getattr(self, "n_jobs", None)):  # their checks would take a fifth of a small fit
            self.__dict__.pop("feature_names_in_", None)
            self.n_features_in_ = X.shape[1]
        else:
            X, y = self._validated(X, y, numeric=numeric, multi_output=multi_output)
        if isinstance(X, np.ndarray) and X.dtype == np.float32 and _leaves_float32(X):
            X = X.astype(np.float64)
        return X, np.asarray(y)

    def _validated(self, X: Any, y: Any, *, numeric: bool, multi_output: bool) -> tuple[Any, AnyArray]:
        """scikit-learn's checks and conversions."""
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
            name_columns(X)
            if numeric:
                check_numbers(y)
            raise
        if numeric:
            check_numbers(y)
        return X, y

    def _control(self) -> Control:
        def get(name: str, default: Any) -> Any:
            return getattr(self, name, default)

        tol, patience = get("tol", 1e-4), self._stopping()[1]
        given = str(get("solver", "auto"))
        solver, notes = (given, []) if self._names_solvers and given in SOLVERS else own_name(given)
        for name, default in self._inert.items():
            given = get(name, default)
            if given is not default and not (np.ndim(given) == 0 and given == default):
                notes.append(f"{name} only steers scikit-learn's solvers: not used")
        return Control(
            name=type(self).__name__,
            fit_intercept=bool(get("fit_intercept", True)),
            solver=solver,
            options=dict(get("solver_options", None) or {}),
            tol=0.0 if tol is None else float(tol),
            asks=tol is not None,
            max_iter=get("max_iter", None),
            max_time=get("max_time", None),
            n_jobs=get("n_jobs", None),
            verbose=int(get("verbose", 0)),
            patience=None if patience is None else int(patience),
            min_delta=float(get("min_delta", 0.0)),
            notes=notes,
        )

    def _stopping(self) -> tuple[float | None, int | None]:
        """The share of rows to hold out, and the patience with them."""
        return getattr(self, "validation_fraction", None), getattr(self, "patience", None)

    # ------------------------------------------------------------------------------------------ the fit

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
    ) -> Self:
        """Minimise the objective and certify the result.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,), or (n, t) for regressors of several targets
            Labels (integers, booleans or strings) for classifiers, numbers for regressors.
        sample_weight : array-like of shape (n,), optional
            0 counts a row as absent, k as k rows.
        X_val, y_val : optional
            Validation rows and their targets.  Every round is measured on them (``history_["validation_loss"]``, and
            ``"validation_score"`` where ``monitor`` is a scorer), which costs a product with X_val a round.  They
            change no coefficient unless ``patience`` is set.  In a `Pipeline` they pass through no step, unless its
            ``transform_input`` names them.
        sample_weight_val : array-like, optional
            Weights of the validation rows.
        coef_init, intercept_init : array-like, optional
            Where to begin, of the shapes of ``coef_`` and ``intercept_``.  A start at the optimum returns at once.
        """
        with untouched_by_errors(self):
            self._fit(Rows(X, y, sample_weight), Rows(X_val, y_val, sample_weight_val), coef_init, intercept_init)
        self._conclude()
        return self

    def _fit(self, rows: Rows, watched: Rows, coef_init: Any, intercept_init: Any) -> None:
        began = time.perf_counter()
        self._check_parameters()
        control = self._control()
        train, held = resolve(self, rows, watched, control.notes)
        data = self._encode(*train)
        jobs = self._problems(data)
        if held is not None:
            self._hold_out(jobs, data, held)
        self._place(jobs, data, coef_init, intercept_init, control.notes)
        weights = data.weights

        def work() -> Solution:
            return self._run(data.X, jobs, control, began, weights.total, weights.raw is not None)

        solution = under_callbacks(self, *rows, jobs, data, work)
        self._duals = solution.duals if getattr(self, "warm_start", False) else None
        self._finish(solution, data, jobs, control.fit_intercept)

    def _encode(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Validated rows, targets as jobs take them, and ``weights``."""
        raise NotImplementedError

    def _problems(self, data: Any) -> list[Job]:
        """What is to be minimised: one job, or one a target or class."""
        raise NotImplementedError

    def _hold_out(self, jobs: Sequence[Job], data: Any, held: Rows) -> None:
        """Gives every job its validation rows."""
        raise NotImplementedError

    def _comparable(self, data: Any) -> bool:
        """Whether coefficients of the last fit mean the same as those to come."""
        return True

    def _finish(self, solution: Solution, data: Any, jobs: Sequence[Job], fit_intercept: bool) -> None:
        """Sets coefficients and what depends on them."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------- warm starts

    def _place(self, jobs: Sequence[Job], data: Any, coef: Any, intercept: Any, notes: list[str]) -> None:
        """Starts of the jobs: what was given, or the last fit where ``warm_start`` asks for it."""
        k = jobs[0].n_outputs if len(jobs) == 1 else len(jobs)
        shape = (k, data.X.shape[1])
        own = bool(getattr(self, "fit_intercept", True))
        if coef is not None or intercept is not None:
            W, b = self._given(coef, intercept, shape)
        elif getattr(self, "warm_start", False) and hasattr(self, "coef_"):
            before = self._previous(*shape) if self._comparable(data) else None
            if before is None:
                notes.append("warm_start: the last fit had other features, classes or targets: a cold start")
                return
            W, b = before
            for job, dual in zip(jobs, getattr(self, "_duals", None) or [], strict=False):
                job.dual = dual if dual is not None and len(dual) == len(job.p) else None
        else:
            return
        if jobs[0].n_outputs > 1:
            jobs[0].start = np.concatenate([W.T.ravel(), b if own else b[:0]])
            return
        for row, job in enumerate(jobs):
            job.start = np.append(W[row], b[row]) if own else W[row].copy()

    def _previous(self, outputs: int, d: int) -> tuple[FloatArray, FloatArray] | None:
        """Coefficients (outputs, d) and intercepts of the last fit, where they fit."""
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        coef = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        intercept = np.asarray(self.intercept_, dtype=np.float64).ravel()
        if coef.shape != (outputs, d) or not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            return None
        return coef, np.broadcast_to(intercept, (outputs,))

    def _given(self, coef: Any, intercept: Any, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """``coef_init`` and ``intercept_init``, zero where one is left out."""
        coef = coef.toarray() if sp.issparse(coef) else coef
        try:
            W = np.zeros(shape) if coef is None else np.atleast_2d(np.asarray(coef, dtype=np.float64))
            b = np.zeros(shape[0]) if intercept is None else np.asarray(intercept, dtype=np.float64).ravel()
        except (TypeError, ValueError) as error:
            raise DataError(
                f"coef_init, intercept_init: expected numbers: {error} Pass coef_ and intercept_."
            ) from error
        if W.shape != shape:
            raise DataError(f"coef_init: expected shape {shape}, got {np.shape(coef)}. Pass that of coef_.")
        if b.shape not in ((shape[0],), (1,)):
            raise DataError(
                f"intercept_init: expected shape {shape[:1]}, got {np.shape(intercept)}. Pass that of intercept_."
            )
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            raise DataError("coef_init, intercept_init: expected finite numbers, got NaN or infinity. Leave them out.")
        return W, np.broadcast_to(b, shape[:1])

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
            constraint=first.constraint,
        ) + (f", for each of {len(jobs)} targets" if len(jobs) > 1 else "")
        self.certificate_ = solution.certificate
        self.history_ = solution.history
        self.fit_record_ = FitRecord(
            estimator=type(self).__name__,
            objective=self._objective,
            parameters={name: shortened(value) for name, value in self.get_params(deep=False).items()},
            data=solution.data,
            solver=solution.solver,
            seconds=solution.seconds,
            passes=solution.passes,
            iterations=sum(solution.iterations),
            certificate=solution.certificate,
            history=solution.history,
            deterministic=solution.deterministic,
        )

    def _split(self, solution: Solution, d: int, k: int, fit_intercept: bool) -> tuple[FloatArray, FloatArray]:
        return split(solution.weights, d, k, fit_intercept)

    def _conclude(self) -> None:
        """Warns or raises where the fit was not certified; called by ``fit`` itself, for the warning's line."""
        certificate = self.certificate_
        how = getattr(self, "on_unconverged", "warn")
        record = self.fit_record_
        # to be stopped by validation rows is what patience asked for
        quiet = how == "ignore" or certificate.status is Status.STOPPED_EARLY
        quiet = quiet or (getattr(self, "tol", 0.0) is None and certificate.status is Status.BUDGET)
        collected = hand_in(record.estimator, record.parameters, [certificate], quiet)
        if certificate.passed or quiet:
            return
        text = sentence(type(self).__name__, certificate)
        if how == "raise" and certificate.status is not Status.INTERRUPTED:
            raise NotConvergedError(text, certificate, self)
        if not collected:
            warn_once_a_search(text, stacklevel=3)

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
        return drawn + certificate_note(self._objective, self.certificate_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags
