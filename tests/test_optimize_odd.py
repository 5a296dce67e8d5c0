"""`minimize` of functions, starts and limits that nobody would write on purpose."""

import numpy as np
import pytest
import scipy.optimize

import steepest
from steepest.exceptions import InvalidParameterError
from steepest.penalties import L1Ball


def bowl(x):
    return float(((x - 1.0) ** 2).sum())


def slope(x):
    return 2.0 * (x - 1.0)


def test_a_gradient_may_use_its_buffer_again():
    buffer = np.empty(2)
    found = steepest.minimize(bowl, [0.0, 2.0], grad=lambda x: np.multiply(2.0, x - 1.0, out=buffer))
    assert found.success, found.message
    np.testing.assert_allclose(found.x, 1.0, atol=1e-7)


def test_residuals_and_jacobian_may_use_their_buffers_again():
    r, J = np.empty(2), np.empty((2, 2))

    def residuals(x):
        r[:] = 10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]
        return r

    def jacobian(x):
        J[:] = [[-20.0 * x[0], 10.0], [-1.0, 0.0]]
        return J

    found = steepest.minimize(steepest.LeastSquares(residuals, jacobian), [-1.2, 1.0])
    assert found.success, found.message
    np.testing.assert_allclose(found.x, 1.0, atol=1e-7)


@pytest.mark.parametrize("start", [[1e-200, 0.0], [-5e-324, 3.0]])
def test_a_start_beside_zero_tells_no_size(start):
    found = steepest.minimize(bowl, start)
    assert found.success, found.message
    np.testing.assert_allclose(found.x, 1.0, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-300, 1e-150, 1e150, 1e300])
def test_values_at_the_ends_of_the_range(factor):
    found = steepest.minimize(lambda x: factor * bowl(x), [0.0, 3.0])
    assert found.success, found.message
    np.testing.assert_allclose(found.x, 1.0, atol=1e-6)
    assert np.isfinite(found.certificate.evidence["gradient_norm"])


def test_differences_see_a_slope_that_a_large_constant_hides():
    found = steepest.minimize(lambda x: 1e10 + bowl(x), [0.0, 2.0])
    assert found.success, found.message
    np.testing.assert_allclose(found.x, 1.0, atol=1e-2)


def test_a_projected_start_tells_the_sizes():
    found = steepest.minimize(bowl, [1e10, 2e10], constraint=L1Ball(1.0), method="adam", max_iter=2000)
    np.testing.assert_allclose(found.x, 0.5, atol=1e-3)


@pytest.mark.parametrize("bounds", [(-1.0, 0.5), (-np.inf, [0.5, 0.5]), ([-1.0], 0.5)], ids=["numbers", "mixed", "one"])
def test_bounds_of_scipy_may_be_numbers(bounds):
    found = steepest.minimize(bowl, [0.0, 0.0], bounds=scipy.optimize.Bounds(*bounds))
    assert found.x.tolist() == [0.5, 0.5]


def test_limits_may_be_numbers_of_numpy():
    found = steepest.minimize(bowl, [0.0, 2.0], tol=np.float32(1e-8), max_iter=np.int64(50), max_time=np.float64(9.0))
    assert found.success


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_start_outside_the_domain_is_said_as_it_is(value):
    with pytest.raises(InvalidParameterError, match=rf"x0: fun must be finite at the start, but it is {value}\."):
        steepest.minimize(lambda x: value, [0.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_iter": True}, "max_iter: expected an integer >= 0 or None, got True"),
        ({"max_time": "a"}, "max_time: expected seconds > 0 or None, got 'a'"),
        ({"tol": "a"}, "tol: expected a number from 0 to below 1, got 'a'"),
        ({"callback": 3}, "callback: expected a function"),
        ({"hess": 3}, "hess: expected a function of x or None, got int"),
        ({"hessp": 3}, "hessp: expected a function of x, v or None, got int"),
        ({"grad": lambda x: 1j * x}, r"grad: expected an array of real numbers, got .* \(complex numbers\)"),
        ({"grad": lambda x: "ab"}, "grad: expected an array of real numbers, got 'ab'"),
        ({"grad": lambda x: [[1.0], [2.0, 3.0]]}, "grad: expected an array of real numbers"),
        ({"grad": slope, "hess": lambda x: None}, r"hess: expected an array of shape \(2, 2\)"),
    ],
)
def test_what_is_wrong_is_named(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        steepest.minimize(bowl, [0.0, 2.0], **options)


def test_a_pair_is_a_tuple():
    with pytest.raises(InvalidParameterError, match=r"fun: expected one real number, got list .*tuple \(value, grad"):
        steepest.minimize(lambda x: [bowl(x), slope(x)], [0.0, 2.0])
