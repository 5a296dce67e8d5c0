"""High-precision optima, by code that shares nothing with the contestants.

Smooth objectives: Newton's method (explicit Hessian where there are few weights, else conjugate gradients,
preconditioned by Böhning's bound on the softmax Hessian where X is dense).  With an l1 term: FISTA finds the support,
Newton steps on the support (signs kept) finish.  The hinge: `benchmarks.reference_hinge`.  The duality gap at the end
says how exact P* is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.special import expit

from benchmarks import objective
from benchmarks.objective import Problem

EXPLICIT = 3000  # weights up to which the Hessian is formed


class Reference(NamedTuple):
    """The best point found, its objective and the proven relative gap."""

    w: np.ndarray
    value: float
    gap: float
    seconds: float


def solve(problem: Problem, gap: float = 1e-12, max_seconds: float = 600.0) -> Reference:
    """Minimise to a relative duality gap, or as far as ``max_seconds`` and rounding allow."""
    began = time.perf_counter()
    facts = problem.facts
    w = np.zeros((facts.d, facts.k) if facts.loss == "softmax" else facts.d)
    best, best_value, bound = w, np.inf, -np.inf
    for point, dual in _advance(problem, w):
        at = objective.evaluate(problem, point, dual)
        bound = max(bound, at.bound)
        stuck = best_value - at.value < 1e-15 * abs(at.value)
        if at.value < best_value:
            best, best_value = point, at.value
        proven = (best_value - bound) / abs(best_value)
        if proven <= gap or (stuck and proven <= 1e-9) or time.perf_counter() - began > max_seconds:
            break
    return Reference(best, best_value, (best_value - bound) / abs(best_value), time.perf_counter() - began)


def _advance(problem: Problem, w: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Points, each with dual slopes where the method has better ones than those at the point."""
    if problem.loss == "hinge":
        from benchmarks import reference_hinge

        return reference_hinge.advance(problem, w)
    return ((point, None) for point in (_fista_newton if problem.l1 > 0 else _newton)(problem, w))


# ------------------------------------------------------------------------------------------------- smooth


def _newton(problem: Problem, w: np.ndarray) -> Iterator[np.ndarray]:
    precondition = _bohning(problem)
    value = objective.value(problem, w)
    for iteration in range(200):
        yield w
        gradient = objective.evaluate(problem, w).gradient
        if problem.loss != "softmax" and w.size <= EXPLICIT:
            step = -linalg.solve(_hessian(problem, w), gradient, assume_a="pos")
        else:
            tolerance = min(0.1, 0.1**iteration)
            step = _cg(_curvature(problem, w), -gradient, precondition, max(tolerance, 1e-6))
        slope, t = float(np.vdot(gradient, step)), 1.0
        while t > 1e-10:
            ahead = objective.value(problem, w + t * step)
            if ahead <= value + 1e-4 * t * slope + 1e-15 * abs(value):
                break
            t *= 0.5
        else:
            return
        w, value = w + t * step, ahead


def _row_curvature(y: np.ndarray, loss: str, z: np.ndarray) -> np.ndarray:
    if loss == "squared_hinge":
        return 2.0 * (y * z < 1.0)
    return expit(z) * expit(-z) if loss == "logistic" else np.ones_like(z)


