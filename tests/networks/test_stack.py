"""Stacks: the layout of the flat vector, and the networks against differences, in training and in prediction."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stacks import Batch, differences

from steepest import networks as nw
from steepest.exceptions import InvalidParameterError
from steepest.networks.initializers import Normal
from steepest.networks.layers import Dense
from steepest.networks.stack import EPSILON, Stack
from steepest.networks.units import Elu, LeakyRelu, Maxout, Tanh

MIXED = (
    Dense(6, "relu", batch_norm=True, dropout=0.3),
    Dense(4, Maxout(3), dropout=0.2),
    Dense(3, "elu", bias=False),
)


def test_all_weights_lie_first():
    stack = Stack(5, (Dense(6, batch_norm=True), Dense(4, Maxout(3)), Dense(3, bias=False)), 2)
    assert [(b.name, b.shape) for b in stack.blocks] == [
        ("layers.0.weights", (5, 6)),
        ("layers.1.weights", (6, 12)),
        ("layers.2.weights", (4, 3)),
        ("layers.3.weights", (3, 2)),
        ("layers.1.bias", (12,)),
        ("layers.3.bias", (2,)),
        ("layers.0.gamma", (6,)),
        ("layers.0.beta", (6,)),
    ]
    assert stack.decayed == 30 + 72 + 12 + 6
    assert stack.size == stack.decayed + 14 + 12 == stack.blocks[-1].slice.stop
    assert [(b.name, b.shape) for b in stack.statistics_blocks] == [
        ("layers.0.mean", (6,)),
        ("layers.0.variance", (6,)),
    ]
    starts = [b.slice.start for b in stack.blocks]
    assert starts == [0, *(b.slice.stop for b in stack.blocks[:-1])]  # without holes
    np.testing.assert_array_equal(stack.initial_statistics(), [0.0] * 6 + [1.0] * 6)


def test_views_are_pieces_of_the_vector():
    stack = Stack(5, MIXED, 2, dtype=np.float64)
    w = stack.initial(0)
    views = stack.views(w)
    views["layers.2.weights"][1, 2] = 77.0
    assert np.flatnonzero(w == 77.0).tolist() == [30 + 72 + 1 * 3 + 2]
    assert np.all(views["layers.0.gamma"] == 1.0)
    assert np.all(views["layers.0.beta"] == 0.0)
    assert np.all(views["layers.1.bias"] == 0.0)
    assert views["layers.0.weights"].std() > 0.3
    with pytest.raises(InvalidParameterError, match=r"w: expected a vector of"):
        stack.views(w[:-1])


def test_the_beginning_depends_on_the_seed_alone():
    one, two = Stack(5, MIXED, 2), Stack(5, MIXED, 2)
    np.testing.assert_array_equal(one.initial(3), two.initial(3))
    assert not np.array_equal(one.initial(3), two.initial(4))
    assert one.initial(3).dtype == np.float64


def forward(stack, w, X, masks=(), moments=None):
    """The formula of a stack of tanh units, layer by layer, in NumPy."""
    views, a = stack.views(w), X
    for k, layer in enumerate(stack.layers):
        z = a @ views[f"layers.{k}.weights"]
        if layer.batch_norm:
            mean, variance = (z.mean(0), z.var(0)) if moments is None else moments
            z = (z - mean) / np.sqrt(variance + EPSILON) * views[f"layers.{k}.gamma"] + views[f"layers.{k}.beta"]
        else:
            z = z + views[f"layers.{k}.bias"]
        a = z if k == len(stack.layers) - 1 else np.tanh(z)
        if k < len(masks):
            a = a * masks[k]
    return a


@pytest.mark.parametrize("fused", [False, True])
def test_the_function_is_that_of_the_formulas(fused):
    random = np.random.default_rng(0)
    stack = Stack(4, (Dense(5, Tanh(), batch_norm=True, dropout=0.4), Dense(3, "tanh")), 2, dtype=np.float64)
    w = stack.initial(1) + 0.2 * random.normal(size=stack.size)
    X = random.normal(size=(8, 4))
    net = stack.network(8, training=True, fused=fused, parameters=w)
    program = nw.Program([net.scores, *net.moments])
    mask = (random.random((8, 5)) > 0.4) / 0.6
    program.values[net.x][...], program.values[net.masks[0]][...] = X, mask
    program.run()
    np.testing.assert_allclose(program.values[net.scores], forward(stack, w, X, [mask]), rtol=1e-12, atol=1e-14)
    z = X @ stack.views(w)["layers.0.weights"]
    np.testing.assert_allclose(program.values[net.moments[0]], [z.mean(0), z.var(0)], rtol=1e-12)

    statistics = random.uniform(0.5, 2.0, stack.statistics_size)
    net = stack.network(8, training=False, fused=fused, parameters=w, statistics=statistics)
    assert net.masks == ()
    assert net.moments == ()
    program = nw.Program([net.scores])
    program.values[net.x][...] = X
    for _ in range(2):  # numbers that change are read anew
        program.run()
        expected = forward(stack, w, X, moments=statistics.reshape(2, 5))
        np.testing.assert_allclose(program.values[net.scores], expected, rtol=1e-12, atol=1e-14)
        w *= 1.1
        statistics *= 0.7


LAYER = st.builds(
    Dense,
    st.integers(1, 5),
    st.sampled_from(["identity", "sigmoid", "tanh", "softplus", Elu(0.7), LeakyRelu(0.3), "relu", Maxout(2)]),
    batch_norm=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
    bias=st.booleans(),
    init=st.just(Normal(0.7)),
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(LAYER, max_size=3), st.booleans(), st.integers(2, 9), st.integers(2, 4))
def test_gradients_of_random_networks_are_those_of_differences(layers, training, rows, outputs):
    stack = Stack(3, layers, outputs, dtype=np.float64)
    plain = Batch(stack, rows, training=training, fused=False, seed=1, second=True)
    passes = Batch(stack, rows, training=training, fused=True, seed=1)
    w = plain.w
    g = plain.gradient(w)
    np.testing.assert_allclose(passes.gradient(w), g, rtol=1e-10, atol=1e-11 * max(1.0, np.abs(g).max()))
    assert passes.value(w) == pytest.approx(plain.value(w), rel=1e-12)
    # a difference across a kink, or through the variance of a few rows, says little: compare where it is stable
    coarse, fine = differences(plain.value, w, 2e-6), differences(plain.value, w, 1e-6)
    stable = np.abs(coarse - fine) < 1e-7 * max(1.0, np.abs(g).max())
    assert stable.mean() > 0.6
    np.testing.assert_allclose(g[stable], fine[stable], rtol=1e-6, atol=1e-6 * max(1.0, np.abs(g).max()))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("unit", ["identity", "sigmoid", "tanh", "softplus", "relu", "elu", Maxout(2)])
def test_hessian_vector_products(unit, training):
    layers = (Dense(5, unit, batch_norm=True), Dense(4, unit, dropout=0.3))
    batch = Batch(Stack(3, layers, 3, dtype=np.float64), 11, training=training, fused=False, seed=2, second=True)
    w, h = batch.w, 1e-6
    v = np.random.default_rng(1).normal(size=len(w))
    change = (batch.gradient(w + h * v) - batch.gradient(w - h * v)) / (2 * h)
    np.testing.assert_allclose(batch.product(w, v), change, rtol=1e-5, atol=1e-6 * np.abs(change).max())
    u = np.random.default_rng(2).normal(size=len(w))
    assert u @ batch.product(w, v) == pytest.approx(v @ batch.product(w, u), rel=1e-9)  # symmetric


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unit", ["tanh", Maxout(2)])
def test_gradients_of_rows_sum_to_that_of_the_batch(fused, unit):
    stack = Stack(4, (Dense(5, unit), Dense(3, "relu", dropout=0.2)), 3, dtype=np.float64)
    random = np.random.default_rng(0)
    w = stack.initial(0)
    net = stack.network(6, training=True, fused=fused)
    graph = nw.Graph(nw.sum(nw.softmax_cross_entropy(net.scores, random.integers(0, 3, 6))))
    for block, node in zip(stack.blocks, net.parameters, strict=True):
        graph.parameters[node.name].value[...] = w[block.slice].reshape(block.shape)
    graph.forward(**{"x": random.normal(size=(6, 4)), net.masks[0].name: (random.random((6, 3)) > 0.2) / 0.8})
    whole = graph.backward()
    for name, rows in graph.per_sample_gradients().items():
        assert rows.shape == (6, *whole[name].shape)
        np.testing.assert_allclose(rows.sum(axis=0), whole[name], rtol=1e-12, atol=1e-14)
        assert np.abs(rows).max() > 0


@pytest.mark.parametrize("fused", [False, True])
def test_a_fixed_layer_keeps_its_numbers_and_passes_gradients_on(fused):
    layers = (Dense(5, "tanh"), Dense(6, "relu", trainable=False), Dense(4, "tanh"))
    stack = Stack(3, layers, 2, dtype=np.float64)
    with pytest.raises(InvalidParameterError, match="Call initial first"):
        stack.network(7, training=True)
    batch = Batch(stack, 7, training=True, fused=fused)
    assert [b.layer for b in stack.blocks if b.kind == "weights"] == [0, 2, 3]
    assert [b.name for b in stack.fixed_blocks] == ["layers.1.weights", "layers.1.bias"]
    assert stack.fixed.shape == (5 * 6 + 6,)
    assert stack.fixed[:30].std() > 0.3
    g = batch.gradient(batch.w)
    np.testing.assert_allclose(g, differences(batch.value, batch.w), rtol=1e-6, atol=1e-8)
    assert np.abs(stack.views(g)["layers.0.weights"]).max() > 1e-4
    again = pickle.loads(pickle.dumps(stack))
    np.testing.assert_array_equal(again.fixed, stack.fixed)
    assert again.blocks == stack.blocks


@pytest.mark.parametrize("fused", [False, True])
def test_the_first_product_can_be_given(fused):
    stack = Stack(4, (Dense(5, "tanh"),), 2, dtype=np.float64)
    w = stack.initial(0)
    X = np.random.default_rng(0).normal(size=(6, 4))
    seen = []

    def product(weights):
        seen.append(weights.shape)
        return nw.matmul(X, weights)

    net = stack.network(6, training=True, fused=fused, sparse=product, parameters=w)
    assert net.x is None
    assert seen == [(4, 5)]
    program = nw.Program([net.scores])
    program.run()
    np.testing.assert_allclose(program.values[net.scores], forward(stack, w, X), rtol=1e-13)


def test_two_graphs_can_share_parameters():
    stack = Stack(4, (Dense(5, "tanh"),), 2, dtype=np.float64)
    w = stack.initial(0)
    net = stack.network(6, training=True, parameters=w)
    other = stack.network(3, training=False, fused=False, parameters=net.parameters)
    assert other.parameters == net.parameters
    with pytest.raises(InvalidParameterError, match="parameters: expected one node"):
        stack.network(3, training=False, parameters=net.parameters[:-1])


def test_a_program_of_a_network_reads_the_vector_itself():
    stack = Stack(4, (Dense(5, "tanh"),), 2)
    w = stack.initial(0).astype(np.float32)
    net = stack.network(6, training=False, parameters=w)
    program = nw.Program([net.scores])
    program.values[net.x][...] = 1.0
    program.run()
    before = program.values[net.scores].copy()
    w[...] = 0.0
    program.run()
    assert np.abs(before).max() > 0
    assert not program.values[net.scores].any()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Stack(0, (), 1), "n_features"),
        (lambda: Stack(1, (), 0), "n_outputs"),
        (lambda: Stack(1, (3,), 1), "layers"),
        (lambda: Stack(1, (), 1, dtype=np.float16), "dtype"),
        (lambda: Stack(1, (), 1, output_activation="no"), "activation"),
        (lambda: Dense(0), "width"),
        (lambda: Dense(True), "width"),
        (lambda: Dense(3, dropout=1.0), "dropout"),
        (lambda: Dense(3, bias=1), "bias"),
        (lambda: Dense(3, "no"), "activation"),
        (lambda: Dense(3, init="no"), "init"),
        (lambda: Stack(2, (Dense(3, batch_norm=True),), 1).network(1, training=True), "rows"),
        (lambda: Stack(2, (Dense(3, batch_norm=True),), 1).network(4, training=False), "statistics"),
        (lambda: Stack(2, (), 1).network(4, training=True, parameters=np.zeros(3)), "parameters"),
    ],
)
def test_errors_name_what_was_wrong(make, name):
    with pytest.raises(InvalidParameterError, match=f"{name}:"):
        make()
