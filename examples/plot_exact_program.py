"""
The exact program: a support vector machine as a QP or an LP
============================================================

A support vector machine is a convex program with a finite number of constraints. Small ones can be written out in full
and handed to an interior-point solver, which knows nothing of hinges or of gradients:

.. math::

   \\min_{w, b, \\xi} \\; \\tfrac12 |w|^2 + C \\sum_i \\xi_i
   \\quad \\text{subject to} \\quad y_i (x_i \\cdot w + b) \\ge 1 - \\xi_i, \\quad \\xi_i \\ge 0 .

``steepest.verify`` does that for a fitted model, with the package CVXPY, in primal and in dual form, and compares. It
needs ``pip install 'steepest[verify]'``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale

import steepest
from steepest import LinearSVC, LinearSVR

BLUE, RED, GREY = "#0072b2", "#d55e00", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

X, y = load_breast_cancer(return_X_y=True)
X, y = scale(X)[:200, :10], y[:200]

# %%
# One model, three values
# -----------------------
# The value of the fitted model, and the optimal values of the two programs. Any point of the dual program is a lower
# bound, so if the three agree, all are right.

model = LinearSVC(loss="hinge", C=1.0, tol=1e-8).fit(X, y)
found = steepest.verify(model, X, y)
print(found)
print(f"weights at most {np.abs(found.coef - model.coef_[0]).max():.1e} apart")

# %%
# By hand
# -------
# This is what ``verify`` writes. The multipliers of the constraints are the model's ``dual_coef_``, without the signs.

import cvxpy as cp

signs = np.where(y == 1, 1.0, -1.0)
w, b, xi = cp.Variable(X.shape[1]), cp.Variable(), cp.Variable(len(y), nonneg=True)
edges = cp.multiply(signs, X @ w + b) >= 1 - xi
program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(w) + 1.0 * cp.sum(xi)), [edges])
program.solve(solver="CLARABEL")
own = np.abs(model.dual_coef_[0])
print(f"primal {program.value:.8f}; multipliers at most {np.abs(edges.dual_value - own).max():.1e} apart")

# %%
# Every kind
# ----------
# Squared slacks give a QP without an upper limit on the multipliers. :math:`|w|_1` in place of :math:`|w|^2/2` makes a
# *linear* program. Weights of rows and classes multiply C. An intercept may be free, or penalised as in LIBLINEAR. A
# hard margin has no slacks, and a regression has a tube.

rng = np.random.default_rng(0)
s = rng.uniform(0.0, 2.0, len(y))
flowers, names = load_iris(return_X_y=True)
patients, disease = load_diabetes(return_X_y=True)
patients, disease = scale(patients)[:200], scale(disease)[:200]
two = names < 2
cases = {
    "hinge": (LinearSVC(loss="hinge"), X, y, None),
    "squared hinge": (LinearSVC(), X, y, None),
    "hinge, |w|_1": (LinearSVC("l1", "hinge"), X, y, None),
    "squared hinge, |w|_1": (LinearSVC("l1"), X, y, None),
    "weights of rows": (LinearSVC(loss="hinge"), X, y, s),
    "weights of classes": (LinearSVC(loss="hinge", class_weight={0: 5.0}), X, y, None),
    "penalised intercept": (LinearSVC(loss="hinge", penalize_intercept=True), X, y, None),
    "no intercept": (LinearSVC(loss="hinge", fit_intercept=False), X, y, None),
    "hard margin": (LinearSVC(hard_margin=True), flowers[two], names[two], None),
    "tube": (LinearSVR(epsilon=0.5), patients, disease, None),
    "tube, squared": (LinearSVR(epsilon=0.5, loss="squared_epsilon_insensitive"), patients, disease, None),
}
excess, duality = [], []
print(f"{'':<22}{'':<4}{'objective':>13}{'primal':>13}{'dual':>13}{'excess':>10}  agrees")
for name, (machine, rows, target, weights) in cases.items():
    machine.set_params(tol=1e-7).fit(rows, target, sample_weight=weights)
    found = steepest.verify(machine, rows, target, weights)
    excess.append(abs(found.excess))
    duality.append(found.duality)
    print(
        f"{name:<22}{found.program:<4}{found.objective:>13.7f}{found.primal:>13.7f}{found.dual:>13.7f}"
        f"{found.excess:>10.1e}  {found.agrees}"
    )

# %%
# The excess is how far the fitted value lies above the dual value of the program, as a share of it. All are below
# :math:`10^{-6}`, and so are the differences between the programs and their own duals: how exact the reference is.

figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
place = np.arange(len(cases))[::-1]
for values, colour, label in ((excess, BLUE, "fit against program"), (duality, RED, "program against its own dual")):
    axes.plot(np.maximum(values, 1e-13), place, "o", color=colour, label=label, markersize=7, alpha=0.85)
axes.hlines(place, 1e-13, 1e-5, color="0.9", linewidth=0.8, zorder=0)
axes.axvline(1e-6, color=GREY, linestyle=(0, (5, 3)))
axes.annotate("asked: 1e-6", (1e-6, 0.3), xytext=(5, 0), textcoords="offset points", va="center", color=GREY)
axes.set(xscale="log", xlabel="relative difference", yticks=place, yticklabels=list(cases), xlim=(1e-13, 1e-5))
axes.legend(loc="lower left", fontsize="small", framealpha=0.95, edgecolor="0.85")

# %%
# A wrong model is found out
# --------------------------
# Weights that are one percent too long cost little, but more than the proof allows.

model.coef_ = 1.01 * model.coef_
print(steepest.verify(model, X, y))

plt.show()
