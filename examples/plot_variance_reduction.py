"""
Variance reduction: SVRG and SAGA
=================================

The gradient of one row is right on average, but it is noisy, and the noise does not fade at the optimum: there the
gradients of the rows cancel, each by itself is not zero. So stochastic gradient descent must shorten its steps, and
slows down. SVRG keeps a point :math:`\\tilde w` of the past with its full gradient, and takes the noise out:

.. math::

   w \\leftarrow w - \\eta \\left( \\nabla f_i(w) - \\nabla f_i(\\tilde w) + \\nabla P(\\tilde w) \\right).

As :math:`w` and :math:`\\tilde w` approach the optimum the first two terms cancel: the steps may stay long, and the
error falls by a constant factor a round. SAGA remembers, in place of one point, the slope that it last saw of each row.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import steepest

# %%
# A linear rate
# -------------
# Digits, even or odd: 1797 images, 64 pixels. The distance to the optimum is counted from a lower bound that Newton's
# method proves. Stochastic gradient descent runs at a constant rate and at the falling one that it finds by itself.

pixels, digits = load_digits(return_X_y=True)
X, y = pixels / 16.0, digits % 2
ALPHA = 1e-2
proven = steepest.LinearClassifier("logistic", alpha=ALPHA, solver="newton-cholesky", tol=1e-13).fit(X, y)
lowest = proven.certificate_.dual


def train(solver, most, **options):
    return steepest.LinearClassifier(
        "logistic",
        alpha=ALPHA,
        solver=solver,
        tol=1e-12,
        max_iter=most,
        solver_options=options,
        on_unconverged="ignore",
    ).fit(X, y)


models = {
    "SGD, constant rate": train("sgd", 80, learning_rate=0.05, average=False),
    "SGD, falling rate": train("sgd", 80),
    "SVRG": train("svrg", 60, inner=1.0),
    "SAGA": train("saga", 60, inner=1.0),
}
colours = {"SGD, constant rate": "#cc79a7", "SGD, falling rate": "#d55e00", "SVRG": "#0072b2", "SAGA": "#009e73"}
figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
for name, model in models.items():
    passes, objective = model.history_["passes"], model.history_["objective"]
    good = np.isfinite(objective) & (objective - lowest > 1e-13)
    passes, above = passes[good], objective[good] - lowest
    axes.semilogy(passes, above, ".-", color=colours[name])
    axes.annotate(
        name, (passes[-1], above[-1]), xytext=(8, 0), textcoords="offset points", color=colours[name], va="center"
    )
    line = f"{name:<19} {above[-1]:.1e} above the bound after {passes[-1]:5.1f} passes"
    if name in ("SVRG", "SAGA"):
        rate = np.polyfit(passes, np.log(above), 1)[0]
        line += f"; the error falls by the factor {np.exp(rate):.2f} a pass"
    print(line)
axes.set(xlabel="passes over the data", ylabel="objective above the proven bound", xlim=(-2, 118))
axes.spines[["top", "right"]].set_visible(False)

# %%
# Straight lines on this paper are linear rates. A round of SVRG or SAGA counts as two passes here: one for the steps,
# and one for the objective and the full gradient, which SVRG needs anyway.
#
# Columns of different scales
# ---------------------------
# A step that suits the longest column is too short for the others. So columns are measured in powers of two near their
# own size, which rounds nothing. Below each pixel is in a unit of its own, from a tenth to a hundred times the first.
# That is another problem, because the penalty sees the units too, and a harder one. Asked is a proof of
# :math:`10^{-6}`. Beside it scikit-learn's SAGA, which steps in the columns as they are.

units = 10.0 ** np.random.default_rng(0).integers(-1, 3, X.shape[1])
n = len(y)
print(f"{'':<23}{'one unit':>19}{'units of 0.1 to 100':>22}")
lines = {"svrg, gap proven": [], "saga, gap proven": [], "scikit-learn, true gap": []}
for columns in (X, X * units):
    for solver in ("svrg", "saga"):
        model = steepest.LinearClassifier("logistic", alpha=ALPHA, solver=solver, tol=1e-6).fit(columns, y)
        passes = model.fit_record_.passes
        lines[f"{solver}, gap proven"].append(f"{model.certificate_.relative:.0e}, {passes:.0f} passes")
    theirs = LogisticRegression(C=1.0 / (n * ALPHA), solver="saga", max_iter=300, tol=1e-9, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(columns, y)
    z = (2.0 * y - 1.0) * theirs.decision_function(columns)
    value = np.logaddexp(0.0, -z).mean() + 0.5 * ALPHA * np.sum(theirs.coef_**2)
    bound = steepest.LinearClassifier("logistic", alpha=ALPHA, tol=1e-10).fit(columns, y).certificate_.dual
    lines["scikit-learn, true gap"].append(f"{value / bound - 1.0:.0e}, {theirs.n_iter_[0]} epochs")
for name, (one, uneven) in lines.items():
    print(f"{name:<23}{one:>19}{uneven:>22}")

# %%
# Rows of different weights
# -------------------------
# A row that weighs a thousand times as much makes steps a thousand times as long, or else all others short. Such rows
# are drawn more often instead, with probabilities :math:`q_i`, and their steps are multiplied by :math:`p_i / q_i`, so
# that the mean of the steps remains the gradient. One image in fifty weighs a thousand times the others here.

heavy = np.ones(n)
heavy[::50] = 1000.0
print(f"{'solver':<8}{'weights':<11}{'gap proven':>11}{'passes':>8}")
for solver in ("svrg", "saga"):
    for name, weights in (("all equal", None), ("uneven", heavy)):
        model = steepest.LinearClassifier("logistic", alpha=ALPHA, solver=solver, tol=1e-6)
        model.fit(X, y, sample_weight=weights)
        print(f"{solver:<8}{name:<11}{model.certificate_.relative:>11.0e}{model.fit_record_.passes:>8.0f}")

plt.show()
