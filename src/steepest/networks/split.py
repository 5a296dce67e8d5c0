"""Columns that are nearly always zero, and a first layer that does not multiply by their zeros.

Pixels near the border of an image, and most columns of one-hot tables, are zero in nearly every row.  Such columns are
kept as compressed rows beside X, of which the other columns alone are gathered; the first product is then

    X_B W = D_B W_dense + T_B W_rare,

a smaller dense product and a few multiples of rows of W, and so is its gradient.  The rows of W are put in that order
while steps are taken (`Split.arranged`).  What is split depends on X and on sizes alone, never on a clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from steepest.kernels.network_gather import (
    add_sparse_product,
    count_entries,
    gather_columns,
    keep_entries,
    permute_rows,
    sparse_gradient,
    square_entries,
)
from steepest.networks.feed import Feed, SparseBatch
from steepest.networks.node import Node
from steepest.networks.operations import Call, Operation, in_order
from steepest.protocols import AnyArray

RARE = 0.05  # of the rows, up to which a column is cheaper as single entries
SAVED = 0.2  # of the columns, at least, that must be rare
WORK = 4_000_000  # multiply-adds a batch that must be saved
ROWS = 8_000  # rows, below which reading X once more costs more than it saves
SAMPLE = 512  # rows that say which columns are rare
ROOM = 0.1  # of the bytes of X that the entries may take


class Split(Feed):
    """A feed whose batches are products, with its rare columns as compressed rows; made by `split`.

    Attributes
    ----------
    order : array of int
        All columns: those that are gathered, then the rare ones.
    dense : int
        How many are gathered.
    """

    def __init__(self, feed: Feed, order: AnyArray, dense: int, tail: tuple[AnyArray, AnyArray, AnyArray]) -> None:
        self.__dict__.update(feed.__dict__)
        self.sparse = True  # batches are multiplied, not written out
        self.index: AnyArray | None = getattr(feed, "index", None)  # of a feed of some rows
        self.order, self.dense = order, dense
        self.indptr, self.indices, self.data = tail
        self.columns = order[:dense].astype(np.uint32)
        self.back = np.argsort(order)

    def batch(self, count: int, dtype: Any = None) -> SplitBatch:
        """What stands in place of the input matrix."""
        return SplitBatch(self, count, self.dtype if dtype is None else dtype)

    @contextmanager
    def arranged(self, *blocks: AnyArray) -> Iterator[None]:
        """Rows of blocks (n_features, width) in the order of the split, and as they were at the end."""
        for block in blocks:
            permute_rows(block, self.order)
        try:
            yield
        finally:
            for block in blocks:
                permute_rows(block, self.back)


class SplitBatch(SparseBatch):
    """The rows of a batch inside a graph: gathered columns in ``x``, and the numbers of the rows."""

    feed: Split

    def __init__(self, feed: Split, count: int, dtype: Any) -> None:
        super().__init__(feed, count, dtype)
        self.x: AnyArray = np.zeros((count, feed.dense), self.dtype)
        self.factor = feed.factor[feed.order].astype(self.dtype) if len(feed.factor) else feed.factor
        self.shift = feed.shift[feed.order].astype(self.dtype) if len(feed.shift) else feed.shift
        self._rare = self.factor[feed.dense :]

    def take(self, rows: AnyArray) -> None:
        """The rows of the next run."""
        self.place(rows)
        gather_columns(self.feed.X, self.rows, self.feed.columns, self.shift, self.factor, self.x)

    def place(self, rows: AnyArray) -> None:
        """Say which rows are next."""
        self.rows[:] = rows if self.feed.index is None else self.feed.index[rows]

    def taking(self) -> Call:
        """What `take` does after `place`."""
        return partial(gather_columns, self.feed.X, self.rows, self.feed.columns, self.shift, self.factor, self.x)

    def norm(self) -> float:
        """The Frobenius norm of the batch."""
        gathered = self.x.reshape(-1).astype(np.float64)
        return math.sqrt(gathered @ gathered + square_entries(*self.tail))

    def product(self, weights: Node) -> Node:
        """``X_B W``, of shape (count, width), for W in the order of the split."""
        return self.apply(SplitProduct(self), weights)

    @property
    def tail(self) -> tuple[AnyArray, ...]:
        """What the kernels of compressed rows take."""
        feed = self.feed
        return feed.indptr, feed.indices, feed.data, self.rows, self._rare


class SplitProduct(Operation):
    """``W -> X_B W``; its derivatives are itself and `SplitGradient`."""

    symbol = "split @"

    def __init__(self, batch: SplitBatch) -> None:
        self.batch = batch

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return (self.batch.count, inputs[0].shape[1])

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        w, batch = in_order(ins[0], calls), self.batch
        k = batch.feed.dense
        calls.append(partial(np.matmul, batch.x, w[:k], out))
        run: Any = add_sparse_product
        return [*calls, partial(run, *batch.tail, w[k:], out)]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return self.batch.apply(SplitGradient(self.batch), g)

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self.batch.apply(self, tangents[0])


class SplitGradient(Operation):
    """``D -> X_B' D``, of shape (n_features, width), in the order of the split."""

    symbol = "split' @"

    def __init__(self, batch: SplitBatch) -> None:
        self.batch = batch

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return (self.batch.feed.n_features, inputs[0].shape[1])

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        d, batch = in_order(ins[0], calls), self.batch
        k = batch.feed.dense
        calls.append(partial(np.matmul, batch.x.T, d, out[:k]))
        run: Any = sparse_gradient
        return [*calls, partial(run, *batch.tail, d, out[k:])]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return self.batch.apply(SplitProduct(self.batch), g)

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self.batch.apply(self, tangents[0])


