"""Metrics: what plays the part of the Hessian where the true one is too dear.

A metric M is positive definite and offers ``solve(v) = M^-1 v``.  As the first matrix of L-BFGS it amounts
to whitening the data (a change of variables ``w = M^-1/2 v``) without touching data or objective, and it
carries centring too: M is built on the rows ``[x, 1]``, so a large column mean no longer couples a weight
with the intercept.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import dpotrf, dpotri, spotrf, spotri

from steepest.protocols import AnyArray, FloatArray

RIDGE = 1e-10  # of the diagonal: rounding of 1e-16 in a gradient becomes a step of 1e-6 at most
EXPLICIT = 256  # order from which on an inverse is formed and kept in float32


class Diagonal:
    """Diagonal in the weights, with the exact arrow that the intercept makes: O(d k) a solve.

    M = [[diag(D), c], [c', e]] for the weighted moments of the columns: the intercept's row and column
    are kept, so centring is exact, and scaling is by column variance plus l2.
    """

    def __init__(self, second: FloatArray, first: FloatArray | None, mass: float, l2: float, n_outputs: int) -> None:
        self.k = n_outputs
        self.intercept = first is not None
        d = len(second)
        spread = second.copy()
        if first is not None and mass > 0.0:
            # the Schur complement must stay positive: use variances, and add the arrow back
            spread = np.maximum(second - first**2 / mass, 1e-12 * second)
        floor = max(1e-12 * float(spread.max(initial=0.0)), np.finfo(np.float64).tiny)
        self.inverse = 1.0 / np.maximum(spread + l2, floor)
        self.first = first if first is not None else np.zeros(d)
        self.mass = mass if mass > 0.0 else 1.0
        self.d = d

    def solve(self, v: FloatArray) -> FloatArray:
        """M^-1 v for the flat (d k [+ k]) vector v."""
        m = self.d * self.k
        head = v[:m].reshape(self.d, self.k)
        out = np.empty_like(v)
        if not self.intercept:
            out[:m] = (self.inverse[:, None] * head).ravel()
            return out
        # centred: W = D^-1 (v - c v_b / e);  b = v_b / e - c' W / e
        tail = v[m:]
        W = self.inverse[:, None] * (head - np.outer(self.first / self.mass, tail))
        out[:m] = W.ravel()
        out[m:] = tail / self.mass - (self.first @ W) / self.mass
        return out


def unit_scale(matrix: AnyArray) -> AnyArray:
    """``1 / sqrt(diagonal)``, 1 where the diagonal is zero."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    scale[scale == 0.0] = 1.0
    return 1.0 / scale  # type: ignore[no-any-return]


def mirrored_into(out: AnyArray, lower: AnyArray) -> None:
    """The symmetric matrix with this lower triangle, whose upper one is zero."""
    np.add(lower, lower.T, out=out)
    out.reshape(-1)[:: len(out) + 1] *= 0.5


def decompose(H: FloatArray) -> tuple[Any, float]:
    """Cholesky factor of a matrix of unit diagonal, as SciPy has it, and the ridge that it took."""
    size = len(H)
    rounding = math.sqrt(32.0 * 2.0**-52 * size)  # a pivot below it may as well be zero
    for jitter in (0.0, RIDGE, 1e-8, 1e-6, 1e-4):
        try:
            factor = cho_factor(H + jitter * np.eye(size) if jitter else H, lower=True, check_finite=False)
        except LinAlgError:
            continue
        if jitter or np.diag(factor[0]).min() > rounding:
            return factor, jitter
    raise LinAlgError("matrix is not positive definite, even with a ridge of 1e-4 of its diagonal")


def invert(H: AnyArray, out: AnyArray) -> bool:
    """Write the inverse of a matrix of unit diagonal to ``out``, in its precision; False where that is too coarse.

    H is overwritten.  Too coarse for float32 is a pivot below 1e-4, whose own rounding is some sqrt(d) units of 6e-8;
    for float64 one that may as well be zero.
    """
    single = H.dtype == np.float32
    potrf, potri = (spotrf, spotri) if single else (dpotrf, dpotri)
    factor, info = potrf(H.T, lower=1, overwrite_a=1)  # the transpose of a symmetric matrix needs no copy
    least = 1e-2 if single else math.sqrt(32.0 * 2.0**-52 * len(H))
    if info != 0 or not float(factor.diagonal().min()) > least:
        return False
    lower, info = potri(factor, lower=1, overwrite_c=1)
    mirrored_into(out, lower)
    return bool(info == 0)


class Cholesky:
    """A full matrix on the rows ``[x, 1]``, the same for each of the k scores: O(d^2 k) a solve.

    The matrix is scaled to a unit diagonal first.  From `EXPLICIT` unknowns on, the inverse is formed and
    kept in float32: a product with it is one stream through memory, where two triangular solves wait for
    themselves; a metric need not be exact.  A well-conditioned matrix only: else the factor is kept.

    Where rounding cannot tell a pivot from zero (columns that repeat each other, without a penalty), `RIDGE` is
    added to the unit diagonal: it bounds how far the rounding of a gradient can carry along such a direction.
    """

    def __init__(self, matrix: FloatArray, n_outputs: int = 1) -> None:
        self.k = n_outputs
        self._scale = unit_scale(matrix)
        H = matrix * self._scale[:, None]
        H *= self._scale
        self.jitter = 0.0
        self._inverse: Any = None
        self._factor: Any = None
        size = len(H)
        if size >= EXPLICIT:
            inverse = np.empty((size, size), dtype=np.float32)
            if invert(H.astype(np.float32), inverse):
                self._inverse = inverse
                return
        self._factor, self.jitter = decompose(H)
        if size >= EXPLICIT and float(np.diag(self._factor[0]).min()) > 1e-3:
            lower, _ = dpotri(self._factor[0], lower=1)
            mirrored_into(inverse, np.tril(lower))
            self._inverse = inverse

    def solve(self, v: FloatArray) -> FloatArray:
        """M^-1 v for the flat (size k) vector v, weights before intercepts."""
        V = v.reshape(len(self._scale), self.k)
        scaled = self._scale[:, None] * V
        if self._inverse is None:
            out = cho_solve(self._factor, scaled, check_finite=False)
        else:
            # gradients may be tiny: bring them into the range of float32
            top = float(np.abs(scaled).max(initial=0.0)) or 1.0
            out = (self._inverse @ (scaled / top).astype(np.float32)).astype(np.float64)
            out *= top
        out *= self._scale[:, None]
        return out.ravel()  # type: ignore[no-any-return]


class ClassBlocks:
    """One matrix a class, inside the space where the classes sum to zero: O(d^2 k) a solve.

    ``M^-1 = C blockdiag(M_c^-1) C`` with C the projection that takes the mean over classes away.  The inverses of
    the blocks, scaled to a unit diagonal, are kept side by side and multiplied at once; in float32 where there are
    `EXPLICIT` unknowns or more and every block allows it.

    Parameters
    ----------
    n_outputs, size : int
        k, and d or d + 1.
    single : bool
        Whether float32 may be tried.
    """

    def __init__(self, n_outputs: int, size: int, single: bool = True) -> None:
        kind = np.float32 if single and size >= EXPLICIT else np.float64
        self._inverses = np.empty((n_outputs, size, size), dtype=kind)
        self._scales = np.empty((n_outputs, size))

    def put(self, c: int, matrix: AnyArray) -> bool:
        """Take in the matrix of class c, which is overwritten; False where float32 is too coarse for it."""
        scale = unit_scale(matrix)
        self._scales[c] = scale
        matrix *= scale[:, None]
        matrix *= scale
        out = self._inverses[c]
        if out.dtype == np.float32:
            return invert(matrix.astype(np.float32, copy=False), out)
        if not invert(matrix.astype(np.float64), out):
            lower, _ = dpotri(decompose(matrix.astype(np.float64))[0][0], lower=1)
            mirrored_into(out, np.tril(lower))
        return True

    def solve(self, v: FloatArray) -> FloatArray:
        """M^-1 v for the flat (size k) vector v, weights before intercepts."""
        k = len(self._scales)
        V = v.reshape(-1, k).T
        T = V - V.mean(axis=0)
        T *= self._scales
        top = float(np.abs(T).max(initial=0.0)) or 1.0
        T /= top  # gradients may be tiny: bring them into the range of float32
        out = np.matmul(self._inverses, T.astype(self._inverses.dtype, copy=False)[:, :, None])[:, :, 0] * self._scales
        out -= out.mean(axis=0)
        out *= top
        return np.ascontiguousarray(out.T).ravel()
