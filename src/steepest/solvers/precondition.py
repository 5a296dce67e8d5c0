"""When to compute a metric for L-BFGS, from which rows, and when to compute it again.

A Hessian costs as much as a number of passes (the *price*).  Newton's method pays it every round, plain
L-BFGS never.  In between lies the best: L-BFGS in the metric of an earlier Hessian, renewed when the
rounds since have cost as much as a renewal and have not brought the decrement down a thousandfold.
Decisions depend on counts alone, never on measured time, so that a run can be repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.losses.registry import has
from steepest.protocols import AnyArray, Evaluation, FloatArray
from steepest.solvers.metric import Cholesky, ClassBlocks
from steepest.solvers.rough import spread_rows

ROUND = 1e5  # multiply-adds in the time that the interpreter takes for a round
WAIT_FROM = 20  # rounds; below it the full metric comes at once
CANDIDATES = 16  # rows among which one is drawn
SHRINK = 0.2  # of a draw: less trusts directions that the draws have missed, more slows the others down
ENOUGH = 1e-3  # decrement, relative to that at the last renewal, that makes a renewal pointless


def hessian_price(source: Any) -> float:
    """About the cost of a weighted Gram matrix, in passes."""
    if source.kind == "dense":
        return float(source.shape[1]) / 32.0  # syrk near the peak of the processor, against passes bound by memory
    lengths = np.diff(source.rows.indptr.astype(np.int64))
    return float(lengths @ lengths) / max(1.0, 4.0 * float(lengths.sum()))


def block_price(source: Any, m: int) -> float:
    """About the cost of a Hessian block a class from m rows, in passes over all of them.

    ``m d^2 / 2`` multiply-adds for a Gram matrix and ``d^3`` for its inverse, three times as fast as the ``2 d`` that
    a class takes for each row of a pass; a sparse Gram matrix is no faster than that.
    """
    n, d = source.shape
    if source.kind == "dense":
        return float((0.25 * m * d + 0.5 * d * d) / (3.0 * n))
    return hessian_price(source) * m / float(n) + float(d) ** 3 / (6.0 * max(1.0, float(source.nnz)))


def metric_wait(source: Any) -> int:
    """Rounds that cost what the first full metric costs besides its Gram matrix; 0 where those are few.

    Counted in multiply-adds of a sparse pass: a tenth of one for those of a factor and an inverse, ten for each
    number of the matrix that is written several times, a quarter for dense rows, and `ROUND` for what a round
    takes besides its pass.  Small data leave a metric nothing to save, and a few rounds tell whether it is needed.
    """
    n, d = source.shape
    work = float(source.nnz) if source.kind == "csr" else 0.25 * n * d
    rounds = (0.1 * float(d) ** 3 + 10.0 * float(d) ** 2) / (2.0 * work + 10.0 * n + ROUND)
    return round(rounds) if rounds > WAIT_FROM else 0


def spread(n: int, m: int) -> AnyArray | None:
    """m row numbers spread over n; None where that would be about all of them."""
    return spread_rows(n, m) if m < n // 2 else None


class HessianSchedule:
    """The Hessian itself as the metric, for one score a row.

    Where `wait` is not 0 the direction is to begin with a cheap metric, and keeps it for as many rounds: the time
    that the full one would take is spent on rounds first, so the whole costs at most twice the better of the two.
    """

    def __init__(self, problem: Any) -> None:
        d = problem.source.shape[1]
        self._usual = int(np.clip(round(hessian_price(problem.source)), 3, 8))
        self.wait = metric_wait(problem.source)
        self.every = self.wait or self._usual
        # the first metric is soon out of date: many rows would be wasted on it
        self.most_first = max(50_000, 50 * d)
        self._last = 0
        self._reference = np.inf
        self.renewals = 0

    def resume(self) -> None:
        """The rounds start over, with the metric that there is; its decrement is measured anew."""
        self._last, self._reference = 0, np.inf

    def __call__(self, problem: Any, at: Evaluation, round_: int, direction: Any) -> str:
        if direction.metric is not None:
            if round_ - self._last < self.every and self._reference < np.inf:
                return ""
            decrement = problem.inner(at.gradient, direction.metric.solve(at.gradient))
            waited = self.wait > 0 and self.renewals == 0
            if self._reference == np.inf or (decrement < ENOUGH * self._reference and not waited):
                self._last, self._reference = round_, decrement
                return ""
        first = direction.metric is None
        curved = has(problem.loss, "curvature") and problem.traits.convex  # a metric must be positive definite
        if curved:
            H = problem.hessian(at, spread(len(problem.p), self.most_first) if first else None)
        else:
            H = _bound_hessian(problem)
        metric = Cholesky(H)
        direction.renew(metric)
        self._last = round_
        self._reference = problem.inner(at.gradient, metric.solve(at.gradient))
        self.renewals += 1
        self.every = self._usual if curved else 1 << 30  # it would be the same matrix again
        return ""


def _bound_hessian(problem: Any) -> Any:
    """``c X^T P X + l2`` for losses that do not tell their curvature, or are not convex."""
    m = problem.layout.n_features
    bound = problem.loss.smoothness
    scale = bound if np.isfinite(bound) else 1.0
    G = scale * problem.source.gram(problem.p)
    H = G if problem.layout.intercept else np.ascontiguousarray(G[:m, :m])
    H[np.arange(m), np.arange(m)] += problem.traits.l2
    return H


def likely_rows(h: FloatArray, m: int, turn: int = 0) -> tuple[AnyArray, FloatArray]:
    """m draws of row numbers, a row as often as its share of the sum of h: (distinct rows, ascending; weights).

    Systematic sampling: one draw from each of m stretches of equal sum, at a hashed place in it that depends on
    ``turn``.  The weighted sum over the draws is an unbiased estimate of the sum with h over all rows, and where
    few rows carry most of the curvature a far closer one than the same number of rows taken evenly.

    Examples
    --------
    >>> import numpy as np
    >>> rows, weights = likely_rows(np.array([0.0, 3.0, 0.0, 1.0]), 4)
    >>> rows, weights
    (array([1, 3]), array([3., 1.]))
    """
    total = np.cumsum(h)
    place = ((np.arange(m, dtype=np.uint64) + np.uint64(turn * m)) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)
    draws = (np.arange(m) + place * 2.0**-53) * (total[-1] / m)
    rows = np.minimum(np.searchsorted(total, draws, side="right"), np.flatnonzero(h)[-1])
    rows, counts = np.unique(rows, return_counts=True)
    return rows, counts * (total[-1] / m)


class SoftmaxSchedule:
    """For a score vector a row: first one whitening metric for all classes, soon one Hessian block a class.

    The blocks leave out what couples the classes.  Along a shift common to all classes that would be
    wrong without bound (the softmax does not feel such a shift), so `ClassBlocks` works in the space
    where the classes sum to zero, in which gradients lie.  The whitening metric is that of Bohning (1992).

    A block is the sum of ``h_i x_i x_i'`` with ``h_i = p_i q_i (1 - q_i)``.  Most rows are sure of their class, so
    a few are drawn by their share of h (`likely_rows`).  A direction that fewer than one draw stands for cannot be
    told from one without curvature; `SHRINK` of a draw is added to the diagonal, and steps along it stay short.
    On a sample of the rows, of which a rough start is made, the whitening metric is all there is.
    """

    def __init__(self, problem: Any) -> None:
        n, d = problem.source.shape
        self._rows = n
        self.most = max(5 * d // 2, 500)
        price = block_price(problem.source, min(n, self.most))
        self.first = int(np.clip(round(0.5 * price), 3, 8))
        self.every = int(np.clip(round(3.0 * price), 8, 24))
        self._began = False  # whether a rough start has been made
        self._last = 0
        self._reference = np.inf
        self._single = True
        self.renewals = 0

    def resume(self) -> None:
        """The rounds start over, with the metric that there is; its decrement is measured anew."""
        self._last, self._reference, self._began = 0, np.inf, True

    def __call__(self, problem: Any, at: Evaluation, round_: int, direction: Any) -> str:
        if direction.metric is None:
            direction.renew(self._whitening(problem))
            return ""
        if len(problem.p) < self._rows:
            return ""
        due = self.every if self.renewals else 0 if self._began else self.first
        fresh = self.renewals > 0 and self._reference == np.inf
        if round_ - self._last < due and not fresh:
            return ""
        if self.renewals:
            decrement = problem.inner(at.gradient, direction.metric.solve(at.gradient))
            if decrement < ENOUGH * self._reference or fresh:
                self._last, self._reference = round_, decrement
                return ""
        metric = self._blocks(problem, at)
        direction.renew(metric)
        self._last = round_
        self._reference = problem.inner(at.gradient, metric.solve(at.gradient))
        self.renewals += 1
        return ""

    def _whitening(self, problem: Any) -> Cholesky:
        n, d = problem.source.shape
        k, m = problem.layout.n_outputs, problem.layout.n_features
        rows = spread(n, max(4 * d, 2000))
        p = problem.p if rows is None else problem.p[rows]
        share = float(p.sum())
        G = problem.source.gram(p / (share or 1.0), rows)
        problem.passes += 0.5 * len(p) / n
        H = (k - 1.0) / k**2 * (G if problem.layout.intercept else np.ascontiguousarray(G[:m, :m]))
        H[np.arange(m), np.arange(m)] += problem.traits.l2
        return Cholesky(H, k)

    def _blocks(self, problem: Any, at: Evaluation) -> ClassBlocks:
        """One class a task: rows, Gram matrix, factor and inverse."""
        k, m, n = problem.layout.n_outputs, problem.layout.n_features, len(problem.p)
        among = spread(n, CANDIDATES * self.most)
        h = problem.class_curvatures(at, among)
        size = m + problem.layout.intercept

        def task(c: int) -> bool:
            all_ = n <= 2 * self.most or not h[c].any()
            rows, weights = (None, h[c]) if all_ else likely_rows(h[c], self.most, c)
            H = problem.class_hessian(weights, rows if rows is None or among is None else among[rows])
            diagonal = H.reshape(-1)[:: size + 1][:m]
            extra = 0.0 if all_ else SHRINK * float(diagonal.sum()) / self.most
            diagonal += problem.traits.l2 + extra
            return metric.put(c, H)

        metric = ClassBlocks(k, size, self._single)
        if not all(problem.source.pool.map(task, range(k))):
            self._single = False
            metric = ClassBlocks(k, size, False)
            problem.source.pool.map(task, range(k))
        problem.passes += 0.5 * min(1.0, self.most / n)
        return metric
