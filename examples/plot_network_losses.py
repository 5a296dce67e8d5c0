"""
Losses of a network
===================

A network is a function of the inputs with one output :math:`z_j` for each class; what it is trained for is the loss
that is put on top. Two for classes, and one for *shares*, where a row belongs to each class in part:

.. math::

    \\text{cross-entropy:} \\quad & \\log \\textstyle\\sum_j e^{z_j} - z_y \\\\
    \\text{multiclass hinge:} \\quad & \\max_j \\; \\big( [j \\ne y] + z_j - z_y \\big) \\\\
    \\text{divergence from shares } q \\text{:} \\quad & \\textstyle\\sum_j q_j \\log (q_j / p_j), \\qquad
    p_j = e^{z_j} \\big/ \\textstyle\\sum_k e^{z_k} .

The network below the outputs does not change with them. It only needs the loss's gradient in :math:`z`.
"""

import matplotlib.pyplot as plt
import numpy as np

import steepest
from steepest import networks as nw

COLOURS, PALE = ("#0072b2", "#d55e00", "#009e73"), ("#cfe3f1", "#f8dccb", "#cdeadf")
random = np.random.default_rng(0)
np.set_printoptions(precision=3, suppress=True)

# %%
# What the losses send back
# -------------------------
# The gradient in :math:`z` at the outputs 2, 0.5 and -1, for each class that can be the right one. That of the
# cross-entropy is :math:`p - y`, with :math:`y` as a row of zeros and a one: never quite nothing. That of the hinge is
# -1 at the right class and 1 at its worst rival, and nothing where the right class leads by 1, as class 0 does. With
# shares it is :math:`p - q`: all on one class is that class again, and nothing is sent back only for :math:`q = p`.
# (Cross-entropy with shares is the divergence and a number that no output changes, so the gradient is the same.)

scores, right = np.tile([2.0, 0.5, -1.0], (3, 1)), np.array([0, 1, 2])
shares = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], np.exp(scores[0]) / np.exp(scores[0]).sum()])
z = nw.Parameter(scores, "z")
for name, kind, target in (
    ("cross-entropy", "softmax", right),
    ("multiclass hinge", "crammer_singer", right),
    ("shares", "softmax", shares),
):
    graph = nw.Graph(nw.sum(nw.loss(kind, z, target)))
    graph.forward()
    print(name)
    for given, back in zip(target, graph.backward()["z"], strict=True):
        print(f"  {'right class' if given.ndim == 0 else 'given'} {given}: {back.round(3) + 0.0}")

# %%
# Several losses on one network
# -----------------------------
# Losses with weights add up, and so do their gradients, through all layers: here 0.2 of the hinge is added to the
# cross-entropy, on a network of two inputs, four tanh units and three outputs.

centres, spread = np.array([[0.0, 1.0], [-0.9, -0.6], [0.9, -0.6]]), 0.6
y = np.repeat(np.arange(3), 80)
X = centres[y] + random.normal(0.0, spread, (len(y), 2))

V1, b1, V2, b2 = (nw.Parameter(random.standard_normal(shape)) for shape in ((2, 4), 4, (4, 3), 3))
outputs = nw.tanh(nw.Constant(X) @ V1.named("V1") + b1.named("b1")) @ V2.named("V2") + b2.named("b2")
entropy = nw.mean(nw.loss("softmax", outputs, y))
hinge = nw.mean(nw.loss("crammer_singer", outputs, y))
slopes = []
for cost in (entropy, hinge, entropy + 0.2 * hinge):
    graph = nw.Graph(cost)
    graph.forward()
    slopes.append(graph.backward())
for name in slopes[0]:
    one, other, both = (slope[name] for slope in slopes)
    print(
        f"{name}: first number {one.flat[0]:.4f} + 0.2 x {other.flat[0]:.4f} = {both.flat[0]:.4f}; "
        f"all {both.size} differ by at most {np.abs(one + 0.2 * other - both).max():.0e}"
    )

# %%
# Three classes
# -------------
# Three clouds that overlap, and one hidden layer of 16 from the same start with each loss and with their sum, which is
# given as a list of weights and losses.

