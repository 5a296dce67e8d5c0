"""Named columns and a target, as a table file holds them: numbers, dates, true/false, and text as categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.exceptions import DataError
from steepest.protocols import AnyArray
from steepest.readers.dataset import Dataset

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".parquet", ".pq")
TARGET_NAMES = ("target", "label", "class", "y")


@dataclass(frozen=True, slots=True)
class Layout:
    """What a table is made of: all that reading another part of the same data needs.

    Attributes
    ----------
    kinds : dict of str to str
        The feature columns in the order of the file: "number", "date", "boolean" or "category" each.
    target : str or None
        Name of the target column.
    target_kind : str
    header : bool
        Whether the names stood in the file.
    columns : tuple of str
        All columns of the file in their order: features, target, and those that were left out.
    """

    kinds: dict[str, str]
    target: str | None = None
    target_kind: str = "category"
    header: bool = True
    columns: tuple[str, ...] = ()

    def orders(self) -> list[tuple[str, ...]]:
        """The names that a file without a header may mean: all columns, and all but the target."""
        return [self.columns, tuple(name for name in self.columns if name != self.target)]

    def left_out(self) -> list[str]:
        """Columns of the file that are neither feature nor target."""
        return [name for name in self.columns if name not in self.kinds and name != self.target]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a model file."""
        return {
            "kinds": dict(self.kinds),
            "target": self.target,
            "target_kind": self.target_kind,
            "header": self.header,
            "columns": list(self.columns),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Layout:
        """The layout that `to_dict` gave."""
        return cls(**{**values, "columns": tuple(values["columns"])})


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows of a table file.

    Attributes
    ----------
    arrow : pyarrow.Table
        The features; text columns are dictionary-encoded.
    target : pyarrow.ChunkedArray or None
        The target column, without missing values.
    layout : Layout
    name : str
        Short name for titles.
    source : str
        Where the rows come from, in words.
    notes : tuple of str
        What was found and done on reading, in words.

    Notes
    -----
    A table gives its features to whatever takes Arrow data (``__arrow_c_stream__``): ``pandas`` and ``polars``
    frames, and `steepest.transforms.TableEncoder`.
    """

    arrow: Any
    target: Any
    layout: Layout
    name: str
    source: str
    notes: tuple[str, ...] = field(default=())

    @property
    def n_samples(self) -> int:
        return int(self.arrow.num_rows)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the feature columns."""
        return tuple(self.arrow.column_names)

    def __len__(self) -> int:
        return self.n_samples

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.arrow.__arrow_c_stream__(requested_schema)

    def describe(self) -> str:
        """Size and kinds of columns in words."""
        counts = {
            kind: list(self.layout.kinds.values()).count(kind) for kind in dict.fromkeys(self.layout.kinds.values())
        }
        words = {"number": "numeric", "category": "categorical", "boolean": "true/false", "date": "date"}
        of = ", ".join(f"{count} {words[kind]}" for kind, count in counts.items())
        return f"{self.n_samples:,} rows x {len(self.names)} columns ({of})"

    def y(self) -> AnyArray:
        """The target as NumPy array: labels as text, whole numbers as int64, others as float64."""
        if self.target is None:
            raise DataError(f"{self.source}: has no target column {self.layout.target!r}")
        import pyarrow as pa

        kind = self.target.type
        if pa.types.is_dictionary(kind):
            column = self.target.unify_dictionaries()
            levels = np.asarray(column.chunk(0).dictionary.to_pylist(), dtype=str)
            codes = np.concatenate([np.asarray(chunk.indices) for chunk in column.chunks])
            return np.asarray(levels[codes])
        if pa.types.is_boolean(kind):
            return np.asarray(np.where(self.target.to_numpy(), "true", "false"))
        if pa.types.is_timestamp(kind):
            raise DataError(
                f"{self.source}: the target {self.layout.target!r} holds dates; choose a column of numbers or labels"
            )
        values = np.asarray(self.target.to_numpy())
        if values.dtype.kind == "f" and np.all(np.abs(values) < 2.0**53):
            whole = values.astype(np.int64)
            return whole if np.array_equal(whole, values) else values
        return values

    def dataset(self, X: Any, feature_names: Sequence[str], notes: Sequence[str] = ()) -> Dataset:
        """The data set of the encoded features ``X`` and this table's target, for fits and reports."""
        return Dataset(
            X,
            self.y(),
            name=self.name,
            source=self.source,
            note="; ".join([*self.notes, *notes]),
            feature_names=tuple(str(name) for name in feature_names),
        )


def kind_of(arrow_type: Any) -> str:
    """Kind of a column of this Arrow type, "" for types that a table cannot hold."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(arrow_type):
        return "category"
    if types.is_boolean(arrow_type):
        return "boolean"
    if types.is_integer(arrow_type) or types.is_floating(arrow_type):
        return "number"
    return "date" if types.is_timestamp(arrow_type) else ""


def choose_target(names: Sequence[str], wanted: str | int | None, source: str) -> tuple[int, str]:
    """Position of the target column, and how it came to be chosen in words ("" where the user named it).

    Parameters
    ----------
    names : sequence of str
    wanted : str, int or None
        A name, or a position from 1, -1 for the last; None takes the first of "target", "label", "class" and "y"
        that is there in any case, else the last column.

    Examples
    --------
    >>> choose_target(["age", "Class", "pay"], None, "x.csv")
    (1, "the target is column 2, 'Class', by its name")
    >>> choose_target(["age", "pay"], "2", "x.csv")
    (1, '')
    """
    if wanted is None:
        lower = [name.strip().lower() for name in names]
        for known in TARGET_NAMES:
            if known in lower:
                k = lower.index(known)
                return k, f"the target is column {k + 1}, {names[k]!r}, by its name"
        return len(names) - 1, f"the target is the last column, {names[-1]!r}"
    if isinstance(wanted, str) and wanted in names:
        return list(names).index(wanted), ""
    try:
        position = int(wanted)
    except ValueError:
        position = 0
    if 1 <= position <= len(names):
        return position - 1, ""
    if -len(names) <= position <= -1:
        return len(names) + position, ""
    import difflib

    near = difflib.get_close_matches(str(wanted), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise DataError(
        f"{source}: target: expected the name of a column or a position from 1 to {len(names)}, got {str(wanted)!r}"
        f"{hint} (columns: {shown})"
    )
