"""The catalogue of test functions, whose facts are known, seen by every analysis."""

from __future__ import annotations

import numpy as np
import pytest

from steepest import check_convexity, check_gradient, classify_point, estimate_smoothness
from steepest.functions import CATALOGUE, quadratic

ENTRIES = [f for f in CATALOGUE.values() if f.smooth]


@pytest.mark.parametrize("given", ["own derivatives", "values"])
@pytest.mark.parametrize("f", ENTRIES, ids=lambda f: f.name)
def test_facts_are_recognised(f, given):
    fun = f if given == "own derivatives" else f.value
    found = check_convexity(fun, f.start)
    assert found.convex is f.convex, str(found)
    assert [classify_point(fun, x).kind for x in f.minima] == ["minimum"] * len(f.minima)
    assert [classify_point(fun, x).kind for x in f.saddles] == ["saddle"] * len(f.saddles)
    assert classify_point(fun, f.start + 0.123).kind == "not stationary"
    turned = [classify_point(lambda x: -f.value(x), x).kind for x in f.minima]
    assert turned == ["maximum"] * len(f.minima)


@pytest.mark.parametrize("f", ENTRIES, ids=lambda f: f.name)
def test_their_gradients_are_right_and_spoilt_ones_wrong(f):
    assert check_gradient(f).ok
    x = f.start + 0.1
    assert check_gradient(f.value, f.grad, x).ok
    spoilt = check_gradient(f.value, lambda x: f.grad(x) + 0.01 * np.eye(len(x))[1], x)
    assert list(spoilt.wrong) == [1]


@pytest.mark.parametrize("condition", [2.0, 50.0, 1e4])
def test_condition_numbers_of_quadratics(condition):
    found = estimate_smoothness(quadratic(condition, size=6), n_points=1)
    assert found.condition == pytest.approx(condition, rel=1e-6)
    assert found.name != "TestFunction"
