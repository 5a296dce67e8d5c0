"""Numbers computed by hand, other spellings of a loss, and the same losses in scikit-learn."""

import math
import pickle

import numpy as np
import pytest
from sklearn._loss import loss as reference

import steepest.losses as sl
from steepest.exceptions import InvalidParameterError

Z = np.linspace(-6.0, 6.0, 41)


@pytest.mark.parametrize("z", [-30.0, -1.0, 0.0, 0.3, 50.0])
def test_logistic_for_zero_one_and_for_signs_is_one_loss(z):
    """The gradient is x (prediction - y), y in {0, 1}; the sign form gives the same number."""
    for t in (0.0, 1.0):
        sign = 2.0 * t - 1.0
        prediction = 1.0 / (1.0 + math.exp(-z))
        assert sl.Bernoulli().slope(z, t) == pytest.approx(prediction - t, abs=3e-16)
        assert sl.Logistic().slope(z, sign) == pytest.approx(sl.Bernoulli().slope(z, t), rel=1e-15)
        assert sl.Logistic().value(z, sign) == pytest.approx(sl.Bernoulli().value(z, t), rel=1e-15)
        assert sl.Logistic().curvature(z, sign) == sl.Bernoulli().curvature(z, t)


def test_gradient_in_the_weights():
    rng = np.random.default_rng(0)
    X, w, t = rng.normal(size=(20, 3)), rng.normal(size=3), rng.integers(0, 2, 20).astype(float)

    def mean_loss(w):
        return np.mean([sl.Logistic().value(z, 2 * y - 1) for z, y in zip(X @ w, t, strict=True)])

    analytic = X.T @ (1 / (1 + np.exp(-X @ w)) - t) / 20
    numeric = [(mean_loss(w + e) - mean_loss(w - e)) / 2e-6 for e in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(numeric, analytic, atol=1e-9)


def test_base_two_differs_by_a_factor():
    for z in Z:
        assert math.log2(1.0 + math.exp(-z)) == pytest.approx(sl.Logistic().value(z, 1.0) / math.log(2.0), rel=1e-13)


def test_small_losses_keep_their_digits():
    """log(1 + exp(-40)) is 4.2e-18, which log(1 + x) would lose."""
    assert sl.Logistic().value(40.0, 1.0) == pytest.approx(math.exp(-40.0), rel=1e-14)
    assert sl.Bernoulli().value(40.0, 1.0) == pytest.approx(math.exp(-40.0), rel=1e-14)
    assert sl.Bernoulli().slope(40.0, 1.0) == pytest.approx(-math.exp(-40.0), rel=1e-14)


@pytest.mark.parametrize(
    ("loss", "m", "expected", "slope"),
    [
        (sl.Hinge(), 0.25, 0.75, -1.0),
        (sl.Hinge(), 1.0, 0.0, 0.0),
        (sl.Hinge(), 3.0, 0.0, 0.0),
        (sl.SquaredHinge(), -1.0, 4.0, -4.0),
        (sl.ModifiedHuber(), -3.0, 7.0, -2.0),
        (sl.ModifiedHuber(), 0.0, 1.0, -2.0),
        (sl.ModifiedHuber(), 0.5, 0.25, -1.0),
        (sl.ModifiedHuber(), 1.0, 0.0, 0.0),
        (sl.ModifiedHuber(-1.0), -3.0, 12.0, -4.0),
        (sl.ModifiedHuber(-1.0), -1.0, 4.0, -4.0),
        (sl.ModifiedHuber(-1.0), 0.5, 0.25, -1.0),
        (sl.Exponential(), -2.0, math.exp(2.0), -math.exp(2.0)),
        (sl.SigmoidLoss(), 0.0, 0.5, -0.25),
        (sl.PerceptronLoss(), -2.0, 2.0, -1.0),
        (sl.PerceptronLoss(), 0.0, 0.0, -1.0),
        (sl.PerceptronLoss(), 2.0, 0.0, 0.0),
        (sl.ZeroOne(), 0.0, 1.0, 0.0),
        (sl.ZeroOne(), 0.1, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("y", [-1.0, 1.0])
def test_margin_losses_by_hand(loss, m, expected, slope, y):
    assert loss.value(y * m, y) == pytest.approx(expected, rel=1e-15)
    assert loss.slope(y * m, y) == pytest.approx(y * slope, rel=1e-15)


@pytest.mark.parametrize(
    ("loss", "theirs", "ys"),
    [
        (sl.Squared(), reference.HalfSquaredError(), [-2.0, 0.0, 1.5]),
        (sl.Absolute(), reference.AbsoluteError(), [-2.0, 0.0, 1.5]),
        (sl.Quantile(0.8), reference.PinballLoss(quantile=0.8), [-2.0, 0.0, 1.5]),
        (sl.Huber(1.2), reference.HuberLoss(delta=1.2), [-2.0, 0.0, 1.5]),
        (sl.Poisson(), reference.HalfPoissonLoss(), [0.0, 1.0, 7.0]),
        (sl.Bernoulli(), reference.HalfBinomialLoss(), [0.0, 0.25, 1.0]),
    ],
    ids=lambda x: type(x).__name__,
)
def test_same_as_scikit_learn(loss, theirs, ys):
    for y in ys:
        value, gradient = theirs.loss_gradient(np.full(Z.size, y), Z.copy())
        np.testing.assert_allclose([loss.value(z, y) for z in Z], value, rtol=1e-12, atol=1e-14)
        mine = np.array([loss.slope(z, y) for z in Z])
        kink = np.abs(Z - y) < 1e-12
        np.testing.assert_allclose(mine[~kink], gradient[~kink], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (sl.ModifiedHuber(knee=-1.0), "ModifiedHuber"),
        (sl.Hinge(), "Hinge"),
        (sl.SquaredHinge(), "SquaredHinge"),
        (sl.EpsilonInsensitive(0.7), "EpsilonInsensitive"),
        (sl.SquaredEpsilonInsensitive(0.7), "SquaredEpsilonInsensitive"),
    ],
)
def test_same_as_scikit_learns_sgd(mine, theirs):
    """Through its private classes where this version has them, which is the point of comparing."""
    module = pytest.importorskip("sklearn.linear_model._sgd_fast")
    cls = getattr(module, theirs, None)
    if cls is None or not hasattr(cls, "py_loss"):
        pytest.skip(f"this version has no {theirs}.py_loss")
    other = cls(*((0.7,) if "Epsilon" in theirs else ()))
    for y in (-1.0, 1.0):
        for z in Z + 0.013:
            assert mine.value(z, y) == pytest.approx(other.py_loss(z, y), abs=1e-13)
            assert mine.slope(z, y) == pytest.approx(other.py_dloss(z, y), abs=1e-13)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: sl.Quantile(0.0), "q"),
        (lambda: sl.Quantile(1.0), "q"),
        (lambda: sl.Huber(0.0), "delta"),
        (lambda: sl.Huber(math.nan), "delta"),
        (lambda: sl.EpsilonInsensitive(-0.1), "epsilon"),
        (lambda: sl.SquaredEpsilonInsensitive(math.inf), "epsilon"),
        (lambda: sl.ModifiedHuber(1.0), "knee"),
        (lambda: sl.Quantile(0.5)._replace(q=2.0), "q"),
    ],
)
def test_fields_outside_their_range_are_named(make, name):
    with pytest.raises(InvalidParameterError, match=rf"^{name}: expected"):
        make()


def test_losses_are_values():
    assert sl.Hinge() != sl.Logistic()
    assert sl.Huber(1.0) != sl.Quantile(0.5)._replace(q=0.5)
    assert sl.Huber(1) == sl.Huber(1.0)
    assert hash(sl.Huber(1)) == hash(sl.Huber(1.0))
    assert type(sl.Huber(2).delta) is float
    assert type(sl.Huber(np.float32(2)).delta) is float
    assert bool(sl.Logistic())
    assert len({sl.Hinge(), sl.Logistic(), sl.Squared()}) == 3
    for loss in (sl.Logistic(), sl.Huber(0.7), sl.Softmax()):
        again = pickle.loads(pickle.dumps(loss))
        assert again == loss
        assert type(again) is type(loss)
