"""`minimize`: every method on every function, against scipy; what steers it, what it says, what it refuses."""

import math
import os
import signal

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest
from steepest.exceptions import GradientWarning, IncompatibleError, InvalidParameterError
from steepest.functions import CATALOGUE, get, quadratic, rosenbrock
from steepest.optimize import METHODS
from steepest.protocols import Status
from steepest.solvers.batch import Batch
from steepest.solvers.directions import LBFGS
from steepest.solvers.searches import StrongWolfe

GENERAL = [m for m in METHODS if m not in ("auto", "levenberg-marquardt")]
FAST = [m for m in GENERAL if m != "gradient_descent"]
WITH_MINIMA = [f for f in CATALOGUE.values() if f.minima and f.smooth]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("method", ["auto", *FAST])
@pytest.mark.parametrize("f", WITH_MINIMA, ids=lambda f: f.name)
def test_reaches_a_minimum(f, method, exact):
    found = steepest.minimize(f, f.start, grad=f.grad if exact else None, method=method)
    assert found.success, found.message
    assert found.status is Status.APPROXIMATE
    away = [np.linalg.norm(found.x - m) for m in f.minima]
    assert min(away) < 1e-5
    assert found.fun == pytest.approx(f(found.x), abs=1e-14)
    np.testing.assert_allclose(found.jac, f.grad(found.x), atol=1e-6)


@pytest.mark.parametrize("f", [f for f in WITH_MINIMA if f.name != "rosenbrock"], ids=lambda f: f.name)
def test_gradient_descent_reaches_a_minimum(f):
    found = steepest.minimize(f, f.start, grad=f.grad, method="gradient_descent")
    assert found.success, found.message
    assert min(np.linalg.norm(found.x - m) for m in f.minima) < 1e-4


@pytest.mark.parametrize("method", GENERAL)
@pytest.mark.parametrize("name", ["double_well", "quartic_with_cross_term", "saddle", "beale"])
def test_a_start_at_a_saddle_is_left(name, method):
    f = get(name)
    found = steepest.minimize(f, f.saddles[0], grad=f.grad, method=method, max_iter=500)
    assert found.fun < f(f.saddles[0]) - 1e-3
    assert found.certificate.evidence["verdict"] != "saddle"
    if name != "beale":  # one way down from its saddle leads to infinity, along which it falls to 0.452
        assert found.success == (f.least > -np.inf)


@pytest.mark.parametrize("f", [f for f in CATALOGUE.values() if f.least == -np.inf], ids=lambda f: f.name)
@pytest.mark.parametrize("method", ["newton", "bfgs", "lbfgs"])
def test_no_minimum_is_no_success(f, method):
    found = steepest.minimize(f, f.start + 0.1, grad=f.grad, method=method)
    assert not found.success
    assert found.status is Status.DIVERGED
    assert "no minimum" in found.message


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0.0, 5.0), st.sampled_from(FAST), st.floats(-1e3, 1e3))
def test_random_quadratics(seed, size, power, method, shift):
    f = quadratic(10.0**power, size, seed)
    found = steepest.minimize(lambda x: f(x) + shift, f.start, grad=f.grad, method=method)
    assert found.success, found.message
    gap = f(found.x)
    assert gap <= 1e-13 * f(f.start) + 1e-14 * abs(shift)


@pytest.mark.parametrize("size", [2, 10, 60, 600])
def test_no_worse_than_scipy_on_rosenbrock(size):
    f = rosenbrock(size)
    ours = steepest.minimize(f, f.start, grad=f.grad)
    theirs = scipy.optimize.minimize(f, f.start, jac=f.grad, method="BFGS" if size < 100 else "L-BFGS-B")
    assert ours.success, ours.message
    assert ours.fun <= theirs.fun + 1e-12
    assert ours.nfev < 40 * size + 1000


def test_least_squares_against_scipy():
    t = np.linspace(0.0, 3.0, 40)
    y = 2.0 * np.exp(-1.3 * t) + 0.05 * np.cos(40.0 * t)

    def residuals(b):
        return b[0] * np.exp(-b[1] * t) - y

    theirs = scipy.optimize.least_squares(residuals, [1.0, 0.1], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    ours = steepest.minimize(steepest.LeastSquares(residuals), [1.0, 0.1])
    assert ours.success
    assert ours.method == "levenberg-marquardt"
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7)
    assert ours.fun == pytest.approx(theirs.cost, rel=1e-12)


def test_functions_that_return_pairs_and_hessians_are_used():
    f = get("rosenbrock")
    pair = steepest.minimize(lambda x: (f(x), f.grad(x)), f.start, grad=True)
    assert pair.success
    assert pair.njev == 0
    full = steepest.minimize(f, f.start, grad=f.grad, hess=f.hess)
    assert full.success
    assert full.nhev > 0
    assert full.method == "newton"
    product = steepest.minimize(f, f.start, grad=f.grad, hessp=lambda x, v: f.hess(x) @ v, method="newton-cg")
    assert product.success
    assert product.nhev > 0


def test_a_solver_object_is_driven_the_same():
    f = get("beale")
    own = Batch("own", LBFGS(memory=3), StrongWolfe())
    found = steepest.minimize(f, f.start, grad=f.grad, method=own)
    assert found.success
    assert found.method == "own"


