"""Fused passes: equal to the plain graph, at hard numbers too; float32 stays float32; sums that keep their digits."""

from __future__ import annotations

import gc
import itertools
import math
import weakref

import numpy as np
import pytest
from scipy import special
from tests.support.stacks import Batch

from steepest import networks as nw
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels import network_passes as passes
from steepest.kernels.network_units import exp_below, expm1_below
from steepest.networks.derivatives import gradient
from steepest.networks.fused import bias_unit, mean_cross_entropy, norm_unit
from steepest.networks.layers import Dense
from steepest.networks.node import Input, Parameter
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.networks.units import Elu, Identity, LeakyRelu, Maxout, Relu, Sigmoid, Softplus, Tanh

UNITS = [Identity(), Sigmoid(), Tanh(), Relu(), LeakyRelu(0.2), Elu(1.5), Softplus(), Maxout(3)]
names = [unit.name for unit in UNITS]


@pytest.mark.parametrize("unit", UNITS, ids=names)
@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_fused_is_plain_to_rounding(unit, dtype, close):
    for norm, rate, bias, training in itertools.product((False, True), (0.0, 0.3), (True, False), (True, False)):
        layers = [Dense(width, unit, batch_norm=norm, dropout=rate, bias=bias) for width in (6, 7)]
        stack = Stack(5, layers, 4, dtype=dtype)
        found = []
        for fused, of in ((False, "all"), (True, "all"), (True, "loss")):
            batch = Batch(stack, 9, training=training, fused=fused, of=of)
            g = batch.gradient(batch.w)
            nodes = [batch.loss, *batch.net.moments]
            nodes += [*batch.net.sums, *batch.net.activations] if of == "all" else []
            found.append([g, *(batch.array(node) for node in nodes)])
            assert g.dtype == dtype
            np.testing.assert_array_equal(batch.gradient(batch.w), g)  # a second run finds nothing spoilt
        for other in found[1:]:
            for got, expected in zip(other, found[0], strict=False):
                np.testing.assert_allclose(got, expected, rtol=close, atol=close)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", UNITS, ids=names)
def test_hard_numbers(unit, dtype):
    """Huge, tiny, infinite and missing sums are those of the plain graph; NaN is never lost."""
    big = 1e30
    odd = np.array([0.0, -0.0, 1e-8, -1e-8, 1e-30, 80.0, -80.0, 800.0, -800.0, big, -big, np.inf, -np.inf, np.nan])
    z = np.repeat(odd[:, None], 3 * unit.pieces, axis=1).astype(dtype)
    results = []
    for fused in (False, True):
        a = Input(z.shape, "a", dtype)
        node = bias_unit(a, nw.Constant(np.zeros(z.shape[1]), dtype=dtype), unit) if fused else unit.node(a)
        program = nw.Program([node])
        program.values[a][...] = z
        program.run()
        results.append(program.values[node].copy())
    eps = np.finfo(dtype).eps
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(results[1], results[0], rtol=8 * eps, atol=1e-37 if dtype == np.float32 else 1e-300)


@pytest.mark.parametrize("unit", [Maxout(2), Relu(), Tanh()])
def test_nan_among_the_pieces_or_columns_stays(unit):
    z = Input((1, 4), "z")
    program = nw.Program([node := bias_unit(z, nw.Constant(np.zeros(4)), unit)])
    for column in range(4):
        program.values[z][...] = [[1.0, 2.0, 3.0, 4.0]]
        program.values[z][0, column] = np.nan
        program.run()
        out = program.values[node][0]
        assert np.isnan(out[column % len(out)])
        assert np.isnan(out).sum() == 1


