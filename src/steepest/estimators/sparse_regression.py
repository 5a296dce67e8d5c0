"""Least squares with an l1 penalty: lasso and elastic net, with scikit-learn's parameters and their meanings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from steepest.estimators.jobs import Job, Solution
from steepest.estimators.parameters import BOOL, Rule, Rules, one_of, real
from steepest.estimators.regression import Encoded, LinearRegressionBase
from steepest.estimators.solvers import SOLVER
from steepest.losses.registry import get_loss
from steepest.penalties import get_penalty

_GRAM = Rule("an array of shape (d, d)", lambda v: np.ndim(v) == 2)


class ElasticNet(LinearRegressionBase):
    """Least squares with an l1 and an l2 penalty, with a certificate.

    ::

        P(w, b) = (1/S) sum_i s_i (x_i.w + b - y_i)^2 / 2
                  + alpha l1_ratio |w|_1 + alpha (1 - l1_ratio) |w|_2^2 / 2,     S = sum s_i

    as in scikit-learn.  The intercept is not penalised.  Several targets are independent problems.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength, at least 0.
    l1_ratio : float in [0, 1], default=0.5
        1 is the lasso, 0 ridge regression.
    fit_intercept : bool, default=True
    precompute : bool or array of shape (d, d), default=False
        Accepted; whether a Gram matrix is worth its price is decided from the shape, and said in the record.
    max_iter : int or None, default=10000
        Rounds of the solver.
    copy_X : bool, default=True
        Accepted; X is never written to.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    warm_start : bool, default=False
        Begin from the coefficients of the last fit.
    positive : bool, default=False
        Hold the coefficients (not the intercept) to be at least 0.
    random_state : int, RandomState or None
        Not used by the deterministic solvers.
    selection : {"cyclic", "random"}, default="cyclic"
        Accepted; the order of coordinates is the solver's own and changes nothing in the result.
    solver : str, default="auto"
    n_jobs : int or None, default=None
    max_time : float or None, default=None
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
    sparse_coef_ : CSR array
        The same, sparse.
    intercept_ : float or array of shape (t,)
    dual_gap_ : float or array of shape (t,)
        What the certificate proves about the objective.
    n_iter_ : int or list of int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import ElasticNet
    >>> model = ElasticNet(alpha=0.1).fit([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]], [0.0, 1.0, 2.0])
    >>> model.coef_.round(2), model.certificate_.passed
    (array([0.86, 0.  ]), True)
    """

    _inert: ClassVar[dict[str, Any]] = {"precompute": False, "selection": "cyclic"}
    _rules: ClassVar[dict[str, Rules]] = {
        "alpha": (real(0, closed="left"),),
        "l1_ratio": (real(0, 1, closed="both"),),
        "precompute": (BOOL, _GRAM),
        "positive": (BOOL,),
        "selection": (one_of("cyclic", "random"),),
        "solver": SOLVER,
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: Any = False,
        max_iter: int | None = 10_000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        solver: str = "auto",
        n_jobs: int | None = None,
        max_time: float | None = None,
        verbose: int = 0,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
        validation_fraction: float | None = None,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.solver = solver
        self.n_jobs = n_jobs
        self.max_time = max_time
        self.verbose = verbose
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.validation_fraction = validation_fraction

    def _problems(self, data: Encoded) -> list[Job]:
        alpha, ratio = float(self.alpha), float(self.l1_ratio)
        name = "none" if alpha == 0.0 else {0.0: "l2", 1.0: "l1"}.get(ratio, "elasticnet")
        return self._jobs(data, get_loss("squared"), [get_penalty(name, alpha, ratio)] * len(data.Y))

    def _finish(self, solution: Solution, data: Encoded, jobs: Sequence[Job], fit_intercept: bool) -> None:
        super()._finish(solution, data, jobs, fit_intercept)
        gaps = np.array([c.value if c.bounds == "suboptimality" else np.nan for c in solution.certificates])
        self.dual_gap_ = gaps if data.many else float(gaps[0])

    @property
    def sparse_coef_(self) -> Any:
        """``coef_`` as a CSR array of shape (1, d) or (t, d)."""
        return sp.csr_array(np.atleast_2d(self.coef_))


class Lasso(ElasticNet):
    """Least squares with an l1 penalty, with a certificate.

    ::

        P(w, b) = (1/S) sum_i s_i (x_i.w + b - y_i)^2 / 2 + alpha |w|_1,     S = sum s_i

    as in scikit-learn: `ElasticNet` with ``l1_ratio = 1``, whose parameters and attributes it has.

    Examples
    --------
    >>> from steepest import Lasso
    >>> model = Lasso(alpha=0.1).fit([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]], [0.0, 1.0, 2.0])
    >>> model.coef_.round(2), model.certificate_.passed
    (array([0.85, 0.  ]), True)
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int | None = 10_000,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        solver: str = "auto",
        n_jobs: int | None = None,
        max_time: float | None = None,
        verbose: int = 0,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
        validation_fraction: float | None = None,
    ) -> None:
        super().__init__(
            alpha,
            l1_ratio=1.0,
            fit_intercept=fit_intercept,
            precompute=precompute,
            copy_X=copy_X,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            positive=positive,
            random_state=random_state,
            selection=selection,
            solver=solver,
            n_jobs=n_jobs,
            max_time=max_time,
            verbose=verbose,
            on_unconverged=on_unconverged,
            patience=patience,
            min_delta=min_delta,
            monitor=monitor,
            validation_fraction=validation_fraction,
        )
