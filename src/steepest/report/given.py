"""What a caller hands to a report, models or pipelines with arrays, frames or tables, as the report's own parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.readers import Dataset, Table
from steepest.report.view import Reported


def parts(model: Any) -> tuple[list[tuple[str, Any]], Reported]:
    """The steps that make the columns people see, and the rest of the model, folded into the coefficients.

    A pipeline is cut before the scaling and whitening steps at its end, for which coefficients can be computed in
    the units before them; what comes earlier, an encoder say, makes the columns that have names.
    """
    steps = [(name, step) for name, step in getattr(model, "steps", ()) if step not in (None, "passthrough")]
    estimator = steps[-1][1] if steps else model
    if not hasattr(estimator, "fit_record_"):
        raise InvalidParameterError(
            f"model: expected a fitted estimator of steepest, or a pipeline that ends with one, got "
            f"{type(estimator).__name__}. Fit it first."
        )
    before: list[tuple[str, Any]] = steps[:-1]
    after: list[tuple[str, Any]] = []
    while before and _folds(before[-1][1]):
        after.insert(0, before.pop())
    return before, Reported(estimator, after)


def _folds(step: Any) -> bool:
    scaled = getattr(step, "scale_", None) is not None and hasattr(step, "mean_")
    return scaled or hasattr(step, "whitening_")


def columns(before: list[tuple[str, Any]], X: Any) -> tuple[Any, tuple[str, ...] | None]:
    """Rows after the steps as a matrix, and the names of its columns where they have any."""
    names = getattr(X, "columns", None)
    rows = X
    for _, step in before:
        rows = step.transform(rows)
        names = step.get_feature_names_out() if hasattr(step, "get_feature_names_out") else None
    names = getattr(rows, "columns", names)
    if hasattr(rows, "to_numpy"):
        rows = rows.to_numpy()
    return rows, None if names is None else tuple(str(name) for name in names)


def dataset(before: list[tuple[str, Any]], X: Any, y: Any, what: str) -> Dataset:
    """Rows and targets as a data set; the targets of a table that was read from a file are its own."""
    if isinstance(X, Table):
        y = X.y() if y is None else y
    if y is None:
        raise InvalidParameterError(f"{what}: expected rows and targets, got rows alone. Give y too.")
    rows, labels = columns(before, X)
    target = _targets(y)
    if rows.shape[0] != len(target):
        raise InvalidParameterError(f"{what}: expected as many targets as rows ({rows.shape[0]}), got {len(target)}.")
    if isinstance(X, Table):
        return Dataset(rows, target, X.name, X.source, "; ".join(X.notes), labels)
    return Dataset(rows, target, "the given rows", f"{type(X).__module__.split('.')[0]} {type(X).__name__}", "", labels)


def _targets(y: Any) -> Any:
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    return values.astype(str) if values.dtype.kind == "O" and all(isinstance(v, str) for v in values) else values
