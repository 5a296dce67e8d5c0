"""Networks against a multilayer perceptron in plain NumPy, which is itself checked by differences."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import reference_network as plain

from steepest.networks import Dense, Program, Stack, gradient
from steepest.networks.feed import as_feed
from steepest.networks.targets_loss import Objective
from steepest.networks.training import Training
from steepest.rules import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp

UNITS = sorted(plain.UNITS)


def random_layers(random, widths, unit="tanh", batch_norm=False, rows=None):
    """Layers with every kind of parameter away from zero; masks for ``rows`` rows."""
    out = []
    for k, (inwards, outwards) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        last = k == len(widths) - 2
        columns = outwards * 2 if unit == "maxout" and not last else outwards
        layer = plain.Layer(random.standard_normal((inwards, columns)) / np.sqrt(inwards), None, "identity")
        layer.bias = random.standard_normal(columns)
        if not last:
            layer.unit = unit
            if batch_norm:
                layer.gamma, layer.beta = random.uniform(0.5, 1.5, columns), random.standard_normal(columns)
            if rows is not None:
                layer.mask = (random.uniform(size=(rows, outwards)) < 0.7) / 0.7
        out.append(layer)
    return out


def targets(random, loss, rows, outputs):
    if loss == "cross_entropy":
        return random.integers(0, outputs, rows)
    return random.integers(0, 2, (rows, outputs)) * 1.0 if loss == "log_loss" else random.normal(size=(rows, outputs))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_reference_agrees_with_differences(unit, batch_norm):
    random = np.random.default_rng(3)
    for loss in plain.LOSSES:
        layers = random_layers(random, (3, 4, 5, 3), unit, batch_norm, rows=6)
        X, y, s = random.standard_normal((6, 3)), targets(random, loss, 6, 3), random.uniform(0.2, 2.0, 6)
        _, slopes = plain.objective(layers, X, y, loss, s)
        for layer, own in zip(layers, slopes, strict=True):
            for name, slope in own.items():
                array, h = getattr(layer, name), 1e-6
                for at in [tuple(random.integers(0, n) for n in array.shape) for _ in range(4)]:
                    held = array[at]
                    array[at] = held + h
                    above = plain.objective(layers, X, y, loss, s)[0]
                    array[at] = held - h
                    below = plain.objective(layers, X, y, loss, s)[0]
                    array[at] = held
                    assert slope[at] == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-8), (loss, name)


# --------------------------------------------------------------------------------------------- stacks as graphs


def build(random, unit, *, batch_norm=False, dropout=0.0, rows=7, outputs=3, dtype=np.float64):
    """A stack with two hidden layers, a flat vector, and the same as layers of the reference with masks."""
    hidden = [Dense(width, unit, batch_norm=batch_norm, dropout=dropout) for width in (5, 4)]
    stack = Stack(3, hidden, outputs, dtype=dtype)
    w = random.standard_normal(stack.size).astype(dtype)
    return stack, w, mirror(stack, w, [drawn(random, rows, layer) for layer in hidden])


def drawn(random, rows, layer):
    """A mask for inverted dropout, or None."""
    if layer.dropout == 0.0:
        return None
    return (random.uniform(size=(rows, layer.width)) >= layer.dropout) / (1.0 - layer.dropout)


def mirror(stack, w, masks):
    views, out = stack.views(w), []
    for k, layer in enumerate(stack.layers):
        own = {kind: views.get(f"layers.{k}.{kind}") for kind in ("weights", "bias", "gamma", "beta")}
        mask = masks[k] if k < len(masks) else None
        out.append(plain.Layer(own["weights"], own["bias"], layer.unit.name, own["gamma"], own["beta"], mask))
    return out


def run(stack, w, layers, X, y, s, loss, fused):
    """Cost, flat gradient, and the moments of the layers that normalise, of a batch in training."""
    net = stack.network(len(X), training=True, fused=fused, parameters=w)
    objective = Objective(loss, stack.n_outputs)
    targets, weights = objective.inputs(len(X), w.dtype)
    cost = objective.node(net.scores, targets, weights, fused=fused)
    slopes = gradient(cost, net.parameters)
    program = Program([cost, *net.moments, net.scores], slopes)
    given = {net.x: X, targets: y, weights: s}
    given |= dict(zip(net.masks, [layer.mask for layer in layers if layer.mask is not None], strict=True))
    for node, array in given.items():
        program.values[node][...] = array
    program.run()
    flat = np.concatenate([program.values[slope].ravel() for slope in slopes])
    return float(program.values[cost]), flat, [program.values[moment].copy() for moment in net.moments]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_a_stack_is_the_reference(unit, batch_norm, dropout, fused):
    random = np.random.default_rng(5)
    for loss in plain.LOSSES:
        stack, w, layers = build(random, unit, batch_norm=batch_norm, dropout=dropout)
        X, y, s = random.standard_normal((7, 3)), targets(random, loss, 7, 3), random.uniform(0.2, 2.0, 7)
        value, slopes = plain.objective(layers, X, y, loss, s)
        cost, flat, moments = run(stack, w, layers, X, y, s, loss, fused)
        assert cost == pytest.approx(value, rel=1e-12)
        for block in stack.blocks:
            wanted = slopes[block.layer][block.kind]
            np.testing.assert_allclose(flat[block.slice].reshape(block.shape), wanted, rtol=1e-10, atol=1e-12)
        assert len(moments) == 2 * batch_norm
        for moment, layer in zip(moments, layers, strict=False):
            np.testing.assert_allclose(moment[0], layer.kept["mean"], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(moment[1], layer.kept["variance"], rtol=1e-12)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_predictions_use_running_moments_and_no_masks(unit, fused):
    random = np.random.default_rng(6)
    stack, w, layers = build(random, unit, batch_norm=True, dropout=0.3)
    statistics = random.uniform(0.3, 2.0, stack.statistics_size)
    known = {block.name: statistics[block.slice] for block in stack.statistics_blocks}
    moments = [(known[f"layers.{k}.mean"], known[f"layers.{k}.variance"]) for k in range(2)] + [None]
    X = random.standard_normal((9, 3))
    net = stack.network(9, training=False, fused=fused, parameters=w, statistics=statistics)
    program = Program([net.scores])
    program.values[net.x][...] = X
    program.run()
    assert net.masks == ()
    np.testing.assert_allclose(program.values[net.scores], plain.scores(layers, X, moments), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", plain.LOSSES)
def test_the_gradient_is_the_mean_of_the_gradients_of_the_rows(loss):
    random = np.random.default_rng(7)
    stack, w, layers = build(random, "tanh")
    X, y = random.standard_normal((7, 3)), targets(random, loss, 7, 3)
    whole = run(stack, w, layers, X, y, np.ones(7), loss, fused=False)[1]
    each = [run(stack, w, layers, X[i : i + 1], y[i : i + 1], np.ones(1), loss, fused=False)[1] for i in range(7)]
    np.testing.assert_allclose(np.mean(each, axis=0), whole, rtol=1e-10, atol=1e-13)
    assert min(np.linalg.norm(g - whole) for g in each) > 0.1 * np.linalg.norm(whole)


def test_a_layer_that_is_not_trained_is_held_and_has_no_gradient():
    random = np.random.default_rng(8)
    stack = Stack(3, [Dense(6, "tanh", trainable=False), Dense(4, "relu")], 2, dtype=np.float64)
    w = stack.initial(0) + 0.1
    assert all(block.layer > 0 for block in stack.blocks)
    held = {block.kind: stack.fixed[block.slice].reshape(block.shape) for block in stack.fixed_blocks}
    views = stack.views(w)
    layers = [plain.Layer(held["weights"], held["bias"], "tanh")]
    layers += [
        plain.Layer(views[f"layers.{k}.weights"], views[f"layers.{k}.bias"], ["", "relu", "identity"][k])
        for k in (1, 2)
    ]
    X, y, s = random.standard_normal((5, 3)), random.integers(0, 2, 5), np.ones(5)
    value, slopes = plain.objective(layers, X, y, "cross_entropy", s)
    cost, flat, _ = run(stack, w, layers, X, y, s, "cross_entropy", fused=False)
    assert cost == pytest.approx(value, rel=1e-12)
    for block in stack.blocks:
        wanted = slopes[block.layer][block.kind].ravel()
        np.testing.assert_allclose(flat[block.slice], wanted, rtol=1e-10, atol=1e-13)


# ----------------------------------------------------------------------------------------------- training, step by step

RULES = {
    "sgd": (SGD(), {}),
    "momentum": (Momentum(0.8), {"momentum": 0.8}),
    "nesterov": (Nesterov(0.8), {"momentum": 0.8}),
    "adagrad": (Adagrad(1e-3), {"eps": 1e-3}),
    "rmsprop": (RMSProp(0.9, 1e-3), {"rho": 0.9, "eps": 1e-3}),
    "adam": (Adam(0.8, 0.95, 1e-3), {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3}),
    "adamw": (AdamW(0.8, 0.95, 1e-3, 0.3), {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "decay": 0.3}),
}


def cut(g, clip_value, clip_norm):
    g = np.clip(g, -clip_value, clip_value) if clip_value else g
    length = np.linalg.norm(g)
    return g * (clip_norm / length) if clip_norm and length > clip_norm else g


@pytest.mark.parametrize(
    "limits", [{}, {"clip_value": 0.05}, {"clip_norm": 0.3}, {"clip_value": 0.1, "clip_norm": 0.2}]
)
@pytest.mark.parametrize("name", RULES)
def test_training_takes_the_steps_of_the_reference(name, limits):
    random = np.random.default_rng(9)
    hidden = [Dense(6, "tanh", batch_norm=True, dropout=0.3), Dense(5, "elu", dropout=0.2), Dense(4, "softplus")]
    stack = Stack(3, hidden, 3, dtype=np.float64)
    n, l2 = 23, 0.01
    X, y, s = random.standard_normal((n, 3)), random.integers(0, 3, n), random.uniform(0.2, 2.0, n)
    rule, options = RULES[name]
    feed, cost = as_feed(X, np.float64), Objective("cross_entropy", 3)
    training = Training(stack, cost, feed, y, s, rule=rule, batch_size=8, l2=l2, seed=4, **limits)
    w, running = training.w.copy(), training.state.statistics.copy()
    weights = np.arange(stack.size) < stack.decayed
    walker = plain.Walker(name, 0.0, weights, **options)
    clip = (limits.get("clip_value"), limits.get("clip_norm"))
    seen, bitten = [], 0
    for epoch in range(7):
        rows = random.permutation(n).astype(np.uint64)
        rates = 0.05 / (1.0 + epoch + np.arange(3.0))
        for k, part in enumerate((rows[:8], rows[8:16], rows[16:])):
            assert training.steps(rows, np.empty(0), rates, k, k + 1)
            network, _, leaves = training.graph()
            masks = [leaves[mask].copy() for mask in network.masks]
            seen.append(masks[0])
            layers = mirror(stack, w, masks)
            loss, slopes = plain.objective(layers, X[part], y[part], "cross_entropy", s[part])
            g = np.concatenate([slopes[block.layer][block.kind].ravel() for block in stack.blocks])
            walker.rate = rates[k]
            assert training.losses[k] == pytest.approx(loss + 0.5 * l2 * (w[weights] @ w[weights]), rel=1e-9)
            shorter = cut(g, *clip)
            bitten += int(np.any(shorter != g))
            w = walker.step(w, shorter + l2 * np.where(weights, w, 0.0))
            np.testing.assert_allclose(training.w, w, rtol=1e-9, atol=1e-11)
            mean, variance = plain.renewed(np.split(running, 2), layers[0])
            running = np.concatenate([mean, variance])
            np.testing.assert_allclose(training.state.statistics, running, rtol=1e-9, atol=1e-12)
    assert training.t == 21
    assert (bitten > 5) == bool(limits)
    drawn = np.concatenate([mask.ravel() for mask in seen])
    np.testing.assert_allclose(np.unique(drawn), [0.0, 1.0 / 0.7])
    assert abs(drawn.mean() - 1.0) < 4.0 * np.sqrt(0.3 / 0.7 / drawn.size)  # a unit is expected to say what it did
    assert any(np.any(seen[0] != mask) for mask in seen[3::3])
