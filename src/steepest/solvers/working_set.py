"""Which features a round works on: the restricted problem, gaps, and safe screening."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steepest.certify.bounds import FLOOR, relative_to
from steepest.certify.gap import always_finite, apart, duality_gap, has_dual, penalty_gap
from steepest.certify.held import held_scales, limits
from steepest.certify.second_order import subgradient
from steepest.data.dense import DenseSource
from steepest.data.sparse import SparseSource
from steepest.kernels import coordinate
from steepest.penalties.constraints import Box
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import AnyArray, Bound, Evaluation, FloatArray


def correlations(problem: Any, at: Evaluation) -> FloatArray:
    """``X' p u``: the gradient of the loss in the weights."""
    m = problem.layout.n_weights
    g = at.gradient[:m]
    return g - problem.traits.l2 * at.w[:m] if problem.traits.l2 else g


def cheap_gap(problem: Any, at: Evaluation) -> float:
    """A duality gap for the price of a scalar product; larger than need be where l2 = 0.

    At ``u = loss'(z)`` the conjugate is ``u z - loss``.  With l2 > 0 that is all; else the point is scaled into the
    box, ``s u``, and convexity bounds ``loss*(s u) <= s loss*(u) + (1 - s) loss*(0)`` with ``loss*(0) = -min loss``.
    A proof where there is no intercept, an estimate with one that is not at its best.
    """
    l1, l2, m = problem.traits.l1, problem.traits.l2, problem.layout.n_weights
    if problem.traits.constrained:
        c = correlations(problem, at)
        s = 1.0 if always_finite(problem) else held_scales(problem, c)[-1]
        slack = float(problem.loss.lower) * float(problem.p.sum())
        return (1.0 - s) * (at.loss - slack) + apart(problem, at.w[:m], s * c)
    if l2 > 0.0:
        return penalty_gap(at.w[:m], correlations(problem, at), l1, l2)
    most = float(np.abs(at.gradient[:m]).max(initial=0.0))
    s = min(1.0, l1 / most) if most > 0.0 else 1.0
    pulled = problem.p * at.slopes if at.slopes.ndim == 1 else problem.p[:, None] * at.slopes
    own = float(np.vdot(pulled, at.scores)) - at.loss
    slack = float(problem.loss.lower) * float(problem.p.sum())
    value = at.value + s * own
    return value if s == 1.0 else value - (1.0 - s) * slack


def gap(problem: Any, at: Evaluation, floor: float) -> Bound:
    """The duality gap of `steepest.certify.gap`, or `cheap_gap` where that is a proof and far from small."""
    if not problem.layout.intercept and problem.traits.l1 > 0.0:
        value = cheap_gap(problem, at)
        relative = relative_to(value, at.value - value, at.value, floor)
        if 1.0 < relative < math.inf:
            return Bound("duality_gap", value, relative, "suboptimality", at.value, at.value - value)
    found = duality_gap(problem, at)
    value = math.inf if found is None else found.value
    dual = at.value - value
    return Bound("duality_gap", value, relative_to(value, dual, at.value, floor), "suboptimality", at.value, dual)


def certified_gap(problem: Any, at: Evaluation, floor: float) -> Bound | None:
    """`gap` where the problem has a dual, else None: the loop then takes its own cheap bound."""
    traits = problem.traits
    if not (traits.convex and traits.has_conjugate and has_dual(problem)):
        return None
    return gap(problem, at, floor)


def null_floor(problem: Any) -> float:
    """The scale below which a relative gap means nothing: a tiny multiple of the loss at zero scores, O(n k)."""
    n, k = problem.source.shape[0], problem.layout.n_outputs
    zero = problem.losses_at(np.zeros(n if k == 1 else (n, k)))
    return FLOOR * abs(float(zero)) if math.isfinite(zero) else 0.0


class _Known(NamedTuple):
    """A ray of length zero: what `complete` needs of a point whose scores are known."""

    at: Any
    d: float = 0.0
    dz: float = 0.0


class _Point(NamedTuple):
    w: FloatArray
    scores: FloatArray


