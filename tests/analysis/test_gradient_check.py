"""Right gradients pass, planted mistakes are found and named."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import steepest
import steepest.losses as sl
from steepest import check_gradient
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import is_composed
from steepest.penalties import L1, L2
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem

OURS = sorted(
    name
    for name, cls in {**sl.SCALAR_LOSSES, **sl.VECTOR_LOSSES}.items()
    if cls.__module__.startswith("steepest.") and not is_composed(cls)
)


def case(seed, d):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(d, d))

    def fun(x):
        return np.sin(A @ x).sum() + 0.1 * np.sum(x**4)

    def grad(x):
        return A.T @ np.cos(A @ x) + 0.4 * x**3

    return fun, grad, rng.normal(size=d)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), d=st.integers(1, 12), unit=st.sampled_from([1e-8, 1.0, 1e8]))
@example(seed=129366, d=11, unit=1e-8)  # terms of h^2 and h^3 cancel at one of the last steps
def test_right_gradients_pass(seed, d, unit):
    fun, grad, x = case(seed, d)
    found = check_gradient(lambda x: unit * fun(x), lambda x: unit * grad(x), x, rng=seed)
    assert found.ok, str(found)
    assert found.order > 1.8
    assert len(found.wrong) == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), d=st.integers(2, 12), size=st.floats(1e-4, 10.0), sign=st.sampled_from([-1.0, 1.0]))
def test_one_wrong_coordinate_is_named(seed, d, size, sign):
    fun, grad, x = case(seed, d)
    bad = int(np.random.default_rng(seed).integers(d))

    def planted(x):
        g = grad(x)
        g[bad] += sign * size * np.abs(g).max()
        return g

    found = check_gradient(fun, planted, x, rng=seed)
    assert not found.ok
    assert found.worst == bad
    assert list(found.wrong) == [bad]
    assert found.expected == pytest.approx(grad(x)[bad], rel=1e-5, abs=1e-7)
    assert found.got == planted(x)[bad]
    assert found.order < 1.3
    assert f"coordinate {bad}:" in str(found)


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda g: -g, "the sign is wrong"),
        (lambda g: 2.0 * g, "2 times what they should be"),
        (lambda g: 0.0 * g, "forgotten"),
        (lambda g: g[::-1], "the order is mixed up"),
        (lambda g: np.nan * g, "NaN"),
    ],
)
def test_common_mistakes_are_recognised(mistake, hint):
    fun, grad, x = case(1, 4)
    found = check_gradient(fun, lambda x: mistake(grad(x)), x)
    assert not found.ok
    assert hint in str(found)


@pytest.mark.parametrize("name", OURS)
def test_losses_of_steepest_have_right_slopes(name):
    for seed in range(2):
        found = check_gradient(name, rng=seed)
        assert found.ok, str(found)


@steepest.scalar_loss(name="analysis_wrong_slope")
class WrongSlope(NamedTuple):
    def value(self, z, y):
        return 0.5 * (z - y) ** 2

    def slope(self, z, y):
        return 1.01 * (z - y)


def test_a_loss_with_a_wrong_slope_is_found():
    found = check_gradient(WrongSlope())
    assert not found.ok
    assert "1.01 times what they should be" in str(found)


@pytest.mark.parametrize("loss", [sl.Logistic(), sl.Hinge(), sl.Squared(), sl.Huber(), sl.Poisson(), sl.SigmoidLoss()])
def test_problems_of_linear_models(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    z = X @ rng.normal(size=4)
    y = {"sign": np.where(z > 0, 1.0, -1.0), "nonnegative": np.floor(np.abs(z))}.get(loss.targets, z)
    for penalty in (L2(0.1), L1(0.1)):
        problem = LinearProblem(as_source(X), y, np.full(50, 0.02), loss, penalty, True)
        found = check_gradient(problem, x=rng.normal(size=5))
        assert found.ok, str(found)
        assert check_gradient(problem, n_points=3).ok


def test_a_problem_with_a_planted_mistake():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.integers(0, 3, 30)

    class Forgetful(MulticlassProblem):
        def evaluate(self, w):
            at = super().evaluate(w)
            at.gradient[-2:] = 0.0
            return at

    p = np.full(30, 1 / 30)
    assert check_gradient(MulticlassProblem(as_source(X), y, p, sl.Softmax(), L2(0.1), True, 3)).ok
    found = check_gradient(Forgetful(as_source(X), y, p, sl.Softmax(), L2(0.1), True, 3))
    assert list(found.wrong) == [10, 11]
    assert "forgotten" in str(found)


def test_kinks_allow_any_slope_between_the_sides():
    def fun(x):
        return abs(x[0]) + x[1] ** 2

    for slope, right in ((0.3, True), (-1.0, True), (1.2, False)):
        found = check_gradient(fun, lambda x, s=slope: np.array([s, 2 * x[1]]), [0.0, 2.0])
        assert found.ok is right
        assert list(found.kinks) == [0]
    assert "at a kink" in str(found)


def test_many_coordinates_are_sampled_and_taylor_sees_the_rest():
    scale = np.linspace(1.0, 2.0, 1000)
    x = np.random.default_rng(2).normal(size=1000)

    def wrong(x):
        g = 2 * scale * x
        g[::2] *= 1.01
        return g

    assert check_gradient(lambda x: scale @ x**2, lambda x: 2 * scale * x, x, most=20).ok
    found = check_gradient(lambda x: scale @ x**2, wrong, x, most=1, rng=0)
    assert len(found.checked) == 1
    assert not found.ok
    assert found.order < 1.3


def test_linear_functions_leave_nothing_but_rounding():
    found = check_gradient(lambda x: 3.0 * x[0] - x[1], lambda x: [3.0, -1.0], [1.0, 2.0])
    assert found.ok
    assert "nothing remains but rounding" in str(found)
    assert check_gradient(lambda x: (3.0 * x[0], [3.0]), True, [1.0]).ok
    found = check_gradient(lambda x: np.float32(x @ x), lambda x: 2 * x, [1.0, 2.0])
    assert found.ok, str(found)


def test_errors_name_the_argument():
    with pytest.raises(InvalidParameterError, match="grad: expected the gradient"):
        check_gradient(lambda x: x @ x, x=[1.0])
    with pytest.raises(InvalidParameterError, match="x: expected the point"):
        check_gradient(lambda x: x @ x, lambda x: 2 * x)
    with pytest.raises(InvalidParameterError, match="x: expected finite numbers"):
        check_gradient(lambda x: x @ x, lambda x: 2 * x, [np.nan])
    with pytest.raises(InvalidParameterError, match="tol"):
        check_gradient("logistic", tol=-1.0)
