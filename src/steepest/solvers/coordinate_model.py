"""The quadratic model of proximal Newton methods, minimised with its l1 term.

    minimise over d:   g.d + d'Hd/2 + l1 |w + d|_1          (an intercept, the last entry, is free)

where every weight of w + d may have limits.  Two ways.  From the matrix H: coordinate descent finds the signs, and a
Newton step on the weights that are not zero, projected on their signs, ends what coordinate descent does slowly where
columns are collinear.  From columns: coordinate descent on ``t = X d``, which needs no matrix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from steepest.kernels import coordinate
from steepest.kernels.limits import Limited, Unlimited
from steepest.protocols import AnyArray, Evaluation, FloatArray

EPOCHS = 3  # of coordinate descent between two Newton steps on the support
ALTERNATIONS = 40
BLOCK = 5  # epochs of column descent between two extrapolations
PIVOTS = 20  # Newton steps in a row that change signs
RIDGE = 1e-10  # relative to the diagonal, in Newton steps
_NO_LIMITS = Unlimited()


def limits_of(problem: Any, flat: bool = True) -> Any:
    """The limits of the weights as kernels take them, (d k,) as they lie or (d,) one for each feature."""
    constraint, layout = problem.constraint, problem.layout
    if constraint is None:
        return Unlimited()
    low, high = (
        np.repeat(np.broadcast_to(np.float64(side), layout.n_features), layout.n_outputs if flat else 1)
        for side in (constraint.low, constraint.high)
    )
    return Limited(low, high)


def solve_matrix(
    H: FloatArray, l1: float, w: FloatArray, g: FloatArray, free: int, tol: float, limits: Any = _NO_LIMITS
) -> FloatArray:
    """The minimiser ``w + d`` of the model with the matrix H, whose last ``free`` parameters are intercepts.

    Ends when neither an epoch nor a Newton step lowers the model by more than ``tol`` of the whole decrease.
    Cost: O(k) an epoch and O(k) a changed weight, O(s^3 / 3) a Newton step on s weights.  Extra memory: one copy of
    H with intercepts, one of its support block.

    Examples
    --------
    >>> H = np.array([[2.0, 0.0], [0.0, 1.0]])
    >>> solve_matrix(H, 0.5, np.zeros(2), np.array([-2.0, 0.3]), 0, 1e-12)
    array([0.75, 0.  ])
    """
    m = len(g) - free
    slopes = g[:m]
    if free:
        # the intercepts are optimal for every d: centred columns, as the Schur complement has them
        cross = np.ascontiguousarray(H[m:, :m])
        inverse = np.linalg.pinv(H[m:, m:], rcond=1e-12, hermitian=True)
        slopes = slopes - (g[m:] @ inverse) @ cross
        H = np.ascontiguousarray(H[:m, :m]) - cross.T @ (inverse @ cross)
    head, q = w[:m].copy(), slopes.copy()
    total = 0.0
    gained = math.inf
    for _ in range(ALTERNATIONS):
        # a slow epoch proves nothing where columns are collinear, unless it follows a whole Newton step
        _, last, decrease = coordinate.gram_descent(H, l1, limits, head, q, tol, EPOCHS, total)
        total += decrease
        if last + gained <= tol * total:
            break
        gained, whole = newton_on_support(H, l1, head, q, limits)
        total += gained
        gained = 0.0 if whole else gained
    if not free:
        return head
    return np.concatenate([head, w[m:] - inverse @ (g[m:] + cross @ (head - w[:m]))])


def newton_on_support(
    H: FloatArray, l1: float, w: FloatArray, q: FloatArray, limits: Any = _NO_LIMITS
) -> tuple[float, bool]:
    """Newton steps on the nonzero weights that are at no limit, in place, until one changes no sign.

    A step that changes signs or passes limits is projected on them where that keeps a tenth of its worth, else it goes
    as far as the first change; the weights that vanish, or are at a limit, stay out.  ``RIDGE`` times the diagonal is
    added: where columns are collinear it keeps the step in bounds.  Returns the decrease and whether the last step was
    whole.
    """
    total = 0.0
    for _ in range(PIVOTS):
        support = _at_large(w, limits)
        if len(support) == 0:
            break
        old = w[support]
        signs = np.sign(old)
        slope = q[support] + l1 * signs
        rows = H[support]
        block = np.ascontiguousarray(rows[:, support])
        diagonal = np.arange(len(support))
        block[diagonal, diagonal] *= 1.0 + RIDGE
        (posv,) = get_lapack_funcs(("posv",), (block,))
        _, step, failed = posv(block, -slope, lower=True, overwrite_a=True)
        if failed or not np.isfinite(step).all():
            return total, True
        new = old + step
        end = _ends(old, step, limits, l1, support) if isinstance(limits, Limited) else 0.0
        flips = (new - end) * (old - end) < 0.0
        crossed = bool(flips.any())
        reach = np.where(flips, (end - old) / np.where(flips, step, 1.0), math.inf) if crossed else step
        nearest = float(reach.min()) if crossed else 1.0
        least = 0.05 * abs(float(slope @ step))
        gained = 0.0
        for t in (1.0, min(1.0, 10.0 * nearest), nearest) if crossed else (1.0,):
            new = old + t * step
            if crossed:
                new = np.where(reach <= t, end, new)
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
    limits: Any = _NO_LIMITS,
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
    model = (columns, h, first, mass, diagonal, l1, l2, limits, q, old)
    total, epochs, settled = 0.0, 0, False
    while epochs < most:
        w0, t0 = head.copy(), t.copy()
        used, settled, decrease = coordinate.column_descent(*model, head, t, tol, BLOCK, total)
        total, epochs = total + decrease, epochs + used
        if settled:
            break
        total += _extrapolate(h, first, mass, l1, l2, limits, q, old, head, t, head - w0, t - t0)
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
    limits: Any,
    q: FloatArray,
    old: FloatArray,
    w: FloatArray,
    t: FloatArray,
    d: FloatArray,
    dt: FloatArray,
) -> float:
    """Go on along the way ``d`` of the last epochs to the least of the model or the first change of sign: O(n + k).

    A limit is an end as a change of sign is.

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
    s, cleared, ends = _stretch(w, d, slope, bend, l1, limits)
    if s == 0.0:
        return 0.0
    w += s * d
    np.copyto(w, ends, where=cleared)
    t += s * dt
    return -s * (slope + 0.5 * s * bend)


