"""What is proven about a ranking by pairs: a duality gap whose dual variables, one a pair, are never listed.

With multipliers ``a_ij`` of the pairs and ``c = -sum q_ij a_ij (x_i - x_j)`` the dual of

    P(w) = sum q_ij loss(x_i.w - x_j.w) + l2/2 |w|^2     is     D(a) = -sum q_ij loss*(-a_ij) - |c|^2 / (2 l2),

for the hinge ``sum q_ij a_ij - |c|^2 / (2 l2)`` with ``0 <= a_ij <= 1``.  Multipliers that depend on the scores alone,
such as ``min(1, (1 - t)_+ / g)`` at any scores and any width g, are feasible by construction, and both sums are found
by sorting.  Nothing of a solver is believed: it may name scores (by parameters) and a width, the rest is recomputed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, gap_bound
from steepest.certify.verdict import diverged, judged, nothing
from steepest.protocols import Bound, Certificate, FloatArray, Status

_WIDTHS = (1.0, 0.1, 0.01, 1e-3)  # tried where nothing is proposed
_EPS = 2.0**-52


def certify_ranking(
    problem: Any,
    w: FloatArray,
    *,
    tol: float,
    status: Status = Status.CERTIFIED,
    reason: str = "",
    null_value: float = 1.0,
    dual: FloatArray | None = None,
) -> Certificate:
    """The certificate of parameters ``w``; the best gap of those that the dual points prove.

    Parameters
    ----------
    problem : RankingProblem
    w : array of shape (d,)
    tol : float
        Relative suboptimality to be proven.
    status, reason : Status, str
        How the run ended; kept where the certificate does not pass.
    null_value : float
        The objective at zero.
    dual : array of shape (d + 1,), optional
        Parameters and a width, whose multipliers are tried.

    Examples
    --------
    >>> from steepest.data.source import as_source
    >>> from steepest.problems.ranking import RankingProblem, queries
    >>> parts = queries(np.array([1.0, 0.0]), np.array([0, 0]))
    >>> problem = RankingProblem(as_source(np.array([[1.0], [0.0]])), parts, "hinge", 2.0)
    >>> certify_ranking(problem, np.array([0.5]), tol=1e-9).passed
    True
    """
    w = np.ascontiguousarray(w, dtype=np.float64)
    lost = diverged(w, tol)
    if lost is not None:
        return lost
    proposed = dual is not None and dual.shape == (len(w) + 1,) and np.all(np.isfinite(dual)) and dual[-1] > 0.0
    width = float(dual[-1]) if proposed and dual is not None else _WIDTHS[0]
    at = problem.evaluate(w, width)
    if not np.isfinite(at.value):
        return nothing(tol, Status.DIVERGED, f"the objective is {at.value}")
    floor = FLOOR * abs(null_value)
    best = _bound(at, at, floor)
    if problem.loss == "hinge" and best.relative > tol:
        for point, g in [(dual[:-1], width)] if proposed and dual is not None else [(w, g) for g in _WIDTHS[1:]]:
            other = problem.evaluate(np.ascontiguousarray(point), g)
            found = _bound(at, other, floor)
            best = found if found.value < best.value else best
    return judged(best, tol, status, reason)


def _bound(at: Any, other: Any, floor: float) -> Bound:
    """The gap of the point ``at`` by the multipliers at ``other``, with what rounding may hide of it."""
    gap = at.extra["gap"] if other is at else at.value - other.extra["dual"]
    size = 1.0 + float(np.abs(other.extra["z"]) @ np.abs(other.slopes)) + at.value + other.extra["banded"]
    return gap_bound(at.value, at.value - max(gap, 0.0) - 4.0 * _EPS * size, floor)
