"""Sample weights are exact: 0 is absent, k is k rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import clone

import steepest
from steepest.losses import Huber

MODELS = [
    steepest.LinearRegression(),
    steepest.Ridge(2.0),
    steepest.Lasso(0.05, tol=1e-12),
    steepest.ElasticNet(0.05, tol=1e-12),
    steepest.LogisticRegression(tol=1e-12),
    steepest.LogisticRegression(C=0.5, class_weight="balanced", tol=1e-12),
    steepest.LogisticRegression(l1_ratio=1.0, tol=1e-12),
    steepest.LinearClassifier("softmax", alpha=1e-2, tol=1e-12),
    steepest.LinearClassifier("squared_hinge", alpha=1e-2, class_weight={0: 2.0}, tol=1e-12),
    steepest.LinearRegressor(Huber(1.0), alpha=1e-2, tol=1e-12),
    steepest.LinearRegressor("poisson", alpha=1e-2, tol=1e-12),
]


@pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")  # tol is near rounding
@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{type(m).__name__}-{getattr(m, 'loss', '')}")
@pytest.mark.parametrize("sparse", [False, True])
def test_zero_is_absent_and_k_is_k_rows(model: Any, sparse: bool) -> None:
    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.integers(0, 3), min_size=24, max_size=24), st.integers(0, 10**6))
    def check(counts: list[int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(24, 3))
        s = np.array(counts)
        y = (X @ [1.0, -2.0, 0.5] + rng.normal(size=24) > 0).astype(int)
        if np.count_nonzero(s) < 6 or len(np.unique(y[s > 0])) < 2:
            return
        wrap = csr_array if sparse else np.asarray
        weighted = clone(model).fit(wrap(X), y, s)
        repeated = clone(model).fit(wrap(np.repeat(X, s, axis=0)), np.repeat(y, s))
        scale = max(1.0, float(np.abs(repeated.coef_).max()))
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=2e-5 * scale)
        np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=2e-5 * scale)
        assert weighted.certificate_.primal == pytest.approx(repeated.certificate_.primal, rel=1e-9, abs=1e-12)
        if isinstance(model, steepest.LinearRegression):
            assert weighted.rank_ == repeated.rank_
            np.testing.assert_allclose(weighted.sigma_, repeated.sigma_, rtol=1e-8, equal_nan=True)

    check()


def test_a_class_of_weight_zero_does_not_exist(class_data: Any) -> None:
    X, y = class_data(k=3)
    s = np.where(y == 1, 0.0, 1.0)
    model = steepest.LogisticRegression().fit(X, np.array(["a", "b", "c"])[y], s)
    np.testing.assert_array_equal(model.classes_, ["a", "c"])
    without = steepest.LogisticRegression().fit(X[y != 1], y[y != 1])
    np.testing.assert_allclose(model.coef_, without.coef_, atol=1e-6)


def test_absent_rows_may_be_extreme(class_data: Any) -> None:
    X, y = class_data()
    plain = steepest.LogisticRegression().fit(X, y)
    X, y = np.vstack([X, [[1e200] * 4]]), np.append(y, 1)
    weighted = steepest.LogisticRegression().fit(X, y, np.append(np.ones(len(y) - 1), 0.0))
    np.testing.assert_allclose(weighted.coef_, plain.coef_, atol=1e-3)


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_the_scale_of_weights_and_C_trade(class_data: Any, factor: float) -> None:
    X, y = class_data()
    plain = steepest.LogisticRegression(C=1.0, tol=1e-8).fit(X, y)
    scaled = steepest.LogisticRegression(C=1.0 / factor, tol=1e-8).fit(X, y, np.full(len(y), factor))
    np.testing.assert_allclose(plain.coef_, scaled.coef_, rtol=1e-9)


def test_balanced_is_that_of_scikit_learn(class_data: Any) -> None:
    from sklearn.linear_model import LogisticRegression

    for k in (2, 3):
        X, y = class_data(k=k)
        keep = (y != 1) | (np.arange(len(y)) % 4 == 0)
        X, y = X[keep], y[keep]
        for weight in ("balanced", {0: 3.0, 1: 0.5, 2: 1.0}, {1: 4.0}):
            ours = steepest.LogisticRegression(class_weight=weight, tol=1e-11).fit(X, y)
            theirs = LogisticRegression(class_weight=weight, tol=1e-12, solver="newton-cholesky").fit(X, y)
            np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)


def test_bad_weights_are_named(regression_data: Any) -> None:
    X, y = regression_data()
    with pytest.raises(ValueError, match="at least one non-zero"):
        steepest.Ridge().fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match=">= 0"):
        steepest.Ridge().fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match="only one class with a weight above zero: True"):
        steepest.LogisticRegression().fit(X, y > 0, (y > 0).astype(float))
