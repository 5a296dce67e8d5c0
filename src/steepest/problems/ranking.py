"""Ranking by pairs: a score for each row, compared within its query.

::

    P(w) = sum over pairs q_ij loss(x_i.w - x_j.w) + l2/2 |w|^2,     sum q_ij = 1

over all pairs (i, j) of one query with ``y_i > y_j``; ``q_ij`` is the same for all pairs, or in proportion to
``y_i - y_j``.  The loss is the hinge ``max(0, 1 - t)`` or its square.  Pairs are never listed: sums over them are
sums over sorted scores (`steepest.kernels.ranking`), and memory is that of X and some numbers a row.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.data.source import as_source, frozen
from steepest.exceptions import DataError
from steepest.kernels import ranking
from steepest.protocols import AnyArray, Evaluation, FloatArray, Traits

SHARD_ROWS = 2048  # rows from which a share of the queries is worth a thread
LOSSES = ("hinge", "squared_hinge")


class Queries(NamedTuple):
    """Rows by query, and their levels of relevance.

    ``rows[starts[q]:starts[q + 1]]`` are the rows of query q, ``level`` the rank of a row's relevance in its query,
    ``sizes`` the number of levels of each query.
    """

    rows: AnyArray
    starts: AnyArray
    level: AnyArray
    sizes: AnyArray
    y: FloatArray

    @property
    def n_queries(self) -> int:
        """How many there are."""
        return len(self.sizes)


def queries(y: FloatArray, codes: AnyArray) -> Queries:
    """Rows sorted into queries: O(n log n).

    Parameters
    ----------
    y : array of shape (n,)
        Relevance; only its order within a query counts, and its differences where pairs are graded.
    codes : array of shape (n,) of integers
        The query of each row, from 0, in any order.

    Examples
    --------
    >>> queries(np.array([2.0, 0.0, 7.0, 2.0]), np.array([0, 0, 1, 0])).level
    array([1, 0, 0, 1])
    """
    n = len(y)
    by = np.lexsort((y, codes))
    sorted_codes, sorted_y = codes[by], y[by]
    new_query = np.ones(n, dtype=bool)
    new_query[1:] = sorted_codes[1:] != sorted_codes[:-1]
    starts = np.append(np.flatnonzero(new_query), n).astype(np.int64)
    step = np.zeros(n, dtype=np.int64)
    step[1:] = (sorted_y[1:] != sorted_y[:-1]) & ~new_query[1:]
    climbed = np.cumsum(step)
    first = climbed[starts[:-1]]
    level = np.empty(n, dtype=np.int64)
    level[by] = climbed - np.repeat(first, np.diff(starts))
    return Queries(by.astype(np.int64), starts, level, climbed[starts[1:] - 1] - first + 1, y)


def _shards(starts: AnyArray) -> list[tuple[int, int]]:
    """Ranges of queries with about equal numbers of rows; they depend on the queries alone."""
    count = min(16, int(starts[-1]) // SHARD_ROWS, len(starts) - 1)
    edges = np.searchsorted(starts, np.linspace(0, int(starts[-1]), max(count, 1) + 1))
    edges[0], edges[-1] = 0, len(starts) - 1
    edges = np.unique(edges)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def sampled(problem: RankingProblem, rows: AnyArray) -> RankingProblem:
    """The same problem on some rows, in memory of its own."""
    source, y = problem.source, problem.parts.y[rows]
    codes = np.empty(len(problem.parts.y), dtype=np.int64)
    codes[problem.parts.rows] = np.repeat(np.arange(problem.parts.n_queries), np.diff(problem.parts.starts))
    X = source.X[rows] if source.kind == "dense" else source.matrix[rows]
    parts = queries(y, codes[rows])
    return RankingProblem(as_source(X, pool=source.pool), parts, problem.loss, problem.traits.l2, problem.graded)


class Sums(NamedTuple):
    """What `RankingProblem.sums` finds; each over n rows, and in the units of a mean over pairs."""

    N: FloatArray
    B: FloatArray
    W: FloatArray


class RankingProblem:
    """See the head of this file.

    Parameters
    ----------
    source : Source
    parts : Queries
    loss : {"hinge", "squared_hinge"}
    l2 : float
        Positive.
    graded : bool
        Whether a pair weighs ``y_i - y_j`` and not 1.

    Notes
    -----
    The hinge is smoothed with a width g: ``[(1 - t)_+^2 - (1 - g - t)_+^2] / (2 g)``.  Its slopes give pair
    multipliers ``a = min(1, (1 - t)_+ / g)`` that the dual of the hinge itself allows, so every evaluation proves a
    gap of the hinge.  Cost of `evaluate`: one pass and O(n log m).
    """

    def __init__(self, source: Any, parts: Queries, loss: str, l2: float, graded: bool = False) -> None:
        self.source, self.parts, self.loss, self.graded = source, parts, loss, False
        self.size = source.shape[1]
        self.passes = 0.0
        squared = loss == "squared_hinge"
        self.traits = Traits(True, squared, False, True, True, 0.0, float(l2), 1)
        self._shards = _shards(parts.starts)
        self._ones = np.ones(source.shape[0])
        self._none = np.empty((source.shape[0], 0))
        self.total = self.n_pairs = 1.0
        zeros = np.zeros(source.shape[0])
        self.n_pairs = 0.5 * float(self.sums(zeros, parts.rows, 1.0, -math.inf, self._none).N.sum())
        self.total, self.graded = self.n_pairs, bool(graded)
        if self.graded:
            self.total = 1.0
            self.total = 0.5 * float(self.sums(zeros, parts.rows, 1.0, -math.inf, self._none).N.sum())
        if not (self.total > 0.0 and math.isfinite(self.total)):
            raise DataError(
                "y: expected two relevances in at least one query, got the same for all rows of each. "
                "There is no pair to learn from; check qid."
            )

    # -------------------------------------------------------------------------------------------- pair sums

    def sums(self, z: FloatArray, order: AnyArray, high: float, low: float, V: FloatArray) -> Sums:
        """`kernels.ranking.band_sums` over the total weight of the pairs."""
        n, p, scale = len(z), self.parts, 1.0 / self.total
        N, B = np.empty(n), np.empty(n)
        W = np.empty((n, V.shape[1]))
        V = frozen(V)

        def task(s: tuple[int, int]) -> None:
            starts, sizes = p.starts[s[0] : s[1] + 1], p.sizes[s[0] : s[1]]
            ranking.band_sums(z, p.y, p.level, order, starts, sizes, low, high, self.graded, scale, V, N, B, W)

        self.source.pool.map(task, self._shards)
        return Sums(N, B, W)

    def sort(self, scores: FloatArray) -> tuple[FloatArray, AnyArray]:
        """Scores less their mean in the query, and the rows in their order."""
        z, order = np.empty_like(scores), np.empty(len(scores), dtype=np.int64)
        p = self.parts
        self.source.pool.map(
            lambda s: ranking.sort_queries(scores, p.rows, p.starts[s[0] : s[1] + 1], z, order), self._shards
        )
        return z, order

    def _band_sums(self, z: FloatArray, order: AnyArray, low: float) -> tuple[Sums, float]:
        """Sums of the pairs with ``low <= t < 1``, and ``sum q t`` of them."""
        found = self.sums(z, order, 1.0, low, z[:, None])
        return found, float(found.B @ z)

    def losses(self, scores: FloatArray, width: float) -> dict[str, Any]:
        """Loss, smoothed loss, its slopes in the scores, and the sum of the pair multipliers: O(n log m)."""
        z, order = self.sort(scores)
        if self.loss == "squared_hinge":
            band, tilt = self._band_sums(z, order, -math.inf)
            linear = 0.5 * float(band.N.sum()) - tilt
            square = max(linear - tilt + float(z @ band.W[:, 0]), 0.0)
            u = 2.0 * (band.W[:, 0] - band.B)
            # a = 2 (1 - t)_+, whose conjugate is -a + a^2 / 4
            return {
                "loss": square,
                "smooth": square,
                "u": u,
                "dual": 2.0 * linear - square,
                "z": z,
                "o": order,
                "N": band.N,
            }
        # pairs below the band have the multiplier 1: they are counted, and no difference of large numbers is taken
        band, tilt = self._band_sums(z, order, 1.0 - width)
        below = self.sums(z, order, 1.0 - width, -math.inf, self._none)
        count = 0.5 * float(below.N.sum())
        outside = count - float(below.B @ z)
        inside = 0.5 * float(band.N.sum()) - tilt
        square = max(inside - tilt + float(z @ band.W[:, 0]), 0.0)
        return {
            "loss": outside + inside,
            "smooth": outside - 0.5 * width * count + square / (2.0 * width),
            "u": (band.W[:, 0] - band.B) / width - below.B,
            "dual": count + inside / width,
            "N": band.N,
            "banded": (abs(tilt) + 0.5 * float(band.N.sum())) / width,
            "z": z,
            "o": order,
        }

    # ---------------------------------------------------------------------------------------- as solvers see it

    def start(self) -> FloatArray:
        """Zero."""
        return np.zeros(self.size)

    def inner(self, a: FloatArray, b: FloatArray) -> float:
        """The scalar product."""
        return float(a @ b)

    def weights(self, w: FloatArray) -> FloatArray:
        """The parameters themselves."""
        return w

    def evaluate(self, w: FloatArray, width: float = 1.0) -> Evaluation:
        """Value of P, gradient of the smoothed P, and the gap of P at the multipliers of the smoothed loss: one pass.

        In ``extra``: ``gap`` (and its ``dual`` value), ``stationary`` and ``blur``, the parts of the gap that a better
        w, and a smaller width, would close; ``smooth``, the smoothed P; the sorted scores.
        """
        scores = self.source.matvec(w)
        self.passes += 0.5
        return self.evaluate_at(w, scores, width)

    def evaluate_at(
        self, w: FloatArray, scores: FloatArray, width: float, known: dict[str, Any] | None = None
    ) -> Evaluation:
        """The same from known scores, and perhaps the known `losses` there: half a pass."""
        found = self.losses(scores, width) if known is None else known
        c, _ = self.source.rmatvec(self._ones, found["u"])
        self.passes += 0.5
        l2 = self.traits.l2
        ridge = 0.5 * l2 * float(w @ w)
        gradient = c + l2 * w
        dual = found["dual"] - float(c @ c) / (2.0 * l2)
        value = found["loss"] + ridge
        stationary = float(gradient @ gradient) / (2.0 * l2)
        extra = {
            "gap": value - dual,
            "dual": dual,
            "stationary": stationary,
            "blur": max(value - dual - stationary, 0.0),
            "smooth": found["smooth"] + ridge,
            "width": width,
            "z": found["z"],
            "order": found["o"],
            "N": found["N"],
            "banded": found.get("banded", 0.0),  # what the rounding of the dual value goes with
        }
        if self.loss == "squared_hinge":  # Fenchel's equality holds at the slopes: no difference of large numbers
            extra["gap"], extra["blur"], extra["dual"] = stationary, 0.0, value - stationary
        return Evaluation(w, value, found["loss"], gradient, scores, found["u"], extra)

    def _band(self, width: float) -> tuple[float, float]:
        """The least t of pairs with curvature, and that curvature."""
        return (-math.inf, 2.0) if self.loss == "squared_hinge" else (1.0 - width, 1.0 / width)

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """Hessian of the smoothed P times v: one pass and O(n log m)."""
        low, bend = self._band(at.extra["width"])
        x = self.source.matvec(v)
        found = self.sums(at.extra["z"], at.extra["order"], 1.0, low, x[:, None])
        c, _ = self.source.rmatvec(self._ones, found.W[:, 0].copy())
        self.passes += 1.0
        return bend * c + self.traits.l2 * v  # type: ignore[no-any-return]

    def hessian(self, at: Evaluation, X: FloatArray) -> FloatArray:
        """Hessian of the smoothed P, (d, d), from the rows X as a float64 array.

        Cost: O(m d (d + log L)) for m rows in pairs
        that have curvature, and O(n log L).
        """
        low, bend = self._band(at.extra["width"])
        p, z, order = self.parts, at.extra["z"], at.extra["order"]
        paired = at.extra["N"][order] > 0.0
        rows = order[paired]  # the others have no partner, and these have theirs among themselves
        before = np.concatenate([[0], np.cumsum(paired)])
        few = (z[rows], p.y[rows], p.level[rows], np.arange(len(rows)), before[p.starts], X[rows])
        H = np.zeros((self.size, self.size))
        for part in self.source.pool.map(lambda s: self._curved(few, low, *s), self._shards):
            H += part
        self.passes += 0.5 * len(rows) / len(z)
        H = (0.5 * bend) * (H + H.T)
        H[np.diag_indices(self.size)] += self.traits.l2
        return H

    def _curved(self, few: tuple[Any, ...], low: float, first: int, last: int) -> FloatArray:
        """``X' L X`` of some queries, with the Laplacian L of their pairs in the band."""
        z, y, level, order, starts, X = few
        a, b = int(starts[first]), int(starts[last])
        z, y, level, order, X = z[a:b], y[a:b], level[a:b], order[: b - a], X[a:b]
        N, B, W = np.empty(b - a), np.empty(b - a), np.empty_like(X)
        own, sizes = starts[first : last + 1] - a, self.parts.sizes[first:last]
        scale = 1.0 / self.total
        ranking.band_sums(z, y, level, order, own, sizes, low, 1.0, self.graded, scale, frozen(X), N, B, W)
        return X.T @ W  # type: ignore[no-any-return]

    def along(self, at: Evaluation, d: FloatArray) -> Ray:
        """The smoothed P along ``w + t d``: half a pass."""
        dz = self.source.matvec(d)
        self.passes += 0.5
        return Ray(self, at, d, dz)


