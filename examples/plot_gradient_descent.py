"""
Gradient descent and its step
=============================

Gradient descent takes a step against the gradient, :math:`w \\leftarrow w - t \\nabla P(w)`. How long may the step
be? If the gradient changes at most :math:`L` times as fast as the parameters, a step of :math:`1/L` lowers the
objective every time. On a quadratic a step beyond :math:`2/L` raises it every time.

To watch the steps one by one, this page drives a solver by hand. A *problem* joins data, loss and penalty; a *solver*
turns it into a sequence of rounds.
"""

import matplotlib.pyplot as plt
import numpy as np

import steepest
from steepest.data.source import as_source
from steepest.problems.linear import LinearProblem
from steepest.solvers.catalogue import make

rng = np.random.default_rng(0)
x = rng.uniform(0.0, 3.0, 60)
y = 1.0 + 0.8 * x + 0.3 * rng.standard_normal(60)
weights = np.full(60, 1.0 / 60.0)
problem = LinearProblem(
    as_source(x[:, None]), y, weights, steepest.get_loss("squared"), steepest.penalties.NoPenalty(), fit_intercept=True
)


def descend(rounds, **options):
    """The rounds of gradient descent from zero: their evaluations, and the notes."""
    solver = make("gradient_descent", problem, **options)
    state = solver.start(problem, problem.start())
    done = [solver.advance(state) for _ in range(rounds + 1)]
    return [r.at for r in done], [r.step for r in done], [r.note for r in done if r.note]


# %%
# The Lipschitz constant
# ----------------------
# For the squared loss :math:`L` is the largest eigenvalue of the mean of :math:`[x, 1] [x, 1]^\top`. It is estimated
# from a few products with the data, and what the estimate may be off is added.

points, steps, notes = descend(60, line_search="1/L")
rows = np.column_stack([x, np.ones(60)])
eigenvalues = np.linalg.eigvalsh(rows.T @ rows / 60.0)
print(notes[0])
print(f"eigenvalues of the Hessian: {eigenvalues[0]:.6f} and {eigenvalues[1]:.6f}")
L = eigenvalues[1]

# %%
# Parameters and predictions over the rounds, for a step of :math:`1/L`.

path = np.array([at.w for at in points])
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.3), layout="constrained")
slope, level = np.meshgrid(np.linspace(-0.2, 1.6, 100), np.linspace(-0.2, 1.8, 100))
values = ((slope[..., None] * x + level[..., None] - y) ** 2).mean(axis=-1) / 2.0
left.contour(
    slope, level, values, levels=np.geomspace(values.min() * 1.02, values.max(), 14), cmap="Greys_r", alpha=0.7
)
left.plot(path[:, 0], path[:, 1], ".-", label="gradient descent, step 1/L")
left.set(xlabel="weight", ylabel="intercept", title="parameters")
left.legend(frameon=False, loc="upper right")
right.plot(x, y, "o", color="0.7", markersize=4)
ends = np.array([0.0, 3.0])
for k, shade in ((0, 0.25), (1, 0.4), (3, 0.55), (10, 0.75), (60, 1.0)):
    right.plot(ends, path[k, 0] * ends + path[k, 1], color="tab:blue", alpha=shade, label=f"after {k} steps")
right.set(xlabel="x", ylabel="y", title="predictions")
right.legend(frameon=False)

# %%
# Shorter, longer, too long
# -------------------------

best = np.linalg.lstsq(rows, y, rcond=None)[0]
least = problem.evaluate(best).value
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
print(f"{'step':<8} {'lower every time':<17} {'higher every time':<18} distance of the objective after 60 steps")
for factor in (0.1, 1.0, 1.9, 2.0, 2.05):
    points, _, _ = descend(60, line_search="fixed", step=factor / L)
    objective = np.array([at.value for at in points])
    change = np.diff(objective)
    axes.semilogy(np.maximum(objective - least, 1e-17), label=f"step {factor:g}/L")
    print(f"{f'{factor:g}/L':<8} {np.all(change < 0)!s:<17} {np.all(change > 0)!s:<18} {objective[-1] - least:.3e}")
axes.set(xlabel="steps", ylabel=r"$P(w) - P^\star$")
axes.legend(frameon=False, ncols=2)

# %%
# At :math:`2/L` exactly, the part of the error along the steepest eigenvector neither grows nor shrinks: it changes its
# sign in each step. Beyond, it grows geometrically.
#
# The promise is stronger than "lower": each step of :math:`1/L` gains at least :math:`|\nabla P|^2 / (2L)`.

points, _, _ = descend(60, line_search="1/L")
gains = np.array([a.value - b.value for a, b in zip(points, points[1:], strict=False)])
promised = np.array([at.gradient @ at.gradient / (2.0 * L) for at in points[:-1]])
print(f"smallest ratio of the gain to what is promised: {(gains / promised)[:20].min():.4f}")

# %%
# In an estimator the same solver is chosen by name, its step by an option; there the loop stops it as soon as the bound
# is proven.

model = steepest.LinearRegressor(
    "squared", alpha=1e-3, solver="gradient_descent", solver_options={"line_search": "1/L"}
).fit(x[:, None], y)
print(f"{model.n_iter_} steps; {model.certificate_.status}: {model.certificate_.reason}")
