"""Solvers and their options, as a user reaches them."""

from __future__ import annotations

import numpy as np
import pytest

import steepest
from steepest.exceptions import InvalidParameterError


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    return X, (X @ rng.normal(size=6) + 0.5 * rng.normal(size=300) > 0.2).astype(int)


def objective(model, X, y, alpha: float) -> float:
    z = X @ model.coef_.ravel() + model.intercept_
    return float(np.logaddexp(0.0, -(2 * y - 1) * z).mean() + 0.5 * alpha * np.sum(model.coef_**2))


@pytest.mark.parametrize("search", ["1/L", "exact", "armijo", "wolfe"])
def test_every_line_search_reaches_the_certified_optimum(data, search: str) -> None:
    X, y = data
    best = steepest.LinearClassifier("logistic", alpha=1e-2, tol=1e-10).fit(X, y)
    model = steepest.LinearClassifier(
        "logistic", alpha=1e-2, tol=1e-6, solver="gradient_descent", solver_options={"line_search": search}
    ).fit(X, y)
    assert model.certificate_.passed
    assert model.fit_record_.solver["name"] == "gradient_descent"
    assert model.fit_record_.solver["options"] == {"line_search": search}
    excess = objective(model, X, y, 1e-2) - objective(best, X, y, 1e-2)
    assert -1e-9 <= excess <= model.certificate_.value + 1e-9
    assert np.all(np.diff(model.history_["objective"]) <= 1e-12)


def test_a_step_beyond_two_over_L_is_said_to_diverge(data) -> None:
    X, _ = data
    target = X[:, 0] - X[:, 1]
    model = steepest.LinearRegressor(
        "squared",
        alpha=1e-2,
        solver="gradient_descent",
        solver_options={"line_search": "fixed", "step": 5.0},
        on_unconverged="ignore",
    ).fit(X, target)
    assert model.certificate_.status == "diverged"
    assert not model.certificate_.passed


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "newton-cg", "newton-cholesky", "gradient_descent"])
def test_solvers_agree_within_their_certificates(data, solver: str) -> None:
    X, y = data
    reference = steepest.LinearClassifier("logistic", alpha=1e-2, tol=1e-9).fit(X, y)
    model = steepest.LinearClassifier("logistic", alpha=1e-2, tol=1e-7, solver=solver).fit(X, y)
    assert model.certificate_.passed
    gap = reference.certificate_.value + model.certificate_.value
    # strong convexity: alpha/2 |w - w*|^2 <= gap, for each of the two
    distance = np.linalg.norm(model.coef_ - reference.coef_)
    assert distance <= 2.0 * np.sqrt(2.0 * gap / 1e-2) + 1e-9


def test_options_that_a_solver_does_not_know(data) -> None:
    X, y = data
    with pytest.raises(InvalidParameterError, match=r"'lbfgs' takes.*memory.*got 'speed'"):
        steepest.LinearClassifier(solver="lbfgs", solver_options={"speed": 2}).fit(X, y)
    with pytest.raises(InvalidParameterError, match=r"'auto' takes none"):
        steepest.LinearClassifier(solver_options={"memory": 5}).fit(X, y)
    with pytest.raises(InvalidParameterError, match=r"'coordinate' takes.*got 'memory'"):
        steepest.LinearClassifier(penalty="l1", solver="coordinate", solver_options={"memory": 5}).fit(X, y)
    with pytest.raises(InvalidParameterError, match=r"solver_options.*must be a dict"):
        steepest.LinearClassifier(solver="lbfgs", solver_options=3).fit(X, y)
