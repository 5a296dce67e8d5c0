"""Estimators whose weights are held in a set: against scikit-learn, SciPy and CVXPY."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls
from sklearn import linear_model
from sklearn.base import clone

import steepest
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.penalties import Box, L1Ball, L2Ball, NonNegative, Simplex
from steepest.persistence import load, save

RNG = np.random.default_rng(17)
X = RNG.normal(size=(90, 7)) + RNG.normal(size=7)
Y = X @ np.array([1.0, -1.0, 0.5, -0.5, 0.0, 2.0, -0.1]) + 3.0 + 0.3 * RNG.normal(size=90)
LABELS = np.where(np.median(Y) < Y, "up", "down")
WEIGHT = RNG.uniform(0.1, 2.0, size=90)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    ("name", "options"),
    [("Lasso", {"alpha": 0.1}), ("ElasticNet", {"alpha": 0.2, "l1_ratio": 0.3}), ("Lasso", {"alpha": 3.0})],
)
def test_positive_is_that_of_scikit_learn(name, options, intercept, kind):
    data = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0.0)) if kind == "sparse" else X
    options = {**options, "positive": True, "fit_intercept": intercept}
    ours = getattr(steepest, name)(**options, tol=1e-10).fit(data, Y)
    theirs = getattr(linear_model, name)(**options, tol=1e-12, max_iter=100_000).fit(data, Y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)
    assert ours.coef_.min() >= 0.0
    assert ours.certificate_.passed
    assert ours.objective_.endswith("w >= 0")


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_positive_ridge_is_that_of_scikit_learn(solver):
    ours = steepest.Ridge(5.0, positive=True, solver=solver, tol=1e-10).fit(X, Y, WEIGHT)
    theirs = linear_model.Ridge(5.0, positive=True, solver="lbfgs", tol=1e-12).fit(X, Y, WEIGHT)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    assert ours.certificate_.passed
    assert any("scikit-learn's" in note for note in ours.fit_record_.solver["notes"]) == (solver == "lbfgs")


@pytest.mark.parametrize("intercept", [True, False])
def test_positive_least_squares_is_nnls(intercept):
    model = steepest.LinearRegression(positive=True, fit_intercept=intercept, tol=1e-9).fit(X, np.c_[Y, -Y])
    for target, coef in zip((Y, -Y), model.coef_, strict=True):
        A, b = (X - X.mean(axis=0), target - target.mean()) if intercept else (X, target)
        np.testing.assert_allclose(coef, nnls(A, b)[0], atol=1e-8)
    assert model.certificate_.passed, model.certificate_
    assert np.all(model.sigma_ > 0.0)
    with pytest.raises(InvalidParameterError, match="return_std: offered for least squares without positive=True"):
        model.predict(X, return_std=True)


def test_only_booleans_are_positive():
    for model in (steepest.Lasso(positive="yes"), steepest.Ridge(positive=None), steepest.LinearRegression(positive=2)):
        with pytest.raises(InvalidParameterError, match="positive"):
            model.fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"search over ElasticNet\(positive=True\)"):
        steepest.LassoCV(positive=True).fit(X, Y)


SETS = {
    "box": (Box(-0.1, 0.3), "-0.1 <= w <= 0.3"),
    "half": (Box(-np.inf, 0.25), "w <= 0.25"),
    "arrays": (Box(np.full(7, -0.2), np.linspace(0.1, 0.7, 7)), "low <= w <= high"),
    "nonnegative": (NonNegative(), "w >= 0"),
    "l2": (L2Ball(0.5), "|w|_2 <= 0.5"),
    "l1": (L1Ball(0.5), "|w|_1 <= 0.5"),
    "simplex": (Simplex(2.0), "w >= 0 and sum_j w_j = 2"),
}


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
@pytest.mark.parametrize("name", sorted(SETS))
def test_a_classifier_holds_its_weights(name, loss, tmp_path):
    constraint, words = SETS[name]
    model = steepest.LinearClassifier(loss, alpha=0.01, constraint=constraint, tol=1e-6).fit(X, LABELS, WEIGHT)
    assert model.certificate_.passed, model.certificate_
    assert constraint.contains(model.coef_[0])
    assert words in model.objective_
    assert repr(constraint)[:10] in str(model.fit_record_.parameters["constraint"])
    free = steepest.LinearClassifier(loss, alpha=0.01, tol=1e-6).fit(X, LABELS, WEIGHT)
    assert model.certificate_.primal > free.certificate_.primal  # the set does hold it
    path = tmp_path / "model.skops"
    save(model, path)
    again = load(path)
    assert again.constraint == constraint
    np.testing.assert_array_equal(again.coef_, model.coef_)
    assert clone(model).constraint == constraint


def test_every_score_has_weights_of_its_own():
    y = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
    for loss in ("softmax", "logistic"):
        model = steepest.LinearClassifier(loss, alpha=0.01, constraint="simplex", tol=1e-5).fit(X, y)
        np.testing.assert_allclose(model.coef_.sum(axis=1), np.ones(3), rtol=1e-12)
        assert model.coef_.min() >= 0.0
        assert model.certificate_.passed
    assert (
        "for each column w of W"
        in steepest.LinearClassifier("softmax", constraint="simplex", on_unconverged="ignore", max_iter=1)
        .fit(X, y)
        .objective_
    )


def test_a_mixture_of_predictions():
    """Stacking: the weights of models that predict the same number."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=200)
    predictions = truth[:, None] + rng.normal(size=(200, 4)) * np.array([0.5, 1.0, 2.0, 9.0])
    model = steepest.LinearRegressor("squared", penalty=None, constraint="simplex", fit_intercept=False, tol=1e-8).fit(
        predictions, truth
    )
    assert model.certificate_.passed
    assert model.coef_.sum() == pytest.approx(1.0, rel=1e-12)
    assert list(np.argsort(-model.coef_)) == [0, 1, 2, 3]


