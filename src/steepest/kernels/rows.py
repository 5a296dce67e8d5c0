"""Rows of X as kernels see them: one set of methods for dense and for compressed sparse rows.

A rows value is a NamedTuple of read-only arrays.  Kernels call the functions at the end of this page and
never ask which kind they have.  Index arrays are unsigned: Numba then leaves out the test for negative
indices.  Weights and sums are float64, whatever X is.

Dense rows are taken four at a time, so that w, or the gradient, passes through the registers once for
four rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.jit import dispatch, fast_dispatch, row_dispatch
from steepest.kernels.prefetch import prefetch


class DenseRows(NamedTuple):
    """C-contiguous rows, ``X[i, j]``."""

    X: Any

    def span(self, i):
        return np.uint64(0), np.uint64(self.X.shape[1])

    def column(self, i, e):
        return e

    def entry(self, i, e):
        return self.X[i, e]

    def announce(self, i):
        pass

    def fetch(self, i):
        prefetch(self.X, i)

    def dot_row(self, w, i):
        s = 0.0
        for j in range(self.X.shape[1]):
            s += self.X[i, j] * w[j]
        return s

    def add_row(self, i, c, w):
        for j in range(self.X.shape[1]):
            w[j] += c * self.X[i, j]

    def scores(self, w, b, start, stop, z):
        X = self.X
        d = X.shape[1]
        whole = start + (stop - start) // 4 * 4
        for i in range(start, whole, 4):
            s0 = 0.0
            s1 = 0.0
            s2 = 0.0
            s3 = 0.0
            for j in range(d):
                wj = w[j]
                s0 += X[i, j] * wj
                s1 += X[i + 1, j] * wj
                s2 += X[i + 2, j] * wj
                s3 += X[i + 3, j] * wj
            z[i] = s0 + b
            z[i + 1] = s1 + b
            z[i + 2] = s2 + b
            z[i + 3] = s3 + b
        for i in range(whole, stop):
            s = 0.0
            for j in range(d):
                s += X[i, j] * w[j]
            z[i] = s + b

    def accumulate(self, p, u, start, stop, g):
        X = self.X
        d = X.shape[1]
        total = 0.0
        whole = start + (stop - start) // 4 * 4
        for i in range(start, whole, 4):
            c0 = p[i] * u[i]
            c1 = p[i + 1] * u[i + 1]
            c2 = p[i + 2] * u[i + 2]
            c3 = p[i + 3] * u[i + 3]
            total += c0 + c1 + c2 + c3
            for j in range(d):
                g[j] += c0 * X[i, j] + c1 * X[i + 1, j] + c2 * X[i + 2, j] + c3 * X[i + 3, j]
        for i in range(whole, stop):
            c = p[i] * u[i]
            total += c
            for j in range(d):
                g[j] += c * X[i, j]
        return total

    def scores_many(self, W, b, start, stop, Z):
        X = self.X
        d = X.shape[1]
        k = W.shape[1]
        for i in range(start, stop):
            for c in range(k):
                Z[i, c] = b[c]
            for j in range(d):
                x = X[i, j]
                for c in range(k):
                    Z[i, c] += x * W[j, c]

    def accumulate_many(self, p, U, start, stop, G, total):
        X = self.X
        d = X.shape[1]
        k = U.shape[1]
        for i in range(start, stop):
            for c in range(k):
                total[c] += p[i] * U[i, c]
            for j in range(d):
                x = p[i] * X[i, j]
                for c in range(k):
                    G[j, c] += x * U[i, c]

    def square_sums(self, p, start, stop, first, second):
        X = self.X
        d = X.shape[1]
        for i in range(start, stop):
            for j in range(d):
                x = p[i] * X[i, j]
                first[j] += x
                second[j] += x * X[i, j]

    def square_norms(self, start, stop, out):
        X = self.X
        for i in range(start, stop):
            s = 0.0
            for j in range(X.shape[1]):
                x = X[i, j] * 1.0
                s += x * x
            out[i] = s


class SingleRows(NamedTuple):
    """Float32 rows multiplied in float32: twice the numbers a register, and nothing to convert.

    Sums over features, and over the rows of a block, are float32; blocks are added in float64.
    """

    X: Any

    def span(self, i):
        return np.uint64(0), np.uint64(self.X.shape[1])

    def column(self, i, e):
        return e

    def entry(self, i, e):
        return self.X[i, e]

    def announce(self, i):
        pass

    def fetch(self, i):
        prefetch(self.X, i)

    def dot_row(self, w, i):
        s = 0.0
        for j in range(self.X.shape[1]):
            s += self.X[i, j] * w[j]
        return s

    def add_row(self, i, c, w):
        for j in range(self.X.shape[1]):
            w[j] += c * self.X[i, j]

    def scores(self, w, b, start, stop, z):
        X = self.X
        d = X.shape[1]
        v = w.astype(np.float32)
        whole = start + (stop - start) // 4 * 4
        zero = np.float32(0.0)
        for i in range(start, whole, 4):
            s0 = s1 = s2 = s3 = zero
            for j in range(d):
                wj = v[j]
                s0 += X[i, j] * wj
                s1 += X[i + 1, j] * wj
                s2 += X[i + 2, j] * wj
                s3 += X[i + 3, j] * wj
            z[i] = s0 + b
            z[i + 1] = s1 + b
            z[i + 2] = s2 + b
            z[i + 3] = s3 + b
        for i in range(whole, stop):
            s = zero
            for j in range(d):
                s += X[i, j] * v[j]
            z[i] = s + b

    def accumulate(self, p, u, start, stop, g):
        X = self.X
        d = X.shape[1]
        part = np.zeros(d, dtype=np.float32)
        top = 0.0
        for i in range(start, stop):
            top = max(top, abs(p[i] * u[i]))
        if top == 0.0:
            return 0.0
        total = 0.0
        # this block lies in the cache, so memory would rest: meanwhile it fetches the rows of the next block
        flat = X.reshape(X.size)
        ahead = (stop - start) * d
        whole = start + (stop - start) // 4 * 4
        for i in range(start, whole, 4):
            if (i + 4) * d + ahead <= X.size:
                for j in range(i * d + ahead, (i + 4) * d + ahead, 16):
                    prefetch(flat, j)
            total += p[i] * u[i] + p[i + 1] * u[i + 1] + p[i + 2] * u[i + 2] + p[i + 3] * u[i + 3]
            # weights are tiny where rows are many: relative to the largest they stay in range
            c0 = np.float32(p[i] * u[i] / top)
            c1 = np.float32(p[i + 1] * u[i + 1] / top)
            c2 = np.float32(p[i + 2] * u[i + 2] / top)
            c3 = np.float32(p[i + 3] * u[i + 3] / top)
            for j in range(d):
                part[j] += c0 * X[i, j] + c1 * X[i + 1, j] + c2 * X[i + 2, j] + c3 * X[i + 3, j]
        for i in range(whole, stop):
            total += p[i] * u[i]
            c = np.float32(p[i] * u[i] / top)
            for j in range(d):
                part[j] += c * X[i, j]
        for j in range(d):
            g[j] += top * part[j]
        return total


class CSRRows(NamedTuple):
    """Compressed sparse rows: row i is ``indices[indptr[i]:indptr[i+1]]`` with the values beside."""

    data: Any
    indices: Any
    indptr: Any

    def span(self, i):
        return self.indptr[i], self.indptr[i + np.uint64(1)]

    def column(self, i, e):
        return self.indices[e]

    def entry(self, i, e):
        return self.data[e]

    def announce(self, i):
        prefetch(self.indptr, i)

    def fetch(self, i):
        first, end = self.indptr[i], self.indptr[i + np.uint64(1)]
        prefetch(self.data, first)
        prefetch(self.indices, first)
        e = first + np.uint64(8)
        if e < end:
            prefetch(self.data, e)
            prefetch(self.data, end - np.uint64(1))  # a row need not begin where a cache line does
            prefetch(self.indices, end - np.uint64(1))
            e += np.uint64(8)
            while e < end and e < first + np.uint64(64):  # longer ones are foreseen
                prefetch(self.data, e)
                prefetch(self.indices, e)
                e += np.uint64(8)

    def dot_row(self, w, i):
        s = 0.0
        for e in range(self.indptr[i], self.indptr[i + np.uint64(1)]):
            s += self.data[e] * w[self.indices[e]]
        return s

    def add_row(self, i, c, w):
        e, end = self.indptr[i], self.indptr[i + np.uint64(1)]
        while e + np.uint64(4) <= end:  # compilers do not unroll a loop that stores where they cannot foresee
            w[self.indices[e]] += c * self.data[e]
            w[self.indices[e + np.uint64(1)]] += c * self.data[e + np.uint64(1)]
            w[self.indices[e + np.uint64(2)]] += c * self.data[e + np.uint64(2)]
            w[self.indices[e + np.uint64(3)]] += c * self.data[e + np.uint64(3)]
            e += np.uint64(4)
        while e < end:
            w[self.indices[e]] += c * self.data[e]
            e += np.uint64(1)

    def scores(self, w, b, start, stop, z):
        for i in range(start, stop):
            s = 0.0
            for k in range(self.indptr[i], self.indptr[i + 1]):
                s += self.data[k] * w[self.indices[k]]
            z[i] = s + b

    def accumulate(self, p, u, start, stop, g):
        total = 0.0
        for i in range(start, stop):
            c = p[i] * u[i]
            total += c
            if c != 0.0:
                for k in range(self.indptr[i], self.indptr[i + 1]):
                    g[self.indices[k]] += c * self.data[k]
        return total

    def scores_many(self, W, b, start, stop, Z):
        k = W.shape[1]
        for i in range(start, stop):
            for c in range(k):
                Z[i, c] = b[c]
            for e in range(self.indptr[i], self.indptr[i + 1]):
                x = self.data[e]
                j = self.indices[e]
                for c in range(k):
                    Z[i, c] += x * W[j, c]

    def accumulate_many(self, p, U, start, stop, G, total):
        k = U.shape[1]
        for i in range(start, stop):
            for c in range(k):
                total[c] += p[i] * U[i, c]
            for e in range(self.indptr[i], self.indptr[i + 1]):
                x = p[i] * self.data[e]
                j = self.indices[e]
                for c in range(k):
                    G[j, c] += x * U[i, c]

    def square_sums(self, p, start, stop, first, second):
        for i in range(start, stop):
            for k in range(self.indptr[i], self.indptr[i + 1]):
                x = p[i] * self.data[k]
                first[self.indices[k]] += x
                second[self.indices[k]] += x * self.data[k]

    def square_norms(self, start, stop, out):
        for i in range(start, stop):
            s = 0.0
            for k in range(self.indptr[i], self.indptr[i + 1]):
                x = self.data[k] * 1.0
                s += x * x
            out[i] = s


# ----------------------------------------------------------------------------- what kernels may call


@fast_dispatch
def scores(self: Any, w: Any, b: Any, start: Any, stop: Any, z: Any) -> Any:
    """z[i] = x_i . w + b for the rows start..stop."""
    return self.scores(w, b, start, stop, z)


@fast_dispatch
def accumulate(self: Any, p: Any, u: Any, start: Any, stop: Any, g: Any) -> Any:
    """g += sum_i p_i u_i x_i over the rows; returns sum_i p_i u_i."""
    return self.accumulate(p, u, start, stop, g)


@fast_dispatch
def scores_many(self: Any, W: Any, b: Any, start: Any, stop: Any, Z: Any) -> Any:
    """Z[i, :] = x_i W + b."""
    return self.scores_many(W, b, start, stop, Z)


@fast_dispatch
def accumulate_many(self: Any, p: Any, U: Any, start: Any, stop: Any, G: Any, total: Any) -> Any:
    """G += sum_i p_i x_i U[i, :]' and total += sum_i p_i U[i, :]."""
    return self.accumulate_many(p, U, start, stop, G, total)


