"""Problems whose weights are held in a set, and their optima by an interior-point solver."""

from __future__ import annotations

import warnings

import numpy as np

from steepest.data.source import as_source
from steepest.losses.registry import get_loss
from steepest.penalties import Box, ElasticNet, L1Ball, L2Ball, NonNegative, NoPenalty, Simplex
from steepest.problems.linear import LinearProblem

SETS = {
    "box": Box(-0.2, 0.5),
    "half_open": Box([0.1, -np.inf, 0.0, -0.3], [np.inf, 0.2, 0.0, np.inf]),
    "nonnegative": NonNegative(),
    "l2_ball": L2Ball(0.7),
    "l1_ball": L1Ball(0.6),
    "simplex": Simplex(1.0),
}
PENALTIES = {
    "none": NoPenalty(),
    "l1": ElasticNet(0.05, 1.0),
    "l2": ElasticNet(0.1, 0.0),
    "both": ElasticNet(0.1, 0.5),
}
LOSSES = ("squared", "logistic", "hinge")


def held_problem(constraint, loss, penalty, *, intercept=True, seed=0, rows=30, features=4):
    """Rows that fit no set well, so that constraints bite; columns of different size and mean."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features)) * rng.uniform(0.5, 2.0, size=features) + rng.normal(size=features)
    scores = X @ rng.normal(size=features) + rng.normal(size=rows)
    y = scores if loss == "squared" else np.where(scores > np.median(scores), 1.0, -1.0)
    p = rng.uniform(0.2, 1.0, size=rows)
    return LinearProblem(as_source(X), y, p / p.sum(), get_loss(loss), penalty, intercept, constraint)


def limited(v, constraint, cvxpy):
    """The constraint on a variable of cvxpy."""
    if isinstance(constraint, L2Ball):
        return [cvxpy.norm(v, 2) <= constraint.radius]
    if isinstance(constraint, L1Ball):
        return [cvxpy.norm(v, 1) <= constraint.radius]
    if isinstance(constraint, Simplex):
        return [v >= 0, cvxpy.sum(v) == constraint.total]
    low, high = np.broadcast_to(constraint.low, v.shape), np.broadcast_to(constraint.high, v.shape)
    out = [v[j] >= low[j] for j in np.flatnonzero(np.isfinite(low))]
    return out + [v[j] <= high[j] for j in np.flatnonzero(np.isfinite(high))]


def optimum(problem, cvxpy):
    """Parameters near the minimum and the least objective, to about 1e-8."""
    X, y, p = problem.source.X, problem.y, problem.p
    v, b = cvxpy.Variable(X.shape[1]), cvxpy.Variable()
    z = X @ v + (b if problem.layout.intercept else 0.0)
    loss = {
        "squared": lambda: 0.5 * cvxpy.sum(cvxpy.multiply(p, cvxpy.square(z - y))),
        "logistic": lambda: cvxpy.sum(cvxpy.multiply(p, cvxpy.logistic(-cvxpy.multiply(y, z)))),
        "hinge": lambda: cvxpy.sum(cvxpy.multiply(p, cvxpy.pos(1.0 - cvxpy.multiply(y, z)))),
    }[problem.loss.name]()
    penalty = problem.traits.l1 * cvxpy.norm1(v) + 0.5 * problem.traits.l2 * cvxpy.sum_squares(v)
    found = cvxpy.Problem(cvxpy.Minimize(loss + penalty), limited(v, problem.constraint, cvxpy))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        least = found.solve(solver=cvxpy.CLARABEL)
    w = problem.constraint.project(v.value)
    return (np.append(w, float(b.value)) if problem.layout.intercept else w), float(least)
