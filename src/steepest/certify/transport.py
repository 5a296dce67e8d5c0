"""Dual points of margin losses of several scores: into their polytope, and balanced for unpenalised intercepts.

A dual point u has a row for each row of X.  For Crammer-Singer ``q_i = u_i + e_y`` is a distribution over the classes,
for Weston-Watkins each wrong class has ``u_ij`` in [0, 1] and ``u_iy`` is minus their sum.  The k intercepts ask for
``e = sum_i p_i u_i = 0``.  What one class has too much goes to one that has too little, from the rows where that costs
the gap least at the given scores:

- Crammer-Singer: ``q_ij`` into ``q_im``, at ``(costs_yj + z_j) - (costs_ym + z_m)`` a unit;
- Weston-Watkins: a row of class j raises ``u_im``, at ``-(1 + z_m - z_j)``, or a row of class m lowers ``u_ij``, at
  ``1 + z_j - z_m``; where these are at their limits the way leads over other classes.

Since u = 0 is balanced there is always a way.  Whatever comes out is in the polytope, so it proves what its dual value
says; it loses about the imbalance times the distance of the rows that make up for it from a kink.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.protocols import AnyArray, FloatArray

POLYTOPES = ("crammer_singer", "weston_watkins")  # losses by name
_FEW = 64  # rows
_ROUNDING = 64.0 * 2.0**-52  # relative imbalance that summation leaves


def has_polytope(problem: Any) -> bool:
    """Whether the dual points of a problem are those that this module knows."""
    return bool(problem.loss.name in POLYTOPES and problem.layout.n_outputs > 1)


def into_polytope(loss: Any, u: FloatArray, y: AnyArray) -> FloatArray:
    """The rows of u moved into the domain of the conjugate: clipped, and for Crammer-Singer divided by their sum.

    Entries that are not finite count as 0.

    Examples
    --------
    >>> from steepest.losses import CrammerSinger, WestonWatkins
    >>> u, y = np.array([[-2.0, 1.5, 0.5]]), np.array([0])
    >>> into_polytope(WestonWatkins(), u, y)
    array([[-1.5,  1. ,  0.5]])
    >>> into_polytope(CrammerSinger(), u, y)
    array([[-1.  ,  0.75,  0.25]])
    """
    rows = np.arange(len(u))
    out = np.where(np.isfinite(u), u, 0.0)
    own = out[rows, y] + 1.0
    out[rows, y] = 0.0
    np.maximum(out, 0.0, out=out)
    if loss.name == "weston_watkins":
        np.minimum(out, 1.0, out=out)
    else:
        total = out.sum(axis=1) + np.maximum(own, 0.0)
        out /= np.where(total > 0.0, total, 1.0)[:, None]
    out[rows, y] = -out.sum(axis=1)
    return out


def transported(problem: Any, u: FloatArray, scores: FloatArray) -> FloatArray | None:
    """A copy of a point of the polytope with ``sum p u = 0`` up to rounding; None where that was not reached.

    Cost: O(n k), and O(n log n) for each of about k moves.
    """
    p, y = problem.p, problem.y.astype(np.int64)
    u, rows = u.copy(), np.arange(len(u))
    u[rows, y] = 0.0
    u[rows, y] = -u.sum(axis=1)  # u may be small beside the 1 that was taken from q
    plan = _Plan(problem.loss, u, y, p, scores)
    k = u.shape[1]
    allowed = _ROUNDING * float((p @ np.abs(u)).max(initial=0.0))
    for _ in range(8 * k + 32):
        excess = p @ plan.u
        if np.all(np.abs(excess) <= allowed):
            return plan.u
        source, sink = int(np.argmax(excess)), int(np.argmin(excess))
        amount = min(float(excess[source]), -float(excess[sink]))
        if not amount > 0.0:
            return None  # all of one sign but for rounding: the rows do not sum to zero
        moved = plan.move(source, sink, amount)
        if moved >= 0.5 * amount:
            continue
        way = _shortest(plan.room(), source, sink)
        if way is None:
            return None
        least = min(amount - moved, *(room for _, _, room in way))
        for start, end, _ in way:
            plan.move(start, end, least)
    return None


class _Plan:
    """A dual point being moved."""

    def __init__(self, loss: Any, u: FloatArray, y: AnyArray, p: FloatArray, z: FloatArray) -> None:
        self.u, self.y, self.p, self.z = u, y, p, z
        self.boxed = loss.name == "weston_watkins"
        self.costs: FloatArray = np.empty((0, 0)) if self.boxed else loss.matrix(u.shape[1])

    def move(self, a: int, b: int, amount: float) -> float:
        """Moves up to ``amount`` of ``sum p u`` from class a to class b; how much there was room for."""
        rows, room, price = self._boxed(a, b) if self.boxed else self._simplex(a, b)
        if not len(rows):
            return 0.0
        if len(rows) > _FEW:  # most moves are small: only the cheapest rows are put in order
            rows, room, price = _cheapest(rows, room, price, amount)
        order = np.argsort(price, kind="stable")
        before = np.concatenate([[0.0], np.cumsum(room[order])[:-1]])
        given = np.clip(amount - before, 0.0, room[order])
        used = given > 0.0
        at, t = rows[order][used], given[used] / self.p[rows[order][used]]
        up, down, own = at[self.y[at] != b], at[self.y[at] != a], self.y[at]
        self.u[up, b] += t[own != b]
        if self.boxed:
            self.u[up, b] = np.minimum(self.u[up, b], 1.0)  # rounding must not leave the polytope
        self.u[down, a] = np.maximum(self.u[down, a] - t[own != a], 0.0)
        self.u[at, own] = 0.0
        self.u[at, own] = -self.u[at].sum(axis=1)
        return float(given.sum())

    def _simplex(self, a: int, b: int) -> tuple[AnyArray, FloatArray, FloatArray]:
        have = self.u[:, a] + (self.y == a)
        rows = np.flatnonzero((have > 0.0) & (self.p > 0.0))
        y = self.y[rows]
        price = self.costs[y, a] + self.z[rows, a] - self.costs[y, b] - self.z[rows, b]
        return rows, self.p[rows] * have[rows], price

    def _boxed(self, a: int, b: int) -> tuple[AnyArray, FloatArray, FloatArray]:
        up = np.flatnonzero((self.y == a) & (self.u[:, b] < 1.0) & (self.p > 0.0))
        down = np.flatnonzero((self.y == b) & (self.u[:, a] > 0.0) & (self.p > 0.0))
        rows = np.concatenate([up, down])
        room = self.p[rows] * np.concatenate([1.0 - self.u[up, b], self.u[down, a]])
        price = np.concatenate([self.z[up, a] - self.z[up, b] - 1.0, 1.0 + self.z[down, a] - self.z[down, b]])
        return rows, room, price

    def room(self) -> FloatArray:
        """How much could be moved from a to b, (k, k): O(n k)."""
        k = self.u.shape[1]
        if not self.boxed:
            q = self.u.copy()
            q[np.arange(len(q)), self.y] += 1.0
            return np.repeat((self.p @ np.maximum(q, 0.0))[:, None], k, axis=1)
        wrong = self.u.copy()
        wrong[np.arange(len(wrong)), self.y] = 0.0
        n = len(wrong)
        members = sp.csr_array((self.p, self.y, np.arange(n + 1)), shape=(n, k)).T
        lifted = np.asarray(members @ wrong)  # of class c, what its rows have given to j
        out: FloatArray = np.bincount(self.y, self.p, k)[:, None] - lifted + lifted.T
        np.fill_diagonal(out, 0.0)
        return out


def _cheapest(
    rows: AnyArray, room: FloatArray, price: FloatArray, amount: float
) -> tuple[AnyArray, FloatArray, FloatArray]:
    """The rows of least price that have room enough."""
    count = _FEW
    while count < len(rows):
        part = np.argpartition(price, count)[:count]
        if float(room[part].sum()) >= amount:
            return rows[part], room[part], price[part]
        count *= 8
    return rows, room, price


def _shortest(room: FloatArray, source: int, sink: int) -> list[tuple[int, int, float]] | None:
    """The edges of a shortest way that has room, with the room of each; None where there is none."""
    least = _ROUNDING * float(room.max(initial=0.0))
    before = np.full(len(room), -1)
    before[source] = source
    front = np.array([source])
    while len(front) and before[sink] < 0:
        reach = (room[front] > least) & (before < 0)
        found = np.flatnonzero(reach.any(axis=0))
        before[found] = front[reach[:, found].argmax(axis=0)]
        front = found
    if before[sink] < 0:
        return None
    way, b = [], sink
    while b != source:
        a = int(before[b])
        way.append((a, b, float(room[a, b])))
        b = a
    return way[::-1]
