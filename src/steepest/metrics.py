"""How good a ranking is: NDCG, mean average precision, Kendall's tau, and the share of pairs in the right order.

All take relevances, scores (higher is better) and the query of each row, and return the mean over queries.  Rows of
equal score share what their places would give, as scikit-learn has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from steepest.exceptions import DataError, InvalidParameterError
from steepest.kernels import ranking
from steepest.problems.ranking import queries
from steepest.protocols import AnyArray, FloatArray


def query_codes(qid: Any, n: int) -> AnyArray:
    """Queries numbered from 0, for ids of any kind; one query where there are none."""
    if qid is None:
        return np.zeros(n, dtype=np.int64)
    ids = np.asarray(qid)
    if ids.shape != (n,):
        raise DataError(f"qid: expected one id for each of {n} rows, got shape {ids.shape}. Flatten or repeat it.")
    if ids.dtype.kind == "f" and not np.all(np.isfinite(ids)):
        raise DataError("qid: expected an id in every row, got NaN or infinity. Fill it in, or leave out the row.")
    try:
        return np.unique(ids, return_inverse=True)[1].reshape(-1)
    except TypeError:
        raise DataError("qid: expected ids that can be compared, got ids of several types. Make all text.") from None


def _checked(y: Any, scores: Any, qid: Any) -> tuple[FloatArray, FloatArray, AnyArray]:
    y, z = np.asarray(y, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != z.shape or not len(y):
        raise DataError(f"scores: expected one score a row of y, got shapes {z.shape} and {y.shape}. Flatten both.")
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(z))):
        raise DataError("y, scores: expected finite numbers, got NaN or infinity. Leave out those rows.")
    return y, z, query_codes(qid, len(y))


def _by_query(*columns: FloatArray, codes: AnyArray) -> Iterator[tuple[FloatArray, ...]]:
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    for rows in np.split(order, cuts):
        yield tuple(column[rows] for column in columns)


def _ties(z: FloatArray) -> tuple[AnyArray, AnyArray]:
    """Rows by descending score, and the group of equal scores of each."""
    order = np.argsort(-z, kind="stable")
    new = np.ones(len(z), dtype=bool)
    new[1:] = z[order][1:] != z[order][:-1]
    return order, np.cumsum(new) - 1


def ndcg_at_k(
    y: Any,
    scores: Any,
    qid: Any = None,
    k: int | None = 10,
    gain: Literal["exponential", "linear"] = "exponential",
) -> float:
    """Normalised discounted cumulative gain of the first k places, the mean over queries.

    ``DCG = sum over places r <= k of gain / log2(r + 1)``, over that of the best order; the gain is ``2^y - 1``, as in
    LETOR, or ``y``, as in scikit-learn.  A query without any gain counts 0, as in both.

    Parameters
    ----------
    y, scores : arrays of shape (n,)
        Relevances (at least 0) and scores.
    qid : array of shape (n,), optional
        Query of each row; None is one query.
    k : int or None
        None for all places.
    gain : {"exponential", "linear"}

    Examples
    --------
    >>> round(ndcg_at_k([2, 0, 1], [0.9, 0.5, 0.1], k=3), 4)
    0.9639
    """
    if k is not None and not (isinstance(k, int | np.integer) and k >= 1):
        raise InvalidParameterError(f"k: expected an integer >= 1 or None, got {k!r}. Try 10.")
    if gain not in ("exponential", "linear"):
        raise InvalidParameterError(f"gain: expected 'exponential' or 'linear', got {gain!r}.")
    y, z, codes = _checked(y, scores, qid)
    if y.min() < 0.0:
        raise DataError(f"y: expected relevances of at least 0, got {y.min():g}. Shift them.")
    return float(np.mean(ndcg_by_query(y, z, codes, k, gain)))


def ndcg_by_query(
    y: FloatArray, z: FloatArray, codes: AnyArray, k: int | None, gain: str = "exponential"
) -> FloatArray:
    """The NDCG of every query, in the order of ``codes``; see `ndcg_at_k`, which checks what it is given."""
    gains = np.exp2(y) - 1.0 if gain == "exponential" else y
    found = []
    for g, s in _by_query(gains, z, codes=codes):
        discounts = 1.0 / np.log2(np.arange(2.0, len(g) + 2.0))
        discounts[len(g) if k is None else k :] = 0.0
        best = float(np.sort(g)[::-1] @ discounts)
        order, group = _ties(s)
        shared = (np.bincount(group, discounts) / np.bincount(group))[group]
        found.append(float(g[order] @ shared) / best if best > 0.0 else 0.0)
    return np.array(found)


def mean_average_precision(y: Any, scores: Any, qid: Any = None) -> float:
    """Mean over queries of the average precision; rows with ``y > 0`` are relevant.

    Average precision is the mean, over the relevant rows, of the share of relevant rows among those that score at
    least as high.  A query without relevant rows counts 0.

    Examples
    --------
    >>> round(mean_average_precision([1, 0, 1], [0.9, 0.5, 0.1]), 4)
    0.8333
    """
    y, z, codes = _checked(y, scores, qid)
    found = []
    for hit, s in _by_query((y > 0.0).astype(np.float64), z, codes=codes):
        order, group = _ties(s)
        hits, rows = np.bincount(group, hit[order]), np.bincount(group)
        total = float(hits.sum())
        found.append(float(hits @ (np.cumsum(hits) / np.cumsum(rows))) / total if total else 0.0)
    return float(np.mean(found))


def _pairs(y: FloatArray, z: FloatArray, codes: AnyArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pairs of different relevance a query: all, those in the wrong order, those of equal score.  O(m log m)."""
    parts = queries(y, codes)
    order = np.lexsort((z, codes)).astype(np.int64)
    n, none, sorted_ = len(y), np.empty((len(y), 0)), np.zeros(parts.n_queries, dtype=bool)
    ones = np.ones(parts.n_queries)
    N, B, W = np.empty(n), np.empty(n), np.empty((n, 0))

    def count(high: float) -> FloatArray:
        level, sizes = parts.level, parts.sizes
        none.flags.writeable = False
        ranking.band_sums(z, y, level, order, parts.starts, sizes, sorted_, -np.inf, high, False, ones, none, N, B, W)
        return 0.5 * np.add.reduceat(N[parts.rows], parts.starts[:-1])

    wrong = count(0.0)
    return count(np.inf), wrong, count(np.nextafter(0.0, 1.0)) - wrong


