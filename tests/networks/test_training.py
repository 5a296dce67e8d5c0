"""Training against a network in plain NumPy, step by step; and what steps may depend on."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from tests.support.reference_network import Layer, Walker, objective, renewed

from steepest.data.orders import Shuffled, Visit
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels.network_masks import draw_mask
from steepest.networks.feed import as_feed
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.networks.training import Training
from steepest.rules import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp

N, D, K = 23, 5, 3
NONE = np.empty(0)
LAYERS = (Dense(4, "tanh"), Dense(3, "sigmoid"))
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D))
Y = RNG.integers(0, K, N)
RULES = (
    (SGD(), {}),
    (Momentum(0.8), {"momentum": 0.8}),
    (Nesterov(0.8), {"momentum": 0.8}),
    (Adagrad(1e-6), {"eps": 1e-6}),
    (RMSProp(0.9, 1e-6), {"rho": 0.9, "eps": 1e-6}),
    (Adam(0.8, 0.95, 1e-6), {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6}),
    (AdamW(0.8, 0.95, 1e-6, 0.5), {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "decay": 0.5}),
)


def made(
    layers: Any = LAYERS,
    X: Any = X,
    dtype: Any = np.float64,
    s: Any = None,
    **options: Any,
) -> Training:
    stack = Stack(X.shape[1], layers, K, dtype=dtype)
    cost = Objective("cross_entropy", K)
    return Training(stack, cost, as_feed(X, dtype), cost.targets(Y), s, **({"batch_size": 6} | options))


def layers_of(training: Training, w: Any) -> list[Layer]:
    views = training.stack.views(w)
    return [
        Layer(
            views[f"layers.{k}.weights"].copy(),
            views.get(f"layers.{k}.bias"),
            training.stack.layers[k].unit.name if k < len(training.stack.layers) - 1 else "identity",
            views.get(f"layers.{k}.gamma"),
            views.get(f"layers.{k}.beta"),
        )
        for k in range(len(training.stack.layers))
    ]


def flat(training: Training, gradients: Any) -> Any:
    out = np.zeros(training.stack.size)
    for block in training.stack.blocks:
        out[block.slice] = gradients[block.layer][block.kind].ravel()
    return out


def followed(training: Training, walker: Walker, visit: Visit, s: Any = None, clip: Any = None) -> tuple[Any, Any, Any]:
    """The reference's weights, losses and running moments after an epoch of the same steps."""
    w, stack, losses = training.w.copy(), training.stack, []
    running = {k: (np.zeros(c.columns), np.ones(c.columns)) for k, c in enumerate(stack.layers) if c.batch_norm}
    edges = training.edges(len(visit.rows))
    for t, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        rows = visit.rows[low:high]
        layers = layers_of(training, w)
        drops = [k for k, layer in enumerate(stack.layers) if layer.dropout > 0]
        for i, k in enumerate(drops):
            mask = np.empty((len(rows), stack.layers[k].width))
            keep = 1.0 - stack.layers[k].dropout
            draw_mask(np.uint64(training.seed), np.uint64(t), np.uint64(i), keep, mask.reshape(-1))
            layers[k].mask = mask
        weights = np.ones(len(rows)) if s is None else s[rows]
        if len(visit.factors):
            weights = weights * visit.factors[low:high]
        value, gradients = objective(
            layers, np.asarray(training.feed.X)[rows].astype(float), Y[rows], "cross_entropy", weights
        )
        g = flat(training, gradients)
        decayed = np.arange(len(w)) < stack.decayed
        losses.append(value + 0.5 * training.l2 * np.sum(w[decayed] ** 2))
        g = g if clip is None else clip(g)
        w = walker.step(w, g + training.l2 * np.where(decayed, w, 0.0))
        for k in running:
            running[k] = renewed(running[k], layers[k])
    return w, np.array(losses), running


