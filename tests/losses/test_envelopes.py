"""Proximal maps of losses with kinks, and their Moreau envelopes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from steepest.kernels import passes
from steepest.kernels.augmented import loss_scale, settle_multipliers, shifted_slopes
from steepest.losses import (
    SCALAR_LOSSES,
    Absolute,
    EpsilonInsensitive,
    Hinge,
    PerceptronLoss,
    Quantile,
    get_loss,
    has,
)
from steepest.losses.envelopes import Envelope
from steepest.losses.registry import is_composed, prox

LOSSES = [Hinge(), PerceptronLoss(), Absolute(), Quantile(0.5), Quantile(0.9), EpsilonInsensitive(0.4)]
LOSSES.append(EpsilonInsensitive(0.0))
scores = st.floats(-20.0, 20.0)
steps = st.floats(1e-3, 50.0)


def targets(loss):
    return st.sampled_from([-1.0, 1.0]) if loss.targets == "sign" else st.floats(-5.0, 5.0)


def test_every_loss_of_ours_with_a_kink_and_no_curvature_has_a_proximal_map():
    kinked = {
        name
        for name, cls in SCALAR_LOSSES.items()
        if cls.__module__.startswith("steepest.")
        and not is_composed(cls)
        and cls.convex
        and math.isinf(cls.smoothness)
        and not has(cls(), "curvature")
    }
    assert kinked == {"hinge", "perceptron", "absolute", "quantile", "epsilon_insensitive"}
    assert all(has(get_loss(name), "prox") for name in kinked)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@given(data=st.data(), z=scores, step=steps)
def test_prox_is_the_minimiser(loss, data, z, step):
    y = data.draw(targets(loss))
    v = prox(loss, z, y, step)

    def objective(t):
        return loss.value(t, y) + (t - z) ** 2 / (2.0 * step)

    reach = 2.0 * step + 1e-9  # slopes are at most 1
    found = minimize_scalar(objective, bounds=(z - reach, z + reach), method="bounded", options={"xatol": 1e-12})
    assert objective(v) <= found.fun + 1e-12 * (1.0 + abs(found.fun) + z * z / step)
    # the optimality condition: (z - v) / step is a subgradient at v
    u = (z - v) / step
    h = 1e-5
    slack = 1e-9 * (1.0 + abs(z)) / min(step, 1.0)
    assert (
        (loss.value(v, y) - loss.value(v - h, y)) / h - slack
        <= u
        <= (loss.value(v + h, y) - loss.value(v, y)) / h + slack
    )


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@given(data=st.data(), z=scores, shift=st.floats(-3.0, 3.0), step=steps)
def test_envelope_value_slope_and_conjugate_fit_together(loss, data, z, shift, step):
    target = data.draw(targets(loss))
    y = complex(target, shift)
    smooth = Envelope(loss, step)
    u = smooth.slope(z, y)
    value = smooth.value(z, y)
    assert value <= loss.value(z + shift, target) + 1e-12
    # 1 / step bounds the error of the linear model
    h = 1e-4 * step
    ahead = smooth.value(z + h, y)
    slack = 1e-12 * (1.0 + abs(value) + (abs(z) + abs(shift)) ** 2 / step)
    assert value + u * h - slack <= ahead <= value + u * h + 0.5 * h * h / step + slack
    # Fenchel's equality, for a u moved inside the domain by rounding
    near = 1e-12 + 1e-14 * (abs(z) + abs(shift) + 5.0) / step
    inside = 0.0 if abs(u) < near else u * (1.0 - near)
    assert smooth.conjugate(inside, y) + value == pytest.approx(
        inside * z, abs=1e-8 * (1.0 + abs(z) + step + abs(shift))
    )


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@given(data=st.data(), z=scores, step=steps)
def test_envelope_curvature_is_the_change_of_its_slope(loss, data, z, step):
    target = data.draw(targets(loss))
    smooth = Envelope(loss, step)
    y = complex(target, 0.0)
    h = smooth.curvature(z, y)
    assert 0.0 <= h <= (1.0 + 1e-9) / step
    d = 1e-6 * step
    left, right = ((smooth.slope(z + k * d, y) - smooth.slope(z + (k - 1) * d, y)) / d for k in (0, 1))
    if abs(left - right) < 1e-6 / step and h * step in (0.0, pytest.approx(1.0, abs=1e-9)):  # not beside a knee
        assert h == pytest.approx(right, abs=1e-5 * (1.0 + abs(z) / step) / step)


def test_envelopes_compile_into_the_kernels():
    rng = np.random.default_rng(0)
    n = 200
    z, p = rng.standard_normal(n), rng.random(n)
    for loss in LOSSES:
        target = np.sign(rng.standard_normal(n))
        y = target + 1j * rng.standard_normal(n)
        smooth = Envelope(loss, 0.3)
        u, h = np.empty(n), np.empty(n)
        total = passes.losses_slopes(smooth, z, y, p, u)
        passes.curvatures(smooth, z, y, p, h)
        assert total == pytest.approx(sum(p[i] * smooth.value(z[i], y[i]) for i in range(n)))
        np.testing.assert_allclose(u, [smooth.slope(z[i], y[i]) for i in range(n)], atol=1e-14)
        np.testing.assert_allclose(h, [p[i] * smooth.curvature(z[i], y[i]) for i in range(n)], atol=1e-9)
        slopes, curved = shifted_slopes(smooth, z, 0.2, y, p)
        assert slopes == pytest.approx(sum(p[i] * smooth.slope(z[i] + 0.2, y[i]) for i in range(n)))
        assert curved == pytest.approx(sum(p[i] * smooth.curvature(z[i] + 0.2, y[i]) for i in range(n)))


def test_multipliers_are_settled_inside_the_domain():
    """Slopes of the envelope leave the domain by rounding; afterwards every conjugate is finite."""
    rng = np.random.default_rng(1)
    n = 2000
    z, p = 3.0 * rng.standard_normal(n), np.full(n, 1.0 / n)
    p[7] = 0.0
    left = 0
    for loss in LOSSES:
        target = np.sign(rng.standard_normal(n))
        u = np.array([Envelope(loss, 0.37).slope(z[i], complex(target[i], 0.1)) for i in range(n)])
        left += sum(math.isinf(loss.conjugate(u[i], target[i])) for i in range(n))
        before = u.copy()
        total, gap = settle_multipliers(loss, 0.37, z, target, p, u)
        np.testing.assert_allclose(u, before, atol=2e-12)
        conjugates = np.array([loss.conjugate(u[i], target[i]) for i in range(n)])
        assert np.all(np.isfinite(conjugates))
        values = np.array([loss.value(z[i], target[i]) for i in range(n)])
        assert total == pytest.approx(p @ values)
        assert gap == pytest.approx(p @ np.maximum(values + conjugates - u * z, 0.0), abs=1e-14)
    assert left > 0  # else this test shows nothing


def test_a_multiplier_far_outside_becomes_the_slope():
    u = np.array([5.0])
    settle_multipliers(Hinge(), 1.0, np.array([-1.0]), np.array([1.0]), np.ones(1), u)
    assert u[0] == -1.0


def test_scale_of_a_loss_is_that_of_the_rows_that_pay():
    z, y, p = np.array([-1.0, -1.0, 9.0]), np.array([1.0, -1.0, 1.0]), np.full(3, 1 / 3)
    squares, slopes = loss_scale(Hinge(), z, y, p)
    assert squares / slopes == pytest.approx(2.0)
