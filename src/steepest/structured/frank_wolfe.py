"""Block-coordinate Frank-Wolfe on the dual of a structured SVM, with a memory of past maximisers."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.protocols import Evaluation, FloatArray, Round, Traits
from steepest.structured.face import face_step, program_step
from steepest.structured.measuring import measured_round
from steepest.structured.working_set import DualPoint, WorkingSet

OPENING = 2  # rounds after the first whose steps follow the oracle at once
ALONE = 3  # passes of steps on one example at a time, between two on all of them
CRAWL = 0.7  # of the gap before: a round that leaves more is followed by one with such steps
PASSES = 50  # over the kept planes, between two rounds of oracle calls, at most
LEFT = 0.05  # of the gap that new planes opened: what passes over kept planes leave
SHARES = 20  # lots of a round whose steps follow the oracle's answers at once
REST = 4  # rounds in which neither the dual rises beyond rounding nor the gap moves
MOVES = 0.99
ULP = 2.0**-50


@dataclass(slots=True)
class State:
    """Where the method stands: w is always that of the weights of the kept planes."""

    problem: Any
    w: FloatArray
    kept: WorkingSet
    random: np.random.Generator
    mean: FloatArray  # of the w of past passes, later ones weigh more
    passes: int = 0
    rounds: int = 0
    dual: float = 0.0
    null: float = 0.0  # P at zero
    given: FloatArray | None = None  # a start
    best: Evaluation | None = None
    risen: bool = True  # the dual in the last round, beyond rounding
    still: int = 0
    gap: float = math.inf  # of the last round that was measured
    crawls: bool = False  # whether that gap is much like the one before
    gaps: FloatArray = field(default_factory=lambda: np.empty(0))
    work: Generator[None, None, Round] | None = None  # a round that is not finished


class FrankWolfe:
    """Steps toward the oracle's labels, one example at a time, each with the exact step length.

    The dual has a simplex for each example.  A round asks the oracle once for every example; each answer is a plane
    that is kept.  Steps on an example move weight between two of its planes (pairwise steps, in place of steps from
    all of them toward one), as far as is best, until 5 % of its gap is left; passes over the kept planes go on until
    they have closed 95 % of what the new planes opened.  The oracle is asked at one w for all examples, so that every
    round measures the gap

        P(w) - D = sum_i p_i max_y [...] + alpha/2 |w|^2 - (sum_a a loss_a - alpha/2 |w|^2)

    without a call more; but in the first rounds lots of a twentieth of the examples are asked at the w of that moment.
    The dual rises with every step, and no call of the oracle costs more than its own plane.

    Steps on one example crawl where the differences have much in common, as those of features that are not centred,
    or where alpha is small: every step is undone by the next.  In rounds after one that left more than 70 % of the gap
    all weights move together, between passes: first to the optimum of the kept planes by an interior point method,
    where they are few enough for it (2^22 numbers), then along a direction of conjugate gradients.  Both end in an
    exact step, so that the dual rises.

    Cost of a round: n calls of the oracle, and O(nnz) numbers for each kept plane and pass.

    Source: Lacoste-Julien, Jaggi, Schmidt & Pletscher (2013), Block-coordinate Frank-Wolfe optimization for structural
    SVMs; kept planes as in Shah, Kolmogorov & Lampert (2015), A multi-plane block-coordinate Frank-Wolfe algorithm;
    pairwise steps as in Osokin et al. (2016), Minding the gaps for block Frank-Wolfe optimization of structured SVMs.

    Parameters
    ----------
    average : bool
        Whether the points whose objective is measured are weighted means of past ones, as long as the dual rises; the
        dual point stays the last.
    random_state : int
    near : float
        Relative gap at which the rounds end where the oracle is not exact, for its gaps are no bounds.
    """

    name = "frank_wolfe"
    wanders = True  # the dual rises, P need not fall
    patience = 1 << 30  # see `REST`

    def __init__(self, average: bool = False, random_state: int = 0, near: float = 0.0) -> None:
        self.average, self.random_state, self.near = average, random_state, near
        self.notes: list[str] = []
        self.state: State | None = None

    def missing(self, traits: Traits) -> str | None:
        """A penalty."""
        return None if traits.l2 > 0.0 else "a penalty"

    def start(self, problem: Any, w: FloatArray) -> State:
        """The truth of every example has all weight; a start is where the oracle is asked first."""
        kept = WorkingSet(problem.p, problem.width)
        self.state = State(problem, problem.start(), kept, np.random.default_rng(self.random_state), problem.start())
        self.state.gaps = np.zeros(len(problem.p))
        self.state.given = w.copy() if w.any() else None
        return self.state

    def proposal(self) -> DualPoint | None:
        """The dual point of the last round."""
        return self.state.kept.point() if self.state is not None else None

    def advance(self, state: State) -> Round:
        """The next part of a round; the first round measures zero."""
        if state.work is None:
            state.work = self._round(state)
        try:
            next(state.work)
        except StopIteration as end:
            state.work = None
            return end.value  # type: ignore[no-any-return]
        return Round(None, math.nan, w=state.w, part=True)

    def _round(self, state: State) -> Generator[None, None, Round]:
        state.rounds += 1
        state.kept.now += 1
        if state.rounds == 1:
            return (yield from self._measure(state))
        before = state.dual
        opening = state.rounds <= 1 + OPENING
        if opening:
            yield from self._fresh(state)
        yield from self._passes(state)
        state.kept.clean()
        state.dual = max(before, state.kept.value(state.w, state.problem.alpha))  # less than before is rounding
        state.risen = state.dual > before + ULP * (abs(before) + state.null)
        if opening:
            return Round(None, math.nan, w=state.w.copy())
        return (yield from self._measure(state))

    def _fresh(self, state: State) -> Generator[None, None, None]:
        """Ask, keep and step, a lot at a time."""
        problem, kept = state.problem, state.kept
        order = state.random.permutation(problem.counted)
        W = state.w.reshape(-1, problem.width)
        for lot in np.array_split(order, min(SHARES, len(order))):
            for part in problem.blocks(lot):
                losses, codes, _ = problem.ask(state.w, part)
                kept.add(part, losses, codes)
                yield
            kept.steps(problem, W, lot, 0.0, state.gaps)

    def _passes(self, state: State) -> Generator[None, None, None]:
        """Steps on the kept planes, until the gap between them is small beside what it was."""
        problem, kept = state.problem, state.kept
        W = state.w.reshape(-1, problem.width)
        first = enough = 0.0
        for number in range(1, PASSES + 1):
            gap, _ = kept.steps(problem, W, state.random.permutation(problem.counted), enough, state.gaps)
            self._average(state)
            first = max(first, gap)
            if gap <= LEFT * first:
                break
            enough = 0.1 * gap  # examples with less of it have to wait
            yield
            if state.crawls and number % ALONE == 1:
                yield from self._together(state)

    def _together(self, state: State) -> Generator[None, None, None]:
        """All weights at once."""
        if program_step(state.problem, state.kept, state.w, 0.2 * LEFT) is not None:
            yield
        face_step(state.problem, state.kept, state.w)
        yield

    def _average(self, state: State) -> None:
        if not self.average:
            return
        state.passes += 1
        state.mean += (2.0 / (state.passes + 1.0)) * (state.w - state.mean)

    def _measure(self, state: State) -> Generator[None, None, Round]:
        """P at the point, the planes of all its maximisers, and the gap."""
        problem = state.problem
        at_zero = state.rounds == 1
        w = state.mean.copy() if self.average and state.risen and not at_zero else state.w.copy()
        at = yield from problem.sweep(w, state.kept.add)
        if at_zero:
            state.null = at.value
            if state.given is not None:
                other = yield from problem.sweep(state.given, state.kept.add)
                at = other if other.value < at.value else at
        if state.best is None or at.value < state.best.value:
            state.best = at
        gap = state.best.value - state.dual
        # kinks leave a gap of the first order where the dual, of the second, is at rest
        state.still = 0 if state.risen or gap < MOVES * state.gap else state.still + 1
        state.crawls, state.gap = gap > CRAWL * state.gap, gap
        over = state.still >= REST
        return measured_round(
            problem, state, self.near, "neither the dual nor the gap moves beyond rounding" if over else ""
        )
