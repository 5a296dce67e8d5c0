"""
Dual coordinate ascent: a support vector machine one multiplier at a time
=========================================================================

The support vector machine without an intercept and its dual:

.. math::

   P(w) = \\frac1n \\sum_i \\max(0, 1 - y_i \\, x_i \\cdot w) + \\frac{\\alpha}{2} |w|^2 , \\qquad
   D(a) = \\frac1n \\sum_i a_i - \\frac{\\alpha}{2} |w(a)|^2 , \\quad 0 \\le a_i \\le 1 ,

with :math:`w(a) = \\frac{1}{\\alpha n} \\sum_i a_i y_i x_i`. No value of D is above any value of P, and at the optimum
they meet. In one coordinate D is a parabola, whose top is known: *dual coordinate ascent* (Hsieh et al. 2008;
Shalev-Shwartz and Zhang 2013) takes the rows in a random order and sets each multiplier to its best value. There is no
step to choose, and no step ever leads down.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest

BLUE, RED, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#a34d80", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

X, labels = load_breast_cancer(return_X_y=True)
X, y = scale(X), np.where(labels == 1, 1.0, -1.0)
n, alpha = len(X), 1e-2

# %%
# The method in a few lines
# -------------------------
# The multiplier of a row moves by what its margin lacks to 1, over the curvature of D along it, and stays within its
# limits; w follows. That costs one look at the row.

rng = np.random.default_rng(0)
squares = (X**2).sum(axis=1)
a, w = np.zeros(n), np.zeros(X.shape[1])


def primal(w):
    return np.maximum(1.0 - y * (X @ w), 0.0).mean() + 0.5 * alpha * w @ w


def dual(a, w):
    return a.mean() - 0.5 * alpha * w @ w


steps, table = [dual(a, w)], []
for epoch in range(1, 61):
    for i in rng.permutation(n):
        best = np.clip(a[i] + alpha * n * (1.0 - y[i] * (X[i] @ w)) / squares[i], 0.0, 1.0)
        w += (best - a[i]) * y[i] * X[i] / (alpha * n)
        a[i] = best
        steps.append(dual(a, w))
    margins = y * (X @ w)
    resting = ((a == 0.0) & (margins > 1.0)) | ((a == 1.0) & (margins < 1.0))
    table.append(
        (epoch, dual(a, w), primal(w), (a == 0).sum(), ((a > 0) & (a < 1)).sum(), (a == 1).sum(), resting.sum())
    )

steps = np.array(steps)
print(f"{len(steps) - 1:,} steps, {(np.diff(steps) < -1e-15).sum()} of them down")
print(f"{'epoch':>5}{'dual':>11}{'primal':>11}{'at 0':>6}{'free':>6}{'at 1':>6}{'at rest':>9}")
for row in table:
    if row[0] in (1, 2, 3, 5, 10, 20, 40, 60):
        print("{:>5}{:>11.6f}{:>11.6f}{:>6}{:>6}{:>6}{:>9}".format(*row))

# %%
# The dual value rises with every step, or stays. The primal value of the w that belongs to it may jump, but it is
# always above, so the two are a proof at any time: the optimum is between them.

epochs, duals, primals = (np.array([row[k] for row in table]) for k in (0, 1, 2))
figure, panels = plt.subplots(1, 2, figsize=(12.5, 4.4), layout="constrained")
axes = panels[0]
first = 8
axes.plot(np.arange(first * n + 1) / n, steps[: first * n + 1], color=BLUE, linewidth=1.8)
axes.plot(epochs[:first], primals[:first], color=RED, marker="o", linewidth=1.8)
axes.fill_between(epochs[:first], duals[:first], primals[:first], color=GREY, alpha=0.15, linewidth=0)
axes.annotate("primal, after each epoch", (2.2, primals[1] + 0.003), color=RED)
axes.annotate("dual, step by step", (2.7, duals[1] - 0.004), color=BLUE)
axes.set(xlabel="epochs", xlim=(0, first), ylim=(0.02, primals[:first].max() * 1.1), title="the optimum is between")
axes = panels[1]
axes.stackplot(
    epochs,
    [[row[3] for row in table], [row[4] for row in table], [row[5] for row in table]],
    colors=["#cfd8e3", GREEN, RED],
    alpha=0.85,
)
place = {"va": "center", "ha": "right"}
axes.annotate("at 0: beyond the margin", (58, 470), **place)
axes.annotate("free: on its edge", (58, n - table[-1][5] - 0.5 * table[-1][4]), color="white", **place)
axes.annotate("at 1: inside, or on the wrong side", (58, n - 0.5 * table[-1][5]), color="white", **place)
axes.set(xlabel="epochs", ylabel="rows", xlim=(1, 60), ylim=(430, n), title="most rows are done early")

# %%
# Shrinking
# ---------
# A multiplier at a limit whose derivative pushes it further against the limit is at rest. After a few epochs that is
# nearly every row (the last column of the table), and an epoch that leaves those rows out costs a small part of a pass.
# The solver ``margin_dual`` does so, and looks at all rows again before it claims anything: a round is as many epochs
# as are worth such a look. Its bound only rises, too.


def fit(loss, **options):
    return steepest.LinearClassifier(
        loss, alpha=alpha, fit_intercept=False, solver="margin_dual", solver_options=options, tol=1e-9
    ).fit(X, labels)


figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
plain = (primals - np.maximum.accumulate(duals)) / duals.max()
axes.semilogy(epochs, plain, color=GREY, linewidth=1.8)
axes.annotate("the loop above", (epochs[-1], plain[-1]), xytext=(6, 0), textcoords="offset points", va="center")
print(f"{'':<38}{'rounds':>7}{'passes':>8}{'proven gap':>12}{'bound rises':>13}")
for loss, options, colour, name in (
    ("hinge", {"second_order": False}, BLUE, "hinge, epochs alone"),
    ("squared_hinge", {"second_order": False}, GREEN, "squared hinge, epochs alone"),
    ("squared_hinge", {}, PURPLE, "squared hinge, with second-order steps"),
):
    model = fit(loss, **options)
    history = model.history_
    lower = history["objective"] - history["gap"]
    rises = bool(np.all(np.diff(lower) >= -1e-12))
    passes, gap = history["passes"], history["relative_gap"]
    print(f"{name:<38}{len(history):>7}{passes[-1]:>8.1f}{model.certificate_.relative:>12.1e}{rises!s:>13}")
    axes.semilogy(passes, gap, color=colour, marker=".", linewidth=1.6)
    last = gap > 0.0
    side = -1 if loss == "hinge" else 1
    place = {"xytext": (6 * side, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(name, (passes[last][-1], gap[last][-1]), color=colour, ha="left" if side > 0 else "right", **place)
axes.set(xlabel="passes over the rows", ylabel="relative gap, proven", xlim=(0, 75))

# %%
# The loop spends a pass on every epoch, and its last digits come slowly: few multipliers are left to move, and they
# move each other. Left to those, the same steps get there in a few passes. Newton steps on the free multipliers, which
# are part of the solver unless they are switched off, finish the squared hinge sooner still.

# %%
# Blocks of rows, for threads
# ---------------------------
# A step needs the w that the step before left, so threads cannot simply share the loop. They can take blocks: the rows
# are dealt to K blocks, anew every epoch, each steps from the same w without seeing the others, and all changes are
# added (Ma et al. 2015). If every block counts its own changes K times, D cannot fall, since
# :math:`|\sum_k c_k|^2 \le K \sum_k |c_k|^2`; if it counts them once, blocks do the same work twice and D falls.


def epochs_in_blocks(K, counted, count=60):
    """Dual values and relative gaps, epoch by epoch."""
    rng, a, w, out = np.random.default_rng(0), np.zeros(n), np.zeros(X.shape[1]), []
    for _ in range(count):
        change = np.zeros_like(w)
        for rows in np.array_split(rng.permutation(n), K):
            own = w.copy()
            for i in rows:
                best = np.clip(a[i] + alpha * n * (1.0 - y[i] * (X[i] @ own)) / (counted * squares[i]), 0.0, 1.0)
                own += counted * (best - a[i]) * y[i] * X[i] / (alpha * n)
                a[i] = best
            change += (own - w) / counted
        w += change
        out.append((dual(a, w), 1.0 - dual(a, w) / primal(w)))
    return np.array(out)


print(f"{'blocks':>6}{'counted':>9}{'falls of D':>12}{'epochs to a gap of 1e-2':>25}{'gap after 60':>14}")
for K, counted in ((1, 1), (2, 2), (4, 4), (4, 1)):
    values, gaps = epochs_in_blocks(K, counted).T
    first = str(np.argmax(gaps <= 1e-2) + 1) if gaps.min() <= 1e-2 else "never"
    print(f"{K:>6}{counted:>9}{(np.diff(values) < -1e-12).sum():>12}{first:>25}{gaps[-1]:>14.1e}")

# %%
# ``solver_options={"blocks": 4}`` does this with threads, and with the same bits for any number of them, where an epoch
# is long enough to be shared. Shorter steps mean more epochs: hardly more under a strong penalty, up to K times as many
# under a weak one, where threads win nothing back. So one block is the default.

plt.show()
