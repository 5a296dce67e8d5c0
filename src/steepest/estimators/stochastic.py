"""Stochastic gradient descent under scikit-learn's names: `SGDClassifier` and `SGDRegressor`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils.metaestimators import available_if

from steepest.estimators.classification import Encoded, LinearClassification
from steepest.estimators.general import penalty_of
from steepest.estimators.incremental_kinds import IncrementalClassifier, IncrementalRegressor
from steepest.estimators.jobs import Job
from steepest.estimators.parameters import (
    ANYTHING,
    BOOL,
    NONE,
    Rule,
    Rules,
    integer,
    one_of,
    real,
)
from steepest.estimators.rates import loss_value
from steepest.estimators.regression import Encoded as EncodedTargets
from steepest.estimators.regression import LinearRegressionBase
from steepest.exceptions import IncompatibleError
from steepest.losses.registry import VECTOR_LOSSES
from steepest.protocols import FloatArray

RULES_OF_SGD: dict[str, Rules] = {
    "loss": (ANYTHING,),  # the registry names what it knows
    "penalty": (ANYTHING,),
    "alpha": (real(0, closed="left"),),
    "l1_ratio": (real(0, 1, closed="both"),),
    "tol": (real(0, closed="left"), NONE),
    "max_iter": (integer(1),),
    "shuffle": (BOOL,),
    "epsilon": (real(0, closed="left"),),
    "learning_rate": (ANYTHING,),
    "eta0": (real(0, closed="left"),),
    "power_t": (real(0, closed="left"),),
    "early_stopping": (BOOL,),
    "n_iter_no_change": (integer(1),),
    "average": (BOOL, integer(1), one_of("auto")),
    "optimizer": (ANYTHING,),
    "batch_size": (integer(1), one_of("all")),
    "order": (Rule("a str or an order value", lambda v: isinstance(v, str) or hasattr(v, "epoch")), NONE),
    "validation_fraction": (real(0, 1),),
}


def trainable_loss(model: Any) -> Any:
    """The loss value of an estimator; one for evaluation only is an error."""
    value = loss_value(model.loss, float(model.epsilon))
    if not value.trainable:
        raise IncompatibleError(
            f"loss: '{value.name}' is for evaluation only, its slope is zero almost everywhere. "
            "Use a convex loss above it, 'hinge' or 'log_loss'."
        )
    return value


def _has_probabilities(model: Any) -> bool:
    loss = loss_value(model.loss, float(model.epsilon))
    if loss.link not in ("logistic", "softmax") and loss.name != "modified_huber":
        raise AttributeError(
            f"predict_proba: the loss {model.loss!r} has the link '{loss.link}', which gives no probabilities. "
            "Use 'log_loss', 'softmax' or 'modified_huber'."
        )
    return True


class SGDClassifier(IncrementalClassifier, LinearClassification):
    """A linear classifier by stochastic gradient steps: any loss, penalty, update rule, schedule and order.

    ::

        P(w, b) = (1/S) sum_i s_i loss(x_i.w + b, y_i) + alpha R(w),     S = sum s_i

    scikit-learn's objective, with R(w) = ``|w|_2^2 / 2`` for "l2", ``|w|_1`` for "l1", and
    ``l1_ratio |w|_1 + (1 - l1_ratio) |w|_2^2 / 2`` for "elasticnet".  More than two classes are fitted one against the
    rest; "softmax" has a score for each class.  A step costs O(non-zeros of its rows) for either penalty.
    `partial_fit` goes on with further rows, `fit_batches` reads data larger than memory.  `LinearClassifier` and
    `LogisticRegression` minimise the same objectives by methods that reach small gaps sooner.

    Parameters
    ----------
    loss : str or loss value, default="hinge"
        "hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "squared_error", "huber",
        "epsilon_insensitive" and "squared_epsilon_insensitive" as in scikit-learn; "softmax" (multinomial); any other
        name or value of `steepest.losses`.
    penalty : {"l2", "l1", "elasticnet", "none"}, None or a penalty value, default="l2"
    alpha : float, default=1e-4
        Strength, for the mean loss.
    l1_ratio : float in [0, 1], default=0.15
        Used by "elasticnet".
    fit_intercept : bool, default=True
        The intercept is not penalised.
    max_iter : int, default=1000
        Epochs.
    tol : float or None, default=1e-3
        Relative suboptimality that the certificate must prove.  None asks for nothing: all epochs are run.
    shuffle : bool, default=True
        A fresh order of the rows every epoch; False takes them as they lie.
    verbose : int, default=0
    epsilon : float, default=0.1
        Of "huber" and the epsilon-insensitive losses.
    n_jobs : int or None, default=None
        Threads of evaluations; steps follow each other in one thread.
    random_state : int, RandomState or None
        Draws the seed of the orders; None is 0, so that a run can be repeated.
    learning_rate : str or schedule, default="auto"
        "auto" finds the first rate from the data; "constant", "optimal", "invscaling" and "adaptive" are
        scikit-learn's; or a value of `steepest.solvers.schedules`.  "adaptive" looks at the objective, so it stays
        constant where nothing is evaluated: in `partial_fit`, and with ``tol=None``.
    eta0 : float, default=0.01
        The first rate of "constant", "invscaling" and "adaptive".
    power_t : float, default=0.5
        ``eta0 / t^power_t`` is "invscaling".
    early_stopping : bool, default=False
        Hold out ``validation_fraction`` of the rows, stop after ``n_iter_no_change`` epochs without improvement on
        them, and return the parameters that were best there.
    validation_fraction : float in (0, 1), default=0.1
    n_iter_no_change : int, default=5
        Of ``early_stopping`` and "adaptive".
    class_weight : dict, "balanced" or None
    warm_start : bool, default=False
    average : bool, int or "auto", default="auto"
        Return the mean of the iterates; an int begins it at that step.  "auto" is a mean that weighs late iterates
        most where ``learning_rate="auto"``, and none elsewhere.
    optimizer : str or rule, default="sgd"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "ftrl", or a value of `steepest.rules`.
    batch_size : int or "all", default=1
        Rows of a step.
    order : str, order or None, default=None
        "shuffled", "cyclic", "replacement", "blocks", "alternating", "large_error"; None goes by ``shuffle``.
    max_time : float or None, default=None
        Seconds for the solver; those of compiling, in the first fits on a machine, are not counted.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"
    patience : int or None, default=None
        As ``early_stopping`` with ``n_iter_no_change``, for validation rows that are given to `fit`.
    min_delta : float, default=0.0
        What an epoch must gain on the validation rows to count as an improvement.
    monitor : "loss", scorer name or callable, default="loss"
        What is watched on the validation rows.

    Attributes
    ----------
    classes_ : array of shape (k,)
    coef_ : array of shape (1, d) or (k, d)
    intercept_ : array of shape (1,) or (k,)
    n_iter_ : int
        Epochs; the most of all classes.
    t_ : float
        Steps, plus 1.
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import SGDClassifier
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
    >>> model = SGDClassifier("log_loss", alpha=0.1).fit(X, y)
    >>> model.predict([[0.2], [2.9]])
    array(['low', 'high'], dtype='<U4')
    >>> model.certificate_.passed
    True
    """

    _rules: ClassVar[dict[str, Rules]] = RULES_OF_SGD

    def __init__(
        self,
        loss: Any = "hinge",
        *,
        penalty: Any = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        n_jobs: int | None = None,
        random_state: Any = None,
        learning_rate: Any = "auto",
        eta0: float = 0.01,
        power_t: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
        warm_start: bool = False,
        average: bool | int | str = "auto",
        optimizer: Any = "sgd",
        batch_size: int | str = 1,
        order: Any = None,
        max_time: float | None = None,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.average = average
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.order = order
        self.max_time = max_time
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor

    def _check_parameters(self) -> None:
        super()._check_parameters()
        loss = trainable_loss(self)
        if loss.targets == "nonnegative":
            raise IncompatibleError(f"loss: '{loss.name}' is for counts, not for classes. Use SGDRegressor.")

    def _problems(self, data: Encoded) -> list[Job]:
        penalty = penalty_of(self.penalty, self.alpha, self.l1_ratio)
        return self._jobs(trainable_loss(self), penalty, data.labels, data.weights.p)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities of the classes, (n, k), for "log_loss", "softmax", and "modified_huber".

        One-vs-rest probabilities are divided by their sum.  "modified_huber" gives ``(clip(z, -1, 1) + 1) / 2``
        (Zadrozny and Elkan 2002), as in scikit-learn.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        loss = loss_value(self.loss, float(self.epsilon))
        if loss.name != "modified_huber":
            return self._probabilities(X, loss.link)
        q = 0.5 * (np.clip(self._scores(X), -1.0, 1.0) + 1.0)
        if q.shape[1] == 1:
            return np.hstack([1.0 - q, q])
        total = q.sum(axis=1, keepdims=True)
        shares: FloatArray = np.where(total > 0.0, q / np.where(total > 0.0, total, 1.0), 1.0 / q.shape[1])
        return shares

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> FloatArray:
        """Logarithms of the probabilities, (n, k).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        loss = loss_value(self.loss, float(self.epsilon))
        if loss.name != "modified_huber":
            return self._log_probabilities(X, loss.link)
        with np.errstate(divide="ignore"):  # a probability of zero is what this loss gives far out
            return np.asarray(np.log(self.predict_proba(X)))


