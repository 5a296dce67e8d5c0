"""Probes: what they say is true, their bounds hold, and they change nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.probed_steps import Steps

from steepest.exceptions import DataError, InvalidParameterError
from steepest.networks.layers import Dense
from steepest.networks.probe_norms import norm_bound
from steepest.networks.probe_table import COLUMNS, ProbeTable
from steepest.networks.probes import LOOKS_MOST, Probes
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective

UNITS = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "maxout"]


def steps(layers: Any, *, features: int = 6, rows: int = 20, dtype: str = "float64", seed: int = 0) -> Steps:
    rng = np.random.default_rng(seed)
    stack = Stack(features, layers, 3, dtype=dtype)
    return Steps(
        stack, Objective("cross_entropy", 3), rng.normal(size=(rows, features)), rng.integers(0, 3, rows), seed
    )


def looked(training: Steps) -> ProbeTable:
    probes = Probes(training.stack, 1)
    training.run(1, 0.1, probes)
    return probes.result()


def test_numbers_of_two_layers_by_the_formulas() -> None:
    training = steps((Dense(5, "tanh"),))
    pieces = {name: value.copy() for name, value in training.stack.views(training.w).items()}
    W, b = pieces["layers.0.weights"], pieces["layers.0.bias"]
    V, c = pieces["layers.1.weights"], pieces["layers.1.bias"]
    a = np.tanh(training.x @ W + b)
    scores = a @ V + c
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    out = (shares - np.eye(3)[training.y]) / len(a)
    delta = (out @ V.T) * (1.0 - a**2)
    seen = looked(training)
    norm = np.linalg.norm
    expected = {
        "gradient_norm": [norm(training.x.T @ delta), norm(a.T @ out)],
        "gradient_bound": [
            norm(training.x) * (1.0 - a**2).max() * norm(V, 2) * norm(out),
            norm(a) * norm(out),
        ],
        "weight_norm": [norm(W), norm(V)],
        "update_norm": [0.1 * norm(training.x.T @ delta), 0.1 * norm(a.T @ out)],
        "ratio": [0.1 * norm(training.x.T @ delta) / norm(W), 0.1 * norm(a.T @ out) / norm(V)],
        "activation_mean": [a.mean(), scores.mean()],
        "activation_variance": [a.var(), scores.var()],
        "saturated": [np.mean(np.abs(a) >= 1.0 - 2 * 0.0127), np.nan],
        "dead": [np.nan, np.nan],
        "slope_mean": [(1.0 - a**2).mean(), 1.0],
        "slope_max": [(1.0 - a**2).max(), 1.0],
        "factor": [norm(W, 2), norm(V, 2)],
        "delta_norm": [norm(delta), norm(out)],
        "delta_bound": [(1.0 - a**2).max() * norm(V, 2) * norm(out), norm(out)],
    }
    assert list(expected) == list(COLUMNS) == list(seen.table)
    for name, numbers in expected.items():
        np.testing.assert_allclose(seen[name][0], numbers, rtol=1e-7, err_msg=name)


layer_values = st.builds(
    Dense,
    st.integers(1, 80),
    st.sampled_from(UNITS),
    batch_norm=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
    trainable=st.booleans(),
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(layer_values, max_size=4),
    st.sampled_from(["float32", "float64"]),
    st.floats(0.1, 10.0),
    st.integers(0, 99),
)
def test_no_norm_is_above_its_bound(layers: list[Dense], dtype: str, scale: float, seed: int) -> None:
    training = steps(tuple(layers), dtype=dtype, seed=seed)
    training.w *= scale
    seen = looked(training)
    slack = 1.0 + (1e-3 if dtype == "float32" else 1e-9)
    tiny = 1e-12 if dtype == "float64" else 1e-5  # what rounding leaves where batch normalisation cancels
    assert (seen["delta_norm"] <= seen["delta_bound"] * slack + tiny).all()
    free = [layer.trainable for layer in training.stack.layers]
    assert (np.isfinite(seen["gradient_norm"][0]) == free).all()
    assert (seen["gradient_norm"] <= seen["gradient_bound"] * slack + tiny)[:, free].all()
    for k, layer in enumerate(training.stack.layers):
        assert np.isnan(seen["saturated"][0, k]) == (layer.activation not in ("sigmoid", "tanh"))
        assert np.isnan(seen["dead"][0, k]) == (layer.activation not in ("relu", "softplus"))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 200), st.sampled_from([1e-30, 1.0, 1e30]), st.integers(1, 5), st.integers(0, 99)
)
def test_the_bound_of_a_norm(n: int, k: int, scale: float, rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = scale * (rng.normal(size=(n, rank)) @ rng.normal(size=(rank, k)) + 0.1 * rng.normal(size=(n, k)))
    true = float(np.linalg.norm(matrix, 2))
    found = norm_bound(matrix, seed)
    assert true * (1.0 - 1e-9) <= found <= 1.35 * true
    assert found <= np.linalg.norm(matrix) * (1.0 + 1e-9)


def test_norms_of_degenerate_matrices() -> None:
    assert norm_bound(np.zeros((100, 90))) == 0.0
    assert np.isnan(norm_bound(np.array([[1.0, np.inf]])))
    tiny = np.full((80, 80), 1e-42, np.float32)  # 1 / norm is no float32
    assert norm_bound(tiny) == pytest.approx(80 * 1e-42, rel=0.01)


def test_nothing_is_written_to_and_every_weight_is_the_same() -> None:
    layers = (Dense(30, "relu", batch_norm=True, dropout=0.3), Dense(20, "tanh"), Dense(70, "maxout"))
    plain, probed = (steps(layers, dtype="float32") for _ in range(2))
    plain.run(7, 0.2)
    probed.run(7, 0.2, Probes(probed.stack, 1))
    assert plain.w.tobytes() == probed.w.tobytes()
    assert plain.g.tobytes() == probed.g.tobytes()
    assert plain.x.tobytes() == probed.x.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(plain.masks, probed.masks, strict=True))


@pytest.mark.parametrize("case", ["plain", "all at once", "sparse", "augmented"])
def test_a_fit_is_the_same_to_the_bit(case: str) -> None:
    """Odd last batches, double buffers and the rule's memory included."""
    from scipy import sparse

    from steepest import MLPClassifier

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(103, 64)), rng.integers(0, 3, 103)
    if case == "sparse":
        X = rng.random((103, 5000)) * (rng.random((103, 5000)) < 0.01)
    options: dict[str, Any] = {"layers": [9, 7]}
    if case == "all at once":
        options["layers"] = [Dense(9, "maxout", batch_norm=True, dropout=0.3), Dense(5, trainable=False), 4]
        options |= {"clip_norm": 0.5, "optimizer": "adamw", "average": True}
    if case == "augmented":
        options |= {"augment": "shift=1", "image_shape": (8, 8)}
    fits = [
        MLPClassifier(batch_size=20, max_iter=4, tol=None, random_state=1, probes=probes, **options).fit(
            sparse.csr_matrix(X) if case == "sparse" else X, y
        )
        for probes in (False, 1, "auto")
    ]
    assert fits[0].probes_ is None
    assert len(fits[1].probes_) == 20  # full batches of 24
    if case == "sparse":
        seen = fits[1].probes_
        assert np.all(seen["gradient_bound"][:, 0] >= seen["gradient_norm"][:, 0] * (1 - 1e-5))
    for other in fits[1:]:
        for a, b in zip(fits[0].coefs_ + fits[0].intercepts_, other.coefs_ + other.intercepts_, strict=True):
            assert a.tobytes() == b.tobytes()
        assert other.loss_curve_ == fits[0].loss_curve_


