"""The contestants of the races of networks: each trains the same network with Adam in float32, an epoch at a time.

A contestant is a class made from a `Cell`, the pixels (float32, over 255) and the digits; ``train(epochs)`` starts
afresh and returns the seconds of each epoch and the test accuracy after each epoch that it knows.
Everybody gets the same step (1e-3), batches of 128 in a new random order each epoch, two processors, and no penalty.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.peers import PEERS_FOLDER, THREADS

BATCH = 128
STEP = 1e-3
DROPOUT = 0.5


@dataclass(frozen=True)
class Cell:
    """A network: widths of its hidden layers, and whether these have batch normalisation and dropout."""

    hidden: tuple[int, ...]
    regularised: bool = False

    @property
    def widths(self) -> tuple[int, ...]:
        return (784, *self.hidden, 10)

    @property
    def parameters(self) -> int:
        affine = sum((a + 1) * b for a, b in zip(self.widths, self.widths[1:], strict=False))
        return affine + 2 * sum(self.hidden) * self.regularised


CELLS = {
    "784-256-128-10": Cell((256, 128)),
    "784-1024-1024-10": Cell((1024, 1024)),
    "784-256-128-10, batch norm, dropout": Cell((256, 128), True),
}


@dataclass
class Trained:
    """Seconds of each epoch; test accuracy by the number of epochs."""

    seconds: list[float] = field(default_factory=list)
    accuracy: dict[int, float] = field(default_factory=dict)


class Contestant:
    """Base of those that train one epoch after the other."""

    paths: tuple[str, ...] = ()

    def __init__(self, cell: Cell, data: tuple[np.ndarray, ...]) -> None:
        self.cell = cell
        self.X, self.y, self.X_test, self.y_test = data

    def train(self, epochs: int, score: bool) -> Trained:
        """Train a new network."""
        out = Trained()
        self.begin()
        for epoch in range(1, epochs + 1):
            began = time.perf_counter()
            self.epoch()
            out.seconds.append(time.perf_counter() - began)
            if score:
                out.accuracy[epoch] = float(np.mean(self.predict() == self.y_test))
        return out

    def first(self) -> float:
        """Train one epoch; `time.time()` at its end."""
        self.begin()
        self.epoch()
        return time.time()

    def begin(self) -> None:
        """A new network."""

    def epoch(self) -> None:
        """One epoch."""
        raise NotImplementedError

    def predict(self) -> np.ndarray:
        """Digits of the test images."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------------------ bounds, steepest


