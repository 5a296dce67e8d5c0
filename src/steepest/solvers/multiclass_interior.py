"""Margins between classes by a primal-dual interior-point method: small problems, whatever their scales.

With z = X W + b, and c the margins that are asked for, Crammer-Singer is

    minimise  l2 |W|^2 / 2 + sum_i p_i (t_i - z_iy)     where   s_ij = t_i - c_ij - z_ij >= 0

and q_i, a point of the simplex, are the multipliers; Weston-Watkins has a slack x_ij >= 0 for every wrong class, with
``s_ij = x_ij - c_ij - z_ij + z_iy >= 0`` and multipliers a_ij in [0, 1].  Newton's method on the optimality conditions
with ``q s = mu`` (and ``(1 - a) x = mu``), mu falling, eliminates all but (W, b):

    (l2 I + sum_i p_i M_i (x) x_i x_i') d(W, b) = r,      M_i positive semidefinite, k x k

Steps do not depend on the scales of the columns, rows or weights, nor much on the strength of the penalty; they ask
for no more than some tens of factorisations.  Rows are centred where there is an intercept, and rotated into n numbers
where there are more columns than rows.

Cost of a step: O(n k^2 d^2 + (k d)^3) with d at most n; memory O((k d)^2 + n k^2).

Sources: Mehrotra (1992), On the implementation of a primal-dual interior point method, SIAM J. Optim. 2; Gondzio
(1996), Multiple centrality corrections, Comput. Optim. Appl. 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from steepest.protocols import AnyArray, FloatArray

WORK = 3e8  # n (k d)^2 of a step at most
UNKNOWNS = 1000  # k d at most
STEPS = 80
PATIENT = 8  # steps that bring nothing, which rounding is
CLOSE = 1e-12  # relative gap that ends it, at the least
SHORT = 0.995  # of the way to a limit
CORRECTIONS = 3  # of a step at most, to make it longer
FAR = 0.9  # a step that needs none
FURTHER = 0.3  # by how much longer it is wanted
WORTH = 0.1  # of that, what it must gain
SPREAD = 10.0  # products that are well centred, from mu / SPREAD to mu SPREAD
SIGMA_LEAST = 1e-6
JITTER = 1e-15  # of the diagonal, where the factorisation fails, and more where that fails


class Interior(NamedTuple):
    """W (d, k) and b (k,), the slopes u (n, k), the factorisations it took, and the relative gap but for rounding."""

    W: FloatArray
    b: FloatArray
    u: FloatArray
    steps: int
    gap: float


def is_small(n: int, d: int, k: int) -> bool:
    """Whether a step is cheap."""
    unknowns = (min(n, d) + 1) * k
    return unknowns <= UNKNOWNS and n * float(unknowns) ** 2 <= WORK


@dataclass(slots=True)
class _Lines:
    """Multipliers and slacks that must stay positive, in pairs: rows of ``left`` times rows of ``right`` go to mu."""

    left: list[FloatArray]
    right: list[FloatArray]

    def gap(self, p: FloatArray) -> float:
        """sum p left right."""
        return sum(float(p @ x.sum(axis=1)) for x in self.products())

    def products(self, steps: _Lines | None = None, length: float = 0.0) -> list[FloatArray]:
        """left right, after a step."""
        if steps is None:
            return [a * s for a, s in zip(self.left, self.right, strict=True)]
        pairs = zip(self.left, steps.left, self.right, steps.right, strict=True)
        return [(a + length * da) * (s + length * ds) for a, da, s, ds in pairs]

    def room(self, steps: _Lines) -> tuple[float, float]:
        """The longest steps that stay inside: of the multipliers, and of the slacks."""
        return _room(self.left, steps.left), _room(self.right, steps.right)


def _room(values: list[FloatArray], steps: list[FloatArray]) -> float:
    longest = 1.0
    for a, da in zip(values, steps, strict=True):
        down = da < 0.0
        if down.any():
            longest = min(longest, SHORT * float((-a[down] / da[down]).min()))
    return longest


class _Singer:
    """Crammer-Singer: q on the simplex, slacks of a free level t."""

    def __init__(self, y: AnyArray, costs: FloatArray) -> None:
        n, k = len(y), costs.shape[1]
        self.y, self.c, self.pairs = y, costs[y], k
        q, level = np.full((n, k), 1.0 / k), self.c.max(axis=1) + 1.0
        self.t = level
        self.lines = _Lines([q], [level[:, None] - self.c])

    def slopes(self) -> FloatArray:
        q, each = self.lines.left[0], np.arange(len(self.y))
        u = q.copy()
        u[each, self.y] = 0.0
        u /= np.maximum(u.sum(axis=1), 1.0)[:, None]  # rounding
        u[each, self.y] = -u.sum(axis=1)  # q - 1 would lose digits where u is small
        return u

    def losses(self, Z: FloatArray) -> FloatArray:
        found: FloatArray = (self.c + Z).max(axis=1) - Z[np.arange(len(Z)), self.y]
        return found

    def prepare(self, Z: FloatArray) -> FloatArray:
        """M, (k, k, n): du_i = M_i dz_i + what `constant` says."""
        q, s = self.lines.left[0], self.lines.right[0]
        self.D = q / s
        self.total = self.D.sum(axis=1)
        self.off_slack = s - (self.t[:, None] - self.c - Z)
        self.off_sum = q.sum(axis=1) - 1.0
        D = np.ascontiguousarray(self.D.T)
        M: FloatArray = -D[:, None, :] * (D / self.total)[None, :, :]
        each = np.arange(len(D))
        M[each, each] = 0.0
        M[each, each] = -M.sum(axis=1)  # without cancellation
        return M

    def constant(self, wanted: list[FloatArray]) -> FloatArray:
        """du at dz = 0; ``wanted`` is what ``q ds + s dq`` shall be."""
        return self._moves(wanted, np.zeros_like(self.D))[0]

    def _moves(self, wanted: list[FloatArray], dz: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        free = wanted[0] / self.lines.right[0] + self.D * self.off_slack
        dt = (free.sum(axis=1) + self.off_sum + (self.D * dz).sum(axis=1)) / self.total
        ds = dt[:, None] - dz - self.off_slack
        return (wanted[0] - self.lines.left[0] * ds) / self.lines.right[0], ds, dt

    def steps(self, wanted: list[FloatArray], dz: FloatArray) -> _Lines:
        dq, ds, self.dt = self._moves(wanted, dz)
        return _Lines([dq], [ds])

    def move(self, steps: _Lines, dual: float, primal: float) -> None:
        self.lines.left[0] = self.lines.left[0] + dual * steps.left[0]
        self.lines.right[0] = self.lines.right[0] + primal * steps.right[0]
        self.t = self.t + primal * self.dt


class _Watkins:
    """Weston-Watkins: a in [0, 1] for every wrong class, with two slacks."""

    def __init__(self, y: AnyArray, costs: FloatArray) -> None:
        n, k = len(y), costs.shape[1]
        self.y, self.pairs = y, 2 * (k - 1)
        self.wrong = np.flatnonzero(np.arange(k)[None, :] != y[:, None])
        self.shape = (n, k)
        half = np.full((n, k - 1), 0.5)
        self.lines = _Lines([half, half.copy()], [np.ones((n, k - 1)), np.full((n, k - 1), 2.0)])

    def _spread(self, a: FloatArray) -> FloatArray:
        u = np.zeros(self.shape)
        u.reshape(-1)[self.wrong] = a.reshape(-1)
        u[np.arange(len(u)), self.y] = -a.sum(axis=1)
        return u

    def _behind(self, Z: FloatArray) -> FloatArray:
        found: FloatArray = (Z - Z[np.arange(len(Z)), self.y][:, None]).reshape(-1)[self.wrong]
        return found.reshape(len(Z), -1)

    def slopes(self) -> FloatArray:
        return self._spread(np.minimum(self.lines.left[0], 1.0))

    def losses(self, Z: FloatArray) -> FloatArray:
        found: FloatArray = np.maximum(1.0 + self._behind(Z), 0.0).sum(axis=1)
        return found

    def prepare(self, Z: FloatArray) -> FloatArray:
        (a, h), (s, x) = self.lines.left, self.lines.right
        self.off = s - (x - 1.0 - self._behind(Z))
        self.D = 1.0 / (s / a + x / h)
        n, k = self.shape
        D, each, classes = np.zeros(self.shape), np.arange(n), np.arange(k)
        D.reshape(-1)[self.wrong] = self.D.reshape(-1)
        M = np.zeros((k, k, n))
        M[classes, classes] = D.T
        M[self.y, :, each] = -D
        M[:, self.y, each] = -D.T
        M[self.y, self.y, each] = D.sum(axis=1)
        return M

    def _moved(self, wanted: list[FloatArray], dg: Any) -> FloatArray:
        (a, h), off = self.lines.left, self.off
        found: FloatArray = self.D * (wanted[0] / a - wanted[1] / h + dg + off)
        return found

    def constant(self, wanted: list[FloatArray]) -> FloatArray:
        return self._spread(self._moved(wanted, 0.0))

    def steps(self, wanted: list[FloatArray], dz: FloatArray) -> _Lines:
        (a, h), (s, x) = self.lines.left, self.lines.right
        da = self._moved(wanted, self._behind(dz))
        return _Lines([da, -da], [(wanted[0] - s * da) / a, (wanted[1] + x * da) / h])

    def move(self, steps: _Lines, dual: float, primal: float) -> None:
        for at, step in enumerate(steps.left):
            self.lines.left[at] = self.lines.left[at] + dual * step
        for at, step in enumerate(steps.right):
            self.lines.right[at] = self.lines.right[at] + primal * step


def _towards(products: FloatArray, mu: float) -> FloatArray:
    """What products lack to be within a factor of mu, or have too much, the latter cut off."""
    lacking: FloatArray = np.maximum(np.clip(products, mu / SPREAD, mu * SPREAD) - products, -SPREAD * mu)
    return lacking


def _factor(H: FloatArray) -> Any:
    """Cholesky's factor of H, its diagonal made 1."""
    scale = 1.0 / np.sqrt(np.maximum(H.diagonal(), 1e-300))
    scaled = H * scale[:, None] * scale[None, :]
    if not np.all(np.isfinite(scaled)):
        return None
    jitter = 0.0
    while jitter < 1e-6:
        try:
            return cho_factor(scaled + jitter * np.eye(len(H)), lower=True), scale
        except LinAlgError:
            jitter = max(JITTER, 30.0 * jitter)
    return None


