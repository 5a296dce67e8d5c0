"""
Any function
============

:func:`steepest.minimize` takes a Python function, with or without its gradient, through the same solvers and the same
loop as every fit. What comes back has SciPy's names, the path and the history, and a verdict to second order: Newton's
decrement :math:`\\tfrac12 \\sum_i c_i^2 / |\\lambda_i|`, with the eigenvalues :math:`\\lambda_i` of the Hessian and the
slopes :math:`c_i` along its axes, is the decrease that is left, and the sign of the smallest eigenvalue tells a minimum
from a saddle. Of a function that is only known at points nothing is proven about other minima.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import steepest

# %%
# Rosenbrock's valley
# -------------------
# With the gradient and without it. Without it, a gradient costs two values a variable.

f = steepest.functions.get("rosenbrock")
methods = ("newton", "bfgs", "lbfgs", "newton-cg")
runs = {method: steepest.minimize(f, f.start, grad=f.grad, method=method) for method in methods}
blind = {method: steepest.minimize(f, f.start, method=method) for method in methods}
print(f"{'method':<11}{'rounds':>7}{'calls':>7}{'error':>10}   without gradient: {'calls':>6}{'error':>10}")
for method in methods:
    one, two = runs[method], blind[method]
    errors = [np.abs(run.x - 1.0).max() for run in (one, two)]
    exact = f"{method:<11}{one.nit:>7}{one.nfev + one.njev:>7}{errors[0]:>10.1e}"
    print(f"{exact}{'':>20}{two.nfev:>7}{errors[1]:>10.1e}")
print(f"\n{runs['newton'].message}")


def draw(axes, f, paths, x_range, y_range, levels):
    x, y = np.meshgrid(np.linspace(*x_range, 200), np.linspace(*y_range, 200))
    points = np.column_stack([x.ravel(), y.ravel()])
    heights = np.array([f(point) for point in points]).reshape(x.shape)
    axes.contour(x, y, heights, levels=levels, colors="0.75", linewidths=0.8)
    for name, path in paths.items():
        axes.plot(*path.T, ".-", markersize=4, linewidth=1, label=name)
    axes.set(xlim=x_range, ylim=y_range)


figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
paths = {method: runs[method].path for method in ("newton", "bfgs")}
draw(left, f, paths, (-1.6, 1.4), (-0.6, 1.6), np.geomspace(0.1, 500, 12))
left.legend(frameon=False)
for method in methods:
    right.semilogy(np.maximum(runs[method].history["objective"], 1e-32), label=method)
right.set(xlabel="rounds", ylabel="f")
right.legend(frameon=False)

# %%
# Saddles are left
# ----------------
# The start :math:`(0, 0)` of a double well is a saddle: its gradient is zero, and a method of slopes alone would call
# it the end. A direction of negative curvature leads on.

well = steepest.functions.get("double_well")
found = steepest.minimize(well, well.start, grad=well.grad, method="lbfgs")
print(found.notes)
print(f"x = {found.x.round(6)}: {found.message}")

# %%
# Several minima
# --------------
# Himmelblau's function has four. Which of them is found depends on the start; each is a minimum, none is said to be
# the lowest.

hills = steepest.functions.get("himmelblau")
random = np.random.default_rng(0)
starts = random.uniform(-5.0, 5.0, (24, 2))
ends = [steepest.minimize(hills, start, grad=hills.grad) for start in starts]
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
draw(axes, hills, {}, (-6, 6), (-6, 6), np.geomspace(1, 2000, 14))
for run in ends:
    nearest = int(np.argmin([np.linalg.norm(run.x - m) for m in hills.minima]))
    axes.plot(*run.path.T, ".-", color=f"C{nearest}", markersize=4, linewidth=1)
axes.set_title("24 starts, coloured by the minimum that they reach")
print({tuple(run.x.round(4).tolist()) for run in ends})

# %%
# What has no minimum
# -------------------

for name in ("unbounded_parabola", "quartic_with_cross_term"):
    g = steepest.functions.get(name)
    run = steepest.minimize(g, g.start, grad=g.grad)
    print(f"{g.formula}: {run.success}, {run.status}: {run.message}")

# %%
# Sums of squares
# ---------------
# Residuals tell more than their sum. Given as :class:`steepest.LeastSquares` they are fitted by Levenberg's and
# Marquardt's method, and the verdict keeps the digits that :math:`J^\top J` would lose.

t = np.linspace(0.0, 4.0, 40)
y = 2.5 * np.exp(-1.3 * t) + 0.5 + random.normal(0.0, 0.05, len(t))
curve = steepest.LeastSquares(lambda b: b[0] * np.exp(-b[1] * t) + b[2] - y)
fit = steepest.minimize(curve, [1.0, 0.1, 0.0])
print(f"{fit.method}: {fit.x.round(4)} in {fit.nit} rounds; {fit.message}")

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(t, y, ".", color="0.5")
axes.plot(t, fit.x[0] * np.exp(-fit.x[1] * t) + fit.x[2])

# %%
# A wrong gradient is named before the first step.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    steepest.minimize(f, f.start, grad=lambda x: f.grad(x) * [1.0, 1.1], max_iter=5)
print(caught[0].message)

plt.show()
