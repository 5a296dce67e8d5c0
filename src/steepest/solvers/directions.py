"""Where to go from a point: directions of descent for smooth problems."""

from __future__ import annotations

from typing import Any

import numpy as np

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


class BFGS:
    """BFGS with the full inverse matrix: ``d = -H g``, ``H`` updated to satisfy ``H y = s`` after each step.

    ``H+ = (I - rho s y') H (I - rho y s') + rho s s'`` with ``rho = 1 / s'y``; H starts as ``s'y / y'y`` times the
    identity.  Superlinear near a strict minimiser, and on a quadratic exact after ``size`` exact searches.
    Cost: O(size^2) a step and size^2 numbers, so for hundreds of parameters, not for many thousands.  Source:
    Nocedal & Wright, Numerical Optimization (2006), algorithm 6.1.
    """

    scaled = False

    def __init__(self) -> None:
        self._H: FloatArray | None = None

    def reset(self) -> bool:
        """Back to the identity; False where it is the identity already."""
        had = self._H is not None
        self._H = None
        return had

    def __call__(self, problem: Any, at: Evaluation) -> FloatArray:
        return -at.gradient if self._H is None else -(self._H @ at.gradient)

    def update(self, problem: Any, old: Evaluation, new: Evaluation) -> None:
        """Take in a step, unless the curvature along it is not positive."""
        s, y = new.w - old.w, new.gradient - old.gradient
        sy, yy = float(s @ y), float(y @ y)
        if not (sy > 1e-14 * yy and yy > 0.0):
            return
        if self._H is None:
            self._H = np.eye(len(s)) * (sy / yy)
        Hy = self._H @ y
        # (I - r s y') H (I - r y s') + r s s'  =  H - r (s Hy' + Hy s') + (r^2 y'Hy + r) s s'
        cross = np.outer(s, Hy / sy)
        self._H -= cross
        self._H -= cross.T
        self._H += np.outer(s, s * ((float(y @ Hy) / sy + 1.0) / sy))
