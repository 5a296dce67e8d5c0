"""Columns that are nearly always zero: products, gradients, and training with and without them apart."""

from __future__ import annotations

import numpy as np
import pytest

import steepest.networks.training as training_module
from steepest.data.orders import Shuffled
from steepest.estimators.network_data import SomeRows
from steepest.kernels.network_gather import permute_rows
from steepest.networks.derivatives import gradient, tangent
from steepest.networks.feed import as_feed
from steepest.networks.layers import Dense
from steepest.networks.node import Input, Parameter
from steepest.networks.probes import Probes
from steepest.networks.program import Program
from steepest.networks.reductions import sum as summed
from steepest.networks.split import split
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.networks.training import Training

N, D, WIDTH = 8_192, 160, 256


def rows(dtype=np.float32, seed=0):
    """Rows of which 120 scattered columns are zero but for one entry in fifty."""
    rng = np.random.default_rng(seed)
    X = rng.integers(1, 200, size=(N, D))
    rare = np.sort(rng.permutation(D)[:120])
    X[:, rare] *= rng.random((N, 120)) < 0.02
    return X.astype(dtype), rare


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("scaled", [False, True])
def test_products_and_gradients_are_those_of_the_rows(dtype, scaled):
    X, rare = rows(dtype)
    factor = np.linspace(0.5, 2.0, D) / 200 if scaled else None
    shift = np.zeros(D) if scaled else None
    if scaled:
        shift[np.setdiff1d(np.arange(D), rare)[3]] = 7.0
    made = split(as_feed(X, np.float64, shift, factor), 256, WIDTH)
    assert made is not None
    assert sorted(made.order.tolist()) == list(range(D))
    assert made.order[made.dense :].tolist() == rare.tolist()
    batch = made.batch(64)
    W, C = Parameter(np.random.default_rng(1).normal(size=(D, 8)), "W"), Input((64, 8), "C")
    Z = batch.product(W)
    cost = summed(Z * Z * C)
    (slope,) = gradient(cost, [W])
    (second,) = tangent([slope], {W: W})
    program = Program([Z, slope, second])
    taken = np.random.default_rng(2).permutation(N)[:64]
    batch.take(taken)
    program.values[C][:] = np.random.default_rng(3).normal(size=(64, 8))
    program.run()
    B = X[taken].astype(np.float64)
    B = B if factor is None else (B - shift) * factor
    B, c = B[:, made.order], program.values[C]
    np.testing.assert_allclose(program.values[Z], B @ W.value, rtol=1e-12, atol=1e-9)
    scale = np.abs(program.values[slope]).max()
    np.testing.assert_allclose(program.values[slope], 2 * B.T @ ((B @ W.value) * c), rtol=1e-10, atol=1e-13 * scale)
    np.testing.assert_allclose(program.values[second], program.values[slope], rtol=1e-10, atol=1e-13 * scale)


