"""Rows far from the margin taken together: the hinge solved on the few rows that can still change side.

Beyond some distance from the margin a row costs nothing, or ``1 - y z``, which is linear.  The model ::

    M(w, b) = sum over near rows  p_i [1 - y_i z_i]_+  +  P_L [1 - z_L]_+  +  l2/2 |w|^2

takes all rows on the wrong side together into one: their mean ``y x``, of their weight ``P_L`` (with an intercept one
for each class).  A hinge of a mean is at most the mean of hinges, so M never exceeds the objective, and multipliers of
M, handed to every row that was taken together, are multipliers of the whole problem with the same dual value: no pass
proves the bound.  Where rows stay on their sides M equals the objective, so the way to its minimiser descends.

A round solves M by the augmented Lagrangian method (`solvers.augmented`), computes the scores of all rows, goes back
along the ray where too many have crossed, and chooses near rows anew: those that a step of the same length could move
across, and all that have crossed.

Cost of a round: one and a half passes, and the model.  Extra memory: a copy of the near rows, vectors of length n.
Sources: Joachims (1999), Making large-scale SVM learning practical, for working sets of rows; Kelley (1960), J. SIAM 8,
for models that bound from below.  The aggregation of rows is that of merged equal rows, taken further.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.certify.bounds import FLOOR, gap_bound, relative_to
from steepest.data.source import as_source
from steepest.kernels import passes
from steepest.problems.linear import LinearProblem
from steepest.protocols import AnyArray, Evaluation, FloatArray, Round
from steepest.solvers.augmented import AugmentedLagrangian
from steepest.solvers.rough import spread_rows

FEWEST = 4_000  # rows below which all are near
NEAR_SHARE = 16  # of all rows, one in so many is near at first; at least
NEAR_ROOT = 2.0  # times the root of the relative gap, where that is known: the share of rows; at most the next
NEAR_MOST = 0.5
NEAR_WIDTH = 20  # rows for each feature
MODEL_ROUNDS = 120  # of the augmented Lagrangian method on one model
ACCURACY = 0.1  # relative gap of a model, in units of that of the whole
ROUGH = 0.03  # relative gap that the sample is solved to
AIMED = 0.3  # of the wanted gap: what the last model may cost
MOVED = 0.95  # quantile of the changes of scores that tells how far rows may move next
QUANTILE_ROWS = 20_000  # changes that tell it
NARROWER = 10.0  # times that the reach changes by at most in a round
WIDER = 2.0
SHARE = 500.0  # of its natural step that the method begins with, times the gap
FLAT = 12  # rounds without a better bound


@dataclass(slots=True)
class SiftState:
    """The best point, scores of all rows there, multipliers, and how far the scores moved in the last round."""

    problem: Any
    w: FloatArray
    shift: float
    z: FloatArray
    a: FloatArray
    reach: float
    floor: float
    crossed: AnyArray
    primal: float = math.inf
    best: float = -math.inf
    dual: FloatArray | None = None
    gap: float = math.inf
    flat: int = 0
    slopes: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(slots=True)
class Model:
    """The problem of near rows, and which rows stand for which."""

    problem: Any
    near: AnyArray
    lost: list[AnyArray]  # of each row that stands for several, those


class Sifting:
    """Solves the hinge on rows near the margin, with the others taken together; every round proves its bound.

    Parameters
    ----------
    aim : float or None
        Relative gap that is wanted; models are solved no more exactly than that asks for.
    """

    name = "sifting"

    def __init__(self, aim: float | None = None) -> None:
        self.aim = aim

    def begin(
        self, problem: Any, w: FloatArray, shift: float, a: FloatArray | None = None, best: float = -math.inf,
        dual: FloatArray | None = None, moved: float = 0.0,
    ) -> SiftState:  # fmt: skip
        """From a point and multipliers, and the best dual value; from a sample's solution where w is zero.

        ``moved``: how far scores have moved of late.
        """
        n = problem.source.shape[0]
        if not w.any():
            w, shift, moved = self._sampled(problem)
            a = None
        z = problem.source.matvec(w, shift)
        problem.passes += 0.5
        floor = FLOOR * abs(problem.null_value())
        share = 1.0 / NEAR_SHARE
        if math.isfinite(best) and a is not None:  # distances go with the root of the gap
            primal = problem.losses_at(z) + problem.penalty_value(w)
            share = max(share, min(NEAR_MOST, NEAR_ROOT * math.sqrt(relative_to(primal - best, best, primal, floor))))
        reach = max(moved, nearest(problem, z, max(int(n * share), NEAR_WIDTH * len(w), FEWEST)))
        if a is None:
            a = np.clip(0.5 - 0.5 * (problem.y * z - 1.0) / max(reach, 1e-300), 0.0, 1.0)
        none = np.zeros(n, dtype=bool)
        state = SiftState(problem, w, shift, z, a, reach, floor, none, best=best, dual=dual)
        self._look(state)
        return state

    def _sampled(self, problem: Any) -> tuple[FloatArray, float, float]:
        """The solution of the same problem on a few rows, roughly, and how far scores were from it on half of these."""
        n, d = problem.source.shape
        rows = spread_rows(n, min(n, max(n // NEAR_SHARE, NEAR_WIDTH * d, FEWEST)))
        rows = rows[problem.p[rows] > 0.0]
        start, z, moved = problem.start(), np.zeros(0), 0.0
        for taken in (rows[::2], rows):
            part = _part(problem, taken, [], [], problem.p[taken] / max(float(problem.p[taken].sum()), 1e-300), [])
            w, shift, _, _ = solved(part, start, None, 1.0, ROUGH)
            problem.passes += part.passes * len(taken) / n
            start = np.append(w, shift) if problem.layout.intercept else w
            if taken is rows:
                moved = far(part.source.matvec(w, shift) - z)
            else:
                z = _part(problem, rows, [], [], problem.p[rows], []).source.matvec(w, shift)
        return w, shift, moved

    def advance(self, state: SiftState) -> Round:
        """One model, solved, and what it means for all rows."""
        problem = state.problem
        model = self._model(state)
        w, shift, u, dual = self._solved(state, model)
        self._spread(state, model, u, dual)
        z = problem.source.matvec(w, shift)
        problem.passes += 0.5
        margins = problem.y * state.z - 1.0
        moved = z - state.z
        near = np.abs(margins) <= state.reach
        state.crossed &= near  # rows that came in by crossing stay while they are still close
        after = problem.y * z - 1.0
        state.crossed |= (after * margins <= 0.0) & (problem.p > 0.0)
        t = self._back(state, w, moved)
        state.w = state.w + t * (w - state.w)
        state.shift += t * (shift - state.shift)
        state.z = z if t == 1.0 else state.z + t * moved
        if len(moved):
            state.reach = min(max(far(moved), state.reach / NARROWER), WIDER * state.reach)
        before = state.gap
        self._look(state)
        state.flat = 0 if state.gap < 0.999 * before else state.flat + 1
        if state.flat >= FLAT:
            note = f"no better bound in {FLAT} rounds: rounding"
            return self.round(state, t)._replace(note=note, exhausted=True)
        return self.round(state, t)

    def round(self, state: SiftState, step: float) -> Round:
        """The point and its bound."""
        problem = state.problem
        flat = np.append(state.w, state.shift) if problem.layout.intercept else state.w.copy()
        bound = gap_bound(state.primal, state.best, state.floor)
        loss = state.primal - problem.penalty_value(flat)
        at = Evaluation(flat, state.primal, loss, np.full(1, np.nan), state.z, state.slopes)
        return Round(at, step, bound=bound, dual=state.dual)

    # ------------------------------------------------------------------------------------------- the model

    def _model(self, state: SiftState) -> Model:
        """Near rows, and the sums of those far on the wrong side: half a pass, and a copy of the near rows."""
        problem = state.problem
        margins = problem.y * state.z - 1.0
        present = problem.p > 0.0
        mask = (np.abs(margins) <= state.reach) | state.crossed
        near = np.flatnonzero(mask & present)
        wrong = (margins < 0.0) & ~mask & present
        sides = [wrong & (problem.y > 0.0), wrong & (problem.y < 0.0)] if problem.layout.intercept else [wrong]
        lost = [np.flatnonzero(side) for side in sides if side.any()]
        sums, targets, weights = [], [], []
        for rows in lost:
            weight = float(problem.p[rows].sum())
            sign = float(problem.y[rows[0]]) if problem.layout.intercept else 1.0
            u = np.zeros(len(problem.y))
            u[rows] = sign * problem.y[rows] / weight
            sums.append(problem.source.rmatvec(problem.p, u)[0])
            targets.append(sign)
            weights.append(weight)
        problem.passes += 0.5
        return Model(_part(problem, near, sums, targets, problem.p[near], weights), near, lost)

    def _solved(self, state: SiftState, model: Model) -> tuple[FloatArray, float, FloatArray, float]:
        """The model's solution, with a gap that is small beside that of the whole."""
        problem, small = state.problem, model.problem
        start = np.append(state.w, state.shift) if problem.layout.intercept else state.w
        known = -np.concatenate([state.a[model.near], *(np.ones(1) for _ in model.lost)]) * small.y
        goal = ACCURACY * min(state.gap, 0.1)
        if self.aim is not None:
            goal = max(goal, AIMED * self.aim)
        found = solved(small, start, known, min(1.0, SHARE * state.gap), goal)
        problem.passes += small.passes * len(small.y) / len(problem.y)
        return found

    def _spread(self, state: SiftState, model: Model, u: FloatArray, dual: float) -> None:
        """Multipliers of the model handed to all rows; the dual value is the same."""
        y = state.problem.y
        m = len(model.near)
        state.a = np.zeros(len(y))
        state.a[model.near] = -u[:m] * y[model.near]
        for k, rows in enumerate(model.lost):
            state.a[rows] = -u[m + k] * model.problem.y[m + k]
        if dual > state.best:
            state.best, state.dual = dual, -state.a * y

    def _back(self, state: SiftState, w: FloatArray, moved: FloatArray) -> float:
        """How far to go towards the model's minimiser: all the way, or to where the objective is least."""
        problem = state.problem
        l2 = problem.traits.l2
        d = w - state.w
        wd, dd = l2 * float(state.w @ d), l2 * float(d @ d)

        def slope(t: float) -> float:
            falls = passes.along_ray(problem.loss, state.z, moved, t, problem.y, problem.p)[1]
            return float(falls + wd + t * dd)

        if slope(1.0) <= 0.0:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(12):
            t = 0.5 * (low + high)
            if slope(t) > 0.0:
                high = t
            else:
                low = t
        return low if low > 0.0 else high

    def _look(self, state: SiftState) -> None:
        """The objective at the scores: O(n)."""
        problem = state.problem
        state.slopes = np.empty_like(state.z)
        loss = float(passes.losses_slopes(problem.loss, state.z, problem.y, problem.p, state.slopes))
        state.primal = loss + problem.penalty_value(state.w)
        state.gap = relative_to(state.primal - state.best, state.best, state.primal, state.floor)


