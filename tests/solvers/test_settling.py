"""Every method leaves saddles, knows minima, and hands over where it cannot go on."""

import numpy as np
import pytest

from steepest.functions import get
from steepest.penalties.constraints import Box
from steepest.problems.function import FunctionProblem
from steepest.protocols import Round
from steepest.solvers.settling import LEAVES, SETTLED, Settling, leave
from steepest.solvers.trust import NewtonModel, TrustRegion


class Stubborn:
    """Evaluates the start and never moves."""

    name = "stubborn"
    patience = 10

    def missing(self, traits):
        return None

    def start(self, problem, w):
        return [problem, w]

    def advance(self, state):
        return Round(state[0].evaluate(state[1]), 0.0, "stubborn", exhausted=True)


def rounds(solver, problem, x, most=200):
    state = solver.start(problem, np.asarray(x, dtype=float))
    done = []
    for _ in range(most):
        done.append(solver.advance(state))
        if done[-1].exhausted:
            return done
    raise AssertionError("no end")


def test_newton_goes_on_where_a_solver_gave_up():
    f = get("beale")
    done = rounds(Settling(Stubborn(), 1e-14), FunctionProblem(f, f.start, f.grad, f.hess), f.start)
    assert done[0].note == "stubborn: Newton's method goes on"
    assert not done[0].exhausted
    assert done[-1].note == SETTLED
    np.testing.assert_allclose(done[-1].at.w, f.minima[0], atol=1e-7)


def test_under_bounds_it_is_the_projected_method_that_goes_on():
    f = get("beale")
    problem = FunctionProblem(f, f.start, f.grad, f.hess, constraint=Box(-1.0, 2.0))
    done = rounds(Settling(Stubborn(), 1e-14), problem, f.start)
    assert done[0].note == "stubborn: Newton's method goes on"
    assert done[-1].note == SETTLED
    assert done[-1].at.w[0] == 2.0
    assert all(problem.constraint.contains(one.at.w, 0.0) for one in done)


def test_what_moves_by_itself_is_not_steered():
    f = get("double_well")
    done = rounds(Settling(Stubborn(), 1e-14, steer=False), FunctionProblem(f, f.start, f.grad), f.saddles[0])
    assert len(done) == 1
    assert done[0].note == "stubborn"


def test_a_minimum_is_settled_in_the_first_round():
    f = get("bowl")
    done = rounds(Settling(Stubborn(), 1e-14), FunctionProblem(f, [1.0, 1.0], f.grad, f.hess), [0.0, 0.0])
    assert len(done) == 1
    assert done[0].note == SETTLED


def test_a_plateau_is_said_to_be_one():
    done = rounds(Settling(Stubborn(), 1e-14), FunctionProblem(lambda x: 2.0, [1.0, 1.0]), [1.0, 1.0])
    assert done[-1].note == "no slope and no curvature"


def test_functions_that_fall_without_bound_come_to_an_end():
    f = get("unbounded_parabola")
    done = rounds(
        Settling(TrustRegion("newton", NewtonModel()), 1e-14), FunctionProblem(f, f.start, f.grad, f.hess), f.start
    )
    assert done[-1].note == "the function falls without bound"


@pytest.mark.parametrize("name", ["double_well", "quartic_with_cross_term", "beale", "saddle"])
def test_leaving_a_saddle_lowers_the_function(name):
    f = get(name)
    x = f.saddles[0]
    problem = FunctionProblem(f, np.ones(2), f.grad, f.hess)
    direction = np.linalg.eigh(f.hess(x))[1][:, 0]
    for sign in (1.0, -1.0):
        left = leave(problem, problem.evaluate(x), sign * direction)
        assert left is not None
        assert left[0].value < f(x)
        assert left[1] == pytest.approx(np.linalg.norm(left[0].w - x))


def test_nothing_is_left_at_a_minimum():
    f = get("bowl")
    problem = FunctionProblem(f, np.ones(2), f.grad, f.hess)
    assert leave(problem, problem.evaluate(np.zeros(2)), np.array([1.0, 0.0])) is None


def test_noise_is_not_left_for_ever():
    calls = []

    def drifting(x):
        calls.append(x)
        return -1e-6 * (len(calls) // 8)  # lower every few calls, whatever x is

    problem = FunctionProblem(drifting, [1.0], lambda x: np.zeros(1), lambda x: -np.eye(1))
    done = rounds(Settling(Stubborn(), 1e-14), problem, [1.0])
    assert done[-1].note == f"{LEAVES} saddles were left: the curvature is noise"
    assert len(done) == LEAVES + 1
