"""Update rules with full gradients: their formulas, their characters, their projections, their rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.functions import TestFunction, get, quadratic
from steepest.losses import get_loss
from steepest.penalties import L2
from steepest.penalties.constraints import Box, L1Ball, L2Ball, NonNegative, Simplex
from steepest.problems.function import FunctionProblem
from steepest.problems.linear import LinearProblem
from steepest.protocols import Status
from steepest.rules import FTRL, Adagrad, Adam, AdamW, Momentum
from steepest.rules.stepper import Stepper
from steepest.solvers.choice_function import RULE_METHODS
from steepest.solvers.rule_descent import RuleDescent, metric, steepest_curvature
from steepest.solvers.schedules import Constant, Cosine, InverseRoot

SETS = [Box(-0.5, 0.8), NonNegative(), L2Ball(1.0), L1Ball(1.5), Simplex(2.0)]
RAVINE = TestFunction(
    "ravine", "(x^2 + 100 y^2) / 2",
    lambda x: 0.5 * (x[0] ** 2 + 100.0 * x[1] ** 2),
    lambda x: np.array([1.0, 100.0]) * x,
    lambda x: np.diag([1.0, 100.0]),
    np.array([10.0, 1.0]), (np.zeros(2),), 0.0, convex=True,
)  # fmt: skip


def run(method, f=RAVINE, rounds=200, **options):
    return steepest.minimize(f, f.start, grad=f.grad, method=method, options=options, max_iter=rounds)


def rounds_to(found, value):
    return int(np.argmax(found.history["objective"] <= value)) if found.fun <= value else 10**9


def test_momentum_and_adam_follow_their_formulas():
    f, eta = get("beale"), 0.01
    w, v = f.start.copy(), np.zeros(2)
    heavy = [w.copy()]
    for _ in range(50):
        v = 0.8 * v - eta * f.grad(w)
        w = w + v
        heavy.append(w.copy())
    found = run(Momentum(0.8), f, 50, learning_rate=eta)
    np.testing.assert_allclose(found.path, heavy, rtol=1e-12)
    w, m, s = f.start.copy(), np.zeros(2), np.zeros(2)
    adam = [w.copy()]
    for t in range(1, 51):
        g = f.grad(w)
        m, s = 0.7 * m + 0.3 * g, 0.99 * s + 0.01 * g * g
        w = w - eta * (m / (1.0 - 0.7**t)) / (np.sqrt(s / (1.0 - 0.99**t)) + 1e-8)
        adam.append(w.copy())
    found = run(Adam(0.7, 0.99), f, 50, learning_rate=Constant(eta))
    np.testing.assert_allclose(found.path, adam, rtol=1e-10)
    assert found.method == "adam"


def test_ftrl_begins_where_it_is_told():
    found = run(FTRL(beta=2.0), RAVINE, 1, learning_rate=0.5)
    g = RAVINE.grad(RAVINE.start)
    np.testing.assert_allclose(found.path[1], RAVINE.start - 0.5 * g / (2.0 + np.abs(g)), rtol=1e-14)
    # and goes on from where it is when the rate changes
    two = run("ftrl", RAVINE, 400, learning_rate="inverse_root", eta0=3.0)
    assert np.linalg.norm(np.diff(two.path, axis=0), axis=1)[5:].max() < 3.0


@pytest.mark.parametrize("method", RULE_METHODS)
def test_every_rule_finds_a_minimum_by_itself(method):
    f = quadratic(30.0, 4)
    rule = AdamW(decay=0.0) if method == "adamw" else method
    found = steepest.minimize(f, f.start, grad=f.grad, method=rule)
    assert found.success, found.message
    np.testing.assert_allclose(found.x, f.minima[0], atol=1e-5)
    assert found.notes[0].startswith("learning_rate: ")
    squares = steepest.LeastSquares(lambda x: np.array([10.0 * (x[1] - x[0]), 1.0 - x[0], 0.5]))
    assert steepest.minimize(squares, [-1.2, 1.0], method=rule).success


def test_decoupled_decay_ends_elsewhere_and_says_so():
    f = quadratic(30.0, 4)
    found = run(AdamW(decay=0.5), f, 3000, learning_rate=0.01)
    assert not found.success
    assert "not a stationary point" in found.message


def test_a_ravine_with_and_without_momentum():
    """At condition k plain steps need about k rounds a digit, heavy balls the root of that."""
    plain = run("sgd", rounds=3000, learning_rate=1.9 / 100.0)
    heavy = run(Momentum((9.0 / 11.0) ** 2), rounds=3000, learning_rate=4.0 / 121.0)  # Polyak's best for 1 and 100
    assert 5 * rounds_to(heavy, 1e-8) < rounds_to(plain, 1e-8) < 10**9


def test_adagrad_does_not_see_the_scales():
    """In a ravine along the axes Adagrad goes straight to the minimum; a gradient step goes across."""
    ada = run(Adagrad(), rounds=200, learning_rate=3.0)
    plain = run("sgd", rounds=200, learning_rate=1.9 / 100.0)
    assert ada.fun < 1e-6 * plain.fun
    scaled = TestFunction(
        "scaled", "", lambda x: RAVINE(x * [1.0, 1e3]), lambda x: RAVINE.grad(x * [1.0, 1e3]) * [1.0, 1e3],
        lambda x: np.diag([1.0, 1e8]), RAVINE.start, (np.zeros(2),), 0.0,
    )  # fmt: skip
    same = run(Adagrad(eps=1e-300), scaled, rounds=5, learning_rate=3.0)
    np.testing.assert_allclose(same.path[1], RAVINE.start - 3.0, rtol=1e-12)  # the first step has one length in all


def test_past_two_over_the_curvature_it_diverges():
    short = run("sgd", rounds=10_000, learning_rate=1.99 / 100.0)
    assert short.success
    long = run("sgd", rounds=10_000, learning_rate=2.01 / 100.0)
    assert long.status is Status.DIVERGED
    assert not long.success
    assert RAVINE(long.x) <= RAVINE(RAVINE.start)


def test_an_automatic_rate_is_taken_back_where_the_curvature_grows():
    f = steepest.minimize(lambda x: x[0] ** 8 / 8.0, [1.5], grad=lambda x: x**7, method="sgd", options={}, max_iter=100)
    assert f.fun < 1e-2
    flat = TestFunction(
        "flat first", "", lambda x: float(np.exp(x[0]) - 8.0 * x[0]), lambda x: np.exp(x) - 8.0,
        lambda x: np.diag(np.exp(x)), np.array([-8.0]), (np.log([8.0]),), 8.0 - 8.0 * np.log(8.0),
    )  # fmt: skip
    found = steepest.minimize(flat, flat.start, grad=flat.grad, method="sgd")
    assert found.success, found.message
    assert any("f grew to" in note or "inf" in note for note in found.notes)


def test_rules_are_not_steered_off_a_saddle():
    f = get("double_well")
    found = run("sgd", f)
    np.testing.assert_array_equal(found.x, f.saddles[0])
    assert found.certificate.evidence["verdict"] == "saddle"
    assert found.message.startswith("the rule does not move x any more; a saddle")


@pytest.mark.parametrize("constraint", SETS, ids=lambda c: c.name)
@pytest.mark.parametrize("method", ["sgd", "nesterov", "adagrad", "rmsprop", "ftrl"])
def test_projected_rules_find_the_constrained_minimum(method, constraint):
    f = quadratic(30.0, 5)
    found = steepest.minimize(f, f.start, grad=f.grad, method=method, constraint=constraint, max_iter=1500)
    best = steepest.minimize(f, f.start, grad=f.grad, constraint=constraint)
    assert best.success
    np.testing.assert_allclose(found.x, best.x, atol=1e-4)
    assert all(constraint.violation(x) < 1e-12 for x in found.path)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SETS), st.integers(0, 1000))
def test_projections_are_in_the_rule_s_metric(constraint, seed):
    """The projected point is nearer than any other of the set, as Adagrad measures it."""
    random = np.random.default_rng(seed)
    f = quadratic(100.0, 4, seed)
    start = constraint.project(random.standard_normal(4))
    found = steepest.minimize(
        f, start, grad=f.grad, method="adagrad", constraint=constraint, options={"learning_rate": 1.0}, max_iter=1
    )
    stepper, free = Stepper("adagrad", 4), start.copy()
    g = f.grad(start)
    stepper.step(free, g, 1.0)
    q = metric(stepper, 1.0)
    np.testing.assert_allclose(q, np.abs(g) / np.abs(g).max(), rtol=1e-6)
    away = float(q @ (found.path[-1] - free) ** 2)
    others = np.array(
        [constraint.project(found.path[-1] + s * random.standard_normal(4)) for s in (1e-3, 0.1, 1.0) * 20]
    )
    assert away <= float((q * (others - free) ** 2).sum(axis=1).min()) + 1e-9


def test_metrics():
    assert metric(Stepper("momentum", 3), 0.1) is None
    fresh = Stepper("adam", 3)
    assert metric(fresh, 0.1) is None
    fresh.step(np.zeros(3), np.array([4.0, 1.0, 0.0]), 0.1)
    np.testing.assert_allclose(metric(fresh, 0.1), [1.0, 0.25, 0.25], rtol=1e-6)


@pytest.mark.parametrize("name", ["constant", "inverse_root", "invscaling", "step", "cosine", "warm_up", "plateau"])
def test_schedules_by_name(name):
    f = quadratic(5.0, 3)
    found = run("sgd", f, 400, learning_rate=name)
    assert found.fun < 1e-3 * f(f.start)
    given_ = run("sgd", f, 3, learning_rate=name, eta0=0.01)
    assert given_.history["step"][1] == pytest.approx(0.01 if name != "warm_up" else 1e-4)
    assert given_.notes == [] or "learning_rate: " in given_.notes[0]
    assert run("sgd", f, 3, learning_rate=InverseRoot(0.02)).history["step"][2] == pytest.approx(0.02 / np.sqrt(2.0))


def test_a_schedule_that_ends():
    found = run("sgd", RAVINE, 100, learning_rate=Cosine(0.01, steps=10))
    assert found.nit == 11
    assert "rate of zero" in found.message


def test_curvature_at_a_point():
    f = quadratic(400.0, 12, 5)
    problem = FunctionProblem(f, f.start, f.grad)
    L, products = steepest_curvature(problem, problem.evaluate(f.start))
    assert 0.9 * 400.0 <= L <= 1.02 * 400.0
    assert products <= 20
    flat = FunctionProblem(lambda x: float(x.sum()), np.ones(3), np.ones_like)
    assert steepest_curvature(flat, flat.evaluate(np.ones(3)))[0] == 0.0


def test_whole_batches_of_a_linear_problem():
    random = np.random.default_rng(0)
    X, y = random.standard_normal((60, 3)), random.standard_normal(60)
    problem = LinearProblem(as_source(X), y, np.full(60, 1.0 / 60.0), get_loss("squared"), L2(0.1), False)
    solver = RuleDescent("adam")
    state = solver.start(problem, problem.start())
    for _ in range(300):
        at = solver.advance(state).at
    best = np.linalg.solve(X.T @ X / 60.0 + 0.1 * np.eye(3), X.T @ y / 60.0)
    np.testing.assert_allclose(at.w, best, atol=1e-3)
    assert solver.missing(problem.traits._replace(l1=1.0)) is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1.0}, "learning_rate: expected a finite number > 0"),
        ({"learning_rate": True}, "learning_rate: expected a finite number > 0"),
        ({"learning_rate": "cosin"}, "learning_rate: expected 'auto', a number"),
        ({"learning_rate": "pegasos"}, "learning_rate: 'pegasos' needs the strength"),
        ({"learning_rate": 0.1, "eta0": 0.1}, "eta0: only a schedule given by name"),
        ({"eta0": 0.0}, "eta0: expected a finite number > 0"),
        ({"momentum": 0.5}, r"options: method='adam' takes \['learning_rate', 'eta0'\], got 'momentum'"),
    ],
)
def test_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        run("adam", **options)


def test_no_rate_is_small_enough():
    with pytest.raises(IncompatibleError, match="learning_rate: f is not finite"):
        steepest.minimize(
            lambda x: 0.0 if x[0] == 1.0 else np.inf, [1.0], grad=lambda x: x, method="adam", check_gradient=False
        )
