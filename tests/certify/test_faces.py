"""Faces of sets: what they hold, what they leave free, and the verdicts there."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.certify.faces import face_at
from steepest.certify.function import DENSE, certify_function, look
from steepest.penalties.constraints import Box, L1Ball, L2Ball, NonNegative, Simplex
from steepest.problems.function import FunctionProblem
from steepest.protocols import Status

TOL = 1e-14
SETS = [Box(-0.5, 0.7), NonNegative(), L2Ball(1.3), L1Ball(1.1), Simplex(2.0)]


def verdict(fun, grad, x, constraint, tol=TOL):
    problem = FunctionProblem(fun, x, grad, constraint=constraint)
    at = problem.evaluate(np.asarray(x, dtype=float))
    return look(problem, at, tol, at.value)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SETS), st.integers(0, 10_000), st.integers(2, 7))
def test_a_face_is_what_projections_leave_alone(constraint, seed, size):
    random = np.random.default_rng(seed)
    x = constraint.project(random.normal(0.0, 2.0, size))
    g = random.standard_normal(size)
    face = face_at(constraint, x, g, np.zeros(size))
    Z = face.basis()
    np.testing.assert_allclose(Z.T @ Z, np.eye(face.size), atol=1e-14)
    np.testing.assert_allclose(face.along(g), Z @ (Z.T @ g), atol=1e-14)
    # a short move along free coordinates that are not on a boundary stays in the set, to first order
    h = 1e-7
    inner = face_at(constraint, x, 1e9 * np.sign(x) if isinstance(constraint, NonNegative) else g, np.zeros(size))
    d = inner.along(random.standard_normal(size))
    low = np.broadcast_to(getattr(constraint, "low", 0.0 if isinstance(constraint, Simplex) else -math.inf), size)
    high = np.broadcast_to(getattr(constraint, "high", math.inf), size)
    if np.all((np.abs(d) == 0.0) | ((x > low) & (x < high))) and not isinstance(constraint, L1Ball):
        room = 10.0 * h * h * float(d @ d) if inner.bend or inner.whole else 1e-15
        moved = constraint.project(x + h * d) - x - h * d
        assert np.linalg.norm(moved) <= room + 1e-15 or inner.whole
    assert np.all(face.pressures >= 0.0)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SETS), st.integers(0, 10_000), st.integers(2, 7))
def test_multipliers_balance_the_gradient_at_a_projection(constraint, seed, size):
    """The nearest point of a set minimises |x - y|^2 / 2: the gradient x - y is made of multipliers alone."""
    y = np.random.default_rng(seed).normal(0.0, 2.0, size)
    x = constraint.project(y)
    g = x - y
    face = face_at(constraint, x, g, 1e-12 * np.ones(size), 1e-12)
    np.testing.assert_allclose(face.along(g), 0.0, atol=1e-12)
    assert face.left <= 1e-12
    seen = verdict(lambda v: 0.5 * float((v - y) @ (v - y)), lambda v: v - y, x, constraint)
    assert seen.verdict.name == "minimum to second order"


def test_words():
    x = np.array([0.0, 0.5, 1.0, 0.0, 0.0, 0.0])
    g = np.array([1.0, 0.0, -1.0, 2.0, 3.0, 4.0])
    face = face_at(Box(0.0, 1.0), x, g, np.zeros(6))
    assert face.words(x) == "on the bounds x[0] = 0, x[2] = 1, x[3] = 0, x[4] = 0 and 1 more"
    assert face_at(Box(0.0, 1.0), x, -g, np.zeros(6)).words(x) == ""
    one = face_at(NonNegative(), x[:2], g[:2], np.zeros(2))
    assert one.words(x) == "on the bound x[0] = 0"
    ball = face_at(L2Ball(1.0), np.array([0.6, 0.8]), np.array([-0.6, -0.8]), np.zeros(2))
    assert (ball.words(x), ball.bend) == ("on the sphere", pytest.approx(1.0))
    with pytest.raises(TypeError, match="no face"):
        face_at("box", x, g, x)


def test_a_round_boundary_adds_curvature():
    """Along the sphere the multiplier outweighs a negative curvature, or does not."""
    H = np.diag([0.0, -0.5])
    at = np.array([1.0, 0.0])
    for slope, name in ((-1.0, "minimum to second order"), (-0.4, "saddle")):
        g = np.array([slope, 0.0])
        seen = verdict(lambda x, g=g: g @ x + 0.5 * (x @ H @ x), lambda x, g=g: g + H @ x, at, L2Ball(1.0))
        assert seen.verdict.name == ("maximum" if name == "saddle" else name)  # one direction is free
        assert seen.verdict.smallest_curvature == pytest.approx(-slope - 0.5, abs=1e-6)


def test_a_bound_that_only_just_holds():
    """-x^2 on [0, 1] leads down from 0; x^3 does not show to second order; a way out of the set is none."""
    assert verdict(lambda x: -(x[0] ** 2), lambda x: -2.0 * x, [0.0], Box(0.0, 1.0)).verdict.name == "maximum"
    assert verdict(lambda x: x[0] ** 3, lambda x: 3.0 * x**2, [0.0], Box(0.0, 1.0)).verdict.name == "stationary"
    # a corner of which both edges only just hold: (1, -1) curves downwards, but leads out
    H = np.array([[1.0, 2.0], [2.0, 1.0]])
    seen = verdict(lambda x: 0.5 * x @ H @ x, lambda x: H @ x, [0.0, 0.0], NonNegative())
    assert seen.verdict.name == "degenerate"


def test_a_corner_and_a_fixed_variable():
    corner = verdict(lambda x: x[0] - x[1], lambda x: np.array([1.0, -1.0]), [0.0, 1.0], Box(0.0, 1.0))
    assert corner.verdict.name == "minimum to second order"
    assert corner.verdict.predicted_decrease == 0.0
    wrong = verdict(lambda x: x[0] + x[1], lambda x: np.array([1.0, 1.0]), [0.0, 1.0], Box(0.0, 1.0))
    assert wrong.verdict.name == "not stationary"
    box = Box(np.array([2.0, -5.0]), np.array([2.0, 5.0]))
    fixed = verdict(lambda x: (x @ x) / 2.0, lambda x: x, [2.0, 0.0], box)
    assert fixed.verdict.name == "minimum to second order"
    assert list(fixed.face.held) == [0]


def test_almost_on_a_bound_counts_what_is_left():
    problem = FunctionProblem(
        lambda v: v[0] + v[1] ** 2, [1.0, 1.0], lambda v: np.array([1.0, 2.0 * v[1]]), constraint=NonNegative()
    )

    def at(x):
        return look(problem, problem.evaluate(np.array([x, 0.0])), TOL, x)

    assert at(1e-13).verdict.name == "not stationary"  # 1e-13 of decrease is left, none is allowed
    assert at(1e-13).verdict.predicted_decrease == pytest.approx(1e-13)
    assert at(0.0).verdict.name == "minimum to second order"


@pytest.mark.parametrize("constraint", [Box(-1.0, 1.0), L2Ball(1.0), Simplex(400.0)], ids=lambda c: c.name)
@pytest.mark.parametrize("sign", [1.0, -40.0])
def test_many_variables(constraint, sign):
    size = DENSE + 60
    m = np.full(size, 0.9)
    m[:3] = 20.0
    x0 = constraint.project(m)
    bent = np.zeros(size)
    bent[7], bent[9] = math.sqrt(0.5), -math.sqrt(0.5)  # along it every set is flat

    def grad(x):
        return (x - m) + (sign - 1.0) * bent * float(bent @ (x - x0))

    def fun(x):
        return 0.5 * float((x - m) @ (x - m)) + 0.5 * (sign - 1.0) * float(bent @ (x - x0)) ** 2

    seen = verdict(fun, grad, x0, constraint)
    assert seen.face.size > DENSE
    assert seen.verdict.name == ("minimum to second order" if sign > 0.0 else "saddle")
    if sign < 0.0:
        assert abs(float(seen.direction @ bent)) > 0.99 * float(np.linalg.norm(seen.direction))


def test_evidence_and_wording():
    problem = FunctionProblem(lambda x: x[0] + (x[1] - 3.0) ** 2, [0.0, 1.0], constraint=Box(0.0, [1.0, 2.0]))
    found = certify_function(problem, np.array([0.0, 2.0]), tol=TOL, started=5.0, status=Status.STALLED, reason="")
    assert found.reason.startswith("a minimum to second order on the bounds x[0] = 0, x[1] = 2: the projected gradient")
    assert not found.passed
    assert list(found.evidence["held"]) == [0, 1]
    np.testing.assert_allclose(found.evidence["multipliers"], [1.0, 2.0], rtol=1e-6)
    assert found.evidence["gradient_norm"] == 0.0
    assert found.to_dict()["evidence"]["held"] == [0, 1]
