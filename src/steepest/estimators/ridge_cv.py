"""Ridge regression with built-in cross-validation: exact leave-one-out from one factorisation, or folds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import check_cv

from steepest.estimators.base import untouched_by_errors
from steepest.estimators.cv_common import (
    CV_RULES,
    SCORING,
    check_strengths,
    coefficients,
    collect,
    conclude,
    routed,
    router,
    routing_enabled,
)
from steepest.estimators.jobs import Job
from steepest.estimators.least_squares import Ridge
from steepest.estimators.parameters import BOOL, NONE, Rules, one_of
from steepest.estimators.path import solution_of
from steepest.estimators.path_runs import Runner, runner
from steepest.estimators.path_setup import mixed
from steepest.estimators.regression import Encoded, LinearRegressionBase
from steepest.estimators.targets import check_weights, normalise
from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import get_loss
from steepest.penalties import NoPenalty
from steepest.protocols import AnyArray, FloatArray
from steepest.solvers.path import Point


class _Known(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Hands predictions to a scorer."""

    def fit(self, X: Any, y: Any) -> Self:
        return self

    def predict(self, X: Any) -> Any:
        return X


class RidgeCV(LinearRegressionBase):
    """Ridge regression whose strength is chosen by leave-one-out or by folds; every strength is certified.

    One set of eigenvectors, of the features' second moments or of the rows' kernel matrix, gives the coefficients and
    the leave-one-out residuals ``r_i / (1 - h_i)`` of all strengths and targets.  Parameters, attributes and choices
    are scikit-learn's.

    Parameters
    ----------
    alphas : array-like of shape (m,), default=(0.1, 1.0, 10.0)
        Strengths to try, in the meaning of `Ridge`.
    fit_intercept : bool, default=True
    scoring : str, callable or None, default=None
        None: negative mean squared error for leave-one-out, R^2 for folds.
    cv : int, splitter, iterable or None, default=None
        None: leave-one-out.
    gcv_mode : {"auto", "svd", "eigen"} or None, default=None
        Accepted; the smaller of the two matrices is factored.
    store_cv_results : bool, default=False
        Keep ``cv_results_`` of leave-one-out.
    alpha_per_target : bool, default=False
        A strength for each target, by leave-one-out.
    tol : float, default=1e-4
        Relative suboptimality that every certificate must prove.
    n_jobs : int or None, default=None
    max_iter, max_time, verbose
        Of a solver, where rows and columns are too many for eigenvectors or rounding asks for one.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    alpha_ : float or array of shape (t,)
    best_score_ : float or array of shape (t,)
    coef_ : array of shape (d,) or (t, d)
    intercept_ : float or array of shape (t,)
    cv_results_ : array of shape (n, m) or (n, t, m)
        Squared leave-one-out errors times sample weights, or predictions where ``scoring`` is given.
    certificates_ : array of Certificate, shape (m,) or (t, m), or (m, f) or (t, m, f) with folds
        What is proven about each strength on all rows, or in each fold.
    certificate_, history_, fit_record_, objective_, n_iter_
        Of the chosen fit.

    Examples
    --------
    >>> from steepest import RidgeCV
    >>> model = RidgeCV(alphas=[0.01, 0.1, 1.0]).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.1, 1.9, 3.2])
    >>> model.alpha_, model.certificate_.passed
    (0.01, True)
    """

    _inert: ClassVar[dict[str, Any]] = {"gcv_mode": None}
    _rules: ClassVar[dict[str, Rules]] = {
        "scoring": SCORING,
        "cv": CV_RULES,
        "gcv_mode": (one_of("auto", "svd", "eigen"), NONE),
        "store_cv_results": (BOOL,),
        "alpha_per_target": (BOOL,),
    }
    alpha_: Any
    best_score_: Any
    certificates_: AnyArray
    cv_results_: FloatArray

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: Any = None,
        cv: Any = None,
        gcv_mode: str | None = None,
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
        tol: float = 1e-4,
        n_jobs: int | None = None,
        max_iter: int | None = None,
        max_time: float | None = None,
        verbose: int = 0,
        on_unconverged: str = "warn",
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target
        self.tol = tol
        self.n_jobs = n_jobs
        self.max_iter = max_iter
        self.max_time = max_time
        self.verbose = verbose
        self.on_unconverged = on_unconverged

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:
        """Score all strengths, choose, and certify.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, t)
        sample_weight : array-like of shape (n,), optional
            Weigh rows in the fits, in leave-one-out errors and in scores of folds; folds count alike.
        **params
            For splitter and scorer, with scikit-learn's metadata routing.
        """
        with untouched_by_errors(self):
            began = time.perf_counter()
            self._check_parameters()
            if self.cv is not None and (self.store_cv_results or self.alpha_per_target):
                name = "store_cv_results" if self.store_cv_results else "alpha_per_target"
                raise InvalidParameterError(f"cv!=None and {name}=True are incompatible. Leave cv at None.")
            alphas = np.atleast_1d(np.asarray(self.alphas))
            alphas = check_strengths(alphas, "alphas", type(self).__name__, zero=self.cv is not None)
            data = self._encode(X, y, sample_weight)
            splits, score_params = routed(self, params, sample_weight, scored=True)
            control = self._control()
            weights = data.weights
            jobs = [Job(t, weights.p, get_loss("squared"), NoPenalty()) for t in data.Y]
            for t, job in enumerate(jobs):
                job.label = f"target {t}" if len(jobs) > 1 else ""
            with runner(data.X, control) as whole:
                if self.cv is None:
                    chosen = self._leave_one_out(whole, jobs, alphas, data, score_params)
                    each = [self._points(whole, job, alphas, weights.total) for job in jobs]
                    points = [own[index] for own, index in zip(each, chosen, strict=True)]
                    self.certificates_ = self._shaped([[point.certificate for point in own] for own in each], data.many)
                else:
                    index = self._folds(data, alphas, splits)
                    chosen = [index] * len(jobs)
                    points = [self._points(whole, job, alphas[index : index + 1], weights.total)[0] for job in jobs]
                seconds = {"solve": time.perf_counter() - began, "certify": 0.0, "compile": 0.0, "validate": 0.0}
                solution = solution_of(whole, jobs, points, seconds | {"total": time.perf_counter() - began})
            for job, index in zip(jobs, chosen, strict=True):
                job.penalty = mixed(float(alphas[index]) / weights.total, 0.0)
            own_alphas = self.alpha_per_target and len(jobs) > 1
            self.alpha_ = alphas[chosen] if own_alphas else float(alphas[chosen[0]])
            self._record(solution, jobs, control, weights.total, weights.raw is not None)
            self._keep(solution, data, control.fit_intercept)
            self.n_iter_ = solution.iterations if data.many else solution.iterations[0]
        conclude(self, self.certificates_)
        return self

    def _points(self, paths: Runner, job: Job, alphas: FloatArray, total: float) -> list[Point]:
        """Points at the strengths, in their order; solved from strong to weak."""
        order = np.argsort(-alphas, kind="stable")
        found = paths.path(job, [mixed(float(alphas[i]) / total, 0.0) for i in order])
        out: list[Any] = [None] * len(alphas)
        for i, point in zip(order, found, strict=False):
            out[i] = point
        return [point if point is not None else found[-1] for point in out]  # Ctrl-C: the last one that there is

    def _shaped(self, rows: list[list[Any]], many: bool) -> AnyArray:
        made = collect((len(rows), len(rows[0])))
        for t, row in enumerate(rows):
            made[t] = row
        out: AnyArray = made if many else made[0]
        return out

    # --------------------------------------------------------------------------------------- leave-one-out

    def _leave_one_out(
        self, paths: Runner, jobs: Sequence[Job], alphas: FloatArray, data: Encoded, score_params: dict[str, Any]
    ) -> list[int]:
        """The index of the best strength for each target; sets ``best_score_`` and ``cv_results_``."""
        total, s = data.weights.total, data.weights.raw
        factor = paths.factor(data.weights.p)
        # one target at a time: (n, m) numbers
        left = np.stack([factor.left_out(job.y, alphas / total) for job in jobs], axis=1)  # (n, t, m)
        scorer = check_scoring(self, self.scoring, allow_none=True) if self.scoring is not None else None
        Y = data.Y.T[:, :, None]
        kept = left * left * (1.0 if s is None else s[:, None, None]) if scorer is None else Y - left
        if self.store_cv_results:
            self.cv_results_ = kept if data.many else kept[:, 0]
        if scorer is None:
            values = -kept.mean(axis=0)  # (t, m)
        else:
            values = self._scored(scorer, kept, data, score_params)
        if self.alpha_per_target and len(jobs) > 1:
            chosen = [int(i) for i in values.argmax(axis=1)]
            self.best_score_ = values.max(axis=1)
            return chosen
        mean = values.mean(axis=0)
        best = int(np.argmax(mean))
        self.best_score_ = float(mean[best])
        return [best] * len(jobs)

    def _scored(self, scorer: Any, predictions: FloatArray, data: Encoded, score_params: dict[str, Any]) -> FloatArray:
        """A scorer's values, a row a target, or one row for all together."""
        targets, count = predictions.shape[1:]
        if self.alpha_per_target and targets > 1:
            return np.array(
                [
                    [scorer(_Known(), predictions[:, t, i], data.Y[t], **score_params) for i in range(count)]
                    for t in range(targets)
                ]
            )
        y: Any = data.Y.T if data.many else data.Y[0]
        whole = predictions if data.many else predictions[:, 0]
        return np.array([[scorer(_Known(), whole[..., i], y, **score_params) for i in range(count)]])

    # --------------------------------------------------------------------------------------------- folds

    def _folds(self, data: Encoded, alphas: FloatArray, splits: dict[str, Any]) -> int:
        """The index of the strength with the best mean score over the folds."""
        control = self._control()
        y: Any = data.Y.T if data.many else data.Y[0]
        folds = list(check_cv(self.cv).split(data.X, y, **splits))
        scorer = check_scoring(Ridge(), self.scoring)
        s, d = data.weights.raw, data.X.shape[1]
        values = np.empty((len(alphas), len(folds)))
        certificates = collect((len(data.Y), len(alphas), len(folds)))
        for f, (train, test) in enumerate(folds):
            weights = normalise(None if s is None else check_weights(s[train], len(s[train])), len(data.Y[0][train]))
            coefs, intercepts = [], []
            with runner(data.X[train], control) as paths:
                for t, target in enumerate(data.Y):
                    job = Job(np.ascontiguousarray(target[train]), weights.p, get_loss("squared"), NoPenalty())
                    points = self._points(paths, job, alphas, weights.total)
                    W, b = coefficients(points, d, 1, control.fit_intercept)
                    coefs.append(W[:, 0])
                    intercepts.append(b[:, 0])
                    certificates[t, :, f] = [point.certificate for point in points]
            model = clone(Ridge(fit_intercept=self.fit_intercept))
            model.n_features_in_ = d
            for i, alpha in enumerate(alphas):
                model.alpha = float(alpha)
                coef, intercept = np.stack([c[i] for c in coefs]), np.array([b[i] for b in intercepts])
                model.coef_, model.intercept_ = (coef, intercept) if data.many else (coef[0], float(intercept[0]))
                values[i, f] = scorer(model, data.X[test], y[test], **_weights(scorer, s, test))
        self.certificates_ = certificates if data.many else certificates[0]
        mean = values.mean(axis=1)
        best = int(np.argmax(mean))
        self.best_score_ = float(mean[best])
        return best

    def get_metadata_routing(self) -> Any:
        """What the splitter and the scorer ask for."""
        scorer = check_scoring(self, self.scoring, allow_none=True) if self.scoring is not None else None
        if scorer is None and routing_enabled():
            scorer = get_scorer("r2").set_score_request(sample_weight=True)
        return router(self, self.cv, scorer)


def _weights(scorer: Any, s: FloatArray | None, rows: Any) -> dict[str, Any]:
    """Weights of some rows, for a scorer that takes them."""
    accepts = getattr(scorer, "_accept_sample_weight", None)
    return {"sample_weight": s[rows]} if s is not None and accepts is not None and accepts() else {}
