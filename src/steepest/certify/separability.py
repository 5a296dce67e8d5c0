"""Whether there is a minimiser at all.

Some losses fall for ever as a score grows in the right direction: logistic, exponential, softmax, and Poisson for a
count of zero.  Where nothing is penalised, a direction v along which no row's loss ever rises and some row's always
falls is a proof that no minimiser exists (Albert and Anderson 1984, Biometrika 71).  An unpenalised intercept alone
can be such a direction, whatever the penalty on the weights, where all rows want the same sign.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.held import bounded, limits
from steepest.protocols import Evaluation, FloatArray

LP_ENTRIES = 2_000_000  # entries of the matrix of the linear program up to which quasi-separation is looked for
_FAR, _FARTHER = 300.0, 600.0


class Direction(NamedTuple):
    """A unit vector along which the objective falls for ever; ``margin`` is the smallest one over the rows."""

    vector: FloatArray
    margin: float
    largest: float
    reason: str


def open_sides(problem: Any) -> FloatArray | None:
    """For one score: +1 or -1, the sign in which a row's loss falls for ever, 0 for neither; None if all are 0."""
    loss, y, targets = problem.loss, problem.y, problem.loss.targets
    candidates = {"sign": (-1.0, 1.0), "unit": (0.0, 1.0), "nonnegative": (0.0,)}.get(targets, ())
    sides = np.zeros(len(y))
    for target in candidates:
        for side in (-1.0, 1.0):
            if float(loss.value(side * _FARTHER, target)) < float(loss.value(side * _FAR, target)):
                sides[y == target] = side
    return sides if np.any(sides) else None


def _open_vector(problem: Any) -> bool:
    return bool(problem.loss.link == "softmax" and problem.y.ndim == 1)


def separating(problem: Any, at: Evaluation) -> Direction | None:
    """The parameters themselves as a separating direction, or an intercept that is one; O(n k)."""
    seen = problem.p > 0.0
    alone = _intercept_alone(problem, seen)
    if alone is not None or problem.traits.l1 or problem.traits.l2:
        return alone
    if problem.traits.constrained and not _recedes(problem, at.w[: problem.layout.n_weights]):
        return None
    norm = float(np.linalg.norm(at.w))
    if norm == 0.0 or not math.isfinite(norm):
        return None
    margins = _margins(problem, at.scores)
    if margins is None:
        return None
    margins = margins[seen]
    smallest = float(margins.min(initial=math.inf))
    # a margin within rounding of zero is no proof
    if not smallest > 1e-12 * float(np.abs(at.scores).max(initial=0.0)):
        return None
    reason = "the classes are separable and nothing is penalised: there is no minimiser"
    return Direction(at.w / norm, smallest / norm, float(margins.max()) / norm, reason)


def _recedes(problem: Any, direction: FloatArray) -> bool:
    """Whether weights can go in a direction without end."""
    if not problem.constraint.separable:
        return False
    low, high = limits(problem)
    return not np.any(((direction > 0.0) & np.isfinite(high)) | ((direction < 0.0) & np.isfinite(low)))


def _steps(problem: Any) -> list[tuple[float, float]]:
    """Between which numbers each parameter of a direction may lie: 0 towards a limit."""
    ends = [(-1.0, 1.0)] * problem.size
    if problem.traits.constrained:
        low, high = limits(problem)
        ends[: len(low)] = [
            (0.0 if math.isfinite(a) else -1.0, 0.0 if math.isfinite(b) else 1.0)
            for a, b in zip(low, high, strict=True)
        ]
    return ends


def _margins(problem: Any, scores: FloatArray) -> FloatArray | None:
    """How far each row's score stands on its open side; None where some row of positive weight has none."""
    seen = problem.p > 0.0
    if problem.layout.n_outputs == 1:
        sides = open_sides(problem)
        if sides is None or np.any(sides[seen] == 0.0):
            return None
        return sides * scores
    if not _open_vector(problem):
        return None
    rows, own = np.arange(len(scores)), problem.y.astype(np.int64)
    others = scores.copy()
    others[rows, own] = -math.inf
    return scores[rows, own] - others.max(axis=1)  # type: ignore[no-any-return]


