"""One problem at many strengths of its penalty, each point begun where the one before ended.

What a fit builds is kept along the path: the problem and its source, the solver with its metric, curvature pairs or
working set, and the evaluation at the last point, which at another strength is the same loss with another penalty:
no pass over the data is needed to begin a point.  Every point is certified on its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.certificate import certify
from steepest.protocols import Certificate, Evaluation, FloatArray, Observer, Round, Status, Traits
from steepest.record.history import History
from steepest.solvers.auto import choose
from steepest.solvers.batch import Batch, BatchState
from steepest.solvers.directions import LBFGS
from steepest.solvers.loop import Limits, run


class Point(NamedTuple):
    """One strength: flat parameters, what is proven about them, and what they cost."""

    w: FloatArray
    certificate: Certificate
    history: History
    iterations: int
    passes: float
    seconds: float


def set_penalty(problem: Any, penalty: Any) -> None:
    """The same problem with another penalty, in place; what wraps a problem changes with it."""
    for part in (problem, getattr(problem, "base", None)):
        if part is not None:
            part.traits = part.traits._replace(l1=float(penalty.l1), l2=float(penalty.l2))
            if part is not problem or not hasattr(problem, "base"):
                part.penalty = penalty


def ridge_part(problem: Any, strength: float, v: FloatArray) -> FloatArray:
    """``strength * v`` where the penalty acts, zero at intercepts."""
    out = strength * v
    if not hasattr(problem, "base"):  # a row span penalises all of its vector
        out[problem.layout.n_weights :] = 0.0
    return out


def restated(problem: Any, at: Evaluation, before: Traits) -> Evaluation:
    """The evaluation at the same point under the problem's penalty of now: O(size), no pass."""
    gradient = at.gradient + ridge_part(problem, problem.traits.l2 - before.l2, at.w)
    if hasattr(problem, "base"):
        half = len(at.w) // 2
        value = at.loss + 0.5 * problem.traits.l2 * float(at.w[:half] @ at.w[half:])
    else:
        value = at.loss + problem.penalty_value(at.w)
    return Evaluation(at.w, value, at.loss, gradient, at.scores, at.slopes, at.extra)


class Continued:
    """A solver that begins a run where its last one ended, at another strength of the penalty.

    Parameters
    ----------
    solver : Solver
    """

    def __init__(self, solver: Any) -> None:
        self.solver = solver
        self.name: str = solver.name
        self.patience: int = solver.patience
        self._state: Any = None
        self._at: Evaluation | None = None  # the best point of the last run
        self._older: Evaluation | None = None  # and of the one before
        self._traits: Traits | None = None
        self._pending: Evaluation | None = None
        self.at_once = 0  # steps in the round that the loop counts as the start

    @property
    def notes(self) -> list[str]:
        """Those of the solver."""
        return list(getattr(self.solver, "notes", []))

    def missing(self, traits: Traits) -> str | None:
        """What the solver lacks."""
        return self.solver.missing(traits)  # type: ignore[no-any-return]

    def start(self, problem: Any, w: FloatArray) -> Any:
        """The state of before, restated; at first the solver's own start."""
        if self._at is None or self._traits is None:
            self._state = self.solver.start(problem, w)
        else:
            before = self._traits
            here = restated(problem, self._at, before)
            ahead = self._predicted(problem, here)
            self._older, self._at = here, None
            self._resume(problem, ahead if ahead is not None else here, before)
        self._traits = problem.traits
        return self._state

    def advance(self, state: Any) -> Round:
        """A round of the solver; the first of a later run is the point that it begins from."""
        if self._pending is not None:
            at, self._pending = self._pending, None
            if self.solver.name == "coordinate":
                self.at_once = 1
                round_: Round = self.solver.advance(state)  # the point before is never good enough: step at once
            else:
                round_ = Round(at, math.nan)
        else:
            round_ = self.solver.advance(state)
        if round_.at is not None and (self._at is None or round_.at.value <= self._at.value):
            self._at = round_.at
        return round_

    def _predicted(self, problem: Any, here: Evaluation) -> Evaluation | None:
        """The point that the last two lead to, where it is lower: the scores are known, so half a pass.

        Strengths of equal ratio make the path of a smooth problem nearly straight from point to point.
        """
        older = self._older
        if older is None or problem.traits.l1 > 0.0 or hasattr(problem, "base") or len(older.w) != len(here.w):
            return None
        w, scores = 2.0 * here.w - older.w, 2.0 * here.scores - older.scores
        value = problem.losses_at(scores) + problem.penalty_value(w)
        if not value < here.value:
            return None
        return problem.complete(_Ray(_Place(w, scores)), 0.0)  # type: ignore[no-any-return]

    def _resume(self, problem: Any, at: Evaluation, before: Traits) -> None:
        solver, old = self.solver, self._state
        change = problem.traits.l2 - before.l2
        if isinstance(solver, Batch):
            if isinstance(solver.direction, LBFGS):
                _shift_pairs(problem, solver.direction, change)
            elif getattr(solver.direction, "reset", None) is not None:
                solver.direction.reset()
            if solver.schedule is not None:
                solver.schedule.resume()
            self._state, self._pending = BatchState(problem, at, at.w), at
        elif solver.name == "coordinate":
            solver.restate(old, at, change)
            self._state, self._pending = old, at
        else:
            self._state = solver.start(problem, at.w)


