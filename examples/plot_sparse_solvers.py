"""
Absolute values: proximal gradient and coordinate descent
=========================================================

An l1 penalty has a kink at zero, where most weights end up, so its gradient is of no use there. Two families cope:

- *proximal gradient* takes a gradient step of the smooth part and then shrinks each weight towards zero by a fixed
  amount; *FISTA* adds momentum;
- *coordinate descent* minimises over one weight at a time, and only over those that matter: a *working set* of columns
  is solved, the duality gap on all of them says whether others must come in, and whether some never can.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Lasso as TheirLasso

import steepest

rng = np.random.default_rng(0)
n, d = 300, 3000
X = rng.standard_normal((n, d))
X[:, 1:] += 0.6 * X[:, :-1]
truth = np.zeros(d)
truth[rng.choice(d, 20, replace=False)] = rng.standard_normal(20)
y = X @ truth + 0.5 * rng.standard_normal(n)
alpha_max = np.abs(X.T @ (y - y.mean())).max() / n  # from here on all weights are zero
alpha = alpha_max / 20

# %%
# How fast the proven gap falls
# -----------------------------
# Each curve is the relative duality gap that is known during the fit, over passes over the data.

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
fits = {}
for solver in ("proximal_gradient", "fista", "coordinate"):
    model = steepest.LinearRegressor(
        "squared", penalty="l1", alpha=alpha, solver=solver, tol=1e-6, max_iter=600, on_unconverged="ignore"
    ).fit(X, y)
    fits[solver] = model
    axes.loglog(model.history_["passes"], model.history_["relative_gap"], label=solver)
    certificate, record = model.certificate_, model.fit_record_
    print(
        f"{solver:<18} {certificate.status}, gap {certificate.relative:.1e} after {record.passes:.0f} passes, ", end=""
    )
    print(f"{np.count_nonzero(model.coef_)} weights of {d} not zero")
axes.set(xlabel="passes over the data", ylabel="relative duality gap", ylim=(1e-7, 30))
axes.legend(frameon=False)

# %%
# Left to itself, the fit chooses, and its record says what and why:

record = steepest.LinearRegressor("squared", penalty="l1", alpha=alpha).fit(X, y).fit_record_
print(f"{record.solver['name']}: {record.solver['why']}")

# %%
# Against scikit-learn
# --------------------

ours = steepest.Lasso(alpha=alpha, tol=1e-9).fit(X, y)
theirs = TheirLasso(alpha=alpha, tol=1e-9, max_iter=100_000).fit(X, y)


def objective(model):
    residual = y - X @ model.coef_ - model.intercept_
    return residual @ residual / (2 * n) + alpha * np.abs(model.coef_).sum()


print(f"steepest:     {objective(ours):.12f}, {np.count_nonzero(ours.coef_)} weights not zero")
print(f"scikit-learn: {objective(theirs):.12f}, {np.count_nonzero(theirs.coef_)} weights not zero")
print(f"proven lower bound: {ours.certificate_.dual:.12f}")
print(f"largest difference of the weights: {np.abs(ours.coef_ - theirs.coef_).max():.1e}")

# %%
# From the strength where everything is zero
# ------------------------------------------
# At :math:`\alpha_{max} = |X^\top (y - \bar y)|_\infty / n` the zero vector is the minimum, and the fit knows it at
# once.

for factor in (1.0, 0.99, 0.5, 0.1):
    model = steepest.Lasso(alpha=factor * alpha_max).fit(X, y)
    print(f"{factor:4.2f} alpha_max: {np.count_nonzero(model.coef_):3d} weights not zero, ", end="")
    print(f"{model.fit_record_.passes:.1f} passes")
