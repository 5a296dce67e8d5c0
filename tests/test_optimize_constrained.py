"""`minimize` under bounds and constraints: how they are given, what is said, what is refused; kinks; arguments."""

import math
import os
import signal
import time

import numpy as np
import pytest
import scipy.optimize

import steepest
from steepest.exceptions import GradientWarning, IncompatibleError, InvalidParameterError
from steepest.functions import get, quadratic, rosenbrock
from steepest.penalties import get_constraint
from steepest.penalties.constraints import Box, L2Ball, NonNegative
from steepest.protocols import Status
from steepest.solvers.choice_function import PROJECTED, RULE_METHODS

F = get("rosenbrock")


@pytest.mark.parametrize(
    "given",
    [
        {"bounds": [(None, 0.5), (-1.0, math.inf)]},
        {"bounds": np.array([[-np.inf, 0.5], [-1.0, np.inf]])},
        {"bounds": scipy.optimize.Bounds([-np.inf, -1.0], [0.5, np.inf])},
        {"constraint": Box([-np.inf, -1.0], [0.5, np.inf])},
    ],
    ids=["pairs", "array", "scipy", "box"],
)
def test_forms_of_bounds(given):
    found = steepest.minimize(F, [0.0, 0.0], grad=F.grad, **given)
    assert found.success
    np.testing.assert_allclose(found.x, [0.5, 0.25], atol=1e-9)
    assert found.x[0] == 0.5
    assert "on the bound x[0] = 0.5" in found.message
    assert list(found.certificate.evidence["held"]) == [0]
    np.testing.assert_allclose(found.certificate.evidence["multipliers"], [1.0], rtol=1e-6)
    assert "nothing is proven about other minima" in found.message


def test_constraints_by_name():
    found = steepest.minimize(lambda x: float(((x - [3.0, 1.0, 0.0]) ** 2).sum()), np.zeros(3), constraint="simplex")
    assert found.success
    np.testing.assert_allclose(found.x, [1.0, 0.0, 0.0], atol=1e-7)
    inside = steepest.minimize(lambda x: float(((x - 0.1) ** 2).sum()), np.zeros(3), constraint="l2_ball")
    assert inside.message.startswith("a minimum to second order: the projected gradient")
    assert len(inside.certificate.evidence["held"]) == 0


def test_a_start_outside_is_projected_and_said_so():
    found = steepest.minimize(F, [-3.0, 9.0], grad=F.grad, bounds=[(-1.0, 2.0), (-1.0, 2.0)])
    np.testing.assert_array_equal(found.path[0], [-1.0, 2.0])
    assert "x0 is outside" in found.notes[0]
    assert not any("x0" in note for note in steepest.minimize(F, [0.0, 0.0], grad=F.grad, bounds=[(-1, 2)] * 2).notes)


@pytest.mark.parametrize("method", ["auto", "projected_gradient", "projected_newton", "nesterov"])
@pytest.mark.parametrize("exact", [True, False])
def test_the_function_is_asked_only_within_bounds(method, exact):
    low, high = np.array([1e-3, 0.5, 1.0]), np.array([2.0, 4.0, 1.0])

    def inside(x):
        assert np.all(x >= low)
        assert np.all(x <= high)

    def fun(x):
        inside(x)
        return float(np.sum(x * np.log(x) - [0.5, 3.0, 1.0] * x))

    def grad(x):
        inside(x)
        return np.log(x) + 1.0 - [0.5, 3.0, 1.0]

    found = steepest.minimize(
        fun, [1e-3, 4.0, 1.0], grad=grad if exact else None, bounds=list(zip(low, high, strict=True)), method=method
    )
    assert found.success, found.message
    np.testing.assert_allclose(found.x, [math.exp(-0.5), 4.0, 1.0], atol=1e-6)


