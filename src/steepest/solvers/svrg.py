"""Stochastic variance-reduced gradient (E8)."""

from __future__ import annotations

from steepest.solvers.variance import VarianceReduced


class SVRG(VarianceReduced):
    """Stochastic steps whose noise is the distance from a snapshot.

    ``w <- prox(w - eta (p_i/q_i (loss'(x_i.w) - u_i) x_i + G))`` with the slopes ``u`` and the gradient ``G`` at a
    snapshot, the end of the round before.  A round is ``inner`` passes of steps (by default one, more on small data)
    and a snapshot, which is the evaluation that every round needs anyway.  The slopes at the snapshot are kept, n k
    numbers, so that a step multiplies by its row once and not twice.

    Guarantee: linear rate in expectation for a strongly convex objective, with a step below 1/(4 L) and rounds long
    enough; here rows are taken without replacement, steps are longer where the objective allows it, and a round that
    raises the objective is taken back.  Any smooth loss; l1, l2 and their sum; O(non-zeros) a step.
    Extra memory: a few vectors of length n and d; a copy of sparse values where columns are of uneven magnitude.

    Parameters
    ----------
    step, inner, seed
        As for `VarianceReduced`.

    References
    ----------
    Johnson, Zhang (2013), Accelerating stochastic gradient descent using predictive variance reduction, NIPS 26.
    Xiao, Zhang (2014), A proximal stochastic gradient method with progressive variance reduction, SIAM J. Optim. 24.
    """

    name = "svrg"
    keep = False
