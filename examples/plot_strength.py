"""
C or alpha: one family, two spellings
=====================================

Some libraries minimise :math:`C \\sum_i \\ell_i + R(w)`, others :math:`\\frac1S \\sum_i \\ell_i + \\alpha R(w)` or
:math:`\\sum_i \\ell_i + a R(w)`, where :math:`S` is the number of rows, or the sum of their weights. Divide by a
constant and they are the same:

.. math:: \\alpha = \\frac{1}{C S} = \\frac{a}{S}.

Every estimator prints what it minimised, with its numbers: ``objective_``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.penalties import C_from_alpha, alpha_from_C, alpha_from_sum

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
n = len(y)

C = 0.5
alpha = alpha_from_C(C, n)
by_C = steepest.LogisticRegression(C=C, tol=1e-10).fit(X, y)
by_alpha = steepest.LinearClassifier("logistic", alpha=alpha, tol=1e-10).fit(X, y)
print(by_C.objective_)
print(by_alpha.objective_)
print(f"C = {C} is alpha = {alpha:.9f}, and back: C = {C_from_alpha(alpha, n):.6f}")
print(f"minima: {by_C.certificate_.primal:.12f} and {by_alpha.certificate_.primal:.12f}")
print(f"largest difference of the coefficients: {np.abs(by_C.coef_ - by_alpha.coef_).max():.1e}")

# %%
# Ridge regression is written as a sum: :math:`\sum_i (y_i - z_i)^2 + a |w|^2`, which is twice
# :math:`\sum_i \frac12 (y_i - z_i)^2 + \frac a2 |w|^2`.

a = 3.0
by_sum = steepest.Ridge(alpha=a, tol=1e-10).fit(X, y)
by_mean = steepest.LinearRegressor("squared", alpha=alpha_from_sum(a, n), tol=1e-10).fit(X, y)
print(f"largest difference of the coefficients: {np.abs(by_sum.coef_ - by_mean.coef_).max():.1e}")

# %%
# What happens when the number of rows changes
# --------------------------------------------
# The two spellings differ in what stays fixed. With :math:`\alpha` the balance between the mean loss and the penalty
# does not depend on :math:`n`. With :math:`C` more rows mean a weaker penalty. The rows of this set, repeated once to
# 32 times, carry no new information; still the solution for fixed :math:`C` moves.

repeats = [1, 2, 4, 8, 16, 32]
sizes = {"C": [], "alpha": []}
for k in repeats:
    weights = np.full(n, float(k))  # a weight of k counts as k rows
    for name, model in (
        ("C", steepest.LogisticRegression(C=0.01)),
        ("alpha", steepest.LinearClassifier("logistic", alpha=alpha_from_C(0.01, n))),
    ):
        sizes[name].append(np.linalg.norm(model.fit(X, y, sample_weight=weights).coef_))

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.semilogx(repeats, sizes["C"], "o-", base=2, label="C fixed")
axes.semilogx(repeats, sizes["alpha"], "s-", base=2, label=r"$\alpha$ fixed")
axes.set(xlabel="times that every row is repeated", ylabel="$|w|_2$")
axes.set_xticks(repeats, [str(k) for k in repeats])
axes.legend(frameon=False)
