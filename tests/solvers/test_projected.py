"""Projected methods against CVXPY and scipy: the same minima, the same multipliers, nothing outside of the set."""

import cvxpy
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest
from steepest.exceptions import InvalidParameterError
from steepest.functions import get, quadratic, rosenbrock
from steepest.penalties.constraints import Box, L1Ball, L2Ball, NonNegative, Simplex
from steepest.protocols import Status
from steepest.solvers.choice_function import PROJECTED
from steepest.solvers.projected import LONGEST, ProjectedGradient, spectral_step
from steepest.solvers.projected_face import FaceLBFGS

SETS = [Box(-0.5, 0.8), NonNegative(), L2Ball(1.2), L1Ball(1.5), Simplex(2.0)]


def in_cvxpy(constraint, x):
    match constraint:
        case Box(low, high):
            return [x >= low, x <= high]
        case NonNegative():
            return [x >= 0]
        case L2Ball(radius):
            return [cvxpy.norm(x, 2) <= radius]
        case L1Ball(radius):
            return [cvxpy.norm(x, 1) <= radius]
        case Simplex(total):
            return [x >= 0, cvxpy.sum(x) == total]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("constraint", SETS, ids=lambda c: c.name)
def test_random_quadratics_against_cvxpy(constraint, seed):
    f = quadratic(1e3, 8, seed)
    x = cvxpy.Variable(8)
    H, m = f.hess(f.start), f.minima[0]
    other = cvxpy.Problem(cvxpy.Minimize(0.5 * cvxpy.quad_form(x - m, cvxpy.psd_wrap(H))), in_cvxpy(constraint, x))
    other.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    for method in PROJECTED:
        found = steepest.minimize(f, f.start, grad=f.grad, method=method, constraint=constraint)
        assert found.success, found.message
        assert found.fun <= f(constraint.project(x.value)) * (1.0 + 1e-7)
        np.testing.assert_allclose(found.x, x.value, atol=1e-5)
        if constraint.separable:  # multipliers
            duals = np.zeros(8)
            for part in other.constraints:
                duals += part.dual_value
            held = found.certificate.evidence["held"]
            np.testing.assert_allclose(found.certificate.evidence["multipliers"], duals[held], rtol=1e-3, atol=1e-3)
            assert np.all(duals[np.setdiff1d(range(8), held)] < 1e-3)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SETS),
    st.integers(0, 10_000),
    st.integers(1, 7),
    st.floats(0.0, 4.0),
    st.sampled_from(PROJECTED[:2]),
)
def test_the_result_is_feasible_and_stationary(constraint, seed, size, power, method):
    f = quadratic(10.0**power, size, seed)
    found = steepest.minimize(f, f.start, grad=f.grad, method=method, constraint=constraint)
    assert found.success, found.message
    assert constraint.violation(found.x) <= 1e-14
    assert all(constraint.violation(x) <= 1e-14 for x in found.path)
    step = 1.0 / 10.0**power  # 1/L
    moved = constraint.project(found.x - step * found.jac) - found.x
    assert np.linalg.norm(moved) <= 1e-5 * max(np.linalg.norm(found.x), 1.0)


@pytest.mark.parametrize("size", [2, 10, 40])
def test_no_worse_than_scipy_under_bounds(size):
    f = rosenbrock(size)
    bounds = scipy.optimize.Bounds(-0.5, np.where(np.arange(size) % 3, 2.0, 0.6))
    for method in PROJECTED[:2]:
        ours = steepest.minimize(f, f.start, grad=f.grad, bounds=bounds, method=method)
        theirs = scipy.optimize.minimize(
            f, np.clip(f.start, -0.5, bounds.ub), jac=f.grad, method="L-BFGS-B", bounds=bounds
        )
        assert ours.success, ours.message
        assert ours.fun <= theirs.fun + 1e-9 * abs(theirs.fun)


@pytest.mark.filterwarnings("ignore:delta_grad == 0.0")
@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
def test_a_curved_valley_on_a_simplex_against_scipy(method):
    f = rosenbrock(4)
    ours = steepest.minimize(f, [0.5] * 4, grad=f.grad, constraint=Simplex(2.0))
    equal = {"type": "eq", "fun": lambda x: x.sum() - 2.0, "jac": np.ones_like}
    tight = {"maxiter": 3000, **({"ftol": 1e-12} if method == "SLSQP" else {"gtol": 1e-9})}
    theirs = scipy.optimize.minimize(
        f, [0.5] * 4, jac=f.grad, method=method, bounds=[(0.0, None)] * 4, constraints=equal, options=tight
    )
    assert ours.success
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-4)
    assert ours.fun <= theirs.fun + 1e-9


