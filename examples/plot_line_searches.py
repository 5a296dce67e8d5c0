"""
How far along a direction: line searches
========================================

Once a direction is chosen, the objective along it is a function of one number, :math:`f(t) = P(w + t d)`. For a linear
model the scores move along a line too, so after one product with the data every trial of :math:`t` costs only
:math:`O(n)`. Three ways to choose the step:

- *exact*: the minimiser along the ray, :math:`f'(t) = 0`;
- *Armijo*: halve the step until :math:`f(t) \\le f(0) + c_1 t f'(0)`;
- *strong Wolfe*: decrease as for Armijo, and a slope that has become flat, :math:`|f'(t)| \\le c_2 |f'(0)|`.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.data.source import as_source
from steepest.problems.linear import LinearProblem
from steepest.solvers.catalogue import make
from steepest.solvers.searches import StrongWolfe
from steepest.solvers.searches_ray import Armijo, Exact

X, labels = load_breast_cancer(return_X_y=True)
X, y = scale(X), 2.0 * labels - 1.0
weights = np.full(len(y), 1.0 / len(y))
logistic, penalty = steepest.get_loss("logistic"), steepest.penalties.L2(1e-3)
problem = LinearProblem(as_source(X), y, weights, logistic, penalty, fit_intercept=True)

# %%
# One ray
# -------
# The first step of gradient descent. Each search begins its trials at :math:`t = 8`, which is too far, and says where
# it ends. The condition of strong Wolfe is strict here, :math:`c_2 = 0.01`.

start = problem.evaluate(problem.start())
d = -start.gradient
ray = problem.along(start, d)
f0, s0 = ray.value_slope(0.0)
searches = {"exact": Exact(), "Armijo": Armijo(), "strong Wolfe": StrongWolfe(c2=0.01)}

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
t = np.linspace(0.0, 12.0, 300)
axes.plot(t, [ray.value_slope(each)[0] for each in t], color="black", label="$f(t)$")
axes.plot(t, f0 + 1e-4 * t * s0, ":", color="0.5", label="$f(0) + c_1 t f'(0)$, $c_1 = 10^{-4}$")
print(f"{'search':<13} {'step':>8} {'f(t) - f(0)':>12} {'at most':>10} {'|f(t) slope|':>13} {'of |f(0) slope|':>16}")
for (name, search), marker in zip(searches.items(), "osD", strict=True):
    taken = search(problem, start, d, s0, 8.0)
    f, s = ray.value_slope(taken.t)
    axes.plot(taken.t, f, marker, markersize=9, label=name)
    print(f"{name:<13} {taken.t:8.4f} {f - f0:12.6f} {1e-4 * taken.t * s0:10.6f} {abs(s):13.2e} {abs(s / s0):16.2e}")
axes.set(xlabel="step $t$", ylabel="objective", ylim=(0.15, 0.75))
axes.legend(frameon=False)

# %%
# A whole run
# -----------
# Gradient descent with each of them. The condition of each search is tested at every round from the evaluations alone,
# by code that knows nothing of the search.

ROUNDS = 150


def descend(**options):
    solver = make("gradient_descent", problem, **options)
    before, state = problem.passes, solver.start(problem, problem.start())
    rounds, passes = [], []
    for _ in range(ROUNDS):
        rounds.append(solver.advance(state))
        passes.append(problem.passes - before)
    return rounds, np.array(passes)


best = steepest.LinearClassifier("logistic", alpha=1e-3, tol=1e-10).fit(X, labels).certificate_
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
for name, options in {
    "step 1/L": {"line_search": "1/L"},
    "exact": {"line_search": "exact"},
    "Armijo": {"line_search": "armijo"},
    "strong Wolfe": {"line_search": "wolfe"},
}.items():
    rounds, passes = descend(**options)
    held, flat = [], []
    for old, new in zip(rounds, rounds[1:], strict=False):
        step, gradient = new.step, old.at.gradient
        decrease = new.at.value <= old.at.value - 1e-4 * step * (gradient @ gradient) + 1e-12
        held.append(decrease)
        flat.append(abs(new.at.gradient @ gradient) / (gradient @ gradient))
    axes.semilogy(passes, [r.at.value - best.dual for r in rounds], label=name)
    print(f"{name:<13} decrease condition held in {sum(held)} of {len(held)} rounds, ", end="")
    print(f"slope left at most {max(flat):.2g} of the first, {passes[-1]:.0f} passes")
axes.set(xlabel="passes over the data", ylabel="$P(w) - $ proven lower bound")
axes.legend(frameon=False)

# %%
# Armijo's condition asks for nothing but a decrease, so the slope that is left may be large. Strong Wolfe bounds it
# by :math:`c_2`, which gradient descent sets to 0.1. After an exact search it is zero: the new gradient is orthogonal
# to the old one, and the path zigzags. That is the fault of the direction, not of the search; other directions, with
# the same searches, are the subject of the page on Newton's method and its relatives.
#
# In an estimator each search is an option of the solver.

for name in ("1/L", "exact", "armijo", "wolfe"):
    model = steepest.LinearClassifier(
        "logistic", alpha=1e-3, tol=1e-3, solver="gradient_descent", solver_options={"line_search": name}
    ).fit(X, labels)
    print(f"{name:<7} {model.n_iter_[0]:5d} rounds, {model.certificate_.status}: {model.certificate_.reason}")
