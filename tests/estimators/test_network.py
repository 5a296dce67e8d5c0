"""Networks as estimators: scikit-learn's steps and objective, every kind of target, and what is said of the result."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from steepest import Dense, MLPClassifier, MLPRegressor
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError
from steepest.losses import Huber
from steepest.protocols import Status

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
TWO = (X[:, 0] * X[:, 1] > 0).astype(int)
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])]
SETS = (X[:, :3] > 0).astype(int)
SHARES = RNG.dirichlet(np.ones(3), 60)
ONE = X @ RNG.normal(size=5)
MANY = X @ RNG.normal(size=(5, 2))
FAST = {"max_iter": 20, "tol": None, "curvature": False, "probes": False}


def theirs_from(kind, W, b, y, **how):
    """scikit-learn's network after its epochs from given parameters."""
    model = kind(warm_start=True, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
        model.coefs_, model.intercepts_ = [w.copy() for w in W], [v.copy() for v in b]
        model.loss_curve_, model.best_loss_, model.t_, model._no_improvement_count = [], np.inf, 0, 0
        return model.fit(X, y)


def drawn(y, sizes):
    """Weights and biases for X and y."""
    outputs = {"b": 1, "U": 3}.get(y.dtype.kind, 1) if y.ndim == 1 else y.shape[1]
    widths = [X.shape[1], *sizes, outputs]
    rng = np.random.default_rng(5)
    W = [0.5 * rng.normal(size=(a, b)) for a, b in zip(widths[:-1], widths[1:], strict=True)]
    return W, [0.1 * rng.normal(size=b) for b in widths[1:]]


RULES = {
    "adam": {"solver": "adam", "epsilon": 1e-13},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.1},
    "momentum, falling rate": {
        "solver": "sgd",
        "nesterovs_momentum": False,
        "learning_rate": "invscaling",
        "learning_rate_init": 0.5,
    },
    "plain": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("ours", "theirs", "y"),
    [
        (MLPClassifier, TheirClassifier, TWO),
        (MLPClassifier, TheirClassifier, THREE),
        (MLPClassifier, TheirClassifier, SETS),
        (MLPRegressor, TheirRegressor, ONE),
        (MLPRegressor, TheirRegressor, MANY),
    ],
    ids=["two", "three", "sets", "one", "many"],
)
def test_steps_are_those_of_scikit_learn(ours, theirs, y, rule):
    how = {
        **RULES[rule],
        "hidden_layer_sizes": (7, 4),
        "activation": "tanh",
        "alpha": 1e-2,
        "shuffle": False,
        "batch_size": 20,
        "max_iter": 7,
    }
    W, b = drawn(y, (7, 4))
    their = theirs_from(theirs, W, b, y, **how)
    our = ours(**how, dtype="float64", on_unconverged="ignore", curvature=False)
    our.fit(X, y, coefs_init=W, intercepts_init=b)
    for mine, other in zip(our.coefs_ + our.intercepts_, their.coefs_ + their.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)
    if y is not MANY:  # the loss that scikit-learn prints is the mean over targets, its gradient that of the sum
        assert our.loss_ == pytest.approx(their.loss_, rel=1e-9)
        np.testing.assert_allclose(our.loss_curve_, their.loss_curve_, rtol=1e-9)
    assert (our.n_iter_, our.t_, our.n_layers_, our.n_outputs_) == (
        their.n_iter_,
        their.t_,
        their.n_layers_,
        their.n_outputs_,
    )
    assert our.out_activation_ == their.out_activation_
    np.testing.assert_allclose(np.asarray(our.predict(X) == their.predict(X), float) if y.dtype.kind in "iU" else
                               our.predict(X) - their.predict(X) + 1.0, 1.0, atol=1e-8)  # fmt: skip


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_training_ends_where_that_of_scikit_learn_does(solver):
    how = {
        "solver": solver,
        "hidden_layer_sizes": (7,),
        "activation": "tanh",
        "shuffle": False,
        "batch_size": 20,
        "max_iter": 300,
        "tol": 1e-2,
        "n_iter_no_change": 4,
        "learning_rate_init": 0.02,
        "epsilon": 1e-13,
    }
    W, b = drawn(TWO, (7,))
    their = theirs_from(TheirClassifier, W, b, TWO, **how)
    our = MLPClassifier(**how, dtype="float64", curvature=False).fit(X, TWO, coefs_init=W, intercepts_init=b)
    assert our.n_iter_ == their.n_iter_ < 300
    assert our.best_loss_ == pytest.approx(their.best_loss_, rel=1e-9)
    assert our.certificate_.status is Status.APPROXIMATE
    assert "proves nothing" in our.certificate_.reason
    assert not our.certificate_.passed


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg"])
def test_methods_on_all_rows_minimise_the_objective_of_scikit_learn(solver):
    how = {"hidden_layer_sizes": (4,), "activation": "tanh", "alpha": 1.0, "max_iter": 2000}
    W, b = drawn(TWO, (4,))
    their = theirs_from(TheirClassifier, W, b, TWO, solver="lbfgs", tol=1e-9, **how)
    our = MLPClassifier(**how, solver=solver, tol=1e-7).fit(X, TWO, coefs_init=W, intercepts_init=b)
    value = np.mean(np.logaddexp(0.0, np.where(TWO, -1.0, 1.0) * our.decision_function(X)))
    value += 0.5 / 60 * sum(float((w * w).sum()) for w in our.coefs_)
    assert our.loss_ == pytest.approx(value, rel=1e-9)
    assert our.certificate_.primal == pytest.approx(value, rel=1e-9)
    assert our.loss_ == pytest.approx(their.loss_, rel=1e-4)
    assert our.certificate_.kind == "second_order"
    assert our.certificate_.evidence["verdict"] == "minimum to second order"
    assert our.certificate_.status is Status.APPROXIMATE


