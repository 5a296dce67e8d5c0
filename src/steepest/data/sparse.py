"""Compressed sparse rows in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from steepest.data.dense import column_moments, ordered_sum, row_norms
from steepest.data.source import canonical_float, frozen
from steepest.exceptions import DataError
from steepest.kernels import multiclass, passes
from steepest.kernels.curvature import repeats, sparse_gram
from steepest.kernels.rows import CSRRows
from steepest.parallel import Pool, shard_bounds
from steepest.protocols import AnyArray, FloatArray

BYTE = 255  # rows that marks of a byte tell apart before they are cleared
CLEARED = 8  # bytes for each entry of X that clearing may write


class SparseSource:
    """Rows of a CSR matrix; 32-bit and 64-bit indices are used in place.

    Extra memory: none for float data in CSR form; one copy for other sparse formats and dtypes.
    """

    kind: Literal["dense", "csr"] = "csr"

    def __init__(self, X: Any, pool: Pool) -> None:
        self.notes: list[str] = []
        csr = X if X.format == "csr" else X.tocsr()
        if csr is not X:
            self.notes.append(f"X was copied: {X.format} to csr")
        if csr.ndim != 2:
            raise DataError(f"X: expected a matrix of shape (rows, features), got {csr.ndim} dimension(s).")
        self._take(csr)
        if self.rows.data.dtype != csr.dtype:
            self.notes.append(f"the entries of X were copied: {csr.dtype} to {self.rows.data.dtype}")
        n, d = csr.shape
        nnz = self.nnz
        self.shape: tuple[int, int] = (int(n), int(d))
        self.dtype = self.rows.data.dtype
        self._distinct = False
        self._norms: FloatArray | None = None
        self.pool = pool
        self.shards = shard_bounds(self.rows.indptr, float(nnz + n), d)
        mean = max(1.0, nnz / max(1, n))
        self.block = int(min(max((1 << 13) / mean, 32), 1024))

    def _take(self, csr: Any) -> None:
        d = csr.shape[1]
        data = canonical_float(np.asarray(csr.data))
        indptr = np.asarray(csr.indptr)
        nnz, most = int(indptr[-1]), min(len(data), len(csr.indices))
        # kernels follow the pointers unchecked
        if len(indptr) != csr.shape[0] + 1 or indptr[0] != 0 or nnz > most or bool(np.any(indptr[1:] < indptr[:-1])):
            raise DataError(
                f"X: indptr must rise from 0 to at most the {most} stored entries, in {csr.shape[0] + 1} steps; "
                "it does not. X.check_format() tells where."
            )
        indices = np.asarray(csr.indices)[:nnz]
        unsigned = np.uint32 if indices.dtype.itemsize == 4 else np.uint64
        if nnz and int(indices.view(unsigned).max()) >= d:  # a negative one is large
            raise DataError(f"X: column indices must lie in 0..{d - 1}, got {indices.min()}..{indices.max()}.")
        self.matrix = csr
        self.rows: Any = CSRRows(
            frozen(np.ascontiguousarray(data[:nnz])),
            frozen(np.ascontiguousarray(indices).view(unsigned)),
            frozen(indptr.astype(np.uint64)),
        )

    def distinct(self) -> None:
        """Sum entries that a row lists twice, in a copy; products do not mind them, squares do."""
        if self._distinct:
            return
        self._distinct = True
        n, d = self.shape
        small = n // BYTE * d <= CLEARED * self.nnz  # marks of a byte stay in the cache
        marks, most = (np.zeros(d, dtype=np.uint8), BYTE) if small else (np.zeros(d, dtype=np.int64), n)
        if not repeats(self.rows.indices, self.rows.indptr, marks, most):
            return
        csr = self.matrix.copy()
        csr.sum_duplicates()
        self._take(csr)
        self.shards = shard_bounds(self.rows.indptr, float(self.nnz + n), d)
        self.notes.append("X was copied: repeated entries summed")

    @property
    def nnz(self) -> int:
        return len(self.rows.data)

    @property
    def nbytes(self) -> int:
        return int(self.rows.data.nbytes + self.rows.indices.nbytes + self.rows.indptr.nbytes)

    def shards_for(self, k: int) -> list[tuple[int, int]]:
        """Fewer shards where k sums a feature would make private gradients dear."""
        if k == 1:
            return self.shards
        return shard_bounds(self.rows.indptr, float(self.nnz + self.shape[0]) * k, self.shape[1] * k)

    def matvec(self, w: FloatArray, b: Any = 0.0) -> FloatArray:
        """X w + b."""
        n = self.shape[0]
        if w.ndim == 1:
            z = np.empty(n)
            self.pool.map(lambda s: passes.product(self.rows, w, float(b), s[0], s[1], z), self.shards)
            return z
        Z = np.empty((n, w.shape[1]))
        shift = np.ascontiguousarray(np.broadcast_to(np.asarray(b, dtype=np.float64), (w.shape[1],)))
        self.pool.map(lambda s: multiclass.product_many(self.rows, w, shift, s[0], s[1], Z), self.shards)
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
            multiclass.transposed_many(self.rows, p, u, s[0], s[1], G, total)
            return G, total

        many = self.pool.map(task_many, self.shards_for(u.shape[1]))
        return ordered_sum([g for g, _ in many]), ordered_sum([t for _, t in many])

    def blocks(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Sparse kernels block by themselves: one range."""
        yield start, stop

    def prepare(self, W: AnyArray, dtype: Any = None) -> AnyArray:
        """W of shape (d, k) as `scores_block` wants it."""
        return np.ascontiguousarray(W, dtype=np.float64)

    def scores_block(self, W: AnyArray, b: FloatArray, low: int, high: int, Z: FloatArray) -> None:
        """Z[low:high] = X W + b."""
        multiclass.product_many(self.rows, W, b, low, high, Z)

    def accumulate_block(
        self, p: FloatArray, U: FloatArray, low: int, high: int, G: FloatArray, total: FloatArray, dtype: Any = None
    ) -> None:
        """G += X^T (p U) and total += sum p U over the rows."""
        multiclass.transposed_many(self.rows, p, U, low, high, G, total)

    def gram(self, weights: FloatArray, rows: AnyArray | None = None, dtype: Any = None) -> FloatArray:
        """X^T diag(weights) X and X^T weights as one bordered matrix, (d + 1, d + 1); weights >= 0.

        ``rows`` restricts the sum to some row numbers, with weights of the same length.  Cost: half the
        sum of the squared row lengths.
        """
        self.distinct()
        n, d = self.shape
        h = weights
        if rows is not None:
            h = np.zeros(n)
            h[rows] = weights
        ones = np.ones(n)

        def task(s: tuple[int, int]) -> FloatArray:
            G = np.zeros((d + 1, d + 1))
            sparse_gram(self.rows.data, self.rows.indices, self.rows.indptr, h, s[0], s[1], G)
            G[d, d] = passes.transposed(self.rows, h, ones, s[0], s[1], G[d])
            return G

        G = ordered_sum(self.pool.map(task, self.shards if d <= 2048 else [(0, n)]))
        out = G + G.T
        np.fill_diagonal(out, np.diag(G))
        return out  # type: ignore[no-any-return]

    def moments(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted sums of x and x**2 by column."""
        self.distinct()
        return column_moments(self, p)

    def square_norms(self) -> FloatArray:
        """|x_i|**2, kept: not to be written to."""
        self.distinct()
        if self._norms is None:
            self._norms = row_norms(self)
        return self._norms

    def columns(self) -> Any:
        """The matrix by columns (CSC): one copy of X."""
        return sp.csc_array(self.matrix)
