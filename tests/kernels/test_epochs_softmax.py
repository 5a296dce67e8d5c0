"""Epochs of losses of several scores: sparse, lazy steps against dense formulas, a step at a time."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.kernels.epochs_softmax import plain_epoch_many, rule_epoch_many
from steepest.losses import Softmax
from steepest.rules import Adagrad, Momentum, unpenalised

N, D, K = 60, 12, 3
NONE = np.empty(0)
UNNOTED = np.empty((0, 4))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = sp.random_array((N, D), density=0.2, rng=rng, format="csr")
    X.data = rng.standard_normal(X.nnz)
    return X, rng.integers(K, size=N), rng.permutation(N).astype(np.uint32), rng.random(N) * 2.0


def soft(w, by):
    return np.sign(w) * np.maximum(np.abs(w) - by, 0.0)


def slopes(W, b, X, y):
    """Softmax minus one-hot, by rows."""
    Z = X @ W + b
    P = np.exp(Z - Z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    P[np.arange(len(y)), y] -= 1.0
    return P


def eager_plain(X, y, p, order, factors, rates, size, l2, l1, w, bias=1.0):
    W, b, out = w[: D * K].reshape(D, K).copy(), w[D * K :].copy(), []
    for step, eta in enumerate(rates):
        at = np.arange(step * size, min(len(order), step * size + size))
        rows = order[at]
        U = slopes(W, b, X[rows], y[rows]) * (p[rows] * factors[at])[:, None]
        W = soft(max(0.0, 1.0 - eta * l2) * W - eta * (X[rows].T @ U / len(at)), eta * l1)
        b = b - bias * eta * U.mean(axis=0)
        out.append(np.append(W.ravel(), b))
    return np.array(out)


def plain(X, y, p, order, factors, rates, size, l2, l1, w, average=False, bias=1.0):
    w = w.copy()
    mean = np.zeros(len(w)) if average else NONE
    seen = np.zeros(D if l1 > 0 else 0)
    args = (p, order, factors, rates, size, l2, l1, bias, w, D, K, seen, mean, np.zeros_like(mean), UNNOTED)
    plain_epoch_many(Softmax(), as_source(X).rows, y, *args)
    return (w, mean / len(rates)) if average else w


@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.0), (0.1, 0.0), (0.2, 0.03), (2.0, 1e-3)])
@pytest.mark.parametrize("size", [1, 7, N])
def test_sparse_steps_equal_dense_ones(data, l2: float, l1: float, size: int) -> None:
    X, y, order, p = data
    factors = np.linspace(0.5, 1.5, N)
    rates = 0.5 / np.sqrt(1.0 + np.arange(-(-N // size)))
    start = np.linspace(-1.0, 1.0, (D + 1) * K)
    truth = eager_plain(X.toarray(), y, p, order, factors, rates, size, l2, l1, start, 0.3)
    for form in (X, X.toarray()):
        w, mean = plain(form, y, p, order, factors, rates, size, l2, l1, start, average=True, bias=0.3)
        np.testing.assert_allclose(w, truth[-1], rtol=0, atol=1e-12)
        assert np.array_equal(truth[-1] == 0.0, w == 0.0)
        if l1 == 0.0:
            np.testing.assert_allclose(mean, truth.mean(axis=0), rtol=0, atol=1e-12)


def test_one_hot_targets_without_an_intercept(data) -> None:
    X, y, order, p = data
    start, rates = np.linspace(-1.0, 1.0, D * K), np.full(N, 0.3)
    padded = eager_plain(X.toarray(), y, p, order, np.ones(N), rates, 1, 0.1, 0.0, np.append(start, np.zeros(K)), 0.0)
    w = plain(X, np.eye(K)[y], p, order, NONE, rates, 1, 0.1, 0.0, start)
    np.testing.assert_allclose(w, padded[-1][: D * K], rtol=0, atol=1e-12)


# --------------------------------------------------------------------------------------------- any rule


def run(rule, X, y, p, order, rates, size, l2, l1, epochs=2, average=False, start=None):
    w = np.zeros((D + 1) * K) if start is None else start.copy()
    state = np.zeros((4, len(w)))
    mean = np.zeros(len(w)) if average else NONE
    gradient = np.zeros(D * K if size > 1 else 0)
    t, rows = 0.0, as_source(X).rows
    for _ in range(epochs):
        args = (p, order, NONE, rates, size, l2, l1, w, D, K, state, np.empty((2, D)), t, gradient, mean, UNNOTED)
        t = rule_epoch_many(rule, unpenalised(rule), Softmax(), rows, y, *args)
    assert t == epochs * len(rates)
    assert not gradient.any()
    return (w, mean / t) if average else w


def visiting_all(X):
    """The same rows, every entry stored: nothing is made up for."""
    n, d = X.shape
    return sp.csr_array((X.toarray().ravel(), np.tile(np.arange(d), n), np.arange(0, n * d + 1, d)), shape=(n, d))


@pytest.mark.parametrize("rule", [Momentum(0.8), Adagrad()], ids=lambda x: x.name)
@pytest.mark.parametrize("size", [1, 6])
@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.0), (0.0, 0.01), (0.05, 0.01)])
def test_lazy_steps_equal_eager_ones_where_the_facts_say_so(data, rule, size: int, l2: float, l1: float) -> None:
    X, y, order, p = data
    rates = np.full(-(-N // size), 0.3)
    start = np.linspace(-1.0, 1.0, (D + 1) * K)
    forms = (X, X.toarray(), visiting_all(X))
    lazy, full, stored = (run(rule, form, y, p, order, rates, size, l2, l1, start=start) for form in forms)
    np.testing.assert_allclose(full, stored, rtol=0, atol=1e-12)
    if l1 == l2 == 0.0 or (rule.exact_l1 and l2 == 0.0):
        np.testing.assert_allclose(lazy, full, rtol=0, atol=1e-10)
    else:  # a definition of its own
        assert np.abs(lazy - full).max() > 1e-10
        assert np.all(np.isfinite(lazy))


@pytest.mark.parametrize("rule", [Momentum(0.8), Adagrad()], ids=lambda x: x.name)
@pytest.mark.parametrize("size", [1, 6])
def test_dense_steps_equal_the_formula(data, rule, size: int) -> None:
    X, y, order, p = data
    X, l2, l1, m = X.toarray(), 0.05, 0.02, D * K
    rates = 0.5 / np.sqrt(1.0 + np.arange(-(-N // size)))
    w, state, total = np.zeros(m + K), np.zeros((2, m + K)), np.zeros(m + K)
    for step, eta in enumerate(rates):
        rows = order[step * size : step * size + size]
        U = slopes(w[:m].reshape(D, K), w[m:], X[rows], y[rows]) * p[rows][:, None] / len(rows)
        g = np.append((X[rows].T @ U).ravel(), U.sum(axis=0))
        constants = rule.constants(eta, step + 1.0)
        for j in range(m + K):
            w[j], state[0, j], state[1, j] = rule.advance(w[j], state[0, j], state[1, j], g[j], *constants)
        total += w  # as last touched: the penalty of this step comes before the next
        q = np.array([rule.stiffness(state[0, j], state[1, j], *constants) for j in range(m)])
        known = np.flatnonzero(q)
        w[known] = soft(w[known] * q[known], eta * l1) / (q[known] + eta * l2)
    ours, mean = run(rule, X, y, p, order, rates, size, l2, l1, epochs=1, average=True)
    np.testing.assert_allclose(ours, w, rtol=0, atol=1e-11)
    np.testing.assert_allclose(mean, total / len(rates), rtol=0, atol=1e-11)


def test_a_step_costs_the_entries_of_its_row() -> None:
    """A thousand times the columns, the same rows: the same numbers are touched, and no others."""
    rng = np.random.default_rng(1)
    small = sp.random_array((30, D), density=0.2, rng=rng, format="csr")
    wide = sp.csr_array((small.data, small.indices * 1000, small.indptr), shape=(30, 1000 * D))
    y, order = rng.integers(K, size=30), np.arange(30, dtype=np.uint32)
    seen = []
    for X, d in ((small, D), (wide, 1000 * D)):
        w, state = np.zeros(d * K), np.zeros((4, d * K))
        rest = (np.empty((2, d)), 0.0, NONE, NONE, UNNOTED)
        args = (NONE, order, NONE, np.full(30, 0.1), 1, 0.1, 0.001, w, d, K, state, *rest)
        rule_epoch_many(Adagrad(), Adagrad(), Softmax(), as_source(X).rows, y, *args)
        seen.append(w.reshape(d, K))
    np.testing.assert_array_equal(seen[0], seen[1][::1000])
    assert np.count_nonzero(seen[1]) == np.count_nonzero(seen[0]) > 0