@pytest.mark.parametrize(("rule", "options"), RULES, ids=lambda value: getattr(value, "name", ""))
def test_steps_are_those_of_the_reference(rule: Any, options: dict[str, float]) -> None:
    """Each rule, with a penalty and a smaller last batch, over one epoch."""
    training = made(rule=rule, l2=0.3)
    visit = Shuffled(N).epoch(0, 1)
    walker = Walker(rule.name, 0.05, np.arange(training.stack.size) < training.stack.decayed, **options)
    expected, losses, _ = followed(training, walker, visit)
    mean = training.epoch(visit, np.full(4, 0.05))
    np.testing.assert_allclose(training.w, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(training.losses, losses, rtol=1e-12)
    assert mean == pytest.approx(np.array([6, 6, 6, 5]) @ losses / N, rel=1e-12)
    assert (training.state.t, training.state.epoch) == (4, 1)


def test_batch_norm_dropout_and_weights() -> None:
    """Normalised layers, masks, row weights and importance factors; running moments as well."""
    layers = (
        Dense(6, "tanh", batch_norm=True, dropout=0.25),
        Dense(5, "sigmoid", dropout=0.5),
        Dense(4, "tanh", batch_norm=True),
    )
    s = RNG.random(N)
    s *= N / s.sum()
    training = made(layers, s=s, rule="momentum", l2=0.1, seed=7)
    visit = Visit(Shuffled(N).epoch(0, 2).rows, RNG.random(N) + 0.5)
    expected, losses, running = followed(training, Walker("momentum", 0.1, momentum=0.9), visit, s)
    training.epoch(visit, np.full(4, 0.1))
    np.testing.assert_allclose(training.w, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(training.losses, losses, rtol=1e-12)
    for block in training.stack.statistics_blocks:
        found = running[block.layer][block.kind == "variance"]
        np.testing.assert_allclose(training.state.statistics[block.slice], found, rtol=1e-12)


def test_one_row_that_is_left_joins_the_batch_before() -> None:
    """With batch normalisation; without it is a batch of its own."""
    plain, normal = made(batch_size=11), made((Dense(4, "tanh", batch_norm=True),), batch_size=11)
    assert plain.edges(N).tolist() == [0, 11, 22, 23]
    assert normal.edges(N).tolist() == [0, 11, 23]
    visit = Shuffled(N).epoch(0, 0)
    expected, _, _ = followed(normal, Walker("sgd", 0.1), visit)
    again = made((Dense(4, "tanh", batch_norm=True),), batch_size=11, rule="sgd")
    again.epoch(visit, np.full(2, 0.1))
    np.testing.assert_allclose(again.w, expected, rtol=1e-10, atol=1e-12)


def test_clipping() -> None:
    """First entry by entry, then by the norm of what is left."""

    def clip(g: Any) -> Any:
        g = np.clip(g, -0.05, 0.05)
        return g * min(1.0, 0.1 / np.linalg.norm(g))

    training = made(rule="sgd", clip_value=0.05, clip_norm=0.1, l2=0.2)
    visit = Shuffled(N).epoch(0, 3)
    expected, _, _ = followed(training, Walker("sgd", 0.5), visit, clip=clip)
    unclipped, _, _ = followed(training, Walker("sgd", 0.5), visit)
    training.epoch(visit, np.full(4, 0.5))
    np.testing.assert_allclose(training.w, expected, rtol=1e-10, atol=1e-12)
    assert np.abs(expected - unclipped).max() > 1e-3


def test_decay_touches_weights_alone() -> None:
    """Decoupled decay with a rule that has none of its own: W <- (1 - rate decay) W - rate g."""
    training = made(rule="sgd", decay=0.5, batch_size=N)
    w = training.w.copy()
    _, gradients = objective(layers_of(training, w), X, Y, "cross_entropy")
    training.epoch(Visit(np.arange(N, dtype=np.uint32), NONE), np.full(1, 0.1))
    kept = np.where(np.arange(len(w)) < training.stack.decayed, 0.95, 1.0)
    np.testing.assert_allclose(training.w, kept * w - 0.1 * flat(training, gradients), rtol=1e-12, atol=1e-14)


def test_float32_stays_close_to_float64() -> None:
    """Ten epochs of Adam: rounding, nothing else."""
    exact, narrow = made(rule="adam"), made(rule="adam", dtype=np.float32)
    for epoch in range(10):
        for training in (exact, narrow):
            training.epoch(Shuffled(N).epoch(epoch, 0), np.full(4, 1e-2))
    assert narrow.w.dtype == np.float32
    assert narrow.state.slots.dtype == np.float32
    assert 0.0 < np.abs(narrow.w - exact.w).max() < 1e-4


def test_going_on_is_never_having_stopped() -> None:
    """Pickled and taken up again, in other pieces, with masks, moments and a mean: the same bits."""
    layers = (Dense(6, "relu", batch_norm=True, dropout=0.4),)
    options: Any = {"dtype": np.float32, "seed": 5, "average": True}
    whole, parts = made(layers, **options), made(layers, **options)
    for epoch in range(4):
        whole.epoch(Shuffled(N).epoch(epoch, 5), np.full(4, 1e-2))
    for _ in range(4):
        state = pickle.loads(pickle.dumps(parts.state))
        parts = made(layers, state=state, **options)
        visit = Shuffled(N).epoch(state.epoch, 5)
        parts.steps(visit.rows, visit.factors, np.full(4, 1e-2), 0, 1)
        parts.steps(visit.rows, visit.factors, np.full(4, 1e-2), 1, 4)
        parts.finish(visit.rows)
    for name in ("w", "slots", "statistics", "mean"):
        np.testing.assert_array_equal(getattr(whole.state, name), getattr(parts.state, name))
    assert whole.state.t == parts.state.t == 16
    assert whole.state.averaged == 16
    other = made(layers, dtype=np.float32, seed=6)
    other.epoch(Shuffled(N).epoch(0, 5), np.full(4, 1e-2))
    assert not np.array_equal(other.w, whole.w)


def test_mean_of_the_iterates() -> None:
    """All of them, or those from a step on."""
    every, late, seen = made(rule="sgd", average=True), made(rule="sgd", average=3), []
    visit = Shuffled(N).epoch(0, 1)
    for k in range(4):
        every.steps(visit.rows, NONE, np.full(4, 0.3), k, k + 1)
        seen.append(every.w.copy())
    late.epoch(visit, np.full(4, 0.3))
    np.testing.assert_allclose(every.state.point(), np.mean(seen, axis=0), rtol=1e-12)
    np.testing.assert_allclose(late.state.point(), np.mean(seen[2:], axis=0), rtol=1e-12)


def test_sparse_rows_are_dense_rows() -> None:
    """Multiplied as they are, or written out."""
    S = sp.random(N, 40, 0.2, format="csr", random_state=1)
    stack, cost = Stack(40, (Dense(4, "tanh"),), K, dtype=np.float64), Objective("cross_entropy", K)
    found = []
    for given, sparse in ((S, True), (S, False), (S.toarray(), None)):
        feed = as_feed(given, np.float64, factor=np.linspace(0.5, 2.0, 40), sparse=sparse)
        training = Training(stack, cost, feed, cost.targets(Y), rule="adam", batch_size=6)
        for epoch in range(3):
            training.epoch(Shuffled(N).epoch(epoch, 0), np.full(4, 1e-2))
        found.append(training.w)
        np.testing.assert_allclose(training.errors(), found_errors(training), rtol=1e-12)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found[1], found[2], rtol=1e-10, atol=1e-12)


def found_errors(training: Training) -> Any:
    from tests.support.reference_network import LOSSES, scores

    given = training.feed.X
    dense = (given.toarray() if training.feed.csr else given) * np.linspace(0.5, 2.0, 40)
    return LOSSES["cross_entropy"](scores(layers_of(training, training.w), dense), Y)[0]


class Noise:
    """Adds what depends on epoch, seed and row alone; notes the thread it is called in."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def apply(self, batch: Any, rows: Any, epoch: int, seed: int) -> None:
        self.threads.add(threading.get_ident())
        for i, row in enumerate(rows):
            batch[i] += 0.1 * np.random.default_rng([seed, epoch, int(row)]).standard_normal(batch.shape[1])


def test_the_thread_that_augments_changes_no_bit() -> None:
    """Batches made ahead are those made one by one, where no batch follows in the same call."""
    threaded, plain = made(augment=Noise(), seed=3), made(augment=Noise(), seed=3)
    for epoch in range(2):
        visit = Shuffled(N).epoch(epoch, 3)
        threaded.epoch(visit, np.full(4, 0.01))
        for k in range(4):  # nothing to make ahead: all in this thread
            plain.steps(visit.rows, visit.factors, np.full(4, 0.01), k, k + 1)
        plain.finish(visit.rows)
    np.testing.assert_array_equal(threaded.w, plain.w)
    assert plain.augment.threads == {threading.get_ident()}
    assert len(threaded.augment.threads) > 1
    without = made(seed=3)
    without.epoch(Shuffled(N).epoch(0, 3), np.full(4, 0.01))
    assert not np.allclose(without.w, threaded.w)


def test_probes_see_the_step_and_change_nothing() -> None:
    """Before the update there is its gradient; after it weights have moved."""
    seen: list[tuple[str, int, Any, Any]] = []
    training = made(
        rule="sgd", probe=lambda at, moment: seen.append((moment, at.t, at.w.copy(), at.g.copy())), probe_every=2
    )
    bare = made(rule="sgd")
    visit = Shuffled(N).epoch(0, 1)
    for each in (training, bare):
        each.epoch(visit, np.full(4, 0.1))
    np.testing.assert_array_equal(training.w, bare.w)
    assert [(moment, t) for moment, t, _, _ in seen] == [("before", 0), ("after", 1), ("before", 2), ("after", 3)]
    np.testing.assert_allclose(seen[1][2], seen[0][2] - 0.1 * seen[0][3], rtol=1e-12)


def test_numbers_that_overflow_are_told() -> None:
    training = made((Dense(4, "relu"),), dtype=np.float32, rule="sgd")
    visit = Shuffled(N).epoch(0, 1)
    assert training.steps(visit.rows, NONE, np.full(4, 0.1), 0, 1)
    assert not training.steps(visit.rows, NONE, np.full(4, 1e30), 1, 4)


def test_masks() -> None:
    """Shares to a few deviations, values 0 and 1/keep, and neighbours that know nothing of each other."""
    out = np.empty(200_001, np.float32)
    draw_mask(np.uint64(1), np.uint64(2), np.uint64(0), 0.8, out)
    on = out > 0
    assert set(np.unique(out)) == {np.float32(0.0), np.float32(1.25)}
    assert abs(on.mean() - 0.8) < 5 * np.sqrt(0.16 / len(on))
    for lag in (1, 2, 3, 4, 5, 8):
        both = np.mean(on[lag:] & on[:-lag])
        assert abs(both - 0.64) < 5 * np.sqrt(0.64 * 0.36 / len(on)) * 2
    again, other = np.empty(10, np.float32), np.empty_like(out)
    draw_mask(np.uint64(1), np.uint64(2), np.uint64(0), 0.8, again)
    np.testing.assert_array_equal(again[:8], out[:8])
    for seeds in ((2, 2, 0), (1, 3, 0), (1, 2, 1)):
        draw_mask(*(np.uint64(k) for k in seeds), 0.8, other)
        assert abs(np.mean((other > 0) & on) - 0.64) < 0.01


def test_what_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="begins at zero weights"):
        made(rule="ftrl")
    with pytest.raises(InvalidParameterError, match="couples all weights"):
        made(rule="adagrad_full")
    with pytest.raises(InvalidParameterError, match="batch_size"):
        made(batch_size=0)
    with pytest.raises(InvalidParameterError, match="threads"):
        made(threads=0)
    with pytest.raises(InvalidParameterError, match="probe_every"):
        made(probe_every=0)
    with pytest.raises(InvalidParameterError, match="s: expected a weight for each of the 23 rows"):
        made(s=np.ones(3))
    with pytest.raises(InvalidParameterError, match="clip_norm"):
        made(clip_norm=0.0)
    with pytest.raises(InvalidParameterError, match="state"):
        made(rule="adam", state=made(rule="sgd").state)
    stack, cost = Stack(40, (Dense(4),), K), Objective("cross_entropy", K)
    feed = as_feed(sp.random(N, 40, 0.2, format="csr", random_state=1), sparse=True)
    with pytest.raises(IncompatibleError, match="augment"):
        Training(stack, cost, feed, cost.targets(Y), augment=Noise())


def test_threads_change_no_bit_of_a_large_network() -> None:
    many = np.random.default_rng(3).standard_normal((400, 700)).astype(np.float32)
    many[:, 300:] *= np.random.default_rng(4).random((400, 400)) < 0.02  # columns for the split
    labels = np.arange(400) % K
    stack, cost = Stack(700, (Dense(90), Dense(70)), K), Objective("cross_entropy", K)
    found = []
    for threads in (1, 2, 3):
        training = Training(stack, cost, as_feed(many), cost.targets(labels), batch_size=64, threads=threads)
        assert training.threads == threads
        for epoch in range(4):
            training.epoch(Shuffled(400).epoch(epoch, 0), np.full(7, 1e-3))
        found.append((training.w, training.losses))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_small_network_has_one_thread() -> None:
    cost = Objective("cross_entropy", K)
    feed = as_feed(np.zeros((400, 20), np.float32))
    training = Training(Stack(20, (Dense(50),), K), cost, feed, cost.targets(np.arange(400) % K), batch_size=64)
    assert training.threads == 1
