"""
Where weights begin
===================

Training starts somewhere, and in a deep network the start decides whether it gets anywhere. A layer with
:math:`n_\\text{in}` inputs and independent weights of mean 0 and variance :math:`s` multiplies the mean square of what
passes through it by

.. math::

    n_\\text{in}\\, s \\;\\cdot\\; \\frac{\\mathbb E\\,\\varphi(z)^2}{\\mathbb E\\,z^2}
    \\quad\\text{(forward)}, \\qquad
    n_\\text{out}\\, s \\;\\cdot\\; \\mathbb E\\,\\varphi'(z)^2 \\quad\\text{(backward)}.

Twenty layers take this factor to its twentieth power. It must be close to 1.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest import networks as nw
from steepest.networks import FanIn, Glorot, He, Normal, Zeros

BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
DEPTH, WIDTH, ROWS = 20, 100, 200

random = np.random.default_rng(0)
X, labels = random.standard_normal((ROWS, WIDTH)), random.integers(0, 10, ROWS)


def flow(unit, init):
    """Activations of each layer, and the gradients of a loss in them, in a network that nobody has trained."""
    last = init if isinstance(init, Zeros) else "auto"
    stack = nw.Stack(WIDTH, [nw.Dense(WIDTH, unit, init=init)] * DEPTH, 10, dtype=np.float64, output_init=last)
    w = stack.initial(1)
    net = stack.network(ROWS, training=True, fused=False, parameters=w)
    loss = nw.mean(nw.softmax_cross_entropy(net.scores, labels))
    hidden = net.activations[:-1]
    slopes = nw.gradient(loss, [*hidden, *net.parameters])
    program = nw.Program(hidden, slopes)
    program.values[net.x][...] = X
    program.run()
    names = [block.name for block in stack.blocks]
    values = [program.values[node].copy() for node in hidden]
    errors = [program.values[node].copy() for node in slopes[:DEPTH]]
    return values, errors, dict(zip(names, [program.values[node].copy() for node in slopes[DEPTH:]], strict=True))


def mean_squares(arrays):
    return np.array([np.mean(np.square(array)) for array in arrays])


# %%
# Zeros
# -----
# With all weights 0 every unit of a layer computes the same number, here 0, and sends no error back. Only the intercept
# of the output has a gradient. Any other common number would not help either: units that begin equal have equal
# gradients, and stay equal for ever. Chance must tell them apart.

_, _, gradients = flow("tanh", Zeros())
moved = [name for name, g in gradients.items() if np.any(g != 0.0)]
print(f"of {len(gradients)} blocks of parameters these have a gradient: {moved}")

x, t = random.standard_normal((50, 3)), random.standard_normal(50)
V, v = nw.Parameter(np.full((3, 4), 0.3), "V"), nw.Parameter(np.full(4, 0.3), "v")
equal = nw.Graph(nw.mean(nw.square(nw.tanh(nw.Constant(x) @ V) @ v - t)))
w = equal.start
for _ in range(500):
    w -= 0.1 * equal.grad(w)
print("four hidden units that began at 0.3, after 500 steps of gradient descent:")
print(w[:12].reshape(3, 4).round(3))

# %%
# Tanh: too small, too large, right
# ---------------------------------
# Near 0 the slope of tanh is 1, so both factors are about :math:`n s`, and there are three cases.
#
# - A standard deviation of 0.01 gives :math:`n s = 100 \cdot 10^{-4} = 0.01`. The mean square becomes a hundred times
#   smaller from each layer to the next, and so does that of the error on its way back.
# - A standard deviation of 1 gives :math:`n s = 100`. Almost all units sit at -1 or 1, where tanh is flat. The few that
#   do not are multiplied by 100: with sums of deviation 10 the mean of :math:`\varphi'^2` is about
#   :math:`\tfrac43 / (10 \sqrt{2 \pi}) = 0.053`, the factor 5.3, and the gradient explodes on its way back.
# - :math:`s = 1 / n_\text{in}` (LeCun) and :math:`2 / (n_\text{in} + n_\text{out})` (Glorot) give 1. Tanh pulls large
#   sums in, so the activations still shrink a little from layer to layer, and ever less.

tanh = {
    "N(0, 0.01²)": (Normal(0.01), ORANGE),
    "N(0, 1)": (Normal(1.0), PINK),
    "fan-in": (FanIn(), BLUE),
    "Glorot": (Glorot(), GREEN),
}
flows = {name: flow("tanh", init) for name, (init, _) in tanh.items()}
layers = np.arange(1, DEPTH + 1)
shown = (0, 4, 9, 19)
figure, panels = plt.subplots(3, 4, figsize=(10.5, 5.2), sharex=True, layout="constrained")
for row, name in zip(panels, ("N(0, 0.01²)", "N(0, 1)", "Glorot"), strict=True):
    for axes, k in zip(row, shown, strict=True):
        axes.hist(flows[name][0][k].ravel(), bins=np.linspace(-1.0, 1.0, 41), density=True, color=tanh[name][1])
        axes.set(yticks=[], xticks=[-1, 0, 1])
        axes.spines[["top", "right", "left"]].set_visible(False)
    row[0].set_ylabel(name, color=tanh[name][1])
for axes, k in zip(panels[0], shown, strict=True):
    axes.set_title(f"layer {k + 1}")
figure.supxlabel("outputs of the tanh units")

# %%
# All rows, all layers, in numbers: the mean square of the activations, and of the gradients in them.


def draw(flows, colours, places):
    """Mean squares of activations and gradients by layer; names at given places."""
    _, panels = plt.subplots(1, 2, figsize=(10.5, 4.2), sharex=True, layout="constrained")
    for k, axes in enumerate(panels):
        for name, found in flows.items():
            axes.semilogy(layers, mean_squares(found[k]), "o-", markersize=3, color=colours[name])
        for name, at in places[k].items():
            axes.text(*at, name, color=colours.get(name, GREEN), ha="center")
        axes.set(xticks=[1, 5, 10, 15, 20], xlabel="layer")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_title("mean square of the activations")
    panels[1].set_title("mean square of the gradient in them")
    return panels


def table(flows):
    print(f"{'':<14}{'activations: layer 1':>22}{'layer 20':>12}{'gradients: layer 1':>22}{'layer 20':>12}")
    for name, (values, errors, _) in flows.items():
        ahead, back = mean_squares(values), mean_squares(errors)
        print(f"{name:<14}{ahead[0]:22.1e}{ahead[-1]:12.1e}{back[0]:22.1e}{back[-1]:12.1e}")


table(flows)
large = mean_squares(flows["N(0, 1)"][1])
print(f"N(0, 1): factor a layer on the way back {(large[0] / large[-1]) ** (1 / (DEPTH - 1)):.1f}")
draw(
    flows,
    {name: colour for name, (_, colour) in tanh.items()},
    (
        {"N(0, 0.01²)": (14.5, 1e-24), "N(0, 1)": (16, 1e1), "fan-in, Glorot": (16, 1e-5)},
        {"N(0, 0.01²)": (8.5, 1e-35), "N(0, 1)": (9, 1e4), "fan-in, Glorot": (5, 1e-12)},
    ),
)

# %%
# Rectified units: twice the variance
# -----------------------------------
# Of a sum that is symmetric about 0 relu passes half of the mean square, and half of the slopes are 0. Both factors are
# :math:`n s / 2`: with :math:`s = 1 / n` each layer halves, and after twenty layers :math:`2^{-20} \approx 10^{-6}` is
# left. He's :math:`s = 2 / n_\text{in}` puts this right. The dashed lines are what the formula says.

relu = {"fan-in": (FanIn(), BLUE, 0.5), "He": (He(), GREEN, 1.0), "4 / fan-in": (Normal(0.2), PINK, 2.0)}
flows = {name: flow("relu", init) for name, (init, _, _) in relu.items()}
table(flows)
colours = {name: colour for name, (_, colour, _) in relu.items()}
panels = draw(
    flows,
    colours,
    (
        {"fan-in": (8, 1e-5), "He": (17, 4e0), "4 / fan-in": (8, 3e4)},
        {"fan-in": (8, 2e-13), "He": (5, 4e-6), "4 / fan-in": (14, 3e-2)},
    ),
)
for name, (_, colour, factor) in relu.items():
    values, errors, _ = flows[name]
    panels[0].semilogy(layers, mean_squares(values)[0] * factor ** (layers - 1.0), "--", color=colour, linewidth=0.8)
    back = mean_squares(errors)[-1] * factor ** (1.0 * DEPTH - layers)
    panels[1].semilogy(layers, back, "--", color=colour, linewidth=0.8)
    rate = (mean_squares(values)[-1] / mean_squares(values)[0]) ** (1.0 / (DEPTH - 1))
    print(f"{name:<11} factor a layer: measured {rate:.3f}, predicted {factor:.3f}")

# %%
# Trained
# -------
# Handwritten digits, 20 hidden layers of 50, eight epochs of Adam from each start. Adam divides by the size of the
# gradients, but adds :math:`10^{-8}` to it: gradients of size :math:`10^{-22}` still move nothing. The grey line is the
# loss of guessing. ``init="auto"`` takes He's for relu and its like, and Glorot's for the others.

digits, which = load_digits(return_X_y=True)
digits = digits / 16.0
starts = {
    "tanh, N(0, 0.01²)": ("tanh", Normal(0.01), ORANGE, ":"),
    "tanh, N(0, 1)": ("tanh", Normal(1.0), PINK, ":"),
    "tanh, Glorot": ("tanh", Glorot(), GREEN, "-"),
    "relu, fan-in": ("relu", FanIn(), BLUE, "--"),
    "relu, He": ("relu", He(), GREEN, "--"),
}
figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for name, (unit, init, colour, dash) in starts.items():
    model = steepest.MLPClassifier(
        layers=[steepest.Dense(50, unit, init=init)] * DEPTH,
        max_iter=8,
        random_state=0,
        probes=False,
        on_unconverged="ignore",
    ).fit(digits[:1200], which[:1200])
    curve = model.loss_curve_
    axes.plot(np.arange(1, len(curve) + 1), curve, color=colour, linestyle=dash)
    axes.text(8.15, curve[-1], name, color=colour, va="center")
    right = model.score(digits[1200:], which[1200:])
    print(f"{name:<18} loss {curve[0]:.2f} -> {curve[-1]:.2f}, {right:.0%} of the other digits right")
axes.set(xlabel="epoch", ylabel="loss", ylim=(0.0, None), xlim=(1, 11.5), xticks=range(1, 9))
axes.axhline(np.log(10.0), color="0.8", linewidth=0.8, zorder=0)
axes.spines[["top", "right"]].set_visible(False)
