"""
Rates of convergence, measured
==============================

How fast does the error :math:`e_k = P(w_k) - P^\\star` fall? Theory knows a few speeds. Like :math:`k^{-p}`, which is
called *sublinear*: a straight line of slope :math:`-p` where both axes are logarithmic. Like :math:`\\rho^k`, called
*linear*: straight where only the error's axis is. And *quadratic*, where the number of correct digits doubles in each
step. This page runs the methods and measures the slopes.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest

BLUE, RED, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})


def slope(k, errors, low, high):
    """The exponent p of ``errors ~ k^p`` for k from low to high, by least squares."""
    used = (k >= low) & (k <= high)
    return np.polyfit(np.log(k[used]), np.log(errors[used]), 1)[0]


def reference(axes, k, first, power, text, xytext=(6, 4), ha="left"):
    """A dashed line of a given slope, beside the data."""
    axes.loglog(k, first * (k / k[0]) ** power, "--", color=GREY, linewidth=1)
    middle = k[np.searchsorted(k, np.sqrt(k[0] * k[-1]))]
    place = {"xytext": xytext, "textcoords": "offset points", "ha": ha}
    axes.annotate(text, (middle, first * (middle / k[0]) ** power), color=GREY, **place)


# %%
# Gradient descent: 1/k, or linear
# --------------------------------
# A quadratic with 500 eigenvalues spread evenly between 0 and :math:`L = 1`, and steps of :math:`1/L`. Along an
# eigenvector with eigenvalue :math:`\lambda` the error is multiplied by :math:`(1 - \lambda/L)^2` in each step, so
# flat directions hardly move. As there is always one that is flatter still, their sum falls as :math:`1/k`. Then all
# eigenvalues below :math:`\mu` are raised to :math:`\mu`, and these set the pace, :math:`(1 - \mu/L)^{2k}`.

size, mu = 500, 0.05


def quadratic(eigenvalues):
    centre = 1.0 / np.sqrt(len(eigenvalues) * eigenvalues)  # every direction holds an equal share of the error
    return (
        lambda x: 0.5 * float(eigenvalues @ (x - centre) ** 2),
        lambda x: eigenvalues * (x - centre),
        float(centre @ centre),
    )


errors = {}
for name, low in (("flat", 0.0), ("strongly convex", mu)):
    eigenvalues = (np.arange(size) + 0.5) / size
    f, gradient, squared_distance = quadratic(np.maximum(eigenvalues, low))
    run = steepest.minimize(
        f, np.zeros(size), grad=gradient, method="sgd", options={"learning_rate": 1.0}, tol=0.0, max_iter=250
    )
    errors[name] = run.history["objective"]
    if name == "flat":
        promised = squared_distance / (2.0 * np.arange(1, len(errors[name])))
k = np.arange(len(errors["flat"]))
print(f"flat:            slope {slope(k, errors['flat'], 10, 100):.3f} on logarithmic axes (theory: -1)")
print(
    f"                 error at most {(errors['flat'][1:] / promised).max():.2f} of the promised L |x0 - x*|^2 / (2 k)"
)
pace = np.exp(np.polyfit(k[100:], np.log(errors["strongly convex"][100:]), 1)[0])
print(f"strongly convex: times {pace:.4f} a step (theory: (1 - mu/L)^2 = {(1.0 - mu) ** 2:.4f})")

figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), sharey=True, layout="constrained")
for name, colour in (("flat", BLUE), ("strongly convex", RED)):
    left.loglog(k[1:], errors[name][1:], color=colour, linewidth=2)
    right.semilogy(k, errors[name], color=colour, linewidth=2)
reference(left, k[5:200], 0.1, -1.0, "slope $-1$")
left.text(1.1, 4e-3, "flat: straight here", color=BLUE)
left.text(22, 4e-7, "strongly convex", color=RED, ha="right")
right.text(120, 4e-3, "flat", color=BLUE)
right.text(120, 2e-7, "strongly convex:\nstraight here", color=RED)
left.set(xlabel="steps, logarithmic", ylabel="error", title="both axes logarithmic", ylim=(1e-12, 1.0))
right.set(xlabel="steps", title="only the error logarithmic")

# %%
# Slower: subgradients, single samples
# ------------------------------------
# At a kink the slope does not fade as the minimum comes near, so the steps themselves must shrink. With steps
# :math:`1/\sqrt{k}` the best point seen is :math:`O(1/\sqrt{k})` from the minimum. Here the function is
# :math:`\max_i |a_i^\top x|`, the absolute value seen from 100 directions.
#
# Steps from one sample have noise, and they must shrink for that reason. With :math:`\eta_0/(k+1)` and an objective
# that is strongly convex, the error falls as :math:`1/k` on average, provided that :math:`\eta_0` is large enough:
# :math:`1/\mu` is. Too small a first step is paid for ever after.

rng = np.random.default_rng(0)
directions = rng.standard_normal((100, 20))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)


def largest(x):
    return np.abs(directions @ x).max()


def a_slope(x):
    products = directions @ x
    i = np.abs(products).argmax()
    return np.sign(products[i]) * directions[i]


kinked = steepest.minimize(
    largest,
    np.full(20, 20.0**-0.5),
    grad=a_slope,
    method="subgradient",
    options={"step": "1/sqrt(k)"},
    max_iter=2500,
)
best = np.minimum.accumulate(kinked.history["objective"])

X, labels = load_breast_cancer(return_X_y=True)
X, alpha = scale(X), 0.1  # the penalty makes the objective strongly convex: mu >= 0.1


def fit(solver, max_iter=10_000, tol=1e-14, **options):
    return steepest.LinearClassifier(
        "logistic",
        alpha=alpha,
        solver=solver,
        solver_options=options,
        max_iter=max_iter,
        tol=tol,
        on_unconverged="ignore",
    ).fit(X, labels)


newton = fit("newton-cholesky")
least = newton.certificate_.primal


def stochastic(eta0):
    """The error over epochs, averaged over ten seeds."""
    runs = [
        fit(
            "sgd",
            max_iter=128,
            tol=0.0,
            learning_rate="1/(k+1)",
            eta0=eta0,
            order="replacement",
            average=False,
            seed=seed,
        ).history_
        for seed in range(10)
    ]
    return runs[0]["iteration"] * len(X), np.mean([run["objective"] for run in runs], axis=0) - least


steps, enough = stochastic(1.0 / alpha)
_, too_small = stochastic(0.1 / alpha)
k = np.arange(len(best))
print(f"subgradient, 1/sqrt(k):        slope {slope(k, best, 30, 2500):.2f} (theory: -0.5)")
print(f"samples, eta0 = 1/mu:          slope {slope(steps, enough, 1e3, 1e5):.2f} (theory: -1)")
print(f"samples, a tenth of that eta0: slope {slope(steps, too_small, 1e3, 1e5):.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
left.loglog(k[1:], kinked.history["objective"][1:], color=BLUE, alpha=0.3, linewidth=0.7)
left.loglog(k[1:], best[1:], color=BLUE, linewidth=2)
reference(left, k[10:2500], 0.4, -0.5, r"slope $-1/2$")
left.text(3, 0.06, "best seen", color=BLUE)
left.set(xlabel="steps", ylabel="error", title="subgradients, steps $1/\\sqrt{k}$")
right.loglog(steps[1:], too_small[1:], ".-", color=RED, linewidth=1.5)
right.loglog(steps[1:], enough[1:], ".-", color=BLUE, linewidth=1.5)
reference(right, np.geomspace(1e3, 6e4, 50), 4e-3, -1.0, "slope $-1$", ha="right", xytext=(-6, -12))
right.text(6e3, 4e-2, r"$\eta_0 = 0.1/\mu$", color=RED)
right.text(1.2e4, 1.5e-3, r"$\eta_0 = 1/\mu$", color=BLUE)
right.set(xlabel="steps, of one sample each", title=r"single samples, steps $\eta_0/(k+1)$, mean of 10 runs")

# %%
# Faster: variance reduction, curvature
# -------------------------------------
# SVRG also steps with one sample at a time, but corrects each step by a full gradient that it takes now and then. The
# noise dies by itself, the steps need not shrink, and the rate is linear again. Newton's method uses the curvature:
# close to the minimum each round doubles the digits.

svrg = fit("svrg")
passes, reduced = svrg.history_["passes"], svrg.history_["objective"] - least
seen = reduced > 1e-13
pace = np.exp(np.polyfit(passes[seen], np.log(reduced[seen]), 1)[0])
print(f"svrg: times {pace:.3f} a pass over the rows")
decrease = newton.history_["gradient_norm"] / newton.history_["gradient_norm"][0]
digits = np.abs(np.log10(np.maximum(decrease, 1e-16)))
print("newton: digits", "  ".join(f"{number:.1f}" for number in digits))

figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
left.semilogy(passes[seen], reduced[seen], ".-", color=BLUE, linewidth=2)
epochs = steps / len(X)
shown = epochs <= 50
left.semilogy(epochs[shown], enough[shown], ".-", color=RED, linewidth=1.5)
left.text(25, 1e-9, "SVRG", color=BLUE)
left.text(30, 2e-3, "plain samples", color=RED)
left.set(xlabel="passes over the rows", ylabel="error", title="single samples, with and without correction")
right.bar(np.arange(len(digits)), digits, color=GREEN, width=0.6)
for number, height in enumerate(digits):
    right.text(number, height + 0.15, f"{height:.1f}", ha="center", color=GREEN)
right.set(xlabel="rounds of Newton's method", title="correct digits of a zero gradient", yticks=[], xlim=(-0.5, None))
right.spines["left"].set_visible(False)

# %%
# What a digit costs
# ------------------
# When is the error below a tenth, a hundredth, ... of that at the start? A sublinear method pays many times more for
# each further digit, a linear one about the same again, Newton's method next to nothing.

rows = {
    "gradient descent, flat (steps)": (np.arange(len(errors["flat"])), errors["flat"]),
    "gradient descent, strongly convex (steps)": (np.arange(len(errors["flat"])), errors["strongly convex"]),
    "samples, 1/(k+1) (passes)": (epochs, enough),
    "svrg (passes)": (passes, reduced),
    "newton (rounds)": (newton.history_["iteration"], newton.history_["objective"] - least),
}
print(f"{'error below':<43}" + "".join(f"{10.0**-power:>8.0e}" for power in (1, 2, 3, 5, 7)))
for name, (when, error) in rows.items():
    reached = [when[error <= 10.0**-power * error[0]] for power in (1, 2, 3, 5, 7)]
    print(f"{name:<43}" + "".join(f"{found[0]:8.0f}" if len(found) else f"{'-':>8}" for found in reached))

# %%
# And no convergence at all
# -------------------------
# Beyond a step of :math:`2/L` the factor :math:`|1 - tL|` of the steepest direction is above one, and gradient
# descent diverges on a quadratic: geometrically, at a rate that is known beforehand. Here are ten eigenvalues from
# :math:`\mu` to :math:`L`. A run that grows too far is ended, and its status says so.

eigenvalues = np.linspace(mu, 1.0, 10)
f, gradient, _ = quadratic(eigenvalues)
figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
print(f"{'step':<8}{'times, a step':>14}{'largest (1 - t lambda)^2':>26}   status")
for step, colour in ((1.0, GREEN), (1.9, BLUE), (2.0, GREY), (2.05, "#e69f00"), (2.2, RED)):
    run = steepest.minimize(
        f, np.zeros(10), grad=gradient, method="sgd", options={"learning_rate": step}, tol=0.0, max_iter=150
    )
    error = run.history["objective"]
    last = np.arange(len(error) // 2, len(error))
    times = np.exp(np.polyfit(last, np.log(error[last]), 1)[0])
    print(f"{f'{step:g}/L':<8}{times:>14.4f}{((1.0 - step * eigenvalues) ** 2).max():>26.4f}   {run.status}")
    axes.semilogy(error, color=colour, linewidth=2)
    axes.annotate(
        f"{step:g}/L", (len(error) - 1, error[-1]), xytext=(5, 0), textcoords="offset points", color=colour, va="center"
    )
axes.set(xlabel="steps", ylabel="error", title="gradient descent on a quadratic, by the length of its step")

plt.show()
