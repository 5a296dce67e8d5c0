"""Coefficients are scikit-learn's, to the accuracy that the certificate implies.

With strong convexity l2 in the weights, ``l2/2 |w - w*|^2 <= P(w) - P* <= value of the certificate``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as theirs
from scipy.sparse import csr_array

import steepest


def distance(model: Any, reference: Any) -> float:
    return float(np.linalg.norm(np.ravel(model.coef_) - np.ravel(reference.coef_)))


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("tol", [1e-3, 1e-10])
def test_logistic_l2(class_data: Any, container: Any, intercept: bool, C: float, k: int, tol: float) -> None:
    X, y = class_data(n=120, k=k)
    model = steepest.LogisticRegression(C=C, fit_intercept=intercept, tol=tol, on_unconverged="raise")
    model.fit(container(X), y)
    reference = theirs.LogisticRegression(
        C=C, fit_intercept=intercept, tol=1e-12, max_iter=10_000, solver="newton-cholesky"
    ).fit(X, y)
    l2 = 1.0 / (C * len(X))
    radius = math.sqrt(2.0 * model.certificate_.value / l2)
    assert distance(model, reference) <= radius + 1e-7
    assert model.coef_.shape == reference.coef_.shape
    assert model.intercept_.shape == reference.intercept_.shape
    if tol < 1e-6:
        np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-4)
        # a shift common to all intercepts of a softmax changes nothing
        own = model.intercept_ - (model.intercept_.mean() if k > 2 else 0.0)
        other = reference.intercept_ - (reference.intercept_.mean() if k > 2 else 0.0)
        np.testing.assert_allclose(own, other, atol=1e-3)
        np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-4)
        np.testing.assert_allclose(model.predict_log_proba(X), reference.predict_log_proba(X), atol=1e-3)
        np.testing.assert_array_equal(model.predict(X), reference.predict(X))
        assert model.score(X, y) == reference.score(X, y)


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize("C", [0.1, 5.0])
@pytest.mark.parametrize("k", [2, 3])
def test_logistic_l1(class_data: Any, l1_ratio: float, C: float, k: int) -> None:
    X, y = class_data(n=120, d=8, k=k)
    model = steepest.LogisticRegression(C=C, l1_ratio=l1_ratio, tol=1e-7, on_unconverged="raise").fit(X, y)
    reference = theirs.LogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-10, max_iter=200_000).fit(X, y)

    def objective(fitted: Any) -> float:
        logs = fitted.predict_log_proba(X)[np.arange(len(y)), y]
        w = fitted.coef_
        penalty = l1_ratio * np.abs(w).sum() + 0.5 * (1 - l1_ratio) * (w**2).sum()
        return float(-logs.mean() + penalty / (C * len(y)))

    assert objective(model) == pytest.approx(model.certificate_.primal, rel=1e-12)
    assert model.certificate_.dual <= objective(reference)
    assert objective(model) <= objective(reference) * (1 + 1e-7)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=5e-3)


def test_logistic_without_penalty(class_data: Any) -> None:
    X, y = class_data(n=300)
    model = steepest.LogisticRegression(C=np.inf, tol=1e-8, on_unconverged="raise").fit(X, y)
    reference = theirs.LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-3)
    np.testing.assert_allclose(model.intercept_, reference.intercept_, rtol=1e-3)


def test_the_older_spelling_with_penalty(class_data: Any) -> None:
    X, y = class_data()
    for penalty, ratio, C in (("l2", 0.0, 0.5), ("l1", 1.0, 0.5), ("elasticnet", 0.4, 0.5)):
        old = steepest.LogisticRegression(penalty, C=C, l1_ratio=0.4 if penalty == "elasticnet" else 0.0).fit(X, y)
        new = steepest.LogisticRegression(C=C, l1_ratio=ratio).fit(X, y)
        np.testing.assert_array_equal(old.coef_, new.coef_)
    none = steepest.LogisticRegression(None).fit(X, y)
    np.testing.assert_array_equal(none.coef_, steepest.LogisticRegression(C=np.inf).fit(X, y).coef_)
    with pytest.warns(UserWarning, match="ignores C"):
        steepest.LogisticRegression(None, C=2.0).fit(X, y)
    with pytest.warns(UserWarning, match="overrides l1_ratio"):
        steepest.LogisticRegression("l2", l1_ratio=0.5).fit(X, y)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "liblinear", "sag", "saga"])
def test_scikit_learns_solver_names(class_data: Any, solver: str) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression(solver=solver, tol=1e-10, on_unconverged="raise").fit(X, y)
    reference = steepest.LogisticRegression(tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-4)
    assert model.fit_record_.solver["name"]
    assert model.fit_record_.parameters["solver"] == solver
    if solver in ("liblinear", "sag", "saga"):
        assert any(solver in note for note in model.fit_record_.solver["notes"])


@pytest.mark.parametrize("solver", ["auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"])
def test_ridge_solver_names(regression_data: Any, solver: str) -> None:
    X, y = regression_data()
    model = steepest.Ridge(solver=solver, tol=1e-10, on_unconverged="raise").fit(X, y)
    reference = theirs.Ridge().fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-4)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("shape", [(60, 5), (10, 30)])
def test_least_squares_and_ridge(
    regression_data: Any, container: Any, intercept: bool, weighted: bool, shape: tuple[int, int]
) -> None:
    X, y = regression_data(*shape)
    s = np.random.default_rng(1).uniform(0.1, 3.0, len(y)) if weighted else None
    for own, other in (
        (
            steepest.LinearRegression(fit_intercept=intercept, on_unconverged="raise"),
            theirs.LinearRegression(fit_intercept=intercept),
        ),
        (
            steepest.Ridge(0.7, fit_intercept=intercept, on_unconverged="raise"),
            theirs.Ridge(0.7, fit_intercept=intercept, solver="cholesky"),
        ),
    ):
        own.fit(container(X), y, s)
        other.fit(X, y, s)
        np.testing.assert_allclose(own.coef_, other.coef_, atol=1e-8)
        np.testing.assert_allclose(own.intercept_, other.intercept_, atol=1e-8)
        assert own.coef_.shape == (shape[1],)
        assert isinstance(own.intercept_, float)
        np.testing.assert_allclose(own.predict(X), other.predict(X), atol=1e-8)


def test_several_targets(regression_data: Any) -> None:
    X, y = regression_data()
    Y = np.column_stack([y, -2.0 * y + X[:, 0], np.sin(y)])
    for own, other in (
        (steepest.LinearRegression(), theirs.LinearRegression()),
        (steepest.Ridge(3.0), theirs.Ridge(3.0)),
        (steepest.Ridge([0.1, 1.0, 10.0]), theirs.Ridge([0.1, 1.0, 10.0])),
    ):
        own.fit(X, Y)
        other.fit(X, Y)
        np.testing.assert_allclose(own.coef_, other.coef_, atol=1e-9)
        np.testing.assert_allclose(own.intercept_, other.intercept_, atol=1e-9)
        assert own.predict(X).shape == (60, 3)
        assert own.certificate_.passed
        assert len(own.certificate_.evidence["outputs"]) == 3
        assert own.score(X, Y) == pytest.approx(other.score(X, Y))
    with pytest.raises(ValueError, match="one for each of the 3 targets, got 2"):
        steepest.Ridge([1.0, 2.0]).fit(X, Y)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("shape", [(60, 5), (20, 50)])
def test_lasso_and_elastic_net(
    regression_data: Any, container: Any, intercept: bool, l1_ratio: float, shape: tuple[int, int]
) -> None:
    X, y = regression_data(*shape)
    s = np.random.default_rng(1).uniform(0.1, 3.0, len(y))
    alpha = 0.1
    own = steepest.ElasticNet(alpha, l1_ratio=l1_ratio, fit_intercept=intercept, tol=1e-8, on_unconverged="raise")
    own.fit(container(X), y, s)
    if l1_ratio == 0.0:  # coordinate descent of scikit-learn is no reference here, by its own warning
        other = theirs.Ridge(alpha * s.sum(), fit_intercept=intercept)
    else:
        other = theirs.ElasticNet(alpha, l1_ratio=l1_ratio, fit_intercept=intercept, tol=1e-13, max_iter=500_000)
    other.fit(X, y, s)
    np.testing.assert_allclose(own.coef_, other.coef_, atol=1e-4)
    np.testing.assert_allclose(own.intercept_, other.intercept_, atol=1e-3)
    assert 0.0 <= own.dual_gap_ <= 1.1e-8 * own.certificate_.primal
    np.testing.assert_array_equal(own.sparse_coef_.toarray()[0], own.coef_)
    if l1_ratio == 1.0:
        lasso = steepest.Lasso(alpha, fit_intercept=intercept, tol=1e-8).fit(container(X), y, s)
        np.testing.assert_array_equal(lasso.coef_, own.coef_)


def test_lasso_accepts_what_only_steers_scikit_learns_solver(regression_data: Any) -> None:
    X, y = regression_data()
    plain = steepest.Lasso(0.1).fit(X, y)
    steered = steepest.Lasso(0.1, precompute=X.T @ X, selection="random", random_state=3, copy_X=False).fit(X, y)
    np.testing.assert_array_equal(plain.coef_, steered.coef_)
