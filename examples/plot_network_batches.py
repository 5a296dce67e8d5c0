r"""
How many rows a step sees, and which
====================================

A step of a network's training follows the mean gradient of a few rows B,

.. math::

    w \leftarrow w - \eta \, \frac{1}{|B|} \sum_{i \in B} \nabla \ell_i(w) ,

and a pass over n rows is :math:`n / |B|` such steps. One row or all of them, in which order, and the last point or a
mean of many: one small network and 600 pictures of digits show what each does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest.data.orders import LargeErrorFirst

BLUE, RED, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

X, y = load_digits(return_X_y=True)
X, y, unseen, answers = X[:600] / 16.0, y[:600], X[600:] / 16.0, y[600:]
n, PASSES = len(y), 20


def fit(rate, rows=1, X=X, y=y, **options):
    """The same network from the same start; the training rows are watched too: their loss after each pass is seen."""
    how = {"alpha": 0.0, "max_iter": PASSES, "tol": None, "probes": False, "on_unconverged": "ignore"} | options
    model = steepest.MLPClassifier(
        (20,),
        "tanh",
        optimizer="sgd",
        learning_rate_init=rate,
        batch_size=rows,
        dtype="float64",
        random_state=0,
        **how,
    )
    return model.fit(X, y, X_val=X, y_val=y)


def curve(model):
    """Passes, and the loss on all training rows after them."""
    return model.history_["passes"], model.history_["validation_loss"]


# %%
# One row, some, or all
# ---------------------
# A pass costs the same arithmetic at any size of the batch; what differs is the number of steps that it buys, and how
# exact they are. Each size has three rates.

RATES, SIZES = (0.1, 1.0, 3.0), {1: "single rows", 32: "batches of 32", n: f"all {n} rows"}
print(f"{f'loss after {PASSES} passes':<24}{'steps':>7}" + "".join(f"{f'rate {rate:g}':>10}" for rate in RATES))
best = {}
for rows, name in SIZES.items():
    fits = [fit(rate, rows) for rate in RATES]
    ends = [curve(model)[1][-1] for model in fits]
    best[rows] = fits[int(np.argmin(ends))]
    print(f"{name:<24}{PASSES * -(-n // rows):>7}" + "".join(f"{end:>10.4f}" for end in ends))

# %%
# Single rows buy the most steps, and bear the smallest rate. With each size at its best rate of these, single rows are
# lowest after 20 passes, and all rows at once, with 20 steps, are only under way.
#
# Averages
# --------
# Where some labels contradict the other rows, single-row steps at a constant rate jump about. Here one label in five is
# drawn anew at random. ``average=True`` returns the mean of the points of the last half of the passes: its loss on the
# same rows is lower, and far more of the unseen digits are right.

random = np.random.default_rng(0)
given = y.copy()
drawn = random.random(n) < 0.2
given[drawn] = random.integers(0, 10, drawn.sum())
print(f"wrong labels: {np.sum(given != y)} of {n}")
noisy = {"last point": fit(0.1, y=given), "average": fit(0.1, y=given, average=True)}
for name, model in noisy.items():
    print(f"{name:<12}loss {curve(model)[1][-1]:.3f}, unseen digits {model.score(unseen, answers):.1%}")

figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for (rows, model), colour in zip(best.items(), (ORANGE, BLUE, GREEN), strict=True):
    passes, loss = curve(model)
    panels[0].semilogy(passes, loss, color=colour, linewidth=2)
    panels[0].annotate(
        SIZES[rows], (passes[-1], loss[-1]), xytext=(6, 0), textcoords="offset points", color=colour, va="center"
    )
for (name, model), colour, shift in zip(noisy.items(), (ORANGE, BLUE), (8, -8), strict=True):
    passes, loss = curve(model)
    panels[1].plot(passes, loss, color=colour, linewidth=2)
    panels[1].annotate(
        name, (passes[-1], loss[-1]), xytext=(6, shift), textcoords="offset points", color=colour, va="center"
    )
panels[0].set(title="rows of a step, each at its best rate", ylabel="loss on the training rows")
panels[1].set(title="single rows, one label in five drawn anew", ylim=(0.0, 2.6))
for axes in panels:
    axes.set(xlabel="passes over the rows", xlim=(0, 28), xticks=range(0, PASSES + 1, 5))

# %%
# The order
# ---------
# Now the rows lie sorted by class, and a step sees one of them. In the order of the file ("cyclic") the network learns
# one digit after the other, and forgets. "alternating" never shows the same class twice in a row within a pass.
# "large_error" draws rows with large losses more often and weighs them less; its look at the losses costs a third of a
# pass each time.

sorted_rows = np.argsort(y, kind="stable")
X_sorted, y_sorted = X[sorted_rows], y[sorted_rows]
orders = {"cyclic": RED, "shuffled": BLUE, "alternating": GREEN, "large_error": ORANGE}
print(f"{'':<14}{'passes':>7}{'loss seen in the last pass':>28}{'loss after it':>15}")
figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
for k, (order, colour) in enumerate(orders.items()):
    model = fit(0.03, X=X_sorted, y=y_sorted, order=order)
    passes, loss = curve(model)
    print(f"{order:<14}{passes[-1]:>7.1f}{model.loss_curve_[-1]:>28.4f}{loss[-1]:>15.4f}")
    axes.semilogy(passes, loss, color=colour, linewidth=2)
    axes.text(0.98, 0.94 - 0.07 * k, order, color=colour, ha="right", transform=axes.transAxes)
axes.set(xlabel="passes over the rows, all counted", ylabel="loss on the training rows", xlim=(0, 28), ylim=(0.008, 8))
axes.set(title="one row a step, rows sorted by class")

# %%
# The loss that is added up during a pass hides it: each row is met just after its own class was learned. After the pass
# the loss is more than ten times as high. Shuffled and alternating rows are about equally good here, and large errors
# first gains nothing for its extra passes: it is for data of which most is fitted early.
#
# Wrong labels
# ------------
# Rows that no step will ever fit have large errors for ever. The guard cuts errors that are far above those of most
# rows, and names the rows. Six labels are changed here, and a penalty keeps the network from learning them by heart.

wrong = np.sort(np.random.default_rng(0).choice(n, 6, replace=False))
changed = y.copy()
changed[wrong] = (changed[wrong] + 5) % 10
model = fit(0.1, rows=8, y=changed, order="large_error", alpha=8 / n)
print("changed:", ", ".join(str(row) for row in wrong))
print("note:   ", *model.fit_record_.solver["notes"])
losses = -np.log(model.predict_proba(X)[np.arange(n), changed])
for guard in (np.inf, 5.0):
    q = LargeErrorFirst(losses, guard=guard).probabilities()
    print(f"guard {guard:>3g}: {q[wrong].sum():.1%} of the steps would go to these six rows")

# %%
# Five of the six are named, and no other row. The sixth has an error below the limit at the last look.

plt.show()
