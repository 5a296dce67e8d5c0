"""
Newton's method and its relatives
=================================

Newton's method steps to the minimum of the quadratic that fits the objective best where it stands, :math:`w
\\leftarrow w - t H^{-1} \\nabla P(w)`. Its relatives save on :math:`H`: Newton-CG solves the system by conjugate
gradients, without forming the matrix; BFGS builds an inverse from the changes of the gradient; L-BFGS remembers only
the last few of those changes.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.data.source import as_source
from steepest.problems.linear import LinearProblem
from steepest.solvers.catalogue import make
from steepest.solvers.roots import newton_root

X, labels = load_breast_cancer(return_X_y=True)
X, y = scale(X), 2.0 * labels - 1.0
weights = np.full(len(y), 1.0 / len(y))
penalty = steepest.penalties.L2(1e-3)


def problem_with(loss, target):
    return LinearProblem(as_source(X), target, weights, steepest.get_loss(loss), penalty, fit_intercept=True)


def rounds_of(name, problem, most=400, **options):
    """Values, gradient norms and passes of a solver's rounds, until it cannot move."""
    solver = make(name, problem, **options)
    before, state, out = problem.passes, solver.start(problem, problem.start()), []
    for _ in range(most):
        done = solver.advance(state)
        out.append((done.at.value, np.linalg.norm(done.at.gradient), problem.passes - before))
        if done.exhausted or out[-1][1] < 1e-11:
            break
    return np.array(out).T


# %%
# Convergence
# -----------
# Logistic regression on 30 features. Left over the rounds, right over passes: a round of Newton's method is dearer.

problem = problem_with("logistic", y)
names = ("gradient_descent", "lbfgs", "bfgs", "newton-cg", "newton-cholesky")
runs = {name: rounds_of(name, problem) for name in names}
least = min(values.min() for values, _, _ in runs.values())

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
for name, (values, norms, passes) in runs.items():
    left.semilogy(norms, label=name)
    right.semilogy(passes, norms)
    reached = np.flatnonzero(norms < 1e-6)
    when = f"gradient norm 1e-6 after {reached[0]} rounds, {passes[reached[0]]:.1f} passes" if len(reached) else "-"
    print(f"{name:<17} objective above the least {values[-1] - least:.1e}; {when}")
left.set(xlabel="rounds", ylabel="gradient norm", xlim=(0, 150), ylim=(1e-12, 10))
right.set(xlabel="passes over the data", xlim=(0, 200))
left.legend(frameon=False)

# %%
# Quadratic convergence: near the minimum the number of correct digits doubles in each step, so
# :math:`|\nabla P|_{k+1} / |\nabla P|_k^2` settles while the norm itself collapses.

values, norms, _ = runs["newton-cholesky"]
print("round   gradient norm   norm / (norm before)^2")
for k in range(1, len(norms)):
    print(f"{k:5d} {norms[k]:15.3e} {norms[k] / norms[k - 1] ** 2:24.3f}")

# %%
# On a quadratic, one step is enough
# ----------------------------------
# For the squared loss the quadratic that Newton's method fits *is* the objective. BFGS needs as many steps as there are
# parameters, provided that it minimises along each direction exactly.

quadratic = problem_with("squared", y)
for name, options in (("newton-cholesky", {}), ("bfgs", {"line_search": "exact"})):
    values, norms, _ = rounds_of(name, quadratic, **options)
    print(f"{name:<17} {quadratic.size} parameters, gradient norm {norms[0]:.2f} at the start, ", end="")
    print(f"{norms[1]:.1e} after one step, below 1e-10 after {np.flatnonzero(norms < 1e-10)[0]}")

# %%
# In one dimension: the root of a function
# ----------------------------------------
# The same idea finds a zero, :math:`x \leftarrow x - f(x) / f'(x)`. Inside a bracket it cannot run away: a step that
# leaves it is replaced by bisection. Digits double here too.

seen = []


def cube(x):
    seen.append(x)
    return x**3 - 2.0, 3.0 * x**2


root = newton_root(cube, 1.0)
print(f"root {root:.16f}, 2^(1/3) = {2.0 ** (1.0 / 3.0):.16f}")
print("errors:", [f"{abs(x - 2.0 ** (1.0 / 3.0)):.1e}" for x in seen])


def arctan(x):
    return np.arctan(x - 1.0), 1.0 / (1.0 + (x - 1.0) ** 2)


print(f"arctan(x - 1) from x = 9, where plain Newton diverges: {newton_root(arctan, 9.0, low=-20.0, high=20.0):.12f}")

# %%
# In an estimator each of them is a name
# --------------------------------------

print(f"{'solver':<17} {'rounds':>6} {'passes':>7} {'gap proven':>11}")
for name in names:
    model = steepest.LinearClassifier("logistic", alpha=1e-3, solver=name, tol=1e-6).fit(X, labels)
    print(f"{name:<17} {model.n_iter_[0]:6d} {model.fit_record_.passes:7.1f} {model.certificate_.relative:11.1e}")
