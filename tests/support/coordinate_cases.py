"""Problems with an l1 penalty, a run of a solver on them, and their optimality conditions."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.losses import Squared
from steepest.parallel import Pool
from steepest.penalties import L1
from steepest.problems.linear import LinearProblem
from steepest.solvers.coordinate import CoordinateDescent


def make(X, y, loss=None, penalty=None, weights=None, intercept=False, jobs=1):
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    return LinearProblem(
        as_source(X, pool=Pool(jobs)),
        np.asarray(y, dtype=float),
        weights / weights.sum(),
        loss or Squared(),
        penalty or L1(0.1),
        intercept,
    )


def fit(problem, tol=1e-9, solver=None, w=None, most=200):
    """The last evaluation and the rounds, with the objective checked to fall in every round."""
    solver = solver or CoordinateDescent()
    state = solver.start(problem, problem.start() if w is None else w)
    rounds = []
    for _ in range(most):
        rounds.append(solver.advance(state))
        if rounds[-1].bound.relative <= tol or rounds[-1].exhausted:
            break
    values = [r.at.value for r in rounds]
    assert all(b <= a + 1e-11 * abs(a) for a, b in zip(values, values[1:], strict=False))
    return rounds[-1], rounds


def kkt(problem, w):
    """The largest violation of the optimality conditions, relative to l1."""
    at = problem.evaluate(w)
    m = problem.layout.n_weights
    g, l1 = at.gradient[:m], problem.traits.l1
    violation = np.where(at.w[:m] != 0.0, np.abs(g + l1 * np.sign(at.w[:m])), np.maximum(np.abs(g) - l1, 0.0))
    tail = np.abs(at.gradient[m:]).max(initial=0.0)
    return max(violation.max(initial=0.0), tail) / l1


def sparse_data(rng, n, d, density=0.05):
    X = sp.random_array((n, d), density=density, format="csr", random_state=rng, data_sampler=rng.standard_normal)
    w = np.where(rng.random(d) < 0.05, 3.0 * rng.standard_normal(d), 0.0)
    return X, X @ w + 0.3 * rng.standard_normal(n)


def largest_l1(problem):
    return float(np.abs(problem.evaluate(problem.start()).gradient[: problem.layout.n_weights]).max())


def correlated(rng, n, d, rank=5):
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d)) + rng.standard_normal((n, d))
