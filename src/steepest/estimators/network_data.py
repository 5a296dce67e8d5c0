"""Rows as networks read them: checked where they lie, never copied, columns shifted and scaled as they are read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from steepest.estimators.base import name_columns
from steepest.estimators.targets import check_numbers
from steepest.exceptions import DataError
from steepest.networks.feed import Feed, SparseBatch, as_feed
from steepest.networks.operations import Call
from steepest.protocols import AnyArray, FloatArray

BLOCK = 1 << 20  # bytes of rows in float64, where something is computed of all of them
_LARGEST = float(np.finfo(np.float32).max)
_SQUARES = (1e-140, 1e140)  # sizes between which numbers have squares


def checked(model: Any, X: Any, y: Any = None, *, reset: bool, numeric: bool = False) -> tuple[Any, Any]:
    """X and y after scikit-learn's checks; X of any dtype of numbers stays as it is.

    Parameters
    ----------
    model : estimator
    X, y
        As given; without y (None and ``reset=False``) X alone is checked.
    reset : bool
        Whether the number and the names of features are learnt, or compared.
    numeric : bool
        Whether y must be numbers.
    """
    how: dict[str, Any] = {"accept_sparse": "csr", "accept_large_sparse": True, "dtype": "numeric", "reset": reset}
    try:
        if y is None and not reset:
            X = validate_data(model, X, **how)
        else:
            X, y = validate_data(model, X, y, multi_output=True, y_numeric=numeric, **how)
    except (TypeError, ValueError):
        name_columns(X)
        if numeric:
            check_numbers(y)
        raise
    if numeric:
        check_numbers(y)
    return readable(X), y


def names_of(y: Any) -> Any:
    """The columns of targets that come as a frame of several; None for others."""
    columns = getattr(y, "columns", None)
    return None if columns is None or len(columns) < 2 else np.asarray(list(columns))


def readable(X: Any) -> Any:
    """X in a dtype that compiled code reads: half and extended precision, and foreign byte orders, are converted."""
    values = X.data if sp.issparse(X) else X
    wanted = values.dtype
    if wanted == np.float16:
        wanted = np.dtype(np.float32)
    elif wanted.kind == "f" and wanted.itemsize > 8:
        wanted = np.dtype(np.float64)
    wanted = wanted.newbyteorder("=")
    if wanted != values.dtype or not values.flags.aligned:
        X = X.astype(wanted)
    return X


def blocks(X: Any, rows: AnyArray | None) -> Any:
    """The rows of X, or those of some indices, as pieces of float64: dense arrays or CSR."""
    n = X.shape[0] if rows is None else len(rows)
    step = max(1, BLOCK // (8 * max(1, X.shape[1])))
    for low in range(0, n, step):
        piece = X[low : low + step] if rows is None else X[rows[low : low + step]]
        yield low, piece.astype(np.float64)


def check_range(X: Any, dtype: Any, scaling: Scaling) -> None:
    """Raises where numbers of X, or the factors of its columns, are infinite in the dtype of the network."""
    factor = scaling.factor
    if factor is not None and not np.all(factor <= float(np.finfo(dtype).max)):
        raise DataError(
            f"X: expected columns whose scale has an inverse in {np.dtype(dtype)}, got one of which it is "
            f"{float(factor.max()):.3g}. Multiply the columns by a number, or use dtype='float64'."
        )
    values = X.data if sp.issparse(X) else X
    if np.dtype(dtype) == np.float64 or values.dtype != np.float64 or values.size == 0:
        return
    top = max(float(values.max()), -float(values.min()))
    if top > _LARGEST:
        raise DataError(
            f"X: expected numbers within the range of float32, got one of size {top:.3g}. "
            "Scale the columns, or use dtype='float64'."
        )


class Scaling(NamedTuple):
    """``(x - shift) * factor``; None: no shift, no factor."""

    shift: FloatArray | None
    factor: FloatArray | None


def find_scaling(
    kind: str | None, X: Any, rows: AnyArray | None, weights: FloatArray | None, channels: int = 0
) -> Scaling:
    """Shift and factor of the columns.

    Parameters
    ----------
    kind : {"standard", "range"} or None
        "standard": weighted mean 0 and variance 1; sparse rows are not shifted, which would fill them.  "range": one
        factor for all columns, after which no number is above 1 in size.
    X : array or CSR matrix
    rows : array of int or None
        Those that count.
    weights : array or None
        Of those, with a positive sum; None: all equal.
    channels : int
        Of pictures that are changed at random, whose pixels move from column to column: "standard" is then one shift
        and one factor a channel.  0: each column has its own.

    Cost: a pass over X in blocks (two for "standard", the second around the mean of the first).
    """
    if kind is None:
        return Scaling(None, None)
    d, sparse = X.shape[1], sp.issparse(X)
    if kind == "range":
        top = 0.0
        for _, block in blocks(X, rows):
            values = block.data if sparse else block
            top = max(top, float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
        return Scaling(None, np.full(d, 1.0 / top) if top > 0.0 else None)
    n = X.shape[0] if rows is None else len(rows)
    p = np.full(n, 1.0 / n) if weights is None else weights / weights.sum()
    mean, sizes = np.zeros(d), np.zeros(d)
    for low, block in blocks(X, rows):
        mean += np.asarray(block.T @ p[low : low + block.shape[0]]).ravel()
        for extreme in (block.max(axis=0), -block.min(axis=0)):
            np.maximum(sizes, extreme.toarray().ravel() if sparse else extreme, out=sizes)
    unit = _units(sizes)
    if unit is not None:
        mean *= unit
    variance = np.zeros(d)
    for low, block in blocks(X, rows):
        q = p[low : low + block.shape[0]]
        if unit is not None:
            block = block.multiply(unit).tocsr() if sparse else block * unit
        if sparse:
            variance += np.asarray(block.multiply(block).T @ q).ravel()
        else:
            block -= mean
            variance += (block * block).T @ q
    if sparse:
        variance = np.maximum(variance - mean * mean, 0.0)
    # what rounding leaves of a constant column is no spread
    spread = variance > (1e-12 * mean) ** 2
    factor = np.where(spread, 1.0 / np.sqrt(np.where(spread, variance, 1.0)), 1.0)
    if unit is not None:
        with np.errstate(over="ignore"):  # `check_range` tells of it
            mean, factor = mean / unit, np.where(spread, factor * unit, factor)
    if channels:
        mean, factor = _of_channels(mean, np.where(spread, 1.0 / factor, 0.0), channels)
    return Scaling(None if sparse else mean, factor)


def _of_channels(mean: FloatArray, deviation: FloatArray, channels: int) -> tuple[FloatArray, FloatArray]:
    """Mean and factor of all columns of a channel together, for each column; a constant channel has the factor 1."""
    top = max(float(np.abs(mean).max()), float(deviation.max())) or 1.0
    means, deviations = (mean / top).reshape(-1, channels), (deviation / top).reshape(-1, channels)
    mean = means.mean(axis=0)
    variance = (deviations**2 + (means - mean) ** 2).mean(axis=0)
    spread = variance > (1e-12 * mean) ** 2
    factor = np.where(spread, 1.0 / (top * np.sqrt(np.where(spread, variance, 1.0))), 1.0)
    return np.tile(mean * top, len(means)), np.tile(factor, len(means))


def _units(top: FloatArray) -> FloatArray | None:
    """Powers of two that bring columns to a size of 1 where squares would be 0 or infinite; None where none would."""
    odd = (top > 0.0) & ((top < _SQUARES[0]) | (top > _SQUARES[1]))
    if not odd.any():
        return None
    return np.where(odd, np.ldexp(1.0, np.clip(-np.frexp(top)[1], -1022, 1022)), 1.0)


class SomeRows(Feed):
    """Some rows of a feed as a feed: training and validation rows of one X, which is not copied for it.

    Parameters
    ----------
    feed : Feed
    index : array of int
        Rows of it, in the order in which this one counts them.
    """

    def __init__(self, feed: Feed, index: AnyArray) -> None:
        self.__dict__.update(feed.__dict__)
        self.base, self.index = feed, np.ascontiguousarray(index)
        self.n = len(index)

    def astype(self, dtype: Any) -> Feed:
        """The same rows in batches of another dtype."""
        return self if np.dtype(dtype) == self.dtype else SomeRows(self.base.astype(dtype), self.index)

    def take(self, rows: AnyArray, out: AnyArray) -> None:
        """Write the rows into ``out``; as `Feed.take`."""
        self.base.take(self.index[rows], out)

    def place(self, rows: AnyArray, into: AnyArray) -> None:
        """Write the rows, as those of X; as `Feed.place`."""
        self.base.place(self.index[rows], into)

    def taking(self, rows: AnyArray, out: AnyArray) -> Call:
        """As `Feed.taking`."""
        return self.base.taking(rows, out)

    def batch(self, count: int, dtype: Any = None) -> SparseBatch:
        """What stands in place of the input matrix for ``count`` sparse rows; as `Feed.batch`."""
        return _SomeBatch(self, self.base.batch(count, dtype))


class _SomeBatch(SparseBatch):
    def __init__(self, feed: SomeRows, batch: SparseBatch) -> None:
        self.__dict__.update(batch.__dict__)
        self.index = feed.index

    def place(self, rows: AnyArray) -> None:
        """Say which rows are next."""
        self.rows[:] = self.index[rows]


def make_feed(X: Any, dtype: Any, scaling: Scaling) -> Feed:
    """X as a network of that dtype reads it."""
    return as_feed(X, dtype, scaling.shift, scaling.factor)
