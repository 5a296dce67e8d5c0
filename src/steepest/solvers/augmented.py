"""The augmented Lagrangian method for losses with kinks, by semismooth Newton steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.certify.balance import shrunk
from steepest.certify.bounds import FLOOR, gap_bound
from steepest.certify.gap import penalty_gap, scales_for
from steepest.kernels import passes
from steepest.kernels.augmented import loss_scale, settle_multipliers, shifted_slopes
from steepest.kernels.fenchel import fenchel
from steepest.losses.envelopes import Envelope
from steepest.protocols import AnyArray, Evaluation, FloatArray, Round, Traits
from steepest.solvers.augmented_system import GRAM_MOST, gram_step, rows_step
from steepest.solvers.roots import bracketed_root

SCALE = 2.0  # the first step in units of the score squared over the loss
SHRINK = 2.0  # the step after an update of the multipliers is this much smaller; its square where that is easy
SMALLEST = 1e-7  # of the first step: a smaller one buys nothing
ROUNDING = 1e10 * 2.0**-52  # of the scores: a slope is a difference of scores over the step, and keeps ten digits
BALANCE = 1.0  # the inner problem is solved until its error is this much of what the envelope costs
INNER_MOST = 25
RIDGE = 1e-2  # of the curvature of the data at the first step; only without an l2 penalty
FLAT_ROUNDS = 60  # rounds without a better bound after which the solver gives up
OFFSET = 100.0  # squared mean over variance from which Newton's matrix is formed of centred rows
NOTHING = 2.0**-52  # of a Newton step: less is rounding
FAR = 1e9  # squared mean over variance from which their difference has too few digits left
_BALANCED = 4.0 * 2.0**-52


@dataclass(slots=True)
class AugmentedState:
    """The inner problem (multipliers, step), the inner point, and the best that is proven.

    ``plain``: the penalty is l2 alone, so that the weights need no multipliers ``q``, no ridge and no steps of theirs.
    """

    problem: Any
    w: FloatArray
    plain: bool
    shift: float = 0.0
    step: float = 1.0
    first_step: float = 1.0
    envelope: Any = None
    targets: AnyArray = field(default_factory=lambda: np.zeros(0, dtype=np.complex128))
    scores: FloatArray = field(default_factory=lambda: np.zeros(0))
    slopes: FloatArray = field(default_factory=lambda: np.zeros(0))  # of the envelope: the next multipliers
    correlation: FloatArray = field(default_factory=lambda: np.zeros(0))  # X^T p slopes
    total: float = 0.0  # sum p slopes
    moments: FloatArray = field(default_factory=lambda: np.zeros(0))  # sum p x^2 by column
    means: FloatArray | None = None  # of the columns, where they are large beside the spread
    q: FloatArray = field(default_factory=lambda: np.zeros(0))
    centre: FloatArray = field(default_factory=lambda: np.zeros(0))
    inner: int = 0
    easy: bool = False  # one full Newton step has solved the inner problem
    updates: int = 0
    gap_fenchel: float = math.inf  # what the envelope costs: the share of the gap that an update lowers
    gap_inner: float = math.inf  # what the inner problem's error costs
    floor: float = 0.0
    primal: float = math.inf
    dual: float = -math.inf
    best: FloatArray | None = None
    least: float = math.inf
    flat: int = 0
    at: Evaluation | None = None
    known: FloatArray | None = None  # multipliers to begin from, and the first step in units of the natural one
    share: float = 1.0


class AugmentedLagrangian:
    """Proximal point method on the dual, whose smooth inner problems semismooth Newton steps solve.

    For ``P(w) = sum p_i loss(z_i, y_i) + l1 |w|_1 + l2/2 |w|^2``, ``z = X w + b``, with a loss that is convex and
    may have kinks, multipliers u_i (slopes of the loss) and a step s > 0 give the inner problem ::

        minimise  sum p_i e_s(z_i + s u_i, y_i) + penalty(w),        e_s the Moreau envelope of the loss,

    and then ``u_i <- e_s'(z_i + s u_i)``, which maximises the dual D(u') less ``s/2 sum p (u' - u)^2``.  An l1 part
    is split off the same way, with multipliers q of the weights and one step a column, ``s / sum p x_j^2``; where
    there is no l2 part, a vanishing ridge around the last outer point keeps Newton's matrix regular.

    Round: one Newton step on the inner problem.  Its matrix is made of the rows at a kink alone, soon few: by Cholesky
    up to `augmented_system.GRAM_MOST` features, else by conjugate gradients in the space of those rows.  A
    search along the ray finds the root of the slope, and the intercept moves to its optimum, both O(n).
    The new slopes u are in the domain of loss*, balanced (``sum p u = 0``) and so a dual point; the gap is the sum of

        sum p [loss(z) + loss*(u) - u z]    and    sum_j [pen(w_j) + pen*(-c_j) + w_j c_j],   c = X^T p u.

    Newton steps lower the second; once it is at most `BALANCE` times the first, the multipliers are updated and s
    is halved, which lowers the first.

    Cost of a round: a pass, half the sum of squared lengths of the rows at a kink, a few O(n); half a pass more with
    an l1 part, whose objective is taken at the sparse proximal point.  Extra memory: vectors of length n, and one
    (d, d) matrix or a copy of the rows at a kink.

    Guarantee: every round proves ``Round.bound``, the best objective less the best dual value so far; certify
    verifies it from ``Round.dual``.  The method converges for every s that stays bounded (Rockafellar 1976), and for
    piecewise linear losses an outer problem's end is reached in finitely many updates.  The gradient in the evaluation
    of a round is ``X^T p u + l2 w``, an eps-subgradient, which tends to zero where the subgradient at w does not.

    Without any penalty no dual point is feasible to the last digit; the bound is then an estimate, and certify proves
    its own from the slopes projected onto ``X^T p u = 0``.  Needs ``prox`` and ``conjugate`` of the loss.

    Sources: Rockafellar (1976), Math. Oper. Res. 1; Li, Sun & Toh (2018), SIAM J. Optim. 28, for the semismooth
    Newton steps; Mangasarian (2002), Optim. Methods Softw. 17, for Newton steps on the smoothed hinge.
    """

    name = "augmented_lagrangian"
    patience = 1000  # the bound may improve for long while the objective does not: see FLAT_ROUNDS

    def missing(self, traits: Traits) -> str | None:
        """What is needed and not there."""
        if traits.n_outputs != 1:
            return "one score a row"
        if not traits.convex:
            return "a convex loss"
        if not (traits.has_prox and traits.has_conjugate):
            return "a loss with the methods prox and conjugate"
        return None

    def start(self, problem: Any, w: FloatArray) -> AugmentedState:
        """Nothing is computed yet."""
        head, tail = problem.layout.split(np.array(w, dtype=np.float64))
        plain = problem.traits.l1 == 0.0 and problem.traits.l2 > 0.0
        return AugmentedState(problem, head.copy(), plain, float(tail[0]) if len(tail) else 0.0)

    def advance(self, state: AugmentedState) -> Round:
        """One Newton step, before it an update of the multipliers where that is due."""
        if state.at is None:
            self._first(state)
            return self._round(state, math.nan)
        if state.gap_inner <= BALANCE * state.gap_fenchel or state.inner >= INNER_MOST:
            self._update(state)
        t = self._newton(state)
        if t == 0.0:
            # the weights are where they should be to rounding: only the intercept and an update can go on
            self._update(state)
            self._balance(state)
            self._slopes(state)
        state.inner += 1
        state.easy = state.inner == 1 and t == 1.0
        round_ = self._round(state, t)
        if state.flat >= FLAT_ROUNDS:
            note = f"no better bound in {FLAT_ROUNDS} rounds: rounding"
            return round_._replace(note=note, exhausted=True)
        return round_

    # ------------------------------------------------------------------------------------------- the start

    def _first(self, state: AugmentedState) -> None:
        """Scores, and a step as long as the scores that the loss asks for: ``loss / slope^2``."""
        problem = state.problem
        n = problem.source.shape[0]
        zeros = np.zeros(n)
        state.floor = FLOOR * abs(problem.losses_at(zeros))
        if state.w.any():
            state.scores = problem.source.matvec(state.w, state.shift)
            problem.passes += 0.5
        else:
            state.scores = np.full(n, state.shift)
        if not state.plain:
            first, second = problem.source.moments(problem.p)
            problem.passes += 0.5
            # the intercept takes up the means: only the spread of a column tells how far its weight may move
            spread = second - first * first if problem.layout.intercept else second
            if problem.layout.intercept and bool(np.any(first * first > OFFSET * spread)):
                state.means = first
                spread = _centred(problem, first, spread)
            else:
                spread = np.maximum(spread, 1e-12 * second)
            state.moments = np.where(spread > 0.0, spread, 1.0)
            state.q = np.zeros_like(state.w)
        # u = 0 is a dual point as well: all that an exact fit needs
        nothing = zeros.copy()
        settle_multipliers(problem.loss, 1.0, zeros, problem.y, problem.p, nothing)
        if not nothing.any():
            state.dual = -float(passes.conjugates_sum(problem.loss, nothing, problem.y, problem.p))
            state.best = nothing
        state.step = self._natural(state)
        if state.known is not None:
            state.first_step = state.step
            state.step *= state.share
            self._inner_problem(state, state.known)
            self._balance(state)
            self._slopes(state)
            return
        for _ in range(3 if problem.layout.intercept else 1):  # the intercept may change the scale of the rest
            state.first_step = state.step
            self._inner_problem(state, zeros)
            self._balance(state)
            natural = self._natural(state)
            if not natural < 0.5 * state.step:
                break
            state.step = natural
        self._slopes(state)

    def _natural(self, state: AugmentedState) -> float:
        problem = state.problem
        squares, slopes = loss_scale(problem.loss, state.scores, problem.y, problem.p)
        step = SCALE * squares / slopes if slopes > 0.0 else 0.0
        return step if 0.0 < step < math.inf else 1.0

    # --------------------------------------------------------------------------------- the inner problem

    def _inner_problem(self, state: AugmentedState, u: FloatArray) -> None:
        problem = state.problem
        state.envelope = Envelope(problem.loss, state.step)  # type: ignore[call-arg]  # facts are no fields
        state.targets = problem.y + (1j * state.step) * u
        state.centre = state.w
        state.inner = 0

    def _update(self, state: AugmentedState) -> None:
        """The slopes become the multipliers, and the step shrinks."""
        if not state.plain:
            state.q = self._weight_slopes(state, state.w)
        shrink = SHRINK**2 if state.easy else SHRINK
        digits = ROUNDING * float(np.abs(state.scores).max(initial=0.0))
        least = max(SMALLEST * state.first_step, digits)
        state.step = min(state.step, max(state.step / shrink, least))
        self._inner_problem(state, state.slopes)
        state.updates += 1
        problem = state.problem
        u = np.empty_like(state.scores)
        passes.losses_slopes(state.envelope, state.scores, state.targets, problem.p, u)
        state.slopes = u
        state.correlation, state.total = problem.source.rmatvec(problem.p, u)
        problem.passes += 0.5

    def _weight_steps(self, state: AugmentedState) -> FloatArray:
        return state.step / state.moments

    def _weight_slopes(self, state: AugmentedState, w: FloatArray) -> FloatArray:
        """The multipliers of the weights: slopes of the envelope of ``l1 |w|``."""
        l1 = state.problem.traits.l1
        return np.asarray(np.clip(w / self._weight_steps(state) + state.q, -l1, l1))

    def _ridge(self, state: AugmentedState) -> FloatArray:
        """Curvature that stands in for an l2 penalty that is not there; it falls with the step."""
        ratio = state.step / state.first_step
        return np.asarray(state.moments * (max(RIDGE * ratio, 1e-9 / ratio) / state.first_step))

    def _penalty_gradient(self, state: AugmentedState, w: FloatArray) -> FloatArray:
        l2 = state.problem.traits.l2
        if state.plain:
            return np.asarray(l2 * w)
        g = self._weight_slopes(state, w)
        return np.asarray(g + (l2 * w if l2 > 0.0 else self._ridge(state) * (w - state.centre)))

    def _penalty_curvature(self, state: AugmentedState) -> FloatArray | float:
        l1, l2 = state.problem.traits.l1, state.problem.traits.l2
        if state.plain:
            return float(l2)
        x = state.moments * (state.w / state.step)
        free = np.where(np.abs(x + state.q) < l1, state.moments / state.step, 0.0)
        return np.asarray(free + (l2 if l2 > 0.0 else self._ridge(state)))

    def _newton(self, state: AugmentedState) -> float:
        """One step; 0 where the inner problem is solved to rounding."""
        problem, envelope = state.problem, state.envelope
        z, y, p = state.scores, state.targets, problem.p
        h = np.empty_like(z)
        passes.curvatures(envelope, z, y, p, h)
        g = state.correlation + self._penalty_gradient(state, state.w)
        diagonal = self._penalty_curvature(state)
        if len(g) <= GRAM_MOST:
            d, s = gram_step(problem, h, diagonal, g, state.total, state.means)
        else:
            d, s = rows_step(problem, h, diagonal, g, state.total, 0.1)
        slope = float(g @ d) + state.total * s
        if not slope < 0.0:
            return 0.0
        dz = problem.source.matvec(d, s)
        problem.passes += 0.5
        t = self._root(state, d, dz, slope)
        if t <= NOTHING:
            return 0.0
        state.w = state.w + t * d
        state.shift += t * s
        state.scores = z + t * dz
        self._balance(state)
        self._slopes(state)
        return t

    def _root(self, state: AugmentedState, d: FloatArray, dz: FloatArray, before: float) -> float:
        """Where the slope along the ray has fallen to a tenth: secants inside a bracket, O(n + d) each."""
        problem, envelope = state.problem, state.envelope
        l2 = problem.traits.l2
        wd, dd = l2 * float(state.w @ d), l2 * float(d @ d)

        def slope(t: float) -> float:
            value = float(passes.along_ray(envelope, state.scores, dz, t, state.targets, problem.p)[1])
            if state.plain:
                return float(value + wd + t * dd)
            return value + float(self._penalty_gradient(state, state.w + t * d) @ d)

        goal = 0.1 * abs(before)
        low, at_low, t = 0.0, before, 1.0
        for _ in range(60):
            s = slope(t)
            if abs(s) <= goal:
                return t
            if not s < 0.0:
                break
            low, at_low, t = t, s, 4.0 * t
        else:
            return low
        while not math.isfinite(s) and t > low:
            t = 0.5 * (low + t)
            s = slope(t)
            if s < 0.0:
                return t
        return bracketed_root(slope, low, t, at_low, s, accuracy=goal)

    def _balance(self, state: AugmentedState) -> None:
        """Moves the intercept to where ``sum p u = 0``: Newton's method inside a bracket, O(n) a step."""
        problem = state.problem
        if not problem.layout.intercept:
            return
        low, high, shift = -math.inf, math.inf, 0.0
        for _ in range(60):
            total, curved = shifted_slopes(state.envelope, state.scores, shift, state.targets, problem.p)
            if not abs(total) > _BALANCED:
                break
            if total > 0.0:
                high = shift
            else:
                low = shift
            ahead = shift - total / curved if curved > 0.0 else math.nan
            if not low < ahead < high:
                if math.isfinite(low) and math.isfinite(high):
                    ahead = 0.5 * (low + high)
                else:
                    ahead = shift - math.copysign(max(4.0 * abs(shift), state.step), total)
            if ahead == shift:
                break
            shift = ahead
        if shift != 0.0:
            state.shift += shift
            state.scores = state.scores + shift

    def _slopes(self, state: AugmentedState) -> None:
        """Slopes of the envelope at the scores, inside the domain of the conjugate, and their products: half a pass."""
        problem = state.problem
        u = np.empty_like(state.scores)
        passes.losses_slopes(state.envelope, state.scores, state.targets, problem.p, u)
        if problem.layout.intercept and abs(float(problem.p @ u)) > _BALANCED:
            u = shrunk(u, problem.p)
        self._settle(state, u)
        state.correlation, state.total = problem.source.rmatvec(problem.p, u)
        problem.passes += 0.5
        state.slopes = u
        self._bound(state)

    # ------------------------------------------------------------------------------------ what is proven

    def _settle(self, state: AugmentedState, u: FloatArray) -> None:
        problem = state.problem
        loss, fenchel_part = settle_multipliers(problem.loss, state.step, state.scores, problem.y, problem.p, u)
        w = state.w
        state.gap_fenchel = float(fenchel_part)
        state.at = Evaluation(w, float(loss), float(loss), w, state.scores, u)

    def _bound(self, state: AugmentedState) -> None:
        """The evaluation to show, the two shares of its gap, and the best objective and dual value."""
        problem = state.problem
        l1, l2 = problem.traits.l1, problem.traits.l2
        at, c = state.at, state.correlation
        assert at is not None
        w, loss, scores = state.w, at.loss, state.scores
        if l1 > 0.0:
            steps = self._weight_steps(state)
            w = w + steps * (state.q - self._weight_slopes(state, w))
            w[np.abs(self._weight_slopes(state, state.w)) < l1] = 0.0
            scores = problem.source.matvec(w, state.shift)
            problem.passes += 0.5
            loss = float(problem.losses_at(scores))
        flat = np.append(w, state.shift) if problem.layout.intercept else w
        value = loss + problem.penalty_value(flat)
        gap = self._gap(state, w, scores, c)
        gradient = c + l2 * w if l2 else c
        if problem.layout.intercept:
            gradient = np.append(gradient, state.total)
        state.at = Evaluation(flat, value, loss, gradient, scores, state.slopes)
        if l1 == 0.0 and l2 == 0.0:  # an estimate does not outlive its round
            state.primal, state.dual, state.best = value, value - gap, state.slopes
        else:
            state.primal = min(state.primal, value)
            if value - gap > state.dual:
                state.dual, state.best = value - gap, state.slopes
        state.flat += 1
        if state.primal - state.dual < 0.999 * state.least:
            state.flat, state.least = 0, state.primal - state.dual

    def _gap(self, state: AugmentedState, w: FloatArray, scores: FloatArray, c: FloatArray) -> float:
        """The gap at w and the slopes; notes what of it an update would lower, and what Newton steps would."""
        problem = state.problem
        l1, l2 = problem.traits.l1, problem.traits.l2
        if state.plain:
            state.gap_inner = penalty_gap(w, c, 0.0, l2)
            return state.gap_fenchel + state.gap_inner
        g = c + self._penalty_gradient(state, state.w)
        # at w, not at the point of the inner problem: there the weights of columns far too small to matter may be huge
        size = np.abs(w)
        state.gap_inner = float(np.abs(g) @ size) + 0.5 * float(self._weight_steps(state) @ (g * g))
        if l1 > 0.0:
            state.gap_fenchel = self._fenchel(state, scores, 1.0)
        if l2 == 0.0:
            state.gap_fenchel += float(np.abs(self._ridge(state) * (state.w - state.centre)) @ size)
        if l1 == 0.0:
            # no feasible dual point is known without a penalty; certify projects the slopes, an effect of this order
            return state.gap_fenchel + 2.0 * float(np.abs(c) @ size)
        best = math.inf
        for s in scales_for(c, l1, l2):
            best = min(best, self._fenchel(state, scores, s) + penalty_gap(w, s * c, l1, l2))
        return best

    def _fenchel(self, state: AugmentedState, scores: FloatArray, s: float) -> float:
        problem = state.problem
        return float(fenchel(problem.loss, scores, state.slopes, s, problem.y, problem.p, 0, len(scores))[0])

    def _round(self, state: AugmentedState, t: float) -> Round:
        assert state.at is not None
        bound = gap_bound(state.primal, state.dual, state.floor)
        return Round(state.at, t, bound=bound, dual=state.best)


def _centred(problem: Any, means: FloatArray, spread: FloatArray) -> FloatArray:
    """Variances of the columns: those that are a small difference of large numbers are summed again, O(n) each."""
    far = np.flatnonzero(means * means > FAR * spread)
    floor = 1e-12 * means * means
    if problem.source.kind != "dense":
        return np.maximum(spread, floor)
    out = spread.copy()
    out[far] = 0.0
    X, p, rows = problem.source.X, problem.p, max(1, (1 << 20) // max(1, len(far)))
    for low in range(0, len(p) if len(far) else 0, rows):
        part = X[low : low + rows, far].astype(np.float64)
        part[p[low : low + rows] == 0.0] = means[far]  # absent rows may hold anything
        part -= means[far]
        out[far] += p[low : low + rows] @ (part * part)
    return np.where(out > 2.0**-96 * means * means, out, floor)  # less: the column is constant up to rounding
