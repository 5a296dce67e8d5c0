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
from scipy.linalg.lapack import dpotri

from steepest.protocols import FloatArray

RIDGE = 1e-10  # of the diagonal: rounding of 1e-16 in a gradient becomes a step of 1e-6 at most


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


class Cholesky:
    """A full matrix on the rows ``[x, 1]``, the same for each of the k scores: O(d^2 k) a solve.

    The matrix is scaled to a unit diagonal first.  From `EXPLICIT` unknowns on, the inverse is formed and
    kept in float32: a product with it is one stream through memory, where two triangular solves wait for
    themselves; a metric need not be exact.  A well-conditioned matrix only: else the factor is kept.

    Where rounding cannot tell a pivot from zero (columns that repeat each other, without a penalty), `RIDGE` is
    added to the unit diagonal: it bounds how far the rounding of a gradient can carry along such a direction.
    """

    EXPLICIT = 256

    def __init__(self, matrix: FloatArray, n_outputs: int = 1) -> None:
        self.k = n_outputs
        scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
        scale[scale == 0.0] = 1.0
        self._scale = 1.0 / scale
        H = matrix * self._scale[:, None]
        H *= self._scale
        self.jitter = 0.0
        self._factor = self._decompose(H)
        self._inverse: Any = None
        if len(H) >= self.EXPLICIT and float(np.diag(self._factor[0]).min()) > 1e-3:
            lower, _ = dpotri(self._factor[0], lower=1)
            inverse = np.tril(lower)
            inverse += np.tril(lower, -1).T
            self._inverse = inverse.astype(np.float32)

    def _decompose(self, H: FloatArray) -> Any:
        size = len(H)
        rounding = math.sqrt(32.0 * 2.0**-52 * size)  # a pivot below it may as well be zero
        for jitter in (0.0, RIDGE, 1e-8, 1e-6, 1e-4):
            try:
                factor = cho_factor(H + jitter * np.eye(size) if jitter else H, lower=True, check_finite=False)
            except LinAlgError:
                continue
            if jitter or np.diag(factor[0]).min() > rounding:
                self.jitter = jitter
                return factor
        raise LinAlgError("matrix is not positive definite, even with a ridge of 1e-4 of its diagonal")

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

    ``M^-1 = C blockdiag(M_c^-1) C`` with C the projection that takes the mean over classes away.
    """

    def __init__(self, blocks: list[Cholesky]) -> None:
        self.blocks = blocks

    def solve(self, v: FloatArray) -> FloatArray:
        """M^-1 v for the flat (size k) vector v, weights before intercepts."""
        k = len(self.blocks)
        V = v.reshape(-1, k)
        V = V - V.mean(axis=1, keepdims=True)
        out = np.empty_like(V)
        for c, block in enumerate(self.blocks):
            out[:, c] = block.solve(np.ascontiguousarray(V[:, c]))
        out -= out.mean(axis=1, keepdims=True)
        return out.ravel()  # type: ignore[no-any-return]
