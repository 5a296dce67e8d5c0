"""
Labels with a structure: sets, trees, sequences
===============================================

A label need not be a class. It may be a set, a place in a tree, or a sequence, and there may be more of them than
atoms. A structured support vector machine needs no list. It scores a pair of example and label by joint features
:math:`w \\cdot \\phi(x, y)`, and is told what an error costs, :math:`\\Delta(y_i, y)`. Training minimises

.. math:: P(w) = \\frac 1n \\sum_i \\max_y \\left[ \\Delta(y_i, y) + w \\cdot \\phi(x_i, y) - w \\cdot \\phi(x_i, y_i)
          \\right] + \\frac \\alpha 2 \\|w\\|^2 .

All that it must know of the labels is which one reaches the maximum. An *oracle* says so.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import hamming_loss

import steepest

BLUE, RED, GREEN, ORANGE, GREY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

# %%
# Sets of labels
# --------------
# Five properties of a handwritten digit make 32 sets. The loss is the number of wrong properties. Taken one by one, the
# properties are five binary machines. Coupled along a tree, each may lean on its neighbours; the best of all sets is
# still found exactly, by passing messages along the tree.

X, digit = load_digits(return_X_y=True)
X = X / 16.0
names = ["even", "above 4", "prime", "has a loop", "square"]
members = [[0, 2, 4, 6, 8], [5, 6, 7, 8, 9], [2, 3, 5, 7], [0, 6, 8, 9], [0, 1, 4, 9]]
Y = np.stack([np.isin(digit, some) for some in members], axis=1).astype(int)
train, test = slice(0, 200), slice(200, None)

alone = steepest.MultilabelSVM(alpha=0.01, tol=1e-3).fit(X[train], Y[train])
coupled = steepest.MultilabelSVM(alpha=0.01, tol=1e-3, pairs="tree").fit(X[train], Y[train])
print("coupled:", ", ".join(f"{names[a]} - {names[b]}" for a, b in coupled.pairs_))
for title, model in (("one by one", alone), ("coupled", coupled)):
    wrong = hamming_loss(Y[test], model.predict(X[test]))
    print(f"{title:<11} whole set right {model.score(X[test], Y[test]):.2f}, properties wrong {wrong:.3f}")
print(coupled.certificate_)

# %%
# One by one, the machine may say of an image that it is prime and a square. No digit is. Of the 32 sets 24 belong to no
# digit; coupled, the machine names them half as often.

real = {tuple(row) for row in np.unique(Y, axis=0)}
figure, axes = plt.subplots(figsize=(8, 2.4), layout="constrained")
for row, (title, model) in enumerate((("coupled", coupled), ("one by one", alone))):
    found = model.predict(X[test])
    right = np.all(found == Y[test], axis=1)
    absurd = np.array([tuple(some) not in real for some in found])
    left = 0.0
    for share, colour in ((right.mean(), BLUE), ((~right & ~absurd).mean(), ORANGE), (absurd.mean(), RED)):
        axes.barh(row, share, left=left, color=colour, height=0.6)
        axes.text(left + share / 2, row, f"{100 * share:.0f} %", ha="center", va="center", color="white")
        left += share
    print(f"{title:<11} a set of no digit in {absurd.mean():.3f} of the images")
for x, text, colour in (
    (0.0, "the right set", BLUE),
    (0.62, "that of another digit", ORANGE),
    (1.0, "of no digit", RED),
):
    axes.text(x, 1.45, text, color=colour, ha="right" if x == 1.0 else "left")
axes.set(yticks=[0, 1], yticklabels=["coupled", "one by one"], xticks=[], xlim=(0, 1), ylim=(-0.4, 1.7))
axes.spines[:].set_visible(False)
axes.tick_params(length=0)

# %%
# Classes in a tree
# -----------------
# Sixteen classes in four groups, four rows of each. A mistake within a group costs 2 edges, one across groups costs 4.
# Each node of the tree has weights, so that what all classes of a group share is learnt from sixteen rows, not four.

rng = np.random.default_rng(0)
groups, apart = rng.standard_normal((4, 20)), rng.standard_normal((16, 20))
centres = np.repeat(6.0 * groups, 4, axis=0) + 2.0 * apart
tree = {c: f"group {c // 4}" for c in range(16)} | {f"group {g}": "all" for g in range(4)}
y, hidden = np.repeat(np.arange(16), 4), rng.integers(0, 16, 1000)
A, unseen = (centres[codes] + 6.0 * rng.standard_normal((len(codes), 20)) for codes in (y, hidden))

with_tree = steepest.TaxonomySVM(tree, alpha=10.0, tol=1e-3).fit(A, y)
flat = steepest.TaxonomySVM(costs="zero_one", alpha=10.0, tol=1e-3).fit(A, y)
figure, panels = plt.subplots(1, 2, figsize=(8.5, 4.2), sharey=True, layout="constrained")
for axes, title, model in zip(panels, ("without the tree", "with the tree"), (flat, with_tree), strict=True):
    found = model.predict(unseen)
    cost = with_tree.costs_[hidden, found]
    print(f"{title:<17} mean cost {cost.mean():.2f}, in another group {np.mean(cost == 4):.2f} of the rows")
    table = np.zeros((16, 16))
    np.add.at(table, (hidden, found), 1)
    axes.imshow(table / table.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=0.8)
    for edge in (3.5, 7.5, 11.5):
        axes.axhline(edge, color=RED, linewidth=0.8)
        axes.axvline(edge, color=RED, linewidth=0.8)
    axes.set(xlabel="predicted class", title=f"{title}: {100 * np.mean(cost == 4):.0f} % in another group")
    axes.set_xticks(range(0, 16, 4))
    axes.set_yticks(range(0, 16, 4))
panels[0].set_ylabel("true class")

# %%
# Sequences, by an oracle of your own
# -----------------------------------
# Three states that mostly go round, 0, 1, 2, 0, seen through much noise. ``ChainOracle`` has a weight for each feature
# and state, and one for each pair of states that follow each other; Viterbi's algorithm is its maximiser. Any class
# with the same four methods will do in its place.


def sequences(n):
    X, Y = [], []
    for length in rng.integers(15, 31, n):
        steps = np.where(rng.random(length) < 0.85, 1, rng.integers(0, 3, length))
        Y.append((rng.integers(0, 3) + np.cumsum(steps)) % 3)
        X.append(np.array([[0.0, 1.3], [-1.1, -0.7], [1.1, -0.7]])[Y[-1]] + 1.2 * rng.standard_normal((length, 2)))
    return X, Y


S, labels = sequences(60)
T, true = sequences(100)
chain = steepest.StructuredSVM(steepest.structured.ChainOracle(), alpha=0.01, tol=1e-3).fit(S, labels)
place = steepest.LinearSVC(tol=1e-3).fit(np.vstack(S), np.concatenate(labels))
everywhere = np.concatenate(true)
right = np.mean(np.concatenate(chain.predict(T)) == everywhere)
print(f"places right: {place.score(np.vstack(T), everywhere):.2f} each by itself, {right:.2f} as a chain")
print("weights of transitions, from a row to a column:")
print(chain.coef_[-9:].reshape(3, 3).round(2))

some = 3
strips = {
    "truth": true[some],
    "chain": chain.predict([T[some]])[0],
    "each place\nby itself": place.predict(T[some]),
}
colours = np.array([BLUE, ORANGE, GREEN])
figure, axes = plt.subplots(figsize=(8.5, 2.6), layout="constrained")
for row, (title, states) in enumerate(strips.items()):
    axes.scatter(np.arange(len(states)), np.full(len(states), -row), s=190, marker="s", color=colours[states])
    wrong = np.flatnonzero(states != true[some])
    axes.scatter(wrong, np.full(len(wrong), -row), s=60, marker="x", color="white", linewidth=2)
    axes.text(-1.2, -row, title, ha="right", va="center")
axes.set(xlabel="place in the sequence", yticks=[], ylim=(-2.6, 0.6), xlim=(-5.5, len(true[some])))
axes.set_xticks(range(0, len(true[some]), 5))
axes.spines["left"].set_visible(False)
axes.set_title("a state each; crosses are errors", loc="left", fontsize=11)

# %%
# What is proven
# --------------
# Labels with weights make a lower bound, the oracle an upper one. Both methods close the gap between them; one asks for
# each example by itself and keeps the answers, the other keeps one plane for all examples a round.

figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
for solver, colour in (("frank_wolfe", BLUE), ("cutting_planes", RED)):
    model = steepest.StructuredSVM(steepest.structured.ChainOracle(), alpha=0.01, tol=1e-4, solver=solver)
    model.fit(S, labels)
    rounds, gap = model.history_["passes"], model.history_["gap"]
    axes.semilogy(rounds, gap, "o-", color=colour, markersize=3)
    axes.annotate(
        solver.replace("_", " "), (rounds[-1], gap[-1]), xytext=(6, 6), textcoords="offset points", color=colour
    )
    print(f"{solver}: {model.n_oracle_calls_} calls of the oracle; {model.certificate_}")
axes.axhline(1e-4 * model.certificate_.dual, color=GREY, linewidth=0.8, linestyle=":")
axes.text(60, 1.15e-4 * model.certificate_.dual, "a ten-thousandth of the optimum", color=GREY, fontsize=9)
axes.set(
    xlabel="calls of the oracle for each example",
    ylabel="gap between the bounds",
    title="how far from the optimum at most",
)
axes.set_xlim(right=1.2 * axes.get_xlim()[1])
