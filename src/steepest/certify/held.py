"""Duality gaps where the weights are held in a set C: the penalty is ``g = l1 |w| + l2/2 |w|^2`` there, inf outside.

By weak duality ``P(w) - P* <= sum_i p_i [loss + loss* - u z] + g(w) + g*(-c) + w.c`` with ``c = X^T p u``, as without a
set.  The second part is computed for each set as a sum of numbers that are never negative:

- box, non-negative: one coordinate at a time, ``h(w_j) - h(v_j)`` with v_j the minimiser of
  ``h(v) = l1 |v| + l2/2 v^2 + c_j v`` on its interval;
- L1 ball of radius r: for every ``m >= 0`` it is at most ``g_m(w) + g_m*(-c) + w.c + m (r - |w|_1)``, where g_m is the
  penalty without a set and with ``l1 + m`` in place of l1; the least is taken;
- L2 ball: the same with ``l2 + m`` and ``m/2 (r^2 - |w|^2)``;
- simplex: the same with ``-c - m`` in place of ``-c``, on ``w >= 0``, m of either sign.

A multiplier m that is slightly off costs something; it never makes the bound wrong.  On a bounded set the gap is finite
without any penalty; it is then the gap of Frank and Wolfe.  Sources: Rockafellar, Convex Analysis (1970), sections 16
and 31; Jaggi (2013), ICML.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.certify.columns import column_sizes
from steepest.penalties.constraints import L1Ball, L2Ball, Simplex
from steepest.penalties.nearest import level, norm
from steepest.protocols import FloatArray

_EPS = 2.0**-52
_ROUNDING = 1e-11  # of a column's size times that of the slopes
_CLOSE = 1.0 + 8.0 * _EPS  # a point scaled onto a boundary may stand a few units outside


def limits(problem: Any) -> tuple[FloatArray, FloatArray]:
    """Low and high of every weight, flat, for a box or the non-negative numbers."""
    layout, constraint = problem.layout, problem.constraint
    shape = (layout.n_features, layout.n_outputs)
    low, high = (
        np.broadcast_to(side[:, None] if np.ndim(side) else side, shape).ravel()
        for side in (np.asarray(constraint.low), np.asarray(constraint.high))
    )
    return low, high


def bounded(problem: Any) -> bool:
    """Whether the set is bounded, so that every dual point has a finite value."""
    constraint = problem.constraint
    if constraint is None or not constraint.separable:
        return constraint is not None
    return bool(np.all(np.isfinite(constraint.low)) and np.all(np.isfinite(constraint.high)))


def held_gap(problem: Any, w: FloatArray, c: FloatArray, errors: FloatArray | None = None) -> float:
    """``g(w) + g*(-c) + w.c``, never too small; with ``errors``, the most that it can be for a c off by these.

    Examples
    --------
    >>> from types import SimpleNamespace as Some
    >>> from steepest.problems.layout import Layout
    >>> traits = Some(l1=0.0, l2=0.0)
    >>> problem = Some(constraint=Simplex(), layout=Layout(2, 1, False), traits=traits)
    >>> round(held_gap(problem, np.array([0.5, 0.5]), np.array([-1.0, 3.0])), 12)
    2.0
    """
    traits, layout, constraint = problem.traits, problem.layout, problem.constraint
    off = np.zeros(len(w)) if errors is None else errors
    if constraint.separable:
        return float(interval_gaps(w, c, *limits(problem), traits.l1, traits.l2, off).sum())
    gap: Callable[..., float] = _OF[type(constraint)]
    shape = (layout.n_features, layout.n_outputs)
    W, G, E = (a.reshape(shape) for a in (w, c, off))
    each = [gap(constraint[0], W[:, k], G[:, k], E[:, k], traits.l1, traits.l2) for k in range(shape[1])]
    return math.fsum(each)


def held_scales(problem: Any, c: FloatArray, errors: FloatArray | None = None) -> list[float]:
    """Factors of the dual point worth trying: 1 where that is allowed, and into the box of an l1 penalty."""
    l1, l2 = problem.traits.l1, problem.traits.l2
    off: Any = 0.0 if errors is None else errors
    size = np.abs(c) + off
    open_ends = False
    if problem.constraint.separable:
        low, high = limits(problem)
        # only a side without an end asks anything of c
        size = np.maximum(np.where(np.isinf(high), off - c, 0.0), np.where(np.isinf(low), off + c, 0.0))
        open_ends = bool(np.isinf(high).any() or np.isinf(low).any()) and l2 == 0.0
    most = float(np.max(size, initial=0.0))
    if l1 == 0.0:
        return [1.0, 0.0] if open_ends else [1.0]
    inside = 1.0 if most <= l1 else l1 / most * (1.0 - 4.0 * _EPS)
    return [inside, 1.0] if inside < 1.0 and not open_ends else [inside]


def forgiven(problem: Any, w: FloatArray, c: FloatArray, slopes: FloatArray) -> tuple[FloatArray, float]:
    """c without the rounding that an unpenalised weight without an end does not forgive, and its price.

    There the dual constraint is ``-c_j <= 0`` (or ``>= 0``).  A miss of rounding size lets the bound be wrong by the
    miss times the weight at the optimum, which is taken to be of the order of size of those at hand.  A larger miss
    stays, and makes the gap infinite.  Cost: O(d k), and the sizes of columns where something is missed.
    """
    traits, k = problem.traits, problem.layout.n_outputs
    if traits.l1 or traits.l2 or not problem.constraint.separable:
        return c, 0.0
    low, high = limits(problem)
    missed = ((c < 0.0) & np.isinf(high)) | ((c > 0.0) & np.isinf(low))
    if not np.any(missed):
        return c, 0.0
    sizes = np.repeat(column_sizes(problem), k)
    squares = slopes**2 if k == 1 else np.sum(slopes**2, axis=1)
    miss = np.where(missed, np.abs(c), 0.0)
    if not np.all(miss <= _ROUNDING * math.sqrt(float(problem.p @ squares)) * sizes):
        return c, 0.0
    scores = float(np.max(np.abs(w) * sizes, initial=0.0))
    reach = np.abs(w) + scores / np.where(sizes > 0.0, sizes, math.inf)
    return np.where(missed, 0.0, c), 4.0 * float(miss @ reach)


def interval_gaps(
    w: FloatArray,
    c: FloatArray,
    low: FloatArray,
    high: FloatArray,
    l1: float,
    l2: float,
    off: FloatArray | float,
) -> FloatArray:
    """The gap of every coordinate held in its interval, the worse of ``c - off`` and ``c + off``.

    It is convex in c, so the worst lies at an end.
    """
    if not np.any(off):
        return _interval(w, c, low, high, l1, l2)
    return np.maximum(_interval(w, c - off, low, high, l1, l2), _interval(w, c + off, low, high, l1, l2))


def _interval(w: FloatArray, c: FloatArray, low: FloatArray, high: FloatArray, l1: float, l2: float) -> FloatArray:
    size = np.abs(c)
    if l2 > 0.0:
        free = -np.sign(c) * np.maximum(size - l1, 0.0) / l2
    else:
        side = np.where(c < 0.0, high, low)
        free = np.where(size > np.where(np.isinf(side), l1 * _CLOSE, l1), side, 0.0)
    best = np.minimum(np.maximum(free, low), high)
    sign = np.sign(best)
    with np.errstate(invalid="ignore"):  # 0 times inf, and inf where the minimiser is
        d = w - best
        # the slope of h at its minimiser, which is zero inside the interval; at best = 0 h has its kink
        slope = np.where((best == free) & (l2 > 0.0), 0.0, l1 * sign + l2 * best + c)
        kept = l1 * (np.abs(w) - sign * w) + slope * d
        kinked = l1 * np.abs(w) + c * w
        value = np.maximum(np.where(best == 0.0, kinked, kept), 0.0) + 0.5 * l2 * d * d
    return np.where(np.isinf(best), math.inf, value)


def _l2_ball(r: float, w: FloatArray, c: FloatArray, off: FloatArray, l1: float, l2: float) -> float:
    excess = np.maximum(np.abs(c) + off - l1, 0.0)
    m = max(norm(excess) / r - l2, 0.0)
    length = norm(w)
    rest = 0.5 * m * (max((r - length) * (r + length), 0.0) + 4.0 * _EPS * r * r)
    return _free(w, c, off, l1, l2 + m) + rest


def _l1_ball(r: float, w: FloatArray, c: FloatArray, off: FloatArray, l1: float, l2: float) -> float:
    size = np.abs(c) + off
    if l2 > 0.0:
        held = float(np.maximum(size - l1, 0.0).sum()) > l2 * r
        kappa = max(level(size, l2 * r), l1) if held else l1
    else:
        kappa = max(float(size.max(initial=0.0)), l1)
    m = kappa - l1
    rest = m * (max(r - float(np.abs(w).sum()), 0.0) + 4.0 * _EPS * r)
    return _free(w, c, off, kappa, l2) + rest


def _simplex(total: float, w: FloatArray, c: FloatArray, off: FloatArray, l1: float, l2: float) -> float:
    size = off - c
    kappa = level(size, l2 * total) if l2 > 0.0 else float(size.max(initial=-math.inf))
    missed = abs(total - float(w.sum())) + 4.0 * _EPS * total
    if l2 > 0.0:
        zero, end = np.zeros(len(w)), np.full(len(w), math.inf)
        own = interval_gaps(w, c + kappa, zero, end, 0.0, l2, off)
    else:
        own = np.maximum(w * (kappa + c + off), 0.0)
    return float(own.sum()) + abs(kappa - l1) * missed


_OF = {L2Ball: _l2_ball, L1Ball: _l1_ball, Simplex: _simplex}


def _free(w: FloatArray, c: FloatArray, off: FloatArray, l1: float, l2: float) -> float:
    """The gap without a set; inf where a dual point is not allowed."""
    end = np.full(len(w), math.inf)
    if l1 == 0.0 and l2 == 0.0:
        return 0.0 if not np.any(c) else math.inf
    return float(interval_gaps(w, c, -end, end, l1, l2, off).sum())
