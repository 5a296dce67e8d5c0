"""The order in which rows are used, as values: one epoch's rows as an array of unsigned indices.

``order.epoch(number, seed)`` depends on its arguments alone, so an interrupted run goes on with the rows that it
would have used.  An order is made for ``n`` rows; batches are consecutive pieces of it.  Memory: 4 bytes a row (8
where rows are 2^32 or more), and what a permutation takes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import DataError, InvalidParameterError
from steepest.kernels.shuffle import shuffled
from steepest.protocols import AnyArray, FloatArray


class Visit(NamedTuple):
    """The rows of an epoch; ``factors`` multiply their gradients (of length 0: all 1)."""

    rows: AnyArray
    factors: FloatArray


_ONES = np.empty(0)
_ONES.flags.writeable = False


def unsigned(n: int) -> type:
    """The index type for n rows: unsigned, so that kernels need no test for negative indices."""
    return np.uint32 if n <= 2**32 else np.uint64


def generator(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one epoch."""
    return np.random.default_rng([int(seed), int(number)])


def batches(rows: AnyArray, size: int) -> list[AnyArray]:
    """Consecutive pieces of an epoch: ``size`` 1 is a row at a time, the number of rows the whole batch."""
    if size < 1:
        raise InvalidParameterError(f"size: expected a number of rows >= 1, got {size!r}. Use 1 for single rows.")
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class Cyclic(NamedTuple):
    """Rows as they lie: no random numbers, and memory is read from end to end.

    A sorted file is then seen class after class, which sends single-sample steps from one corner to the other.

    Examples
    --------
    >>> Cyclic(3).epoch(0).rows
    array([0, 1, 2], dtype=uint32)
    """

    n: int

    def epoch(self, number: int, seed: int = 0) -> Visit:
        return Visit(np.arange(self.n, dtype=unsigned(self.n)), _ONES)


class Shuffled(NamedTuple):
    """Every row once, in an order drawn afresh each epoch.

    Any prefix is a sample without replacement: the mean of its gradients is unbiased.
    """

    n: int

    def epoch(self, number: int, seed: int = 0) -> Visit:
        rows: AnyArray = np.empty(self.n, dtype=unsigned(self.n))
        if self.n < 2**32:
            state = np.random.SeedSequence([int(seed), int(number)]).generate_state(1, np.uint64)[0]
            shuffled(state, rows)
        else:
            rows[:] = np.arange(self.n)
            generator(seed, number).shuffle(rows)
        return Visit(rows, _ONES)


class WithReplacement(NamedTuple):
    """n independent uniform draws: what the theory of stochastic gradients speaks of.

    A row is missed with probability 1/e.
    """

    n: int

    def epoch(self, number: int, seed: int = 0) -> Visit:
        return Visit(generator(seed, number).integers(self.n, size=self.n, dtype=unsigned(self.n)), _ONES)


