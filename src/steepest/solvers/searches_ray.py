"""Searches that only look along the ray: exact and Armijo.

After one product with X, which the ray needs, every trial costs O(n); the gradient at the accepted step is
half a pass more.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from steepest.protocols import Evaluation, FloatArray
from steepest.solvers.roots import bracketed_root
from steepest.solvers.searches import Step, tolerance


class Exact(NamedTuple):
    """The minimiser along the ray (E2): ``P'(t) = 0``.

    A quadratic has it in closed form, ``t = -P'(0) / (P'(1) - P'(0))``; else the slope's root is bracketed and
    found by the safeguarded secant of `bracketed_root`, to ``accuracy`` relative to P'(0).  For a convex P it is
    the global minimiser of the ray, else a local one that is lower than the start.
    """

    accuracy: float = 1e-9
    most: int = 100

    def __call__(self, problem: Any, at: Evaluation, d: FloatArray, slope: float, first: float = 1.0) -> Step | None:
        ray = problem.along(at, d)
        quadratic = problem.traits.quadratic and problem.traits.l1 == 0.0
        highest = at.value + tolerance(problem, at.value)
        for _ in range(12):
            t = self.find(ray, slope, first, quadratic)
            if t is None:
                return None
            if ray.value_slope(t)[0] <= highest:
                return Step(problem.complete(ray, t), t)
            first = 0.1 * min(first, t)  # a hill lies between: look nearer
        return None

    def find(self, ray: Any, slope: float, first: float, quadratic: bool) -> float | None:
        """The step; None where no finite point decreases P; a very long one where P falls without end."""
        if quadratic:
            bend = (ray.value_slope(first)[1] - slope) / first
            return -slope / bend if bend > 0.0 else None
        low, s_low, high, far = 0.0, slope, first, math.inf  # P is not finite at ``far``
        for _ in range(self.most):
            p, s = ray.value_slope(high)
            if not (math.isfinite(p) and math.isfinite(s)):
                far = high
                high = 0.5 * (low + far)
                continue
            if abs(s) <= self.accuracy * abs(slope):
                return high
            if s > 0.0:
                break
            low, s_low = high, s
            high = min(4.0 * high, 0.5 * (high + far))
        else:
            return low if low > 0.0 else None
        return bracketed_root(
            lambda t: ray.value_slope(t)[1], low, high, s_low, s, accuracy=self.accuracy * abs(slope), most=self.most
        )


class Armijo(NamedTuple):
    """Backtracking: the first ``t = first * shrink**j`` with ``P(t) <= P(0) + c1 t P'(0)`` (E2).

    At the rounding level of P, where the test can no longer be trusted, a step is taken whose value is within
    rounding of P(0) and whose slope has not grown: ``|P'(t)| <= |P'(0)|`` (Hager & Zhang 2005).
    Source: Armijo (1966).
    """

    c1: float = 1e-4
    shrink: float = 0.5
    most: int = 60

    def __call__(self, problem: Any, at: Evaluation, d: FloatArray, slope: float, first: float = 1.0) -> Step | None:
        ray = problem.along(at, d)
        slack = tolerance(problem, at.value)
        t = first
        for _ in range(self.most):
            p, s = ray.value_slope(t)
            if math.isfinite(p):
                wanted = self.c1 * t * slope
                if p <= at.value + wanted and max(-wanted, at.value - p) > slack:
                    return Step(problem.complete(ray, t), t)
                if p <= at.value + slack and abs(s) <= abs(slope) and -wanted <= slack:
                    return Step(problem.complete(ray, t), t)
            t *= self.shrink
        return None


class Remembered:
    """Starts a search at ``grow`` times the step it took last: steepest descent has no natural length of its own.

    Parameters
    ----------
    search : callable
    grow : float
    """

    def __init__(self, search: Any, grow: float = 2.0) -> None:
        self.search, self.grow = search, grow
        self._last = math.nan

    def __call__(self, problem: Any, at: Evaluation, d: FloatArray, slope: float, first: float = 1.0) -> Step | None:
        begin = first if math.isnan(self._last) else self.grow * self._last
        taken: Step | None = self.search(problem, at, d, slope, begin)
        if taken is not None and taken.t > 0.0:
            self._last = taken.t
        return taken
