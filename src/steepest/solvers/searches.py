"""How far to go along a direction.

A search gets the problem, where it is, a descent direction d and the slope there; it returns the new
evaluation and the step, or None where no step improves beyond rounding.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from steepest.protocols import Evaluation, FloatArray


class Step(NamedTuple):
    """An accepted step."""

    at: Evaluation
    t: float


def tolerance(problem: Any, value: float) -> float:
    """Differences of the objective below this are rounding."""
    eps = 1e-12 if getattr(problem, "precise", True) else 3e-7
    return eps * abs(value) + 1e-300


class Fixed(NamedTuple):
    """Always ``t = step``: no condition is tested (E1)."""

    step: float

    def __call__(self, problem: Any, at: Evaluation, d: FloatArray, slope: float, first: float = 1.0) -> Step | None:
        return Step(problem.step(at, d, self.step), self.step)


class StrongWolfe(NamedTuple):
    """``P(t) <= P(0) + c1 t P'(0)`` and ``|P'(t)| <= c2 |P'(0)|``, by expansion, secants and bisection.

    Near the optimum differences of P drown in rounding; there the first test becomes the approximate one
    of Hager and Zhang (2005), ``P'(t) <= (2 c1 - 1) P'(0)`` with P within rounding of P(0).
    """

    c1: float = 1e-4
    c2: float = 0.9
    most: int = 40

    def accepts(self, problem: Any, p0: float, s0: float, t: float, p: float, s: float) -> bool:
        """Whether (p, s) = (P(t), P'(t)) satisfies the conditions."""
        if not (math.isfinite(p) and abs(s) <= self.c2 * abs(s0)):
            return False
        if p <= p0 + self.c1 * t * s0:
            return True
        return p <= p0 + tolerance(problem, p0) and s <= (2.0 * self.c1 - 1.0) * s0

    def __call__(self, problem: Any, at: Evaluation, d: FloatArray, slope: float, first: float = 1.0) -> Step | None:
        ahead: Evaluation | None = None
        if not problem.ray_first and first == 1.0:
            ahead = problem.step(at, d, 1.0)
            if self.accepts(problem, at.value, slope, 1.0, ahead.value, _slope(problem, ahead, d)):
                return Step(ahead, 1.0)
            if not math.isfinite(ahead.value) or _slope(problem, ahead, d) < 0.0:
                ahead = None
        ray = problem.along(at, d, ahead)
        # scores that come from a difference carry its rounding, which a step beyond 1 would magnify
        t = self.find(problem, ray, at.value, slope, first, math.inf if ahead is None else 1.0)
        if t is None:
            return None
        if ahead is not None and t == 1.0:
            return Step(ahead, 1.0)
        return Step(problem.complete(ray, t), t)

    def find(
        self, problem: Any, ray: Any, p0: float, s0: float, first: float, largest: float = math.inf
    ) -> float | None:
        """A step that satisfies the conditions, or the best that decreases P; None where nothing does."""
        low, s_low, high, s_high = 0.0, s0, math.inf, math.nan
        t = first
        best, best_value = None, p0
        for _ in range(self.most):
            p, s = ray.value_slope(t)
            if self.accepts(problem, p0, s0, t, p, s):
                return t
            if math.isfinite(p) and p < best_value:
                best, best_value = t, p
            too_far = not math.isfinite(p) or p > p0 + self.c1 * t * s0 + tolerance(problem, p0) or s > 0.0
            if too_far:
                high, s_high = t, s if math.isfinite(s) else math.nan
            else:
                low, s_low = t, s
            if not math.isfinite(high):
                if t >= largest:
                    break
                # a secant of the slopes tells how far; trust it up to tenfold
                grow = low * s0 / (s0 - s_low) if s_low < 0.0 and s0 < s_low else 10.0 * t
                t = min(max(grow, 2.0 * t), 10.0 * t)
            elif s_high > 0.0 and s_low < 0.0:
                t = low + (high - low) * min(max(s_low / (s_low - s_high), 0.05), 0.95)
            else:
                t = 0.5 * (low + high) if high < 10.0 * max(low, 1e-3) else 0.1 * high + 0.9 * low
            if math.isfinite(high) and high - low <= 1e-14 * high:
                break
        return best


def _slope(problem: Any, ahead: Evaluation, d: FloatArray) -> float:
    return float(problem.inner(ahead.gradient, d))
