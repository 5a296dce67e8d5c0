"""Dense rows in memory, memory-mapped ones included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from steepest.data.source import canonical_float, frozen
from steepest.kernels import passes
from steepest.kernels.narrow import narrow_accumulate, narrow_scores
from steepest.kernels.rows import DenseRows, SingleRows
from steepest.parallel import Pool, shard_bounds
from steepest.protocols import AnyArray, FloatArray

CACHE_BYTES = 1 << 18  # a block of rows that stays in the second-level cache between its two uses
NARROW = 16  # columns up to which own kernels beat BLAS


class Narrow(NamedTuple):
    """Weights kept by columns, for the kernels of few columns."""

    columns: AnyArray


class DenseSource:
    """Rows of a C-contiguous float32 or float64 array.

    Extra memory: none for such an array; one copy for Fortran order, other dtypes, or other strides.
    """

    kind: Literal["dense", "csr"] = "dense"

    def __init__(self, X: AnyArray, pool: Pool) -> None:
        self.notes: list[str] = []
        array = canonical_float(X)
        if not array.flags.c_contiguous or not array.flags.aligned:
            array = np.ascontiguousarray(array)
        if array is not X and not np.shares_memory(array, X):
            self.notes.append(f"X was copied: {X.dtype} to {array.dtype} in C order")
        self.X = frozen(array)
        self.rows: Any = DenseRows(self.X)
        self.single: Any = SingleRows(self.X) if array.dtype == np.float32 else None
        self.shape: tuple[int, int] = (int(array.shape[0]), int(array.shape[1]))
        self.dtype = array.dtype
        self.pool = pool
        n, d = self.shape
        self.shards = shard_bounds(n, float(n) * d, d)
        self.block = min(max(CACHE_BYTES // max(1, d * array.itemsize), 4), 4096) // 4 * 4
        # BLAS products run best on blocks that the last-level cache holds
        self.wide_block = min(max((4 << 20) // max(1, d * array.itemsize), 64), 2048)

    @property
    def nnz(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        return int(self.X.nbytes)

    def matvec(self, w: FloatArray, b: Any = 0.0) -> FloatArray:
        """X w + b."""
        n = self.shape[0]
        if w.ndim == 1:
            z = np.empty(n)
            self.pool.map(lambda s: passes.product(self.rows, w, float(b), s[0], s[1], z), self.shards)
            return z
        Z = np.empty((n, w.shape[1]))
        shift = np.array(np.broadcast_to(np.asarray(b, dtype=np.float64), (w.shape[1],)))
        prepared = self.prepare(w)

        def task(s: tuple[int, int]) -> None:
            for low, high in self.blocks(*s):
                self.scores_block(prepared, shift, low, high, Z)

        self.pool.map(task, self.shards)
        return Z

    def rmatvec(self, p: FloatArray, u: FloatArray) -> tuple[FloatArray, Any]:
        """(X^T (p u), sum p u), with the row weights p."""
        d = self.shape[1]
        if u.ndim == 1:

            def task(s: tuple[int, int]) -> tuple[FloatArray, float]:
                g = np.zeros(d)
                return g, passes.transposed(self.rows, p, u, s[0], s[1], g)

            parts = self.pool.map(task, self.shards)
            return ordered_sum([g for g, _ in parts]), sum(t for _, t in parts)

        def task_many(s: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
            G = np.zeros((d, u.shape[1]))
            total = np.zeros(u.shape[1])
            for low, high in self.blocks(*s):
                self.accumulate_block(p, u, low, high, G, total)
            return G, total

        many = self.pool.map(task_many, self.shards)
        return ordered_sum([g for g, _ in many]), ordered_sum([t for _, t in many])

    # ------------------------------------------------------------- blocks for several scores a row

    def blocks(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Row ranges small enough that a block is still in the cache when it is used again."""
        for low in range(start, stop, self.wide_block):
            yield low, min(low + self.wide_block, stop)

    def prepare(self, W: AnyArray, dtype: Any = None) -> AnyArray | Narrow:
        """W of shape (d, k) as `scores_block` wants it, in the precision of the products."""
        kind = np.dtype(dtype or np.float64)
        if W.shape[1] <= NARROW:
            return Narrow(np.ascontiguousarray(W.T, dtype=kind))
        return np.ascontiguousarray(W, dtype=kind)

    def scores_block(self, W: AnyArray | Narrow, b: FloatArray, low: int, high: int, Z: FloatArray) -> None:
        """Z[low:high] = X W + b, for a prepared W."""
        if isinstance(W, Narrow):
            narrow_scores(self.X, W.columns, b, low, high, Z)
        else:
            np.add(self._rows(low, high, W.dtype) @ W, b, out=Z[low:high])

    def accumulate_block(
        self, p: FloatArray, U: FloatArray, low: int, high: int, G: FloatArray, total: FloatArray, dtype: Any = None
    ) -> None:
        """G += X^T (p U) and total += sum p U over the rows; products in ``dtype`` (float64), sums in float64."""
        V = p[low:high, None] * U[low:high]
        total += V.sum(axis=0)
        kind = np.dtype(dtype or np.float64)
        V = V.astype(kind, copy=False)
        if V.shape[1] <= NARROW:
            part = np.zeros((V.shape[1], self.shape[1]), dtype=kind)
            narrow_accumulate(self.X, V, low, high, part)
            G += part.T
        else:
            G += self._rows(low, high, kind).T @ V

    def _rows(self, low: int, high: int, dtype: Any) -> AnyArray:
        return self.X[low:high].astype(dtype, copy=False)

    # ----------------------------------------------------------------------------- second moments

    def gram(
        self,
        weights: FloatArray,
        rows: AnyArray | None = None,
        dtype: Any = None,
        shift: AnyArray | None = None,
    ) -> FloatArray:
        """X^T diag(weights) X and X^T weights as one bordered matrix, (d + 1, d + 1); weights >= 0.

        Row blocks are scaled by the root of the weights and multiplied by BLAS ``syrk``, which computes
        one triangle: half the work of a product.  (NumPy calls it for ``A.T @ A``, and lets other threads run
        meanwhile; SciPy's own ``syrk`` does not.)  Equal weights need no scaling and so no copy of a block.
        ``rows`` restricts the sum to some row numbers, with weights of the same length.  ``dtype`` is the
        precision of the block products (default: that of X); blocks are added in float64.  ``shift``, in
        the precision of X, is subtracted from every row first: a mean that is large beside the spread
        would drown it in rounding.  Extra memory: a block (see `_moment_rows`) and a (d + 1, d + 1) sum a lane.
        """
        return self._second_moments(weights, rows, dtype, shift, None, True)[0]

    def normal_equations(
        self,
        weights: FloatArray,
        u: FloatArray,
        dtype: Any = None,
        shift: AnyArray | None = None,
        border: bool = True,
    ) -> tuple[FloatArray, FloatArray, float]:
        """`gram`, and X^T (weights u) and sum weights u as `rmatvec` gives them, reading X once.

        Without ``border`` the last row and column, the weighted sums of X, are zero, which saves a tenth.
        """
        return self._second_moments(weights, None, dtype, shift, u, border)

    def _second_moments(
        self,
        weights: FloatArray,
        rows: AnyArray | None,
        dtype: Any,
        shift: AnyArray | None,
        u: FloatArray | None,
        border: bool,
    ) -> tuple[FloatArray, FloatArray, float]:
        d = self.shape[1]
        n = self.shape[0] if rows is None else len(rows)
        kind = np.dtype(dtype or self.dtype)
        size = self._moment_rows(kind)
        starts = list(range(0, n, size))
        if not starts:
            return np.zeros((d + 1, d + 1)), np.zeros(d), 0.0
        lanes = [starts[k::4] for k in range(4)]  # four fixed lanes, whatever n_jobs is
        equal = rows is None and shift is None and kind == self.dtype and weights.min() == weights.max()

        def task(lane: list[int]) -> tuple[FloatArray, FloatArray, float]:
            G = np.zeros((d + 1, d + 1))
            g, total = np.zeros(d), 0.0
            work = np.empty((0 if equal else size, d + 1), dtype=kind)
            ones = np.ones(size if equal and border else 0, dtype=kind)
            for low in lane:
                high = min(low + size, n)
                block = self.X[low:high] if rows is None else self.X[rows[low:high]]
                if equal:
                    G[:d, :d] += block.T @ block
                    if border:
                        G[:d, d] += ones[: high - low] @ block
                else:
                    root = np.sqrt(weights[low:high]).astype(kind)
                    A = work[: high - low]
                    if shift is None:
                        np.multiply(block, root[:, None], out=A[:, :d])
                    else:
                        np.subtract(block, shift, out=A[:, :d])
                        A[:, :d] *= root[:, None]
                    A[:, d] = root if border else 0.0
                    G += A.T @ A
                if u is not None:  # the block is still in the cache
                    total += passes.transposed(self.rows, weights, u, low, high, g)
            return G, g, total

        parts = self.pool.map(task, [lane for lane in lanes if lane])
        G = ordered_sum([part[0] for part in parts])
        if equal:
            G[d, d] = n if border else 0.0
            G *= weights[0]
        return mirrored(G), ordered_sum([part[1] for part in parts]), sum(part[2] for part in parts)

    def _moment_rows(self, kind: Any) -> int:
        """Rows in a block of `gram`: 1 MiB, which a second-level cache holds, but enough to pay for adding d^2 sums."""
        row = (self.shape[1] + 1) * kind.itemsize
        return int(np.clip(min((8 << 20) // row, max((1 << 20) // row, 4 * self.shape[1])), 64, 8192))

    def moments(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted sums of x and x**2 by column."""
        return column_moments(self, p)

    def square_norms(self) -> FloatArray:
        """|x_i|**2."""
        return row_norms(self)


def mirrored(upper: FloatArray) -> FloatArray:
    """The symmetric matrix with this upper triangle, in C order."""
    out = np.triu(upper)
    out += np.triu(upper, 1).T
    return np.ascontiguousarray(out)


def ordered_sum(parts: list[Any]) -> Any:
    """Sum in list order, in place in the first part."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def column_moments(source: Any, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted sums of x and x**2 by column, over the shards."""
    d = source.shape[1]

    def task(s: tuple[int, int]) -> FloatArray:
        out = np.zeros((2, d))
        passes.column_moments(source.rows, p, s[0], s[1], out[0], out[1])
        return out

    first, second = ordered_sum(source.pool.map(task, source.shards))
    return first, second


def row_norms(source: Any) -> FloatArray:
    """Squared norms of the rows, over the shards."""
    out = np.empty(source.shape[0])
    source.pool.map(lambda s: passes.row_norms(source.rows, s[0], s[1], out), source.shards)
    return out
