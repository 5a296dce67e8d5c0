"""Any loss, any penalty, any solver: the general classifier and the general regressor.

They cover every generalised linear model of the link table in `steepest.estimators.links`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.utils.metaestimators import available_if

from steepest.estimators.classification import Encoded, LinearClassification
from steepest.estimators.jobs import Job
from steepest.estimators.parameters import ANYTHING, Rules, real
from steepest.estimators.regression import Encoded as EncodedTargets
from steepest.estimators.regression import LinearRegressionBase
from steepest.estimators.solvers import SOLVER
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError
from steepest.losses.registry import VECTOR_LOSSES, get_loss
from steepest.penalties import get_constraint, get_penalty
from steepest.protocols import FloatArray

_RULES: dict[str, Rules] = {
    "loss": (ANYTHING,),  # the registry names what it knows
    "penalty": (ANYTHING,),
    "alpha": (real(0, closed="left"),),
    "l1_ratio": (real(0, 1, closed="both"),),
    "constraint": (ANYTHING,),
    "solver": SOLVER,
}


def allowed_loss(loss: Any) -> Any:
    """The loss value of a name or a value; one for evaluation only is an error."""
    value = get_loss(loss)
    if not type(value).trainable:
        raise IncompatibleError(
            f"loss: '{value.name}' is for evaluation only, its slope is zero almost everywhere. "
            "Use a convex loss above it, 'hinge' or 'logistic'."
        )
    return value


def penalty_of(penalty: Any, alpha: float, l1_ratio: float) -> Any:
    """The penalty value of a name or a value; a name at strength 0 is none."""
    value = get_penalty(penalty, float(alpha), float(l1_ratio))
    return get_penalty("none") if isinstance(penalty, str | None) and alpha == 0.0 else value


def _has_probabilities(estimator: Any) -> bool:
    link = get_loss(estimator.loss).link
    if link not in ("logistic", "softmax"):
        raise AttributeError(
            f"predict_proba: the loss {estimator.loss!r} has the link '{link}', which gives no probabilities. "
            "Use 'logistic' or 'softmax'."
        )
    return True


class LinearClassifier(LinearClassification):
    """A linear classifier with any loss, penalty and solver.

    ::

        P(w, b) = (1/S) sum_i s_i loss(x_i.w + b, y_i) + alpha R(w),     S = sum s_i

    with ``R(w) = |w|_2^2 / 2``, ``|w|_1``, or ``l1_ratio |w|_1 + (1 - l1_ratio) |w|_2^2 / 2``.  A loss of one score
    sees y in {-1, +1} (in {0, 1} where its targets are "unit"), and more than two classes one-vs-rest; "softmax",
    "crammer_singer" and "weston_watkins" have a score for each class.

    Parameters
    ----------
    loss : str or loss value, default="logistic"
    penalty : {"l2", "l1", "elasticnet", "none"}, None or a penalty value, default="l2"
    alpha : float, default=1e-4
        Strength, for the mean loss.
    l1_ratio : float in [0, 1], default=0.5
        Used by "elasticnet".
    constraint : {"nonnegative", "simplex", "l2_ball", "l1_ball"}, None or a constraint value, default=None
        Where to hold the weights (not the intercept): ``Box(low, high)``, ``NonNegative()``, ``L2Ball(radius)``,
        ``L1Ball(radius)`` or ``Simplex(total)`` of `steepest.penalties`; by name the size is 1.With several scores
        (softmax, one-vs-rest), the weights of each score.
    fit_intercept : bool, default=True
        The intercept is not penalised.
    solver : str, default="auto"
        See "Choose a solver" in the documentation.
    solver_options : dict or None, default=None
        Options of a solver given by name, for instance ``{"line_search": "1/L"}`` for "gradient_descent".
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    max_iter : int or None, default=10000
    max_time : float or None, default=None
        Seconds for the solver; those of compiling, in the first fits on a machine, are not counted.
    class_weight : dict, "balanced" or None
    n_jobs : int or None, default=None
    random_state : int, RandomState or None
    warm_start : bool, default=False
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
    classes_ : array of shape (k,)
    coef_ : array of shape (1, d) or (k, d)
    intercept_ : array of shape (1,) or (k,)
    n_iter_ : array of int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import LinearClassifier
    >>> model = LinearClassifier("squared_hinge").fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[0.2], [2.9]])
    array([0, 1])
    """

    _rules: ClassVar[dict[str, Rules]] = _RULES
    _names_solvers = True

    def __init__(
        self,
        loss: Any = "logistic",
        *,
        penalty: Any = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.5,
        constraint: Any = None,
        fit_intercept: bool = True,
        solver: str = "auto",
        solver_options: dict[str, Any] | None = None,
        tol: float = 1e-4,
        max_iter: int | None = 10_000,
        max_time: float | None = None,
        class_weight: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
        validation_fraction: float | None = None,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.constraint = constraint
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.validation_fraction = validation_fraction

    def _check_parameters(self) -> None:
        super()._check_parameters()
        loss = allowed_loss(self.loss)
        get_constraint(self.constraint)
        if loss.targets == "nonnegative":
            raise IncompatibleError(f"loss: '{loss.name}' is for counts, not for classes. Use LinearRegressor.")

    def _problems(self, data: Encoded) -> list[Job]:
        penalty = penalty_of(self.penalty, self.alpha, self.l1_ratio)
        jobs = self._jobs(allowed_loss(self.loss), penalty, data.labels, data.weights.p)
        for job in jobs:
            job.constraint = get_constraint(self.constraint)
        return jobs

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities of the classes, (n, k), for losses whose link gives them.

        One-vs-rest probabilities are divided by their sum.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        return self._probabilities(X, get_loss(self.loss).link)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> FloatArray:
        """Logarithms of the probabilities, (n, k).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        return self._log_probabilities(X, get_loss(self.loss).link)