def test_all_minima_on_a_sphere_are_global():
    """Of x'Ax on a ball every local minimum is an eigenvector of the smallest eigenvalue."""
    A = quadratic(50.0, 6, 3).hess(np.zeros(6)) - 9.0 * np.eye(6)
    least = np.linalg.eigvalsh(A)[0]
    for method in PROJECTED:
        found = steepest.minimize(
            lambda x: float(x @ A @ x),
            np.full(6, 0.1),
            grad=lambda x: 2.0 * A @ x,
            constraint=L2Ball(2.0),
            method=method,
        )
        assert found.success
        assert found.fun == pytest.approx(4.0 * least, rel=1e-9)
        assert found.certificate.evidence["boundary_multiplier"] == pytest.approx(-2.0 * least, rel=1e-5)


@pytest.mark.parametrize("method", PROJECTED)
def test_a_saddle_on_a_face_is_left(method):
    f = get("double_well")
    found = steepest.minimize(f, [0.0, 1.0], grad=f.grad, method=method, bounds=[(None, 0.5), (0.25, None)])
    assert found.success
    assert f.grad(np.array([0.0, 0.25]))[0] == 0.0
    assert min(abs(found.x[0] - 0.5), abs(found.x[0] + 1.0)) < 1e-6
    assert found.x[1] == 0.25


@pytest.mark.parametrize("method", PROJECTED)
def test_without_bound_below(method):
    f = get("unbounded_parabola")
    found = steepest.minimize(f, f.start, grad=f.grad, method=method, bounds=[(0.5, 2.0), (None, 3.0)])
    assert found.status is Status.DIVERGED
    assert not found.success
    assert "no minimum" in found.message
    held = steepest.minimize(f, f.start, grad=f.grad, method=method, bounds=[(0.5, 2.0), (-4.0, 3.0)])
    assert held.success
    np.testing.assert_array_equal(held.x, [0.5, -4.0])


def test_curvature_pays_on_ill_conditioned_functions():
    f = quadratic(1e6, 20, 1)
    rounds = {
        method: steepest.minimize(f, f.start, grad=f.grad, method=method, constraint=NonNegative()).nit
        for method in PROJECTED
    }
    assert rounds["projected_newton"] < 60
    assert rounds["projected_newton"] < rounds["projected_lbfgs"] < rounds["projected_gradient"]


def test_units_of_the_variables_do_not_matter_to_newton():
    f, units = rosenbrock(3), np.array([1e-5, 1.0, 1e6])
    found = steepest.minimize(
        lambda x: f(x / units),
        f.start * units,
        grad=lambda x: f.grad(x / units) / units,
        bounds=[(None, 0.5 * unit) for unit in units],
    )
    plain = steepest.minimize(f, f.start, grad=f.grad, bounds=[(None, 0.5)] * 3)
    assert found.success
    np.testing.assert_allclose(found.x / units, plain.x, atol=1e-5)


def test_a_memory_of_one_never_climbs():
    f = rosenbrock(4)
    wide = steepest.minimize(f, f.start, grad=f.grad, method="projected_gradient", constraint=Box(-0.5, 0.9))
    down = steepest.minimize(
        f, f.start, grad=f.grad, method="projected_gradient", constraint=Box(-0.5, 0.9), options={"memory": 1}
    )
    assert np.all(np.diff(down.history["objective"]) <= 0.0)
    assert np.any(np.diff(wide.history["objective"]) > 0.0)
    assert wide.fun == pytest.approx(down.fun, rel=1e-9)


def test_without_a_constraint_they_are_methods_as_others():
    f = get("rosenbrock")
    for method in PROJECTED:
        assert steepest.minimize(f, f.start, grad=f.grad, method=method).success


def test_spectral_steps():
    assert spectral_step(np.array([1.0, 0.0]), np.array([4.0, 1.0]), 7.0) == 0.25
    assert spectral_step(np.ones(2), -np.ones(2), 7.0) == 70.0
    assert spectral_step(np.ones(2), np.zeros(2), LONGEST) == LONGEST


@pytest.mark.parametrize("make", [ProjectedGradient, FaceLBFGS])
def test_refused(make):
    with pytest.raises(InvalidParameterError, match="memory: expected an integer >= 1"):
        make(0)
