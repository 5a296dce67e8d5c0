"""
Whitening inside a solver
=========================

Gradient methods crawl where the objective is much more curved in one direction than in another. Correlated columns make
it so. Decorrelating the data by hand (whitening) changes the problem: the penalty then acts on other weights. As a
*preconditioner*, a metric for steps inside the solver, it changes only the path. The minimum stays.

For each metric :math:`M`, steps are measured by :math:`|d|_M^2 = d^\\top M d`. :math:`M = X^\\top P X + \\lambda I`,
with weights :math:`P` from the curvature of the loss, is the Hessian, and steps in it are those for whitened data.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import steepest
from steepest.data.source import as_source
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.auto import choose
from steepest.solvers.catalogue import make

rng = np.random.default_rng(0)
n, d = 20_000, 60
mixing = rng.standard_normal((d, d)) @ np.diag(np.geomspace(1.0, 0.01, d))
X = rng.standard_normal((n, d)) @ mixing.T
score = X @ rng.standard_normal(d)
y = np.where(score + 0.5 * score.std() * rng.logistic(size=n) > 0.0, 1.0, -1.0)
penalty = steepest.penalties.L2(1e-4)


def problem():
    loss = steepest.get_loss("logistic")
    return LinearProblem(as_source(X), y, np.full(n, 1.0 / n), loss, penalty, fit_intercept=True)


def run(solver, function, least_gap=1e-6, most=2000):
    """Rounds of a solver until |gradient|^2 / (2 lambda), a bound of the gap, is small: (bounds, passes, seconds)."""
    began, state, bounds, passes, at = time.perf_counter(), solver.start(function, function.start()), [], [], None
    for _ in range(most):
        done = solver.advance(state)
        at = done.at
        bounds.append(at.gradient @ at.gradient / (2.0 * penalty.l2) / at.value)
        passes.append(function.passes)
        if bounds[-1] < least_gap or done.exhausted:
            break
    return np.array(bounds), np.array(passes), time.perf_counter() - began, at


function = problem()
spectrum = np.linalg.eigvalsh(function.hessian(function.evaluate(function.start())))
print(f"Hessian at the start: eigenvalues {spectrum[0]:.1e} to {spectrum[-1]:.1e}, ", end="")
print(f"ratio {spectrum[-1] / spectrum[0]:.0f}")

# %%
# Passes and seconds
# ------------------
# The metric of the automatic choice is a Hessian from some of the rows, renewed when that pays. What it costs is
# counted.

makers = {
    "gradient descent": lambda f: make("gradient_descent", f),
    "L-BFGS": lambda f: make("lbfgs", f),
    "L-BFGS, column variances": lambda f: make("lbfgs", f, metric="diagonal"),
    "L-BFGS, Hessian": lambda f: choose(f, "lbfgs").solver,
}
run(makers["L-BFGS, Hessian"](function), function)  # compiles, so that the clock below measures the solver alone
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
values = {}
print(f"{'':<26} {'rounds':>6} {'passes':>7} {'seconds':>8}  bound reached")
for name, maker in makers.items():
    function = problem()
    bounds, passes, seconds, at = run(maker(function), function, most=400)
    values[name] = at.value
    axes.loglog(passes, bounds, label=name)
    print(f"{name:<26} {len(bounds):6d} {passes[-1]:7.1f} {seconds:8.3f}  {bounds[-1]:.1e}")
axes.set(xlabel="passes over the data", ylabel="bound of the relative gap")
axes.legend(frameon=False)

# %%
# The same minimum, with and without a metric:

for name in list(values)[1:]:
    print(f"{name:<26} objective {values[name]:.10f}")

# %%
# Several classes
# ---------------
# For the softmax, the first metric is one whitening matrix for all classes, from Böhning's bound of its Hessian; soon
# each class gets a Hessian of its own.

images, digits = load_digits(return_X_y=True)
images = np.ascontiguousarray(images / 16.0)


def softmax_problem():
    p = np.full(len(digits), 1.0 / len(digits))
    return MulticlassProblem(as_source(images), digits, p, steepest.get_loss("softmax"), penalty, True, 10)


print(f"{'':<26} {'rounds':>6} {'passes':>7}  objective")
for name in ("L-BFGS", "L-BFGS, Hessian"):
    function = softmax_problem()
    bounds, passes, _, at = run(makers[name](function), function)
    print(f"{name:<26} {len(bounds):6d} {passes[-1]:7.1f}  {at.value:.10f}")
