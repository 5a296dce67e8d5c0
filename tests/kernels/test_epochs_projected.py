"""Projected stochastic steps against dense formulas with the projections of the constraints themselves."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.kernels.epochs_projected import BALL, DIAMOND, SEPARABLE, SIMPLEX, projected_epoch, projected_epoch_many
from steepest.losses import Softmax, Squared
from steepest.penalties.constrained import constrained_prox
from steepest.penalties.constraints import Box, L1Ball, L2Ball, NonNegative, Simplex
from steepest.rules import SGD, Adagrad

N, D, K = 40, 7, 3
NONE = np.empty(0)
SETS = {
    "box": (Box(-0.1, 0.15), SEPARABLE, 0.0),
    "nonnegative": (NonNegative(), SEPARABLE, 0.0),
    "l2_ball": (L2Ball(0.4), BALL, 0.4),
    "l1_ball": (L1Ball(0.5), DIAMOND, 0.5),
    "simplex": (Simplex(1.0), SIMPLEX, 1.0),
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(8)
    X = sp.random_array((N, D), density=0.4, rng=rng, format="csr")
    X.data = rng.standard_normal(X.nnz)
    y = X @ rng.standard_normal(D) + 0.5
    return X, y, rng.permutation(N).astype(np.uint32), rng.random(N) * 2.0


def moved(rule, held, w, state, g, eta, t, l2, l1):
    """Rule, then the proximal map of penalty and set in the metric; of one score's weights."""
    w, constants = w.copy(), rule.constants(eta, t)
    for j in range(len(w)):
        w[j], state[0, j], state[1, j] = rule.advance(w[j], state[0, j], state[1, j], g[j], *constants)
    q = np.array([rule.stiffness(state[0, j], state[1, j], *constants) for j in range(len(w))])
    known = q > 0.0
    metric = np.where(known, q + eta * l2, (q[known] + eta * l2).min() if known.any() else 1.0)
    centre = np.where(known, w * q / metric, w)
    return constrained_prox(held, centre, metric, eta * l1)


# each pair is a kernel to compile
PAIRS = [(SGD(), "box"), (Adagrad(), "l2_ball"), (Adagrad(), "l1_ball"), (SGD(), "simplex"), (SGD(), "nonnegative")]


@pytest.mark.parametrize(("rule", "name"), PAIRS, ids=[f"{rule.name}-{name}" for rule, name in PAIRS])
@pytest.mark.parametrize(("size", "l2", "l1"), [(1, 0.0, 0.0), (8, 0.1, 0.0), (8, 0.05, 0.02)])
def test_steps_equal_the_formula(data, rule, name: str, size: int, l2: float, l1: float) -> None:
    X, y, order, p = data
    held, kind, radius = SETS[name]
    dense, rates = X.toarray(), 0.3 / np.sqrt(1.0 + np.arange(-(-N // size)))
    start = np.append(held.project(np.full(D, 0.1)), 0.0)
    w, state, total = start.copy(), np.zeros((2, D + 1)), np.zeros(D + 1)
    for step, eta in enumerate(rates):
        rows = order[step * size : step * size + size]
        c = (dense[rows] @ w[:D] + w[D] - y[rows]) * p[rows] / len(rows)
        b, state[0, D], state[1, D] = rule.advance(
            w[D], state[0, D], state[1, D], c.sum(), *rule.constants(eta, step + 1.0)
        )
        w = np.append(moved(rule, held, w[:D], state, dense[rows].T @ c, eta, step + 1.0, l2, l1), b)
        assert held.contains(w[:D], 1e-12)
        total += w
    for form in (X, dense) if name == "box" else (X,):
        ours, mean = start.copy(), np.zeros(D + 1)
        args = (p, order, NONE, rates, size, l2, l1, ours, D, np.zeros((4, D + 1)), 0.0, mean, NONE)
        t = projected_epoch(rule, rule, held, kind, radius, Squared(), as_source(form).rows, y, *args)
        assert t == len(rates)
        np.testing.assert_allclose(ours, w, rtol=0, atol=1e-10)
        np.testing.assert_allclose(mean, total, rtol=0, atol=1e-9)


def test_every_score_is_held_by_itself(data) -> None:
    X, _, order, p = data
    rng = np.random.default_rng(2)
    y, rule, (held, kind, radius) = rng.integers(K, size=N), Adagrad(), SETS["l1_ball"]
    dense, rates = X.toarray(), np.full(10, 0.5)
    W, b, state = np.zeros((D, K)), np.zeros(K), np.zeros((2, D * K + K))
    for step, eta in enumerate(rates):
        rows = order[step * 4 : step * 4 + 4]
        Z = dense[rows] @ W + b
        U = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True) - np.eye(K)[y[rows]]
        U *= p[rows][:, None] / 4
        G = dense[rows].T @ U
        for o in range(K):
            part = state[:, o : D * K : K].copy()
            W[:, o] = moved(rule, held, W[:, o], part, G[:, o], eta, step + 1.0, 0.01, 0.01)
            state[:, o : D * K : K] = part
            e = D * K + o
            b[o], state[0, e], state[1, e] = rule.advance(b[o], state[0, e], 0.0, U[:, o].sum(), eta, 0.0, 0.0)
        assert held.contains(W, 1e-12)
    w = np.zeros(D * K + K)
    args = (p, order, NONE, rates, 4, 0.01, 0.01, w, D, K, np.zeros((4, len(w))), 0.0, NONE, np.empty((0, K)))
    projected_epoch_many(rule, rule, held, kind, radius, Softmax(), as_source(X).rows, y, *args)
    np.testing.assert_allclose(w, np.append(W.ravel(), b), rtol=0, atol=1e-10)
