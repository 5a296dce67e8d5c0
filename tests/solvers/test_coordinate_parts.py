"""The parts of coordinate descent: screening, gaps, models, the choice between them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from coordinate_cases import correlated, fit, largest_l1, make, sparse_data

from steepest.data.source import as_source
from steepest.kernels import coordinate as kernels
from steepest.losses import Logistic
from steepest.penalties import L1, ElasticNet
from steepest.solvers import coordinate, working_set
from steepest.solvers.coordinate import CoordinateDescent, ProximalNewton
from steepest.solvers.coordinate_model import solve_columns, solve_matrix, transposed_columns


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_screening_is_safe_and_screens(rng):
    X, y = sparse_data(rng, 200, 600)
    top = largest_l1(make(X, y))
    problem = make(X, y, penalty=L1(0.3 * top))
    best, rounds = fit(problem, tol=1e-13)
    support = best.at.w != 0.0
    norms = np.sqrt(problem.source.moments(problem.p)[1])
    counts = []
    for r in rounds:
        gone = working_set.screened(problem, r.at, norms)
        assert not (gone & support).any()
        counts.append(gone.sum())
    assert counts[-1] >= 0.9 * (len(support) - support.sum())


def test_screening_with_a_ridge_part(rng):
    X, y = sparse_data(rng, 200, 600)
    top = largest_l1(make(X, y))
    problem = make(X, y, penalty=ElasticNet(0.5 * top, 0.6))
    best, rounds = fit(problem, tol=1e-12)
    norms = np.sqrt(problem.source.moments(problem.p)[1])
    for r in rounds:
        assert not (working_set.screened(problem, r.at, norms) & (best.at.w != 0.0)).any()
    assert working_set.screened(problem, best.at, norms).sum() > 100


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_the_cheap_gap_is_a_bound(rng, ratio):
    X, y = sparse_data(rng, 300, 200)
    problem = make(X, np.sign(y), Logistic(), ElasticNet(0.002, ratio))
    best, _ = fit(problem, tol=1e-12)
    for scale in (0.0, 0.3, 0.9, 1.1, 3.0):
        at = problem.evaluate(scale * best.at.w)
        bound = working_set.gap(problem, at, 0.0)
        assert working_set.cheap_gap(problem, at) >= (1.0 - 1e-9) * bound.value - 1e-14
        assert bound.value >= at.value - best.at.value - 1e-12
        assert bound.dual <= best.at.value + 1e-12


@pytest.mark.parametrize("sparse", [False, True])
def test_select_columns(rng, sparse):
    X, _ = sparse_data(rng, 50, 40, 0.2)
    source = as_source(X if sparse else X.toarray())
    features = np.array([3, 7, 20, 39])
    chosen = working_set.select_columns(source, features)
    v = rng.standard_normal(4)
    np.testing.assert_allclose(chosen.matvec(v), X.toarray()[:, features] @ v)
    columns = transposed_columns(chosen)
    h = rng.random(50)
    first, second = np.empty(4), np.empty(4)
    kernels.all_moments(columns, h, first, second)
    np.testing.assert_allclose(first, X.toarray()[:, features].T @ h)
    np.testing.assert_allclose(second, (X.toarray()[:, features] ** 2).T @ h)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_the_two_model_solvers_agree(rng, intercept, ridge):
    X = correlated(rng, 60, 15)
    h = rng.random(60)
    w = np.where(rng.random(15 + intercept) < 0.5, rng.standard_normal(15 + intercept), 0.0)
    g = rng.standard_normal(15 + intercept) * 20.0
    G = as_source(X).gram(h)
    H = G if intercept else np.ascontiguousarray(G[:15, :15])
    H[np.arange(15), np.arange(15)] += ridge
    a = solve_matrix(H.copy(), 2.0, w, g, int(intercept), 1e-14)
    b, t, settled = solve_columns(transposed_columns(as_source(X)), h, 2.0, ridge, w, g, intercept, 1e-16, 100_000)
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert settled
    d = b - w
    np.testing.assert_allclose(t, X @ d[:15] + (d[15] if intercept else 0.0), atol=1e-8)
    slope = g + H @ (a - w)
    head = slope[:15]
    assert np.all(np.abs(head[a[:15] == 0.0]) <= 2.0 + 1e-7)
    live = a[:15] != 0.0
    np.testing.assert_allclose(head[live], -2.0 * np.sign(a[:15][live]), atol=1e-6)
    if intercept:
        assert abs(slope[15]) <= 1e-6


def test_a_matrix_is_computed_once_for_the_squared_loss(rng, monkeypatch):
    X = correlated(rng, 500, 30)
    problem = make(X, X[:, 0] + rng.standard_normal(500), penalty=L1(0.01))
    calls = []
    gram = type(problem.source).gram
    monkeypatch.setattr(type(problem.source), "gram", lambda self, *a, **k: calls.append(1) or gram(self, *a, **k))
    last, _ = fit(problem, tol=1e-10)
    assert len(calls) == 1
    assert last.bound.relative <= 1e-10
    assert problem.passes <= 5.0


def test_corrected_matrices_converge(rng):
    X = correlated(rng, 400, 20)
    problem = make(X, np.where(X[:, 0] + rng.standard_normal(400) > 0.0, 1.0, -1.0), Logistic(), L1(0.01))
    newton = ProximalNewton(problem)
    at = problem.evaluate(problem.start())
    for k in range(25):
        at, t = newton.step(at, 1e-6, k > 0)
        if t == 0.0:
            break
    assert working_set.gap(problem, at, 0.0).relative <= 1e-7


def test_the_choice_of_the_model_follows_the_cost(rng):
    assert coordinate.matrix_pays(as_source(np.zeros((100, 50))))
    assert not coordinate.matrix_pays(as_source(np.zeros((4, coordinate.MATRIX_COLUMNS + 1))))
    full = sp.csr_array(np.ones((10, 800)))
    assert not coordinate.matrix_pays(as_source(full))


def test_what_is_missing_is_said():
    solver = CoordinateDescent()
    traits = make(np.ones((2, 1)), [1.0, 2.0]).traits
    assert solver.missing(traits) is None
    assert "curvature" in solver.missing(traits._replace(has_curvature=False))
    assert "convex" in solver.missing(traits._replace(convex=False))


def test_a_zero_sample_start_is_not_used(rng):
    # the rough start looks at every tenth row; here they have no weight at all
    X = correlated(rng, 6000, 8)
    y = np.where(X[:, 0] + rng.standard_normal(6000) > 0.0, 1.0, -1.0)
    s = np.ones(6000)
    s[::10] = 0.0
    last, _ = fit(make(X, y, Logistic(), L1(0.001), s), tol=1e-9)
    assert last.bound.relative <= 1e-9
    assert math.isfinite(last.at.value)
