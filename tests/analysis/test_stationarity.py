"""Planted minima, maxima, saddles, degenerate points and points that are none of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest.losses as sl
from steepest import classify_point
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem


def planted(seed, d, signs):
    """A quadratic with those signs of eigenvalues and a cubic that vanishes at the planted point."""
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    values = np.asarray(signs, dtype=float) * rng.uniform(0.3, 3.0, d)
    A, c = (Q * values) @ Q.T, rng.normal(size=d)

    def fun(x):
        return 0.5 * (x - c) @ A @ (x - c) + 0.1 * np.sum((x - c) ** 3) + 2.0

    def grad(x):
        return A @ (x - c) + 0.3 * (x - c) ** 2

    return fun, grad, c, values, Q


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), d=st.integers(2, 8), kind=st.sampled_from(["minimum", "maximum", "saddle"]),
       given_slope=st.booleans())  # fmt: skip
def test_planted_points(seed, d, kind, given_slope):
    rng = np.random.default_rng(seed)
    n = {"minimum": 0, "maximum": d}.get(kind, int(rng.integers(1, d)))
    fun, grad, c, values, _ = planted(seed, d, np.where(np.arange(d) < n, -1.0, 1.0))
    found = classify_point(fun, c, grad=grad if given_slope else None)
    assert found.kind == kind, str(found)
    assert found.smallest == pytest.approx(values.min(), rel=1e-3)
    assert found.largest == pytest.approx(values.max(), rel=1e-3)
    assert found.n_negative == n
    # a step away the point is no longer stationary
    assert classify_point(fun, c + 0.01, grad=grad if given_slope else None).kind == "not stationary"


def test_the_direction_of_a_saddle_leads_down():
    fun, grad, c, values, Q = planted(5, 4, [-1, 1, 1, 1])
    found = classify_point(fun, c, grad=grad)
    v = found.lowest_direction
    assert abs(v @ Q[:, 0]) > 0.999
    assert min(fun(c + 0.01 * v), fun(c - 0.01 * v)) < fun(c)
    assert "1 of 4 negative" in str(found)
    assert found.smallest == pytest.approx(values[0], rel=1e-3)


@pytest.mark.parametrize(
    ("fun", "falls"),
    [
        (lambda x: x[0] ** 4 + x[1] ** 2, False),
        (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, True),
        (lambda x: x[0] ** 2 + 0.0 * x[1], False),
        (lambda x: 7.0, False),
        (lambda x: x[0] ** 2 + x[1] ** 3, True),
    ],
)
def test_degenerate_points(fun, falls):
    found = classify_point(fun, [0.0, 0.0])
    assert found.kind == "degenerate"
    assert found.falls is falls
    assert "zero to rounding" in str(found)


def test_a_ridge_is_no_minimum():
    found = classify_point(lambda x: -(x[0] ** 2) + 0.0 * x[1], [0.0, 0.0])
    assert found.kind == "degenerate"
    assert "no strict minimum" in str(found)


def test_linear_functions_have_no_stationary_point():
    found = classify_point(lambda x: x[0] ** 2 + x[1] + 5, [0.0, 0.0])
    assert found.kind == "not stationary"
    assert "gradient has norm 1," in str(found)
    found = classify_point(lambda x: x[0] ** 4 + x[0] * x[1] + x[0] ** 2, [0.0, 0.0])
    assert found.kind == "saddle"
    assert found.smallest == pytest.approx(1 - np.sqrt(2), rel=1e-4)


@pytest.mark.parametrize("low", [-0.3, 0.3])
def test_many_arguments_go_through_lanczos(low):
    scale = np.random.default_rng(0).uniform(1.0, 4.0, 400)
    scale[33] = low
    found = classify_point(lambda x: 0.5 * scale @ x**2, np.zeros(400), grad=lambda x: scale * x)
    assert found.kind == ("saddle" if low < 0 else "minimum")
    assert found.eigenvalues is None
    assert found.n_negative is None
    assert abs(found.lowest_direction[33]) > 0.99


def test_the_minimum_of_a_linear_model_and_a_maximum_of_one_that_is_not_convex():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 4))
    y = np.where(X[:, 0] + 0.5 * rng.normal(size=60) > 0, 1.0, -1.0)
    problem = LinearProblem(as_source(X), y, np.full(60, 1 / 60), sl.Logistic(), L2(0.1), True)
    w = problem.start()
    assert classify_point(problem, w).kind == "not stationary"
    for _ in range(20):
        at = problem.evaluate(w)
        w = w - np.linalg.solve(problem.hessian(at), at.gradient)
    found = classify_point(problem, w)
    assert found.kind == "minimum"
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(problem.hessian(problem.evaluate(w))), rtol=1e-8)
    # two rows that pull in opposite directions: their sigmoid losses have a saddle in the middle
    pair = LinearProblem(as_source(np.array([[1.0], [1.0]])), np.array([1.0, -1.0]), np.full(2, 0.5), sl.SigmoidLoss(),
                         L2(0.0), False)  # fmt: skip
    assert classify_point(pair, [0.0]).kind == "degenerate"


def test_errors_name_the_argument():
    with pytest.raises(InvalidParameterError, match="x: expected a point where f is finite"):
        classify_point(lambda x: np.log(x[0]), [-1.0])
    with pytest.raises(InvalidParameterError, match="fun: expected one function, got a loss"):
        classify_point("logistic", [0.0])
    with pytest.raises(InvalidParameterError, match="tol"):
        classify_point(lambda x: x @ x, [0.0], tol=0.0)
