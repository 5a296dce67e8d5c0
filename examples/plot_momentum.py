"""
Momentum in a ravine
====================

In a long, narrow valley the gradient points across, not along. Gradient descent goes from wall to wall, and the walls
limit its step. With momentum the moves add up. A velocity :math:`V` remembers them:

.. math:: V \\leftarrow m V - \\eta\\, \\nabla f(w), \\qquad w \\leftarrow w + V.

Across the valley the slopes change sign, and cancel in :math:`V`; along it they agree, and :math:`V` grows up to
:math:`1 / (1 - m)` times a single step. Nesterov's form takes the gradient where the velocity is about to lead.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.rules import SGD, Momentum, Nesterov

# %%
# A ravine
# --------
# A quadratic whose curvatures are :math:`\mu = 1` along the valley and :math:`L = 50` across it. Their ratio
# :math:`\kappa = L / \mu` is the condition number. Each rule is given the constants that suit it best:
#
# - gradient descent: :math:`\eta = 2 / (L + \mu)`;
# - heavy ball: :math:`\eta = 4 / (\sqrt L + \sqrt \mu)^2` and
#   :math:`m = \left(\frac{\sqrt \kappa - 1}{\sqrt \kappa + 1}\right)^2`;
# - Nesterov: :math:`\eta = 1 / L` and :math:`m = \frac{\sqrt \kappa - 1}{\sqrt \kappa + 1}`.


def tuned(condition):
    """Rule and rate of each method for curvatures from 1 to the condition number."""
    root = np.sqrt(condition)
    share = (root - 1.0) / (root + 1.0)
    return {
        "gradient descent": (SGD(), 2.0 / (condition + 1.0)),
        "heavy ball": (Momentum(share**2), 4.0 / (root + 1.0) ** 2),
        "Nesterov": (Nesterov(share), 1.0 / condition),
    }


def descend(f, grad, start, rule, rate, most):
    return steepest.minimize(f, start, grad=grad, method=rule, options={"learning_rate": rate}, max_iter=most)


def ravine(w):
    return 0.5 * (w[0] ** 2 + 50.0 * w[1] ** 2)


def slope(w):
    return np.array([w[0], 50.0 * w[1]])


start = np.array([-10.0, 0.7])
runs = {name: descend(ravine, slope, start, rule, rate, 40) for name, (rule, rate) in tuned(50.0).items()}
colours = {"gradient descent": "#0072b2", "heavy ball": "#d55e00", "Nesterov": "#009e73"}
figure, panels = plt.subplots(3, 1, figsize=(7.5, 7), sharex=True, layout="constrained")
print(f"{'after 40 steps':<18} {'f - least value':>15}")
for axes, (name, run) in zip(panels, runs.items(), strict=True):
    steepest.TrajectoryDisplay.from_function(
        ravine, {name: run}, minima=[(0.0, 0.0)], span=(-11.0, 3.0, -2.0, 2.0), ax=axes, colorbar=False,
        color=colours[name],
    )  # fmt: skip
    axes.get_legend().remove()
    axes.set_title(f"{name}: f = {run.history['objective'][-1]:.0e} after 40 steps", loc="left", fontsize=11)
    axes.set(xlabel="", ylabel="across")
    print(f"{name:<18} {run.history['objective'][-1]:15.1e}")
panels[-1].set_xlabel("along the valley")

# %%
# Gradient descent spends its steps on the walls. The heavy ball swings even wider at first, but each swing carries it
# further along. Nesterov's form damps the swings, because it asks for the slope where the velocity is about to lead.
#
# The rule is what is written above
# ---------------------------------
# Ten steps by hand, and the largest difference to the path of the library.

rule, rate = tuned(50.0)["heavy ball"]
w, V, path = start, np.zeros(2), [start]
for _ in range(10):
    V = rule.momentum * V - rate * slope(w)
    w = w + V
    path.append(w)
print(f"m = {rule.momentum:.4f}, eta = {rate:.4f}")
print(f"largest difference in 10 steps: {np.abs(runs['heavy ball'].path[:11] - path).max():.1e}")

# %%
# Steps against the condition number
# ----------------------------------
# Theory: to come closer by a given factor, gradient descent takes a number of steps in proportion to :math:`\kappa`,
# both momentum methods in proportion to :math:`\sqrt \kappa`. Counted here: the steps after which
# :math:`f - f^\star` stays below :math:`10^{-8}` of its start, for quadratics of ten variables.

conditions = np.array([10.0, 30.0, 100.0, 300.0, 1000.0])
steps = {name: [] for name in tuned(1.0)}
for condition in conditions:
    f = steepest.functions.quadratic(condition, size=10)
    for name, (rule, rate) in tuned(condition).items():
        most = int(6 * condition if name == "gradient descent" else 40 * np.sqrt(condition) + 60)
        height = descend(f, f.grad, f.start, rule, rate, most).history["objective"]
        steps[name].append(int(np.flatnonzero(height > 1e-8 * height[0])[-1]) + 1)

figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
print(f"{'condition number':<18}" + "".join(f"{condition:>7.0f}" for condition in conditions) + "   power of kappa")
for name, marker, lift in zip(steps, "osD", (0, 8, -8), strict=True):
    power = np.polyfit(np.log(conditions[1:]), np.log(steps[name][1:]), 1)[0]
    print(f"{name:<18}" + "".join(f"{count:>7}" for count in steps[name]) + f"{power:>17.2f}")
    axes.loglog(conditions, steps[name], marker + "-", color=colours[name])
    axes.annotate(
        f"{name}: $\\kappa^{{{power:.2f}}}$", (conditions[-1], steps[name][-1]), xytext=(8, lift),
        textcoords="offset points", va="center", color=colours[name],
    )  # fmt: skip
axes.set(xlabel=r"condition number $\kappa$", ylabel="steps to $10^{-8}$", xlim=(8, 1100))
axes.spines[["top", "right"]].set_visible(False)

# %%
# In a model
# ----------
# Logistic regression on 30 columns, all rows in every step and one rate for all three: only the memory differs. What
# is left after 100 epochs is measured from a lower bound that is proven.

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
best = steepest.LinearClassifier("logistic", alpha=1e-3, tol=1e-10).fit(X, y).certificate_
for name, options in {"sgd": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9}}.items():
    model = steepest.LinearClassifier(
        "logistic", alpha=1e-3, solver=name, tol=1e-12, max_iter=100, on_unconverged="ignore",
        solver_options={"learning_rate": 0.3, "batch_size": "all", **options},
    ).fit(X, y)  # fmt: skip
    above = model.certificate_.primal - best.dual
    print(f"{name:<9} objective {model.certificate_.primal:.6f}, at most {above:.1e} above the optimum")

plt.show()