def test_the_domain_is_not_left():
    found = steepest.minimize(lambda x: x[0] - math.log(x[0]) if x[0] > 0.0 else math.nan, [30.0])
    assert found.success
    assert found.x[0] == pytest.approx(1.0, abs=1e-6)


def test_history_and_path():
    f = get("rosenbrock")
    found = steepest.minimize(f, f.start, grad=f.grad)
    assert found.path.shape == (len(found.history), 2)
    np.testing.assert_array_equal(found.path[0], f.start)
    np.testing.assert_allclose([f(x) for x in found.path], found.history["objective"])
    assert found.nit == len(found.history) - 1
    calls = found.nfev + found.njev + found.nhev
    assert found.history["passes"][-1] <= calls


def test_a_wrong_gradient_is_warned_of():
    f = get("beale")
    with pytest.warns(GradientWarning, match=r"grad: element 1 is .* differences of fun give"):
        steepest.minimize(f, [2.0, 0.3], grad=lambda x: f.grad(x) * [1.0, 1.2], max_iter=5)


@pytest.mark.parametrize("method", ["newton", "bfgs"])
def test_a_wrong_gradient_is_no_success(method):
    f = get("bowl")
    found = steepest.minimize(
        f, [1.0, 1.0], grad=lambda x: f.grad(x) + 1.0, method=method, check_gradient=False, max_iter=200
    )
    assert f(found.x) >= f.least
    with pytest.warns(GradientWarning):
        steepest.minimize(f, [1.0, 1.0], grad=lambda x: f.grad(x) + 1.0, method=method, max_iter=200)


def test_budgets():
    f = rosenbrock(20)
    few = steepest.minimize(f, f.start, grad=f.grad, method="gradient_descent", max_iter=7)
    assert (few.nit, few.status, few.success) == (7, Status.BUDGET, False)
    assert few.message.startswith("max_iter=7 reached; not a stationary point")
    none = steepest.minimize(f, f.start, grad=f.grad, max_iter=0)
    np.testing.assert_array_equal(none.x, f.start)
    brief = steepest.minimize(f, f.start, grad=f.grad, method="gradient_descent", max_time=1e-9)
    assert brief.status is Status.BUDGET
    assert "max_time" in brief.message


def test_a_callback_may_stop():
    f = get("rosenbrock")
    rows = []

    def callback(row, x):
        rows.append((row["objective"], x.copy()))
        return len(rows) == 4

    found = steepest.minimize(f, f.start, grad=f.grad, callback=callback)
    assert len(rows) == 4
    assert found.status is Status.INTERRUPTED
    assert not found.success
    np.testing.assert_array_equal(found.x, rows[-1][1])


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_keeps_the_best():
    f = get("rosenbrock")
    calls = []

    def interrupting(x):
        calls.append(x)
        if len(calls) == 25:
            os.kill(os.getpid(), signal.SIGINT)
        return f(x)

    found = steepest.minimize(interrupting, f.start, grad=f.grad)
    assert found.status is Status.INTERRUPTED
    assert found.fun == f(found.x) < f(f.start)
    assert found.fun == pytest.approx(found.history["objective"].min())


def test_observers_of_a_block_see_it():
    seen = []
    f = get("bowl")
    with steepest.observe(lambda row, x: seen.append(row["objective"])):
        found = steepest.minimize(f, f.start, grad=f.grad)
    np.testing.assert_array_equal(seen, found.history["objective"])


def test_same_bits_again():
    f = rosenbrock(8)
    one, two = (steepest.minimize(f, f.start, method="bfgs") for _ in range(2))
    np.testing.assert_array_equal(one.path, two.path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "nelder-mead"}, "method: expected one of"),
        ({"tol": -1.0}, "tol: expected"),
        ({"max_iter": 1.5}, "max_iter: expected"),
        ({"max_time": 0.0}, "max_time: expected"),
        ({"grad": 3.0}, "grad: expected a function"),
        ({"fun": 3.0}, "fun: expected a function"),
        ({"fun": steepest.LeastSquares(np.sin), "hess": np.sin}, "grad: a LeastSquares function"),
        ({"grad": lambda x: x * np.nan}, "grad: the gradient is not finite at x0"),
        ({"method": "lbfgs", "options": {"memry": 3}}, "solver options: 'lbfgs' takes"),
    ],
)
def test_refused(arguments, message):
    given_ = {"fun": get("bowl"), "x0": [1.0, 1.0], **arguments}
    with pytest.raises(InvalidParameterError, match=message):
        steepest.minimize(given_.pop("fun"), given_.pop("x0"), **given_)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bounds": [(0, 1), (0, 1)], "method": "bfgs"}, "method: 'bfgs' does not keep to bounds"),
        ({"constraint": "simplex", "method": "adagrad_full"}, "method: 'adagrad_full' does not keep"),
        ({"method": "levenberg-marquardt"}, "'levenberg-marquardt' needs the residuals"),
        ({"method": "gradient_descent", "options": {"line_search": "1/L"}}, "needs a Lipschitz constant"),
    ],
)
def test_what_does_not_fit(arguments, message):
    with pytest.raises(IncompatibleError, match=message):
        steepest.minimize(get("bowl"), [1.0, 1.0], **arguments)
