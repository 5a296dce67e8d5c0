"""The numbers of a landscape are the function's values, at the places that are named."""

from __future__ import annotations

import numpy as np
import pytest

import steepest.losses as sl
from steepest.analysis import level_sets, slices
from steepest.analysis.functions import as_functions
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.penalties import L1, L2
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
Z = X @ [1.0, -1.0, 2.0, 0.0, 0.5]


def fun(x):
    return np.sin(x).sum() + x @ x


def test_values_are_those_of_the_function_on_the_plane():
    centre = RNG.normal(size=4)
    directions = RNG.normal(size=(2, 4))
    found = level_sets(fun, centre, directions=directions, span=(2.0, 0.5), n=7)
    assert found.u @ found.v == pytest.approx(0.0, abs=1e-12)
    assert np.linalg.matrix_rank(np.vstack([directions, found.u, found.v])) == 2
    assert (found.a[-1], found.b[-1]) == (2.0, 0.5)
    for i, t in enumerate(found.b):
        for j, s in enumerate(found.a):
            assert found.values[i, j] == fun(centre + s * found.u + t * found.v)
    a, b, low = found.lowest
    assert low == found.values.min() == fun(centre + a * found.u + b * found.v)


@pytest.mark.parametrize(
    "problem",
    [
        LinearProblem(as_source(X), np.sign(Z), np.full(40, 1 / 40), sl.Logistic(), L2(0.1), True),
        LinearProblem(as_source(X), Z, np.full(40, 1 / 40), sl.Huber(), L1(0.1), False),
        MulticlassProblem(
            as_source(X), np.digitize(Z, [-1.0, 1.0]), np.full(40, 1 / 40), sl.Softmax(), L2(0.1), True, 3
        ),
    ],
    ids=["logistic", "huber", "softmax"],
)
def test_a_problem_is_drawn_from_its_scores_without_a_pass_a_point(problem):
    before = problem.passes
    centre = RNG.normal(size=problem.size)
    found = level_sets(problem, centre, directions=RNG.normal(size=(2, problem.size)), n=9)
    assert problem.passes - before <= 4.0
    for i, t in enumerate(found.b):
        for j, s in enumerate(found.a):
            there = problem.evaluate(centre + s * found.u + t * found.v).value
            assert found.values[i, j] == pytest.approx(there, rel=1e-12)


def test_the_plane_of_a_path_shows_the_path():
    u, v = np.linalg.qr(RNG.normal(size=(6, 2)))[0].T
    steps = np.geomspace(1.0, 1e-3, 12)
    path = 2.0 + steps[:, None] * u + 0.3 * np.sqrt(steps[:, None]) * v
    found = level_sets(fun, path=path, n=5)
    assert found.shown == pytest.approx(1.0)
    np.testing.assert_allclose(found.centre + found.path @ np.array([found.u, found.v]), path, atol=1e-12)
    assert np.all(np.abs(found.path[:, 0]) <= found.a[-1])
    assert np.all(np.abs(found.path[:, 1]) <= found.b[-1])
    apart = level_sets(fun, path=np.vstack([np.eye(6), np.zeros(6)]), n=5)
    assert apart.shown == pytest.approx(2 / 6)
    assert "33 % of the path" in str(apart)
    # a path of one direction, and one that does not move, still span a plane
    for one in (np.outer(np.arange(4.0), u), np.tile(u, (3, 1))):
        assert np.isfinite(level_sets(fun, path=one, n=5).values).all()


def test_two_arguments_keep_their_coordinates():
    found = level_sets(lambda x: 3 * x[0] ** 2 + 2 * x[1] ** 2 - 2, [0.0, 0.0], n=21)
    np.testing.assert_array_equal([found.u, found.v], np.eye(2))
    assert found.lowest == (0.0, 0.0, -2.0)


def test_slices_follow_curvature_or_the_directions_given():
    A = np.diag([5.0, 1.0, -2.0])
    found = slices(lambda x: 0.5 * x @ A @ x, np.zeros(3), n=11, span=2.0)
    np.testing.assert_allclose(found.values[0], 2.5 * found.offsets**2, atol=1e-6)
    np.testing.assert_allclose(found.values[1], -(found.offsets**2), atol=1e-6)
    assert found.labels == ("largest curvature 5", "smallest curvature -2")
    given = slices(fun, np.ones(3), [[0.0, 2.0, 0.0]], n=5)
    np.testing.assert_allclose(given.directions, [[0.0, 1.0, 0.0]])
    assert given.values[0, 2] == pytest.approx(fun(np.ones(3)))
    one = slices(lambda x: x[0] ** 2, [1.0], n=5)
    assert one.values.shape == (1, 5)
    assert "1 lines" in str(one)


def test_problems_start_where_no_centre_is_given():
    problem = LinearProblem(as_source(X), Z, np.full(40, 1 / 40), sl.Squared(), L2(0.1), True)
    np.testing.assert_array_equal(level_sets(problem, n=5).centre, np.zeros(6))
    (f,) = as_functions(problem)
    assert f.size == 6


def test_errors_name_the_argument():
    cases = [
        ({"directions": [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]}, "directions: expected two that span a plane"),
        ({"directions": [[1.0, 0.0, 0.0]]}, r"directions: expected shape \(2, 3\)"),
        ({"directions": np.zeros((2, 3))}, "directions: expected vectors that are not zero"),
        ({"span": -1.0}, "span: expected a positive number"),
        ({"n": 2}, "n: expected an integer of at least 3"),
        ({"path": np.zeros((4, 2))}, "path: expected points of 3 numbers"),
    ]
    for keywords, message in cases:
        with pytest.raises(InvalidParameterError, match=message):
            level_sets(fun, np.zeros(3), **keywords)
    with pytest.raises(InvalidParameterError, match="x: expected the centre, or a path"):
        level_sets(fun)
    with pytest.raises(InvalidParameterError, match="expected at least two arguments"):
        level_sets(fun, [0.0])
    with pytest.raises(InvalidParameterError, match="got a loss"):
        slices("logistic", [0.0])
