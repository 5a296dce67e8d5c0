"""Synchronous parallel stochastic gradient descent: shards step apart, then are averaged, with the same bits (E9).

    w_s <- plain steps from w on the rows of shard s,  s = 1..S;      w <- sum_s (m_s / m) w_s,  added up in order

Rows are shuffled over all shards every epoch, so a shard is a random sample, whose steps lead where those of all rows
do.  Between two averages a shard takes its steps by itself: S shards advance as far as one, with S times less noise.
The number of shards and of averages follow from the data, and sums are taken in order: the result has the same bits
for any ``n_jobs``.

With rates that fall as ``1 / (l2 t)``, t counting the steps of a shard, the suboptimality falls as ``O(1/t)`` and its
noise with ``1 / (S t)`` (Stich 2019, for a strongly convex and smooth P).  Cost of an epoch: one pass, divided
among the threads, and S d numbers an average.  Extra memory: S d (and as much again with an l1 part).

References
----------
Zinkevich, Weimer, Smola, Li (2010), Parallelized stochastic gradient descent.  Stich (2019), Local SGD converges fast
and communicates little.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.data.dense import ordered_sum
from steepest.data.orders import Shuffled
from steepest.exceptions import InvalidParameterError
from steepest.kernels.epochs import plain_epoch
from steepest.protocols import FloatArray
from steepest.solvers.threaded import Epochs, EpochState, pieces_for

SHARDS = 4
NONE = np.empty(0)


class ParallelSGD(Epochs):
    """Shards of rows step apart and are averaged; the same bits for any number of threads.  A round is an epoch.

    Parameters
    ----------
    learning_rate : "auto", float or schedule
        The first rate, or a schedule of `steepest.solvers.schedules`; "auto" takes half of the inverse curvature of a
        row, and begins again with a fourth of it where that diverges.  A number fades as ``eta0 / (1 + eta0 l2 t)``,
        t counting the steps of one shard.
    shards : int
        More of them share the work among more threads, and make less way an epoch.
    averages : int or None
        In an epoch; None: up to 16, as long as they cost little beside the rows.
    batch_size : int
        Rows of a step.
    average : bool
        Whether a weighted mean of the iterates is kept beside them; where both are measured the better one is taken.
    seed : int
        Of the orders of the rows.
    """

    name = "parallel_sgd"

    def __init__(
        self,
        learning_rate: Any = "auto",
        shards: int = SHARDS,
        averages: int | None = None,
        batch_size: int = 1,
        average: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(learning_rate, average, seed)
        for option, value in (("shards", shards), ("averages", averages), ("batch_size", batch_size)):
            good = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1
            if not good and not (option == "averages" and value is None):
                raise InvalidParameterError(f"{option}: expected an integer >= 1, got {value!r}.")
        self.shards, self.averages, self.batch_size = int(shards), averages, int(batch_size)

    def begin(self, state: EpochState) -> None:
        """Rows in a new order, the rates of a shard's steps, and one piece an average."""
        source = state.problem.source
        n, d = source.shape
        cost = self.shards * (2.0 + 2.0 * (state.problem.traits.l1 > 0.0)) * d
        pieces = self.averages or pieces_for(state.problem, cost)
        state.pieces = max(1, min(pieces, n // (self.shards * self.batch_size)))
        state.rows = Shuffled(n).epoch(state.epoch, self.seed).rows
        widest = max(high - low for piece in range(state.pieces) for low, high in _parts(n, piece, state, self.shards))
        state.rates = state.schedule.rates(state.steps, state.pieces * -(-widest // self.batch_size))

    def work(self, state: EpochState) -> None:
        """Every shard from the same w, then their mean."""
        problem = state.problem
        source, d = problem.source, problem.source.shape[1]
        steps = len(state.rates) // state.pieces
        rates = state.rates[state.piece * steps : (state.piece + 1) * steps]
        parts = [(a, b) for a, b in _parts(len(problem.p), state.piece, state, self.shards) if b > a]

        def shard(part: tuple[int, int]) -> FloatArray:
            order = state.rows[part[0] : part[1]]
            w = state.w.copy()
            seen = np.empty(d) if problem.traits.l1 > 0.0 else NONE
            own = rates[: -(-len(order) // self.batch_size)]
            l2, l1 = problem.traits.l2, problem.traits.l1
            plain_epoch(
                problem.loss, source.rows, problem.y, state.p, order, NONE, own, self.batch_size, l2, l1, 1.0, w, d,
                seen, NONE, NONE, NONE,
            )  # fmt: skip
            w *= len(order)
            return w

        total = sum(b - a for a, b in parts)
        if total:
            state.w = ordered_sum(source.pool.map(shard, parts)) / total


def _parts(n: int, piece: int, state: EpochState, shards: int) -> list[tuple[int, int]]:
    """The shards of a piece of the epoch."""
    low, high = piece * n // state.pieces, (piece + 1) * n // state.pieces
    m = high - low
    return [(low + s * m // shards, low + (s + 1) * m // shards) for s in range(shards)]
