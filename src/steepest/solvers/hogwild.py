"""Hogwild!: stochastic gradient descent by several threads on one vector, without locks (E9).

    each thread:  take a row i,  w <- w - eta_t (p_i n loss'(x_i.w + b) x_i + l2 w),   all on the same w

Where rows are sparse two threads seldom touch one coordinate at the same time, and what is lost then is small beside
the noise of the rows.  With rates that fall as ``1 / (l2 t)`` the expected suboptimality falls as ``O(1/t)``, as with
one thread, as long as rows overlap little (Niu et al. 2011, for a strongly convex P; for others nothing is claimed).
Which thread comes first is left to the machine, so results differ in their last digits from run to run; the
certificate, which is computed afterwards, holds all the same.  One thread gives the same bits every time.

Cost of an epoch: one pass, over the number of threads at best.  Where a few columns are in nearly every row, as words
such as "the", the cores pass those back and forth and may gain nothing.  Extra memory: the shared vector, and four
numbers a row.

References
----------
Niu, Recht, Re, Wright (2011), Hogwild!: a lock-free approach to parallelizing stochastic gradient descent.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.data.orders import Shuffled
from steepest.exceptions import IncompatibleError
from steepest.kernels.hogwild import hogwild_steps
from steepest.protocols import FloatArray, Traits
from steepest.solvers.threaded import Epochs, EpochState, pieces_for

PIECE = 1 << 24  # entries of rows between two looks at the clock: some 0.05 s
LARGEST = 0.5  # of eta l2: a longer step would wipe the weights out
DECAY = 200.0  # of the logarithm of the scale, within a piece


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
        source, pool, d = problem.source, problem.source.pool, problem.source.shape[1]
        n = len(state.rates)
        low, high = state.piece * n // state.pieces, (state.piece + 1) * n // state.pieces
        order, rates = state.rows[low:high], state.rates[low:high]
        after = np.cumprod(1.0 - rates * problem.traits.l2)
        scales = np.append(1.0, after)[:-1]
        pulls = rates / after
        lanes = min(pool.n_jobs, max(high - low, 1))

        def lane(t: int) -> None:
            rows, before, pull, own = (np.ascontiguousarray(a[t::lanes]) for a in (order, scales, pulls, rates))
            hogwild_steps(problem.loss, source.rows, problem.y, state.p, rows, before, pull, own, state.w, d)

        pool.map(lane, range(lanes))
        if len(after):
            state.w[:d] *= after[-1]
