"""Softmax cross-entropy: identities, soft labels, large scores, Böhning's bound."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import log_softmax, softmax

from steepest.jit import kernel
from steepest.losses import Softmax, conjugate, value_slope

LOSS = Softmax()
SCORES = hnp.arrays(np.float64, 4, elements=st.floats(-50.0, 50.0))


@kernel
def evaluate(loss, z, y, values, out):
    for i in range(z.shape[0]):
        values[i] = value_slope(loss, z[i], y[i], out[i])


@kernel
def conjugates(loss, u, y, values):
    for i in range(u.shape[0]):
        values[i] = conjugate(loss, u[i], y[i])


def compiled(z, y):
    values, out = np.empty(len(z)), np.empty(np.shape(z))
    evaluate(LOSS, z, y, values, out)
    return values, out


@given(z=SCORES, y=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_gradient_is_prediction_minus_target(z, y):
    out = np.empty(4)
    v = LOSS.value_slope(z, y, out)
    onehot = np.eye(4)[y]
    assert v == pytest.approx(-log_softmax(z)[y], rel=1e-12, abs=1e-14)
    np.testing.assert_allclose(out, softmax(z) - onehot, atol=1e-15, rtol=1e-12)
    soft_out = np.empty(4)
    assert LOSS.value_slope(z, onehot, soft_out) == v
    np.testing.assert_array_equal(soft_out, out)


def test_soft_labels_are_the_mean_over_labels():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(50, 5)) * 3, rng.dirichlet(np.ones(5), 50)
    values, out = compiled(z, y)
    expected = np.zeros(50)
    slopes = np.zeros((50, 5))
    for j in range(5):
        v, g = compiled(z, np.full(50, j))
        expected += y[:, j] * v
        slopes += y[:, [j]] * g
    np.testing.assert_allclose(values, expected, rtol=1e-13)
    np.testing.assert_allclose(out, slopes, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_compiled_equals_plain_for_any_integer_code(dtype):
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(40, 3)) * 10, rng.integers(0, 3, 40).astype(dtype)
    values, out = compiled(z, y)
    plain, slopes = np.empty(40), np.empty((40, 3))
    evaluate.py_func(LOSS, z, y, plain, slopes)
    np.testing.assert_allclose(values, plain, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(out, slopes, rtol=1e-14, atol=1e-16)


def test_stable_at_large_scores():
    """Margins of 1e4 and of 1e300: exact values, no overflow, no NaN."""
    z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e300, -1e300, 0.0], [1e4, 1e4, -1e4]])
    values, out = compiled(z, np.zeros(4, dtype=np.int64))
    np.testing.assert_allclose(values, [0.0, 2e4, 0.0, math.log(2.0)], rtol=1e-15)
    np.testing.assert_allclose(out, [[0, 0, 0], [-1, 1, 0], [0, 0, 0], [-0.5, 0.5, 0]], atol=1e-300)
    soft, _ = compiled(z, np.tile([0.5, 0.5, 0.0], (4, 1)))
    np.testing.assert_allclose(soft, [1e4, 1e4, 1e300, math.log(2.0)], rtol=1e-15)


def test_a_nan_score_reaches_value_and_gradient():
    values, out = compiled(np.array([[0.0, np.nan, 1.0], [np.nan, 0.0, 1.0]]), np.zeros(2, dtype=np.int64))
    assert np.isnan(values).all()
    assert np.isnan(out).all()


def test_jacobian_identity_and_bohning_bound():
    """The differences of p are diag(p) - p p', which is at most (I - 11'/k) / 2."""
    rng = np.random.default_rng(2)
    for scale in (0.1, 1.0, 5.0):
        z = rng.normal(size=5) * scale
        p = softmax(z)
        hessian = np.diag(p) - np.outer(p, p)
        h = 1e-5
        up, down = compiled(z + h * np.eye(5), np.zeros(5, int))[1], compiled(z - h * np.eye(5), np.zeros(5, int))[1]
        np.testing.assert_allclose((up - down) / (2 * h), hessian, atol=1e-9)
        bound = 0.5 * (np.eye(5) - np.ones((5, 5)) / 5)
        assert np.linalg.eigvalsh(bound - hessian).min() >= -1e-15
        assert np.linalg.eigvalsh(hessian).max() <= LOSS.smoothness


@given(z=SCORES, v=SCORES)
@settings(max_examples=100, deadline=None)
def test_self_concordance_in_the_range_of_the_direction(z, v):
    p = softmax(z)
    centred = v - p @ v
    second, third = p @ centred**2, p @ centred**3
    assert abs(third) <= LOSS.self_concordance * (v.max() - v.min()) * second * (1 + 1e-9) + 1e-12


@given(z=SCORES, other=SCORES, y=st.integers(0, 3), t=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_fenchel_young(z, other, y, t):
    u, w = np.empty(4), np.empty(4)
    v = LOSS.value_slope(z, y, u)
    assert v + LOSS.conjugate(u, y) == pytest.approx(u @ z, abs=1e-11)
    LOSS.value_slope(other, y, w)
    assert v + LOSS.conjugate(w, y) >= w @ z - 1e-11
    shares = np.roll([0.1, 0.2, 0.3, 0.4], t)
    v = LOSS.value_slope(z, shares, u)
    assert v + LOSS.conjugate(u, shares) == pytest.approx(u @ z, abs=1e-11)


def test_conjugate_domain_is_the_simplex_to_rounding_only():
    u = np.array([-1.0, 0.25, 0.75])
    assert LOSS.conjugate(u, 0) == pytest.approx(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert LOSS.conjugate(np.zeros(3), 1) == 0.0
    assert LOSS.conjugate(u + [1e-12, 0, 0], 0) == math.inf
    assert LOSS.conjugate(u + [-1e-12, 1e-12, 0], 0) == math.inf
    assert LOSS.conjugate(u, 1) == math.inf
    assert math.isnan(LOSS.conjugate(np.array([np.nan, 0.0, 0.0]), 0))
    rng = np.random.default_rng(5)
    for k in (2, 10, 1000):
        z, y = rng.normal(size=(200, k)) * rng.choice([0.1, 10.0, 1e4], (200, 1)), rng.integers(0, k, 200)
        c = np.empty(200)
        conjugates(LOSS, compiled(z, y)[1], y, c)
        assert np.isfinite(c).all()


def test_binary_softmax_is_logistic():
    from steepest.losses import Logistic

    for m in (-3.0, 0.0, 0.7, 40.0):
        out = np.empty(2)
        v = LOSS.value_slope(np.array([0.0, m]), 1, out)
        assert v == pytest.approx(Logistic().value(m, 1.0), abs=1e-16, rel=1e-12)
        assert out[1] == pytest.approx(Logistic().slope(m, 1.0), abs=3e-16)