class _Place(NamedTuple):
    w: FloatArray
    scores: FloatArray


class _Ray(NamedTuple):
    """A ray of length zero: what `complete` needs of a point whose scores are known."""

    at: _Place
    d: float = 0.0
    dz: float = 0.0


def _shift_pairs(problem: Any, direction: LBFGS, change: float) -> None:
    """Curvature pairs of the new objective: a change of l2 by c adds ``c s`` to y, exactly."""
    kept = []
    for s, y, _ in direction._pairs:
        y = y + ridge_part(problem, change, s)
        sy = problem.inner(s, y)
        if sy > 0.0:
            kept.append((s, y, 1.0 / sy))
    direction._pairs[:] = kept


def follow(
    problem: Any,
    penalties: Sequence[Any],
    *,
    tol: float,
    null_value: float,
    solver: str = "auto",
    options: dict[str, Any] | None = None,
    start: FloatArray | None = None,
    max_iter: int | None = None,
    deadline: float = math.inf,
    observers: Sequence[Observer] = (),
    title: str = "path",
) -> tuple[list[Point], Any]:
    """The minimisers for a sequence of penalties, each certified; and the last plan.

    Ctrl-C ends the path at the point where it came: later points are missing.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
        Its penalty changes along the way.
    penalties : sequence of penalties
        From strong to weak, so that neighbours are close.
    tol, max_iter : float, int or None
        Of every point.
    null_value : float
        The objective at zero parameters.
    start : array of shape (problem.size,), optional
        Where the first point begins.
    deadline : float
        Reading of ``time.perf_counter()`` at which all must be over.
    """
    points: list[Point] = []
    plan: Any = None
    carried: Continued | None = None
    kind: tuple[bool, bool] | None = None
    w = start
    for penalty in penalties:
        began, passes = time.perf_counter(), float(problem.passes)
        set_penalty(problem, penalty)
        now = (penalty.l1 > 0.0, penalty.l2 > 0.0)
        if w is None and now[0]:
            w = intercepts_alone(problem)
        if now != kind or carried is None:  # another kind of problem may ask for another solver
            kind = now
            warm = w is not None and bool(np.any(w))
            plan = choose(problem, _lasting(problem, solver), warm=warm, options=options)
            if isinstance(plan.solver, Batch):
                plan.solver.prologue = None  # the point before is the better start
            carried = Continued(plan.solver)
            begin = plan.start(w if warm else None)
        else:
            if plan.problem is not problem:
                set_penalty(plan.problem, penalty)
            begin = plan.problem.start()

        def judge(v: FloatArray, status: Status, reason: str, dual: FloatArray | None) -> Certificate:
            return certify(problem, v, tol=tol, status=status, reason=reason, null_value=null_value, dual=dual)

        left = None if math.isinf(deadline) else max(deadline - began, 0.0)
        outcome = run(
            carried,
            plan.problem,
            begin,
            limits=Limits(tol, max_iter, left),
            certify=judge,
            null_value=null_value,
            observers=observers,
            info={"title": f"{title} {len(points) + 1}/{len(penalties)}", "solver": plan.name},
        )
        w = outcome.w
        points.append(
            Point(
                w,
                outcome.certificate,
                outcome.history,
                outcome.iterations + carried.at_once,
                float(problem.passes) - passes,
                time.perf_counter() - began,
            )
        )
        if outcome.certificate.status is Status.INTERRUPTED:
            break
    return points, plan


def intercepts_alone(problem: Any) -> FloatArray | None:
    """The best point without weights, O(n k): at the strongest l1 penalty the solution itself, to the last bit."""
    n, k = problem.source.shape[0], problem.layout.n_outputs
    if not problem.layout.intercept or not (k > 1 or problem.traits.has_curvature):
        return None
    w = problem.start()
    w[-k:] = problem.best_shift(np.zeros(n) if k == 1 else np.zeros((n, k)))[0]
    return w  # type: ignore[no-any-return]


def _lasting(problem: Any, solver: str) -> str:
    """The solver for a whole path: one for weak strengths too, at which dual coordinate ascent slows down."""
    if solver != "auto":
        return solver
    traits = problem.traits
    plain = traits.l1 == 0.0 and traits.smooth and not traits.quadratic
    return "lbfgs" if plain and problem.source.shape[1] > 3000 and traits.has_curvature else "auto"