class Products(Contestant):
    """The matrix products of an epoch and nothing else, with NumPy's BLAS: forward, gradients of weights and inputs."""

    def begin(self) -> None:
        self.rng = np.random.default_rng(0)
        self.steps = len(self.X) // BATCH
        self.full = self.calls(BATCH)
        self.rest = self.calls(len(self.X) % BATCH)

    def calls(self, m: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        def array(*shape: int) -> np.ndarray:
            return self.rng.standard_normal(shape).astype(np.float32)

        widths = self.cell.widths
        W = [array(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        A = [array(m, width) for width in widths]
        D = [array(m, width) for width in widths]
        out = [(A[k], W[k], A[k + 1]) for k in range(len(W))]
        for k in reversed(range(len(W))):
            out.append((A[k].T, D[k + 1], np.empty_like(W[k])))
            if k:
                out.append((D[k + 1], W[k].T, D[k]))
        return out

    def epoch(self) -> None:
        product = np.matmul
        for _ in range(self.steps):
            for a, b, c in self.full:
                product(a, b, out=c)
        if self.rest[0][0].size:
            for a, b, c in self.rest:
                product(a, b, out=c)

    def train(self, epochs: int, score: bool) -> Trained:
        return super().train(epochs, False)


class Steepest(Contestant):
    """MLPClassifier; seconds of an epoch from its history, where the first carries the fixed costs of a fit."""

    def model(self, epochs: int) -> Any:
        import steepest

        layers = None
        if self.cell.regularised:
            layers = [steepest.Dense(width, "relu", batch_norm=True, dropout=DROPOUT) for width in self.cell.hidden]
        return steepest.MLPClassifier(
            self.cell.hidden,
            layers=layers,
            solver="adam",
            learning_rate_init=STEP,
            batch_size=BATCH,
            alpha=0.0,
            max_iter=epochs,
            tol=None,
            random_state=0,
            on_unconverged="ignore",
        )

    def first(self) -> float:
        """The certificate, which comes after the epoch and which the others have not, is no part of it."""
        import steepest

        ends: list[float] = []

        def watch(row: dict[str, float], _: Any) -> None:
            if row["passes"] >= 1.0 - 1e-9:
                ends.append(time.time())

        with steepest.observe(watch):
            self.model(1).fit(self.X, self.y)
        return ends[0]

    def train(self, epochs: int, score: bool) -> Trained:
        out = Trained()
        model = self.model(epochs).fit(self.X, self.y)
        out.seconds = epoch_seconds(model, epochs)
        if score:
            out.accuracy[epochs] = float(model.score(self.X_test, self.y_test))
            if epochs > 1:
                out.accuracy[1] = float(self.model(1).fit(self.X, self.y).score(self.X_test, self.y_test))
        return out


def epoch_seconds(model: Any, epochs: int) -> list[float]:
    """Seconds of each epoch of a fitted network, by the differences of its history."""
    passes, clock = (np.append(0.0, model.history_[name]) for name in ("passes", "seconds"))
    marks = np.interp(np.arange(epochs + 1), passes, clock)
    if passes[-1] < epochs - 1e-9:
        raise RuntimeError(f"asked for {epochs} epochs, the history has {passes[-1]:g}")
    return [float(s) for s in np.diff(marks)]


class ScikitLearn(Contestant):
    """MLPClassifier, by partial_fit: an epoch a call."""

    def begin(self) -> None:
        from sklearn.neural_network import MLPClassifier

        self.model = MLPClassifier(
            self.cell.hidden, solver="adam", learning_rate_init=STEP, batch_size=BATCH, alpha=0.0, random_state=0
        )

    def epoch(self) -> None:
        self.model.partial_fit(self.X, self.y, classes=np.arange(10))

    def predict(self) -> np.ndarray:
        return np.asarray(self.model.predict(self.X_test))


# ------------------------------------------------------------------------------------------------------------- JAX


class Jax(Contestant):
    """JAX and optax: an epoch is one jitted scan over its full batches (the other rows, 96 of 60,000, are left out)."""

    paths = (str(PEERS_FOLDER / "jax"),)

    def begin(self) -> None:
        import jax
        import jax.numpy as jnp

        if not hasattr(self, "run"):
            self.jax, self.run, self.scores = jax, *jax_functions(self.cell)
            self.data = jnp.asarray(self.X), jnp.asarray(self.y)
            self.test = jnp.asarray(self.X_test)
        self.state = jax_state(self.cell)
        self.rng = np.random.default_rng(0)

    def epoch(self) -> None:
        order = self.rng.permutation(len(self.X))[: len(self.X) // BATCH * BATCH].reshape(-1, BATCH)
        self.state, loss = self.run(self.state, *self.data, order.astype(np.int32))
        self.jax.block_until_ready((self.state, loss))

    def predict(self) -> np.ndarray:
        return np.asarray(self.scores(self.state, self.test)).argmax(axis=1)


def jax_state(cell: Cell) -> Any:
    """Weights, running moments, state of Adam and the key."""
    import jax
    import jax.numpy as jnp
    import optax

    rng = np.random.default_rng(0)
    w, moments = [], []
    for a, b in zip(cell.widths, cell.widths[1:], strict=False):
        layer = {"W": jnp.asarray(rng.standard_normal((a, b)) * np.sqrt(2 / a), jnp.float32), "b": jnp.zeros(b)}
        if cell.regularised and b != 10:
            layer |= {"gamma": jnp.ones(b), "beta": jnp.zeros(b)}
            moments.append((jnp.zeros(b), jnp.ones(b)))
        w.append(layer)
    return w, moments, optax.adam(STEP).init(w), jax.random.key(0)


def jax_functions(cell: Cell) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``run(state, X, y, order) -> state, mean loss`` and ``scores(state, X)``."""
    import jax
    import optax

    adam = optax.adam(STEP)

    def forward(w: Any, moments: Any, x: Any, key: Any, training: bool) -> tuple[Any, Any]:
        new = []
        for k, layer in enumerate(w[:-1]):
            z = x @ layer["W"] + layer["b"]
            if cell.regularised:
                mean, variance = moments[k]
                if training:
                    mean, variance = z.mean(axis=0), z.var(axis=0)
                    scale = BATCH / (BATCH - 1)
                    new.append((0.9 * moments[k][0] + 0.1 * mean, 0.9 * moments[k][1] + 0.1 * scale * variance))
                z = (z - mean) * (jax.lax.rsqrt(variance + 1e-5) * layer["gamma"]) + layer["beta"]
            x = jax.nn.relu(z)
            if cell.regularised and training:
                key, one = jax.random.split(key)
                x = x * jax.random.bernoulli(one, 1 - DROPOUT, x.shape) / (1 - DROPOUT)
        return x @ w[-1]["W"] + w[-1]["b"], new

    def loss(w: Any, moments: Any, x: Any, y: Any, key: Any) -> tuple[Any, Any]:
        z, new = forward(w, moments, x, key, True)
        return optax.softmax_cross_entropy_with_integer_labels(z, y).mean(), new

    @jax.jit
    def run(state: Any, X: Any, y: Any, order: Any) -> Any:
        def step(carry: Any, rows: Any) -> Any:
            w, moments, slots, key = carry
            key, one = jax.random.split(key)
            (value, moments), g = jax.value_and_grad(loss, has_aux=True)(w, moments, X[rows], y[rows], one)
            change, slots = adam.update(g, slots, w)
            return (optax.apply_updates(w, change), moments, slots, key), value

        state, values = jax.lax.scan(step, state, order)
        return state, values.mean()

    def scores(state: Any, X: Any) -> Any:
        return forward(state[0], state[1], X, None, False)[0]

    return run, jax.jit(scores)


# --------------------------------------------------------------------------------------------------------- PyTorch


class Torch(Contestant):
    """PyTorch: eager, with Adam's loop over tensors as PyTorch chooses it."""

    paths = (str(PEERS_FOLDER / "torch"),)
    fused = False

    def begin(self) -> None:
        import torch

        torch.set_num_threads(THREADS)
        torch.manual_seed(0)
        self.torch = torch
        stages: list[Any] = []
        for a, b in zip(self.cell.widths, self.cell.widths[1:], strict=False):
            stages.append(torch.nn.Linear(a, b))
            if b != 10:
                stages += [torch.nn.BatchNorm1d(b)] * self.cell.regularised + [torch.nn.ReLU()]
                stages += [torch.nn.Dropout(DROPOUT)] * self.cell.regularised
        self.net = torch.nn.Sequential(*stages)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=STEP, fused=self.fused or None)
        self.data = torch.from_numpy(self.X), torch.from_numpy(self.y)
        self.step = self.one_step

    def one_step(self, x: Any, y: Any) -> None:
        self.adam.zero_grad(set_to_none=True)
        self.torch.nn.functional.cross_entropy(self.net(x), y).backward()
        self.adam.step()

    def epoch(self) -> None:
        X, y = self.data
        self.net.train()
        for rows in self.torch.randperm(len(X)).split(BATCH):
            self.step(X[rows], y[rows])

    def predict(self) -> np.ndarray:
        self.net.eval()
        with self.torch.no_grad():
            return np.asarray(self.net(self.torch.from_numpy(self.X_test)).argmax(dim=1).numpy())


class TorchFused(Torch):
    """PyTorch with its fused Adam."""

    fused = True


class TorchCompiled(Torch):
    """PyTorch with fused Adam and a compiled network and loss."""

    fused = True

    def begin(self) -> None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(PEERS_FOLDER.parent / "torch-compiled"))
        super().begin()
        functional = self.torch.nn.functional

        def loss(x: Any, y: Any) -> Any:
            return functional.cross_entropy(self.net(x), y)

        self.loss = self.torch.compile(loss, dynamic=False)

        def step(x: Any, y: Any) -> None:
            self.adam.zero_grad(set_to_none=True)
            (self.loss if len(x) == BATCH else loss)(x, y).backward()
            self.adam.step()

        self.step = step


CONTESTANTS: dict[str, type[Contestant]] = {
    "products": Products,
    "steepest": Steepest,
    "jax": Jax,
    "torch eager": Torch,
    "torch fused": TorchFused,
    "torch compile": TorchCompiled,
    "scikit-learn": ScikitLearn,
}


def takes(name: str, cell: Cell) -> bool:
    """Whether a contestant has what the cell needs."""
    return not (cell.regularised and name == "scikit-learn")
