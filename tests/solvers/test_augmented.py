"""Augmented Lagrangian: optima against independent solvers, and every bound against the truth."""

import math
import warnings

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from steepest.certify.certificate import certify
from steepest.data.source import as_source
from steepest.losses import Absolute, EpsilonInsensitive, Hinge, Logistic, PerceptronLoss, Quantile
from steepest.parallel import Pool
from steepest.penalties import L1, L2, ElasticNet, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.protocols import Status
from steepest.solvers.augmented import AugmentedLagrangian
from steepest.solvers.augmented_system import gram_step, rows_step
from steepest.solvers.loop import Limits, run

LOSSES = [Hinge(), Absolute(), Quantile(0.8), EpsilonInsensitive(0.3), PerceptronLoss()]


def make(X, y, loss, penalty, intercept, s=None):
    s = np.ones(len(y)) if s is None else np.asarray(s, dtype=float)
    return LinearProblem(as_source(X, pool=Pool(1)), np.asarray(y, dtype=float), s / s.sum(), loss, penalty, intercept)


def fit(problem, tol=1e-8, start=None, max_iter=400):
    null = problem.null_value()

    def judge(w, status, reason, dual):
        return certify(problem, w, tol=tol, status=status, reason=reason, null_value=null, dual=dual)

    begin = problem.start() if start is None else start
    solver = AugmentedLagrangian()
    return run(solver, problem, begin, limits=Limits(tol, max_iter), certify=judge, null_value=null)


