"""What rounding makes of the correlations ``X^T p u``, by column, and which column a proof fails on.

A sum of n numbers of either sign comes out wrong by some ``eps sum |p_i x_ij u_i|``, more where equal signs lie
together.  By the inequality of Cauchy and Schwarz the sum is at most ``sqrt(sum p x_j^2) sqrt(sum p u^2)``, so columns
of ordinary size lose nothing that a tolerance would notice.  A column of size 1e15 does: its correlation is known to
some tenths only, which an l1 penalty of 1 does not forgive.

The sizes of the columns come from a sample of the rows, O(d), and from all of them, half a pass once a source, where
the sample says that it matters.  Such columns are summed again in extended precision; the slopes are exact as they
are, as a dual point.  Source: Higham, Accuracy and Stability of Numerical Algorithms (2002), section 4.2.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from steepest.data.dense import column_moments
from steepest.protocols import AnyArray, Evaluation, FloatArray

_EPS = 2.0**-52
_ROWS = 64  # of a sample
_ENTRIES = 4096  # of a sample of sparse rows
_HARMLESS = 1e-9  # of an l1 penalty: what an entry may be off
_MOST = 1 << 28  # products in extended precision
_BLOCK = 1 << 18  # numbers of X taken at a time for them
_SIZES: WeakKeyDictionary[Any, tuple[FloatArray, FloatArray]] = WeakKeyDictionary()


class Culprit(NamedTuple):
    """A column whose scale hides its own correlation: number, root mean square, and the error beside the penalty."""

    column: int
    size: float
    error: float


def column_sizes(problem: Any) -> FloatArray:
    """``sqrt(sum_i p_i x_ij^2)``, (d,): half a pass, once a source and its weights."""
    source, p = problem.source, problem.p
    kept = _SIZES.get(source)
    if kept is None or kept[0] is not p:
        _, second = source.moments(p) if source.kind == "stream" else column_moments(source, p)
        problem.passes += 0.5
        kept = _SIZES[source] = (p, np.sqrt(second))
    return kept[1]


def _sampled_sizes(problem: Any) -> FloatArray:
    """The same from some rows, a multiple of it to be safe; of sparse rows one for all: the largest of some entries."""
    source = problem.source
    n, _ = source.shape
    if source.kind == "dense":
        rows = np.asarray(source.X[:: -(-n // _ROWS)], dtype=np.float64)
        return np.asarray(2.0 * np.sqrt(np.mean(rows * rows, axis=0)))
    data = source.rows.data
    return np.full(1, float(np.abs(data[:: len(data) // _ENTRIES + 1]).max(initial=0.0)))


def _errors(problem: Any, sizes: FloatArray, u: FloatArray) -> FloatArray:
    longest = max((stop - start for start, stop in problem.source.shards), default=0)
    growth = (2.0 + 0.25 * math.sqrt(longest)) * _EPS
    slopes = np.sqrt(np.atleast_1d(problem.p @ (u * u)))
    with np.errstate(invalid="ignore"):
        errors = growth * np.outer(sizes, slopes).ravel()
    errors[np.isnan(errors)] = 0.0  # slopes of zero: nothing is summed
    d = problem.source.shape[1]
    return np.tile(errors, d) if len(sizes) < d else errors


def correlation_errors(problem: Any, u: FloatArray, c: FloatArray, value: float) -> tuple[FloatArray, FloatArray]:
    """``(c, errors)``: ``X^T p u``, flat, and an estimate of the rounding in each entry.

    Where m rows are summed one after the other, ``(2 + sqrt(m) / 4) eps sqrt(sum p x_j^2) sqrt(sum p u^2)``.  Entries
    for which that is too much are summed again in extended precision, where the machine has it.  ``value`` is the
    objective, beside which an l2 penalty sees errors.

    Cost: O(n k + d k); where a column is huge a pass, slow, over such columns.
    """
    l1, l2 = problem.traits.l1, problem.traits.l2
    if not (l1 > 0.0 or l2 > 0.0):
        # a bounded set forgives what its size makes of rounding; sides without an end are judged by `held.forgiven`
        held = problem.traits.constrained and not problem.constraint.separable
        return c, _errors(problem, _sampled_sizes(problem), u) if held else np.zeros(len(c))
    # what an entry may be off: of an l1 penalty, or such that all of them are rounding of the objective
    allowed = _HARMLESS * l1 if l1 > 0.0 else math.sqrt(2.0 * l2 * _EPS * abs(value) / max(1, len(c)))
    errors = _errors(problem, _sampled_sizes(problem), u)
    if float(errors.max(initial=0.0)) <= allowed:
        return c, errors
    errors = _errors(problem, column_sizes(problem), u)
    n, k = len(u), problem.layout.n_outputs
    columns = np.flatnonzero((errors > allowed).reshape(-1, k).any(axis=1) & np.isfinite(errors.reshape(-1, k)[:, 0]))
    fine = float(np.finfo(np.longdouble).eps) / _EPS
    if problem.source.kind == "stream" or not len(columns) or fine > 2.0**-10 or n * len(columns) * k > _MOST:
        return c, errors
    c, errors = c.reshape(-1, k).copy(), errors.reshape(-1, k)
    c[columns] = _extended(problem, u.reshape(n, k), columns)
    # blocks and their sum, and the last rounding to float64
    errors[columns] = 16.0 * fine * errors[columns] + _EPS * np.abs(c[columns])
    return c.ravel(), errors.ravel()


def _extended(problem: Any, u: FloatArray, columns: AnyArray) -> FloatArray:
    """``X^T p u`` of some columns, (columns, k), in the widest floating point that NumPy has."""
    source = problem.source
    total = np.zeros((len(columns), u.shape[1]), dtype=np.longdouble)
    step = max(1, _BLOCK // len(columns))
    for low in range(0, len(u), step):
        rows = slice(low, low + step)
        X = source.X[rows][:, columns] if source.kind == "dense" else source.matrix[rows][:, columns].toarray()
        slopes = problem.p[rows, None].astype(np.longdouble) * u[rows]
        total += X.T.astype(np.longdouble) @ slopes
    return total.astype(np.float64)


def culprit(problem: Any, at: Evaluation, tol: float) -> Culprit | None:
    """The column that keeps a bound from ``tol`` by its scale alone; None where scaling would not help.

    Beside the rounding of the sum counts the distance of two neighbouring weights: one unit in the last place of w_j
    moves the correlation by ``eps |w_j| sum p x_j^2``.
    """
    l1, l2 = problem.traits.l1, problem.traits.l2
    m, k = problem.layout.n_weights, problem.layout.n_outputs
    sampled = _sampled_sizes(problem)
    if not (l1 > 0.0 or l2 > 0.0) or (problem.source.kind == "dense" and float(sampled.max(initial=0.0)) < 100.0):
        return None
    sizes = column_sizes(problem)
    each = np.repeat(sizes, k)
    with np.errstate(all="ignore"):
        errors = _errors(problem, sizes, at.slopes) + _EPS * np.abs(at.w[:m]) * each * each
        errors[np.isnan(errors)] = math.inf
        allowed = tol * l1 if l1 > 0.0 else math.sqrt(2.0 * l2 * tol * abs(at.value))
        cured = np.where(np.isfinite(each), errors / each, 0.0) <= 1e-3 * allowed
    guilty = np.where(cured & (errors > 0.1 * allowed), errors, 0.0)
    worst = int(np.argmax(guilty)) if m else 0
    if not m or guilty[worst] == 0.0:
        return None
    return Culprit(worst // k, float(each[worst]), float(errors[worst]))
