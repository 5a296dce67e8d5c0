"""
What theory says about a function
=================================

Before a function is minimised: is it convex, how long may a step be, how many steps will it take? Afterwards: is the
point a minimum or a saddle? And always: is the gradient right? The answers come from values, gradients and
Hessian-vector products alone, so they can be had for any Python function, for every loss, and for the objective of a
linear model.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.data.source import as_source
from steepest.problems.linear import LinearProblem
from steepest.solvers.catalogue import make

# %%
# Convex or not
# -------------
# A convex function lies below its chords, above its tangents, and curves upwards in every direction. Each is tested on
# samples. "Convex on the samples" proves nothing; "not convex" comes with points and a direction that anyone can check.


def parabola(x):
    return x[0] ** 2 + x[1] + 5


def bowl(x):
    return 3 * x[0] ** 2 + 2 * x[1] ** 2 - 2


def twisted(x):
    return x[0] ** 4 + x[0] * x[1] + x[0] ** 2


for fun in (parabola, bowl, twisted):
    print(steepest.check_convexity(fun, dim=2), end="\n\n")

# %%
# The direction says where the last one bends: along it the slice is a parabola upside down, beside it nothing shows.

found = steepest.check_convexity(twisted, dim=2)
x, v = found.point, found.direction
H = np.array([[12 * x[0] ** 2 + 2, 1.0], [1.0, 0.0]])
print(f"v'Hv by hand at {x.round(4)} along {v.round(4)}: {v @ H @ v:.6f}, found {found.curvature:.6f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
steepest.LandscapeDisplay.from_function(twisted, [0.0, 0.0], span=1.2, ax=left)
left.annotate("", xy=0.8 * v, xytext=-0.8 * v, arrowprops={"arrowstyle": "<->", "color": "#d1242f", "lw": 2})
steepest.LandscapeDisplay.from_function(twisted, x, kind="slices", span=0.6, ax=right)
left.set_title("level sets, and the direction of negative curvature")

# %%
# Losses state whether they are convex; the test agrees with all of them.

for name in ("squared", "huber", "hinge", "logistic", "poisson", "softmax", "sigmoid"):
    found = steepest.check_convexity(name)
    print(f"{name:<9} stated convex: {steepest.get_loss(name).convex!s:<5}  found: {found.verdict}")

# %%
# How long a step, how many steps
# -------------------------------
# With :math:`L` the largest curvature, a step of :math:`1/L` always descends; with :math:`\mu` the smallest, gradient
# descent keeps at most the share :math:`(1 - \mu/L)^k` of the distance in value to the minimum. Here for a linear model
# on the raw and on the scaled features, and then measured.

X, labels = load_breast_cancer(return_X_y=True)
y = 2.0 * labels - 1.0


def objective(X, y, alpha=1e-2):
    weights = np.full(len(y), 1.0 / len(y))
    return LinearProblem(as_source(X), y, weights, steepest.get_loss("logistic"), steepest.penalties.L2(alpha), True)


for title, data in (("raw features", X), ("scaled features", scale(X))):
    print(title)
    print(steepest.estimate_smoothness(objective(data, y), scale=1e-3), end="\n\n")

# %%
# A squared loss has the same curvature everywhere, so the prediction is a promise. It is kept from every start, and
# from the worst start about half of it is needed.

rng = np.random.default_rng(0)
for condition in (3.0, 30.0, 300.0):
    axes, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    H = (axes * np.geomspace(1.0, condition, 5)) @ axes.T
    theory = steepest.estimate_smoothness(lambda w, H=H: 0.5 * w @ H @ w, dim=5, n_points=1)
    needed = []
    for w in (axes[:, 0], rng.standard_normal(5)):
        start, steps = w @ H @ w, 0
        while w @ H @ w > 1e-6 * start:
            w, steps = w - theory.safe_step * (H @ w), steps + 1
        needed.append(steps)
    print(f"condition {theory.condition:5.0f}: {theory.iterations(1e-6):5d} steps predicted, ", end="")
    print(f"{needed[0]:5d} needed from the worst start, {needed[1]:5d} from a random one")

# %%
# Minimum, maximum, saddle
# ------------------------
# The gradient vanishes at all of them. The ends of the Hessian's spectrum tell them apart.

for fun, point in (
    (bowl, [0.0, 0.0]),
    (lambda x: -bowl(x), [0.0, 0.0]),
    (twisted, [0.0, 0.0]),
    (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, [0.0, 0.0]),
    (parabola, [0.0, 0.0]),
):
    print(steepest.classify_point(fun, point), end="\n\n")

# %%
# Is the gradient right?
# ----------------------
# Differences name the coordinate that is off. Taylor's remainder :math:`|f(x + hv) - f(x) - h\,g^\top v|` falls like
# :math:`h^2` where g is the gradient and only like :math:`h` where it is not.


def cost(x):
    return np.sum(np.log1p(np.exp(x))) + 0.5 * x @ x


def right_gradient(x):
    return 1.0 / (1.0 + np.exp(-x)) + x


def wrong_gradient(x):
    g = right_gradient(x)
    g[3] -= x[3]  # forgets one term
    return g


point = np.linspace(-1.0, 2.0, 6)
figure, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
for name, gradient in (("right", right_gradient), ("wrong in one coordinate", wrong_gradient)):
    check = steepest.check_gradient(cost, gradient, point)
    print(check, end="\n\n")
    shown = check.remainders > 1e-14
    ax.loglog(check.steps[shown], check.remainders[shown], "o-", markersize=3.5, label=name)
ax.set(xlabel="step h", ylabel="remainder")
ax.legend(frameon=False)

# %%
# A landscape, and how it changes from batch to batch
# ---------------------------------------------------
# Gradient descent on the plane of its two principal directions. A batch of 20 rows has a landscape of its own: its
# minimum in this plane, the star, lies elsewhere, and that is what a stochastic method sees from step to step.

data = scale(X)
problem = objective(data, y)
solver = make("gradient_descent", problem, line_search="1/L")
state = solver.start(problem, problem.start())
path = [problem.start(), *(solver.advance(state).at.w.copy() for _ in range(60))]

rows = np.random.default_rng(0).permutation(len(y))
batches = {f"batch {i + 1}": objective(data[part], y[part]) for i, part in enumerate(rows[:100].reshape(5, 20))}
display = steepest.LandscapeDisplay.from_function(problem, path=path, batches=batches, span=(4.0, 2.0))
print(display.landscape)
for name, surface in display.batches.items():
    a, b, low = surface.lowest
    print(f"{name}: least {low:.4f} at ({a:+.2f}, {b:+.2f})")

# %%
# The same as slices along the directions of largest and of smallest curvature.

steepest.LandscapeDisplay.from_function(problem, path[-1], kind="slices", batches=batches, span=2.0)
plt.show()