def test_digits():
    digits, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(1).permutation(len(y))
    train, test = rows[:1400], rows[1400:]
    model = MLPClassifier((64,), max_iter=40, tol=None, scale="range", learning_rate_init=5e-3, curvature=False)
    model.fit(digits[train].astype(np.uint8), y[train])
    assert model.score(digits[test].astype(np.uint8), y[test]) > 0.97
    assert model.coefs_[0].dtype == np.float32
    assert model.predict_proba(digits[test]).dtype == np.float32


def test_regression():
    grid = np.linspace(-2.0, 2.0, 81)[:, None]
    model = MLPRegressor("squared_error", (16,), "tanh", solver="lbfgs", alpha=1e-6, tol=1e-4, max_iter=1000)
    assert model.fit(grid, np.sin(2.0 * grid[:, 0])).score(grid, np.sin(2.0 * grid[:, 0])) > 0.999
    many = MLPRegressor("squared_error", (16,), "tanh", learning_rate_init=0.02, max_iter=300, tol=None)
    both = np.c_[np.sin(2.0 * grid[:, 0]), grid[:, 0]]
    assert many.fit(grid, both).score(grid, both) > 0.98
    assert many.predict(grid).shape == (81, 2)


# ------------------------------------------------------------------------------------------------ losses, targets


@pytest.mark.parametrize("loss", ["log_loss", "cross_entropy", "crammer_singer", "weston_watkins", "hinge",
                                  "squared_hinge", "squared_error", "kl",
                                  [(1.0, "cross_entropy"), (0.3, "crammer_singer")]])  # fmt: skip
@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_losses_of_classes(loss, y):
    model = MLPClassifier((16,), loss=loss, learning_rate_init=0.02, **{**FAST, "max_iter": 200}).fit(X, y)
    assert model.score(X, y) > 0.9
    assert set(model.predict(X)) <= set(y)
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    chances = loss not in ("crammer_singer", "weston_watkins", "hinge", "squared_hinge", "squared_error")
    assert hasattr(model, "predict_proba") == hasattr(clone(model), "predict_proba") == chances
    if chances:
        q = model.predict_proba(X)
        np.testing.assert_allclose(q.sum(axis=1), 1.0, rtol=1e-6)
        np.testing.assert_array_equal(model.classes_[q.argmax(axis=1)], model.predict(X))
        np.testing.assert_allclose(model.predict_log_proba(X), np.log(q), rtol=1e-6, atol=1e-6)
    else:
        with pytest.raises(AttributeError, match="has no attribute 'predict_proba'") as caught:
            model.predict_proba(X)
        assert "gives no probabilities" in str(caught.value.__cause__)


@pytest.mark.parametrize("loss", ["auto", "log_loss", "squared_hinge", "squared_error"])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_sets_of_labels(loss, form):
    model = MLPClassifier((16,), loss=loss, learning_rate_init=0.02, **{**FAST, "max_iter": 150}).fit(X, form(SETS))
    found = model.predict(X)
    assert sp.issparse(found) == (form is sp.csr_array)
    assert (np.asarray(found.toarray() if sp.issparse(found) else found) == SETS).mean() > 0.95
    assert model.score(X, form(SETS)) > 0.9