@fast_dispatch
def square_sums(self: Any, p: Any, start: Any, stop: Any, first: Any, second: Any) -> Any:
    """Weighted sums of x and of x**2 by column."""
    return self.square_sums(p, start, stop, first, second)


@fast_dispatch
def square_norms(self: Any, start: Any, stop: Any, out: Any) -> Any:
    """out[i] = |x_i|**2."""
    return self.square_norms(start, stop, out)


# ------------------------------------------------------------------------- one row, an entry at a time


@dispatch
def span(self: Any, i: Any) -> Any:
    """The entries ``first, end`` of row i, unsigned; all columns of a dense row."""
    return self.span(i)


@dispatch
def column(self: Any, i: Any, e: Any) -> Any:
    """The column of entry e of row i."""
    return self.column(i, e)


@dispatch
def entry(self: Any, i: Any, e: Any) -> Any:
    """The value of entry e of row i."""
    return self.entry(i, e)


@dispatch
def announce(self: Any, i: Any) -> Any:
    """Ask the memory for the place of row i, some rows before `fetch`."""
    return self.announce(i)


@dispatch
def fetch(self: Any, i: Any) -> Any:
    """Ask the memory for the entries of row i."""
    return self.fetch(i)


@row_dispatch
def dot_row(self: Any, w: Any, i: Any) -> Any:
    """x_i . w."""
    return self.dot_row(w, i)


@row_dispatch
def add_row(self: Any, i: Any, c: Any, w: Any) -> Any:
    """w += c x_i."""
    return self.add_row(i, c, w)