class SGDRegressor(IncrementalRegressor, LinearRegressionBase):
    """A linear regressor by stochastic gradient steps: any loss, penalty, update rule, schedule and order.

    ::

        P(w, b) = (1/S) sum_i s_i loss(x_i.w + b, y_i) + alpha R(w),     S = sum s_i

    scikit-learn's objective; see `SGDClassifier`, whose parameters mean the same here.

    Parameters
    ----------
    loss : str or loss value, default="squared_error"
        "squared_error" (``(z - y)^2 / 2``, with which this is the linear unit of Widrow and Hoff), "huber",
        "epsilon_insensitive" and "squared_epsilon_insensitive" as in scikit-learn; any other name or value of
        `steepest.losses`, such as "poisson" or ``Quantile(0.9)``.
    penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, epsilon, n_jobs, random_state
        See `SGDClassifier`.
    learning_rate : str or schedule, default="auto"
    eta0 : float, default=0.01
    power_t : float, default=0.25
    early_stopping, validation_fraction, n_iter_no_change, warm_start, average, optimizer, batch_size, order
        See `SGDClassifier`.
    max_time, on_unconverged, patience, min_delta, monitor
        See `SGDClassifier`.

    Attributes
    ----------
    coef_ : array of shape (d,)
    intercept_ : array of shape (1,)
    n_iter_ : int
    t_ : float
        Steps, plus 1.
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import SGDRegressor
    >>> model = SGDRegressor(alpha=1e-3).fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0])
    >>> model.certificate_.passed, model.predict([[4.0]]).round(1)
    (True, array([9.]))
    """

    _rules: ClassVar[dict[str, Rules]] = RULES_OF_SGD
    _multi_output = False

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        penalty: Any = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        n_jobs: int | None = None,
        random_state: Any = None,
        learning_rate: Any = "auto",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int | str = "auto",
        optimizer: Any = "sgd",
        batch_size: int | str = 1,
        order: Any = None,
        max_time: float | None = None,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.order = order
        self.max_time = max_time
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor

    def _check_parameters(self) -> None:
        super()._check_parameters()
        loss = trainable_loss(self)
        if type(loss) in VECTOR_LOSSES.values() or loss.targets in ("sign", "class"):
            raise IncompatibleError(f"loss: '{loss.name}' is for classes, not for numbers. Use SGDClassifier.")

    def _problems(self, data: EncodedTargets) -> list[Job]:
        self._check_targets(data.Y, "y")
        return self._jobs(data, trainable_loss(self), [penalty_of(self.penalty, self.alpha, self.l1_ratio)])
