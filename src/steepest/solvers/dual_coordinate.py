"""Stochastic dual coordinate ascent, for a squared penalty and no intercept.

    maximise over u:  D(u) = -sum_i p_i loss*(u_i) - |X^T (p u)|^2 / (2 l2),      w = -X^T (p u) / l2

A step takes one row and moves its multiplier to the optimum with all others fixed: with
``q = p_i |x_i|^2 / l2`` and ``c = x_i.w + q u_i``, the new multiplier is the slope of the loss at the proximal
point ``t + q loss'(t) = c``.  D never falls.  Each epoch takes the rows in a new order.  P(w) - D(u) is a duality
gap: it proves what it says.

Cost of an epoch: one pass.  The number of epochs grows with q, so it suits short rows under a penalty that is not
weak, such as text.  Extra memory: five vectors of length n.  Source: Shalev-Shwartz & Zhang (2013), Stochastic dual
coordinate ascent methods for regularized loss minimization, JMLR 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, relative_to
from steepest.exceptions import IncompatibleError
from steepest.kernels import dual, passes
from steepest.kernels.multiclass import conjugates_sum_many
from steepest.losses.registry import has
from steepest.protocols import AnyArray, Bound, Evaluation, FloatArray, Round, Traits

TOGETHER = 16  # rows that stay neighbours in the order of an epoch
FIRST = 3  # epochs before the first look at the gap, which costs half a pass


@dataclass(slots=True)
class DualState:
    """Primal and dual point, and what an epoch needs."""

    problem: Any
    w: FloatArray
    u: FloatArray
    norms: FloatArray
    scratch: tuple[FloatArray, FloatArray, FloatArray]
    generator: np.random.Generator
    floor: float
    rounds: int = 0
    best: float = -np.inf


class DualCoordinateAscent:
    """Stochastic dual coordinate ascent: one row and its multiplier at a time.

    One round is one epoch (the first: three) and the duality gap after it.

    Parameters
    ----------
    seed : int
        Of the orders of the rows; the same seed gives the same bits.
    """

    name = "dual_coordinate"
    patience = 50  # the primal objective need not fall; the dual one never does the opposite

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def missing(self, traits: Traits) -> str | None:
        """What is needed and not there."""
        if not traits.l2 > 0.0 or traits.l1 > 0.0:
            return "a squared penalty of positive strength and nothing else"
        if not (traits.convex and traits.has_conjugate and (traits.has_curvature or traits.has_prox)):
            return "a convex loss with a conjugate and a curvature or a proximal map"
        return None

    def start(self, problem: Any, w: FloatArray) -> DualState:
        """Multipliers at zero, or the slopes at w, whose point takes the place of w."""
        check(problem)
        n, d = problem.source.shape
        k = problem.layout.n_outputs
        u = np.zeros(n if k == 1 else (n, k))
        point = np.zeros(d if k == 1 else (d, k))
        if w.any():
            u = problem.evaluate(w).slopes.copy()
            point = -problem.source.rmatvec(problem.p, u)[0] / problem.traits.l2
            problem.passes += 0.5
        norms = problem.source.square_norms()
        problem.passes += 0.5
        scratch = (np.empty_like(u), np.empty_like(u), np.ones(n))
        floor = FLOOR * abs(problem.null_value())
        return DualState(problem, point, u, norms, scratch, np.random.default_rng(self.seed), floor)

    def advance(self, state: DualState) -> Round:
        """The start, then epochs."""
        problem = state.problem
        if state.rounds:
            for _ in range(FIRST if state.rounds == 1 else 1):
                self._epoch(state)
        began = state.rounds == 0 and not state.w.any()
        state.rounds += 1
        z = np.zeros_like(state.u) if began else problem.source.matvec(state.w)
        problem.passes += 0.0 if began else 0.5
        w = state.w.ravel().copy()
        if state.u.ndim == 1:
            slopes = np.empty_like(z)
            loss = float(passes.losses_slopes(problem.loss, z, problem.y, problem.p, slopes))
            conjugate = float(passes.conjugates_sum(problem.loss, state.u, problem.y, problem.p))
        else:
            loss, slopes = problem.losses_slopes(z)
            conjugate = float(conjugates_sum_many(problem.loss, state.u, problem.y, problem.p))
        ridge = problem.penalty_value(w)
        value = loss + ridge
        at = Evaluation(w, value, loss, np.full(len(w), np.nan), z, slopes)
        state.best = max(state.best, -conjugate - ridge)
        gap = value - state.best
        relative = relative_to(gap, state.best, value, state.floor)
        bound = Bound("duality_gap", gap, relative, "suboptimality", value, state.best)
        return Round(at, 1.0, bound=bound, dual=state.u.copy())

    def _epoch(self, state: DualState) -> None:
        problem = state.problem
        order = _shuffled(state.generator, len(state.u))
        shared = (problem.source.rows, problem.y, problem.p, state.norms, problem.traits.l2, order, state.w, state.u)
        if state.u.ndim == 2:
            k = state.u.shape[1]
            dual.softmax_epoch(*shared, *state.scratch, np.zeros(k), np.zeros(k))
        else:
            kernel: Any = dual.smooth_epoch if has(problem.loss, "curvature") else dual.kinked_epoch
            kernel(problem.loss, *shared, *state.scratch)
        problem.passes += 1.0


def _shuffled(generator: np.random.Generator, n: int) -> AnyArray:
    """Row numbers in a new order, `TOGETHER` neighbours at a time, so that memory is read ahead."""
    starts = generator.permutation((n + TOGETHER - 1) // TOGETHER) * TOGETHER
    order: AnyArray = (starts[:, None] + np.arange(TOGETHER)).ravel()
    return order[order < n]


def check(problem: Any) -> None:
    """Refuse an intercept, and losses of several scores other than the softmax with one class a row."""
    if problem.layout.intercept:
        raise IncompatibleError(
            "solver: 'dual_coordinate' needs fit_intercept=False: an intercept that is not penalised ties all "
            "multipliers together. Use solver='auto'."
        )
    if problem.layout.n_outputs > 1 and not (problem.loss.name == "softmax" and problem.y.ndim == 1):
        raise IncompatibleError(
            "solver: 'dual_coordinate' takes losses of one score, and the softmax with one class a row. "
            "Use solver='auto'."
        )
