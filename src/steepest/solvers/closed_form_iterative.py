"""Least squares and ridge where both n and d are too large for a matrix: LSMR to machine precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.protocols import FloatArray
from steepest.solvers.closed_form_systems import System


class Iterative(System):
    """Golub-Kahan bidiagonalisation of the centred rows, one target at a time.

    Minimises ``|A W - P^(1/2) Y|^2 + l2 |W|^2`` with ``A = P^(1/2) X_c`` applied as products; from zero it tends to
    the solution of least norm.  One pass an iteration, extra memory of a few vectors.  Source: Fong & Saunders,
    LSMR (2011).
    """

    proves = False
    TOLERANCE = 1e-14

    def __init__(self, source: Any, p: FloatArray, l2: float, intercept: bool) -> None:
        super().__init__(source, p, l2, intercept)
        self._root = np.sqrt(p)
        if intercept:
            self.mean = self.transposed(p, np.ones((source.shape[0], 1)))[0][:, 0] / self.mass

    def _lsmr(self, top: FloatArray, bottom: FloatArray | None) -> FloatArray:
        from scipy.sparse.linalg import LinearOperator, lsmr

        n, d = self.source.shape
        root, mean, ridge = self._root, self.mean, np.sqrt(self.l2)
        augmented = bottom is not None and self.l2 > 0.0

        def forwards(v: FloatArray) -> FloatArray:
            v = np.ascontiguousarray(v).ravel()
            z = root * (self.product(v[:, None])[:, 0] - mean @ v)
            return np.concatenate([z, ridge * v]) if augmented else z

        def backwards(u: FloatArray) -> FloatArray:
            u = u.ravel()
            g, total = self.transposed(root, u[:n, None])
            out = g[:, 0] - mean * total[0]
            return out + ridge * u[n:] if augmented else out  # type: ignore[no-any-return]

        A = LinearOperator((n + d if augmented else n, d), matvec=forwards, rmatvec=backwards, dtype=np.float64)
        b = np.concatenate([top, -ridge * bottom]) if augmented and bottom is not None else top
        damp = 0.0 if augmented else float(ridge)
        return lsmr(  # type: ignore[no-any-return]
            A, b, damp=damp, atol=self.TOLERANCE, btol=self.TOLERANCE, conlim=0.0, maxiter=20 * min(n, d)
        )[0]

    def solve(self, Y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights and intercepts."""
        means = self.target_means(Y)
        W = np.column_stack([self._lsmr(self._root * column, None) for column in (Y - means).T])
        return W, means - self.mean @ W if self.intercept else means

    def improve(
        self, W: FloatArray, R: FloatArray, gradient: tuple[FloatArray, FloatArray | None] | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Correction from the true residual, by LSMR again; the decrement is that of the correction."""
        means = self.target_means(R)
        dW = np.column_stack([self._lsmr(self._root * r, w) for r, w in zip((R - means).T, W.T, strict=True)])
        moved = self.product(dW) - self.mean @ dW
        decrement = np.sqrt(self.p @ moved**2 + self.l2 * np.sum(dW * dW, axis=0) + self.mass * means**2)
        return dW, means - self.mean @ dW if self.intercept else means, decrement
