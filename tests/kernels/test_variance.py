"""Epochs of variance-reduced steps against the dense formula, a step at a time, in NumPy."""

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.kernels.variance_l1 import sparse_l1_epoch
from steepest.kernels.variance_scalar import full_epoch, sparse_epoch
from steepest.kernels.variance_vector import vector_epoch
from steepest.losses import get_loss

N, D = 40, 12


def data(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.25)
    y = np.where(rng.random(N) < 0.5, 1.0, -1.0)
    p = rng.uniform(0.2, 2.0, N)
    p /= p.sum()
    order = rng.integers(0, N, 150).astype(np.uint32)
    factors = rng.uniform(0.5, 2.0, N)
    return rng, X, y, p, order, factors


def soft(v, by):
    return np.sign(v) * np.maximum(np.abs(v) - by, 0.0)


def reference(X, slopes_of, p, order, factors, u, eta, bias_rate, l1, l2, w, G, b, pull, keep):
    """The formula: every weight at every step."""
    w, G, b, pull, u = w.copy(), G.copy(), np.copy(b), np.copy(pull), u.copy()
    for i in order:
        new = slopes_of(i, X[i] @ w + b)
        change = new - u[i]
        g = np.multiply.outer(X[i], factors[i] * change) + G
        w = (soft((w - eta * g).T, eta * l1) / (1.0 + eta * l2)).T
        b = b - bias_rate * eta * (factors[i] * change + pull)
        if keep:
            G = G + np.multiply.outer(X[i], p[i] * change)
            pull = pull + p[i] * change
            u[i] = new
    return w, G, b, pull, u


def logistic(y):
    return lambda i, z: -y[i] / (1.0 + np.exp(y[i] * z))


# three kinds of features; the last: l1 at which weights often cross zero, and one squared penalty that makes the
# scale so small that it is multiplied out on the way
KINDS = np.arange(D) % 3
L2 = {"weak": np.array([0.01, 0.02, 0.0]), "strong": np.array([1.0, 4.0, 0.3])}
L1 = {"weak": np.array([1e-4, 0.0, 1e-3]), "strong": np.array([0.02, 0.05, 0.1])}


