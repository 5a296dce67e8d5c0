"""Dual coordinate steps on threads: blocks of rows step apart, and all their changes are added.

    every block of K:   v_k <- dual coordinate steps on its own rows from w, with l2 / K in place of l2
    then:               w <- (v_1 + ... + v_K) / K

A block does not see what the others do.  With ``l2 / K`` it counts every change of its own K times, in ``v_k`` and in
the curvature: as ``|sum_k c_k|^2 <= K sum_k |c_k|^2``, what blocks gain apart is never more than what they gain
together.  So all multipliers are taken as they are, none is averaged away, the dual never falls, and
``w = X'(p a y) / l2`` stays exact.  (Threads that write to one w without waiting lose some writes, and with them that.)

Rows are dealt anew every epoch: in blocks that stay the same, multipliers of different blocks that belong together are
held back for good, and the last digits take many times the epochs.  Blocks and sums are the same for any ``n_jobs``,
and so are all bits.

What that costs: steps are up to K times shorter.  In passes to a gap of 1e-3 on a9a and 20 newsgroups (hinge, squared
hinge and logistic loss), two blocks took 1.0 to 1.8 times as many as one, four 1.0 to 3.3 times: hardly more under a
strong penalty, nearly K times under a weak one.  Two blocks run at the same time and cost half the processor time each
(MNIST, 60,000 x 784), some 10 % more in all where rows are short.  So free cores win at most K over that ratio of
passes, much under a strong penalty and nothing under a weak one; busy cores won nothing.  One block is the rule.

Source: Ma, Smith, Jaggi, Jordan, Richtárik & Takáč (2015), Adding vs. averaging in distributed primal-dual
optimization, ICML, with its safe parameters: changes are added, ``sigma' = K``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.data.dense import ordered_sum
from steepest.exceptions import InvalidParameterError
from steepest.kernels.margin_dual import margin_epoch
from steepest.protocols import AnyArray, FloatArray

COPIES = 2.0  # multiply-adds of the rows for each number in the copies of w, from which blocks are worth these
LEAST = 200_000  # multiply-adds of an epoch, below which the start of threads costs more


def checked(blocks: Any) -> int:
    """The option as a number."""
    if not isinstance(blocks, int | np.integer) or isinstance(blocks, bool) or blocks < 1:
        raise InvalidParameterError(f"blocks: expected an integer >= 1, got {blocks!r}. Use 1, or as many as threads.")
    return int(blocks)


def worth(problem: Any, rows: int, blocks: int) -> bool:
    """Whether steps on so many rows are worth the copies of w: a rule of the data, not of the threads."""
    source = problem.source
    n, d = source.shape
    work = rows * source.nnz / max(n, 1)
    return blocks > 1 and rows > 1 and work >= max(LEAST, COPIES * blocks * d * problem.layout.n_outputs)


def in_blocks(
    problem: Any, rows: AnyArray, blocks: int, w: FloatArray, steps: Callable[[int, AnyArray, FloatArray, float], Any]
) -> tuple[FloatArray, list[Any]]:
    """``steps(k, rows of block k, own copy of w, l2 / K)`` for every block; the new w, and what steps returned.

    Rows are dealt like cards, one to each block in turn; a block without rows is left out.
    """
    count = max(1, min(blocks, len(rows)))
    l2 = problem.traits.l2 / count

    def block(k: int) -> tuple[FloatArray, Any]:
        own = w.copy()
        return own, steps(k, rows[k::count].copy(), own, l2)

    done = problem.source.pool.map(block, range(count))
    new = ordered_sum([own for own, _ in done])
    new /= count
    return new, [result for _, result in done]


def margin_blocks(state: Any, blocks: int) -> tuple[int, float, float]:
    """As `kernels.margin_dual.margin_epoch` on the state of `solvers.margin_dual`, in blocks.

    Its order mixes the rows of a block, so that cards dealt in turn are new hands every epoch.
    """
    problem = state.problem

    def steps(k: int, rows: AnyArray, w: FloatArray, l2: float) -> tuple[Any, ...]:
        bounds = state.bounds.copy()
        kept, shift, owed = margin_epoch(
            problem.source.rows, problem.y, problem.p, state.norms, l2, state.reach, state.diagonal, state.cap,
            rows, len(rows), state.generator[k : k + 1], bounds, w, state.shift, state.a,
        )  # fmt: skip
        return rows[: int(kept)], float(shift), float(owed), bounds

    state.w, done = in_blocks(problem, state.active[: state.size], blocks, state.w, steps)
    rows = np.concatenate([kept for kept, _, _, _ in done])
    state.active[: len(rows)] = rows
    state.bounds[:] = max(b[0] for _, _, _, b in done), min(b[1] for _, _, _, b in done)
    shift = state.shift + sum(s - state.shift for _, s, _, _ in done) / len(done)
    return len(rows), shift, sum(owed for _, _, owed, _ in done)
