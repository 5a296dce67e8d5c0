"""Ordinary but nasty input: the right result or a named error, never a crash, a hang or a stray warning."""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from steepest import (
    ElasticNet,
    Lasso,
    LinearClassifier,
    LinearRegression,
    LinearRegressor,
    LogisticRegression,
    Ridge,
)
from steepest.exceptions import DataError

ALL: dict[str, Any] = {
    "LinearRegression": LinearRegression(),
    "Ridge": Ridge(),
    "Lasso": Lasso(alpha=0.01),
    "ElasticNet": ElasticNet(alpha=0.01),
    "LogisticRegression": LogisticRegression(),
    "hinge": LinearClassifier("hinge"),
    "softmax": LinearClassifier("softmax"),
    "absolute": LinearRegressor("absolute"),
    "poisson": LinearRegressor("poisson"),
}


def data() -> tuple[Any, Any, Any]:
    """X, a real target, and classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    z = X @ rng.normal(size=4)
    return X, z + 0.5 * rng.normal(size=60), (z + rng.normal(size=60) > 0).astype(int)


def fitted(name: str, X: Any, **fit: Any) -> Any:
    _, real, classes = data()
    model = fresh(ALL[name])
    model.set_params(on_unconverged="ignore")
    y = classes if hasattr(model, "decision_function") else np.abs(real) if name == "poisson" else real
    return model.fit(X, y[: X.shape[0]], **fit)


def fresh(model: Any) -> Any:
    return type(model)(**model.get_params())


# ------------------------------------------------------------------------ columns far from zero, of other units


def shapes(kind: str) -> Any:
    X, _, _ = data()
    if kind == "far":
        return X + 1e8
    if kind == "units":
        return X * [1e-5, 1.0, 1e4, 1e-3]
    return (X * [1.0, 1e3, 1e-3, 1.0] + 100.0).astype(np.float32)


def reference(X: Any, y: Any, penalty: str, alpha: float) -> float:
    """The optimum by an interior-point method, in standardised columns."""
    X = np.asarray(X, dtype=np.float64)
    spread = X.std(axis=0)
    v, b = cp.Variable(X.shape[1]), cp.Variable()
    w = cp.multiply(v, 1.0 / spread)
    size = {"l1": cp.norm1(w), "l2": 0.5 * cp.sum_squares(w), "none": 0.0}[penalty]
    loss = cp.sum(cp.abs((X - X.mean(axis=0)) / spread @ v + b - y)) / len(y)
    problem = cp.Problem(cp.Minimize(loss + alpha * size))
    return float(problem.solve(solver=cp.CLARABEL))


@pytest.mark.parametrize("penalty", ["l1", "l2", "none"])
@pytest.mark.parametrize("kind", ["far", "units", "float32"])
def test_a_loss_with_kinks_and_columns_of_any_place_and_unit(kind: str, penalty: str) -> None:
    X, (_, y, _) = shapes(kind), data()
    model = LinearRegressor("absolute", penalty=penalty, alpha=0.01).fit(X, y)
    certificate = model.certificate_
    assert certificate.passed
    best = reference(X, y, penalty, 0.01)
    assert certificate.primal == pytest.approx(best, rel=2e-4)
    assert certificate.primal - certificate.value <= best * (1.0 + 1e-6)


# -------------------------------------------------------------------------------------- no warning of NumPy's


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("factor", "dtype"),
    [(1e30, np.float32), (1e-30, np.float32), (1e30, np.float64), (1e150, np.float64), (1e-160, np.float64)],
)
def test_extreme_magnitudes_end_finite_and_silent(name: str, factor: float, dtype: Any) -> None:
    X, _, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(name, (X * factor).astype(dtype))
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert isinstance(model.certificate_.passed, bool | np.bool_)


@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test_float32_of_extreme_units_is_fitted_as_well_as_float64(factor: float) -> None:
    X, y, classes = data()
    narrow = (X * factor).astype(np.float32)
    for model, target in ((LinearRegression(), y), (LogisticRegression(C=np.inf), classes)):
        one = fresh(model).fit(narrow, target).certificate_
        other = fresh(model).fit(narrow.astype(np.float64), target).certificate_
        assert one.passed
        assert one.primal == pytest.approx(other.primal, rel=1e-6)


@pytest.mark.parametrize("name", ["LogisticRegression", "Ridge", "absolute"])
@pytest.mark.parametrize("weight", [1e-310, 1e-12, 1e12, 1e305])
def test_equal_weights_of_any_size_are_no_weights(name: str, weight: float) -> None:
    X, _, _ = data()
    if name in ("LogisticRegression", "Ridge"):  # their penalty is meant for the sum: without it
        parameter = {"LogisticRegression": {"C": np.inf}, "Ridge": {"alpha": 0.0}}[name]
        weighted = type(ALL[name])(**parameter)
    else:
        weighted = fresh(ALL[name])
    _, real, classes = data()
    y = classes if name == "LogisticRegression" else real
    plain = fresh(weighted).fit(X, y)
    model = weighted.fit(X, y, sample_weight=np.full(60, weight))
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-3, atol=1e-6)


def test_weights_whose_sum_overflows_are_an_error_without_a_warning() -> None:
    X, y, _ = data()
    with pytest.raises(DataError, match="finite sum"):
        Ridge().fit(X, y, sample_weight=np.full(60, 1e307))


# ------------------------------------------------------------------------------------------------ sparse input


@pytest.mark.parametrize("damage", ["far", "falling", "start"])
@pytest.mark.parametrize("name", ["Ridge", "Lasso", "LogisticRegression"])
def test_damaged_row_pointers_are_an_error(name: str, damage: str) -> None:
    X = sp.csr_array(data()[0])
    if damage == "far":
        X.indptr[5] = 1_000_000
    elif damage == "falling":
        X.indptr[5] = X.indptr[4] - 1
    else:
        X.indptr[0] = 1
    with pytest.raises(DataError, match="indptr"):
        fitted(name, X)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "Lasso", "LogisticRegression", "hinge", "softmax"])
def test_repeated_entries_and_explicit_zeros_are_their_sum(name: str) -> None:
    rng = np.random.default_rng(1)
    rows, columns = np.repeat(np.arange(60), 6), rng.integers(0, 5, 360)
    values = np.where(rng.random(360) < 0.2, 0.0, rng.normal(size=360))
    indptr = np.arange(0, 361, 6)
    X = sp.csr_array((values, columns, indptr), shape=(60, 5))
    dense = np.zeros((60, 5))
    np.add.at(dense, (rows, columns), values)
    kept = values.copy()
    a, b = fitted(name, X), fitted(name, dense)
    assert a.certificate_.primal == pytest.approx(b.certificate_.primal, rel=2e-4)
    np.testing.assert_array_equal(X.data, kept)
    assert len(X.data) == 360


@pytest.mark.parametrize("name", ["Ridge", "LogisticRegression"])
@pytest.mark.parametrize("kind", ["category", "date", "string", "polars"])
def test_columns_that_are_no_numbers_are_named(name: str, kind: str) -> None:
    X, _, _ = data()
    frame: Any = pd.DataFrame(X, columns=list("abcd"))
    if kind == "polars":
        frame = pl.DataFrame(frame.to_dict("list")).with_columns(odd=pl.lit("x"))
    else:
        odd = {"category": pd.Categorical(list("xyz") * 20), "date": pd.Timestamp("2020-01-01"), "string": "x"}
        frame["odd"] = odd[kind] if kind != "string" else pd.array(["x"] * 60, dtype="string")
    with pytest.raises(DataError, match="'odd'"):
        fitted(name, frame)


# --------------------------------------------------------------------------------------------- few rows, no data


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "Lasso", "ElasticNet", "absolute", "poisson"])
def test_one_row_and_all_zero_columns(name: str) -> None:
    X, _, _ = data()
    one = fitted(name, X[:1])
    assert np.isfinite(one.predict(X)).all()
    zero = fitted(name, np.zeros((60, 3)))
    np.testing.assert_array_equal(zero.coef_, np.zeros(3))
    assert one.certificate_.passed
    assert zero.certificate_.passed


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(0, 4), (60, 0)])
def test_no_rows_and_no_columns_are_named(name: str, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a minimum of 1 is required"):
        fitted(name, np.zeros(shape))


@pytest.mark.parametrize("loss", ["softmax", "logistic"])
def test_many_classes_of_few_rows(loss: str) -> None:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(200, 10)), np.arange(200) % 100
    model = LinearClassifier(loss, alpha=1e-2).fit(X, y)
    assert model.certificate_.passed
    assert model.coef_.shape == (100, 10)


def test_one_positive_among_many() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20_000, 3))
    y = np.zeros(20_000, dtype=int)
    y[7] = 1
    model = LogisticRegression().fit(X, y)
    assert model.certificate_.passed
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(1.0 / 20_000, rel=1e-2)  # the free intercept


# ------------------------------------------------------------------------------------------------ again and again


def test_a_second_fit_knows_nothing_of_the_first() -> None:
    X, y, classes = data()
    model = LogisticRegression(warm_start=True).fit(X, classes)
    model.fit(X[:, :2], np.where(classes, "b", "a"))
    assert model.coef_.shape == (1, 2)
    np.testing.assert_array_equal(model.classes_, ["a", "b"])
    np.testing.assert_allclose(model.coef_, LogisticRegression().fit(X[:, :2], classes).coef_, rtol=1e-2)
    ridge = Ridge().fit(X, np.c_[y, y])
    assert ridge.fit(X, y).coef_.shape == (4,)
