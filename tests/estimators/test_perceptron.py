"""Perceptron: scikit-learn's steps, an end iff a plane separates the classes, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron as Theirs

from steepest import Perceptron, SGDClassifier, Status
from steepest.exceptions import InvalidParameterError

AND = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("epochs", [1, 5])
def test_the_bits_of_scikit_learn(k, epochs, class_data):
    X, y = class_data(n=150, k=k)
    same = {"shuffle": False, "max_iter": epochs, "tol": None}
    a, b = Perceptron(**same).fit(X, y), Theirs(**same).fit(X, y)
    np.testing.assert_array_equal(a.coef_, b.coef_)
    np.testing.assert_array_equal(a.intercept_, b.intercept_)
    assert a.n_iter_ == b.n_iter_ == epochs


def test_partial_fit_takes_the_same_steps(class_data):
    X, y = class_data(n=90)
    once = Theirs(shuffle=False)
    often = Perceptron(shuffle=False)
    for rows in (slice(0, 40), slice(40, 90)):
        once.partial_fit(X[rows], y[rows], classes=[0, 1])
        often.partial_fit(X[rows], y[rows], classes=[0, 1])
    np.testing.assert_array_equal(once.coef_, often.coef_)


def test_separated_classes_end_it():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = np.where(X @ [1.0, -2.0, 0.5, 0.0] + 0.3 > 0.0, "up", "down")
    model = Perceptron(max_iter=5000).fit(X, y)
    assert model.certificate_.status is Status.CERTIFIED
    assert model.certificate_.primal == model.certificate_.value == 0.0
    assert model.certificate_.reason == "separated: no mistakes in a pass over 200 rows"
    assert model.certificate_.evidence["mistakes"] == 0
    assert model.score(X, y) == 1.0
    assert 1 < model.n_iter_ < 5000
    # Novikoff's bound on all mistakes that were made
    extended = np.column_stack([X, np.ones(200)])
    sides = np.where(y == "up", 1.0, -1.0)
    v = np.array([1.0, -2.0, 0.5, 0.0, 0.3])
    v /= (sides * (extended @ v)).min()
    assert np.abs(model.coef_).max() <= (extended**2).sum(axis=1).max() * (v @ v) * np.abs(X).max()


def test_zero_weights_are_no_end():
    model = Perceptron(shuffle=False).fit(AND, [0, 0, 0, 1])
    assert np.any(model.coef_ != 0.0)
    assert model.score(AND, [0, 0, 0, 1]) == 1.0


def test_classes_that_no_plane_separates():
    with pytest.warns(ConvergenceWarning, match="not separated"):
        model = Perceptron(max_iter=30).fit(AND, [0, 1, 1, 0])
    assert model.certificate_.status is Status.BUDGET
    assert not model.certificate_.passed
    wrong = int(np.sum(np.where([0, 1, 1, 0], 1.0, -1.0) * model.decision_function(AND) <= 0.0))
    assert model.certificate_.evidence["mistakes"] == wrong > 0
    assert f"{wrong} of 4 rows" in model.certificate_.reason


def test_rows_without_weight_make_no_mistakes():
    X, y = np.vstack([AND, AND[3:]]), [0, 0, 0, 1, 0]
    model = Perceptron().fit(X, y, sample_weight=[1.0, 1.0, 1.0, 1.0, 0.0])
    assert model.certificate_.passed


def test_a_row_of_zeros_is_always_wrong():
    model = Perceptron(fit_intercept=False, max_iter=10, on_unconverged="ignore").fit([[0.0], [1.0]], [0, 1])
    assert model.certificate_.evidence["mistakes"] == 1


def test_with_a_penalty_mistakes_are_what_counts(class_data):
    X, y = class_data(n=60)
    same = {"shuffle": False, "max_iter": 3, "tol": None, "penalty": "l2"}
    a, b = Perceptron(**same).fit(X, y), Theirs(**same).fit(X, y)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-10)
    assert "rows are on the wrong side" in a.certificate_.reason


def test_the_first_rate_only_scales(class_data):
    X, y = class_data(n=60)
    a = Perceptron(max_iter=3, tol=None).fit(X, y)
    b = Perceptron(max_iter=3, tol=None, eta0=0.25).fit(X, y)
    np.testing.assert_allclose(b.coef_, 0.25 * a.coef_, rtol=1e-12)


def test_it_is_stochastic_descent_of_the_perceptron_loss(class_data):
    X, y = class_data(n=60)
    a = Perceptron(max_iter=3, tol=None).fit(X, y)
    b = SGDClassifier("perceptron", penalty=None, learning_rate="constant", eta0=1.0, max_iter=3, tol=None).fit(X, y)
    np.testing.assert_array_equal(a.coef_, b.coef_)


def test_eta0_must_be_positive():
    with pytest.raises(InvalidParameterError, match="eta0"):
        Perceptron(eta0=0.0).fit(AND, [0, 0, 0, 1])


def test_batches_from_an_iterator():
    X = np.random.default_rng(0).normal(size=(90, 3))
    y = (X[:, 0] + X[:, 1] > 0.1).astype(int)
    model = Perceptron(shuffle=False, max_iter=3000).fit_batches([(X[:50], y[:50]), (X[50:], y[50:])])
    assert model.certificate_.reason == "separated: no mistakes in a pass over 90 rows"
    assert model.score(X, y) == 1.0
    few = Perceptron(shuffle=False, max_iter=2, tol=None).fit_batches([(X[:50], y[:50]), (X[50:], y[50:])])
    np.testing.assert_array_equal(few.coef_, Perceptron(shuffle=False, max_iter=2, tol=None).fit(X, y).coef_)


def test_the_warning_says_what_to_do_where_nothing_separates():
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 1, 0, 1]
    with pytest.warns(ConvergenceWarning, match=r"LinearClassifier\('hinge'\)"):
        Perceptron(max_iter=5).fit(X, y)
