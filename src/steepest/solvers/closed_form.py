"""Least squares and ridge in closed form, safe for any rank and any scale of the columns.

    minimise  sum_i p_i (x_i . w + b - y_i)^2 / 2  +  l2/2 |w|^2

The way is chosen from the shape and from a condition estimate, and said in a note: the Gram matrix, the kernel
matrix of the rows, orthogonal factors, or LSMR.  Where ``l2 = 0`` leaves a choice, the solution is the one of
least ``|w|`` (the pseudo-inverse of the centred rows).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import IncompatibleError
from steepest.protocols import Bound, Evaluation, FloatArray, Round, Traits
from steepest.solvers.closed_form_iterative import Iterative
from steepest.solvers.closed_form_orthogonal import Orthogonal
from steepest.solvers.closed_form_systems import Dual, Gram, TooIllConditioned

SUMS = 64.0  # roundings that a float64 sum over the rows may gather
LARGEST = 5000  # order of the largest matrix that is factored


class Solution(NamedTuple):
    """Coefficients of shape (d, q), intercepts (q,), and how they were found."""

    coef: FloatArray
    intercept: FloatArray
    notes: list[str]
    system: Any


def ridge_system(
    source: Any, p: FloatArray, l2: float, fit_intercept: bool, y: FloatArray | None = None
) -> tuple[Any, list[str]]:
    """The factored system for these rows and this strength, and notes on the choice.

    The first target ``y`` saves a pass where it is known now.

    - ``d <= n``: the Gram matrix, by Cholesky, where its condition allows;
    - ``n < d`` and ``l2 > 0``: the kernel matrix of the rows, by Cholesky, where its condition allows;
    - else, and where those find the condition too bad: orthogonal factors of the rows;
    - where both n and d are large: LSMR.

    Cost: ``n d min(n, d)`` multiply-adds (twice that for orthogonal factors).
    """
    n, d = source.shape
    order = min(n, d)
    notes: list[str] = []
    if order > LARGEST:
        notes.append(f"closed form: both n = {n} and d = {d} are large, so the system is solved by LSMR")
        return Iterative(source, p, l2, fit_intercept), notes
    try:
        if n < d and l2 > 0.0:
            return Dual(source, p, l2, fit_intercept), notes
        if d <= n:
            return Gram(source, p, l2, fit_intercept, y), notes
    except TooIllConditioned as reason:
        notes.append(f"closed form: {reason}; orthogonal factors of the rows are used")
    return Orthogonal(source, p, l2, fit_intercept), notes


def solve_ridge(source: Any, Y: FloatArray, p: FloatArray, l2: float, fit_intercept: bool) -> Solution:
    """Ridge regression, or least squares for ``l2 = 0``, for one or many targets with one factorisation.

    Parameters
    ----------
    source : Source
    Y : array of shape (n, q)
        Targets, float64.
    p : array of shape (n,)
        Sample weights over their sum; rows of weight 0 are absent.
    l2 : float
        ``alpha / sum(sample_weight)`` for the objective ``sum s (y - x w)^2 + alpha |w|^2``.
    fit_intercept : bool
        The intercept is not penalised.

    Returns
    -------
    Solution
        ``coef (d, q)``, ``intercept (q,)``, ``notes`` and the factored ``system``, whose ``inverse(V)`` gives
        ``(X_c^T P X_c + l2 I)^-1 V`` for standard errors.

    Notes
    -----
    Unless the factors are orthogonal, the solution is refined once from the true float64 residual: one more pass
    removes the error of a factor in float32, or of a squared condition number (Björck 1987).

    Examples
    --------
    >>> import numpy as np
    >>> from steepest.data.source import as_source
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> solution = solve_ridge(as_source(X), 2.0 * X + 1.0, np.full(3, 1 / 3), 0.0, True)
    >>> solution.coef.round(12), solution.intercept.round(12)
    (array([[2.]]), array([1.]))
    """
    Y = np.ascontiguousarray(Y, dtype=np.float64)
    system, notes = ridge_system(source, p, l2, fit_intercept, Y[:, 0] if Y.shape[1] == 1 else None)
    W, b = system.solve(Y)
    if not system.exact:
        dW, db, _ = system.improve(W, Y - _scores(source, W, b))
        W, b = W + dW, b + db
    notes.extend(note for note in system.notes if note not in notes)
    return Solution(W, b, notes, system)


def accuracy(source: Any) -> float:
    """Relative error of the fitted values that needs no refinement: near the precision of X."""
    return 1e-12 if source.dtype == np.float64 else 1e-5


def _scores(source: Any, W: FloatArray, b: FloatArray) -> FloatArray:
    if W.shape[1] == 1:
        return source.matvec(np.ascontiguousarray(W[:, 0]), float(b[0]))[:, None]  # type: ignore[no-any-return]
    return source.matvec(np.ascontiguousarray(W), b)  # type: ignore[no-any-return]


class _State:
    def __init__(self, problem: Any, w: FloatArray) -> None:
        self.problem = problem
        self.w = w
        self.at: Evaluation | None = None
        self.system: Any = None


class ClosedForm:
    """Direct solution of a `LinearProblem` with squared loss and at most an l2 penalty.

    The first round factors the system, solves it, and evaluates the result; if the Newton decrement there says
    that rounding matters, the round contains one refinement.  Where the condition of a Gram matrix bounds the
    rounding by what no refinement would improve, P and its gradient come from the matrix, without a pass: the
    certificate, which reads the rows, is then the first to see the solution.  Every further round that the loop
    asks for is one more refinement.  Extra memory: twice ``min(n, d)^2`` numbers; orthogonal factors take blocks
    of rows of up to 16 MiB, the kernel form a float64 copy of X (n < d).
    """

    name = "closed_form"
    patience = 3

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.shared: dict[Any, tuple[Any, list[str]]] = {}  # set by whoever has several targets on one X

    def _system(self, problem: Any) -> tuple[Any, list[str], float]:
        """The factored system, notes on its choice, and the passes that it took for other targets."""
        key = (id(problem.source), id(problem.p), problem.traits.l2, problem.layout.intercept)
        if key in self.shared:
            system, notes = self.shared[key]
            return system, notes, system.passes
        self.shared[key] = ridge_system(
            problem.source, problem.p, problem.traits.l2, problem.layout.intercept, problem.y
        )
        return *self.shared[key], 0.0

    def missing(self, traits: Traits) -> str | None:
        """A quadratic P of one score."""
        if not traits.quadratic:
            return "the squared loss"
        if traits.l1 > 0.0:
            return "a penalty without an l1 part"
        if traits.n_outputs != 1:
            return "one score a row"
        return None

    def start(self, problem: Any, w: FloatArray) -> _State:
        """Nothing is computed yet; the start is not used."""
        want = self.missing(problem.traits)
        if want is not None:
            raise IncompatibleError(f"solver: 'closed_form' needs {want}. Use solver='lbfgs'.")
        return _State(problem, w)

    def advance(self, state: _State) -> Round:
        """Solve, or refine what was solved."""
        problem = state.problem
        if state.at is None:
            state.system, notes, spent = self._system(problem)
            W, b = state.system.solve(problem.y[:, None])
            problem.passes += state.system.passes - spent
            note = "; ".join(notes + state.system.notes)
            sure = self._without_a_pass(problem, state.system, W[:, 0], b)
            if sure is not None:
                state.at, bound = sure
                return Round(state.at, 1.0, note, settled=True, bound=bound)
            state.at = problem.evaluate(self._flat(problem, W, b))
            d, decrement = self._correction(state)
            if state.system.exact or decrement <= self._enough(state.at, problem):
                return Round(
                    state.at, 1.0, note, settled=True, bound=self._bound(problem, state.system, state.at, decrement)
                )
        else:
            note = "refined from the true residual"
            if not len(state.at.scores):
                state.at = problem.evaluate(state.at.w)
            d, decrement = self._correction(state)
        before, left = state.at, decrement
        state.at = problem.evaluate(before.w + d)
        _, decrement = self._correction(state)
        if not decrement < left:  # rounding: values differ less than they can tell, decrements tell
            state.at, decrement = before, left
        step = 0.0 if state.at is before else 1.0
        return Round(state.at, step, note, settled=True, bound=self._bound(problem, state.system, state.at, decrement))

    def _flat(self, problem: Any, W: FloatArray, b: FloatArray) -> FloatArray:
        return np.append(W[:, 0], b) if problem.layout.intercept else W[:, 0].copy()

    def _without_a_pass(
        self, problem: Any, system: Any, w: FloatArray, b: FloatArray
    ) -> tuple[Evaluation, Bound] | None:
        """P rounded up, its gradient, and a bound from the moments; None where a refinement may pay.

        The evaluation has no scores and no slopes.
        """
        found = system.moments_at(w)
        if found is None:
            return None
        loss, gradient, fitted, targets = found
        eps = float(np.finfo(np.float64).eps)
        if not system.rounding * fitted + system.condition * eps * targets <= _enough(problem.source, fitted, loss):
            return None
        # sums over many rows round more than a product does: what is recorded must hold
        error = system.rounding * fitted + SUMS * eps * system.condition * targets
        blur = system.rounding * fitted * fitted + SUMS * eps * targets * targets
        head = gradient[:, None]
        decrement = math.sqrt(max(float(np.sum(head * system.step(head))), 0.0)) + error
        flat = self._flat(problem, w[:, None], b)
        value = loss + problem.penalty_value(flat) + blur
        gradient = np.append(gradient, np.zeros(len(b))) if problem.layout.intercept else gradient
        at = Evaluation(flat, value, loss, gradient, np.empty(0), np.empty(0))
        return at, _decrement_bound(value, decrement, 2.0 * blur)

    def _correction(self, state: _State) -> tuple[FloatArray, float]:
        problem, at = state.problem, state.at
        assert at is not None
        m = problem.layout.n_weights
        tail = at.gradient[m:] if problem.layout.intercept else None
        dW, db, decrement = state.system.improve(
            at.w[:m, None], -at.slopes[:, None], gradient=(at.gradient[:m, None], tail)
        )
        return self._flat(problem, dW, db), float(decrement[0])

    @staticmethod
    def _enough(at: Evaluation, problem: Any) -> float:
        z = at.scores - (problem.p @ at.scores if problem.layout.intercept else 0.0)
        return _enough(problem.source, math.sqrt(float(problem.p @ (z * z))), at.value)

    @staticmethod
    def _bound(problem: Any, system: Any, at: Evaluation, decrement: float) -> Bound | None:
        """From the decrement; None with l2 > 0, where a proof costs nothing."""
        if problem.traits.l2 > 0.0 or not system.proves:
            return None
        return _decrement_bound(at.value, decrement)


def _enough(source: Any, size: float, value: float) -> float:
    """Decrement below which a refinement gains nothing that anybody could see."""
    share = 1e-5 if source.dtype == np.float64 else 1e-4  # its square is a relative suboptimality
    return max(min(accuracy(source) * size, share * math.sqrt(2.0 * max(value, 0.0))), 1e-14 * size)


def _decrement_bound(primal: float, decrement: float, blur: float = 0.0) -> Bound:
    """``P(w) - P* = decrement^2 / 2`` on a quadratic; ``blur`` is the error of ``primal``."""
    value = 0.55 * decrement * decrement + blur  # the factor covers the error of the factored matrix
    relative = value / primal if primal > value else math.inf
    return Bound("strong_convexity", value, relative, "suboptimality", primal, primal - value)
