"""Dual points that a solver proposes: made feasible here, then judged as any other.

Nothing about a proposal is believed.  Rows outside the domain of the conjugate take the slope instead, or
a point of the polytope beside them; an unpenalised intercept is balanced; and where nothing is penalised the point is
projected onto ``X^T p u = 0`` by moving those rows only that can move both ways inside the domain.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.certify.balance import Balanced, repaired_simplex, shrunk
from steepest.certify.gap import Gap, fenchel_sum, gap_at, has_dual, products, remainder
from steepest.certify.transport import has_polytope, into_polytope, transported
from steepest.kernels import fenchel, passes
from steepest.protocols import Evaluation, FloatArray

_FREEZINGS = 6
_SIZE = 2000  # features up to which a point is projected
_ROOMS = (1e-6, 1e-3)  # of the largest slope: how far a row must be able to move both ways


def scored(problem: Any, w: FloatArray) -> Evaluation:
    """Value, scores and slopes at w, and no gradient (an empty one): what a proposal is judged by.  Half a pass."""
    head, tail = problem.layout.split(w)
    problem.passes += 0.5
    if problem.layout.n_outputs == 1:
        z = problem.source.matvec(head, float(tail[0]) if len(tail) else 0.0)
        problem.last = w, z
        u = np.empty_like(z)
        loss = float(passes.losses_slopes(problem.loss, z, problem.y, problem.p, u))
    else:
        z = problem.source.matvec(np.ascontiguousarray(head), tail if len(tail) else 0.0)
        problem.last = w, z
        loss, u = problem.losses_slopes(z)
    return Evaluation(w, loss + problem.penalty_value(w), loss, np.empty(0), z, u)


def gap_of_proposal(problem: Any, at: Evaluation, dual: Any) -> Gap | None:
    """The gap at a proposed dual point, in the units of slopes; None where it has the wrong shape or no use.

    Cost: half a pass; without a penalty, a few weighted Gram matrices and passes, for one score only.
    """
    u = np.array(dual, dtype=np.float64, copy=True)
    if u.shape != at.slopes.shape or not problem.traits.has_conjugate:
        return None
    outside = ~np.isfinite(_conjugates(problem, u))
    polytope = has_polytope(problem)
    u[outside] = into_polytope(problem.loss, u[outside], problem.y[outside]) if polytope else at.slopes[outside]
    if not np.all(np.isfinite(u)):
        return None
    k = problem.layout.n_outputs
    if not has_dual(problem):
        return _unpenalised(problem, at, u) if k == 1 and problem.size <= _SIZE else None
    imbalance = 0.0
    if problem.layout.intercept:
        if k == 1:
            u = shrunk(u, problem.p)
        elif problem.loss.link == "softmax":
            u = repaired_simplex(u, problem.probabilities(at) - at.slopes, problem.p)
        else:
            moved = transported(problem, u, at.scores) if polytope else None
            if moved is None:
                return None
            u = moved
        imbalance = float(np.abs(problem.p @ u).sum())
    c, _ = products(problem, u)
    return gap_at(problem, at, Balanced(u, np.zeros(k), imbalance, False, 0.0), c) if np.all(np.isfinite(c)) else None


def _conjugates(problem: Any, u: FloatArray) -> FloatArray:
    values = np.empty(len(u))
    function: Any = fenchel.conjugates if u.ndim == 1 else fenchel.conjugates_many
    function(problem.loss, u, problem.y, values)
    return values


def _unpenalised(problem: Any, at: Evaluation, u: FloatArray) -> Gap | None:
    """The proposal projected onto ``X^T p u = 0`` (and ``sum p u = 0``), by the rows that have room to move."""
    best: Gap | None = None
    for room in _ROOMS:
        found = _projected(problem, at, u, room * float(np.abs(u).max(initial=0.0)))
        if found is not None and (best is None or found.value < best.value):
            best = found
    return best


def _projected(problem: Any, at: Evaluation, u: FloatArray, room: float) -> Gap | None:
    free = np.isfinite(_conjugates(problem, u + room)) & np.isfinite(_conjugates(problem, u - room))
    for _ in range(_FREEZINGS):
        v = _onto_constraint(problem, u, free)
        left = ~np.isfinite(_conjugates(problem, v)) & (problem.p > 0.0)
        if not np.any(left):
            break
        free &= ~left  # these stay where they were, and the others make up for them
    c, own = products(problem, v)
    loss_part, size, _ = fenchel_sum(problem, at.scores, v)
    value = loss_part + 4.0 * 2.0**-52 * size + remainder(problem, at, c, own, np.abs(at.w))
    return Gap(value, v, 1.0, True) if math.isfinite(value) else None


def _onto_constraint(problem: Any, u: FloatArray, free: Any) -> FloatArray:
    """The nearest point (weighted by p) that moves free rows only."""
    layout, source = problem.layout, problem.source
    m = layout.n_weights
    G = source.gram(np.where(free, problem.p, 0.0), dtype=np.float64)
    problem.passes += 0.5
    G = G if layout.intercept else G[:m, :m]
    root = np.sqrt(np.diag(G))
    scale = np.where(root > 0.0, 1.0 / np.where(root > 0.0, root, 1.0), 0.0)
    inverse = np.linalg.pinv(G * scale * scale[:, None], rcond=1e-13, hermitian=True) * scale * scale[:, None]
    for _ in range(2):  # once more for the rounding of the first
        c, own = products(problem, u)
        step = -(inverse @ (np.append(c, own) if layout.intercept else c))
        head, tail = layout.split(step)
        u = u + np.where(free, source.matvec(head, float(tail[0]) if len(tail) else 0.0), 0.0)
        problem.passes += 0.5
    return u
