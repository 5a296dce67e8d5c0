"""Hogwild!: stochastic gradient descent by several threads on one vector, without locks (E9).

    each thread:  take a row i,  w <- w - eta_t (p_i n loss'(x_i.w + b) x_i + l2 w),   all on the same w

Where rows are sparse two threads seldom touch one coordinate at the same time, and what is lost then is small beside
the noise of the rows.  With rates that fall as ``1 / (l2 t)`` the expected suboptimality falls as ``O(1/t)``, as with
one thread, as long as rows overlap little (Niu et al. 2011, for a strongly convex P; for others nothing is claimed).
Which thread comes first is left to the machine, so results differ in their last digits from run to run; the
certificate, which is computed afterwards, holds all the same.  One thread gives the same bits every time.

A core that reads what another has just written waits for it, so each thread holds the frequent columns in a copy of its
own, and every so many rows adds to the shared vector what it has gained, and reads that again.  The rows between are so
few that all threads together move by a part of the way to the minimum along any direction of those columns.  Where a
column would be read again as often as it occurs, it is shared like the rare ones.

Cost of an epoch: one pass, over the number of threads at best.  Extra memory, on several threads: a copy of X, and four
numbers a row.

References
----------
Niu, Recht, Re, Wright (2011), Hogwild!: a lock-free approach to parallelizing stochastic gradient descent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.orders import Shuffled
from steepest.data.source import frozen
from steepest.exceptions import IncompatibleError
from steepest.kernels.epochs import plain_epoch
from steepest.kernels.hogwild import column_sums, heads_first, hogwild_steps
from steepest.protocols import AnyArray, FloatArray, Traits
from steepest.solvers.threaded import Epochs, EpochState, lipschitz, pieces_for

PIECE = 1 << 24  # entries of rows between two looks at the clock: some 0.05 s
LARGEST = 0.5  # of eta l2: a longer step would wipe the weights out
DECAY = 200.0  # of the logarithm of the scale, within a piece
CLASSES = (1.0 / 8.0, 1.0 / 64.0, 1.0 / 512.0, 1.0 / 4096.0)  # of columns in the head: shares of rows
OFTEN = 32  # rows at most between two times that the first class is added up; 8 times as many for the next one
STEP = 0.5  # of the way to the minimum in that time
SAMPLE = 2048  # rows that tell which columns are frequent
LINE = 16  # numbers in two cache lines: what one thread writes lies so far from what others do
NONE = np.empty(0)


class Hogwild(Epochs):
    """Lock-free parallel stochastic gradient descent on sparse rows; one round is one epoch.

    Parameters
    ----------
    learning_rate : "auto", float or schedule
        The first rate, or a schedule of `steepest.solvers.schedules`; "auto" takes half of the inverse curvature of a
        row, and begins again with a fourth of it where that diverges.  A number fades as ``eta0 / (1 + eta0 l2 t)``.
    average : bool
        Whether a weighted mean of the iterates is kept beside them; where both are measured the better one is taken.
    seed : int
        Of the orders of the rows.

    Notes
    -----
    The number of threads is that of the fit (``n_jobs``).  Every epoch is shuffled and dealt out to the threads.

    Attributes
    ----------
    deterministic : bool
        Whether a second run gives the same bits; known once a run has begun.
    """

    name = "hogwild"
    deterministic = True

    def __init__(self, learning_rate: Any = "auto", average: bool = True, seed: int = 0) -> None:
        super().__init__(learning_rate, average, seed)

    def missing(self, traits: Traits) -> str | None:
        """No threshold: it would need a memory of every coordinate, which cannot be changed together with it."""
        if traits.l1 > 0.0:
            return "a penalty without an l1 part (a shared threshold would need locks)"
        return super().missing(traits)

    def check(self, problem: Any) -> None:
        """Refuse dense rows."""
        super().check(problem)
        if problem.source.kind != "csr":
            raise IncompatibleError(
                "solver: 'hogwild' is for sparse rows, got a dense X. Every step would touch every weight, so threads "
                "without locks would undo each other's work. Use solver='parallel_sgd', or give X as a CSR matrix."
            )

    def start(self, problem: Any, w: FloatArray) -> EpochState:
        """As all; notes whether the run can be repeated."""
        state = super().start(problem, w)
        jobs = problem.source.pool.n_jobs
        self.deterministic = jobs == 1
        if not self.deterministic:
            first = state.schedule.rates(0, len(problem.p))
            state.head = head_for(problem, state.p, float(first.mean()), jobs, self.seed)
            self.notes.append(
                f"deterministic=False: {jobs} threads share the weights without locks, so last digits differ from run "
                "to run"
            )
        return state

    def begin(self, state: EpochState) -> None:
        """Rows in a new order; pieces short enough for the clock and for the scale."""
        n, l2 = len(state.problem.p), state.problem.traits.l2
        state.rows = Shuffled(n).epoch(state.epoch, self.seed).rows
        rates = state.schedule.rates(state.steps, n)
        if l2 > 0.0 and float(rates.max(initial=0.0)) * l2 > LARGEST:
            rates = np.minimum(rates, LARGEST / l2)
            said = f"rates above {LARGEST / l2:.3g}, half of 1 / l2, were cut to it"
            if said not in self.notes:
                self.notes.append(said)
        state.rates = rates
        source = state.problem.source
        decay = 1.4 * l2 * float(rates.max(initial=0.0)) * n  # -log(1 - x) <= 1.4 x up to 1/2
        means = pieces_for(state.problem, 3.0 * source.shape[1]) if self.average else 1
        state.pieces = min(n, max(means, -(-source.nnz // PIECE), math.ceil(decay / DECAY)))

    def work(self, state: EpochState) -> None:
        """All threads on one piece of the epoch, then the scale into the weights."""
        problem = state.problem
        source, d, l2 = problem.source, problem.source.shape[1], problem.traits.l2
        n = len(state.rates)
        low, high = state.piece * n // state.pieces, (state.piece + 1) * n // state.pieces
        order, rates = state.rows[low:high], state.rates[low:high]
        head: Head | None = state.head
        if head is None:
            plain_epoch(
                problem.loss, source.rows, problem.y, state.p, order, NONE, rates, 1, l2, 0.0, 1.0, state.w, d, NONE,
                NONE, NONE, NONE,
            )  # fmt: skip
            return
        after = np.cumprod(1.0 - rates * l2)
        scales = np.append(1.0, after)[:-1]
        pulls = rates / after
        lanes = min(source.pool.n_jobs, len(order))
        every = head.intervals(float(rates.mean()) if len(rates) else 0.0)
        head.hub[:] = state.w[head.columns]
        bias = np.zeros(2 * LINE)[LINE : LINE + len(state.w) - d]
        bias[:] = state.w[d:]

        def lane(t: int) -> None:
            rows, before, pull, own = (np.ascontiguousarray(a[t::lanes]) for a in (order, scales, pulls, rates))
            hogwild_steps(
                problem.loss, head.rows, head.split, problem.y, state.p, rows, before, pull,
                own if problem.layout.intercept else NONE, state.w, head.hub, *head.copies[t], head.edges, every, bias,
                1.0 / lanes,
            )  # fmt: skip

        source.pool.map(lane, range(lanes))
        state.w[head.columns] = head.hub
        state.w[d:] = bias
        if len(after):
            state.w[:d] *= after[-1]


@dataclass(frozen=True, slots=True)
class Head:
    """The frequent columns, and rows that hold them in front.

    Attributes
    ----------
    rows, split : sparse rows, array of shape (n,)
        Row i holds columns of the head up to entry ``split[i]``, by their numbers there.
    columns : array of shape (h,)
        Which they are, class by class.
    edges : array of shape (classes + 1,)
    curvatures : array of shape (classes,)
        How far one row leads, all rates 1: the largest curvature along any direction of a class.
    most : array of shape (classes,)
        Rows between two times that a class is added up, at most.
    hub : array of shape (h,)
        The shared weights over the scale.
    copies : list of (own, base)
        Of each thread.
    """

    rows: Any
    split: AnyArray
    columns: AnyArray
    edges: AnyArray
    curvatures: FloatArray
    most: AnyArray
    hub: FloatArray
    copies: list[tuple[FloatArray, FloatArray]]

    def intervals(self, rate: float) -> AnyArray:
        """Rows of one thread between two times that each class is added up."""
        return _intervals(self.curvatures, self.most, rate * len(self.copies))


def _intervals(curvatures: FloatArray, most: AnyArray, rate: float) -> AnyArray:
    way = np.maximum(rate * curvatures, 1e-300)
    return np.clip(STEP / way, 1.0, most).astype(np.int64)


def head_for(problem: Any, p: FloatArray, rate: float, threads: int, seed: int) -> Head:
    """The columns that are worth a copy a thread at a rate, found on a sample, and the rows sorted for it: two passes.

    The curvature along a direction u of a class is that of ``E (x.u)^2 <= |E |x||^2 + max_j E x_j^2`` for columns that
    do not depend on each other, which is near the truth for words.
    """
    source, d = problem.source, problem.source.shape[1]
    rows, n = source.rows, problem.source.shape[0]
    drawn = np.random.default_rng([seed, 3]).choice(n, min(n, SAMPLE), replace=False)
    some = np.sort(drawn).astype(np.uint64)
    found = np.zeros((d, 3))
    column_sums(rows.data, rows.indices, rows.indptr, some, p, found)
    counts, sums, squares = found.T.copy()
    m = max(1, len(some))
    above = math.inf
    columns, curvatures, most = [], [], []
    for k, share in enumerate(CLASSES):
        own = np.flatnonzero((counts >= max(share * m, 2.0)) & (counts < above))
        above = max(share * m, 2.0)
        if not len(own):
            continue
        curvature = lipschitz(problem.loss) * float((sums[own] / m) @ (sums[own] / m) + squares[own].max() / m)
        often = OFTEN * 8**k
        if _intervals(np.array([curvature]), np.array([often]), rate * threads)[0] * share >= 0.5:
            columns.append(own)
            curvatures.append(curvature)
            most.append(often)
    chosen = np.concatenate([*columns, np.empty(0, dtype=np.int64)])
    h = len(chosen)
    numbers = np.full(d, h, dtype=rows.indices.dtype)
    numbers[chosen] = np.arange(h)
    data, indices = np.empty_like(rows.data), np.empty_like(rows.indices)
    split = np.empty(n, dtype=rows.indptr.dtype)
    held = (rows.data, rows.indices, rows.indptr, numbers, numbers.dtype.type(h))
    source.pool.map(lambda s: heads_first(*held, s[0], s[1], data, indices, split), source.shards)
    problem.passes += 1.0 + len(some) / max(1, n)
    width = -(-h // LINE) * LINE + LINE
    room = np.zeros((2 * threads + 2, width))  # the first row keeps what lies before it away
    return Head(
        rows._replace(data=frozen(data), indices=frozen(indices)),
        frozen(split),
        chosen,
        np.cumsum([0, *map(len, columns)]),
        np.array(curvatures),
        np.array(most, dtype=np.int64),
        room[1, :h],
        [(room[2 + 2 * t, :h], room[3 + 2 * t, :h]) for t in range(threads)],
    )
