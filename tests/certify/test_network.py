"""Certificates of networks: planted minima, saddles and slopes; kinks; what was not looked at; Krylov spaces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from steepest.certify import network as module
from steepest.certify.krylov import floor_of, krylov
from steepest.certify.network import certify_network, look_network, product_work, promise
from steepest.networks.feed import as_feed
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.problems.network import NetworkProblem
from steepest.protocols import Status


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _regression(rng, layers=None, loss="squared_error", n=50, l2=1e-2, start=None):
    X = rng.normal(size=(n, 3))
    y = np.tanh(X @ [1.0, 2.0, -1.0]) + 0.1 * rng.normal(size=n)
    stack, objective = Stack(3, layers or [Dense(4, "tanh")], 1, dtype=np.float64), Objective(loss, 1)
    start = stack.initial(0) if start is None else start
    return NetworkProblem(stack, objective, as_feed(X), objective.targets(y - y.mean()), l2=l2, start=start)


def _minimum(problem):
    def function(w):
        at = problem.evaluate(w)
        return at.value, at.gradient

    return minimize(function, problem.start(), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000}).x


def _judged(problem, w, status=Status.STALLED, reason="it stopped", tol=1e-4, **options):
    return certify_network(problem, w, tol=tol, status=status, reason=reason, **options)


@pytest.mark.parametrize("curvature", [True, False])
def test_an_objective_of_zero_is_a_minimum(rng, curvature):
    stack, objective = Stack(3, [Dense(4, "tanh")], 1, dtype=np.float64), Objective("squared_error", 1)
    problem = NetworkProblem(stack, objective, as_feed(rng.normal(size=(9, 3))), objective.targets(np.zeros(9)))
    certificate = _judged(problem, np.zeros(problem.size), curvature=curvature)
    assert certificate.primal == 0.0
    assert certificate.evidence["relative_gradient"] == 0.0
    assert certificate.evidence["verdict"] == ("minimum to second order" if curvature else "not examined")


@pytest.mark.parametrize("dense", [True, False])
def test_a_planted_minimum(dense, rng, monkeypatch):
    monkeypatch.setattr(module, "DENSE", 150 if dense else 0)
    problem = _regression(rng)
    w = _minimum(problem)
    certificate = _judged(problem, w)
    assert certificate.kind == "second_order"
    assert certificate.evidence["verdict"] == "minimum to second order"
    assert certificate.status is Status.APPROXIMATE
    assert certificate.bounds == "stationarity"
    assert not certificate.passed
    assert "no proof of a global minimum" in certificate.reason
    assert certificate.value == certificate.evidence["gradient_norm"]
    assert certificate.primal == problem.evaluate(w).value
    values = np.linalg.eigvalsh(problem.hessian(problem.evaluate(w)))
    assert certificate.evidence["smallest_curvature"] == pytest.approx(values[0], rel=1e-6, abs=1e-9)
    assert certificate.evidence["curvature_floor"] <= values[0] + 1e-12
    assert certificate.relative <= 1e-4


@pytest.mark.parametrize("dense", [True, False])
def test_weights_of_zero_are_a_saddle(dense, rng, monkeypatch):
    monkeypatch.setattr(module, "DENSE", 150 if dense else 0)
    problem = _regression(rng)
    w = np.zeros(problem.size)
    certificate = _judged(problem, w)
    assert certificate.evidence["verdict"] == "saddle"
    assert certificate.status is Status.STALLED
    assert certificate.reason.startswith("it stopped. A saddle: the lowest curvature")
    direction = certificate.evidence["direction"]
    assert np.linalg.norm(direction) == pytest.approx(1.0)
    bend = direction @ problem.hvp(problem.evaluate(w), direction)
    assert bend == pytest.approx(certificate.evidence["smallest_curvature"], rel=1e-6)
    assert bend < 0.0
    assert min(problem.value(0.1 * direction), problem.value(-0.1 * direction)) < problem.value(w)


@pytest.mark.parametrize("dense", [True, False])
def test_a_start_is_not_stationary(dense, rng, monkeypatch):
    monkeypatch.setattr(module, "DENSE", 150 if dense else 0)
    problem = _regression(rng)
    certificate = _judged(problem, problem.start(), Status.BUDGET, "max_iter=3 reached")
    assert certificate.evidence["verdict"] == "not stationary"
    assert certificate.status is Status.BUDGET
    assert certificate.reason.startswith("max_iter=3 reached. Not a stationary point: steps promise ")
    assert certificate.evidence["predicted_decrease"] > certificate.evidence["allowed_decrease"]
    at = problem.evaluate(problem.start())
    assert certificate.evidence["gradient_norm"] == pytest.approx(np.linalg.norm(at.gradient))


def test_what_is_promised_can_be_had(rng):
    """Near a minimum the decrease that is promised is the one that is left."""
    problem = _regression(rng)
    w = _minimum(problem)
    near = w + 1e-3 * rng.normal(size=problem.size)
    seen = look_network(problem, problem.evaluate(near), 1e-4)
    assert seen.promised == pytest.approx(problem.value(near) - problem.value(w), rel=0.05)


def test_flat_directions_of_relu_are_told(rng):
    """Scaling a unit's weights up and those behind it down changes nothing."""
    problem = _regression(rng, [Dense(2, "relu")], l2=0.0)
    stack = problem.stack
    w = problem.start() + 0.05
    X = np.empty((problem.n, 3))
    problem.feed.take(np.arange(problem.n), X)
    problem.y[:, 0] = problem.scores(w)[:, 0]  # w fits exactly: a minimum, with a flat direction a unit
    assert np.all((X @ stack.views(w)["layers.0.weights"] > 0.0).any(axis=0))
    certificate = _judged(problem, w)
    assert certificate.evidence["verdict"] == "minimum to second order"
    assert certificate.evidence["flat_directions"] >= 2
    assert "directions are flat" in certificate.reason
    assert certificate.evidence["kinks"] == ["relu"]
    assert "of the piece" in certificate.reason


