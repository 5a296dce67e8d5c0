"""
Penalties: the path from nothing to everything
==============================================

A penalty on the weights trades fit for simplicity. The squared one (l2) shrinks all of them; absolute values (l1) set
some to exactly zero; the elastic net mixes both. The intercept is never penalised.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet as TheirElasticNet
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression
from sklearn.preprocessing import scale

import steepest

data = load_diabetes()
X, y = scale(data.data), data.target
alphas = np.geomspace(0.05, 50.0, 40)[::-1]
kinds = {"l1": "lasso", "elasticnet": "elastic net, l1_ratio = 0.5", "l2": "ridge"}

paths = {}
for kind in kinds:
    model = steepest.LinearRegressor("squared", penalty=kind, l1_ratio=0.5, warm_start=True, tol=1e-6)
    fits = [model.set_params(alpha=alpha).fit(X, y) and (model.coef_, model.intercept_) for alpha in alphas]
    paths[kind] = np.array([coef for coef, _ in fits])
    intercepts = np.array([intercept for _, intercept in fits])
    print(f"{kinds[kind]:<28} non-zero along the path: {np.count_nonzero(paths[kind], axis=1)[::6]}, ", end="")
    print(f"intercept {intercepts.min():.2f} to {intercepts.max():.2f} (mean of y: {y.mean():.2f})")

figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True, layout="constrained")
for axes, kind in zip(panels, kinds, strict=True):
    lines = axes.semilogx(alphas, paths[kind])
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.invert_xaxis()
    axes.set(title=kinds[kind], xlabel=r"strength $\alpha$")
panels[0].set_ylabel("weight")
panels[2].legend(lines, data.feature_names, frameon=False, ncols=2, fontsize=8, loc="upper left")

# %%
# From left to right the penalty weakens. With l1 the features enter one after the other; with l2 all are there from the
# start. The columns have mean zero, so the intercept is the mean of the target throughout: it is not pulled to zero.
#
# Against scikit-learn
# --------------------
# The same objective, so the same coefficients, to the accuracy that the certificates prove.

for ratio in (1.0, 0.5):
    ours = steepest.ElasticNet(alpha=1.0, l1_ratio=ratio, tol=1e-10).fit(X, y)
    theirs = TheirElasticNet(alpha=1.0, l1_ratio=ratio, tol=1e-12, max_iter=100_000).fit(X, y)
    difference = np.abs(ours.coef_ - theirs.coef_).max()
    print(f"l1_ratio {ratio}: gap proven {ours.dual_gap_:.1e}, largest difference {difference:.1e}, ", end="")
    print(f"zeros at {np.flatnonzero(ours.coef_ == 0)} and {np.flatnonzero(theirs.coef_ == 0)}")

classes = (y > np.median(y)).astype(int)
for l1_ratio in (0.0, 0.5, 1.0):
    ours = steepest.LogisticRegression(C=0.1, l1_ratio=l1_ratio, tol=1e-10).fit(X, classes)
    theirs = TheirLogisticRegression(C=0.1, l1_ratio=l1_ratio, solver="saga", tol=1e-10, max_iter=100_000)
    theirs.fit(X, classes)
    print(f"logistic, l1_ratio {l1_ratio}: largest difference {np.abs(ours.coef_ - theirs.coef_).max():.1e}")
