"""Cutting planes for a structured SVM: one plane below the mean of all hinges a round."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.kernels.structured import simplex_steps
from steepest.protocols import AnyArray, Evaluation, FloatArray, Round, Traits
from steepest.structured.interior import simplex_program
from steepest.structured.measuring import measured_round
from steepest.structured.working_set import DualPoint

FORGETTING = 30  # rounds without weight after which a plane is dropped
EXACT = 0.02  # of the gap: to what the model is minimised
REST = 5  # rounds without a gain, of the dual or of the best objective, beyond rounding
NOTHING = 1e-9  # a weight that counts as none, after an interior point method
ULP = 2.0**-50


@dataclass(slots=True)
class State:
    """Planes ``offsets[k] + w.means[k]`` below the loss, their products and weights; the first plane is zero."""

    problem: Any
    w: FloatArray
    offsets: FloatArray
    means: list[FloatArray]
    gram: FloatArray
    weights: FloatArray
    idle: AnyArray
    dual: float = 0.0
    null: float = 0.0
    best: Evaluation | None = None
    still: int = 0
    seen: list[float] = field(default_factory=list)
    work: Generator[None, None, Round] | None = None  # a round that is not finished


class CuttingPlanes:
    """The loss from below: the largest of the planes found so far, plus the penalty, is minimised exactly each round.

    A round asks the oracle for every example at the present w; the mean of the planes found is one plane below the
    mean hinge (one slack for all examples), exact at that w.  The minimum of the model is a lower bound on P, and its
    dual, over weights of the planes, a small quadratic program whose size does not depend on n: steps on pairs of
    weights solve it, and an interior point method where they crawl.  Planes that have had no weight for 30 rounds are
    dropped.

    Cost of a round: n calls of the oracle, and O(size) for each plane; memory is a vector of that size for each plane.
    At most O(1 / (alpha gap)) rounds are needed.

    Source: Joachims, Finley & Yu (2009), Cutting-plane training of structural SVMs.

    Parameters
    ----------
    near : float
        As for `FrankWolfe`.
    """

    name = "cutting_planes"
    wanders = True  # the lower bound rises, P need not fall
    patience = 1 << 30  # see `REST`

    def __init__(self, near: float = 0.0) -> None:
        self.near = near
        self.notes: list[str] = []
        self.state: State | None = None

    def missing(self, traits: Traits) -> str | None:
        """A penalty."""
        return None if traits.l2 > 0.0 else "a penalty"

    def start(self, problem: Any, w: FloatArray) -> State:
        """The first plane is cut at w."""
        one = np.ones(1)
        zero = problem.start()
        self.state = State(problem, w.copy(), np.zeros(1), [zero], np.zeros((1, 1)), one, np.zeros(1, dtype=np.int64))
        return self.state

    def proposal(self) -> DualPoint | None:
        """The planes with weight."""
        state = self.state
        if state is None:
            return None
        used = np.flatnonzero(state.weights > 0.0)
        codes = np.stack([state.means[k] for k in used])
        return DualPoint(None, state.weights[used].copy(), state.offsets[used].copy(), codes)

    def advance(self, state: State) -> Round:
        """The next part of a round: measure, cut, and go to the minimum of the model."""
        if state.work is None:
            state.work = self._round(state)
        try:
            next(state.work)
        except StopIteration as end:
            state.work = None
            return end.value  # type: ignore[no-any-return]
        return Round(None, math.nan, w=state.w, part=True)

    def _round(self, state: State) -> Generator[None, None, Round]:
        problem = state.problem
        if state.best is not None:
            self._minimise(state)
        at = yield from problem.sweep(state.w, slopes=True)
        if state.best is None:
            state.null = at.value if not state.w.any() else (yield from problem.sweep(problem.start())).value
        better = state.best is None or at.value < state.best.value - ULP * (at.value + state.null)
        if state.best is None or at.value < state.best.value:
            state.best = at
        self._cut(state, at)
        risen = not state.seen or state.dual > state.seen[-1] + ULP * (abs(state.dual) + state.null)
        state.seen.append(state.dual)
        state.still = 0 if better or risen else state.still + 1
        over = state.still >= REST
        return measured_round(problem, state, self.near, "no bound moves any further beyond rounding" if over else "")

    def _cut(self, state: State, at: Evaluation) -> None:
        """Add the plane that was found at w, without weight."""
        mean = at.extra["mean"]
        products = np.array([mean @ other for other in state.means] + [mean @ mean])
        k = len(state.means)
        gram = np.empty((k + 1, k + 1))
        gram[:k, :k] = state.gram
        gram[k, :] = gram[:, k] = products
        state.gram = gram
        state.means.append(mean)
        state.offsets = np.append(state.offsets, at.extra["offset"])
        state.weights = np.append(state.weights, 0.0)
        state.idle = np.append(state.idle, 0)

    def _exactly(self, state: State, G: FloatArray, weights: FloatArray, enough: float) -> FloatArray:
        """The weights by an interior point method, where pairs of them crawl, and steps of pairs from there."""
        one = np.ones(1)
        if not np.all(np.isfinite(G)):
            return weights
        values, vectors = np.linalg.eigh(G)
        A = vectors * np.sqrt(np.maximum(values, 0.0))
        at = np.zeros(len(weights), dtype=np.int64)
        found = simplex_program(A, state.offsets, 1.0, at, one, weights / weights.sum(), 0.5 * enough)
        found = np.where(found > NOTHING, found, 0.0)
        found /= found.sum()

        def dual(a: FloatArray) -> float:
            return float(a @ state.offsets - 0.5 * a @ (G @ a))

        if not dual(found) > dual(weights):
            return weights
        simplex_steps(state.offsets - G @ found, G, found, enough)
        return found

    def _minimise(self, state: State) -> None:
        """The weights of the planes, and the w that they stand for; idle planes are dropped."""
        alpha = state.problem.alpha
        assert state.best is not None
        G = state.gram / alpha
        enough = EXACT * max(state.best.value - state.dual, ULP * state.null)
        weights = state.weights.copy()
        left = simplex_steps(state.offsets - G @ weights, G, weights, enough)
        if left > enough:
            weights = self._exactly(state, G, weights, enough)
        weights /= weights.sum()
        dual = float(weights @ state.offsets) - 0.5 * float(weights @ (G @ weights))
        if dual > state.dual:
            state.dual, state.weights = dual, weights
        state.idle = np.where(state.weights > 0.0, 0, state.idle + 1)
        kept = state.idle <= FORGETTING
        kept[0] = True
        if not kept.all():
            where = np.flatnonzero(kept)
            state.means = [state.means[k] for k in where]
            state.offsets, state.weights, state.idle = state.offsets[where], state.weights[where], state.idle[where]
            state.gram = np.ascontiguousarray(state.gram[np.ix_(where, where)])
        w = np.zeros(state.problem.size)
        for weight, mean in zip(state.weights, state.means, strict=True):
            if weight > 0.0:
                w -= (weight / alpha) * mean
        state.w = w
