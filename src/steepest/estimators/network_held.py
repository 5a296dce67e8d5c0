"""Validation rows of a network: split off, or given, and scored by the loss, the model's own score, or any scorer."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.utils.validation import check_array, validate_data

from steepest.estimators.network_data import Scaling, SomeRows, make_feed, readable
from steepest.estimators.network_model import Trained
from steepest.estimators.network_targets import CLASSES, SETS, Taught, codes_as_targets, teach_labels, teach_numbers
from steepest.estimators.network_values import Given, Watch
from steepest.estimators.targets import apply_class_weight, check_weights, plain_labels
from steepest.estimators.validation import codes_of, name_of, naming, scoring
from steepest.exceptions import DataError
from steepest.networks.stack import Stack
from steepest.protocols import AnyArray, FloatArray


def from_split(
    model: Any,
    held: AnyArray,
    given: Given,
    s: FloatArray | None,
    counts: FloatArray | None,
    scorer: Any,
    patience: int | None,
    delta: float,
) -> Watch:
    """Rows of X itself, by their indices; ``s`` and ``counts`` are those of `Watch`, for all rows."""
    feed = SomeRows(make_feed(given.X, given.dtype, given.scaling), held)
    y = given.taught.y[held]
    weights, counts = (None if every is None else every[held] for every in (s, counts))
    made: Any = scorer
    if not isinstance(scorer, str):
        made = _on_model(model, scorer, given.X[held], _as_given(given.taught, held), counts, given)
    return Watch(feed, y, weights, counts, made, _name(model, scorer), patience, delta)


def _as_given(taught: Taught, rows: AnyArray) -> AnyArray:
    """Targets as a scorer knows them."""
    meaning = taught.meaning
    if taught.labels is not None:
        return meaning.classes[taught.labels.codes[rows]]  # type: ignore[no-any-return]
    y = taught.y[rows]
    if meaning.sort == SETS:
        return (y > meaning.middle).astype(np.int64) if y.min(initial=0.0) < 0.0 else (y > 0.5).astype(np.int64)
    return y[:, 0] if meaning.flat and y.ndim == 2 and y.shape[1] == 1 else y


def from_rows(
    model: Any, watched: Any, taught: Taught, given: Given, scorer: Any, patience: int | None, delta: float
) -> Watch:
    """Rows that were given beside X."""
    X = _rows(model, watched.X)
    y, target, s = _targets(model, watched, taught, X.shape[0])
    feed = make_feed(X, given.dtype, given.scaling)
    made: Any = scorer
    if not isinstance(scorer, str):
        made = _on_model(model, scorer, X, target, s, given)
    weights = s
    if taught.labels is not None and getattr(model, "class_weight", None) is not None:
        codes = codes_of(np.asarray(target), taught.meaning.classes)
        factor = apply_class_weight(model.class_weight, taught.labels, None, type(model).__name__)[1][codes]
        weights = factor if s is None else s * factor
    return Watch(feed, y, weights, s, made, _name(model, scorer), patience, delta)


def _rows(model: Any, X: Any) -> Any:
    with naming("X_val"):
        found = check_array(
            X, accept_sparse="csr", accept_large_sparse=True, dtype="numeric", input_name="X_val", estimator=model
        )
    if found.shape[1] != model.n_features_in_:
        raise DataError(
            f"X_val: has {found.shape[1]} features, but X has {model.n_features_in_}. Pass the same columns in both."
        )
    with naming("X_val"):
        validate_data(model, X, reset=False, skip_check_array=True)  # names of columns
    return readable(found)


def _targets(model: Any, watched: Any, taught: Taught, n: int) -> tuple[AnyArray, Any, FloatArray | None]:
    """Targets as the objective takes them, as a scorer does, and weights."""
    meaning, given = taught.meaning, watched.y
    if is_classifier(model):
        y = given if sp.issparse(given) else np.asarray(plain_labels(given))
    else:
        with naming("y_val"):
            y = check_array(given, ensure_2d=False, dtype=np.float64, input_name="y_val")
    if not y.ndim or y.shape[0] != n:
        count = y.shape[0] if y.ndim else 1
        raise DataError(f"y_val: has {count} entries, but X_val has {n} rows. Pass one target a row.")
    try:
        s = check_weights(watched.weights, n)
    except DataError as error:
        raise DataError(str(error).replace("sample_weight", "sample_weight_val")) from None
    if meaning.sort == CLASSES:
        if sp.issparse(y):
            raise DataError("y_val: expected labels as in y, got a sparse matrix.")
        codes = codes_of(y, meaning.classes)
        out = codes_as_targets(meaning, model.output_activation, codes, len(meaning.classes))
        return out, meaning.classes[codes], s
    with naming("y_val"):
        found = teach_labels(model, y, s, None, meaning) if is_classifier(model) else teach_numbers(model, y, meaning)
    return found.y, given, s


def _name(model: Any, scorer: Any) -> str:
    if isinstance(scorer, str):
        return scorer if scorer == "loss" else ("accuracy" if is_classifier(model) else "R^2")
    return name_of(model.monitor)


def _on_model(model: Any, scorer: Any, X: Any, y: Any, s: FloatArray | None, given: Given) -> Any:
    """``make(stack)``: gives the scorer on a copy of the model, at parameters and statistics in one vector."""
    view = copy.copy(model)
    view._meaning = given.taught.meaning
    if given.taught.meaning.classes is not None:
        view.classes_ = given.taught.meaning.classes

    def make(stack: Stack) -> Any:
        start = np.zeros(stack.size, stack.dtype)
        net = Trained.of(stack, start, stack.initial_statistics(), Scaling(*given.scaling))
        view._net = net

        def keep(one: Any, w: FloatArray) -> None:
            one._net.forward.load(w[: stack.size], w[stack.size :])

        return scoring(view, scorer, keep, X, y, s)

    return make
