"""
Support vector machines: what C does
====================================

A linear classifier draws a line, :math:`z = x \\cdot w + b = 0`. Many lines may separate two classes; the support
vector machine takes the one with the widest *margin*, the strip between :math:`z = -1` and :math:`z = 1`, which is
:math:`2/|w|` wide. Where the classes overlap rows may lie inside the strip, or beyond it, at a price:

.. math:: \\min_{w, b} \\; \\tfrac12 |w|^2 + C \\sum_i \\xi_i, \\qquad \\xi_i = \\max(0, 1 - y_i z_i) .

The *slack* :math:`\\xi_i` says how far row i is from its side of the margin, and C what that costs.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

import steepest
from steepest import DualDisplay, LinearSVC, MarginDisplay

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

flowers = load_iris(as_frame=True)
names = flowers.target_names[flowers.target]
X = flowers.data[["petal length (cm)", "petal width (cm)"]]

# %%
# Hard margin
# -----------
# Without errors at any price: :math:`y_i z_i \ge 1` for all rows. Setosa and versicolor can be separated so. The line
# hangs on few rows, the *support vectors*; moving any other row a little changes nothing.

easy = names != "virginica"
hard = LinearSVC(hard_margin=True).fit(X[easy], names[easy])
print(f"margin {hard.margin_:.4f}, support vectors {hard.support_}, {hard.certificate_.reason}")
two = X[easy].iloc[hard.support_].to_numpy()
print(
    f"apart: {np.linalg.norm(two[0] - two[1]):.4f}; scores: {hard.decision_function(X[easy])[hard.support_].round(6)}"
)
MarginDisplay.from_estimator(hard, X[easy], names[easy]).figure_.set_size_inches(7.5, 4.2)

# %%
# Two rows hold the margin here, and it is as wide as they are apart. Versicolor and virginica overlap: no line
# separates them, and instead of an answer there is an error that says so.

close = names != "setosa"
Xc, yc = X[close], names[close]
try:
    LinearSVC(hard_margin=True).fit(Xc, yc)
except steepest.exceptions.DataError as error:
    print(error)

# %%
# Soft margin: small and large C
# ------------------------------
# A small C makes slacks cheap: a wide margin with many rows inside, each pulling a little. A large C makes them dear: a
# narrow margin that few rows decide.

figure, panels = plt.subplots(1, 3, figsize=(13, 4.0), sharex=True, sharey=True, layout="constrained")
print(f"{'C':>6}{'margin':>9}{'support vectors':>17}{'at C':>6}{'free':>6}{'sum of slacks':>15}{'wrong':>7}")
for C, axes in zip((0.05, 1.0, 100.0), panels, strict=True):
    model = LinearSVC(loss="hinge", C=C, tol=1e-8).fit(Xc, yc)
    MarginDisplay.from_estimator(model, Xc, yc, ax=axes, legend=False)
    axes.set(title=f"C = {C:g}", ylabel="petal width (cm)" if axes is panels[0] else "")
    full = (np.abs(model.dual_coef_[0]) >= C * (1 - 1e-6)).sum()
    print(
        f"{C:>6g}{model.margin_:>9.3f}{len(model.support_):>17}{full:>6}{len(model.support_) - full:>6}"
        f"{model.slacks_.sum():>15.2f}{(model.slacks_ > 1).sum():>7}"
    )

# %%
# The thin segments are the slacks, from a row to the edge of the margin that it should be behind, and the rings are the
# support vectors. Twice as large a C does not mean half as many errors: here the three lines make five or six mistakes.
# What C should be is a question for rows that were not in the fit.
#
# The dual variables
# ------------------
# Every row has a multiplier :math:`0 \le a_i \le C`, and :math:`w = \sum_i a_i y_i x_i`: the weights are made of
# support vectors alone. Three kinds of rows:
#
# - beyond its edge of the margin: no slack, :math:`a_i = 0`, the row does not count;
# - on the edge: :math:`0 \le a_i \le C`, a free multiplier;
# - inside, or on the wrong side: a slack, :math:`a_i = C`.

model = LinearSVC(loss="hinge", C=1.0, tol=1e-8).fit(Xc, yc)
print("w:", model.coef_[0].round(6), " sum of a y x:", (model.dual_coef_[0] @ Xc.to_numpy()).round(6))
print(f"sum of a y: {model.dual_coef_.sum():.1e}")
without = LinearSVC(loss="hinge", C=1.0, tol=1e-8).fit(Xc.iloc[model.support_], yc[model.support_])
print(f"fitted again on the {len(model.support_)} support vectors alone:", without.coef_[0].round(6))

figure, panels = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
DualDisplay.from_estimator(model, yc, ax=panels[0])
DualDisplay.from_estimator(model, yc, kind="slacks", ax=panels[1])

# %%
# With the squared slacks of ``loss="squared_hinge"`` there is no upper limit: each multiplier is :math:`2 C` times the
# slack of its row. The function is smooth then, and Newton's method can minimise it.

squared = LinearSVC(loss="squared_hinge", C=1.0, tol=1e-8).fit(Xc, yc)
far = np.abs(np.abs(squared.dual_coef_[0]) - 2.0 * squared.slacks_).max()
print(f"margin {squared.margin_:.3f}, {len(squared.support_)} support vectors; |a - 2 C slack| at most {far:.1e}")

# %%
# Many features, several classes, numbers
# ---------------------------------------
# In more than two dimensions there is still one direction that counts, that of w. A histogram of the scores shows how
# the rows lie along it. Three classes are three problems, each class against the rest; and a line through numbers has a
# *tube* in place of a margin, within which errors cost nothing.

every = LinearSVC(loss="hinge", C=1.0).fit(flowers.data[close], yc)
several = LinearSVC(loss="hinge", C=10.0).fit(X, names)
line = steepest.LinearSVR(epsilon=0.3, C=10.0).fit(X[["petal length (cm)"]], X["petal width (cm)"])
print("widths of the three margins:", several.margin_.round(3))
print(f"tube: {len(line.support_)} support vectors of {len(X)}, {(line.slacks_ > 1e-3).sum()} rows outside")

figure, panels = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
MarginDisplay.from_estimator(every, flowers.data[close], yc, kind="scores", ax=panels[0])
MarginDisplay.from_estimator(several, X, names, ax=panels[1])
MarginDisplay.from_estimator(line, X[["petal length (cm)"]], X["petal width (cm)"], ax=panels[2])
for axes, title in zip(panels, ("four features: scores", "three classes", "regression: a tube"), strict=True):
    axes.set_title(title, pad=16)
panels[2].set_ylabel("petal width (cm)")

# %%
# The class in the middle cannot be told from both its neighbours by one line, and its margin, wider than all the data,
# says so: its score is nearly the same everywhere. It is predicted where the two others' scores are lower still.

plt.show()
