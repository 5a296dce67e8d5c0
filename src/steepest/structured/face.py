"""Steps of all examples at once on the weights of kept planes, where steps of one example at a time crawl."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steepest.kernels.structured import project_simplices
from steepest.protocols import AnyArray, FloatArray
from steepest.structured.interior import simplex_program
from steepest.structured.working_set import WorkingSet

CONJUGATE = 40  # steps of conjugate gradients for one direction
WORTH = 0.05  # of the largest gain of such a step: below it the next ones are not worth their products
SHORTER = 0.25
TRIALS = 6
ENTRIES = 1 << 22  # of A, and multiplications for a round, up to which the whole program is solved
FLOPS = 1 << 28
NOTHING = 1e-9  # of the weight of an example


class Face:
    """Kept planes whose weights may move, with the products of their differences ``A = (x_i (x) u_a)``.

    Free are planes with weight, and those without that are above the mean of their example, ``sum_a a value / p_i``.

    Parameters
    ----------
    problem : StructuredProblem
    kept : WorkingSet
    """

    def __init__(self, problem: Any, kept: WorkingSet) -> None:
        self.problem, self.kept = problem, kept
        many = np.flatnonzero((kept.counts > 1) & (kept.p > 0.0))
        there = np.arange(kept.slots.shape[1])[None, :] < kept.counts[many, None]
        self._take(many, kept.slots[many][there], np.repeat(np.arange(len(many)), kept.counts[many]))

    def _take(self, owners: AnyArray, planes: AnyArray, at: AnyArray) -> None:
        self.owners, self.planes, self.at = owners, planes, at
        self.edges = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=len(owners)))]).astype(np.int64)
        kept = self.kept
        whole = sp.csr_array(
            (kept.values[: kept.entries], kept.codes[: kept.entries], kept.starts[: kept.held + 1]),
            shape=(kept.held, kept.width),
        )
        self.codes = whole[planes]
        self.weights: FloatArray = kept.weight[planes]
        self.losses: FloatArray = kept.loss[planes]

    def restrict(self, free: AnyArray) -> None:
        """Leave only some of the planes, and of the examples those with two of them."""
        counts = np.bincount(self.at[free], minlength=len(self.owners))
        free = free & (counts[self.at] > 1)
        used = np.flatnonzero(counts > 1)
        number = np.cumsum(counts > 1) - 1
        self._take(self.owners[used], self.planes[free], number[self.at[free]])

    def sums(self, values: FloatArray) -> FloatArray:
        """Over the planes of each example."""
        return np.bincount(self.at, values, len(self.owners)).astype(np.float64, copy=False)

    def centred(self, values: FloatArray) -> FloatArray:
        """Less the mean over the planes of the example: the sum of weights stays."""
        return values - (self.sums(values) / np.diff(self.edges))[self.at]

    def products(self, w: FloatArray) -> FloatArray:
        """``A w``, one number a plane."""
        if self.problem.plain:
            return np.asarray(self.codes @ w)
        out = np.empty(len(self.planes))
        W = w.reshape(-1, self.problem.width)
        for lot in self.problem.blocks(np.arange(len(self.owners))):
            low, high = self.edges[lot[0]], self.edges[lot[-1] + 1]
            Z = self.problem.scores(W, self.owners[lot])
            codes = self.codes[low:high]
            row = np.repeat(self.at[low:high] - lot[0], np.diff(codes.indptr))
            owner = np.repeat(np.arange(high - low), np.diff(codes.indptr))
            out[low:high] = np.bincount(owner, codes.data * Z[row, codes.indices], high - low)
        return out

    def difference(self, weights: FloatArray) -> FloatArray:
        """``A' weights``, of the size of w."""
        if self.problem.plain:
            return np.asarray(self.codes.T @ weights)
        gather = sp.csr_array((weights, np.arange(len(weights)), self.edges), shape=(len(self.owners), len(weights)))
        whole = sp.csr_array(gather @ self.codes)
        total = np.zeros(self.problem.size)
        for lot in self.problem.blocks(np.arange(len(self.owners))):
            total += self.problem.mean_difference(self.owners[lot], np.ones(len(lot)), whole[lot[0] : lot[-1] + 1])
        return total

    def dense(self) -> FloatArray:
        """A, of shape (planes, size)."""
        codes: FloatArray = self.codes.toarray()
        if self.problem.plain:
            return codes
        source = self.problem.source
        X = source.X[self.owners] if source.kind == "dense" else source.matrix[self.owners].toarray()
        whole: FloatArray = (X[self.at][:, :, None] * codes[:, None, :]).reshape(len(codes), -1)
        return whole.astype(np.float64, copy=False)


