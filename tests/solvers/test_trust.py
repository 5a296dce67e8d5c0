"""Trust regions: the subproblem against brute force, and what the step does at saddles and far away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.functions import get, rosenbrock
from steepest.problems.function import FunctionProblem
from steepest.problems.least_squares import LeastSquares, LeastSquaresProblem
from steepest.solvers.trust import GaussNewtonModel, Model, NewtonModel, TrustRegion, within


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3), st.booleans())
def test_no_point_of_the_ball_is_lower(seed, radius, hard):
    random = np.random.default_rng(seed)
    d = int(random.integers(1, 5))
    values = np.sort(random.normal(size=d) * 10.0 ** random.integers(-3, 4, d))
    slopes = random.normal(size=d)
    if hard:
        slopes[0] = 0.0
    model = Model(values, slopes, np.eye(d))
    y = within(model, radius)
    assert np.linalg.norm(y) <= radius * (1.0 + 2e-3)
    tries = random.normal(size=(4000, d))
    tries *= (radius * random.uniform(0.0, 1.0, 4000) ** (1.0 / d) / np.linalg.norm(tries, axis=1))[:, None]
    best = max(model.decrease(point) for point in tries)
    assert model.decrease(y) >= best * (1.0 - 5e-3) - 1e-12


def advance(solver, problem, rounds):
    state = solver.start(problem, problem.start())
    out = []
    for _ in range(rounds):
        out.append(solver.advance(state))
        if out[-1].exhausted:
            break
    return out


@pytest.mark.parametrize("size", [2, 6])
def test_newton_walks_the_valley(size):
    f = rosenbrock(size)
    done = advance(TrustRegion("newton", NewtonModel()), FunctionProblem(f, f.start, f.grad, f.hess), 100)
    values = [round_.at.value for round_ in done]
    assert all(b <= a for a, b in zip(values, values[1:], strict=False))
    norms = [np.linalg.norm(round_.at.gradient) for round_ in done]
    assert norms[-1] < 1e-12
    assert len(done) < 60


def test_newton_leaves_a_saddle_at_once():
    f = get("double_well")
    done = advance(TrustRegion("newton", NewtonModel()), FunctionProblem(f, f.start, f.grad, f.hess), 40)
    assert done[1].at.value < 0.0
    assert min(np.linalg.norm(done[-1].at.w - m) for m in f.minima) < 1e-9


def test_levenberg_marquardt_is_quadratic_where_residuals_vanish():
    f = LeastSquares(
        lambda x: np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]),
        lambda x: np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]]),
    )
    done = advance(TrustRegion("lm", GaussNewtonModel()), LeastSquaresProblem(f, [-1.2, 1.0]), 50)
    assert done[-1].at.value < 1e-28
    assert len(done) < 30


def test_units_do_not_matter():
    f = get("rosenbrock")
    runs = []
    for units in (np.ones(2), np.array([1e6, 1e-5])):
        problem = FunctionProblem(
            lambda x, u=units: f(x / u), f.start * units, lambda x, u=units: f.grad(x / u) / u,
            lambda x, u=units: f.hess(x / u) / u / u[:, None],
        )  # fmt: skip
        runs.append([round_.at.w / units for round_ in advance(TrustRegion("newton", NewtonModel()), problem, 15)])
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-6)


def test_a_step_outside_the_domain_is_taken_back():
    problem = FunctionProblem(
        lambda x: x[0] - np.log(x[0]), [20.0], lambda x: 1.0 - 1.0 / x, lambda x: np.array([[1.0 / x[0] ** 2]])
    )
    done = advance(TrustRegion("newton", NewtonModel()), problem, 50)
    assert done[-1].at.w[0] == pytest.approx(1.0, abs=1e-8)