class LinearRegressor(LinearRegressionBase):
    """A linear regressor with any loss, penalty and solver; predictions go through the link of the loss.

    ::

        P(w, b) = (1/S) sum_i s_i loss(x_i.w + b, y_i) + alpha R(w),     S = sum s_i

    with R as in `LinearClassifier`.  "squared", "huber", "quantile", "absolute", "epsilon_insensitive" predict the
    score itself, "poisson" ``exp(z)`` for counts, "bernoulli" ``1 / (1 + exp(-z))`` for shares in [0, 1].

    Parameters
    ----------
    loss : str or loss value, default="squared"
        A value carries its parameters: ``Quantile(0.9)``, ``Huber(2.0)``.
    penalty : {"l2", "l1", "elasticnet", "none"}, None or a penalty value, default="l2"
    alpha : float, default=1e-4
        Strength, for the mean loss.
    l1_ratio : float in [0, 1], default=0.5
        Used by "elasticnet".
    constraint : {"nonnegative", "simplex", "l2_ball", "l1_ball"}, None or a constraint value, default=None
        Where to hold the weights (not the intercept): ``Box(low, high)``, ``NonNegative()``, ``L2Ball(radius)``,
        ``L1Ball(radius)`` or ``Simplex(total)`` of `steepest.penalties`; by name the size is 1.
    fit_intercept : bool, default=True
        The intercept is not penalised.
    solver : str, default="auto"
        See "Choose a solver" in the documentation.
    solver_options : dict or None, default=None
        Options of a solver given by name, for instance ``{"line_search": "1/L"}`` for "gradient_descent".
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    max_iter : int or None, default=10000
    max_time : float or None, default=None
        Seconds for the solver; those of compiling, in the first fits on a machine, are not counted.
    n_jobs : int or None, default=None
    random_state : int, RandomState or None
    warm_start : bool, default=False
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
    coef_ : array of shape (d,)
    intercept_ : float
    n_iter_ : int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import LinearRegressor
    >>> from steepest.losses import Huber
    >>> y = [0.0, 1.0, 2.0, 3.0, 40.0]
    >>> model = LinearRegressor(Huber(0.5), alpha=1e-3).fit([[0.0], [1.0], [2.0], [3.0], [4.0]], y)
    >>> bool(model.predict([[4.0]])[0] < 8.0)
    True
    """

    _rules: ClassVar[dict[str, Rules]] = _RULES
    _names_solvers = True
    _multi_output = False

    def __init__(
        self,
        loss: Any = "squared",
        *,
        penalty: Any = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.5,
        constraint: Any = None,
        fit_intercept: bool = True,
        solver: str = "auto",
        solver_options: dict[str, Any] | None = None,
        tol: float = 1e-4,
        max_iter: int | None = 10_000,
        max_time: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
        validation_fraction: float | None = None,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.constraint = constraint
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.validation_fraction = validation_fraction

    def _check_parameters(self) -> None:
        super()._check_parameters()
        loss = allowed_loss(self.loss)
        get_constraint(self.constraint)
        if type(loss) in VECTOR_LOSSES.values() or loss.targets in ("sign", "class"):
            raise IncompatibleError(f"loss: '{loss.name}' is for classes, not for numbers. Use LinearClassifier.")

    def _problems(self, data: EncodedTargets) -> list[Job]:
        self._check_targets(data.Y, "y")
        loss = allowed_loss(self.loss)
        penalties = [penalty_of(self.penalty, self.alpha, self.l1_ratio)]
        return self._jobs(data, loss, penalties, get_constraint(self.constraint))

    def _check_targets(self, Y: FloatArray, name: str) -> None:
        loss = allowed_loss(self.loss)
        low, high, targets = float(Y.min()), float(Y.max()), loss.targets
        if targets in ("nonnegative", "unit") and low < 0.0:
            raise DataError(
                f"{name}: the loss '{loss.name}' takes targets >= 0, got {low:g}. "
                "Use another loss, or shift the target."
            )
        if targets == "unit" and high > 1.0:
            raise DataError(
                f"{name}: the loss '{loss.name}' takes targets in [0, 1], got {high:g}. Divide by the largest."
            )

    @property
    def _link(self) -> str:  # type: ignore[override]
        return str(get_loss(self.loss).link)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        try:
            targets = get_loss(self.loss).targets
        except InvalidParameterError:  # tags must be there before parameters are checked
            return tags
        tags.target_tags.positive_only = targets in ("nonnegative", "unit")
        return tags
