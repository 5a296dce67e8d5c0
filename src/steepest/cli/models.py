"""Data in the form that a loaded model takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.cli.inputs import Wanted, read_one
from steepest.exceptions import DataError
from steepest.protocols import AnyArray
from steepest.readers import Dataset, Layout, Table, is_table, read_dataset
from steepest.readers.builtin import BUILTIN


class Loaded(NamedTuple):
    """A model taken apart: the encoder of tables where it begins with one, what follows, the estimator."""

    whole: Any
    encoder: Any
    steps: list[tuple[str, Any]]
    estimator: Any


def taken_apart(model: Any) -> Loaded:
    """The parts of a model or pipeline."""
    steps = list(model.steps[:-1]) if hasattr(model, "steps") else []
    estimator = model.steps[-1][1] if hasattr(model, "steps") else model
    encoder = None
    if steps and hasattr(steps[0][1], "encoded_names_"):
        encoder = steps.pop(0)[1]
    return Loaded(model, encoder, steps, estimator)


class Given(NamedTuple):
    """Rows as the whole model takes them, their targets where the file has them, and words about the file."""

    X: Any
    y: AnyArray | None
    source: str
    notes: tuple[str, ...]
    table: Table | None = None


def rows_for(model: Loaded, path: str, wanted: Wanted) -> Given:
    """Read a file for predictions: tables by the names of the columns, others as they are."""
    if path in BUILTIN or not is_table(path):
        if model.encoder is not None:
            raise DataError(f"{path}: the model was fitted on a table; give a CSV or Parquet file with its columns")
        expected = getattr(model.whole, "n_features_in_", None)
        data = read_dataset(path, n_features=expected, part="test")
        return Given(data.X, data.y, data.source, tuple(filter(None, (data.note,))))
    like = None
    if model.encoder is not None and model.encoder.layout_ is not None:
        like = Layout.from_dict(model.encoder.layout_)
    table = read_one(path, wanted, like, needs_target=False)
    y = None if table.target is None else table.y()
    if model.encoder is not None:
        return Given(table, y, table.source, table.notes, table)
    X = _numbers(table, model, path)
    return Given(X, y, table.source, table.notes, table)


def _numbers(table: Table, model: Loaded, path: str) -> Any:
    """The columns that a model without an encoder was fitted on, which must hold numbers."""
    names = getattr(model.whole, "feature_names_in_", None)
    expected = getattr(model.whole, "n_features_in_", None)
    chosen = list(table.names) if names is None else [str(name) for name in names]
    missing = [name for name in chosen if name not in table.names]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]!r}, which the model needs; add it")
    if names is None and expected is not None and len(chosen) != expected:
        raise DataError(
            f"{path}: has {len(chosen)} columns of features ({', '.join(chosen[:8])}), the model was fitted on "
            f"{expected}; give those, in the same order"
        )
    if model.steps:  # transformers of the user's may take text and gaps
        return table.arrow.select(chosen).to_pandas()
    for name in chosen:
        column = table.arrow.column(name)
        if table.layout.kinds.get(name) not in ("number", "boolean"):
            raise DataError(f"{path}: column {name!r} does not hold numbers, and the model has no encoder; encode it")
        if column.null_count:
            raise DataError(
                f"{path}: column {name!r} has {column.null_count:,} missing values, and the model has no encoder; "
                "fill them in, or leave out those rows"
            )
    frame = table.arrow.select(chosen).to_pandas()
    return frame if names is not None else frame.to_numpy(dtype=np.float64)


def dataset_for(model: Loaded, given: Given, name: str) -> Dataset:
    """The rows before the steps that a report folds into the coefficients, with their targets."""
    if given.y is None:
        raise DataError(f"{given.source}: has no target, so there is nothing to compare predictions with")
    if model.encoder is not None and given.table is not None:
        encoded = model.encoder.transform(given.table)
        return given.table.dataset(encoded, model.encoder.get_feature_names_out().tolist())
    X = given.X.to_numpy() if hasattr(given.X, "to_numpy") else given.X
    names = getattr(model.whole, "feature_names_in_", None)
    return Dataset(
        X, given.y, name=name, source=given.source, feature_names=None if names is None else tuple(map(str, names))
    )