def split(feed: Feed, count: int, width: int) -> Split | None:
    """The feed with its rare columns apart; None where that saves too little.

    X is read once, after a sample of its rows.

    Parameters
    ----------
    feed : Feed
    count : int
        Rows of a batch.
    width : int
        Columns of the first layer's weights.

    Examples
    --------
    >>> from steepest.networks.feed import as_feed
    >>> X = np.eye(10_000, 200, dtype=np.float32)
    >>> X[:, :50] = 1.0
    >>> made = split(as_feed(X), 256, 256)
    >>> made.dense, made.n_features, made.data.nbytes
    (50, 200, 600)
    >>> split(as_feed(np.ones((10_000, 200), np.float32)), 256, 256) is None
    True
    """
    if feed.csr or feed.sparse or feed.n < ROWS:
        return None
    X = feed.X
    some = np.unique(np.linspace(0, len(X) - 1, SAMPLE).astype(np.intp))
    rare = np.count_nonzero(X[some], axis=0) <= RARE * len(some)
    if len(feed.shift):
        rare &= feed.shift == 0.0  # a column that is shifted is not zero
    many = int(rare.sum())
    if many < SAVED * feed.n_features or many * width * count < WORK:
        return None
    order = np.concatenate([np.flatnonzero(~rare), np.flatnonzero(rare)])
    dense = feed.n_features - many
    starts, lengths = _runs(order[dense:])
    counts = np.zeros(len(X) + 1, np.int64)
    count_entries(X, starts, lengths, counts[1:])
    indptr = np.cumsum(counts)
    entries = int(indptr[-1])
    index_type = np.uint16 if many <= 2**16 else np.uint32
    width_of_entry = X.itemsize + np.dtype(index_type).itemsize
    if entries > 2.0 * RARE * len(X) * many or entries * width_of_entry + indptr.nbytes // 2 > ROOM * X.nbytes:
        return None
    if entries < 2**32:
        indptr = indptr.astype(np.uint32)
    indices, data = np.empty(entries, index_type), np.empty(entries, X.dtype)
    keep_entries(X, starts, lengths, indptr, indices, data)
    return Split(feed, order, dense, (indptr, indices, data))


def _runs(columns: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Sorted columns as runs: where each begins, and its length."""
    edges = np.flatnonzero(np.diff(columns) != 1) + 1
    pieces = np.split(columns, edges) if len(columns) else []
    starts = np.array([piece[0] for piece in pieces], dtype=np.int64)
    return starts, np.array([len(piece) for piece in pieces], dtype=np.int64)