def test_some_rows_of_a_feed():
    X, _ = rows()
    index = np.random.default_rng(5).permutation(N)[: N - 50]
    made = split(SomeRows(as_feed(X, np.float64), index), 256, WIDTH)
    assert made is not None
    assert made.n == N - 50
    batch = made.batch(16)
    W = Parameter(np.random.default_rng(1).normal(size=(D, 4)), "W")
    Z = batch.product(W)
    program = Program([Z])
    batch.take(np.arange(30, 46))
    program.run()
    np.testing.assert_allclose(program.values[Z], X[index[30:46]][:, made.order] @ W.value, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize(
    "change",
    ["few rows", "narrow layer", "no zeros", "shifted", "fixed layer", "augmented", "many entries where none was seen"],
)
def test_nothing_is_split_where_it_does_not_pay(change):
    X, _ = rows()
    shift, width, trainable, augment = None, WIDTH, True, None
    if change == "few rows":
        X = X[:4_000]
    elif change == "narrow layer":
        width = 8
    elif change == "no zeros":
        X = X + 1
    elif change == "shifted":
        shift = np.ones(D)
    elif change == "fixed layer":
        trainable = False
    elif change == "augmented":
        augment = Nothing()
    else:
        sample = np.unique(np.linspace(0, N - 1, 512).astype(np.intp))
        X = np.ones((N, D), np.float32)
        X[sample] = 0.0
    assert training_of(X, width=width, shift=shift, trainable=trainable, augment=augment)._split is None


class Nothing:
    """An augmentation that changes nothing."""

    def apply(self, batch, rows, epoch, seed):
        pass


def training_of(
    X, *, width=WIDTH, shift=None, trainable=True, augment=None, dtype=np.float64, batch_norm=False, state=None, **more
):
    y = (X[:, :40].sum(axis=1) > np.median(X[:, :40].sum(axis=1))).astype(np.int64)
    layers = (Dense(width, "tanh", trainable=trainable, batch_norm=batch_norm, dropout=0.25 * batch_norm), Dense(8))
    stack = Stack(D, layers, 2, dtype=dtype)
    stack.initial(0)
    feed = as_feed(X, dtype, shift, np.full(D, 1 / 200))
    objective = Objective(((1.0, "cross_entropy"),), 2)
    return Training(
        stack, objective, feed, y, batch_size=300, rule="adam", l2=1e-3, augment=augment, state=state, **more
    )


@pytest.mark.parametrize("batch_norm", [False, True])
def test_training_takes_the_same_steps(batch_norm, monkeypatch):
    X, _ = rows()
    made = training_of(X, batch_norm=batch_norm, average=True)
    assert made._split is not None
    monkeypatch.setattr(training_module, "split_for", lambda *_: None)
    plain = training_of(X, batch_norm=batch_norm, average=True)
    visit = Shuffled(N).epoch(0, 0)
    rates = np.full(made.count(N), 1e-3)
    losses = [each.epoch(visit, rates) for each in (made, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-10)
    for name in ("w", "slots", "mean", "statistics"):
        np.testing.assert_allclose(getattr(made.state, name), getattr(plain.state, name), rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(made.g, plain.g, rtol=1e-6, atol=1e-10)


def test_pieces_and_probes_change_no_bit():
    X, _ = rows(np.uint8)
    visit = Shuffled(N).epoch(0, 0)
    ends = []
    for pieces, probed in (((0, 28), False), ((0, 1, 9, 28), False), ((0, 28), True)):
        probes = None
        made = training_of(X, dtype=np.float32)
        if probed:
            probes = Probes(made.stack, 5, batch_size=300)
            made = training_of(X, dtype=np.float32, probe=probes)
        rates = np.full(made.count(N), 1e-3)
        for low, high in zip(pieces, pieces[1:], strict=False):
            made.steps(visit.rows, visit.factors, rates, low, high)
        ends.append((made.state.w, made.state.slots))
        if probes is not None:
            seen = probes.result().table
            assert np.all(np.isfinite(seen["gradient_bound"]))
            assert np.all(seen["gradient_bound"] >= seen["gradient_norm"] * (1 - 1e-5))
    for w, slots in ends[1:]:
        assert np.array_equal(w, ends[0][0])
        assert np.array_equal(slots, ends[0][1])


def test_an_interrupt_leaves_weights_as_they_belong():
    X, _ = rows()
    made = training_of(X, probe=interrupt, probe_every=1)
    before = made.w.copy()
    with pytest.raises(KeyboardInterrupt):
        made.steps(np.arange(N), np.empty(0), np.full(made.count(N), 1e-3), 0, 3)
    assert np.array_equal(made.w, before)


def interrupt(training, moment):
    """A probe in which Ctrl-C arrives."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_rows_are_permuted_where_they_lie(n: int) -> None:
    rng = np.random.default_rng(n)
    block = rng.standard_normal((n, 5)).astype(np.float32)
    for order in (rng.permutation(n), np.arange(n), np.roll(np.arange(n), 1)):
        expected = block[order]
        permute_rows(block, order)
        np.testing.assert_array_equal(block, expected)
