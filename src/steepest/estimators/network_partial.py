"""Networks that go on: an epoch over further rows at each call of ``partial_fit``.

Contract: k calls with the same rows are one ``fit`` with ``max_iter=k`` and ``tol=None``, bit for bit, before and after
a model was stored.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from steepest.estimators.base import shortened, untouched_by_errors
from steepest.estimators.incremental import UNMEASURED, seed_of
from steepest.estimators.network_data import check_range, checked, find_scaling, make_feed, names_of
from steepest.estimators.network_model import Trained
from steepest.estimators.network_objective import describe_network
from steepest.estimators.network_parts import blas_threads, make_epochs, make_problem
from steepest.estimators.network_plan import (
    augmentation_of,
    batch_rows,
    channels_of,
    check_normalised,
    decay_of,
    method_of,
    stack_of,
)
from steepest.estimators.network_start import begin, check_same
from steepest.estimators.network_values import Asked, Given
from steepest.estimators.targets import check_weights, plain_labels
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError
from steepest.protocols import Certificate, FloatArray, Status
from steepest.record.history import History
from steepest.record.record import FitRecord
from steepest.solvers.streamed import advance_once, finite


class NetworkPartial:
    """What `MLPClassifier` and `MLPRegressor` share when they go on; a mixin."""

    _net: Any
    _meaning: Any
    _memory: Any
    _rates: Any  # the schedule of the last call or fit, as it was asked for
    validation_scores_: list[float] | None
    best_validation_score_: float | None

    def _partial(self: Any, X: Any, y: Any, sample_weight: Any, classes: Any) -> Any:
        began = time.perf_counter()
        with untouched_by_errors(self):
            self._check_parameters()
            self._check_partial()
            fresh = "_net" not in self.__dict__
            named = classes if classes is not None else names_of(y)
            X, y = checked(self, X, plain_labels(y), reset=fresh, numeric=not is_classifier(self))
            s = check_weights(sample_weight, X.shape[0])
            taught = self._teach(y, s, known=None if fresh else self._meaning, classes=named if fresh else None)
            if not fresh and classes is not None:
                self._check_classes(classes)
            weights = self._class_weighted(taught, s, None)
            self._epoch(X, taught, weights, fresh, began)
        return self

    def _check_partial(self: Any) -> None:
        if self.early_stopping:
            raise InvalidParameterError(
                "early_stopping should be False with partial_fit: partial_fit does not support early_stopping=True, "
                "for no rows can be held out of batches that come one by one."
            )
        if isinstance(getattr(self, "class_weight", None), str):
            raise InvalidParameterError(
                "class_weight 'balanced' is not supported for partial_fit: a batch does not tell how often a class "
                "comes. Pass a dict, for example of sklearn.utils.class_weight.compute_class_weight on all labels."
            )
        method = method_of(self)
        if method.batch:
            raise IncompatibleError(
                f"partial_fit: '{method.name}' looks at all rows at once. Use solver='adam' or 'sgd'."
            )

    def _check_classes(self: Any, classes: Any) -> None:
        known = self._meaning.classes
        given = np.unique(np.asarray(classes))
        if known is None or not np.array_equal(given, np.unique(known)):
            raise DataError(
                f"classes: expected those of the first call, {None if known is None else known.tolist()[:20]}, got "
                f"{given.tolist()[:20]}. A network cannot take in new classes: fit a new model."
            )

    def _epoch(self: Any, X: Any, taught: Any, weights: FloatArray | None, fresh: bool, began: float) -> None:
        """One epoch; sets every attribute."""
        method, n = method_of(self), X.shape[0]
        seed = self._seed if "_seed" in self.__dict__ and not fresh else seed_of(self.random_state)
        total = float(n) if weights is None else float(weights.sum())
        if not total > 0.0:
            raise DataError("sample_weight: expected a row with a weight above zero, got none.")
        channels = channels_of(self, X.shape[1])
        scaling = find_scaling(self.scale, X, None, weights, channels) if fresh else self._net.scaling
        stack = stack_of(self, X.shape, taught.meaning.n_outputs, None if fresh else self._net.dtype)
        check_range(X, stack.dtype, scaling)
        check_normalised(stack, batch_rows(self, n), n)
        start = begin(stack, seed, None if fresh else self._net, None, None, scaling)
        given = Given(X, taught, weights, None, scaling, total, batch_rows(self, n) * total / n, stack.dtype)
        asked = Asked(
            method,
            seed,
            decay_of(self, method),
            augmentation_of(self, X.shape[1], scaling.shift, scaling.factor, stack.dtype),
            None,
        )
        feed = make_feed(X, stack.dtype, scaling)
        problem = make_problem(stack, start, given, float(self.alpha), feed)
        memory = None if fresh else self._usable(stack, method)
        solver = make_epochs(self, asked, stack, n, None, memory, False)
        changed = self.__dict__.get("_rates") != solver.schedule  # rates may be, between two calls
        if memory is not None and changed and not solver.adaptive:
            memory.schedule = solver.schedule
        with blas_threads(stack, batch_rows(self, n)), np.errstate(all="ignore"):
            done = advance_once(solver, problem, start.w)
        if not finite(done) or not np.isfinite(solver.losses[-1] if solver.losses else np.nan):
            raise DataError(
                f"learning_rate_init={self.learning_rate_init:g}: the training exploded, the parameters are not finite "
                "after this epoch; the model stays as it was. Use a smaller learning_rate_init, clip_norm=1 or "
                "scale='standard'."
            )
        state = solver.memory.state
        self._net = Trained.of(stack, state.point(), state.statistics, scaling)
        self._memory, self._seed, self._meaning = solver.memory, seed, taught.meaning
        self._rates = solver.schedule
        self._note_epoch(problem, given, float(solver.losses[-1]), fresh, time.perf_counter() - began)

    def _usable(self: Any, stack: Any, method: Any) -> Any:
        """The memory of earlier calls; None where there is none, or it is that of another rule."""
        check_same(stack, self._net)
        memory = getattr(self, "_memory", None)
        if memory is None:
            return None
        shape = (method.rule.slots, stack.size)
        same = memory.state.slots.shape == shape and self._rule == type(method.rule).__name__
        return memory.copy() if same and memory.state.w.dtype == stack.dtype else None

    def _note_epoch(self: Any, problem: Any, given: Given, loss: float, fresh: bool, seconds: float) -> None:
        """What can be said of a call: the loss that its batches met, and that nothing is proven."""
        if fresh or "_calls" not in self.__dict__:
            self._calls, self._rows_seen = 0, 0.0
        if fresh:
            self.loss_curve_, self.t_ = [], 0
        self._calls += 1
        self._rows_seen += given.total
        self._rule = type(method_of(self).rule).__name__
        n = int(given.X.shape[0])
        self.loss_ = loss
        self.loss_curve_ = [*self.loss_curve_, loss]
        self.best_loss_ = min(self.loss_curve_)
        self.validation_scores_ = self.best_validation_score_ = None
        self.n_iter_ = len(self.loss_curve_)
        self.t_ = int(self.t_) + n
        self.probes_ = None
        self._describe()
        self._objective = describe_network(problem, given, float(self.alpha))
        instead = "fit looks at gradient and curvature"
        reason = UNMEASURED.format(count=self._calls, rows=f"{self._rows_seen:.10g}", instead=instead)
        nan, inf = float("nan"), float("inf")
        self.certificate_ = Certificate(
            "none", inf, inf, self.tol or 0.0, False, "nothing", nan, nan, Status.APPROXIMATE, reason
        )
        self.history_ = History()
        self.history_.append(iteration=float(self.n_iter_), seconds=seconds, objective=loss)
        self.fit_record_ = FitRecord(
            estimator=type(self).__name__,
            objective=self._objective,
            parameters={name: shortened(value) for name, value in self.get_params(deep=False).items()},
            data={"n_samples": n, "n_features": int(given.X.shape[1])},
            solver={"name": method_of(self).name, "why": "partial_fit", "options": {}, "notes": []},
            seconds={"total": seconds},
            passes=1.0,
            iterations=1,
            certificate=self.certificate_,
            history=self.history_,
        )