def test_kinks_of_losses(rng):
    problem = _regression(rng, loss="absolute_error")
    certificate = _judged(problem, problem.start())
    assert certificate.kind == "second_order"
    assert certificate.evidence["kinks"] == ["the loss 'absolute_error'"]
    assert "At kinks (the loss 'absolute_error') even a minimum has a gradient" in certificate.reason
    smooth = _judged(_regression(rng), problem.start())
    assert "kink" not in smooth.reason


def test_curvature_costs_what_was_allowed(rng):
    problem = _regression(rng)
    w = problem.start()
    few = _judged(problem, w, work=5.0 * product_work(problem))
    assert few.kind == "gradient_norm"
    assert few.evidence["verdict"] == "not examined"
    assert "curvature=True asks for it" in few.reason
    assert "no proof of a global minimum" in few.reason
    assert few.evidence["gradient_norm"] == pytest.approx(np.linalg.norm(problem.evaluate(w).gradient))
    before = problem.passes
    _judged(problem, w, work=5.0 * product_work(problem))
    assert problem.passes - before == 1.0
    assert _judged(problem, w, curvature=True, work=0.0).kind == "second_order"
    assert _judged(problem, w, curvature=False).kind == "gradient_norm"


def test_an_interrupt_is_answered_soon(rng):
    problem = _regression(rng)
    work = 2.0 * problem.size * product_work(problem)
    assert _judged(problem, problem.start(), work=work).kind == "second_order"
    stopped = _judged(problem, problem.start(), Status.INTERRUPTED, "interrupted", work=work)
    assert stopped.kind == "gradient_norm"
    assert stopped.status is Status.INTERRUPTED


def test_numbers_that_are_not_finite(rng):
    problem = _regression(rng, [Dense(4, "relu")])
    w = problem.start()
    w[0] = math.nan
    assert _judged(problem, w).status is Status.DIVERGED
    huge = _judged(problem, np.full(problem.size, 1e200))
    assert huge.status is Status.DIVERGED
    assert huge.bounds == "nothing"


def test_parameters_of_float32_are_judged_in_float64(rng):
    problem = _regression(rng)
    w = _minimum(problem)
    rounded = _judged(problem, w.astype(np.float32))
    assert rounded.primal == problem.evaluate(w.astype(np.float32).astype(np.float64)).value
    assert rounded.evidence["verdict"] == "minimum to second order"


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 30))
def test_ritz_values_lie_inside_the_spectrum(seed, d, most):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(d, d))
    H = A + A.T
    true = np.linalg.eigvalsh(H)
    seen = krylov(lambda v: H @ v, rng.normal(size=d), most)
    size = np.abs(true).max()
    assert seen.values[0] >= true[0] - 1e-10 * size
    assert seen.values[-1] <= true[-1] + 1e-10 * size
    np.testing.assert_allclose(seen.basis @ seen.basis.T, np.eye(seen.products), atol=1e-10)
    v = seen.vector(0)
    assert v @ H @ v == pytest.approx(seen.values[0], abs=1e-9 * size)
    if most >= d:
        assert seen.complete
        np.testing.assert_allclose(seen.values, true, atol=1e-8 * size)
    assert floor_of(seen, d) <= true[0] + 1e-9 * size


