"""Where to go from a point: directions of descent for smooth problems."""

from __future__ import annotations

from typing import Any

from steepest.protocols import Evaluation, FloatArray


class LBFGS:
    """Limited-memory BFGS in a metric.

    ``d = -H g`` by the two-loop recursion over the last ``memory`` pairs ``s = w+ - w``, ``y = g+ - g``, with
    ``H0 = gamma M^-1`` and ``gamma = s'y / y'M^-1 y``.  Cost: 4 ``memory`` vector operations and one solve
    with M.  With M the Hessian of a quadratic, it takes one step.  Source: Nocedal & Wright, Numerical
    Optimization (2006), algorithm 7.4.
    """

    def __init__(self, metric: Any = None, memory: int = 10) -> None:
        self.metric = metric
        self.memory = memory
        self._pairs: list[tuple[FloatArray, FloatArray, float]] = []
        self._gamma = 1.0

    @property
    def scaled(self) -> bool:
        """Whether the first direction already has a sensible length."""
        return self.metric is not None

    def reset(self) -> bool:
        """Forget the pairs; False where there was nothing to forget."""
        had = bool(self._pairs)
        self._pairs.clear()
        self._gamma = 1.0
        return had

    def __call__(self, problem: Any, at: Evaluation) -> FloatArray:
        q = at.gradient.copy()
        alphas = []
        for s, y, rho in reversed(self._pairs):
            a = rho * problem.inner(s, q)
            q -= a * y
            alphas.append(a)
        r = self._solve(q)
        r *= self._gamma
        for (s, y, rho), a in zip(self._pairs, reversed(alphas), strict=True):
            r += (a - rho * problem.inner(y, r)) * s
        r *= -1.0
        return r

    def _solve(self, v: FloatArray) -> FloatArray:
        return v.copy() if self.metric is None else self.metric.solve(v)

    def update(self, problem: Any, old: Evaluation, new: Evaluation) -> None:
        """Take in a step; pairs without positive curvature are left out."""
        s, y = new.w - old.w, new.gradient - old.gradient
        sy = problem.inner(s, y)
        my = self._solve(y)
        yy = problem.inner(y, my)
        if not (sy > 1e-14 * yy and yy > 0.0):
            return
        self._pairs.append((s, y, 1.0 / sy))
        if len(self._pairs) > self.memory:
            self._pairs.pop(0)
        self._gamma = sy / yy

    def renew(self, metric: Any) -> None:
        """A better metric makes the old pairs worth less than nothing."""
        self.metric = metric
        self._pairs.clear()
        self._gamma = 1.0
