"""What networks share as estimators: parameters, the fit, and the attributes after it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from steepest.estimators.base import shortened, untouched_by_errors
from steepest.estimators.callbacks import CallbackSupport, under_callbacks
from steepest.estimators.collecting import hand_in, warn_once_a_search
from steepest.estimators.incremental import seed_of
from steepest.estimators.network_attributes import NetworkAttributes
from steepest.estimators.network_data import check_range, checked, find_scaling, names_of
from steepest.estimators.network_model import Trained
from steepest.estimators.network_partial import NetworkPartial
from steepest.estimators.network_plan import (
    augmentation_of,
    batch_rows,
    channels_of,
    check_batch,
    check_normalised,
    decay_of,
    method_of,
    stack_of,
)
from steepest.estimators.network_run import run_network
from steepest.estimators.network_start import begin
from steepest.estimators.network_targets import Meaning, Taught, teach_labels, teach_numbers
from steepest.estimators.network_values import Asked, Ended, Given
from steepest.estimators.network_watch import split_rows
from steepest.estimators.page import certificate_note
from steepest.estimators.parameters import ANYTHING, BOOL, COMMON, NONE, Rule, Rules, integer, one_of, real, validate
from steepest.estimators.targets import apply_class_weight, check_weights, plain_labels
from steepest.estimators.validation import Rows, scorer_of
from steepest.estimators.warnings import sentence
from steepest.exceptions import DataError, InvalidParameterError, NotConvergedError
from steepest.networks.stack import Stack
from steepest.protocols import AnyArray, Certificate, FloatArray, Status
from steepest.record.history import History
from steepest.record.record import FitRecord


def _is_sizes(value: Any) -> bool:
    try:
        dimensions = np.ndim(value)
    except ValueError:  # rows of several lengths
        return False
    return dimensions == 1 or (dimensions == 0 and isinstance(value, int | np.integer))


def _float_name(value: Any) -> str:
    try:
        return str(np.dtype(value))
    except TypeError:
        return ""


SIZES = Rule("an int >= 1 or a sequence of them", lambda v: not isinstance(v, str | bool) and _is_sizes(v))
DTYPE = Rule(
    "'auto', 'float32' or 'float64'",
    lambda v: (isinstance(v, str) and v == "auto") or _float_name(v) in ("float32", "float64"),
)
CLIP = (real(0), NONE)
ENDLESS = Rule("infinity", lambda v: isinstance(v, float) and v == np.inf)

#: Of the constructor, beside those that every estimator has.
RULES_OF_NETWORKS: dict[str, Rules] = {
    "hidden_layer_sizes": (SIZES,),
    "activation": (ANYTHING,),  # the table of units names what it knows
    "solver": (ANYTHING,),
    "alpha": (real(0, closed="left"),),
    "batch_size": (integer(1), one_of("auto")),
    "learning_rate": (ANYTHING,),
    "learning_rate_init": (real(0),),
    "power_t": (real(0, closed="left"),),
    "max_iter": (integer(0),),
    "shuffle": (BOOL,),
    "tol": (real(0, closed="left"), NONE),
    "momentum": (real(0, 1, closed="left"),),
    "nesterovs_momentum": (BOOL,),
    "early_stopping": (BOOL,),
    "validation_fraction": (real(0, 1, closed="left"),),
    "beta_1": (real(0, 1, closed="left"),),
    "beta_2": (real(0, 1, closed="left"),),
    "epsilon": (real(0),),
    "n_iter_no_change": (integer(1), ENDLESS),
    "max_fun": (integer(1),),
    "weight_decay": (real(0, closed="left"),),
    "clip_norm": CLIP,
    "clip_value": CLIP,
    "scale": (one_of("standard", "range"), NONE),
    "dtype": (DTYPE,),
    "probes": (BOOL, integer(1), one_of("auto")),
    "average": (BOOL,),
    "curvature": (BOOL, one_of("auto")),
    "order": (Rule("a str or an order value", lambda v: isinstance(v, str) or hasattr(v, "epoch")), NONE),
}


class NetworkModel(NetworkAttributes, NetworkPartial, CallbackSupport, BaseEstimator):  # type: ignore[misc]
    """Base of `MLPClassifier` and `MLPRegressor`: one path from ``fit`` to a certified network."""

    certificate_: Certificate
    history_: History
    fit_record_: FitRecord
    loss_: float
    best_loss_: float | None
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    n_iter_: int
    t_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: str

    _rules: ClassVar[dict[str, Rules]] = RULES_OF_NETWORKS
    _net: Trained
    _meaning: Meaning

    # ------------------------------------------------------------------------------------------------ the fit

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        coefs_init: Any = None,
        intercepts_init: Any = None,
    ) -> Self:
        """Train the network and say what is known of the result.

        Parameters
        ----------
        X : array-like, memory map or sparse matrix of shape (n, d)
            Of any numbers; it is not copied.
        y : array-like of shape (n,) or (n, k)
            Labels; an indicator of 0 and 1 for sets of labels; shares for ``loss="kl"``; numbers for regressors.
        sample_weight : array-like of shape (n,), optional
            The loss of a row counts so often.
        X_val, y_val : optional
            Rows that are watched after every epoch (``history_``); with ``patience`` they end the training, and the
            parameters that were best on them are kept.
        sample_weight_val : array-like, optional
        coefs_init, intercepts_init : list of arrays, optional
            Where to begin, of the shapes of ``coefs_`` and ``intercepts_``.
        """
        with untouched_by_errors(self):
            self._fit(Rows(X, y, sample_weight), Rows(X_val, y_val, sample_weight_val), coefs_init, intercepts_init)
        self._conclude()
        return self

    def _check_parameters(self) -> None:
        parameters = self.get_params(deep=False)
        validate(type(self).__name__, parameters, {**COMMON, **self._rules})

    def _fit(self, rows: Rows, watched: Rows, coefs: Any, intercepts: Any) -> None:
        began = time.perf_counter()
        self._check_parameters()
        method, seed = method_of(self), seed_of(self.random_state)
        again = bool(self.warm_start) and hasattr(self, "_net")
        X, y = checked(self, rows.X, plain_labels(rows.y), reset=not again, numeric=not is_classifier(self))
        s = check_weights(rows.weights, X.shape[0])
        taught = self._teach(y, s, known=self._meaning if again else None, classes=names_of(rows.y))
        n_all, codes = X.shape[0], taught.labels.codes if taught.labels is not None else None
        train, held = self._held_out(n_all, codes, watched, seed, s)
        counts, s = s, self._class_weighted(taught, s, train)
        mine = slice(None) if train is None else train
        weights = None if s is None else s[mine]
        n = n_all if train is None else len(train)
        total = float(n) if weights is None else float(weights.sum())
        if not total > 0.0:
            raise DataError("sample_weight: expected a training row with a weight above zero, got none.")
        channels = channels_of(self, X.shape[1])
        scaling = self._net.scaling if again else find_scaling(self.scale, X, train, weights, channels)
        stack = stack_of(self, X.shape, taught.meaning.n_outputs, self._net.dtype if again else None)
        check_range(X, stack.dtype, scaling)
        check_batch(method, self)
        check_normalised(stack, batch_rows(self, n), n)
        start = begin(stack, seed, self._net if again else None, coefs, intercepts, scaling)
        m = total if method.batch else batch_rows(self, n) * total / n
        given = Given(X, taught, weights, train, scaling, total, m, stack.dtype, again or coefs is not None)
        asked = Asked(
            method,
            seed,
            None if method.batch else decay_of(self, method),
            augmentation_of(self, X.shape[1], scaling.shift, scaling.factor, stack.dtype),
            self._watch_for(held, watched, taught, given, s, counts),
        )
        self._meaning = taught.meaning

        attributes = _Attributes(stack, scaling, taught.meaning)

        def work() -> Ended:
            return run_network(self, stack, start, given, asked, began, attributes)

        run: Any = under_callbacks
        ended: Ended = run(self, *rows, attributes.jobs, None, work, attributes)
        self._keep(ended, given)

    # ----------------------------------------------------------------------------------------- before the run

    def _teach(self, y: Any, s: Any, *, known: Meaning | None, classes: Any) -> Taught:
        """Targets as the objective takes them."""
        if is_classifier(self):
            return teach_labels(self, y, s, classes, known)
        return teach_numbers(self, y if sp.issparse(y) else np.asarray(y), known)

    def _class_weighted(self, taught: Taught, s: FloatArray | None, train: AnyArray | None) -> FloatArray | None:
        """Weights of rows times those of their classes, which the training rows tell."""
        given = getattr(self, "class_weight", None)
        if given is None:
            return s
        if taught.labels is None:
            raise InvalidParameterError(
                "class_weight: expected None for targets of several columns, where a row has no one class. "
                "Use sample_weight."
            )
        labels = taught.labels
        if train is not None:
            counted = np.bincount(
                labels.codes[train], weights=None if s is None else s[train], minlength=len(labels.classes)
            )
            labels = labels._replace(mass=counted.astype(np.float64))
        return apply_class_weight(given, labels, s, type(self).__name__)[0]

    def _stopping(self) -> tuple[float | None, int | None]:
        """The share of rows to hold out, and the patience with them; scikit-learn waits an epoch more than it says."""
        fraction = float(self.validation_fraction) if self.early_stopping else None
        if self.patience is not None:
            return fraction, int(self.patience)
        if not self.early_stopping:
            return fraction, None
        wait = self.n_iter_no_change
        return fraction, 2**62 if wait == np.inf else int(wait) + 1

    def _held_out(
        self, n: int, codes: AnyArray | None, watched: Rows, seed: int, s: FloatArray | None
    ) -> tuple[AnyArray | None, AnyArray | None]:
        """Indices of training and of held-out rows of X; None where all are, or none."""
        fraction, patience = self._stopping()
        if watched.X is None:
            for name, value in (("y_val", watched.y), ("sample_weight_val", watched.weights)):
                if value is not None:
                    raise DataError(f"X_val: expected the rows that belong to {name}, got None. Pass X_val and y_val.")
            if fraction is not None:
                return split_rows(fraction, n, codes, seed, s)
            for name, value, idle in (("patience", patience, (None,)), ("monitor", self.monitor, ("auto", "loss"))):
                if not (isinstance(value, str | None) and value in idle):
                    raise InvalidParameterError(
                        f"{name}: {name}={value!r} needs validation rows, and there are none. "
                        "Pass X_val and y_val to fit, or set early_stopping=True."
                    )
        elif watched.y is None:
            raise DataError("y_val: expected the targets of X_val, got None. Pass both.")
        return None, None

    def _watch_for(
        self,
        held: AnyArray | None,
        watched: Rows,
        taught: Taught,
        given: Given,
        s: FloatArray | None,
        counts: FloatArray | None,
    ) -> Any:
        """What is measured on held-out rows; None where there are none.

        ``s`` and ``counts`` are the weights of all rows, with those of their classes and without.
        """
        from steepest.estimators.network_held import from_rows, from_split

        if held is None and watched.X is None:
            return None
        patience = self._stopping()[1]
        scorer = self._scorer()
        delta = float(self.min_delta)
        if self.early_stopping and self.patience is None and self.tol is not None:
            delta = max(delta, float(self.tol))
        if held is not None:
            return from_split(self, held, given, s, counts, scorer, patience, delta)
        return from_rows(self, watched, taught, given, scorer, patience, delta)

    def _scorer(self) -> Any:
        """The loss, the estimator's own score, or a callable."""
        if isinstance(self.monitor, str) and self.monitor == "auto":
            return "score" if self.early_stopping else "loss"
        return scorer_of(self) or "loss"

    # ------------------------------------------------------------------------------------------- after the run

    def _keep(self, ended: Ended, given: Given) -> None:
        """Sets every attribute."""
        self._net = ended.net
        self._memory, self._seed, self._rule, self._rates = ended.memory, ended.seed, ended.rule, ended.rates
        self.certificate_, self.history_ = ended.certificate, ended.history
        self.probes_ = ended.probes
        self._objective = ended.objective
        self.loss_curve_ = list(ended.losses)
        self.loss_ = float(ended.losses[-1]) if ended.losses else float(ended.certificate.primal)
        scored = ended.validation_scores
        early = bool(self.early_stopping) and not ended.batch
        self.best_loss_ = None if early else min([self.loss_, *ended.losses])
        self.validation_scores_ = scored
        self.best_validation_score_ = None if not scored else float(np.nanmax([*scored, -np.inf]))
        self.n_iter_ = int(ended.iterations)
        self.t_ = int(ended.iterations) * ended.rows
        if hasattr(self, "_calls"):
            del self._calls
        self._describe()
        self.fit_record_ = FitRecord(
            estimator=type(self).__name__,
            objective=self._objective,
            parameters={name: shortened(value) for name, value in self.get_params(deep=False).items()},
            certificate=ended.certificate,
            history=ended.history,
            **ended.facts,
        )

    def _describe(self) -> None:
        """Attributes that layers and targets tell."""
        stack, meaning = self._net.stack, self._meaning
        self.n_layers_ = len(stack.layers) + 1
        self.n_outputs_ = meaning.n_outputs
        unit = stack.layers[-1].unit.name
        linked = {"softmax": "softmax", "logistic": "logistic", "log": "exp"}
        self.out_activation_ = linked.get(meaning.link, "logistic" if unit == "sigmoid" else unit)
        if meaning.classes is not None:
            self.classes_ = meaning.classes

    def _conclude(self) -> None:
        """Warns or raises where the training was cut short; called by ``fit`` itself, for the warning's line."""
        certificate, record = self.certificate_, self.fit_record_
        cut = certificate.status in (Status.BUDGET, Status.INTERRUPTED, Status.DIVERGED, Status.STALLED)
        quiet = not cut or self.on_unconverged == "ignore"
        quiet = quiet or (self.tol is None and certificate.status is Status.BUDGET)
        collected = hand_in(record.estimator, record.parameters, [certificate], quiet)
        if quiet:
            return
        text = sentence(type(self).__name__, certificate)
        if self.on_unconverged == "raise" and certificate.status is not Status.INTERRUPTED:
            raise NotConvergedError(text, certificate, self)
        if not collected:
            warn_once_a_search(text, stacklevel=3)

    # --------------------------------------------------------------------------------------------- predictions

    def _outputs(self, X: Any) -> AnyArray:
        """Scores of the rows, (n, n_outputs)."""
        check_is_fitted(self)
        X, _ = checked(self, X, reset=False)
        scores = self._net.scores(X)
        bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
        if len(bad):
            raise DataError(
                f"X: the scores of {len(bad)} row(s) are not finite, the first is row {bad[0]}: its numbers are too "
                f"large for this network in {scores.dtype}. Scale them as the rows of fit"
                + (", or fit with dtype='float64'." if scores.dtype == np.float32 else ".")
            )
        return scores

    def _html_repr(self) -> str:
        drawn = str(super()._html_repr())
        if not hasattr(self, "certificate_"):
            return drawn
        return drawn + certificate_note(self._objective, self.certificate_)

    def __sklearn_is_fitted__(self) -> bool:
        return "_net" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


class _Attributes:
    """Parameters of a round as what a prediction needs."""

    def __init__(self, stack: Stack, scaling: Any, meaning: Meaning) -> None:
        self.stack, self.scaling, self.meaning = stack, scaling, meaning
        self.jobs: list[Any] = [None]
        self.statistics: AnyArray = stack.initial_statistics()

    def __call__(self, weights: Sequence[AnyArray]) -> dict[str, Any]:
        made = Trained.of(self.stack, weights[0], self.statistics, self.scaling)
        found: dict[str, Any] = {"_net": made, "_meaning": self.meaning}
        return found if self.meaning.classes is None else {**found, "classes_": self.meaning.classes}
