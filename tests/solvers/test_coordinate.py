"""Coordinate descent reaches the certified optimum of l1 and elastic-net problems, whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from coordinate_cases import correlated, fit, kkt, largest_l1, make, sparse_data
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.losses import Huber, Logistic, Poisson, Softmax, Squared, SquaredHinge
from steepest.penalties import L1, ElasticNet
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers import working_set
from steepest.solvers.coordinate import CoordinateDescent
from steepest.solvers.proximal import FISTA


@pytest.fixture
def rng():
    return np.random.default_rng(7)


MODES = ["gram", "columns"]

# ------------------------------------------------------------------------------ against other solvers


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("intercept", [False, True])
def test_squared_loss_against_scikit_learn(rng, mode, ratio, intercept):
    from sklearn.linear_model import ElasticNet as Reference

    X = correlated(rng, 80, 120) + (3.0 if intercept else 0.0)
    y = X[:, :6] @ rng.standard_normal(6) + rng.standard_normal(80) + 5.0 * intercept
    alpha = 0.1
    problem = make(X, y, penalty=ElasticNet(alpha, ratio), intercept=intercept)
    last, _ = fit(problem, tol=1e-10, solver=CoordinateDescent(mode=mode, first=20))
    other = Reference(alpha=alpha, l1_ratio=ratio, fit_intercept=intercept, tol=1e-12, max_iter=100_000).fit(X, y)
    reference = problem.evaluate(np.append(other.coef_, other.intercept_) if intercept else other.coef_)
    assert last.at.value == pytest.approx(reference.value, rel=1e-9)
    assert kkt(problem, last.at.w) <= 1e-3
    np.testing.assert_allclose(last.at.w, reference.w, atol=2e-4 * max(1.0, abs(reference.w).max()))


@pytest.mark.parametrize("sparse", [False, True])
def test_logistic_against_liblinear(rng, sparse):
    from sklearn.svm._liblinear import train_wrap

    X = correlated(rng, 300, 40)
    y = np.where(X[:, 0] - X[:, 1] + rng.standard_normal(300) > 0.0, 1.0, -1.0)
    raw, *_ = train_wrap(X, y, False, 6, 1e-10, -1.0, 1.0, np.ones(2), 100_000, 0, 0.1, np.ones(300))
    problem = make(sp.csr_array(X) if sparse else X, y, Logistic(), L1(1.0 / 300))
    last, _ = fit(problem, tol=1e-9)
    reference = problem.evaluate(np.abs(raw.ravel()) * np.sign(raw.ravel()))
    flipped = problem.evaluate(-raw.ravel())  # liblinear's sign depends on the order of the labels
    assert last.at.value == pytest.approx(min(reference.value, flipped.value), rel=1e-8)


@pytest.mark.parametrize("fraction", [0.5, 0.1, 0.02])
def test_lasso_against_celer(rng, fraction):
    celer = pytest.importorskip("celer")
    X, y = sparse_data(rng, 300, 1500)
    probe = make(X, y)
    alpha = fraction * largest_l1(probe)
    problem = make(X, y, penalty=L1(alpha))
    last, _ = fit(problem, tol=1e-10)
    other = celer.Lasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=1000).fit(sp.csc_matrix(X), y)
    reference = problem.evaluate(other.coef_).value
    assert last.at.value <= reference * (1.0 + 1e-9)
    assert last.bound.relative <= 1e-10
    assert last.at.value == pytest.approx(reference, rel=1e-7)


@pytest.mark.parametrize("loss", [Logistic(), Huber(1.0), Poisson(), SquaredHinge()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("ratio", [1.0, 0.3])
@pytest.mark.parametrize("intercept", [False, True])
def test_against_a_conic_solver(rng, loss, ratio, intercept):
    cp = pytest.importorskip("cvxpy")
    n, d = 60, 25
    X = rng.standard_normal((n, d))
    score = X[:, :3] @ np.array([1.0, -1.0, 0.5]) + 0.5 * intercept
    if loss.name in ("logistic", "squared_hinge"):
        y = np.where(score + rng.standard_normal(n) > 0.0, 1.0, -1.0)
    elif loss.name == "poisson":
        y = rng.poisson(np.exp(score)).astype(float)
    else:
        y = score + rng.standard_t(1.5, n)
    s = rng.integers(0, 4, n).astype(float)
    p = s / s.sum()
    penalty = ElasticNet(0.05, ratio)
    w, b = cp.Variable(d), cp.Variable()
    z = X @ w + (b if intercept else 0.0)
    terms = {
        "logistic": lambda: cp.logistic(-cp.multiply(y, z)),
        "huber": lambda: 0.5 * cp.huber(z - y, 1.0),
        "poisson": lambda: cp.exp(z) - cp.multiply(y, z),
        "squared_hinge": lambda: cp.square(cp.pos(1.0 - cp.multiply(y, z))),
    }[loss.name]()
    objective = p @ terms + penalty.l1 * cp.norm1(w) + 0.5 * penalty.l2 * cp.sum_squares(w)
    cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL)
    problem = make(X, y, loss, penalty, s, intercept)
    at = np.append(w.value, b.value) if intercept else w.value
    reference = problem.evaluate(np.asarray(at)).value
    last, _ = fit(problem, tol=1e-9)
    assert last.at.value <= reference + 1e-9
    assert last.at.value == pytest.approx(reference, rel=1e-6)
    assert kkt(problem, last.at.w) <= 1e-3


# -------------------------------------------------------------------------------- the same answer everywhere


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("intercept", [False, True])
def test_ways_and_forms_agree(rng, loss, intercept):
    X, y = sparse_data(rng, 400, 900, 0.03)
    if loss.name == "logistic":
        y = np.where(y > 0.0, 1.0, -1.0)
    values = []
    for form in (
        X,
        X.toarray(),
        X.toarray().astype(np.float32),
        sp.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape),
    ):
        for mode in MODES:
            problem = make(form, y, loss, L1(0.004), intercept=intercept, jobs=2)
            last, _ = fit(problem, tol=1e-8, solver=CoordinateDescent(mode=mode, first=50))
            assert last.bound.relative <= 1e-8
            exact = make(X, y, loss, L1(0.004), intercept=intercept)
            values.append(exact.evaluate(last.at.w).value)
    np.testing.assert_allclose(values, values[0], rtol=1e-6)


@pytest.mark.parametrize("intercept", [False, True])
def test_weights_are_repetition(rng, intercept):
    X, y = correlated(rng, 50, 30), np.where(rng.random(50) > 0.5, 1.0, -1.0)
    s = rng.integers(0, 4, 50)
    weighted, _ = fit(make(X, y, Logistic(), L1(0.02), s, intercept), tol=1e-11)
    repeated, _ = fit(make(np.repeat(X, s, axis=0), np.repeat(y, s), Logistic(), L1(0.02), None, intercept), tol=1e-11)
    assert weighted.at.value == pytest.approx(repeated.at.value, rel=1e-10)
    np.testing.assert_allclose(weighted.at.w, repeated.at.w, atol=1e-4)


def test_any_number_of_threads_gives_the_same_bits(rng):
    X, y = sparse_data(rng, 20_000, 600, 0.05)
    ends = [fit(make(X, np.sign(y), Logistic(), L1(0.001), jobs=jobs), tol=1e-6)[0].at.w for jobs in (1, 2, 3)]
    assert np.count_nonzero(ends[0]) > 5
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])


@given(
    st.integers(2, 25),
    st.integers(1, 25),
    st.integers(0, 10_000),
    st.booleans(),
    st.booleans(),
    st.floats(0.01, 1.2),
    st.sampled_from([1.0, 0.7]),
)
@settings(max_examples=60, deadline=None)
def test_random_problems_are_certified(n, d, seed, logistic, intercept, fraction, ratio):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, d)) * 10.0 ** rng.integers(-1, 2, d)  # repeated, constant and zero columns happen
    y = rng.standard_normal(n)
    loss = Squared()
    if logistic:
        loss, y = Logistic(), np.where(y > 0.0, 1.0, -1.0)
    s = rng.integers(0, 3, n).astype(float)
    s[0] = 1.0
    if logistic and intercept and len(np.unique(y[s > 0])) < 2:
        return  # one class and a free intercept: no minimiser
    top = largest_l1(make(X, y, loss, L1(1.0), s))
    if top < 1e-8:
        return
    problem = make(X, y, loss, ElasticNet(fraction * top, ratio), s, intercept)
    last, _ = fit(problem, tol=1e-8)
    assert last.bound.relative <= 1e-8
    other, _ = fit(problem, tol=1e-8, solver=CoordinateDescent(mode="columns"))
    assert other.at.value == pytest.approx(last.at.value, rel=1e-7, abs=1e-12)


# --------------------------------------------------------------------------------------- several scores


def classes(X, y, penalty, k, weights=None, intercept=False, loss=None):
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    return MulticlassProblem(as_source(X), y, weights / weights.sum(), loss or Softmax(), penalty, intercept, k)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("sparse", [False, True])
def test_softmax_agrees_with_fista(rng, mode, intercept, ratio, sparse):
    X = correlated(rng, 150, 12) + 1.0
    X[np.abs(X) < 0.5] = 0.0
    y = np.argmax(X[:, :4] + rng.standard_normal((150, 4)), axis=1)
    s = rng.integers(0, 3, 150)
    problem = classes(sp.csr_array(X) if sparse else X, y, ElasticNet(0.01, ratio), 4, s, intercept)
    last, _ = fit(problem, tol=1e-7, solver=CoordinateDescent(mode=mode))
    assert last.bound.relative <= 1e-7
    other, _ = fit(problem, tol=1e-6, solver=FISTA(), most=400)
    assert last.at.value == pytest.approx(other.at.value, rel=2e-6)
    assert last.at.value <= other.at.value * (1.0 + 1e-7)


@pytest.mark.parametrize("intercept", [False, True])
def test_softmax_with_working_sets(rng, intercept):
    X, _ = sparse_data(rng, 300, 1000, 0.03)
    y = np.argmax(X[:, :3] @ rng.standard_normal((3, 3)) * 5.0 + rng.standard_normal((300, 3)), axis=1)
    problem = classes(X, y, L1(0.006), 3, None, intercept)
    last, rounds = fit(problem, tol=1e-7, solver=CoordinateDescent(first=20))
    assert last.bound.relative <= 1e-7
    used = working_set.support(problem, last.at.w)
    assert 3 <= used.sum() < 300
    norms = np.sqrt(problem.source.moments(problem.p)[1])
    for r in rounds:
        assert not (working_set.screened(problem, r.at, norms) & used).any()
    dense, _ = fit(classes(X.toarray(), y, L1(0.006), 3, None, intercept), tol=1e-7)
    assert dense.at.value == pytest.approx(last.at.value, rel=2e-7)


def test_softmax_weights_are_repetition(rng):
    X = correlated(rng, 60, 10)
    y = rng.integers(0, 3, 60)
    s = rng.integers(0, 4, 60)
    a, _ = fit(classes(X, y, L1(0.01), 3, s, True), tol=1e-9)
    b, _ = fit(classes(np.repeat(X, s, axis=0), np.repeat(y, s), L1(0.01), 3, None, True), tol=1e-9)
    assert a.at.value == pytest.approx(b.at.value, rel=1e-8)


def test_softmax_of_two_classes_is_the_logistic_problem(rng):
    # with weights +w/2 and -w/2 the l1 norm of both classes together is that of w
    X = correlated(rng, 120, 8)
    y = (X[:, 0] + rng.standard_normal(120) > 0.0).astype(np.int64)
    two, _ = fit(classes(X, y, L1(0.02), 2), tol=1e-9)
    one, _ = fit(make(X, 2.0 * y - 1.0, Logistic(), L1(0.02)), tol=1e-9)
    assert two.at.value == pytest.approx(one.at.value, rel=1e-8)


def test_an_unknown_loss_of_several_scores_is_refused(rng):
    class Other(type(Softmax())):
        name = "other"

    problem = classes(rng.standard_normal((6, 2)), np.arange(6) % 3, L1(0.1), 3)
    problem.loss = Other()
    with pytest.raises(IncompatibleError, match=r"other.*fista"):
        CoordinateDescent().start(problem, problem.start())


# ------------------------------------------------------------------------------------------ awkward data


def test_all_zero_at_the_largest_strength(rng):
    X, y = sparse_data(rng, 100, 700)
    top = largest_l1(make(X, y))
    last, rounds = fit(make(X, y, penalty=L1(top)), tol=1e-10)
    assert len(rounds) == 1
    assert not last.at.w.any()
    last, _ = fit(make(X, y, penalty=L1(0.999 * top)), tol=1e-10)
    assert np.count_nonzero(last.at.w) == 1


def test_the_optimum_as_start_returns_at_once(rng):
    X, y = sparse_data(rng, 200, 800)
    problem = make(X, np.sign(y), Logistic(), L1(0.005))
    best, rounds = fit(problem, tol=1e-10)
    assert len(rounds) > 2
    again, rounds = fit(problem, tol=1e-9, w=best.at.w)
    assert len(rounds) == 1
    assert again.at.value == pytest.approx(best.at.value, rel=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_columns_repeated_constant_zero_and_of_any_scale(rng, mode):
    X = correlated(rng, 90, 12)
    c = 1e6 if mode == "gram" else 100.0
    X = np.hstack([X, X[:, :4], np.zeros((90, 2)), np.ones((90, 1)), c * X[:, 4:6], X[:, 6:8] / c])
    y = X[:, 0] + 2.0 * X[:, 5] + rng.standard_normal(90)
    problem = make(X, y, penalty=L1(0.05), intercept=False)
    last, _ = fit(problem, tol=1e-7, solver=CoordinateDescent(mode=mode))
    assert last.bound.relative <= 1e-7
    assert not last.at.w[16:18].any()
    start = rng.standard_normal(problem.size)  # a weight on a column of zeros only costs
    moved, _ = fit(problem, tol=1e-7, solver=CoordinateDescent(mode=mode), w=start)
    assert moved.at.value == pytest.approx(last.at.value, rel=1e-7)
    assert not moved.at.w[16:18].any()


def test_one_hot_groups_without_intercept(rng):
    # groups of columns that each sum to one: the matrix is singular in many directions
    codes = rng.integers(0, 8, (5000, 6))
    X = np.hstack([np.eye(8)[codes[:, j]] for j in range(6)])
    y = np.where(X @ rng.standard_normal(48) + rng.logistic(size=5000) > 0.0, 1.0, -1.0)
    last, rounds = fit(make(sp.csr_array(X), y, Logistic(), L1(1.0 / 5000)), tol=1e-9)
    assert last.bound.relative <= 1e-9
    assert len(rounds) < 20


def test_rare_and_separating_features(rng):
    # a feature that occurs in rows of one class only: its weight runs far, and the curvature vanishes
    n = 20_000
    X = sp.lil_array((rng.random((n, 200)) < 0.03).astype(float))
    X[: n // 2000, 0] = 1.0
    X = sp.csr_array(X)
    y = np.where(rng.random(n) < 0.05, 1.0, -1.0)
    y[: n // 2000] = 1.0
    last, _ = fit(make(X, y, Logistic(), L1(0.3 / n)), tol=1e-9, most=40)
    assert last.bound.relative <= 1e-9


def test_poisson_far_from_zero(rng):
    X = rng.standard_normal((200, 10))
    y = rng.poisson(np.exp(4.0 + X[:, 0])).astype(float)
    last, _ = fit(make(X, y, Poisson(), L1(0.01), intercept=True), tol=1e-9)
    assert last.bound.relative <= 1e-9


# --------------------------------------------------------------------------------------------- the parts
