"""Tables of any make as columns of numbers or of categories: pandas, polars, Arrow, arrays.

A column is read slice by slice, so that no whole copy of the table arises.  Text is looked at once a level,
never once a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NAN", "NULL", "null")
"""Texts that stand for "not known", as the readers of files take them."""

_TRUTH = {"true": 1.0, "false": 0.0}
NUMBER, BOOLEAN, DATE, CATEGORY = "number", "boolean", "date", "category"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    name, kind : str
        The kind is number, boolean, date or category.
    n : int
        Rows.
    read : callable
        ``read(start, stop)``: float64 values with nan for missing ones; for categories, codes of ``levels``
        with -1 for missing ones.  True is 1; a date is its days since 1970.
    levels : tuple of str or None
        Of categories, else empty; None where a level stands for "missing".
    """

    name: str
    kind: str
    n: int
    read: Callable[[int, int], Any]
    levels: tuple[str | None, ...] = ()

    def as_kind(self, kind: str) -> Column:
        """The same column read as a category, or as numbers; an error names a text that is no number."""
        if (kind == CATEGORY) == (self.kind == CATEGORY):
            return self
        return self._as_category() if kind == CATEGORY else self._as_numbers(kind)

    def _as_numbers(self, kind: str) -> Column:
        values = np.full(len(self.levels) + 1, math.nan)  # the last is found by code -1
        for k, level in enumerate(self.levels):
            if level is None:
                continue
            try:
                values[k] = _TRUTH[level.lower()] if kind == BOOLEAN and level.lower() in _TRUTH else float(level)
            except ValueError:
                raise DataError(
                    f"X: column {self.name!r} held {kind}s in training, got the text {level!r}; convert the column to "
                    f"{kind}s"
                ) from None
        return Column(self.name, kind, self.n, lambda start, stop: values[self.read(start, stop)])

    def _as_category(self) -> Column:
        values, codes = np.unique(self.read(0, self.n), return_inverse=True)
        levels = tuple(_text(value != 0.0 if self.kind == BOOLEAN else value) for value in values.tolist())
        return Column(self.name, CATEGORY, self.n, lambda start, stop: codes[start:stop], levels)


def is_frame(X: Any) -> bool:
    """Whether X has named columns."""
    return hasattr(X, "iloc") or hasattr(X, "__arrow_c_stream__")


def columns_of(X: Any) -> list[Column]:
    """Columns of a pandas frame, of anything that gives Arrow data, or of a two-dimensional array."""
    if hasattr(X, "iloc"):
        frame = X.to_frame() if X.ndim == 1 else X
        return [_from_pandas(str(name), frame.iloc[:, k]) for k, name in enumerate(frame.columns)]
    if hasattr(X, "__arrow_c_stream__"):
        try:
            import pyarrow as pa
        except ImportError:
            raise DataError(
                f"X: a {type(X).__name__} is read through pyarrow, which is not installed; pip install "
                '"steepest[arrow]"'
            ) from None
        table = pa.table(X)
        return [_from_arrow(name, table.column(k)) for k, name in enumerate(table.column_names)]
    return [_from_array(f"x{k}", X[:, k]) for k in range(X.shape[1])]


def _from_array(name: str, values: AnyArray) -> Column:
    if values.dtype.kind in "fiu":
        return Column(name, NUMBER, len(values), lambda start, stop: values[start:stop].astype(np.float64))
    if values.dtype.kind == "b":
        return Column(name, BOOLEAN, len(values), lambda start, stop: values[start:stop].astype(np.float64))
    if values.dtype.kind == "M":
        return Column(name, DATE, len(values), lambda start, stop: days(values[start:stop]))
    found: dict[Any, int] = {}
    codes = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values.tolist()):
        if isinstance(value, dict | list | set):
            raise TypeError(f"X: argument must be a string or a number, got {type(value).__name__} in column {name!r}")
        gone = value is None or (isinstance(value, float) and math.isnan(value))
        codes[row] = -1 if gone else found.setdefault(value, len(found))
    return _coded(name, list(found), codes)


def _coded(name: str, levels: list[Any], codes: NDArray[Any]) -> Column:
    """A column of objects: numbers where all of them are, else categories."""
    if levels and all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in levels):
        values = np.array([float(v) for v in levels] + [math.nan])
        return Column(name, NUMBER, len(codes), lambda start, stop: values[codes[start:stop]])
    if levels and all(isinstance(v, bool | np.bool_) for v in levels):
        values = np.array([float(v) for v in levels] + [math.nan])
        return Column(name, BOOLEAN, len(codes), lambda start, stop: values[codes[start:stop]])
    texts = tuple(_text(level) for level in levels)
    return Column(name, CATEGORY, len(codes), lambda start, stop: codes[start:stop], texts)


