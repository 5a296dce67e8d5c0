"""
Logistic regression, and what it cannot do
==========================================

Logistic regression says how probable a class is, :math:`P(y = 1 \\mid x) = \\sigma(w^\\top x + b)`, with the weights
that make the data most likely. Where a line separates the classes and nothing is penalised, no weights do: each
multiple of them is likelier still. A fit must say so.
"""

import matplotlib.pyplot as plt
import numpy as np

import steepest

rng = np.random.default_rng(0)
n = 150
classes = np.repeat([0, 1], n // 2)
overlapping = rng.standard_normal((n, 2)) + 1.2 * classes[:, None]
apart = rng.standard_normal((n, 2)) * 0.7 + 4.0 * classes[:, None]


def draw(axes, X, model, title):
    low, high = X.min(axis=0) - 0.5, X.max(axis=0) + 0.5
    grid = np.stack(np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200)), axis=-1)
    probability = model.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(200, 200)
    shown = axes.contourf(
        grid[..., 0], grid[..., 1], probability, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.6
    )
    axes.contour(grid[..., 0], grid[..., 1], probability, levels=[0.5], colors="black")
    for label, color in ((0, "tab:blue"), (1, "tab:red")):
        axes.scatter(*X[classes == label].T, color=color, edgecolor="white", s=30)
    axes.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    return shown


# %%
# Overlapping classes
# -------------------
# Without a penalty this is maximum likelihood. The certificate rests on second derivatives, since no penalty makes the
# objective strongly convex.

model = steepest.LogisticRegression(C=np.inf).fit(overlapping, classes)
print(model.objective_)
print(f"{model.certificate_.status}, by {model.certificate_.kind}: {model.certificate_.reason}")
print(f"w = {model.coef_[0].round(4)}, b = {model.intercept_[0]:.4f}")

figure, axes = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
figure.colorbar(draw(axes, overlapping, model, "probability of the red class"))

# %%
# A property of the maximum of the likelihood that anyone can check: the residuals :math:`\hat y - y` have the sum zero,
# and no correlation with any feature. Over groups of rows the predicted share is then close to the true one.

probability = model.predict_proba(overlapping)[:, 1]
print(f"sum of residuals {np.sum(probability - classes):.1e}, ", end="")
print(f"with the features {(overlapping.T @ (probability - classes)).round(6)}")
for group in np.array_split(np.argsort(probability), 5):
    print(f"predicted share {probability[group].mean():.3f}, true share {classes[group].mean():.3f}")

# %%
# Separable classes
# -----------------
# Now a line separates the classes. Asked for maximum likelihood, the fit answers that there is none, and gives the
# direction along which the likelihood rises for ever, as a proof: every row has a positive margin along it.

unbounded = steepest.LogisticRegression(C=np.inf, on_unconverged="ignore").fit(apart, classes)
certificate = unbounded.certificate_
print(f"{certificate.status}: {certificate.reason}")
direction = certificate.evidence["direction"]
margins = (2 * classes - 1) * (apart @ direction[:2] + direction[2])
print(f"direction {direction.round(4)}, smallest margin along it {margins.min():.4f}")
for t in (1.0, 10.0, 100.0, 1000.0):
    print(f"mean loss at {t:6.0f} times the direction: {np.logaddexp(0.0, -t * margins).mean():.3e}")

# %%
# With a penalty there is one minimum, it is finite, and the certificate proves it. The weaker the penalty, the larger
# the weights; they grow without end as it goes to nothing.

penalised = steepest.LogisticRegression(C=1.0).fit(apart, classes)
print(f"C = 1: {penalised.certificate_.status}, {penalised.certificate_.reason}")
strengths = np.geomspace(1e-2, 1e8, 21)
norms = [np.linalg.norm(steepest.LogisticRegression(C=C).fit(apart, classes).coef_) for C in strengths]

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
draw(left, apart, penalised, "separable classes, C = 1")
scale = 2.0 * direction[:2] / np.linalg.norm(direction[:2])
left.annotate("", xy=(2.0 + scale[0], 2.0 + scale[1]), xytext=(2.0, 2.0), arrowprops={"arrowstyle": "->", "lw": 2})
right.semilogx(strengths, norms, "o-")
right.set(title="the weights grow without end", xlabel="C", ylabel="$|w|_2$")