@pytest.mark.parametrize(("dtype", "low"), [(np.float32, -87.0), (np.float64, -708.0)])
def test_exponentials_to_two_units_in_the_last_place(dtype, low):
    random = np.random.default_rng(0)
    x = np.concatenate([random.uniform(low, 0.0, 1500), -np.logspace(-12, 0, 500), [0.0, low]]).astype(dtype)
    one = dtype(1)
    got = np.array([exp_below(v) for v in x]).astype(dtype)
    minus = np.array([expm1_below(v, one) for v in x]).astype(dtype)
    for out, exact in ((got, np.exp(x.astype(np.longdouble))), (minus, np.expm1(x.astype(np.longdouble)))):
        ulp = np.spacing(np.abs(exact.astype(dtype)))
        assert (np.abs(out - exact) / ulp).max() <= 2.0
    assert math.isnan(exp_below(dtype(np.nan)))
    assert math.isnan(expm1_below(dtype(np.nan), one))
    assert 0.0 <= exp_below(dtype(-np.inf)) <= 1.001 * math.exp(low)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_loss_value_and_slope(dtype):
    random = np.random.default_rng(0)
    scores = (random.normal(size=(7, 5)) * 10.0).astype(dtype)
    y, s = random.integers(0, 5, 7), random.uniform(0.5, 2.0, 7).astype(dtype)
    out = np.empty(36, dtype)
    passes.mean_cross_entropy(scores, y, s, out)
    exact = scores.astype(np.float64)
    losses = special.logsumexp(exact, axis=1) - exact[np.arange(7), y]
    shares = special.softmax(exact, axis=1) - np.eye(5)[y]
    close = 10 * float(np.finfo(dtype).eps)
    assert out[-1] == pytest.approx((s * losses).mean(), rel=close)
    np.testing.assert_allclose(out[:-1].reshape(7, 5), shares * s[:, None] / 7, rtol=close, atol=close)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_loss_does_not_overflow_and_keeps_nan(dtype):
    out = np.empty(5, dtype)
    s = np.ones(2, dtype)
    passes.mean_cross_entropy(np.array([[1e4, -1e4], [-1e4, 1e4]], dtype), np.array([0, 0]), s, out)
    assert out[-1] == pytest.approx(1e4)
    np.testing.assert_allclose(out[:-1], [0, 0, -0.5, 0.5], atol=1e-30)
    for j in range(2):
        scores = np.zeros((2, 2), dtype)
        scores[1, j] = np.nan
        passes.mean_cross_entropy(scores, np.array([0, 0]), s, out)
        assert np.isnan(out[-1])
        assert np.isnan(out[2:4]).all()
        assert not np.isnan(out[:2]).any()


def test_the_loss_under_a_factor_and_beside_another_term():
    z = Parameter(np.random.default_rng(0).normal(size=(6, 3)), "z")
    y = nw.Constant(np.array([0, 1, 2, 0, 1, 2]), dtype=np.int64)
    s = nw.Constant(np.linspace(0.5, 1.5, 6))
    loss = 0.3 * mean_cross_entropy(z, y, s) + nw.mean(nw.square(z))
    plain = 0.3 * nw.mean(nw.softmax_cross_entropy(z, y) * s) + nw.mean(nw.square(z))
    one, two = nw.Graph(loss), nw.Graph(plain)
    x = two.start
    assert one(x) == pytest.approx(two(x), rel=1e-14)
    np.testing.assert_allclose(one.grad(x), two.grad(x), rtol=1e-12)


def test_sums_over_many_rows_keep_their_digits():
    """A float32 sum of 100 003 rows, one after the other, would be off by about a thousandth."""
    random = np.random.default_rng(0)
    D = random.uniform(0.9, 1.1, (100_003, 3)).astype(np.float32)
    out = np.empty(3, np.float32)
    passes.sum_rows(D, np.empty(3), out)
    np.testing.assert_allclose(out, D.sum(axis=0, dtype=np.float64), rtol=2e-7)


def test_moments_of_columns_far_from_zero():
    random = np.random.default_rng(0)
    Z = (1e4 + random.normal(size=(1000, 4))).astype(np.float32)
    exact = Z.astype(np.float64)
    node, moments = norm_unit(
        z := Input(Z.shape, "z", np.float32),
        nw.Constant(np.ones(4), dtype=np.float32),
        nw.Constant(np.zeros(4), dtype=np.float32),
        Identity(),
    )
    program = nw.Program([node, moments])
    program.values[z][...] = Z
    program.run()
    mean, variance = program.values[moments]
    np.testing.assert_allclose(mean, exact.mean(0), rtol=6e-8)
    np.testing.assert_allclose(variance, exact.var(0), rtol=1e-6)
    expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
    np.testing.assert_allclose(program.values[node], expected, atol=6e-4)  # half a unit of the mean


def test_a_constant_column_is_normalised_to_beta():
    node, moments = norm_unit(
        z := Input((6, 2), "z", np.float32),
        nw.Constant([2.0, 2.0], dtype=np.float32),
        nw.Constant([0.5, -1.0], dtype=np.float32),
        Identity(),
    )
    program = nw.Program([node, moments])
    program.values[z][...] = 0.1
    program.run()
    np.testing.assert_allclose(program.values[node], np.tile([0.5, -1.0], (6, 1)), rtol=1e-5)
    assert program.values[moments][1].max() < 1e-15


