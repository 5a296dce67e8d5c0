"""What a fitted network shows: numbers from which its predictions follow, scores, its objective; and its parameters."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from steepest import Dense, MLPClassifier, MLPRegressor, Ridge, SGDRegressor
from steepest.exceptions import DataError, IncompatibleError
from steepest.networks.fused import EPSILON
from steepest.rules import RULES, rules_of_networks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
ONE = X @ RNG.normal(size=5)
MANY = X @ RNG.normal(size=(5, 2))
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])]
SETS = (X[:, :3] > 0).astype(int)
SHARES = RNG.dirichlet(np.ones(3), 60)
FAST = {"max_iter": 8, "tol": None, "curvature": False, "probes": False}


# ------------------------------------------------------------------------------------------ batch normalisation


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("fixed", "scale"), [(False, None), (True, None), (False, "standard"), (False, "range")])
def test_predictions_follow_from_what_a_network_shows(fixed, scale, dtype):
    """Layers with and without batch normalisation, biases and training, and one of several sums a unit."""
    layers = [
        Dense(7, "relu", batch_norm=True, trainable=not fixed),
        Dense(6, "tanh", bias=False),
        Dense(4, "maxout", batch_norm=True, dropout=0.2),
        Dense(5, "sigmoid"),
    ]
    model = MLPRegressor(layers=layers, dtype=dtype, scale=scale, batch_size=20, learning_rate_init=0.02, **FAST)
    model.fit(X + 3.0, MANY)
    shown = (model.gammas_, model.running_means_, model.running_variances_)
    for found in shown:
        assert [piece is not None for piece in found] == [True, False, True, False, False]
        assert [piece.shape for piece in found if piece is not None] == [b.shape for b in model.intercepts_[:3:2]]
        assert {piece.dtype for piece in found if piece is not None} == {np.dtype(dtype)}
    units = [
        lambda z: np.maximum(z, 0.0),
        np.tanh,
        lambda z: z.reshape(len(z), -1, 4).max(axis=1),
        lambda z: 1.0 / (1.0 + np.exp(-z)),
        lambda z: z,
    ]
    new = np.random.default_rng(1).normal(size=(30, 5))
    shift, factor = model.column_shift_, model.column_factor_
    assert (shift is None, factor is None) == (scale != "standard", scale is None)
    a = (new - (0.0 if shift is None else shift)) * (1.0 if factor is None else factor)
    for unit, W, b, gamma, mean, variance in zip(units, model.coefs_, model.intercepts_, *shown, strict=True):
        u = a @ W
        a = unit(u + b if gamma is None else gamma * (u - mean) / np.sqrt(variance + EPSILON) + b)
    assert EPSILON == 1e-5  # as documented
    np.testing.assert_allclose(model.predict(new), a, rtol=1e-4 if dtype == "float32" else 1e-10, atol=1e-5)
    assert not np.allclose(model.running_means_[0], 0.0)
    assert not np.allclose(model.running_variances_[0], 1.0)
    assert np.allclose(model.gammas_[0], 1.0) == fixed


def test_networks_without_batch_normalisation_have_none_of_it():
    model = MLPClassifier((4, 3), **FAST)
    for name in ("gammas_", "running_means_", "running_variances_"):
        assert not hasattr(model, name)
    model.fit(X, THREE)
    assert model.gammas_ == model.running_means_ == model.running_variances_ == [None, None, None]


# ------------------------------------------------------------------------------------------ scores on held-out rows


@pytest.mark.parametrize(("solver", "epochs"), [("adam", 8), ("lbfgs", 4)])
@pytest.mark.parametrize("sort", ["classes", "sets", "shares", "number", "numbers"])
def test_scores_are_there_wherever_rows_are_held_out(sort, solver, epochs):
    """Those of the last epoch are those of the model; the loss decides all the same."""
    y = {"classes": THREE, "sets": SETS, "shares": SHARES, "number": ONE, "numbers": MANY}[sort]
    kind = MLPRegressor if sort.startswith("number") else MLPClassifier
    how = {**FAST, "solver": solver, "max_iter": epochs, "on_unconverged": "ignore"}
    if sort == "shares":
        how["loss"] = "kl"
    s = np.arange(1.0, 21.0)
    model = kind(hidden_layer_sizes=(6,), **how)
    model.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:], sample_weight_val=s)
    assert model.fit_record_.data["validation"]["monitor"] == "loss"
    assert len(model.validation_scores_) == model.n_iter_ == epochs
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.validation_scores_ == model.history_["validation_score"][1:].tolist()
    truth = y[40:].argmax(axis=1) if sort == "shares" else y[40:]
    score = r2_score if sort.startswith("number") else accuracy_score
    own = score(truth, model.predict(X[40:]), sample_weight=s)
    assert model.validation_scores_[-1] == pytest.approx(own, rel=1e-5)


def test_no_scores_without_rows_and_none_of_one_number():
    model = MLPRegressor(hidden_layer_sizes=(4,), **FAST).fit(X, ONE)
    assert model.validation_scores_ is model.best_validation_score_ is None
    model.fit(X, ONE, X_val=X[:1], y_val=ONE[:1])  # R^2 of one row is none
    assert model.validation_scores_ is model.best_validation_score_ is None
    assert np.isfinite(model.history_["validation_loss"]).all()


def test_scores_that_decide_nothing_may_be_as_bad_as_they_like():
    """Predictions ``exp(z)`` at the end of all numbers, whose squares are infinite."""
    far = np.concatenate([1e6 * X[:5], -1e6 * X[:5]])
    model = MLPRegressor("poisson", (4,), "identity", dtype="float64", **FAST)
    model.fit(X, np.exp(X[:, 0]), X_val=far, y_val=np.arange(10.0))
    assert model.validation_scores_ == [-np.inf] * 8
    assert model.best_validation_score_ == -np.inf


# ------------------------------------------------------------------------------------------------- words and names


def test_layers_that_are_equal_are_counted():
    how = {"max_iter": 1, "tol": None, "curvature": False, "probes": False}
    model = MLPClassifier((50,) * 20, **how).fit(X, THREE)
    assert model.objective_.endswith("z_i = net(x_i): 5 - 20 x 50 relu - 3")
    assert model.fit_record_.solver["options"]["layers"] == "5 - 20 x 50 - 3"
    layers = [Dense(3, "tanh"), Dense(3, "tanh"), *[Dense(3, dropout=0.1)] * 3, Dense(3, "tanh")]
    model = MLPClassifier(layers=layers, **how).fit(X, THREE)
    said = "5 - 3 tanh - 3 tanh - 3 x 3 relu dropout 0.1 - 3 tanh - 3"
    assert model.objective_.endswith(f"z_i = net(x_i): {said}")


def test_parameters_of_both_estimators_are_alike():
    """Their defaults, their order and what is checked; the loss and weights of classes apart."""
    ours, others = (inspect.signature(kind.__init__).parameters for kind in (MLPClassifier, MLPRegressor))
    assert set(ours) - set(others) == {"class_weight"}
    assert set(others) <= set(ours)
    shared = [name for name in ours if name in others and name != "loss"]
    assert shared == [name for name in others if name != "loss"]
    assert {n: ours[n].default for n in shared} == {n: others[n].default for n in shared}
    assert (ours["loss"].default, others["loss"].default) == ("auto", "squared_error")
    assert MLPClassifier._rules == MLPRegressor._rules


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_trains_or_says_why_not(name):
    model = MLPClassifier((4,), optimizer=name, learning_rate_init=1e-3, **FAST)
    if name in rules_of_networks():
        assert model.fit(X, THREE).n_iter_ == 8
        return
    why = RULES[name].not_for_networks
    assert why
    for given in (name, RULES[name]()):
        with pytest.raises(IncompatibleError, match=f"optimizer: '{name}' {why}. Use 'adam'"):
            model.set_params(optimizer=given).fit(X, THREE)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (["low", "high", "low", "high"], "'low' in row 0"),
        (np.array(["1", "2", "3", "x"]), "'x' in row 3"),
        (np.array([1.0, "2", "3", "x"], dtype=object), "'x' in row 3"),
        (np.array([b"1", b"2", b"3", b"x"]), "b'x' in row 3"),
        (np.array(["2020-01-01"] * 4, dtype="datetime64[D]"), "dates or times, 2020-01-01"),
    ],
)
@pytest.mark.parametrize("model", [MLPRegressor(hidden_layer_sizes=(3,), **FAST), Ridge(), SGDRegressor()])
def test_targets_that_are_no_numbers(model, y, said):
    ways = [model.fit, model.partial_fit] if hasattr(model, "partial_fit") else [model.fit]
    for fit in ways:
        with pytest.raises(DataError, match="y: expected numbers, got " + said):
            fit(X[:4], y)
        assert not hasattr(model, "coef_")
        assert not hasattr(model, "coefs_")


def test_targets_of_several_columns_that_are_no_numbers():
    with pytest.raises(DataError, match=r"y: expected numbers, got 'x' in row 1\. Encode it"):
        MLPRegressor(hidden_layer_sizes=(3,), **FAST).fit(X[:2], [[1.0, 2.0], [3.0, "x"]])
