"""Newton steps for the multipliers strictly between their limits.

    minimise over 0 <= a <= cap:   |w(a)|^2 l2 / 2 + sum_i p_i (diagonal a_i^2 / 2 - a_i)        w(a) = X' (p y a) / l2

Between the limits this is a quadratic, whose minimiser conjugate gradients approach by products with the rows of the
face alone.  A direction of little curvature soon leads past many limits, and the way cut off there is no Newton step
any more: so conjugate gradients stop as soon as too many multipliers would be past a limit, these stay there, and the
others begin anew.  The objective falls with each cut.

Cost: two products with the rows of the face an iteration.  Extra memory: a copy of those rows.
Source: Moré & Toraldo (1991), On the solution of large quadratic programming problems with bound constraints,
SIAM J. Optim. 1; Keerthi & DeCoste (2005), JMLR 6, for Newton steps on the margins of a linear SVM.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.protocols import AnyArray, FloatArray

PRODUCTS = 60  # of one call at most
LOOK = 4  # iterations between two looks at the limits
PAST = 0.01  # share of multipliers past a limit from which iterations stop
HALVINGS = 8
SURE = 0.2  # of the root of the gap's wanted decrease, to which residuals are reduced
SHORTER = 0.4


class Face:
    """The rows whose multipliers are between the limits, and products with them.

    Parameters
    ----------
    problem : LinearProblem
    rows : array of int
    diagonal, cap : float
        Of the loss: see `kernels.margin_dual`.
    """

    def __init__(self, problem: Any, rows: AnyArray, diagonal: float, cap: float) -> None:
        source = problem.source
        self.problem, self.diagonal, self.cap = problem, diagonal, cap
        self.l2 = problem.traits.l2
        self.y, self.p = problem.y[rows], problem.p[rows]
        self.columns: AnyArray | slice = slice(None)  # that occur in these rows: a shorter vector stays in the cache
        if source.kind == "csr":
            X = source.matrix[rows]
            occurs = np.bincount(X.indices, minlength=X.shape[1]) > 0
            self.columns = np.flatnonzero(occurs)
            places = (np.cumsum(occurs) - 1).astype(X.indices.dtype)
            X = sp.csr_array((X.data, places[X.indices], X.indptr), shape=(len(rows), len(self.columns)))
        else:
            X = source.X[rows]
        self.part = as_source(X, pool=source.pool)
        self.one = np.ones(len(rows))
        self.root = np.sqrt(self.p)
        self.share = len(rows) / len(problem.y)

    def pulled(self, v: FloatArray) -> FloatArray:
        """X' y v."""
        return np.asarray(self.part.rmatvec(self.one, self.y * v)[0])

    def product(self, v: FloatArray) -> FloatArray:
        """The curvature times v, in units of root(p) times multipliers."""
        self.problem.passes += self.share
        pulled = self.pulled(self.root * v)
        return np.asarray(self.root * self.y * self.part.matvec(pulled) / self.l2 + self.diagonal * v)

    def slopes(self, w: FloatArray, b: float, a: FloatArray) -> FloatArray:
        """The derivative by each multiplier, over its weight."""
        self.problem.passes += 0.5 * self.share
        return np.asarray(self.y * self.part.matvec(w, b) - 1.0 + self.diagonal * a)

    def value(self, w: FloatArray, a: FloatArray) -> float:
        """The objective, but for rows and columns outside."""
        return float(0.5 * self.l2 * (w @ w) + self.p @ (a * (0.5 * self.diagonal * a - 1.0)))

    def step(
        self, g: FloatArray, a: FloatArray, free: AnyArray, goal: float, most: int, normal: FloatArray | None,
        start: FloatArray,
    ) -> tuple[FloatArray, int]:  # fmt: skip
        """(change of the multipliers, products): conjugate gradients from ``start``, orthogonal to ``normal``.

        Without a normal they end where too many multipliers would be past a limit.
        """

        def flat(v: FloatArray) -> FloatArray:
            v = np.where(free, v, 0.0)
            return v if normal is None else v - normal * float(normal @ v)

        step = start
        r = flat(-self.root * g - (self.product(step) if normal is not None else 0.0))
        v = r.copy()
        rr = first = float(r @ r)
        used = 0
        allowed = max(1, int(PAST * float(free.sum())))
        while used < most and rr > goal * goal * first:
            Kv = flat(self.product(v))
            alpha = rr / float(v @ Kv)
            step = step + alpha * v
            r -= alpha * Kv
            rr, before = float(r @ r), rr
            v = r + (rr / before) * v
            used += 1
            if normal is None and used % LOOK == 0:
                there = a + step / self.root
                if int(((there < 0.0) | (there > self.cap)).sum()) > allowed:
                    break
        return step / self.root, used


def face_steps(
    problem: Any, w: FloatArray, a: FloatArray, shift: float, diagonal: float, cap: float, gap: float, aim: float
) -> FloatArray:
    """Moves ``a`` in place, and returns the weights that go with it.

    With an intercept, which is ``shift`` for now, one step towards ``sum p y a = 0``.  ``gap`` is the relative gap
    before, ``aim`` the one that is wanted: residuals need not fall by much more than the root of their ratio.
    """
    rows = np.flatnonzero((a > 0.0) & (a < cap) & (problem.p > 0.0))
    if not len(rows):
        return w
    face = Face(problem, rows, diagonal, cap)
    goal = min(1e-2, max(1e-4, gap, SURE * math.sqrt(aim / gap) if gap > 0.0 else 0.0))
    known = a[rows]
    start, normal = np.zeros(len(rows)), None
    if problem.layout.intercept:  # unknown: root times the change of the multiplier
        mass = math.sqrt(float(face.p.sum()))
        normal = face.root * face.y / mass
        start = -normal * float(problem.p @ (a * problem.y)) / mass
    at = w[face.columns]
    left = PRODUCTS
    old = face.value(at, known)
    while left > 0:
        g = face.slopes(at, shift, known)
        free = ((known > 0.0) | (g < 0.0)) & ((known < cap) | (g > 0.0))
        change, used = face.step(g, known, free, goal, left, normal, start)
        left -= max(used, 1)
        t, moved, whole = 1.0, False, False
        for _ in range(HALVINGS):
            new = np.clip(known + t * change, 0.0, cap)
            there = at + face.pulled(face.p * (new - known)) / face.l2
            problem.passes += 0.5 * face.share
            reached = face.value(there, new)
            uncut = t == 1.0 and not np.any(new != known + change)
            if reached < old or (normal is not None and uncut):
                whole = uncut
                known, at, old, moved = new, there, reached, True
                break
            t *= SHORTER
        if not moved or whole or normal is not None:
            break
    a[rows] = known
    out = w.copy()
    out[face.columns] = at
    return out
