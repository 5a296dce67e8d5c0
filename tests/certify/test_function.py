"""Verdicts on points of functions: planted minima, saddles, maxima and points that are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.certify.function import DENSE, certify_function, look
from steepest.functions import CATALOGUE, get
from steepest.problems.function import FunctionProblem
from steepest.problems.least_squares import LeastSquares, LeastSquaresProblem
from steepest.protocols import Status

TOL = 1e-14


def verdict(problem, x):
    at = problem.evaluate(np.asarray(x, dtype=float))
    return look(problem, at, TOL, at.value).verdict.name


@pytest.mark.parametrize("exact", [True, False])
def test_the_stationary_points_of_the_catalogue(exact):
    for f in (f for f in CATALOGUE.values() if f.smooth):
        problem = FunctionProblem(f, f.start, f.grad, f.hess) if exact else FunctionProblem(f, f.start, f.grad)
        for x in f.minima:
            assert verdict(problem, x) == "minimum to second order", f.name
        for x in f.saddles:
            assert verdict(problem, x) == "saddle", f.name
        assert verdict(problem, f.start + [0.3, 0.1]) == "not stationary", f.name


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([-100.0, -1.0, -0.01, 0.01, 1.0, 100.0]), min_size=2, max_size=6),
    st.integers(0, 1000),
    st.booleans(),
    st.integers(-6, 6),
)
def test_planted_signatures(curvatures, seed, exact, power):
    random = np.random.default_rng(seed)
    d = len(curvatures)
    axes, _ = np.linalg.qr(random.standard_normal((d, d)))
    H = (axes * curvatures) @ axes.T
    H = 0.5 * (H + H.T)
    m = random.standard_normal(d)
    units = 10.0 ** (power * np.arange(d) / d)  # the verdict does not depend on them

    def fun(x):
        v = x / units - m
        return 0.5 * v @ H @ v + 3.0

    def grad(x):
        return H @ (x / units - m) / units

    def hess(x):
        return H / units / units[:, None]

    problem = FunctionProblem(fun, m * units, grad, hess if exact else None)
    low, high = min(curvatures), max(curvatures)
    wanted = "minimum to second order" if low > 0.0 else ("maximum" if high < 0.0 else "saddle")
    assert verdict(problem, m * units) == wanted
    assert verdict(problem, (m + axes[:, 0]) * units) == "not stationary"


def test_no_curvature_and_flat_directions_are_said_so():
    assert verdict(FunctionProblem(lambda x: 1.0, [1.0, 2.0]), [1.0, 2.0]) == "stationary"

    def fun(x):
        return (x[0] + x[1]) ** 2

    def grad(x):
        return 2.0 * (x[0] + x[1]) * np.ones(2)

    assert verdict(FunctionProblem(fun, [1.0, 1.0], grad), [1.0, -1.0]) == "degenerate"


def test_a_sum_of_squares_keeps_the_digits_that_its_hessian_loses():
    t = np.linspace(0.0, 1.0, 20)
    X = np.vander(t, 8)  # condition about 1e6: its square is beyond differences of gradients
    y = np.sin(3.0 * t) + np.where(np.arange(20) % 2, 0.1, -0.1)
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    problem = LeastSquaresProblem(LeastSquares(lambda b: X @ b - y, lambda b: X), best)
    assert verdict(problem, best) == "minimum to second order"
    shift = np.linalg.svd(X)[2][-1] * 1e-2 / np.linalg.svd(X)[1][-1]
    assert verdict(problem, best + shift) == "not stationary"


def test_many_variables():
    random = np.random.default_rng(0)
    curvature = random.uniform(1.0, 5.0, DENSE + 50)
    for sign, name in ((1.0, "minimum to second order"), (-1.0, "saddle")):
        curvature[7] = sign
        h = curvature.copy()
        problem = FunctionProblem(lambda x, h=h: 0.5 * h @ x**2, np.ones(len(h)), lambda x, h=h: h * x)
        at = problem.evaluate(np.zeros(len(h)))
        seen = look(problem, at, TOL, 1.0)
        assert seen.verdict.name == name
        assert seen.verdict.smallest_curvature == pytest.approx(sign, rel=1e-3)
    assert abs(seen.direction[7]) > 0.99 * np.linalg.norm(seen.direction)


def test_the_certificate_never_passes_and_names_a_way_down():
    f = get("double_well")
    problem = FunctionProblem(f, f.start, f.grad, f.hess)
    good = certify_function(problem, f.minima[0], tol=TOL, started=0.0, status=Status.STALLED, reason="why")
    assert not good.passed
    assert good.status is Status.APPROXIMATE
    assert "nothing is proven about other minima" in good.reason
    bad = certify_function(problem, f.saddles[0], tol=TOL, started=1.0, status=Status.CERTIFIED, reason="")
    assert bad.status is Status.STALLED
    down = bad.evidence["direction"]
    assert f(f.saddles[0] + 0.1 * down) < f(f.saddles[0])
    late = certify_function(
        problem, f.start + 0.5, tol=TOL, started=1.0, status=Status.BUDGET, reason="max_iter=3 reached"
    )
    assert late.status is Status.BUDGET
    assert late.reason.startswith("max_iter=3 reached; not a stationary point")


def test_functions_that_fall_without_bound():
    f = get("saddle")
    problem = FunctionProblem(f, f.start, f.grad)
    found = certify_function(problem, np.array([0.0, 1e20]), tol=TOL, started=1.0, status=Status.STALLED, reason="")
    assert found.status is Status.DIVERGED
    assert "without bound" in found.reason
