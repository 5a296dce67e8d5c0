"""
Batch normalisation
===================

What a layer's units are given drifts and stretches while the layers below it learn. Batch normalisation takes each sum,
over the m rows of a batch, to mean 0 and variance 1, and then lets the layer choose a scale and a shift of its own:

.. math::

    \\hat z_{ij} = \\frac{z_{ij} - \\mu_j}{\\sqrt{\\sigma_j^2 + \\epsilon}}, \\qquad
    a_{ij} = \\varphi(\\gamma_j \\hat z_{ij} + \\beta_j), \\qquad
    \\mu_j = \\tfrac1m \\sum_i z_{ij}, \\quad \\sigma_j^2 = \\tfrac1m \\sum_i (z_{ij} - \\mu_j)^2 .

The mean and the variance depend on all rows of the batch, so the gradient goes through them too. With
:math:`D_{ij} = \\partial P / \\partial (\\gamma_j \\hat z_{ij} + \\beta_j)`,

.. math::

    \\frac{\\partial P}{\\partial z_{ij}} = \\frac{\\gamma_j}{\\sqrt{\\sigma_j^2 + \\epsilon}}
    \\Big( D_{ij} - \\tfrac1m \\sum_k D_{kj} - \\hat z_{ij} \\, \\tfrac1m \\sum_k D_{kj} \\hat z_{kj} \\Big) .
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest import networks as nw
from steepest.networks.feed import as_feed
from steepest.networks.targets_loss import Objective
from steepest.networks.training import Training

BLUE, ORANGE = "#0072b2", "#d55e00"

# %%
# The formula, in numbers
# -----------------------
# Six rows, three sums each, and errors D at random. The graph differentiates through the moments; the formula above
# gives the same. In each column the gradient sums to 0, and is orthogonal to :math:`\hat z`: moving all rows together,
# or stretching them, changes nothing.

random = np.random.default_rng(0)
sums, D = 3.0 + 2.0 * random.standard_normal((6, 3)), random.standard_normal((6, 3))
gamma = np.array([1.0, 0.5, 2.0])
z = nw.Input((6, 3), "z")
centred = z - nw.mean(z, 0)
normal = centred / nw.sqrt(nw.mean(nw.square(centred), 0) + 1e-5)
graph = nw.Graph(nw.sum(gamma * normal * D), keep=[normal])
graph.forward(z=sums)
slope, hat = graph.backward()["z"], graph.value(normal)
by_hand = gamma / np.sqrt(sums.var(axis=0) + 1e-5) * (D - D.mean(axis=0) - hat * (D * hat).mean(axis=0))
print(f"formula and graph differ by {np.max(np.abs(slope - by_hand)):.1e}")
print("sum of each column:      ", np.abs(slope.sum(axis=0)).max().round(15))
print("product with each column:", np.abs((slope * hat).sum(axis=0)).max().round(3))

# %%
# Deep networks
# -------------
# Digits, sigmoids, one to twelve hidden layers of 30, ten epochs of Adam. Without normalisation an error is
# :doc:`lost on its way back <plot_vanishing_gradients>`; with it the network of twelve layers learns as fast as that of
# one.

X, y = load_digits(return_X_y=True)
X = X / 16.0
train, test = slice(0, 900), slice(900, None)


def deep(depth, batch_norm):
    return steepest.MLPClassifier(
        layers=[steepest.Dense(30, "sigmoid", batch_norm=batch_norm)] * depth,
        max_iter=10,
        batch_size=50,
        learning_rate_init=3e-3,
        probes=False,
        random_state=0,
        on_unconverged="ignore",
    ).fit(X[train], y[train])


figure, panels = plt.subplots(1, 2, figsize=(10.5, 4.0), sharey=True, layout="constrained")
shades = {1: "#9ecae1", 3: "#4292c6", 6: "#2171b5", 12: "#08306b"}
for axes, batch_norm in zip(panels, (False, True), strict=True):
    for depth, colour in shades.items():
        model = deep(depth, batch_norm)
        axes.plot(np.arange(1, 11), model.loss_curve_, color=colour)
        if not batch_norm:
            axes.text(10.15, model.loss_curve_[-1], f"{depth}", color=colour, va="center")
        print(
            f"{depth:2d} layers, {'normalised' if batch_norm else 'plain':<10} loss {model.loss_curve_[-1]:.2f}, "
            f"unseen digits {model.score(X[test], y[test]):.0%}"
        )
    axes.set(
        title="batch normalisation" if batch_norm else "without", xlabel="epoch", xticks=range(1, 11), ylim=(0, 2.6)
    )
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("loss")
panels[0].text(10.0, 0.65, "hidden layers", color="0.3", ha="right")
panels[1].text(10.15, 0.43, "all", color=shades[12], va="center")

# %%
# Running statistics
# ------------------
# What is predicted for a row must not depend on the rows that happen to be asked about with it. So training keeps
# running moments beside the weights: after every step
#
# .. math::
#
#     \bar\mu \leftarrow 0.9\, \bar\mu + 0.1\, \mu, \qquad
#     \bar\sigma^2 \leftarrow 0.9\, \bar\sigma^2 + 0.1\, \tfrac{m}{m - 1} \sigma^2,
#
# and predictions use these. They follow the moments of all rows, which move as the weights do, with less noise than a
# batch has, and a little late. Here for one sum of a small network, step by step.

stack = nw.Stack(64, [nw.Dense(10, "tanh", batch_norm=True)], 10, dtype=np.float64)
training = Training(
    stack, Objective("cross_entropy", 10), as_feed(X[train], np.float64), y[train], batch_size=30, rule="adam", seed=0
)
pieces = {block.name: block.slice for block in stack.statistics_blocks}
batches, running, whole = [], [], []
for _ in range(3):
    rows = random.permutation(900).astype(np.uint64)
    for k in range(30):
        w = stack.views(training.w)["layers.0.weights"].copy()
        training.steps(rows, np.empty(0), np.full(30, 0.004), k, k + 1)
        batches.append((X[rows[30 * k : 30 * k + 30]] @ w)[:, 0].mean())
        running.append(training.state.statistics[pieces["layers.0.mean"]][0])
        whole.append((X[train] @ w)[:, 0].mean())
figure, axes = plt.subplots(figsize=(8.0, 4.0), layout="constrained")
steps = np.arange(1, len(batches) + 1)
axes.plot(steps, batches, ".", color="0.6")
axes.plot(steps, whole, color=ORANGE)
axes.plot(steps, running, color=BLUE)
axes.text(92, whole[-1] - 0.03, "all rows", color=ORANGE, va="center")
axes.text(92, running[-1] + 0.03, "running", color=BLUE, va="center")
axes.text(15, max(batches), "batches of 30", color="0.5", va="center")
axes.set(xlabel="step", title="mean of one sum", xlim=(0, 103))
axes.spines[["top", "right"]].set_visible(False)
noise = np.std(np.subtract(batches, whole)[30:]), np.std(np.subtract(running, whole)[30:])
print(f"deviation from the mean of all rows: batches {noise[0]:.3f}, running {noise[1]:.3f}")

# %%
# In prediction mode batch normalisation is an affine map, and each row is answered by itself, up to rounding. While it
# is trained, the same row has another score in every batch: noise, which holds over-fitting back a little. A batch of
# one row has no variance at all. And L-BFGS and Newton's method, which need the same function at every step, do not
# take such layers.

together, alone = model.decision_function(X[test]), model.decision_function(X[test][:1])
print(f"one row alone or among others: scores differ by {np.abs(together[0] - alone[0]).max():.0e}")
net = stack.network(30, training=True, parameters=training.w)
program = nw.Program([net.scores])
found = []
for _ in range(20):
    program.values[net.x][...] = X[test][np.append(0, random.permutation(897)[:29])]
    program.run()
    found.append(program.values[net.scores][0, 0])
print(f"its first score in training mode, in 20 batches: {np.mean(found):.2f} +- {np.std(found):.2f}")
try:
    steepest.MLPClassifier(layers=[steepest.Dense(10, batch_norm=True)], solver="lbfgs").fit(X[train], y[train])
except steepest.exceptions.SteepestError as error:
    print(type(error).__name__, error)
