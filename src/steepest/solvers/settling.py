"""A solver that looks where it stands before it calls it the end: minima settle it, saddles are left.

Solvers of smooth functions see slopes; a saddle, where they vanish, looks to them like a minimum.  `Settling` runs
any of them, and where progress fades asks for the verdict to second order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.certify.function import DENSE, FALLEN, GOOD, leftover, look
from steepest.protocols import Evaluation, FloatArray, Round, Traits
from steepest.solvers.projected_face import FaceDescent, FaceNewton
from steepest.solvers.trust import NewtonModel, TrustRegion

SETTLED = "stationary, and no direction is known that leads down"
LEAVES = 50  # saddles left in one run; a function with noise has one everywhere


@dataclass(slots=True)
class SettlingState:
    """The inner solver's state, and when to look again."""

    problem: Any
    inner: Any
    started: float = math.nan
    before: float = math.inf
    rounds: int = 0
    next_look: int = 0
    looks: int = 0
    rescued: bool = False
    flat: int = 0
    leaves: int = 0
    lowest: float = math.inf


class Settling:
    """Runs ``solver``; ends it at a minimum to second order, moves it off a saddle.

    A look costs a Hessian (or Lanczos steps), so it is taken where a round decreased f by less than ten times what may
    be left, or the solver cannot move; after a look in vain the wait doubles.  A saddle is left along the direction of
    the smallest curvature, with the step doubled for as long as f falls.  Where the solver cannot move although the
    point is not stationary, Newton's method goes on: in a trust region, or projected.

    Parameters
    ----------
    solver : Solver
    tol : float
        See `steepest.certify.function.look`.
    steer : bool
        False: only ends the run, at a minimum.  What a rule does by itself is then seen.
    """

    def __init__(self, solver: Any, tol: float, steer: bool = True) -> None:
        self.solver = solver
        self.tol = tol
        self.steer = steer
        self.name = solver.name
        self.patience = solver.patience

    @property
    def notes(self) -> list[str]:
        """Those of the solver."""
        return list(getattr(self.solver, "notes", []))

    def missing(self, traits: Traits) -> str | None:
        """What the solver needs and the problem lacks."""
        return self.solver.missing(traits)  # type: ignore[no-any-return]

    def start(self, problem: Any, w: FloatArray) -> SettlingState:
        """Nothing is computed yet."""
        return SettlingState(problem, self.solver.start(problem, w))

    def advance(self, state: SettlingState) -> Round:
        """One round of the solver, or one step off a saddle."""
        done: Round = self.solver.advance(state.inner)
        at = done.at
        if at is None:  # not evaluated: nothing to judge
            return done
        if math.isnan(state.started):
            state.started = at.value
        state.rounds += 1
        made = state.before - at.value
        state.before = at.value
        state.flat = 0 if at.value < state.lowest else state.flat + 1
        state.lowest = min(state.lowest, at.value)
        if state.flat > max(self.patience - 3, 1) and not done.exhausted:  # just before the loop calls it stagnation
            done = done._replace(exhausted=True, note="rounds without decrease")
        if at.value < -FALLEN * max(1.0, abs(state.started)):
            return done._replace(exhausted=True, note="the function falls without bound")
        if not math.isfinite(at.value) or not state.problem.traits.smooth:
            return done
        fades = abs(made) <= 10.0 * leftover(at, self.tol, state.started)
        if not (done.exhausted or (fades and state.rounds >= state.next_look)):
            return done
        seen = look(state.problem, at, self.tol, state.started)
        if seen.verdict.name in GOOD:
            return done._replace(exhausted=True, note=SETTLED)
        if not self.steer:
            state.looks += 1
            state.next_look = state.rounds + min(2**state.looks, state.rounds)
            return done
        if seen.verdict.name in ("saddle", "maximum") and seen.direction is not None:
            state.leaves += 1
            if state.leaves > LEAVES:
                return done._replace(exhausted=True, note=f"{LEAVES} saddles were left: the curvature is noise")
            left = leave(state.problem, at, seen.direction)
            if left is not None:
                new, t = left
                reset = getattr(getattr(self.solver, "direction", None), "reset", None)
                if reset is not None:
                    reset()
                begin = getattr(self.solver, "start_here", self.solver.start)
                state.inner = begin(state.problem, new.w)
                state.before, state.next_look = math.inf, 0
                said = f"left a {seen.verdict.name} along curvature {seen.verdict.smallest_curvature:.3g}"
                return Round(new, t, said)
            return done._replace(exhausted=True, note=f"a {seen.verdict.name} that no step could leave")
        if seen.verdict.name == "stationary":
            return done._replace(exhausted=True, note="no slope and no curvature")
        if done.exhausted and not state.rescued and state.problem.size <= DENSE:
            free = state.problem.constraint is None
            self.solver = (
                TrustRegion("newton", NewtonModel()) if free else FaceDescent("projected_newton", FaceNewton())
            )
            state.inner, state.rescued = self.solver.start_here(state.problem, at.w), True
            state.flat = 0
            return done._replace(exhausted=False, note=f"{done.note}: Newton's method goes on")
        state.looks += 1
        state.next_look = state.rounds + min(2**state.looks, state.rounds)
        return done


def leave(problem: Any, at: Evaluation, direction: FloatArray) -> tuple[Evaluation, float] | None:
    """A lower point along ``direction`` or against it, and the distance; None where there is none."""
    units = problem.units(at.w)
    d = direction / float(np.abs(direction / units).max())
    if float(d @ at.gradient) > 0.0:
        d = -d
    t = 1e-4
    best: tuple[float, float] | None = None
    for _ in range(60):
        values = [
            (problem.value(problem.project(at.w + s * d)), s)
            for s in ((t, -t) if best is None else (math.copysign(t, best[1]),))
        ]
        least = min(values)
        if not least[0] < (at.value if best is None else best[0]):
            if best is not None or t > 1.0:
                break
        else:
            best = least
        t *= 2.0
    if best is None:
        return None
    new = problem.evaluate(problem.project(at.w + best[1] * d))
    return (new, float(np.linalg.norm(new.w - at.w))) if math.isfinite(new.value) else None
