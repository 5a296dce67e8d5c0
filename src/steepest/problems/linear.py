"""One score a row: regression, binary classification, and every loss of one score."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.data.dense import ordered_sum
from steepest.kernels import passes
from steepest.losses.registry import has
from steepest.problems.base import LinearBase, PenaltyRay
from steepest.protocols import AnyArray, Evaluation, FloatArray


class LinearProblem(LinearBase):
    """``P(w) = sum_i p_i loss(x_i.w + b, y_i) + penalty(w)``; see `LinearBase`.

    With ``precise = False`` the products of dense float32 rows stay in float32 within blocks of rows.

    Cost: `evaluate` one pass, reading X once; `along` nothing when a point ahead is known, else half a
    pass, then O(n) a value; `complete` half a pass; `hvp` one pass.
    """

    def __init__(
        self,
        source: Any,
        y: FloatArray,
        p: FloatArray,
        loss: Any,
        penalty: Any,
        fit_intercept: bool = True,
        constraint: Any = None,
    ) -> None:
        super().__init__(source, y, p, loss, penalty, fit_intercept, 1, constraint)
        self.last: tuple[FloatArray, FloatArray] | None = None  # parameters and scores of the last product with X

    def evaluate(self, w: FloatArray) -> Evaluation:
        source, (coef, b) = self.source, self.layout.split(w)
        n, d = source.shape
        single = None if self.precise else getattr(source, "single", None)
        rows = source.rows if single is None else single
        shift = float(b[0]) if len(b) else 0.0
        z, u = np.empty(n), np.empty(n)

        def task(s: tuple[int, int]) -> tuple[float, float, FloatArray]:
            g = np.zeros(d)
            value, total = passes.sweep(self.loss, rows, self.y, self.p, coef, shift, s[0], s[1], source.block, z, u, g)
            return value, total, g

        parts = source.pool.map(task, source.shards)
        self.passes += 1.0
        self.last = w, z
        loss = sum(part[0] for part in parts)
        return self._evaluation(w, loss, z, u, ordered_sum([part[2] for part in parts]), sum(part[1] for part in parts))

    def _evaluation(
        self, w: FloatArray, loss: float, z: FloatArray, u: FloatArray, g: FloatArray, total: float
    ) -> Evaluation:
        gradient = np.append(g, total) if self.layout.intercept else g
        self.add_ridge(gradient, w)
        return Evaluation(w, loss + self.penalty_value(w), loss, gradient, z, u)

    def along(self, at: Evaluation, d: FloatArray, ahead: Evaluation | None = None) -> LinearRay:
        """The ray ``w + t d``; ``ahead`` is an evaluation at t = 1, whose scores save the product."""
        if ahead is not None:
            dz = ahead.scores - at.scores
        else:
            head, tail = self.layout.split(d)
            dz = self.source.matvec(head, float(tail[0]) if len(tail) else 0.0)
            self.passes += 0.5
        return LinearRay(self, at, d, dz)

    def complete(self, ray: LinearRay, t: float) -> Evaluation:
        """Everything at ``w + t d`` from the known scores: half a pass."""
        w = ray.at.w + t * ray.d
        z = ray.at.scores + t * ray.dz
        u = np.empty_like(z)
        loss = passes.losses_slopes(self.loss, z, self.y, self.p, u)
        g, total = self.source.rmatvec(self.p, u)
        self.passes += 0.5
        return self._evaluation(w, loss, z, u, g, total)

    def losses_at(self, scores: FloatArray) -> float:
        """Weighted loss at known scores: O(n)."""
        return float(passes.losses_sum(self.loss, scores, self.y, self.p))

    def best_shift(self, scores: FloatArray, shift: float = 0.0) -> tuple[float, float, FloatArray]:
        """The intercept that is best for given scores ``X w``: (intercept, loss, slopes).

        Newton's method with halving; O(n) a step, one or two steps from a close start.
        """
        u = np.empty_like(scores)
        value = passes.losses_slopes(self.loss, scores + shift, self.y, self.p, u)
        h = np.empty_like(scores)
        for _ in range(1000):  # an exponential far off comes nearer by 1 a step
            slope = float(self.p @ u)
            if not abs(slope) > 1e-15 * float(self.p @ np.abs(u)):
                break
            passes.curvatures(self.loss, scores + shift, self.y, self.p, h)
            curvature = float(h.sum())
            step = -slope / curvature if curvature > 0.0 else -np.sign(slope)
            trial = np.empty_like(scores)
            for _ in range(40):
                reached = passes.losses_slopes(self.loss, scores + (shift + step), self.y, self.p, trial)
                # near the end the value is flat to rounding, the slope is not
                flat = reached - value <= 1e-13 * abs(value) and abs(float(self.p @ trial)) < abs(slope)
                if reached <= value or flat:
                    break
                step *= 0.5
                if abs(step) <= 1e-16 * (abs(shift) + 1.0):
                    return shift, value, u
            else:
                break
            done = value - reached <= 1e-13 * abs(value) and not abs(float(self.p @ trial)) < 0.5 * abs(slope)
            shift, value, u = shift + step, reached, trial
            if done:
                break
        return shift, value, u

    def polish(self, w: FloatArray, scores: FloatArray) -> FloatArray:
        """w with the intercept at its optimum for these weights: O(n).

        Unchanged where there is no intercept, the loss has no curvature, or the solver computed no scores.
        """
        if not len(scores) or not (self.layout.intercept and has(self.loss, "curvature")):
            return w
        out = w.copy()
        out[-1] += self.best_shift(scores)[0]
        return out

    def curvatures(self, at: Evaluation) -> FloatArray:
        """p loss'' at the scores, kept with the evaluation."""
        if "curvatures" not in at.extra:
            h = np.empty_like(at.scores)
            passes.curvatures(self.loss, at.scores, self.y, self.p, h)
            at.extra["curvatures"] = h
        return at.extra["curvatures"]  # type: ignore[no-any-return]

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """Hessian of the smooth part times v: one pass."""
        source, (head, tail) = self.source, self.layout.split(v)
        n, d = source.shape
        h, shift, scratch = self.curvatures(at), float(tail[0]) if len(tail) else 0.0, np.empty(n)

        def task(s: tuple[int, int]) -> tuple[float, FloatArray]:
            g = np.zeros(d)
            return passes.curved_sweep(source.rows, h, head, shift, s[0], s[1], source.block, scratch, g), g

        parts = source.pool.map(task, source.shards)
        self.passes += 1.0
        out = ordered_sum([part[1] for part in parts])
        if self.layout.intercept:
            out = np.append(out, sum(part[0] for part in parts))
        self.add_ridge(out, v)
        return out  # type: ignore[no-any-return]

    def hessian(self, at: Evaluation, rows: AnyArray | None = None) -> FloatArray:
        """Hessian of the smooth part, (size, size).

        With ``rows`` the data part is estimated from those row numbers, scaled to the whole weight; negative
        curvature is left out then, for the estimate serves as a metric.
        """
        h = self.curvatures(at)
        n, m = len(h), self.layout.n_features
        if rows is None:
            G = self.source.gram(np.maximum(h, 0.0))
            self.passes += 0.5
            if not self.loss.convex and np.any(h < 0.0):
                G -= self.source.gram(np.maximum(-h, 0.0))
                self.passes += 0.5
        else:
            share = float(self.p[rows].sum())
            G = self.source.gram(np.maximum(h[rows], 0.0) / (share if share > 0.0 else 1.0), rows)
            self.passes += 0.5 * len(rows) / n
        H = G if self.layout.intercept else np.ascontiguousarray(G[:m, :m])
        H[np.arange(m), np.arange(m)] += self.traits.l2
        return H


class LinearRay:
    """P along ``w + t d``; O(n) for every t."""

    def __init__(self, problem: LinearProblem, at: Evaluation, d: FloatArray, dz: FloatArray) -> None:
        self.problem, self.at, self.d, self.dz = problem, at, d, dz
        self._penalty = PenaltyRay(problem, at.w, d)

    def value_slope(self, t: float) -> tuple[float, float]:
        """P and its (right) derivative at t."""
        q = self.problem
        loss, slope = passes.along_ray(q.loss, self.at.scores, self.dz, float(t), q.y, q.p)
        value, extra = self._penalty.value_slope(t)
        return loss + value, slope + extra

    def value(self, t: float) -> float:
        """P at t."""
        return self.value_slope(t)[0]
