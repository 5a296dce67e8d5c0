"""Projections are argmins, support functions are attained, and compiled code does the same."""

from __future__ import annotations

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.exceptions import InvalidParameterError
from steepest.jit import kernel
from steepest.penalties.constraints import (
    Box,
    L1Ball,
    L2Ball,
    NonNegative,
    Simplex,
    get_constraint,
    project_into,
)

SETS = {
    "box": Box(-0.5, 1.25),
    "box_arrays": Box([-1.0, 0.0, -math.inf, 0.25, 0.0], [1.0, 0.0, 2.0, math.inf, 0.5]),
    "nonnegative": NonNegative(),
    "l2_ball": L2Ball(1.5),
    "l1_ball": L1Ball(0.75),
    "simplex": Simplex(2.0),
}
D = 5
NAMES = sorted(SETS)
NUMBER = st.floats(-1e3, 1e3) | st.integers(-3, 3).map(float) | st.floats(-1e-6, 1e-6)
POINT = st.lists(NUMBER, min_size=D, max_size=D).map(np.array)
METRIC = st.lists(st.floats(-6.0, 6.0), min_size=D, max_size=D).map(lambda e: 10.0 ** np.array(e))


@kernel
def _projected(constraint, w, d):
    project_into(constraint, w, d)


def feasible(constraint, rng, count=40):
    """Points of a set, corners among them, made without its projection."""
    out = []
    for _ in range(count):
        v = rng.normal(size=D) * 10.0 ** rng.uniform(-2, 2)
        if isinstance(constraint, Box | NonNegative):
            v = np.clip(v, constraint.low, constraint.high)
        elif isinstance(constraint, L2Ball):
            v *= constraint.radius / np.linalg.norm(v) * rng.choice([1.0, rng.uniform()])
        else:
            v = rng.dirichlet(np.full(D, 0.3)) if rng.uniform() < 0.6 else np.eye(D)[rng.integers(D)]
            if isinstance(constraint, L1Ball):
                v = v * rng.choice([-1.0, 1.0], size=D) * constraint.radius * rng.choice([1.0, rng.uniform()])
            else:
                v = v * constraint.total
        out.append(v)
    return out


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(w=POINT, other=POINT, seed=st.integers(0, 2**32 - 1))
def test_the_projection_is_the_nearest_point(name, w, other, seed):
    constraint = SETS[name]
    p = constraint.project(w)
    assert constraint.contains(p)
    size = 1.0 + float(np.abs(w).max())
    for v in feasible(constraint, np.random.default_rng(seed)):
        assert (w - p) @ (v - p) <= 1e-11 * size * (1.0 + float(np.abs(v).max()) + float(np.abs(p).max())) * D
    np.testing.assert_allclose(constraint.project(p), p, rtol=1e-14, atol=1e-14)
    apart = np.linalg.norm(p - constraint.project(other))
    assert apart <= np.linalg.norm(w - other) + 1e-12 * (size + float(np.abs(other).max()))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(w=POINT, q=METRIC, seed=st.integers(0, 2**32 - 1))
def test_in_a_metric_it_is_the_nearest_point_of_that_metric(name, w, q, seed):
    constraint = SETS[name]
    p = constraint.project_metric(w, q)
    assert constraint.contains(p)
    scale = float(np.abs(q * (w - p)).max()) + float(q.min()) * (1.0 + float(np.abs(w).max()))
    for v in feasible(constraint, np.random.default_rng(seed)):
        assert (q * (w - p)) @ (v - p) <= 1e-9 * scale * (float(np.abs(v).max()) + float(np.abs(p).max()))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(w=POINT)
