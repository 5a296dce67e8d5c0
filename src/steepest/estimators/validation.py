"""Validation rows of an estimator: checked like training rows, turned into targets of each job, scored.

Every job, a target or a class against the rest, is watched on its own: by its own loss, or by a scorer applied to
the model of that job alone.  Rows are held out before anything is learnt from the data.
"""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.utils.validation import check_array, validate_data

from steepest.estimators.targets import check_weights
from steepest.exceptions import DataError, InvalidParameterError, SteepestError
from steepest.protocols import AnyArray, FloatArray

FLOATS = [np.float64, np.float32]


class Rows(NamedTuple):
    """Rows with targets and weights as a user gives them."""

    X: Any
    y: Any
    weights: Any = None


def resolve(model: Any, train: Rows, held: Rows, notes: list[str]) -> tuple[Rows, Rows | None]:
    """Training and validation rows: those that were given, or a split by ``validation_fraction``.

    Parameters
    ----------
    model : estimator
        Its ``validation_fraction`` and ``patience``, ``monitor`` and ``random_state`` are read.
    train, held : Rows
        As given to ``fit``.
    notes : list of str
        For the record; a note is added where given rows make the fraction idle.

    Raises
    ------
    DataError
        Half of a validation set, or a patience without one.
    """
    (fraction, patience), monitor = model._stopping(), model.monitor
    plain = fraction is None and patience is None and isinstance(monitor, str) and monitor == "loss"
    if plain and held.X is None and held.y is None and held.weights is None:
        return train, None
    if held.X is None:
        for name, value in (("y_val", held.y), ("sample_weight_val", held.weights)):
            if value is not None:
                raise DataError(f"X_val: expected the rows that belong to {name}, got None. Pass X_val and y_val.")
        if fraction is not None:
            return _split(model, train, float(fraction))
        for name, value, idle in (("patience", patience, None), ("monitor", monitor, "loss")):
            if not (isinstance(value, str | None) and value == idle):
                raise InvalidParameterError(
                    f"{name}: {name}={value!r} needs validation rows, and there are none. "
                    "Pass X_val and y_val to fit, or set validation_fraction=0.1."
                )
        return train, None
    if held.y is None:
        raise DataError("y_val: expected the targets of X_val, got None. Pass both.")
    if fraction is not None:
        notes.append(f"validation_fraction={fraction:g}: not used, X_val was given")
    return train, held


def _split(model: Any, train: Rows, fraction: float) -> tuple[Rows, Rows]:
    from sklearn.model_selection import train_test_split

    arrays = [train.X, train.y] + ([train.weights] if train.weights is not None else [])
    try:
        parts = train_test_split(
            *arrays,
            test_size=fraction,
            random_state=model.random_state,
            stratify=train.y if is_classifier(model) else None,
        )
    except (TypeError, ValueError) as error:
        raise DataError(
            f"validation_fraction={fraction:g}: the rows cannot be split: {error} Pass X_val and y_val instead."
        ) from error
    return Rows(*parts[0::2]), Rows(*parts[1::2])


def check_rows(model: Any, held: Rows) -> tuple[Any, AnyArray, FloatArray | None]:
    """X_val, y_val and weights, validated as training data are; errors name them.

    The model knows the number and the names of its features already.
    """
    with naming("X_val"):
        X = check_array(
            held.X, accept_sparse="csr", accept_large_sparse=True, dtype=FLOATS, input_name="X_val", estimator=model
        )
    if X.shape[1] != model.n_features_in_:
        raise DataError(
            f"X_val: has {X.shape[1]} features, but X has {model.n_features_in_}. Pass the same columns in both."
        )
    with naming("X_val"):
        validate_data(model, held.X, reset=False, skip_check_array=True)  # names of columns
    if issparse(held.y):
        raise DataError("y_val: expected an array, got a sparse matrix. Use y_val.toarray().")
    if is_classifier(model):
        y = np.asarray(held.y)
        if not y.ndim:
            raise DataError(f"y_val: expected one label a row of X_val, got {held.y!r}. Pass a list or an array.")
    else:
        with naming("y_val"):
            y = check_array(held.y, ensure_2d=False, dtype=np.float64, input_name="y_val")
    if len(y) != X.shape[0]:
        raise DataError(f"y_val: has {len(y)} entries, but X_val has {X.shape[0]} rows. Pass one target a row.")
    try:
        weights = check_weights(held.weights, len(y))
    except DataError as error:
        raise DataError(str(error).replace("sample_weight", "sample_weight_val")) from None
    return X, y, weights


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """scikit-learn's checks name X and y, which these rows are not."""
    try:
        yield
    except (TypeError, ValueError) as error:
        said = str(error)
        raise DataError(said if argument in said else f"{argument}: {said.removeprefix(argument[0] + ': ')}") from error


