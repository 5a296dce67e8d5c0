"""Least squares, plain and with an l2 penalty, with scikit-learn's parameters and their meanings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from steepest.estimators.jobs import Control, Job, Solution
from steepest.estimators.noise import Noise, estimate_noise
from steepest.estimators.parameters import BOOL, Rule, Rules, real
from steepest.estimators.regression import Encoded, LinearRegressionBase
from steepest.estimators.solvers import SOLVER
from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import get_loss
from steepest.penalties import L2, NoPenalty
from steepest.protocols import FloatArray


class LinearRegression(LinearRegressionBase):
    """Ordinary least squares with a certificate, a noise estimate and predictions with a standard deviation.

    ::

        P(w, b) = (1/S) sum_i s_i (x_i.w + b - y_i)^2 / 2,     S = sum s_i

    Where the minimiser is not unique, that of least ``|w|``.  Several targets are independent problems.

    In the Gaussian view ``y = x.w + b + noise`` the noise has the unbiased variance estimate
    ``sigma^2 = sum s_i r_i^2 / (S - rank)``, where a weight of k counts as k rows; a new observation at x has the
    standard deviation ``sigma sqrt(1 + 1/S + (x - m)^T (X_c^T diag(s) X_c)^+ (x - m))`` with m the mean row
    (without intercept: uncentred, and no 1/S).

    Parameters
    ----------
    fit_intercept : bool, default=True
    copy_X : bool, default=True
        Accepted; X is never written to.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    n_jobs : int or None, default=None
        Threads; see `LogisticRegression`.
    positive : bool, default=False
        Hold the coefficients (not the intercept) to be at least 0.  ``sigma_`` counts each of them as free, so it is
        too large rather than too small; deviations of predictions are not offered.
    solver : str, default="auto"
    max_iter : int or None, default=None
    max_time : float or None, default=None
    random_state : int, RandomState or None
        Of the split by ``validation_fraction``; nothing else is drawn.
    warm_start : bool, default=False
        Begin from the coefficients of the last fit; only iterative solvers gain by it, as without a penalty nothing
        less than the closed form proves that coefficients are optimal.
    verbose : int, default=0
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"
    patience : int or None, default=None
        Rounds without improvement on the validation rows after which the fit stops; the best round is the result.
        Validation rows are those given to `fit`, or ``validation_fraction``.
    min_delta : float, default=0.0
        What a round must gain to count as an improvement.
    monitor : "loss", scorer name or callable, default="loss"
        What is watched: the mean loss of the validation rows, or ``scorer(estimator, X, y)``, higher is better.
        Several targets, or classes one against the rest, are watched each on its own.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the rows to hold out where no validation rows are given; stratified for classifiers, drawn by
        ``random_state``.

    Attributes
    ----------
    coef_ : array of shape (d,) or (t, d)
    intercept_ : float or array of shape (t,)
    sigma_ : float or array of shape (t,)
        Standard deviation of the noise; nan where no degrees of freedom are left.
    rank_ : int
        Rank of the (centred) rows, the intercept not counted.
    n_iter_ : int or list of int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import LinearRegression
    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.5])
    >>> model.coef_.round(3), round(model.sigma_, 3)
    (array([2.15]), 0.194)
    >>> mean, std = model.predict([[1.5]], return_std=True)
    >>> mean.round(3), std.round(3)
    (array([4.125]), array([0.217]))
    """

    _rules: ClassVar[dict[str, Rules]] = {"positive": (BOOL,), "solver": SOLVER}
    _noise: Noise

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-4,
        n_jobs: int | None = None,
        positive: bool = False,
        solver: str = "auto",
        max_iter: int | None = None,
        max_time: float | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
        validation_fraction: float | None = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive
        self.solver = solver
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.validation_fraction = validation_fraction

    def _problems(self, data: Encoded) -> list[Job]:
        return self._jobs(data, get_loss("squared"), [NoPenalty()] * len(data.Y))

    def _finish(self, solution: Solution, data: Encoded, jobs: Sequence[Job], fit_intercept: bool) -> None:
        super()._finish(solution, data, jobs, fit_intercept)
        least = [certificate.primal for certificate in solution.certificates]
        self._noise = estimate_noise(data.X, data.weights, least, fit_intercept, solution.systems)
        sigma = self._noise.sigma
        self.sigma_ = sigma if data.many else float(sigma[0])
        self.rank_ = self._noise.rank

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predictions, and the standard deviation of a new observation where it is asked for.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        return_std : bool
            True returns ``(mean, std)``, both of the shape that y had.
        """
        mean = super().predict(X)
        if not return_std:
            return mean
        if self.positive:
            raise InvalidParameterError(
                "return_std: offered for least squares without positive=True, got positive=True. Use sigma_, that of "
                "the noise alone."
            )
        return mean, self._noise.deviation(X, mean)


