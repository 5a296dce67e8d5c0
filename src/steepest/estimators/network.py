"""Multilayer perceptrons under scikit-learn's names: `MLPClassifier`; `MLPRegressor` is beside it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from steepest.estimators.network_base import RULES_OF_NETWORKS, NetworkModel
from steepest.estimators.network_targets import (
    CLASSES,
    SHARES,
    gives_probabilities,
    labels_of,
    log_probabilities,
    probabilities,
)
from steepest.estimators.parameters import Rules
from steepest.protocols import AnyArray


def _may_give_probabilities(model: Any) -> bool:
    meaning = model.__dict__.get("_meaning")
    if not gives_probabilities(model, meaning):
        raise AttributeError(
            f"predict_proba: the loss {model.loss!r} gives no probabilities. Use 'log_loss', 'cross_entropy' or 'kl'."
        )
    return True


class MLPClassifier(ClassifierMixin, NetworkModel):  # type: ignore[misc]
    """A neural network of dense layers for classes, sets of labels, or shares of classes.

    ::

        P(w) = (1/S) sum_i s_i loss(z(x_i; w), y_i) + alpha/(2 m) |W|_2^2,     S = sum s_i

    scikit-learn's objective: m is the batch size where steps see batches, and S for "lbfgs" and "newton_cg"; W are the
    weights of all layers, intercepts are not penalised.  The scores z are the outputs of the last layer.  Two classes
    have one score and the logistic loss, more classes a score each and softmax; an indicator matrix y has the
    logistic loss label by label; a matrix of shares, with ``loss="kl"``, the divergence of softmax from them.

    Steps compute in ``dtype``; objective, gradient and certificate of the returned network in float64.  X is read
    where it lies, batch by batch: bytes, integers, float32, memory-mapped files and compressed rows are not copied, but
    for the entries of columns that are nearly always zero, where these are many: at most a tenth of X.
    Threads share a step, one a processor that the process may use, or ``OMP_NUM_THREADS`` where that is fewer; no bit
    of the steps depends on their number.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int or int, default=(100,)
        Units of each hidden layer.
    activation : {"relu", "tanh", "logistic", "identity"} or another unit, default="relu"
        Of the hidden layers; also "leaky_relu", "elu", "softplus", "maxout", or a value of `steepest.networks`.
    solver : {"adam", "sgd", "lbfgs", "newton_cg"} or an update rule, default="adam"
        As in scikit-learn; "sgd" has ``momentum`` and ``nesterovs_momentum``.  "newton_cg" is for small networks.
        ``optimizer`` is the wider parameter.
    alpha : float, default=1e-4
        Strength of the squared penalty.
    batch_size : int or "auto", default="auto"
        Rows of a step; "auto" is ``min(200, n)``.  Not used by "lbfgs" and "newton_cg".
    learning_rate : {"constant", "invscaling", "adaptive"}, a number or a schedule, default="constant"
        "invscaling" divides the first rate by ``t_^power_t`` after every epoch, "adaptive" by 5 each time the training
        loss rests (scikit-learn's; there for "sgd" alone, here for every rule).  A number, or a value of
        `steepest.solvers.schedules`, whose steps are batches.
    learning_rate_init : float, default=1e-3
        The first rate.
    power_t : float, default=0.5
    max_iter : int, default=200
        Epochs, or iterations of "lbfgs" and "newton_cg".
    shuffle : bool, default=True
        A fresh order of the rows every epoch.
    random_state : int, RandomState, Generator or None
        Draws the seed of initial weights, orders, dropout and augmentation; None is 0, so that a run can be repeated.
    tol : float or None, default=1e-4
        Epochs end when the training loss has not fallen by tol in ``n_iter_no_change`` of them (with
        ``early_stopping``, when the validation score has not risen).  That proves nothing, and the certificate says
        so.  "lbfgs" and "newton_cg" end where no entry of the gradient is above tol.  None runs all epochs.
    verbose : bool or int, default=False
    warm_start : bool, default=False
        ``fit`` goes on from the parameters of the last one.
    momentum : float in [0, 1), default=0.9
    nesterovs_momentum : bool, default=True
    early_stopping : bool, default=False
        Hold out ``validation_fraction`` of the rows, stop after ``n_iter_no_change`` epochs in which ``monitor`` gains
        less than tol on them, and return the parameters that were best there.
    validation_fraction : float in [0, 1), default=0.1
    beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
        Of "adam".
    n_iter_no_change : int, default=10
    max_fun : int, default=15000
        Evaluations of "lbfgs".
    layers : sequence of int or Dense, or None, default=None
        Hidden layers one by one, ``[Dense(256, "relu", batch_norm=True, dropout=0.2), Dense(128)]``; in the place of
        ``hidden_layer_sizes`` and ``activation``.
    loss : str, loss value, or list of (weight, loss), default="auto"
        "auto" is "log_loss" for two classes and for indicators, "cross_entropy" for more classes.  Also
        "crammer_singer", "weston_watkins" (margins of classes), "kl" (y are rows of shares), "squared_error", and the
        losses of `steepest.losses` that take classes.  Several with weights are added.
    optimizer : str, rule or None, default=None
        In the place of ``solver``: "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", ... or a value
        of `steepest.rules`; "lbfgs", "newton_cg".
    order : str, order or None, default=None
        "shuffled", "cyclic", "replacement", "blocks", "alternating", "large_error"; None goes by ``shuffle``.
    weight_decay : float, default=0.0
        Decay apart from the gradient, as in AdamW: weights lose ``rate * weight_decay`` of themselves each step.
        ``optimizer="adamw"`` has 0.01 where this is 0.
    clip_norm, clip_value : float or None, default=None
        Largest norm of a batch's gradient; largest size of its entries.
    class_weight : dict, "balanced" or None, default=None
    augment : Augmenter, str or None, default=None
        Changes the rows of each batch at random, ``"shift,rotate"`` or a `steepest.Augmenter`; rows are pictures.
    image_shape : tuple of int or None, default=None
        Height and width (and channels) of a row, for ``augment`` and for pictures of weights.
    scale : {"standard", "range"} or None, default=None
        Shift and factor of each column, applied as rows are read: mean 0 and variance 1, or all columns by one factor
        to at most 1.  What was found is kept and applied to what is predicted.  Where ``augment`` moves pixels, whose
        columns are then not their own, "standard" has one mean and one variance for all pixels of a channel.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Of steps, weights and predictions.  "auto" is float32, but float64 where there is so little to do (rows times
        weights at most 2^21, some milliseconds an epoch) that it costs no time.
    init : str or initializer, default="auto"
        "auto" is Glorot's for "tanh", "logistic" and "identity", He's for "relu" and its like.
    output_activation : str, unit or None, default=None
        A unit between the last sums and the loss, as "sigmoid" with ``loss="squared_error"``.
    probes : bool, int or "auto", default="auto"
        Whether gradients, updates and activations of each layer are sampled while it trains, or every how many steps;
        they change nothing.
    average : bool, default=False
        Return the mean of the iterates of the last half of the epochs.
    curvature : bool or "auto", default="auto"
        Whether the certificate looks at second derivatives; "auto": where that takes at most half of the work of the
        training, and some seconds.
    max_time : float or None, default=None
        Seconds.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"
    patience : int or None, default=None
        With X_val: stop after so many epochs without a gain of ``min_delta``, and return the best parameters.
    min_delta : float, default=0.0
    monitor : "auto", "loss", name of a scorer or callable, default="auto"
        What is watched on validation rows; "auto" is ``score`` with ``early_stopping``, else the loss.

    Attributes
    ----------
    classes_ : array of shape (k,)
        Labels; for indicators and shares 0 to k - 1, or names of columns.
    coefs_ : list of arrays (fan_in, fan_out)
        Weights of each layer.
    intercepts_ : list of arrays (fan_out,)
        Of a layer with batch normalisation its betas, which stand in the place of biases.
    gammas_, running_means_, running_variances_ : list of arrays (fan_out,) or None
        Of each layer with batch normalisation, None for the others: predictions pass the sums ``u = a @ coefs`` on as
        ``gammas * (u - running_means) / sqrt(running_variances + 1e-5) + intercepts``.
    loss_, best_loss_ : float
        Of the last epoch, mean over its batches as they were seen, and the least of all epochs; None with
        ``early_stopping``, as in scikit-learn.
    loss_curve_ : list of float
        One an epoch.
    column_shift_, column_factor_ : array (d,) or None
        Of ``scale``: the network sees ``(x - column_shift) * column_factor``.
    validation_scores_, best_validation_score_ : list of float, float, or None
        With ``early_stopping`` or validation rows: ``score`` on those rows after each epoch, or what the scorer in
        ``monitor`` said, and the highest of them.  With "loss" the scores are measured beside it and decide nothing.
    n_iter_ : int
    t_ : int
        Rows seen.
    n_layers_, n_outputs_ : int
        Layers with the inputs and the outputs; scores a row.
    out_activation_ : str
        "logistic", "softmax" or "identity".
    n_features_in_, feature_names_in_
    stack_ : `steepest.networks` Stack
        The network itself.
    probes_ : `steepest.networks.probe_table.ProbeTable` or None
        What was sampled.
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`; the certificate says whether the end is a minimum to second order, a saddle, or not
        stationary.  It never speaks of a global minimum.

    Examples
    --------
    >>> from steepest import MLPClassifier
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["even", "odd", "odd", "even"]
    >>> model = MLPClassifier((8,), "tanh", solver="lbfgs", alpha=1e-3, random_state=1).fit(X, y)
    >>> model.predict(X)
    array(['even', 'odd', 'odd', 'even'], dtype='<U4')
    """

    _rules: ClassVar[dict[str, Rules]] = RULES_OF_NETWORKS

    def __init__(
        self,
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
        loss: Any = "auto",
        optimizer: Any = None,
        order: Any = None,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        class_weight: Any = None,
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
        self.class_weight = class_weight
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

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over further rows; steps, rule and rates go on from the last call.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, k)
        classes : array-like of shape (k,), optional
            All labels that will come; needed in the first call where y are labels and not all of them are in it.
        sample_weight : array-like of shape (n,), optional
        """
        return self._partial(X, y, sample_weight, classes)  # type: ignore[no-any-return]

    def predict(self, X: Any) -> Any:
        """The class of the highest score, (n,); for indicators the sets of labels, (n, k) of 0 and 1.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        scores = self._outputs(X)
        return labels_of(self._meaning, scores)

    @available_if(_may_give_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> AnyArray:
        """Probabilities of the classes, (n, k), in ``dtype``; of labels of a set each on its own.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        scores = self._outputs(X)
        return probabilities(self._meaning, scores)

    @available_if(_may_give_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> AnyArray:
        """Logarithms of the probabilities, (n, k), finite for finite scores.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        scores = self._outputs(X)
        return log_probabilities(self._meaning, scores)

    def decision_function(self, X: Any) -> AnyArray:
        """Scores: (n,) for two classes, above zero for ``classes_[1]``; else (n, k).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        scores = self._outputs(X)
        meaning = self._meaning
        if meaning.sort == CLASSES and len(meaning.classes) == 2:
            if meaning.n_outputs == 2:
                return scores[:, 1] - scores[:, 0]
            return scores[:, 0] - scores.dtype.type(meaning.middle)  # type: ignore[no-any-return]
        return scores

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows whose class is right (all labels of a set; the largest share).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, k)
        sample_weight : array-like of shape (n,), optional
        """
        check_is_fitted(self)
        if self._meaning.sort == SHARES and np.ndim(y) == 2:
            y = self._meaning.classes[np.asarray(y).argmax(axis=1)]
        from sklearn.metrics import accuracy_score  # much to import, and not needed for a fit

        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
