"""
What a wrong number costs
=========================

For a number to be predicted, a loss of the residual :math:`z - y` decides which number is best: the squared loss asks
for the mean, the absolute loss for the median, the quantile loss for a quantile. Losses that grow more slowly than the
square are moved less by outliers.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import PoissonRegressor, QuantileRegressor
from sklearn.svm import LinearSVR

import steepest
from steepest.losses import Absolute, EpsilonInsensitive, Huber, Poisson, Quantile, Squared, SquaredEpsilonInsensitive

residuals = np.linspace(-3.0, 3.0, 601)
shown = (Squared(), Absolute(), Quantile(0.8), Huber(1.0), EpsilonInsensitive(0.5), SquaredEpsilonInsensitive(0.5))

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for loss in shown:
    left.plot(residuals, [loss.value(r, 0.0) for r in residuals], label=repr(loss))
    right.plot(residuals, [loss.slope(r, 0.0) for r in residuals])
left.set(title="loss", xlabel="residual $z - y$", ylim=(-0.1, 3.0))
right.set(title="slope: how hard a point pulls", xlabel="residual $z - y$", ylim=(-2.5, 2.5))
left.legend(frameon=False)

# %%
# Outliers
# --------
# A line with a few wild points: the squared loss follows them, the absolute and the Huber loss hardly. The lines of the
# two quantile losses leave a quarter and three quarters of the points below them.

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0.0, 10.0, 80))
y = 1.0 + 0.5 * x + 0.4 * rng.standard_normal(80)
y[-8:] += rng.uniform(6.0, 12.0, 8)

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
axes.plot(x, y, "o", color="0.6", markersize=4)
axes.plot(x, 1.0 + 0.5 * x, "k:", label="truth")
for loss in (Squared(), Absolute(), Huber(0.5), Quantile(0.25), Quantile(0.75)):
    model = steepest.LinearRegressor(loss, alpha=1e-6, tol=1e-3).fit(x[:, None], y)
    axes.plot(x, model.predict(x[:, None]), label=repr(loss))
    print(f"{loss!r:<20} slope {model.coef_[0]:6.3f}   {model.certificate_.reason}")
axes.set(xlabel="x", ylabel="y")
axes.legend(frameon=False, loc="upper left")

# %%
# The squared loss: closed form and iterations
# --------------------------------------------
# One loss, two roads. Least squares with an l2 penalty has a closed form; L-BFGS reaches the same coefficients. (The
# sums of squares with 1/2, with 1/(2n) and without differ by a factor, which the strength of the penalty absorbs.)

X, y = load_diabetes(return_X_y=True)
direct = steepest.Ridge(alpha=0.1, solver="closed_form").fit(X, y)
iterated = steepest.Ridge(alpha=0.1, solver="lbfgs", tol=1e-12).fit(X, y)
print(f"closed form: objective {direct.certificate_.primal:.10f}, proven to {direct.certificate_.relative:.1e}")
print(f"L-BFGS:      objective {iterated.certificate_.primal:.10f}, proven to {iterated.certificate_.relative:.1e}")
print(f"largest difference of the coefficients, of {np.abs(direct.coef_).max():.0f}: ", end="")
print(f"{np.abs(direct.coef_ - iterated.coef_).max():.1e}")

# %%
# Against scikit-learn
# --------------------
# The same objectives in another library, whose solvers are its own. Each row evaluates both results with one function.

y = (y - y.mean()) / y.std()
counts = np.floor(np.exp(y))


def mean_loss(loss, model, target, alpha, penalty):
    z = X @ model.coef_ + model.intercept_
    values = [loss.value(score, t) for score, t in zip(z, target, strict=True)]
    return np.mean(values) + alpha * penalty(model.coef_)


def l1(w):
    return np.abs(w).sum()


def l2(w):
    return w @ w / 2.0


C = 1.0
strength = steepest.penalties.alpha_from_C(C, len(y))
pairs = [
    (Quantile(0.7), "l1", 0.001, l1, y, QuantileRegressor(quantile=0.7, alpha=0.001)),
    (Poisson(), "l2", 0.01, l2, counts, PoissonRegressor(alpha=0.01, tol=1e-10, max_iter=10_000)),
    # LIBLINEAR penalises the intercept: none here
    (
        EpsilonInsensitive(0.2),
        "l2",
        strength,
        l2,
        y,
        LinearSVR(epsilon=0.2, C=C, fit_intercept=False, max_iter=100_000),
    ),
]
print(f"{'loss':<32} {'steepest':>14} {'scikit-learn':>14}   proven")
for loss, penalty, alpha, term, target, theirs in pairs:
    ours = steepest.LinearRegressor(
        loss, penalty=penalty, alpha=alpha, tol=1e-6, fit_intercept=getattr(theirs, "fit_intercept", True)
    ).fit(X, target)
    theirs.fit(X, target)
    values = [mean_loss(loss, model, target, alpha, term) for model in (ours, theirs)]
    print(f"{loss!r:<32} {values[0]:14.9f} {values[1]:14.9f}   {ours.certificate_.relative:.1e}")
