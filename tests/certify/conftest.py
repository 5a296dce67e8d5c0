"""Random problems, and an independent reference: objectives in NumPy, minimised by SciPy or Clarabel."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from steepest.data.source import as_source
from steepest.losses import (
    Absolute,
    Bernoulli,
    EpsilonInsensitive,
    Exponential,
    Hinge,
    Huber,
    Logistic,
    ModifiedHuber,
    PerceptronLoss,
    Poisson,
    Quantile,
    Softmax,
    Squared,
    SquaredEpsilonInsensitive,
    SquaredHinge,
)
from steepest.penalties import L1, L2, ElasticNet, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem


def _softplus(x):
    return np.logaddexp(0.0, x)


def _expit(x):
    return np.exp(-np.logaddexp(0.0, -x))


def _exp(x):
    return np.exp(np.minimum(x, 300.0))


def _huber(delta):
    return (
        lambda z, y: np.where(abs(z - y) > delta, delta * (abs(z - y) - delta / 2), (z - y) ** 2 / 2),
        lambda z, y: np.clip(z - y, -delta, delta),
    )


def _modified(knee):
    def value(z, y):
        m = y * z
        return np.where(m >= 1, 0, np.where(m < knee, (1 - knee) ** 2 - 2 * (1 - knee) * (m - knee), (1 - m) ** 2))

    return value, lambda z, y: np.where(y * z >= 1, 0, -2 * y * (1 - np.maximum(y * z, knee)))


def _excess(z, y, eps):
    return np.maximum(abs(z - y) - eps, 0.0)


# smooth losses: loss, targets, value, slope
SMOOTH = {
    "squared": (Squared(), "real", lambda z, y: (z - y) ** 2 / 2, lambda z, y: z - y),
    "logistic": (Logistic(), "sign", lambda z, y: _softplus(-y * z), lambda z, y: -y * _expit(-y * z)),
    "bernoulli": (Bernoulli(), "unit", lambda z, y: _softplus(z) - y * z, lambda z, y: _expit(z) - y),
    "squared_hinge": (
        SquaredHinge(),
        "sign",
        lambda z, y: np.maximum(1 - y * z, 0) ** 2,
        lambda z, y: -2 * y * np.maximum(1 - y * z, 0),
    ),
    "modified_huber": (ModifiedHuber(-0.5), "sign", *_modified(-0.5)),
    "exponential": (Exponential(), "sign", lambda z, y: _exp(-y * z), lambda z, y: -y * _exp(-y * z)),
    "huber": (Huber(0.7), "real", *_huber(0.7)),
    "squared_epsilon_insensitive": (
        SquaredEpsilonInsensitive(0.3),
        "real",
        lambda z, y: _excess(z, y, 0.3) ** 2,
        lambda z, y: 2 * np.sign(z - y) * _excess(z, y, 0.3),
    ),
    "poisson": (Poisson(), "count", lambda z, y: _exp(z) - y * z, lambda z, y: _exp(z) - y),
}

# piecewise linear losses: loss, targets, pieces (slopes and offsets as functions of y), value is their maximum
KINKED = {
    "hinge": (Hinge(), "sign", lambda y: [(-y, 1.0 + 0 * y), (0 * y, 0 * y)]),
    "perceptron": (PerceptronLoss(), "sign", lambda y: [(-y, 0 * y), (0 * y, 0 * y)]),
    "absolute": (Absolute(), "real", lambda y: [(1 + 0 * y, -y), (-1 + 0 * y, y)]),
    "quantile": (Quantile(0.8), "real", lambda y: [(0.2 + 0 * y, -0.2 * y), (-0.8 + 0 * y, 0.8 * y)]),
    "epsilon_insensitive": (
        EpsilonInsensitive(0.3),
        "real",
        lambda y: [(1 + 0 * y, -y - 0.3), (-1 + 0 * y, y - 0.3), (0 * y, 0 * y)],
    ),
}

PENALTIES = ("l2", "l1", "elasticnet", "none")


def _design(rng):
    n, d = int(rng.integers(4, 30)), int(rng.integers(1, 7))
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-1, 0.5, d)
    kind = rng.integers(6)
    if kind == 0:
        X[:, -1] = X[:, 0]
    elif kind == 1:
        X[:, -1] = 1.0
    elif kind == 2:
        X[rng.random((n, d)) < 0.6] = 0.0
    elif kind == 3:
        X[n // 2 :] = X[: n - n // 2]
    return X


def _weights(rng, n):
    p = np.ones(n) if rng.random() < 0.4 else rng.exponential(size=n)
    if rng.random() < 0.4:
        p[rng.random(n) < 0.25] = 0.0
    if p.sum() == 0.0:
        p[:] = 1.0
    return p / p.sum()


def _penalty(rng, name):
    alpha = 10.0 ** rng.uniform(-4, 0)
    return {
        "l2": L2(alpha),
        "l1": L1(alpha * 0.3),
        "elasticnet": ElasticNet(alpha, rng.uniform(0.1, 0.9)),
        "none": NoPenalty(),
    }[name]


def _targets(rng, kind, z):
    n = len(z)
    noisy = z + rng.standard_normal(n)
    if kind == "real":
        return noisy
    if kind == "sign":
        return np.where(noisy > 0, 1.0, -1.0)
    if kind == "unit":
        return np.where(rng.random(n) < 0.5, (noisy > 0) * 1.0, rng.random(n))
    return rng.poisson(np.exp(np.clip(z, -3, 2))).astype(float)


def _source(rng, X):
    choice = rng.integers(3)
    if choice == 0:
        return as_source(sp.csr_matrix(X))
    return as_source(np.asfortranarray(X) if choice == 1 else X)


def random_scalar(rng, name, penalty):
    loss, kind = (SMOOTH.get(name) or KINKED[name])[:2]
    X = _design(rng)
    truth = rng.standard_normal(X.shape[1])
    z = X @ truth
    y = _targets(rng, kind, z / (1.0 + np.abs(z).max() / 3.0))
    p = _weights(rng, len(y))
    intercept = bool(rng.integers(2))
    problem = LinearProblem(_source(rng, X), y, p, loss, _penalty(rng, penalty), intercept)
    return problem, X


def random_softmax(rng, penalty):
    X = _design(rng)
    k = int(rng.integers(2, 5))
    Z = X @ rng.standard_normal((X.shape[1], k)) + rng.gumbel(size=(len(X), k))
    y = np.argmax(Z, axis=1).astype(np.int64)
    p = _weights(rng, len(y))
    problem = MulticlassProblem(_source(rng, X), y, p, Softmax(), _penalty(rng, penalty), bool(rng.integers(2)), k)
    return problem, X


def _value_slope(problem, X, name):
    """P without the l1 term and its gradient, in NumPy alone."""
    d, k = problem.layout.n_features, problem.layout.n_outputs
    p, y, l2 = problem.p, problem.y, problem.penalty.l2

    def function(w):
        W, b = w[: d * k].reshape(d, k), w[d * k :]
        Z = X @ W + (b if len(b) else 0.0)
        if name == "softmax":
            top = Z.max(axis=1, keepdims=True)
            E = np.exp(Z - top)
            total = E.sum(axis=1, keepdims=True)
            rows = np.arange(len(Z))
            losses = np.log(total[:, 0]) + top[:, 0] - Z[rows, y]
            U = E / total
            U[rows, y] -= 1.0
        else:
            losses, U = SMOOTH[name][2](Z[:, 0], y), SMOOTH[name][3](Z[:, 0], y)[:, None]
        G = X.T @ (p[:, None] * U) + l2 * W
        g = np.concatenate([G.ravel(), p @ U]) if len(b) else G.ravel()
        return float(p @ losses) + 0.5 * l2 * float((W**2).sum()), g

    return function


def minimise(problem, X, name):
    """``(w, P)`` of the best point found: P is an upper bound of the optimum."""
    return _piecewise(problem, X, name) if name in KINKED else _smooth(problem, X, name)


def _smooth(problem, X, name):
    f = _value_slope(problem, X, name)
    m, size, l1 = problem.layout.n_weights, problem.size, problem.penalty.l1
    options = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-16, "gtol": 1e-13, "maxcor": 30}
    if l1 == 0.0:
        w = np.zeros(size)
        for _ in range(2):
            w = minimize(f, w, jac=True, method="L-BFGS-B", options=options).x
        return w, f(w)[0]

    def split(v):
        value, g = f(np.concatenate([v[:m] - v[m : 2 * m], v[2 * m :]]))
        return value + l1 * v[: 2 * m].sum(), np.concatenate([g[:m] + l1, l1 - g[:m], g[m:]])

    bounds = [(0.0, None)] * (2 * m) + [(None, None)] * (size - m)
    v = np.zeros(size + m)
    for _ in range(2):
        v = minimize(split, v, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    w = np.concatenate([v[:m] - v[m : 2 * m], v[2 * m :]])
    return w, f(w)[0] + l1 * np.abs(w[:m]).sum()


def _piecewise(problem, X, name):
    """The quadratic or linear program in (w, b, t, s): t_i >= every piece, s_j >= |w_j|."""
    import clarabel

    n, d = X.shape
    y, p, l1, l2 = problem.y, problem.p, problem.penalty.l1, problem.penalty.l2
    B = np.column_stack([X, np.ones(n)]) if problem.layout.intercept else X
    size = B.shape[1]
    total = size + n + d
    P = sp.diags(np.concatenate([np.full(d, l2), np.full(total - d, 0.0)])).tocsc()
    q = np.concatenate([np.zeros(size), p, np.full(d, l1)])
    blocks, rhs = [], []
    for a, c in KINKED[name][2](y):
        blocks.append(np.column_stack([a[:, None] * B, -np.eye(n), np.zeros((n, d))]))
        rhs.append(-c)
    for side in (1.0, -1.0):
        blocks.append(np.column_stack([side * np.eye(d, size), np.zeros((d, n)), -np.eye(d)]))
        rhs.append(np.zeros(d))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    A, b = np.vstack(blocks), np.concatenate(rhs)
    solution = clarabel.DefaultSolver(P, q, sp.csc_matrix(A), b, [clarabel.NonnegativeConeT(len(b))], settings).solve()
    w = np.array(solution.x)[:size]
    return w, value_of(problem, X, name, w)


def value_of(problem, X, name, w):
    """P(w) in NumPy alone."""
    d, k, l1, l2 = problem.layout.n_features, problem.layout.n_outputs, problem.penalty.l1, problem.penalty.l2
    if name not in KINKED:
        return _value_slope(problem, X, name)(w)[0] + l1 * float(np.abs(w[: d * k]).sum())
    z = X @ w[:d] + (w[d] if len(w) > d else 0.0)
    losses = np.max([a * z + c for a, c in KINKED[name][2](problem.y)], axis=0)
    return float(problem.p @ losses) + l1 * float(np.abs(w[:d]).sum()) + l2 / 2 * float((w[:d] ** 2).sum())


@pytest.fixture(scope="session")
def reference():
    """The functions above."""
    return SimpleNamespace(
        smooth=SMOOTH,
        kinked=KINKED,
        penalties=PENALTIES,
        scalar=random_scalar,
        softmax=random_softmax,
        minimise=minimise,
        value_of=value_of,
    )
