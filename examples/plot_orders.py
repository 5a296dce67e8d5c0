"""
The order of the rows
=====================

Stochastic gradient descent uses one row after the other. Which one comes next is no detail: a file sorted by class is
a trap, a fresh order every epoch is a good habit, and rows with large errors may deserve to come more often. Orders are
chosen by name in every stochastic solver, ``order="shuffled"`` and so on, or given as values.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.data.orders import BlockShuffled, ClassAlternating, Cyclic, LargeErrorFirst, Shuffled, WithReplacement

BLUE, RED, GREEN, ORANGE, GREY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

# %%
# An epoch, row by row
# --------------------
# A file of 60 rows, sorted: first all of one class, then all of the other.

codes = np.repeat([0, 1], [24, 36])
few = {
    "cyclic": Cyclic(60),
    "blocks of 6": BlockShuffled(60, block=6),
    "shuffled": Shuffled(60),
    "with replacement": WithReplacement(60),
    "alternating": ClassAlternating(codes),
}
figure, axes = plt.subplots(figsize=(10, 2.6), layout="constrained")
picture = []
for name, order in few.items():
    rows = order.epoch(0, seed=1).rows
    picture.append(codes[rows])
    changes = np.count_nonzero(np.diff(codes[rows]))
    print(f"{name:<18}{len(np.unique(rows)):>3} different rows, the class changes {changes:>2} times")
axes.pcolormesh(np.array(picture), cmap=ListedColormap(["#56b4e9", "#d55e00"]), edgecolors="white", linewidth=1.5)
axes.set(yticks=np.arange(len(few)) + 0.5, yticklabels=few, xlabel="steps of an epoch, coloured by the class")
axes.invert_yaxis()
axes.tick_params(left=False)
axes.spines[["left", "bottom"]].set_visible(False)

# %%
# A sorted file
# -------------
# 569 tumours, sorted by diagnosis: 212 of one class, then 357 of the other. One column and an intercept are fitted, so
# that the way can be drawn. In the order of the file, the intercept runs away to please the one class, and then back to
# please the other, in every pass.

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
by_class = np.argsort(y, kind="stable")
X, y = X[by_class], y[by_class]
n, signs = len(y), 2.0 * y - 1.0


def objective(w):
    return np.logaddexp(0.0, -signs * (w[0] * X[:, 0] + w[1])).mean() + 0.005 * w[0] ** 2


def way(order, passes=3, at_once=8):
    """The weight and the intercept, after every few steps of one row each."""
    model = steepest.SGDClassifier(
        "log_loss", alpha=0.01, learning_rate="constant", eta0=0.05, average=False, order="cyclic"
    )
    points = [np.zeros(2)]
    for number in range(passes):
        rows = order.epoch(number, seed=0).rows
        for first in range(0, n, at_once):
            part = rows[first : first + at_once]
            model.partial_fit(X[part, :1], y[part], classes=[0, 1])
            points.append(np.append(model.coef_, model.intercept_))
    return np.array(points)


best = steepest.LinearClassifier("logistic", alpha=0.01, tol=1e-10).fit(X[:, :1], y)
minimum = np.append(best.coef_, best.intercept_)
figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained")
for axes, (name, order) in zip(
    panels, {"cyclic": Cyclic(n), "shuffled": Shuffled(n), "alternating": ClassAlternating(y)}.items(), strict=True
):
    path = way(order)
    last = path[-(len(path) // 3) :]
    steepest.TrajectoryDisplay.from_function(
        objective,
        {name: path},
        minima=minimum,
        span=(-4.2, 0.4, -2.3, 2.3),
        ax=axes,
        colorbar=False,
        linewidth=1,
        markersize=2,
    )
    axes.get_legend().remove()
    axes.set(title=name, xlabel="weight", ylabel="intercept" if name == "cyclic" else "")
    print(f"{name:<12} the intercept of the last pass goes from {last[:, 1].min():5.2f} to {last[:, 1].max():5.2f}")

# %%
# All 30 columns, over 30 epochs, at two constant rates. What is shown is the objective above its certified minimum.


def fit(X, y, solver="sgd", alpha=0.01, max_iter=30, tol=0.0, **options):
    return steepest.LinearClassifier(
        "logistic",
        alpha=alpha,
        solver=solver,
        solver_options=options,
        max_iter=max_iter,
        tol=tol,
        on_unconverged="ignore",
    ).fit(X, y)


least = fit(X, y, "newton-cholesky", tol=1e-10).certificate_.primal
colours = {"cyclic": RED, "replacement": ORANGE, "shuffled": BLUE, "alternating": GREEN}
figure, panels = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True, layout="constrained")
print(f"{'median of the last 15 epochs':<30}" + "".join(f"{name:>13}" for name in colours))
for axes, rate in zip(panels, (0.05, 0.01), strict=True):
    ends = []
    for name, colour in colours.items():
        runs = [
            fit(X, y, order=name, seed=seed, learning_rate=rate, average=False, evaluate="every").history_["objective"]
            for seed in range(3)
        ]
        above = np.mean(runs, axis=0) / least - 1.0
        ends.append(np.median(above[-15:]))
        axes.semilogy(above, color=colour, linewidth=2)
        lower = -1 if rate < 0.05 else 1
        shift = {"shuffled": 7 * lower, "alternating": -7 * lower, "replacement": 3 - 3 * lower}.get(name, 0)
        place = {"xytext": (6, shift), "textcoords": "offset points", "va": "center"}
        axes.annotate(name, (30, ends[-1]), color=colour, **place)
    print(f"{f'rate {rate:g}':<30}" + "".join(f"{end:>13.1e}" for end in ends))
    axes.set(title=f"rate {rate:g}, mean of 3 seeds", xlabel="epochs", xlim=(0, 39))
panels[0].set(ylabel="above the optimum, relative")

# %%
# In the order of the file the same error comes back in every pass: the curve is smooth, and ends too high. Draws with
# replacement are noisy, a shuffled order, which uses every row once, much less so; alternating classes is as good here
# as shuffling. A smaller rate makes every order better; the file is still several times worse than shuffled.
#
# Large errors first
# ------------------
# Where most rows are fitted already, uniform draws waste most steps. ``order="large_error"`` draws row i with a
# probability :math:`q_i` that grows with its error, and divides its gradient by :math:`n q_i`: more often and more
# gently, the same on average. The errors are looked at once an epoch, which costs a pass; that is counted below.
#
# The case is planted: of 5000 rows four in five lie far from the boundary, on their right side.

rng = np.random.default_rng(0)
rows = rng.standard_normal((5000, 10))
normal = rng.standard_normal(10)
normal /= np.linalg.norm(normal)
hard = rng.random(5000) < 0.2
rows += np.where(hard, 0.0, 3.0 * np.sign(rows @ normal))[:, None] * normal
classes = np.where(rows @ normal + 0.2 * hard * rng.logistic(size=5000) > 0.0, 1, -1)

least = fit(rows, classes, "newton-cholesky", alpha=1e-4, tol=1e-10).certificate_.primal
figure, panels = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True, layout="constrained")
levels = (0.1, 0.03, 0.01, 0.003)
print(f"{'passes to a distance of':<36}" + "".join(f"{level:>8g}" for level in levels))
settings = {"rate 0.05": {"learning_rate": 0.05}, "rate 2/sqrt(k)": {"learning_rate": "1/sqrt(k)", "eta0": 2.0}}
for axes, (title, rates) in zip(panels, settings.items(), strict=True):
    for name, colour in (("replacement", ORANGE), ("shuffled", BLUE), ("large_error", GREEN)):
        runs = [
            fit(rows, classes, alpha=1e-4, order=name, seed=seed, average=False, evaluate="every", **rates).history_
            for seed in range(3)
        ]
        above = np.mean([run["objective"] for run in runs], axis=0) / least - 1.0
        passes = runs[0]["passes"]
        axes.semilogy(passes, above, color=colour, linewidth=2)
        axes.annotate(
            name, (passes[-1], above[-8:].mean()), xytext=(6, 0), textcoords="offset points", color=colour, va="center"
        )
        reached = [passes[above <= level] for level in levels]
        numbers = "".join(f"{found[0]:>8.0f}" if len(found) else f"{'-':>8}" for found in reached)
        print(f"{title + ', ' + name:<36}{numbers}")
    axes.set(title=title, xlabel="passes over the rows, all counted", xlim=(0, 145))
panels[0].set(ylabel="above the optimum, relative")

# %%
# At a constant rate the noise of a step is what limits, and it is what this order takes away. With rates that shrink, a
# shuffled order is better here: its noise cancels within an epoch, and it needs no look at the errors. Independent
# uniform draws are behind in both.
#
# Outliers
# --------
# A row that no step will ever fit, a wrong label or a wrong unit, has a large error for ever, and would be drawn again
# and again. So errors are cut where they are far above those of most rows, and the rows are named. Here eight of 2000
# targets are given in another unit, a hundred times too large.

rows = rng.standard_normal((2000, 5))
truth = rng.standard_normal(5)
targets = rows @ truth + 0.3 * rng.standard_normal(2000)
planted = np.sort(rng.choice(2000, 8, replace=False))
targets[planted] *= 100.0

model = steepest.LinearRegressor(
    "squared",
    alpha=1e-4,
    solver="sgd",
    solver_options={"order": "large_error", "learning_rate": 0.01, "average": False},
    max_iter=10,
    tol=0.0,
    on_unconverged="ignore",
).fit(rows, targets)
print("planted:", ", ".join(str(row) for row in planted))
print("note:   ", model.fit_record_.solver["notes"][0])
misses = np.abs(model.predict(rows) - targets)
for guard in (np.inf, 5.0):
    order = LargeErrorFirst(misses, guard=guard)
    share = np.isin(order.epoch(0).rows, planted).mean()
    print(f"guard {guard:>3g}: {100 * share:4.1f} % of the steps go to the {len(planted)} rows")

# %%
# The guard does not repair the fit: the squared loss is still drawn to these rows. What helps is to look at them.

kept = np.setdiff1d(np.arange(2000), planted)
print(f"coefficients off by {np.linalg.norm(model.coef_ - truth):.2f}")
model.fit(rows[kept], targets[kept])
print(f"without these rows  {np.linalg.norm(model.coef_ - truth):.2f}; notes: {model.fit_record_.solver['notes']}")

plt.show()
