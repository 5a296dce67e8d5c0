"""Networks by methods on all rows: where they end, saddles that are left, agreement with scipy, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from steepest.certify.network import certify_network
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.feed import as_feed
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.problems.network import NetworkProblem
from steepest.protocols import Status
from steepest.solvers.loop import Limits, run
from steepest.solvers.network_batch import NAMES, network_solver

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def _problem(X, y, layers, loss, k, l2=1e-3, start=None, seed=3):
    stack, objective = Stack(X.shape[1], layers, k, dtype=np.float64), Objective(loss, k)
    start = stack.initial(seed) if start is None else np.full(stack.size, start)
    return NetworkProblem(stack, objective, as_feed(X), objective.targets(y), l2=l2, start=start)


def _fit(problem, name, tol=1e-7, max_iter=1000, **options):
    solver = network_solver(name, problem, tol=tol, **options)
    outcome = run(
        solver,
        problem,
        problem.start(),
        limits=Limits(0.0, max_iter, None),
        certify=lambda w, status, reason, dual: certify_network(problem, w, tol=1e-4, status=status, reason=reason),
        null_value=problem.null_value,
    )
    return solver, outcome


@pytest.mark.parametrize("name", NAMES)
def test_exclusive_or_is_learnt(name):
    problem = _problem(XOR, [0, 1, 1, 0], [Dense(6, "tanh")], "cross_entropy", 2)
    solver, outcome = _fit(problem, name)
    assert problem.scores(outcome.w).argmax(axis=1).tolist() == [0, 1, 1, 0]
    assert np.abs(problem.evaluate(outcome.w).gradient).max() <= 1e-7
    assert solver.rested
    certificate = outcome.certificate
    assert certificate.evidence["verdict"] == "minimum to second order"
    assert certificate.status is Status.APPROXIMATE
    assert not certificate.passed


@pytest.mark.parametrize("name", NAMES)
def test_the_minimum_is_the_one_that_scipy_finds_from_there(name):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
    problem = _problem(X, y, [Dense(5, "sigmoid")], "squared_error", 1, l2=1e-2)
    _, outcome = _fit(problem, name)

    def function(w):
        at = problem.evaluate(w)
        return at.value, at.gradient

    found = minimize(function, outcome.w, jac=True, method="BFGS", options={"gtol": 1e-10})
    assert problem.evaluate(outcome.w).value == pytest.approx(found.fun, rel=1e-9)
    np.testing.assert_allclose(outcome.w, found.x, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_zero_are_left(name):
    """All gradients of the weights vanish there, and any method that follows slopes alone stays."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = np.tanh(X @ [1.0, 2.0, -1.0])
    problem = _problem(X, y - y.mean(), [Dense(3, "tanh")], "squared_error", 1, l2=1e-2, start=0.0)
    _, outcome = _fit(problem, name)
    assert outcome.certificate.evidence["verdict"] == "minimum to second order"
    assert problem.evaluate(outcome.w).value < 0.5 * problem.evaluate(problem.start()).value
    _, stayed = _fit(problem, "lbfgs", steer=False)
    assert stayed.certificate.evidence["verdict"] == "saddle"
    np.testing.assert_allclose(stayed.w[: problem.decayed], 0.0, atol=1e-6)


def test_tol_is_that_of_the_largest_entry_of_the_gradient():
    problem = _problem(XOR, [0, 1, 1, 0], [Dense(6, "tanh")], "cross_entropy", 2)
    loose, fine = (_fit(problem, "lbfgs", tol=tol)[1] for tol in (1e-2, 1e-6))
    assert loose.iterations < fine.iterations
    assert 1e-6 < np.abs(problem.evaluate(loose.w).gradient).max() <= 1e-2
    solver, short = _fit(problem, "lbfgs", tol=1e-6, max_iter=2)
    assert not solver.rested
    assert short.certificate.status is Status.BUDGET


def test_passes_may_be_limited():
    problem = _problem(XOR, [0, 1, 1, 0], [Dense(6, "tanh")], "cross_entropy", 2)
    solver, outcome = _fit(problem, "lbfgs", tol=None, most=10.0)
    assert solver.spent
    assert not solver.rested
    assert outcome.iterations <= 10
    assert "passes over the rows were made" in outcome.certificate.reason


def test_what_is_refused():
    y = [0, 1, 1, 0]
    for layer, which in ((Dense(4, batch_norm=True), "batch_norm"), (Dense(4, dropout=0.5), "dropout")):
        stack, objective = Stack(2, [layer], 2), Objective("cross_entropy", 2)
        statistics = stack.initial_statistics()
        problem = NetworkProblem(stack, objective, as_feed(XOR), objective.targets(y), statistics=statistics)
        for name in NAMES:
            with pytest.raises(IncompatibleError, match=f"{which} of layer 0"):
                network_solver(name, problem)
    kinked = _problem(XOR, y, [Dense(4, "tanh")], "crammer_singer", 2)
    with pytest.raises(IncompatibleError, match="slope does not jump, as that of 'crammer_singer'"):
        network_solver("lbfgs", kinked)
    problem = _problem(XOR, y, [Dense(200, "tanh")], "cross_entropy", 2)
    with pytest.raises(IncompatibleError, match="newton_cg"):
        network_solver("newton", problem)
    with pytest.raises(InvalidParameterError, match="expected one of"):
        network_solver("bfgs", problem)
    with pytest.raises(InvalidParameterError, match="memry"):
        network_solver("lbfgs", problem, memry=3)
    with pytest.raises(InvalidParameterError, match="tol"):
        network_solver("lbfgs", problem, tol=-1.0)


def test_options_reach_the_method():
    problem = _problem(XOR, [0, 1, 1, 0], [Dense(6, "tanh")], "cross_entropy", 2)
    assert network_solver("newton-cg", problem, max_products=7).solver.direction.most == 7
    assert network_solver("lbfgs", problem, memory=3).name == "lbfgs"
