"""Functions as problems: differences, domains, counts, and gradients that are wrong."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.exceptions import InvalidParameterError
from steepest.functions import get
from steepest.problems.function import FunctionProblem, gradient_error
from steepest.problems.least_squares import LeastSquares, LeastSquaresProblem


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=4, max_size=4), st.integers(-8, 8), st.integers(-8, 8))
def test_differences_follow_the_units_of_the_variables(point, one, two):
    units = np.array([10.0**one, 10.0**two, 1.0, 1.0])
    x = np.array(point)

    def fun(v):
        u = v / units
        return np.sum(np.cos(u)) + u[0] * u[1] ** 2 + u[2] * u[3]

    u = x
    exact = (-np.sin(u) + [u[1] ** 2, 2.0 * u[0] * u[1], u[3], u[2]]) / units
    problem = FunctionProblem(fun, np.where(np.abs(x) > 1e-3, x, 1.0) * units)
    g = problem.gradient(x * units)
    np.testing.assert_allclose(g * units, exact * units, atol=1e-7)


def test_second_derivatives_agree_however_they_are_had():
    f = get("rosenbrock")
    x, v = np.array([0.3, -0.7]), np.array([1.0, 2.0])
    wanted = f.hess(x)
    ways = {
        "values": (FunctionProblem(f, f.start), 2e-5),
        "gradients": (FunctionProblem(f, f.start, f.grad), 1e-8),
        "matrix": (FunctionProblem(f, f.start, f.grad, hess=f.hess), 1e-15),
        "products": (FunctionProblem(f, f.start, f.grad, hessp=lambda x, v: f.hess(x) @ v), 1e-15),
    }
    for name, (problem, accuracy) in ways.items():
        at = problem.evaluate(x)
        np.testing.assert_allclose(problem.hvp(at, v), wanted @ v, rtol=accuracy, err_msg=name)
        np.testing.assert_allclose(problem.hessian(at), wanted, atol=accuracy * np.abs(wanted).max(), err_msg=name)


def test_a_ray_is_the_function_along_a_line():
    f = get("beale")
    for grad in (None, f.grad):
        problem = FunctionProblem(f, f.start, grad)
        at, d = problem.evaluate(f.start), np.array([0.5, -1.0])
        ray = problem.along(at, d)
        value, slope = ray.value_slope(0.3)
        x = f.start + 0.3 * d
        assert value == pytest.approx(f(x))
        assert slope == pytest.approx(f.grad(x) @ d, rel=1e-7)
        np.testing.assert_allclose(problem.complete(ray, 0.3).gradient, f.grad(x), rtol=1e-7)


def test_outside_the_domain_the_value_is_infinite():
    problem = FunctionProblem(lambda x: math.exp(x[0]) + np.log(x[1]), [0.0, 1.0])
    assert problem.evaluate(np.array([1e6, 1.0])).value == math.inf  # OverflowError
    assert problem.evaluate(np.array([0.0, -1.0])).value == math.inf  # not a number
    near = problem.evaluate(np.array([0.0, 1e-12]))  # a difference would leave the domain: one side
    assert math.isfinite(near.value)


def test_counts():
    f = get("himmelblau")
    plain = FunctionProblem(f, f.start)
    before = plain.calls.values
    plain.evaluate(f.start)
    assert plain.calls.values - before == 5  # a value and two of each variable
    given_ = FunctionProblem(f, f.start, f.grad, hess=f.hess)
    at = given_.evaluate(f.start)
    given_.hessian(at)
    given_.hvp(at, np.ones(2))
    assert (given_.calls.values, given_.calls.gradients, given_.calls.hessians) == (2, 1, 1)
    assert given_.passes == 4.0


def test_pairs():
    f = get("beale")
    problem = FunctionProblem(lambda x: (f(x), f.grad(x)), f.start)
    at = problem.evaluate(f.start)
    assert problem.paired
    np.testing.assert_array_equal(at.gradient, f.grad(f.start))


@pytest.mark.parametrize("name", ["rosenbrock", "beale", "himmelblau", "plateau", "bowl"])
def test_right_gradients_raise_no_alarm(name):
    f = get(name)
    for x in (f.start, f.start + 0.37, np.array([1e-9, 2e-9])):
        problem = FunctionProblem(f, x, f.grad)
        assert gradient_error(problem, problem.evaluate(x)) is None


@pytest.mark.parametrize("variable", [0, 1])
def test_wrong_gradients_are_named(variable):
    f = get("rosenbrock")

    def wrong(x):
        g = f.grad(x)
        g[variable] *= 1.01
        return g

    problem = FunctionProblem(f, f.start, wrong)
    found = gradient_error(problem, problem.evaluate(f.start))
    assert found is not None
    assert found[0] == variable
    assert found[1] == pytest.approx(wrong(f.start)[variable])
    assert found[2] == pytest.approx(f.grad(f.start)[variable], rel=1e-6)


def test_least_squares_derivatives():
    t = np.linspace(0.0, 2.0, 9)
    y = np.exp(-t) + 0.1 * np.cos(9.0 * t)

    def residuals(b):
        return b[0] * np.exp(-b[1] * t) - y

    def jacobian(b):
        return np.column_stack([np.exp(-b[1] * t), -b[0] * t * np.exp(-b[1] * t)])

    x = np.array([0.7, 1.9])
    for given_, accuracy in ((jacobian, 1e-8), (None, 1e-4)):
        f = LeastSquares(residuals, given_)
        problem = LeastSquaresProblem(f, [1.0, 1.0])
        plain = FunctionProblem(f, [1.0, 1.0])
        at = problem.evaluate(x)
        assert at.value == f(x)
        np.testing.assert_allclose(at.gradient, plain.gradient(x), rtol=1e-7)
        S = np.zeros((2, 2))
        S[0, 1] = S[1, 0] = -(t * np.exp(-x[1] * t)) @ residuals(x)
        S[1, 1] = (x[0] * t**2 * np.exp(-x[1] * t)) @ residuals(x)
        J = jacobian(x)
        np.testing.assert_allclose(problem.hessian(at), J.T @ J + S, atol=accuracy)


def test_errors():
    def total(x):
        return float(np.sum(x))

    cases = [
        ((total, [1.0, np.nan]), "x0: expected finite numbers, but x0\\[1\\]"),
        ((total, []), "x0: expected at least one variable"),
        ((total, ["a"]), "x0: expected real numbers"),
        ((lambda x: x, [1.0, 2.0]), "fun: expected one real number"),
        ((lambda x: math.nan, [1.0]), "x0: fun must be finite at the start"),
        ((total, [1.0], True), "grad: True expects fun to return"),
    ]
    for arguments, message in cases:
        with pytest.raises(InvalidParameterError, match=message):
            FunctionProblem(*arguments)
    problem = FunctionProblem(total, [1.0, 1.0], lambda x: np.ones(3))
    with pytest.raises(InvalidParameterError, match=r"grad: expected an array of shape \(2,\)"):
        problem.evaluate(np.ones(2))
    problem = FunctionProblem(total, [1.0, 1.0], np.ones_like, hess=lambda x: np.ones(2))
    with pytest.raises(InvalidParameterError, match="hess: expected an array"):
        problem.hessian(problem.evaluate(np.ones(2)))
    with pytest.raises(InvalidParameterError, match="residuals: expected an array"):
        LeastSquaresProblem(LeastSquares(lambda x: x), np.ones(2)).residuals(np.ones((2, 2)))