class Ridge(LinearRegressionBase):
    """Least squares with an l2 penalty, with a certificate.

    ::

        P(w, b) = (1/S) sum_i s_i (x_i.w + b - y_i)^2 / 2 + (alpha/S) |w|^2 / 2,     S = sum s_i

    This is scikit-learn's ``sum s_i (y_i - x_i.w - b)^2 + alpha |w|^2`` over ``2 S``.  The intercept is not
    penalised.  Several targets are independent problems.

    Parameters
    ----------
    alpha : float or array of shape (t,), default=1.0
        Strength, at least 0; an array has one strength a target.
    fit_intercept : bool, default=True
    copy_X : bool, default=True
        Accepted; X is never written to.
    max_iter : int or None, default=None
        Rounds of an iterative solver.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    solver : str, default="auto"
        scikit-learn's names mean the nearest solver here.
    positive : bool, default=False
        Hold the coefficients (not the intercept) to be at least 0.
    random_state : int, RandomState or None
        Not used by the deterministic solvers.
    n_jobs : int or None, default=None
    max_time : float or None, default=None
    warm_start : bool, default=False
        Begin from the coefficients of the last fit: where they are still optimal, no matrix is built.
    verbose : int, default=0
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"
    patience : int or None, default=None
        Rounds without improvement on the validation rows after which the fit stops; the best round is the result.
        Validation rows are those given to `fit`, or ``validation_fraction``.
    min_delta : float, default=0.0
        What a round must gain to count as an improvement.
    monitor : "loss", scorer name or callable, default="loss"
        What is watched: the mean loss of the validation rows, or ``scorer(estimator, X, y)``, higher is better.
        Several targets, or classes one against the rest, are watched each on its own.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the rows to hold out where no validation rows are given; stratified for classifiers, drawn by
        ``random_state``.

    Attributes
    ----------
    coef_ : array of shape (d,) or (t, d)
    intercept_ : float or array of shape (t,)
    n_iter_ : int or list of int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import Ridge
    >>> model = Ridge(alpha=1.0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> model.coef_.round(4), round(model.intercept_, 4), model.certificate_.passed
    (array([0.6667]), 0.3333, True)
    """

    _rules: ClassVar[dict[str, Rules]] = {
        "alpha": (
            real(0, closed="left"),
            Rule("an array of them", lambda v: np.ndim(v) == 1 and np.asarray(v).dtype.kind in "fiu"),
        ),
        "positive": (BOOL,),
        "solver": SOLVER,
        "copy_X": (BOOL,),
    }

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        max_time: float | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
        validation_fraction: float | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.max_time = max_time
        self.warm_start = warm_start
        self.verbose = verbose
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.validation_fraction = validation_fraction

    def _problems(self, data: Encoded) -> list[Job]:
        total = data.weights.total
        penalties = [L2(a / total) if a > 0.0 else NoPenalty() for a in self._strengths(len(data.Y))]
        return self._jobs(data, get_loss("squared"), penalties)

    def _control(self) -> Control:
        control = super()._control()
        if self.positive and self.solver == "lbfgs":  # the one that scikit-learn's Ridge asks for
            control.solver = "auto"
            control.notes.append(
                "solver='lbfgs' with positive=True is scikit-learn's; 'auto' is used, for the same objective"
            )
        return control

    def _strengths(self, targets: int) -> FloatArray:
        alphas = np.asarray(self.alpha, dtype=np.float64)
        if not np.isfinite(alphas).all() or (alphas < 0.0).any():
            raise InvalidParameterError(
                f"The 'alpha' parameter of Ridge must be a float in the range [0, {math.inf}) or an array of them. "
                f"Got {self.alpha!r} instead."
            )
        if alphas.ndim and len(alphas) not in (1, targets):
            raise InvalidParameterError(
                f"alpha: expected one strength or one for each of the {targets} targets, got {len(alphas)}."
            )
        return np.broadcast_to(alphas, (targets,))
