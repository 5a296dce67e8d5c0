"""Gaps of margin losses of several scores: honest for any dual point, tight at the multipliers of the exact program."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.multiclass_margin import reference

from steepest.certify.certificate import certify
from steepest.certify.gap import duality_gap
from steepest.certify.proposal import gap_of_proposal, scored
from steepest.certify.transport import into_polytope, transported
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses import CrammerSinger, WestonWatkins
from steepest.penalties import get_penalty
from steepest.problems.multiclass import MulticlassProblem

COSTS = np.array([[0.0, 2.0, 0.5, 1.0], [1.0, 0.0, 3.0, 1.0], [0.25, 0.0, 0.0, 1.0], [1.0, 0.5, 2.0, 0.0]])
LOSSES = [WestonWatkins(), CrammerSinger(), CrammerSinger(COSTS)]


def data(n=40, d=3, k=4, seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), rng.integers(0, k, n)
    X[:, 0] += y
    p = rng.random(n)
    p[:3] = 0.0
    return X, y.astype(np.int64), p / p.sum()


def problem(loss, penalty="l2", alpha=0.02, intercept=True, **more):
    X, y, p = data(**more)
    return MulticlassProblem(as_source(X), y, p, loss, get_penalty(penalty, alpha), intercept, 4)


@pytest.fixture(scope="module")
def exact():
    known = {}

    def find(loss, penalty, intercept):
        key = (loss, penalty, intercept)
        if key not in known:
            X, y, p = data()
            costs = loss.costs if isinstance(loss, CrammerSinger) and len(loss.costs) else None
            known[key] = reference(X, y, p, 4, loss.name, costs, 0.02, penalty, intercept)
        return known[key]

    return find


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_multipliers_of_the_exact_program_prove_its_solution(exact, loss, intercept, penalty):
    found, own = exact(loss, penalty, intercept), problem(loss, penalty, intercept=intercept)
    assert own.evaluate(found.w).value == pytest.approx(found.value, rel=1e-8)
    certificate = certify(own, found.w, tol=1e-7, null_value=own.null_value(), dual=found.u)
    assert certificate.passed, certificate
    assert certificate.kind == "duality_gap"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-9, 1e-3, 0.1, 1.0, 30.0]), which=st.integers(0, 2))
def test_no_proposal_proves_more_than_is_true(exact, seed, size, which):
    rng, loss = np.random.default_rng(seed), LOSSES[which]
    penalty, intercept = ("l2", "l1")[seed % 2], bool(seed // 2 % 2)
    found, own = exact(loss, penalty, intercept), problem(loss, penalty, intercept=intercept)
    u = found.u + size * rng.normal(size=found.u.shape)
    w = found.w + min(size, 1.0) * rng.normal(size=found.w.shape)
    gap = gap_of_proposal(own, scored(own, w), u)
    assert gap is not None
    assert np.isfinite(gap.value)
    assert own.evaluate(w).value - gap.value <= found.value * (1.0 + 1e-9)
    at_slopes = duality_gap(own, own.evaluate(w))
    assert own.evaluate(w).value - at_slopes.value <= found.value * (1.0 + 1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_balancing_costs_in_proportion_to_the_imbalance(exact, loss):
    found, own = exact(loss, "l2", True), problem(loss)
    rng = np.random.default_rng(3)
    d = into_polytope(loss, found.u + 0.2 * rng.normal(size=found.u.shape), own.y) - found.u  # towards a point inside
    at = scored(own, found.w)
    gaps = [gap_of_proposal(own, at, found.u + t * d).value for t in (1e-2, 1e-4, 1e-6)]
    assert gaps[0] < 0.05 * found.value
    assert gaps[1] < 0.02 * gaps[0]
    assert gaps[2] < 0.02 * gaps[1]


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 7), kind=st.integers(0, 2))
def test_any_point_of_the_polytope_is_balanced_inside_it(seed, k, kind):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    X, y = rng.normal(size=(n, 2)), rng.integers(0, k, n).astype(np.int64)
    if seed % 3 == 0:
        y[:] = int(y[0])  # all of one class: only u = 0 balances
    p = np.where(rng.random(n) < 0.2, 0.0, 10.0 ** rng.uniform(-6, 2, n))
    p[0] = 1.0
    loss = (WestonWatkins(), CrammerSinger(), CrammerSinger(1.0 - np.eye(k)))[kind]
    own = MulticlassProblem(as_source(X), y, p / p.sum(), loss, get_penalty("l2", 1.0), True, k)
    u = into_polytope(loss, rng.normal(size=(n, k)) * rng.choice([0.1, 1.0, 5.0]), y)
    moved = transported(own, u, rng.normal(size=(n, k)))
    assert moved is not None
    assert np.all(np.abs(own.p @ moved) <= 1e-13 * (own.p @ np.abs(u)).max())
    np.testing.assert_allclose(into_polytope(loss, moved, y), moved, atol=1e-14)


def test_a_way_over_other_classes():
    """Rows of class 0 push fully into 1, 1 into 2 fully: what 2 has too much can only return over 1."""
    y, loss = np.array([0, 1, 2]), WestonWatkins()
    own = MulticlassProblem(as_source(np.ones((3, 1))), y, np.full(3, 1 / 3), loss, get_penalty("l2", 1.0), True, 3)
    u = np.array([[-2.0, 1.0, 1.0], [0.0, -1.0, 1.0], [1.0, 1.0, -2.0]])
    moved = transported(own, u, np.zeros((3, 3)))
    np.testing.assert_allclose(moved.sum(axis=0), 0.0, atol=1e-15)
    np.testing.assert_allclose(moved.sum(axis=1), 0.0, atol=1e-15)
    assert np.abs(moved - u).sum() <= 4.0 + 1e-12


def test_points_that_are_not_numbers_count_as_zero():
    own = problem(CrammerSinger())
    u = np.full((40, 4), np.nan)
    at = own.evaluate(np.zeros(own.size))
    gap = gap_of_proposal(own, at, u)
    assert gap.value == pytest.approx(at.value, rel=1e-12)  # u = 0 proves P >= 0


@pytest.mark.parametrize("loss", LOSSES)
def test_intercepts_by_cutting_planes(exact, loss):
    found, own = exact(loss, "l2", True), problem(loss)
    scores = data()[0] @ found.w[:-4].reshape(3, 4)
    shift, value, _ = own.best_shift(scores)
    assert abs(shift.sum()) < 1e-12
    rng = np.random.default_rng(0)
    others = [own.losses_at(scores + (shift + s * rng.normal(size=4))) for s in (1e-3, 0.1, 1.0) for _ in range(50)]
    assert value <= min(others) + 1e-9
    assert value == own.losses_at(scores + shift)
    polished = own.polish(found.w, own.evaluate(found.w).scores)
    assert own.evaluate(polished).value <= found.value + 1e-9


def test_second_derivatives_are_refused():
    own = problem(CrammerSinger())
    at = own.evaluate(np.zeros(own.size))
    assert not own.traits.has_curvature
    for ask in (lambda: own.hvp(at, at.w), lambda: own.hessian(at), lambda: own.class_curvatures(at)):
        with pytest.raises(IncompatibleError, match="'softmax', got 'crammer_singer'"):
            ask()


def test_costs_for_other_classes_are_named():
    X, y, p = data()
    with pytest.raises(InvalidParameterError, match=r"expected a \(4, 4\) matrix"):
        MulticlassProblem(as_source(X), y, p, CrammerSinger(np.zeros((3, 3))), get_penalty("l2", 1.0), True, 4)