def _from_pandas(name: str, series: Any) -> Column:
    from pandas.api import types

    n = len(series)
    if isinstance(getattr(series.dtype, "categories", None), object) and hasattr(series, "cat"):
        return _coded(name, [str(level) for level in series.cat.categories], series.cat.codes.to_numpy())
    if types.is_bool_dtype(series.dtype) or types.is_numeric_dtype(series.dtype):
        kind = BOOLEAN if types.is_bool_dtype(series.dtype) else NUMBER
        if types.is_complex_dtype(series.dtype):
            raise DataError(f"X: Complex data not supported, got it in column {name!r}; give its parts as columns")
        if isinstance(series.dtype, np.dtype):
            values = series.to_numpy()
            return Column(name, kind, n, lambda start, stop: values[start:stop].astype(np.float64))
        return Column(
            name, kind, n, lambda start, stop: series.iloc[start:stop].to_numpy(dtype=np.float64, na_value=math.nan)
        )
    if types.is_datetime64_any_dtype(series.dtype):
        plain = series.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(series.dtype, "tz", None) else series
        return Column(name, DATE, n, lambda start, stop: days(plain.iloc[start:stop].to_numpy("datetime64[us]")))
    import pandas as pd

    codes, levels = pd.factorize(series)
    return _coded(name, list(levels), codes)


def _from_arrow(name: str, column: Any) -> Column:
    import pyarrow as pa

    kind, types, n = column.type, pa.types, len(column)

    def sliced(start: int, stop: int, of: Any) -> list[Any]:
        return list(of.slice(start, stop - start).chunks)

    def joined(parts: list[AnyArray]) -> AnyArray:
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0), *parts])

    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):

        def numbers(start: int, stop: int) -> AnyArray:
            parts = [chunk.cast(pa.float64(), safe=False) for chunk in sliced(start, stop, column)]
            return joined([part.to_numpy(zero_copy_only=False) for part in parts])

        return Column(name, BOOLEAN if types.is_boolean(kind) else NUMBER, n, numbers)
    if types.is_timestamp(kind) or types.is_date(kind):

        def dates(start: int, stop: int) -> AnyArray:
            parts = [chunk.cast(pa.timestamp("us"), safe=False) for chunk in sliced(start, stop, column)]
            return joined([days(part.to_numpy(zero_copy_only=False)) for part in parts])

        return Column(name, DATE, n, dates)
    if types.is_null(kind):
        return Column(name, CATEGORY, n, lambda start, stop: np.full(stop - start, -1))
    if not types.is_dictionary(kind):
        try:
            column = column.cast(pa.large_string()).dictionary_encode()
        except pa.ArrowInvalid as error:
            raise DataError(f"X: column {name!r} of type {kind} is neither numbers nor text ({error}).") from None
    column = column.unify_dictionaries()
    levels = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []

    def codes(start: int, stop: int) -> AnyArray:
        parts = [chunk.indices for chunk in sliced(start, stop, column)]
        filled = [part.cast(pa.int64()).fill_null(-1) if part.null_count else part for part in parts]
        return joined([part.to_numpy(zero_copy_only=False) for part in filled]).astype(np.int64, copy=False)

    return Column(name, CATEGORY, n, codes, tuple(None if level is None else _text(level) for level in levels))


def days(dates: AnyArray) -> FloatArray:
    """Dates as days since 1970, nan where there is none.

    >>> days(np.array(["1970-01-02T12", "NaT"], dtype="datetime64[h]"))
    array([1.5, nan])
    """
    since = dates.astype("datetime64[us]") - np.datetime64(0, "us")
    return np.asarray(since / np.timedelta64(1, "D"), dtype=np.float64)


def _text(level: Any) -> str | None:
    """A level as text: trimmed, whole numbers without a point; None for "missing"."""
    if isinstance(level, bool | np.bool_):
        return "true" if level else "false"
    if isinstance(level, float | np.floating):
        value = float(level)
        if math.isnan(value):
            return None
        if value.is_integer() and abs(value) < 2.0**53:
            return str(int(value))
    text = str(level).strip()
    return None if text in MISSING else text
