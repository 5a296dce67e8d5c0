"""Data in the form that a loaded model takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import steepest
from steepest.cli.inputs import Wanted, read_one
from steepest.exceptions import DataError
from steepest.protocols import AnyArray
from steepest.readers import Dataset, Layout, Table, is_table, read_dataset
from steepest.readers.builtin import BUILTIN
from steepest.report.given import columns, parts
from steepest.report.view import Reported
from steepest.transforms.encoding import TableEncoder


class Loaded(NamedTuple):
    """A model taken apart: what makes the columns that people see, and the rest as a report shows it."""

    whole: Any
    before: list[tuple[str, Any]]
    shown: Reported

    @property
    def encoder(self) -> Any:
        """The encoder of tables, where the model begins with one."""
        first = self.before[0][1] if self.before else None
        return first if isinstance(first, TableEncoder) else None


def load(path: Path) -> Loaded:
    """A model from its file, taken apart."""
    whole = steepest.load(path)
    return Loaded(whole, *parts(whole))


class Given(NamedTuple):
    """Rows as ``Loaded.shown`` takes them, made once; names, targets where the file has them, and words."""

    X: Any
    feature_names: tuple[str, ...] | None
    y: AnyArray | None
    source: str
    notes: tuple[str, ...]
    qid: AnyArray | None = None

    def dataset(self, name: str) -> Dataset:
        """The rows with their targets."""
        if self.y is None:
            raise DataError(f"{self.source}: has no target, so there is nothing to compare predictions with")
        return Dataset(self.X, self.y, name=name, source=self.source, feature_names=self.feature_names, qid=self.qid)


def rows_for(model: Loaded, path: str, wanted: Wanted) -> Given:
    """Read a file for predictions: tables by the names of the columns, others as they are."""
    encoder = model.encoder
    if path in BUILTIN or not is_table(path):
        if encoder is not None:
            raise DataError(f"{path}: the model was fitted on a table; give a CSV or Parquet file with its columns")
        data = read_dataset(path, n_features=getattr(model.whole, "n_features_in_", None), part="test")
        return Given(*columns(model.before, data.X), data.y, data.source, tuple(filter(None, (data.note,))), data.qid)
    like = None if encoder is None or encoder.layout_ is None else Layout.from_dict(encoder.layout_)
    table = read_one(path, wanted, like, needs_target=False)
    y = None if table.target is None else table.y()
    X = table if encoder is not None else _numbers(table, model, path)
    return Given(*columns(model.before, X), y, table.source, table.notes)


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
    if model.before:  # transformers of the user's may take text and gaps
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
