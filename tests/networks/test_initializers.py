"""Initializers: their variances, and what they keep over many layers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steepest import networks as nw
from steepest.exceptions import InvalidParameterError
from steepest.networks.initializers import FanIn, Glorot, He, Normal, Zeros, get_initializer
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.networks.units import Elu, Identity, LeakyRelu, Maxout, Relu, Sigmoid, Softplus, Tanh


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        (Normal(0.3), 0.09),
        (FanIn(), 1 / 300),
        (FanIn("uniform"), 1 / 300),
        (Glorot(), 2 / 700),
        (Glorot("normal"), 2 / 700),
        (Glorot(gain=2.0), 8 / 700),
        (He(), 2 / 300),
        (He("uniform"), 2 / 300),
    ],
)
def test_mean_and_variance(initializer, variance):
    drawn = initializer.draw((300, 400), np.random.default_rng(0))
    assert drawn.shape == (300, 400)
    assert drawn.dtype == np.float64
    assert abs(drawn.mean()) < 5 * math.sqrt(variance / drawn.size)
    assert drawn.var() == pytest.approx(variance, rel=0.03)
    assert initializer.deviation(300, 400) == pytest.approx(math.sqrt(variance))
    if getattr(initializer, "distribution", "normal") == "uniform":
        bound = math.sqrt(3 * variance)
        assert 0.999 * bound < np.abs(drawn).max() <= bound
    else:
        assert np.abs(drawn).max() > 3.5 * math.sqrt(variance)


def test_auto_follows_the_unit():
    for unit in (Relu(), LeakyRelu(), Elu(), Maxout()):
        assert get_initializer("auto", unit) == He()
    for unit in (Tanh(), Identity(), Softplus(), None):
        assert get_initializer("auto", unit) == Glorot("uniform")
    # scikit-learn draws on [-r, r], r^2 = 2 / (n_in + n_out), for the logistic unit
    drawn = get_initializer("auto", Sigmoid()).draw((30, 50), np.random.default_rng(0))
    bound = math.sqrt(2.0 / 80.0)
    assert 0.99 * bound < np.abs(drawn).max() <= bound


def spread_of_outputs(init, activation, depth=20, width=256):
    """Mean squares of the outputs of each layer for rows of mean square 1."""
    stack = Stack(width, [Dense(width, activation, init=init)] * depth, 1, dtype=np.float64)
    w = stack.initial(0)
    net = stack.network(64, training=False, fused=False, parameters=w)
    program = nw.Program(list(net.activations))
    program.values[net.x][...] = np.random.default_rng(1).normal(size=(64, width))
    program.run()
    return np.array([(program.values[node] ** 2).mean() for node in net.activations[:depth]])


def test_he_keeps_the_signal_of_relu_units_over_twenty_layers():
    kept = spread_of_outputs(He(), "relu")
    assert np.all((kept > 0.4) & (kept < 2.5))
    lost = spread_of_outputs(FanIn(), "relu")  # each layer halves it: 2**-20
    assert lost[-1] < 1e-5
    assert spread_of_outputs(Normal(0.01), "relu")[-1] < 1e-30
    assert spread_of_outputs(Normal(0.3), "relu")[-1] > 1e15


@pytest.mark.parametrize("init", [FanIn(), Glorot(), Glorot("normal")])
def test_variance_one_over_fan_in_keeps_that_of_linear_units(init):
    kept = spread_of_outputs(init, "identity")
    assert np.all((kept > 0.4) & (kept < 2.5))
    assert spread_of_outputs(He(), "identity")[-1] > 2**17


def test_zeros_keep_the_units_of_a_layer_equal():
    def distinct(init):
        """Columns of the hidden weights that differ after steps of gradient descent."""
        stack = Stack(3, [Dense(5, "tanh", init=init)], 2, dtype=np.float64, output_init=Normal(0.5))
        w = stack.initial(0)
        if init == Zeros():
            stack.views(w)["layers.1.weights"][...] = np.array([0.3, -0.2])  # equal as well
        net = stack.network(20, training=True, parameters=w)
        random = np.random.default_rng(1)
        graph_loss = nw.mean(nw.square(net.scores - random.normal(size=(20, 2))))
        slopes = nw.gradient(graph_loss, net.parameters)
        program = nw.Program(slopes)
        program.values[net.x][...] = random.normal(size=(20, 3))
        start = w.copy()
        for _ in range(30):
            program.run()
            w -= 0.1 * np.concatenate([program.values[node].ravel() for node in slopes])
        assert np.abs(w - start).max() > 0.01
        hidden = stack.views(w)["layers.0.weights"]
        return np.ptp(hidden, axis=1).max()

    assert distinct(Zeros()) < 1e-14
    assert distinct(Normal(0.1)) > 0.01


def test_the_same_seed_gives_the_same_numbers():
    draws = [He().draw((4, 3), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: get_initializer("xavier"), "init"),
        (lambda: get_initializer(1.0), "init"),
        (lambda: Normal(-1.0), "std"),
        (lambda: Normal(np.inf), "std"),
        (lambda: He("gaussian"), "distribution"),
        (lambda: Glorot(gain=0.0), "gain"),
    ],
)
def test_errors_name_what_was_wrong(make, name):
    with pytest.raises(InvalidParameterError, match=f"{name}:"):
        make()
