"""
Stochastic gradients: samples, batches, averages
================================================

The gradient of a mean loss is a mean over all rows. *Stochastic* gradient descent steps along the gradient of one row,
or of a few: a step costs a tiny part of a pass over the data, and points in the right direction on average. This page
measures the noise of such steps, what larger batches and averages do to it, and what an accuracy costs.
"""

import copy

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest

BLUE, RED, GREEN, ORANGE, GREY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})
rng = np.random.default_rng(0)

# %%
# Right on average
# ----------------
# One call of ``partial_fit`` with a single row takes a single step, so that the step tells the gradient of that row.
# From the same weights, a step is taken with each of 569 rows in turn, and one with all of them.

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
n, rate = len(X), 0.1


def one_step_from(model, rows, batch_size=1):
    """The way that a step with these rows goes, over the rate."""
    moved = copy.deepcopy(model).set_params(batch_size=batch_size).partial_fit(X[rows], y[rows])
    return (model.coef_ - moved.coef_).ravel() / rate


start = steepest.SGDClassifier("log_loss", alpha=0.01, learning_rate="constant", eta0=rate, average=False)
start.partial_fit(X[:5], y[:5], classes=[0, 1])
single = np.array([one_step_from(start, [i]) for i in range(n)])
whole = one_step_from(start, np.arange(n), batch_size="all")
sigma = np.sqrt(((single - whole) ** 2).sum(axis=1).mean())
print(f"length of the gradient: {np.linalg.norm(whole):.2f}")
print(f"a single row is off by {sigma:.2f} (root mean square)")
print(f"the mean of all single rows is off by {np.abs(single.mean(axis=0) - whole).max():.1e}")

# %%
# The noise of a batch
# --------------------
# The mean of :math:`B` independent draws has noise :math:`\sigma/\sqrt{B}`: four times the work for half the noise.
# Batches of a shuffled order never hold a row twice. They are quieter by the factor :math:`\sqrt{(n - B)/(n - 1)}`, and
# the whole batch has no noise.

sizes = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
noise = {"with replacement": [], "shuffled": []}
for size in sizes:
    drawn = [rng.integers(n, size=size) for _ in range(400)]
    parts = [rng.permutation(n)[:size] for _ in range(400)]
    for name, batches in (("with replacement", drawn), ("shuffled", parts)):
        off = np.array([single[batch].mean(axis=0) - whole for batch in batches])
        noise[name].append(np.sqrt((off**2).sum(axis=1).mean()))
fitted = np.polyfit(np.log(sizes), np.log(noise["with replacement"]), 1)[0]
print(f"noise ~ B^{fitted:.3f} (theory: -0.5)")
expected = sigma * np.sqrt((n - sizes) / (n - 1) / sizes)
print("shuffled, measured over expected:", (np.array(noise["shuffled"]) / expected).round(2))

figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
axes.loglog(sizes, sigma / np.sqrt(sizes), "--", color=GREY, linewidth=1)
axes.loglog(sizes, noise["with replacement"], "o", color=BLUE)
axes.loglog(sizes, noise["shuffled"], "s", color=RED, markersize=5)
axes.loglog(sizes, expected, color=RED, linewidth=1)
axes.text(140, noise["with replacement"][7] * 1.25, r"with replacement: $\sigma/\sqrt{B}$", color=BLUE)
axes.text(180, noise["shuffled"][8] * 0.75, "shuffled", color=RED, ha="right")
axes.set(xlabel="rows in a batch", ylabel="noise of the gradient", title="four times the rows, half the noise")

# %%
# The ways that steps go
# ----------------------
# Two columns, no intercept; the same start, the same rate. In 36 steps, batches of 16 rows come about as far as 36
# steps with all 569 rows, for a 36th of the work. Single rows come further in a pass, and then stagger.

pair = X[:, [0, 1]]
signs = 2.0 * y - 1.0


def objective(w):
    return np.logaddexp(0.0, -signs * (pair @ w)).mean() + 0.005 * (w @ w)


def way(batch_size, passes):
    model = steepest.SGDClassifier(
        "log_loss", alpha=0.01, fit_intercept=False, learning_rate="constant", eta0=0.3, average=False, batch_size="all"
    )
    points = [np.zeros(2)]
    for _ in range(passes):
        order = rng.permutation(n)
        for first in range(0, n, batch_size):
            rows = order[first : first + batch_size]
            model.partial_fit(pair[rows], y[rows], classes=[0, 1])
            points.append(model.coef_.ravel().copy())
    return np.array(points)


