"""exp, log1p, softplus and sigmoid: two units in the last place, over the whole range."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from steepest import elementary
from steepest.elementary import complement, exp_neg, log1p_unit, sigmoid, softplus, unit_power
from steepest.jit import kernel

getcontext().prec = 130


@kernel
def _all(x, out):
    for i in range(x.shape[0]):
        out[i, 0] = exp_neg(-abs(x[i]))
        out[i, 1] = log1p_unit(min(abs(x[i]), 1.0))
        out[i, 2] = softplus(x[i])
        out[i, 3] = sigmoid(x[i])


def _ulps(got, exact):
    """Distance in units of the last place of the exact value, a Decimal."""
    return abs(Decimal(float(got)) - exact) / Decimal(math.ulp(float(exact)))


def _points(low, high, n):
    rng = np.random.default_rng(0)
    return np.concatenate([np.linspace(low, high, n // 2), rng.uniform(low, high, n - n // 2)])


def test_exp_neg_within_two_ulps():
    x = np.concatenate([_points(-708.0, 0.0, 1500), -np.logspace(-320, 0, 300), _points(-1.0, 0.0, 500), [-0.0, 0.0]])
    for v in x:
        assert _ulps(exp_neg(float(v)), Decimal(float(v)).exp()) <= 2, v


def test_exp_neg_below_its_range_stays_positive():
    smallest = exp_neg(-708.0)
    for v in (-708.5, -745.0, -1e4, -1e300, -math.inf):
        assert exp_neg(v) == smallest
    assert 0.0 < smallest < 4e-308


def test_log1p_unit_within_two_ulps():
    for v in np.concatenate([_points(0.0, 1.0, 1500)[1:], np.logspace(-300, 0, 300)]):
        if v > 1e-40:
            assert _ulps(log1p_unit(float(v)), (1 + Decimal(float(v))).ln()) <= 2, v
        else:
            assert log1p_unit(float(v)) == pytest.approx(v, rel=4.5e-16)
    assert log1p_unit(0.0) == 0.0


def test_softplus_and_sigmoid_within_a_few_ulps():
    """Each adds a rounding or two to the functions it is made of."""
    for v in np.concatenate([_points(-40.0, 40.0, 1500), _points(-700.0, 700.0, 500)]):
        e = Decimal(-abs(float(v))).exp()
        exact = (1 + e).ln() + max(Decimal(float(v)), Decimal(0))
        if e > Decimal("1e-50"):
            assert _ulps(softplus(float(v)), exact) <= 4, v
        share = (1 if v >= 0 else e) / (1 + e)
        assert _ulps(sigmoid(float(v)), share) <= 4, v


def test_infinities_and_nan():
    assert softplus(math.inf) == math.inf
    assert 0.0 <= softplus(-math.inf) < 4e-308
    assert sigmoid(math.inf) == 1.0
    assert 0.0 <= sigmoid(-math.inf) < 4e-308
    for function in (exp_neg, log1p_unit, softplus, sigmoid):
        assert math.isnan(function(math.nan))
        assert math.isnan(_plain(function)(math.nan))


def test_plain_python_gives_the_same():
    for v in _points(-60.0, 60.0, 200).tolist():
        assert _plain(exp_neg)(-abs(v)) == pytest.approx(exp_neg(-abs(v)), rel=4.5e-16)
        assert _plain(softplus)(v) == pytest.approx(softplus(v), rel=4.5e-16)


def _plain(function):
    return getattr(function, "py_func", function)


def test_the_same_inside_a_vectorised_loop():
    """As kernels use them: eight at a time, with infinities, NaN and huge numbers between the others."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=1003) * rng.choice([0.1, 1.0, 100.0], 1003)
    x[::50] = np.tile([np.inf, -np.inf, np.nan, 1e300, -1e300, 0.0], 4)[: x[::50].size]
    out = np.empty((x.size, 4))
    _all(x, out)
    for i, v in enumerate(x.tolist()):
        alone = [exp_neg(-abs(v)), log1p_unit(min(abs(v), 1.0)), softplus(v), sigmoid(v)]
        np.testing.assert_allclose(out[i, [0, 2, 3]], np.array(alone)[[0, 2, 3]], rtol=1e-15)
        if not math.isnan(v):
            assert out[i, 1] == pytest.approx(alone[1], rel=1e-15)
    nan = np.isnan(x)
    assert np.isnan(out[nan][:, [0, 2, 3]]).all()
    assert np.isfinite(out[~nan][:, [0, 1, 3]]).all()


def test_powers_of_numbers_between_zero_and_one():
    for x in (0.0, 1e-3, 0.5, 0.9, 0.999, 1.0):
        for t in (1.0, 2.0, 7.0, 100.0):
            exact = x**t
            assert unit_power(x, t) == pytest.approx(
                exact, rel=2.3e-16 * (2 - t * math.log(max(x, 1e-300))), abs=1e-300
            )
    assert unit_power(0.5, 1e6) < 4e-308


@kernel
def _complements(x, out):
    for i in range(x.shape[0]):
        out[i] = complement(x[i]) * np.float64(1.0)  # float32 that were float64 would keep digits here


def test_complements_are_of_the_type_of_their_argument():
    x = np.array([0.1, 0.9, 0.999])
    for kind in (np.float32, np.float64):
        given, out = x.astype(kind), np.empty(3)
        _complements(given, out)
        np.testing.assert_array_equal(out, (kind(1.0) - given).astype(float))
        assert complement(given[0]) == kind(1.0) - given[0]
    _complements(x.astype(np.float32)[:1], narrow := np.empty(1))
    assert narrow[0] != 1.0 - float(np.float32(0.1))


def test_all_public_functions_are_tested_here():
    public = {name for name, it in vars(elementary).items() if callable(it) and name[0].isalpha()}
    public -= {"fused_inner", "inner", "overload"}
    assert public == {"complement", "exp_neg", "log1p_unit", "softplus", "sigmoid", "unit_power"}