losses = {
    "cross-entropy": "cross_entropy",
    "multiclass hinge": "crammer_singer",
    "cross-entropy + 0.2 hinge": [(1.0, "cross_entropy"), (0.2, "crammer_singer")],
}


def network(loss):
    return steepest.MLPClassifier(
        (16,), "tanh", loss=loss, alpha=1e-2, learning_rate_init=0.01, batch_size=40, max_iter=150, tol=None,
        random_state=0, on_unconverged="ignore",
    )  # fmt: skip


def lead(outputs):
    """By how much the largest output exceeds the next."""
    ranked = np.sort(outputs, axis=1)
    return ranked[:, 2] - ranked[:, 1]


edge = 1.05 * np.abs(X).max()
grid = np.linspace(-edge, edge, 120)
plane = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
answers = []
figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.9), layout="constrained")
for axes, (name, loss) in zip(panels, losses.items(), strict=True):
    model = network(loss).fit(X, y)
    outputs = model.decision_function(plane)
    axes.contourf(grid, grid, outputs.argmax(axis=1).reshape(120, 120), levels=[-0.5, 0.5, 1.5, 2.5], colors=PALE)
    axes.contour(grid, grid, lead(outputs).reshape(120, 120), levels=[1.0], colors="0.35", linewidths=1.0)
    for k, colour in enumerate(COLOURS):
        axes.plot(*X[y == k].T, "o", markersize=2.5, color=colour)
    axes.set(title=name, xticks=[], yticks=[], aspect="equal")
    at_rows = model.decision_function(X)
    ahead = np.mean((at_rows.argmax(axis=1) == y) & (lead(at_rows) >= 1.0))
    print(f"{name}: {model.score(X, y):.1%} right, {ahead:.1%} right by 1 or more, ", end="")
    print(f"probabilities: {'yes' if hasattr(model, 'predict_proba') else 'no'}")
    answers.append(outputs.argmax(axis=1))
print(f"all three say the same on {np.mean((answers[0] == answers[1]) & (answers[0] == answers[2])):.1%} of the square")
print(model.objective_)

# %%
# The regions hardly differ, and the same share of the rows is right. The grey lines are where the largest output leads
# by 1. Rows that are right by 1 or more are done for the hinge; cross-entropy still pushes them on. The hinge gives
# classes and no probabilities; a sum with cross-entropy in it has both, for its outputs still go through the softmax.

# %%
# Soft labels
# -----------
# Now ten people are asked for the class of each place, and do not agree: the target is a row of shares. The votes are
# drawn from the true chances at that place, which the network does not see. For comparison, another network learns
# only which class had most votes.

chances = np.exp(-((X[:, None] - centres) ** 2).sum(axis=2) / (2.0 * spread**2))
chances /= chances.sum(axis=1, keepdims=True)
votes = random.multinomial(10, chances) / 10.0
soft = network("kl").fit(X, votes)
hard = network("cross_entropy").fit(X, votes.argmax(axis=1))

print("votes             |  predicted         |  true chances")
for row in np.argsort(chances.max(axis=1))[[0, 20, 40, 60, 80, 239]]:
    print(*("  ".join(f"{q:.2f}" for q in part[row]) for part in (votes, soft.predict_proba(X), chances)), sep="  |  ")
for name, model in (("shares", soft), ("most votes", hard)):
    p = model.predict_proba(X)
    divergence = np.mean(np.sum(chances * np.log(chances / p), axis=1))
    print(f"learnt from {name}: divergence of the predicted from the true chances {divergence:.3f}, ", end="")
    print(f"mean largest chance {p.max(axis=1).mean():.3f}")
print(f"mean largest of the true chances {chances.max(axis=1).mean():.3f}")
off = [np.abs(part - chances).mean() for part in (votes, soft.predict_proba(X))]
print(f"mean distance from the true chances: of the votes {off[0]:.3f}, of the predicted shares {off[1]:.3f}")

# %%
# The predicted shares are nearer to the truth than the votes they were learnt from: the network draws on what was said
# of the places around. The network that saw only the winners cannot know that anyone disagreed, and is too sure.
