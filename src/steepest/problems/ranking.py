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
    ``sizes`` the number of levels of each query.  ``short`` says of which queries the pairs are looked at one by one,
    ``weights`` how much a pair of each query counts.
    """

    rows: AnyArray
    starts: AnyArray
    level: AnyArray
    sizes: AnyArray
    y: FloatArray
    short: AnyArray
    weights: FloatArray

    @property
    def n_queries(self) -> int:
        """How many there are."""
        return len(self.sizes)


def queries(y: FloatArray, codes: AnyArray, weights: FloatArray | None = None) -> Queries:
    """Rows sorted into queries: O(n log n).

    Parameters
    ----------
    y : array of shape (n,)
        Relevance; only its order within a query counts, and its differences where pairs are graded.
    codes : array of shape (n,) of integers
        The query of each row, from 0, in any order.
    weights : array of shape (n,), optional
        How much a pair of the row's query counts: the same for all rows of a query.

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
    short = np.diff(starts) <= ranking.SHORT
    of_query = np.ones(len(short)) if weights is None else weights[by[starts[:-1]]]
    return Queries(by.astype(np.int64), starts, level, climbed[starts[1:] - 1] - first + 1, y, short, of_query)


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
    parts = queries(y, codes[rows], problem.parts.weights[codes[rows]])
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
        self._long: list[int] = np.flatnonzero(~parts.short).tolist()
        self._ones = np.ones(source.shape[0])
        self._none = np.empty((source.shape[0], 0))
        zeros = np.zeros(source.shape[0])

        def weigh() -> float:
            return 0.5 * float(self.sums(zeros, parts.rows, 1.0, -math.inf, self._none).N.sum())

        self._scales = np.ones(parts.n_queries)
        self.n_pairs = self.total = weigh()
        self.graded, self._scales = bool(graded), parts.weights
        if self.graded or np.any(parts.weights != 1.0):
            self.total = weigh()
        if self.n_pairs > 0.0 and not self.total > 0.0:
            raise DataError("sample_weight: expected a query with pairs and a weight above 0, got none. Weigh one.")
        if not (self.total > 0.0 and math.isfinite(self.total)):
            raise DataError(
                "y: expected two relevances in at least one query, got the same for all rows of each. "
                "There is no pair to learn from; check qid."
            )
        self._scales = parts.weights / self.total

    # -------------------------------------------------------------------------------------------- pair sums

    def sums(
        self, z: FloatArray, order: AnyArray, high: float, low: float, V: FloatArray, long_only: bool = False
    ) -> Sums:
        """`kernels.ranking.band_sums` over the total weight of the pairs; zeros for short queries if ``long_only``."""
        n, p, scales = len(z), self.parts, self._scales
        make = np.zeros if long_only else np.empty
        N, B, W = make(n), make(n), make((n, V.shape[1]))
        V = frozen(V)

        def task(s: tuple[int, int]) -> None:
            starts, sizes, short = p.starts[s[0] : s[1] + 1], p.sizes[s[0] : s[1]], p.short[s[0] : s[1]]
            ranking.band_sums(
                z, p.y, p.level, order, starts, sizes, short, low, high, self.graded, scales[s[0] : s[1]], V, N, B, W
            )

        def one(q: int) -> None:  # its rows in their order, so that the sweep reads memory in order too
            own, sizes, short = order[p.starts[q] : p.starts[q + 1]], p.sizes[q : q + 1], p.short[q : q + 1]
            m = len(own)
            few = z[own], p.y[own], p.level[own], np.arange(m), np.array([0, m]), sizes, short
            found = np.empty(m), np.empty(m), np.empty((m, V.shape[1]))
            ranking.band_sums(*few, low, high, self.graded, scales[q : q + 1], frozen(V[own]), *found)
            N[own], B[own], W[own] = found

        if long_only:
            self.source.pool.map(one, self._long)
        else:
            self.source.pool.map(task, self._shards)
        return Sums(N, B, W)

    def sort(self, scores: FloatArray) -> tuple[FloatArray, AnyArray]:
        """Scores less their mean in the query, and the rows by ascending score; those of short queries by level."""
        z, p = np.empty_like(scores), self.parts
        self.source.pool.map(lambda s: ranking.centre(scores, p.rows, p.starts[s[0] : s[1] + 1], z), self._shards)
        if not len(self._long):
            return z, p.rows
        order = p.rows.copy()

        def task(q: int) -> None:
            own = p.rows[p.starts[q] : p.starts[q + 1]]
            order[p.starts[q] : p.starts[q + 1]] = own[np.argsort(z[own])]

        self.source.pool.map(task, self._long)
        return z, order

    def losses(self, scores: FloatArray, width: float) -> dict[str, Any]:
        """Loss, smoothed loss, its slopes in the scores, and the sum of the pair multipliers: O(n log m)."""
        z, order = self.sort(scores)
        p, squared = self.parts, self.loss == "squared_hinge"
        u, N = np.zeros(len(z)), np.zeros(len(z))

        def task(s: tuple[int, int]) -> FloatArray:
            out = np.zeros(3)
            starts, short, scales = p.starts[s[0] : s[1] + 1], p.short[s[0] : s[1]], self._scales[s[0] : s[1]]
            ranking.short_losses(z, p.y, p.level, p.rows, starts, short, width, squared, self.graded, scales, u, N, out)
            return out

        sums = np.zeros(3) if len(self._long) == len(p.short) else sum(self.source.pool.map(task, self._shards))
        loss, smooth, dual = sums.tolist()
        found = {"loss": loss, "smooth": smooth, "u": u, "z": z, "o": order, "N": N, "banded": 0.0}
        # the conjugate of the squared hinge at the multiplier -a is -a + a^2 / 4
        found["dual"] = dual - loss if squared else dual
        if len(self._long):
            self._add_long(found, width)
        return found

    def _add_long(self, found: dict[str, Any], width: float) -> None:
        """Adds the pairs of long queries, by sorted scores."""
        z, order = found["z"], found["o"]
        low = -math.inf if self.loss == "squared_hinge" else 1.0 - width
        band = self.sums(z, order, 1.0, low, z[:, None], True)
        pairs, tilt = 0.5 * float(band.N.sum()), float(band.B @ z)
        linear = pairs - tilt
        square = max(linear - tilt + float(z @ band.W[:, 0]), 0.0)
        found["N"] += band.N
        if self.loss == "squared_hinge":
            found["loss"] += square
            found["smooth"] += square
            found["u"] += 2.0 * (band.W[:, 0] - band.B)
            found["dual"] += 2.0 * linear - square
            return
        # pairs below the band have the multiplier 1: they are counted, and no difference of large numbers is taken
        below = self.sums(z, order, 1.0 - width, -math.inf, self._none, True)
        count = 0.5 * float(below.N.sum())
        outside = count - float(below.B @ z)
        found["loss"] += outside + linear
        found["smooth"] += outside - 0.5 * width * count + square / (2.0 * width)
        found["u"] += (band.W[:, 0] - band.B) / width - below.B
        found["dual"] += count + linear / width
        found["banded"] += (abs(tilt) + pairs) / width

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
            "banded": found.get("banded", 0.0),  # numbers whose difference is in the dual value: their rounding is too
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

    def laplacian(self, at: Evaluation) -> FloatArray:
        """M with ``X' M X`` the Hessian of the smoothed loss, (n, n): O(n^2 log m)."""
        low, bend = self._band(at.extra["width"])
        found = self.sums(at.extra["z"], at.extra["order"], 1.0, low, np.eye(len(at.scores)))
        return np.asarray(bend * found.W)

    def hessian(self, at: Evaluation, X: FloatArray) -> FloatArray:
        """Hessian of the smoothed P, (d, d), from the rows X as a float64 array.

        Cost: O(m d (d + log L)) for m rows in pairs that have curvature, and O(n log L).
        """
        low, bend = self._band(at.extra["width"])
        H = np.zeros((self.size, self.size))
        if len(self._long) < len(self.parts.short):
            X = frozen(X)
            for part in self.source.pool.map(lambda s: self._curved_short(at, X, low, *s), self._shards):
                H += part
        if len(self._long):
            self._add_curved_long(at, X, low, H)
        H *= bend
        H[np.diag_indices(self.size)] += self.traits.l2
        self.passes += 0.5 * float(np.count_nonzero(at.extra["N"])) / len(at.scores)
        return H

    def _curved_short(self, at: Evaluation, X: FloatArray, low: float, first: int, last: int) -> FloatArray:
        """``X' L X`` of the short ones among some queries, with the Laplacian L of their pairs in the band."""
        p, starts, short = self.parts, self.parts.starts[first : last + 1], self.parts.short[first:last]
        n = int(starts[-1] - starts[0])
        heads, roots, partners = np.empty(n, dtype=np.int64), np.empty((n, self.size)), np.empty((n, self.size))
        n_roots, n_heads = ranking.short_curvature(
            at.extra["z"],
            p.y,
            p.level,
            p.rows,
            starts,
            short,
            low,
            1.0,
            self.graded,
            self._scales[first:last],
            X,
            at.extra["N"],
            roots,
            heads,
            partners,
        )
        roots = roots[:n_roots]
        crossed = X[heads[:n_heads]].T @ partners[:n_heads]
        return roots.T @ roots - (crossed + crossed.T)

    def _add_curved_long(self, at: Evaluation, X: FloatArray, low: float, H: FloatArray) -> None:
        p, z, order = self.parts, at.extra["z"], at.extra["order"]
        paired = (at.extra["N"][order] > 0.0) & np.repeat(~p.short, np.diff(p.starts))
        rows = order[paired]  # the others have no partner, and these have theirs among themselves
        before = np.concatenate([[0], np.cumsum(paired)])
        few = (z[rows], p.y[rows], p.level[rows], np.arange(len(rows)), before[p.starts], X[rows])
        for part in self.source.pool.map(lambda s: self._curved(few, low, *s), self._shards):
            H += 0.5 * (part + part.T)

    def _curved(self, few: tuple[Any, ...], low: float, first: int, last: int) -> FloatArray:
        """``X' L X`` of some queries, with the Laplacian L of their pairs in the band."""
        z, y, level, order, starts, X = few
        a, b = int(starts[first]), int(starts[last])
        z, y, level, order, X = z[a:b], y[a:b], level[a:b], order[: b - a], X[a:b]
        N, B, W = np.empty(b - a), np.empty(b - a), np.empty_like(X)
        own, sizes, short = starts[first : last + 1] - a, self.parts.sizes[first:last], self.parts.short[first:last]
        scales = self._scales[first:last]
        ranking.band_sums(z, y, level, order, own, sizes, short, low, 1.0, self.graded, scales, frozen(X), N, B, W)
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
