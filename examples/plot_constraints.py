"""
Weights held in a set
=====================

Weights may be wanted that are not negative, that are shares of a whole, or that are short. Then the minimum is sought
within a set :math:`\\mathcal C`, and every step that leaves the set is followed by the way back to its nearest point,
the projection

.. math:: \\Pi(w) = \\operatorname*{argmin}_{v \\in \\mathcal C} \\; \\|v - w\\|_2^2 .

Five sets are known: a box, the non-negative orthant, the simplex of shares, and the balls of the 2-norm and 1-norm.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

import steepest
from steepest.penalties import Box, L1Ball, L2Ball, NonNegative, Simplex

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"

# %%
# The nearest point
# -----------------
# Points and their projections. A box and the orthant cut each coordinate by itself. A ball of the 2-norm shortens. A
# ball of the 1-norm and the simplex take the same amount off every coordinate that is left, and so many points land
# on corners, where coordinates are exactly 0.

angle = np.linspace(0.0, 2.0 * np.pi, 200)
circle = np.column_stack([np.cos(angle), np.sin(angle)])
sets = {
    "box": (Box(-1.0, [1.0, 0.6]), np.array([[-1, -1], [1, -1], [1, 0.6], [-1, 0.6]])),
    "non-negative": (NonNegative(), np.array([[0, 0], [3, 0], [3, 3], [0, 3]])),
    "2-norm ball": (L2Ball(1.0), circle),
    "1-norm ball": (L1Ball(1.0), np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])),
    "simplex": (Simplex(1.0), np.array([[1, 0], [0, 1]])),
}


def draw_set(axes, outline, title):
    axes.fill(*outline.T, facecolor=BLUE, alpha=0.18)
    axes.plot(*np.vstack([outline, outline[:1]]).T, color=BLUE, linewidth=1.5)
    axes.set_aspect("equal")
    axes.set(xlim=(-2.3, 2.3), ylim=(-2.3, 2.3), xticks=[-2, 0, 2], yticks=[-2, 0, 2], title=title)
    axes.axhline(0.0, color="0.85", linewidth=0.8, zorder=0)
    axes.axvline(0.0, color="0.85", linewidth=0.8, zorder=0)


points = np.concatenate([2.0 * circle[::13], [[0.3, 0.2], [-0.2, 1.2]]])
figure, panels = plt.subplots(1, 5, figsize=(12.5, 2.9), layout="constrained", sharey=True)
for axes, (name, (held, outline)) in zip(panels, sets.items(), strict=True):
    near = held.project(points.T).T
    assert all(held.contains(point) for point in near)
    draw_set(axes, outline, name)
    axes.plot(*np.stack([points, near]).transpose(2, 0, 1), color="0.65", linewidth=0.8)
    axes.plot(*points.T, "o", color="0.45", markersize=3.5)
    axes.plot(*near.T, "o", color=ORANGE, markersize=4.5)
    corners = np.sum(np.any(near == 0.0, axis=1))
    print(f"{name:<13} projections with a coordinate of exactly 0: {corners:2d} of {len(points)}")

# %%
# In another measure of distance
# ------------------------------
# Adagrad divides each coordinate by a scale of its own, and its steps are projected where distance is measured so:
#
# .. math:: \Pi_q(w) = \operatorname*{argmin}_{v \in \mathcal C} \; \sum_j q_j (v_j - w_j)^2 .
#
# The projection is where a growing circle around the point first touches the set; with weights :math:`q` it is a
# growing ellipse, and it touches elsewhere. Only for the box and the orthant is it the same point, because these cut
# each coordinate by itself.

w, q = np.array([1.7, 1.45]), np.array([1.0, 6.0])
figure, panels = plt.subplots(1, 3, figsize=(11.0, 3.6), layout="constrained", sharey=True)
for axes, name in zip(panels, ("box", "2-norm ball", "1-norm ball"), strict=True):
    held, outline = sets[name]
    draw_set(axes, outline, name)
    for label, colour, weight in (("circle", ORANGE, np.ones(2)), ("ellipse", GREEN, q)):
        v = held.project_metric(w, weight)
        radius = np.sqrt(weight @ (v - w) ** 2)
        axes.plot(*(w + radius * circle / np.sqrt(weight)).T, color=colour, linewidth=1.2, label=label)
        axes.plot(*v, "o", color=colour, markersize=7 if label == "circle" else 5, zorder=4)
        print(f"{name:<12} touched by the {label:<8} at {v.round(4)}")
    axes.plot(*w, "s", color="black", markersize=5)
    axes.set(xlim=(-1.3, 4.1), ylim=(-1.3, 3.2), xticks=[-1, 0, 1, 2, 3, 4], yticks=[-1, 0, 1, 2, 3])
panels[0].annotate("w", w, (7, -4), textcoords="offset points", fontsize=12)
panels[2].text(2.9, 0.15, "circle", color=ORANGE)
panels[2].text(3.15, 2.35, "ellipse", color=GREEN)

# %%
# No point of the set is nearer: a check by 20,000 points drawn from each.

random = np.random.default_rng(0)
for name in ("box", "2-norm ball", "1-norm ball", "simplex"):
    held = sets[name][0]
    inside = held.project(random.normal(size=(2, 20_000))).T
    least = np.min((inside - w) ** 2 @ q)
    v = held.project_metric(w, q)
    print(f"{name:<12} squared distance of the projection {q @ (v - w) ** 2:.6f}, least of those drawn {least:.6f}")

# %%
# Steps and projections
# ---------------------
# :func:`steepest.minimize` takes ``bounds`` or a ``constraint``. Rosenbrock's valley leads to :math:`(1, 1)`, but here
# the first variable ends at 0.6. The spectral projected gradient takes steps along the gradient and projects them; the
# projected Newton method uses the curvature along the face on which the point lies.

valley = steepest.functions.get("rosenbrock")
bounds = [(-1.5, 0.6), (-0.2, 1.4)]
runs = {
    method: steepest.minimize(valley, valley.start, grad=valley.grad, bounds=bounds, method=method)
    for method in ("projected_gradient", "projected_newton")
}
for name, run in runs.items():
    print(f"{name:<19} x = {run.x.round(6)}, {run.nit} rounds, {run.nfev + run.njev} calls: {run.message}")

# %%
# The verdict is about the face: on it the gradient is zero to what rounding resolves and the curvature is positive;
# across it the gradient presses against the wall. The multiplier is that pressure, the decrease that a wall further
# out by a small amount would bring, divided by that amount. Moving the wall confirms it.

best = runs["projected_newton"]
further = steepest.minimize(valley, valley.start, grad=valley.grad, bounds=[(-1.5, 0.6 + 1e-4), (-0.2, 1.4)])
print("held coordinates:", best.certificate.evidence["held"], "multipliers:", best.certificate.evidence["multipliers"])
print(f"decrease for a wall moved by 0.0001, divided by that: {(best.fun - further.fun) / 1e-4:.4f}")

display = steepest.TrajectoryDisplay.from_function(
    lambda x: np.log10(valley(x) + 1e-2), runs, minima=[best.x], span=(-1.7, 1.3, -0.5, 1.5), colorbar=False
)
display.ax_.add_patch(plt.Rectangle((-1.5, -0.2), 2.1, 1.6, facecolor="none", edgecolor="black", linestyle="--"))
display.ax_.text(-1.46, -0.28, "the box")
display.ax_.set_title("held in the box, the minimum lies on its wall")
display.ax_.legend(loc="upper center", framealpha=1.0, fontsize=9)

# %%
# A linear model with weights that are not negative
# -------------------------------------------------
# The estimators take the same sets. With ``constraint="nonnegative"`` the weights that least squares would make
# negative are 0, the others change, and the optimum is certified as any other: the duality gap bounds how much better
# any other point *of the set* could be.

X, y = load_diabetes(return_X_y=True, as_frame=True)
names, X = X.columns, scale(X)
free = steepest.LinearRegressor("squared", penalty=None).fit(X, y)
held = steepest.LinearRegressor("squared", penalty=None, constraint="nonnegative").fit(X, y)
print(held.certificate_)
print(f"weights of exactly 0: {np.sum(held.coef_ == 0.0)} of {len(held.coef_)}, least: {held.coef_.min()}")

figure, axes = plt.subplots(figsize=(8.0, 3.8), layout="constrained")
place = np.arange(len(names))
axes.bar(place - 0.2, free.coef_, 0.4, color="0.7", label="free")
axes.bar(place + 0.2, held.coef_, 0.4, color=BLUE, label="not negative")
axes.axhline(0.0, color="black", linewidth=0.8)
axes.set(xticks=place, xticklabels=names, ylabel="weight", title="least squares: five weights end at 0")
axes.legend(frameon=False, loc="lower right")

# %%
# With a penalty it is ``positive=True`` of :class:`steepest.Lasso`, :class:`steepest.ElasticNet`,
# :class:`steepest.Ridge` and :class:`steepest.LinearRegression`. The 1-norm ball is the Lasso in another form: the ball
# whose radius is the norm of the Lasso's weights has the same minimum.

lasso = steepest.Lasso(alpha=5.0, positive=True, tol=1e-8).fit(X, y)
kept = lasso.coef_ > 0.0
print("Lasso, positive:", dict(zip(names[kept], lasso.coef_[kept].round(3).tolist(), strict=True)))
plain = steepest.Lasso(alpha=5.0, tol=1e-8).fit(X, y)
ball = L1Ball(np.abs(plain.coef_).sum())
inside = steepest.LinearRegressor("squared", penalty=None, constraint=ball, tol=1e-8).fit(X, y)
print(f"1-norm ball of radius {ball.radius:.3f} against the Lasso: ", end="")
print(f"largest difference of a weight {np.abs(inside.coef_ - plain.coef_).max():.1e}")

# %%
# Shares of a whole
# -----------------
# An index is a mixture of twelve assets, of which it holds three; we see 60 days of returns, with noise. Weights on the
# simplex are shares: none is negative and their sum is 1. That knowledge alone, without a penalty, sets most of the
# others to exactly 0.

random = np.random.default_rng(0)
market = random.normal(size=(60, 1))
returns = 0.8 * market + random.normal(size=(60, 12))
shares = np.zeros(12)
shares[[1, 4, 8]] = 0.5, 0.3, 0.2
index = returns @ shares + 0.5 * random.normal(size=60)

options = {"penalty": None, "fit_intercept": False}
loose = steepest.LinearRegressor("squared", **options).fit(returns, index)
mixture = steepest.LinearRegressor("squared", constraint="simplex", tol=1e-8, **options).fit(returns, index)
print(mixture.certificate_)
for name, model in (("free", loose), ("simplex", mixture)):
    off = np.linalg.norm(model.coef_ - shares)
    zeros = np.sum(model.coef_ == 0.0)
    print(f"{name:<8} sum {model.coef_.sum():.6f}, weights of exactly 0: {zeros}, distance from the truth {off:.3f}")

figure, axes = plt.subplots(figsize=(8.0, 3.8), layout="constrained")
place = np.arange(1, 13)
axes.bar(place - 0.2, loose.coef_, 0.4, color="0.7", label="free")
axes.bar(place + 0.2, mixture.coef_, 0.4, color=BLUE, label="on the simplex")
axes.plot(place, shares, "_", color=ORANGE, markersize=22, markeredgewidth=2, label="true share")
axes.axhline(0.0, color="black", linewidth=0.8)
axes.set(xticks=place, xlabel="asset", ylabel="share", title="an index of twelve assets, of which it holds three")
axes.legend(frameon=False)
plt.show()
