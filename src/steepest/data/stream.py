"""Rows that are read again for every pass: matrices larger than memory, as pieces from an iterator.

Vectors of a number a row (scores, slopes, targets, weights) are in memory; the matrix is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.exceptions import DataError
from steepest.parallel import Pool
from steepest.protocols import AnyArray, FloatArray

_SAMPLE = 64  # entries kept of a piece, for the size of the numbers


class Sample(NamedTuple):
    """In place of rows: some entries, which tell of what size they are."""

    data: AnyArray


class StreamSource:
    """Pieces of X, one after the other, as one source; memory: one piece, and vectors of one number a row.

    Parameters
    ----------
    pieces : callable
        ``pieces()`` yields validated arrays or CSR matrices of d columns; the same ones at every call.  They are read
        once to learn the shape.
    pool : Pool, optional
        Threads for the passes over a piece.
    first : iterator, optional
        The first reading, where more than the shape is learnt from it.

    Examples
    --------
    >>> X = np.arange(6.0).reshape(3, 2)
    >>> source = StreamSource(lambda: iter([X[:2], X[2:]]))
    >>> source.shape, source.matvec(np.array([1.0, 10.0]))
    ((3, 2), array([10., 32., 54.]))
    """

    kind: Literal["stream"] = "stream"
    single = None
    block = 1

    def __init__(
        self, pieces: Callable[[], Iterator[Any]], pool: Pool | None = None, first: Iterator[Any] | None = None
    ) -> None:
        self.pieces = pieces
        self.pool = pool or Pool()
        self.notes: list[str] = []
        self.nnz = self.nbytes = 0
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        samples, n, d = [np.empty(0)], 0, 0
        for X in pieces() if first is None else first:
            source = as_source(X, pool=self.pool)
            data = np.ravel(source.rows[0])
            samples.append(np.array(data[:: len(data) // _SAMPLE + 1], dtype=np.float64))  # a view would keep the piece
            n, d = n + source.shape[0], source.shape[1]
            self.nnz += int(source.nnz)
            self.nbytes += int(source.nbytes)
            self.dtype = source.dtype
        self.rows = Sample(np.concatenate(samples))
        self.shape: tuple[int, int] = (n, d)
        self.shards = [(0, n)]

    def sources(self) -> Iterator[tuple[int, int, Any]]:
        """First row, end, and source of every piece: one pass of reading."""
        n, low = self.shape[0], 0
        for X in self.pieces():
            high = low + int(X.shape[0])
            if high > n:
                break
            yield low, high, as_source(X, pool=self.pool)
            low = high
        else:
            if low == n:
                return
        raise DataError(
            f"batches: expected the {n} rows of the first pass again, got {'more' if low < n < high else low}. "
            "Return a fresh iterator over the same rows at every call."
        )

    def take(self, rows: AnyArray) -> Any:
        """Rows of these numbers, which rise, in memory: one reading."""
        parts = []
        for low, high, source in self.sources():
            own = rows[(rows >= low) & (rows < high)] - low
            if len(own):
                parts.append(source.X[own] if source.kind == "dense" else source.matrix[own])
        if all(isinstance(part, np.ndarray) for part in parts):
            return np.concatenate(parts)
        return sp.vstack([sp.csr_array(part) for part in parts], format="csr")

    def matvec(self, w: FloatArray, b: Any = 0.0) -> FloatArray:
        """X w + b."""
        out = np.empty((self.shape[0], *w.shape[1:]))
        for low, high, source in self.sources():
            out[low:high] = source.matvec(w, b)
        return out

    def rmatvec(self, p: FloatArray, u: FloatArray) -> tuple[FloatArray, Any]:
        """(X^T (p u), sum p u), with the row weights p."""
        total, own = np.zeros((self.shape[1], *u.shape[1:])), np.zeros(u.shape[1:])
        for low, high, source in self.sources():
            part, shift = source.rmatvec(p[low:high], u[low:high])
            total += part
            own = own + shift
        return total, own if u.ndim > 1 else float(own)

    def gram(self, weights: FloatArray, rows: AnyArray | None = None, dtype: Any = None) -> FloatArray:
        """X^T diag(weights) X, bordered by X^T weights, (d + 1, d + 1), of all rows."""
        if rows is not None:
            raise DataError("rows: a stream has the Gram matrix of all rows alone. Leave the argument out.")
        total = np.zeros((self.shape[1] + 1, self.shape[1] + 1))
        for low, high, source in self.sources():
            total += source.gram(weights[low:high], dtype=dtype)
        return total

    def moments(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted sums of x and x**2 by column."""
        first, second = np.zeros(self.shape[1]), np.zeros(self.shape[1])
        for low, high, source in self.sources():
            part = source.moments(p[low:high])
            first += part[0]
            second += part[1]
        return first, second

    def square_norms(self) -> FloatArray:
        """|x_i|**2."""
        out = np.empty(self.shape[0])
        for low, high, source in self.sources():
            out[low:high] = source.square_norms()
        return out
