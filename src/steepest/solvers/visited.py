"""A dual point that stochastic steps carry along: the slopes that rows had when they were visited.

Over an epoch of plain steps at a rate eta, ``(w_start - w_end) / (n eta) = X^T p u + l2 w``, with u the slope of each
row at its visit and w the mean iterate.  Means over epochs with the same weights for both telescope: what
``X^T p u + l2 w`` misses of zero falls as ``1 / (eta t)``, and that is the part of the duality gap which the slopes at
w never lose where a loss has a kink.  The lower bound is verified as any other; the best one so far is kept, for it
bounds the optimum and not a point.

References
----------
Shalev-Shwartz, Zhang (2013), Stochastic dual coordinate ascent methods, on duality gaps of averages.  Nesterov (2009),
Primal-dual subgradient methods for convex problems: dual points from averaged subgradients.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, gap_bound, quick_bound
from steepest.certify.gap import fenchel_sum, has_dual
from steepest.certify.proposal import gap_of_proposal
from steepest.protocols import Bound, Evaluation, FloatArray


def provable(problem: Any) -> bool:
    """Whether dual points prove anything about this problem."""
    traits = problem.traits
    scalar = problem.layout.n_outputs == 1
    judged = scalar or not problem.layout.intercept or problem.loss.link in ("softmax", "argmax")
    return bool(traits.convex and traits.has_conjugate and has_dual(problem) and judged)


class Visited:
    """Means over epochs of the slopes at the visits, and what they prove.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
        One that is `provable`.
    power : float
        Epoch e weighs ``e^power``.

    Attributes
    ----------
    slopes : array of shape (n,) or (n, k)
        Kernels move them by ``mix`` of the way to those of a visit.
    proof : array or None
        The dual point of the best lower bound.
    noise, bias : float
        The parts of the last gap: what slopes lose that differ between visits, which goes with the rate, and what the
        means miss of balance, which falls as ``1 / (eta t)^2``.
    """

    def __init__(self, problem: Any, power: float) -> None:
        n, k = problem.source.shape[0], problem.layout.n_outputs
        self.problem, self.power = problem, power
        self.slopes: FloatArray = np.zeros(n if k == 1 else (n, k))
        self.floor = FLOOR * abs(problem.null_value())
        self.weight, self.mix = 0.0, 1.0
        self.lower = -math.inf
        self.proof: FloatArray | None = None
        self.noise, self.bias = math.nan, math.nan

    def begin(self, epoch: int) -> None:
        """Epoch number ``epoch``, counted from 1, begins."""
        share = float(epoch) ** self.power
        self.weight += share
        self.mix = share / self.weight

    def forget(self) -> None:
        """The steps so far led nowhere."""
        self.weight = 0.0
        self.slopes[:] = 0.0

    def judge(self, at: Evaluation) -> Bound | None:
        """The gap at a point: half a pass, and O(n k).  None where the cheap bound is better."""
        if not (self.weight and math.isfinite(at.value)):
            return None
        found = gap_of_proposal(self.problem, at, self.slopes)
        if found is not None:
            self.noise = fenchel_sum(self.problem, at.scores, self.slopes)[0]
            self.bias = found.value - self.noise
        if found is not None and at.value - found.value > self.lower:
            self.lower, self.proof = at.value - found.value, found.slopes
        if not math.isfinite(self.lower):
            return None
        proven = gap_bound(at.value, self.lower, self.floor)
        plain = quick_bound(self.problem, at, self.floor)
        if plain.bounds == "suboptimality" and plain.relative <= proven.relative:
            return plain
        return proven
