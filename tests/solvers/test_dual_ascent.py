"""Dual coordinate ascent on margins: no step leads down, and it meets the primal."""

from __future__ import annotations

import numpy as np
import pytest

from steepest import LinearClassifier


def _rows(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 5))
    return X, np.where(X @ rng.normal(size=5) + rng.normal(size=120) > 0.0, 1.0, -1.0)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("seed", range(4))
def test_the_dual_only_rises(loss, seed):
    X, y = _rows(seed)
    model = LinearClassifier(
        loss, alpha=1e-2, fit_intercept=False, solver="margin_dual", solver_options={"second_order": False}, tol=1e-10,
        on_unconverged="ignore",
    ).fit(X, y)  # fmt: skip
    dual = model.history_["objective"] - model.history_["gap"]
    assert len(dual) >= 4
    assert np.all(np.diff(dual) >= -1e-14)
    assert np.all(model.history_["objective"] >= dual[-1] - 1e-14)  # weak duality, at any time
    assert dual[-1] == pytest.approx(model.certificate_.primal, rel=1e-6)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_the_method_by_hand_comes_to_the_same_optimum_from_below(loss):
    """The plain method in NumPy reaches the same optimum, from below."""
    X, y = _rows(7)
    n, alpha = len(X), 1e-2
    diagonal, cap = {"hinge": (0.0, 1.0), "squared_hinge": (0.5, np.inf)}[loss]
    rng = np.random.default_rng(0)
    squares = (X * X).sum(axis=1)
    a, w = np.zeros(n), np.zeros(5)

    def dual():
        return (a - 0.5 * diagonal * a * a).mean() - 0.5 * alpha * w @ w

    values = [dual()]
    for _ in range(60):
        for i in rng.permutation(n):
            slope = 1.0 - y[i] * (X[i] @ w) - diagonal * a[i]
            best = np.clip(a[i] + slope / (squares[i] / (alpha * n) + diagonal), 0.0, cap)
            w = w + (best - a[i]) * y[i] * X[i] / (alpha * n)
            a[i] = best
        values.append(dual())
    assert np.all(np.diff(values) >= -1e-14)
    model = LinearClassifier(loss, alpha=alpha, fit_intercept=False, solver="margin_dual", tol=1e-9).fit(X, y)
    assert values[-1] <= model.certificate_.primal * (1.0 + 1e-12)
    assert values[-1] >= 0.97 * model.certificate_.primal
