"""
Generalised linear models: a link and the loss that matches it
==============================================================

A generalised linear model predicts :math:`\\hat y = g(w^\\top x + b)`. For each link :math:`g` there is one loss, the
negative log-likelihood of the matching distribution, whose slope in the score is simply :math:`\\hat y - y`. One line
of code changes the model, the rest is the same path.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

import steepest

# %%
# Four models on one input: a number, a share, a count, a class.

rng = np.random.default_rng(0)
n = 300
x = np.sort(rng.uniform(-2.0, 2.0, n))
X, score = x[:, None], 0.5 + 1.2 * x
targets = {
    "squared": score + 0.5 * rng.standard_normal(n),
    "bernoulli": rng.binomial(20, 1.0 / (1.0 + np.exp(-score))) / 20.0,
    "poisson": rng.poisson(np.exp(score)).astype(float),
    "softmax": np.digitize(score + rng.logistic(size=n) * 0.5, [-0.8, 1.2]),
}

models = {}
print(f"{'loss':<10} {'link':<9} {'slope - (prediction - y)':>25} {'gap proven':>11} {'passes':>7}  solver")
for name, y in targets.items():
    loss = steepest.get_loss(name)
    kind = steepest.LinearClassifier if name == "softmax" else steepest.LinearRegressor
    model = models[name] = kind(loss, alpha=1e-3, tol=1e-8).fit(X, y)
    if name == "softmax":
        scores, off = model.decision_function(X), 0.0
        for row, target, prediction in zip(scores, y, model.predict_proba(X), strict=True):
            slopes = np.empty(3)
            loss.value_slope(row, target, slopes)
            off = max(off, np.abs(slopes - (prediction - np.eye(3)[target])).max())
    else:
        scores = X @ model.coef_ + model.intercept_
        slopes = [loss.slope(z, t) for z, t in zip(scores, y, strict=True)]
        off = np.abs(slopes - (model.predict(X) - y)).max()
    certificate, record = model.certificate_, model.fit_record_
    print(f"{name:<10} {loss.link:<9} {off:25.1e} {certificate.relative:11.0e} {record.passes:7.1f}  ", end="")
    print(record.solver["name"])

figure, panels = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
labels = {"squared": "identity", "bernoulli": "logistic", "poisson": "log", "softmax": "softmax"}
for axes, (name, y) in zip(panels.flat, targets.items(), strict=True):
    if name == "softmax":
        for j, curve in enumerate(models[name].predict_proba(X).T):
            axes.plot(x, curve, color=f"C{j}", label=f"class {j}")
            axes.plot(x[y == j], np.full(np.sum(y == j), -0.06 - 0.04 * j), "|", color=f"C{j}", markersize=6)
        axes.legend(frameon=False, loc="center right")
    else:
        axes.plot(x, y, "o", color="0.6", markersize=3)
        axes.plot(x, models[name].predict(X), linewidth=2)
    axes.set(title=f"link: {labels[name]}, loss: {name}", xlabel="x")

# %%
# The intercepts make the mean prediction equal to the mean target in each of them: that is what a slope of
# :math:`\hat y - y` means at the minimum.

for name in ("squared", "bernoulli", "poisson"):
    print(f"{name:<10} mean prediction {models[name].predict(X).mean():.6f}, mean target {targets[name].mean():.6f}")

# %%
# Against scikit-learn
# --------------------
# Three of them have a class of their own there.

theirs = {
    "squared": Ridge(alpha=1e-3 * n).fit(X, targets["squared"]),
    "poisson": PoissonRegressor(alpha=1e-3, tol=1e-10).fit(X, targets["poisson"]),
    "softmax": LogisticRegression(C=1.0 / (1e-3 * n), tol=1e-10).fit(X, targets["softmax"]),
}
for name, model in theirs.items():
    print(f"{name:<10} largest difference of the weights {np.abs(models[name].coef_ - model.coef_).max():.1e}")
