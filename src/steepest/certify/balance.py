"""Dual points for an unpenalised intercept: slopes u that meet ``sum_i p_i u_i = 0``.

The intercept has no penalty, so its conjugate is finite at zero only.  The slopes at the best intercept for the
given weights balance by themselves; they are found at fixed scores, O(n) a trial, without a product with X.  Where
slopes jump, the point between the two sides of the jump that balances is taken.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.kernels import passes
from steepest.protocols import Evaluation, FloatArray

ROUNDING = 64.0 * 2.0**-52  # relative imbalance that summation leaves
_TRIALS = 120


class Balanced(NamedTuple):
    """Slopes whose weighted sum is zero up to ``imbalance``.

    ``exact``: they are the slopes at the scores shifted by ``shift``, so that Fenchel's inequality is an equality
    there, and ``drop`` bounds what the shift gains: ``loss(z) - loss(z + shift) <= drop``.  ``same``: nothing had
    to be changed at all.
    """

    slopes: FloatArray
    shift: FloatArray
    imbalance: float
    exact: bool
    drop: float
    same: bool = False


def balanced(problem: Any, at: Evaluation) -> Balanced | None:
    """A balanced dual point near the slopes at ``at``; None where the loss does not allow one.

    Cost: O(n k) for each of a few trials.  One score: secant steps inside a bracket on the monotone slope sum.
    Several scores (softmax): Newton's method on the k intercepts.
    """
    k = problem.layout.n_outputs
    own = at.gradient[-k:]
    zero = np.zeros(k)
    if _small(own, at.slopes, problem.p):
        return Balanced(at.slopes, zero, float(np.abs(own).sum()), True, 0.0, True)
    if k == 1:
        return _balanced_scalar(problem, at)
    if problem.loss.link == "softmax":
        return _balanced_softmax(problem, at)
    return None


def _small(total: Any, slopes: FloatArray, p: FloatArray) -> bool:
    mass = float(np.abs(slopes.T) @ p) if slopes.ndim == 1 else np.abs(slopes.T) @ p
    return bool(np.all(np.abs(total) <= ROUNDING * np.asarray(mass)))


def gained(before: float, after: float, slope_bound: float) -> float:
    """Bound on a decrease of a convex sum: the difference, or by the first derivative where that has cancelled."""
    return max(0.0, min(max(before - after, 0.0) + 16.0 * 2.0**-52 * (abs(before) + abs(after)), slope_bound))


# --------------------------------------------------------------------------------------------- one score


def _balanced_scalar(problem: Any, at: Evaluation) -> Balanced:
    p, z = problem.p, at.scores
    own = float(at.gradient[-1])

    def trial(shift: float) -> tuple[float, float, FloatArray]:
        u = np.empty_like(z)
        loss = passes.losses_slopes(problem.loss, z + shift, problem.y, p, u)
        return loss, float(p @ u), u

    # ends of the bracket: (shift, slope sum, slopes); the sum grows with the shift
    known: dict[bool, tuple[float, float, FloatArray]] = {own > 0.0: (0.0, own, at.slopes)}
    curvature = 1.0 if problem.traits.quadratic else float(p @ (at.slopes * at.slopes))
    step = -own / curvature if curvature > 0.0 else -math.copysign(1.0, own)
    reach = float(np.abs(z).max(initial=0.0)) + 1.0
    last = (0.0, own)
    trials = 0
    shift = step
    while trials < _TRIALS and abs(shift) < 1e12 * reach:
        trials += 1
        loss, total, u = trial(shift)
        if not math.isfinite(total):
            break
        if _small(total, u, p):
            drop = gained(at.loss, loss, -own * shift)
            return Balanced(u, np.array([shift]), abs(total), True, drop)
        previous, last = last, (shift, total)
        known[total > 0.0] = (shift, total, u)
        if len(known) < 2:
            slope = (last[1] - previous[1]) / (last[0] - previous[0])
            ahead = last[0] - last[1] / slope if slope > 0.0 else math.inf * step
            low, high = abs(last[0]) * 1.5, abs(last[0]) * 16.0
            shift = math.copysign(min(max(abs(ahead), low), high), step)
            continue
        a, fa, _ = known[False]
        b, fb, _ = known[True]
        if b - a <= 4.0 * 2.0**-52 * (reach + abs(a)):
            break
        secant = last[0] - last[1] * (last[0] - previous[0]) / (last[1] - previous[1]) if last[1] != previous[1] else a
        inside = a < secant < b and trials % 4
        shift = secant if inside else 0.5 * (a + b)
        if not a < shift < b:
            break
    if len(known) == 2:
        _, fa, ua = known[False]
        _, fb, ub = known[True]
        t = -fa / (fb - fa) if fa < 0.0 else 0.0
        u = (1.0 - t) * ua + t * ub
    else:
        u = shrunk(at.slopes, p)
    return Balanced(u, np.zeros(1), abs(float(p @ u)), False, 0.0)


def shrunk(u: FloatArray, p: FloatArray) -> FloatArray:
    """Slopes with the heavier sign scaled down until the signs balance; zero lies in the domain of a conjugate."""
    up, down = float(p @ np.maximum(u, 0.0)), float(p @ np.maximum(-u, 0.0))
    heavy, light = max(up, down), min(up, down)
    if heavy == 0.0:
        return u
    scale = light / heavy
    return np.where((u > 0.0) == (up > down), scale * u, u)


# --------------------------------------------------------------------------------------- several scores


def _balanced_softmax(problem: Any, at: Evaluation) -> Balanced:
    p, k = problem.p, problem.layout.n_outputs
    own = at.gradient[-k:]
    target = problem.probabilities(at) - at.slopes
    shift, loss, U, total = np.zeros(k), at.loss, at.slopes, own
    for _ in range(20):
        Q = U + target
        mass = p @ Q
        H = np.diag(mass) - Q.T @ (p[:, None] * Q)
        step = -np.linalg.pinv(H, rcond=1e-13, hermitian=True) @ total
        t = 1.0
        while True:
            ahead_loss, ahead_U = problem.losses_slopes(at.scores + (shift + t * step))
            ahead = p @ ahead_U
            if np.abs(ahead).sum() < np.abs(total).sum() or t < 1e-3:
                break
            t *= 0.5
        if not np.abs(ahead).sum() < np.abs(total).sum():
            break
        shift, loss, U, total = shift + t * step, ahead_loss, ahead_U, ahead
        if _small(total, U, p):
            drop = gained(at.loss, loss, -float(own @ shift))
            return Balanced(U, shift, float(np.abs(total).sum()), True, drop)
    repaired = repaired_simplex(U, target, p)
    return Balanced(repaired, np.zeros(k), float(np.abs(p @ repaired).sum()), False, 0.0)


def repaired_simplex(U: FloatArray, target: FloatArray, p: FloatArray) -> FloatArray:
    """Slopes moved until ``sum p u = 0``, every row of ``q = u + target`` still a distribution.

    Classes with too much mass are scaled down, and what a row loses goes to those with too little.
    """
    Q = np.maximum(U + target, 0.0)
    Q /= Q.sum(axis=1, keepdims=True)
    have = p @ Q
    excess = have - p @ target
    over = excess > 0.0
    surplus = float(excess[over].sum())
    lack = np.where(over, 0.0, -excess)
    if surplus <= 0.0 or lack.sum() <= 0.0:
        return Q - target
    give = np.where(over, excess / np.where(have > 0.0, have, 1.0), 0.0)
    freed = Q @ give
    Q *= 1.0 - give
    Q += freed[:, None] * (lack / lack.sum())
    return Q - target
