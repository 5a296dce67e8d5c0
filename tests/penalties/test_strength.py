"""The spellings of one family: equal objectives up to a factor, equal optima."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from steepest.exceptions import InvalidParameterError
from steepest.losses import Logistic, Squared
from steepest.penalties import L2, C_from_alpha, alpha_from_C, alpha_from_sum, sum_from_alpha


def test_the_forms_differ_by_a_factor_and_share_the_optimum():
    rng = np.random.default_rng(0)
    X, y, s = rng.normal(size=(30, 3)), rng.choice([-1.0, 1.0], 30), rng.uniform(0.5, 2.0, 30)
    C, total = 0.7, s.sum()
    alpha = alpha_from_C(C, total)

    def sum_form(w):
        return C * sum(a * Logistic().value(z, t) for a, z, t in zip(s, X @ w, y, strict=True)) + 0.5 * w @ w

    def mean_form(w):
        mean = sum(a * Logistic().value(z, t) for a, z, t in zip(s, X @ w, y, strict=True)) / total
        return mean + L2(alpha).value(w)

    for w in rng.normal(size=(5, 3)):
        assert sum_form(w) == pytest.approx(C * total * mean_form(w), rel=1e-12)
    first = minimize(sum_form, np.zeros(3), tol=1e-12).x
    second = minimize(mean_form, np.zeros(3), tol=1e-12).x
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_ridge_in_closed_form():
    """|y - X w|^2 + a |w|^2 and mean squared loss + alpha |w|^2 / 2 with alpha = a / n."""
    rng = np.random.default_rng(1)
    X, y, a = rng.normal(size=(20, 4)), rng.normal(size=20), 3.0
    w = np.linalg.solve(X.T @ X + a * np.eye(4), X.T @ y)
    slopes = np.array([Squared().slope(z, t) for z, t in zip(X @ w, y, strict=True)])
    gradient = X.T @ slopes / 20 + alpha_from_sum(a, 20) * w
    np.testing.assert_allclose(gradient, 0.0, atol=1e-13)


def test_inverses_and_ends():
    for alpha in (1e-6, 0.3, 40.0):
        assert alpha_from_C(C_from_alpha(alpha, 17.0), 17.0) == pytest.approx(alpha, rel=1e-15)
        assert alpha_from_sum(sum_from_alpha(alpha, 17.0), 17.0) == pytest.approx(alpha, rel=1e-15)
    assert alpha_from_C(math.inf, 5) == 0.0
    assert C_from_alpha(0.0, 5) == math.inf


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: alpha_from_C(0.0, 5), "C"),
        (lambda: alpha_from_C(-math.inf, 5), "C"),
        (lambda: alpha_from_C(1.0, 0), "total_weight"),
        (lambda: C_from_alpha(-1.0, 5), "alpha"),
        (lambda: alpha_from_sum(math.nan, 5), "a"),
    ],
)
def test_errors(call, name):
    with pytest.raises(InvalidParameterError, match=rf"^{name}: expected"):
        call()
