"""Coordinate descent for l1 and elastic-net penalties: proximal Newton on working sets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from steepest.certify.bounds import gap_bound
from steepest.exceptions import IncompatibleError
from steepest.protocols import AnyArray, Bound, Evaluation, FloatArray, Round, Traits
from steepest.solvers import working_set
from steepest.solvers.coordinate_model import (
    limits_of,
    solve_columns,
    solve_matrix,
    solve_softmax,
    transposed_columns,
)
from steepest.solvers.needs import LIMITS, require_limits
from steepest.solvers.rough import sample, spread_rows
from steepest.solvers.searches import tolerance

MATRIX_COLUMNS = 1500  # columns up to which a model keeps its matrix (18 MB)
EPOCHS_WORTH = 60  # epochs of column descent that a matrix replaces, where it pays
LONGEST = 8.0  # times the length 1 / R in which a self-concordant loss changes its curvature by e
SOFTMAX_MATRIX = 1000  # weights up to which a model of the softmax keeps its matrix
WITHIN = 0.1  # share of the violation inside that is allowed outside before the working set changes
INNER = 2  # steps in a working set before its features are reconsidered
CAREFUL = 2  # such steps at the start
FAINT = 3e-3  # times the mean row weight: below it products of features are left out of a sparse Hessian
KEEP = 0.1  # a step that lowers the gap this much permits the next to keep its matrix
FEW_COLUMNS = 400  # all features are the working set up to here


class ProximalNewton:
    """``w <- w + t d`` with d the minimiser of the quadratic model plus the l1 term, on all of a problem.

    The matrix of the model is ``X' diag(p loss'') X + l2 I``, or that of the step before with a BFGS correction
    where the caller permits it.  For the squared loss it never changes and is computed once.

    Cost: a pass and, for a new matrix, half the sum of squared row lengths (dense: n d^2 / 2); in column mode
    an epoch costs half a pass to a pass.  Extra memory: (d, d) in matrix mode, a copy of X by columns in
    column mode, and vectors of length n.

    Parameters
    ----------
    problem : LinearProblem
    mode : {"auto", "gram", "columns"}
    careful : int
        Steps at the beginning that keep a floor under the curvature; a shortened step asks for one more.
    """

    def __init__(self, problem: Any, mode: str = "auto", careful: int = 0) -> None:
        self.problem = problem
        self.careful = careful
        self.use_matrix = matrix_pays(problem.source) if mode == "auto" else mode == "gram"
        self._may_switch = mode == "auto" and problem.source.shape[1] <= MATRIX_COLUMNS
        self._columns: Any = None
        self._H: FloatArray | None = None
        self._fresh = False
        self._pending: tuple[Evaluation, Evaluation] | None = None

    def step(self, at: Evaluation, tol: float, keep: bool) -> tuple[Evaluation, float]:
        """One step; ``keep`` permits to reuse the matrix.  A step of 0 means that no step improves."""
        problem = self.problem
        l1, l2 = problem.traits.l1, problem.traits.l2
        intercept = problem.layout.intercept
        dz = None
        if self.use_matrix:
            if self._H is not None and keep and self._pending is not None:
                self._correct(*self._pending)
            if self._H is None or not (keep or problem.traits.quadratic):
                self._H, self._fresh = self._matrix(self._weights(at)), True
            w = solve_matrix(self._H, l1, at.w, at.gradient, int(intercept), tol, limits_of(problem))
        else:
            if self._columns is None:
                self._columns = transposed_columns(problem.source)
            h = self._weights(at)
            self._fresh = True
            model = (self._columns, h, l1, l2, at.w, at.gradient, intercept, tol)
            w, dz, settled = solve_columns(*model, limits=limits_of(problem))
            # columns that are nearly collinear keep descent from settling; their matrix does not mind
            self.use_matrix = not settled and self._may_switch
        new, t = search(problem, at, w, dz)
        self.careful = self.careful - 1 if t == 1.0 else 1
        if t == 0.0 and not self._fresh:
            self._H = None
            return self.step(at, tol, False)
        self._pending = (at, new) if t > 0.0 and not problem.traits.quadratic else None
        return new, t

    def _weights(self, at: Evaluation) -> FloatArray:
        """``p loss''``; while careful at least ``p |loss'| / LONGEST`` for a self-concordant loss.

        Where a row is badly misfitted the curvature vanishes exponentially and a Newton step has no sensible
        length; with this floor the model of one row never asks for more than LONGEST / R units of score.
        """
        problem = self.problem
        h: FloatArray = problem.curvatures(at)
        concordance = float(problem.loss.self_concordance)
        if self.careful <= 0 or not 0.0 < concordance < math.inf:
            return h
        floor: FloatArray = np.abs(at.slopes) * problem.p * (concordance / LONGEST)
        return np.maximum(h, floor)

    def _matrix(self, h: FloatArray) -> FloatArray:
        """The Hessian with row weights h; sparse rows of next to no weight count on the diagonal only."""
        problem = self.problem
        m = problem.layout.n_weights
        faint = h < FAINT * h.mean()
        rest = None
        if problem.source.kind == "csr" and not problem.layout.intercept and np.count_nonzero(faint) > len(h) // 5:
            _, rest = problem.source.moments(np.where(faint, h, 0.0))
            problem.passes += 0.5
            h = np.where(faint, 0.0, h)
        G: FloatArray = problem.source.gram(h)
        problem.passes += 0.5
        H = G if problem.layout.intercept else np.ascontiguousarray(G[:m, :m])
        H[np.arange(m), np.arange(m)] += problem.traits.l2 if rest is None else problem.traits.l2 + rest
        return H

    def shift_ridge(self, change: float) -> None:
        """The matrix of the same model with another l2."""
        if self._H is not None and change:
            m = self.problem.layout.n_weights
            self._H[np.arange(m), np.arange(m)] += change
        self._pending, self.careful = None, 0

    def _correct(self, at: Evaluation, new: Evaluation) -> None:
        """BFGS: the matrix that maps the step to the change of the gradient."""
        H = self._H
        assert H is not None
        s, y = new.w - at.w, new.gradient - at.gradient
        moved = np.flatnonzero(s)
        Hs = s[moved] @ H[moved]
        sHs, sy = float(Hs @ s), float(s @ y)
        self._fresh = False
        if sy > 1e-10 * sHs > 0.0:
            H += np.outer(y / sy, y)
            H -= np.outer(Hs / sHs, Hs)


class SoftmaxNewton:
    """`ProximalNewton` for the softmax: its whole Hessian, as a matrix where that is small, else from columns.

    Cost of a step: the probabilities, O(n k), and ``k (k + 1) / 2`` Gram matrices, or k passes over the columns for
    their curvatures and epochs that read a column for each weight in use.  Extra memory: (d k, d k), or a copy of X
    by columns and six arrays of shape (k, n).
    """

    def __init__(self, problem: Any, mode: str = "auto") -> None:
        self.problem = problem
        k = problem.layout.n_outputs
        small = problem.layout.n_weights <= SOFTMAX_MATRIX and matrix_pays(problem.source, 0.5 * k)
        self.use_matrix = small if mode == "auto" else mode == "gram"
        self._columns: Any = None

    def step(self, at: Evaluation, tol: float, keep: bool) -> tuple[Evaluation, float]:
        """One step; a step of 0 means that no step improves."""
        problem = self.problem
        if self.use_matrix:
            free = problem.layout.n_outputs if problem.layout.intercept else 0
            model = (problem.hessian(at), problem.traits.l1, at.w, at.gradient, free, tol)
            w = solve_matrix(*model, limits_of(problem))
            return search(problem, at, w, None)
        if self._columns is None:
            self._columns = transposed_columns(problem.source)
        w, dz = solve_softmax(self._columns, problem, at, tol)
        return search(problem, at, w, dz)


def search(problem: Any, at: Evaluation, w: FloatArray, dz: FloatArray | None) -> tuple[Evaluation, float]:
    """Backtracking on the way to w until ``P(t) <= P(0) + 1e-4 t (g.d + l1 |w + d| - l1 |w|)``.

    ``dz = X d`` where it is known.  With intercepts the scores come first: the best intercepts for them make a
    balanced dual point, and cost no pass.  A step of 0 means that none decreases P beyond rounding.
    """
    d = w - at.w
    promise = _promise(problem, at, w, d)
    if not promise < 0.0:
        return at, 0.0
    slack = tolerance(problem, at.value)
    ahead: Any = None
    if dz is not None:
        ray = problem.along(at, d, _Ahead(at.scores + dz))
        value = ray.value(1.0)
    elif problem.layout.intercept:
        ray = problem.along(at, d)
        value = ray.value(1.0)
    else:
        ahead = problem.evaluate(w)
        value = ahead.value
    t = 1.0
    if value <= at.value + 1e-4 * promise or (value <= at.value + slack and -promise <= slack):
        return (ahead, t) if ahead is not None else (_land(problem, at, d, ray.dz, t), t)
    if ahead is not None:
        ray = problem.along(at, d, ahead if math.isfinite(value) else None)
    for _ in range(40):
        # the minimiser of the parabola through P(0), P'(0) <= promise and P(t)
        rise = value - at.value - t * promise
        best = -promise * t * t / (2.0 * rise) if math.isfinite(rise) and rise > 0.0 else 0.5 * t
        t = min(max(best, 0.1 * t), 0.5 * t)
        value = ray.value(t)
        if value <= at.value + 1e-4 * t * promise:
            return _land(problem, at, d, ray.dz, t), t
        if -t * promise <= slack:
            break
    return at, 0.0


def _promise(problem: Any, at: Evaluation, w: FloatArray, d: FloatArray) -> float:
    """``g.d + l1 |w| - l1 |w - d|``, term by term: near the optimum sums of |w| would cancel to rounding."""
    m, l1 = problem.layout.n_weights, problem.traits.l1
    new, old = w[:m], at.w[:m]
    kept = new * old > 0.0
    change = np.where(kept, np.sign(old) * d[:m], np.abs(new) - np.abs(old))
    return float((at.gradient[:m] * d[:m] + l1 * change).sum()) + float(at.gradient[m:] @ d[m:])


class _Ahead(NamedTuple):
    """What `along` needs of the point at t = 1."""

    scores: FloatArray


def _land(problem: Any, at: Evaluation, d: FloatArray, dz: FloatArray, t: float) -> Evaluation:
    """Everything at ``w + t d`` with the intercepts at their best: half a pass."""
    w, scores = working_set.polished(problem, problem.project(at.w + t * d), at.scores + t * dz)
    return working_set.evaluate_known(problem, w, scores)


def _accuracy(quadratic: bool) -> float:
    """How well models are minimised: well where the model is the problem itself."""
    return 1e-8 if quadratic else 1e-3


def matrix_pays(source: Any, matrices: float = 1.0) -> bool:
    """Whether Gram matrices, and models on them, cost less than the epochs over columns that they replace.

    In multiply-adds of an epoch: half the squared row lengths for the matrix, ten for each of its numbers, which are
    written several times, and a fifteenth of d^3 for the factors of two Newton steps.
    """
    d = source.shape[1]
    if d > MATRIX_COLUMNS:
        return False
    if source.kind == "dense":
        return True
    lengths = np.diff(source.rows.indptr).astype(np.float64)
    worth = 2.0 * EPOCHS_WORTH * source.nnz
    entries, model = 0.5 * float(lengths @ lengths), 10.0 * d * d + d**3 / 15.0
    if d <= FEW_COLUMNS and matrices <= 1.0:
        entries = 0.0
    return bool((entries + model) * matrices <= worth)


@dataclass(slots=True)
class CoordinateState:
    """Where the method stands; ``alive`` are the features that screening has not ruled out."""

    problem: Any
    w: FloatArray
    at: Evaluation | None = None
    floor: float = 0.0
    bound: Bound | None = None
    lower: float = -math.inf
    rounds: int = 0
    size: int = 0
    alive: AnyArray | None = None
    norms: FloatArray | None = None
    features: AnyArray | None = None
    restriction: Any = None
    newton: Any = None
    ratio: float = 1.0
    notes: list[str] = field(default_factory=list)


class CoordinateDescent:
    """Proximal Newton with coordinate descent on working sets, for l1 and elastic-net penalties (E12).

    Weights may be held in a box or be non-negative.  Only a correlation with the slopes that draws a weight from zero
    to where it may go brings a feature into the working set.

    A round takes the gradient of all features, bounds the suboptimality by the duality gap, chooses the working
    set (the support and the features that violate optimality most, twice the support in all), and lowers the
    gap of the restricted problem tenfold by proximal Newton steps.  With few columns all of them are the
    working set and a round is one step.  Screening rules out features for good (see `working_set.screened`).
    Ideas: Friedman, Hastie & Tibshirani (2010), J. Stat. Softw. 33; Yuan, Ho & Lin (2012), JMLR 13; Massias,
    Gramfort & Salmon (2018), ICML; Bertrand et al. (2022), NeurIPS.

    Cost of a round: half a pass for the gradient, for a new working set a pass over the indices, and the steps,
    which read the working set only.  Guarantee: the objective never increases; converges to the optimum for
    every convex loss with a continuous positive curvature, q-quadratically near it where the matrix is fresh.
    Extra memory: the columns of the working set (twice in column mode), (size, size) for its matrix, a tenth
    of the rows at the start where rows are many, and vectors of length n.

    Parameters
    ----------
    mode : {"auto", "gram", "columns"}
        How models are minimised: from their matrix, from columns, or by cost.
    first : int
        Size of the first working set.
    """

    name = "coordinate"
    patience = 10
    constraints = LIMITS

    def __init__(self, mode: str = "auto", first: int = 128) -> None:
        self.mode = mode
        self.first = first

    def missing(self, traits: Traits) -> str | None:
        """What is needed and not there."""
        if not traits.convex:
            return "a convex loss"
        if not traits.has_curvature:
            return "a loss with curvature"
        return None

    def start(self, problem: Any, w: FloatArray) -> CoordinateState:
        """Nothing is computed yet."""
        if problem.layout.n_outputs > 1 and problem.loss.name != "softmax":
            raise IncompatibleError(
                f"solver: 'coordinate' knows the curvature of the softmax among losses of several scores, not of "
                f"'{problem.loss.name}'. Use solver='fista'."
            )
        require_limits(self.name, problem)
        return CoordinateState(problem, problem.project(np.asarray(w, dtype=np.float64)), size=self.first)

    def _newton(self, problem: Any, careful: int) -> Any:
        if problem.layout.n_outputs > 1:
            return SoftmaxNewton(problem, self.mode)
        return ProximalNewton(problem, self.mode, careful)

    def advance(self, state: CoordinateState) -> Round:
        """One round; the first evaluates the start."""
        if state.at is None:
            return self._first(state)
        at, bound = state.at, state.bound
        assert bound is not None
        problem = state.problem
        few = working_set.whole(problem, FEW_COLUMNS)
        if few:
            if state.newton is None:
                state.newton = self._newton(problem, CAREFUL)
            new, t = state.newton.step(at, _accuracy(problem.traits.quadratic), state.ratio <= KEEP)
        else:
            self._restrict(state, at)
            new, t = self._solve(state, at, bound)
        state.rounds += 1
        if t == 0.0:
            if not few and state.features is not None:
                candidates = problem.layout.n_features if state.alive is None else int(state.alive.sum())
                if len(state.features) < candidates:
                    state.size, state.features = 2 * len(state.features), None
                    return Round(at, 0.0, bound=bound)
            return Round(at, 0.0, "no step decreases the objective beyond rounding", exhausted=True, bound=bound)
        return self._arrive(state, new, t)

    def _first(self, state: CoordinateState) -> Round:
        problem = state.problem
        n, m = problem.source.shape
        cold = not state.w.any()
        stride = 10
        state.floor = working_set.null_floor(problem)
        if (
            cold
            and m <= FEW_COLUMNS
            and n >= max(4000, 4 * stride * m)
            and problem.layout.n_outputs == 1
            and not problem.traits.quadratic
        ):
            state.w = self._rough(problem, state.w, stride)
        return self._arrive(state, problem.evaluate(state.w), math.nan)

    def restate(self, state: CoordinateState, at: Evaluation, l2_change: float) -> None:
        """Go on from ``at`` after the strengths of the problem have changed; working set and matrices stay.

        What was proven for the old strengths is dropped, and screening is done anew from the point and its slopes.
        """
        problem = state.problem
        if state.restriction is not None and state.restriction.inner is not problem:
            inner = state.restriction.inner
            inner.penalty = problem.penalty
            inner.traits = inner.traits._replace(l1=problem.traits.l1, l2=problem.traits.l2)
        if isinstance(state.newton, ProximalNewton):
            state.newton.shift_ridge(l2_change)
        value = working_set.cheap_gap(problem, at)
        state.bound = Bound("duality_gap", value, math.inf, "nothing", at.value, at.value - value)
        state.w, state.at, state.lower = at.w, at, -math.inf
        state.rounds, state.ratio, state.alive = 0, 0.0, None
        if not working_set.whole(problem, FEW_COLUMNS):
            self._screen(state, at)

    def _rough(self, problem: Any, w: FloatArray, stride: int) -> FloatArray:
        """A start from a tenth of the rows: a round there costs a tenth."""
        rows = spread_rows(len(problem.p), len(problem.p) // stride)
        if not problem.p[rows].sum() > 0.0:
            return w
        inner = sample(problem, rows)
        newton = ProximalNewton(inner, self.mode, CAREFUL)
        at: Evaluation = inner.evaluate(w)
        for _ in range(12):
            new, _ = newton.step(at, 1e-2, False)
            small = at.value - new.value <= 1e-3 * abs(new.value)
            at = new
            if small:
                break
        problem.passes += inner.passes / stride
        return at.w

    def _arrive(self, state: CoordinateState, new: Evaluation, t: float) -> Round:
        bound = working_set.gap(state.problem, new, state.floor)
        if state.lower > bound.dual:
            # a lower bound of the optimum stays one: keep the best
            bound = gap_bound(new.value, state.lower, state.floor)
        state.lower = max(state.lower, bound.dual)
        before = state.bound.value if state.bound is not None else math.inf
        state.ratio = bound.value / before if before > 0.0 and math.isfinite(before) else 1.0
        state.at, state.bound = new, bound
        return Round(new, t, bound=bound)

    # ------------------------------------------------------------------------------------ many features

    def _restrict(self, state: CoordinateState, at: Evaluation) -> None:
        """Keep the working set while all violations are inside it, else choose a new one."""
        problem = state.problem
        m = problem.layout.n_features
        if state.rounds >= 6 and state.rounds % 4 == 2:
            self._screen(state, at)
        violation = working_set.violations(problem, at)
        if state.features is not None and len(state.features) < m:
            within = float(violation[state.features].max(initial=0.0))
            violation[state.features] = -math.inf
            if float(violation.max()) <= WITHIN * max(within, 0.0):
                return
        elif state.features is not None:
            return
        support = int(working_set.support(problem, at.w).sum())
        state.size = min(m, max(state.size, 2 * support))
        state.features = working_set.choose(problem, at, state.alive, state.size)
        state.restriction = working_set.Restriction(problem, state.features)
        careful = CAREFUL if state.newton is None else 0
        state.newton = self._newton(state.restriction.inner, careful)

    def _screen(self, state: CoordinateState, at: Evaluation) -> None:
        problem = state.problem
        if state.norms is None:
            _, second = problem.source.moments(problem.p)
            problem.passes += 0.5
            state.norms = np.sqrt(second)
        gone = working_set.screened(problem, at, state.norms)
        gone &= ~working_set.support(problem, at.w)  # a weight that must vanish still has to be moved
        state.alive = ~gone if state.alive is None else state.alive & ~gone

    def _solve(self, state: CoordinateState, at: Evaluation, bound: Bound) -> tuple[Evaluation, float]:
        restriction = state.restriction
        inner = restriction.shrink(at)
        quadratic = restriction.inner.traits.quadratic
        taken = 0.0
        for k in range(INNER):
            # the second step corrects the matrix of the first: half the matrices for nearly the same progress
            new, t = state.newton.step(inner, _accuracy(quadratic), k > 0)
            if t == 0.0:
                break
            inner, taken = new, t
            if quadratic and state.newton.use_matrix:
                break
            if working_set.cheap_gap(restriction.inner, inner) <= 0.1 * bound.value:
                break
        if taken == 0.0:
            return at, 0.0
        return restriction.widen(inner), taken
