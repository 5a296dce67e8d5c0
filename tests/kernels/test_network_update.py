"""One pass of a rule against its formula in NumPy, in both precisions; and by two threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steepest.kernels.network_update import average, square_sum, update
from steepest.networks.team import Team
from steepest.networks.training_update import Move
from steepest.rules import RULES, get_rule, narrowed
from steepest.rules.stepper import dense_step

NAMES = sorted(name for name, kind in RULES.items() if not kind.whole and name != "ftrl")  # type: ignore[attr-defined]
RNG = np.random.default_rng(0)
SIZE = 9001  # more than two blocks


def vectors(dtype: Any, slots: int) -> tuple[Any, Any, Any]:
    w, g = RNG.standard_normal((2, SIZE)).astype(dtype)
    return w, np.abs(RNG.standard_normal((slots, SIZE))).astype(dtype), g


@pytest.mark.parametrize("name", NAMES)
def test_float64_is_the_step_of_the_rule(name: str) -> None:
    """Of the clipped, scaled gradient with the penalty's, at a weight that has decayed; elsewhere nothing moves."""
    rule = get_rule(name)
    w, state, g = vectors(np.float64, rule.slots)
    w0, state0 = w.copy(), state.copy()
    expected, remembered = 0.9 * w, state.copy()
    dense_step(rule, expected, remembered, 0.5 * np.clip(g, -0.7, 0.7) + 0.3 * w, 0.1, 3.0)
    total = update(rule, w, state, g, 100, 8900, 0.3, 0.5, 0.7, 0.9, 0.1, 3.0)
    inside = slice(100, 8900)
    np.testing.assert_allclose(w[inside], expected[inside], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(state[:, inside], remembered[:, inside], rtol=1e-13, atol=1e-15)
    for outside in (slice(0, 100), slice(8900, None)):
        np.testing.assert_array_equal(w[outside], w0[outside])
        np.testing.assert_array_equal(state[:, outside], state0[:, outside])
    assert total == pytest.approx(w0[inside] @ w0[inside], rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_close_to_float64_after_many_steps(name: str) -> None:
    """Two hundred steps at fixed random gradients: a few roundings of float32 each, and no more."""
    rule = get_rule(name)
    wide = vectors(np.float64, rule.slots)
    narrow = tuple(array.astype(np.float32) for array in wide)
    for t in range(1, 201):
        g = np.random.default_rng(t).standard_normal(SIZE).astype(np.float32)
        update(rule, wide[0], wide[1], g.astype(np.float64), 0, SIZE, 0.0, 1.0, np.inf, 1.0, 1e-3, float(t))
        update(narrowed(rule, np.float32), *narrow[:2], g, 0, SIZE, 0.0, 1.0, np.inf, 1.0, 1e-3, float(t))
    scale = np.abs(wide[0]).max()
    assert 0.0 < np.abs(narrow[0] - wide[0]).max() < 1e-4 * scale


def test_float32_arithmetic_is_that_of_float32() -> None:
    """A momentum of many steps, operation by operation; float64 arithmetic rounded at the end gives other bits."""
    w, state, g = vectors(np.float32, 1)
    exact, velocity = w.copy(), state[0].copy()
    m, eta = np.float32(0.9), np.float32(0.01)
    for t in range(1, 20):
        update(narrowed(get_rule("momentum"), np.float32), w, state, g, 0, SIZE, 0.0, 1.0, np.inf, 1.0, 0.01, float(t))
        velocity = m * velocity - eta * g
        exact = exact + velocity
    assert exact.dtype == np.float32
    # a fused multiply-add rounds once where NumPy rounds twice
    np.testing.assert_allclose(w, exact, rtol=1e-5, atol=2e-6)


def test_nan_is_not_clipped_away() -> None:
    w, state, g = vectors(np.float32, 0)
    g[7] = np.nan
    update(narrowed(get_rule("sgd"), np.float32), w, state, g, 0, SIZE, 0.0, 1.0, 0.1, 1.0, 0.1, 1.0)
    assert np.flatnonzero(np.isnan(w)).tolist() == [7]
    assert np.isnan(square_sum(g, 0.1))


def test_sums_and_means() -> None:
    g = RNG.standard_normal(SIZE).astype(np.float32)
    assert square_sum(g, 0.5) == pytest.approx(np.sum(np.clip(g.astype(float), -0.5, 0.5) ** 2), rel=1e-12)
    mean = np.zeros(SIZE)
    average(mean, g, 0.25)
    np.testing.assert_allclose(mean, 0.25 * g.astype(float), rtol=1e-15)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_threads_give_the_bits_of_one(name: str) -> None:
    """With everything that a step may have, the end of the vector without decay included."""
    size, decayed, rule = 100_000, 99_000, get_rule(name)
    move = Move(rule, size, decayed, np.float32, l2=0.1, decay=0.2, clip_norm=5.0, clip_value=2.0)
    found: list[Any] = []
    for threads in (1, 2, 3):
        rng = np.random.default_rng(5)
        w, slots = rng.standard_normal(size).astype(np.float32), np.zeros((rule.slots, size), np.float32)
        g = np.empty(size, np.float32)
        squares = []
        team = Team(move.rule, w, slots, g, 1e9, threads)
        with team:
            for t in range(1, 30):
                g[:] = rng.standard_normal(size)
                squares.append(move(team, 1e-2, t))
        found.append((w, slots, squares))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
