"""Losses with planted faults, and small problems, for the tests of verdicts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from steepest.data.source import as_source
from steepest.losses import (
    scalar_loss,
)
from steepest.problems.linear import LinearProblem


@scalar_loss(name="test_broken_logistic")
class BrokenLogistic(NamedTuple):
    """The slope is 1 % too large."""

    convex = True
    targets = "sign"
    smoothness = 0.25

    def value(self, z, y):
        return math.log1p(math.exp(-y * z))

    def slope(self, z, y):
        return -1.01 * y / (1.0 + math.exp(y * z))

    def conjugate(self, u, y):
        a = -u * y
        if a < 0.0 or a > 1.0:
            return math.inf
        return 0.0 if a == 0.0 or a == 1.0 else a * math.log(a) + (1.0 - a) * math.log(1.0 - a)


@scalar_loss(name="test_broken_no_conjugate")
class BrokenNoConjugate(NamedTuple):
    """The slope is 1 % too small, and no conjugate tells."""

    convex = True
    targets = "sign"
    smoothness = 0.25

    def value(self, z, y):
        return math.log1p(math.exp(-y * z))

    def slope(self, z, y):
        return -0.99 * y / (1.0 + math.exp(y * z))


@scalar_loss(name="test_plain_cosh")
class LogCosh(NamedTuple):
    """A user's convex loss without a conjugate."""

    convex = True
    smoothness = 1.0

    def value(self, z, y):
        r = abs(z - y)
        return r + math.log1p(math.exp(-2.0 * r)) - math.log(2.0)

    def slope(self, z, y):
        return math.tanh(z - y)


@scalar_loss(name="test_certified_welsch")
class Welsch(NamedTuple):
    """Not convex."""

    smoothness = 1.0

    def value(self, z, y):
        return 0.5 * (1.0 - math.exp(-((z - y) ** 2)))

    def slope(self, z, y):
        return (z - y) * math.exp(-((z - y) ** 2))

    def curvature(self, z, y):
        r = (z - y) ** 2
        return (1.0 - 2.0 * r) * math.exp(-r)


def uniform(n):
    return np.full(n, 1.0 / n)


def data(n=60, d=4, seed=0, noise=1.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.where(X @ np.arange(1.0, d + 1.0) / d + noise * rng.standard_normal(n) > 0, 1.0, -1.0)
    return X, y


def linear(X, y, loss, penalty, intercept=False, p=None):
    return LinearProblem(as_source(X), y, uniform(len(y)) if p is None else p, loss, penalty, intercept)


def solved(problem):
    """A minimiser of a smooth problem by SciPy, and its null value."""

    def f(w):
        at = problem.evaluate(w)
        return at.value, at.gradient

    w = np.zeros(problem.size)
    null = f(w)[0]
    for _ in range(2):
        w = minimize(f, w, jac=True, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-12, "maxiter": 5000}).x
    return w, null