def test_shares():
    model = MLPClassifier((32,), loss="kl", learning_rate_init=0.02, **{**FAST, "max_iter": 400}, alpha=0.0)
    model.fit(X, SHARES)
    q = model.predict_proba(X)
    divergence = np.sum(SHARES * np.log(SHARES / q), axis=1).mean()
    assert divergence < 0.05
    assert model.certificate_.primal == pytest.approx(divergence, rel=1e-4)
    assert model.score(X, SHARES) > 0.85
    one_hot = np.eye(3)[SHARES.argmax(axis=1)]
    hard = MLPClassifier((5,), loss="kl", **FAST).fit(X, one_hot)
    labels = MLPClassifier((5,), loss="cross_entropy", **FAST).fit(X, SHARES.argmax(axis=1))
    np.testing.assert_allclose(hard.coefs_[0], labels.coefs_[0], rtol=1e-9)


def test_squares_through_a_sigmoid():
    how = {"loss": "squared_error", "output_activation": "sigmoid", "learning_rate_init": 0.05}
    model = MLPClassifier((16,), **how, **{**FAST, "max_iter": 300}).fit(X, TWO)
    q = model.predict_proba(X)[:, 1]
    assert ((q >= 0.0) & (q <= 1.0)).all()
    assert model.score(X, TWO) > 0.9
    assert model.out_activation_ == "logistic"
    np.testing.assert_array_equal(model.predict(X), (q > 0.5).astype(int))
    three = MLPClassifier((16,), **how, **{**FAST, "max_iter": 300}).fit(X, THREE)
    assert three.score(X, THREE) > 0.9


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "quantile", "poisson",
                                  [(1.0, "squared_error"), (0.2, Huber(0.5))]])  # fmt: skip
@pytest.mark.parametrize("y", [ONE, ONE[:, None], MANY], ids=["flat", "column", "many"])
def test_losses_of_numbers(loss, y):
    target = np.exp(0.3 * y) if loss == "poisson" else y
    model = MLPRegressor(loss, (16,), learning_rate_init=0.02, **{**FAST, "max_iter": 200}).fit(X, target)
    assert model.predict(X).shape == y.shape
    assert model.score(X, target) > 0.8
    if loss == "poisson":
        assert model.out_activation_ == "exp"
        assert (model.predict(X) > 0.0).all()


def test_the_objective_is_told_with_its_numbers():
    model = MLPClassifier((4,), "tanh", batch_size=20, alpha=0.01, **FAST).fit(X, THREE)
    assert model.objective_ == (
        "P(w) = (1/60) sum_i (log sum_j exp(z_ij) - z_i,y_i) + 0.01/(2 * 20) |W|_2^2,  z_i = net(x_i): 5 - 4 tanh - 3"
    )
    z = np.tanh(X @ model.coefs_[0] + model.intercepts_[0]) @ model.coefs_[1] + model.intercepts_[1]
    codes = np.searchsorted(model.classes_, THREE)
    value = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(60), codes])
    value += 0.01 / 40 * sum(float((w * w).sum()) for w in model.coefs_)
    assert model.certificate_.primal == pytest.approx(value, rel=1e-9)
    assert "proof of a global minimum" in model.certificate_.reason


