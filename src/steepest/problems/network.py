"""A network and its data as a function of one flat vector, in float64, over all rows.

    P(w) = sum_i s_i loss(net(x_i; w), y_i) / n  +  l2/2 |W|^2

in prediction mode: batch normalisation by its running statistics, no dropout.  Rows pass through programs of a block
each, so memory does not grow with n.
"""

from __future__ import annotations

from typing import Any

from steepest.protocols import AnyArray, Evaluation, FloatArray


class NetworkProblem:
    """``P`` for solvers of smooth functions, and for the certificate.

    Parameters
    ----------
    stack : Stack
        Of either dtype; the problem computes in float64.
    objective : Objective
    feed : Feed
        Rows of X.
    y : array
        As ``objective.targets`` returns it.
    s : array of shape (n,), optional
        Row weights, scaled to mean 1; None: all 1.
    l2 : float
        Of the weights, ``w[:stack.decayed]``; biases, gammas and betas are free.
    statistics : array, optional
        Running means and variances of batch normalisation.
    block : int
        Rows a program.
    start : array, optional
        Where solvers begin; by default ``stack.initial(0)``.
    """

    def __init__(
        self,
        stack: Any,
        objective: Any,
        feed: Any,
        y: AnyArray,
        s: AnyArray | None = None,
        *,
        l2: float = 0.0,
        statistics: AnyArray | None = None,
        block: int = 2048,
        start: AnyArray | None = None,
    ) -> None:
        raise NotImplementedError

    def evaluate(self, w: FloatArray) -> Evaluation:
        """Value and gradient."""
        raise NotImplementedError

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """The Hessian times v, forward over reverse."""
        raise NotImplementedError
