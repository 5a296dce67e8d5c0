"""
Subgradient descent for the support vector machine, pass by pass
================================================================

The support vector machine minimises a function with kinks,

.. math:: P(w) = \\frac1n \\sum_i \\max(0, 1 - y_i \\, x_i \\cdot w) + \\frac{\\alpha}{2} |w|^2 ,

and a subgradient is easily had: :math:`\\alpha w` less :math:`y_i x_i` of the rows that are not yet beyond their edge
of the margin. *Batch* subgradient descent takes the mean over all rows for a step. *Pegasos* (Shalev-Shwartz, Singer
and Srebro 2007) takes one row drawn at random, and the rates :math:`1/(\\alpha t)`, for which the penalty makes the sum
of all steps converge.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import steepest
from steepest import MarginDisplay
from steepest.penalties import L2Ball

BLUE, RED, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

flowers = load_iris()
close = flowers.target > 0
X, y = scale(flowers.data[close][:, 2:]), flowers.target_names[flowers.target[close]]
signs = np.where(y == "virginica", 1.0, -1.0)
alpha = 0.02

# %%
# The algorithm in five lines, and the library's
# ----------------------------------------------
# ``learning_rate="pegasos"`` is the paper's rate. With the rows in a known order the library takes the same steps as
# the loop, to the last digits.


def pegasos(rows):
    w = np.zeros(X.shape[1])
    for t, i in enumerate(rows, 1):
        inside = signs[i] * (X[i] @ w) < 1.0
        w = (1.0 - 1.0 / t) * w + inside * signs[i] * X[i] / (alpha * t)
    return w


settings = {"alpha": alpha, "learning_rate": "pegasos", "average": False, "fit_intercept": False, "tol": None}
for epochs in (1, 10):
    model = steepest.SGDClassifier("hinge", shuffle=False, max_iter=epochs, **settings).fit(X, y)
    print(f"{epochs:>2} passes: library {model.coef_[0]}, loop {pegasos(np.tile(np.arange(len(X)), epochs))}")

# %%
# Frames, pass by pass
# --------------------
# A round is a pass over the rows for both: 100 steps of Pegasos, a single step of batch descent. First Pegasos, then
# batch descent with the same rates :math:`1/(\\alpha t)`; rings are around rows on the margin, in it, or beyond.

stochastic = steepest.SGDClassifier("hinge", order="replacement", max_iter=64, **settings)
batch = steepest.LinearClassifier(
    "hinge",
    alpha=alpha,
    fit_intercept=False,
    solver="subgradient",
    solver_options={"step": "pegasos"},
    max_iter=64,
    tol=1e-9,
    on_unconverged="ignore",
)
shown = [1, 4, 16, 64]
above = MarginDisplay.frames(stochastic, X, y, rounds=shown, columns=4)
above[0].figure_.suptitle("Pegasos: a step a row", x=0.01, ha="left")
below = MarginDisplay.frames(batch, X, y, rounds=shown, columns=4)
below[0].figure_.suptitle("Batch subgradient descent: a step a pass", x=0.01, ha="left")

# %%
# The very first step of either, with its rate of :math:`1/\alpha = 50`, leads far away: w is long, and the margin,
# :math:`2/|w|`, a thread. Pegasos takes a hundred steps before the first frame and is near the optimum at once, but its
# margin still breathes after sixteen passes, for each step follows a single row. Batch descent looks at all rows: it
# comes slowly and calmly.
#
# How far from the optimum?
# -------------------------
# The optimum is known from another solver, which proves it. Below are the values after each pass. Two more variants:
# the *mean* of the iterates in place of the last one, and w *projected* onto the ball of radius
# :math:`1/\sqrt{\alpha}`, in which the optimum must lie.

settings["tol"] = 1e-9
exact = steepest.LinearClassifier("hinge", alpha=alpha, fit_intercept=False, tol=1e-10).fit(X, y)
least = exact.certificate_.primal
print(f"P* = {least:.6f}, {exact.certificate_.reason}; |w*| = {np.linalg.norm(exact.coef_):.2f}", end=", ")
print(f"radius of the ball {1 / np.sqrt(alpha):.2f}")


def value(w):
    return float(np.maximum(1.0 - signs * (X @ w), 0.0).mean() + 0.5 * alpha * w @ w)


def values(model):
    seen = []
    with steepest.observe(lambda row, w: seen.append(value(w))):
        model.set_params(max_iter=300, on_unconverged="ignore").fit(X, y)
    return np.array(seen[1:])


projected = steepest.LinearClassifier(
    "hinge",
    alpha=alpha,
    fit_intercept=False,
    solver="sgd",
    solver_options={"learning_rate": "pegasos", "order": "replacement", "average": False},
    constraint=L2Ball(1.0 / np.sqrt(alpha)),
    tol=1e-9,
)
runs = {
    "Pegasos": (values(stochastic.set_params(tol=None)), RED),
    "projected": (values(projected), "#cc79a7"),
    "its mean": (values(stochastic.set_params(average=True)), GREEN),
    "batch": (values(batch), BLUE),
}
figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
for name, (curve, colour) in runs.items():
    above = curve / least - 1.0
    print(
        f"{name:<10} above P*: {above[0]:.1e} after 1 pass, {above[9]:.1e} after 10, {above[-1]:.1e} after {len(above)}"
    )
    axes.loglog(np.arange(1, len(above) + 1), above, color=colour, linewidth=1.6)
    shift = {"Pegasos": 7, "projected": -6}.get(name, 0)
    place = {"xytext": (6, shift), "textcoords": "offset points", "va": "center"}
    axes.annotate(name, (len(above), above[-1]), color=colour, **place)
axes.set(xlabel="passes over the rows", ylabel="above the optimum, relative", xlim=(1, 500))

# %%
# A single row is enough to come near: after one pass Pegasos is within 10 %, where batch descent has yet to undo its
# first step. The projection helps where that step would have led out of the ball, in the first passes. The plain mean
# remembers the first steps for as long as it runs; where the mean is the result it should weigh late iterates more, as
# ``learning_rate="auto"`` does. And in the end the noise of single rows remains: at 300 passes batch descent has
# overtaken.

plt.show()