class BlockShuffled(NamedTuple):
    """Every row once; blocks of consecutive rows in random order, and rows within each.

    Rows used together lie together: for files, and for memory larger than the caches.  Where neighbours are alike, it
    mixes less than `Shuffled`.

    Parameters
    ----------
    n, block : int
        Rows, and rows of a block; the last one may be shorter.
    """

    n: int
    block: int = 1024

    def epoch(self, number: int, seed: int = 0) -> Visit:
        if self.block < 1:
            raise InvalidParameterError(f"block: expected a number of rows >= 1, got {self.block!r}. Try 1024.")
        rng = generator(seed, number)
        place = np.empty(-(-self.n // self.block))
        place[rng.permutation(len(place))] = np.arange(len(place))
        # one sort: by the place of the block, then by a random number in [0, 1)
        keys = np.repeat(place, self.block)[: self.n] + rng.random(self.n)
        return Visit(np.argsort(keys, kind="stable").astype(unsigned(self.n)), _ONES)


class ClassAlternating(NamedTuple):
    """Every row once; consecutive rows are of different classes, unless one class has more than half of all rows.

    The rows sorted by class, the largest first, are written into a table as wide as the largest class has rows, and
    read column by column, columns shuffled: a column holds a class at most once, and begins with the largest.  Rare
    classes are spread over the epoch.  More than half: no two rows of *other* classes meet.

    Parameters
    ----------
    codes : ndarray of int
        The class of each row, 0, 1, ...

    Examples
    --------
    >>> codes = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    >>> codes[ClassAlternating(codes).epoch(0).rows]
    array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    """

    codes: AnyArray

    def epoch(self, number: int, seed: int = 0) -> Visit:
        n = len(self.codes)
        if n == 0:
            return Visit(np.empty(0, dtype=unsigned(n)), _ONES)
        rng = generator(seed, number)
        mixed = rng.permutation(n)
        counts = np.bincount(self.codes)
        rank = np.empty(len(counts), dtype=np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        in_turn = mixed[np.argsort(rank[np.asarray(self.codes)[mixed]], kind="stable")]
        width = int(counts.max())
        columns = rng.permutation(width)
        if n == 2 * width - 1:  # one column holds a row of the largest class alone: it ends the epoch
            columns[columns == width - 1] = columns[-1]
            columns[-1] = width - 1
        place = np.arange(n)
        key = columns[place % width] * n + place // width
        return Visit(in_turn[np.argsort(key, kind="stable")].astype(unsigned(n)), _ONES)


class LargeErrorFirst(NamedTuple):
    """n draws with probabilities that grow with the errors, large errors first, and weights that keep it unbiased.

    Row i is drawn with ``q_i = (1 - mix) e_i / sum e + mix / n`` and its gradient multiplied by ``1 / (n q_i)``: the
    expectation of a step is that of a uniform draw, and no factor exceeds ``1 / mix``.  With errors in proportion to
    the norms of the gradients the variance of a step is least (Zhao, Zhang 2015).

    The guard: errors above ``guard`` times their ``quantile`` are cut to that, so that a few outliers (a wrong label,
    a unit error), which no step will ever fit, do not take the epoch.  `outliers` names them.

    Parameters
    ----------
    errors : ndarray of float
        Not negative: losses, slopes or gradient norms at the present parameters.
    mix : float
        In (0, 1]: the share of uniform draws; 1 is uniform.
    guard : float
        At least 1; inf for none.
    quantile : float
        In (0, 1).
    sort : bool
        Whether the draws of an epoch come sorted, large errors first.  Sorted, a whole epoch is unbiased, one step
        by itself is not; unsorted, each step is.

    References
    ----------
    Zhao, Zhang (2015), Stochastic optimization with importance sampling for regularized loss minimization.
    """

    errors: FloatArray
    mix: float = 0.2
    guard: float = 5.0
    quantile: float = 0.95
    sort: bool = False

    def _limit(self) -> float:
        errors = np.asarray(self.errors)
        if not (0.0 < self.mix <= 1.0):
            raise InvalidParameterError(f"mix: expected a number in (0, 1], got {self.mix!r}. Try 0.2.")
        if not self.guard >= 1.0:
            raise InvalidParameterError(f"guard: expected a number >= 1, got {self.guard!r}. Use inf for none.")
        if not (0.0 < self.quantile < 1.0):
            raise InvalidParameterError(f"quantile: expected a number in (0, 1), got {self.quantile!r}. Try 0.95.")
        if not np.all(errors >= 0.0):
            raise DataError("errors: expected numbers >= 0, got negative ones or NaN. Use losses or |slopes|.")
        if math.isinf(self.guard) or len(errors) == 0:
            return math.inf
        limit = self.guard * float(np.quantile(errors, self.quantile, method="higher"))
        # with nearly all errors zero the quantile says nothing about the others
        return limit if limit > 0.0 else math.inf

    def probabilities(self) -> FloatArray:
        """q, of sum 1."""
        limit = self._limit()
        errors = np.minimum(np.asarray(self.errors, dtype=np.float64), limit)
        n = len(errors)
        if n and not np.all(np.isfinite(errors)):
            raise DataError("errors: expected finite numbers, got inf, and no guard cuts it. Use a finite guard.")
        top = float(errors.max(initial=0.0))
        if top == 0.0:
            return np.full(n, 1.0 / max(n, 1))
        errors = errors / top
        return (1.0 - self.mix) * (errors / errors.sum()) + self.mix / n  # type: ignore[no-any-return]

    def outliers(self) -> AnyArray:
        """The rows whose errors the guard cuts."""
        return np.flatnonzero(np.asarray(self.errors) > self._limit())

    def epoch(self, number: int, seed: int = 0) -> Visit:
        q = self.probabilities()
        n = len(q)
        edges = np.cumsum(q)
        # any number below the last edge falls into a row of positive probability
        draws = generator(seed, number).random(n) * (edges[-1] if n else 1.0)
        rows = np.minimum(np.searchsorted(edges, draws, side="right"), max(n - 1, 0))
        if self.sort:
            rows = rows[np.argsort(-q[rows], kind="stable")]
        return Visit(rows.astype(unsigned(n)), 1.0 / (n * q[rows]) if n else np.empty(0))


ORDERS: dict[str, Any] = {
    "cyclic": Cyclic,
    "shuffled": Shuffled,
    "replacement": WithReplacement,
    "blocks": BlockShuffled,
    "alternating": ClassAlternating,
    "large_error": LargeErrorFirst,
}
