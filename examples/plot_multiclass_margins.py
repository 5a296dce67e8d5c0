"""
Several classes in one problem: margins between classes
=======================================================

A classifier of k classes has k scores, :math:`z_j = x \\cdot w_j + b_j`, and predicts the class of the highest. So the
score of the own class y should be above every other, by a margin of 1. Two losses say what a shortfall costs. *Weston
and Watkins* (1999) add up the wrong classes, *Crammer and Singer* (2001) take the worst:

.. math::

   \\ell_\\text{WW}(z, y) = \\sum_{j \\ne y} \\max(0, 1 + z_j - z_y) , \\qquad
   \\ell_\\text{CS}(z, y) = \\max_j \\, (\\Delta_{yj} + z_j - z_y) .

:math:`\\Delta_{yj}` is the margin asked for between y and j, zero for :math:`j = y`. It is 1 elsewhere unless some
confusions are worse than others. For two classes both are the hinge of the difference of the scores.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC as Liblinear

import steepest
from steepest import LinearSVC, MarginDisplay
from steepest.losses import CrammerSinger, WestonWatkins, value_slope

BLUE, RED, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

# %%
# By hand
# -------
# Scores of 3, -5 and 2.5 for a row of the first class. The second class is 8 behind, which is enough. The third is only
# 0.5 behind, so 0.5 is missing. One wrong class inside the margin: sum and maximum are the same. With two they differ.
# The slope says which scores a step would move, and how much.

slope = np.empty(3)
print(f"{'scores':<18}{'':<24}{'loss':>6}  slope")
for z in (np.array([3.0, -5.0, 2.5]), np.array([3.0, 2.75, 2.5])):
    for name, loss in (
        ("Weston-Watkins", WestonWatkins()),
        ("Crammer-Singer", CrammerSinger()),
        ("Crammer-Singer, costs", CrammerSinger([[0, 9, 1], [1, 0, 1], [1, 1, 0]])),
    ):
        print(f"{z!s:<18}{name:<24}{value_slope(loss, z, 0, slope):>6.2f}  {slope}")

# %%
# The third line of each asks for a margin of 9 between the first class and the second: 8 is not enough any more.
#
# As the own score falls, the wrong classes come into the margin one after the other. Each adds to the sum, which gets
# steeper. The maximum goes on as before, for the highest wrong score stays the highest.

own = np.linspace(-0.5, 4.5, 201)
figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for name, loss, colour, place in (
    ("Weston-Watkins: the sum", WestonWatkins(), RED, (0.75, 4.6)),
    ("Crammer-Singer: the worst", CrammerSinger(), BLUE, (-0.4, 1.9)),
):
    axes.plot(own, [value_slope(loss, np.array([s, 1.0, 2.5]), 0, slope) for s in own], color=colour, linewidth=2.2)
    axes.annotate(name, place, color=colour)
for edge, name in ((2.0, "score 1"), (3.5, "score 2.5")):
    axes.axvline(edge, color=GREY, linestyle=(0, (5, 3)), linewidth=1.0)
    axes.annotate(f"the class with\n{name} comes in", (edge + 0.06, 5.0), color=GREY, fontsize=9.5, va="top")
axes.set(xlabel="score of the own class", ylabel="loss", ylim=(-0.1, 5.2), xlim=(-0.5, 4.5))

# %%
# Constraints, or a hinge
# -----------------------
# Both machines are first written with slacks: find weights and slacks :math:`\xi_i \ge 0` with least
#
# .. math:: \tfrac12 |W|^2 + C \sum_i \xi_i \quad \text{subject to} \quad
#    z_{i y_i} - z_{ij} \ge \Delta_{y_i j} - \xi_i \quad \text{for all } j \ne y_i ,
#
# and Weston-Watkins has a slack :math:`\xi_{ij}` for each wrong class. For given weights the least slack that meets
# the constraints *is* the loss, so both forms are one problem. ``steepest.verify`` solves the constrained form by an
# interior-point method (it needs ``pip install 'steepest[verify]'``); the model minimises the losses.

flowers = load_iris(as_frame=True)
names = flowers.target_names[flowers.target]
X = flowers.data[["petal length (cm)", "petal width (cm)"]]
machines = {
    "one against the rest": LinearSVC(loss="hinge", C=1.0, tol=1e-6),
    "Weston-Watkins": LinearSVC(multi_class="weston_watkins", C=1.0, tol=1e-6),
    "Crammer-Singer": LinearSVC(multi_class="crammer_singer", C=1.0, tol=1e-6),
}
print(f"{'':<17}{'with losses':>13}{'constrained':>13}{'its dual':>13}")
for name in ("Weston-Watkins", "Crammer-Singer"):
    found = steepest.verify(machines[name].fit(X, names), X, names)
    print(f"{name:<17}{found.objective:>13.7f}{found.primal:>13.7f}{found.dual:>13.7f}  agrees: {found.agrees}")

# %%
# Three machines
# --------------
# The other way to several classes is *one against the rest*: k problems of two classes, which know nothing of each
# other. Three kinds of iris by two measures of their petals:

figure, panels = plt.subplots(1, 3, figsize=(13.5, 3.6), sharex=True, sharey=True, layout="constrained")
print(f"{'':<22}{'wrong':>6}{'support vectors':>17}{'proven gap':>12}")
for (name, machine), axes in zip(machines.items(), panels, strict=True):
    machine.fit(X, names)
    wrong = (machine.predict(X) != names).sum()
    print(f"{name:<22}{wrong:>6}{len(machine.support_):>17}{machine.certificate_.relative:>12.1e}")
    MarginDisplay.from_estimator(machine, X, names, ax=axes, legend=axes is panels[0])
    axes.set(title=f"{name}: {wrong} wrong", ylabel="petal width (cm)" if axes is panels[0] else "")

# %%
# One against the rest has no good line between the middle class and *both* others, and pays for it on the right. The
# other two compare classes directly, and a row supports them only where it is near a boundary. They agree here, in the
# objective above too: no flower has two wrong classes inside its margin, and then the sum is the maximum.
#
# What LIBLINEAR finds
# --------------------
# scikit-learn's ``multi_class="crammer_singer"`` is LIBLINEAR's ``-s 4``. Without an intercept it minimises the same
# objective, so the two can be compared by its value; only one of them says how far it is from the least.


def objective(W: np.ndarray, C: float) -> float:
    """Half the squared weights, and C times the sum of the losses."""
    Z = X.to_numpy() @ W.T
    own = Z[np.arange(len(Z)), flowers.target][:, None]
    asked = 1.0 - np.eye(3)[flowers.target]
    return 0.5 * float((W * W).sum()) + C * float((asked + Z - own).max(axis=1).sum())


ours = LinearSVC(multi_class="crammer_singer", C=1.0, tol=1e-8, fit_intercept=False).fit(X, names)
theirs = Liblinear(multi_class="crammer_singer", C=1.0, tol=1e-8, fit_intercept=False, max_iter=100_000).fit(X, names)
least = ours.certificate_.dual * len(X)  # the certificate is about the mean loss
print(f"steepest      {objective(ours.coef_, 1.0):.8f}   proven: nothing below {least:.8f}")
print(f"scikit-learn  {objective(theirs.coef_, 1.0):.8f}")

# %%
# Some confusions are worse
# -------------------------
# Digits of 8 by 8 pixels, few of them for training. Suppose that an 8 taken for a 3, or a 3 for an 8, is twice as bad
# as any other error. The matrix of costs asks for a margin of 2 between the two; its rows and columns are in the order
# of ``classes_``.

pixels, digits = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    pixels / 16.0, digits, train_size=300, random_state=1, stratify=digits
)
costs = 1.0 - np.eye(10)
costs[3, 8] = costs[8, 3] = 2.0
confused = {}
for name, given in (("costs of 1", None), ("3 and 8 cost 2", costs)):
    model = LinearSVC(multi_class="crammer_singer", costs=given, C=0.1).fit(X_train, y_train)
    counts = confusion_matrix(y_test, model.predict(X_test))
    wrong = counts - np.diag(np.diag(counts))
    confused[name] = wrong
    print(f"{name:<16} wrong: {wrong.sum():>3} of {len(y_test)}, 3 and 8 confused: {wrong[3, 8] + wrong[8, 3]:>2}")

figure, panels = plt.subplots(1, 2, figsize=(10.5, 4.8), sharey=True, layout="constrained")
for (name, wrong), axes in zip(confused.items(), panels, strict=True):
    most = max(w.max() for w in confused.values())
    axes.imshow(wrong, cmap="Blues", vmin=0, vmax=most)
    for i, j in zip(*np.nonzero(wrong), strict=True):
        colour = "white" if wrong[i, j] > 0.5 * most else "black"
        axes.annotate(str(wrong[i, j]), (j, i), ha="center", va="center", color=colour, fontsize=9)
    for i, j in ((3, 8), (8, 3)):
        axes.add_patch(plt.Rectangle((j - 0.5, i - 0.5), 1.0, 1.0, fill=False, edgecolor=RED, linewidth=2.2))
    axes.set(title=f"{name}: {wrong[3, 8] + wrong[8, 3]} of {wrong.sum()} errors", xlabel="predicted")
    axes.set(xticks=range(10), yticks=range(10), ylabel="true" if axes is panels[0] else "")
    axes.spines[:].set_visible(False)

# %%
# Five of the six confusions that matter are gone, for six errors more in all: a wider margin for one pair is taken from
# the others. How dear an error is should come from its price, not from a search for the fewest errors.

plt.show()