def test_an_equal_metric_changes_nothing_and_compiled_code_agrees(name, w):
    constraint = SETS[name]
    expected = constraint.project(w)
    size = 1e-13 * (1.0 + float(np.abs(w).max()))
    np.testing.assert_allclose(constraint.project_metric(w, np.full(D, 3.0)), expected, rtol=1e-12, atol=size)
    inside = np.append(w, 77.0)
    _projected(constraint, inside, D)
    assert inside[-1] == 77.0
    np.testing.assert_allclose(inside[:-1], expected, rtol=1e-13, atol=size)
    plain = w.copy()
    project_into(constraint, plain, D)
    np.testing.assert_allclose(plain, expected, rtol=1e-13, atol=size)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(v=POINT, seed=st.integers(0, 2**32 - 1))
def test_no_point_exceeds_the_support(name, v, seed):
    constraint = SETS[name]
    support = constraint.support(v)
    for w in feasible(constraint, np.random.default_rng(seed)):
        assert w @ v <= support + 1e-12 * (1.0 + np.abs(w) @ np.abs(v))


def test_the_support_is_attained_at_a_vertex():
    v = np.random.default_rng(3).normal(size=D)
    corners = [np.array(c) for c in itertools.product((-0.5, 1.25), repeat=D)]
    assert SETS["box"].support(v) == pytest.approx(max(c @ v for c in corners), rel=1e-14)
    assert SETS["simplex"].support(v) == 2.0 * v.max()
    assert SETS["l1_ball"].support(v) == 0.75 * np.abs(v).max()
    assert SETS["l2_ball"].support(v) == pytest.approx(1.5 * np.linalg.norm(v), rel=1e-14)
    assert NonNegative().support(-np.abs(v)) == 0.0
    assert NonNegative().support(np.abs(v)) == math.inf
    assert SETS["box_arrays"].support(np.array([1.0, 5.0, 1.0, -2.0, 0.0])) == 1.0 + 0.0 + 2.0 - 0.5
    assert SETS["box_arrays"].support(np.array([0.0, 0.0, -1.0, 0.0, 0.0])) == math.inf


@pytest.mark.parametrize("name", ["l1_ball", "l2_ball", "simplex"])
@pytest.mark.parametrize("size", [1e-200, 1e-9, 1.0, 1e9, 1e17, 1e160])
def test_far_and_near_points_stay_within_rounding(name, size):
    constraint = SETS[name]
    rng = np.random.default_rng(5)
    w = size * rng.normal(size=400)
    for q in (None, 10.0 ** rng.uniform(-8.0, 8.0, size=400)):
        p = constraint.project(w) if q is None else constraint.project_metric(w, q)
        assert constraint.contains(p, 1e-13)
    ties = np.full(400, size)
    np.testing.assert_allclose(Simplex().project(ties), np.full(400, 1 / 400), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_interior_point_solver_agrees(name):
    cvxpy = pytest.importorskip("cvxpy")
    constraint, rng = SETS[name], np.random.default_rng(11)
    for _ in range(4):
        w, q = 2.0 * rng.normal(size=D), rng.uniform(0.2, 5.0, size=D)
        v = cvxpy.Variable(D)
        held = {
            "l2_ball": lambda v: [cvxpy.norm(v, 2) <= 1.5],
            "l1_ball": lambda v: [cvxpy.norm(v, 1) <= 0.75],
            "simplex": lambda v: [v >= 0, cvxpy.sum(v) == 2.0],
        }.get(name)
        if held is None:
            low, high = np.broadcast_to(constraint.low, D), np.broadcast_to(constraint.high, D)
            limits = [v[j] >= low[j] for j in range(D) if np.isfinite(low[j])]
            limits += [v[j] <= high[j] for j in range(D) if np.isfinite(high[j])]
        else:
            limits = held(v)
        cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(cvxpy.multiply(q, cvxpy.square(v - w)))), limits).solve(
            solver=cvxpy.CLARABEL
        )
        p = constraint.project_metric(w, q)
        np.testing.assert_allclose(p, v.value, atol=1e-3)
        assert q @ (p - w) ** 2 <= q @ (v.value - w) ** 2 + 1e-6


