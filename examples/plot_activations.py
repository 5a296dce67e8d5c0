"""
Activations: what a unit makes of its sum
=========================================

A unit adds up what comes in, :math:`z = w^\\top a + b`, and passes on :math:`\\varphi(z)`. Without :math:`\\varphi` all
layers together would be one linear map. Its derivative decides how much of an error gets back to the layers before:
every layer multiplies the gradient by :math:`\\varphi'(z)` and by its weights.
"""

import matplotlib.pyplot as plt
import numpy as np

import steepest
from steepest import networks as nw

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.55"

# %%
# Curves and slopes
# -----------------
# Each unit is a node of a graph, and :meth:`~steepest.networks.Graph.backward` gives its derivative. Maxout has several
# sums and passes on the largest of them; here these are :math:`-z`, :math:`z / 4` and :math:`z - 1/2`. It learns its
# own shape: with enough pieces, any convex curve.

UNITS = {
    "identity": lambda z: z * 1.0,
    "sigmoid": nw.sigmoid,
    "tanh": nw.tanh,
    "softplus": nw.softplus,
    "relu": nw.relu,
    "leaky relu": lambda z: nw.leaky_relu(z, slope=0.1),
    "elu": nw.elu,
    "maxout": lambda z: nw.maximum(nw.maximum(-1.0 * z, z / 4.0), z - 0.5),
}


def curves(unit, at):
    """The values of a unit and its slopes."""
    z = nw.Input(at.shape, "z")
    graph = nw.Graph(unit(z))
    return graph.forward(z=at), graph.backward(np.ones(at.shape))["z"]


at = np.linspace(-3.0, 3.0, 1201)
figure, panels = plt.subplots(2, 4, figsize=(11.0, 5.0), sharex=True, sharey=True, layout="constrained")
for axes, (name, unit) in zip(panels.flat, UNITS.items(), strict=True):
    value, slope = curves(unit, at)
    slope[1:][np.abs(np.diff(slope)) > 0.2] = np.nan  # a jump is no line
    axes.axhline(0.0, color="0.85", linewidth=0.8)
    axes.axvline(0.0, color="0.85", linewidth=0.8)
    axes.plot(at, value, color=BLUE)
    axes.plot(at, slope, color=ORANGE, linestyle="--")
    axes.set(title=name, ylim=(-1.4, 2.6), xlim=(-3.0, 3.0))
    axes.spines[["top", "right"]].set_visible(False)
panels[0, 0].text(-2.8, 1.15, "slope", color=ORANGE)
panels[0, 0].text(1.5, 2.1, "value", color=BLUE, ha="right")
for axes in panels[1]:
    axes.set_xlabel("z")

# %%
# At a kink
# ---------
# Rectified units have a kink at 0. There, every number between the slopes to the left and to the right is a
# *subgradient*; a program must take one of them. A sum is exactly 0 more often than one would think: in a network with
# zero biases, for every unit whose inputs are all switched off.

print(f"{'unit':<11}{'left of 0':>10}{'at 0':>8}{'right':>8}{'steepest':>10}{'at -10':>10}{'at +10':>10}")
for name, unit in UNITS.items():
    if name != "maxout":
        slopes = curves(unit, np.array([-1e-9, 0.0, 1e-9, -10.0, 10.0]))[1]
        left, middle, right, low, high = slopes
        most = np.max(curves(unit, np.linspace(-10.0, 10.0, 2001))[1])
        print(f"{name:<11}{left:10.2f}{middle:8.2f}{right:8.2f}{most:10.2f}{low:10.5f}{high:10.5f}")

# %%
# The two columns to the right tell two kinds of units apart. Sigmoid and tanh *saturate*: far from 0 on either side
# their slope vanishes, and a unit that is sure of itself no longer learns. The others pass all of the gradient on at
# least on one side. A rectified unit that is off for every row has no gradient at all: it is *dead*, and can come back
# only if the layers below it move. The leaky unit keeps a slope there, and so does elu while the sum is near 0.
#
# Through twenty layers
# ---------------------
# The same network with each of the units: 20 hidden layers of 64, weights drawn with variance 1 / 64, or 2 / 64 for the
# rectified units, of whose slopes half are about 0; 128 rows of noise, and one error at the output. How long is the
# gradient when it arrives at the weights of each layer?

