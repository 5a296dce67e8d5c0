"""A ridge-penalised problem seen from its rows: fewer unknowns where rows are fewer than features.

The minimiser, and every point that a gradient method started at zero reaches, lies in the span of the
rows: ``W = X^T A`` with A of shape (n, k).  Each vector of the method is kept as the pair ``(A, Z)`` with
``Z = X X^T A``, its scores.  Scalar products are then ``<X^T A, X^T B> = sum(A * Z_B)``, so that all vector
work costs O(n k) instead of O(d k), and the value at any point of a ray is known without touching X.
Each iteration needs X once forwards and once backwards, for the scores of the new gradient.  With the
(n, k) arrays in cache this turns L-BFGS on text (d = 130,000) from a memory-bound into a data-bound method.

The flat vector is ``[A, Z, b]``, all of it linear, so a solver adds and scales it as any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.kernels import passes
from steepest.protocols import Evaluation, FloatArray, Traits


class RowSpanProblem:
    """The same function as ``base``, a `LinearProblem` or `MulticlassProblem` with an l2 penalty only."""

    ray_first = True

    def __init__(self, base: Any) -> None:
        if not base.traits.l2 > 0.0 or base.traits.l1:
            raise ValueError("RowSpanProblem needs a pure l2 penalty of positive strength")
        self.base = base
        self.traits: Traits = base.traits
        self.layout = base.layout
        self.source = base.source
        n, k = base.source.shape[0], base.layout.n_outputs
        self._n, self._k, self._m = n, k, n * k
        self.size = 2 * self._m + (k if base.layout.intercept else 0)

    @property
    def passes(self) -> float:
        """Passes over the data so far."""
        return float(self.base.passes)

    def start(self) -> FloatArray:
        """Zero."""
        return np.zeros(self.size)

    def inner(self, a: FloatArray, b: FloatArray) -> float:
        """The scalar product of the parameters that a and b stand for."""
        m = self._m
        return float(a[:m] @ b[m : 2 * m]) + float(a[2 * m :] @ b[2 * m :])

    def weights(self, w: FloatArray) -> FloatArray:
        """``[X^T A, b]``: half a pass."""
        A = self._shape(w[: self._m])
        G, _ = self.source.rmatvec(np.ones(self._n), A)
        self.base.passes += 0.5
        return np.concatenate([G.ravel(), w[2 * self._m :]])

    def polish(self, w: FloatArray, scores: FloatArray) -> FloatArray:
        """See the base problem; w are parameters, not rows."""
        return self.base.polish(w, scores)  # type: ignore[no-any-return]

    def null_value(self) -> float:
        """P at zero parameters."""
        return self.base.null_value()  # type: ignore[no-any-return]

    def _shape(self, flat: FloatArray) -> FloatArray:
        return flat if self._k == 1 else flat.reshape(self._n, self._k)

    def _scores(self, v: FloatArray) -> FloatArray:
        z, b = self._shape(v[self._m : 2 * self._m]), v[2 * self._m :]
        return z if not len(b) else z + (b[0] if self._k == 1 else b)

    def evaluate(self, w: FloatArray) -> Evaluation:
        return self._evaluation(w, self._scores(w))

    def _evaluation(self, w: FloatArray, z: FloatArray) -> Evaluation:
        base, m, l2 = self.base, self._m, self.traits.l2
        u = np.empty_like(z)
        if self._k == 1:
            loss = passes.losses_slopes(base.loss, z, base.y, base.p, u)
            column = base.p
        else:
            loss, u = base.losses_slopes(z)
            column = base.p[:, None]
        pu = column * u
        g, total = self.source.rmatvec(base.p, u)
        gradient = np.empty(self.size)
        gradient[:m] = pu.ravel() + l2 * w[:m]
        gradient[m : 2 * m] = self.source.matvec(g).ravel()
        gradient[m : 2 * m] += l2 * w[m : 2 * m]
        gradient[2 * m :] = total if self.layout.intercept else 0.0
        base.passes += 1.0
        value = loss + 0.5 * l2 * float(w[:m] @ w[m : 2 * m])
        return Evaluation(w, value, loss, gradient, z, u)

    def step(self, at: Evaluation, d: FloatArray, t: float) -> Evaluation:
        """Everything at ``w + t d``: one pass."""
        return self.evaluate(at.w + t * d)

    def along(self, at: Evaluation, d: FloatArray, ahead: Evaluation | None = None) -> RowSpanRay:
        """The ray ``w + t d``: no pass."""
        return RowSpanRay(self, at, d, self._scores(d))

    def complete(self, ray: RowSpanRay, t: float) -> Evaluation:
        """Everything at ``w + t d``: one pass, for the gradient's scores."""
        return self._evaluation(ray.at.w + t * ray.d, ray.at.scores + t * ray.dz)


class RowSpanRay:
    """P along ``w + t d``; O(n k) for every t, and no product with X at all."""

    def __init__(self, problem: RowSpanProblem, at: Evaluation, d: FloatArray, dz: FloatArray) -> None:
        self.problem, self.at, self.d, self.dz = problem, at, d, dz
        m = problem._m
        w = at.w
        self._ww = float(w[:m] @ w[m : 2 * m])
        self._wd = float(w[:m] @ d[m : 2 * m])
        self._dd = float(d[:m] @ d[m : 2 * m])

    def value_slope(self, t: float) -> tuple[float, float]:
        """P and its derivative at t."""
        base, l2 = self.problem.base, self.problem.traits.l2
        if self.problem._k == 1:
            loss, slope = passes.along_ray(base.loss, self.at.scores, self.dz, float(t), base.y, base.p)
        else:
            loss, slope = base.ray_sum(self.at.scores, self.dz, float(t))
        return (
            loss + 0.5 * l2 * (self._ww + t * (2.0 * self._wd + t * self._dd)),
            slope + l2 * (self._wd + t * self._dd),
        )

    def value(self, t: float) -> float:
        """P at t."""
        return self.value_slope(t)[0]
