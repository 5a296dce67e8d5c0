"""
What a wrong class costs
========================

A linear classifier has a score :math:`z = w^\\top x + b` and a class :math:`y \\in \\{-1, +1\\}`. A loss of the margin
:math:`y z` says what that score costs. All of them count a mistake in some way; they differ in how hard they pull on
points that are far on the wrong side, whether they let go of points on the right side, and whether they are convex.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from sklearn.svm import SVC

import steepest

NAMES = (
    "zero_one",
    "perceptron",
    "hinge",
    "squared_hinge",
    "modified_huber",
    "logistic",
    "exponential",
    "sigmoid",
)
margins = np.linspace(-2.5, 2.5, 1001)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for name in NAMES:
    loss = steepest.get_loss(name)
    style = {"zero_one": ("black", ":"), "sigmoid": ("tab:gray", "--")}.get(name, (None, "-"))
    left.plot(margins, [loss.value(z, 1.0) for z in margins], style[1], color=style[0], label=name)
    right.plot(margins, [loss.slope(z, 1.0) for z in margins], style[1], color=style[0])
left.set(title="loss", xlabel="margin $y z$", ylim=(-0.1, 4.0))
right.set(title="slope: how hard a point pulls", xlabel="margin $y z$", ylim=(-4.0, 0.3))
left.legend(frameon=False, loc="upper right")

# %%
# The 0-1 loss is what one would like to make small. Its slope is zero almost everywhere, so no gradient method can use
# it: it is for evaluation only. The exponential loss pulls without bound on a single outlier. The sigmoid loss gives up
# on far points (its slope goes back to zero), and pays for it with convexity.
#
# Facts and their check
# ---------------------
# Each loss states whether it is convex, and the Lipschitz constant of its slope; `steepest.check_loss` tries to refute
# what is stated on random and on awkward samples.

print(f"{'loss':<15} {'stated convex':<14} {'smoothness':<11} check")
for name in NAMES:
    loss, report = steepest.get_loss(name), steepest.check_loss(name)
    print(f"{name:<15} {loss.convex!s:<14} {loss.smoothness:<11.4g} {report['convexity'].message}")
    assert report.ok

# %%
# The logistic loss for both spellings of the target
# --------------------------------------------------
# With :math:`y \in \{-1, +1\}` it is :math:`\log(1 + e^{-yz})`; with :math:`t = (y + 1)/2 \in \{0, 1\}` it is the
# cross-entropy of :math:`\hat y = \sigma(z)`. Value and slope agree, and the slope is :math:`\hat y - t`, so that the
# gradient of a row in the weights is :math:`x (\hat y - t)`.

signs, units = steepest.get_loss("logistic"), steepest.get_loss("bernoulli")
worst = {"value": 0.0, "slope": 0.0, "slope - (prediction - target)": 0.0}
for z in np.linspace(-30.0, 30.0, 601):
    for y in (-1.0, 1.0):
        t = (y + 1.0) / 2.0
        prediction = 1.0 / (1.0 + np.exp(-z))
        worst["value"] = max(worst["value"], abs(signs.value(z, y) - units.value(z, t)))
        worst["slope"] = max(worst["slope"], abs(signs.slope(z, y) - units.slope(z, t)))
        third = abs(signs.slope(z, y) - (prediction - t))
        worst["slope - (prediction - target)"] = max(worst["slope - (prediction - target)"], third)
for what, difference in worst.items():
    print(f"largest difference, {what}: {difference:.1e}")

# %%
# In bits, :math:`\log_2(1 + e^{-yz})`, the loss is :math:`1 / \ln 2` times as large, and touches the 0-1 loss at
# :math:`z = 0`. A constant factor moves no minimiser, except against a penalty, whose strength must be multiplied too.

print(f"logistic loss at 0: {signs.value(0.0, 1.0):.6f} nats, {signs.value(0.0, 1.0) / np.log(2.0):.6f} bits")

# %%
# The hinge loss is the soft-margin support vector machine
# --------------------------------------------------------
# :math:`C \sum_i [1 - y_i z_i]_+ + \frac12 |w|^2` is usually solved as a quadratic program in its dual variables,
# here by scikit-learn's `SVC`. Divided by :math:`C n` it is the mean hinge loss with an l2 penalty of strength
# :math:`1 / (C n)`. The certificate is a duality gap, so the minimum is known from both sides.

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
C = 0.1
alpha = steepest.penalties.alpha_from_C(C, len(y))
machine = steepest.LinearClassifier("hinge", alpha=alpha, tol=1e-6).fit(X, y)
program = SVC(kernel="linear", C=C, tol=1e-8).fit(X, y)


def objective(w, b):
    return np.maximum(0.0, 1.0 - (2 * y - 1) * (X @ w + b)).mean() + alpha / 2.0 * w @ w


certificate = machine.certificate_
print(f"hinge, gradient method:  {objective(machine.coef_[0], machine.intercept_[0]):.9f}")
print(f"quadratic program:       {objective(program.coef_[0], program.intercept_[0]):.9f}")
print(f"proven:                  at least {certificate.dual:.9f}")
print(f"largest difference of the coefficients: {np.abs(machine.coef_ - program.coef_).max():.1e}")
