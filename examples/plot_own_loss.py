"""
A loss of your own
==================

Welsch's loss is a square near the target and flat far from it, so outliers hardly pull:

.. math:: \\ell(z, y) = \\frac{c^2}{2} \\left( 1 - e^{-((z - y)/c)^2} \\right)

Two methods in plain Python, ``value`` and ``slope``, make it usable at the speed of compiled code, on dense and on
sparse data, in every solver that its properties allow. A third one, ``curvature``, opens Newton's method and a
verdict from second derivatives. Facts about the loss stand as class attributes without annotation.
"""

import math
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import steepest


@steepest.scalar_loss
class Welsch(NamedTuple):
    c: float = 1.0

    smoothness = 1.0

    def value(self, z: float, y: float) -> float:
        return 0.5 * self.c**2 * (1.0 - math.exp(-(((z - y) / self.c) ** 2)))

    def slope(self, z: float, y: float) -> float:
        return (z - y) * math.exp(-(((z - y) / self.c) ** 2))

    def curvature(self, z: float, y: float) -> float:
        square = ((z - y) / self.c) ** 2
        return (1.0 - 2.0 * square) * math.exp(-square)


# %%
# Check it first
# --------------
# `steepest.check_loss` compares the slope with differences of the value, looks for a bound of the slope, tries to
# refute what is stated, and compares compiled code with plain Python.

report = steepest.check_loss(Welsch(2.0))
print(report)

# %%
# A mistake is found, with the sample where it shows most. Here a factor was forgotten:


@steepest.scalar_loss
class Wrong(NamedTuple):
    c: float = 1.0

    def value(self, z: float, y: float) -> float:
        return 0.5 * self.c**2 * (1.0 - math.exp(-(((z - y) / self.c) ** 2)))

    def slope(self, z: float, y: float) -> float:
        return 0.5 * (z - y) * math.exp(-(((z - y) / self.c) ** 2))


for finding in steepest.check_loss(Wrong(2.0)).failures:
    print(finding)

# %%
# Fit with it
# -----------
# One point in four is far off. The loss is not convex, so where a fit begins can decide where it ends: far from every
# point the loss is flat, and nothing pulls. A convex loss finds a good start, from which ``warm_start`` goes on.
#
# No certificate can compare the result with *the* optimum. It says what it can, whether this is a minimum to second
# order, and is not passed off as more than that: the fit counts as not certified, and would warn.

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0.0, 10.0, 120))
X, y = x[:, None], 2.0 + 0.7 * x + 0.4 * rng.standard_normal(120)
wild = rng.random(120) < 0.25
y[wild] += rng.uniform(4.0, 15.0, wild.sum())


def fit(*losses):
    """One loss after the other, each from where the last one ended."""
    model = steepest.LinearRegressor(alpha=1e-4, warm_start=True, on_unconverged="ignore")
    for loss in losses:
        model.set_params(loss=loss).fit(X, y)
    return model


models = {
    "squared": fit("squared"),
    "Welsch(2), from zero": fit(Welsch(2.0)),
    "Welsch(2), from the Huber fit": fit("huber", Welsch(2.0)),
}

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
axes.plot(x[~wild], y[~wild], "o", color="0.4", markersize=4)
axes.plot(x[wild], y[wild], "x", color="0.6", markersize=5)
axes.plot(x, 2.0 + 0.7 * x, "k:", linewidth=2, label="truth")
for name, model in models.items():
    axes.plot(x, model.predict(X), label=name)
    certificate = model.certificate_
    print(f"{name}: slope {model.coef_[0]:.3f}, intercept {model.intercept_:.3f}, objective {certificate.primal:.4f}")
    print(f"    {certificate.status}: {certificate.reason}")
axes.set(xlabel="x", ylabel="y")
axes.legend(frameon=False)

# %%
# A class that is defined in a script or a notebook is compiled anew in each process. In a module of its own it is
# compiled once, and found on disk by the next process.
