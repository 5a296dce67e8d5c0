"""
A rate for every coordinate
===========================

One learning rate suits columns of one scale. Adagrad divides it by the slopes that it has seen, coordinate by
coordinate or, with the whole matrix, direction by direction:

.. math::

   G \\leftarrow G + g^2, \\quad w \\leftarrow w - \\eta\\, g / \\sqrt{G}
   \\qquad\\text{or}\\qquad
   G \\leftarrow G + g g^\\top, \\quad w \\leftarrow w - \\eta\\, G^{-1/2} g.

RMSProp forgets old slopes, Adam adds momentum, AdamW pulls the weights towards zero besides, and FTRL leaves most of
them at zero.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, scale

import steepest
from steepest.penalties import L2Ball
from steepest.rules import AdamW

# %%
# Adagrad against gradient descent
# --------------------------------
# A quadratic with curvatures 1 and 50, along the axes on the left; on the right it is turned by 30 degrees, and the
# start with it.


def ravine(angle, minimum=(0.0, 0.0)):
    """The function and its gradient."""
    across = np.array([-np.sin(angle), np.cos(angle)])
    H = np.eye(2) + 49.0 * np.outer(across, across)
    return lambda w: 0.5 * (w - minimum) @ H @ (w - minimum), lambda w: H @ (w - minimum)


def start_at(angle):
    """Across and along as the valley lies."""
    along = np.array([np.cos(angle), np.sin(angle)])
    return -8.0 * along + 2.0 * np.array([-along[1], along[0]])


rules = {"gradient descent": ("sgd", 2.0 / 51.0), "diagonal": ("adagrad", 3.0), "full matrix": ("adagrad_full", 3.0)}
figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for axes, angle, title in zip(panels, (0.0, np.pi / 6), ("along the axes", "turned"), strict=True):
    f, grad = ravine(angle)
    runs = {
        name: steepest.minimize(
            f, start_at(angle), grad=grad, method=rule, options={"learning_rate": rate}, max_iter=25
        )
        for name, (rule, rate) in rules.items()
    }
    steepest.TrajectoryDisplay.from_function(
        f, runs, minima=[(0.0, 0.0)], ax=axes, colorbar=False, span=(-9.5, 3.5, -6.5, 4.0)
    )
    axes.legend(loc="lower right", fontsize=8.5)
    axes.set(title=title, aspect="equal")
    print(f"{title}: f after 25 steps")
    for name, run in runs.items():
        print(f"    {name:<17} {run.history['objective'][-1]:8.1e}")

# %%
# Turning changes nothing for gradient descent and for the full matrix. The diagonal form does not mind scales, but it
# knows no directions: turned, it comes to the floor of the valley and then creeps along it. The full matrix costs
# :math:`O(d^3)` a step, so it is for few variables.
#
# RMSProp, Adam, AdamW
# --------------------
# The minimum is now at (3, 1), and all three have the rate 0.3. RMSProp begins with long steps, because its mean of the
# squared slopes starts at zero; Adam corrects for that. The decay of AdamW is no part of the function, so it ends
# elsewhere, and its verdict says so.

f, grad = ravine(0.0, np.array([3.0, 1.0]))
runs = {
    name: steepest.minimize(f, start_at(0.0), grad=grad, method=rule, options={"learning_rate": 0.3}, max_iter=400)
    for name, rule in {"RMSProp": "rmsprop", "Adam": "adam", "AdamW": AdamW(decay=0.3)}.items()
}
display = steepest.TrajectoryDisplay.from_function(f, runs, minima=[(3.0, 1.0)], colorbar=False)
for name, run in runs.items():
    end = run.path[-1]
    print(f"{name:<8} {run.nit:>4} steps, ends at ({end[0]:.3f}, {end[1]:.3f}): {run.message.split(':')[0]}")

# %%
# Projected, in its own norm
# --------------------------
# Under a constraint a step may lead outside. The point to go back to is the nearest one *in the metric of the step*,
#
# .. math:: \Pi(w) = \arg\min_{v \in S} \sum_j \sqrt{G_j}\, (v_j - w_j)^2.
#
# The nearest point in the usual sense is a mistake: then the method rests where :math:`g / \sqrt{G}` is normal to the
# set, and not :math:`g` itself. Here the set is the unit disc, and the minimum lies outside.

disc, pull, centre = L2Ball(1.0), np.array([1.0, 20.0]), np.array([2.0, 1.2])


def bowl(w):
    return 0.5 * pull @ (w - centre) ** 2


def slope(w):
    return pull * (w - centre)


first = np.array([-0.6, -0.5])
best = steepest.minimize(bowl, first, grad=slope, constraint=disc)
right = steepest.minimize(
    bowl, first, grad=slope, constraint=disc, method="adagrad", options={"learning_rate": 0.5}, max_iter=300
)
w, G, wrong = first, np.zeros(2), [first]
for _ in range(300):
    g = slope(w)
    G = G + g * g
    w = disc.project(w - 0.5 * g / np.sqrt(G))
    wrong.append(w)

figure, axes = plt.subplots(figsize=(6.2, 5.6), layout="constrained")
paths = {"in its own norm": right.path, "in the usual norm": np.array(wrong)}
steepest.TrajectoryDisplay.from_function(
    bowl, paths, minima=[best.x], ax=axes, colorbar=False, span=(-1.3, 1.6, -1.3, 1.45), marker=".", markersize=5
)
turn = np.linspace(0.0, 2.0 * np.pi, 200)
axes.plot(np.cos(turn), np.sin(turn), color="black", linewidth=1.2)
axes.set_aspect("equal")
axes.legend(loc="lower right", fontsize=8.5)
print(f"least value on the disc        {best.fun:.6f}")
print(f"Adagrad, in its own norm       {right.fun:.6f} after {right.nit} steps; success: {right.success}")
print(f"Adagrad, in the usual norm     {bowl(w):.6f} after 300 steps")

# %%
# Badly scaled columns
# --------------------
# Thirty measurements of cells, as they were measured and brought to one scale. Each rule finds its rate by itself and
# has 50 epochs; what is left is counted from a proven lower bound.

X, y = load_breast_cancer(return_X_y=True)
deviations = X.std(axis=0)
print(f"deviations of the columns: {deviations.min():.4f} to {deviations.max():.0f}")
print(f"{'':<10}{'above the optimum,':>24}\n{'rule':<10}{'as measured':>14}{'one scale':>12}")
left = {"sgd": [], "adagrad": [], "adam": []}
for columns in (X, scale(X)):
    optimum = steepest.LinearClassifier("logistic", alpha=1e-3, tol=1e-8).fit(columns, y).certificate_
    for rule, found in left.items():
        model = steepest.SGDClassifier(
            "log_loss", alpha=1e-3, optimizer=rule, max_iter=50, tol=1e-6, on_unconverged="ignore"
        ).fit(columns, y)
        found.append(model.certificate_.primal - optimum.dual)
for rule, (raw, scaled) in left.items():
    print(f"{rule:<10}{raw:>14.4f}{scaled:>12.4f}")

# %%
# A rate for each column repairs much of what the scales spoil. One scale for all columns helps every rule here.
#
# FTRL: sparse models from a stream
# ---------------------------------
# Handwritten digits, is it five or more? Every level of every pixel is a column of its own, and images arrive a
# hundred at a time, each seen once. With an absolute penalty FTRL keeps the sum of all gradients and leaves a weight at
# exactly zero while that sum is small. Plain and Adagrad's steps undo their zeros at the next row that has the column.

pixels, digits = load_digits(return_X_y=True)
rows = csr_matrix(OneHotEncoder().fit_transform(pixels))
train, test, seen, unseen = train_test_split(rows, digits >= 5, test_size=0.3, random_state=0)
strengths = (0.0, 1e-3, 3e-3, 1e-2)
print(f"{train.shape[0]} images, {train.shape[1]} columns\n{'rule':<9}{'alpha':>7}{'zeros':>8}{'accuracy':>10}")
figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
looks = {"ftrl": (0.3, "o-", "#0072b2"), "adagrad": (0.3, "s-", "#d55e00"), "sgd": (0.05, "D-", "#009e73")}
for rule, (rate, look, colour) in looks.items():
    zeros, accuracy = [], []
    for alpha in strengths:
        model = steepest.SGDClassifier(
            "log_loss", penalty="l1", alpha=alpha, optimizer=rule, learning_rate="constant", eta0=rate
        )
        for at in range(0, len(seen), 100):
            model.partial_fit(train[at : at + 100], seen[at : at + 100], classes=[False, True])
        zeros.append(np.mean(model.coef_ == 0.0))
        accuracy.append(model.score(test, unseen))
        print(f"{rule:<9}{alpha:>7}{zeros[-1]:>8.1%}{accuracy[-1]:>10.1%}")
    axes.plot(zeros, accuracy, look, color=colour)
    axes.annotate(rule, (zeros[-1], accuracy[-1]), xytext=(8, 0), textcoords="offset points", color=colour, va="center")
axes.set(xlabel="share of weights that are zero", ylabel="accuracy on other images", xlim=(-0.03, 1.08))
axes.xaxis.set_major_formatter("{x:.0%}")
axes.yaxis.set_major_formatter("{x:.0%}")
axes.spines[["top", "right"]].set_visible(False)

plt.show()