def test_a_floor_holds_where_the_products_are_few():
    """A spectrum that is hard for Lanczos' method: the floor is wrong at most once in a thousand starts."""
    d = 400
    values = np.concatenate([[-1.0], np.linspace(-0.99, 1.0, d - 1)])
    for seed in range(40):
        seen = krylov(lambda v: values * v, np.random.default_rng(seed).normal(size=d), 25)
        assert -math.inf < floor_of(seen, d) <= -1.0
    assert floor_of(krylov(lambda v: values * v, np.ones(d), 3), d) == -math.inf


def test_krylov_without_numbers():
    assert krylov(lambda v: v, np.zeros(3), 5) is None
    assert krylov(lambda v: v * math.nan, np.ones(3), 5) is None


def test_promises():
    assert promise(np.array([2.0]), np.array([4.0]), 10.0) == 0.5
    assert promise(np.array([2.0]), np.array([-4.0]), 10.0) == 0.5
    assert promise(np.array([2.0]), np.array([0.0]), 10.0) == 20.0
    assert promise(np.array([0.0]), np.array([0.0]), 10.0) == 0.0


def test_after_a_short_training_a_sample_is_judged(rng, monkeypatch):
    monkeypatch.setattr(module, "ENOUGH", 0.0)
    problem = _regression(rng, n=1000)
    w = problem.start()
    whole = _judged(problem, w, curvature=False)
    assert whole.evidence["rows"] == 1000
    assert "sample" not in whole.evidence
    before = problem.passes
    part = _judged(problem, w, Status.BUDGET, "max_iter=1 reached", passes=0.25)
    assert part.evidence["rows"] == 250
    assert part.evidence["sample"] == "250 of 1,000 rows"
    assert part.reason.startswith("max_iter=1 reached. On a sample of 250 of 1,000 rows, a step")
    assert part.kind == "gradient_norm"  # curvature is never that of a sample
    assert problem.passes - before == pytest.approx(0.25)
    assert part.primal == pytest.approx(whole.primal, rel=0.2)
    assert part.primal != whole.primal
    assert part == _judged(problem, w, Status.BUDGET, "max_iter=1 reached", passes=0.25)
    full = _judged(problem, w, passes=0.25, curvature=True)
    assert full.kind == "second_order"
    assert full.primal == whole.primal
    assert _judged(problem, w, passes=1.0, curvature=False) == whole


def test_small_problems_are_judged_whole(rng):
    problem = _regression(rng)
    found = _judged(problem, problem.start(), passes=0.0, curvature=False)
    assert found.evidence["rows"] == problem.n


def test_each_number_of_a_reason_comes_once(rng, monkeypatch):
    monkeypatch.setattr(module, "DENSE", 0)
    problem = _regression(rng, [Dense(30, "relu")])
    for w in (problem.start(), _minimum(problem)):
        for options in ({}, {"curvature": False}):
            reason = _judged(problem, w, Status.BUDGET, "max_iter=3 reached", **options).reason
            numbers = [word.strip(".,;()") for word in reason.split() if any(c.isdigit() for c in word)]
            assert len(numbers) == len(set(numbers)), reason
            assert len(reason) < 300
            assert all(sentence[0].isupper() for sentence in reason.split(". ")[1:])


def test_what_a_search_for_curvature_may_miss_is_told_beside_a_minimum(rng, monkeypatch):
    monkeypatch.setattr(module, "DENSE", 0)
    monkeypatch.setattr(module, "MOST", 20)
    problem = _regression(rng, [Dense(40, "tanh")])
    certificate = _judged(problem, _minimum(problem))
    assert certificate.evidence["verdict"] == "minimum to second order"
    assert certificate.evidence["curvature_floor"] < 0.0
    assert "could miss one of" in certificate.reason or "too few to exclude a saddle" in certificate.reason
