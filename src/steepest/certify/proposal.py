"""Dual points that a solver proposes: made feasible here, then judged as any other.

Nothing about a proposal is believed.  Rows outside the domain of the conjugate take the slope instead; an
unpenalised intercept is balanced; and where nothing is penalised the point is projected onto ``X^T p u = 0`` by
moving those rows only that can move both ways inside the domain.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.certify.balance import Balanced, repaired_simplex, shrunk
from steepest.certify.gap import Gap, fenchel_sum, gap_at, products, remainder
from steepest.kernels import fenchel
from steepest.protocols import Evaluation, FloatArray

_SIZE = 2000  # features up to which a point is projected
_ROOM = 1e-7  # of the largest slope: how far a row must be able to move both ways


def gap_of_proposal(problem: Any, at: Evaluation, dual: Any) -> Gap | None:
    """The gap at a proposed dual point, in the units of slopes; None where it has the wrong shape or no use.

    Cost: half a pass; without a penalty, a weighted Gram matrix and about two passes, for one score only.
    """
    u = np.array(dual, dtype=np.float64, copy=True)
    if u.shape != at.slopes.shape or not problem.traits.has_conjugate:
        return None
    outside = ~np.isfinite(_conjugates(problem, u))
    u[outside] = at.slopes[outside]
    if not np.all(np.isfinite(u)):
        return None
    k = problem.layout.n_outputs
    if not (problem.traits.l1 or problem.traits.l2):
        return _unpenalised(problem, at, u) if k == 1 and problem.size <= _SIZE else None
    imbalance = 0.0
    if problem.layout.intercept:
        if k == 1:
            u = shrunk(u, problem.p)
        elif problem.loss.link == "softmax":
            u = repaired_simplex(u, problem.probabilities(at) - at.slopes, problem.p)
        else:
            return None
        imbalance = float(np.abs(problem.p @ u).sum())
    c, _ = products(problem, u)
    return gap_at(problem, at, Balanced(u, np.zeros(k), imbalance, False, 0.0), c) if np.all(np.isfinite(c)) else None


def _conjugates(problem: Any, u: FloatArray) -> FloatArray:
    values = np.empty(len(u))
    function: Any = fenchel.conjugates if u.ndim == 1 else fenchel.conjugates_many
    function(problem.loss, u, problem.y, values)
    return values


def _unpenalised(problem: Any, at: Evaluation, u: FloatArray) -> Gap | None:
    """The proposal projected onto ``X^T p u = 0`` (and ``sum p u = 0``), in the metric of the rows that can move."""
    layout, source = problem.layout, problem.source
    m = layout.n_weights
    room = _ROOM * float(np.abs(u).max(initial=0.0))
    free = np.isfinite(_conjugates(problem, u + room)) & np.isfinite(_conjugates(problem, u - room))
    G = source.gram(np.where(free, problem.p, 0.0), dtype=np.float64)
    problem.passes += 0.5
    G = G if layout.intercept else G[:m, :m]
    root = np.sqrt(np.diag(G))
    scale = np.where(root > 0.0, 1.0 / np.where(root > 0.0, root, 1.0), 0.0)
    inverse = np.linalg.pinv(G * scale * scale[:, None], rcond=1e-13, hermitian=True) * scale * scale[:, None]
    for _ in range(2):  # once more for the rounding of the first
        c, own = products(problem, u)
        miss = np.append(c, own) if layout.intercept else c
        step = -(inverse @ miss)
        head, tail = layout.split(step)
        u = u + np.where(free, source.matvec(head, float(tail[0]) if len(tail) else 0.0), 0.0)
        problem.passes += 0.5
    c, own = products(problem, u)
    loss_part, size, _ = fenchel_sum(problem, at.scores, u)
    value = loss_part + 4.0 * 2.0**-52 * size + remainder(problem, at, c, own, np.abs(at.w))
    return Gap(value, u, 1.0, True) if math.isfinite(value) else None
