"""Kernels: compiled code, the same source as plain Python, and three lines of NumPy agree, for both kinds of rows."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.source import as_source
from steepest.kernels import multiclass, passes
from steepest.kernels.curvature import sparse_gram
from steepest.losses import get_loss

EPS = 2.0**-52
LOSSES = ["logistic", "squared", "huber", "squared_hinge", "poisson", "quantile"]


def data(kind, dtype=np.float64, n=13, d=7, seed=0):
    """(rows value, float64 matrix)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.6)
    X = X.astype(dtype)
    source = as_source(X if kind == "dense" else sp.csr_array(X))
    return source.rows, X.astype(np.float64)


def targets(loss, n, rng):
    y = rng.choice([-1.0, 1.0], n) if loss.targets == "sign" else rng.standard_normal(n)
    return np.abs(y) if loss.targets == "nonnegative" else y


def both(kernel):
    return [pytest.param(kernel, id="compiled"), pytest.param(kernel.py_func, id="python")]


def close(got, want, dtype=np.float64):
    rtol = 1e-12 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * max(1.0, float(np.max(np.abs(want), initial=0.0))))


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestRows:
    @pytest.mark.parametrize("run", both(passes.product))
    @pytest.mark.parametrize("span", [(0, 13), (2, 9), (5, 5), (12, 13)])
    def test_product(self, run, kind, dtype, span):
        rows, X = data(kind, dtype)
        w, z = np.random.default_rng(1).standard_normal(7), np.full(13, 7.0)
        run(rows, w, 0.5, *span, z)
        want = np.full(13, 7.0)
        want[slice(*span)] = (X @ w + 0.5)[slice(*span)]
        close(z, want)

    @pytest.mark.parametrize("run", both(passes.transposed))
    @pytest.mark.parametrize("span", [(0, 13), (2, 9), (5, 5)])
    def test_transposed(self, run, kind, dtype, span):
        rows, X = data(kind, dtype)
        rng = np.random.default_rng(1)
        p, u, g = rng.random(13), rng.standard_normal(13), np.ones(7)
        total = run(rows, p, u, *span, g)
        part = slice(*span)
        close(g, 1.0 + X[part].T @ (p * u)[part])
        close(total, float((p * u)[part].sum()))

    @pytest.mark.parametrize("run", both(multiclass.product_many))
    def test_product_many(self, run, kind, dtype):
        rows, X = data(kind, dtype)
        W, b, Z = np.random.default_rng(1).standard_normal((7, 3)), np.arange(3.0), np.zeros((13, 3))
        run(rows, W, b, 0, 13, Z)
        close(Z, X @ W + b)

    @pytest.mark.parametrize("run", both(multiclass.transposed_many))
    def test_transposed_many(self, run, kind, dtype):
        rows, X = data(kind, dtype)
        rng = np.random.default_rng(1)
        p, U, G, total = rng.random(13), rng.standard_normal((13, 3)), np.ones((7, 3)), np.ones(3)
        run(rows, p, U, 0, 13, G, total)
        close(G, 1.0 + X.T @ (p[:, None] * U), dtype)  # plain Python rounds float64 * float32 as NumPy does
        close(total, 1.0 + p @ U)

    def test_norms_and_moments(self, kind, dtype):
        rows, X = data(kind, dtype)
        p, norms, first, second = np.random.default_rng(1).random(13), np.zeros(13), np.zeros(7), np.zeros(7)
        passes.row_norms(rows, 0, 13, norms)
        passes.column_moments(rows, p, 0, 13, first, second)
        close(norms, np.sum(X**2, axis=1))
        close(first, p @ X)
        close(second, p @ X**2)

    @pytest.mark.parametrize("run", both(passes.curved_sweep))
    @pytest.mark.parametrize("block", [4, 64])
    def test_hessian_product(self, run, kind, dtype, block):
        rows, X = data(kind, dtype)
        rng = np.random.default_rng(1)
        h, v, scratch, g = rng.random(13), rng.standard_normal(7), np.zeros(13), np.zeros(7)
        total = run(rows, h, v, 0.3, 0, 13, block, scratch, g)
        close(g, X.T @ (h * (X @ v + 0.3)))
        close(total, float(h @ (X @ v + 0.3)))

    @pytest.mark.parametrize("name", LOSSES)
    @pytest.mark.parametrize("run", both(passes.sweep))
    @pytest.mark.parametrize("block", [4, 64])
    def test_gradient_sweep(self, run, name, kind, dtype, block):
        rows, X = data(kind, dtype)
        loss, rng = get_loss(name), np.random.default_rng(1)
        y, p, w = targets(loss, 13, rng), rng.random(13), rng.standard_normal(7)
        z, u, g = np.zeros(13), np.zeros(13), np.zeros(7)
        value, total = run(loss, rows, y, p, w, 0.2, 0, 13, block, z, u, g)
        scores = X @ w + 0.2
        slopes = np.array([loss.slope(a, b) for a, b in zip(scores, y, strict=True)])
        close(z, scores)
        close(u, slopes)
        close(g, X.T @ (p * slopes))
        close(total, float(p @ slopes))
        close(value, sum(c * loss.value(a, b) for a, b, c in zip(scores, y, p, strict=True)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_and_sparse_agree(dtype):
    loss, rng = get_loss("logistic"), np.random.default_rng(1)
    y, p, w = rng.choice([-1.0, 1.0], 13), rng.random(13), rng.standard_normal(7)
    results = []
    for kind in ("dense", "csr"):
        rows, _ = data(kind, dtype)
        z, u, g = np.zeros(13), np.zeros(13), np.zeros(7)
        value, total = passes.sweep(loss, rows, y, p, w, 0.2, 0, 13, 4, z, u, g)
        results.append(np.concatenate([z, u, g, [value, total]]))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("run", both(passes.along_ray))
def test_along_ray(run, name):
    loss, rng = get_loss(name), np.random.default_rng(2)
    y, p, z, dz = targets(loss, 9, rng), rng.random(9), rng.standard_normal(9), rng.standard_normal(9)
    value, slope = run(loss, z, dz, 0.7, y, p)
    s = z + 0.7 * dz
    close(value, sum(c * loss.value(a, b) for a, b, c in zip(s, y, p, strict=True)))
    close(slope, sum(c * loss.slope(a, b) * e for a, b, c, e in zip(s, y, p, dz, strict=True)))


@pytest.mark.parametrize("name", ["logistic", "squared", "poisson", "squared_hinge"])
@pytest.mark.parametrize("run", both(passes.curvatures))
def test_curvatures(run, name):
    loss, rng = get_loss(name), np.random.default_rng(2)
    y, p, z, h = targets(loss, 9, rng), rng.random(9), rng.standard_normal(9), np.zeros(9)
    run(loss, z, y, p, h)
    close(h, [c * loss.curvature(a, b) for a, b, c in zip(z, y, p, strict=True)])


@pytest.mark.parametrize("run", both(passes.losses_slopes))
def test_losses_of_known_scores(run):
    loss, rng = get_loss("logistic"), np.random.default_rng(2)
    y, p, z, u = rng.choice([-1.0, 1.0], 9), rng.random(9), rng.standard_normal(9), np.zeros(9)
    value = run(loss, z, y, p, u)
    close(value, float(p @ np.log1p(np.exp(-y * z))))
    close(u, -y / (1.0 + np.exp(y * z)))
    close(passes.losses_sum(loss, z, y, p), value)


def test_conjugates_are_exact_and_infinite_outside():
    loss = get_loss("logistic")
    y, p, u = np.ones(3), np.array([0.5, 0.5, 0.0]), np.array([-0.5, -0.25, 1.0])
    want = 0.5 * (math.log(0.5) + 0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    close(passes.conjugates_sum(loss, u, y, p), want)  # the third row has weight 0: it is absent
    assert passes.conjugates_sum(loss, u, y, np.full(3, 1 / 3)) == math.inf


@pytest.mark.parametrize("run", both(multiclass.losses_slopes_many))
def test_softmax_of_known_scores(run):
    loss, rng = get_loss("softmax"), np.random.default_rng(2)
    Z, U, p = rng.standard_normal((9, 4)), np.zeros((9, 4)), rng.random(9)
    y = rng.integers(0, 4, 9)
    value = run(loss, Z, y, p, 0, 9, U)
    q = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    close(value, float(-p @ np.log(q[np.arange(9), y])))
    q[np.arange(9), y] -= 1.0
    close(U, q)


@pytest.mark.parametrize("run", both(multiclass.along_ray_many))
def test_softmax_along_ray(run):
    loss, rng = get_loss("softmax"), np.random.default_rng(2)
    Z, D, p, y = rng.standard_normal((9, 4)), rng.standard_normal((9, 4)), rng.random(9), rng.integers(0, 4, 9)
    value, slope = run(loss, Z, D, 0.3, y, p, 0, 9)
    S = Z + 0.3 * D
    q = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
    close(value, float(-p @ np.log(q[np.arange(9), y])))
    close(slope, float(p @ (np.sum(q * D, axis=1) - D[np.arange(9), y])))


@pytest.mark.parametrize("run", both(sparse_gram))
def test_sparse_gram_has_one_triangle(run):
    rows, X = data("csr")
    h, G = np.random.default_rng(1).random(13), np.zeros((8, 8))
    h[4] = 0.0
    run(rows.data, rows.indices, rows.indptr, h, 0, 13, G)
    close(np.tril(G)[:7, :7], np.tril(X.T @ (h[:, None] * X)))


class TestAbsentRows:
    """Weight 0 means absent, even where the loss is infinite there."""

    def test_infinite_loss(self):
        rows, _ = data("dense")
        loss, z, u, g = get_loss("poisson"), np.zeros(13), np.zeros(13), np.zeros(7)
        p = np.ones(13)
        p[3] = 0.0
        w = np.zeros(7)
        y = np.ones(13)
        y[3] = math.inf
        value, total = passes.sweep(loss, rows, y, p, w, 0.0, 0, 13, 4, z, u, g)
        assert math.isfinite(value)
        close(value, 12.0 * loss.value(0.0, 1.0))
        assert np.isfinite(g).all()
        assert math.isfinite(total)
        assert math.isfinite(passes.losses_sum(loss, z, y, p))
        assert math.isfinite(passes.losses_slopes(loss, z, y, p, u))
        assert np.isfinite(u).all()

    def test_infinite_slope_and_curvature(self):
        loss, z, p, h = get_loss("exponential"), np.array([1e4, 1.0]), np.array([0.0, 1.0]), np.zeros(2)
        y = -np.ones(2)
        assert np.isfinite(passes.along_ray(loss, z, z, 1.0, y, p)).all()
        passes.curvatures(loss, z, y, p, h)
        close(h, [0.0, math.e])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400), st.integers(0, 2**32 - 1), st.sampled_from([1e-8, 1.0, 1e8]), st.sampled_from(["dense", "csr"])
)
def test_reassociated_sums_stay_within_the_bound_of_any_order(n, seed, spread, kind):
    """|computed - exact| <= n eps sum |terms|, which holds for sums in every order."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1, n)) * 10.0 ** rng.uniform(-3, 3, n) * spread
    w = rng.standard_normal(n)
    rows = as_source(x if kind == "dense" else sp.csr_array(x)).rows
    z = np.zeros(1)
    passes.product(rows, w, 0.0, 0, 1, z)
    exact = math.fsum(a * b for a, b in zip(x[0], w, strict=True))  # products rounded once each
    assert abs(z[0] - exact) <= (n + 2) * EPS * float(np.abs(x[0]) @ np.abs(w))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_not_a_number_is_not_swallowed(bad, kind):
    """Reassociation is allowed, assuming finite numbers is not."""
    X = np.ones((9, 5))
    X[4, 2] = bad
    rows = as_source(X if kind == "dense" else sp.csr_array(X)).rows
    z, u, g = np.zeros(9), np.zeros(9), np.zeros(5)
    value, _ = passes.sweep(get_loss("squared"), rows, np.zeros(9), np.ones(9), np.ones(5), 0.0, 0, 9, 4, z, u, g)
    assert not math.isfinite(value)
    assert not math.isfinite(z[4])
    assert not math.isfinite(g[2])
    assert np.isfinite(np.delete(z, 4)).all()


@pytest.mark.parametrize("name", ["logistic", "squared", "poisson"])
def test_sums_do_not_depend_on_where_arrays_lie(name):
    """Arrays that touch in memory take another path through vectorised loops; the bits must be the same."""
    loss, rng, n = get_loss(name), np.random.default_rng(3), 1000
    X, w = rng.standard_normal((n, 3)), rng.standard_normal(3)
    y, p = targets(loss, n, rng), rng.random(n)
    rows = as_source(X).rows
    seen = set()
    for gap in (0, 1, 3, 8, 64, 5000):
        memory = np.zeros(4 * (n + gap))
        z, u, q, t = (memory[k * (n + gap) : k * (n + gap) + n] for k in range(4))
        q[:], t[:] = p, y
        g = np.zeros(3)
        swept = passes.sweep(loss, rows, t, q, w, 0.1, 0, n, 64, z, u, g)
        known = passes.losses_slopes(loss, z, t, q, u), passes.losses_sum(loss, z, t, q)
        seen.add((*swept, *known, *passes.along_ray(loss, z, u, 0.5, t, q), g.tobytes(), u.tobytes()))
    assert len(seen) == 1
