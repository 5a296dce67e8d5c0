"""Sums of losses, and squared error through a sigmoid: one model, several terms; a unit that does not learn."""

import copy
import math
import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone

import steepest
import steepest.losses as sl
from steepest.estimators.warnings import ConvergenceWarning
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels import passes
from steepest.losses import WeightedSum, check_loss, get_loss, has, sum_of


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((200, 4))
    noise = rng.standard_normal(200)
    return X, X @ np.array([1.0, -2.0, 0.5, 0.0]) + noise


def total(loss, X, y, w):
    """The mean loss and its gradient in the weights, through compiled kernels."""
    p, u, scores = np.full(len(y), 1.0 / len(y)), np.empty(len(y)), X @ w
    return passes.losses_slopes(loss, scores, y, p, u), X.T @ (p * u)


@pytest.mark.parametrize(
    "terms",
    [
        (("logistic", 1.0), ("squared_hinge", 0.5)),
        (("hinge", 0.2), ("squared", 3.0)),
        (("logistic", 1.0), ("modified_huber", 2.0), ("sigmoid", -0.5), ("exponential", 0.1)),
    ],
    ids=["two", "kinked", "four"],
)
def test_the_gradient_is_the_sum_of_gradients(data, terms) -> None:
    X, score = data
    y, w = np.where(score > 0, 1.0, -1.0), np.array([0.3, 0.1, -0.4, 0.2])
    value, gradient = total(sum_of(*terms), X, y, w)
    parts = [(weight, *total(get_loss(name), X, y, w)) for name, weight in terms]
    assert value == pytest.approx(sum(weight * v for weight, v, _ in parts), rel=1e-13)
    np.testing.assert_allclose(gradient, sum(weight * g for weight, _, g in parts), rtol=1e-12, atol=1e-15)


