"""Dual points for an unpenalised intercept: slopes u that meet ``sum_i p_i u_i = 0``.

The intercept has no penalty, so its conjugate is finite at zero only.  The slopes at the best intercept for the
given weights balance by themselves; they are sought at fixed scores, O(n) a trial, without a product with X.  Between
two trials whose slope sums differ in sign lies a point that balances exactly, so the search may stop early, and
slopes that jump do no harm.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.transport import has_polytope, transported
from steepest.kernels import passes
from steepest.protocols import Evaluation, FloatArray

ROUNDING = 64.0 * 2.0**-52  # relative imbalance that summation leaves
_TRIALS = 120


class Balanced(NamedTuple):
    """Slopes whose weighted sum is zero up to ``imbalance``.

    ``exact``: ``drop`` bounds ``sum p [loss(z) + loss*(u) - z u]`` without a conjugate, for they are slopes at scores
    shifted by about ``shift``.  ``same``: nothing had to be changed at all.
    """

    slopes: FloatArray
    shift: FloatArray
    imbalance: float
    exact: bool
    drop: float
    same: bool = False


def balanced(problem: Any, at: Evaluation, enough: float = 0.0) -> Balanced | None:
    """A balanced dual point near the slopes at ``at``; None where the loss does not allow one.

    The search ends where the point is known to lose at most ``enough`` against the slopes.

    Cost: O(n k) for each of a few trials.  One score: secant steps inside a bracket on the monotone slope sum.
    Several scores: Newton's method on the k intercepts for the softmax; slopes of margin losses, which jump, are moved
    from class to class.
    """
    k = problem.layout.n_outputs
    own = at.gradient[-k:]
    zero = np.zeros(k)
    if _small(own, at.slopes, problem.p):
        return Balanced(at.slopes, zero, float(np.abs(own).sum()), True, 0.0, True)
    if k == 1:
        return _balanced_scalar(problem, at, enough)
    if problem.loss.link == "softmax":
        return _balanced_softmax(problem, at)
    if has_polytope(problem):
        moved = transported(problem, at.slopes, at.scores)
        if moved is not None:
            return Balanced(moved, zero, float(np.abs(problem.p @ moved).sum()), False, 0.0)
    return None


def _small(total: Any, slopes: FloatArray, p: FloatArray) -> bool:
    mass = float(np.abs(slopes.T) @ p) if slopes.ndim == 1 else np.abs(slopes.T) @ p
    return bool(np.all(np.abs(total) <= ROUNDING * np.asarray(mass)))


# --------------------------------------------------------------------------------------------- one score


class _Trial(NamedTuple):
    shift: float
    total: float
    loss: float
    slopes: FloatArray


def _balanced_scalar(problem: Any, at: Evaluation, enough: float) -> Balanced:
    p, z = problem.p, at.scores
    own = float(at.gradient[-1])
    rounding = 16.0 * 2.0**-52 * abs(at.loss)

    def trial(shift: float) -> _Trial:
        u = np.empty_like(z)
        loss = passes.losses_slopes(problem.loss, z + shift, problem.y, p, u)
        return _Trial(shift, float(p @ u), loss, u)

    def lost(at_trial: _Trial) -> float:
        """``sum p [loss(z) + loss*(u) - z u]`` for the slopes u at the shifted scores, without a conjugate."""
        return max(at.loss - at_trial.loss + at_trial.shift * at_trial.total, 0.0)

    # ends of the bracket; the slope sum grows with the shift
    known: dict[bool, _Trial] = {own > 0.0: _Trial(0.0, own, at.loss, at.slopes)}
    last = known[own > 0.0]
    curvature = 1.0 if problem.traits.quadratic else float(p @ (at.slopes * at.slopes)) / 1.5
    shift = -own / curvature if curvature > 0.0 else -math.copysign(1.0, own)
    side, reach = math.copysign(1.0, shift), float(np.abs(z).max(initial=0.0)) + 1.0
    mixed: tuple[float, float] | None = None
    for count in range(_TRIALS):
        if not abs(shift) < 1e12 * reach:
            break
        new = trial(shift)
        if not math.isfinite(new.total):
            break
        if _small(new.total, new.slopes, p):
            drop = min(lost(new) + rounding, abs(own * shift))
            return Balanced(new.slopes, np.array([shift]), abs(new.total), True, drop)
        previous, last = last, new
        known[new.total > 0.0] = new
        rise = (last.total - previous.total) / (last.shift - previous.shift)
        secant = last.shift - last.total / rise if rise > 0.0 else math.nan
        if len(known) < 2:
            low, high = 1.5 * abs(shift), 16.0 * abs(shift)
            shift = side * (high if math.isnan(secant) else min(max(abs(secant), low), high))
            continue
        a, b = known[False], known[True]
        t = a.total / (a.total - b.total)
        # a conjugate is convex: the point between loses no more than its share of what the ends lose
        mixed = t, (1.0 - t) * lost(a) + t * lost(b) + rounding
        if mixed[1] <= enough or b.shift - a.shift <= 4.0 * 2.0**-52 * (reach + abs(a.shift)):
            break
        shift = secant if a.shift < secant < b.shift and count % 4 != 3 else 0.5 * (a.shift + b.shift)
        if not a.shift < shift < b.shift:
            break
    if mixed is None:
        u = shrunk(at.slopes, p)
        return Balanced(u, np.zeros(1), abs(float(p @ u)), False, 0.0)
    a, b, t = known[False], known[True], mixed[0]
    u = (1.0 - t) * a.slopes + t * b.slopes
    return Balanced(u, np.array([(1.0 - t) * a.shift + t * b.shift]), abs(float(p @ u)), True, mixed[1])


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
            lost = at.loss - loss + float(total @ shift) + 16.0 * 2.0**-52 * abs(at.loss)
            drop = max(0.0, min(lost, -float(own @ shift)))
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
