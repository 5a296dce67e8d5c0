"""SAGA: variance reduction with the slope last seen of every row (E8)."""

from __future__ import annotations

from steepest.solvers.variance import VarianceReduced


class SAGA(VarianceReduced):
    """Stochastic steps whose noise is what slopes changed since their rows were last drawn.

    ``w <- prox(w - eta (p_i/q_i (loss'(x_i.w) - u_i) x_i + G))``, then ``G += p_i (loss'(x_i.w) - u_i) x_i`` and
    ``u_i = loss'(x_i.w)``.  Of every row one slope is kept (k for a loss of k scores), not a gradient: they begin as
    those at the start.  A round is an epoch of n steps (several on small data), and an evaluation, which the
    certificate and the length of the steps need.

    Guarantee: linear rate in expectation for a strongly convex objective, with a step of 1/(3 L) and no snapshot;
    here rows are taken without replacement, steps are longer where the objective allows it, and an epoch that raises
    the objective is taken back, and slopes are then renewed.  Any smooth loss; l1, l2 and their sum; O(non-zeros) a
    step.  Extra memory: a few vectors of length n and d; a copy of sparse values where columns are of uneven
    magnitude.

    Parameters
    ----------
    step, inner, seed
        As for `VarianceReduced`.

    References
    ----------
    Defazio, Bach, Lacoste-Julien (2014), SAGA: a fast incremental gradient method with support for non-strongly
    convex composite objectives, NIPS 27.
    """

    name = "saga"
    keep = True
