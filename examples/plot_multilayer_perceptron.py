"""
Multilayer perceptrons
======================

A network of layers: with the rows of a batch as the rows of :math:`A_0 = X`,

.. math::

    Z_l = A_{l-1} V_l + 1 b_l^\\top, \\qquad A_l = \\varphi_l(Z_l), \\qquad l = 1, \\dots, L,

and a loss of the last sums :math:`Z_L`. Its gradient comes from the *delta recursion*: the error of the outputs, then
that of each layer from that of the next,

.. math::

    \\Delta_L = \\tfrac1m \\, \\ell'(Z_L, y), \\qquad
    \\Delta_l = (\\Delta_{l+1} V_{l+1}^\\top) \\odot \\varphi_l'(Z_l), \\qquad
    \\frac{\\partial P}{\\partial V_l} = A_{l-1}^\\top \\Delta_l, \\quad
    \\frac{\\partial P}{\\partial b_l} = \\Delta_l^\\top 1 .

This is the chain rule for :doc:`graphs <plot_graph>`, in matrices.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest import networks as nw

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
np.set_printoptions(precision=4, suppress=True)

# %%
# The recursion, in numbers
# -------------------------
# Four rows with two features, three hidden tanh units, two outputs and the squared error. First by the formulas.

random = np.random.default_rng(0)
X, Y = random.standard_normal((4, 2)), random.standard_normal((4, 2))
V1, b1, V2, b2 = (random.standard_normal(shape) for shape in ((2, 3), 3, (3, 2), 2))

Z1 = X @ V1 + b1
A1 = np.tanh(Z1)
Z2 = A1 @ V2 + b2
D2 = (Z2 - Y) / len(X)
D1 = (D2 @ V2.T) * (1.0 - A1**2)
by_hand = {"V1": X.T @ D1, "b1": D1.sum(axis=0), "V2": A1.T @ D2, "b2": D2.sum(axis=0)}
print("delta of the outputs:\n", D2)
print("delta of the hidden layer:\n", D1)
print("gradient in V1:\n", by_hand["V1"])

# %%
# The same as a graph, which knows nothing of layers: its derivatives are the same numbers. It also has those of each
# row by itself, and the shares of the rows add up to the gradient of the batch.

names = {"V1": V1, "b1": b1, "V2": V2, "b2": b2}
v1, c1, v2, c2 = (nw.Parameter(value, name) for name, value in names.items())
rows = 0.5 * nw.sum(nw.square(nw.tanh(nw.Constant(X) @ v1 + c1) @ v2 + c2 - Y), axis=1)
graph = nw.Graph(nw.mean(rows))
graph.forward()
slopes, each = graph.backward(), graph.per_sample_gradients(of=rows)
for name, value in by_hand.items():
    print(
        f"{name}: graph and formula differ by {np.max(np.abs(slopes[name] - value)):.0e}; "
        f"sum of the rows' shares and formula by {np.max(np.abs(each[name].sum(axis=0) - value)):.0e}"
    )

# %%
# Regression
# ----------
# One input, two hidden layers of 20, squared error. Relu draws straight pieces and tanh curves; a network without a
# hidden layer draws a line.

x = np.sort(random.uniform(-3.0, 3.0, 120))
t = np.sin(2.0 * x) * np.exp(-0.15 * x**2) + 0.3 * x + 0.1 * random.standard_normal(120)
line = np.linspace(-3.2, 3.2, 400)
figure, axes = plt.subplots(figsize=(8.0, 4.4), layout="constrained")
axes.plot(x, t, "o", color="0.7", markersize=3)
for name, layers, colour in (("no hidden layer", [], ORANGE), ("relu", [20, 20], GREEN), ("tanh", [20, 20], BLUE)):
    model = steepest.MLPRegressor(
        layers=[steepest.Dense(width, name) for width in layers],
        solver="lbfgs",
        alpha=0.05,
        max_iter=400,
        dtype="float64",
        random_state=0,
        on_unconverged="ignore",
    ).fit(x[:, None], t)
    height = model.predict(line[:, None])
    axes.plot(line, height, color=colour)
    print(f"{name:<16} R^2 {model.score(x[:, None], t):.3f}")
axes.text(1.75, 0.78, "no hidden layer", color=ORANGE)
axes.text(-1.95, 0.07, "relu", color=GREEN, ha="center")
axes.text(-2.0, -0.42, "tanh", color=BLUE, ha="center")
axes.set(xlim=(-3.3, 3.3), xlabel="x")
axes.spines[["top", "right"]].set_visible(False)

# %%
# Two classes and three
# ---------------------
# Spirals cannot be separated by lines. Two classes have one output and the logistic loss; more classes an output each
# and softmax. The certificate says what is known about the end of training. A small gradient alone is little: where the
# objective is nearly flat there may be much left to gain, and second derivatives tell. L-BFGS ends at such places here;
# Newton's method goes on to a minimum to second order. That it is the global minimum is never said, for the objective
# is not convex.


def spirals(arms, n=130):
    turn = np.sqrt(random.uniform(0.02, 1.0, arms * n)) * 2.2 * np.pi
    arm = np.repeat(np.arange(arms), n)
    angle = turn + arm * 2.0 * np.pi / arms
    return turn[:, None] / 7.0 * np.column_stack([np.cos(angle), np.sin(angle)]) + random.normal(
        0, 0.02, (arms * n, 2)
    ), arm


grid = np.linspace(-1.15, 1.15, 120)
plane = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
figure, panels = plt.subplots(1, 2, figsize=(9.5, 4.8), layout="constrained")
for axes, arms in zip(panels, (2, 3), strict=True):
    places, arm = spirals(arms)
    model = steepest.MLPClassifier(
        (16, 16), "tanh", solver="lbfgs", alpha=0.01, tol=1e-5, max_iter=1500, dtype="float64", random_state=1
    ).fit(places, arm)
    answer = model.predict(plane).reshape(len(grid), len(grid))
    axes.contourf(grid, grid, answer, levels=[-0.5, 0.5, 1.5, 2.5], colors=["#cfe3f1", "#f8dccb", "#cdeadf"])
    for k, colour in enumerate((BLUE, ORANGE, GREEN)[:arms]):
        axes.plot(*places[arm == k].T, "o", markersize=2.5, color=colour)
    axes.set(title=f"{arms} classes: {model.score(places, arm):.0%} right", xticks=[], yticks=[], aspect="equal")
    print(f"{arms} classes, {model.n_iter_} iterations:", model.certificate_)
places, arm = spirals(2)
newton = steepest.MLPClassifier(
    (16, 16), "tanh", solver="newton_cg", alpha=0.01, tol=1e-7, max_iter=500, dtype="float64", random_state=1
)
print(f"Newton's method, {newton.fit(places, arm).n_iter_} iterations:", newton.certificate_)

# %%
# Digits
# ------
# Ten classes, 64 pixels, one hidden layer of 60, by Adam in batches of 50. What a unit of the first layer looks for is
# a picture of its weights.

digits, labels = load_digits(return_X_y=True)
train, test = slice(0, 1200), slice(1200, None)
model = steepest.MLPClassifier(
    (60,), batch_size=50, learning_rate_init=5e-3, max_iter=30, alpha=0.1, scale="range", random_state=0, tol=None
)
model.set_params(on_unconverged="ignore").fit(digits[train], labels[train])
print(model.objective_)
print(f"loss {model.loss_curve_[0]:.3f} -> {model.loss_curve_[-1]:.3f}; ", end="")
print(
    f"own digits {model.score(digits[train], labels[train]):.1%}, unseen {model.score(digits[test], labels[test]):.1%}"
)
print(model.certificate_)
steepest.FirstLayerDisplay.from_estimator(model, image_shape=(8, 8), most=28)
