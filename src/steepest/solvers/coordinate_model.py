"""The quadratic model of proximal Newton methods, minimised with its l1 term.

    minimise over d:   g.d + d'Hd/2 + l1 |w + d|_1          (an intercept, the last entry, is free)

Two ways.  From the matrix H: coordinate descent finds the signs, and a Newton step on the weights that are
not zero, projected on their signs, ends what coordinate descent does slowly where columns are collinear.
From columns: coordinate descent on ``t = X d``, which needs no matrix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from steepest.kernels import coordinate
from steepest.protocols import AnyArray, FloatArray

EPOCHS = 3  # of coordinate descent between two Newton steps on the support
ALTERNATIONS = 40
BLOCK = 5  # epochs of column descent between two extrapolations
PIVOTS = 20  # Newton steps in a row that change signs
LARGEST_RIDGE, RIDGE_FALL, SMALLEST_RIDGE = 1e-5, 1e-7, 1e-12  # relative to the diagonal, in Newton steps


def solve_matrix(H: FloatArray, l1: float, w: FloatArray, g: FloatArray, intercept: bool, tol: float) -> FloatArray:
    """The minimiser ``w + d`` of the model with the matrix H.

    Ends when an epoch lowers the model by at most ``tol`` of the whole decrease.  Cost: O(k) an epoch and O(k)
    a changed weight, O(s^3 / 3) a Newton step on s weights.  Extra memory: one copy of H with an intercept,
    one of its support block.

    Examples
    --------
    >>> H = np.array([[2.0, 0.0], [0.0, 1.0]])
    >>> solve_matrix(H, 0.5, np.zeros(2), np.array([-2.0, 0.3]), False, 1e-12)
    array([0.75, 0.  ])
    """
    full, slopes = H, g
    m = len(g) - intercept
    mass = float(H[m, m]) if intercept else 0.0
    c = H[m, :m].copy() if intercept else None
    if c is not None and mass > 0.0:
        # the intercept is optimal for every d: centred columns, as the Schur complement has them
        H = full[:m, :m] - np.outer(c / mass, c)
        slopes = g[:m] - c * (g[m] / mass)
    elif c is not None:
        H, slopes = np.ascontiguousarray(full[:m, :m]), g[:m]
    head, q = w[:m].copy(), slopes.copy()
    total = 0.0
    gained, ridge = math.inf, LARGEST_RIDGE
    for _ in range(ALTERNATIONS):
        # a slow epoch proves nothing where columns are collinear: only a Newton step that gains little does
        _, last, decrease = coordinate.gram_descent(H, l1, head, q, tol, EPOCHS, total)
        total += decrease
        if last + gained <= tol * total:
            break
        gained, whole = _newton_on_support(H, l1, head, q, ridge)
        total += gained
        if whole and ridge > SMALLEST_RIDGE:
            ridge, gained = max(ridge * RIDGE_FALL, SMALLEST_RIDGE), math.inf
    if not intercept:
        return head
    shift = -(g[m] + float(c @ (head - w[:m]))) / mass if c is not None and mass > 0.0 else 0.0
    return np.append(head, w[m] + shift)


def _newton_on_support(H: FloatArray, l1: float, w: FloatArray, q: FloatArray, ridge: float) -> tuple[float, bool]:
    """Newton steps on the nonzero weights, in place, until one changes no sign.

    A step that changes signs is projected on them where that keeps a tenth of its worth, else it goes as far as
    the first change; the weights that vanish stay out.  ``ridge`` times the diagonal is added: where columns
    are collinear it keeps the step in bounds.  Returns the decrease and whether the last step was whole.
    """
    total = 0.0
    for _ in range(PIVOTS):
        support = np.flatnonzero(w)
        if len(support) == 0:
            break
        old = w[support]
        signs = np.sign(old)
        slope = q[support] + l1 * signs
        rows = H[support]
        block = np.ascontiguousarray(rows[:, support])
        diagonal = np.arange(len(support))
        block[diagonal, diagonal] *= 1.0 + ridge
        (posv,) = get_lapack_funcs(("posv",), (block,))
        _, step, failed = posv(block, -slope, lower=True, overwrite_a=True)
        if failed or not np.isfinite(step).all():
            return total, True
        new = old + step
        flips = new * signs < 0.0
        crossed = bool(flips.any())
        reach = np.where(flips, old / np.where(flips, -step, 1.0), math.inf) if crossed else step
        nearest = float(reach.min()) if crossed else 1.0
        least = 0.05 * abs(float(slope @ step))
        gained = 0.0
        for t in (1.0, min(1.0, 10.0 * nearest), nearest) if crossed else (1.0,):
            new = old + t * step
            if crossed:
                new[reach <= t] = 0.0
            d = new - old
            pull = d @ rows
            gained = -float(slope @ d + 0.5 * (pull[support] @ d))
            if gained > (least * t if crossed else 0.0) or (t == nearest and gained >= 0.0):
                break
        else:
            return total, True
        w[support] = new
        q += pull
        total += gained
        if not crossed:
            return total, True
    return total, False


def solve_columns(
    columns: Any,
    h: FloatArray,
    l1: float,
    l2: float,
    w: FloatArray,
    g: FloatArray,
    intercept: bool,
    tol: float,
    most: int = 500,
) -> tuple[FloatArray, FloatArray, bool]:
    """The minimiser of the model with ``H = X' diag(h) X + l2 I`` from columns.

    Returns ``w + d``, ``X d`` (with the intercept's step), and whether it settled within ``most`` epochs.

    Cost: the entries of the visited columns an epoch, twice where weights change.  Extra memory: (n,).
    """
    m = len(g) - intercept
    first, second = np.empty(m), np.empty(m)
    coordinate.all_moments(columns, h, first, second)
    mass = float(h.sum()) if intercept else 0.0
    q, diagonal = g[:m], second + l2
    if mass > 0.0:
        q = g[:m] - first * (g[m] / mass)
        diagonal = np.maximum(second - first * first / mass, 1e-12 * second) + l2
    old = np.ascontiguousarray(w[:m])
    head, t = old.copy(), np.zeros(len(h))
    model = (columns, h, first, mass, diagonal, l1, l2, q, old)
    total, epochs, settled = 0.0, 0, False
    while epochs < most:
        w0, t0 = head.copy(), t.copy()
        used, settled, decrease = coordinate.column_descent(*model, head, t, tol, BLOCK, total)
        total, epochs = total + decrease, epochs + used
        if settled:
            break
        total += _extrapolate(h, first, mass, l1, l2, q, old, head, t, head - w0, t - t0)
    if not intercept:
        return head, t, settled
    shift = -(g[m] + float(first @ (head - w[:m]))) / mass if mass > 0.0 else 0.0
    return np.append(head, w[m] + shift), t + shift, settled


def _extrapolate(
    h: FloatArray,
    first: FloatArray,
    mass: float,
    l1: float,
    l2: float,
    q: FloatArray,
    old: FloatArray,
    w: FloatArray,
    t: FloatArray,
    d: FloatArray,
    dt: FloatArray,
) -> float:
    """Go on along the way ``d`` of the last epochs to the least of the model or the first change of sign: O(n + k).

    What coordinate descent does slowly it does in nearly the same direction epoch after epoch: steps of constant
    length where columns are collinear, of a geometric series where they are nearly so.  In place; returns the
    decrease.
    """
    slope = float(q @ d) + float((h * t) @ dt) + l2 * float((w - old) @ d)
    slope += l1 * float(np.where(w != 0.0, np.sign(w) * d, np.abs(d)).sum())
    bend = float((h * dt) @ dt) + l2 * float(d @ d)
    if mass > 0.0:
        along = float(first @ d)
        slope -= float(first @ (w - old)) * along / mass
        bend -= along * along / mass
    if not slope < 0.0:
        return 0.0
    crossing = w * d < 0.0
    reach = np.where(crossing, -w / np.where(crossing, d, 1.0), math.inf)
    s = min(float(reach.min(initial=math.inf)), -slope / bend if bend > 0.0 else math.inf)
    if not math.isfinite(s):
        return 0.0
    w += s * d
    w[reach <= s] = 0.0
    t += s * dt
    return -s * (slope + 0.5 * s * bend)


def transposed_columns(source: Any) -> Any:
    """The columns of a source: one copy of its entries."""
    if source.kind == "dense":
        return coordinate.DenseColumns(np.ascontiguousarray(source.X.T))
    rows = source.rows
    n, d = source.shape
    offsets = np.zeros(d + 1, dtype=np.uint64)
    np.cumsum(np.bincount(rows.indices, minlength=d), out=offsets[1:])
    values = np.empty_like(rows.data)
    where: AnyArray = np.empty(len(rows.data), dtype=np.uint32 if n < 1 << 32 else np.uint64)
    coordinate.by_columns(rows.data, rows.indices, rows.indptr, offsets[:-1].copy(), values, where)
    return coordinate.SparseColumns(values, where, offsets)
