"""Newton's method on the rows inside the margin: the squared hinge, where a matrix of the features is small.

    P(w, b) = sum_i p_i [1 - y_i z_i]_+^2 + l2/2 |w|^2,      H = 2 sum over rows with y_i z_i < 1 of p_i x_i x_i^T + l2

P is a quadratic as long as no row crosses the margin, so a Newton step with an exact search along it ends, once the
right rows are inside, at the minimiser itself.  The matrix is kept from step to step: only the rows that have crossed
are added and taken away, of which there are fewer and fewer.  The first steps are made on a sample of the rows.

Cost of a step: one pass, a factor of d^3 / 3, and the squares of the rows that crossed.  Extra memory: two matrices
of order d + 1.  Sources: Mangasarian (2002), A finite Newton method for classification, Optim. Methods Softw. 17;
Keerthi & DeCoste (2005), A modified finite Newton method for fast solution of large scale linear SVMs, JMLR 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from steepest.kernels.curvature import sparse_gram_rows
from steepest.protocols import AnyArray, Evaluation, FloatArray, Traits
from steepest.solvers.batch import Batch, BatchState
from steepest.solvers.newton import SafeFactor
from steepest.solvers.rough import rough_start, sample_size
from steepest.solvers.searches_ray import Exact

FRESH = 0.4  # share of the rows inside that may cross before their matrix is summed anew
RENEW = 40  # steps after which it is, for the rounding of sums and differences
NEAR = 0.1  # relative decrease in a round at which the sample has told what it knows
ACCURACY = 1e-2  # of the search along a step


class InsideNewton:
    """``d = -H^-1 g`` with the matrix of the rows inside the margin, kept up to date.

    The loss must have a curvature that is a constant or zero, so that a row counts wholly or not at all.
    """

    scaled = True

    def __init__(self) -> None:
        self.note = ""
        self._problem: Any = None
        self._inside: AnyArray = np.zeros(0, dtype=bool)
        self._weights: FloatArray = np.zeros(0)  # curvatures of the rows that the matrix holds
        self._gram: FloatArray | None = None
        self._steps = 0

    def missing(self, traits: Traits) -> str | None:
        """Curvature."""
        return None if traits.has_curvature else "a loss with a second derivative (method curvature)"

    def reset(self) -> bool:
        """Forget the matrix; whether there was one that differences may have spoiled."""
        spoiled = self._gram is not None and self._steps > 0
        self._gram = None
        return spoiled

    def _matrix(self, problem: Any, h: FloatArray) -> FloatArray:
        """Bordered matrix of the rows with curvature; its lower half counts."""
        inside = h > 0.0
        if self._gram is not None and self._problem is problem and self._steps < RENEW:
            crossed = np.flatnonzero(inside != self._inside)
            if len(crossed) <= FRESH * np.count_nonzero(inside):
                self._add(problem.source, crossed[inside[crossed]], h, 1.0)
                self._add(problem.source, crossed[~inside[crossed]], self._weights, -1.0)
                self._steps += 1
                problem.passes += 0.5 * len(crossed) / len(h)
                self._inside, self._weights = inside, h
                return self._gram
        self._gram = problem.source.gram(h)
        self._problem, self._inside, self._weights, self._steps = problem, inside, h, 0
        problem.passes += 0.5 * np.count_nonzero(inside) / len(h)
        return self._gram

    def _add(self, source: Any, rows: AnyArray, h: FloatArray, sign: float) -> None:
        if not len(rows):
            return
        if source.kind == "csr":
            sparse_gram_rows(source.rows.data, source.rows.indices, source.rows.indptr, rows, h, sign, self._gram)
        else:
            self._gram += sign * source.gram(h[rows], rows)

    def __call__(self, problem: Any, at: Evaluation) -> FloatArray:
        gram, m = self._matrix(problem, problem.curvatures(at)), problem.layout.n_features
        H = gram.copy() if problem.layout.intercept else gram[:m, :m].copy()
        H[np.arange(m), np.arange(m)] += problem.traits.l2
        (solve,) = get_lapack_funcs(("posv",), (H,))
        d, info = solve(H.T, -at.gradient, lower=False)[1:]  # the transposed view is in LAPACK's own order
        if not info and float(at.gradient @ d) < 0.0:
            self.note = ""
            return d  # type: ignore[no-any-return]
        factor = SafeFactor(np.tril(H) + np.tril(H, -1).T, semidefinite=True)
        self.note = factor.note
        return -factor.solve(at.gradient)

    def update(self, problem: Any, old: Evaluation, new: Evaluation) -> None:
        """Nothing is remembered but the rows inside."""


class MarginNewton(Batch):
    """Newton steps on the rows inside the margin, with an exact search; begun on a sample where rows are many.

    Parameters
    ----------
    sample : bool
        False: all rows from the first step on.
    """

    def __init__(self, sample: bool = True) -> None:
        super().__init__("margin_newton", InsideNewton(), Exact(ACCURACY))
        self.sample = sample

    def missing(self, traits: Traits) -> str | None:
        """What is needed and not there."""
        if not traits.l2 > 0.0 or traits.l1 > 0.0:
            return "a squared penalty of positive strength and nothing else"
        if traits.n_outputs != 1:
            return "one score a row"
        return super().missing(traits)

    def start(self, problem: Any, w: FloatArray) -> BatchState:
        """At w, or from zero at the solution on a sample."""
        if self.sample and not w.any() and sample_size(problem):
            w = rough_start(self, problem, w, NEAR)
            self.notes.append("began from the solution on a sample of the rows")
        return self.start_here(problem, w)
