"""
A path of strengths, and the choice among them
==============================================

How strong should a penalty be? :func:`steepest.regularization_path` answers for all strengths at once. Each point
begins where the one before ended, what a fit builds is kept for the whole path, and every point carries its own
certificate.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LassoCV as TheirLassoCV
from sklearn.preprocessing import scale

import steepest

X, y = load_diabetes(return_X_y=True, as_frame=True)
path = steepest.regularization_path(steepest.Lasso(), X, y)
print(path)
print(f"largest proven relative gap {max(c.relative for c in path.certificates):.1e}; {path.solver['why']}")

# %%
# The grid begins at the strength from which on every weight is zero,
# :math:`\max_j |\sum_i p_i x_{ij} (y_i - \bar y)|`, and weakens from left to right. The best strength for new rows is
# chosen by cross-validation: `LassoCV` follows the same path in every fold.

model = steepest.LassoCV().fit(X, y)
display = steepest.RegularizationPathDisplay.from_path(path, chosen=model.alpha_)

# %%
print(f"chosen: alpha = {model.alpha_:.4f}, {np.count_nonzero(model.coef_)} of {X.shape[1]} features")
print(f"{model.certificates_.size} points in 5 folds, certified: {all(c.passed for c in model.certificates_.flat)}")
theirs = TheirLassoCV().fit(X, y)
print(f"scikit-learn chooses alpha = {theirs.alpha_:.4f}")

# %%
# Ridge regression needs no path to be followed: one set of eigenvectors gives all strengths, and the residuals of all
# fits that leave one row out, exactly, without a single fit.

ridge = steepest.RidgeCV(alphas=np.logspace(-4, 1, 50)).fit(X, y)
print(f"alpha = {ridge.alpha_:.3g}, leave-one-out mean squared error {-ridge.best_score_:.1f}")

# %%
# Classes: logistic regression
# ----------------------------
# ``alphas`` are then :math:`1 / C`. Any point of a path is a model that predicts.

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X = X.assign(**dict(zip(X.columns, scale(X.to_numpy()).T, strict=True)))
path = steepest.regularization_path(steepest.LogisticRegression(l1_ratio=1.0), X, y, n_alphas=60)
display = steepest.RegularizationPathDisplay.from_path(path, top=6)

# %%
for index in (0, 15, 30, 59):
    fitted = path.model(index)
    print(f"C = {fitted.C:8.3f}: {path.n_nonzero[index]:2d} features, {fitted.score(X, y):.1%} of the rows right")

chosen = steepest.LogisticRegressionCV(Cs=1.0 / path.alphas[::3], l1_ratios=[1.0], scoring="neg_log_loss").fit(X, y)
print(f"chosen by the log loss in 5 folds: C = {chosen.C_[0]:.3g}, {np.count_nonzero(chosen.coef_)} features")
print(f"passes over the data for 60 points: {path.passes.sum():.0f}")
