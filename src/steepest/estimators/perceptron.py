"""The perceptron under scikit-learn's name: a step unit trained by its mistakes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from steepest.estimators.base import scores
from steepest.estimators.classification import Encoded, LinearClassification
from steepest.estimators.fitting import solve
from steepest.estimators.general import penalty_of
from steepest.estimators.incremental import make_solver
from steepest.estimators.incremental_kinds import IncrementalClassifier
from steepest.estimators.jobs import Control, Job, Solution
from steepest.estimators.outcomes import combine
from steepest.estimators.parameters import ANYTHING, BOOL, NONE, Rules, integer, real
from steepest.losses.registry import get_loss
from steepest.protocols import Certificate, Status


class Perceptron(IncrementalClassifier, LinearClassification):
    """The perceptron: a row on the wrong side moves the weights by ``eta0 y_i x_i``, others move nothing.

    ::

        P(w, b) = (1/S) sum_i s_i max(0, -y_i z_i) + alpha R(w),     z_i = x_i.w + b

    Without a penalty, and with classes that a plane separates, it ends after finitely many mistakes; ``certificate_``
    then says "separated", with an objective of 0, which is the least there is.  With other classes it goes on until
    ``max_iter``, and the certificate counts the mistakes that are left.  Steps, and coefficients, are those of
    scikit-learn's ``Perceptron`` for the same order of the rows.  The linear unit, which moves by its error and not by
    its mistakes alone, is `SGDRegressor`, or ``SGDClassifier("squared_error")``.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet", "none"}, None or a penalty value, default=None
        With a penalty the minimum of P is at zero weights, which is of no use; mistakes are what is counted.
    alpha : float, default=1e-4
    l1_ratio : float in [0, 1], default=0.15
    fit_intercept : bool, default=True
    max_iter : int, default=1000
        Epochs.
    tol : float or None, default=1e-3
        None runs all epochs; a number stops after one without a mistake.
    shuffle : bool, default=True
    verbose : int, default=0
    eta0 : float, default=1.0
        What the moves are multiplied by; without a penalty, and from zero, it only scales the coefficients.
    n_jobs : int or None, default=None
    random_state : int, RandomState or None, default=0
    early_stopping : bool, default=False
        Hold out ``validation_fraction`` of the rows, stop after ``n_iter_no_change`` epochs without improvement on
        them, and return the parameters that were best there.
    validation_fraction : float in (0, 1), default=0.1
    n_iter_no_change : int, default=5
    class_weight : dict, "balanced" or None
    warm_start : bool, default=False
    max_time : float or None, default=None
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    classes_ : array of shape (k,)
    coef_ : array of shape (1, d) or (k, d)
    intercept_ : array of shape (1,) or (k,)
    n_iter_ : int
    t_ : float
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import Perceptron
    >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> model = Perceptron(shuffle=False).fit(X, [0, 0, 0, 1])
    >>> print(model.certificate_)
    certified: separated: no mistakes in a pass over 4 rows
    >>> model = Perceptron(max_iter=50, on_unconverged="ignore").fit(X, [0, 1, 1, 0])
    >>> model.certificate_.status.value, model.certificate_.evidence["mistakes"] > 0
    ('budget', True)
    """

    _rules: ClassVar[dict[str, Rules]] = {
        "penalty": (ANYTHING,),
        "alpha": (real(0, closed="left"),),
        "l1_ratio": (real(0, 1, closed="both"),),
        "tol": (real(0, closed="left"), NONE),
        "max_iter": (integer(1),),
        "shuffle": (BOOL,),
        "eta0": (real(0),),
        "early_stopping": (BOOL,),
        "n_iter_no_change": (integer(1),),
        "validation_fraction": (real(0, 1),),
    }

    # what the estimators of stochastic steps choose, and this one does not
    loss = "perceptron"
    optimizer = "sgd"
    learning_rate = "constant"
    power_t = 0.5
    batch_size = 1
    order = None
    average = False
    patience = None
    monitor = "loss"

    def __init__(
        self,
        *,
        penalty: Any = None,
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        eta0: float = 1.0,
        n_jobs: int | None = None,
        random_state: Any = 0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
        warm_start: bool = False,
        max_time: float | None = None,
        on_unconverged: str = "warn",
    ) -> None:
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.eta0 = eta0
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.max_time = max_time
        self.on_unconverged = on_unconverged

    def _problems(self, data: Encoded) -> list[Job]:
        penalty = penalty_of(self.penalty, self.alpha, self.l1_ratio)
        return self._jobs(get_loss("perceptron"), penalty, data.labels, data.weights.p)

    def _solver(self, seed: int, observed: bool) -> Any:
        from steepest.solvers.separating import Separating

        return make_solver(self, seed, observed, Separating, stops=self.tol is not None)

    def _run(
        self, X: Any, jobs: Sequence[Job], control: Control, began: float, total: float, weighted: bool
    ) -> Solution:
        solution = solve(X, jobs, control, time.perf_counter() - began)
        d = X.shape[1]
        for row, (job, w) in enumerate(zip(jobs, solution.weights, strict=True)):
            z = X.matvec(w[:d]) if hasattr(X, "matvec") else scores(X, w[:d], 0.0)
            wrong = (job.y * (z + (w[d] if control.fit_intercept else 0.0)) <= 0.0) & (job.p > 0.0)
            solution.certificates[row] = self._judged(solution.certificates[row], wrong)
        solution.certificate = combine(solution.certificates, [job.label for job in jobs])
        self._record(solution, jobs, control, total, weighted)
        return solution

    def _judged(self, found: Certificate, wrong: Any) -> Certificate:
        """The certificate, in mistakes."""
        left, n = int(np.count_nonzero(wrong)), len(wrong)
        evidence = {**found.evidence, "mistakes": left}
        if left == 0 and found.passed:
            return replace(found, reason=f"separated: no mistakes in a pass over {n} rows", evidence=evidence)
        said = f"{left} of {n} rows are on the wrong side: not separated" if left else "no mistakes, beside a penalty"
        status, before = found.status, found.reason.partition(";")[0]
        if status is Status.CERTIFIED:  # weights of zero have no loss, and only a limit ends a run with mistakes left
            status = Status.BUDGET if left else Status.APPROXIMATE
            before = before if left and ";" in found.reason else ""
        reason = f"{before}; {said}" if before else said
        return replace(found, status=status, passed=False, reason=reason, evidence=evidence)
