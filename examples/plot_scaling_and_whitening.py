"""
Scaling and whitening the data
==============================

Gradient descent takes as many steps as the objective is ill-conditioned, and most of that comes from the columns:
from their units (one in dollars, one in millions) and from their correlations. `steepest.Scaler` removes the units,

.. math:: z_j = (x_j - \\mu_j) / \\sigma_j,

and `steepest.Whitener` the correlations too. With the covariance
:math:`\\Phi \\Lambda \\Phi^\\top` of the training rows,

.. math:: z = T (x - \\mu), \\qquad T = \\Lambda^{-1/2} \\Phi^\\top,

has the identity as its covariance. Both are fitted on the training rows and applied to the test rows.

This page counts the steps of gradient descent to a relative suboptimality of 1e-6. With the environment variable
``STEEPEST_DATA`` set it takes California housing, a9a and MNIST, otherwise the small sets of scikit-learn.
"""

import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import steepest
from steepest.readers import read_dataset, read_table

warnings.simplefilter("ignore")  # fits that the limit of steps ends are part of the picture


def load():
    """(name, X, y, estimator, alpha) of three problems, from small to large."""
    folder = os.environ.get("STEEPEST_DATA")
    if not folder:
        for name, kind in (("diabetes", steepest.LinearRegressor), ("breast_cancer", steepest.LinearClassifier)):
            data = read_dataset(name)
            yield name, data.X, data.y, kind
        data = read_dataset("digits")
        yield "digits", data.X, data.y, steepest.LinearClassifier
        return
    table = read_table(Path(folder) / "housing.csv.gz", target="median_house_value")
    encoder = steepest.TableEncoder(numbers="keep", sparse=False)
    yield "housing", encoder.fit_transform(table), table.y() / 1e5, steepest.LinearRegressor
    a9a = read_dataset(Path(folder) / "a9a.xz")
    yield "a9a", a9a.X.toarray(), a9a.y, steepest.LinearClassifier
    mnist = read_dataset(Path(folder) / "mnist")
    rows = np.arange(0, len(mnist.y), 20)  # every twentieth image: thousands of steps on all would take minutes
    yield "MNIST, 3,000 images", np.asarray(mnist.X[rows], dtype=np.float64), mnist.y[rows], steepest.LinearClassifier


problems = list(load())

# %%
# The covariance becomes the identity
# -----------------------------------

name, X, y, _ = problems[0]
for transformer in (steepest.Scaler(), steepest.Whitener("pca"), steepest.Whitener("cholesky")):
    Z = transformer.fit_transform(X)
    C = np.cov(Z.T)
    print(
        f"{transformer!s:<28} columns {Z.shape[1]:3d}   largest |covariance - I| {np.abs(C - np.eye(len(C))).max():.1e}"
    )

# %%
# Columns that are combinations of others have no variance of their own: whitening drops such directions.
#
# The three forms of whitening differ by a rotation: "pca" has the directions of variance as its columns, "zca" turns
# them back, so that each column still stands for its own, and "cholesky" makes each column a combination of itself
# and those after it.

figure, axes = plt.subplots(1, 4, figsize=(11, 3.0), layout="constrained")
pair = np.random.default_rng(0).standard_normal((400, 2)) @ np.array([[2.0, 1.2], [0.0, 0.5]])
for axis, (title, Z) in zip(
    axes,
    [("data", pair)] + [(m, steepest.Whitener(m).fit_transform(pair)) for m in ("pca", "zca", "cholesky")],
    strict=True,
):
    axis.scatter(*Z.T, s=5, c=pair[:, 0], cmap="viridis")
    axis.set(title=title, aspect="equal", xticks=[], yticks=[])

# %%
# Steps of gradient descent to 1e-6
# ---------------------------------
# The step is 1/L, the penalty a little l2. Whitened columns are fitted with the same strength, which is another
# objective: its minimum is another point, and each fit is measured against the certified minimum of its own.

STEPS = 2000
ALPHA = 1e-2


def steps_to(X, y, kind, gap=1e-6):
    """Steps of gradient descent, and the relative suboptimality after each."""
    loss = {} if kind is steepest.LinearRegressor else {"loss": "softmax"}
    settings = {"alpha": ALPHA, "on_unconverged": "ignore", **loss}
    best = kind(tol=1e-9, **settings).fit(X, y).certificate_.primal
    model = kind(
        solver="gradient_descent", solver_options={"line_search": "1/L"}, max_iter=STEPS, tol=gap / 10, **settings
    ).fit(X, y)
    above = model.history_["objective"] / best - 1.0
    reached = np.flatnonzero(above <= gap)
    return (int(reached[0]) if len(reached) else None), above


figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharey=True)
print(f"{'':<22} {'as it is':>12} {'scaled':>12} {'whitened':>12}")
for axis, (name, X, y, kind) in zip(axes, problems, strict=True):
    found = []
    for label, Z in (
        ("as it is", X),
        ("scaled", steepest.Scaler().fit_transform(X)),
        ("whitened", steepest.Whitener().fit_transform(X)),
    ):
        steps, above = steps_to(Z, y, kind)
        found.append(f"{steps:,}" if steps is not None else f"> {STEPS:,}")
        axis.loglog(np.arange(1, len(above) + 1), np.maximum(above, 1e-9), label=label)
    print(f"{name:<22} {found[0]:>12} {found[1]:>12} {found[2]:>12}")
    axis.axhline(1e-6, color="0.5", linestyle=":", linewidth=1.0)
    axis.set(title=name, xlabel="steps")
axes[0].set_ylabel("relative suboptimality")
axes[0].legend(frameon=False)

# %%
# Top directions only
# -------------------
# ``n_components`` keeps the directions of largest variance, and ``ridge`` holds the small ones down: on images the last
# hundreds are noise that whitening would blow up.

name, X, y, _ = problems[-1]
k = min(144, X.shape[1] // 2)
whitener = steepest.Whitener(n_components=k).fit(X)
Z = whitener.transform(X)
share = whitener.explained_variance_ratio_.sum()
print(f"{name}: {k} of {X.shape[1]} directions hold {100 * share:.1f} % of the variance; ", end="")
print(f"|covariance - I| {np.abs(np.cov(Z.T) - np.eye(k)).max():.1e}")

# %%
# Inside a solver
# ---------------
# The solvers of this package precondition by themselves, without changing the objective: see
# :ref:`sphx_glr_gallery_generated_plot_whitening.py`. Whiten the data where the whitened coefficients are what should
# be penalised, or for methods that do not precondition.