best = steepest.LinearClassifier("logistic", alpha=0.01, fit_intercept=False, tol=1e-10).fit(pair, y)
figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained")
for axes, (size, passes) in zip(panels, ((1, 1), (16, 1), (n, 36)), strict=True):
    path = way(size, passes)
    steepest.TrajectoryDisplay.from_function(
        objective,
        {str(size): path},
        minima=best.coef_,
        span=(-4.0, 0.5, -2.2, 0.8),
        ax=axes,
        colorbar=False,
        linewidth=0.6,
        markersize=2,
    )
    axes.get_legend().remove()
    rows = "one row a step" if size == 1 else "all rows a step" if size == n else f"{size} rows a step"
    axes.set(title=f"{rows}: {len(path) - 1} steps, {passes} pass{'es' if passes > 1 else ''}", xlabel="", ylabel="")

# %%
# A constant rate ends in a ball
# ------------------------------
# Near the minimum only noise is left, and at a constant rate the iterates wander in a ball around it. With four times
# the rows in a batch the objective there is lower by a factor of four to ten. The *mean* of the iterates can be far
# nearer than any of them: look at batches of 1 and 4 rows. It is slow to forget the start, which is all that is seen
# for 64 rows, and at a constant rate it is not quite at the minimum either: with 1 row it stays where it is. Here are
# 20 000 generated rows, and the objective above its certified minimum after each of 30 epochs.

many = rng.standard_normal((20_000, 20)) * np.geomspace(1.0, 0.3, 20)
said = np.sign(many @ rng.standard_normal(20) + rng.logistic(size=20_000))


def fit(solver="sgd", max_iter=30, tol=0.0, **options):
    return steepest.LinearClassifier(
        "logistic",
        alpha=1e-3,
        solver=solver,
        solver_options=options,
        max_iter=max_iter,
        tol=tol,
        on_unconverged="ignore",
    ).fit(many, said)


least = fit("newton-cholesky", tol=1e-12).certificate_.primal
figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
print(f"{'rows a step':<13}{'last 15 epochs, median':>24}{'mean of all iterates':>22}")
for size, colour in ((1, RED), (4, ORANGE), (16, GREEN), (64, BLUE)):
    ends = []
    for axes, average in zip(panels, (False, True), strict=True):
        history = fit(learning_rate=0.05, batch_size=size, average=average, evaluate="every").history_
        above = history["objective"] / least - 1.0
        axes.semilogy(above, color=colour, linewidth=1.5)
        ends.append(np.median(above[-15:]) if not average else above[-1])
        axes.annotate(
            f"B = {size}", (30, ends[-1]), xytext=(6, 0), textcoords="offset points", color=colour, va="center"
        )
    print(f"{size:<13}{ends[0]:>24.1e}{ends[1]:>22.1e}")
panels[0].set(xlabel="epochs", ylabel="above the optimum, relative", title="the iterates, rate 0.05", xlim=(0, 35))
panels[1].set(xlabel="epochs", title="the mean of all iterates so far", xlim=(0, 35))

# %%
# What an accuracy costs
# ----------------------
# With ``learning_rate="auto"`` the first rate comes from the curvature of the loss on the rows and on batches of that
# size, then it fades, and the result is a mean that weighs late iterates most. The choice is recorded.

figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
accuracies = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
table = []
for name, size, colour in (
    ("1 row", 1, RED),
    ("64 rows", 64, GREEN),
    ("all rows", "all", ORANGE),
    ("L-BFGS", None, BLUE),
):
    model = fit("lbfgs") if size is None else fit(batch_size=size, evaluate="every")
    for note in model.fit_record_.solver["notes"] if size is not None else ():
        print(f"{name}: {note}")
    passes = model.history_["passes" if size is None else "iteration"]
    above = model.history_["objective"] / least - 1.0
    shown = above > 1e-7
    axes.semilogy(passes[shown], above[shown], color=colour, linewidth=2)
    place = {"xytext": (6, {1: -6, 64: 6}.get(size, 0)), "textcoords": "offset points", "va": "center"}
    axes.annotate(name, (passes[shown][-1], above[shown][-1]), color=colour, **place)
    reached = [passes[above <= accuracy] for accuracy in accuracies]
    table.append(f"{name:<10}" + "".join(f"{found[0]:>9.0f}" if len(found) else f"{'-':>9}" for found in reached))
axes.set(xlabel="passes over the rows", ylabel="above the optimum, relative", xlim=(0, 34), ylim=(1e-7, 2))
print("\npasses to  " + "".join(f"{accuracy:>9.0e}" for accuracy in accuracies))
print("\n".join(table))

# %%
# One pass of single rows brings more than thirty passes with all rows in each step. From then on the noise must be
# averaged away, and that is slow: a method that uses curvature overtakes. (Looking at the objective costs a pass too;
# here that is done after each epoch, for the picture, and not counted.)

plt.show()