# --------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"layers": [0]}, InvalidParameterError, "layers: .* got 0"),
        ({"layers": "abc"}, InvalidParameterError, "layers: .* got 'abc'"),
        ({"hidden_layer_sizes": (0,)}, InvalidParameterError, "hidden_layer_sizes must be > 0"),
        ({"hidden_layer_sizes": [[3, 4], 2]}, InvalidParameterError, "'hidden_layer_sizes' parameter"),
        ({"monitor": 3}, InvalidParameterError, "'monitor' parameter"),
        ({"hidden_layer_sizes": (2.5,)}, InvalidParameterError, "hidden_layer_sizes must be > 0"),
        ({"loss": "cross_entropie"}, InvalidParameterError, "Did you mean 'cross_entropy'"),
        ({"loss": "poisson"}, IncompatibleError, "Use MLPRegressor"),
        ({"loss": "log_loss", "output_activation": "sigmoid"}, IncompatibleError, "output_activation: .*'log_loss'"),
        ({"activation": "rel"}, InvalidParameterError, "activation: .*'rel'"),
        ({"solver": "adamm"}, InvalidParameterError, "'solver' parameter of MLPClassifier .* Did you mean 'adam'"),
        ({"optimizer": "ftrl"}, IncompatibleError, "optimizer: 'ftrl' begins at zero"),
        ({"learning_rate": "optimal"}, InvalidParameterError, "learning_rate: 'optimal' is for convex"),
        ({"order": "sorted"}, InvalidParameterError, "order: .*'sorted'"),
        ({"dtype": "float16"}, InvalidParameterError, "'dtype' parameter .* 'float16'"),
        ({"solver": "lbfgs", "layers": [Dense(4, batch_norm=True)]}, IncompatibleError, "leave batch_norm out"),
        ({"solver": "lbfgs", "layers": [Dense(4, dropout=0.5)]}, IncompatibleError, "leave dropout out"),
        ({"solver": "lbfgs", "loss": "crammer_singer"}, IncompatibleError, "slope does not jump"),
        ({"solver": "lbfgs", "clip_norm": 1.0}, IncompatibleError, "clip_norm: .* sees no batches"),
        ({"solver": "lbfgs", "weight_decay": 0.1}, IncompatibleError, "weight_decay: .* Use alpha"),
        ({"image_shape": (2, 2)}, InvalidParameterError, r"image_shape: .* 5 features, got \(2, 2\)"),
        ({"augment": "shift"}, InvalidParameterError, "image_shape: .* no square"),
        ({"patience": 3}, InvalidParameterError, "patience=3 needs validation rows"),
        ({"monitor": "accuracy"}, InvalidParameterError, "monitor='accuracy' needs validation rows"),
        ({"early_stopping": True, "validation_fraction": 0.0}, DataError, "validation_fraction: .* above 0"),
        ({"early_stopping": True, "validation_fraction": 0.01}, DataError, "validation_fraction=0.01"),
        ({"class_weight": {"z": 1.0}}, InvalidParameterError, "not in class_weight"),
    ],
)
def test_errors_name_the_parameter(how, error, said):
    with pytest.raises(error, match=said):
        MLPClassifier(**{**FAST, **how}).fit(X, THREE)


def test_errors_of_data():
    model = MLPClassifier((4,), **FAST)
    with pytest.raises(DataError, match="only one class"):
        model.fit(X, np.zeros(60))
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(np.where(X > 1.0, np.nan, X), TWO)
    with pytest.raises(DataError, match="Unknown label type"):
        model.fit(X, MANY)
    with pytest.raises(InvalidParameterError, match="rows of 3 shares"):
        MLPClassifier((4,), loss="kl", **FAST).fit(X, 2.0 * SHARES)
    with pytest.raises(InvalidParameterError, match="finite numbers >= 0"):
        MLPRegressor("poisson", (4,), **FAST).fit(X, ONE)
    with pytest.raises(IncompatibleError, match="Use MLPClassifier"):
        MLPRegressor("cross_entropy", (4,), **FAST).fit(X, ONE)
    with pytest.raises(DataError, match="range of float32"):
        MLPClassifier((4,), dtype="float32", **FAST).fit(1e39 * X, TWO)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("how", [{}, {"early_stopping": True}, {"early_stopping": True, "monitor": "r2"}])
def test_a_training_that_explodes_is_named(how):
    """R5: scikit-learn's complained of NaN in the input of a scorer."""
    model = MLPRegressor("squared_error", (8,), solver="sgd", learning_rate_init=1e3, curvature=False, **how)
    with pytest.raises(DataError, match="learning_rate_init=1000: the training exploded") as caught:
        model.fit(100.0 * X, ONE)
    assert "NaN" not in str(caught.value)
    assert not hasattr(model, "coefs_")


def test_a_training_that_explodes_late_keeps_what_was_best():
    class Late:
        """Rates that become absurd."""

        def rates(self, first, count):
            steps = np.arange(first, first + count)
            return np.where(steps < 40, 0.05, 1e9)

        def observed(self, value):
            return self

    model = MLPRegressor("squared_error", (8,), optimizer="sgd", learning_rate=Late(), batch_size=10, max_iter=50)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.set_params(early_stopping=True, curvature=False).fit(X, ONE)
    assert model.certificate_.status is Status.DIVERGED
    assert np.isfinite(model.predict(X)).all()
    assert model.score(X, ONE) > 0.5


def test_epochs_that_run_out_are_told():
    with pytest.warns(ConvergenceWarning, match="max_iter=3 reached"):
        model = MLPClassifier((4,), max_iter=3, curvature=False).fit(X, TWO)
    assert model.certificate_.status is Status.BUDGET
    assert model.n_iter_ == 3
    assert MLPClassifier((4,), max_iter=0, on_unconverged="ignore").fit(X, TWO).predict(X).shape == (60,)
