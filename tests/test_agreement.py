"""Fits of one problem by different solvers agree within what their certificates prove."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearClassifier, LinearRegressor
from steepest.exceptions import IncompatibleError
from steepest.solvers.auto import SOLVERS
from steepest.solvers.catalogue import STOCHASTIC

REGRESSION = (
    "squared",
    "huber",
    "absolute",
    "quantile",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
    "poisson",
    "bernoulli",
)
CLASSES = ("logistic", "hinge", "squared_hinge", "softmax", "modified_huber", "exponential", "perceptron")
ROUNDING = 1e-12  # of the objective at zero: sums of n terms in float64


def rows(kind: str) -> tuple[Any, Any]:
    """X and the score that generated the targets."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 4))
    z = X @ np.array([1.0, -0.5, 0.3, 0.0]) + 0.5 * rng.normal(size=60)
    if kind == "scaled":  # columns of other units, one twice, one constant
        X = np.c_[X * [1e-3, 1.0, 50.0, 1.0] + [0.0, 30.0, -200.0, 0.0], X[:, 0], np.ones(60)]
    if kind == "sparse":
        return sp.csr_array(np.c_[np.where(np.abs(X) > 0.8, X, 0.0), np.zeros((60, 2))]), z
    return X, z


def target(loss: str, z: Any) -> Any:
    rng = np.random.default_rng(4)
    if loss in CLASSES:
        return (z > np.median(z)).astype(int) ^ (rng.random(60) < 0.1)
    return {"poisson": rng.poisson(np.exp(0.5 * z)).astype(float), "bernoulli": 1.0 / (1.0 + np.exp(-z))}.get(loss, z)


@pytest.mark.parametrize("kind", ["plain", "scaled", "sparse"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet", "none"])
@pytest.mark.parametrize("loss", REGRESSION + CLASSES)
def test_all_solvers_agree(loss: str, penalty: str, kind: str) -> None:
    X, z = rows(kind)
    y = target(loss, z)
    make = LinearClassifier if loss in CLASSES else LinearRegressor
    weights = 1.0 + np.arange(60) % 3
    proven: dict[str, Any] = {}
    rounding: dict[str, float] = {}  # of the scores, which weights of duplicate columns may cancel to
    stochastic = {"sgd"} if loss in ("logistic", "squared", "hinge", "softmax") else set()  # a kernel each to compile
    for solver in ["auto", *(name for name in SOLVERS if name not in STOCHASTIC or name in stochastic)]:
        model = make(loss, penalty=penalty, alpha=0.02, solver=solver, max_iter=200, on_unconverged="ignore")
        try:
            proven[solver] = model.fit(X, y, sample_weight=weights).certificate_
        except IncompatibleError:
            continue
        size = np.abs(X) @ np.abs(np.atleast_2d(model.coef_)).T + np.abs(model.intercept_)
        rounding[solver] = 4.0 * 2.0**-52 * float(size.max())
    assert len(proven) >= 2
    for solver, certificate in proven.items():
        assert math.isfinite(certificate.primal), solver
        assert certificate.passed == (certificate.bounds == "suboptimality" and certificate.relative <= 1e-4), solver
    bounded = {name: c for name, c in proven.items() if c.bounds == "suboptimality" and math.isfinite(c.value)}
    assert "auto" in bounded
    best = min(proven, key=lambda name: proven[name].primal)  # need not be certified to refute the others
    for solver, certificate in bounded.items():
        slack = ROUNDING * max(1.0, abs(certificate.primal)) + 1e-6 * certificate.value
        slack += rounding[solver] + rounding[best]
        assert certificate.primal - proven[best].primal <= certificate.value + slack, (solver, best)
    assert proven["auto"].passed, proven["auto"].reason