def _solve(factor: Any, H: FloatArray, r: FloatArray) -> FloatArray:
    """H^-1 r, refined once; what is not finite stays so, and the next round ends there."""
    found, scale = factor
    solved: FloatArray = scale * cho_solve(found, scale * r, check_finite=False)
    solved += scale * cho_solve(found, scale * (r - H @ solved), check_finite=False)
    return solved


def minimise(
    X: FloatArray,
    y: AnyArray,
    p: FloatArray,
    costs: FloatArray,
    box: bool,
    l2: float,
    intercept: bool,
    close: float = CLOSE,
) -> Interior | None:
    """The minimum for dense rows X (n, d), classes y and weights p > 0; None where a factorisation breaks down.

    ``box``: Weston-Watkins, where margins are 1; else Crammer-Singer with the given costs (k, k).  It ends where the
    gap is ``close`` of the objective, or rounding forbids that.

    Examples
    --------
    >>> X, y, p = np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 1]), np.full(3, 1 / 3)
    >>> found = minimise(X, y, p, 1.0 - np.eye(2), False, 0.01, True)
    >>> (X @ found.W + found.b).argmax(axis=1).tolist()
    [0, 1, 1]
    """
    n, d = X.shape
    k = costs.shape[1]
    unit = float(costs.max()) or 1.0  # of the scores
    costs, l2 = costs / unit, l2 * unit
    mean = (p / p.sum()) @ X if intercept else np.zeros(d)
    A = X - mean
    turn = None
    if d > n:
        turn, triangle = np.linalg.qr(A.T)
        A = triangle.T
    A = np.concatenate([A, np.ones((n, 1))], axis=1) if intercept else A
    m = A.shape[1]
    ridge = np.full(m, l2)
    if intercept:
        ridge[-1] = 0.0
    model: Any = _Watkins(y, costs) if box else _Singer(y, costs)
    V = np.zeros((m, k))
    H = np.empty((m, k, m, k))
    turned = np.ascontiguousarray((A * p[:, None]).T)
    best: tuple[float, FloatArray, FloatArray, float] | None = None
    waited, count = 0, 0
    while count < STEPS:
        count += 1
        Z, u = A @ V, model.slopes()
        gap = model.lines.gap(p)
        residual = ridge[:, None] * V + turned @ u
        value = 0.5 * float((ridge @ (V * V)).sum()) + float(p @ model.losses(Z))
        off = gap + float(np.abs(residual * V).sum())
        if best is None or off < best[0]:
            best, waited = (off, V, u, off / max(value, 1e-300)), 0
        else:
            waited += 1
        if not off > close * value or waited > PATIENT:
            break
        M = model.prepare(Z)
        for a in range(k):
            for c in range(a, k):
                H[:, a, :, c] = (turned * M[a, c]) @ A
                H[:, c, :, a] = H[:, a, :, c]
        each = np.arange(m)
        for a in range(k):
            H[each, a, each, a] += ridge
        if intercept:  # a shift of all classes changes nothing
            H[-1, :, -1, :] += max(float(np.trace(H[-1, :, -1, :])), 1e-300) / k**2
        factor = _factor(H.reshape(m * k, m * k))
        if factor is None:
            break
        mu = gap / (model.pairs * float(p.sum()))
        products = model.lines.products()

        def newton(
            wanted: list[FloatArray], residual: FloatArray = residual, factor: Any = factor
        ) -> tuple[FloatArray, _Lines]:
            r = -residual - turned @ model.constant(wanted)
            dV = _solve(factor, H.reshape(m * k, m * k), r.reshape(-1)).reshape(m, k)
            return dV, model.steps(wanted, A @ dV)

        _, first = newton([-x for x in products])
        dual, primal = model.lines.room(first)
        trial = sum(float(p @ x.sum(axis=1)) for x in model.lines.products(first, min(dual, primal)))
        sigma = max(SIGMA_LEAST, min(1.0, max(trial, 0.0) / gap) ** 3)
        wanted = [sigma * mu - x - da * ds for x, da, ds in zip(products, first.left, first.right, strict=True)]
        dV, steps = newton(wanted)
        length = min(model.lines.room(steps))  # W is of both: steps of one length
        for _ in range(CORRECTIONS):
            if length > FAR:
                break
            ahead = model.lines.products(steps, min(1.0, length + FURTHER))
            wanted = [w + _towards(x, sigma * mu) for w, x in zip(wanted, ahead, strict=True)]
            found = newton(wanted)
            reached = min(model.lines.room(found[1]))
            if reached < length + WORTH * FURTHER:
                break
            (dV, steps), length = found, reached
        model.move(steps, length, length)
        V = V + length * dV
    if best is None or not np.isfinite(best[1]).all():
        return None
    V, u = best[1] * unit, best[2]
    head = V[:-1] if intercept else V
    W = turn @ head if turn is not None else head
    b = V[-1] - mean @ W if intercept else np.zeros(k)
    return Interior(W, b, u, count, best[3])