def far(moved: FloatArray) -> float:
    """What most changes of scores stay below."""
    taken = np.abs(moved[:: max(1, len(moved) // QUANTILE_ROWS)])
    return float(np.quantile(taken, MOVED)) if len(taken) else 0.0


def solved(
    problem: Any, start: FloatArray, known: FloatArray | None, share: float, goal: float
) -> tuple[FloatArray, float, FloatArray, float]:
    """Weights, intercept, multipliers u and their dual value by the augmented Lagrangian method, to a gap of ``goal``.

    ``known`` multipliers to begin with, and the ``share`` of its natural step.
    """
    solver = AugmentedLagrangian()
    inner = solver.start(problem, start)
    inner.known, inner.share = known, share
    for _ in range(MODEL_ROUNDS):
        done = solver.advance(inner)
        if relative_to(inner.primal - inner.dual, inner.dual, inner.primal, inner.floor) <= goal or done.exhausted:
            break
    u = inner.best if inner.best is not None else inner.slopes
    return inner.w.copy(), inner.shift, u, inner.dual


def nearest(problem: Any, z: FloatArray, count: int) -> float:
    """The distance from the margin within which ``count`` rows lie: O(n)."""
    away = np.abs(problem.y * z - 1.0)[problem.p > 0.0]
    if count >= len(away):
        return math.inf
    return float(np.partition(away, count)[count])


def _part(
    problem: Any, rows: AnyArray, sums: list[FloatArray], targets: list[float], p: FloatArray, weights: list[float]
) -> LinearProblem:
    """The problem on some rows, and on one more for each of ``sums``."""
    source = problem.source
    if source.kind == "csr":
        X = source.matrix[rows]
        if sums:
            X = sp.vstack([X, sp.csr_array(np.array(sums))], format="csr")
    else:
        X = source.X[rows].astype(np.float64, copy=False)
        if sums:
            X = np.vstack([X, *sums])
    y = np.concatenate([problem.y[rows], targets])
    q = np.concatenate([p, weights])
    return LinearProblem(as_source(X, pool=source.pool), y, q, problem.loss, problem.penalty, problem.layout.intercept)