def test_running_moments_follow_with_the_unbiased_variance():
    running = np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)
    batch = np.array([[2.0, 1.0], [3.0, 0.5]], np.float32)
    passes.move_moments(running, batch, 0.1, 4)
    np.testing.assert_allclose(running, [[0.2, 1.0], [0.9 + 0.1 * 4.0, 0.9 + 0.1 * 2 / 3]], rtol=1e-6)


def test_a_step_of_a_network_is_a_short_list_of_calls_and_gives_no_gradient_of_x():
    """Three layers: per layer a product and a pass forward, two products and a pass back, and one call of the loss."""
    stack = Stack(30, (Dense(20), Dense(10)), 5)
    w = stack.initial(0).astype(np.float32)
    net = stack.network(16, training=True, parameters=w)
    loss = mean_cross_entropy(net.scores, Input((16,), "y", int), Input((16,), "s", np.float32))
    slopes = nw.gradient(loss, net.parameters)
    flat = np.empty_like(w)
    bind = dict(zip(slopes, stack.views(flat).values(), strict=True))
    program = nw.Program([loss], slopes, bind=bind, repeatable=False)
    assert program.steps <= 3 + 3 + 1 + 3 + 2 + 3 + 2  # with two copies of bias gradients
    for array in bind.values():
        assert np.shares_memory(array, flat)
    products = [
        node for node in nw.node.ancestors(slopes) if node.operation is not None and node.operation.symbol == "@"
    ]
    assert len(products) == 3 + 3 + 2
    assert all(node.shape != (16, 30) for node in products)


def test_second_derivatives_are_refused():
    batch = Batch(Stack(3, (Dense(4),), 2, dtype=np.float64), training=True, fused=True)
    directions = {p: Input(p.shape) for p in batch.net.parameters}
    with pytest.raises(IncompatibleError, match="fused=False"):
        nw.tangent(batch.slopes, directions)
    with pytest.raises(IncompatibleError, match="fused=False"):
        nw.gradient(nw.sum(batch.slopes[0]), batch.net.parameters)


def test_a_mask_that_is_computed_is_not_written_over():
    z, chance = Input((3, 4), "z"), Input((3, 4), "chance")
    mask = nw.square(chance)
    node = bias_unit(z, nw.Constant(np.zeros(4)), Relu(), mask, 0.5)
    program = nw.Program([node])
    program.values[z][...] = np.arange(12.0).reshape(3, 4)
    program.values[chance][...] = 2.0
    for _ in range(2):
        program.run()
        np.testing.assert_array_equal(program.values[node], 4.0 * np.arange(12.0).reshape(3, 4))
        np.testing.assert_array_equal(program.values[z], np.arange(12.0).reshape(3, 4))


def test_a_view_as_sums_and_a_repeated_gradient():
    """Operands that do not lie in C order are copied, not misread."""
    z = Parameter(np.random.default_rng(0).normal(size=(4, 3)), "z")
    b = Parameter(np.random.default_rng(1).normal(size=4), "b")
    graph = nw.Graph(nw.sum(bias_unit(nw.transpose(z), b, Tanh())))
    plain = nw.Graph(nw.sum(nw.tanh(nw.transpose(z) + b)))
    x = np.random.default_rng(2).normal(size=16)
    assert graph(x) == pytest.approx(plain(x), rel=1e-14)
    g = graph.grad(x)
    np.testing.assert_allclose(g, plain.grad(x), rtol=1e-12)


def test_the_loss_refuses_what_does_not_fit():
    z, s = Input((4, 3), "z"), Input((4,), "s")
    with pytest.raises(InvalidParameterError, match="mean_cross_entropy: expected scores"):
        mean_cross_entropy(z, Input((4,), "y"), s)
    with pytest.raises(InvalidParameterError, match="mean_cross_entropy: expected scores"):
        mean_cross_entropy(z, Input((4,), "y", int), Input((4,), "s", np.float32))


@pytest.mark.parametrize("layer", [Dense(3, "relu"), Dense(3, Maxout(2)), Dense(3, "tanh", batch_norm=True)])
def test_graphs_are_no_cycles(layer):
    """What a graph holds, such as parameters of many megabytes, is free as soon as nobody needs it."""
    stack, objective = Stack(4, [layer], 2), Objective("cross_entropy", 2)
    network = stack.network(6, training=True)
    cost = objective.node(network.scores, *objective.inputs(6, stack.dtype))
    slopes = gradient(cost, network.parameters)
    gone = [weakref.ref(node) for node in (*network.parameters, cost, *slopes)]
    gc.collect()
    gc.disable()
    try:
        del network, cost, slopes
        assert [ref() for ref in gone] == [None] * len(gone)
    finally:
        gc.enable()
