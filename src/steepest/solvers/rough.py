"""A rough start: the same problem on a few rows first.

Far from the optimum a tenth of the rows tells the way as well as all of them, at a tenth of the price.  The
solver's metric stays for the whole problem: it was computed close to where the whole problem's solution lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.data.source import as_source
from steepest.penalties import L2, ElasticNet
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import AnyArray, FloatArray

FEWEST = 4000  # rows below which a round costs more in overhead than in products
SHARE = 16  # one row in so many, if that is enough of them
WORTH = 6  # at least so many times fewer rows, or the start is not worth it
ROUNDS = 30
NEAR = 3e-3  # relative decrease in a round at which the sample has told what it knows


def spread_rows(n: int, m: int) -> AnyArray:
    """m of n row numbers, ascending: one from each of m equal stretches, at a hashed place in it.

    Equal strides alone would fall in step with data that repeat with a period.
    """
    edges = np.linspace(0, n, m + 1).astype(np.int64)
    width = np.maximum(edges[1:] - edges[:-1], 1)
    place = (np.arange(m, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)
    rows: AnyArray = edges[:-1] + (place % width.astype(np.uint64)).astype(np.int64)
    return rows


def sample_size(problem: Any) -> int:
    """Rows of the sample; 0 where a sample is not worth it."""
    n, d = problem.source.shape
    m = max(n // SHARE, (5 if problem.layout.n_outputs == 1 else 10) * d, FEWEST)
    return m if m * WORTH <= n else 0


def sample(problem: Any, rows: AnyArray) -> Any:
    """The problem on some rows, in memory of its own, its penalty as much stronger as rows are fewer.

    The stronger penalty keeps the balance between one row and the penalty, so that a rare feature is not fitted to
    the few rows that happen to be in the sample.
    """
    source = problem.source
    X = source.X[rows] if source.kind == "dense" else source.matrix[rows]
    p = problem.p[rows]
    total = float(p.sum())
    times = problem.source.shape[0] / len(rows)
    l1, l2 = problem.traits.l1 * times, problem.traits.l2 * times
    penalty: Any = ElasticNet(l1 + l2, l1 / (l1 + l2)) if l1 else L2(l2)
    chosen, y = as_source(X, pool=source.pool), np.ascontiguousarray(problem.y[rows])
    intercept, k = problem.layout.intercept, problem.layout.n_outputs
    small: Any
    if k == 1:
        small = LinearProblem(chosen, y, p / total, problem.loss, penalty, intercept, problem.constraint)
    else:
        small = MulticlassProblem(chosen, y, p / total, problem.loss, penalty, intercept, k, problem.constraint)
    small.precise = problem.precise
    return small


def rough_start(solver: Any, problem: Any, w: FloatArray, near: float = NEAR) -> FloatArray:
    """Where a few rounds of the solver on a sample lead; the solver keeps its metric, not its pairs.

    ``near`` is the relative decrease in a round at which they end.
    """
    m = sample_size(problem)
    rows = spread_rows(problem.source.shape[0], m)
    if not problem.p[rows].sum() > 0.0:
        return w
    small = sample(problem, rows)
    state = solver.start_here(small, w)
    at = solver.advance(state).at
    for _ in range(ROUNDS):
        before = at.value
        round_ = solver.advance(state)
        at = round_.at
        if round_.exhausted or not np.isfinite(at.value):
            break
        if before - at.value <= near * abs(at.value):
            break
    problem.passes += small.passes * m / problem.source.shape[0]
    return at.w if np.isfinite(at.value) else w
