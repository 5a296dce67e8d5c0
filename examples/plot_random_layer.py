"""
A random layer that stays as it is
==================================

If the hidden weights are drawn once and kept, a network is a linear model of the features
:math:`h(x) = \\varphi(x V)`, with V at random. Training the output is then convex: least squares, or logistic
regression, on H. There is one minimum, and its value can be proven. A layer is kept by ``Dense(..., trainable=False)``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest.networks import Normal

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.75"


def features(model, X):
    """What the random layer makes of rows."""
    return np.tanh(X @ model.coefs_[0] + model.intercepts_[0])


# %%
# Least squares on random curves
# ------------------------------
# Points on a noisy curve. Each random unit draws a step of tanh somewhere, since a column of ones beside x gives it a
# place. The output only chooses how much of each to take. That is ridge regression on H, which is solved here once as a
# network, by Newton's method, and once by :class:`steepest.Ridge`. A network has the mean of half the squares and
# :math:`\alpha / (2 n) \|W\|^2`; ridge regression has the sum of the squares and :math:`\alpha \|W\|^2`. With one
# alpha they have the same minimum. Of the network it is said that its gradient is small and that nothing near leads
# down. Ridge regression proves how far it is from the minimum at most.

random = np.random.default_rng(0)
x = np.sort(random.uniform(-1.0, 1.0, 60))
t = np.sin(4.0 * x) + 0.4 * x + 0.1 * random.standard_normal(60)
X, line = np.column_stack([x, np.ones(60)]), np.linspace(-1.0, 1.0, 300)
L = np.column_stack([line, np.ones(300)])

figure, panels = plt.subplots(1, 3, figsize=(11.0, 3.8), sharey=True, layout="constrained")
for axes, width in zip(panels, (3, 10, 200), strict=True):
    network = steepest.MLPRegressor(
        layers=[steepest.Dense(width, "tanh", init=Normal(4.0), trainable=False)],
        solver="newton_cg",
        alpha=0.01,
        tol=1e-8,
        max_iter=500,
        dtype="float64",
        random_state=1,
        on_unconverged="ignore",
    ).fit(X, t)
    H = features(network, X)
    ridge = steepest.Ridge(alpha=0.01).fit(H, t)
    apart = np.max(np.abs(network.predict(L) - ridge.predict(features(network, L))))
    print(f"{width:3d} random units: predictions of network and ridge regression at most {apart:.1e} apart")
    axes.plot(line, features(network, L)[:, :10], color=GREY, linewidth=0.8)
    axes.plot(x, t, "o", color=ORANGE, markersize=3)
    axes.plot(line, network.predict(L), color=BLUE, linewidth=2)
    axes.set(title=f"{width} random units", xlabel="x", ylim=(-1.7, 1.7))
    axes.spines[["top", "right"]].set_visible(False)
panels[0].text(-0.98, 1.35, "random units", color="0.5")
panels[2].text(-0.98, 1.35, "their sum", color=BLUE)
print("network:", network.certificate_)
print("ridge:  ", ridge.certificate_)

# %%
# Logistic regression on random features
# --------------------------------------
# Is a handwritten digit odd? A linear model of the pixels answers badly, for odd digits have nothing else in common.
# The objective of the network is that of logistic regression on H, so the values can be compared, and the certificate
# of the convex solver bounds both: no output weights give less than its lower bound. The network stops where its
# gradient is small; that is not yet the minimum, and asked for a smaller gradient it gets there. Of the hidden weights
# no certificate says anything.

digits, which = load_digits(return_X_y=True)
digits, odd = (digits - 8.0) / 8.0, which % 2 == 1
train, test = slice(0, 600), slice(600, None)


def classify(width, tol=1e-3, trainable=False):
    return steepest.MLPClassifier(
        layers=[steepest.Dense(width, "tanh", init=Normal(0.1), trainable=trainable)],
        solver="lbfgs",
        alpha=0.3,
        tol=tol,
        max_iter=1000,
        dtype="float64",
        random_state=0,
        on_unconverged="ignore",
    ).fit(digits[train], odd[train])


widths = (10, 30, 100, 300)
kept = [classify(width) for width in widths]
H = features(kept[-1], digits)
convex = steepest.LinearClassifier("logistic", alpha=0.3 / 600, tol=1e-6).fit(H[train], odd[train])
for tol in (1e-3, 1e-6):
    print(f"network, gradient {tol}: P = {classify(widths[-1], tol).certificate_.primal:.8f}")
found = convex.certificate_
print(f"convex solver:          P = {found.primal:.8f}, and no less than {found.dual:.8f} is possible")
print(found)

# %%
# Enough random features come near to fewer that are learned, on digits that none of these models has seen.

pixels = steepest.LinearClassifier("logistic", alpha=0.3 / 600).fit(digits[train], odd[train])
figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
learned = [classify(width, trainable=True).score(digits[test], odd[test]) for width in widths[:3]]
lines = {
    "all weights trained": (learned, GREEN),
    "output trained": ([model.score(digits[test], odd[test]) for model in kept], BLUE),
}
for name, (right, colour) in lines.items():
    axes.semilogx(widths[: len(right)], right, "o-", color=colour)
    axes.text(widths[len(right) - 1] * 1.08, right[-1], name, color=colour, va="center")
    print(name, {width: f"{value:.1%}" for width, value in zip(widths, right, strict=False)})
straight = pixels.score(digits[test], odd[test])
axes.axhline(straight, color=ORANGE, linestyle="--")
axes.text(690, straight - 0.005, "logistic regression on the pixels", color=ORANGE, ha="right", va="top")
print(f"logistic regression on the pixels: {straight:.1%}")
axes.set(xticks=widths, xticklabels=widths, xlim=(9, 700), xlabel="hidden units", ylabel="unseen digits that are right")
axes.minorticks_off()
axes.spines[["top", "right"]].set_visible(False)
