"""
Softmax: several classes at once
================================

Softmax regression has a score for each class, :math:`z_j = w_j^\\top x + b_j`, and turns scores into probabilities,
:math:`\\hat y_j = e^{z_j} / \\sum_m e^{z_m}`. Its loss is the cross-entropy between the target and these probabilities;
to minimise it is to maximise the likelihood.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import train_test_split

import steepest

# %%
# Three classes in the plane
# --------------------------
# Two measurements of the iris. The boundaries between classes are lines, where two of the scores are equal; shades show
# the probability of the most likely class.

iris = load_iris()
X, y = iris.data[:, 2:], iris.target
model = steepest.LogisticRegression(C=10.0).fit(X, y)

grid = np.stack(np.meshgrid(np.linspace(0.5, 7.5, 300), np.linspace(-0.3, 3.0, 300)), axis=-1)
probabilities = model.predict_proba(grid.reshape(-1, 2)).reshape(300, 300, 3)
colors = np.array([[0.12, 0.47, 0.71], [1.0, 0.5, 0.05], [0.17, 0.63, 0.17]])
shades = 1.0 - (1.0 - probabilities @ colors) * 0.6 * probabilities.max(axis=2, keepdims=True)

figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
axes.imshow(shades, origin="lower", extent=(0.5, 7.5, -0.3, 3.0), aspect="auto")
for j in range(3):  # where a class draws level with the best of the others
    lead = probabilities[..., j] - np.delete(probabilities, j, axis=2).max(axis=2)
    axes.contour(grid[..., 0], grid[..., 1], lead, levels=[0.0], colors="0.2", linewidths=1.2)
for j, name in enumerate(iris.target_names):
    axes.scatter(*X[y == j].T, color=colors[j], edgecolor="white", s=35, label=name)
axes.set(xlabel=iris.feature_names[2], ylabel=iris.feature_names[3])
axes.legend(loc="upper left")
print(model.objective_)
print(f"{model.certificate_.status}: {model.certificate_.reason}")

# %%
# The loss itself
# ---------------
# Its gradient in the scores is :math:`\hat y - y`, for a class, for its one-hot vector, and for a distribution over the
# classes (soft labels). Scores of any size are safe.

softmax = steepest.get_loss("softmax")


def gradient(z, target):
    out = np.empty_like(z)
    value = softmax.value_slope(z, target, out)
    return value, out


z = np.array([2.0, -1.0, 0.5])
prediction = np.exp(z) / np.exp(z).sum()
for target, distribution in ((1, [0.0, 1.0, 0.0]), (np.array([0.2, 0.5, 0.3]), [0.2, 0.5, 0.3])):
    value, slopes = gradient(z, target)
    print(f"target {target!s:<14} loss {value:.6f}, gradient {slopes.round(6)}, ", end="")
    print(f"off from prediction - target by {np.abs(slopes - (prediction - distribution)).max():.0e}")
for size in (1e4, -1e4):
    value, slopes = gradient(np.array([size, 0.0, 0.0]), 1)
    print(f"scores ({size:+.0e}, 0, 0), class 1: loss {value:.6f}, gradient {slopes}")

# %%
# Its second derivative is :math:`J = \mathrm{diag}(\hat y) - \hat y \hat y^\top`. Böhning bounded it from above, for
# every score, by :math:`\frac12 (I - \frac1k \mathbf 1 \mathbf 1^\top)`. The difference has no negative eigenvalue:
# this is why one fixed matrix can precondition the whole fit.

k = 5
rng = np.random.default_rng(0)
bound = 0.5 * (np.eye(k) - 1.0 / k)
off, least = 0.0, np.inf
for _ in range(500):
    z = rng.normal(scale=3.0, size=k)
    prediction = gradient(z, 0)[1] + np.eye(k)[0]
    J = np.diag(prediction) - np.outer(prediction, prediction)
    h = 1e-6
    columns = [(gradient(z + h * e, 0)[1] - gradient(z - h * e, 0)[1]) / (2.0 * h) for e in np.eye(k)]
    off = max(off, np.abs(np.array(columns) - J).max())
    least = min(least, np.linalg.eigvalsh(bound - J)[0])
print(f"J against differences of the gradient: largest difference {off:.0e}")
print(f"least eigenvalue of bound - J over 500 random scores: {least:.1e}")

# %%
# Ten digits
# ----------
# Images of 8 x 8 pixels. The weights of a class are a picture: where ink speaks for the class and where against it.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16.0, y, test_size=0.3, random_state=0, stratify=y)
model = steepest.LinearClassifier("softmax", alpha=1e-3).fit(X_train, y_train)
print(f"test accuracy {model.score(X_test, y_test):.4f}; {model.certificate_.status}, ", end="")
print(f"relative gap {model.certificate_.relative:.1e} after {model.fit_record_.passes:.0f} passes over the data")

figure, axes = plt.subplots(2, 5, figsize=(9, 4), layout="constrained")
limit = np.abs(model.coef_).max()
for j, panel in enumerate(axes.flat):
    image = panel.imshow(model.coef_[j].reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
    panel.set_title(str(j))
    panel.axis("off")
figure.colorbar(image, ax=axes, label="weight")
