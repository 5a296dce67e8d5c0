"""Certificates of weights that are held in a set: never too small, and small where they should be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.held import LOSSES, PENALTIES, SETS, held_problem, optimum

from steepest.certify.bounds import quick_bound
from steepest.certify.certificate import certify
from steepest.certify.held import held_gap, interval_gaps
from steepest.certify.second_order import subgradient
from steepest.data.source import as_source
from steepest.losses.registry import get_loss
from steepest.penalties import Box, L1Ball, L2Ball, NonNegative, NoPenalty, Simplex
from steepest.penalties.constrained import constrained_prox
from steepest.problems.linear import LinearProblem

CASES = [(s, loss, p) for s in sorted(SETS) for loss in LOSSES for p in sorted(PENALTIES)]


@pytest.mark.slow
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("name", "loss", "penalty"), CASES)
def test_no_certificate_claims_more_than_is_true(name, loss, penalty, intercept):
    cvxpy = pytest.importorskip("cvxpy")
    seed = CASES.index((name, loss, penalty))
    problem = held_problem(SETS[name], loss, PENALTIES[penalty], intercept=intercept, seed=seed)
    best, least = optimum(problem, cvxpy)
    rng = np.random.default_rng(seed)
    for size in (0.0, 1e-4, 1e-2, 1.0):
        w = problem.project(best + size * rng.normal(size=problem.size))
        above = problem.evaluate(w).value - least
        found = certify(problem, w, tol=1e-3, null_value=1.0)
        if found.bounds == "suboptimality":
            assert found.value >= above - 1e-7
        if not intercept:
            quick = quick_bound(problem, problem.evaluate(w), 0.0)
            assert quick.bounds != "suboptimality" or quick.value >= above - 1e-7


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("penalty", sorted(PENALTIES))
@pytest.mark.parametrize("name", sorted(SETS))
def test_it_is_small_at_the_minimum(name, loss, penalty):
    cvxpy = pytest.importorskip("cvxpy")
    problem = held_problem(SETS[name], loss, PENALTIES[penalty], seed=5)
    best, _ = optimum(problem, cvxpy)
    found = certify(problem, best, tol=1e-3, null_value=1.0)
    assert found.passed, found
    assert found.bounds == "suboptimality"


@pytest.mark.parametrize("constraint", SETS.values(), ids=list(SETS))
def test_what_lies_outside_is_not_certified(constraint):
    problem = held_problem(constraint, "squared", PENALTIES["l2"])
    w = problem.start()
    w[0] = -5.0
    found = certify(problem, w, tol=1e9, null_value=1.0)
    assert not found.passed
    assert "outside the constraint" in found.reason
    assert found.evidence["violation"] > 0.1


NUMBER = st.floats(-5.0, 5.0) | st.sampled_from([0.0, 1.0, -1.0])


@settings(max_examples=150, deadline=None)
@given(
    c=NUMBER,
    place=st.floats(0.0, 1.0),
    ends=st.tuples(NUMBER, NUMBER).map(sorted),
    l1=st.sampled_from([0.0, 0.5, 2.0]),
    l2=st.sampled_from([0.0, 0.3, 4.0]),
    off=st.sampled_from([0.0, 0.25]),
)
def test_the_gap_of_a_coordinate_is_its_height_above_the_least(c, place, ends, l1, l2, off):
    low, high = ends
    w = min(max(low + place * (high - low), low), high)

    def least(c):
        at = np.array([low, high, np.clip(0.0, low, high)])
        if l2:
            at = np.append(at, np.clip(-np.sign(c) * max(abs(c) - l1, 0.0) / l2, low, high))
        return min(l1 * np.abs(at) + 0.5 * l2 * at * at + c * at)

    one = [np.array([x]) for x in (w, c, low, high)]
    got = interval_gaps(*one, l1, l2, np.array([off]))[0]
    heights = [l1 * abs(w) + 0.5 * l2 * w * w + e * w - least(e) for e in (c - off, c + off)]
    assert got == pytest.approx(max(heights), rel=1e-10, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(
    w=st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3).map(np.array),
    c=st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3).map(np.array),
    l1=st.sampled_from([0.0, 0.5]),
    l2=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.parametrize("name", ["l1_ball", "l2_ball", "simplex"])
def test_the_gap_of_a_ball_covers_every_point_of_it(name, w, c, l1, l2, seed):
    constraint = SETS[name]
    problem = held_problem(constraint, "squared", NoPenalty(), features=3)
    problem.traits = problem.traits._replace(l1=l1, l2=l2)
    w = constraint.project(w)

    def height(v):
        return l1 * np.abs(v).sum() + 0.5 * l2 * float(v @ v) + float(c @ v)

    gap = held_gap(problem, w, c)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        v = constraint.project(3.0 * rng.normal(size=3))
        assert gap >= height(w) - height(v) - 1e-12
    # and it is attained, for the least of the height is where the multiplier says
    q = max(l2, 1e-9)
    best = constrained_prox(constraint, -c / q, np.full(3, q), l1)
    assert gap <= height(w) - height(best) + 1e-6
    larger = held_gap(problem, w, c, np.full(3, 0.25))
    assert larger >= max(held_gap(problem, w, c + s * 0.25) for s in (-1.0, 1.0)) - 1e-12


def separable(constraint, side):
    """Two classes that weights of the sign of ``side`` separate."""
    rng = np.random.default_rng(0)
    y = np.repeat([-1.0, 1.0], 10)
    X = side * rng.uniform(0.5, 1.0, size=(20, 2)) * y[:, None]
    return LinearProblem(as_source(X), y, np.full(20, 0.05), get_loss("logistic"), NoPenalty(), False, constraint)


def test_separable_classes_have_a_minimum_in_a_bounded_set_only():
    for constraint, status in ((L2Ball(3.0), "certified"), (Box(-2.0, 2.0), "certified"), (NonNegative(), "ill_posed")):
        problem = separable(constraint, 1.0)
        w = constraint.project(np.full(2, 50.0))
        found = certify(problem, w, tol=0.05, null_value=0.7)
        assert found.status == status, found


def test_a_direction_that_a_limit_cuts_off_separates_nothing():
    problem = separable(NonNegative(), -1.0)
    found = certify(problem, np.zeros(2), tol=1e-6, null_value=0.7)
    assert found.passed, found  # weights of zero are the best: the data want negative ones
    assert found.value < 1e-12


def test_no_bound_is_claimed_for_a_loss_that_is_not_convex():
    problem = held_problem(SETS["box"], "squared", NoPenalty())
    y = np.sign(problem.y)
    other = LinearProblem(problem.source, y, problem.p, get_loss("sigmoid"), NoPenalty(), True, SETS["box"])
    found = certify(other, other.start(), tol=1e-6, null_value=1.0)
    assert found.bounds == "stationarity"
    assert "projected gradient norm" in found.reason


@pytest.mark.parametrize("constraint", [L2Ball(2.0), L1Ball(2.0), Simplex(), Box(0.0, 1.0), NonNegative()])
def test_the_projected_gradient_vanishes_at_the_minimum_only(constraint):
    cvxpy = pytest.importorskip("cvxpy")
    problem = held_problem(constraint, "squared", PENALTIES["both"], seed=3)
    best, _ = optimum(problem, cvxpy)
    best[np.abs(best) < 1e-6] = 0.0
    small = np.linalg.norm(subgradient(problem, problem.evaluate(best)))
    elsewhere = np.linalg.norm(subgradient(problem, problem.evaluate(problem.start())))
    assert small < 1e-3 < elsewhere
    assert math.isfinite(elsewhere)
