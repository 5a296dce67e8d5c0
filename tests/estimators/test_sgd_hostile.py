"""Stochastic estimators on what nobody gives them on purpose: changed parameters, odd streams, repeated entries."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearRegressor, Perceptron, SGDClassifier, SGDRegressor
from steepest.exceptions import DataError, InvalidParameterError

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 4))
y = (X[:, 0] + 0.3 * rng.standard_normal(60) > 0.0).astype(int)
target = X @ [1.0, 2.0, 3.0, 4.0] + rng.standard_normal(60)


def repeated(X):
    """The same rows as compressed ones, every entry as two halves, in disorder."""
    coo = sp.coo_matrix(X)
    row, col, half = np.tile(coo.row, 2), np.tile(coo.col, 2), np.tile(coo.data / 2.0, 2)
    order = np.argsort(row, kind="stable")
    indptr = np.append(0, np.cumsum(np.bincount(row, minlength=X.shape[0])))
    return sp.csr_matrix((half[order], col[order], indptr), shape=X.shape)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adagrad"])
def test_repeated_entries_are_sums(optimizer):
    options = {"optimizer": optimizer, "learning_rate": 0.01, "max_iter": 2, "tol": None}
    twice, once = repeated(X), sp.csr_matrix(X)
    found = SGDRegressor(**options).fit(twice, target)
    np.testing.assert_allclose(found.coef_, SGDRegressor(**options).fit(once, target).coef_, rtol=1e-12)
    stream = SGDRegressor(**options).partial_fit(twice, target).partial_fit(twice, target)
    np.testing.assert_allclose(stream.coef_, found.coef_, rtol=1e-12)
    assert twice.nnz == 2 * once.nnz  # the user's matrix stays


@pytest.mark.parametrize("solver", ["saga", "svrg"])
def test_repeated_entries_are_sums_in_variance_reduction(solver):
    options = {"solver": solver, "alpha": 0.01, "tol": 1e-8, "max_iter": 500, "on_unconverged": "ignore"}
    twice = LinearRegressor(**options).fit(repeated(X), target)
    once = LinearRegressor(**options).fit(sp.csr_matrix(X), target)
    assert once.certificate_.passed
    np.testing.assert_allclose(twice.coef_, once.coef_, rtol=1e-4)


@pytest.mark.parametrize(
    ("before", "after"), [("sgd", "adam"), ("adam", "sgd"), ("momentum", "adam"), ("adam", "ftrl")]
)
def test_another_optimizer_begins_where_the_parameters_are(before, after):
    model = SGDRegressor(optimizer=before, learning_rate=0.01)
    for _ in range(3):
        model.partial_fit(X, target)
    fresh = SGDRegressor(optimizer=after, learning_rate=0.01, warm_start=True, max_iter=1, tol=None)
    fresh.fit(X, target, coef_init=model.coef_, intercept_init=model.intercept_)
    model = pickle.loads(pickle.dumps(model.set_params(optimizer=after))).partial_fit(X, target)
    np.testing.assert_array_equal(model.coef_, fresh.coef_)
    assert model.t_ == 61.0


def test_an_intercept_that_is_left_out_later():
    model = SGDRegressor(learning_rate=0.01).partial_fit(X, target).set_params(fit_intercept=False)
    weights = model.coef_.copy()
    model.partial_fit(X, target)
    assert model.intercept_.tolist() == [0.0]
    assert 0.0 < np.abs(model.coef_ - weights).max() < 4.0


def test_a_loss_of_other_scores_is_refused():
    model = SGDClassifier("log_loss").partial_fit(X, y, classes=[0, 1]).set_params(loss="softmax")
    with pytest.raises(InvalidParameterError, match="loss: expected one with the scores a row of the calls before, 1"):
        model.partial_fit(X, y)


def test_partial_fit_after_early_stopping_goes_on_from_the_coefficients():
    model = SGDRegressor(
        optimizer="adam", learning_rate=0.05, early_stopping=True, n_iter_no_change=1, random_state=1
    ).fit(X, target)
    before = model.coef_.copy()
    model.set_params(early_stopping=False).partial_fit(X[:1], target[:1])
    assert np.abs(model.coef_ - before).max() <= 0.06


@pytest.mark.parametrize("first", [np.zeros((1, 4)), 1e-6 * X[:1], 0.01 * X[:5]], ids=["zero", "tiny", "short"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_a_rate_from_short_rows_holds_for_longer_ones(first, optimizer):
    model = SGDRegressor(optimizer=optimizer, random_state=0).partial_fit(first, np.ones(len(first)))
    for i in range(60):
        model.partial_fit(X[i : i + 1], target[i : i + 1])
    assert model.score(X, target) > 0.5


def test_rows_of_a_stream_that_grow():
    model = SGDRegressor(batch_size=4).partial_fit(X[:5], target[:5])
    for i in range(0, 60, 10):
        model.partial_fit(1e4 * X[i : i + 10], target[i : i + 10])
    assert np.abs(model.coef_).max() < 0.1  # near the coefficients of the longer rows


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e100, 1e150])
@pytest.mark.parametrize("options", [{}, {"optimizer": "momentum", "batch_size": 4}], ids=["sgd", "momentum"])
def test_huge_and_tiny_rows_have_a_rate(scale, options):
    model = SGDRegressor(on_unconverged="ignore", max_iter=20, **options).fit(scale * X, target)
    assert np.isfinite(model.coef_).all()
    assert model.certificate_.status.value != "diverged"


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_rows_whose_squares_overflow_are_named(loss):
    for fit in (SGDClassifier(loss).fit, lambda X, y: SGDClassifier(loss).partial_fit(X, y, classes=[0, 1])):
        with pytest.raises(DataError, match=r"X: no rate suits rows of squared length inf.*Scale X\."):
            fit(1e200 * X, y)


@pytest.mark.parametrize("classes", [[], [[0, 1]]], ids=["none", "table"])
@pytest.mark.parametrize("kind", [SGDClassifier, Perceptron])
def test_classes_are_a_list_of_labels(kind, classes):
    with pytest.raises(DataError, match=r"classes: expected an array of labels of shape \(k,\), got shape"):
        kind().partial_fit(X, y, classes=classes)
