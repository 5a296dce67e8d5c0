"""Proximal gradient and FISTA: certified optima, one score or several, with and without an intercept."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.source import as_source
from steepest.losses import Huber, Logistic, Poisson, Softmax, Squared
from steepest.penalties import L1, ElasticNet, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.coordinate import CoordinateDescent
from steepest.solvers.proximal import FISTA, ProximalGradient, column_metric
from steepest.solvers.working_set import evaluate_known, polished

BOTH = [ProximalGradient, FISTA]


def make(X, y, loss=None, penalty=None, weights=None, intercept=False, classes=0):
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    p = weights / weights.sum()
    if classes:
        return MulticlassProblem(as_source(X), np.asarray(y), p, Softmax(), penalty, intercept, classes)
    return LinearProblem(as_source(X), np.asarray(y, dtype=float), p, loss or Squared(), penalty, intercept)


def fit(problem, solver, tol=1e-8, w=None, most=400):
    """The last round; the objective must never rise."""
    state = solver.start(problem, problem.start() if w is None else w)
    values = []
    for _ in range(most):
        last = solver.advance(state)
        values.append(last.at.value)
        if last.exhausted or (last.bound is not None and last.bound.relative <= tol):
            break
    assert all(b <= a + 1e-11 * abs(a) for a, b in zip(values, values[1:], strict=False))
    return last, len(values)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def regression(rng, n=120, d=15):
    X = rng.standard_normal((n, d)) + rng.standard_normal((n, 1))
    return X, X[:, :3] @ np.array([1.0, -2.0, 0.5]) + 0.3 * rng.standard_normal(n)


@pytest.mark.parametrize("solver", BOTH)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_elastic_net_against_scikit_learn(rng, solver, intercept, sparse):
    from sklearn.linear_model import ElasticNet as Reference

    X, y = regression(rng)
    y = y + 4.0
    other = Reference(alpha=0.1, l1_ratio=0.6, fit_intercept=intercept, tol=1e-13, max_iter=100_000).fit(X, y)
    problem = make(sp.csr_array(X) if sparse else X, y, Squared(), ElasticNet(0.1, 0.6), intercept=intercept)
    last, _ = fit(problem, solver(), 1e-10)
    np.testing.assert_allclose(last.at.w[:15], other.coef_, atol=1e-4)
    if intercept:
        assert last.at.w[15] == pytest.approx(other.intercept_, abs=1e-4)


@pytest.mark.parametrize("solver", BOTH)
@pytest.mark.parametrize("loss", [Logistic(), Poisson(), Huber(1.0)], ids=lambda loss: loss.name)
@pytest.mark.parametrize("intercept", [False, True])
def test_agrees_with_coordinate_descent(rng, solver, loss, intercept):
    X, z = regression(rng)
    y = {"logistic": np.where(z > 0.0, 1.0, -1.0), "poisson": np.round(np.exp(0.3 * z)), "huber": z}[loss.name]
    problem = make(X, y, loss, ElasticNet(0.02, 0.9), rng.integers(0, 3, len(y)) + 1e-3, intercept)
    last, _ = fit(problem, solver(), 1e-7)
    assert last.bound.relative <= 1e-7
    other, _ = fit(problem, CoordinateDescent(), 1e-10)
    assert last.at.value == pytest.approx(other.at.value, rel=1e-7)
    np.testing.assert_allclose(last.at.w, other.at.w, atol=2e-3 * np.abs(other.at.w).max())


def test_softmax_against_scikit_learn_saga(rng):
    from sklearn.linear_model import LogisticRegression

    X = rng.standard_normal((150, 8))
    y = np.argmax(X[:, :3] + rng.standard_normal((150, 3)), axis=1)
    alpha = 0.02
    other = LogisticRegression(
        l1_ratio=1.0, C=1.0 / (alpha * 150), solver="saga", fit_intercept=False, tol=1e-9, max_iter=20_000
    ).fit(X, y)
    problem = make(X, y, penalty=L1(alpha), classes=3)
    last, _ = fit(problem, FISTA(), 1e-8)
    assert last.bound.relative <= 1e-8
    assert last.at.value == pytest.approx(problem.evaluate(other.coef_.T.ravel()).value, rel=1e-7)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_softmax_against_a_conic_solver(rng, intercept, ratio):
    cp = pytest.importorskip("cvxpy")
    X = rng.standard_normal((60, 6)) + 1.0
    y = np.argmax(X[:, :3] + rng.standard_normal((60, 3)) + np.array([0.0, 0.5, 1.0]), axis=1)
    s = rng.integers(0, 3, 60).astype(float)
    penalty = ElasticNet(0.03, ratio)
    W, b = cp.Variable((6, 3)), cp.Variable((1, 3))
    Z = X @ W + (np.ones((60, 1)) @ b if intercept else 0.0)
    loss = (s / s.sum()) @ (cp.log_sum_exp(Z, axis=1) - cp.sum(cp.multiply(np.eye(3)[y], Z), axis=1))
    objective = loss + penalty.l1 * cp.sum(cp.abs(W)) + 0.5 * penalty.l2 * cp.sum_squares(W)
    cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL)
    problem = make(X, y, penalty=penalty, weights=s, intercept=intercept, classes=3)
    at = W.value.ravel() if not intercept else np.concatenate([W.value.ravel(), b.value.ravel()])
    reference = problem.evaluate(at).value
    for solver in BOTH:
        last, _ = fit(problem, solver(), 1e-7)
        assert last.bound.relative <= 1e-7
        assert last.at.value == pytest.approx(reference, rel=1e-6)


@pytest.mark.parametrize("solver", BOTH)
def test_columns_of_very_different_scale(rng, solver):
    X, y = regression(rng)
    problem = make(X * 10.0 ** rng.integers(-4, 5, 15), y, Squared(), NoPenalty())
    last, _ = fit(problem, solver(), most=60)
    residual = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    assert last.at.value == pytest.approx(0.5 * float(residual @ residual) / len(y), rel=1e-6)


def test_a_large_mean_is_no_trouble_with_an_intercept(rng):
    X, y = regression(rng)
    y = np.where(y > 0.0, 1.0, -1.0)
    rounds = []
    for mean in (0.0, 300.0):
        last, count = fit(make(X + mean, y, Logistic(), L1(0.01), intercept=True), FISTA(), 1e-6)
        assert last.bound.relative <= 1e-6
        rounds.append(count)
    assert rounds[1] <= 2 * rounds[0] + 5


def test_the_metric_equals_scaled_columns(rng):
    X, y = regression(rng)
    problem = make(X, y, Logistic(), ElasticNet(1.0, 0.5), intercept=True)
    metric = column_metric(problem, problem.evaluate(problem.start()))
    np.testing.assert_allclose(metric[:-1], 0.25 * X.var(axis=0) + 0.5)
    assert metric[-1] == 0.25
    X[:, 3] = 0.0
    metric = column_metric(make(X, y, Squared(), L1(0.1)), None)
    assert metric[3] == metric[metric > 0.0].min()


def test_a_loss_without_a_lipschitz_slope_starts_from_its_curvature(rng):
    X, z = regression(rng)
    y = np.round(np.exp(3.0 + 0.3 * z))
    problem = make(X, y, Poisson(), L1(0.01), intercept=True)
    at = problem.evaluate(problem.start())
    assert column_metric(problem, at)[-1] == pytest.approx(1.0)  # exp(0)
    last, _ = fit(problem, FISTA(), 1e-6)
    assert last.bound.relative <= 1e-6


def test_without_any_penalty(rng):
    X, y = regression(rng)
    last, _ = fit(make(X, y, Squared(), NoPenalty(), intercept=True), FISTA())
    exact, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(len(y))]), y, rcond=None)
    assert last.bound is None  # nothing is proven: the certificate looks at the Hessian instead
    np.testing.assert_allclose(last.at.w, exact, atol=1e-4)


def test_the_optimum_as_start_and_all_zero(rng):
    X, y = regression(rng)
    problem = make(X, y, Squared(), L1(0.1))
    best, _ = fit(problem, CoordinateDescent(), 1e-12)
    _, rounds = fit(problem, FISTA(), 1e-10, w=best.at.w)
    assert rounds == 1
    top = np.abs(problem.evaluate(problem.start()).gradient).max()
    last, rounds = fit(make(X, y, Squared(), L1(top)), FISTA(), 1e-12)
    assert rounds == 1
    assert not last.at.w.any()


def test_known_scores_give_the_same_evaluation(rng):
    X, y = regression(rng)
    problem = make(X, np.sign(y), Logistic(), ElasticNet(0.1, 0.5), intercept=True)
    w = rng.standard_normal(16)
    whole = problem.evaluate(w)
    before = problem.passes
    known = evaluate_known(problem, w, whole.scores)
    assert problem.passes == before + 0.5
    assert known.value == pytest.approx(whole.value, rel=1e-14)
    np.testing.assert_allclose(known.gradient, whole.gradient, rtol=1e-12, atol=1e-15)
    better, scores = polished(problem, w, whole.scores)
    np.testing.assert_allclose(scores, X @ better[:15] + better[15], atol=1e-12)
    assert abs(evaluate_known(problem, better, scores).gradient[-1]) <= 1e-7 < abs(whole.gradient[-1])


@given(
    st.integers(2, 20),
    st.integers(1, 8),
    st.integers(2, 4),
    st.integers(0, 10_000),
    st.booleans(),
    st.floats(0.05, 1.1),
    st.sampled_from([1.0, 0.5]),
)
@settings(max_examples=40, deadline=None)
def test_random_softmax_problems_are_certified(n, d, k, seed, intercept, fraction, ratio):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, d)) * 10.0 ** rng.integers(-1, 2, d)
    y = np.concatenate([np.arange(k), rng.integers(0, k, n)])
    X = np.vstack([X[rng.integers(0, n, k)], X])
    probe = make(X, y, penalty=L1(1.0), classes=k)
    top = np.abs(probe.evaluate(probe.start()).gradient).max()
    if top < 1e-8:
        return
    problem = make(X, y, penalty=ElasticNet(fraction * top, ratio), intercept=intercept, classes=k)
    last, _ = fit(problem, FISTA(), 1e-6)
    assert last.bound.relative <= 1e-6


@pytest.mark.parametrize("solver", BOTH)
def test_what_is_missing_is_said(solver):
    traits = make(np.ones((2, 1)), [1.0, 2.0], penalty=L1(0.1)).traits
    assert solver().missing(traits) is None
    assert "smooth" in solver().missing(traits._replace(smooth=False))
