"""
Gradients that vanish or explode
================================

An error :math:`\\delta_L` at the output goes back through the network layer by layer,

.. math::

    \\delta_l = (\\delta_{l+1} V_{l+1}^\\top) \\odot \\varphi'(z_l), \\qquad
    \\frac{\\partial P}{\\partial V_l} = a_{l-1}^\\top \\delta_l .

Each layer multiplies it by its weights and by the slopes of its units. Norms give a bound for the whole way,

.. math::

    \\Big\\|\\frac{\\partial P}{\\partial V_l}\\Big\\| \\;\\le\\; \\|a_{l-1}\\|\\;
    \\prod_{k=l}^{L-1} \\max |\\varphi'_k| \\, \\|V_{k+1}\\| \\;\\cdot\\; \\|\\delta_L\\| .

Where the factors :math:`\\max|\\varphi'_k|\\,\\|V_{k+1}\\|` are below 1, the gradient *must* vanish towards the input.
Where the weights are large it may explode. While a network is trained, its *probes* measure both sides at every layer;
they are read after the fit, and do not change it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest.networks import Normal

BLUE, ORANGE = "#0072b2", "#d55e00"
DEPTH, WIDTH = 12, 30

X, y = load_digits(return_X_y=True)
X, y, others, answers = X[:700] / 16.0, y[:700], X[700:] / 16.0, y[700:]


def deep(unit, clip_norm=None, **options):
    """Twelve hidden layers of 30, looked at every five steps."""
    return steepest.MLPClassifier(
        layers=[steepest.Dense(WIDTH, unit, **options)] * DEPTH,
        max_iter=10,
        batch_size=100,
        learning_rate_init=3e-3,
        clip_norm=clip_norm,
        probes=5,
        random_state=0,
        on_unconverged="ignore",
    ).fit(X, y)


# %%
# Twelve layers of sigmoids
# -------------------------
# A sigmoid's slope is at most 1/4. The probes name the layers at which less than a thousandth of the error at the
# output arrives.

sigmoid = deep("sigmoid")
print(sigmoid.probes_)
print("vanishing:", {layer: f"{share:.0e}" for layer, share in sigmoid.probes_.vanishing().items()})
print("exploding:", sigmoid.probes_.exploding())
print(f"digits that it has not seen: {sigmoid.score(others, answers):.0%} right")

# %%
# The errors :math:`\delta_l` at the first look, and their bounds. A measured norm is never above its bound. That of the
# sigmoids falls by six orders of magnitude: the gradient had to vanish, whatever the rows. A bound that grows promises
# nothing. With relu and He's weights the error arrives as it left; with weights that are 2.8 times larger it explodes.

relu = deep("relu")
large = deep("relu", init=Normal(4.0 / np.sqrt(WIDTH)))
shown = {"sigmoid, Glorot": sigmoid, "relu, He": relu, "relu, N(0, 16 / 30)": large}
figure, panels = plt.subplots(1, 3, figsize=(11.0, 4.0), sharex=True, sharey=True, layout="constrained")
number = np.arange(1, DEPTH + 2)
for axes, (title, model) in zip(panels, shown.items(), strict=True):
    measured, bound = model.probes_["delta_norm"][0], model.probes_["delta_bound"][0]
    axes.semilogy(number, bound, "o--", color=ORANGE, markersize=3)
    axes.semilogy(number, measured, "o-", color=BLUE, markersize=4)
    axes.set(xlabel="layer, from the input", title=title, xticks=[1, 4, 7, 10, 13])
    axes.spines[["top", "right"]].set_visible(False)
    print(f"{title:<19} first layer: {measured[0]:8.1e}, bound {bound[0]:8.1e}; output: {measured[-1]:.1e}")
panels[0].set_ylabel("norm of the error at the layer")
panels[1].text(5.6, 1e5, "bound", color=ORANGE)
panels[1].text(6.0, 4e-3, "measured", color=BLUE)
print("exploding:", {layer: f"{times:.0f}" for layer, times in large.probes_.exploding().items()})

# %%
# Through the whole training
# --------------------------
# :class:`~steepest.GradientFlowDisplay` shows every look: the output is at the top, and time goes to the right. The
# first layers of the sigmoid network receive nothing, so they never move, and what they pass on stays as it was drawn.
# Batch normalisation in each layer keeps the sums where the sigmoid is steep, and multiplies by larger factors: errors
# get through.

normed = deep("sigmoid", batch_norm=True)
figure, panels = plt.subplots(1, 2, figsize=(12.0, 4.4), layout="constrained")
for axes, (title, model) in zip(panels, {"sigmoid": sigmoid, "with batch normalisation": normed}.items(), strict=True):
    display = steepest.GradientFlowDisplay.from_estimator(model, column="flow", ax=axes)
    display.image_.set_clim(1e-16, 1.0)  # one scale for both
    axes.set_title(title)

# %%
# Too large, and cut
# ------------------
# Where gradients explode a step can throw the weights anywhere. ``clip_norm`` shortens a long gradient and keeps its
# direction. That helps a little, after the fact; better weights at the start, or batch normalisation, cure the cause.

shown["sigmoid, batch norm"] = normed
shown["... clip_norm=1"] = deep("relu", init=Normal(4.0 / np.sqrt(WIDTH)), clip_norm=1.0)
for title, model in shown.items():
    curve = model.loss_curve_
    right = model.score(others, answers)
    print(f"{title:<20} loss {curve[0]:9.2f} -> {curve[-1]:7.2f}; digits that it has not seen: {right:.0%} right")
