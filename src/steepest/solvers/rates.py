"""``learning_rate="auto"``: rates from the curvature of the loss on the rows, or from a short test of them."""

from __future__ import annotations

import math
from typing import Any

from steepest.solvers.schedules import Constant, Fading

ADAPTIVE = {"adagrad": 0.1, "rmsprop": 0.01, "adam": 0.01, "adamw": 0.01, "ftrl": 0.1}


def row_curvature(problem: Any) -> float:
    """Mean curvature of a row's loss along its own gradient: ``L sum p q^2 / sum p q`` with ``q = |x_i|^2 (+ 1)``."""
    q = problem.source.square_norms() + float(problem.layout.intercept)
    n = problem.source.shape[0]
    mean = float(problem.p @ q)
    bound = float(problem.loss.smoothness)
    scale = bound if 0.0 < bound < math.inf else 1.0
    return scale * n * float((problem.p * q) @ (problem.p * q)) / mean if mean > 0.0 else scale


def auto(problem: Any, rule: Any, size: int) -> tuple[Any, str]:
    """A schedule, and what it is for the record."""
    n = problem.source.shape[0]
    epoch = max(1.0, n / size)
    l2 = problem.traits.l2
    if rule.name in ADAPTIVE:
        eta0 = ADAPTIVE[rule.name]
        if rule.name in ("adagrad", "ftrl"):
            return Constant(eta0), f"learning_rate='auto': {eta0:g}"
        return Fading(eta0, 1.0 / epoch, 0.75), f"learning_rate='auto': {eta0:g} (1 + t / {epoch:.0f})^-0.75"
    curvature = row_curvature(problem)
    eta0 = (1.0 - getattr(rule, "momentum", 0.0)) / (curvature + l2)
    decay = max(eta0 * l2, 0.1 / epoch)
    said = f"learning_rate='auto': {eta0:.4g} (1 + {decay:.3g} t)^-0.75, from a curvature of {curvature:.4g} a row"
    return Fading(eta0, decay, 0.75), said