def test_one_sided_differences_are_as_good_as_central_ones():
    f = get("beale")
    problem = steepest.problems.function.FunctionProblem(f, [0.5, 0.5], constraint=Box([0.5, 0.0], [2.0, 0.5]))
    at = problem.evaluate(problem.x0)
    np.testing.assert_allclose(at.gradient, f.grad(problem.x0), rtol=1e-8)
    exact = steepest.problems.function.FunctionProblem(f, [0.5, 0.5], f.grad, constraint=Box([0.5, 0.0], [2.0, 0.5]))
    at = exact.evaluate(exact.x0)
    np.testing.assert_allclose(exact.hessian(at), f.hess(exact.x0), rtol=1e-7, atol=1e-7)
    v = np.array([1.0, -1.0])
    np.testing.assert_allclose(exact.hvp(at, v), f.hess(exact.x0) @ v, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("jacobian", [True, False])
def test_least_squares_under_bounds_against_scipy(jacobian):
    t = np.linspace(0.0, 3.0, 40)
    y = 2.0 * np.exp(-1.3 * t) + 0.05 * np.cos(40.0 * t)

    def residuals(b):
        return b[0] * np.exp(-b[1] * t) - y

    def J(b):
        return np.column_stack([np.exp(-b[1] * t), -b[0] * t * np.exp(-b[1] * t)])

    bounds = [(0.0, 1.7), (None, 5.0)]
    ours = steepest.minimize(steepest.LeastSquares(residuals, J if jacobian else None), [1.0, 0.1], bounds=bounds)
    theirs = scipy.optimize.least_squares(
        residuals, [1.0, 0.1], bounds=([0.0, -np.inf], [1.7, 5.0]), xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    assert ours.success, ours.message
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-6)
    assert ours.fun == pytest.approx(theirs.cost, rel=1e-9)
    assert steepest.minimize(steepest.LeastSquares(residuals), [1.0, 0.1], bounds=[(None, None)] * 2).success


def test_many_variables_under_bounds():
    f = rosenbrock(1000)
    found = steepest.minimize(f, f.start, grad=f.grad, bounds=[(None, 0.5)] * 1000)
    theirs = scipy.optimize.minimize(
        f, np.minimum(f.start, 0.5), jac=f.grad, method="L-BFGS-B", bounds=[(None, 0.5)] * 1000
    )
    assert found.method == "projected_lbfgs"
    assert found.success, found.message
    assert found.fun <= theirs.fun + 1e-6
    assert found.path.shape == (found.nit + 1, 1000)


@pytest.mark.parametrize("method", [*PROJECTED, *RULE_METHODS, "subgradient"])
def test_every_method_has_its_path_and_history(method):
    f = quadratic(5.0, 3)
    found = steepest.minimize(f, f.start, grad=f.grad, method=method, max_iter=20)
    assert found.path.shape == (len(found.history), 3)
    np.testing.assert_array_equal(found.path[0], f.start)
    np.testing.assert_allclose([f(x) for x in found.path], found.history["objective"])
    assert found.fun == pytest.approx(found.history["objective"].min())
    assert found.method == method


def test_a_wrong_gradient_at_a_corner_is_named():
    f = get("beale")
    bounds = [(2.0, 2.0), (0.3, 4.0), (0.0, 1.0)]

    def fun(x):
        return f(x[:2]) + x[2]

    def grad(x):
        return np.append(f.grad(x[:2]) * [1.0, 1.2], 1.0)

    with pytest.warns(GradientWarning, match=r"grad: element 1 is"):
        steepest.minimize(fun, [2.0, 0.3, 1.0], grad=grad, bounds=bounds, max_iter=5)


def test_kinks():
    f = get("hinges")
    found = steepest.minimize(f, f.start, grad=f.grad, method="subgradient", max_iter=2000)
    assert found.fun - f.least < 1e-6
    assert not found.success
    assert found.certificate.evidence["verdict"] == "not examined"
    assert "at kinks derivatives do not tell" in found.message
    stuck = steepest.minimize(f, f.start, grad=f.grad, method="bfgs")
    assert not stuck.success
    assert "try 'subgradient'" in stuck.notes[-1]
    held = steepest.minimize(
        f,
        f.start,
        grad=f.grad,
        method="subgradient",
        max_iter=500,
        constraint=L2Ball(0.5),
        options={"step": "1/sqrt(k)"},
    )
    np.testing.assert_allclose(held.x, [0.5, 0.0], atol=1e-3)
    assert all(np.linalg.norm(x) <= 0.5 + 1e-12 for x in held.path)


def test_further_arguments():
    def fun(x, a, b):
        return (x[0] - a) ** 2 + b * x[1] ** 2

    def grad(x, a, b):
        return np.array([2.0 * (x[0] - a), 2.0 * b * x[1]])

    found = steepest.minimize(fun, [0.0, 1.0], args=(3.0, 2.0), grad=grad, hessp=lambda x, v, a, b: [2.0, 2.0 * b] * v)
    np.testing.assert_allclose(found.x, [3.0, 0.0], atol=1e-9)
    one = steepest.minimize(lambda x, a: (x[0] - a) ** 2, 1.0, args=5.0)
    np.testing.assert_allclose(one.x, [5.0], atol=1e-7)
    with pytest.raises(InvalidParameterError, match="args: the residuals"):
        steepest.minimize(steepest.LeastSquares(np.sin), [1.0], args=(1.0,))


def test_shapes_of_the_start():
    assert steepest.minimize(lambda x: float((x[0] - 2.0) ** 2), 0.0).x.shape == (1,)
    with pytest.raises(InvalidParameterError, match=r"x0: expected a vector, got shape \(2, 2\)"):
        steepest.minimize(lambda x: float((x**2).sum()), np.ones((2, 2)))


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_answered_at_once_even_where_a_verdict_would_take_long():
    calls = []

    def slow(x):
        calls.append(1)
        if len(calls) == 30:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)
        return float(((x - 1.0) ** 2).sum())

    found = steepest.minimize(slow, np.zeros(8), method="projected_lbfgs", constraint=NonNegative())
    assert found.status is Status.INTERRUPTED
    assert found.certificate.evidence["verdict"] == "not examined"
    assert "second derivatives would take long" in found.message
    assert len(calls) < 150  # a Hessian alone is 256


