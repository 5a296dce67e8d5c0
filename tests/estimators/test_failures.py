"""Cases in which other tools crashed, hung, or returned a wrong result in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.linear_model import Ridge as TheirRidge

import steepest
from steepest.estimators.warnings import ConvergenceWarning
from steepest.protocols import Status


def test_two_rows_of_1e24_without_penalty() -> None:
    with pytest.warns(ConvergenceWarning, match="no minimiser"):
        model = steepest.LogisticRegression(C=np.inf).fit([[-1e24], [1e24]], [0, 1])
    assert model.certificate_.status is Status.ILL_POSED
    np.testing.assert_array_equal(model.predict([[-1e24], [1e24]]), [0, 1])


def test_the_log_link_with_a_column_of_thousands() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.uniform(0, 3e3, 300)])
    y = rng.poisson(np.exp(0.5 * X[:, 0] + 1e-3 * X[:, 1]))
    model = steepest.LinearRegressor("poisson", alpha=1e-6, tol=1e-8, on_unconverged="raise").fit(X, y)
    np.testing.assert_allclose(model.coef_, [0.5, 1e-3], rtol=0.1)
    assert (model.predict(X) > 0).all()
    assert np.isfinite(model.predict(1e6 * X)).all()


@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_margins_of_thousands(loss: str) -> None:
    X = np.array([[-1000.0], [-900.0], [900.0], [1000.0]])
    model = steepest.LinearClassifier(loss, alpha=1e-8, on_unconverged="raise").fit(X, [0, 0, 1, 1])
    wide = model.predict_proba(1e3 * X)
    assert np.isfinite(wide).all()
    np.testing.assert_allclose(wide.sum(axis=1), 1.0)
    assert np.isfinite(model.predict_log_proba(1e3 * X)).all()


def test_a_huge_intercept_scaling_is_no_matter() -> None:
    X, y = load_iris(return_X_y=True)
    plain = steepest.LogisticRegression().fit(X, y)
    scaled = steepest.LogisticRegression(solver="liblinear", intercept_scaling=1e78, dual=True).fit(X, y)
    np.testing.assert_array_equal(plain.coef_, scaled.coef_)
    notes = " ".join(scaled.fit_record_.solver["notes"])
    assert "intercept_scaling" in notes
    assert "dual" in notes


@pytest.mark.parametrize("seed", [0, 6])
@pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")
def test_an_l1_path_to_no_penalty(seed: int) -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[y != 2], y[y != 2]
    X = (X - X.mean(0)) / X.std(0)
    model = steepest.LogisticRegression(l1_ratio=1.0, warm_start=True, random_state=seed, max_time=20.0)
    before = np.inf
    for C in np.logspace(-2, 10, 9):
        model.set_params(C=C).fit(X, y)
        assert np.isfinite(model.coef_).all()
        total = model.certificate_.primal - np.abs(model.coef_).sum() / (C * len(y))
        assert total <= before + 1e-6  # the loss falls along the path
        before = total
        if C < 1e5:
            assert model.certificate_.passed


def test_unscaled_one_hot_data_reach_the_optimum() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    groups = rng.integers(0, 8, n)
    X = np.column_stack([np.eye(8)[groups], rng.uniform(0, 1e5, n), rng.uniform(0, 90, n)])
    y = (rng.random(n) < 1 / (1 + np.exp(-(groups - 4 + 3e-5 * X[:, 8] - 1.5)))).astype(int)
    model = steepest.LogisticRegression(tol=1e-8, on_unconverged="raise").fit(X, y)
    scaled = X / np.r_[np.ones(8), 1e5, 90.0]
    reference = Theirs(C=np.inf, tol=1e-10, max_iter=10_000).fit(scaled, y)
    assert model.score(X, y) >= reference.score(scaled, y) - 0.01


def test_columns_of_very_different_scale_and_offset() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 10))
    y = (X @ rng.normal(size=10) + rng.normal(size=300) > 0).astype(int)
    X[:, 1] += 1e4
    X[:, 0] *= 1e4
    model = steepest.LogisticRegression(tol=1e-6, on_unconverged="raise").fit(X, y)
    # the same function in coordinates where it is harmless: x0 = 1e4 u0, and an offset is the intercept's
    sign = np.where(y == 1, 1.0, -1.0)
    near = np.column_stack([X[:, 0] / 1e4, X[:, 1] - 1e4, X[:, 2:], np.ones(300)])
    strength = np.r_[1e-8, np.ones(9), 0.0] / 300

    def objective(v: Any) -> tuple[float, Any]:
        z = sign * (near @ v)
        value = np.logaddexp(0.0, -z).mean() + 0.5 * strength @ v**2
        return float(value), near.T @ (-sign / (1.0 + np.exp(z))) / 300 + strength * v

    best = minimize(objective, np.zeros(11), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 10_000})
    assert model.certificate_.primal == pytest.approx(best.fun, rel=1e-5)
    assert model.certificate_.dual <= best.fun


def test_many_noise_features_and_a_tiny_tol() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 1000)), rng.integers(0, 2, 100)
    model = steepest.LogisticRegression(tol=1e-10, on_unconverged="raise").fit(X, y)
    assert model.certificate_.relative <= 1e-10
    z = model.decision_function(X)
    sign = np.where(y == 1, 1.0, -1.0)
    gradient = X.T @ (-sign / (1.0 + np.exp(sign * z))) / 100 + model.coef_[0] / 100
    assert np.linalg.norm(gradient) < 1e-5


def test_large_weights_and_a_weak_penalty(class_data: Any) -> None:
    X, y = class_data(n=300)
    s = np.random.default_rng(0).uniform(1e3, 1e6, 300)
    model = steepest.LogisticRegression(C=1e3, tol=1e-6, on_unconverged="raise").fit(X, y, s)
    reference = Theirs(C=1e3, solver="newton-cholesky", tol=1e-14).fit(X, y, s)
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-2)


@pytest.mark.parametrize("make", [sp.csr_array, sp.bsr_array, sp.csc_array])
def test_sparse_counts_are_as_good_as_dense_ones(make: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.poisson(0.1, size=(100, 1000)).astype(float)
    y = rng.integers(0, 2, 100)
    dense = steepest.LogisticRegression(tol=1e-9).fit(X, y)
    sparse = steepest.LogisticRegression(tol=1e-9).fit(make(X), y)
    assert sparse.certificate_.primal == pytest.approx(dense.certificate_.primal, rel=1e-8)
    np.testing.assert_allclose(sparse.coef_, dense.coef_, atol=1e-3)


def test_indices_of_64_bits() -> None:
    rng = np.random.default_rng(0)
    X = sp.random_array((200, 500), density=0.05, rng=rng, format="csr")
    y = rng.integers(0, 2, 200)
    wide = X.copy()
    wide.indices, wide.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    assert wide.indices.dtype == np.int64
    one, other = (steepest.LogisticRegression().fit(given, y) for given in (X, wide))
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(one.predict(wide), other.predict(X))


def test_read_only_data_in_worker_processes(class_data: Any, tmp_path: Any) -> None:
    from joblib import Parallel, delayed

    X, y = class_data(n=3000)
    expected = steepest.LogisticRegression().fit(X, y).coef_
    found = Parallel(n_jobs=2, max_nbytes=1000, temp_folder=tmp_path)(
        delayed(steepest.LogisticRegression().fit)(X, y) for _ in range(2)
    )
    for model in found:
        np.testing.assert_array_equal(model.coef_, expected)


def test_one_class_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="only one class: 'spam'"):
        steepest.LogisticRegression().fit(np.ones((3, 1)), ["spam"] * 3)


@pytest.mark.parametrize("cls", ["LinearRegression", "Ridge", "Lasso", "ElasticNet", "LinearRegressor"])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant_target(cls: str, value: float) -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    model = getattr(steepest, cls)(on_unconverged="raise").fit(X, np.full(30, value))
    np.testing.assert_allclose(model.coef_, 0.0, atol=1e-10)
    np.testing.assert_allclose(model.intercept_, value, atol=1e-10)
    assert model.certificate_.passed


@pytest.mark.parametrize("tol", [0.0, 1e-4])
def test_no_warning_where_the_gap_is_zero(tol: float) -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    model = steepest.Lasso(1.0, tol=tol, on_unconverged="raise").fit(X, np.zeros(30))
    assert model.dual_gap_ == 0.0


def test_features_far_from_zero_have_the_right_intercept() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) + 1e3
    y = (X.sum(axis=1) - 3e3 + rng.normal(size=400) > 0).astype(int)
    far = steepest.LogisticRegression(tol=1e-10, on_unconverged="raise").fit(X, y)
    near = steepest.LogisticRegression(tol=1e-10, on_unconverged="raise").fit(X - 1e3, y)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-4)
    np.testing.assert_allclose(far.intercept_, near.intercept_ - 1e3 * near.coef_.sum(), rtol=1e-4)
    target = X @ [1.0, -1.0, 2.0] + 5.0 + rng.normal(size=400)
    ours, theirs = steepest.Ridge().fit(X, target), TheirRidge().fit(X, target)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6)


def test_ten_thousand_columns_and_few_rows() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 10_000)), rng.normal(size=50)
    for model in (steepest.Ridge(), steepest.Lasso(0.1), steepest.LinearRegression()):
        model.set_params(on_unconverged="raise", max_time=30.0).fit(X, y)
        assert model.certificate_.passed


@pytest.mark.parametrize("cls", ["Ridge", "LinearRegression", "Lasso"])
def test_float32_without_warnings(regression_data: Any, cls: str) -> None:
    X, y = regression_data()
    single = getattr(steepest, cls)(on_unconverged="raise").fit(X.astype(np.float32), y.astype(np.float32))
    double = getattr(steepest, cls)().fit(X, y)
    np.testing.assert_allclose(single.coef_, double.coef_, atol=1e-4)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky"])
def test_rounding_at_the_optimum_is_no_failure(class_data: Any, solver: str) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression(solver=solver, tol=1e-12, on_unconverged="raise").fit(X, y)
    assert model.certificate_.status is Status.CERTIFIED


def test_separable_without_penalty_names_the_direction() -> None:
    X = np.array([[0.0, 1.0], [1.0, 0.0], [5.0, 6.0], [6.0, 5.0]])
    with pytest.warns(ConvergenceWarning, match="[Aa]dd a penalty"):
        model = steepest.LogisticRegression(C=np.inf).fit(X, [0, 0, 1, 1])
    assert model.certificate_.status is Status.ILL_POSED
    assert model.certificate_.evidence
    assert steepest.LogisticRegression(C=1e6).fit(X, [0, 0, 1, 1]).certificate_.passed


@pytest.mark.parametrize("cls", ["LogisticRegression", "LinearRegression", "Ridge", "Lasso"])
def test_duplicate_and_constant_columns(class_data: Any, cls: str) -> None:
    X, y = class_data()
    X = np.column_stack([X, X[:, 0], np.ones(len(y)), np.zeros(len(y))])
    model = getattr(steepest, cls)(**({"alpha": 0.01} if cls == "Lasso" else {}), on_unconverged="raise").fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert np.ravel(model.coef_)[-1] == 0.0
