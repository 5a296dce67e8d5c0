"""The catalogue of functions: derivatives against differences, minima and saddles as stated."""

import numpy as np
import pytest

from steepest.exceptions import InvalidParameterError
from steepest.functions import CATALOGUE, get, quadratic, rosenbrock

SHAPES = [*CATALOGUE.values(), rosenbrock(5), quadratic(1e4, 6, seed=3)]


@pytest.mark.parametrize("f", SHAPES, ids=lambda f: f"{f.name}{len(f.start)}")
def test_derivatives(f):
    random = np.random.default_rng(1)
    for _ in range(3):
        x = f.start + random.normal(0.0, 0.5, len(f.start))
        h = 1e-5
        steps = h * np.eye(len(x))
        slopes = np.array([(f(x + s) - f(x - s)) / (2.0 * h) for s in steps])
        scale = max(1.0, float(np.abs(slopes).max()))
        np.testing.assert_allclose(f.grad(x), slopes, atol=1e-6 * scale)
        bends = np.array([(f.grad(x + s) - f.grad(x - s)) / (2.0 * h) for s in steps])
        scale = max(1.0, float(np.abs(bends).max()))
        np.testing.assert_allclose(f.hess(x), bends, atol=1e-6 * scale)


@pytest.mark.parametrize("f", SHAPES, ids=lambda f: f"{f.name}{len(f.start)}")
def test_stationary_points(f):
    for x in f.minima:
        assert f(x) == pytest.approx(f.least, abs=1e-12)
        if not f.smooth:  # it rises in every direction
            turns = np.linspace(0.0, 2.0 * np.pi, 50)
            assert min(f(x + 1e-3 * np.array([np.cos(t), np.sin(t)])) for t in turns) > f.least + 1e-5
            continue
        assert np.linalg.norm(f.grad(x)) < 1e-9
        assert np.linalg.eigvalsh(f.hess(x))[0] > 0.0
    for x in f.saddles:
        assert np.linalg.norm(f.grad(x)) < 1e-12
        values = np.linalg.eigvalsh(f.hess(x))
        assert values[0] < 0.0 < values[-1]
    if f.convex:
        random = np.random.default_rng(0)
        for _ in range(50):  # the subgradient inequality
            x, y = random.normal(size=(2, len(f.start)))
            assert f(y) >= f(x) + f.grad(x) @ (y - x) - 1e-9 * abs(f(x))
        for _ in range(5):
            assert np.linalg.eigvalsh(f.hess(random.normal(size=len(f.start))))[0] >= -1e-9


def test_functions_without_a_minimum_fall_along_a_line():
    for f in CATALOGUE.values():
        if f.least == -np.inf:
            assert min(f([s, t]) for s in (-1.0, 0.0, 1.0) for t in (-1e6, 1e6)) < -1e5


def test_condition():
    assert np.linalg.cond(quadratic(300.0, 5).hess(np.zeros(5))) == pytest.approx(300.0)


def test_errors():
    with pytest.raises(InvalidParameterError, match=r"name: expected .* Did you mean 'rosenbrock'"):
        get("rosenbrok")
    with pytest.raises(InvalidParameterError, match="condition: expected"):
        quadratic(0.5)
    with pytest.raises(InvalidParameterError, match="size: expected at least 2"):
        rosenbrock(1)
