"""
Least squares, with the noise and its consequences
==================================================

Least squares has a closed form, which is safe where columns are dependent, and it is what maximum likelihood asks for
where the noise is Gaussian. That view gives an estimate of the noise, and a standard deviation to each prediction.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import t as student

import steepest

# %%
# More features than rows
# -----------------------
# Infinitely many weights fit the data exactly. The one of least norm is returned, :math:`X^+ y` with the
# pseudo-inverse, as for columns that repeat each other; and the fit is certified: an objective of zero cannot be
# beaten.

rng = np.random.default_rng(0)
wide, target = rng.standard_normal((20, 50)), rng.standard_normal(20)
repeated = np.repeat(rng.standard_normal((100, 3)), 2, axis=1)
for name, X, y in (("20 rows, 50 features", wide, target), ("each column twice", repeated, rng.standard_normal(100))):
    model = steepest.LinearRegression(fit_intercept=False).fit(X, y)
    least = np.linalg.pinv(X) @ y
    print(f"{name:<21} rank {model.rank_:2d}, |w| = {np.linalg.norm(model.coef_):.6f}, ", end="")
    print(f"pseudo-inverse {np.linalg.norm(least):.6f}, difference {np.abs(model.coef_ - least).max():.0e}, ", end="")
    print(f"{model.certificate_.status}")

# %%
# On fixed hidden features
# ------------------------
# The model is linear in its weights, not in its inputs. Eight random units :math:`h = \tanh(x u + v)`, fixed, make it
# a curve; only the last layer is fitted, in closed form. The band is two standard deviations of a new observation: as
# wide as the noise where there are data, wider where there are few. It presumes that the features can express the
# truth; in the gap, these eight nearly fail to.

x = np.sort(np.concatenate([rng.uniform(0.0, 3.5, 60), rng.uniform(5.5, 8.0, 60)]))
y = np.sin(x) + 0.2 * rng.standard_normal(len(x))
u, v = rng.normal(size=8), rng.uniform(-6.0, 6.0, size=8)


def hidden(x):
    return np.tanh(x[:, None] * u + v)


model = steepest.LinearRegression().fit(hidden(x), y)
grid = np.linspace(-0.25, 8.25, 400)
mean, deviation = model.predict(hidden(grid), return_std=True)
print(f"noise: sigma estimated {model.sigma_:.4f}, used to make the data 0.2")

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
axes.plot(x, y, "o", color="0.5", markersize=3)
axes.plot(grid, np.sin(grid), "k:", label="truth")
axes.plot(grid, mean, label="mean")
axes.fill_between(grid, mean - 2 * deviation, mean + 2 * deviation, alpha=0.25, label="two standard deviations")
axes.set(xlabel="x", ylabel="y", ylim=(-2.5, 2.5))
axes.legend(frameon=False, loc="upper right")

# %%
# Is the band right?
# ------------------
# With five features and 40 rows, over 500 sets of data: how often does a new observation fall within one and within two
# predicted standard deviations? The model is true here, so the standardised errors follow Student's distribution with
# 40 - 5 - 1 degrees of freedom.

truth, errors, variances = rng.standard_normal(5), [], []
for _ in range(500):
    X, new = rng.standard_normal((40, 5)), rng.standard_normal((10, 5))
    model = steepest.LinearRegression(on_unconverged="raise").fit(X, X @ truth + 0.5 * rng.standard_normal(40))
    mean, deviation = model.predict(new, return_std=True)
    errors.append(np.abs(new @ truth + 0.5 * rng.standard_normal(10) - mean) / deviation)
    variances.append(model.sigma_**2)
errors = np.concatenate(errors)
print(f"mean of sigma^2: {np.mean(variances):.4f} (used: {0.5**2})")
for width in (1, 2):
    expected = 1.0 - 2.0 * student.sf(width, 40 - 5 - 1)
    print(f"within {width}: {np.mean(errors < width):.3f} (expected {expected:.3f})")

# %%
# Any solver
# ----------
# The closed form is one of several roads. All of them lead to the same objective, and each certificate says how close.

X = rng.standard_normal((500, 20)) * np.geomspace(1.0, 10.0, 20)
y = X @ rng.standard_normal(20) + rng.standard_normal(500)
reference = steepest.LinearRegression(solver="closed_form").fit(X, y)
for solver in ("closed_form", "newton-cholesky", "newton-cg", "bfgs", "lbfgs", "gradient_descent"):
    model = steepest.LinearRegression(solver=solver, max_iter=100_000, tol=1e-8).fit(X, y)
    worst = np.abs(model.coef_ - reference.coef_).max()
    print(f"{solver:<17} {model.fit_record_.passes:8.1f} passes, gap {model.certificate_.relative:.0e}, ", end="")
    print(f"largest difference of the coefficients {worst:.0e}, sigma {model.sigma_:.6f}")
