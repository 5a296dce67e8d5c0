"""Equal rows with equal targets taken together: the same function from fewer rows.

``sum_i p_i loss(z_i, y_i)`` is unchanged where rows with the same x and y become one row with the sum of their
weights.  Tabular data of few categories hold many such rows.  A pass over the data finds them exactly (hash, then
comparison); the distinct rows are copied where that is worth it.  Certificates use all the rows as they were given.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.data.source import as_source
from steepest.kernels import duplicates
from steepest.problems.linear import LinearProblem
from steepest.protocols import AnyArray, FloatArray

FEWEST = 10_000  # rows below which a fit is over before a search for equal rows pays
LARGEST = 64 << 20  # bytes of X above which its distinct rows are not copied
PROBE = 2_000  # rows looked at first
WORTH = 0.5  # share of rows that must go: finding and copying them costs about as much as four passes


def first_equal(source: Any, y: AnyArray, rows: int) -> tuple[AnyArray, int]:
    """For each of the first rows the earliest equal one, and the number of distinct rows: about one pass."""
    size = 1 << int(2 * rows).bit_length()
    table, hashes = np.full(size, -1, dtype=np.int64), np.empty(rows, dtype=np.uint64)
    first = np.empty(rows, dtype=np.int64)
    shards = [(a, min(b, rows)) for a, b in source.shards if a < rows]
    if source.kind == "dense":
        source.pool.map(lambda s: duplicates.hash_dense(source.X, y, s[0], s[1], hashes), shards)
        return first, int(duplicates.group_dense(source.X, y, hashes, table, first))
    data, indices, indptr = source.rows
    source.pool.map(lambda s: duplicates.hash_sparse(data, indices, indptr, y, s[0], s[1], hashes), shards)
    return first, int(duplicates.group_sparse(data, indices, indptr, y, hashes, table, first))


def merged(problem: LinearProblem) -> LinearProblem | None:
    """The problem on its distinct rows, or None where there are too few equal ones to pay.

    Memory: a copy of the distinct rows of X, of at most ``LARGEST`` bytes.
    """
    source = problem.source
    n = source.shape[0]
    if n < FEWEST or source.nbytes > LARGEST:
        return None
    _, distinct = first_equal(source, problem.y, PROBE)
    # a row's equal lies among the probed ones with probability PROBE / n: half of what would be worth it
    if PROBE - distinct < max(3.0, 0.5 * WORTH * PROBE * PROBE / n):
        return None
    first, distinct = first_equal(source, problem.y, n)
    problem.passes += 0.5
    if distinct > (1.0 - WORTH) * n:
        return None
    keep = np.flatnonzero(first == np.arange(n))
    p: FloatArray = np.bincount(first, weights=problem.p, minlength=n)[keep].astype(np.float64)
    X = source.X[keep] if source.kind == "dense" else source.matrix[keep]
    small = LinearProblem(
        as_source(X, pool=source.pool),
        np.ascontiguousarray(problem.y[keep]),
        p,
        problem.loss,
        problem.penalty,
        problem.layout.intercept,
        problem.constraint,
    )
    small.parent = (problem, distinct / n)
    return small