DEPTH, WIDTH, ROWS = 20, 64, 128
random = np.random.default_rng(0)
rows, errors = random.standard_normal((ROWS, WIDTH)), random.standard_normal((ROWS, WIDTH))


def by_layer(unit, variance):
    """Lengths of the gradients in the weights of each layer."""
    draw = np.random.default_rng(1)
    weights = [nw.Parameter(draw.normal(0.0, np.sqrt(variance / WIDTH), (WIDTH, WIDTH)), f"V{k}") for k in range(DEPTH)]
    a = nw.Constant(rows)
    for V in weights:
        a = unit(a @ V)
    slopes = nw.Graph(nw.mean(nw.sum(a * errors, axis=1)))
    slopes.forward()
    return [np.linalg.norm(g) for g in slopes.backward().values()]


flows = {
    name: by_layer(unit, 2.0 if name in ("relu", "leaky relu", "elu") else 1.0)
    for name, unit in UNITS.items()
    if name not in ("maxout", "softplus")
}
for name, flow in flows.items():
    print(f"{name:<11} first layer {flow[0]:9.2e}   last layer {flow[-1]:9.2e}   ratio {flow[0] / flow[-1]:8.1e}")

figure, axes = plt.subplots(figsize=(8.0, 4.4), layout="constrained")
layers = np.arange(1, DEPTH + 1)
colours = {"sigmoid": ORANGE, "tanh": BLUE, "relu": GREEN, "identity": GREY, "leaky relu": GREEN, "elu": "#cc79a7"}
for name, flow in flows.items():
    if name != "leaky relu":  # lies on that of relu
        axes.semilogy(layers, flow, color=colours[name], marker="o", markersize=3)
axes.text(5.5, 3e-11, "sigmoid", color=ORANGE)
for name in ("elu", "identity", "relu", "tanh"):
    axes.text(
        20.3,
        flows[name][-1] * {"elu": 2.0, "identity": 1.1, "relu": 0.7, "tanh": 0.4}[name],
        name,
        color=colours[name],
        va="center",
    )
axes.set(xlim=(0.5, 22.5), xlabel="layer, from the input", ylabel="length of the gradient", xticks=[1, 5, 10, 15, 20])
axes.set_title("an error at the output, on its way back")
axes.spines[["top", "right"]].set_visible(False)

# %%
# The slope of a sigmoid is at most 1/4, so an error loses most of itself in every layer; the first layers of this
# network would not learn. :doc:`The page on beginnings <plot_initializers>` tells why the others keep theirs.
#
# What they draw
# --------------
# Two spirals, two hidden layers of 16, L-BFGS. Rectified units and maxout draw with straight pieces, the smooth units
# with curves, and identity, however many layers it has, with one straight line.

random = np.random.default_rng(3)
turn = np.sqrt(random.uniform(0.02, 1.0, 240)) * 3.0 * np.pi
arm = np.repeat([0.0, np.pi], 120)
places = turn[:, None] / 9.0 * np.column_stack([np.cos(turn + arm), np.sin(turn + arm)])
places += 0.02 * random.standard_normal(places.shape)
grid = np.linspace(-1.15, 1.15, 90)
plane = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
figure, panels = plt.subplots(2, 4, figsize=(11.0, 6.0), layout="constrained")
for axes, name in zip(panels.flat, UNITS, strict=True):
    model = steepest.MLPClassifier(
        (16, 16),
        name.replace(" ", "_"),
        solver="lbfgs",
        alpha=1e-3,
        max_iter=300,
        dtype="float64",
        random_state=0,
        on_unconverged="ignore",
    ).fit(places, arm > 0.0)
    height = model.decision_function(plane).reshape(len(grid), len(grid))
    axes.contourf(grid, grid, height > 0.0, levels=[-0.5, 0.5, 1.5], colors=["#cfe3f1", "#f8dccb"])
    for which, colour in ((arm == 0.0, BLUE), (arm > 0.0, ORANGE)):
        axes.plot(*places[which].T, "o", markersize=2.5, color=colour)
    axes.set(title=f"{name}: {model.score(places, arm > 0.0):.0%}", xticks=[], yticks=[], aspect="equal")
    print(f"{name:<11} {model.n_iter_:4d} iterations, {model.score(places, arm > 0.0):.0%} right")
