"""Newton's method without a matrix: the system is solved by conjugate gradients, as far as it pays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.protocols import Evaluation, FloatArray, Traits


class NewtonCG:
    """Truncated Newton: ``H d = -g`` by conjugate gradients until ``|H d + g| <= eta |g|`` (E11).

    ``eta`` follows Eisenstat & Walker (1996), choice 2, ``0.9 (|g| / |g_before|)^2`` with their safeguard, at most
    0.5: few products far from the optimum, quadratic convergence near it.  Where a direction of non-positive
    curvature appears, the solution so far is taken, or steepest descent at once: both descend.  Each product with
    H is one pass; nothing of size d^2 is formed.  Works in the scalar product of the problem.  Source: Nocedal &
    Wright (2006), algorithm 7.1.

    Parameters
    ----------
    metric : optional
        Preconditioner with a method ``solve``.
    most : int
        Products in one step at most.
    """

    scaled = True

    def __init__(self, metric: Any = None, most: int = 200) -> None:
        self.metric = metric
        self.most = most
        self.products = 0
        self.note = ""
        self._before = math.nan
        self._eta = 0.5

    def missing(self, traits: Traits) -> str | None:
        """Curvature."""
        return None if traits.has_curvature else "a loss with a second derivative (method curvature)"

    def _forcing(self, norm: float) -> float:
        if math.isnan(self._before) or self._before == 0.0:
            return 0.5
        eta = 0.9 * (norm / self._before) ** 2
        guard = 0.9 * self._eta**2
        if guard > 0.1:
            eta = max(eta, guard)
        return min(max(eta, 1e-12), 0.5)

    def __call__(self, problem: Any, at: Evaluation) -> FloatArray:
        g = at.gradient
        norm = math.sqrt(max(problem.inner(g, g), 0.0))
        self._eta = self._forcing(norm)
        self._before = norm
        self.note = ""
        d = np.zeros_like(g)
        r = -g
        z = self._solve(r)
        v = z.copy()
        rz = problem.inner(r, z)
        for k in range(self.most):
            if not rz > 0.0:
                break
            Hv = problem.hvp(at, v)
            self.products += 1
            bend = problem.inner(v, Hv)
            if not bend > 1e-15 * problem.inner(v, v):
                if k == 0:
                    d = v.copy()
                self.note = "direction of non-positive curvature met"
                break
            alpha = rz / bend
            d += alpha * v
            r -= alpha * Hv
            if math.sqrt(max(problem.inner(r, r), 0.0)) <= self._eta * norm:
                break
            z = self._solve(r)
            rz, rz_before = problem.inner(r, z), rz
            v *= rz / rz_before
            v += z
        return d

    def _solve(self, v: FloatArray) -> FloatArray:
        return v if self.metric is None else self.metric.solve(v)

    def update(self, problem: Any, old: Evaluation, new: Evaluation) -> None:
        """Nothing is remembered but the norm that the forcing term needs."""
