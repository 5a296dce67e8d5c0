"""Two ways to ``(X_c^T P X_c + l2 I)^-1``: the Gram matrix, and the kernel matrix of the rows.

``X_c`` are the rows less their weighted mean where an intercept is fitted (which is how the intercept is
eliminated exactly), and X as it is otherwise; P is the diagonal of the weights.  Every `System` offers

- ``solve(Y)``: weights (d, q) and intercepts (q,) for targets (n, q);
- ``improve(W, R)``: the correction for the true residual ``R = Y - X W - b``, and its Newton decrement
  ``sqrt(g' H^-1 g)``, so that ``P - P* = decrement^2 / 2``;
- ``inverse(V)``: the (pseudo-)inverse times V;
- ``exact``: whether the first solution is as good as the data allow; ``rank``; ``passes`` over the data used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack

from steepest.protocols import AnyArray, FloatArray


class TooIllConditioned(Exception):
    """The squared condition number drowns the solution in rounding."""


class System:
    """What all ways share: elimination of the intercept, and refinement."""

    exact = False
    proves = True  # whether the decrement measures the suboptimality
    condition = np.inf
    rounding = np.inf  # error of fitted values, relative to their size, that the precision of the factor allows

    def __init__(self, source: Any, p: FloatArray, l2: float, intercept: bool) -> None:
        self.source, self.p, self.l2, self.intercept = source, p, l2, intercept
        self.mass = float(p.sum())
        self.mean = np.zeros(source.shape[1])
        self.notes: list[str] = []
        self.passes = 0.0
        self.rank = min(source.shape)

    def inverse(self, V: FloatArray) -> FloatArray:
        raise NotImplementedError

    def step(self, G: FloatArray) -> FloatArray:
        """The correction for a descent direction G = X_c^T P r - l2 W."""
        return self.inverse(G)

    def transposed(self, weights: FloatArray, U: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``X^T (weights U)`` (d, q) and the sums ``weights U`` (q,): half a pass."""
        self.passes += 0.5
        if U.shape[1] == 1:
            g, total = self.source.rmatvec(weights, np.ascontiguousarray(U[:, 0]))
            return g[:, None], np.array([float(total)])
        g, total = self.source.rmatvec(weights, np.ascontiguousarray(U))
        return g, total

    def product(self, V: FloatArray) -> FloatArray:
        """``X V`` (n, q): half a pass."""
        self.passes += 0.5
        if V.shape[1] == 1:
            return self.source.matvec(np.ascontiguousarray(V[:, 0]))[:, None]  # type: ignore[no-any-return]
        return self.source.matvec(np.ascontiguousarray(V))  # type: ignore[no-any-return]

    def moments_at(self, w: FloatArray) -> tuple[float, FloatArray, float, float] | None:
        """Without a pass: loss, gradient of P in the weights, weighted norms of the fitted values and of the targets.

        All centred.  For the weights that `solve` gave for a single target; None where only a pass can tell.
        """
        return None

    def target_means(self, Y: FloatArray) -> FloatArray:
        """What the intercept takes of the targets."""
        return self.p @ Y / self.mass if self.intercept else np.zeros(Y.shape[1])

    def solve(self, Y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights and intercepts."""
        means = self.target_means(Y)
        G, total = self.transposed(self.p, Y - means)
        if not self.intercept:
            return self.step(G), means
        W = self.step(G - np.outer(self.mean, total))
        return W, means + total / self.mass - self.mean @ W

    def improve(
        self, W: FloatArray, R: FloatArray, gradient: tuple[FloatArray, FloatArray | None] | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Correction of weights and intercepts, and the Newton decrement, for each target.

        ``gradient``: of P in W and in the intercepts, where known; saves half a pass.
        """
        if gradient is None:
            G, total = self.transposed(self.p, R)
            G = G - self.l2 * W
        else:
            G = -gradient[0]
            total = -gradient[1] if gradient[1] is not None else np.zeros(W.shape[1])
        if not self.intercept:
            dW = self.step(G)
            return dW, np.zeros(W.shape[1]), np.sqrt(np.maximum(np.sum(G * dW, axis=0), 0.0))
        G = G - np.outer(self.mean, total)
        dW = self.step(G)
        decrement = np.sqrt(np.maximum(np.sum(G * dW, axis=0) + total**2 / self.mass, 0.0))
        return dW, total / self.mass - self.mean @ dW, decrement


# --------------------------------------------------------------------------------------------- Gram matrix


class Gram(System):
    """Cholesky of the centred Gram matrix, scaled to a unit diagonal: ``n d^2 / 2`` multiply-adds.

    Blocks of float32 data are multiplied in float32 where the condition allows (up to 1e4), else in float64 (up
    to 1e11).  Columns whose mean drowns their spread are shifted before they are squared.  Constant columns get
    the coefficient 0.
    """

    LIMITS = {4: 1e4, 8: 1e11}
    LOSSES = {4: 1e3, 8: 1e8}  # mean square over variance that centring after the fact survives

    def __init__(self, source: Any, p: FloatArray, l2: float, intercept: bool, y: FloatArray | None = None) -> None:
        super().__init__(source, p, l2, intercept)
        dense = source.kind == "dense"
        self._y = y if dense else None
        self._right: tuple[FloatArray, float] | None = None  # X^T p (y - mean), and its sum
        self._side: tuple[FloatArray, float] | None = None  # of the last single target: centred, and half its square
        shift = self._sampled_shift() if dense and intercept else None
        narrow = dense and source.dtype == np.float32
        for position, kind in enumerate([np.dtype(t) for t in (["f4", "f8"] if narrow else ["f8"])]):
            bordered = self._bordered(kind, shift)
            C, loss = self._centred(bordered, shift)
            if loss > self.LOSSES[kind.itemsize] and dense:
                shift = self.mean.astype(source.dtype)
                bordered = self._bordered(kind, shift)
                C, loss = self._centred(bordered, shift)
            condition = self._factorize(C) if loss <= self.LOSSES[kind.itemsize] else np.inf
            if condition <= self.LIMITS[kind.itemsize]:
                self.condition, self.rounding = condition, condition * float(np.finfo(kind).eps)
                if position:
                    self.notes.append(f"closed form: Gram matrix in float64, its condition is about {condition:.1e}")
                return
        raise TooIllConditioned(f"the condition of the Gram matrix is about {condition:.1e}")

    def _bordered(self, kind: Any, shift: AnyArray | None) -> FloatArray:
        self.passes += 0.5
        if self._y is not None:
            centred = self._y - self.target_means(self._y[:, None])[0]
            G, g, total = self.source.normal_equations(self.p, centred, kind, shift, self.intercept)
            self._right = g, float(total)
            return G  # type: ignore[no-any-return]
        if shift is None:
            return self.source.gram(self.p, dtype=kind)  # type: ignore[no-any-return]
        return self.source.gram(self.p, dtype=kind, shift=shift)  # type: ignore[no-any-return]

    def _sampled_shift(self) -> AnyArray | None:
        """Means of a few rows, where some column is much farther from zero than it is wide."""
        n = self.source.shape[0]
        rows = self.source.X[:: max(1, n // 256)].astype(np.float64)
        mean, variance = rows.mean(axis=0), rows.var(axis=0)
        limit = 10.0 if self.source.dtype == np.float32 else 1e4
        if not np.any(mean * mean > limit * variance):
            return None
        return mean.astype(self.source.dtype)  # type: ignore[no-any-return]

    def _centred(self, bordered: FloatArray, shift: AnyArray | None) -> tuple[FloatArray, float]:
        """``X_c^T P X_c`` and the largest ratio by which centring has magnified rounding."""
        d = self.source.shape[1]
        C = bordered[:d, :d].copy()
        before = np.diag(C).copy()
        base = shift.astype(np.float64) if shift is not None else np.zeros(d)
        self.mean = np.zeros(d)
        if self.intercept:
            m = bordered[:d, d] / self.mass
            self.mean = base + m
            C -= np.outer(self.mass * m, m)
        after = np.diag(C).copy()
        # variation below the resolution of X is none
        resolution = (8.0 * float(np.finfo(self.source.dtype).eps) * self.mean) ** 2 * self.mass
        self.dead = before == 0.0
        for j in np.flatnonzero(~self.dead & (after <= np.maximum(1e-6 * before, resolution))):
            self.dead[j] = self.intercept and self._constant(int(j))
        alive = ~self.dead
        with np.errstate(divide="ignore"):
            ratios = before[alive] / np.maximum(after[alive], 0.0)
        C[self.dead, :] = 0.0
        C[:, self.dead] = 0.0
        return C, float(ratios.max(initial=1.0))

    def _constant(self, j: int) -> bool:
        """Whether column j has one value in all rows that are present."""
        if self.source.kind == "dense":
            column = self.source.X[:, j]
        else:
            column = self.source.matrix[:, [j]].toarray()[:, 0]
        column = column[self.p > 0.0]
        return bool(len(column) == 0 or column.min() == column.max())

    def _factorize(self, C: FloatArray) -> float:
        """Cholesky of the scaled matrix; its condition number in the 1-norm, inf where it fails."""
        d = len(C)
        C[np.arange(d), np.arange(d)] += self.l2
        diagonal = np.diag(C)
        self._inverse_scale = np.where(diagonal > 0.0, 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0)), 0.0)
        C *= self._inverse_scale[:, None]
        C *= self._inverse_scale
        C[np.arange(d), np.arange(d)] = 1.0
        self._matrix = C
        self.rank = int(d - np.sum(self.dead))
        norm = float(np.abs(C).sum(axis=0).max(initial=1.0))
        try:
            self._factor = cho_factor(C, lower=True, check_finite=False)
        except LinAlgError:
            return np.inf
        reciprocal, _ = lapack.dpocon(self._factor[0], norm, uplo="L") if d else (1.0, 0)
        return 1.0 / reciprocal if reciprocal > 0.0 else np.inf

    def solve(self, Y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights and intercepts; no pass for the target that the matrix was computed with."""
        single = Y.shape[1] == 1
        means = self.target_means(Y)
        R = Y - means
        if single and self._right is not None and self._y is not None and np.shares_memory(Y, self._y):
            G, total = self._right[0][:, None], np.array([self._right[1]])
        else:
            G, total = self.transposed(self.p, R)
        if self.intercept:
            G = G - np.outer(self.mean, total)
        W = self.step(G)
        if single:
            left = R[:, 0] - (total[0] / self.mass if self.intercept else 0.0)
            self._side = G[:, 0], 0.5 * float(self.p @ (left * left))
        return W, means + total / self.mass - self.mean @ W if self.intercept else means

    def moments_at(self, w: FloatArray) -> tuple[float, FloatArray, float, float] | None:
        """From the matrix and the right hand side: ``d^2`` multiply-adds."""
        if self._side is None:
            return None
        g, half = self._side
        held = self._inverse_scale > 0.0
        scale = np.divide(1.0, self._inverse_scale, out=np.zeros_like(w), where=held)
        product = scale * (self._matrix @ (scale * w))
        square = max(float(w @ product) - self.l2 * float(w @ w), 0.0)
        return half - float(w @ g) + 0.5 * square, product - g, float(np.sqrt(square)), float(np.sqrt(2.0 * half))

    def inverse(self, V: FloatArray) -> FloatArray:
        """Two triangular solves."""
        scale = self._inverse_scale[:, None]
        return scale * cho_solve(self._factor, scale * V, check_finite=False)  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------- kernel matrix


class Dual(System):
    """Fewer rows than columns and l2 > 0: ``W = A^T (A A^T + l2 I)^-1 P^(1/2) Y`` with ``A = P^(1/2) X_c``.

    Cost: ``n^2 d / 2`` multiply-adds and ``n^3 / 6`` for the factor.  Source: Saunders, Gammerman & Vovk (1998).
    """

    def __init__(self, source: Any, p: FloatArray, l2: float, intercept: bool) -> None:
        super().__init__(source, p, l2, intercept)
        n = source.shape[0]
        self._root = np.sqrt(p)
        if intercept:
            g, _ = self.transposed(p, np.ones((n, 1)))
            self.mean = g[:, 0] / self.mass
        K = self._kernel()
        self.passes += 0.5
        K[np.arange(n), np.arange(n)] += l2
        norm = float(np.abs(K).sum(axis=0).max(initial=0.0))
        try:
            self._factor = cho_factor(K, lower=True, overwrite_a=True, check_finite=False)
            reciprocal, _ = lapack.dpocon(self._factor[0], norm, uplo="L")
        except LinAlgError:
            reciprocal = 0.0
        if not reciprocal > 1e-11:
            condition = 1.0 / reciprocal if reciprocal > 0.0 else np.inf
            raise TooIllConditioned(f"the condition of the kernel matrix is about {condition:.1e}")
        self.notes.append("closed form: kernel matrix of the rows, which are fewer than the columns")

    def _kernel(self) -> FloatArray:
        root = self._root
        if self.source.kind == "dense":
            A = self.source.X - self.mean
            A *= root[:, None]
            return A @ A.T  # type: ignore[no-any-return]
        X = self.source.matrix.astype(np.float64)
        K = (X @ X.T).toarray()
        if self.intercept:
            u = X @ self.mean
            K -= u[:, None]
            K -= u
            K += float(self.mean @ self.mean)
        K *= root[:, None]
        K *= root
        return K  # type: ignore[no-any-return]

    def _rows(self, V: FloatArray) -> FloatArray:
        return self._root[:, None] * (self.product(V) - self.mean @ V)

    def _columns(self, U: FloatArray) -> FloatArray:
        G, total = self.transposed(self._root, U)
        return G - np.outer(self.mean, total)

    def solve(self, Y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights and intercepts: one pass."""
        means = self.target_means(Y)
        W = self._columns(cho_solve(self._factor, self._root[:, None] * (Y - means), check_finite=False))
        return W, means - self.mean @ W if self.intercept else means

    def inverse(self, V: FloatArray) -> FloatArray:
        """``(V - A^T (A A^T + l2 I)^-1 A V) / l2`` (Woodbury)."""
        return (V - self._columns(cho_solve(self._factor, self._rows(V), check_finite=False))) / self.l2