def _hessian(problem: Problem, w: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
    """The Hessian of the smooth part, on some columns."""
    size = w.size if columns is None else len(columns)
    out = np.zeros((size, size))
    for rows, block in objective.blocks(problem.X):
        h = _row_curvature(problem.y[rows], problem.loss, np.asarray(block @ w))
        part = block if columns is None else block[:, columns]
        if sparse.issparse(part):
            out += (part.T @ sparse.diags_array(h) @ part).toarray()
        else:
            out += part.T @ (h[:, None] * part)
    return out / len(problem.y) + problem.l2 * np.eye(size)


def _curvature(problem: Problem, w: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    z = objective.scores(problem, w)
    if problem.loss == "softmax":
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    else:
        h = _row_curvature(problem.y, problem.loss, z)

    def product(v: np.ndarray) -> np.ndarray:
        out = problem.l2 * v
        for rows, block in objective.blocks(problem.X):
            q = np.asarray(block @ v)
            if problem.loss == "softmax":
                q = p[rows] * (q - (p[rows] * q).sum(axis=1, keepdims=True))
            else:
                q = h[rows] * q
            out = out + np.asarray(block.T @ q) / len(problem.y)
        return out

    return product


def _bohning(problem: Problem) -> Callable[[np.ndarray], np.ndarray]:
    if sparse.issparse(problem.X) or problem.X.shape[1] > EXPLICIT:
        return lambda r: r
    gram = sum(block.T @ block for _, block in objective.blocks(problem.X)) / (2 * len(problem.y))
    factor = linalg.cho_factor(gram + problem.l2 * np.eye(len(gram)))
    return lambda r: linalg.cho_solve(factor, r)


def _cg(
    product: Callable[[np.ndarray], np.ndarray],
    b: np.ndarray,
    precondition: Callable[[np.ndarray], np.ndarray],
    tolerance: float,
) -> np.ndarray:
    x, r = np.zeros_like(b), b.copy()
    q = precondition(r)
    p, rq = q.copy(), float(np.vdot(r, q))
    target = tolerance * np.sqrt(rq)
    for _ in range(500):
        if np.sqrt(max(rq, 0.0)) <= target:
            break
        hp = product(p)
        a = rq / float(np.vdot(p, hp))
        x += a * p
        r -= a * hp
        q = precondition(r)
        rq, old = float(np.vdot(r, q)), rq
        p = q + (rq / old) * p
    return x


# ------------------------------------------------------------------------------------------------- with l1


def _fista_newton(problem: Problem, w: np.ndarray) -> Iterator[np.ndarray]:
    lipschitz = _lipschitz(problem)
    for _ in range(200):
        w = _fista(problem, w, lipschitz, 100)
        yield w
        for _ in range(10):
            ahead = _support_step(problem, w)
            if ahead is None:
                break
            w = ahead
        yield w


def _lipschitz(problem: Problem) -> float:
    """A bound on the largest curvature: power iteration with a margin of 2 %."""
    v = np.random.default_rng(0).standard_normal(problem.X.shape[1])
    largest = 0.0
    for _ in range(60):
        v /= np.linalg.norm(v)
        v = sum(np.asarray(block.T @ (block @ v)) for _, block in objective.blocks(problem.X)) / len(problem.y)
        largest = float(np.linalg.norm(v))
    return 1.02 * largest * {"logistic": 0.25, "squared_hinge": 2.0}.get(problem.loss, 1.0) + problem.l2


def _fista(problem: Problem, w: np.ndarray, lipschitz: float, steps: int) -> np.ndarray:
    v, t = w, 1.0
    for _ in range(steps):
        u = v - objective.evaluate(problem, v).gradient / lipschitz
        ahead = np.sign(u) * np.maximum(np.abs(u) - problem.l1 / lipschitz, 0.0)
        if float(np.vdot(v - ahead, ahead - w)) > 0:  # restart where the momentum points uphill
            t = 1.0
        grown = 0.5 * (1 + np.sqrt(1 + 4 * t * t))
        v = ahead + (t - 1) / grown * (ahead - w)
        w, t = ahead, grown
    return w


def _support_step(problem: Problem, w: np.ndarray) -> np.ndarray | None:
    """One Newton step over the non-zero weights, projected on their orthant; None where it does not descend."""
    support = np.flatnonzero(w)
    if not 0 < len(support) <= EXPLICIT:
        return None
    signs = np.sign(w[support])
    gradient = objective.evaluate(problem, w).gradient[support] + problem.l1 * signs
    hessian = _hessian(problem, w, support)
    hessian[np.diag_indices_from(hessian)] += 1e-10 * np.trace(hessian) / len(support)
    step = -linalg.solve(hessian, gradient, assume_a="pos")
    value = objective.value(problem, w)
    for t in (1.0, 0.5, 0.25, 0.1, 0.01):
        moved = w[support] + t * step
        ahead = w.copy()
        ahead[support] = np.where(np.sign(moved) == signs, moved, 0.0)
        if objective.value(problem, ahead) < value:
            return ahead
    return None
