"""Targets and weights as problems take them: label codes, class weights, and weights that sum to one.

A row of weight zero is absent: its label makes no class, and no sum sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import DataError, InvalidParameterError
from steepest.protocols import AnyArray, FloatArray


class Labels(NamedTuple):
    """Sorted classes, the class index of every row, and the weight of every class."""

    classes: AnyArray
    codes: AnyArray
    mass: FloatArray


class Weights(NamedTuple):
    """``p = s / total``, with ``total = sum s``; ``raw`` is s, or None where all are one."""

    p: FloatArray
    total: float
    raw: FloatArray | None


def check_weights(sample_weight: Any, n: int) -> FloatArray | None:
    """Sample weights as float64; None where there are none.

    Raises
    ------
    DataError
        Wrong length, not finite, negative, or all zero.
    """
    if sample_weight is None:
        return None
    try:
        s = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_weight: expected numbers, got {type(sample_weight).__name__} ({error}).") from None
    if s.ndim == 0:
        s = np.full(n, float(s))
    if s.ndim != 1:
        raise DataError(
            f"sample_weight: Sample weights must be 1D array or scalar, got {s.ndim}D array. Flatten it to {n} entries."
        )
    if s.shape != (n,):
        raise DataError(f"sample_weight.shape == {s.shape}, expected {(n,)}! Give one weight a row of X.")
    with np.errstate(over="ignore"):
        low, total = float(s.min()), float(s.sum())
    if not np.isfinite(total):
        raise DataError("sample_weight: expected finite weights of finite sum, got NaN or infinity. Remove the rows.")
    if low < 0.0:
        raise DataError(f"sample_weight: expected weights >= 0, got {low:g}. A negative weight has no minimum.")
    if total == 0.0:
        raise DataError(
            "sample_weight: Sample weights must contain at least one non-zero number, got only zeros. "
            "A row of weight 0 counts as absent."
        )
    return s


def normalise(s: FloatArray | None, n: int) -> Weights:
    """Weights over their sum."""
    if s is None:
        return Weights(np.full(n, 1.0 / n), float(n), None)
    total = float(s.sum())
    return Weights(s / total, total, s)


def encode(y: AnyArray, s: FloatArray | None, owner: str) -> Labels:
    """Class codes of labels of any kind: integers, whole floats, booleans, strings, objects that sort.

    Integers and booleans of a small range take two passes and no sort.

    Parameters
    ----------
    y : array of shape (n,)
    s : array of shape (n,) or None
        Sample weights; a class whose weights are all zero does not exist.
    owner : str
        Class name for messages.

    Raises
    ------
    DataError
        Labels are not classes, or one class is left.

    Examples
    --------
    >>> labels = encode(np.array(["no", "yes", "no"]), None, "LogisticRegression")
    >>> labels.classes, labels.codes
    (array(['no', 'yes'], dtype='<U3'), array([0, 1, 0]))
    """
    kind = y.dtype.kind
    if kind == "f":
        if not np.array_equal(y, np.floor(y)):
            odd = y[y != np.floor(y)][0]
            raise DataError(
                f"y: Unknown label type: continuous. {owner} takes class labels, got {odd!r} among them. "
                "Use a regressor, or bin the target."
            )
    elif kind not in "iubOUST":
        raise DataError(f"y: Unknown label type: {y.dtype}. Use integers, booleans or strings.")
    labels = _counted(y, s) if kind in "iubf" else None
    if labels is None:
        labels = _sorted(y, s)
    if len(labels.classes) < 2:
        only = labels.classes[0] if len(labels.classes) else None
        left = " with a weight above zero" if s is not None else ""
        raise DataError(
            f"y: {owner} needs samples of at least 2 classes in the data, but the data contains only one class{left}: "
            f"{_plain(only)!r}. Add rows of another class."
        )
    return labels


def plain_labels(y: Any) -> Any:
    """Labels of a column that may hold missing values, and holds none, in the dtype beneath; all others as they are.

    pandas' Int64, boolean and their like in Arrow become int64 and bool; scikit-learn's checks would make floats of
    them, and so of the classes.
    """
    given = getattr(y, "dtype", None)
    dtype = getattr(given, "numpy_dtype", None)
    if dtype is None and type(getattr(given, "na_value", 0.0)).__name__ == "NAType" and bool(y.isna().any()):
        raise DataError(f"y: Input y contains NaN: {int(y.isna().sum())} label(s) are missing. Leave out those rows.")
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iubf" or bool(y.isna().any()):
        return y
    return y.to_numpy(dtype=dtype)


def check_numbers(y: Any) -> None:
    """Raises where targets of a regression are strings, dates or other things: a failed conversion names neither.

    Strings that are numbers, None (a missing number, as for scikit-learn) and arrays of numbers pass.

    Examples
    --------
    >>> check_numbers([1.0, "2", "high"])
    Traceback (most recent call last):
        ...
    steepest.exceptions.DataError: y: expected numbers, got 'high' in row 2. Encode it as a number, or use a classifier.
    """
    kind = getattr(getattr(y, "dtype", None), "kind", None)
    if y is None or (kind is not None and kind in "biufc") or hasattr(y, "tocsr"):
        return
    try:
        values = np.asarray(y)
    except ValueError:  # rows of several lengths
        return
    if values.dtype.kind in "Mm" and values.size:
        raise DataError(f"y: expected numbers, got dates or times, {values.flat[0]}. Pass numbers, as days since one.")
    if values.dtype.kind not in "OUS" or values.ndim not in (1, 2):
        return
    width = values.shape[1] if values.ndim == 2 else 1
    for at, value in enumerate(values.ravel().tolist()):
        try:
            float(0.0 if value is None else value)
        except (TypeError, ValueError):
            raise DataError(
                f"y: expected numbers, got {value!r:.60} in row {at // width}. "
                "Encode it as a number, or use a classifier."
            ) from None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _counted(y: AnyArray, s: FloatArray | None) -> Labels | None:
    """By counting, where the labels span few integers."""
    whole = y.astype(np.int64) if y.dtype.itemsize < 8 and y.dtype.kind in "iub" else y  # int8 differences overflow
    low, high = whole.min(), whole.max()
    span = int(high) - int(low)
    if span > max(1024, 4 * len(y)):
        return None
    offsets = (whole - low).astype(np.intp)
    mass = np.bincount(offsets, weights=s, minlength=span + 1).astype(np.float64)
    seen = mass > 0.0
    codes = np.maximum(np.cumsum(seen) - 1, 0)[offsets].astype(np.int64, copy=False)
    values = np.flatnonzero(seen)
    classes = (values + int(low)).astype(y.dtype) if int(high) < 2**62 else (values.astype(y.dtype) + low)
    return Labels(classes, codes, mass[seen])


def _sorted(y: AnyArray, s: FloatArray | None) -> Labels:
    """By sorting."""
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in y})
        raise DataError(
            f"y: Unknown label type: labels must be of one kind that sorts, got {kinds}. Convert them to strings."
        ) from None
    if classes.dtype.kind == "O":
        odd = [label for label in classes if not _is_label(label)]
        if odd:
            raise DataError(
                f"y: Unknown label type: unknown. Expected integers, booleans or strings, got {odd[0]!r} of type "
                f"{type(odd[0]).__name__}. Convert the labels."
            )
    mass = np.bincount(codes, weights=s, minlength=len(classes)).astype(np.float64)
    seen = mass > 0.0
    codes = codes.astype(np.int64, copy=False)
    if not seen.all():
        classes, mass, codes = classes[seen], mass[seen], np.maximum(np.cumsum(seen) - 1, 0)[codes]
    return Labels(classes, codes, mass)


def _is_label(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return bool(value == np.floor(value))
    return isinstance(value, str | bytes | int | np.generic)


def apply_class_weight(
    class_weight: Any, labels: Labels, s: FloatArray | None, owner: str
) -> tuple[FloatArray | None, FloatArray]:
    """Sample weights times class weights, and the factor of each class.

    "balanced" gives class c the factor ``S / (K S_c)``, with S_c the weight of its rows.  Classes that a
    mapping leaves out keep 1, as long as every key of the mapping is a class.
    """
    k = len(labels.classes)
    if class_weight is None or (isinstance(class_weight, Mapping) and not class_weight):
        return s, np.ones(k)
    if isinstance(class_weight, str):
        factor = float(labels.mass.sum()) / (k * labels.mass)
    else:
        factor = np.ones(k)
        left = dict(class_weight)
        for c, label in enumerate(labels.classes):
            key = _plain(label)
            if key in left:
                factor[c] = float(left.pop(key))
        missing = [_plain(label) for label in labels.classes if _plain(label) not in class_weight]
        if missing and left:
            raise InvalidParameterError(
                f"The classes, {missing}, are not in class_weight, and its keys {list(left)} are no classes. "
                f"Classes of {owner} are {labels.classes.tolist()}."
            )
        if not np.isfinite(factor).all() or (factor < 0.0).any():
            raise InvalidParameterError(f"class_weight: expected finite weights >= 0, got {class_weight!r}.")
        if np.count_nonzero(factor) < 2:
            raise InvalidParameterError(
                f"class_weight: expected at least 2 classes of a weight above zero, got {class_weight!r}."
            )
    rows = factor[labels.codes]
    return (rows if s is None else rows * s), factor
