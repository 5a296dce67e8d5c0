"""Pegasos by its names: the steps of the paper, one row at a time, with and without the ball."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import steepest
from steepest.data.orders import WithReplacement
from steepest.penalties import L2Ball
from steepest.solvers.schedules import Pegasos

ALPHA = 0.05


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 4))
    return X, np.where(X @ [1.0, -2.0, 0.5, 0.0] + 0.5 * rng.normal(size=80) > 0.0, 1.0, -1.0)


def plain(X, y, order):
    """Shalev-Shwartz, Singer and Srebro (2007), figure 1, one row a step."""
    w = np.zeros(X.shape[1])
    for t, i in enumerate(order, 1):
        inside = y[i] * (X[i] @ w) < 1.0
        w = (1.0 - 1.0 / t) * w + inside * y[i] * X[i] / (ALPHA * t)
    return w


def settings(epochs):
    return {
        "alpha": ALPHA, "fit_intercept": False, "shuffle": False, "average": False, "tol": None, "max_iter": epochs,
    }  # fmt: skip


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("epochs", [1, 7])
@pytest.mark.parametrize("rate", ["pegasos", Pegasos(ALPHA)], ids=["name", "value"])
def test_the_steps_of_the_paper(rows, form, epochs, rate):
    X, y = rows
    model = steepest.SGDClassifier("hinge", learning_rate=rate, **settings(epochs)).fit(form(X), y)
    np.testing.assert_allclose(model.coef_[0], plain(X, y, np.tile(np.arange(80), epochs)), rtol=1e-10, atol=1e-12)


def test_rows_drawn_with_replacement_are_those_of_the_order(rows):
    X, y = rows
    seen = []
    model = steepest.LinearClassifier(
        "hinge", alpha=ALPHA, fit_intercept=False, solver="sgd", max_iter=3, tol=1e-12, on_unconverged="ignore",
        solver_options={"learning_rate": "pegasos", "order": "replacement", "average": False, "seed": 5},
    )  # fmt: skip
    with steepest.observe(lambda row, w: seen.append(w.copy())):
        model.fit(X, y)
    order = np.concatenate([WithReplacement(80).epoch(k, 5).rows for k in range(3)])
    found = [np.abs(seen[-1] - plain(X, y, order)).max(), np.abs(seen[1] - plain(X, y, order[:80])).max()]
    assert max(found) < 1e-9


def test_the_ball_of_the_paper(rows):
    """Projected after each step; the penalty's part of a step is proximal there, ``w / (1 + eta alpha)``."""
    X, y = rows
    radius = 1.0 / np.sqrt(ALPHA)
    w = np.zeros(4)
    for t, i in enumerate(np.tile(np.arange(80), 2), 1):
        eta = 1.0 / (ALPHA * t)
        inside = y[i] * (X[i] @ w) < 1.0
        w = (w + eta * inside * y[i] * X[i]) / (1.0 + eta * ALPHA)
        w *= min(1.0, radius / max(np.linalg.norm(w), 1e-300))
    model = steepest.LinearClassifier(
        "hinge", alpha=ALPHA, fit_intercept=False, solver="sgd", max_iter=2, tol=1e-12, on_unconverged="ignore",
        solver_options={"learning_rate": "pegasos", "order": "cyclic", "average": False}, constraint=L2Ball(radius),
    )  # fmt: skip
    seen: list[np.ndarray] = []
    with steepest.observe(lambda row, w: seen.append(w.copy())):
        model.fit(X, y)
    np.testing.assert_allclose(seen[-1], w, rtol=1e-8)


def test_it_comes_near_the_optimum(rows):
    X, y = rows
    exact = steepest.LinearClassifier("hinge", alpha=ALPHA, fit_intercept=False, tol=1e-9).fit(X, y)
    model = steepest.SGDClassifier("hinge", learning_rate="pegasos", **settings(2000)).fit(X, y)
    w = model.coef_[0]
    value = np.maximum(1.0 - y * (X @ w), 0.0).mean() + 0.5 * ALPHA * w @ w
    assert value <= 1.01 * exact.certificate_.primal
    assert np.linalg.norm(exact.coef_) <= 1.0 / np.sqrt(ALPHA)
