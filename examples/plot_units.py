"""
Step, line and sigmoid: three units
===================================

A unit takes a score :math:`z = w^\\top x + b` and passes it on: as a step (the sign of z), as it is, or through a
sigmoid. The three learn by three losses:

- the step unit, or perceptron, by its mistakes alone: :math:`\\max(0, -y z)`;
- the linear unit by its error :math:`\\tfrac12 (z - y)^2`;
- the sigmoid unit by the logistic loss :math:`\\log(1 + e^{-y z})`.

They differ in when they end, and in where they end. And a sigmoid unit that learns by the squared error, as was long
usual, may not learn at all.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import scale

import steepest
from steepest.losses import Bernoulli, SigmoidSquared

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"

random = np.random.default_rng(0)
places = random.uniform([1.5, 1.5], [5.5, 4.5], (300, 2))
height = (places - [3.5, 3.0]) @ [-0.447, 0.894]  # above or below a line
kept = np.flatnonzero(np.abs(height) > 0.07)[:100]
far = random.normal([9.0, 8.5], 0.4, (15, 2))  # above it, and far away
apart = np.vstack([places[kept], far])
y = np.append(np.sign(height[kept]), np.ones(15)).astype(int)
mixed = apart + np.vstack([0.5 * random.normal(size=(100, 2)), np.zeros((15, 2))])

# %%
# The step unit ends if a line separates the classes
# --------------------------------------------------
# Rosenblatt's rule: a row on the wrong side moves the weights by :math:`y_i x_i`, others move nothing. If some line
# separates the classes, there are only finitely many moves, and the certificate says that no mistake is left. If none
# does, it never ends; the limit on epochs ends it, and the certificate counts what is wrong.

for name, X in (("separable", apart), ("not separable", mixed)):
    unit = steepest.Perceptron(max_iter=200, on_unconverged="ignore").fit(X, y)
    print(f"{name:<14} {unit.n_iter_:3d} epochs, {unit.certificate_}")

# %%
# :meth:`steepest.Perceptron.partial_fit` runs one epoch at a time, so the mistakes can be counted as it learns.

figure, axes = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
for name, X, colour in (("not separable", mixed, ORANGE), ("separable", apart, BLUE)):
    unit, wrong = steepest.Perceptron(), []
    for _ in range(60):
        unit.partial_fit(X, y, classes=[-1, 1])
        wrong.append(int(np.sum(unit.predict(X) != y)))
    axes.step(np.arange(1, 61), wrong, where="mid", color=colour)
    axes.text(61, wrong[-1], name, color=colour, va="center")
axes.set(xlabel="epoch", ylabel="rows on the wrong side", xlim=(0, 74), title="the step unit")
axes.spines[["top", "right"]].set_visible(False)

# %%
# Novikoff's theorem bounds the moves. Let :math:`v` be any weights (with the intercept as one of them) that separate
# with :math:`y_i\, v^\top x_i \ge 1`, and R the length of the longest row. Then there are at most
# :math:`(R \|v\|)^2` moves, in whatever order the rows come. A sigmoid unit gives us such a :math:`v`. Rows on the
# right side move nothing, so only the others are shown to the step unit here, one by one.

wide = np.column_stack([apart, np.ones(len(y))])
separating = steepest.LinearClassifier("logistic", alpha=1e-5).fit(apart, y)
v = np.append(separating.coef_, separating.intercept_)
v /= np.min(y * (wide @ v))
unit, moves = steepest.Perceptron().partial_fit(apart[:1], y[:1], classes=[-1, 1]), 1
for i in np.tile(random.permutation(len(y)), 60):
    if y[i] * (apart[i] @ unit.coef_[0] + unit.intercept_[0]) <= 0.0:
        unit.partial_fit(apart[i : i + 1], y[i : i + 1])
        moves += 1
print(f"moves: {moves}, mistakes that are left: {np.sum(unit.predict(apart) != y)}; ", end="")
print(f"(R |v|)^2 = {np.max(np.sum(wide**2, axis=1)) * (v @ v):,.0f}")

# %%
# Three units, two sets of rows
# -----------------------------
# The linear unit always has a minimum, and it is not where mistakes are fewest: rows far on the right side are errors
# for it too, and they turn its line until others are wrong. The sigmoid unit forgives rows that are far on the right
# side. Where a line separates the classes its loss falls for ever as the weights grow, and the certificate says that
# there is no minimum; a penalty gives it one.


def train(X):
    return {
        "step": steepest.Perceptron(max_iter=200, on_unconverged="ignore").fit(X, y),
        "linear": steepest.LinearClassifier("squared", penalty=None).fit(X, y),
        "sigmoid": steepest.LinearClassifier("logistic", alpha=1e-3).fit(X, y),
    }


colours = {"step": ORANGE, "linear": GREEN, "sigmoid": BLUE}
dashes = {"step": ":", "linear": "--", "sigmoid": "-"}
figure, panels = plt.subplots(1, 2, figsize=(11.0, 4.4), layout="constrained")
for axes, (title, X) in zip(panels, {"separable": apart, "not separable": mixed}.items(), strict=True):
    print(title)
    axes.plot(*X[y > 0].T, "o", color="0.25", markersize=4.5)
    axes.plot(*X[y < 0].T, "o", markerfacecolor="white", markeredgecolor="0.45", markersize=4.5)
    low, high = X.min(axis=0) - 0.4, X.max(axis=0) + 0.4
    across, up = np.meshgrid(np.linspace(low[0], high[0], 60), np.linspace(low[1], high[1], 60))
    for name, unit in train(X).items():
        found = unit.certificate_
        print(f"  {name:<8} {np.sum(unit.predict(X) != y):2d} wrong, {found}")
        z = np.column_stack([across.ravel(), up.ravel()]) @ unit.coef_.ravel() + unit.intercept_[0]
        axes.contour(across, up, z.reshape(across.shape), levels=[0.0], colors=colours[name], linestyles=dashes[name])
        axes.plot([], [], color=colours[name], linestyle=dashes[name], label=name)
    axes.set(title=title, xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.legend(frameon=False, loc="upper left")
endless = steepest.LinearClassifier("logistic", penalty=None, on_unconverged="ignore").fit(apart, y)
print("sigmoid without a penalty, separable:", endless.certificate_)

# %%
# A unit that starts badly
# ------------------------
# The squared error of a sigmoid's output :math:`p = \sigma(z)` has the slope :math:`(p - y)\, p (1 - p)` in the score.
# The factor :math:`p (1 - p)` is almost 0 where the unit is sure of itself, also where it is surely wrong. The logistic
# loss has the slope :math:`p - y`, which is largest just there.

z = np.linspace(-10.0, 10.0, 401)
square, logistic = SigmoidSquared(), Bernoulli()
figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 3.9), layout="constrained", sharex=True)
for loss, colour in ((square, ORANGE), (logistic, BLUE)):
    left.plot(z, [loss.value(score, 1.0) for score in z], color=colour)
    right.plot(z, [loss.slope(score, 1.0) for score in z], color=colour)
left.text(-9.8, 0.75, "squared error", color=ORANGE)
left.text(-5.6, 6.3, "logistic", color=BLUE)
left.set(xlabel="score z", title="loss where y = 1")
right.text(-9.8, -0.09, "squared error: flat", color=ORANGE)
right.text(-1.2, -0.85, "logistic: the worse, the steeper", color=BLUE)
right.set(xlabel="score z", title="slope where y = 1")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
for score in (-8.0, -4.0, 0.0):
    slopes = square.slope(score, 1.0), logistic.slope(score, 1.0)
    print(f"z = {score:4.1f}: slope of the squared error {slopes[0]:9.6f}, of the logistic loss {slopes[1]:9.6f}")

# %%
# Both losses on the same rows, from the same bad start, with the same fixed steps of gradient descent. The start is
# twice what logistic regression finds, with the other sign: sure of itself, and wrong. The rows are given once more as
# validation rows, which change nothing, so that the accuracy is measured in every round.

X = scale(mixed)
known = steepest.LinearClassifier("logistic", alpha=1e-3).fit(X, y)
start = {"coef_init": -2.0 * known.coef_, "intercept_init": -2.0 * known.intercept_}
units = {}
for loss in ("sigmoid_squared", "logistic"):
    units[loss] = steepest.LinearClassifier(
        loss,
        penalty=None,
        solver="gradient_descent",
        solver_options={"line_search": "fixed", "step": 1.0},
        max_iter=200,
        monitor="accuracy",
        on_unconverged="ignore",
    ).fit(X, y, X_val=X, y_val=y, **start)

figure, axes = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
for unit, colour, name in zip(units.values(), (ORANGE, BLUE), ("squared error", "logistic"), strict=True):
    right = 100.0 * unit.history_["validation_score"]
    objective = unit.history_["objective"]
    axes.plot(right, color=colour)
    axes.text(204, right[-1], name, color=colour, va="center")
    print(
        f"{name:<14} loss {objective[0]:.4f} -> {objective[-1]:.4f}, rows on the right side {right[0]:.0f} % -> ",
        end="",
    )
    print(f"{right[-1]:.0f} %")
axes.set(
    xlabel="round", ylabel="rows on the right side, per cent", xlim=(0, 248), ylim=(0, 100), title="from a bad start"
)
axes.spines[["top", "right"]].set_visible(False)

# %%
# Started from zero, where every :math:`p (1 - p)` is 1/4, the squared error learns too. It is not convex, so its
# certificate never says more than that a point is stationary; the logistic loss is convex, and its minimum is proven.

for loss in units:
    unit = steepest.LinearClassifier(loss, alpha=1e-4, on_unconverged="ignore").fit(X, y)
    print(f"{loss:<16} {100 * unit.score(X, y):.0f} % right; {unit.certificate_}")
plt.show()
