"""Lasso and elastic net with built-in cross-validation, along certified paths."""

from __future__ import annotations

import numbers
import time
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.model_selection import check_cv

from steepest.estimators.base import scores, untouched_by_errors
from steepest.estimators.cv_common import (
    CV_RULES,
    GRID,
    LIST,
    check_strengths,
    coefficients,
    collect,
    conclude,
    routed,
    router,
)
from steepest.estimators.jobs import Job
from steepest.estimators.parameters import BOOL, Rule, Rules, one_of, real
from steepest.estimators.path import solution_of
from steepest.estimators.path_runs import runner
from steepest.estimators.path_setup import grid, mixed, strongest
from steepest.estimators.regression import Encoded, LinearRegressionBase
from steepest.estimators.solvers import SOLVER
from steepest.estimators.targets import check_weights, normalise
from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import get_loss
from steepest.penalties import NoPenalty
from steepest.protocols import AnyArray, FloatArray

_GRAM = Rule("an array of shape (d, d)", lambda v: np.ndim(v) == 2)


NOT_POSITIVE = Rule(
    "False (paths of non-negative coefficients are not offered: search over ElasticNet(positive=True))",
    lambda v: v is False,
)


class ElasticNetCV(LinearRegressionBase):
    """Elastic net whose strength, and mix where several are given, is chosen by cross-validation.

    For each fold and each ``l1_ratio`` the path of strengths is followed from the largest, at which all weights are
    zero; every point is certified.  The strength of the least mean squared error over the folds is refitted on all
    rows.  Parameters, attributes and choices are scikit-learn's; ``tol`` is the relative suboptimality that each
    certificate proves.

    Parameters
    ----------
    l1_ratio : float or list of float in [0, 1], default=0.5
        1 is the lasso.  A grid of strengths cannot be computed for 0.
    eps : float, default=1e-3
        Smallest over largest strength of a computed grid.
    alphas : int or array-like, default=100
        Length of the computed grid for each ``l1_ratio``, or the strengths.
    fit_intercept : bool, default=True
    precompute : bool, "auto" or array, default="auto"
        Accepted; whether second moments pay is decided from the shape.
    max_iter : int or None, default=10000
        Rounds of the solver for a point.
    tol : float, default=1e-4
        Relative suboptimality that every certificate must prove.
    cv : int, splitter or iterable, default=None
        None: 5 folds.
    copy_X : bool, default=True
        Accepted; X is never written to.
    verbose : int, default=0
    n_jobs : int or None, default=None
        Threads within a fit; see `LogisticRegression`.
    positive : False
        Coefficients of one sign are not offered.
    random_state, selection
        Accepted; they change nothing in the result.
    solver : str, default="auto"
    max_time : float or None, default=None
        Seconds for the path of a fold.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    alpha_ : float
    l1_ratio_ : float
    coef_ : array of shape (d,)
    intercept_ : float
    alphas_ : array of shape (m,) or (r, m)
        Strengths, largest first; a row for each ``l1_ratio`` where there are several computed grids.
    mse_path_ : array of shape (m, f) or (r, m, f)
        Mean squared errors on the rows left out.
    certificates_ : array of Certificate, shape of ``mse_path_``
        What is proven about each point in each fold.
    certificate_ : Certificate
        Of the refit.
    dual_gap_, n_iter_, history_, fit_record_, objective_
        Of the refit.

    Examples
    --------
    >>> from steepest import ElasticNetCV
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0], [5.0, 0.0]]
    >>> model = ElasticNetCV(cv=3, alphas=20).fit(X, [0.0, 1.1, 2.0, 2.9, 4.0, 5.1])
    >>> model.certificate_.passed, all(c.passed for c in model.certificates_.flat), model.mse_path_.shape
    (True, True, (20, 3))
    """

    _multi_output = False
    _inert: ClassVar[dict[str, Any]] = {"precompute": "auto", "selection": "cyclic"}
    _rules: ClassVar[dict[str, Rules]] = {
        "l1_ratio": (real(0, 1, closed="both"), LIST),
        "eps": (real(0),),
        "alphas": GRID,
        "precompute": (one_of("auto"), BOOL, _GRAM),
        "cv": CV_RULES,
        "positive": (NOT_POSITIVE,),
        "selection": (one_of("cyclic", "random"),),
        "solver": SOLVER,
    }
    alpha_: float
    alphas_: FloatArray
    mse_path_: FloatArray
    certificates_: AnyArray

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int | None = 10_000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: int = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        solver: str = "auto",
        max_time: float | None = None,
        on_unconverged: str = "warn",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.solver = solver
        self.max_time = max_time
        self.on_unconverged = on_unconverged

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:
        """Follow the paths of all folds, choose, and refit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            Weigh rows in the fits and in the errors of each fold; folds count alike.
        **params
            For the splitter, with scikit-learn's metadata routing.
        """
        with untouched_by_errors(self):
            began = time.perf_counter()
            self._check_parameters()
            data = self._encode(X, y, sample_weight)
            splits, _ = routed(self, params, sample_weight, scored=False)
            control = self._control()
            ratios = self._ratios()
            y = data.Y[0]
            folds = list(check_cv(self.cv).split(data.X, y, **splits))
            with runner(data.X, control) as whole:
                job = Job(y, data.weights.p, get_loss("squared"), NoPenalty())
                alphas = self._grids(whole.problem(job), ratios)
                errors, certificates = self._errors(data, folds, ratios, alphas)
                mean = errors.mean(axis=1)  # (ratios, strengths)
                ratio, best = np.unravel_index(int(np.argmin(mean)), mean.shape)
                self.alpha_ = float(alphas[ratio][best])
                share = float(ratios[ratio])
                job.penalty = mixed(self.alpha_, share)
                solving = time.perf_counter()
                points = whole.path(job, [job.penalty])
                spent = time.perf_counter() - solving
                seconds = {"solve": spent, "certify": 0.0, "compile": 0.0, "validate": 0.0}
                solution = solution_of(whole, [job], points, seconds | {"total": time.perf_counter() - began})
            self._record(solution, [job], control, data.weights.total, data.weights.raw is not None)
            self._keep(solution, data, control.fit_intercept)
            if hasattr(self, "l1_ratio"):
                self.l1_ratio_ = share
            one_grid = len(ratios) == 1 or not isinstance(self.alphas, numbers.Integral)
            self.alphas_ = alphas[0] if one_grid else alphas
            self.mse_path_ = np.squeeze(np.moveaxis(errors, 2, 1))
            self.certificates_ = np.moveaxis(certificates, 2, 1).reshape(self.mse_path_.shape)
            certificate = self.certificate_
            self.dual_gap_ = certificate.value if certificate.bounds == "suboptimality" else float("nan")
            self.n_iter_ = max(1, solution.iterations[0])
        conclude(self, self.certificates_)
        return self

    def _ratios(self) -> FloatArray:
        ratios = np.atleast_1d(np.asarray(self.l1_ratio, dtype=np.float64))
        if not ((ratios >= 0.0) & (ratios <= 1.0)).all():
            raise InvalidParameterError(
                f"The 'l1_ratio' parameter of {type(self).__name__} must be a float in the range [0, 1] or a list of "
                f"them. Got {self.l1_ratio!r} instead."
            )
        return ratios

    def _grids(self, problem: Any, ratios: FloatArray) -> FloatArray:
        """Strengths for each mix, largest first."""
        if not isinstance(self.alphas, numbers.Integral):
            given = check_strengths(self.alphas, "alphas", type(self).__name__, zero=True)
            return np.tile(np.sort(given)[::-1], (len(ratios), 1))
        if not ratios.all():
            raise InvalidParameterError(
                "Automatic alpha grid generation is not supported for l1_ratio=0, whose weights never vanish. "
                "Give the strengths as alphas."
            )
        top = strongest(problem, 1.0)
        return np.stack([grid(top / ratio, int(self.alphas), float(self.eps)) for ratio in ratios])

    def _errors(
        self, data: Encoded, folds: list[Any], ratios: FloatArray, alphas: FloatArray
    ) -> tuple[FloatArray, AnyArray]:
        """Mean squared errors and certificates of all folds, (ratios, folds, strengths)."""
        control = self._control()
        errors = np.full((len(ratios), len(folds), alphas.shape[1]), np.inf)
        certificates = collect(errors.shape)
        d, y, s = data.X.shape[1], data.Y[0], data.weights.raw
        loss = get_loss("squared")
        for f, (train, test) in enumerate(folds):
            weights = normalise(None if s is None else check_weights(s[train], len(s[train])), len(y[train]))
            job = Job(np.ascontiguousarray(y[train]), weights.p, loss, NoPenalty())
            with runner(data.X[train], control) as paths:
                for r, ratio in enumerate(ratios):
                    points = paths.path(job, [mixed(float(alpha), float(ratio)) for alpha in alphas[r]])
                    W, b = coefficients(points, d, 1, control.fit_intercept)
                    residuals = scores(data.X[test], W[:, 0], b[:, 0]) - y[test][:, None]
                    residuals *= residuals
                    count = len(points)
                    errors[r, f, :count] = np.average(residuals, axis=0, weights=None if s is None else s[test])
                    certificates[r, f, :count] = [point.certificate for point in points]
        return errors, certificates

    def get_metadata_routing(self) -> Any:
        """What the splitter asks for."""
        return router(self, check_cv(self.cv))


class LassoCV(ElasticNetCV):
    """Lasso whose strength is chosen by cross-validation along certified paths.

    `ElasticNetCV` with ``l1_ratio = 1``, whose parameters and attributes it has, but for ``l1_ratio_``.

    Examples
    --------
    >>> from steepest import LassoCV
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0], [5.0, 0.0]]
    >>> model = LassoCV(cv=3).fit(X, [0.0, 1.1, 2.0, 2.9, 4.0, 5.1])
    >>> model.coef_.round(2), model.certificate_.passed
    (array([1., 0.]), True)
    """

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int | None = 10_000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        solver: str = "auto",
        max_time: float | None = None,
        on_unconverged: str = "warn",
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.solver = solver
        self.max_time = max_time
        self.on_unconverged = on_unconverged

    def _ratios(self) -> FloatArray:
        return np.ones(1)