def test_methods_that_keep_to_nothing_are_refused():
    for method in ("newton", "bfgs", "lbfgs", "newton-cg", "gradient_descent"):
        with pytest.raises(IncompatibleError, match=rf"method: '{method}' does not keep to bounds"):
            steepest.minimize(F, [0.0, 0.0], grad=F.grad, method=method, bounds=[(0, 1)] * 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bounds": [(0, 1)]}, "bounds: expected limits for 2 variables"),
        ({"bounds": [(0, 1), (2, 1)]}, "bounds: "),
        ({"bounds": [(0, 1), (math.nan, 1)]}, "bounds: "),
        ({"bounds": [(0, 1), ("a", 1)]}, "bounds: "),
        ({"bounds": (0, 1)}, r"bounds: expected a \(low, high\) pair"),
        ({"bounds": 3.0}, r"bounds: expected a \(low, high\) pair"),
        ({"bounds": [(0, 1)] * 2, "constraint": "simplex"}, "bounds: expected either bounds or a constraint"),
        ({"constraint": "simplx"}, "constraint: expected one of .* Try 'simplex'"),
        ({"method": "adm"}, "method: expected one of .* Did you mean 'adam'"),
        ({"method": "projected_lbfgs", "options": {"memry": 3}}, "options: method='projected_lbfgs' takes"),
        ({"method": "newton", "options": {"memory": 3}}, r"options: method='newton' takes \['factor'\], got 'memory'"),
        ({"options": [1]}, "options: expected a dict"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(InvalidParameterError, match=message):
        steepest.minimize(get("bowl"), [1.0, 1.0], **arguments)


def test_names_of_constraints_are_those_of_the_penalties():
    assert steepest.minimize(F, [0.2, 0.2], grad=F.grad, constraint=get_constraint("nonnegative")).success
