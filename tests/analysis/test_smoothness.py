"""Constants against dense eigenvalues, and predictions against gradient descent itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest.losses as sl
from steepest import estimate_smoothness
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.penalties import L2, NoPenalty
from steepest.problems.linear import LinearProblem


def spread(seed, d, condition):
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    values = np.geomspace(1.0, condition, d) * rng.uniform(0.2, 5.0)
    return (Q * values) @ Q.T, values


@pytest.mark.parametrize("seed", range(50))
def test_within_five_percent_of_dense_eigenvalues(seed):
    rng = np.random.default_rng(seed)
    d, condition = int(rng.integers(2, 40)), 10.0 ** rng.uniform(0.1, 3.0)
    how = ("values", "gradient", "lanczos", "problem", "lanczos problem")[seed % 5]
    dense = 3 if "lanczos" in how else None
    if "problem" in how:
        X = rng.normal(size=(80, d)) * np.geomspace(1.0, condition**0.5, d)
        y = np.where(X @ rng.normal(size=d) > 0, 1.0, -1.0)
        problem = LinearProblem(as_source(X), y, np.full(80, 1 / 80), sl.Logistic(), L2(1e-2), True)
        points = 0.1 * rng.normal(size=(2, problem.size)) / X.std()
        exact = [np.linalg.eigvalsh(problem.hessian(problem.evaluate(w))) for w in points]
        found = estimate_smoothness(problem, points=points, dense=dense)
        L, mu = max(v[-1] for v in exact), min(v[0] for v in exact)
        rows = np.column_stack([X, np.ones(80)])
        everywhere = 0.25 * np.linalg.eigvalsh(rows.T @ rows / 80)[-1] + 1e-2
        assert found.bound == pytest.approx(everywhere, rel=0.05)
        assert found.bound >= 0.9999 * everywhere
    else:
        A, values = spread(seed, d, condition)
        L, mu = values.max(), values.min()
        grad = None if how == "values" else (lambda x: A @ x)
        found = estimate_smoothness(lambda x: 0.5 * x @ A @ x, dim=d, grad=grad, n_points=2, dense=dense)
    assert pytest.approx(L, rel=0.05) == found.L
    assert found.mu == pytest.approx(mu, rel=0.05)
    assert found.condition == pytest.approx(L / mu, rel=0.05)
    assert found.safe_step <= 1.001 / L


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), d=st.integers(2, 8), condition=st.floats(1.5, 300.0), share=st.floats(1e-8, 0.1))
def test_gradient_descent_keeps_the_prediction(seed, d, condition, share):
    A, _ = spread(seed, d, condition)
    found = estimate_smoothness(lambda x: 0.5 * x @ A @ x, dim=d, grad=lambda x: A @ x, n_points=1)
    steps = found.iterations(share)
    worst = np.linalg.eigh(A)[1][:, 0]  # the slowest start
    needed = {}
    for name, x in (("slowest", worst), ("random", np.random.default_rng(seed).normal(size=d))):
        start = 0.5 * x @ A @ x
        needed[name] = 0
        while 0.5 * x @ A @ x > share * start and needed[name] <= steps:
            x = x - found.safe_step * (A @ x)
            needed[name] += 1
    assert max(needed.values()) <= steps
    assert needed["slowest"] >= 0.3 * steps - 2  # about half: the prediction is not idle


def test_momentum_and_convexity_without_curvature():
    A, _ = spread(0, 5, 100.0)
    found = estimate_smoothness(lambda x: 0.5 * x @ A @ x, dim=5, grad=lambda x: A @ x)
    assert found.iterations(1e-6, momentum=True) < found.iterations(1e-6) / 5
    flat = estimate_smoothness(lambda x: 0.5 * x[0] ** 2, dim=2)
    assert flat.mu == 0.0
    assert math.isinf(flat.condition)
    assert math.isinf(flat.iterations(1e-3))
    assert "no linear rate is promised" in str(flat)
    x = np.array([3.0, 1.0])
    for _ in range(flat.iterations_convex(1e-2, 3.0)):
        x = x - flat.safe_step * np.array([x[0], 0.0])
    assert 0.5 * x[0] ** 2 <= 1e-2
    bent = estimate_smoothness(lambda x: x[0] ** 2 - x[1] ** 2, dim=2)
    assert bent.mu == pytest.approx(-2.0, rel=1e-4)
    assert math.isinf(bent.iterations_convex(1e-2, 1.0))
    assert "negative curvature" in str(bent)


@pytest.mark.parametrize("loss", [sl.Logistic(), sl.Squared(), sl.Huber(), sl.Softmax(), sl.SquaredHinge()], ids=repr)
def test_losses_never_exceed_their_stated_smoothness(loss):
    found = estimate_smoothness(loss, n_points=30)
    assert loss.smoothness * (1 + 1e-4) >= found.L
    assert 0.8 * loss.smoothness <= found.L
    if math.isfinite(loss.smoothness):
        assert found.safe_step >= (1 - 1e-4) / loss.smoothness


def test_slopes_are_the_longest_gradients():
    points = np.array([[0.0, 0.0], [3.0, 4.0]])
    found = estimate_smoothness(lambda x: x @ x, grad=lambda x: 2 * x, points=points)
    assert found.lipschitz == pytest.approx(10.0)
    assert found.n_points == 2
    X, y = np.ones((4, 1)), np.arange(4.0)
    problem = LinearProblem(as_source(X), y, np.full(4, 0.25), sl.Squared(), NoPenalty(), False)
    one = estimate_smoothness(problem)
    assert one.bound == pytest.approx(1.0)
    assert "everywhere" in str(one)


def test_errors_name_the_argument():
    found = estimate_smoothness(lambda x: x @ x, dim=2, n_points=1)
    with pytest.raises(InvalidParameterError, match="share: expected a number between 0 and 1"):
        found.iterations(2.0)
    with pytest.raises(InvalidParameterError, match="accuracy, distance"):
        found.iterations_convex(0.0, 1.0)
    with pytest.raises(InvalidParameterError, match="n_points"):
        estimate_smoothness(lambda x: x @ x, dim=2, n_points=0)
    with pytest.raises(InvalidParameterError, match="scale"):
        estimate_smoothness(lambda x: x @ x, dim=2, scale=-1.0)
