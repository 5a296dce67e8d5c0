"""What fades away becomes zero, and only while a kernel runs."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from steepest.kernels.network_update import update
from steepest.networks.team import Team
from steepest.networks.training_update import Move
from steepest.rules import get_rule, narrowed

TINY = np.finfo(np.float32).tiny


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="other processors keep denormals")
@pytest.mark.parametrize("name", ["adam", "momentum", "rmsprop"])
def test_what_a_rule_remembers_fades_to_zero_and_no_further(name):
    rule = narrowed(get_rule(name), np.float32)
    w, g = np.ones(100, np.float32), np.zeros(100, np.float32)
    state = np.full((rule.slots, 100), 2.0 * TINY, np.float32)
    for t in range(1, 2001):
        update(rule, w, state, g, 0, 100, 0.0, 1.0, np.inf, 1.0, 1e-3, float(t))
    assert np.all((state == 0.0) | (state >= TINY))
    assert np.any(state == 0.0)
    np.testing.assert_allclose(w, 1.0, rtol=1e-6)


def test_arithmetic_elsewhere_is_as_it_was():
    rule = narrowed(get_rule("adam"), np.float32)
    w, state = np.ones(100, np.float32), np.zeros((2, 100), np.float32)
    update(rule, w, state, w.copy(), 0, 100, 0.0, 1.0, np.inf, 1.0, 1e-3, 1.0)
    small = np.full(100, 1e-40, np.float32)
    assert np.all(small * np.float32(0.5) > 0.0)
    assert 5e-324 * 1.0 > 0.0


def test_an_empty_piece_is_no_step():
    move = Move(get_rule("adam"), 10, 6, np.float64, l2=0.0, decay=0.0, clip_norm=None, clip_value=None)
    w, slots = np.arange(10.0), np.zeros((2, 10))
    before = w.copy()
    team = Team(move.rule, w, slots, np.zeros(10), 1.0)
    assert move(team, 0.1, 1) == pytest.approx(float(before[:6] @ before[:6]))
    assert np.array_equal(w, before)
