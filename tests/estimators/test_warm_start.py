"""Warm starts that pay: a start that is still optimal is certified and returned, before any matrix is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV

import steepest
from steepest.exceptions import DataError, InvalidParameterError

MODELS = [
    steepest.LogisticRegression(),
    steepest.LogisticRegression(C=0.2, l1_ratio=1.0),
    steepest.LinearClassifier("hinge", alpha=1e-2),
    steepest.LinearClassifier("softmax", alpha=1e-2),
    steepest.LinearRegressor("quantile", alpha=1e-2),
    steepest.LinearRegressor("huber", alpha=1e-2),
    steepest.Ridge(),
    steepest.Lasso(0.05),
    steepest.ElasticNet(0.05),
    steepest.LinearRegressor("squared", alpha=1e-2, solver="closed_form"),
    *(
        steepest.LinearClassifier("logistic", alpha=1e-2, solver=solver)
        for solver in ("lbfgs", "bfgs", "newton-cg", "newton-cholesky", "gradient_descent", "fista", "coordinate")
    ),
    steepest.LinearClassifier("logistic", alpha=1e-1, solver="dual_coordinate", fit_intercept=False),
    steepest.LinearClassifier("hinge", alpha=1e-1, solver="dual_coordinate", fit_intercept=False),
]


def rows(model: Any, n: int = 200, d: int = 8, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = X @ np.linspace(-1.0, 1.0, d) + rng.normal(size=n)
    return X, (y > 0).astype(int) if is_classifier(model) else y


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{type(m).__name__}-{getattr(m, 'loss', '')}-{m.solver}")
def test_a_start_at_the_optimum_costs_at_most_three_passes(model: Any, container: Any) -> None:
    X, y = rows(model)
    X = container(X)
    model = clone(model).set_params(warm_start=True, tol=1e-6).fit(X, y)
    coef = np.copy(model.coef_)
    assert model.certificate_.passed
    model.set_params(tol=1e-5).fit(X, y)
    assert model.certificate_.passed
    assert np.sum(model.n_iter_) == 0
    assert model.fit_record_.passes <= 3.0
    assert len(model.history_) == 1
    assert model.history_["objective"][-1] == pytest.approx(model.certificate_.primal, rel=1e-9)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9, atol=1e-12)


def test_the_closed_form_builds_no_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    from steepest.solvers import closed_form

    X, y = rows(steepest.Ridge())
    model = steepest.Ridge(warm_start=True).fit(X, y)
    monkeypatch.setattr(closed_form, "ridge_system", None)  # a call would fail
    model.fit(X, y)
    assert any("certified as it is" in note for note in model.fit_record_.solver["notes"])
    with pytest.raises(TypeError):
        model.fit(X, y + X[:, 0])


def test_a_multiplier_of_other_rows_proves_nothing_false() -> None:
    X, y = rows(steepest.LogisticRegression())
    model = steepest.LinearClassifier("hinge", alpha=1e-2, warm_start=True).fit(X, y)
    other = 1 - y
    model.fit(X, other)  # as many rows, so the old multipliers are tried
    cold = steepest.LinearClassifier("hinge", alpha=1e-2).fit(X, other)
    assert np.sum(model.n_iter_) > 0
    assert model.certificate_.dual <= cold.certificate_.primal
    assert cold.certificate_.dual <= model.certificate_.primal
    model.fit(X[:150], other[:150])
    assert model.certificate_.passed


@pytest.mark.parametrize(
    ("model", "near"),
    [
        (steepest.Lasso(0.05), {"alpha": 0.045}),
        (steepest.LogisticRegression(C=1.0, solver="gradient_descent"), {"C": 1.2}),
        (steepest.LogisticRegression(C=1.0, solver="lbfgs"), {"C": 1.2}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_start_nearby_saves_rounds(model: Any, near: dict[str, float]) -> None:
    X, y = rows(model, n=2000, d=40)
    X = X * np.linspace(0.2, 3.0, 40)
    warm = clone(model).set_params(warm_start=True, tol=1e-8).fit(X, y)
    warm.set_params(**near).fit(X, y)
    cold = clone(model).set_params(tol=1e-8, **near).fit(X, y)
    assert warm.certificate_.passed
    assert warm.fit_record_.passes < cold.fit_record_.passes
    assert warm.certificate_.dual <= cold.certificate_.primal


def test_other_shapes_and_classes_begin_anew_and_say_so() -> None:
    X, y = rows(steepest.LogisticRegression())
    cases = [(X[:, :3], y), (X, y + 5), (X, np.arange(len(y)) % 3)]
    for other_X, other_y in cases:
        model = steepest.LogisticRegression(warm_start=True).fit(X, y).fit(other_X, other_y)
        assert any("a cold start" in note for note in model.fit_record_.solver["notes"])
        plain = steepest.LogisticRegression().fit(other_X, other_y)
        np.testing.assert_array_equal(model.coef_, plain.coef_)
    same = steepest.LogisticRegression(warm_start=True).fit(X, y).fit(X, y)
    assert not any("cold start" in note for note in same.fit_record_.solver["notes"])


@pytest.mark.parametrize("intercept", [True, False])
def test_given_coefficients(intercept: bool) -> None:
    for model in (
        steepest.LogisticRegression(tol=1e-6, fit_intercept=intercept),
        steepest.Ridge(tol=1e-6, fit_intercept=intercept),
    ):
        X, y = rows(model)
        first = clone(model).fit(X, y)
        again = clone(model).set_params(tol=1e-5).fit(X, y, coef_init=first.coef_, intercept_init=first.intercept_)
        assert np.sum(again.n_iter_) == 0
        np.testing.assert_allclose(again.coef_, first.coef_, rtol=1e-9)
    X, y = rows(steepest.LogisticRegression())
    labels = np.arange(len(y)) % 3
    softmax = steepest.LogisticRegression(tol=1e-6).fit(X, labels)
    again = steepest.LogisticRegression(tol=1e-5)
    again.fit(X, labels, coef_init=csr_array(softmax.coef_), intercept_init=softmax.intercept_)
    assert again.n_iter_.tolist() == [0]
    for arguments, words in (
        ({"coef_init": np.zeros(3)}, r"coef_init: expected shape \(1, 8\), got \(3,\)"),
        ({"intercept_init": np.zeros(2)}, r"intercept_init: expected shape \(1,\), got \(2,\)"),
        ({"coef_init": np.full(8, np.nan)}, "finite"),
    ):
        with pytest.raises(DataError, match=words):
            steepest.LogisticRegression().fit(X, y, **arguments)


def test_an_unknown_solver_is_named_even_where_the_start_is_optimal() -> None:
    X, y = rows(steepest.Ridge())
    model = steepest.Ridge(warm_start=True).fit(X, y)
    with pytest.raises(InvalidParameterError, match="Did you mean 'closed_form'"):
        model.set_params(solver="closed-form").fit(X, y)


def test_validation_of_a_start_that_is_accepted() -> None:
    X, y = rows(steepest.Ridge())
    X_val, y_val = rows(steepest.Ridge(), seed=1)
    model = steepest.Ridge(warm_start=True).fit(X, y)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    expected = 0.5 * np.mean((model.predict(X_val) - y_val) ** 2)
    assert model.history_["validation_loss"].tolist() == pytest.approx([expected])
    assert model.fit_record_.data["validation"]["best"] == pytest.approx(expected)


def test_clones_keep_nothing_of_the_last_fit() -> None:
    X, y = rows(steepest.LogisticRegression())
    model = steepest.LinearClassifier("hinge", alpha=1e-2, warm_start=True).fit(X, y)
    copied = clone(model)
    assert not hasattr(copied, "_duals")
    search = GridSearchCV(copied, {"alpha": [1e-2, 1e-1]}, cv=3, error_score="raise").fit(X, y)
    assert search.best_estimator_.certificate_.passed
