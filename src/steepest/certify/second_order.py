"""Bounds and verdicts from second derivatives, for problems that no duality gap reaches.

**A proof without any penalty.**  Let ``|loss'''| <= R loss''``, ``H`` the Hessian at w, ``lam^2 = g' H^-1 g`` and
``r = R max_i |[x_i, 1]|_{H^-1}``.  Along any v with ``v' H v = 1`` the function ``phi(t) = P(w + t v)`` has
``|x_i v| <= r / R``, so ``phi''' >= -r phi''`` and ``phi''(t) >= exp(-r t)``.  Integrating twice, with
``phi'(0) >= -lam``::

    phi(t) - phi(0) >= -lam t + (exp(-r t) + r t - 1) / r^2,

least at ``t = -ln(1 - lam r) / r`` where ``s = lam r < 1``.  Then a minimiser exists and

    P(w) - P* <= [(1 - s) ln(1 - s) + s] / r^2 = lam^2 (1/2 + s/6 + s^2/12 + ...).

For the squared loss R = 0 and the bound is exactly ``lam^2 / 2``.  For softmax the third derivative along v is
bounded by the range of v over the classes, so the norm of x_i is replaced by that of x_i (e_a - e_b).

Source of the idea: Bach (2010), Self-concordant analysis for logistic regression, Electron. J. Stat. 4.

**A verdict without convexity.**  Gradient norm and smallest curvature tell a minimum to second order from a saddle
and from a point that is not stationary.  They prove nothing about other minima.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from steepest.certify.curvature import flops, hessian
from steepest.certify.gap import apart, fenchel_sum, penalty_gap, products, remainder, rounding
from steepest.certify.held import forgiven, limits
from steepest.penalties.constrained import constrained_prox
from steepest.problems.lanczos import Pair, extreme_pair
from steepest.protocols import Evaluation, FloatArray

_EPS = 2.0**-52
SIZE = 2000  # parameters up to which a Hessian is formed for one score
SIZE_MANY = 500  # the same for several scores
WORK = 2e10  # multiply-adds up to which it is formed where nothing else can prove anything


class LocalBound(NamedTuple):
    """``value >= P - P*``, with the decrement lam and the product lam r that it rests on."""

    value: float
    decrement: float
    product: float


def applies(problem: Any, work: float = WORK) -> bool:
    """Whether a Hessian can help: convex with curvature, no l1, limits of single weights at most, small enough."""
    traits = problem.traits
    if traits.constrained and not problem.constraint.separable:
        return False
    return traits.convex and traits.has_curvature and traits.l1 == 0.0 and _affordable(problem, work)


def concordant(problem: Any) -> bool:
    """Whether `local_bound` has the constant that it needs, and no constraint to know of."""
    return math.isfinite(problem.loss.self_concordance) and not problem.traits.constrained


def _affordable(problem: Any, work: float) -> bool:
    k = problem.traits.n_outputs
    if k > 1 and problem.loss.link != "softmax":
        return False
    return problem.size <= (SIZE if k == 1 else SIZE_MANY) and flops(problem) <= work


def decrease(decrement: float, r: float) -> float:
    """``[(1 - s) ln(1 - s) + s] / r^2`` with ``s = lam r``; inf for s >= 1.

    Examples
    --------
    >>> decrease(0.5, 0.0), round(decrease(0.5, 1.0), 6)
    (0.125, 0.153426)
    """
    s = decrement * r
    if not s < 1.0:
        return math.inf
    if s < 0.05:  # the closed form cancels
        series = sum(s**k / ((k + 1) * (k + 2)) for k in range(12))
        return decrement * decrement * series
    return ((1.0 - s) * math.log1p(-s) + s) / (r * r)


class Factor(NamedTuple):
    """``H``, its pseudo-inverse ``basis basis'`` in the units of the parameters, and the directions left out."""

    H: FloatArray
    basis: FloatArray
    flat: FloatArray
    alive: Any  # parameters with curvature of their own


