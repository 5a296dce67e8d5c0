"""Regularisation paths: every point is what a fit finds, certified, from the strength at which weights vanish."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import lasso_path

from steepest import (
    ElasticNet,
    Lasso,
    LinearClassifier,
    LinearRegression,
    LinearRegressor,
    LogisticRegression,
    Ridge,
    load,
    regularization_path,
    save,
)
from steepest.estimators.path_setup import prepare
from steepest.estimators.warnings import ConvergenceWarning
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses import Huber

RNG = np.random.default_rng(3)
N, D = 120, 9
X = RNG.normal(size=(N, D)) + 1.0
Y = X @ np.where(np.arange(D) < 4, RNG.normal(size=D), 0.0) + RNG.normal(size=N)
TWO = (np.median(Y) < Y).astype(int)
THREE = np.array(["a", "b", "c"])[np.digitize(Y, np.quantile(Y, [0.3, 0.6]))]
MANY = np.c_[Y, RNG.normal(size=N)]
WEIGHTS = RNG.integers(1, 4, N).astype(float)

CASES = {
    "lasso": (Lasso(), Y),
    "elastic net": (ElasticNet(l1_ratio=0.3), Y),
    "two targets": (ElasticNet(), MANY),
    "ridge": (Ridge(), Y),
    "ridge, two targets": (Ridge(), MANY),
    "no intercept": (Lasso(fit_intercept=False), Y),
    "logistic l2": (LogisticRegression(), TWO),
    "logistic l1": (LogisticRegression(l1_ratio=1.0), TWO),
    "softmax l2": (LogisticRegression(), THREE),
    "softmax elastic net": (LogisticRegression(l1_ratio=0.5), THREE),
    "one against the rest": (LinearClassifier("squared_hinge"), THREE),
    "hinge": (LinearClassifier("hinge"), TWO),
    "huber l1": (LinearRegressor(Huber(1.0), penalty="l1"), Y),
    "poisson": (LinearRegressor("poisson"), np.abs(Y)),
    "named solver": (LogisticRegression(solver="newton-cholesky"), TWO),
}


@pytest.mark.parametrize("name", CASES)
def test_every_point_is_the_minimum(name: str) -> None:
    estimator, y = CASES[name]
    path = regularization_path(estimator, X, y, n_alphas=12)
    assert path.certified
    assert len(path) == len(path.certificates) == len(path.histories) == len(path.passes) == len(path.seconds) == 12
    assert (np.diff(path.alphas) < 0.0).all()
    for i in (0, 5, 11):
        model = path.model(i)
        best = clone(model).set_params(tol=1e-9, on_unconverged="ignore").fit(X, y)
        assert model.coef_.shape == best.coef_.shape
        assert np.shape(model.intercept_) == np.shape(best.intercept_)
        lower = best.certificate_.dual
        assert path.certificates[i].primal >= lower - 1e-12 * abs(lower)
        assert path.certificates[i].primal - lower <= 1.01e-4 * abs(lower) + 1e-12
        assert model.certificate_.tol == 1e-4
        assert model.predict(X).shape == y.shape


@pytest.mark.parametrize("name", ["lasso", "elastic net", "no intercept", "logistic l1", "softmax elastic net"])
def test_weights_vanish_at_the_first_strength_and_no_later(name: str) -> None:
    estimator, y = CASES[name]
    path = regularization_path(estimator, X, y, n_alphas=2, eps=0.97)
    assert path.n_nonzero[0] == 0
    assert path.n_nonzero[1] > 0


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_lasso_path_is_that_of_scikit_learn(kind: type, weights: np.ndarray | None) -> None:
    path = regularization_path(Lasso(tol=1e-11), kind(X), Y, sample_weight=weights)
    root = np.sqrt(np.ones(N) if weights is None else weights * N / weights.sum())[:, None]
    Xc = root * (X - np.average(X, axis=0, weights=weights))
    yc = root[:, 0] * (Y - np.average(Y, weights=weights))
    alphas, coefs, _ = lasso_path(Xc, yc, tol=1e-13, max_iter=100_000)
    np.testing.assert_allclose(path.alphas, alphas, rtol=1e-9)
    np.testing.assert_allclose(path.coefs, coefs.T, atol=2e-5)


def test_sparse_rows_and_float32_have_the_same_path() -> None:
    for estimator, y in (CASES["lasso"], CASES["ridge"], CASES["logistic l1"]):
        tight = clone(estimator).set_params(tol=1e-8)
        dense = regularization_path(tight, X, y, n_alphas=6)
        sparse = regularization_path(tight, sp.csr_array(X), y, alphas=dense.alphas)
        np.testing.assert_allclose(dense.coefs, sparse.coefs, atol=1e-3)
        single = regularization_path(estimator, X.astype(np.float32), y, alphas=dense.alphas)
        assert single.certified


def test_more_features_than_rows() -> None:
    wide = RNG.normal(size=(40, 700)) + 2.0
    y = wide[:, 0] - wide[:, 1] + 0.1 * RNG.normal(size=40)
    for estimator, target in (
        (Lasso(), y),
        (Ridge(), y),
        (LogisticRegression(l1_ratio=1.0), (y > 0).astype(int)),
        (LogisticRegression(), (y > 0).astype(int)),
    ):
        path = regularization_path(estimator, wide, target, n_alphas=20, eps=1e-2)
        assert path.certified
        best = clone(path.model(10)).set_params(tol=1e-8).fit(wide, target)
        lower = best.certificate_.dual
        assert path.certificates[10].primal - lower <= 1.01e-4 * abs(lower) + 1e-12


def test_a_sparse_wide_row_span_is_followed() -> None:
    sparse = sp.random_array((60, 3500), density=0.02, rng=5, format="csr")
    y = np.arange(60) % 2
    for estimator in (LogisticRegression(), LogisticRegression(fit_intercept=False)):
        path = regularization_path(estimator, sparse, y, n_alphas=10, eps=1e-3)
        assert path.certified
        assert path.solver["name"] == "lbfgs"


def test_ill_conditioned_columns_are_solved_from_the_rows() -> None:
    bad = X * np.logspace(0, 9, D)
    bad[:, 1] = bad[:, 0] + 1e-9 * bad[:, 1]
    path = regularization_path(Ridge(tol=1e-6), bad, Y, alphas=[1e-6, 1.0, 1e6])
    assert path.certified
    np.testing.assert_array_equal(path.alphas, [1e6, 1.0, 1e-6])


def test_strength_zero_ends_a_path() -> None:
    for estimator in (Lasso(), Ridge(), LogisticRegression()):
        y = TWO if isinstance(estimator, LogisticRegression) else Y
        path = regularization_path(estimator, X, y, alphas=[0.0, 1.0])
        assert path.certified
        plain = LinearRegression(tol=1e-10).fit(X, Y)
        if y is Y:
            assert path.certificates[1].primal <= plain.certificate_.primal * (1.0 + 1.01e-4)


def test_neighbours_save_passes() -> None:
    path = regularization_path(LogisticRegression(), X, TWO, n_alphas=40)
    alone = sum(float(clone(path.model(i)).fit(X, TWO).fit_record_.passes) for i in range(0, 40, 8)) * 8
    assert path.passes.sum() < 0.6 * alone


def test_the_estimator_is_left_alone_and_names_are_kept() -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(D)])
    estimator = Lasso(alpha=7.0)
    path = regularization_path(estimator, frame, Y, n_alphas=5)
    assert estimator.alpha == 7.0
    assert not hasattr(estimator, "coef_")
    assert path.feature_names[0] == "f0"
    assert list(path.to_frame().columns[:4]) == ["alpha", "objective", "relative_gap", "nonzero"]
    assert path.model(2).predict(frame).shape == (N,)
    assert "5 certified" in repr(path)
    two = regularization_path(Ridge(), frame, MANY, n_alphas=3).to_frame()
    assert "f0[1]" in two.columns


def test_a_budget_is_said_once() -> None:
    with pytest.warns(ConvergenceWarning, match="points of the path are not certified") as caught:
        path = regularization_path(LogisticRegression(max_iter=0), X, TWO, n_alphas=4, eps=1e-6)
    assert len(caught) == 1
    assert not path.certified
    assert {c.status.value for c in path.certificates} <= {"budget", "certified"}
    with pytest.warns(ConvergenceWarning):
        timed = regularization_path(LogisticRegression(max_time=1e-9), X, TWO, n_alphas=4)
    assert not timed.certified


def test_what_has_no_strength_is_refused() -> None:
    with pytest.raises(IncompatibleError, match="LinearRegression has no strength"):
        regularization_path(LinearRegression(), X, Y)
    with pytest.raises(InvalidParameterError, match="penalty: a path varies"):
        regularization_path(LinearRegressor(penalty="none"), X, Y)
    for wrong in ({"alphas": [-1.0]}, {"alphas": []}, {"alphas": "abc"}, {"n_alphas": 0}, {"eps": 0.0}, {"eps": 2.0}):
        with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
            regularization_path(Lasso(), X, Y, **wrong)


def test_strengths_mean_what_they_mean_to_the_estimator() -> None:
    weighted = prepare(LogisticRegression(), X, TWO, WEIGHTS)
    assert weighted.penalty(2.0).l2 == pytest.approx(2.0 / WEIGHTS.sum())
    assert prepare(Ridge(), X, Y, None).penalty(2.0).l2 == pytest.approx(2.0 / N)
    mixed = prepare(ElasticNet(l1_ratio=0.25), X, Y, None).penalty(2.0)
    assert (mixed.l1, mixed.l2) == (0.5, 1.5)


def test_constant_target_has_a_path_of_zeros() -> None:
    path = regularization_path(Lasso(), X, np.ones(N), n_alphas=3)
    assert path.certified
    assert not path.coefs.any()


@pytest.mark.parametrize("estimator", [Lasso(), Ridge(), ElasticNet(), LogisticRegression()])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_point_is_a_fitted_model_in_every_way(estimator: Any, outputs: int, tmp_path: Any) -> None:
    classes = isinstance(estimator, LogisticRegression)
    if classes:
        y = TWO if outputs == 1 else np.arange(len(X)) % 3
    else:
        y = Y if outputs == 1 else np.column_stack([Y, X[:, 0], Y**2])
    path = regularization_path(estimator, X, y, n_alphas=4, sample_weight=np.full(len(X), 2.0))
    point = path.model(2)
    fitted = clone(point).fit(X, y, np.full(len(X), 2.0))
    assert set(vars(fitted)) - {"_duals"} <= set(vars(point))
    for name in ("coef_", "intercept_", "n_iter_", "dual_gap_"):
        if hasattr(fitted, name):
            assert np.shape(getattr(point, name)) == np.shape(getattr(fitted, name)), name
    assert point.objective_ == fitted.objective_
    assert "Minimised" in point._repr_html_()
    assert point.fit_record_.data == fitted.fit_record_.data
    assert point.fit_record_.to_dict().keys() == fitted.fit_record_.to_dict().keys()
    assert point.fit_record_.certificate is point.certificate_
    again = load(save(point, tmp_path / "m.skops"))
    np.testing.assert_array_equal(again.predict(X), point.predict(X))