class Ray:
    """The smoothed P along ``w + t d``; O(n log m) for every t."""

    def __init__(self, problem: RankingProblem, at: Evaluation, d: FloatArray, dz: FloatArray) -> None:
        self.problem, self.at, self.d, self.dz = problem, at, d, dz
        self._last: tuple[float, dict[str, Any]] | None = None
        l2 = problem.traits.l2
        self._ridge = 0.5 * l2 * float(at.w @ at.w), l2 * float(at.w @ d), l2 * float(d @ d)

    def value_slope(self, t: float) -> tuple[float, float]:
        """The smoothed P and its derivative at t."""
        found = self.problem.losses(self.at.scores + t * self.dz, self.at.extra["width"])
        self._last = t, found
        c, b, a = self._ridge
        value = found["smooth"] + c + t * (b + 0.5 * t * a)
        return value, float(found["u"] @ self.dz) + b + t * a

    def complete(self, t: float) -> Evaluation:
        """Everything at ``w + t d``: half a pass, and no pair sum where t was looked at last."""
        known = self._last[1] if self._last is not None and self._last[0] == t else None
        at = self.at
        return self.problem.evaluate_at(at.w + t * self.d, at.scores + t * self.dz, at.extra["width"], known)

    def value(self, t: float) -> float:
        """The smoothed P at t."""
        return self.value_slope(t)[0]
