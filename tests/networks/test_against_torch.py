"""Networks against PyTorch: derivatives of units, losses and layers, and the steps of optimisers.

Conventions, where the two could differ:

- Adam, AdamW, RMSprop and Adagrad add epsilon outside the root, ``sqrt(v') + eps``, with ``v'`` corrected for bias; so
  does PyTorch.
- Momentum here is ``V <- m V - eta g``; PyTorch's is ``B <- m B + g``, ``w <- w - eta B``.  They are the same at a
  constant rate.  Where rates change, the velocity here keeps the old ones.
- AdamW decays by ``1 - eta decay`` before the step, as PyTorch, but weights alone; PyTorch decays all that it is given.
- Batch normalisation divides by the batch's variance over m, and renews the running variance by that over m - 1.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from steepest import networks as nw
from steepest.losses import Huber, Quantile

torch = pytest.importorskip("torch")
F = torch.nn.functional
DOUBLE = {"dtype": torch.float64}


def same(ours, theirs, rtol=1e-10, atol=1e-12):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=rtol, atol=atol)


UNITS = {
    "sigmoid": (nw.sigmoid, torch.sigmoid),
    "tanh": (nw.tanh, torch.tanh),
    "softplus": (nw.softplus, partial(F.softplus, threshold=1e6)),
    "relu": (nw.relu, torch.relu),
    "leaky_relu": (partial(nw.leaky_relu, slope=0.2), partial(F.leaky_relu, negative_slope=0.2)),
    "elu": (partial(nw.elu, alpha=1.5), partial(F.elu, alpha=1.5)),
}


@pytest.mark.parametrize("name", UNITS)
def test_units_their_slopes_and_curvatures(name):
    ours, theirs = UNITS[name]
    z = np.concatenate([np.linspace(-30.0, 30.0, 41), [-1e-3, 1e-3, 0.0, -600.0, 600.0]])
    seed, v = np.random.default_rng(0).standard_normal((2, len(z)))
    w = nw.Parameter(z, "w")
    graph = nw.Graph(nw.sum(ours(w) * seed), keep=[])
    t = torch.tensor(z, requires_grad=True)
    value = (theirs(t) * torch.tensor(seed)).sum()
    (slope,) = torch.autograd.grad(value, t, create_graph=True)
    same(graph(z), value)
    same(graph.grad(z), slope)
    if slope.requires_grad:  # not constant piece by piece
        (product,) = torch.autograd.grad((slope * torch.tensor(v)).sum(), t)
        away = z != 0.0 if name == "elu" else slice(None)  # where its curvature jumps
        np.testing.assert_allclose(graph.hessp(z, v)[away], product.numpy()[away], rtol=1e-9, atol=1e-12)


def signs(y):
    return 2.0 * y - 1.0


ENTRY_LOSSES = {  # ours, theirs of scores and targets in {0, 1} or real
    "logistic": ("logistic", lambda z, y: F.soft_margin_loss(z, signs(y), reduction="none"), signs),
    "bernoulli": ("bernoulli", partial(F.binary_cross_entropy_with_logits, reduction="none"), None),
    "sigmoid_squared": ("sigmoid_squared", lambda z, y: 0.5 * (torch.sigmoid(z) - y) ** 2, None),
    "hinge": ("hinge", lambda z, y: torch.relu(1.0 - signs(y) * z), signs),
    "squared_hinge": ("squared_hinge", lambda z, y: torch.relu(1.0 - signs(y) * z) ** 2, signs),
    "exponential": ("exponential", lambda z, y: torch.exp(-signs(y) * z), signs),
    "squared": ("squared", lambda z, y: 0.5 * F.mse_loss(z, y, reduction="none"), None),
    "absolute": ("absolute", partial(F.l1_loss, reduction="none"), None),
    "huber": (Huber(0.7), partial(F.huber_loss, delta=0.7, reduction="none"), None),
    "quantile": (Quantile(0.3), lambda z, y: torch.maximum(0.3 * (y - z), 0.7 * (z - y)), None),
    "poisson": ("poisson", partial(F.poisson_nll_loss, log_input=True, reduction="none"), None),
}


@pytest.mark.parametrize("name", ENTRY_LOSSES)
def test_losses_of_one_score(name):
    ours, theirs, coded = ENTRY_LOSSES[name]
    random = np.random.default_rng(1)
    z, y = 3.0 * random.standard_normal(50), random.integers(0, 2, 50) * 1.0
    w = nw.Parameter(z, "w")
    graph = nw.Graph(nw.sum(nw.loss(ours, w, coded(y) if coded else y) * np.arange(1.0, 51.0)))
    t = torch.tensor(z, requires_grad=True)
    value = (theirs(t, torch.tensor(y)) * torch.arange(1.0, 51.0, **DOUBLE)).sum()
    value.backward()
    same(graph(z), value)
    same(graph.grad(z), t.grad)


ROW_LOSSES = {
    "softmax": partial(F.cross_entropy, reduction="none"),
    "crammer_singer": lambda z, y: _margins(z, y).amax(dim=1).clamp(min=0.0),
    "weston_watkins": lambda z, y: _margins(z, y).clamp(min=0.0).sum(dim=1),
}


def _margins(z, y):
    """``1 + z_j - z_y`` for the wrong classes, -inf at the right one."""
    own = F.one_hot(y, z.shape[1]).bool()
    return (1.0 + z - z.gather(1, y[:, None])).masked_fill(own, -torch.inf)


@pytest.mark.parametrize("name", ROW_LOSSES)
def test_losses_of_several_scores(name):
    random = np.random.default_rng(2)
    z, y = 2.0 * random.standard_normal((40, 5)), random.integers(0, 5, 40)
    w = nw.Parameter(z, "w")
    graph = nw.Graph(nw.sum(nw.loss(name, w, y) * np.arange(1.0, 41.0)))
    t = torch.tensor(z, requires_grad=True)
    value = (ROW_LOSSES[name](t, torch.tensor(y)) * torch.arange(1.0, 41.0, **DOUBLE)).sum()
    value.backward()
    same(graph(z.ravel()), value)
    same(graph.grad(z.ravel()).reshape(z.shape), t.grad)