def _intercept_alone(problem: Any, seen: Any) -> Direction | None:
    if not problem.layout.intercept:
        return None
    vector = np.zeros(problem.size)
    if problem.layout.n_outputs == 1:
        sides = open_sides(problem)
        if sides is None:
            return None
        side = sides[seen]
        if len(side) == 0 or np.any(side != side[0]) or side[0] == 0.0:
            return None
        vector[-1] = side[0]
        margin = 1.0
        reason = "all rows want the same sign of the score and the intercept is not penalised: there is no minimiser"
    else:
        if not _open_vector(problem):
            return None
        k = problem.layout.n_outputs
        counts = np.bincount(problem.y[seen].astype(np.int64), minlength=k)
        if np.all(counts > 0):
            return None
        missing = np.flatnonzero(counts == 0)
        vector[problem.layout.n_weights + missing] = -1.0 / math.sqrt(len(missing))
        margin = 0.0
        reason = (
            f"class {int(missing[0])} has no row of positive weight and intercepts are not penalised: "
            "there is no minimiser"
        )
    return Direction(vector, margin, 1.0, reason)


def quasi_separating(problem: Any, at: Evaluation) -> Direction | None:
    """A direction found by a linear program and verified by recomputing its scores; None where there is none.

    ``max sum_i a_i v`` over ``a_i v >= 0`` (``= 0`` for rows whose loss rises on both sides) in a box, with
    ``a_i = s_i [x_i, 1]``, or the differences of classes for softmax.  Only for matrices of up to `LP_ENTRIES`
    entries, and only where nothing is penalised.
    """
    layout = problem.layout
    n, d, k = problem.source.shape[0], layout.n_features, layout.n_outputs
    if problem.traits.l1 or problem.traits.l2 or n * max(k - 1, 1) * problem.size > LP_ENTRIES:
        return None
    if problem.traits.constrained and bounded(problem):
        return None
    sides = open_sides(problem) if k == 1 else None
    if (k == 1 and sides is None) or (k > 1 and not _open_vector(problem)):
        return None
    X = problem.source.matvec(np.eye(d), np.zeros(d))
    problem.passes += 0.5
    if layout.intercept:
        X = np.column_stack([X, np.ones(n)])
    largest = np.abs(X).max(axis=0, initial=0.0)
    scale = 1.0 / np.where(largest > 0.0, largest, 1.0)
    X = (X * scale)[problem.p > 0.0]
    if sides is not None:
        sides = sides[problem.p > 0.0]
        A, fixed = sides[sides != 0.0, None] * X[sides != 0.0], X[sides == 0.0]
    else:
        own = problem.y[problem.p > 0.0].astype(np.int64)
        A = np.zeros((len(X), k, X.shape[1], k))
        rows = np.arange(len(X))
        for j in range(k):
            A[rows, j, :, own] += X
            A[rows, j, :, j] -= X
        A = A.reshape(len(X) * k, -1)
        A, fixed = A[np.any(A != 0.0, axis=1)], np.zeros((0, A.shape[1]))
    if not len(A):
        return None
    from scipy.optimize import linprog  # loads much that other fits do without

    found = linprog(
        -A.mean(axis=0),
        A_ub=-A,
        b_ub=np.zeros(len(A)),
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=_steps(problem),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.x is None:
        return None
    v = np.where(np.abs(found.x) < 1e-9, 0.0, found.x)
    margins = A @ v
    size = np.abs(A) @ np.abs(v)
    top = float(margins.max(initial=0.0))
    level = 1e-12 * float(size.max(initial=0.0))
    if top <= 1e-6 or np.any(margins < -level) or np.any(np.abs(fixed @ v) > level):
        return None
    u = (v.reshape(-1, k) * scale[:, None]).ravel() if k > 1 else v * scale
    norm = float(np.linalg.norm(u))
    smallest = max(float(margins.min()), 0.0) / norm
    complete = smallest > 1e-9 * top / norm and not len(fixed)
    reason = (
        "the classes are separable and nothing is penalised: there is no minimiser"
        if complete
        else "a direction exists along which no row's loss rises and some fall for ever (quasi-separation), and "
        "nothing is penalised: there is no minimiser"
    )
    return Direction(u / norm, smallest, top / norm, reason)
