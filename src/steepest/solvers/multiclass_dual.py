"""Dual coordinate descent for margins between classes, and conjugate gradients on the face where it crawls.

    maximise over u_i in their polytopes:   - sum_i p_i loss*(u_i) - |W|^2 l2 / 2,      W = - X' p u / l2

for Crammer-Singer (with costs) and Weston-Watkins.  An epoch (`kernels.multiclass_dual`) takes the rows that do not
rest at a vertex of their polytope, in a new order, each to its optimum: exact, in O(k).  Epochs find soon which entries
of u lie at a limit; the others then form a face on which the dual is a quadratic, and epochs alternate with conjugate
gradients on it, projected back.  Every step raises the dual or is not taken.

The sum of the rows' gaps as an epoch meets them is nearly the gap itself; the objective is evaluated where that has
fallen enough to be worth it.

An unpenalised intercept asks for ``sum p u = 0``.  Epochs approach it by the method of multipliers (the centre of a
penalised intercept moves to where it came out).  For dense rows far from the origin they take a centred copy, which
changes nothing but b.  Where epochs crawl and the problem is small, it goes to an interior-point method
(`solvers.multiclass_interior`), which does not mind scales or a weak penalty.

Cost of an epoch: at most a pass over k columns.  Extra memory: u (n k numbers), three copies of W padded to multiples
of eight classes; dense rows of which most entries are zero are copied as compressed rows, others may be centred.

Sources: Keerthi et al. (2008), A sequential dual method for large scale multi-class linear SVMs, KDD; Crammer & Singer
(2001), JMLR 2; Weston & Watkins (1999), ESANN; Moré & Toraldo (1991), SIAM J. Optim. 1, for gradients on faces;
Rockafellar (1976), Math. Oper. Res. 1, for the method of multipliers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, relative_to
from steepest.certify.transport import transported
from steepest.exceptions import IncompatibleError
from steepest.kernels import fenchel
from steepest.kernels import multiclass_dual as kernels
from steepest.kernels.lanes import aligned
from steepest.kernels.rows import CSRRows, DenseRows
from steepest.protocols import AnyArray, Bound, Evaluation, FloatArray, Round, Traits
from steepest.solvers.multiclass_interior import CLOSE, is_small, minimise

LOSSES = ("crammer_singer", "weston_watkins")
SPARSE = 0.35  # share of non-zeros up to which dense rows are copied as compressed ones
FAR = 3.0  # means of columns, in their deviations, from which on dense rows are copied centred
CENTRED_BYTES = 1 << 28  # of that copy at most
DENSE_MOST = 10_000_000  # entries that the interior-point method may lay out
BEYOND = 1e-3  # of the gap that is wanted: what more costs is little
AIMED = 0.9  # of the gap that is wanted
CRAWL = 0.4  # of the gap as epochs meet it, which they should fall to between two evaluations
FALL = 0.15  # of the gap as epochs meet it, before it is evaluated
SHRINK = 0.1  # of the steepest move of an epoch: rows that rest by more are left out of the next
EPOCHS_MOST = 8  # passes between two evaluations
FACE_GAP = 0.1  # relative gap from which on there is a face worth a step
FACE_PRODUCTS = 100  # of one such step at most, and of as much work as the epochs between two evaluations
FACES_MOST = 20  # of ever fewer entries, between two evaluations
TRIED, INSIDE = 1, 2  # the interior-point method has been tried; the state stands where it has ended
SHORTER = (1.0, 0.4, 0.16)  # steps that are tried projected back
FLAT = 30  # rounds without a better bound that are called rounding


@dataclass(slots=True)
class MulticlassState:
    """Primal and dual point, the active rows, and what is proven."""

    problem: Any
    rows: Any
    y: AnyArray
    costs: FloatArray
    box: bool
    norms: FloatArray
    W: FloatArray
    b: FloatArray
    U: FloatArray
    active: AnyArray
    size: int
    generator: AnyArray
    reach: float
    centre: FloatArray
    mean: FloatArray | None  # that the rows have lost
    floor: float
    threshold: float = math.inf
    rounds: int = 0
    epochs: int = 0
    crawls: bool = False  # the last epochs were many and brought little
    face: int = 0
    met: float = math.inf  # the gap as the last epoch met it
    gap: float = math.inf
    primal: float = math.inf
    best: float = -math.inf
    dual: FloatArray | None = None
    flat: int = 0
    interior: int = 0  # whether that was tried
    found: FloatArray = field(default_factory=lambda: np.zeros(2))


class MulticlassDual:
    """Dual coordinate descent with shrinking for Crammer-Singer and Weston-Watkins, and conjugate gradients on faces.

    Parameters
    ----------
    seed : int
        Of the orders of the rows; the same seed gives the same bits.
    second_order : bool
        False: epochs alone.

    Attributes
    ----------
    aim : float or None
        The relative gap that is wanted, where that is known: epochs that have met about that call for a look.
    """

    name = "multiclass_dual"
    patience = 1000  # the bound may improve for long while the objective does not: see FLAT

    def __init__(self, seed: int = 0, second_order: bool = True) -> None:
        self.seed = seed
        self.second_order = second_order
        self.aim: float | None = None
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """What is needed and not there."""
        if not traits.l2 > 0.0 or traits.l1 > 0.0:
            return "a squared penalty of positive strength and nothing else"
        if traits.n_outputs < 2 or not (traits.convex and traits.has_conjugate) or traits.smooth:
            return "a Crammer-Singer or Weston-Watkins loss"
        return None

    def start(self, problem: Any, w: FloatArray) -> MulticlassState:
        """u at zero, or at the slopes at w."""
        if problem.loss.name not in LOSSES:
            raise IncompatibleError(
                f"solver: 'multiclass_dual' needs one of the losses {list(LOSSES)}, got '{problem.loss.name}'. "
                "Use solver='auto'."
            )
        source, k = problem.source, problem.layout.n_outputs
        n, d = source.shape
        box = problem.loss.name == "weston_watkins"
        costs = 1.0 - np.eye(k) if box else problem.loss.matrix(k)
        rows, norms = compressed(source), source.square_norms()
        problem.passes += 0.5
        mean = None
        if problem.layout.intercept and isinstance(rows, DenseRows) and n * d * 8 <= CENTRED_BYTES:
            mean = far_mean(rows.X, problem.p)
            problem.passes += 0.5
        if mean is not None:
            rows = DenseRows(rows.X - mean)
            norms = np.einsum("ij,ij->i", rows.X, rows.X)
            self._note("columns far from zero beside their deviations: a centred copy, which changes nothing but b")
        # b must be able to move by a margin, also where the rows are all alike
        reach = max(float(problem.p @ norms), problem.traits.l2 * float(costs.max()), 1e-300)
        present = np.flatnonzero(problem.p > 0.0).astype(np.uint32)
        state = MulticlassState(
            problem, rows, problem.y.astype(np.uint32), np.ascontiguousarray(costs), box, norms,
            aligned(d, k), aligned(1, k)[0], np.zeros((n, k)), present, len(present),
            np.array([self.seed * 2 + 0x9E3779B97F4A7C15], dtype=np.uint64),
            reach if problem.layout.intercept else 0.0,
            aligned(1, k)[0], mean, FLOOR * abs(problem.null_value()),
        )  # fmt: skip
        if w.any():
            head, tail = problem.layout.split(w)
            state.centre[: len(tail)] = tail if mean is None else tail + mean @ head
            state.U = problem.evaluate(w).slopes.copy()
            self._weigh(state, state.U, state.W, state.b)
        return state

    def _weigh(self, state: MulticlassState, U: FloatArray, W: FloatArray, b: FloatArray) -> None:
        """W and b of u."""
        p, l2 = state.problem.p, state.problem.traits.l2
        W[:] = 0.0
        total = np.zeros_like(b)
        kernels.lane_sums(state.rows, -p / l2, U, np.arange(len(p), dtype=np.uint32), W, total)
        state.problem.passes += 0.5
        b[:] = state.centre + state.reach * total

    def advance(self, state: MulticlassState) -> Round:
        """The start; then epochs and, where they crawl, a step on the face."""
        state.rounds += 1
        if state.rounds == 1:
            return self._judged(state, math.nan)
        if self.second_order and state.crawls and not state.interior:
            before = state.gap, state.U.copy(), state.W.copy(), state.b.copy(), state.centre.copy()
            if self._interior(state):
                found = self._judged(state, 1.0)
                if state.gap > before[0]:  # its last digits are not those that epochs reach
                    state.gap, state.U, state.W, state.b, state.centre = before
                    state.interior = TRIED
                return found
        if state.interior == INSIDE:  # W is not yet that of u
            self._weigh(state, state.U, state.W, state.b)
            state.interior = TRIED
        if self.second_order and state.crawls and state.gap <= FACE_GAP:
            until = state.problem.passes + EPOCHS_MOST
            for _ in range(FACES_MOST):
                if not self._face(state) or state.problem.passes > until:
                    break
        self._epochs(state)
        return self._judged(state, 1.0)

    # --------------------------------------------------------------------------------------------- epochs

    def _epochs(self, state: MulticlassState) -> None:
        """Epochs over the active rows, until the gap as they meet it has fallen."""
        problem = state.problem
        n = len(state.U)
        work, first = 0.0, math.nan
        while work < EPOCHS_MOST:
            before = state.size
            state.size = int(
                kernels.multiclass_epoch(
                    state.rows, state.y, problem.p, state.norms, state.costs, state.box, problem.traits.l2,
                    state.reach, state.active, state.size, state.generator, True, state.threshold, state.W, state.b,
                    state.U, state.found,
                )
            )  # fmt: skip
            work += max(before, 1) / n
            state.epochs += 1
            most, state.met = (float(x) for x in state.found)
            state.threshold = SHRINK * most if most > 0.0 else math.inf
            if state.epochs == 1:
                continue  # met where hardly anything was known
            first = state.met if math.isnan(first) else first
            relative = state.met / max(abs(state.best), state.floor, 1e-300)
            fallen = state.met <= FALL * first or relative <= FALL * state.gap
            if self.aim is not None and relative <= AIMED * self.aim < state.gap:
                fallen = True
            if fallen or state.size == 0:
                break
        state.crawls = not state.met <= CRAWL * first
        problem.passes += work

    def _judged(self, state: MulticlassState, step: float) -> Round:
        """The gap at the point that epochs have reached; the rows left out come back where it says so."""
        problem = state.problem
        n, k = state.U.shape
        Z = np.empty((n, k))
        if state.epochs or state.W.any():
            kernels.lane_scores(state.rows, state.W, state.b, np.arange(n, dtype=np.uint32), Z)
            problem.passes += 0.5
        else:
            Z[:] = state.b[:k]
        violated = np.zeros(n, dtype=np.bool_)
        kernels.can_move(Z, state.y, problem.p, state.costs, state.box, state.U, 1e-12, violated)
        violated[state.active[: state.size]] = False
        found = np.flatnonzero(violated).astype(np.uint32)
        if len(found):
            state.active[state.size : state.size + len(found)] = found
            state.size += len(found)
        if state.size == 0:
            rows = np.flatnonzero(problem.p > 0.0)
            state.active[:], state.size, state.threshold = rows, len(rows), math.inf
        return self._round(state, Z, step)

    def _centre(self, state: MulticlassState) -> None:
        """The method of multipliers: the centre moves to where the intercept came out."""
        state.centre = state.b.copy()
        k = state.U.shape[1]
        state.b[:k] -= state.reach / state.problem.traits.l2 * (state.problem.p @ state.U)

    def _round(self, state: MulticlassState, Z: FloatArray, step: float) -> Round:
        problem = state.problem
        l2, k = problem.traits.l2, state.U.shape[1]
        W = np.ascontiguousarray(state.W[:, :k])
        ridge = 0.5 * l2 * float(np.vdot(W, W))
        shift = state.b[:k] if state.mean is None else state.b[:k] - state.mean @ W
        w = np.append(W, shift) if problem.layout.intercept else W.reshape(-1)
        loss, slopes = problem.losses_slopes(Z)
        value = float(loss) + ridge
        u: Any = state.U
        lost = ridge
        if problem.layout.intercept:
            u = transported(problem, u, Z)
            self._centre(state)
            if u is None:
                u, lost = state.U, math.inf
            else:
                balanced = aligned(state.W.shape[0], k)
                self._weigh(state, u, balanced, np.zeros_like(state.b))
                lost = 0.5 * l2 * float(np.vdot(balanced, balanced))
        conjugates = np.empty(len(u))
        fenchel.conjugates_many(problem.loss, u, problem.y, conjugates)
        dual = -float(problem.p @ conjugates) - lost
        if dual > state.best:
            state.best, state.dual, state.flat = dual, u.copy(), 0
        elif value >= state.primal:
            state.flat += 1
        state.primal = min(state.primal, value)
        gap = value - state.best
        state.gap = relative_to(gap, state.best, value, state.floor)
        bound = Bound("duality_gap", gap, state.gap, "suboptimality", value, state.best)
        at = Evaluation(w, value, float(loss), np.full(1, np.nan), Z, slopes)
        note = f"no better bound in {FLAT} rounds: rounding" if state.flat >= FLAT else ""
        return Round(at, step, note, exhausted=bool(note), bound=bound, dual=state.dual)

    # --------------------------------------------------------------------------------------- small problems

    def _note(self, said: str) -> None:
        if said not in self.notes:
            self.notes.append(said)

    def _interior(self, state: MulticlassState) -> bool:
        """The minimum by an interior-point method, where the problem is small; False where that is not so."""
        problem = state.problem
        n, d = problem.source.shape
        k = state.U.shape[1]
        state.interior = TRIED
        kept = np.flatnonzero(problem.p > 0.0)
        if not is_small(len(kept), d, k) or n * d > DENSE_MOST:
            return False
        X = laid_out(state.rows, n, d)[kept]
        y = np.asarray(problem.y)[kept].astype(np.int64)
        free = problem.layout.intercept
        close = 0.0 if self.aim is None else BEYOND * self.aim
        found = minimise(X, y, problem.p[kept], state.costs, state.box, problem.traits.l2, free, max(close, CLOSE))
        if found is None or not found.gap < state.gap:
            return False
        problem.passes += found.steps
        state.U[kept] = found.u
        state.W[:, :k], state.b[:k] = found.W, found.b
        state.active[: len(kept)], state.size, state.threshold = kept, len(kept), math.inf
        state.interior = INSIDE
        self._note(f"small, and epochs are slow: an interior-point method, {found.steps} steps")
        return True

    # ------------------------------------------------------------------------------------------- the face

    def _face(self, state: MulticlassState) -> bool:
        """Conjugate gradients on the entries of u that can move both ways, projected back; never a worse dual.

        Returns whether the step met a limit, and a smaller face is worth another.
        """
        problem, k = state.problem, state.U.shape[1]
        p, l2 = problem.p, problem.traits.l2
        M = np.empty_like(state.U)
        if not kernels.free_moves(state.y, state.box, state.U, M):
            return False
        order = np.flatnonzero((M.sum(axis=1) > 0.0) & (p > 0.0) & (state.norms + state.reach > 0.0)).astype(np.uint32)
        if not len(order):
            return False
        share = len(order) / len(p)
        M = M[order]
        own = p[order] * (state.norms[order] + state.reach) / l2  # a row's weight in its own optimum
        scale = np.sqrt(p[order] / own)  # unknown: sqrt(p own) times the change of u
        V, total = aligned(state.W.shape[0], k), np.zeros(state.W.shape[1])
        out = np.empty((len(order), k))
        zero = np.zeros_like(total)

        def product(S: FloatArray) -> FloatArray:
            V[:] = 0.0
            total[:] = 0.0
            kernels.lane_sums(state.rows, scale, S, order, V, total)
            kernels.lane_scores(state.rows, V, state.reach * total, order, out)
            T: FloatArray = out * (scale / l2)[:, None]
            kernels.onto_face(M, T)
            problem.passes += share
            return T

        r = np.empty((len(order), k))
        kernels.lane_scores(state.rows, state.W, state.b, order, r)
        r += state.costs[state.y[order]]
        r *= scale[:, None]
        kernels.onto_face(M, r)
        step = np.zeros_like(r)
        v = r.copy()
        rr = first = float(np.vdot(r, r))
        goal = max(1e-4, min(1e-1, state.gap)) ** 2 * first
        for _ in range(min(FACE_PRODUCTS, math.ceil(EPOCHS_MOST / share))):
            if not rr > goal:
                break
            Kv = product(v)
            curvature = float(np.vdot(v, Kv))
            if not curvature > 1e-14 * float(np.vdot(v, v)):
                break
            alpha = rr / curvature
            step += alpha * v
            r -= alpha * Kv
            rr, before = float(np.vdot(r, r)), rr
            v = r + (rr / before) * v
        step /= np.sqrt(p[order] * own)[:, None]
        return self._search(state, order, step, zero)

    def _search(self, state: MulticlassState, order: AnyArray, step: FloatArray, zero: FloatArray) -> bool:
        """The first of some shorter steps, projected back, that raises the dual; else the one that meets a limit first.

        Returns whether it was a shorter one.
        """
        p, l2 = state.problem.p, state.problem.traits.l2
        known, y = state.U[order], state.y[order]
        costs = state.costs[y]
        old = self._value(state, state.W, state.b)
        lower, upper = np.zeros_like(known), np.full_like(known, 1.0 if state.box else math.inf)
        each = np.arange(len(y))
        lower[each, y], upper[each, y] = (-math.inf if state.box else -1.0), math.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step < 0.0, (lower - known) / step, np.where(step > 0.0, (upper - known) / step, math.inf))
        nearest = float(room.min())
        for t in (*SHORTER, nearest):
            whole = t <= nearest
            new = known + t * step
            if whole:
                new = np.where(room <= t, np.where(step < 0.0, lower, upper), new)
                most = y if state.box else np.argmax(new - lower, axis=1)
                new[each, most] -= new.sum(axis=1)  # rounding
            else:
                kernels.back_inside(y, state.box, new)
            change = new - known
            W, total = state.W.copy(), zero.copy()
            kernels.lane_sums(state.rows, -p[order] / l2, change, order, W, total)
            state.problem.passes += 0.5 * len(order) / len(p)
            b = state.b + state.reach * total
            gained = float(p[order] @ np.einsum("ij,ij->i", costs, change))
            if gained + self._value(state, W, b) - old > 0.0:
                state.U[order], state.W, state.b = new, W, b
                state.face += 1
                return bool(t < 1.0)
            if whole:
                break
        return False

    def _value(self, state: MulticlassState, W: FloatArray, b: FloatArray) -> float:
        """What the dual loses for W and b."""
        l2 = state.problem.traits.l2
        value: float = -0.5 * l2 * float(np.vdot(W, W))
        if state.reach > 0.0:
            value -= 0.5 * l2 / state.reach * float(b @ b - state.centre @ state.centre)
        return value


def compressed(source: Any) -> Any:
    """The rows of a source; dense ones of which most entries are zero as compressed rows."""
    rows, (n, d) = source.rows, source.shape
    if source.kind != "dense":
        return rows
    X = rows.X
    counts = np.empty(n, dtype=np.uint64)
    kernels.count_entries(X, counts)
    total = int(counts.sum())
    if total > SPARSE * n * d or d >= 1 << 32:
        return rows
    indptr = np.zeros(n + 1, dtype=np.uint64)
    np.cumsum(counts, out=indptr[1:])
    data, indices = np.empty(total + 1, dtype=X.dtype), np.empty(total + 1, dtype=np.uint32)
    kernels.gather_entries(X, indptr, data, indices)
    return CSRRows(data, indices, indptr)


def far_mean(X: AnyArray, p: FloatArray) -> FloatArray | None:
    """The means of the columns, where one of them is far from zero beside its deviation; else None.

    Examples
    --------
    >>> far_mean(np.array([[1.0, 9.0], [-1.0, 11.0]]), np.full(2, 0.5)).tolist()
    [0.0, 10.0]
    >>> far_mean(np.array([[1.0], [-1.0]]), np.full(2, 0.5)) is None
    True
    """
    share = p / p.sum()
    mean: FloatArray = share @ X
    spread = np.zeros_like(mean)
    for low in range(0, len(X), 4096):
        spread += share[low : low + 4096] @ (X[low : low + 4096] - mean) ** 2
    return mean if bool((np.abs(mean) > FAR * np.sqrt(spread)).any()) else None


def laid_out(rows: Any, n: int, d: int) -> FloatArray:
    """Dense float64 rows."""
    if not isinstance(rows, CSRRows):
        return np.asarray(rows.X, dtype=np.float64)
    X = np.zeros((n, d))
    indptr = rows.indptr.astype(np.int64)
    at = np.repeat(np.arange(n), np.diff(indptr))
    np.add.at(X, (at, rows.indices[indptr[0] : indptr[-1]].astype(np.int64)), rows.data[indptr[0] : indptr[-1]])
    return X