def evaluate_known(problem: Any, w: FloatArray, scores: Any) -> Evaluation:
    """Everything at w from its scores: half a pass."""
    return problem.complete(_Known(_Point(w, scores)), 0.0)  # type: ignore[no-any-return]


def polished(problem: Any, w: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """w and its scores with the intercepts at their best for these weights: O(n k^2) a few times, no product."""
    if not problem.layout.intercept:
        return w, scores
    k = problem.layout.n_outputs
    better = problem.polish(w, scores)
    shift = better[-k:] - w[-k:]
    return better, scores + (shift[0] if k == 1 else shift)


def screened(problem: Any, at: Evaluation, norms: FloatArray) -> AnyArray:
    """Features that are zero in every solution (the gap-safe sphere test).

    The dual ``-sum p loss*(u)`` is strongly concave with modulus ``1 / L`` in the norm ``(sum p |u|^2)^1/2``, L the
    smoothness of the loss.  So the optimal u* lies within ``(2 L gap)^1/2`` of a dual point of that gap, and
    ``|x_j' p u*| <= |x_j' p u| + |x_j|_p (2 L gap)^1/2``; below l1 the weights of feature j are zero.  Source:
    Ndiaye, Fercoq, Gramfort & Salmon (2017), JMLR 18.

    Parameters
    ----------
    norms : array of shape (d,)
        ``(sum_i p_i x_ij^2)^1/2``.

    Returns
    -------
    array of bool, shape (d,)
        Nothing is screened where the loss has no Lipschitz slope or the slopes do not balance an intercept.
    """
    smoothness = float(problem.loss.smoothness)
    found = duality_gap(problem, at) if 0.0 < smoothness < math.inf else None
    if found is None or found.slopes is not at.slopes or not math.isfinite(found.value):
        return np.zeros(problem.layout.n_features, dtype=bool)
    l1 = problem.traits.l1
    radius = math.sqrt(2.0 * smoothness * max(found.value, 0.0))
    reach = found.scale * strengths(problem, at) + norms * radius
    return np.asarray(reach < l1 * (1.0 - 1e-9))


def whole(problem: Any, few: int) -> bool:
    """Whether all features are the working set: there are few, or zero is not allowed to every weight."""
    if problem.layout.n_features <= few:
        return True
    constraint = problem.constraint
    return constraint is not None and bool(np.any(constraint.low > 0.0) or np.any(constraint.high < 0.0))


def violations(problem: Any, at: Evaluation) -> FloatArray:
    """By how much every feature outside misses optimality; at most that for those inside."""
    if not problem.traits.constrained:
        return strengths(problem, at) - float(problem.traits.l1)
    size = np.abs(
        subgradient(problem, at)[: problem.layout.n_weights]
    )  # a weight pressed against a limit misses nothing
    k = problem.layout.n_outputs
    return size if k == 1 else size.reshape(-1, k).max(axis=1)


def strengths(problem: Any, at: Evaluation) -> FloatArray:
    """``max_c |x_j' p u_c|`` for every feature j; 0 for a sign that would draw a weight of zero past a limit."""
    c, k = correlations(problem, at), problem.layout.n_outputs
    size = np.abs(c)
    if problem.traits.constrained:
        low, high = limits(problem)
        size = np.maximum(np.where(high > 0.0, -c, 0.0), np.where(low < 0.0, c, 0.0))
    return size if k == 1 else size.reshape(-1, k).max(axis=1)


def support(problem: Any, w: FloatArray) -> AnyArray:
    """Whether a feature has a weight that is not zero."""
    live = w[: problem.layout.n_weights] != 0.0
    k = problem.layout.n_outputs
    return live if k == 1 else live.reshape(-1, k).any(axis=1)  # type: ignore[no-any-return]


def choose(problem: Any, at: Evaluation, alive: AnyArray | None, size: int) -> AnyArray:
    """The features in use and those of greatest `strengths`, ``size`` in all (sorted)."""
    d = problem.layout.n_features
    score = strengths(problem, at)
    if alive is not None:
        score = np.where(alive, score, -1.0)
    used = support(problem, at.w)
    score[used] = math.inf
    size = max(size, int(used.sum()))
    if size >= d:
        return np.arange(d)
    chosen = np.argpartition(score, d - size)[d - size :]
    chosen = chosen[score[chosen] >= 0.0]
    chosen.sort()
    return chosen


class Restriction:
    """The problem on some of its features, and the way back.

    Extra memory: the entries of those columns, once.  Cost: for sparse rows a pass over the indices.
    """

    def __init__(self, problem: Any, features: AnyArray) -> None:
        self.problem, self.features = problem, features
        source = problem.source
        self.whole = len(features) == source.shape[1]
        if self.whole:
            self.inner = problem
            self.share = 1.0
            return
        chosen = select_columns(source, features)
        self.share = chosen.nnz / max(1, source.nnz)
        k, intercept = problem.layout.n_outputs, problem.layout.intercept
        args = (chosen, problem.y, problem.p, problem.loss, problem.penalty, intercept)
        held = restricted(problem.constraint, features)
        self.inner = LinearProblem(*args, held) if k == 1 else MulticlassProblem(*args, n_outputs=k, constraint=held)

    def shrink(self, at: Evaluation) -> Evaluation:
        """The point, seen in the chosen features only: no product."""
        if self.whole:
            return at
        w, gradient = self._pick(at.w), self._pick(at.gradient)
        return Evaluation(w, at.value, at.loss, gradient, at.scores, at.slopes, dict(at.extra))

    def _pick(self, v: FloatArray) -> FloatArray:
        head, tail = self.problem.layout.split(v)
        return np.concatenate([head[self.features].ravel(), tail])

    def widen(self, inner: Evaluation) -> Evaluation:
        """All of the problem at the inner point: half a pass, for the gradient."""
        if self.whole:
            return inner
        problem = self.problem
        problem.passes += self.inner.passes * self.share
        self.inner.passes = 0.0
        w = np.zeros(problem.size)
        head, tail = problem.layout.split(w)
        head[self.features], tail[:] = self.inner.layout.split(inner.w)
        g, total = problem.source.rmatvec(problem.p, inner.slopes)
        problem.passes += 0.5
        gradient = np.append(g.ravel(), total) if problem.layout.intercept else g.ravel()
        problem.add_ridge(gradient, w)
        return Evaluation(w, inner.value, inner.loss, gradient, inner.scores, inner.slopes)


def restricted(constraint: Any, features: AnyArray) -> Any:
    """The limits of some of the weights."""
    if isinstance(constraint, Box) and np.ndim(constraint.low):
        return Box(constraint.low[features], constraint.high[features])
    return constraint


def select_columns(source: Any, features: AnyArray) -> Any:
    """A source of the chosen columns, renumbered, in memory of their own."""
    if source.kind == "dense":
        return DenseSource(np.take(source.X, features, axis=1), source.pool)
    n, d = source.shape
    position = np.full(d, -1, dtype=np.int32)
    position[features] = np.arange(len(features), dtype=np.int32)
    rows = source.rows
    counts = np.zeros(n + 1, dtype=np.int32 if source.nnz < 1 << 31 else np.int64)

    def task(shard: tuple[int, int]) -> tuple[AnyArray, AnyArray]:
        low, high = shard
        room = int(rows.indptr[high]) - int(rows.indptr[low]) + 1  # untouched pages cost nothing
        kept, where = np.empty(room, dtype=rows.data.dtype), np.empty(room, dtype=np.int32)
        size = coordinate.keep_columns(
            rows.data, rows.indices, rows.indptr, position, low, high, kept, where, counts[1:]
        )
        return kept[:size], where[:size]

    parts = source.pool.map(task, source.shards)
    np.cumsum(counts, out=counts)
    matrix = sp.csr_array(
        (np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts]), counts),
        shape=(n, len(features)),
        copy=False,
    )
    matrix.has_canonical_format = True  # as the source's own rows are; sorting would buy nothing
    return SparseSource(matrix, source.pool)
