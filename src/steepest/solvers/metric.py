"""Metrics: what plays the part of the Hessian where the true one is too dear.

A metric M is positive definite and offers ``solve(v) = M^-1 v``.  As the first matrix of L-BFGS it amounts
to whitening the data (a change of variables ``w = M^-1/2 v``) without touching data or objective, and it
carries centring too: M is built on the rows ``[x, 1]``, so a large column mean no longer couples a weight
with the intercept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from steepest.protocols import FloatArray


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
    """A full matrix on the rows ``[x, 1]``, the same for each of the k scores: O(d^2 k) a solve."""

    def __init__(self, matrix: FloatArray, n_outputs: int = 1) -> None:
        self.k = n_outputs
        scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
        scale[scale == 0.0] = 1.0
        self._scale = 1.0 / scale
        H = matrix * self._scale[:, None] * self._scale
        self.jitter = 0.0
        self._factor = self._decompose(H)

    def _decompose(self, H: FloatArray) -> Any:
        size = len(H)
        for jitter in (0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4):
            try:
                factor = cho_factor(H + jitter * np.eye(size) if jitter else H, lower=True, check_finite=False)
            except LinAlgError:
                continue
            if np.diag(factor[0]).min() > 1e-8 or jitter >= 1e-10:
                self.jitter = jitter
                return factor
        raise LinAlgError("matrix is not positive definite, even with a ridge of 1e-4 of its diagonal")

    def solve(self, v: FloatArray) -> FloatArray:
        """M^-1 v for the flat (size k) vector v, weights before intercepts."""
        size = len(self._scale)
        V = v.reshape(size, self.k)
        out = self._scale[:, None] * cho_solve(self._factor, self._scale[:, None] * V, check_finite=False)
        return out.ravel()  # type: ignore[no-any-return]
