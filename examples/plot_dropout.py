"""
Dropout
=======

In each step of training every output :math:`a_j` of a layer is set to 0 with probability p, and what is left is divided
by :math:`1 - p`:

.. math::

    \\tilde a_j = m_j\\, a_j, \\qquad m_j = \\begin{cases} 0 & \\text{with probability } p, \\\\
    1 / (1 - p) & \\text{else.} \\end{cases}

So :math:`\\mathbb E\\, \\tilde a_j = a_j`: the next layer is expected to see what it would see without dropout. The
network that predicts uses all outputs as they are, and nothing has to be rescaled (*inverted* dropout). Units cannot
rely on a particular other unit being there, and that holds over-fitting back.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest import networks as nw

BLUE, ORANGE = "#0072b2", "#d55e00"

# %%
# The expectation is preserved
# ----------------------------
# One row, and 4000 masks at once: all rows of this batch are the same, their masks are not. The score is a sum over the
# units of the layer that is masked. Its mean over the masks is the score without any, and its variance is
#
# .. math::
#
#     \frac{p}{1 - p} \sum_j (v_j a_j)^2 .
#
# Below another layer that holds only for what enters it: its units bend, and the mean of their outputs is not the
# output of the mean. There, the network that predicts is an approximation of the mean over all masks.

MASKS, P = 4000, 0.5
random = np.random.default_rng(0)
x = random.standard_normal(10)


def scores(layers):
    """The score of one row without masks and under 4000 of them, and what the last layer adds up."""
    stack = nw.Stack(10, layers, 1, dtype=np.float64)
    w = stack.initial(2)
    calm, shaken = stack.network(1, training=False, parameters=w), stack.network(MASKS, training=True, parameters=w)
    program = nw.Program([calm.scores, calm.activations[-2], shaken.scores])
    program.values[calm.x][...] = program.values[shaken.x][...] = x
    for mask in shaken.masks:
        program.values[mask][...] = (random.uniform(size=mask.shape) >= P) / (1.0 - P)
    program.run()
    terms = program.values[calm.activations[-2]][0] * stack.views(w)[f"layers.{len(layers)}.weights"][:, 0]
    return program.values[calm.scores][0, 0], program.values[shaken.scores][:, 0], terms


figure, panels = plt.subplots(1, 2, figsize=(10.0, 3.8), layout="constrained")
cases = {
    "one hidden layer": [nw.Dense(40, "tanh", dropout=P)],
    "two hidden layers": [nw.Dense(40, "tanh", dropout=P), nw.Dense(40, "tanh", dropout=P)],
}
for axes, (title, layers) in zip(panels, cases.items(), strict=True):
    without, under, terms = scores(layers)
    error = under.std() / np.sqrt(MASKS)
    print(f"{title}: without masks {without:.4f}; under masks: mean {under.mean():.4f} +- {error:.4f}, ", end="")
    print(f"variance {under.var():.3f}" + (f", formula {P / (1 - P) * terms @ terms:.3f}" if len(layers) == 1 else ""))
    axes.hist(under, bins=50, color=BLUE, alpha=0.35)
    top = axes.get_ylim()[1]
    axes.vlines(without, 0.0, top, color=ORANGE)
    axes.vlines(under.mean(), 0.0, top, color=BLUE, linestyle="--")
    axes.set(title=title, xlabel="score", yticks=[], ylim=(0.0, 1.25 * top))
    axes.spines[["top", "right", "left"]].set_visible(False)
for k, (label, colour) in enumerate((("each mask", BLUE), ("their mean (dashed)", BLUE), ("no mask", ORANGE))):
    panels[0].text(0.99, 0.93 - 0.08 * k, label, color=colour, ha="right", transform=panels[0].transAxes)

# %%
# A hundred digits, some of them labelled wrongly
# -----------------------------------------------
# Two hidden layers of 100 units and a hundred rows, one in four with a random label. Without dropout the network learns
# every row by heart, wrong labels included. The loss on rows that it has not seen is low for a while and grows from
# then on. With half of the units dropped the network learns more slowly, gets lower, and hardly rises.

X, y = load_digits(return_X_y=True)
order = random.permutation(len(y))
X, y = X[order] / 16.0, y[order]
few, held, test = slice(0, 100), slice(100, 600), slice(600, None)
given = y[few].copy()
wrong = random.random(100) < 0.25
given[wrong] = random.integers(0, 10, wrong.sum())
print(f"wrong labels: {np.sum(given != y[few])} of 100")

figure, axes = plt.subplots(figsize=(8.0, 4.4), layout="constrained")
for rate, colour in ((0.0, ORANGE), (0.5, BLUE)):
    model = steepest.MLPClassifier(
        layers=[steepest.Dense(100, "relu", dropout=rate)] * 2,
        batch_size=25,
        learning_rate_init=3e-3,
        alpha=0.0,
        max_iter=70,
        tol=None,
        probes=False,
        random_state=0,
        on_unconverged="ignore",
    ).fit(X[few], given, X_val=X[held], y_val=y[held])
    loss = model.history_["validation_loss"]
    axes.plot(loss, color=colour)
    axes.plot(np.arange(1, len(model.loss_curve_) + 1), model.loss_curve_, color=colour, linestyle=":")
    axes.text(71, loss[-1], f"dropout {rate}" if rate else "no dropout", color=colour, va="center")
    learned = model.score(X[few], given)
    print(
        f"dropout {rate}: labels as given {learned:.0%}; unseen digits {model.score(X[test], y[test]):.1%}; "
        f"loss on held rows {loss.min():.2f} at its least (epoch {loss.argmin()}), {loss[-1]:.2f} at the end"
    )
axes.set(xlabel="epoch", ylabel="loss", ylim=(0.0, 2.5), xlim=(0, 84))
axes.text(30, 2.2, "solid: rows that it has not seen\ndotted: its own, under the masks", color="0.3")
axes.spines[["top", "right"]].set_visible(False)

# %%
# Predictions are the same every time: masks belong to training, and the certificate speaks of the network without them.

again = model.predict_proba(X[test])
print("same probabilities twice:", np.array_equal(again, model.predict_proba(X[test])))
print(model.certificate_)