def factor(problem: Any, at: Evaluation) -> Factor | None:
    """The Hessian and its inverse on the directions that it sees; None where there is no curvature at all.

    Weights that a step along their own curvature would take to a limit are left out: they are held there.
    """
    H = hessian(problem, at)
    if not np.all(np.isfinite(H)):
        return None
    diagonal = np.diag(H)
    alive = diagonal > 0.0
    if problem.traits.constrained:
        m = problem.layout.n_weights
        low, high = limits(problem)
        ahead = at.w[:m] - at.gradient[:m] / np.where(diagonal[:m] > 0.0, diagonal[:m], math.inf)
        alive[:m] &= (low < ahead) & (ahead < high)
    if not np.any(alive):
        return None
    scale = 1.0 / np.sqrt(diagonal[alive])  # makes rank, and so the bound, independent of units
    values, vectors = np.linalg.eigh(H[np.ix_(alive, alive)] * scale * scale[:, None])
    kept = values > 8.0 * len(values) * _EPS * float(values[-1])
    directions = np.zeros((problem.size, len(values)))
    directions[alive] = scale[:, None] * vectors
    return Factor(H, directions[:, kept] / np.sqrt(values[kept]), directions[:, ~kept], alive)


def local_bound(problem: Any, at: Evaluation, found: Factor) -> LocalBound | None:
    """The bound of the module's head; None where it does not hold or cannot be trusted to rounding.

    Directions in which the data do not vary (collinear columns, a shift of all classes) are left out: the
    objective is constant along them.  A direction of little curvature that the data do vary in is not, and where
    rounding cannot tell the two apart there is no bound.

    Cost: O(size^2), and the rows' norms exactly, O(n size^2), only where a crude bound is not enough.
    """
    if not _dead_columns_are_empty(problem, at, found.alive):
        return None
    if found.flat.shape[1] and not _constant_along(problem, at, found.flat):
        return None
    along = found.basis.T @ at.gradient
    decrement = math.sqrt(float(along @ along))
    R = float(problem.loss.self_concordance)
    r = 0.0
    if R > 0.0:
        r = R * _crude_norm(problem, found.H)
        if not decrement * r <= 0.5:
            r = R * _row_norm(problem, found.basis)
    return LocalBound(decrease(decrement, r) + rounding(problem, at), decrement, decrement * r)


def newton_dual(problem: Any, at: Evaluation, found: Factor) -> tuple[float, FloatArray]:
    """The duality gap at the slopes moved by a Newton step, ``u + loss'' (X d)`` with ``d = -H^-1 grad``; and those.

    To first order these are the slopes at the minimiser, so the gap is about half the squared decrement; and by
    construction they meet the constraint of an unpenalised direction, ``X^T p u = 0``, which no scaling of the
    slopes does.  A global proof for any loss with a conjugate, kinks or not; inf where its domain is left.  What
    the constraint misses by rounding, times the parameters, is added.

    Cost: two passes.
    """
    source, layout, l2 = problem.source, problem.layout, problem.traits.l2
    m, k = layout.n_weights, layout.n_outputs
    u = at.slopes.copy()
    gradient = at.gradient
    total = np.zeros(problem.size)
    for _ in range(2):  # the second step takes the rounding of the first away
        d = -(found.basis @ (found.basis.T @ gradient))
        total += d
        head, tail = layout.split(d)
        shift: Any = (float(tail[0]) if k == 1 else tail) if len(tail) else (0.0 if k == 1 else np.zeros(k))
        t = source.matvec(np.ascontiguousarray(head), shift)
        if k == 1:
            u += np.divide(problem.curvatures(at), problem.p, out=np.zeros_like(u), where=problem.p > 0.0) * t
        else:
            q = problem.probabilities(at)
            u += q * (t - np.sum(q * t, axis=1, keepdims=True))
        c, own = products(problem, u)
        problem.passes += 0.5
        gradient = c + l2 * (at.w[:m] + total[:m])
        if layout.intercept:
            gradient = np.append(gradient, own)
    loss_part, size, _ = fenchel_sum(problem, at.scores, u)
    value = loss_part + 4.0 * _EPS * size + remainder(problem, at, c, own, np.abs(at.w) + np.abs(total))
    value += rounding(problem, at)
    if problem.traits.constrained:
        c, price = forgiven(problem, at.w[:m], c, u)
        value += price + apart(problem, at.w[:m], c)
    elif l2:
        value += penalty_gap(at.w[:m], c, 0.0, l2)
    return (value if math.isfinite(value) else math.inf), u