@pytest.mark.parametrize("solver", ["fista", "projected_gradient", "coordinate"])
def test_solvers_of_constraints_by_name(solver):
    model = steepest.LinearRegressor("huber", alpha=0.01, constraint="nonnegative", solver=solver, tol=1e-6).fit(X, Y)
    assert model.certificate_.passed
    assert model.coef_.min() >= 0.0
    assert model.fit_record_.solver["name"] == solver


def test_a_warm_start_outside_is_moved_inside():
    model = steepest.LinearRegressor(constraint=L2Ball(0.5), warm_start=True, tol=1e-6)
    model.fit(X, Y, coef_init=np.full(7, 9.0), intercept_init=0.0)
    assert model.certificate_.passed
    rounds = model.n_iter_
    model.fit(X, Y)
    assert model.n_iter_ < rounds or model.n_iter_ == 0


def test_what_cannot_be_is_said():
    for constraint in ("ball", 3.0, Box):
        with pytest.raises(InvalidParameterError, match="constraint: expected one of"):
            steepest.LinearClassifier(constraint=constraint).fit(X, LABELS)
    with pytest.raises(InvalidParameterError, match="expected limits for 7 weights, got 2"):
        steepest.LinearRegressor(constraint=Box([0.0, 0.0], 1.0)).fit(X, Y)
    with pytest.raises(IncompatibleError, match="'lbfgs' needs weights without a constraint"):
        steepest.LinearRegressor(constraint="simplex", solver="lbfgs").fit(X, Y)


def test_validation_rows_watch_a_constrained_fit():
    model = steepest.LinearClassifier(constraint=L1Ball(0.5), patience=5, validation_fraction=0.2, random_state=0)
    model.fit(X, LABELS)
    assert L1Ball(0.5).contains(model.coef_[0])


@pytest.mark.parametrize("model", [steepest.Lasso(positive=True), steepest.LinearRegressor(constraint="simplex")])
def test_paths_say_that_they_keep_to_no_set(model):
    with pytest.raises(IncompatibleError, match="paths of weights that are held in a set are not offered"):
        steepest.regularization_path(model, X, Y)
