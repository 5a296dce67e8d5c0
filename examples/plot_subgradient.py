"""
Subgradient descent: kinks, steps, and the best point seen
==========================================================

At a kink a convex function has no gradient, but many *subgradients*: slopes of lines that touch the function there and
stay below it. Subgradient descent steps against any of them, :math:`w \\leftarrow w - t_k g_k`. Such a step need not
lead down, however short it is, and near the minimum the slopes do not fade. So two things are different from gradient
descent: the steps must shrink by themselves, and the best point seen is kept, not the last.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import steepest
from steepest.solvers import schedules

BLUE, RED, GREEN, ORANGE, PINK, GREY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "0.45"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})

# %%
# A method for smooth functions gets stuck
# ----------------------------------------
# The function is a sum of two hinges and a parabola; its minimum, 1/4, lies where both hinges have their kinks. BFGS
# walks into a kink, sees no step that leads down, and says that it is not at a minimum, and what to try.

f = steepest.functions.get("hinges")
print(f.formula)
stuck = steepest.minimize(f, f.start, grad=f.grad, method="bfgs")
print(f"bfgs: above the minimum by {stuck.fun - f.least:.1e} after {stuck.nit} rounds; success: {stuck.success}")
print(f"    {stuck.notes[-1]}")

runs = {}
for step in ("constant", "1/sqrt(k)", "1/k"):
    runs[step] = steepest.minimize(
        f, f.start, grad=f.grad, method="subgradient", options={"step": step, "reach": 1.5}, max_iter=60
    )
    last = runs[step].history["objective"][-1]
    print(f"{step:<10} best {runs[step].fun - f.least:.1e} above the minimum, the last {last - f.least:.1e}")

figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharex=True, sharey=True, layout="constrained")
for axes, (step, run) in zip(panels, runs.items(), strict=True):
    steepest.TrajectoryDisplay.from_function(
        f, {step: run}, ax=axes, span=(-1.2, 2.2, -1.2, 1.8), colorbar=False, linewidth=1
    )
    axes.get_legend().remove()
    axes.set(title=f"{step} steps", xlabel="x", ylabel="y" if step == "constant" else "")

# %%
# With constant steps the point jumps over the kinks for ever. With shrinking steps the jumps die away.
#
# Which steps?
# ------------
# With :math:`|g_k| \le G` and a start at a distance :math:`R` from the minimum, the best of the points seen satisfies
#
# .. math:: \min_j P(w_j) - P^\star \le \frac{R^2 + G^2 \sum t_j^2}{2 \sum t_j} .
#
# It goes to zero whenever the steps sum to infinity and shrink to zero. The conditions of Robbins and Monro ask for
# more, because they are made for noise: :math:`\sum t = \infty` and :math:`\sum t^2 < \infty`. Every schedule states
# which of them it meets.

several = {
    "1": schedules.Constant(1.0),
    "1/k": schedules.Inverse(1.0),
    "1/(k+1)": schedules.InverseNext(1.0),
    "1/sqrt(k)": schedules.InverseRoot(1.0),
    "1/k^(3/4)": schedules.InverseScaling(1.0, power=0.75),
    "halved, every 100": schedules.StepDecay(1.0, every=100, factor=0.5),
    "reduced on plateau": schedules.ReduceOnPlateau(1.0),
}
words = {True: "yes", False: "no", None: "depends on the run"}
print(f"{'steps':<20}{'sum = inf':<20}{'squares < inf':<20}{'Robbins-Monro':<20}{'sums of 10^6 steps':>18}")
for name, schedule in several.items():
    sums, squares = schedule.robbins_monro
    rates = schedule.rates(0, 10**6)
    states = "".join(f"{words[state]:<20}" for state in (sums, squares, schedule.robbins_monro.holds))
    print(f"{name:<20}{states}{rates.sum():>9.4g}{(rates**2).sum():>9.4g}")

# %%
# Now a larger function: the mean of 200 absolute errors, 20 parameters, a minimum of zero at a distance of 5. Nobody
# tells the method that distance. Its first step goes one unit far, as it does by default; only the constant steps are
# given.

rng = np.random.default_rng(0)
A = rng.standard_normal((200, 20))
truth = rng.standard_normal(20)
truth *= 5.0 / np.linalg.norm(truth)
b = A @ truth


def errors(x):
    return float(np.abs(A @ x - b).mean())


def slope(x):
    return A.T @ np.sign(A @ x - b) / len(b)


names = {
    "constant 0.1": {"step": "constant", "eta0": 0.1},
    "constant 0.01": {"step": "constant", "eta0": 0.01},
    "1/sqrt(k)": {"step": "1/sqrt(k)"},
    "1/k": {"step": "1/k"},
    "1/(k+1)": {"step": "1/(k+1)"},
    "Polyak": {"step": "polyak"},
}
best = {}
print(f"{'steps':<15}{'best of 100':>12}{'of 3000':>10}{'the last':>10}   {'at most, of the bound':<23}Robbins-Monro")
for name, options in names.items():
    run = steepest.minimize(
        errors, np.zeros(20), grad=slope, method="subgradient", options=options, max_iter=3000, tol=0.0
    )
    values, t = run.history["objective"], run.history["step"][1:]
    largest = run.history["gradient_norm"].max()
    best[name] = np.minimum.accumulate(values)
    bound = (25.0 + largest**2 * np.cumsum(t**2)) / (2.0 * np.cumsum(t))
    share = (best[name][:-1] / bound).max()
    said = next(note for note in run.notes if note.startswith("steps"))
    states = said.partition("which ")[2] or said
    after = best[name][min(100, len(values) - 1)]
    print(f"{name:<15}{after:>12.1e}{run.fun:>10.1e}{values[-1]:>10.1e}   {share:<23.2f}{states}")

figure, axes = plt.subplots(figsize=(8.5, 5), layout="constrained")
colours = (RED, PINK, BLUE, GREEN, ORANGE, "black")
shifts = {"1/sqrt(k)": 7, "constant 0.01": -6, "1/(k+1)": 6, "1/k": -5}
for (name, values), colour in zip(best.items(), colours, strict=True):
    values = values[values > 1e-6]
    axes.loglog(np.arange(1, len(values) + 1), values, color=colour, linewidth=2)
    place = {"xytext": (6, shifts.get(name, 0)), "textcoords": "offset points", "va": "center"}
    axes.annotate(name, (len(values), values[-1]), color=colour, **place)
axes.set(xlabel="steps", ylabel="best value seen", ylim=(1e-6, 10), xlim=(1, 9000))

# %%
# Constant steps end in a ball whose size goes with the step: ten times shorter is about ten times slower and ten times
# better. Steps :math:`1/k` are slow at first, for their sum grows like a logarithm, and it must come to 5 and more
# before the minimum is within reach; then the length of the step is about all that is left, and they overtake
# :math:`1/\sqrt{k}`, which fails the second condition and converges all the same. From the same first step
# :math:`1/(k+1)` fades half as fast, and arrives sooner. *Polyak's* steps, :math:`(P(w_k) - P^\star) / |g_k|^2`, need
# no schedule: the value itself says how far it is. The minimum is not known here, so it is estimated on the way.
#
# A support vector machine
# ------------------------
# The hinge has a kink, and subgradients are enough to train with it. With a squared penalty the slopes, mixed along
# the way, also give a lower bound on the optimum, so the certificate can say how good the model is. The
# optimum is known here from another solver.

X, labels = load_breast_cancer(return_X_y=True)
X = scale(X)


def fit(solver, max_iter=1000, tol=1e-4, **options):
    return steepest.LinearClassifier(
        "hinge",
        alpha=0.01,
        solver=solver,
        solver_options=options,
        max_iter=max_iter,
        tol=tol,
        on_unconverged="ignore",
    ).fit(X, labels)


least = fit("auto", max_iter=None, tol=1e-8).certificate_.primal
figure, axes = plt.subplots(figsize=(8.5, 4.5), layout="constrained")
print(f"{'steps':<11}{'truly above':>12}{'proven':>9}   {'best is the one returned':<26}{'accuracy':>8}")
for step, colour in (("1/k", GREEN), ("pegasos", ORANGE), ("1/sqrt(k)", BLUE), ("constant", RED), ("polyak", "black")):
    model = fit("subgradient", step=step)
    values = model.history_["objective"]
    certificate = model.certificate_
    above = certificate.primal / least - 1.0
    same = certificate.primal <= values.min() * (1.0 + 1e-12)
    print(f"{step:<11}{above:>12.1e}{certificate.relative:>9.1e}   {same!s:<26}{model.score(X, labels):>8.3f}")
    k = np.arange(1, len(values) + 1)
    axes.loglog(k, values / least - 1.0, color=colour, alpha=0.25, linewidth=0.7)
    axes.loglog(k, np.minimum.accumulate(values) / least - 1.0, color=colour, linewidth=2)
    shift = {"1/sqrt(k)": 7, "pegasos": -7}.get(step, 0)
    place = {"xytext": (6, shift), "textcoords": "offset points", "va": "center"}
    axes.annotate(step, (len(values), above), color=colour, **place)
axes.set(xlabel="steps, a pass over the rows each", ylabel="above the optimum, relative", xlim=(1, 2500))

# %%
# Steps after Pegasos, :math:`1/(\alpha k)`, begin with a rate of 100 and take hundreds of steps to catch up; they are
# meant for long runs. The faint lines are the values themselves, the strong ones the best so far: a constant step
# goes on jumping, and what it has kept is several times better. What is proven lags behind what is true. A solver made
# for the hinge is faster by far, and proves more; subgradients are what works where nothing else is known.

quick = fit("auto", max_iter=None)
print(f"{quick.fit_record_.solver['name']}, {quick.fit_record_.passes:.0f} passes: {quick.certificate_.reason}")

plt.show()