def solve_softmax(
    columns: Any, problem: Any, at: Evaluation, tol: float, most: int = 200
) -> tuple[FloatArray, FloatArray]:
    """The minimiser ``w + d`` of the model of a softmax problem at a point, and the scores of d, (n, k).

    The model has the whole Hessian, ``X' p (diag(q) - q q') X`` over classes, and the intercepts.
    """
    layout, l1, l2, p = problem.layout, problem.traits.l1, problem.traits.l2, problem.p
    n, d, k = len(p), layout.n_features, layout.n_outputs
    Q = np.ascontiguousarray(problem.probabilities(at).T)
    H = p * Q
    first, diagonal = np.empty(d), np.empty((k, d))
    for c in range(k):
        coordinate.all_moments(columns, H[c] * (1.0 - Q[c]), first, diagonal[c])
    diagonal += l2
    head, tail = layout.split(at.w)
    slopes, own = layout.split(at.gradient)
    old, g = np.ascontiguousarray(head.T), np.ascontiguousarray(slopes.T)
    own = own if len(own) else np.zeros(k)
    limits = limits_of(problem, flat=False)
    mass = np.sum(H * (1.0 - Q), axis=1) if layout.intercept else np.zeros(k)
    w, b, T, S = old.copy(), np.zeros(k), np.zeros((k, n)), np.zeros(n)
    total, epochs, settled = 0.0, 0, False
    while epochs < most and not settled:
        w0, b0, T0 = w.copy(), b.copy(), T.copy()
        used, settled, decrease = coordinate.softmax_descent(
            columns, H, Q, diagonal, l1, l2, limits, g, own, mass, old, w, b, T, S, tol, BLOCK, total
        )
        total, epochs = total + decrease, epochs + used
        if settled:
            break
        D, e, dT = w - w0, b - b0, T - T0
        dS = np.einsum("kn,kn->n", Q, dT)
        slope = float(np.vdot(g, D) + own @ e + np.vdot(H * (T - S), dT) + l2 * np.vdot(w - old, D))
        slope += l1 * float(np.where(w != 0.0, np.sign(w) * D, np.abs(D)).sum())
        bend = float(np.vdot(H * dT, dT) - p @ (dS * dS) + l2 * np.vdot(D, D))
        s, cleared, ends = _stretch(w, D, slope, bend, l1, limits)
        if s > 0.0:
            w += s * D
            np.copyto(w, ends, where=cleared)
            b += s * e
            T += s * dT
            S += s * dS
            total -= s * (slope + 0.5 * s * bend)
    Z = np.ascontiguousarray(T.T)
    flat = np.ascontiguousarray(w.T).ravel()
    return (np.concatenate([flat, tail + b]) if layout.intercept else flat), Z


def _stretch(
    w: FloatArray, d: FloatArray, slope: float, bend: float, l1: float, limits: Any
) -> tuple[float, AnyArray, AnyArray]:
    """How far to go on along d, 0 for not at all; which weights come to an end there, and to which."""
    ends: AnyArray = np.zeros(1)
    if isinstance(limits, Limited):
        ends = _ends(w, d, limits, l1)
        crossing = (d != 0.0) & np.isfinite(ends)
    else:
        crossing = w * d < 0.0
    reach = np.where(crossing, (ends - w) / np.where(crossing, d, 1.0), math.inf)
    s = min(float(reach.min(initial=math.inf)), -slope / bend if bend > 0.0 else math.inf)
    return (s if slope < 0.0 and math.isfinite(s) else 0.0), reach <= s, ends


def _ends(w: FloatArray, d: FloatArray, limits: Any, l1: float, some: Any = ...) -> FloatArray:
    """Where each weight (or each of some) on its way along d meets a limit or, with an l1 term, zero."""
    low, high = limits.low[some], limits.high[some]
    if l1 > 0.0:
        low, high = np.where(w > 0.0, np.maximum(low, 0.0), low), np.where(w < 0.0, np.minimum(high, 0.0), high)
    ends: FloatArray = np.where(d < 0.0, low, high)
    return ends


def _at_large(w: FloatArray, limits: Any) -> AnyArray:
    """The weights that are not zero and at no limit."""
    if isinstance(limits, Limited):
        return np.flatnonzero((w != 0.0) & (limits.low < w) & (w < limits.high))
    return np.flatnonzero(w)


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