def test_columns_are_projected_each_by_itself():
    W = np.random.default_rng(0).normal(size=(D, 3))
    q = np.random.default_rng(1).uniform(0.5, 2.0, size=(D, 3))
    for constraint in SETS.values():
        P = constraint.project(W)
        assert P.shape == W.shape
        for j in range(3):
            np.testing.assert_array_equal(P[:, j], constraint.project(W[:, j]))
            np.testing.assert_array_equal(
                constraint.project_metric(W, q)[:, j], constraint.project_metric(W[:, j], q[:, j])
            )
        assert constraint.contains(P)
        assert not constraint.contains(np.where(np.arange(3) == 1, 100.0, P) * -1.0)
        V = -np.abs(W)
        assert constraint.support(V) == pytest.approx(sum(constraint.support(V[:, j]) for j in range(3)))


def test_a_point_that_is_not_finite_is_in_no_set():
    for constraint in SETS.values():
        for bad in (math.nan, math.inf):
            w = np.zeros(D)
            w[2] = bad
            assert constraint.violation(w) == math.inf


def test_what_is_inside_comes_back_as_it_is():
    w = np.array([0.1, -0.0625, 0.2, 0.0, 0.25])
    for constraint in (L2Ball(1.0), L1Ball(1.0), Box(-1.0, 1.0)):
        np.testing.assert_array_equal(constraint.project(w), w)
        assert constraint.project(w) is not w


@pytest.mark.parametrize("q", [None, np.geomspace(1.0, 1e3, 12)], ids=["euclidean", "metric"])
def test_a_second_projection_keeps_the_zeros_of_the_first(q):
    simplex = Simplex(1.0)
    for w in np.random.default_rng(0).normal(size=(200, 12)):
        once = simplex.project(w) if q is None else simplex.project_metric(w, q)
        assert np.sum(once == 0.0) > 0
        np.testing.assert_array_equal(simplex.project(once), once)


def test_values_compare_hash_copy_and_pickle_by_content():
    for constraint in SETS.values():
        for same in (copy.deepcopy(constraint), pickle.loads(pickle.dumps(constraint)), constraint._replace()):
            assert same == constraint
            assert hash(same) == hash(constraint)
    assert L1Ball(1.0) != L2Ball(1.0)
    assert Box([0.0, 0.0], 1.0) != Box([0.0, 0.5], 1.0)
    assert bool(NonNegative())
    with pytest.raises(InvalidParameterError, match="radius"):
        L1Ball(1.0)._replace(radius=-1.0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: L2Ball(0.0), "radius: expected a finite number > 0, got 0.0"),
        (lambda: L1Ball(math.inf), "radius: expected"),
        (lambda: Simplex("much"), "total: expected a finite number > 0, got 'much'"),
        (lambda: Box(1.0, 0.0), "low: expected numbers at most high"),
        (lambda: Box([0.0, 2.0], [1.0, 1.0]), "low: expected numbers at most high"),
        (lambda: Box(math.nan, 1.0), "low: expected a number or an array"),
        (lambda: Box([0.0, 0.0], [1.0, 1.0, 1.0]), "high: expected the shape of low"),
        (lambda: Box(math.inf, math.inf), "low: expected numbers at most high"),
        (lambda: NonNegative().project_metric(np.zeros(2), np.zeros(2)), "q: expected positive finite"),
        (lambda: get_constraint("simplx"), "Try 'simplex'"),
        (lambda: get_constraint(3.0), "constraint: expected one of"),
        (lambda: get_constraint(NonNegative), "constraint: expected one of"),
    ],
)
def test_errors_name_what_is_allowed(make, said):
    with pytest.raises(InvalidParameterError, match=said):
        make()


def test_names_lead_to_values():
    assert get_constraint(None) is None
    assert get_constraint("nonnegative") == NonNegative()
    assert get_constraint("l2_ball") == L2Ball(1.0)
    box = Box(0.0, 1.0)
    assert get_constraint(box) is box
