"""Stochastic steps until no row is on the wrong side: the perceptron's end.

The perceptron loss is zero at w = 0, which says nothing; so no bound of the objective ends such a run, but a pass
without a mistake does.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.protocols import Bound, Evaluation, Round
from steepest.solvers.stochastic import StochasticGradient, StochasticState


def mistakes(problem: Any, at: Evaluation) -> int:
    """Rows of positive weight with ``y z <= 0``, for targets of -1 and +1."""
    return int(np.count_nonzero((problem.y * at.scores <= 0.0) & (problem.p > 0.0)))


class Separating(StochasticGradient):
    """`StochasticGradient` that has arrived when an epoch ends without a mistake.

    Guarantee: with single rows, a constant rate and no penalty, at most ``(R |v|)^2`` mistakes in all where some v
    separates the rows with ``y_i x_i.v >= 1`` and ``|x_i| <= R``; so it ends iff the classes are separable.

    Parameters
    ----------
    stops : bool
        False runs on for as many epochs as are asked for.
    options
        Of `StochasticGradient`.

    References
    ----------
    Rosenblatt (1958), The perceptron.  Novikoff (1962), On convergence proofs on perceptrons.
    """

    wanders = True  # the objective may go up and down for as long as there are mistakes

    def __init__(self, *, stops: bool = True, **options: Any) -> None:
        super().__init__("sgd", **options)
        self.stops = stops
        self.patience = 2**62

    def advance(self, state: StochasticState) -> Round:
        """An epoch, or a part of it; settled where all rows are on their side."""
        if not state.begun:  # zero weights would look like the best of all
            state.begun = True
            if self.memory is None:
                self.memory = state.memory.copy()
            return Round(None, math.nan, w=state.memory.point().copy())
        before = state.memory.w.copy() if self.stops else None
        done = super().advance(state)
        if done.part or self.evaluate == "never":
            return done
        at = done.at
        if at is None and before is not None and np.array_equal(before, state.memory.w):
            at = state.problem.evaluate(state.memory.point().copy())
        return done if at is None else self.judged(state.problem, at, done)

    def judged(self, problem: Any, at: Evaluation, done: Round) -> Round:
        """A round that was evaluated: settled without mistakes, and of no bound."""
        settled = self.stops and mistakes(problem, at) == 0
        unknown = Bound("none", math.inf, math.inf, "nothing", at.value, math.nan)
        return done._replace(at=at, w=None, settled=settled, bound=unknown)