def test_a_deep_network_of_sigmoids_vanishes_and_the_bound_says_that_it_must() -> None:
    seen = looked(steps(tuple(Dense(10, "sigmoid") for _ in range(20))))
    found = seen.vanishing()
    assert list(found) == [f"layer {k + 1}" for k in range(len(found))]  # from the first on
    assert len(found) >= 10
    assert found["layer 1"] < 1e-8
    assert seen["delta_bound"][0, 0] < 1e-3 * seen["delta_norm"][0, -1]
    assert not seen.exploding()


def test_large_weights_explode() -> None:
    training = steps(tuple(Dense(10, "relu") for _ in range(20)))
    training.w *= 4.0
    seen = looked(training)
    assert "layer 1" in seen.exploding()
    assert not seen.vanishing()
    training.w[:] *= 1e30
    assert looked(training).exploding()["layer 1"] == np.inf


def test_units_that_are_off_and_units_at_their_limits() -> None:
    training = steps((Dense(8, "relu"), Dense(8, "tanh")))
    pieces = training.stack.views(training.w)
    pieces["layers.0.bias"][:6] = -100.0
    pieces["layers.1.bias"][:] = 50.0
    seen = looked(training)
    assert seen.dead() == {"layer 1": 0.75}
    assert seen.saturated() == {"layer 2": 1.0}


