"""The Gaussian view: noise estimate and predictions with a standard deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import steepest
from steepest.estimators import noise
from steepest.solvers import closed_form


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("intercept", [True, False])
def test_against_the_textbook(regression_data: Any, container: Any, intercept: bool) -> None:
    X, y = regression_data()
    s = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    model = steepest.LinearRegression(fit_intercept=intercept).fit(container(X), y, s)
    A = np.column_stack([X, np.ones(len(y))]) if intercept else X
    rows = np.repeat(np.arange(len(y)), s.astype(int))
    B, t = A[rows], y[rows]
    w, squares, rank, _ = np.linalg.lstsq(B, t, rcond=None)
    variance = squares[0] / (len(t) - rank)
    assert model.sigma_ == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert model.rank_ == 5
    mean, std = model.predict(container(X), return_std=True)
    np.testing.assert_allclose(mean, A @ w, rtol=1e-8)
    own = np.einsum("ij,jk,ik->i", A, np.linalg.inv(B.T @ B), A)
    np.testing.assert_allclose(std, np.sqrt(variance * (1.0 + own)), rtol=1e-8)
    np.testing.assert_array_equal(model.predict(container(X)), mean)


def test_intervals_cover() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        X = rng.normal(size=(15, 3))
        y = X @ [1.0, 2.0, 3.0] + rng.normal(size=15)
        x = rng.normal(size=(1, 3))
        mean, std = steepest.LinearRegression().fit(X, y).predict(x, return_std=True)
        inside.append(abs(x[0] @ [1.0, 2.0, 3.0] + rng.normal() - mean[0]) <= 2.2010 * std[0])  # t, 11 degrees, 95 %
    assert 0.89 <= np.mean(inside) <= 0.99


def test_rank_deficient_rows(regression_data: Any) -> None:
    X, y = regression_data()
    plain = steepest.LinearRegression().fit(X, y)
    doubled = steepest.LinearRegression().fit(np.column_stack([X, X[:, 0], np.ones(60)]), y)
    assert doubled.rank_ == plain.rank_ == 5
    assert doubled.sigma_ == pytest.approx(plain.sigma_, rel=1e-8)
    wide = np.column_stack([X, X[:, 0], np.ones(60)])
    np.testing.assert_allclose(
        doubled.predict(wide, return_std=True)[1], plain.predict(X, return_std=True)[1], rtol=1e-6
    )


def test_several_targets(regression_data: Any) -> None:
    X, y = regression_data()
    model = steepest.LinearRegression().fit(X, np.column_stack([y, 3.0 * y]))
    single = steepest.LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.sigma_, [single.sigma_, 3.0 * single.sigma_])
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == (60, 2)
    np.testing.assert_allclose(std[:, 1], 3.0 * single.predict(X, return_std=True)[1])


@pytest.mark.parametrize("shape", [(60, 5), (20, 4), (12, 11)])
def test_any_solver_gives_the_same_noise(regression_data: Any, shape: tuple[int, int]) -> None:
    X, y = regression_data(*shape)
    X = np.column_stack([X, X[:, 0]])
    direct = steepest.LinearRegression().fit(X, y)
    indirect = steepest.LinearRegression(solver="newton-cg", tol=1e-12, on_unconverged="ignore").fit(X, y)
    assert indirect.rank_ == direct.rank_ == min(shape[1], shape[0] - 1)
    np.testing.assert_allclose(indirect.sigma_, direct.sigma_, rtol=1e-5)
    if not np.isnan(direct.sigma_):
        np.testing.assert_allclose(
            indirect.predict(X, return_std=True)[1], direct.predict(X, return_std=True)[1], rtol=1e-5
        )


def test_targets_share_one_factorisation(regression_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    factored = []
    make = closed_form.ridge_system
    monkeypatch.setattr(closed_form, "ridge_system", lambda *given: factored.append(1) or make(*given))
    X, y = regression_data()
    one = steepest.LinearRegression().fit(X, y).fit_record_.passes
    many = steepest.LinearRegression().fit(X, np.column_stack([y * k for k in range(1, 9)])).fit_record_.passes
    assert len(factored) == 2  # one a fit
    assert many <= 8 * one


def test_no_degrees_of_freedom_are_said() -> None:
    X = np.random.default_rng(0).normal(size=(5, 8))
    model = steepest.LinearRegression().fit(X, np.arange(5.0))
    assert np.isnan(model.sigma_)
    with pytest.raises(ValueError, match="no degrees of freedom"):
        model.predict(X, return_std=True)


def test_too_many_features_are_said(regression_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = regression_data()
    expected = steepest.LinearRegression().fit(X, y).sigma_
    monkeypatch.setattr(noise, "LARGEST", 4)
    model = steepest.LinearRegression().fit(X, y)
    assert model.sigma_ == pytest.approx(expected)
    with pytest.raises(ValueError, match="Use sigma_"):
        model.predict(X, return_std=True)