def data(seed, n=40, d=6, sign=False, offset=2.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = X @ rng.standard_normal(d) + rng.standard_normal(n) + offset
    return X, np.where(y > offset, 1.0, -1.0) if sign else y


def for_loss(loss, seed, **kwargs):
    return data(seed, sign=loss.targets == "sign", **kwargs)


def reference(X, y, p, loss, penalty, intercept):
    """The optimum by an interior point method on the same objective."""
    w, b = cp.Variable(X.shape[1]), cp.Variable() if intercept else 0.0
    z = X @ w + b
    losses = {
        "hinge": lambda: cp.pos(1 - cp.multiply(y, z)),
        "perceptron": lambda: cp.pos(-cp.multiply(y, z)),
        "absolute": lambda: cp.abs(z - y),
        "quantile": lambda: loss.q * cp.pos(y - z) + (1 - loss.q) * cp.pos(z - y),
        "epsilon_insensitive": lambda: cp.pos(cp.abs(z - y) - loss.epsilon),
    }
    objective = p @ losses[loss.name]() + penalty.l1 * cp.norm1(w) + penalty.l2 / 2 * cp.sum_squares(w)
    problem = cp.Problem(cp.Minimize(objective))
    with warnings.catch_warnings():
        # on degenerate vertices it may end above 1e-11; the comparisons leave room for that
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return problem.value


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("penalty", [L2(0.1), L2(1e-3), L1(0.02), ElasticNet(0.05, 0.5), NoPenalty()], ids=repr)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_optimum_of_an_interior_point_method(loss, penalty, intercept):
    X, y = for_loss(loss, 3)
    problem = make(X, y, loss, penalty, intercept)
    out = fit(problem)
    best = reference(X, y, problem.p, loss, penalty, intercept)
    certificate = out.certificate
    assert certificate.status is Status.CERTIFIED, certificate.reason
    assert certificate.relative <= 1e-8
    assert certificate.primal - best <= certificate.value + 1e-8 * max(best, 1e-3)
    assert certificate.primal >= best - 1e-8 * max(best, 1e-3)


def test_soft_margin_support_vector_machine_as_a_dual_quadratic_programme():
    X, y = data(11, n=60, d=4, sign=True)
    C = 0.7
    problem = make(X, y, Hinge(), L2(1.0 / (C * len(y))), True)
    out = fit(problem, 1e-10)
    a = cp.Variable(len(y))
    dual = cp.Problem(
        cp.Maximize(cp.sum(a) - 0.5 * cp.sum_squares(X.T @ cp.multiply(y, a))), [a >= 0, a <= C, y @ a == 0]
    )
    dual.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    np.testing.assert_allclose(out.w[:-1], X.T @ (y * a.value), atol=1e-6)
    assert out.certificate.primal * C * len(y) == pytest.approx(dual.value, rel=1e-8)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_quantile_regression_is_the_linear_programme(q, alpha):
    X, y = data(5, n=200, d=5, offset=300.0)
    n, d = X.shape
    problem = make(X, y, Quantile(q), L1(alpha) if alpha else NoPenalty(), True)
    out = fit(problem, 1e-8)
    # variables: w+, w-, b, residual above, residual below
    cost = np.concatenate([np.full(2 * d, alpha), [0.0], np.full(n, q / n), np.full(n, (1 - q) / n)])
    A = np.hstack([X, -X, np.ones((n, 1)), np.eye(n), -np.eye(n)])
    bounds = [(0, None)] * (2 * d) + [(None, None)] + [(0, None)] * (2 * n)
    lp = linprog(cost, A_eq=A, b_eq=y, bounds=bounds, method="highs")
    assert out.certificate.passed, out.certificate.reason
    assert out.certificate.primal == pytest.approx(lp.fun, rel=1.1e-8)
    np.testing.assert_allclose(out.w, np.append(lp.x[:d] - lp.x[d : 2 * d], lp.x[2 * d]), atol=1e-5)


def test_every_round_proves_what_it_says():
    """The bound of each round is verified against the optimum, and never gets worse."""
    X, y = data(7, n=80, d=5, sign=True)
    for penalty in (L2(0.01), ElasticNet(0.02, 0.7), L1(0.02)):
        for intercept in (False, True):
            problem = make(X, y, Hinge(), penalty, intercept)
            best = reference(X, y, problem.p, Hinge(), penalty, intercept)
            solver = AugmentedLagrangian()
            state = solver.start(problem, problem.start())
            before = math.inf
            for _ in range(40):
                round_ = solver.advance(state)
                bound = round_.bound
                assert bound.dual <= best + 1e-9 <= round_.at.value + 2e-9
                assert bound.value <= before * (1 + 1e-12)
                assert round_.at.value == pytest.approx(problem.evaluate(round_.at.w).value, rel=1e-12)
                before = bound.value
                if bound.relative <= 1e-9:
                    break
            assert bound.relative <= 1e-9


@st.composite
def problems(draw):
    loss = draw(st.sampled_from(LOSSES))
    penalty = draw(st.sampled_from([L2(1.0), L2(0.01), L1(0.1), ElasticNet(0.1, 0.3)]))
    n, d = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    grid = st.integers(-4, 4).map(lambda k: k / 2)
    X = np.array(draw(st.lists(st.lists(grid, min_size=d, max_size=d), min_size=n, max_size=n)))
    sign = loss.targets == "sign"
    target = st.sampled_from([-1.0, 1.0]) if sign else grid
    y = np.array(draw(st.lists(target, min_size=n, max_size=n)))
    s = np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=n, max_size=n)))
    if not s.any():
        s[0] = 1.0
    return X, y, s, loss, penalty, draw(st.booleans())


@given(problems())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_small_problems_with_ties_repetitions_and_absent_rows(case):
    """Grid data: degenerate vertices, constant and duplicate rows and columns, one class, weight zero."""
    X, y, s, loss, penalty, intercept = case
    problem = make(X, y, loss, penalty, intercept, s)
    out = fit(problem, 1e-5)
    best = reference(X, y, problem.p, loss, penalty, intercept)
    certificate = out.certificate
    gap = certificate.primal - best
    assert gap <= certificate.value + 1e-6
    # an optimum of zero has no relative error: there the bound itself must be nothing
    assert certificate.passed or certificate.value <= 1e-9 * max(problem.null_value(), 1.0), certificate.reason


def test_weights_are_repetitions_and_zero_is_absence():
    X, y = data(2, n=30, d=4, sign=True)
    s = np.tile([0.0, 1.0, 3.0], 10)
    weighted = fit(make(X, y, Hinge(), L2(0.05), True, s), 1e-10)
    k = s.astype(int)
    repeated = fit(make(np.repeat(X, k, axis=0), np.repeat(y, k), Hinge(), L2(0.05), True), 1e-10)
    np.testing.assert_allclose(weighted.w[:-1], repeated.w[:-1], atol=2e-5)
    assert weighted.certificate.primal == pytest.approx(repeated.certificate.primal, rel=1e-9)


