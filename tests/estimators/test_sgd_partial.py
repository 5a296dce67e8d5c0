"""partial_fit: k calls are one fit of k epochs, whatever lies between them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import steepest
from steepest import SGDClassifier, SGDRegressor, Status
from steepest.exceptions import DataError, InvalidParameterError

CASES = {
    "plain": {},
    "adam": {"optimizer": "adam"},
    "averaged": {"average": True, "learning_rate": "constant"},
    "optimal": {"learning_rate": "optimal", "penalty": "l1"},
    "batches": {"batch_size": 8, "optimizer": "ftrl"},
    "softmax": {"loss": "softmax"},
}


def same(a, b):
    np.testing.assert_array_equal(a.coef_, b.coef_)
    np.testing.assert_array_equal(a.intercept_, b.intercept_)
    assert a.t_ == b.t_


def through_pickle(model, tmp_path):
    return pickle.loads(pickle.dumps(model))


def through_a_file(model, tmp_path):
    steepest.save(model, tmp_path / "model.steepest")
    return steepest.load(tmp_path / "model.steepest")


@pytest.mark.parametrize("store", [through_pickle, through_a_file])
@pytest.mark.parametrize("case", list(CASES))
def test_k_calls_are_k_epochs_also_where_the_model_was_stored(case, store, class_data, tmp_path):
    X, y = class_data(n=60, k=3)
    y = np.array(["low", "middle", "high"])[y]
    s = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    options = {"loss": "log_loss", "alpha": 1e-2, "class_weight": {"low": 2.0}, **CASES[case]}
    whole = SGDClassifier(max_iter=3, tol=None, **options).fit(X, y, sample_weight=s)
    parts = SGDClassifier(tol=None, **options)
    for _ in range(3):
        parts.partial_fit(X, y, classes=["middle", "low", "high"], sample_weight=s)
        parts = store(parts, tmp_path)
    same(whole, parts)


def test_regressors_too(regression_data, tmp_path):
    X, y = regression_data()
    whole = SGDRegressor(max_iter=3, tol=None).fit(X, y)
    parts = SGDRegressor().partial_fit(X, y).partial_fit(X, y).partial_fit(X, y)
    same(whole, parts)
    assert parts.intercept_.shape == (1,)


def test_fit_and_then_partial_fit(class_data):
    X, y = class_data()
    whole = SGDClassifier(max_iter=3, tol=None).fit(X, y)
    same(whole, SGDClassifier(max_iter=2, tol=None).fit(X, y).partial_fit(X, y))


def test_a_certified_fit_goes_on_from_its_coefficients(class_data):
    X, y = class_data()
    model = SGDClassifier("log_loss", alpha=0.1, tol=1e-2).fit(X, y)
    before = model.coef_.copy()
    model.partial_fit(X[:1], y[:1])
    assert 0.0 < np.abs(model.coef_ - before).max() < 0.5


def test_batches_of_any_size_and_a_class_that_comes_late(class_data):
    X, y = class_data(n=90, k=3)
    names = np.array(["a", "bb", "ccc"])[y]
    early, late = names != "ccc", names == "ccc"
    model = SGDClassifier("log_loss").partial_fit(X[early], names[early], classes=["ccc", "a", "bb"])
    assert model.classes_.tolist() == ["a", "bb", "ccc"]
    assert model.coef_.shape == (3, 4)
    for _ in range(30):
        model.partial_fit(X[late], names[late])
        model.partial_fit(X[early], names[early])
    assert set(model.predict(X)) == {"a", "bb", "ccc"}
    assert model.score(X, names) > 0.5


def test_weights_count_in_units_of_the_first_call(class_data):
    X, y = class_data()
    plain, doubled = SGDClassifier(), SGDClassifier()
    for rows, factor in ((slice(0, 30), 1.0), (slice(30, 60), 3.0)):
        s = np.full(30, factor)
        plain.partial_fit(X[rows], y[rows], classes=[0, 1], sample_weight=s)
        doubled.partial_fit(X[rows], y[rows], classes=[0, 1], sample_weight=2.0 * s)
    same(plain, doubled)
    even = SGDClassifier().partial_fit(X[:30], y[:30], [0, 1]).partial_fit(X[30:60], y[30:60])
    assert not np.array_equal(even.coef_, plain.coef_)


def test_sparse_rows_take_the_same_steps(class_data):
    X, y = class_data()
    a, b = SGDClassifier(), SGDClassifier()
    for _ in range(2):
        a.partial_fit(X, y, classes=[0, 1])
        b.partial_fit(sp.csr_array(X), y, classes=[0, 1])
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-10)


def test_nothing_is_claimed(class_data):
    X, y = class_data()
    model = SGDClassifier("log_loss").partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    certificate = model.certificate_
    assert (certificate.kind, certificate.passed, certificate.status) == ("none", False, Status.APPROXIMATE)
    assert "call 2 of 180 rows" in certificate.reason
    assert len(model.history_) == 0
    assert model.n_iter_ == 1
    assert model.objective_.startswith("P(w, b) = (1/180) sum_i log(1 + exp(-y_i z_i))")
    assert model.fit_record_.to_dict()["certificate"]["kind"] == "none"
    assert "certificate" in model._repr_html_()


def test_a_model_without_a_memory_goes_on_from_its_coefficients(class_data):
    X, y = class_data()
    model = SGDClassifier("log_loss", learning_rate="constant", eta0=1e-9).partial_fit(X, y, classes=[0, 1])
    model.coef_, model._memories = np.array([[1.0, 2.0, 3.0, 4.0]]), None
    model.partial_fit(X, y)
    np.testing.assert_allclose(model.coef_, [[1.0, 2.0, 3.0, 4.0]], atol=1e-5)


# ------------------------------------------------------------------------------------------------- errors


def test_errors_name_what_is_wrong_and_leave_the_model(class_data):
    X, y = class_data()
    with pytest.raises(DataError, match="classes must be passed on the first call to partial_fit"):
        SGDClassifier().partial_fit(X, y)
    model = SGDClassifier().partial_fit(X, y, classes=[0, 1])
    before = model.coef_.copy()
    for call, error, match in (
        (lambda: model.partial_fit(X, y, classes=[0, 2]), DataError, "is not the same as on last call"),
        (lambda: model.partial_fit(X, y + 1), DataError, r"\[2\] is not among the classes"),
        (lambda: model.partial_fit(X, y.astype(str)), DataError, "among the classes"),
        (lambda: model.partial_fit(X[:, :3], y), ValueError, "X has 3 features, but SGDClassifier is expecting 4"),
        (lambda: model.partial_fit(np.where(X > 1.0, np.nan, X), y), ValueError, "NaN"),
        (lambda: model.partial_fit(X, y, sample_weight=-np.ones(90)), DataError, "sample_weight"),
    ):
        with pytest.raises(error, match=match):
            call()
    np.testing.assert_array_equal(model.coef_, before)
    for parameters, match in (
        ({"class_weight": "balanced"}, "class_weight 'balanced' is not supported for partial_fit"),
        ({"early_stopping": True}, "early_stopping should be False"),
    ):
        with pytest.raises(InvalidParameterError, match=match):
            clone(model).set_params(**parameters).partial_fit(X, y, classes=[0, 1])


def test_steps_that_diverge_leave_the_model(regression_data):
    X, y = regression_data()
    model = SGDRegressor(learning_rate="constant", eta0=1e-6).partial_fit(X, y)
    before = model.coef_.copy()
    model.set_params(eta0=10.0)
    model._memories = None
    with pytest.raises(DataError, match="the steps diverged"):
        model.partial_fit(1e3 * X, y)
    np.testing.assert_array_equal(model.coef_, before)


def test_parameters_are_checked_when_they_change(class_data):
    X, y = class_data()
    model = SGDClassifier().partial_fit(X, y, classes=[0, 1])
    model.alpha = -1.0
    with pytest.raises(InvalidParameterError, match="alpha"):
        model.partial_fit(X, y)


def test_a_rate_may_be_changed_between_two_calls(class_data):
    X, y = class_data()
    model = SGDClassifier(learning_rate="constant", eta0=0.1).partial_fit(X, y, classes=[0, 1])
    before = model.coef_.copy()
    model.set_params(eta0=1e-12).partial_fit(X, y)
    np.testing.assert_allclose(model.coef_, before, rtol=1e-6)