def _dead_columns_are_empty(problem: Any, at: Evaluation, alive: Any) -> bool:
    """Whether parameters without curvature move no score of a row of positive weight."""
    if np.all(alive):
        return True
    if np.any(at.gradient[~alive] != 0.0):
        return False
    signs = np.where(alive, 0.0, np.random.default_rng(0).uniform(1.0, 2.0, problem.size))
    return not np.any(_scores(problem, signs[:, None])[problem.p > 0.0])


def _constant_along(problem: Any, at: Evaluation, directions: FloatArray) -> bool:
    """Whether the scores, and so the objective, do not change along directions that were found to be flat.

    In the metric of the Hessian a unit direction moves scores by about ``1 / sqrt(sum p loss'')``.
    """
    spread = _scores(problem, directions)[problem.p > 0.0]
    return bool(float(np.abs(spread).max(initial=0.0)) * math.sqrt(_curvature_scale(problem, at)) <= 1e-8)


def _curvature_scale(problem: Any, at: Evaluation) -> float:
    if problem.traits.n_outputs == 1:
        return max(float(np.sum(problem.curvatures(at))), 1e-300)
    q = problem.probabilities(at)
    return max(float(problem.p @ np.sum(q * (1.0 - q), axis=1)), 1e-300)


def _scores(problem: Any, V: FloatArray) -> FloatArray:
    """Scores of the directions V, (size, r): (n, r), or (n, k r) centred over the classes."""
    layout = problem.layout
    d, k, r = layout.n_features, layout.n_outputs, V.shape[1]
    head = np.ascontiguousarray(V[: d * k].reshape(d, k * r))
    tail = V[d * k :].reshape(k * r) if layout.intercept else np.zeros(k * r)
    Z = problem.source.matvec(head, np.ascontiguousarray(tail))
    problem.passes += 0.5
    if k > 1:
        Z = Z.reshape(-1, k, r)
        Z = (Z - Z.mean(axis=1, keepdims=True)).reshape(-1, k * r)
    return Z  # type: ignore[no-any-return]


def _crude_norm(problem: Any, H: FloatArray) -> float:
    """``max_i |x_i| / sqrt(smallest eigenvalue of H)``, times sqrt 2 for a difference of classes; inf if singular."""
    values = np.linalg.eigvalsh(H)
    low = float(values[0]) - 8.0 * len(values) * _EPS * float(values[-1])
    if not low > 0.0:
        return math.inf
    norms = problem.source.square_norms()[problem.p > 0.0]
    problem.passes += 0.5
    largest = float(norms.max(initial=0.0)) + (1.0 if problem.layout.intercept else 0.0)
    return math.sqrt((1.0 if problem.traits.n_outputs == 1 else 2.0) * largest / low)


