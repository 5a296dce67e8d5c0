"""Stochastic epochs over rows that are read in pieces: one pass over all pieces is one round.

The steps are those of the method in memory, taken piece after piece; rates of ``learning_rate="auto"`` are measured on
all rows.  Where an order mixes rows it mixes those of a piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError
from steepest.protocols import FloatArray, Round, Traits
from steepest.solvers.separating import Separating
from steepest.solvers.stochastic import StochasticGradient, measured


@dataclass(slots=True)
class StreamedState:
    """Where a run stands within its pass."""

    problem: Any
    pieces: Iterator[Any] | None = None
    passes: int = 0
    begun: bool = False


class StreamedEpochs:
    """A stochastic solver whose epochs are passes over the pieces of a stream (E14).

    Parameters
    ----------
    inner : StochasticGradient
        Its memory is kept between pieces; it evaluates nothing itself.

    Notes
    -----
    With ``order="cyclic"`` and single rows a pass takes the same steps as an epoch in memory.  Passes are evaluated as
    epochs are, each at the price of one more reading.
    """

    keeps = "last"
    constraints = False

    def __init__(self, inner: Any) -> None:
        if not isinstance(inner, StochasticGradient):
            raise IncompatibleError(
                f"solver: '{inner.name}' needs all rows in memory, a stream of batches has some at a time. Use 'sgd'."
            )
        self.inner: StochasticGradient = inner
        self.name, self.patience = inner.name, inner.patience
        self.evaluate, self.inner.evaluate = inner.evaluate, "never"
        self.wanders = isinstance(inner, Separating)

    @property
    def memory(self) -> Any:
        """That of the solver within."""
        return self.inner.memory

    @memory.setter
    def memory(self, value: Any) -> None:
        self.inner.memory = value

    @property
    def notes(self) -> list[str]:
        """What is said of rates, and of outliers."""
        return self.inner.notes

    def point(self) -> FloatArray:
        """The parameters that stand for the method now."""
        assert self.inner.memory is not None
        return self.inner.memory.point().copy()

    def missing(self, traits: Traits) -> str | None:
        """What the solver within needs."""
        return self.inner.missing(traits)

    def start(self, problem: Any, w: FloatArray) -> StreamedState:
        """Rates are measured on the whole stream: one reading, for "auto"."""
        self.inner.memory = self.inner.start(problem, w).memory
        return StreamedState(problem)

    def advance(self, state: StreamedState) -> Round:
        """The steps of one piece; at the end of a pass a round."""
        problem, inner = state.problem, self.inner
        if not state.begun:
            state.begun = True
            if self.wanders:
                return Round(None, np.nan, w=self.point())
            return Round(problem.evaluate(self.point()), np.nan)
        if state.pieces is None:
            state.pieces = problem.pieces(problem.penalty)
        piece = next(state.pieces, None)
        if piece is not None:
            problem.passes += piece.source.shape[0] / problem.source.shape[0]
            done = self._over(piece, problem.source.shape[0])
            if not finite(done):
                return done
            return Round(None, done.step, w=self.point(), part=True)
        state.pieces = None
        state.passes += 1
        point = self.point()
        done = Round(None, np.nan, w=point)
        if not measured(self.evaluate, state.passes):
            return done
        at = problem.evaluate(point)
        return inner.judged(problem, at, done) if isinstance(inner, Separating) else Round(at, np.nan)

    def _over(self, piece: Any, rows: int) -> Round:
        """The steps over the rows of a piece."""
        self.inner.mean_weight = rows / piece.source.shape[0]
        return advance_once(self.inner, piece)

    def cure(self, state: StreamedState) -> str:
        """What to do about divergence."""
        if self.inner.automatic:
            return (
                "the rate that learning_rate='auto' found was too large; scale the columns of X, or give a smaller one"
            )
        return "the learning rate is too large. Halve it, or use learning_rate='auto'"


def finite(done: Round) -> bool:
    """Whether the parameters of a round are."""
    w = done.w if done.at is None else done.at.w
    return bool(np.all(np.isfinite(np.asarray(w))))


def advance_once(solver: StochasticGradient, problem: Any, w: FloatArray | None = None) -> Round:
    """One epoch over the rows of a problem, from the solver's memory, or from w where it has none.

    ``solver.memory`` is then that of the end of the epoch, or, where its parameters are not finite, of the start.
    """
    fresh = solver.memory is None
    state = solver.start(problem, np.zeros(0) if w is None else w)
    if fresh:
        solver.advance(state)  # the start itself
    state.begun = True
    done = solver.advance(state)
    while done.part:
        done = solver.advance(state)
    return done
