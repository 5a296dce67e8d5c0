"""
A network that is sure and wrong
================================

A network ends in a sigmoid, :math:`p = \\sigma(z)`. What is a good loss for it? The squared error and the logistic loss
both are zero for :math:`p = y`, but what they send back into the network differs by a factor:

.. math::

    \\frac{\\partial}{\\partial z}\\, \\tfrac12 (p - y)^2 = (p - y)\\, p (1 - p), \\qquad
    \\frac{\\partial}{\\partial z} \\big( -y \\log p - (1 - y) \\log(1 - p) \\big) = p - y .

An output that is sure has :math:`p (1 - p) \\approx 0`. With the squared error it sends almost nothing back, also where
it is surely *wrong*: the gradient is attenuated just where it is needed most.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

import steepest
from steepest import networks as nw

BLUE, ORANGE = "#0072b2", "#d55e00"

# %%
# One unit
# --------
# One weight, one bias, one row: the input 1 shall give 0. The unit starts with :math:`w = b = 2`, so it says 0.98.


def unit(kind, w, b):
    """The loss of the unit as a graph of its two parameters."""
    z = nw.Parameter(w, "w") * 1.0 + nw.Parameter(b, "b")
    p = nw.sigmoid(z).named("p")
    return nw.Graph((0.5 * nw.square(p) if kind == "squared error" else nw.softplus(z)).named(kind))


print(unit("squared error", 2.0, 2.0).show())
print(unit("logistic loss", 2.0, 2.0).show())

# %%
# The same 300 steps of gradient descent from a fair start and from this bad one. From the bad one the squared error
# first does next to nothing: it needs 232 steps to get below 0.5, the logistic loss 17. The logistic loss starts with
# its longest step, the worse the start the longer.

figure, panels = plt.subplots(1, 2, figsize=(10.0, 3.8), sharey=True, layout="constrained")
for axes, (w, b) in zip(panels, ((0.6, 0.9), (2.0, 2.0)), strict=True):
    for kind, colour in (("squared error", ORANGE), ("logistic loss", BLUE)):
        run = steepest.minimize(unit(kind, w, b), method="sgd", options={"learning_rate": 0.15}, max_iter=300)
        output = 1.0 / (1.0 + np.exp(-run.path.sum(axis=1)))
        half = np.flatnonzero(output < 0.5)[0]
        axes.plot(output, color=colour)
        axes.plot(half, output[half], "o", color=colour)
        axes.text(306, output[-1], kind, color=colour, va="bottom")
        print(f"start at p = {output[0]:.2f}, {kind}: below 0.5 after {half:3d} steps, at the end {output[-1]:.3f}")
    axes.set(xlabel="step", title=f"w = {w:g}, b = {b:g}", xlim=(0, 400), xticks=range(0, 301, 100), ylim=(0.0, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("output (0 is right)")

# %%
# A network
# ---------
# Tumours, benign or not, by 30 measurements, and one hidden layer of 16. The labels of the first training were swapped
# by mistake: the network learnt the contrary of the truth, and is sure of it. Now it goes on with the right labels,
# once with each loss: the same parameters at the start, the same order of the rows, the same rate. For comparison, both
# also start from fresh weights.
#
# The rows are given once more as validation rows; this changes nothing, and measures the accuracy after each epoch.

X, y = load_breast_cancer(return_X_y=True)
losses = {
    "squared error": {"loss": "squared_error", "output_activation": "sigmoid"},
    "logistic loss": {"loss": "log_loss"},
}
EPOCHS = 80


def network(max_iter, **options):
    return steepest.MLPClassifier(
        (16,), "tanh", solver="sgd", momentum=0.0, learning_rate_init=0.05, batch_size=32, max_iter=max_iter, tol=None,
        scale="standard", probes=1, warm_start=True, random_state=0, **options,
    )  # fmt: skip


swapped = network(300, loss="log_loss").fit(X, 1 - y)


def start_from(parameters, **loss):
    """A network with the parameters of another one, for the next fit to go on from."""
    model = network(1, **loss).fit(X, y)
    for own, other in zip(model.coefs_ + model.intercepts_, parameters.coefs_ + parameters.intercepts_, strict=True):
        own[:] = other
    return model.set_params(max_iter=EPOCHS, monitor="accuracy")


figure, panels = plt.subplots(1, 2, figsize=(10.0, 3.8), sharey=True, layout="constrained")
for axes, title in zip(panels, ("fresh weights", "sure of swapped labels"), strict=True):
    print(f"{title}:")
    for loss, colour in (("squared error", ORANGE), ("logistic loss", BLUE)):
        if title == "fresh weights":
            model = network(EPOCHS, monitor="accuracy", **losses[loss])
        else:
            model = start_from(swapped, **losses[loss])
        model.fit(X, y, X_val=X, y_val=y)
        right = 100.0 * np.array(model.validation_scores_)
        axes.plot(np.arange(1, EPOCHS + 1), right, color=colour)
        axes.text(EPOCHS + 1.5, right[-1], loss, color=colour, va="top" if loss == "squared error" else "bottom")
        error = model.probes_["delta_norm"][0]
        print(
            f"  {loss:<14} first error sent back: {error[-1]:.5f}; right: {right[0]:.1f} % after an epoch, "
            f"{right[-1]:.1f} % at the end, most from epoch {1 + np.flatnonzero(right > 50.0)[0]}"
        )
    axes.set(
        xlabel="epoch", title=title, xlim=(0, 112), xticks=range(0, 81, 20), ylim=(0, 106), yticks=range(0, 101, 20)
    )
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("tumours that are told apart, %")

# %%
# From fresh weights both losses learn to tell the tumours apart. From the swapped labels the error that the squared
# error sends back first is about two hundred times smaller than that of the logistic loss. The logistic loss is right
# about most tumours after one epoch; with the squared error the network stays wrong about most of them for twenty, and
# is still behind at the end. The surer the mistake, the longer it lasts.
