"""
Several losses on one model
===========================

A model may have to serve two aims at once: be right on the whole, and be wrong by little in the worst case; give
probabilities, and keep a margin. :func:`steepest.losses.sum_of` adds losses, each with a weight:

.. math:: \\ell(z, y) = \\sum_t a_t\\, \\ell_t(z, y), \\qquad
          \\nabla P(w) = \\sum_t a_t\\, \\nabla P_t(w) .

The sum is a loss as any other: it is compiled into the same solvers, and what is known about it (convexity, curvature,
the targets that it takes) follows from its terms.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.losses import Huber, sum_of

BLUE, ORANGE = "#0072b2", "#d55e00"

# %%
# The gradient of a sum is the sum of the gradients
# -------------------------------------------------
# The logistic loss, which gives the scores a scale, and half of the squared hinge loss, which asks for a margin of 1.

X, labels = load_breast_cancer(return_X_y=True)
X, y = scale(X), 2.0 * labels - 1.0
both = sum_of(("logistic", 1.0), ("squared_hinge", 0.5))
random = np.random.default_rng(0)
w = random.normal(size=X.shape[1]) / 10.0


def gradient(loss):
    """Of the mean loss in the weights, at w."""
    loss = steepest.get_loss(loss)
    return X.T @ [loss.slope(z, t) for z, t in zip(X @ w, y, strict=True)] / len(y)


parts = {"logistic": gradient("logistic"), "squared_hinge": gradient("squared_hinge"), "their sum": gradient(both)}
print("the first three of 30 coordinates of the gradient:")
for name, g in parts.items():
    print(f"  {name:<14} {g[:3].round(6)}")
off = parts["their sum"] - parts["logistic"] - 0.5 * parts["squared_hinge"]
print(f"sum - logistic - 0.5 squared_hinge: at most {np.abs(off).max():.1e}")
print(f"convex: {both.convex}, slope changes by at most {both.smoothness} times the score: 0.25 + 0.5 x 2")

# %%
# One picture says the same: the curves add, and where one is flat the other decides.

z = np.linspace(-2.0, 3.5, 300)
figure, axes = plt.subplots(figsize=(7.0, 4.0), layout="constrained")
for name, loss, weight, colour in (
    ("their sum", both, 1.0, "black"),
    ("0.5 squared hinge", steepest.get_loss("squared_hinge"), 0.5, ORANGE),
    ("logistic", steepest.get_loss("logistic"), 1.0, BLUE),
):
    axes.plot(z, [weight * loss.value(score, 1.0) for score in z], color=colour, linewidth=2, label=name)
axes.set(xlabel="y z", ylim=(0.0, 6.5), title="losses add up")
axes.legend(frameon=False, labelcolor="linecolor", fontsize=11)
axes.spines[["top", "right"]].set_visible(False)

# %%
# A certificate by strong convexity
# ---------------------------------
# The dual of a sum is not the sum of the duals, so there is no duality gap to compute. The l2 penalty proves the bound
# in its place: an objective that curves by at least :math:`\alpha` in every direction is at most
# :math:`\|\nabla P(w)\|^2 / (2 \alpha)` above its minimum. A stronger penalty therefore proves more for the same
# gradient; the intercept, which is not penalised, is set to its best first.

for alpha in (1e-1, 1e-2, 1e-3):
    model = steepest.LinearClassifier(both, alpha=alpha, tol=1e-6).fit(X, y)
    print(f"alpha = {alpha:<5} {len(model.history_):2d} rounds, {model.certificate_}")
print(model.objective_)

# %%
# How the optimum moves
# ---------------------
# Two losses for two aims, on the same 60 rows with eight outliers: the squared loss follows the mean, the absolute loss
# (as Huber's, to have no kink) the median. With the weight q on the squared loss and 1 - q on the other, the line moves
# from the one to the other. Neither loss can be made smaller without the other becoming larger: the optima for all
# weights are the best trades there are, and their curve is convex.

x = np.sort(random.uniform(0.0, 10.0, 60))
target = 1.0 + 0.5 * x + 0.4 * random.normal(size=60)
target[-8:] -= random.uniform(4.0, 7.0, 8)
robust = Huber(0.1)
weights = [0.0, 0.01, 0.03, 0.1, 0.3, 1.0]
lines, aims = [], []
for q in weights:
    terms = [(loss, weight) for loss, weight in ((robust, 1.0 - q), ("squared", q)) if weight > 0.0]
    model = steepest.LinearRegressor(sum_of(*terms), alpha=1e-4, tol=1e-6).fit(x[:, None], target)
    error = model.predict(x[:, None]) - target
    aims.append([np.mean([robust.value(e, 0.0) for e in error]), np.mean(0.5 * error**2)])
    lines.append((model.coef_[0], model.intercept_))
    print(
        f"q = {q:<5} slope {model.coef_[0]:.3f}, robust loss {aims[-1][0]:.4f}, squared loss {aims[-1][1]:.3f}, ",
        end="",
    )
    print(f"{model.certificate_.kind}: {model.certificate_.relative:.1e}")

# %%

shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, len(weights)))
figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.3), layout="constrained")
left.plot(x, target, "o", color="0.55", markersize=4)
for q, (slope, intercept), shade in zip(weights, lines, shades, strict=True):
    left.plot([0.0, 10.0], [intercept, intercept + 10.0 * slope], color=shade)
    left.text(10.1, intercept + 10.0 * slope, f"{q:g}", color=shade, va="center", fontsize=9)
left.set(xlabel="x", ylabel="target", xlim=(0.0, 10.9), title="lines by the weight q of the squared loss")
aims = np.array(aims)
right.plot(*aims.T, color="0.7", zorder=1)
right.scatter(*aims.T, color=shades, zorder=2)
for q, aim in zip(weights, aims, strict=True):
    right.annotate(f"q = {q:g}", aim, (7, 5) if q < 1.0 else (-5, -15), textcoords="offset points", fontsize=9)
right.set(
    xlabel="mean robust loss", ylabel="mean squared loss", title="the best trades between the two", ylim=(1.22, 1.88)
)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)

# %%
# What does not add up
# --------------------
# Losses that want different targets, or that read a score in two ways, are no loss together, and that is said at once.

for terms in ([("logistic", 1.0), ("poisson", 1.0)], [("squared", 1.0), ("softmax", 1.0)]):
    try:
        sum_of(*terms)
    except steepest.exceptions.SteepestError as error:
        print(f"{type(error).__name__}: {error}")
plt.show()
