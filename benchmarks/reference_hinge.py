"""The high-precision optimum of the hinge, which has a kink: an augmented Lagrangian with Newton steps inside.

With multipliers a and a weight s, rows enter by  max over 0 <= p <= 1 of  p (1 - m) - (p - a)^2 / (2 s),  once
differentiable in the margin m; its maximiser p = clip(a + s (1 - m), 0, 1) becomes the next a.  Any p is feasible for
the dual, so each outer step has a proven gap.  NumPy and SciPy only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import linalg, sparse

from benchmarks import objective
from benchmarks.objective import Problem
from benchmarks.reference import EXPLICIT, _cg

GROWTH = 3.0  # of the weight, from one outer step to the next
INNER = 60  # Newton steps in an outer step


def advance(problem: Problem, w: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weights and dual slopes, better and better."""
    n, y = len(problem.y), problem.y
    a, s = np.zeros(n), 1.0
    z = objective.scores(problem, w)
    tolerance = 1e-2
    for _ in range(100):
        for _ in range(INNER):
            p = np.clip(a + s * (1.0 - y * z), 0.0, 1.0)
            gradient = problem.l2 * w - _pull(problem, y * p)
            if np.linalg.norm(gradient) <= tolerance * problem.l2 * max(np.linalg.norm(w), 1e-12):
                break
            step = _direction(problem, gradient, (p > 0.0) & (p < 1.0), s)
            moved = objective.scores(problem, step)
            slope, start, t = float(gradient @ step), _smoothed(problem, w, z, a, s), 1.0
            while t > 1e-10:
                if _smoothed(problem, w + t * step, z + t * moved, a, s) <= start + 1e-4 * t * slope + 1e-15 * start:
                    break
                t *= 0.5
            else:
                break
            w, z = w + t * step, z + t * moved
        a = np.clip(a + s * (1.0 - y * z), 0.0, 1.0)
        yield w, -y * a
        s, tolerance = GROWTH * s, max(0.3 * tolerance, 1e-13)


def _pull(problem: Problem, u: np.ndarray) -> np.ndarray:
    """X^T u / n."""
    return sum(np.asarray(block.T @ u[rows]) for rows, block in objective.blocks(problem.X)) / len(u)


def _smoothed(problem: Problem, w: np.ndarray, z: np.ndarray, a: np.ndarray, s: float) -> float:
    slack = 1.0 - problem.y * z
    p = np.clip(a + s * slack, 0.0, 1.0)
    return float(np.mean(p * slack - (p - a) ** 2 / (2.0 * s))) + objective.penalty(problem, w)


def _direction(problem: Problem, gradient: np.ndarray, between: np.ndarray, s: float) -> np.ndarray:
    """The Newton step: the curvature is that of the rows between the limits alone."""
    X, weight = problem.X[np.flatnonzero(between)], s / len(problem.y)
    if len(gradient) <= EXPLICIT:
        gram = X.T @ X
        hessian = weight * (gram.toarray() if sparse.issparse(gram) else np.asarray(gram, dtype=np.float64))
        hessian[np.diag_indices_from(hessian)] += problem.l2
        return -linalg.solve(hessian, gradient, assume_a="pos")
    if X.shape[0] <= EXPLICIT:  # Woodbury: a matrix of the rows is smaller than one of the columns
        gram = X @ X.T
        inner = gram.toarray() if sparse.issparse(gram) else np.asarray(gram, dtype=np.float64)
        inner[np.diag_indices_from(inner)] += problem.l2 / weight
        seen = linalg.solve(inner, np.asarray(X @ gradient), assume_a="pos")
        return (np.asarray(X.T @ seen) - gradient) / problem.l2
    return _cg(lambda v: weight * (X.T @ (X @ v)) + problem.l2 * v, -gradient, lambda r: r, 1e-6)
