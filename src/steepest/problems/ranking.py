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

from steepest.data.source import frozen
from steepest.exceptions import DataError
from steepest.kernels import ranking
from steepest.protocols import AnyArray, Evaluation, FloatArray, Traits

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
        self._ones = np.ones(source.shape[0])
        self._scratch: FloatArray | None = None
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

    def sums(
        self, z: FloatArray, order: AnyArray, high: float, low: float, V: FloatArray, out: FloatArray | None = None
    ) -> Sums:
        """`kernels.ranking.band_sums` over the total weight of the pairs; W is written to ``out``."""
        n, p, scale = len(z), self.parts, 1.0 / self.total
        N, B = np.empty(n), np.empty(n)
        W = np.empty((n, V.shape[1])) if out is None else out
        ranking.band_sums(z, p.y, p.level, order, p.starts, p.sizes, low, high, self.graded, scale, frozen(V), N, B, W)
        return Sums(N, B, W)

    def sort(self, scores: FloatArray) -> tuple[FloatArray, AnyArray]:
        """Scores less their mean in the query, and the rows in their order."""
        z, order = np.empty_like(scores), np.empty(len(scores), dtype=np.int64)
        ranking.sort_queries(scores, self.parts.rows, self.parts.starts, z, order)
        return z, order

    def _below(self, z: FloatArray, order: AnyArray, threshold: float) -> tuple[float, float, float, FloatArray]:
        """Sums of ``q (threshold - t)_+``, of its square, half the slopes of that, and the weight of those pairs."""
        found = self.sums(z, order, threshold, -math.inf, z[:, None])
        weight, tilt = 0.5 * float(found.N.sum()), float(found.B @ z)
        half = found.W[:, 0]
        square = threshold * threshold * weight - 2.0 * threshold * tilt + float(z @ half)
        half -= threshold * found.B
        return threshold * weight - tilt, max(square, 0.0), weight, half

    def losses(self, scores: FloatArray, width: float) -> dict[str, Any]:
        """Loss, smoothed loss, its slopes in the scores, and the sum of the pair multipliers: O(n log m)."""
        z, order = self.sort(scores)
        linear, square, _, half = self._below(z, order, 1.0)
        if self.loss == "squared_hinge":
            # a = 2 (1 - t)_+, whose conjugate is -a + a^2 / 4
            return {
                "loss": square,
                "smooth": square,
                "u": 2.0 * half,
                "dual": 2.0 * linear - square,
                "z": z,
                "o": order,
            }
        linear_in, square_in, _, half_in = self._below(z, order, 1.0 - width)
        return {
            "loss": linear,
            "smooth": (square - square_in) / (2.0 * width),
            "u": (half - half_in) / width,
            "dual": (linear - linear_in) / width,
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
        """Hessian of the smoothed P, (d, d), from the rows X as a float64 array: O(n d (d + log L))."""
        low, bend = self._band(at.extra["width"])
        if self._scratch is None:
            self._scratch = np.empty_like(X)  # fresh pages would cost as much as the sums
        found = self.sums(at.extra["z"], at.extra["order"], 1.0, low, X, self._scratch)
        paired = np.flatnonzero(found.N)
        H = X.T @ found.W if 2 * len(paired) > len(X) else X[paired].T @ found.W[paired]
        self.passes += 0.5
        H = (0.5 * bend) * (H + H.T)
        H[np.diag_indices(self.size)] += self.traits.l2
        return H

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