@pytest.mark.parametrize("keep", [False, True], ids=["svrg", "saga"])
@pytest.mark.parametrize("l2", L2)
@pytest.mark.parametrize("l1", ["none", "weak", "strong"])
@pytest.mark.parametrize("one", [False, True], ids=["kinds", "one_kind"])
def test_sparse_steps_are_the_dense_formula(keep, l2, l1, one):
    rng, X, y, p, order, factors = data()
    u, w, G, b = rng.uniform(-0.5, 0.5, N), rng.standard_normal(D), 0.03 * rng.standard_normal(D), np.array([0.3, 0.02])
    kinds = np.zeros(D, dtype=np.uint32) if one else KINDS.astype(np.uint32)
    ridge = L2[l2][:1] if one else L2[l2]
    cut = np.zeros(3) if l1 == "none" else L1[l1]
    cut = cut[:1] if one else cut
    want = reference(
        X, logistic(y), p, order, factors, u, 0.3, 0.7, cut[kinds], ridge[kinds], w, G, b[0], b[1], keep
    )  # fmt: skip
    rows, kept, pair = as_source(sp.csr_array(X)).rows, u.copy(), b.copy()
    shared = (get_loss("logistic"), rows, y, order, factors, p, kept, 0.3, 0.7)
    if l1 == "none":
        V = np.column_stack([w, G])
        sparse_epoch(*shared, ridge, kinds, V, pair, keep)
        got = (V[:, 0], V[:, 1], pair[0], pair[1], kept)
    else:
        V = np.column_stack([w, np.zeros(D), G, np.zeros(D)])
        sparse_l1_epoch(*shared, cut, ridge, kinds, V, pair, keep)
        got = (V[:, 0], V[:, 2], pair[0], pair[1], kept)
        if l1 == "strong" and keep:
            assert np.any(got[0] == 0.0)
    for a, b_ in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b_, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_a_weight_that_no_row_touches_crosses_zero_in_the_right_step(steps):
    # column 1 is never stored; its pull is stronger than l1, so that it goes through zero and on
    X = np.zeros((2, 2))
    X[:, 0] = 1.0
    y, p, one = np.array([1.0, -1.0]), np.full(2, 0.5), np.ones(2)
    order = (np.arange(steps) % 2).astype(np.uint32)
    for start, pull in ((0.4, 0.15), (-0.4, -0.15), (0.4, 0.05), (0.0, 0.3), (0.0, 0.05), (0.02, 0.9)):
        w, G = np.array([0.1, start]), np.array([0.0, pull])
        l1, l2 = np.array([0.1]), np.array([0.05])
        want = reference(
            X, logistic(y), p, order, one, np.zeros(2), 0.3, 0.0, l1[[0, 0]], l2[[0, 0]], w, G, 0.0, 0.0, False
        )
        V = np.column_stack([w, np.zeros(2), G, np.zeros(2)])
        rows = as_source(sp.csr_array(X)).rows
        sparse_l1_epoch(
            get_loss("logistic"), rows, y, order, np.empty(0), p, np.zeros(2), 0.3, 0.0, l1, l2,
            np.zeros(2, dtype=np.uint32), V, np.zeros(2), False,
        )  # fmt: skip
        np.testing.assert_allclose(V[:, 0], want[0], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("keep", [False, True], ids=["svrg", "saga"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dense_steps_are_the_formula(keep, dtype):
    rng, X, y, p, order, factors = data()
    X = (X + 3.0).astype(dtype)
    center, unit = np.full(D, 3.0), 2.0 ** rng.integers(-2, 2, D)
    u, w, G, b = rng.uniform(-0.5, 0.5, N), rng.standard_normal(D), 0.03 * rng.standard_normal(D), np.array([0.3, 0.02])
    l1, l2 = rng.uniform(0.0, 0.05, D), rng.uniform(0.0, 0.5, D)
    scaled = (X.astype(np.float64) - center) * unit
    want = reference(scaled, logistic(y), p, order, factors, u, 0.1, 1.0, l1, l2, w, G, b[0], b[1], keep)
    full_epoch(
        get_loss("logistic"), as_source(X).rows, y, order, factors, p, u, 0.1, 1.0, l1, l2, center, unit, w, G, b, keep
    )  # fmt: skip
    for a, b_ in zip((w, G, b[0], b[1], u), want, strict=True):
        np.testing.assert_allclose(a, b_, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("keep", [False, True], ids=["svrg", "saga"])
@pytest.mark.parametrize("kind", ["csr", "dense"])
def test_steps_of_several_scores_are_the_formula(keep, kind):
    rng, X, _, p, order, factors = data()
    k = 3
    y = rng.integers(0, k, N)
    U, W, G = rng.uniform(-0.5, 0.5, (N, k)), rng.standard_normal((D, k)), 0.1 * rng.standard_normal((D, k))
    b, pull = rng.standard_normal(k), 0.1 * rng.standard_normal(k)
    kinds, l1, l2 = KINDS.astype(np.uint32), np.array([0.0, 0.01, 0.05]), np.array([3.0, 0.0, 0.1])
    center, unit = (np.full(D, 0.5), np.full(D, 2.0)) if kind == "dense" else (np.zeros(D), np.ones(D))

    def slopes_of(i, z):
        q = np.exp(z - z.max())
        q /= q.sum()
        q[y[i]] -= 1.0
        return q

    scaled = (X - center) * unit
    want = reference(scaled, slopes_of, p, order, factors, U, 0.2, 0.5, l1[kinds], l2[kinds], W, G, b, pull, keep)
    rows = as_source(X if kind == "dense" else sp.csr_array(X)).rows
    vector_epoch(
        get_loss("softmax"), rows, y, order, factors, p, U, 0.2, 0.5, l1, l2, kinds, center, unit, W, G, b, pull, keep
    )  # fmt: skip
    for a, b_ in zip((W, G, b, pull, U), want, strict=True):
        np.testing.assert_allclose(a, b_, rtol=1e-10, atol=1e-12)
