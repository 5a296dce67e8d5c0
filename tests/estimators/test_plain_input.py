"""Plain arrays of finite numbers skip scikit-learn's checks: nothing else may, and nothing may come out otherwise."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.validation import validate_data

from steepest import LogisticRegression, Ridge
from steepest.estimators import base


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    return X, X @ np.arange(4.0) + rng.standard_normal(60)


@pytest.fixture
def checked(monkeypatch):
    """Counts the calls of scikit-learn's checks."""
    calls = []

    def count(*args, **kwargs):
        calls.append(1)
        return validate_data(*args, **kwargs)

    monkeypatch.setattr(base, "validate_data", count)
    return calls


def test_the_same_with_and_without_the_checks(data, checked):
    X, y = data
    plain = Ridge().fit(X, y)
    assert not checked
    listed = Ridge().fit(X.tolist(), y.tolist())
    assert checked
    assert np.array_equal(plain.coef_, listed.coef_)
    assert plain.n_features_in_ == listed.n_features_in_ == 4


def test_names_of_an_earlier_fit_are_forgotten(data, checked):
    X, y = data
    model = Ridge().fit(pd.DataFrame(X, columns=list("abcd")), y)
    assert checked
    assert list(model.feature_names_in_) == list("abcd")
    model.fit(X[:, :3], y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["X", "y"])
def test_numbers_that_are_none_are_refused(data, bad, where):
    X, y = (part.copy() for part in data)
    (X if where == "X" else y).flat[7] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        Ridge().fit(X, y)


def test_infinities_that_cancel_are_refused(data):
    X, y = data
    X = X.copy()
    X[3, 1], X[5, 2] = np.inf, -np.inf
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="infinity"):
        Ridge().fit(X, y)


def test_sums_that_overflow_are_no_infinities(data, checked):
    X, y = data
    Ridge(on_unconverged="ignore").fit(X, np.where(y > 0.0, 1e150, -1e150))
    assert not checked
    X32 = np.full((60, 4), 3e38, dtype=np.float32)
    X32[::2] *= 0.5
    Ridge(on_unconverged="ignore").fit(X32, y)
    assert checked


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((0, 3)), np.zeros(0)),
        (np.zeros((3, 0)), np.zeros(3)),
        (np.zeros((3, 2)), np.zeros(4)),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((3, 2)), np.zeros(3, dtype=complex)),
    ],
    ids=["no rows", "no columns", "lengths", "one dimension", "complex"],
)
def test_shapes_and_kinds_are_left_to_scikit_learn(X, y, checked):
    with pytest.raises(ValueError):
        Ridge().fit(X, y)
    assert checked


def test_labels_of_any_kind(data, checked):
    X, y = data
    flags = y > 0.0
    one = LogisticRegression().fit(X, flags)
    assert not checked
    other = LogisticRegression().fit(X, np.where(flags, "yes", "no"))
    assert checked
    assert np.array_equal(one.coef_, other.coef_)


def test_parameter_names_are_those_of_each_class():
    class Mine(Ridge):
        def __init__(self, alpha=1.0, *, extra=2):
            super().__init__(alpha)
            self.extra = extra

    assert "extra" not in Ridge().get_params()
    assert Mine().get_params() == {"alpha": 1.0, "extra": 2}
    assert sorted(Ridge._get_param_names()) == Ridge._get_param_names()
    Ridge._get_param_names().clear()
    assert "alpha" in Ridge().get_params()
