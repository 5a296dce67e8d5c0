"""A ridge-penalised problem seen from its rows: fewer unknowns where rows are fewer than features.

The minimiser, and every point that a gradient method started at zero reaches, lies in the span of the
rows: ``W = X^T A`` with A of shape (n, k).  Each vector of the method is kept as the pair ``(A, Z)`` with
``Z = X X^T A``, its scores.  Scalar products are then ``<X^T A, X^T B> = sum(A * Z_B)``, so that all vector
work costs O(n k) instead of O(d k), and the value at any point of a ray is known without touching X.
Each iteration needs X once forwards and once backwards, for the scores of the new gradient.  With the
(n, k) arrays in cache this turns L-BFGS on text (d = 130,000) from a memory-bound into a data-bound method.

The flat vector is ``[A, Z]``, all of it linear, so a solver adds and scales it as any other.  Intercepts are
not part of it: they are at their optimum for the scores at every point (O(n) by Newton's method), which
by the envelope theorem leaves the gradient in W as it is and makes the problem as if centred.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.kernels import passes
from steepest.losses.registry import has
from steepest.protocols import Evaluation, FloatArray, Traits


class RowSpanProblem:
    """The same function as ``base``, a `LinearProblem` or `MulticlassProblem` with an l2 penalty only."""

    ray_first = True
    precise = True

    def __init__(self, base: Any) -> None:
        if not base.traits.l2 > 0.0 or base.traits.l1:
            raise ValueError("RowSpanProblem needs a pure l2 penalty of positive strength")
        if base.layout.intercept and base.layout.n_outputs == 1 and not has(base.loss, "curvature"):
            raise ValueError("RowSpanProblem needs a loss with curvature to place the intercept")
        self.base = base
        self.traits: Traits = base.traits
        self.layout = base.layout._replace(intercept=False)  # of the point as the solver sees it
        self.source = base.source
        n, k = base.source.shape[0], base.layout.n_outputs
        self._n, self._k, self._m = n, k, n * k
        self.size = 2 * self._m

    @property
    def p(self) -> FloatArray:
        """Row weights."""
        return self.base.p  # type: ignore[no-any-return]

    @property
    def passes(self) -> float:
        """Passes over the data so far."""
        return float(self.base.passes)

    def start(self) -> FloatArray:
        """Zero."""
        return np.zeros(self.size)

    def inner(self, a: FloatArray, b: FloatArray) -> float:
        """The scalar product of the weights that a and b stand for."""
        m = self._m
        return float(a[:m] @ b[m:])

    def weights(self, w: FloatArray) -> FloatArray:
        """``[X^T A, b]``: half a pass."""
        A = self._shape(w[: self._m])
        G, _ = self.source.rmatvec(np.ones(self._n), A)
        self.base.passes += 0.5
        if not self.base.layout.intercept:
            return G.ravel()  # type: ignore[no-any-return]
        shift = self.base.best_shift(self._shape(w[self._m :]))[0]
        return np.append(G.ravel(), shift)

    def polish(self, w: FloatArray, scores: FloatArray) -> FloatArray:
        """The intercepts are at their optimum already."""
        return w

    def null_value(self) -> float:
        """P at zero parameters."""
        return self.base.null_value()  # type: ignore[no-any-return]

    def _shape(self, flat: FloatArray) -> FloatArray:
        return flat if self._k == 1 else flat.reshape(self._n, self._k)

    def _losses(self, z: FloatArray, shift: Any) -> tuple[float, FloatArray, FloatArray, Any]:
        """(loss, slopes, scores with intercepts, intercepts) at scores without them."""
        base = self.base
        if base.layout.intercept:
            shift, loss, u = base.best_shift(z, shift) if shift is not None else base.best_shift(z)
            return loss, u, z + shift, shift
        if self._k == 1:
            u = np.empty_like(z)
            return float(passes.losses_slopes(base.loss, z, base.y, base.p, u)), u, z, None
        loss, u = base.losses_slopes(z)
        return loss, u, z, None

    def evaluate(self, w: FloatArray) -> Evaluation:
        return self._evaluation(w, None)

    def _evaluation(self, w: FloatArray, shift: Any) -> Evaluation:
        base, m, l2 = self.base, self._m, self.traits.l2
        loss, u, scores, shift = self._losses(self._shape(w[m:]), shift)
        pu = (base.p if self._k == 1 else base.p[:, None]) * u
        g, _ = self.source.rmatvec(base.p, u)
        gradient = np.empty(self.size)
        gradient[:m] = pu.ravel() + l2 * w[:m]
        gradient[m:] = self.source.matvec(g).ravel()
        gradient[m:] += l2 * w[m:]
        base.passes += 1.0
        value = loss + 0.5 * l2 * float(w[:m] @ w[m:])
        return Evaluation(w, value, loss, gradient, scores, u, {"shift": shift})

    def step(self, at: Evaluation, d: FloatArray, t: float) -> Evaluation:
        """Everything at ``w + t d``: one pass."""
        return self._evaluation(at.w + t * d, at.extra["shift"])

    def along(self, at: Evaluation, d: FloatArray, ahead: Evaluation | None = None) -> RowSpanRay:
        """The ray ``w + t d``: no pass."""
        return RowSpanRay(self, at, d)

    def complete(self, ray: RowSpanRay, t: float) -> Evaluation:
        """Everything at ``w + t d``: one pass, for the gradient's scores."""
        return self._evaluation(ray.at.w + t * ray.d, ray.at.extra["shift"])


class RowSpanRay:
    """P along ``w + t d``; O(n k) for every t, and no product with X at all."""

    def __init__(self, problem: RowSpanProblem, at: Evaluation, d: FloatArray) -> None:
        self.problem, self.at, self.d = problem, at, d
        m = problem._m
        w = at.w
        self._ww = float(w[:m] @ w[m:])
        self._wd = float(w[:m] @ d[m:])
        self._dd = float(d[:m] @ d[m:])
        self._dz = problem._shape(d[m:])

    def value_slope(self, t: float) -> tuple[float, float]:
        """P and its derivative at t, the intercepts at their optimum for every t."""
        problem, base, l2 = self.problem, self.problem.base, self.problem.traits.l2
        if base.layout.intercept:
            z = problem._shape(self.at.w[problem._m :]) + t * self._dz
            loss, u, _, _ = problem._losses(z, self.at.extra["shift"])
            rows = u * self._dz if problem._k == 1 else np.einsum("ij,ij->i", u, self._dz)
            slope = float(base.p @ rows)
        elif problem._k == 1:
            loss, slope = passes.along_ray(base.loss, self.at.scores, self._dz, float(t), base.y, base.p)
        else:
            loss, slope = base.ray_sum(self.at.scores, self._dz, float(t))
        return (
            loss + 0.5 * l2 * (self._ww + t * (2.0 * self._wd + t * self._dd)),
            slope + l2 * (self._wd + t * self._dd),
        )

    def value(self, t: float) -> float:
        """P at t."""
        return self.value_slope(t)[0]
