"""Batch methods: a direction and a search make a solver.

Every round computes ``d = direction(problem, at)`` and lets the search choose t in ``w + t d``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from steepest.protocols import Evaluation, FloatArray, Round, Traits


@dataclass(slots=True)
class BatchState:
    """Where a batch method stands."""

    problem: Any
    at: Evaluation | None
    w: FloatArray
    rounds: int = 0


class Batch:
    """``w <- w + t d`` with d from a direction and t from a search.

    Parameters
    ----------
    name : str
    direction : callable
        ``direction(problem, at) -> d`` with ``update(problem, old, new)``; see `steepest.solvers.directions`.
    search : callable
        See `steepest.solvers.searches`.
    schedule : callable, optional
        ``schedule(problem, at, round, direction) -> str``: may renew the direction's metric; a non-empty
        string is a note for the record.
    prologue : callable, optional
        ``prologue(solver, problem, w) -> w``: a better start than zero; see `steepest.solvers.rough`.
    """

    patience = 10

    def __init__(self, name: str, direction: Any, search: Any, schedule: Any = None, prologue: Any = None) -> None:
        self.name = name
        self.direction = direction
        self.search = search
        self.schedule = schedule
        self.prologue = prologue
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """What the direction needs and the problem lacks."""
        if traits.l1 > 0.0:
            return "a penalty without an l1 part (its gradient does not exist at zero weights)"
        if not traits.smooth:
            return "a smooth loss"
        need = getattr(self.direction, "missing", None)
        return need(traits) if need is not None else None

    def start(self, problem: Any, w: FloatArray) -> BatchState:
        """Nothing is computed yet, but for a prologue that was asked for and a start at zero."""
        if self.prologue is not None and not w.any():
            w = self.prologue(self, problem, w)
            self.direction.reset()
            self.schedule.resume()
            self.notes.append("began from the solution on a sample of the rows")
        return self.start_here(problem, w)

    def start_here(self, problem: Any, w: FloatArray) -> BatchState:
        """Begin at w, whatever it is."""
        return BatchState(problem, None, w)

    def advance(self, state: BatchState) -> Round:
        """One step; the first round evaluates the start."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(state.w)
            return Round(state.at, math.nan)
        at = state.at
        note = self.schedule(problem, at, state.rounds, self.direction) if self.schedule is not None else ""
        d = self.direction(problem, at)
        note = note or getattr(self.direction, "note", "")
        slope = problem.inner(at.gradient, d)
        if not slope < 0.0:
            if getattr(self.direction, "reset", None) and slope == slope and self.direction.reset():
                d = self.direction(problem, at)
                slope = problem.inner(at.gradient, d)
            if not slope < 0.0:
                return self._stuck(state, note, "the gradient is zero or rounding")
        first = 1.0
        if state.rounds == 0 and not getattr(self.direction, "scaled", False):
            first = min(1.0, 1.0 / math.sqrt(problem.inner(at.gradient, at.gradient)))
        taken = self.search(problem, at, d, slope, first)
        if taken is None:
            if getattr(self.direction, "reset", None) and self.direction.reset():
                state.rounds += 1
                return Round(at, 0.0, note)
            return self._stuck(state, note, "no step decreases the objective beyond rounding")
        self.direction.update(problem, at, taken.at)
        state.at = taken.at
        state.rounds += 1
        return Round(taken.at, taken.t, note)

    def _stuck(self, state: BatchState, note: str, why: str) -> Round:
        """Float32 products may be what stands in the way: go on in float64 before giving up."""
        problem, at = state.problem, state.at
        assert at is not None
        if not getattr(problem, "precise", True):
            problem.precise = True
            state.at = problem.evaluate(at.w)
            return Round(state.at, 0.0, "block products went from float32 to float64: rounding had stopped progress")
        return Round(at, 0.0, f"{note}; {why}" if note else why, exhausted=True)
