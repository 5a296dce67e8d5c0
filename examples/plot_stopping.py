"""
When a fit stops, and what it then says
=======================================

A fit ends because a bound is proven, because a limit is reached, because it is interrupted, or because nothing moves
any more. These are different things, and the certificate keeps them apart: ``status`` says how the run ended,
``value`` and ``relative`` what is proven about the result, whichever way it ended.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.record.observers import observe

raw, y = load_breast_cancer(return_X_y=True)
X = scale(raw)


def show(name, model):
    certificate = model.certificate_
    print(f"{name:<26} {certificate.status!s:<13} passed={certificate.passed!s:<6} {certificate.reason}")


def classifier(alpha=1e-3, **options):
    return steepest.LinearClassifier("logistic", alpha=alpha, on_unconverged="ignore", **options)


# %%
# The ways to end
# ---------------


def enough(row, w):
    """An observer: sees each round, may ask for a stop."""
    return row["iteration"] >= 4


show("tol=1e-4, the default", classifier().fit(X, y))
show("max_iter=6", classifier(max_iter=6).fit(X, y))
began = time.perf_counter()
show("max_time=0.2, bad columns", classifier(max_time=0.2, solver="gradient_descent", max_iter=None).fit(raw, y))
print(f"    took {time.perf_counter() - began:.2f} s in all")
with observe(enough):
    show("an observer", classifier().fit(X, y))
show("tol=0", classifier(tol=0.0).fit(X, y))
show("separable, no penalty", classifier(penalty=None).fit(X, y))

# %%
# A limit that is hit is no reason to know nothing: after six rounds the result is proven to some accuracy. And
# ``tol=0`` can never be proven, so the run goes on until rounding stops it; what was reached is in the certificate.
#
# A small decrease proves nothing
# -------------------------------
# Many programs stop when the objective changes little from round to round. Gradient descent with a step of 1/L on
# columns of very different scales shows why that is no proof: it creeps. The relative change falls below one in ten
# thousand while the objective is still some per cent above its minimum. The proven gap, from the best lower bound so
# far, knows.

uneven = X * np.geomspace(1.0, 0.005, X.shape[1])
settings = {"alpha": 1e-4, "fit_intercept": False}
slow = classifier(solver="gradient_descent", solver_options={"line_search": "1/L"}, max_iter=5000, **settings)
slow = slow.fit(uneven, y)
objective = slow.history_["objective"]
lower = np.maximum.accumulate(objective - slow.history_["gap"])
proven = np.where(lower > 0.0, objective - lower, np.nan) / lower
least = classifier(tol=1e-10, **settings).fit(uneven, y).certificate_.primal
change = -np.diff(objective) / objective[1:]
early = int(np.flatnonzero(change < 1e-4)[0])
print(f"round {early}: relative change {change[early]:.1e}, truly above the minimum by ", end="")
print(f"{100 * (objective[early] / least - 1):.1f} %, proven to be within {100 * proven[early]:.1f} %")

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
axes.loglog(change, color="0.6", label="change from round to round", linewidth=0.8)
axes.loglog(objective / least - 1.0, color="black", label="true distance from the minimum")
axes.loglog(proven, color="tab:blue", label="proven gap")
axes.axvline(early, color="tab:gray", linestyle=":")
axes.set(xlabel="round", ylabel="relative to the optimum", ylim=(1e-7, 1e2))
axes.legend(frameon=False, loc="lower left")

# %%
# Returned are the best parameters seen, not the last; the intercept, a single number, is then set to its best.
# Observers receive a read-only view of the parameters and cannot change the run: the coefficients are the same bits
# with and without.

seen = []
with observe(lambda row, w: seen.append(row["objective"])):
    watched = classifier(max_iter=20, solver="gradient_descent").fit(X, y)
alone = classifier(max_iter=20, solver="gradient_descent").fit(X, y)
print(f"smallest objective seen {min(seen):.12f}, returned {watched.certificate_.primal:.12f}")
print(f"the same bits with and without an observer: {np.array_equal(watched.coef_, alone.coef_)}")

# %%
# Validation rows
# ---------------
# ``fit(X, y, X_val=..., y_val=...)`` measures every round on rows that the objective does not contain. That alone
# changes no bit of the result. With ``patience`` the fit stops when these rows got no better for that many rounds, and
# returns the round that was best on them. This is another answer than the minimiser, and the certificate says so: the
# status is ``stopped_early``, and ``value`` bounds how far from the optimum it is. ``monitor`` may be a scorer in place
# of the loss, and ``validation_fraction`` holds rows out by itself.

rng = np.random.default_rng(0)
train, held = np.split(rng.permutation(len(y)), [100])
wide = np.hstack([X, rng.normal(size=(len(y), 60))])  # 60 columns of noise: the minimiser learns them


def weak(**options):
    return steepest.LinearClassifier("logistic", alpha=1e-6, solver="gradient_descent", max_iter=300, **options)


rows = {"X_val": wide[held], "y_val": y[held]}
through = weak(on_unconverged="ignore").fit(wide[train], y[train], **rows)
stopped = weak(patience=20).fit(wide[train], y[train], **rows)
show("to the end", through)
show("patience=20", stopped)
for name, model in (("to the end", through), ("patience=20", stopped)):
    print(f"{name:<12} accuracy on the validation rows {model.score(wide[held], y[held]):.3f}")

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.semilogx(1 + np.arange(len(through.history_)), through.history_["objective"], color="0.6", label="objective")
axes.semilogx(1 + np.arange(len(through.history_)), through.history_["validation_loss"], label="validation loss")
best = stopped.fit_record_.data["validation"]["best_round"]
axes.axvline(1 + best, color="tab:gray", linestyle=":", label="the round that patience=20 returns")
axes.set(xlabel="round, from 1", ylabel="mean loss")
axes.legend(frameon=False)

# %%
# Stochastic steps
# ----------------
# A stochastic method ends in the same ways, counted in epochs. It looks at the objective in epochs 1, 2, 3, 4, 6, 8,
# 11, 16 and so on, for a look costs as much as an epoch; in between it only steps.


def stochastic(alpha=1e-2, **options):
    return steepest.SGDClassifier("log_loss", alpha=alpha, random_state=0, on_unconverged="ignore", **options)


show("tol=1e-3, the default", stochastic().fit(X, y))
show("max_iter=3", stochastic(max_iter=3).fit(X, y))
show("max_time=0.05", stochastic(alpha=1e-5, tol=1e-9, max_time=0.05, max_iter=10**9).fit(X, y))
show("tol=None, 20 epochs", stochastic(tol=None, max_iter=20).fit(X, y))
show("a rate that is too large", stochastic(learning_rate="constant", eta0=1e6, max_iter=20).fit(X, y))

# %%
# With a constant rate the steps never come to rest: the objective stays at some height, where it changes little on the
# whole. That is stagnation, and no proof. The gradient does not vanish and the proven gap stays where it is, and both
# say so. A rate that falls gets through.

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for name, options, color in (
    ("constant rate 0.05", {"learning_rate": "constant", "eta0": 0.05}, "tab:orange"),
    ("rate found and lowered", {"learning_rate": "auto"}, "tab:blue"),
):
    model = stochastic(tol=1e-5, max_iter=200, **options).fit(X, y)
    history = model.history_
    axes.loglog(history["passes"], history["gap"] / history["objective"], ".-", color=color)
    last = history["gap"][-1] / history["objective"][-1]
    axes.text(history["passes"][-1] * 1.08, last, name, color=color, va="center")
    show(name, model)
    print(f"    gradient norm, last: {history['gradient_norm'][-1]:.1e}")
axes.set(xlabel="passes over the rows", ylabel="proven gap / objective", title="stagnation is not proof")
axes.set_xlim(right=3000)
axes.spines[["top", "right"]].set_visible(False)

# %%
# ``early_stopping`` holds rows out, as in scikit-learn, and ends after ``n_iter_no_change`` epochs without improvement
# on them; rows that are given to ``fit`` do the same with ``patience``. The parameters that were best on those rows are
# returned, not the last ones.

options = {"alpha": 1e-6, "learning_rate": "constant", "eta0": 0.01, "max_iter": 300}
through = stochastic(**options).fit(wide[train], y[train], **rows)
stopped = stochastic(patience=10, **options).fit(wide[train], y[train], **rows)
losses = stopped.history_["validation_loss"]
show("patience=10", stopped)
print(f"validation loss: least {np.nanmin(losses):.4f}, last {losses[-1]:.4f}, to the end ", end="")
print(f"{through.history_['validation_loss'][-1]:.4f}")
z = stopped.decision_function(wide[held])
print(f"of the parameters that are returned: {np.mean(np.logaddexp(0.0, -(2 * y[held] - 1) * z)):.4f}")

# %%
# Not certified: warn, raise, or ignore
# -------------------------------------

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    classifier(max_iter=6).set_params(on_unconverged="warn").fit(X, y)
print(caught[0].message)

try:
    classifier(max_iter=6).set_params(on_unconverged="raise").fit(X, y)
except steepest.exceptions.NotConvergedError as error:
    print(f"raised; the certificate is in the error: relative gap {error.certificate.relative:.2g}")
