"""The objective of every race, in float64, by NumPy and SciPy alone.

    P(W) = (1/n) sum_i loss(x_i W, y_i) + l1 |W|_1 + l2/2 |W|^2,      no intercept

Nothing here imports steepest or another contestant: this module is the judge.  Besides P it has the gradient and a
lower bound on the optimum (Fenchel duality), by which `benchmarks.reference` proves how exact its optimum is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.special import expit, logsumexp, xlogy

BLOCK_BYTES = 64 << 20
LOSSES = ("logistic", "hinge", "squared_hinge", "squared", "softmax")


class Facts(NamedTuple):
    """What contestants may know of a problem before they see it."""

    loss: str  # "logistic", "hinge", "squared_hinge" (y in {-1, 1}), "squared" (half squares), "softmax" (y in 0..k-1)
    l1: float
    l2: float
    n: int
    d: int
    k: int
    sparse: bool
    dtype: str


@dataclass(frozen=True)
class Problem:
    """Data and objective.  X is a C-contiguous array or a CSR matrix; y is float64, or int64 class numbers."""

    X: Any
    y: np.ndarray
    loss: str
    l1: float
    l2: float

    @property
    def facts(self) -> Facts:
        k = int(self.y.max()) + 1 if self.loss == "softmax" else 1
        n, d = self.X.shape
        return Facts(self.loss, self.l1, self.l2, n, d, k, sparse.issparse(self.X), str(self.X.dtype))


class Evaluation(NamedTuple):
    """P(W), a proven lower bound on P* (-inf where none is known), and the gradient of all but the l1 term."""

    value: float
    bound: float
    gradient: np.ndarray


def blocks(X: Any) -> Iterator[tuple[slice, Any]]:
    """Row slices of X as float64, a bounded amount of memory at a time."""
    n, d = X.shape
    if sparse.issparse(X):
        yield slice(0, n), X.astype(np.float64, copy=False)
        return
    step = max(1, BLOCK_BYTES // (8 * d))
    for start in range(0, n, step):
        rows = slice(start, min(n, start + step))
        yield rows, X[rows].astype(np.float64, copy=False)


def losses(loss: str, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss of each row at scores z."""
    if loss == "logistic":
        return np.logaddexp(0.0, -y * z)
    if loss == "hinge":
        return np.maximum(1.0 - y * z, 0.0)
    if loss == "squared_hinge":
        return np.maximum(1.0 - y * z, 0.0) ** 2
    if loss == "squared":
        return 0.5 * (z - y) ** 2
    if loss == "softmax":
        return logsumexp(z, axis=1) - z[np.arange(len(y)), y]
    raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")


def slopes(loss: str, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The derivative of each row's loss in its scores (of the hinge at its kink: 0)."""
    if loss == "logistic":
        return -y * expit(-y * z)
    if loss == "hinge":
        return -y * (y * z < 1.0)
    if loss == "squared_hinge":
        return -2.0 * y * np.maximum(1.0 - y * z, 0.0)
    if loss == "squared":
        return z - y
    u = np.exp(z - logsumexp(z, axis=1, keepdims=True))
    u[np.arange(len(y)), y] -= 1.0
    return u


def conjugates(loss: str, u: np.ndarray, y: np.ndarray) -> np.ndarray:
    """sup_z u z - loss(z, y) for u in its domain."""
    if loss == "logistic":
        a = np.clip(-u * y, 0.0, 1.0)
        return xlogy(a, a) + xlogy(1.0 - a, 1.0 - a)
    if loss == "hinge":
        return u * y
    if loss == "squared_hinge":
        return u * y + 0.25 * u**2
    if loss == "squared":
        return 0.5 * u**2 + u * y
    q = u.copy()
    q[np.arange(len(y)), y] += 1.0
    q = np.clip(q, 0.0, 1.0)
    return xlogy(q, q).sum(axis=1)


def scores(problem: Problem, w: np.ndarray) -> np.ndarray:
    """X w in float64."""
    return np.concatenate([np.asarray(block @ w) for _, block in blocks(problem.X)])


def penalty(problem: Problem, w: np.ndarray) -> float:
    """l1 |w|_1 + l2/2 |w|^2."""
    return float(problem.l1 * np.abs(w).sum() + 0.5 * problem.l2 * np.vdot(w, w))


def value(problem: Problem, w: np.ndarray) -> float:
    """P(w)."""
    w = np.asarray(w, dtype=np.float64)
    total = 0.0
    for rows, block in blocks(problem.X):
        total += float(losses(problem.loss, np.asarray(block @ w), problem.y[rows]).sum())
    return total / len(problem.y) + penalty(problem, w)


def evaluate(problem: Problem, w: np.ndarray, slopes_known: np.ndarray | None = None) -> Evaluation:
    """P(w), a lower bound on the optimum and the gradient of the smooth part.

    The dual point is u_i = loss'(z_i), or ``slopes_known`` (of the conjugate's domain), scaled into the domain where
    there is no l2 term; then -(1/n) sum loss*(u_i) - penalty*(-X^T u / n) is at most P*.
    """
    w = np.asarray(w, dtype=np.float64)
    n = len(problem.y)
    total, pull, dual = 0.0, np.zeros_like(w), []
    for rows, block in blocks(problem.X):
        z = np.asarray(block @ w)
        total += float(losses(problem.loss, z, problem.y[rows]).sum())
        u = slopes(problem.loss, z, problem.y[rows]) if slopes_known is None else slopes_known[rows]
        pull += np.asarray(block.T @ u) / n
        dual.append(u)
    u = np.concatenate(dual)
    if problem.l2 > 0:
        conjugate = float((np.maximum(np.abs(pull) - problem.l1, 0.0) ** 2).sum() / (2 * problem.l2))
        bound = -float(conjugates(problem.loss, u, problem.y).mean()) - conjugate
    elif problem.l1 > 0:
        largest = float(np.abs(pull).max())
        scale = min(1.0, problem.l1 / largest) if largest > 0 else 1.0
        bound = -float(conjugates(problem.loss, scale * u, problem.y).mean())
    else:
        bound = -np.inf
    return Evaluation(total / n + penalty(problem, w), bound, pull + problem.l2 * w)


def suboptimality(value: float, best: float) -> float:
    """(P - P*) / P*."""
    return (value - best) / abs(best)