def test_rows_that_are_absent_may_hold_anything():
    X, y = data(4, n=20, d=3, sign=True)
    s = np.ones(20)
    s[5] = 0.0
    plain = fit(make(np.delete(X, 5, 0), np.delete(y, 5), Hinge(), L2(0.1), True), 1e-10)
    X[5] = 1e12
    wild = fit(make(X, y, Hinge(), L2(0.1), True, s), 1e-10)
    assert wild.certificate.passed
    np.testing.assert_allclose(wild.w[:-1], plain.w[:-1], atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES[:4], ids=repr)
@pytest.mark.parametrize("intercept", [False, True])
def test_sparse_and_dense_and_float32_rows(loss, intercept):
    X, y = for_loss(loss, 9, n=60, d=5)
    X = np.where(np.abs(X) > 0.7, X, 0.0).astype(np.float32)
    ways = [X, X.astype(np.float64), sp.csr_array(X), sp.csr_array(X.astype(np.float64))]
    values = [fit(make(way, y, loss, L2(0.02), intercept)).certificate for way in ways]
    assert all(c.passed for c in values)
    np.testing.assert_allclose([c.primal for c in values], values[0].primal, rtol=2e-8)


def test_imbalanced_classes_with_an_intercept():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 10))
    y = np.where(X[:, 0] + 0.5 * rng.standard_normal(2000) > 2.3, 1.0, -1.0)
    assert 0 < np.mean(y > 0) < 0.05
    out = fit(make(X, y, Hinge(), L2(1e-3), True))
    assert out.certificate.passed
    assert out.iterations <= 80


def test_one_class_needs_the_intercept_only():
    X, _ = data(1)
    out = fit(make(X, np.ones(len(X)), Hinge(), L2(0.1), True))
    assert out.certificate.passed
    assert out.certificate.primal == pytest.approx(0.0, abs=1e-12)


def test_constant_zero_and_duplicate_columns():
    X, y = data(6, n=50, d=3, sign=True)
    wide = np.column_stack([X, X[:, 0], np.full(50, 2.0), np.zeros(50)])
    for penalty in (L2(0.01), ElasticNet(0.02, 0.5), L1(0.01)):
        out = fit(make(wide, y, Hinge(), penalty, True))
        assert out.certificate.passed, (penalty, out.certificate.reason)
    ridge = fit(make(wide, y, Hinge(), L2(0.01), True), 1e-12)
    assert ridge.w[0] == pytest.approx(ridge.w[3], abs=1e-5)
    assert ridge.w[5] == 0.0


def test_l1_solutions_are_sparse():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((150, 30))
    y = X[:, 0] - 2.0 * X[:, 1] + 0.1 * rng.standard_normal(150)
    out = fit(make(X, y, Absolute(), L1(0.2), True))
    assert out.certificate.passed
    assert set(np.flatnonzero(out.w[:-1])) == {0, 1}


def test_scale_of_the_target_and_of_the_columns_does_not_matter():
    X, y = data(8, n=100, d=4, offset=0.0)
    rounds = []
    for scale in (1e-6, 1.0, 1e6):
        out = fit(make(X, scale * y + 1e3 * scale, Absolute(), L2(0.01 / scale), True), 1e-7)
        assert out.certificate.passed
        rounds.append(out.iterations)
    assert max(rounds) <= min(rounds) + 3


def test_a_warm_start_is_used():
    X, y = data(10, n=300, d=8, sign=True)
    problem = make(X, y, Hinge(), L2(1e-3), True)
    cold = fit(problem, 1e-9)
    again = make(X, y, Hinge(), L2(1e-3), True)
    warm = fit(again, 1e-9, start=cold.w)
    assert warm.certificate.passed
    assert warm.certificate.primal == pytest.approx(cold.certificate.primal, rel=2e-9)


