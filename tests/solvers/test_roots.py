import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.exceptions import InvalidParameterError
from steepest.solvers.roots import bracketed_root, newton_root


class TestNewton:
    def test_digits_double(self):
        errors = []

        def f(x):
            errors.append(abs(x - math.sqrt(2.0)))
            return x * x - 2.0, 2.0 * x

        newton_root(f, 1.5, accuracy=1e-15)
        assert len(errors) <= 6
        for before, after in zip(errors[:3], errors[1:], strict=False):
            assert after <= 0.5 * before**2 + 1e-16

    @pytest.mark.parametrize("start", [-9.0, -1.0, 0.0, 3.0, 10.0])
    def test_a_bracket_saves_what_diverges_without(self, start):
        f = lambda x: (math.atan(x), 1.0 / (1.0 + x * x))  # noqa: E731
        assert abs(newton_root(f, start, low=-10.0, high=11.0)) < 1e-9

    def test_zero_slope_inside_a_bracket(self):
        root = newton_root(lambda x: (x**3 - 8.0, 3.0 * x * x), 0.0, low=-1.0, high=5.0)
        assert root == pytest.approx(2.0, abs=1e-10)

    def test_falling_function(self):
        assert newton_root(lambda x: (1.0 - x, -1.0), 0.2, low=0.0, high=3.0) == pytest.approx(1.0)

    def test_bracket_without_a_change_of_sign(self):
        with pytest.raises(InvalidParameterError, match="changes its sign"):
            newton_root(lambda x: (x * x + 1.0, 2.0 * x), 0.0, low=-1.0, high=1.0)

    @given(st.floats(-5.0, 5.0), st.floats(-10.0, 10.0))
    def test_any_cubic_that_rises(self, root, start):
        f = lambda x: ((x - root) ** 3 + 0.1 * (x - root), 3.0 * (x - root) ** 2 + 0.1)  # noqa: E731
        assert newton_root(f, start, low=-20.0, high=20.0) == pytest.approx(root, abs=1e-9)


class TestBracketed:
    @given(st.floats(0.01, 0.99), st.floats(0.2, 8.0))
    def test_power(self, root, power):
        f = lambda t: t**power - root**power  # noqa: E731
        found = bracketed_root(f, 0.0, 1.0, f(0.0), f(1.0), accuracy=1e-15)
        assert abs(f(found)) <= 1e-15 or found == pytest.approx(root, rel=1e-12)

    def test_few_calls_on_a_smooth_function(self):
        calls = []
        f = lambda t: calls.append(t) or math.expm1(t - 0.3)  # noqa: E731
        bracketed_root(f, 0.0, 4.0, f(0.0), f(4.0), accuracy=1e-12)
        assert len(calls) <= 18

    def test_a_step_is_bisected_down_to_rounding(self):
        f = lambda t: -1.0 if t < math.pi else 1e9  # noqa: E731
        found = bracketed_root(f, 0.0, 10.0, f(0.0), f(10.0), accuracy=0.0, most=300)
        assert found == pytest.approx(math.pi, rel=1e-12)

    def test_end_that_is_a_root_already(self):
        assert bracketed_root(np.sin, -1.0, 0.0, -0.8, 0.0, accuracy=1e-12) == 0.0
