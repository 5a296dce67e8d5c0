"""Labels, containers and memory layouts of every kind; what cannot be used is named."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steepest


@pytest.mark.parametrize(
    "names",
    [
        np.array([0, 1]),
        np.array([-1, 1]),
        np.array([-1.0, 1.0]),
        np.array([7, -3], dtype=np.int8),
        np.array([False, True]),
        np.array(["no", "yes"]),
        np.array(["yes", "no"], dtype=object),
        np.array([2**62, 5]),
    ],
    ids=str,
)
def test_labels_of_any_kind(class_data: Any, names: Any) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression().fit(X, names[y])
    np.testing.assert_array_equal(model.classes_, np.unique(names))
    assert model.classes_.dtype == names.dtype
    assert model.predict(X).dtype == names.dtype
    plain = steepest.LogisticRegression().fit(X, y)
    same = names[0] < names[1]
    np.testing.assert_array_equal(model.predict(X), names[plain.predict(X)])
    np.testing.assert_allclose(model.coef_, plain.coef_ if same else -plain.coef_, rtol=1e-9)


def test_pandas_and_polars_labels(class_data: Any) -> None:
    X, y = class_data(k=3)
    names = np.array(["red", "green", "blue"])[y]
    expected = steepest.LogisticRegression().fit(X, names).predict(X)
    for labels in (pd.Series(names), pd.Series(names, dtype="category"), pl.Series(names), names.tolist()):
        np.testing.assert_array_equal(steepest.LogisticRegression().fit(X, labels).predict(X), expected)
    with pytest.raises(ValueError, match="NaN"):
        steepest.LogisticRegression().fit(X, pd.Series(names).where(y != 1))


def _read_only(X: Any, path: Path) -> Any:
    X = X.copy()
    X.flags.writeable = False
    return X


def _mapped(X: Any, path: Path) -> Any:
    np.save(path / "X.npy", X)
    return np.load(path / "X.npy", mmap_mode="r")


def _wide(X: Any, path: Path) -> Any:
    out = sp.csr_array(X)
    out.indices, out.indptr = out.indices.astype(np.int64), out.indptr.astype(np.int64)
    return out


def _unsorted(X: Any, path: Path) -> Any:
    n, d = X.shape
    backwards = np.tile(np.arange(d)[::-1], n)
    return sp.csr_array((X[np.repeat(np.arange(n), d), backwards], backwards, np.arange(0, n * d + 1, d)), shape=(n, d))


def _content(X: Any) -> list[Any]:
    """What must be the same after a fit."""
    if not sp.issparse(X):
        return [np.array(X)]
    return [X.toarray(), *(np.array(getattr(X, name)) for name in ("data", "indices", "indptr") if X.format == "csr")]


FORMS = {
    "list": lambda X, path: X.tolist(),
    "float32": lambda X, path: X.astype(np.float32),
    "fortran": lambda X, path: np.asfortranarray(X),
    "strided": lambda X, path: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": _read_only,
    "memory-mapped": _mapped,
    "big-endian": lambda X, path: X.astype(">f8"),
    "object": lambda X, path: X.astype(object),
    "pandas": lambda X, path: pd.DataFrame(X, columns=list("abcd")),
    "pandas-nullable": lambda X, path: pd.DataFrame(X, columns=list("abcd")).astype("Float64"),
    "polars": lambda X, path: pl.DataFrame(X, schema=list("abcd")),
    "csr": lambda X, path: sp.csr_array(X),
    "csr-matrix": lambda X, path: sp.csr_matrix(X),
    "csr-int64": _wide,
    "csr-unsorted": _unsorted,
    "csr-float32": lambda X, path: sp.csr_array(X.astype(np.float32)),
    "csc": lambda X, path: sp.csc_array(X),
    "coo": lambda X, path: sp.coo_array(X),
    "bsr": lambda X, path: sp.bsr_array(X),
    "lil": lambda X, path: sp.lil_array(X),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cls", ["LogisticRegression", "Ridge", "Lasso"])
def test_every_form_of_X_gives_the_same_model(class_data: Any, tmp_path: Path, form: str, cls: str) -> None:
    X, y = class_data()
    X = np.round(X, 2)
    make = {"LogisticRegression": {"tol": 1e-9}, "Ridge": {}, "Lasso": {"alpha": 0.05, "tol": 1e-9}}[cls]
    plain = getattr(steepest, cls)(**make).fit(X, y)
    given = FORMS[form](X, tmp_path)
    before = _content(given)
    model = getattr(steepest, cls)(**make).fit(given, y)
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-4 if "float32" in form else 1e-6)
    np.testing.assert_allclose(model.predict(given), plain.predict(X), atol=1e-4)
    for old, new in zip(before, _content(given), strict=True):
        np.testing.assert_array_equal(old, new)
    if form in ("pandas", "polars"):
        np.testing.assert_array_equal(model.feature_names_in_, list("abcd"))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, bool])
def test_integers_and_booleans(class_data: Any, kind: Any) -> None:
    X, y = class_data()
    X = (X > 0).astype(kind)
    expected = steepest.LogisticRegression().fit(X.astype(float), y)
    for given in (X, sp.csr_array(X)):
        np.testing.assert_allclose(steepest.LogisticRegression().fit(given, y).coef_, expected.coef_, atol=1e-9)


def test_no_copy_of_float_data(class_data: Any) -> None:
    X, y = class_data()
    for given in (X, X.astype(np.float32), sp.csr_array(X)):
        model = steepest.LogisticRegression().fit(given, y)
        assert not any("copied" in note for note in model.fit_record_.solver["notes"])
        assert model.fit_record_.data["dtype"] == str(given.dtype)
    model = steepest.LogisticRegression().fit(np.asfortranarray(X), y)
    assert any("copied" in note for note in model.fit_record_.solver["notes"])


BAD = {
    "NaN": (lambda X, y: (np.where(X > 1.0, np.nan, X), y), "NaN"),
    "infinity": (lambda X, y: (np.where(X > 1.0, np.inf, X), y), "infinity"),
    "sparse NaN": (lambda X, y: (sp.csr_array(np.where(X > 1.0, np.nan, X)), y), "NaN"),
    "text": (lambda X, y: (X.astype(str).astype(object) + "x", y), "could not convert|float"),
    "complex": (lambda X, y: (X + 1j, y), "[Cc]omplex"),
    "one dimension": (lambda X, y: (X[:, 0], y), "Reshape your data"),
    "three dimensions": (lambda X, y: (X[None], y), "dim"),
    "no rows": (lambda X, y: (X[:0], y[:0]), "0 sample"),
    "no columns": (lambda X, y: (X[:, :0], y), "0 feature"),
    "lengths": (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
    "target NaN": (lambda X, y: (X, np.where(y == 1, np.nan, 0.0)), "NaN"),
    "no target": (lambda X, y: (X, None), "requires y to be passed"),
    "sparse target": (lambda X, y: (X, sp.csr_array(y[:, None])), "[Ss]parse"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("cls", ["LogisticRegression", "LinearRegression", "Lasso", "LinearRegressor"])
def test_bad_input_is_named(class_data: Any, case: str, cls: str) -> None:
    change, message = BAD[case]
    X, y = change(*class_data())
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(steepest, cls)().fit(X, y)


def test_prediction_checks_its_input(class_data: Any) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but LogisticRegression is expecting 4"):
        model.predict(X[:, :3])
    with pytest.raises(Exception, match="not fitted"):
        steepest.LogisticRegression().predict(X)
    assert not hasattr(steepest.LinearClassifier("hinge"), "predict_proba")
    assert hasattr(steepest.LinearClassifier("softmax"), "predict_proba")


def test_targets_outside_the_range_of_the_loss(regression_data: Any) -> None:
    X, y = regression_data()
    with pytest.raises(ValueError, match="'poisson' takes targets >= 0, got -"):
        steepest.LinearRegressor("poisson").fit(X, y)
    with pytest.raises(ValueError, match=r"'bernoulli' takes targets in \[0, 1\], got "):
        steepest.LinearRegressor("bernoulli").fit(X, np.abs(y) + 1.0)


MODELS = [
    steepest.LogisticRegression(),
    steepest.LinearClassifier("softmax"),
    steepest.Ridge(),
    steepest.LinearRegression(),
    steepest.Lasso(0.1),
    steepest.LinearRegressor("poisson"),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_pickle_and_clone(class_data: Any, model: Any) -> None:
    X, y = class_data()
    fitted = clone(model).fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert again.certificate_ == fitted.certificate_
    assert again.objective_ == fitted.objective_
    assert again.fit_record_.to_dict() == fitted.fit_record_.to_dict()
    fresh = clone(again)
    assert not hasattr(fresh, "coef_")
    np.testing.assert_array_equal(fresh.fit(X, y).coef_, fitted.coef_)
    assert len(pickle.dumps(fitted)) < 40_000


def test_searches_and_pipelines(class_data: Any) -> None:
    X, y = class_data(k=3)
    pipe = make_pipeline(StandardScaler(), steepest.LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [0.1, 1.0, 10.0]}, cv=3, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.5
    assert cross_val_predict(pipe, X, y, cv=3, method="predict_proba").shape == (90, 3)


def test_sparsify(class_data: Any) -> None:
    for k in (2, 3):
        X, y = class_data(k=k)
        model = steepest.LogisticRegression().fit(X, y)
        expected, shape = model.decision_function(X), model.coef_.shape
        assert sp.issparse(model.sparsify().coef_)
        np.testing.assert_allclose(model.decision_function(X), expected)
        np.testing.assert_array_equal(model.predict(sp.csr_array(X)), model.densify().predict(X))
        assert model.coef_.shape == shape


def test_prediction_in_blocks_is_prediction(class_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from steepest.estimators import base, classification

    X, y = class_data(n=5000, k=5)
    model = steepest.LogisticRegression().fit(X, y)
    expected = model.classes_[model.decision_function(X).argmax(axis=1)]
    single = model.decision_function(X.astype(np.float32))
    monkeypatch.setattr(base, "CHUNK", 1 << 12)
    monkeypatch.setattr(classification, "CHUNK", 1 << 10)
    np.testing.assert_array_equal(model.predict(X), expected)
    np.testing.assert_array_equal(model.predict(sp.csr_array(X)), expected)
    np.testing.assert_allclose(model.decision_function(X.astype(np.float32)), single, rtol=1e-12)


def test_fits_leave_nothing_behind(class_data: Any) -> None:
    import gc
    import threading
    import weakref

    X, y = class_data()
    steepest.LogisticRegression(n_jobs=2).fit(X, y)
    threads = threading.active_count()
    gc.collect()
    gc.disable()
    try:
        X = X.copy()
        alive = weakref.ref(X)
        steepest.LogisticRegression(n_jobs=2).fit(X, y)
        del X
        assert alive() is None  # freed at once: no cycle holds the data
    finally:
        gc.enable()
    assert threading.active_count() == threads


def test_a_fit_that_fails_leaves_the_last_one() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    for model in (
        steepest.LogisticRegression(warm_start=True),
        steepest.Ridge(),
        steepest.RidgeCV(),
        steepest.LassoCV(cv=2, alphas=3),
        steepest.LogisticRegressionCV(cv=2, Cs=2),
    ):
        before = dict(vars(model))
        with pytest.raises(ValueError, match="sample_weight"):
            model.fit(X[:, :2], y, sample_weight=-np.ones(40))
        assert vars(model) == before
        expected = model.fit(X, y).predict(X)
        with pytest.raises(ValueError, match="sample_weight"):
            model.fit(X[:, :2], y, sample_weight=-np.ones(40))
        np.testing.assert_array_equal(model.predict(X), expected)


def test_an_observer_that_fails_leaves_the_last_fit() -> None:
    from steepest.record.observers import active, observe

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    model = steepest.LogisticRegression(n_jobs=2).fit(X, y)
    coef, record = model.coef_, model.fit_record_

    def failing(row: object, w: object) -> None:
        raise RuntimeError("no disk")

    with pytest.raises(RuntimeError, match="no disk"), observe(failing):
        model.set_params(C=1e-3).fit(X, y)
    assert model.coef_ is coef
    assert model.fit_record_ is record
    assert not active()
    assert not np.array_equal(model.fit(X, y).coef_, coef)