def face_step(problem: Any, kept: WorkingSet, w: FloatArray) -> float:
    """One step of all weights together; returns the gain of the dual and changes ``w`` and the weights.

    Conjugate gradients solve ``max g.d - |A'd|^2 / (2 alpha)`` over directions d that keep the sum of each example; a
    component that all features share costs them one step.  The point ``a + t d`` is projected onto the simplices, and
    the step toward the projection is exact, as for Frank-Wolfe, so that the dual never falls.

    Cost: two products with the features of the free examples for each step of conjugate gradients.

    Parameters
    ----------
    problem : StructuredProblem
    kept : WorkingSet
    w : array of shape (size,)
        That of the weights; rounding of many steps is taken out of it.
    """
    face = Face(problem, kept)
    if not len(face.planes):
        return 0.0
    alpha = problem.alpha
    w[:] = face.difference(face.weights) / -alpha
    g = face.losses + face.products(w)
    if not np.all(np.isfinite(g)):
        return 0.0
    level = face.sums(face.weights * g) / face.sums(face.weights)
    free = (face.weights > 0.0) | (g > level[face.at])
    g = g[free & (np.bincount(face.at[free], minlength=len(face.owners))[face.at] > 1)]
    face.restrict(free)
    if not len(face.planes):
        return 0.0
    direction = _direction(face, g, alpha)
    totals = face.sums(face.weights)
    best: Step | None = None
    t = 1.0
    for _ in range(TRIALS):
        step = project_simplices(face.weights + t * direction, face.edges, totals) - face.weights
        t *= SHORTER
        found = _exact(face, g, step)
        if best is not None and (found is None or found.gain <= best.gain):
            break
        best = found or best
    return _taken(face, best, w)


def program_step(problem: Any, kept: WorkingSet, w: FloatArray, left: float) -> float | None:
    """The best weights of all kept planes, by `simplex_program`; None where they are too many for it.

    Parameters
    ----------
    problem, kept, w : as for `face_step`
    left : float
        Of the gap between the planes: where to stop.

    Returns
    -------
    float or None
        The gain of the dual.
    """
    face = Face(problem, kept)
    m, size = len(face.planes), problem.size
    rank = min(m, size)
    if m * size > ENTRIES or m * rank * rank > FLOPS:
        return None
    if m == 0:
        return 0.0
    alpha = problem.alpha
    w[:] = face.difference(face.weights) / -alpha
    g = face.losses + face.products(w)
    totals = face.sums(face.weights)
    gap = float(totals @ np.maximum.reduceat(g, face.edges[:-1])) - float(face.weights @ g)
    A = face.dense()
    if not (math.isfinite(gap) and math.isfinite(float(np.vdot(A, A)))):
        return 0.0
    if rank < size:
        values, vectors = np.linalg.eigh(A @ A.T)
        A = vectors * np.sqrt(np.maximum(values, 0.0))
    a = simplex_program(A, face.losses, alpha, face.at, totals, face.weights, left * gap)
    a = np.where(a > NOTHING * totals[face.at], a, 0.0)
    a *= (totals / face.sums(a))[face.at]
    return _taken(face, _exact(face, g, a - face.weights), w)


class Step(NamedTuple):
    """Changes of the weights, ``A' change``, and the gain of the dual."""

    change: FloatArray
    along: FloatArray
    gain: float


def _exact(face: Face, g: FloatArray, step: FloatArray) -> Step | None:
    """The best part of a feasible step; None where it leads down."""
    slope = float(g @ step)
    if not 0.0 < slope < math.inf:
        return None
    along = face.difference(step)
    bend = float(along @ along) / face.problem.alpha
    length = min(1.0, slope / bend) if bend > 0.0 else 1.0
    return Step(length * step, length * along, length * (slope - 0.5 * length * bend))


def _taken(face: Face, step: Step | None, w: FloatArray) -> float:
    if step is None:
        return 0.0
    face.kept.weight[face.planes] = np.maximum(face.weights + step.change, 0.0)
    w -= step.along / face.problem.alpha
    return step.gain


def _direction(face: Face, g: FloatArray, alpha: float) -> FloatArray:
    """Conjugate gradients from zero; every iterate is a direction of ascent."""
    d = np.zeros(len(g))
    r = face.centred(g)
    p = r.copy()
    square = float(r @ r)
    small = 1e-28 * square
    most = 0.0
    for _ in range(CONJUGATE):
        if square <= small:
            break
        along = face.difference(p)
        bend = float(along @ along) / alpha
        if bend <= 1e-14 * square * float(np.max(face.problem.norms[face.owners])) / alpha:
            # free of cost: as far as the simplices allow
            d += p * (float(face.problem.p.max()) / float(np.abs(p).max()))
            break
        length = square / bend
        d += length * p
        gain = 0.5 * length * square
        most = max(most, gain)
        if gain <= WORTH * most * 0.1:
            break
        r -= length * face.centred(face.products(along / alpha))
        before, square = square, float(r @ r)
        p = r + (square / before) * p
    return d
