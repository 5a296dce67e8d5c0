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
from steepest.protocols import AnyArray, Evaluation
from steepest.solvers.metric import Cholesky, ClassBlocks
from steepest.solvers.rough import spread_rows

ROUND = 1e5  # multiply-adds in the time that the interpreter takes for a round
WAIT_FROM = 20  # rounds; below it the full metric comes at once
ENOUGH = 1e-3  # decrement, relative to that at the last renewal, that makes a renewal pointless


def hessian_price(source: Any) -> float:
    """About the cost of a weighted Gram matrix, in passes."""
    if source.kind == "dense":
        return float(source.shape[1]) / 32.0  # syrk near the peak of the processor, against passes bound by memory
    lengths = np.diff(source.rows.indptr.astype(np.int64))
    return float(lengths @ lengths) / max(1.0, 4.0 * float(lengths.sum()))


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


class SoftmaxSchedule:
    """For a score vector a row: first one whitening metric for all classes, soon one Hessian block a class.

    The blocks leave out what couples the classes.  Along a shift common to all classes that would be
    wrong without bound (the softmax does not feel such a shift), so `ClassBlocks` works in the space
    where the classes sum to zero, in which gradients lie.  On MNIST this takes 28 passes to 1e-6 where
    the whitening metric of Bohning (1992) takes 95, and no metric 294.
    """

    def __init__(self, problem: Any) -> None:
        n, d = problem.source.shape
        k = problem.layout.n_outputs
        self.most = max(10 * d, 2000)
        price = hessian_price(problem.source) * k * min(1.0, self.most / n)
        self.first = int(np.clip(round(0.5 * price), 3, 8))
        self.every = int(np.clip(round(price), 6, 16))
        self._last = 0
        self._reference = np.inf
        self.renewals = 0

    def resume(self) -> None:
        """The rounds start over, with the metric that there is; its decrement is measured anew."""
        self._last, self._reference = 0, np.inf

    def __call__(self, problem: Any, at: Evaluation, round_: int, direction: Any) -> str:
        k, n = problem.layout.n_outputs, len(problem.p)
        rows = spread(n, self.most)
        if rows is None:
            rows = np.arange(n, dtype=np.int64)
        if direction.metric is None:
            share = float(problem.p[rows].sum())
            G = problem.source.gram(problem.p[rows] / (share or 1.0), rows)
            problem.passes += 0.5 * len(rows) / n
            m = problem.layout.n_features
            H = (k - 1.0) / k**2 * (G if problem.layout.intercept else np.ascontiguousarray(G[:m, :m]))
            H[np.arange(m), np.arange(m)] += problem.traits.l2
            direction.renew(Cholesky(H, k))
            return ""
        due = self.first if self.renewals == 0 else self.every
        fresh = self.renewals > 0 and self._reference == np.inf
        if round_ - self._last < due and not fresh:
            return ""
        if self.renewals:
            decrement = problem.inner(at.gradient, direction.metric.solve(at.gradient))
            if decrement < ENOUGH * self._reference or fresh:
                self._last, self._reference = round_, decrement
                return ""
        metric = ClassBlocks([Cholesky(problem.class_hessian(at, c, rows)) for c in range(k)])
        direction.renew(metric)
        self._last = round_
        self._reference = problem.inner(at.gradient, metric.solve(at.gradient))
        self.renewals += 1
        return ""
