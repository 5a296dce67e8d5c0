"""SGDClassifier and SGDRegressor: what they minimise, where they end, and what scikit-learn's parameters mean."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier as TheirClassifier
from sklearn.linear_model import SGDRegressor as TheirRegressor

import steepest
from steepest import LinearRegressor, LogisticRegression, SGDClassifier, SGDRegressor, Status
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses import Huber, Logistic
from steepest.penalties import L2
from steepest.readers.read import read_dataset
from steepest.rules import Adam
from steepest.solvers.schedules import Cosine

pytestmark = pytest.mark.filterwarnings("error")


# ------------------------------------------------------------------------------------------------- optimum


def test_classifier_ends_at_the_certified_optimum(class_data):
    X, y = class_data(n=200)
    model = SGDClassifier("log_loss", alpha=1e-2, tol=1e-4).fit(X, y)
    exact = LogisticRegression(C=1.0 / (1e-2 * len(y)), tol=1e-10).fit(X, y)
    assert model.certificate_.passed
    assert model.certificate_.kind == "duality_gap"
    np.testing.assert_allclose(model.certificate_.primal, exact.certificate_.primal, rtol=1e-4)
    assert model.certificate_.dual <= exact.certificate_.primal <= model.certificate_.primal
    np.testing.assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=0.02)


def test_softmax_ends_at_the_certified_optimum(class_data):
    X, y = class_data(n=200, k=3)
    model = SGDClassifier("softmax", alpha=1e-2).fit(X, y)
    assert model.certificate_.passed
    assert model.coef_.shape == (3, 4)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


def test_regressor_ends_at_the_certified_optimum(regression_data):
    X, y = regression_data(n=200)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = SGDRegressor(alpha=1e-2).fit(X, y)
    exact = LinearRegressor(alpha=1e-2, tol=1e-12).fit(X, y)
    assert model.certificate_.passed
    assert exact.certificate_.primal <= model.certificate_.primal <= exact.certificate_.primal * (1.0 + 1e-3)
    assert model.intercept_.shape == (1,)
    assert model.coef_.shape == (5,)


@pytest.mark.parametrize("optimizer", ["adam", Adam(0.8)], ids=["name", "value"])
def test_rules_by_name_and_by_value(class_data, optimizer):
    X, y = class_data(n=120)
    model = SGDClassifier("log_loss", alpha=0.1, optimizer=optimizer, batch_size=4, tol=1e-2).fit(X, y)
    assert model.certificate_.passed
    assert model.fit_record_.solver["name"] == "adam"


def test_an_l1_penalty_leaves_zeros(class_data):
    X, y = class_data(n=150)
    X = np.hstack([X, np.random.default_rng(1).normal(size=(150, 6))])
    model = SGDClassifier("log_loss", penalty="l1", alpha=0.1, tol=None, average=False, max_iter=300)
    model.set_params(on_unconverged="ignore").fit(X, y)
    assert np.any(model.coef_ == 0.0)  # steps are noise, but they land on zero and not beside it
    assert 0 < np.count_nonzero(np.abs(model.coef_) > 0.05) <= 4


def test_named_solvers_of_the_general_estimators(class_data):
    X, y = class_data(n=120)
    for solver in ("sgd", "saga"):
        model = steepest.LinearClassifier(solver=solver, alpha=0.1, tol=1e-3).fit(X, y)
        assert model.certificate_.passed
        assert model.fit_record_.solver["name"] == solver


# ------------------------------------------------------------------------------------ scikit-learn's meanings


LOSSES = {
    "log_loss": "classifier",
    "hinge": "classifier",
    "modified_huber": "classifier",
    "squared_hinge": "classifier",
    "squared_error": "regressor",
    "huber": "regressor",
    "epsilon_insensitive": "regressor",
    "squared_epsilon_insensitive": "regressor",
}


@pytest.mark.parametrize(
    "loss", [pytest.param(n, marks=[] if n in ("hinge", "huber") else pytest.mark.slow) for n in LOSSES]
)
def test_the_same_steps_give_scikit_learns_coefficients(loss, class_data, regression_data):
    ours, theirs, data = (
        (SGDClassifier, TheirClassifier, class_data)
        if LOSSES[loss] == "classifier"
        else (SGDRegressor, TheirRegressor, regression_data)
    )
    X, y = data(n=80)
    # scikit-learn cuts gradients at 1e12, which these do not reach
    same = {"alpha": 1e-3, "eta0": 1e-3, "learning_rate": "invscaling", "power_t": 0.3, "shuffle": False, "tol": None}
    a = ours(loss, **same, max_iter=4, average=False).fit(X, y)
    b = theirs(loss=loss, **same, max_iter=4).fit(X, y)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-9)
    np.testing.assert_allclose(a.intercept_, b.intercept_, rtol=1e-9)
    assert a.n_iter_ == b.n_iter_ == 4
    assert a.t_ == b.t_
    np.testing.assert_allclose(a.predict(X), b.predict(X))


@pytest.mark.parametrize("rate", ["optimal", "constant", "adaptive"])
def test_rates_of_scikit_learn(rate, class_data):
    X, y = class_data(n=60, k=3)
    same = {"alpha": 1e-2, "eta0": 0.05, "learning_rate": rate, "shuffle": False, "tol": None, "max_iter": 3}
    a = SGDClassifier("hinge", **same).fit(X, y)
    b = TheirClassifier(loss="hinge", **same).fit(X, y)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-8)
    np.testing.assert_array_equal(a.decision_function(X).argmax(axis=1), b.decision_function(X).argmax(axis=1))


def test_the_optimal_rate_takes_the_strength_of_a_penalty_value(class_data):
    X, y = class_data(n=60)
    same = {"learning_rate": "optimal", "max_iter": 3, "tol": None}
    named = SGDClassifier(alpha=0.01, **same).fit(X, y)
    np.testing.assert_array_equal(SGDClassifier(penalty=L2(0.01), **same).fit(X, y).coef_, named.coef_)
    same |= {"penalty": None, "shuffle": False}  # nothing is penalised, the rate still goes by alpha
    theirs = TheirClassifier(alpha=0.01, **same).fit(X, y)
    np.testing.assert_allclose(SGDClassifier(alpha=0.01, **same).fit(X, y).coef_, theirs.coef_, rtol=1e-9)


def test_probabilities_of_modified_huber(class_data):
    for k in (2, 3):
        X, y = class_data(n=60, k=k)
        same = {"alpha": 1e-2, "eta0": 0.05, "learning_rate": "constant", "shuffle": False, "tol": None, "max_iter": 3}
        a = SGDClassifier("modified_huber", **same).fit(X, y)
        b = TheirClassifier(loss="modified_huber", **same).fit(X, y)
        np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-9)


def test_the_linear_unit_moves_by_its_error(regression_data):
    X, y = regression_data(n=30)
    model = SGDRegressor(penalty=None, learning_rate="constant", eta0=1e-3, shuffle=False, max_iter=2, tol=None)
    model.fit(X, y)
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(2):
        for x, target in zip(X, y, strict=True):
            error = target - (x @ w + b)
            w, b = w + 1e-3 * error * x, b + 1e-3 * error
    np.testing.assert_allclose(model.coef_, w, rtol=1e-10)
    np.testing.assert_allclose(model.intercept_, [b], rtol=1e-10)


def test_averaging(class_data):
    X, y = class_data(n=40)
    same = {"alpha": 1e-2, "eta0": 0.05, "learning_rate": "constant", "shuffle": False, "tol": None, "max_iter": 3}
    a = SGDClassifier("log_loss", average=True, **same).fit(X, y)
    b = TheirClassifier(loss="log_loss", average=True, **same).fit(X, y)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-8)


# --------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"loss": "log_los"}, InvalidParameterError, "log_loss|logistic"),
        ({"loss": "poisson"}, IncompatibleError, "SGDRegressor"),
        ({"learning_rate": "pa1"}, InvalidParameterError, "passive"),
        ({"learning_rate": "optimul"}, InvalidParameterError, "optimal"),
        ({"learning_rate": "optimal", "alpha": 0.0}, InvalidParameterError, "alpha: must be > 0"),
        ({"learning_rate": "constant", "eta0": 0.0}, InvalidParameterError, "eta0: must be > 0"),
        ({"optimizer": "adm"}, InvalidParameterError, "optimizer: .*'adam'"),
        ({"order": "sideways"}, InvalidParameterError, "order"),
        ({"batch_size": 0}, InvalidParameterError, "batch_size"),
        ({"average": -1}, InvalidParameterError, "average"),
        ({"max_iter": None}, InvalidParameterError, "max_iter"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_wrong_parameters_are_named(parameters, error, match, class_data):
    X, y = class_data(n=30)
    with pytest.raises(error, match=match):
        SGDClassifier(**parameters).fit(X, y)


def test_values_as_parameters(class_data, regression_data):
    X, y = class_data(n=60)
    model = SGDClassifier(Logistic(), learning_rate=Cosine(0.1, 1000), max_iter=5, tol=None).fit(X, y)
    assert model.score(X, y) > 0.7
    X, y = regression_data(n=60)
    assert SGDRegressor(Huber(2.0), max_iter=5, tol=None).fit(X, y).n_iter_ == 5


def test_no_tolerance_runs_every_epoch_and_asks_for_nothing(class_data):
    X, y = class_data(n=60)
    model = SGDClassifier("log_loss", alpha=0.1, tol=None, max_iter=40).fit(X, y)
    assert model.n_iter_ == 40
    assert model.t_ == 40 * 60 + 1
    assert model.certificate_.status is Status.BUDGET
    assert "asked" not in model.certificate_.reason


def test_an_epoch_too_few_is_said(class_data):
    X, y = class_data(n=60)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 reached"):
        SGDClassifier("log_loss", alpha=1e-4, max_iter=1, tol=1e-6).fit(X, y)


def test_the_seed_is_the_random_state(class_data):
    X, y = class_data(n=60)

    def coef(state):
        return SGDClassifier("log_loss", max_iter=2, tol=None, random_state=state).fit(X, y).coef_

    assert np.array_equal(coef(None), coef(0))
    assert not np.array_equal(coef(0), coef(1))
    assert np.array_equal(coef(np.random.RandomState(3)), coef(np.random.RandomState(3)))


def test_early_stopping_returns_the_best_parameters(class_data):
    X, y = class_data(n=200)
    model = SGDClassifier("log_loss", alpha=1e-6, learning_rate="constant", eta0=0.5, early_stopping=True)
    model.set_params(validation_fraction=0.3, n_iter_no_change=3, tol=1e-9, average=False).fit(X, y)
    losses = model.history_["validation_loss"]
    assert model.certificate_.status is Status.STOPPED_EARLY
    assert len(losses) - 1 - int(np.nanargmin(losses)) == 3
    X, X_val, y, y_val = X[:140], X[140:], y[:140], y[140:]
    given = SGDClassifier(
        "log_loss", alpha=1e-6, learning_rate="constant", eta0=0.5, patience=3, average=False, tol=1e-9
    )
    given.fit(X, y, X_val=X_val, y_val=y_val)
    z = given.decision_function(X_val) * np.where(y_val == given.classes_[1], 1.0, -1.0)
    np.testing.assert_allclose(np.log1p(np.exp(-z)).mean(), np.nanmin(given.history_["validation_loss"]), rtol=1e-9)


def test_warm_start_goes_on_from_the_coefficients(class_data):
    X, y = class_data(n=120)
    model = SGDClassifier("log_loss", alpha=0.1, warm_start=True, tol=1e-3).fit(X, y)
    model.fit(X, y)
    assert model.n_iter_ == 0
    assert model.certificate_.passed


# ------------------------------------------------------------------------------------------------- inputs


def test_every_form_of_the_same_rows(class_data, tmp_path):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X, y = class_data(n=50)
    np.save(tmp_path / "X.npy", X)
    frozen = X.copy()
    frozen.flags.writeable = False
    names = [f"x{j}" for j in range(X.shape[1])]

    def coef(given):
        return SGDClassifier("log_loss", max_iter=2, tol=None).fit(given, y).coef_

    expected = coef(X)
    forms = [
        frozen,
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        np.asfortranarray(X),
        pandas.DataFrame(X, columns=names),
        polars.DataFrame(X, schema=names),
    ]
    for form in forms:
        np.testing.assert_array_equal(coef(form), expected)
    np.testing.assert_allclose(coef(sp.csr_array(X)), expected, rtol=1e-10)


def test_weights_are_repeated_rows_in_the_objective(class_data):
    X, y = class_data(n=60)
    s = np.random.default_rng(0).integers(1, 4, 60)
    weighted = SGDClassifier("log_loss", alpha=0.1, tol=1e-5).fit(X, y, sample_weight=s)
    repeated = SGDClassifier("log_loss", alpha=0.1, tol=1e-5).fit(np.repeat(X, s, axis=0), np.repeat(y, s))
    assert weighted.certificate_.passed
    assert repeated.certificate_.passed
    np.testing.assert_allclose(weighted.certificate_.primal, repeated.certificate_.primal, rtol=2e-5)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=0.01)


def test_class_weights(class_data):
    X, y = class_data(n=80)
    heavy = SGDClassifier("log_loss", alpha=0.1, class_weight={0: 3.0, 1: 1.0}).fit(X, y)
    plain = SGDClassifier("log_loss", alpha=0.1).fit(X, y)
    assert np.mean(heavy.predict(X) == 0) > np.mean(plain.predict(X) == 0)
    assert SGDClassifier("log_loss", alpha=0.1, class_weight="balanced").fit(X, y).certificate_.passed


@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA does not name a folder of data sets")
def test_agreement_with_scikit_learn_on_a9a():
    data = read_dataset(Path(os.environ["STEEPEST_DATA"]) / "a9a.xz")
    X, y = data.X[:4000], data.y[:4000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = SGDClassifier("log_loss", alpha=1e-4, max_iter=20, tol=1e-2).fit(X, y)
        theirs = TheirClassifier(loss="log_loss", alpha=1e-4, max_iter=20, random_state=0).fit(X, y)
    assert ours.score(X, y) >= theirs.score(X, y) - 0.005