def pair_accuracy(y: Any, scores: Any, qid: Any = None) -> float:
    """Share of the pairs of different relevance that are in the right order, over all queries; equal scores count half.

    NaN where there is no such pair.  Cost: O(m log m) for a query of m rows.

    Examples
    --------
    >>> round(pair_accuracy([2, 0, 1], [0.9, 0.5, 0.1]), 4)
    0.6667
    """
    pairs, wrong, equal = (float(part.sum()) for part in _pairs(*_checked(y, scores, qid)))
    return (pairs - wrong - 0.5 * equal) / pairs if pairs else float("nan")


def kendall_tau(y: Any, scores: Any, qid: Any = None) -> float:
    """Kendall's tau-b between relevance and score, the mean over queries in which neither is constant.

    ``(right - wrong) / sqrt(pairs of different relevance * pairs of different score)``; NaN where no query has both.
    Cost: O(m log m) for a query of m rows.

    Examples
    --------
    >>> round(kendall_tau([2, 0, 1], [0.9, 0.5, 0.1]), 4)
    0.3333
    """
    y, z, codes = _checked(y, scores, qid)
    pairs, wrong, equal = _pairs(y, z, codes)
    others = _pairs(z, y, codes)[0]
    told = (pairs > 0.0) & (others > 0.0)
    if not told.any():
        return float("nan")
    return float(np.mean((pairs - 2.0 * wrong - equal)[told] / np.sqrt(pairs[told] * others[told])))
