"""Networks against PyTorch: derivatives of units, losses and layers, and the steps of optimisers.

Conventions, where the two could differ:

- Adam, AdamW, RMSprop and Adagrad add epsilon outside the root, ``sqrt(v') + eps``, with ``v'`` corrected for bias; so
  does PyTorch.
- Momentum here is ``V <- m V - eta g``; PyTorch's is ``B <- m B + g``, ``w <- w - eta B``.  They are the same at a
  constant rate.  Where rates change, the velocity here keeps the old ones.
- AdamW decays by ``1 - eta decay`` before the step, as PyTorch, but weights alone; PyTorch decays all that it is given.
- Huber's delta is 1.35 here by default, 1 in PyTorch.
- Batch normalisation divides by the batch's variance over m, and renews the running variance by that over m - 1.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from steepest import networks as nw
from steepest import rules
from steepest.losses import Huber, Quantile
from steepest.networks.feed import as_feed
from steepest.networks.targets_loss import Objective
from steepest.networks.training import Training

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


# ------------------------------------------------------------------------------------------------ whole networks

FUNCTIONS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.01),
    "elu": F.elu,
    "softplus": partial(F.softplus, threshold=1e6),
    "maxout": lambda z: z.reshape(len(z), 2, -1).amax(dim=1),
}
LOSSES = {
    "cross_entropy": partial(F.cross_entropy, reduction="none"),
    "kl": lambda z, y: F.kl_div(F.log_softmax(z, 1), y, reduction="none").sum(1),
    "log_loss": lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(1),
    "squared_error": lambda z, y: 0.5 * F.mse_loss(z, y, reduction="none").sum(1),
    "huber": lambda z, y: F.huber_loss(z, y, reduction="none", delta=1.35).sum(1),
    "absolute_error": lambda z, y: F.l1_loss(z, y, reduction="none").sum(1),
    "poisson": lambda z, y: (torch.exp(z) - y * z + torch.xlogy(y, y) - y).sum(1),
    "crammer_singer": ROW_LOSSES["crammer_singer"],
    "weston_watkins": ROW_LOSSES["weston_watkins"],
}


class Mirror:
    """A stack in PyTorch: its parameters, a leaf each, in the order of the blocks; running statistics beside them."""

    def __init__(self, stack, w):
        self.stack = stack
        self.leaves = {name: torch.tensor(array.copy(), requires_grad=True) for name, array in stack.views(w).items()}
        self.running = {
            block.name: torch.full(block.shape, float(block.kind == "variance"), **DOUBLE)
            for block in stack.statistics_blocks
        }

    def __call__(self, X, masks=None):
        """The scores; in training with masks, one or None a layer."""
        a, get = torch.as_tensor(X), self.leaves.get
        for k, layer in enumerate(self.stack.layers):
            z = a @ self.leaves[f"layers.{k}.weights"]
            if layer.batch_norm:
                moments = [self.running[f"layers.{k}.{kind}"] for kind in ("mean", "variance")]
                gamma, beta = get(f"layers.{k}.gamma"), get(f"layers.{k}.beta")
                z = F.batch_norm(z, *moments, gamma, beta, training=masks is not None, momentum=0.1, eps=1e-5)
            elif layer.bias:
                z = z + get(f"layers.{k}.bias")
            a = FUNCTIONS[layer.unit.name](z)
            if masks is not None and k < len(masks) and masks[k] is not None:
                a = a * torch.tensor(masks[k])
        return a

    def flat(self, of=lambda leaf: leaf):
        return np.concatenate([of(leaf).detach().numpy().ravel() for leaf in self.leaves.values()])


def random_stack(seed):
    """One to three hidden layers of any units, with or without batch normalisation, dropout and biases."""
    random = np.random.default_rng(seed)
    hidden = [
        nw.Dense(
            int(random.integers(2, 9)),
            str(random.choice(list(FUNCTIONS))),
            batch_norm=bool(random.integers(2)),
            dropout=float(random.choice([0.0, 0.3])),
            bias=bool(random.integers(4)),
        )
        for _ in range(random.integers(1, 4))
    ]
    return nw.Stack(int(random.integers(1, 6)), hidden, int(random.integers(2, 5)), dtype=np.float64), random


def random_targets(random, loss, rows, k):
    if loss in ("cross_entropy", "crammer_singer", "weston_watkins"):
        return random.integers(0, k, rows)
    if loss == "kl":
        return random.dirichlet(np.ones(k), rows)
    if loss == "poisson":
        return random.poisson(2.0, (rows, k)) * 1.0
    return random.integers(0, 2, (rows, k)) * 1.0 if loss == "log_loss" else random.standard_normal((rows, k))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_gradients_of_random_networks(seed, fused):
    stack, random = random_stack(seed)
    rows, w = int(random.integers(4, 12)), 0.7 * random.standard_normal(stack.size)
    X, s = random.standard_normal((rows, stack.n_features)), random.uniform(0.2, 2.0, rows)
    masks = [(random.uniform(size=(rows, e.width)) >= e.dropout) / (1.0 - e.dropout) for e in stack.layers[:-1]]
    for loss, theirs in LOSSES.items():
        y = random_targets(random, loss, rows, stack.n_outputs)
        mirror = Mirror(stack, w)
        cost = (theirs(mirror(X, masks), torch.tensor(y)) * torch.tensor(s)).mean()
        cost.backward()

        net = stack.network(rows, training=True, fused=fused, parameters=w)
        objective = Objective(loss, stack.n_outputs)
        targets, weights = objective.inputs(rows, np.float64)
        value = objective.node(net.scores, targets, weights, fused=fused)
        slopes = nw.gradient(value, net.parameters)
        program = nw.Program([value, *net.moments], slopes)
        drop = [mask for mask, layer in zip(masks, stack.layers, strict=False) if layer.dropout]
        for node, array in zip((net.x, targets, weights, *net.masks), (X, y, s, *drop), strict=True):
            program.values[node][...] = array
        program.run()
        same(float(program.values[value]), cost)
        ours = np.concatenate([program.values[slope].ravel() for slope in slopes])
        np.testing.assert_allclose(ours, mirror.flat(lambda leaf: leaf.grad), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("loss", ["cross_entropy", "log_loss", "squared_error", "kl"])
@pytest.mark.parametrize("units", [("tanh", "softplus"), ("sigmoid", "relu"), ("elu", "maxout")])
def test_curvatures_of_networks(units, loss):
    random = np.random.default_rng(4)
    stack = nw.Stack(3, [nw.Dense(5, units[0], batch_norm=True), nw.Dense(4, units[1])], 3, dtype=np.float64)
    w, v = random.standard_normal((2, stack.size))
    X, y = random.standard_normal((8, 3)), random_targets(random, loss, 8, 3)
    mirror = Mirror(stack, w)
    cost = LOSSES[loss](mirror(X, []), torch.tensor(y)).mean()
    leaves = list(mirror.leaves.values())
    slopes = torch.autograd.grad(cost, leaves, create_graph=True)
    along = sum((g * torch.tensor(d)).sum() for g, d in zip(slopes, stack.views(v).values(), strict=True))
    wanted = np.concatenate([part.numpy().ravel() for part in torch.autograd.grad(along, leaves)])

    net = stack.network(8, training=True, fused=False, parameters=w)
    objective = Objective(loss, 3)
    targets, weights = objective.inputs(8, np.float64)
    directions = [nw.Constant(d) for d in stack.views(v).values()]
    products = nw.curvature(objective.node(net.scores, targets, weights, fused=False), net.parameters, directions)
    program = nw.Program(products)
    for node, array in zip((net.x, targets, weights), (X, y, np.ones(8)), strict=True):
        program.values[node][...] = array
    program.run()
    ours = np.concatenate([program.values[product].ravel() for product in products])
    np.testing.assert_allclose(ours, wanted, rtol=1e-8, atol=1e-10)


# -------------------------------------------------------------------------------------------------- trajectories

OPTIMISERS = {  # rule here, optimiser there, its options
    "sgd": (rules.SGD(), torch.optim.SGD, {}),
    "momentum": (rules.Momentum(0.9), torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (rules.Nesterov(0.9), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (rules.Adagrad(1e-10), torch.optim.Adagrad, {"eps": 1e-10}),
    "rmsprop": (rules.RMSProp(0.99, 1e-8), torch.optim.RMSprop, {"alpha": 0.99, "eps": 1e-8}),
    "adam": (rules.Adam(), torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "adamw": (rules.AdamW(decay=0.2), torch.optim.AdamW, {"betas": (0.9, 0.999), "eps": 1e-8}),
}


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_takes_the_steps_of_pytorch(name, clip):
    random = np.random.default_rng(11)
    hidden = [nw.Dense(7, "tanh", batch_norm=True, dropout=0.25), nw.Dense(5, "elu"), nw.Dense(4, "sigmoid")]
    stack = nw.Stack(3, hidden, 3, dtype=np.float64)
    n, rate, l2 = 22, 0.03, 0.05
    X, y = random.standard_normal((n, 3)), random.integers(0, 3, n)
    rule, theirs, options = OPTIMISERS[name]
    feed, cost = as_feed(X, np.float64), Objective("cross_entropy", 3)
    training = Training(stack, cost, feed, y, rule=rule, batch_size=6, l2=l2, clip_norm=clip, seed=1)
    mirror = Mirror(stack, training.w)
    groups = [  # a penalty, or decay, of weights alone; "adamw" has both
        {"params": [leaf for key, leaf in mirror.leaves.items() if key.endswith("weights")]},
        {"params": [leaf for key, leaf in mirror.leaves.items() if not key.endswith("weights")], "weight_decay": 0.0},
    ]
    groups[0]["weight_decay"] = rule.decay if name == "adamw" else l2
    optimiser = theirs(groups, lr=rate, **options)
    for _ in range(6):
        rows = random.permutation(n).astype(np.uint64)
        for k, part in enumerate(np.split(rows, [6, 12, 18])):
            assert training.steps(rows, np.empty(0), np.full(4, rate), k, k + 1)
            network, _, leaves = training.graph()
            masks = [leaves[network.masks[0]].copy(), None, None]
            optimiser.zero_grad()
            F.cross_entropy(mirror(X[part], masks), torch.tensor(y[part])).backward()
            if clip is not None:
                length = np.linalg.norm(mirror.flat(lambda leaf: leaf.grad))
                for leaf in mirror.leaves.values():
                    leaf.grad *= min(1.0, clip / length)
            if name == "adamw":  # there the decay takes the place of the penalty
                for leaf in groups[0]["params"]:
                    leaf.grad += l2 * leaf.detach()
            optimiser.step()
            np.testing.assert_allclose(training.w, mirror.flat(), rtol=1e-10, atol=1e-10)
            running = np.concatenate([array.numpy() for array in mirror.running.values()])
            np.testing.assert_allclose(training.state.statistics, running, rtol=1e-11, atol=1e-12)
    assert training.t == 24
