"""Regularisation paths: the minimisers for many strengths of a penalty, each certified."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone

from steepest.estimators.collecting import hand_in, warn_once_a_search
from steepest.estimators.jobs import Solution
from steepest.estimators.objective import describe
from steepest.estimators.outcomes import combine, facts
from steepest.estimators.path_runs import Runner, interrupted, runner
from steepest.estimators.path_setup import Setup, grid, prepare, strongest
from steepest.exceptions import InvalidParameterError
from steepest.protocols import Certificate, FloatArray
from steepest.record.history import History
from steepest.record.record import FitRecord
from steepest.solvers.path import Point


@dataclass(slots=True)
class RegularizationPath:
    """Minimisers along a path, strongest penalty first, and what is proven about each.

    Attributes
    ----------
    alphas : array of shape (m,)
        Strengths in the estimator's own meaning; for `LogisticRegression` they are ``1 / C``.
    coefs : array of shape (m, d) or (m, k, d)
        A row for each target or class where there are several.
    intercepts : array of shape (m,) or (m, k)
    certificates : list of Certificate
    histories : list of History
    iterations : array of shape (m,)
    passes : array of shape (m,)
        Over the data, those of the certificate included.
    seconds : array of shape (m,)
    feature_names : list of str
    estimator : estimator
        Unfitted, with the parameters of the path.
    solver : dict
        Which solver ran, and why.
    """

    alphas: FloatArray
    coefs: FloatArray
    intercepts: FloatArray
    certificates: list[Certificate]
    histories: list[History]
    iterations: Any
    passes: FloatArray
    seconds: FloatArray
    feature_names: list[str]
    estimator: Any
    solver: dict[str, Any]
    _fitted: dict[str, Any] = field(default_factory=dict)
    _counts: list[list[int]] = field(default_factory=list)  # rounds of each target or class
    _objectives: list[str] = field(default_factory=list)
    _data: dict[str, Any] = field(default_factory=dict)

    @property
    def certified(self) -> bool:
        """Whether every point is proven to the tolerance."""
        return all(certificate.passed for certificate in self.certificates)

    @property
    def n_nonzero(self) -> Any:
        """Features in use at each point: those with a weight other than zero for any target or class."""
        used = self.coefs != 0.0
        return (used.any(axis=1) if used.ndim == 3 else used).sum(axis=1)

    def __len__(self) -> int:
        return len(self.alphas)

    def model(self, index: int) -> Any:
        """The estimator fitted at a point, ready to predict.

        Parameters
        ----------
        index : int
            0 is the strongest penalty.
        """
        model = clone(self.estimator)
        alpha = float(self.alphas[index])
        if hasattr(model, "C"):
            model.set_params(C=1.0 / alpha if alpha else np.inf)
        else:
            model.set_params(alpha=alpha)
        for name, value in self._fitted.items():
            setattr(model, name, value)
        model.coef_ = self.coefs[index].copy()
        intercept = self.intercepts[index]
        model.intercept_ = float(intercept) if np.ndim(intercept) == 0 else intercept.copy()
        if hasattr(model, "classes_") and model.coef_.ndim == 1:
            model.coef_, model.intercept_ = model.coef_[None, :], np.atleast_1d(intercept)
        certificate = model.certificate_ = self.certificates[index]
        model.history_ = self.histories[index]
        counts = self._counts[index]
        if hasattr(model, "classes_"):
            model.n_iter_ = np.array(counts, dtype=np.int32)
        else:
            model.n_iter_ = list(counts) if np.ndim(model.coef_) == 2 else counts[0]
        if hasattr(model, "sparse_coef_"):  # Lasso and ElasticNet
            gaps = [part["value"] for part in certificate.evidence.get("outputs", [])] or [certificate.value]
            known = np.array(gaps if certificate.bounds == "suboptimality" else [np.nan] * len(gaps))
            model.dual_gap_ = known if np.ndim(model.coef_) == 2 else float(known[0])
        model._objective = self._objectives[index]
        spent = float(self.seconds[index])
        model.fit_record_ = FitRecord(
            estimator=type(model).__name__,
            objective=model._objective,
            parameters=model.get_params(deep=False),
            data=dict(self._data),
            solver=dict(self.solver, expected=""),
            seconds={"total": spent, "validate": 0.0, "compile": 0.0, "solve": spent, "certify": 0.0},
            passes=float(self.passes[index]),
            iterations=sum(counts),
            certificate=certificate,
            history=model.history_,
        )
        return model

    def to_frame(self) -> Any:
        """One row a point: alpha, objective, gap, non-zeros and coefficients by name (a pandas DataFrame)."""
        import pandas as pd

        columns: dict[str, Any] = {
            "alpha": self.alphas,
            "objective": [c.primal for c in self.certificates],
            "relative_gap": [c.relative for c in self.certificates],
            "nonzero": self.n_nonzero,
        }
        if self.coefs.ndim == 2:
            columns["intercept"] = self.intercepts
            columns |= {name: self.coefs[:, j] for j, name in enumerate(self.feature_names)}
        else:
            for r in range(self.coefs.shape[1]):
                columns[f"intercept[{r}]"] = self.intercepts[:, r]
                columns |= {f"{name}[{r}]": self.coefs[:, r, j] for j, name in enumerate(self.feature_names)}
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        low, high = float(self.alphas[-1]), float(self.alphas[0])
        passed = sum(c.passed for c in self.certificates)
        return (
            f"RegularizationPath({type(self.estimator).__name__}, {len(self)} strengths from {high:.3g} to {low:.3g}, "
            f"{passed} certified)"
        )


def regularization_path(
    estimator: Any,
    X: Any,
    y: Any,
    alphas: Any = None,
    n_alphas: int = 100,
    eps: float = 1e-3,
    sample_weight: Any = None,
) -> RegularizationPath:
    """The minimisers of an estimator's objective for many strengths, from strong to weak, each certified.

    A point begins where the one before ended; what a fit builds (second moments, eigenvectors, a metric, a working
    set) is kept for the whole path.  Squared loss: one read of X serves all strengths, and one product certifies them.
    l1 penalties: features are screened from the last point and its dual point (gap-safe; Ndiaye et al. 2017).

    Parameters
    ----------
    estimator : LogisticRegression, Ridge, Lasso, ElasticNet, LinearClassifier or LinearRegressor
        Its parameters hold but for the strength; ``tol`` is proven at every point.  It is not fitted.
    X : array-like or sparse matrix of shape (n, d)
    y : array-like of shape (n,) or (n, t)
    alphas : array-like, optional
        Strengths in the estimator's own meaning (for `LogisticRegression` ``1 / C``); sorted, largest first.
    n_alphas : int
        Length of the grid where ``alphas`` is None: equal ratios, from the strength at which all weights are zero
        (computed; with a squared penalty alone, from 1000 times that of the l1 penalty).
    eps : float
        Smallest over largest strength of the grid.
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    RegularizationPath

    Examples
    --------
    >>> from steepest import Lasso, regularization_path
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.5]]
    >>> path = regularization_path(Lasso(), X, [0.0, 1.0, 2.0, 3.0], n_alphas=5)
    >>> path.certified, path.n_nonzero.tolist()
    (True, [0, 1, 1, 1, 1])
    >>> (path.alphas / path.alphas[0]).round(4)
    array([1.    , 0.1778, 0.0316, 0.0056, 0.001 ])
    """
    _check_grid(alphas, n_alphas, eps)
    model = clone(estimator)
    if "warm_start" in model.get_params():
        model.set_params(warm_start=False)
    setup = prepare(model, X, y, sample_weight)
    with runner(setup.X, setup.control) as paths:
        strengths = strengths_for(paths, setup, alphas, n_alphas, eps)
        penalties = [setup.penalty(float(alpha)) for alpha in strengths]
        each: list[list[Point]] = []
        for job in setup.jobs:
            each.append(paths.path(job, penalties[: len(each[0])] if each else penalties))
            if interrupted(each[-1]):
                break
        while len(each) < len(setup.jobs):  # targets that Ctrl-C left out have no point at all
            each.append([])
        count = min(len(points) for points in each)
        path = _collected(model, setup, strengths[:count], [points[:count] for points in each], paths)
    _conclude(path)
    return path


def strengths_for(paths: Runner, setup: Setup, alphas: Any, count: int, eps: float) -> FloatArray:
    """The given strengths, largest first, or a grid."""
    if alphas is not None:
        return np.sort(np.asarray(alphas, dtype=np.float64).ravel())[::-1].copy()
    largest = max(strongest(paths.problem(job), setup.ratio) for job in setup.jobs)
    return grid(largest / setup.scale, count, eps)


def _collected(
    model: Any, setup: Setup, alphas: FloatArray, each: Sequence[Sequence[Point]], paths: Runner
) -> RegularizationPath:
    d, count = setup.X.shape[1], len(alphas)
    k = setup.jobs[0].n_outputs
    intercept = setup.control.fit_intercept
    rows = len(each) if k == 1 else k
    coefs, intercepts = np.empty((count, rows, d)), np.zeros((count, rows))
    for r, points in enumerate(each):
        for i, point in enumerate(points):
            if k > 1:
                coefs[i] = point.w[: d * k].reshape(d, k).T
                intercepts[i] = point.w[d * k :] if intercept else 0.0
            else:
                coefs[i, r] = point.w[:d]
                intercepts[i, r] = point.w[d] if intercept else 0.0
    if rows == 1 and (setup.classes is not None or not setup.many):
        coefs, intercepts = coefs[:, 0], intercepts[:, 0]
    labels = [job.label for job in setup.jobs]
    names = getattr(model, "feature_names_in_", None)
    fitted = {"n_features_in_": d}
    fitted |= {} if names is None else {"feature_names_in_": names}
    fitted |= {} if setup.classes is None else {"classes_": setup.classes}
    return RegularizationPath(
        alphas=alphas,
        coefs=coefs,
        intercepts=intercepts,
        certificates=[combine([points[i].certificate for points in each], labels) for i in range(count)],
        histories=[max((points[i].history for points in each), key=len) for i in range(count)],
        iterations=np.array([sum(points[i].iterations for points in each) for i in range(count)]),
        passes=np.array([sum(points[i].passes for points in each) for i in range(count)]),
        seconds=np.array([sum(points[i].seconds for points in each) for i in range(count)]),
        feature_names=[f"x{j}" for j in range(d)] if names is None else [str(name) for name in names],
        estimator=clone(model),
        solver=paths.plan,
        _fitted=fitted,
        _counts=[[int(points[i].iterations) for points in each] for i in range(count)],
        _objectives=[_objective(setup, float(alpha)) for alpha in alphas],
        _data=facts(paths.source, setup.jobs),
    )


def _objective(setup: Setup, alpha: float) -> str:
    """What is minimised at a strength."""
    job, many = setup.jobs[0], len(setup.jobs)
    return describe(
        job.loss,
        setup.penalty(alpha),
        total=setup.total,
        weighted=setup.weighted,
        intercept=setup.control.fit_intercept,
        n_outputs=job.n_outputs,
    ) + (f", for each of {many} targets" if many > 1 else "")


def _conclude(path: RegularizationPath) -> None:
    name, quiet = type(path.estimator).__name__, getattr(path.estimator, "on_unconverged", "warn") == "ignore"
    collected = hand_in(name, path.estimator.get_params(deep=False), path.certificates, quiet)
    text = missed(name, path.certificates)
    if text and not (quiet or collected):
        warn_once_a_search(text, stacklevel=3)


def missed(name: str, certificates: Sequence[Certificate]) -> str:
    """One sentence about all the points that are not certified; empty where all are."""
    open_ = [c for c in certificates if not c.passed]
    if not open_:
        return ""
    worst = max(open_, key=lambda c: c.relative)
    return (
        f"{name}: {len(open_)} of {len(certificates)} points of the path are not certified to tol={worst.tol:g}; "
        f"the worst: {worst.reason}. Raise max_iter or max_time, or ask for less."
    )


def _check_grid(alphas: Any, n_alphas: Any, eps: Any) -> None:
    if alphas is not None:
        values = np.asarray(alphas)
        good = values.dtype.kind in "fiu" and values.size > 0 and values.ndim == 1
        if not good or not np.isfinite(values.astype(np.float64)).all() or (values < 0).any():
            raise InvalidParameterError(
                f"alphas: expected a list of finite numbers >= 0, got {alphas!r}. Leave it out for a computed grid."
            )
    if not isinstance(n_alphas, numbers.Integral) or isinstance(n_alphas, bool) or n_alphas < 1:
        raise InvalidParameterError(f"n_alphas: expected an integer >= 1, got {n_alphas!r}. Try 100.")
    if not isinstance(eps, numbers.Real) or not 0.0 < float(eps) < 1.0:
        raise InvalidParameterError(f"eps: expected a number between 0 and 1, got {eps!r}. Try 1e-3.")


def solution_of(paths: Runner, jobs: Sequence[Any], points: Sequence[Point], seconds: dict[str, float]) -> Solution:
    """Points of the jobs at one strength as `fitting.solve` returns them."""
    certificates = [point.certificate for point in points]
    return Solution(
        weights=[point.w for point in points],
        certificate=combine(certificates, [job.label for job in jobs]),
        certificates=certificates,
        histories=[point.history for point in points],
        iterations=[point.iterations for point in points],
        passes=sum(point.passes for point in points),
        data=facts(paths.source, jobs),
        solver=dict(paths.plan, expected=""),
        seconds=seconds,
        systems=[],
    )
