"""A score vector per row: softmax regression and every loss of several scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.data.dense import ordered_sum
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.kernels import multiclass
from steepest.losses.margin_multiclass import require_scores
from steepest.problems.base import LinearBase, PenaltyRay
from steepest.problems.shift import best_shift_by_cuts
from steepest.protocols import AnyArray, Evaluation, FloatArray

GRAM_BYTES = 16 << 20  # rows that a Gram matrix is made of at a time


class MulticlassProblem(LinearBase):
    """``P(W, b) = sum_i p_i loss(x_i W + b, y_i) + penalty(W)``, W of shape (d, k).

    A pass takes blocks of rows: scores, losses and slopes, and the block's share of the gradient while its
    rows are in the cache.  With ``precise = False`` block products of float32 data stay in float32; sums
    over blocks are always float64.
    """

    def __init__(
        self,
        source: Any,
        y: Any,
        p: FloatArray,
        loss: Any,
        penalty: Any,
        fit_intercept: bool = True,
        n_outputs: int = 2,
        constraint: Any = None,
    ) -> None:
        require_scores(loss, n_outputs)
        super().__init__(source, y, p, loss, penalty, fit_intercept, n_outputs, constraint)
        self.last: tuple[FloatArray, FloatArray] | None = None  # parameters and scores of the last product with X

    def _precision(self) -> Any:
        return np.float32 if not self.precise and self.source.dtype == np.float32 else np.float64

    def _sweep(self, W: FloatArray, b: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray, FloatArray]:
        source, k = self.source, self.layout.n_outputs
        n, d = source.shape
        Z, U = np.empty((n, k)), np.empty((n, k))
        kind = self._precision() if source.kind == "dense" else np.float64
        V = source.prepare(W, kind)

        def task(s: tuple[int, int]) -> tuple[float, FloatArray, FloatArray]:
            G, total, value = np.zeros((d, k)), np.zeros(k), 0.0
            for low, high in source.blocks(*s):
                source.scores_block(V, b, low, high, Z)
                value += multiclass.losses_slopes_many(self.loss, Z, self.y, self.p, low, high, U)
                source.accumulate_block(self.p, U, low, high, G, total, kind)
            return value, G, total

        parts = source.pool.map(task, self._shards())
        self.passes += 1.0
        return (
            sum(part[0] for part in parts),
            Z,
            U,
            ordered_sum([part[1] for part in parts]),
            ordered_sum([part[2] for part in parts]),
        )

    def _shards(self) -> list[tuple[int, int]]:
        shards_for = getattr(self.source, "shards_for", None)
        return shards_for(self.layout.n_outputs) if shards_for else self.source.shards  # type: ignore[no-any-return]

    def _shift(self, tail: FloatArray) -> FloatArray:
        return tail if len(tail) else np.zeros(self.layout.n_outputs)

    def evaluate(self, w: FloatArray) -> Evaluation:
        W, b = self.layout.split(w)
        loss, Z, U, G, total = self._sweep(W, self._shift(b))
        self.last = (w, Z) if self.precise else None
        return self._evaluation(w, loss, Z, U, G, total)

    def _evaluation(
        self, w: FloatArray, loss: float, Z: FloatArray, U: FloatArray, G: FloatArray, total: FloatArray
    ) -> Evaluation:
        gradient = np.concatenate([G.ravel(), total]) if self.layout.intercept else G.ravel()
        self.add_ridge(gradient, w)
        return Evaluation(w, loss + self.penalty_value(w), loss, gradient, Z, U)

    def along(self, at: Evaluation, d: FloatArray, ahead: Evaluation | None = None) -> MulticlassRay:
        """The ray ``w + t d``; ``ahead`` is an evaluation at t = 1, whose scores save the product."""
        if ahead is not None:
            dz = ahead.scores - at.scores
        else:
            head, tail = self.layout.split(d)
            dz = self.source.matvec(np.ascontiguousarray(head), self._shift(tail))
            self.passes += 0.5
        return MulticlassRay(self, at, d, dz)

    def complete(self, ray: MulticlassRay, t: float) -> Evaluation:
        """Everything at ``w + t d`` from the known scores: half a pass."""
        w = ray.at.w + t * ray.d
        Z = ray.at.scores + t * ray.dz
        loss, U = self.losses_slopes(Z)
        G, total = self.source.rmatvec(self.p, U)
        self.passes += 0.5
        return self._evaluation(w, loss, Z, U, G, total)

    def losses_slopes(self, Z: FloatArray) -> tuple[float, FloatArray]:
        """Weighted loss and slopes at known scores: O(n k)."""
        U = np.empty_like(Z)
        parts = self.source.pool.map(
            lambda s: multiclass.losses_slopes_many(self.loss, Z, self.y, self.p, s[0], s[1], U), self.source.shards
        )
        return sum(parts), U

    def losses_at(self, scores: FloatArray) -> float:
        """Weighted loss at known scores: O(n k)."""
        return self.losses_slopes(scores)[0]

    def best_shift(self, scores: FloatArray, shift: FloatArray | None = None) -> tuple[FloatArray, float, FloatArray]:
        """The intercepts that are best for given scores ``X W``: (intercepts, loss, slopes).

        Newton's method with halving, O(n k^2) a step; for losses with kinks a few cutting planes, which come near.
        Their mean is zero, which losses of differences leave free.
        """
        k = self.layout.n_outputs
        shift = np.zeros(k) if shift is None else shift
        if not self.traits.has_curvature:
            return best_shift_by_cuts(lambda b: self.losses_slopes(scores + b), self.p, shift)
        value, U = self.losses_slopes(scores + shift)
        for _ in range(50):
            slope = self.p @ U
            if not np.abs(slope).max() > 1e-15:
                break
            Q = self.probabilities_from(U)
            weighted = self.p[:, None] * Q
            H = np.diag(weighted.sum(axis=0)) - weighted.T @ Q
            step = -np.linalg.pinv(H, rcond=1e-12, hermitian=True) @ slope
            step -= step.mean()
            for _ in range(40):
                reached, trial = self.losses_slopes(scores + (shift + step))
                if reached <= value:
                    break
                step *= 0.5
            else:
                break
            done = value - reached <= 1e-16 * abs(value)
            shift, value, U = shift + step, reached, trial
            if done:
                break
        return shift, value, U

    def polish(self, w: FloatArray, scores: FloatArray) -> FloatArray:
        """w with the intercepts at their optimum for these weights, of mean zero."""
        if not self.layout.intercept:
            return w
        k = self.layout.n_outputs
        out = w.copy()
        out[-k:] += self.best_shift(scores)[0]
        out[-k:] -= out[-k:].mean()
        return out

    def ray_sum(self, Z: FloatArray, D: FloatArray, t: float) -> tuple[float, float]:
        """Weighted loss and its derivative in t at the scores Z + t D."""
        parts = self.source.pool.map(
            lambda s: multiclass.along_ray_many(self.loss, Z, D, t, self.y, self.p, s[0], s[1]), self.source.shards
        )
        return sum(a for a, _ in parts), sum(b for _, b in parts)

    def probabilities(self, at: Evaluation) -> FloatArray:
        """Softmax of the scores: the slopes with 1 added at the target class."""
        return self.probabilities_from(at.slopes)

    def probabilities_from(self, slopes: FloatArray) -> FloatArray:
        """Softmax from its slopes."""
        q = slopes.copy()
        if self.y.ndim == 1:
            q[np.arange(len(q)), self.y.astype(np.int64)] += 1.0
        else:
            q += self.y
        return q

    def _require_softmax(self) -> None:
        if not self.traits.has_curvature:
            raise IncompatibleError(
                f"loss: second derivatives of several scores are known for 'softmax', got '{self.loss.name}'. "
                "Use solver='auto'."
            )

    def class_curvatures(self, at: Evaluation, rows: AnyArray | None = None) -> FloatArray:
        """``p q (1 - q)`` by class and row, (k, n), of all rows or of some, scaled to the whole weight."""
        self._require_softmax()
        U, y, p = (at.slopes, self.y, self.p) if rows is None else (at.slopes[rows], self.y[rows], self.p[rows])
        q = np.ascontiguousarray(U.T)
        if y.ndim == 1:
            q[y.astype(np.int64), np.arange(len(p))] += 1.0
        else:
            q += y.T
        q *= 1.0 - q
        np.maximum(q, 0.0, out=q)
        share = float(p.sum())
        q *= p / (share if share > 0.0 else 1.0)
        return q

    def class_hessian(self, h: FloatArray, rows: AnyArray | None = None) -> AnyArray:
        """``X^T diag(h) X`` of some rows with ones for the intercept, (d [+ 1], d [+ 1]), in this thread alone.

        With h from `class_curvatures` it is the block of the Hessian that belongs to a class, without the penalty.
        """
        source, d = self.source, self.layout.n_features
        size = d + self.layout.intercept
        if source.kind != "dense":
            G = as_source(source.matrix if rows is None else source.matrix[rows]).gram(h)
            return G if size > d else np.ascontiguousarray(G[:d, :d])
        root = np.sqrt(h).astype(source.dtype)
        step = max(64, GRAM_BYTES // (size * source.dtype.itemsize))
        out: Any = None
        for low in range(0, len(h), step):
            part = root[low : low + step]
            X = source.X[low : low + step] if rows is None else source.X[rows[low : low + step]]
            A = np.empty((len(part), size), dtype=source.dtype)
            np.multiply(X, part[:, None], out=A[:, :d])
            A[:, d:] = part[:, None]
            G = A.T @ A
            out = G if out is None else np.add(out, G, out=out)
        return out  # type: ignore[no-any-return]

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """Hessian of the smooth part times v, for softmax: ``X^T p (diag(q) - q q') X V``; one pass."""
        self._require_softmax()
        q = self.probabilities(at)
        head, tail = self.layout.split(v)
        T = self.source.matvec(np.ascontiguousarray(head), self._shift(tail))
        T = q * (T - np.sum(q * T, axis=1, keepdims=True))
        G, total = self.source.rmatvec(self.p, T)
        self.passes += 1.0
        out = np.concatenate([G.ravel(), total]) if self.layout.intercept else G.ravel()
        self.add_ridge(out, v)
        return out

    def hessian(self, at: Evaluation) -> FloatArray:
        """Hessian of the smooth part for softmax, (size, size): ``k (k + 1) / 2`` weighted Gram matrices.

        Blocks ``X^T diag(p (q_c [c = e] - q_c q_e)) X`` at the places of the flat layout.
        """
        self._require_softmax()
        q = self.probabilities(at)
        d, k, m = self.layout.n_features, self.layout.n_outputs, self.layout.n_weights
        H = np.empty((self.size, self.size))
        for c in range(k):
            for e in range(c, k):
                if c == e:
                    G = self.source.gram(self.p * np.maximum(q[:, c] * (1.0 - q[:, c]), 0.0))
                else:
                    G = -self.source.gram(self.p * np.maximum(q[:, c] * q[:, e], 0.0))
                for a, b in ((c, e), (e, c)):
                    H[a:m:k, b:m:k] = G[:d, :d]
                    if self.layout.intercept:
                        H[a:m:k, m + b] = G[:d, d]
                        H[m + b, a:m:k] = G[:d, d]
                        H[m + a, m + b] = G[d, d]
        self.passes += 0.25 * k * (k + 1)
        H[np.arange(m), np.arange(m)] += self.traits.l2
        return H


class MulticlassRay:
    """P along ``w + t d``; O(n k) for every t."""

    def __init__(self, problem: MulticlassProblem, at: Evaluation, d: FloatArray, dz: FloatArray) -> None:
        self.problem, self.at, self.d, self.dz = problem, at, d, dz
        self._penalty = PenaltyRay(problem, at.w, d)

    def value_slope(self, t: float) -> tuple[float, float]:
        """P and its (right) derivative at t."""
        loss, slope = self.problem.ray_sum(self.at.scores, self.dz, float(t))
        value, extra = self._penalty.value_slope(t)
        return loss + value, slope + extra

    def value(self, t: float) -> float:
        """P at t."""
        return self.value_slope(t)[0]