def test_facts_follow_from_the_terms() -> None:
    smooth = sum_of(("logistic", 2.0), ("squared_hinge", 0.5))
    assert (smooth.convex, smooth.smoothness, smooth.lower) == (True, 0.5 + 1.0, 0.0)
    assert (smooth.targets, smooth.link, smooth.trainable) == ("sign", "sign", True)
    assert smooth.self_concordance == math.inf
    assert sum_of(("logistic", 2.0), ("exponential", 0.5)).self_concordance == 1.0
    assert has(smooth, "curvature")
    assert not has(smooth, "conjugate")
    assert not has(smooth, "prox")
    kinked = sum_of(("logistic", 1.0), ("hinge", 1.0))
    assert not has(kinked, "curvature")
    assert kinked.smoothness == math.inf
    difference = sum_of(("logistic", 1.0), ("squared_hinge", -0.5))
    assert (difference.convex, difference.lower, difference.smoothness) == (False, -math.inf, 1.25)
    assert not sum_of(("logistic", 1.0), ("sigmoid", 1.0)).convex
    assert not sum_of(("logistic", 1.0), ("zero_one", 1.0)).trainable
    assert sum_of(("bernoulli", 1.0), ("sigmoid_squared", 1.0)).link == "logistic"
    assert sum_of(("squared", 1.0), ("hinge", 1.0)).targets == "sign"


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ((), "terms: expected two or more"),
        ((("logistic", 2.0),), "divide alpha"),
        (("logistic", "hinge"), "pairs"),
        ((sl.ModifiedHuber(), ("hinge", 1.0)), "pairs"),
        ((("logistic", 1.0), ("softmax", 1.0)), "'softmax' is a loss of several scores"),
        ((("logistic", 1.0), ("hinge", 0.0)), "b: expected a finite weight other than 0"),
        ((("logistic", math.nan), ("hinge", 1.0)), "a: expected a finite weight"),
        ((("logistic", "1"), ("hinge", 1.0)), "a: expected a finite weight"),
        ((("logistik", 1.0), ("hinge", 1.0)), "Did you mean 'logistic'"),
        ((("weighted_sum", 1.0), ("hinge", 1.0)), "loss: expected one of"),
    ],
)
def test_wrong_terms_are_named(terms, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        sum_of(*terms)


def test_terms_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(
        IncompatibleError, match="'logistic' takes the targets 'sign' and 'bernoulli' the targets 'unit'"
    ):
        sum_of(("logistic", 1.0), ("bernoulli", 1.0))
    with pytest.raises(IncompatibleError, match="would predict nothing"):
        sum_of(("squared", 1.0), ("poisson", 1.0))
    with pytest.raises(InvalidParameterError, match="first: expected a loss value of one score"):
        WeightedSum("logistic", sl.Hinge())
    with pytest.raises(InvalidParameterError, match="registered loss"):
        steepest.LinearClassifier(loss=WeightedSum).fit(np.eye(2), [0, 1])


def test_a_sum_is_a_value() -> None:
    both = sum_of(("logistic", 1), ("hinge", 0.5))
    assert sum_of(("logistic", 1.0)) == sl.Logistic()
    assert both == WeightedSum(sl.Logistic(), sl.Hinge(), 1.0, 0.5) != WeightedSum(sl.Hinge(), sl.Logistic(), 1.0, 0.5)
    assert copy.deepcopy(both) == pickle.loads(pickle.dumps(both)) == both
    assert hash(copy.deepcopy(both)) == hash(both)
    assert clone(steepest.LinearClassifier(loss=both)).loss == both
    assert sum_of((both, 2.0), ("squared", 3.0)).terms() == [
        *((sl.Logistic(), 2.0), (sl.Hinge(), 1.0), (sl.Squared(), 3.0))
    ]


@pytest.mark.parametrize("loss", [sum_of(("hinge", 0.2), ("squared", 3.0)), sum_of(("logistic", 1), ("sigmoid", -3))])
def test_check_loss_sees_sums(loss) -> None:
    assert check_loss(loss).ok, str(check_loss(loss))


def test_the_optimum_is_that_of_scipy_and_is_certified(data) -> None:
    X, score = data
    y = np.where(score > 0, 1.0, -1.0)
    loss, alpha = sum_of(("logistic", 1.0), ("squared_hinge", 0.5)), 0.1
    model = steepest.LinearClassifier(loss=loss, alpha=alpha, fit_intercept=False, tol=1e-10).fit(X, y)

    def objective(w):
        m = y * (X @ w)
        hinge = np.maximum(0.0, 1.0 - m)
        slope = -y / (1.0 + np.exp(m)) - y * hinge
        value = np.mean(np.log1p(np.exp(-m)) + 0.5 * hinge**2) + 0.5 * alpha * w @ w
        return value, X.T @ slope / len(y) + alpha * w

    truth = minimize(objective, np.zeros(4), jac=True, method="BFGS", options={"gtol": 1e-10})
    np.testing.assert_allclose(model.coef_[0], truth.x, atol=5e-5)  # what the asked gap and alpha allow
    assert model.certificate_.primal == pytest.approx(truth.fun, rel=1e-10)
    assert model.certificate_.passed
    assert model.certificate_.kind == "strong_convexity"
    assert not hasattr(model, "predict_proba")  # no term's probabilities are those of the sum
    assert "log(1 + exp(-y_i z_i)) + 0.5 max(0, 1 - y_i z_i)^2" in model.objective_


def test_regression_with_a_sum_is_certified_and_saved(data, tmp_path) -> None:
    X, y = data
    loss = sum_of(("squared", 1.0), (sl.Huber(0.5), 2.0), ("squared_epsilon_insensitive", 0.3))
    model = steepest.LinearRegressor(loss=loss, alpha=0.1, tol=1e-8).fit(X, y)
    assert model.certificate_.passed
    steepest.save(model, tmp_path / "model.steepest")
    again = steepest.load(tmp_path / "model.steepest")
    assert again.loss == loss
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


# ------------------------------------------------------------------------------- squared error through a sigmoid


def descend(loss, z: float, y: float, steps: int, rate: float = 1.0) -> float:
    """The score of a unit with one weight and the input 1 after gradient steps."""
    for _ in range(steps):
        z -= rate * loss.slope(z, y)
    return z


def test_a_badly_started_unit_does_not_learn_with_squared_error() -> None:
    """At z = -8 for y = 1 the slope carries p (1 - p) = 0.0003; that of the logistic loss is 1 - p, nearly one."""
    assert descend(sl.Bernoulli(), -8.0, 1.0, steps=20) > 2.0
    assert descend(sl.SigmoidSquared(), -8.0, 1.0, steps=20) < -7.99
    assert descend(sl.SigmoidSquared(), 0.0, 1.0, steps=200) > 2.0  # well started, it does


def test_squared_error_stays_accurate_at_large_scores() -> None:
    loss = sl.SigmoidSquared()
    assert (loss.value(-1e4, 1.0), loss.value(1e4, 0.0)) == (0.5, 0.5)
    assert loss.value(40.0, 1.0) == pytest.approx(0.5 * math.exp(-40.0) ** 2, rel=1e-12)
    assert loss.slope(40.0, 1.0) == pytest.approx(-math.exp(-80.0), rel=1e-12)
    assert loss.slope(-40.0, 1.0) == pytest.approx(-math.exp(-40.0), rel=1e-12)
    for z in (-1e4, 1e4):
        assert all(abs(loss.slope(z, y)) < 1e-300 for y in (0.0, 0.4, 1.0))
        assert loss.value(z, 0.25) == pytest.approx(0.5 * (0.75 if z > 0 else 0.25) ** 2)


def test_squared_error_trains_classes_and_probabilities(data) -> None:
    X, score = data
    y = np.where(score > 0, "yes", "no")
    with pytest.warns(ConvergenceWarning, match="not convex"):
        model = steepest.LinearClassifier(loss="sigmoid_squared", alpha=1e-3).fit(X, y)
    target = (y == "yes").astype(float)
    chance = model.predict_proba(X)[:, 1]
    gradient = X.T @ ((chance - target) * chance * (1 - chance)) / len(y) + 1e-3 * model.coef_[0]
    assert np.abs(gradient).max() < 1e-5
    assert np.mean((chance - target) ** 2) < 0.5 * np.mean((chance.mean() - target) ** 2)
    rates = steepest.LinearRegressor(loss="sigmoid_squared", alpha=1e-3, on_unconverged="ignore").fit(X, 0.5 * target)
    assert np.all((rates.predict(X) > 0.0) & (rates.predict(X) < 1.0))