def test_many_features_go_through_conjugate_gradients():
    rng = np.random.default_rng(1)
    X = sp.random_array((150, 1500), density=0.02, rng=rng, format="csr")
    y = np.where(rng.standard_normal(150) > 0, 1.0, -1.0)
    for intercept in (False, True):
        out = fit(make(X, y, Hinge(), L2(1e-2), intercept), 1e-7)
        assert out.certificate.passed, out.certificate.reason
    out = fit(make(X.toarray(), y, Hinge(), L2(1e-2), True), 1e-7)
    assert out.certificate.passed


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_newton_systems_agree(intercept, sparse):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((30, 6))
    problem = make(sp.csr_array(X) if sparse else X, np.ones(30), Hinge(), L2(0.3), intercept)
    h = np.where(rng.random(30) < 0.4, rng.random(30), 0.0)
    g, r = rng.standard_normal(6), 0.2 if intercept else 0.0
    diagonal = rng.random(6) + 0.1
    d, s = gram_step(problem, h, diagonal, g, r)
    e, t = rows_step(problem, h, diagonal, g, r, 1e-12)
    np.testing.assert_allclose(e, d, rtol=1e-8, atol=1e-10)
    assert t == pytest.approx(s, abs=1e-9)
    residual = diagonal * d + X.T @ (h * (X @ d + s)) + g
    np.testing.assert_allclose(residual, 0.0, atol=1e-10)


def test_a_newton_system_without_curved_rows_is_a_step_down():
    problem = make(np.eye(3), np.ones(3), Hinge(), L2(0.5), True)
    g = np.array([1.0, -2.0, 0.5])
    for d, s in (gram_step(problem, np.zeros(3), 0.5, g, 1e-17), rows_step(problem, np.zeros(3), 0.5, g, 0.0, 0.1)):
        np.testing.assert_allclose(d, -2.0 * g)
        assert s == 0.0


def test_what_it_needs():
    problem = make(np.eye(2), [1.0, -1.0], Logistic(), L2(1.0), False)
    assert "prox" in AugmentedLagrangian().missing(problem.traits)
    assert AugmentedLagrangian().missing(make(np.eye(2), [1.0, -1.0], Hinge(), L2(1.0), False).traits) is None


@pytest.mark.parametrize("loss", LOSSES[:3], ids=repr)
@pytest.mark.parametrize("alpha", [1e-3, 0.05])
def test_an_l1_penalty_on_columns_from_a_millionth_to_a_million(loss, alpha):
    """Weights of the smallest columns would be huge before their penalty counts, and must not hide the others."""
    X, y = for_loss(loss, 3, n=200, d=8)
    X = X * np.logspace(-6, 6, 8)
    problem = make(X, y, loss, L1(alpha), True)
    out = fit(problem, 1e-6)
    assert out.certificate.status is Status.CERTIFIED, out.certificate.reason
    # in columns of size one the penalty differs from column to column
    size = np.logspace(-6, 6, 8)
    v, b = cp.Variable(8), cp.Variable()
    r = X / size @ v + b
    losses = {
        "hinge": lambda: cp.pos(1 - cp.multiply(y, r)),
        "absolute": lambda: cp.abs(r - y),
        "quantile": lambda: loss.q * cp.pos(y - r) + (1 - loss.q) * cp.pos(r - y),
    }
    program = cp.Problem(cp.Minimize(problem.p @ losses[loss.name]() + alpha * cp.norm1(cp.multiply(1.0 / size, v))))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        best = program.solve(solver=cp.CLARABEL)
    assert out.certificate.primal == pytest.approx(best, rel=5e-6)


@pytest.mark.parametrize("offset", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("penalty", [NoPenalty(), L1(1e-3)], ids=repr)
def test_the_spread_of_columns_far_from_zero(offset, penalty):
    """At 1e8 mean^2 and mean square agree in every digit: the variance has to be summed about the mean."""
    X, y = data(4, n=300, d=8, sign=True)
    out = fit(make(X + offset, y, Hinge(), penalty, True), 1e-4)
    assert out.certificate.passed, out.certificate.reason
    near = fit(make(X, y, Hinge(), penalty, True), 1e-6)
    assert out.certificate.primal == pytest.approx(near.certificate.primal, rel=2e-4)
    solver = AugmentedLagrangian()
    problem = make(np.column_stack([X + offset, np.full(300, 7.0)]), y, Hinge(), penalty, True)
    state = solver.start(problem, problem.start())
    solver.advance(state)
    np.testing.assert_allclose(state.moments[:8], X.var(axis=0), rtol=1e-3)
    assert 0.0 < state.moments[8] <= 1e-9
