"""A multilayer perceptron for numbers, under scikit-learn's name: `MLPRegressor`."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from sklearn.base import RegressorMixin

from steepest.estimators.network_base import RULES_OF_NETWORKS, NetworkModel
from steepest.estimators.network_targets import numbers_of
from steepest.estimators.parameters import Rules
from steepest.protocols import AnyArray


class MLPRegressor(RegressorMixin, NetworkModel):  # type: ignore[misc]
    """A neural network of dense layers for one number a row, or several.

    ::

        P(w) = (1/S) sum_i s_i sum_t loss(z_t(x_i; w), y_it) + alpha/(2 m) |W|_2^2,     S = sum s_i

    scikit-learn's objective; see `MLPClassifier`, whose parameters mean the same here.  Losses of several targets are
    added, as the gradients of scikit-learn are (the number that it prints is their mean).

    Parameters
    ----------
    loss : str, loss value, or list of (weight, loss), default="squared_error"
        "squared_error" is ``(z - y)^2 / 2``; "poisson" has the prediction ``exp(z)``; "huber", "absolute_error",
        "quantile", or any other name or value of `steepest.losses` that takes numbers.  Several with weights are added.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter
        See `MLPClassifier`.
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction
        See `MLPClassifier`.
    beta_1, beta_2, epsilon, n_iter_no_change, max_fun, layers, optimizer, order, weight_decay, clip_norm, clip_value
        See `MLPClassifier`.
    augment, image_shape, scale, dtype, init, output_activation, probes, average, curvature, max_time
        See `MLPClassifier`.
    on_unconverged, patience, min_delta, monitor
        See `MLPClassifier`.

    Attributes
    ----------
    coefs_, intercepts_, gammas_, running_means_, running_variances_, loss_, best_loss_, loss_curve_, n_iter_, t_
        See `MLPClassifier`.
    column_shift_, column_factor_, validation_scores_, best_validation_score_, n_layers_, n_outputs_, out_activation_
        See `MLPClassifier`.
    stack_, probes_, certificate_, history_, fit_record_, objective_
        See `MLPClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import MLPRegressor
    >>> X = np.linspace(-2.0, 2.0, 41)[:, None]
    >>> model = MLPRegressor("squared_error", (10,), "tanh", solver="lbfgs", tol=1e-3).fit(X, np.sin(X[:, 0]))
    >>> bool(abs(model.predict([[1.0]])[0] - np.sin(1.0)) < 0.02)
    True
    """

    _rules: ClassVar[dict[str, Rules]] = RULES_OF_NETWORKS

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 1e-3,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float | None = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        layers: Any = None,
        optimizer: Any = None,
        order: Any = None,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        augment: Any = None,
        image_shape: Any = None,
        scale: str | None = None,
        dtype: Any = "auto",
        init: Any = "auto",
        output_activation: Any = None,
        probes: Any = "auto",
        average: bool = False,
        curvature: bool | str = "auto",
        max_time: float | None = None,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.layers = layers
        self.loss = loss
        self.optimizer = optimizer
        self.order = order
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.augment = augment
        self.image_shape = image_shape
        self.scale = scale
        self.dtype = dtype
        self.init = init
        self.output_activation = output_activation
        self.probes = probes
        self.average = average
        self.curvature = curvature
        self.max_time = max_time
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over further rows; steps, rule and rates go on from the last call.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, t)
        sample_weight : array-like of shape (n,), optional
        """
        return self._partial(X, y, sample_weight, None)  # type: ignore[no-any-return]

    def predict(self, X: Any) -> AnyArray:
        """Predictions in ``dtype``, of the shape that y had.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        scores = self._outputs(X)
        return numbers_of(self._meaning, scores)
