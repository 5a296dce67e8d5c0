"""Dual coordinate descent for margins, and second-order steps where it crawls.

    maximise over 0 <= a_i <= cap:   sum_i p_i (a_i - diagonal a_i^2 / 2) - |w|^2 l2 / 2,   w = sum p_i a_i y_i x_i / l2

An epoch (`kernels.margin_dual`) takes the rows that are not at rest at a limit, in a new order, each multiplier to its
optimum.  That finds soon which rows lie near the margin and which do not; the last digits it finds slowly.  From there

- with up to `GRAM_MOST` features, the hinge is finished by the augmented Lagrangian method (`solvers.augmented`),
  begun with the multipliers that are known: the matrices of its Newton steps need few rows.  Where rows are many it
  works on those near the margin, the others taken together (`solvers.sifting`); of dense rows, from the beginning;
- else epochs alternate with Newton steps on the face: multipliers between the limits go, by conjugate gradients, to
  where their derivatives are zero, and are cut off at the limits.

An unpenalised intercept asks for ``sum p a y = 0``.  Epochs approach it by the method of multipliers (the centre of a
penalised intercept moves to where it came out); bounds are those of balanced multipliers.

Cost of an epoch: at most a pass.  Extra memory: some vectors of length n, a copy of the rows of a Newton step.
Sources: Hsieh et al. (2008), A dual coordinate descent method for large-scale linear SVM, ICML; Rockafellar (1976),
Math. Oper. Res. 1, for the method of multipliers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.certify.balance import shrunk
from steepest.certify.bounds import FLOOR, relative_to
from steepest.exceptions import IncompatibleError
from steepest.kernels import passes
from steepest.kernels.margin_dual import margin_epoch
from steepest.protocols import AnyArray, Bound, Evaluation, FloatArray, Round, Traits
from steepest.solvers.augmented import AugmentedLagrangian
from steepest.solvers.augmented_system import GRAM_MOST
from steepest.solvers.dual_blocks import checked, margin_blocks, worth
from steepest.solvers.margin_face import face_steps
from steepest.solvers.sifting import Sifting, far

WORK = 0.35  # of a pass that epochs over few active rows add up to before the next look at the gap
GROWTH = 0.15  # of all work so far, where that is more
EPOCHS_MOST = 16  # of the hinge, before the augmented Lagrangian takes over
HOPELESS = 1.0  # relative gap after two epochs from which they lead nowhere
EPOCHS_LEAST = 8  # before the last of them tell how many more it takes
RECENT = 8  # of them, which tell
ROUGH_GAP = 1e-3  # which epochs reach at a lower price than a method of the second order, where they go well
WORTH_ROUGH = 12.0  # passes that it may take, by what is foreseen
WORTH_LAST = 3.0  # passes from there to the wanted gap
AIMED_WORK = 2.0  # passes between two looks at the gap, where epochs tell when it is about to be small enough
ROUGH_WORK = 6.0  # passes between two while what they tell is above `ROUGH_GAP`: nothing is done with those looks
LATER = 1.5  # times what the next epoch should meet: about the gap after this one
SIFT_ROWS = 10_000  # rows, and rows a feature, from which those near the margin are worth finding
SIFT_WIDTH = 40
FLAT = 10  # rounds without a better bound
PATIENT = 60.0  # passes in which the gap should have halved
SHARE = 10.0  # of its natural step that it begins with, times the gap
FACE_GAP = {"hinge": 1e-3, "squared_hinge": 1e-2}  # relative gap before the first Newton step on a face
FACE_EVERY = 2  # rounds from one to the next
FACE_WORTH = 6.0  # passes that epochs alone would take to the wanted gap, from which such a step is worth its price
FACE_RECENT = 4  # epochs that tell
FACE_EPOCHS = 6  # before the first Newton step on the face
LOSSES = {"hinge": (0.0, 1.0), "squared_hinge": (0.5, math.inf)}


@dataclass(slots=True)
class MarginState:
    """Primal and dual point, the active rows, and what is proven."""

    problem: Any
    w: FloatArray
    shift: float
    a: FloatArray
    diagonal: float
    cap: float
    norms: FloatArray
    active: AnyArray
    size: int
    generator: AnyArray
    bounds: FloatArray
    reach: float = 0.0
    centre: float = 0.0
    floor: float = 0.0
    rounds: int = 0
    faced: int = 0  # the last round with a Newton step
    epochs: int = 0
    work: float = 0.0
    gap: float = math.inf
    primal: float = math.inf
    best: float = -math.inf
    dual: FloatArray | None = None
    inner: AugmentedLagrangian | Sifting | None = None
    seen: list[float] = field(default_factory=lambda: [math.inf])  # relative gaps that epochs met, about
    rest: Any = None
    anew: bool = False
    margins: FloatArray = field(default_factory=lambda: np.zeros(0))
    moved: float = 0.0  # of the scores, most of them, between two looks
    flat: int = 0
    halved: float = math.inf
    halved_at: float = 0.0


class MarginDual:
    """Dual coordinate descent with shrinking for hinge and squared hinge, finished by second-order steps.

    Parameters
    ----------
    seed : int
        Of the orders of the rows; the same seed gives the same bits.
    second_order : bool
        False: epochs alone.
    blocks : int
        Above 1: epochs in so many blocks of rows, which threads share (`solvers.dual_blocks`): the same bits for any
        number of threads, but other bits, and more epochs, than one block.

    Attributes
    ----------
    aim : float or None
        The relative gap that is wanted, where that is known: then epochs go on until they have met it, about.
    """

    name = "margin_dual"
    patience = 100  # the primal objective need not fall

    def __init__(self, seed: int = 0, second_order: bool = True, blocks: int = 1) -> None:
        self.seed = seed
        self.second_order = second_order
        self.blocks = checked(blocks)
        self.aim: float | None = None

    def missing(self, traits: Traits) -> str | None:
        """What is needed and not there."""
        if not traits.l2 > 0.0 or traits.l1 > 0.0:
            return "a squared penalty of positive strength and nothing else"
        if traits.n_outputs != 1:
            return "one score a row"
        if not (traits.convex and traits.has_conjugate and (traits.has_prox or traits.has_curvature)):
            return "the hinge or the squared hinge"
        return None

    def start(self, problem: Any, w: FloatArray) -> MarginState:
        """Multipliers at zero, or the slopes at w."""
        source, (n, d) = problem.source, problem.source.shape
        if problem.loss.name not in LOSSES:
            raise IncompatibleError(
                f"solver: 'margin_dual' needs the hinge or the squared hinge, got the loss '{problem.loss.name}'. "
                "Use solver='auto'."
            )
        diagonal, cap = LOSSES[problem.loss.name]
        a = np.zeros(n)
        point, shift = np.zeros(d), 0.0
        if w.any():
            _, tail = problem.layout.split(w)
            shift = float(tail[0]) if len(tail) else 0.0
            a = np.minimum(-problem.y * problem.evaluate(w).slopes, cap)
            point = source.rmatvec(problem.p, a * problem.y)[0] / problem.traits.l2
            problem.passes += 0.5
        norms = source.square_norms()
        problem.passes += 0.5
        present = np.flatnonzero(problem.p > 0.0).astype(np.uint32)
        state = MarginState(
            problem, point, shift, a, diagonal, cap, norms, present, len(present),
            self._generators(), np.array([np.inf, -np.inf]),
            floor=FLOOR * abs(problem.null_value()), centre=shift,
        )  # fmt: skip
        if problem.layout.intercept:
            state.reach = max(float(problem.p @ norms), 1e-300)
            state.shift = state.centre + state.reach / problem.traits.l2 * float(problem.p @ (a * problem.y))
        return state

    def _generators(self) -> AnyArray:
        """One for each block; none of them zero, for they are odd."""
        seeds = [(self.seed * 2 + 0x9E3779B97F4A7C15 * (2 * k + 1)) % 2**64 for k in range(self.blocks)]
        return np.array(seeds, dtype=np.uint64)

    def _crawls(self, state: MarginState) -> bool:
        """Whether epochs on the hinge have found what they find soon, and a matrix of order d finds the rest.

        Where they lead nowhere (scales of columns that differ, an intercept that drifts) that shows sooner, or at last.
        """
        if state.cap != 1.0 or not self.second_order:
            return False
        if state.problem.source.shape[1] > GRAM_MOST:
            return state.flat >= FLAT or state.work - state.halved_at > PATIENT
        looked = state.gap if state.rounds > 2 else math.inf  # not at zero, which tells nothing
        if state.epochs > 1 and min(looked, state.seen[-1]) > HOPELESS:
            return True
        if self.aim is None:
            return state.epochs >= EPOCHS_MOST
        if state.epochs < EPOCHS_LEAST:
            return False
        rough = max(self.aim, ROUGH_GAP)
        return self._foreseen(state, rough) > WORTH_ROUGH or self._foreseen(state, self.aim) > (
            WORTH_LAST if state.seen[-1] <= rough else math.inf
        )

    def _foreseen(self, state: MarginState, gap: float, recent: int = RECENT) -> float:
        """Passes until the gap is so small, if epochs go on as the last few did."""
        now, before = state.seen[-1], max(state.seen[-recent:])
        if now <= gap:
            return 0.0
        if not now < 0.99 * before < math.inf or gap <= 0.0:
            return math.inf
        epochs = (recent - 1) * math.log(now / gap) / math.log(before / now)
        return epochs * state.size / len(state.a)

    def _face_pays(self, state: MarginState) -> bool:
        """Whether epochs alone would take longer to the wanted gap than a Newton step."""
        if self.aim is None:
            return True
        return self.aim < ROUGH_GAP and self._foreseen(state, self.aim, FACE_RECENT) > FACE_WORTH

    def _sifts(self, problem: Any) -> bool:
        """Whether the hinge is worth solving on rows near the margin."""
        n, d = problem.source.shape
        fits = self.second_order and problem.loss.name == "hinge" and d <= GRAM_MOST
        return bool(fits and n >= SIFT_ROWS and n >= SIFT_WIDTH * d)

    def advance(self, state: MarginState) -> Round:
        """The start; then epochs, or iterations of a second order."""
        state.rounds += 1
        if state.rounds == 1:
            return self._judged(state, math.nan)
        if state.inner is not None:
            return self._last(state, state.inner)
        if self._crawls(state) or (
            state.rounds == 2 and state.problem.source.kind == "dense" and self._sifts(state.problem)
        ):
            return self._finish(state).advance(state.rest)
        if (
            self.second_order
            and state.epochs >= FACE_EPOCHS
            and state.gap <= FACE_GAP[state.problem.loss.name]
            and state.rounds - state.faced >= FACE_EVERY
            and self._face_pays(state)
        ):
            self._face(state)
        self._epochs(state)
        return self._judged(state, 1.0)

    # --------------------------------------------------------------------------------------------- epochs

    def _epochs(self, state: MarginState) -> None:
        """Epochs over the active rows, until it is time for a look at the gap.

        That is when they have cost a share of a pass, or of all work so far; where the wanted gap is known, when the
        rows have owed no more than that, or more passes are spent: rows that were left out may have to come back.
        """
        problem = state.problem
        n = len(state.a)
        work = 0.0
        while work < self._until_look(state):
            before = state.size
            if worth(problem, state.size, self.blocks):
                kept, shift, owed = margin_blocks(state, self.blocks)
            else:
                kept, shift, owed = margin_epoch(
                    problem.source.rows, problem.y, problem.p, state.norms, problem.traits.l2, state.reach,
                    state.diagonal, state.cap, state.active, state.size, state.generator, state.bounds, state.w,
                    state.shift, state.a,
                )  # fmt: skip
            state.size, state.shift = int(kept), float(shift)
            work += max(before, 1) / n
            most, least = state.bounds
            spread = most - least
            state.bounds[0] = most if 0.0 < most < math.inf else math.inf
            state.bounds[1] = least if -math.inf < least < 0.0 else -math.inf
            state.epochs += 1
            state.seen.append(self._relative(state, float(owed)))
            if not spread > max(1e-12, 0.5 * min(state.gap, state.seen[-1], 1.0)):
                break
            if self.aim is not None and (self._near(state) <= self.aim or self._crawls(state)):
                break
        problem.passes += work
        state.work += work

    def _until_look(self, state: MarginState) -> float:
        """Passes between two looks at the gap."""
        if self.aim is None:
            return max(WORK, GROWTH * state.work)
        least = ROUGH_WORK if state.seen[-1] > ROUGH_GAP else AIMED_WORK
        return max(least, 2.0 * GROWTH * state.work)

    def _near(self, state: MarginState) -> float:
        """About the relative gap after the last epoch: what it met was the gap on its way there."""
        now = state.seen[-1]
        before = state.seen[-2] if len(state.seen) > 2 else math.inf
        return min(now, LATER * now * now / before) if now < before < math.inf else now

    def _relative(self, state: MarginState, owed: float) -> float:
        """A sum over rows, in units of the dual value: O(n + d)."""
        a, p = state.a, state.problem.p
        dual = float(p @ a) - 0.5 * state.problem.traits.l2 * float(state.w @ state.w)
        if state.diagonal:
            dual -= 0.5 * state.diagonal * float(p @ (a * a))
        return relative_to(owed, dual, dual + owed, state.floor)

    def _restore(self, state: MarginState) -> None:
        """All rows are active again."""
        rows = np.flatnonzero(state.problem.p > 0.0)
        state.active[:] = rows
        state.size = len(rows)
        state.bounds[:] = np.inf, -np.inf

    def _judged(self, state: MarginState, step: float) -> Round:
        """The gap at the point that epochs have reached; the rows left out come back where it says so."""
        problem = state.problem
        z = problem.source.matvec(state.w, 0.0) if state.rounds > 1 or state.w.any() else np.zeros(len(state.a))
        problem.passes += 0.5 if state.rounds > 1 else 0.0
        shift = state.shift
        if problem.layout.intercept:
            shift = best_shift(problem, z) if state.cap == 1.0 else state.shift
            z += shift
            state.centre = state.shift  # the method of multipliers
            state.shift += state.reach / problem.traits.l2 * float(problem.p @ (state.a * problem.y))
        round_ = self._round(state, state.w, shift, z, state.a, step)
        margins = problem.y * z - 1.0
        state.moved = far(margins - state.margins) if len(state.margins) else 0.0
        state.margins = margins
        if state.size < len(state.active):
            violated = ((state.a <= 0.0) & (margins < -1e-12)) | ((state.a >= state.cap) & (margins > 1e-12))
            violated[state.active[: state.size]] = False
            found = np.flatnonzero(violated & (problem.p > 0.0)).astype(np.uint32)
            room = len(state.active) - state.size
            if len(found) and len(found) <= room:
                state.active[state.size : state.size + len(found)] = found
                state.size += len(found)
                state.bounds[:] = np.inf, -np.inf
        if state.size == 0:
            self._restore(state)
        return round_

    def _round(self, state: MarginState, w: FloatArray, b: float, z: FloatArray, a: FloatArray, step: float) -> Round:
        problem = state.problem
        l2 = problem.traits.l2
        flat = np.append(w, b) if problem.layout.intercept else w.copy()
        slopes = np.empty_like(z)
        loss = float(passes.losses_slopes(problem.loss, z, problem.y, problem.p, slopes))
        value = loss + 0.5 * l2 * float(w @ w)
        u = -a * problem.y
        if problem.layout.intercept:
            u = shrunk(u, problem.p)
        norm = problem.source.rmatvec(problem.p, u)[0] if problem.layout.intercept else None
        if norm is not None:
            problem.passes += 0.5
            ridge = 0.5 * float(norm @ norm) / l2
        else:
            ridge = 0.5 * l2 * float(w @ w)
        dual = -float(passes.conjugates_sum(problem.loss, u, problem.y, problem.p)) - ridge
        if dual > state.best:
            state.best, state.dual = dual, u
            state.flat = 0
        elif value >= state.primal:
            state.flat += 1
        state.primal = min(state.primal, value)
        gap = value - state.best
        relative = relative_to(gap, state.best, value, state.floor)
        state.gap = relative
        if not relative > 0.5 * state.halved:
            state.halved, state.halved_at = relative, state.work
        bound = Bound("duality_gap", gap, relative, "suboptimality", value, state.best)
        at = Evaluation(flat, value, loss, np.full(1, np.nan), z, slopes)
        if state.flat >= 30:
            return Round(
                at, step, "no better bound in 30 rounds: rounding", exhausted=True, bound=bound, dual=state.dual
            )
        return Round(at, step, bound=bound, dual=state.dual)

    # ------------------------------------------------------------------------------------ the last digits

    def _finish(self, state: MarginState) -> AugmentedLagrangian | Sifting:
        """A method of the second order from here on, with the multipliers that are known."""
        problem = state.problem
        hopeless = not min(state.gap, state.seen[-1]) <= HOPELESS
        if self._sifts(problem):
            state.inner = Sifting(self.aim)
            w, a = (np.zeros_like(state.w), None) if state.epochs == 0 or hopeless else (state.w, state.a)
            shift = state.shift if w.any() else 0.0
            state.rest = state.inner.begin(problem, w, shift, a, state.best, state.dual, state.moved)
            return state.inner
        state.inner = AugmentedLagrangian()
        point = np.append(state.w, state.shift) if problem.layout.intercept else state.w
        state.rest = state.inner.start(problem, point)
        state.rest.known = state.dual if state.dual is not None else -state.a * problem.y
        state.rest.share = min(1.0, SHARE * min(state.gap, state.seen[-1]))
        return state.inner

    def _last(self, state: MarginState, inner: AugmentedLagrangian | Sifting) -> Round:
        """A round of it; multipliers that hold it back at rounding level are forgotten once."""
        done = inner.advance(state.rest)
        if not done.exhausted or state.anew:
            return done
        state.anew = True
        state.inner = AugmentedLagrangian()
        if isinstance(inner, Sifting):  # all rows, with what is known of them
            assert done.at is not None
            known, share = state.rest.dual, min(1.0, SHARE * state.rest.gap)
            state.rest = state.inner.start(state.problem, done.at.w)
            state.rest.known, state.rest.share = known, share
        else:
            state.rest = state.inner.start(state.problem, state.problem.start())
        return done._replace(exhausted=False, note="the last digits are begun anew")

    def _face(self, state: MarginState) -> None:
        """Newton steps for the multipliers between the limits."""
        problem = state.problem
        state.faced = state.rounds
        shift = state.centre if problem.layout.intercept else 0.0
        aim = self.aim or 0.0
        state.w = face_steps(problem, state.w, state.a, shift, state.diagonal, state.cap, state.gap, aim)
        if problem.layout.intercept:
            state.shift = state.centre + state.reach / problem.traits.l2 * float(problem.p @ (state.a * problem.y))


def best_shift(problem: Any, z: FloatArray) -> float:
    """The intercept that makes the mean hinge least at fixed scores: O(n log n).

    The derivative starts at minus the weight of the positive rows and gains ``p_i`` where ``y_i (z_i + b) = 1``.
    """
    places = problem.y - z
    order = np.argsort(places, kind="stable")
    slopes = np.cumsum(problem.p[order]) - float(problem.p[problem.y > 0.0].sum())
    k = int(np.searchsorted(slopes, 0.0))
    return float(places[order[min(k, len(order) - 1)]])