def codes_of(y: AnyArray, classes: AnyArray) -> AnyArray:
    """Class indices of validation labels; a label that training has not seen is an error."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"y_val: expected labels of shape (n,), got shape {y.shape}. Flatten it.")
    known = set(classes.tolist())
    seen = np.isin(y, classes) if y.dtype != object else np.array([label in known for label in y.tolist()], dtype=bool)
    if not seen.all():
        new = list(dict.fromkeys(y[~seen].tolist()))[:5]
        raise DataError(
            f"y_val: {new} {'is' if len(new) == 1 else 'are'} not among the classes of y, {classes.tolist()[:20]}. "
            "Leave those validation rows out, or let training rows have the class."
        )
    return np.searchsorted(classes, y.astype(classes.dtype)).astype(np.int64)


def scorer_of(model: Any) -> Callable[..., float] | None:
    """The scorer that ``monitor`` names; None for the loss."""
    monitor = model.monitor
    if not isinstance(monitor, str):
        return monitor  # type: ignore[no-any-return]
    if monitor == "loss":
        return None
    from sklearn.metrics import get_scorer, get_scorer_names

    names = get_scorer_names()
    if monitor not in names:
        near = difflib.get_close_matches(monitor, ["loss", *names], n=1)
        raise InvalidParameterError(
            f"The 'monitor' parameter of {type(model).__name__} must be 'loss', the name of a scorer or a "
            f"callable. Got {monitor!r} instead.{f' Did you mean {near[0]!r}?' if near else ''}"
        )
    return get_scorer(monitor)  # type: ignore[no-any-return]


def scoring(
    model: Any, scorer: Callable[..., float], keep: Callable[[Any, FloatArray], None], X: Any, y: Any, weights: Any
) -> Callable[[FloatArray], float]:
    """``score(w)``: the scorer on a copy of the model that has the parameters w.

    Parameters
    ----------
    model : estimator
        With everything that prediction needs but the coefficients.
    scorer : callable
        ``scorer(estimator, X, y)``, higher is better.
    keep : callable
        ``keep(copy, w)`` sets the coefficients.
    X, y, weights
        Validation rows; weights reach the scorer as ``sample_weight``, where it takes them.
    """
    view = copy.copy(model)
    view.__dict__.pop("feature_names_in_", None)  # the rows have been checked and are arrays
    extra: dict[str, Any] = {}
    if weights is not None:
        parameters = inspect.signature(scorer).parameters
        if "sample_weight" not in parameters:
            raise InvalidParameterError(
                "monitor: the scorer takes no sample_weight, but sample_weight_val was given. "
                "Add the argument, or leave the weights out."
            )
        extra["sample_weight"] = weights

    def score(w: FloatArray) -> float:
        keep(view, w)
        try:
            return float(scorer(view, X, y, **extra))
        except SteepestError:
            raise
        except Exception as error:
            raise InvalidParameterError(f"monitor: the scorer failed on the validation rows: {error}") from error

    return score


def name_of(monitor: Any) -> str:
    """A monitor in words."""
    return monitor if isinstance(monitor, str) else str(getattr(monitor, "__name__", "score"))
