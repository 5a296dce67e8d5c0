"""Networks against a multilayer perceptron in plain NumPy, which is itself checked by differences."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import reference_network as plain

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
            for name, gradient in own.items():
                array, h = getattr(layer, name), 1e-6
                for at in [tuple(random.integers(0, n) for n in array.shape) for _ in range(4)]:
                    held = array[at]
                    array[at] = held + h
                    above = plain.objective(layers, X, y, loss, s)[0]
                    array[at] = held - h
                    below = plain.objective(layers, X, y, loss, s)[0]
                    array[at] = held
                    assert gradient[at] == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-8), (loss, name)