def _row_norm(problem: Any, basis: FloatArray) -> float:
    """``max_i |[x_i, 1]|_{H^-1}`` over rows of positive weight, with ``H^-1 = basis basis'``."""
    if problem.source.kind == "stream":  # one reading, and scores of one piece at a time
        problem.passes += 0.5
        return max(_row_norm(piece, basis) for piece in problem.pieces())
    n, k, r = problem.source.shape[0], problem.layout.n_outputs, basis.shape[1]
    chunk = max(1, min(r, int(4e6 // max(1, n * k))))
    total = np.zeros(n if k == 1 else (n, k, k))
    for low in range(0, r, chunk):
        part = basis[:, low : low + chunk]
        Z = _scores(problem, part)
        if k == 1:
            total += np.einsum("ij,ij->i", Z, Z)
        else:
            T = Z.reshape(n, k, part.shape[1])
            total += T @ T.transpose(0, 2, 1)
    if k > 1:
        own = np.einsum("iaa->ia", total)
        total = np.max(own[:, :, None] + own[:, None, :] - 2.0 * total, axis=(1, 2))
    return math.sqrt(max(float(total[problem.p > 0.0].max(initial=0.0)), 0.0)) * (1.0 + 1e-12)


# ---------------------------------------------------------------------------------------- without convexity


class Verdict(NamedTuple):
    """What first and second derivatives say about a point.

    ``name``: "minimum to second order", "saddle", "not stationary", or "stationary" where no curvature is known.
    """

    name: str
    gradient_norm: float
    smallest_curvature: float
    predicted_decrease: float


def subgradient(problem: Any, at: Evaluation) -> FloatArray:
    """The gradient; with an l1 penalty or limits of single weights, the subgradient of least norm.

    With another constraint ``w - prox(w - grad)``, which is zero where the point is stationary.
    """
    l1, m = problem.traits.l1, problem.layout.n_weights
    if problem.traits.constrained:
        return _held_subgradient(problem, at)
    if l1 == 0.0:
        return at.gradient
    g, w = at.gradient.copy(), at.w[:m]
    head = g[:m]
    g[:m] = np.where(w != 0.0, head + l1 * np.sign(w), np.sign(head) * np.maximum(np.abs(head) - l1, 0.0))
    return g


def _held_subgradient(problem: Any, at: Evaluation) -> FloatArray:
    l1, layout = problem.traits.l1, problem.layout
    m = layout.n_weights
    g, w = at.gradient.copy(), at.w[:m]
    if not problem.constraint.separable:
        shape = (layout.n_features, layout.n_outputs)
        ahead = constrained_prox(problem.constraint, (w - g[:m]).reshape(shape), np.ones(shape), l1)
        g[:m] = w - ahead.ravel()
        return g
    low, high = limits(problem)
    left = np.where(w <= low, -math.inf, g[:m] + np.where(w > 0.0, l1, -l1))
    right = np.where(w >= high, math.inf, g[:m] + np.where(w >= 0.0, l1, -l1))
    g[:m] = np.maximum(left, 0.0) + np.minimum(right, 0.0)
    return g


def stationarity(problem: Any, at: Evaluation, tol: float, floor: float, deep: bool = True) -> Verdict:
    """Gradient norm and smallest curvature.

    Stationary means that a step scaled by the curvature, ``|H|^-1 g``, promises a decrease of at most tol times
    the objective.  Cost: a dense Hessian for small problems, else Lanczos: one pass a step, some tens of them.
    """
    g = subgradient(problem, at)
    norm = float(np.linalg.norm(g))
    traits = problem.traits
    known = deep and traits.has_curvature and traits.l1 == 0.0 and not traits.constrained
    if known and _affordable(problem, 1e9) and problem.size <= SIZE_MANY:
        values, vectors = np.linalg.eigh(hessian(problem, at))
        largest = max(abs(float(values[0])), abs(float(values[-1])))
        along = vectors.T @ g
        predicted = 0.5 * float(np.sum(along**2 / np.maximum(np.abs(values), 1e-8 * largest + 1e-300)))
        smallest = float(values[0])
    elif known and (traits.n_outputs == 1 or problem.loss.link == "softmax"):
        smallest, largest = _lanczos(problem, at)
        predicted = norm * norm / (2.0 * max(abs(smallest), 1e-8 * largest, 1e-300))
    else:
        smallest = math.nan
    if not math.isfinite(smallest):
        return Verdict("not stationary" if norm > _rounding(problem, at) else "stationary", norm, math.nan, math.nan)
    if predicted > tol * max(abs(at.value), floor):
        name = "not stationary"
    else:
        name = "saddle" if smallest < -1e-7 * largest else "minimum to second order"
    return Verdict(name, norm, smallest, predicted)


def _rounding(problem: Any, at: Evaluation) -> float:
    """How large a gradient may come out that is zero: one pass for the norms of the rows."""
    slopes = np.abs(at.slopes) if at.slopes.ndim == 1 else np.linalg.norm(at.slopes, axis=1)
    length = np.sqrt(problem.source.square_norms() + float(problem.layout.intercept))
    m = problem.layout.n_weights
    size = float(problem.p @ (slopes * length)) + problem.traits.l2 * float(np.linalg.norm(at.w[:m]))
    return float(64.0 * _EPS * (size + problem.traits.l1 * math.sqrt(m)))


def _lanczos(problem: Any, at: Evaluation) -> tuple[float, float]:
    """Smallest curvature and largest absolute one; nan where the iteration does not settle."""
    return curvatures_by_lanczos(problem, at)[:2]


def curvatures_by_lanczos(problem: Any, at: Evaluation) -> tuple[float, float, FloatArray]:
    """Smallest curvature, largest absolute one and a direction of the smallest; nan where it does not settle."""

    def extreme(which: Literal["LM", "SA"], tol: float) -> Pair:
        return extreme_pair(lambda v: problem.hvp(at, v), problem.size, which, tol=tol, restarts=15)

    largest = extreme("LM", 1e-2).value
    if not math.isfinite(largest):
        return math.nan, math.nan, np.zeros(problem.size)
    smallest, direction = extreme("SA", 1e-4)
    return smallest, abs(largest), direction
