"""Rows of X on their way into a batch: any dtype, any strides, mapped files, sparse rows; never a copy of X.

A `Feed` gathers rows into a buffer of the network's dtype, and shifts and scales their columns in the same pass.  Wide
sparse rows are not written out: `SparseBatch` multiplies them by the first layer's weights where they lie, and scatters
that layer's gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from steepest.exceptions import DataError, InvalidParameterError
from steepest.kernels.network_gather import gather_dense, gather_sparse, sparse_gradient, sparse_product, square_entries
from steepest.networks.node import INDEX, Input, Node
from steepest.networks.operations import Call, Operation, in_order
from steepest.protocols import AnyArray

WIDE = 4096  # columns from which sparse rows are multiplied as they are
DENSITY = 0.05  # of entries, up to which that pays
_KINDS = "biuf"


class Feed:
    """Rows of X, gathered as ``(x - shift) * factor``; made by `as_feed`.

    Attributes
    ----------
    n, n_features : int
    dtype : dtype
        Of the batches.
    sparse : bool
        Whether batches are multiplied as sparse rows, by `batch`, rather than written out.
    X : array or CSR matrix
        As it was given; dense X is a view.
    """

    def __init__(self, X: Any, dtype: Any, shift: AnyArray | None, factor: AnyArray | None, sparse: bool) -> None:
        self.X, self.sparse = X, sparse
        self.n, self.n_features = int(X.shape[0]), int(X.shape[1])
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.csr = not isinstance(X, np.ndarray)
        d = self.n_features
        self._shift, self._factor = np.empty(0), np.empty(0)  # as precise as they were given, for `astype`
        if shift is not None or factor is not None:
            self._shift = np.zeros(d) if shift is None else np.array(shift, np.float64)
            self._factor = np.ones(d) if factor is None else np.array(factor, np.float64)
        self.shift, self.factor = self._shift.astype(self.dtype), self._factor.astype(self.dtype)
        for name, given in (("shift", self.shift), ("factor", self.factor)):
            if given.shape not in ((0,), (d,)):
                raise InvalidParameterError(f"{name}: expected {d} numbers, one a column of X, got {given.shape}.")

    def astype(self, dtype: Any) -> Feed:
        """The same rows of the same X in batches of another dtype."""
        if np.dtype(dtype) == self.dtype:
            return self
        shift, factor = (None, None) if len(self.factor) == 0 else (self._shift, self._factor)
        return Feed(self.X, dtype, shift, factor, self.sparse)

    def take(self, rows: AnyArray, out: AnyArray) -> None:
        """Write the rows into ``out`` (m, d); compiled, without the interpreter lock, no memory.

        Parameters
        ----------
        rows : array of unsigned or signed integers, shape (m,)
            In [0, n): not checked.
        out : C-contiguous array of shape (m, n_features) and the feed's dtype
        """
        if self.csr:
            X = self.X
            gather_sparse(X.indptr, X.indices, X.data, rows, self.shift, self.factor, out)
        else:
            gather_dense(self.X, rows, self.shift, self.factor, out)

    def place(self, rows: AnyArray, into: AnyArray) -> None:
        """Write the rows, as those of X, where a call of `taking` reads them."""
        into[:] = rows

    def taking(self, rows: AnyArray, out: AnyArray) -> Call:
        """`take` of rows that `place` has written, as a call on these arrays."""
        if self.csr:
            return partial(self.take, rows, out)
        return partial(gather_dense, self.X, rows, self.shift, self.factor, out)

    def batch(self, count: int, dtype: Any = None) -> SparseBatch:
        """What stands in place of the input matrix of a network for ``count`` sparse rows."""
        if not self.csr:
            raise InvalidParameterError("batch: expected sparse rows, got dense ones. Use take.")
        return SparseBatch(self, count, self.dtype if dtype is None else dtype)


def as_feed(X: Any, dtype: Any = np.float32, shift: Any = None, factor: Any = None, sparse: bool | None = None) -> Feed:
    """Rows of X for a network.

    Parameters
    ----------
    X : array, memory map, CSR matrix or Feed, of shape (n, d)
        Of booleans, integers or floats.  A dense array is used as it lies, whatever its strides; a sparse matrix of
        another format than CSR is converted once.  A feed is handed through.
    dtype : dtype
        float32 or float64: of the batches.
    shift, factor : array of shape (d,), optional
        Batches hold ``(x - shift) * factor``, computed as rows are read.
    sparse : bool, optional
        Whether sparse rows are multiplied as they are.  By default they are where they have at least `WIDE` columns,
        at most `DENSITY` of the entries, and no shift, which would fill them.

    Returns
    -------
    Feed

    Examples
    --------
    >>> feed = as_feed(np.arange(6, dtype=np.uint8).reshape(3, 2), np.float32, factor=[0.5, 1.0])
    >>> out = np.empty((2, 2), np.float32)
    >>> feed.take(np.array([2, 0]), out)
    >>> out.tolist()
    [[2.0, 5.0], [0.0, 1.0]]
    """
    if isinstance(X, Feed):
        return X
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InvalidParameterError(f"dtype: expected float32 or float64, got {dtype!r}. Use 'float32'.")
    if hasattr(X, "tocsr"):
        X = X if X.format == "csr" else X.tocsr()
        if X.ndim != 2 or X.data.dtype.kind not in _KINDS or X.data.dtype.itemsize > 8:
            raise DataError(
                f"X: expected a sparse matrix of integers, float32 or float64, got {X.data.dtype} with {X.ndim} "
                "dimension(s). Use X.astype('float32')."
            )
        d = X.shape[1]
        wide = d >= WIDE and X.nnz <= DENSITY * X.shape[0] * d
        if sparse and shift is not None:
            raise InvalidParameterError("shift: expected None for sparse rows, which it would fill. Give a factor.")
        return Feed(X, dtype, shift, factor, (wide and shift is None) if sparse is None else bool(sparse))
    X = np.asarray(X)
    if X.ndim != 2 or X.dtype.kind not in _KINDS or X.dtype.itemsize > 8 or not X.dtype.isnative:
        raise DataError(f"X: expected a matrix of numbers, got {X.dtype} with {X.ndim} dimension(s). Convert it.")
    if X.dtype == np.float16:
        raise DataError("X: expected integers, float32 or float64, got float16. Use X.astype('float32').")
    if not X.flags.aligned:
        raise DataError("X: expected aligned numbers, got a packed field. Copy it.")
    return Feed(X, dtype, shift, factor, False)


# ------------------------------------------------------------------------------------ sparse rows in a graph


class SparseBatch:
    """Rows of a CSR matrix inside a graph: their numbers change from run to run, not what lies where.

    Parameters
    ----------
    feed : Feed
        Of CSR rows.
    count : int
        Rows of a batch.
    dtype : dtype
        Of the graph.

    Attributes
    ----------
    rows : array of uint32 or uint64, shape (count,)
        The rows of the batch; write to it before a run.
    """

    def __init__(self, feed: Feed, count: int, dtype: Any) -> None:
        self.feed, self.count, self.dtype = feed, int(count), np.dtype(dtype)
        self.rows: AnyArray = np.zeros(count, np.uint32 if feed.n <= 2**32 else np.uint64)
        self.factor = feed.factor.astype(self.dtype)
        self._varies = Input((1,), "rows", INDEX)  # a product with constants is no constant: programs must see that

    def take(self, rows: AnyArray) -> None:
        """The rows of the next run."""
        self.place(rows)

    def place(self, rows: AnyArray) -> None:
        """Say which rows are next."""
        self.rows[:] = rows

    def taking(self) -> Call | None:
        """What `take` does after `place`; None for nothing."""
        return None

    def norm(self) -> float:
        """The Frobenius norm of the batch; nan where entries are stored twice."""
        X = self.feed.X
        if not X.has_canonical_format:
            return math.nan
        return math.sqrt(square_entries(X.indptr, X.indices, X.data, self.rows, self.factor))

    def product(self, weights: Node) -> Node:
        """``X_B W``, of shape (count, width): O(non-zeros of the batch times width), as its gradient."""
        return self.apply(SparseProduct(self), weights)

    def apply(self, operation: Operation, of: Node) -> Node:
        """A node that depends on the rows of the batch."""
        return operation(of, self._varies)


class SparseProduct(Operation):
    """``W -> X_B W``; its derivatives are itself and `SparseGradient`."""

    symbol = "sparse @"

    def __init__(self, batch: SparseBatch) -> None:
        self.batch = batch

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        w = inputs[0]
        if w.ndim != 2 or w.shape[0] != self.batch.feed.n_features:
            raise InvalidParameterError(f"sparse @: expected {self.batch.feed.n_features} rows, got {w.shape}.")
        return (self.batch.count, w.shape[1])

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        w = in_order(ins[0], calls)
        X, batch = self.batch.feed.X, self.batch
        run: Any = sparse_product
        run(X.indptr, X.indices, X.data, batch.rows[:0], batch.factor, w, out[:0])  # compiles now
        return [*calls, partial(run, X.indptr, X.indices, X.data, batch.rows, batch.factor, w, out)]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return self.batch.apply(SparseGradient(self.batch), g)

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self.batch.apply(self, tangents[0])


class SparseGradient(Operation):
    """``D -> X_B' D``, a whole matrix (n_features, width): rows that the batch does not touch are zero."""

    symbol = "sparse' @"

    def __init__(self, batch: SparseBatch) -> None:
        self.batch = batch

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return (self.batch.feed.n_features, inputs[0].shape[1])

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        d = in_order(ins[0], calls)
        X, batch = self.batch.feed.X, self.batch
        run: Any = sparse_gradient
        run(X.indptr, X.indices, X.data, batch.rows[:0], batch.factor, d[:0], out)  # compiles now
        return [*calls, partial(run, X.indptr, X.indices, X.data, batch.rows, batch.factor, d, out)]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return self.batch.apply(SparseProduct(self.batch), g)

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self.batch.apply(self, tangents[0])