def test_dropped_outputs_are_neither_dead_nor_part_of_the_mean() -> None:
    training = steps((Dense(4, "relu", dropout=0.5),), rows=400)
    training.stack.views(training.w)["layers.0.bias"][:] = 20.0
    sums = training.x @ training.stack.views(training.w)["layers.0.weights"] + 20.0
    seen = looked(training)
    assert seen["dead"][0, 0] == 0.0
    kept = np.maximum(sums, 0.0)[training.masks[0] > 0.0]
    assert seen["activation_mean"][0, 0] == pytest.approx(kept.mean(), rel=1e-12)
    assert seen["activation_variance"][0, 0] == pytest.approx(kept.var(), rel=1e-9)


def test_a_long_training_is_thinned() -> None:
    training = steps((Dense(3),))
    probes = Probes(training.stack, 2)
    training.run(2 * LOOKS_MOST * 3, 0.01, probes, probes.every)
    seen = probes.result()
    assert LOOKS_MOST // 2 <= len(seen) <= LOOKS_MOST
    assert set(np.diff(seen.steps)) == {seen.every} == {8}
    assert seen.steps[0] == 0


def test_auto_depends_on_shapes_alone() -> None:
    shapes = (Dense(256), Dense(128))
    large, small = Stack(784, shapes, 10), Stack(4, (Dense(5),), 2)
    assert Probes(large, batch_size=128).every == Probes(Stack(784, shapes, 10), batch_size=128).every
    assert 5 < Probes(small, batch_size=128).every < 60
    assert 20 < Probes(large, batch_size=128).every < 200


def test_first_looks_at_small_networks_are_closer_together() -> None:
    training = steps((Dense(3),))
    probes = Probes(training.stack, batch_size=20)
    apart = []
    for _ in range(4):
        training.run(1000, 0.01, probes, probes.every)
        seen = probes.result()
        apart.append(seen.every)
        assert len(seen) <= LOOKS_MOST
        assert set(np.diff(seen.steps)) == {seen.every}
    assert probes.every < apart[0] <= apart[-1] <= 16 * probes.every
    assert apart[-1] > 100


@pytest.mark.parametrize("every", [0, -3, 2.5, True, "often"])
def test_what_every_may_be(every: Any) -> None:
    with pytest.raises(InvalidParameterError, match="at least 1, or 'auto'"):
        Probes(Stack(4, (Dense(5),), 2), every)


def test_tables_as_json_and_back() -> None:
    training = steps((Dense(8, "relu"), Dense(8, "tanh")))
    probes = Probes(training.stack, 2)
    training.run(9, 0.1, probes, 2)
    seen = probes.result()
    back = ProbeTable.from_dict(json.loads(json.dumps(seen.to_dict(), allow_nan=False)))
    assert back.layers == seen.layers == ["layer 1", "layer 2", "output"]
    assert back.steps.tolist() == [0, 2, 4, 6, 8]
    assert back.every == seen.every == 2
    for name in COLUMNS:
        np.testing.assert_array_equal(back[name], seen[name])
    json.dumps(seen.summary(), allow_nan=False)
    raw = seen.to_dict()
    raw["table"]["delta_norm"][0].append(1.0)
    with pytest.raises((DataError, ValueError)):
        ProbeTable.from_dict(raw)


def test_no_look_at_all() -> None:
    seen = Probes(Stack(4, (Dense(5),), 2), 5).result()
    assert len(seen) == 0
    assert seen.vanishing() == seen.dead() == seen.saturated() == seen.exploding() == {}
    back = ProbeTable.from_dict(json.loads(json.dumps(seen.to_dict())))
    assert back["delta_norm"].shape == (0, 2)
    assert seen.summary()["looks"] == 0
