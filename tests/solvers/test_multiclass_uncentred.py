"""Margins between classes where epochs crawl: columns far from zero, scales far apart, weak penalties, odd weights."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearSVC
from steepest.data.source import as_source
from steepest.losses.margin_multiclass import CrammerSinger, WestonWatkins
from steepest.penalties import get_penalty
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.multiclass_dual import MulticlassDual
from steepest.solvers.multiclass_interior import is_small, minimise

KINDS = ("crammer_singer", "weston_watkins")


def _data(n=60, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.integers(0, 3, n)


def _far(X, offset=100.0):
    return X + offset


def _scales(X):
    X = X.copy()
    X[:, 0] *= 1e4
    X[:, 1] += 1e4
    return X


def _fit(X, y, kind, C=1.0, weights=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return LinearSVC(multi_class=kind, C=C, **options).fit(X, y, sample_weight=weights)


def _certified(model):
    return model.certificate_.status == "certified"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("moved", [_far, _scales, lambda X: _far(X, 1e6)], ids=["offset", "scales", "far"])
def test_columns_far_from_zero_are_certified(kind, sparse, moved):
    X, y = _data()
    X = moved(X)
    assert _certified(_fit(sp.csr_array(X) if sparse else X, y, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_an_offset_changes_nothing_but_the_intercept(kind):
    X, y = _data()
    near, far = _fit(X, y, kind, tol=1e-8), _fit(X + 100.0, y, kind, tol=1e-8)
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-4)
    np.testing.assert_allclose(far.decision_function(X + 100.0), near.decision_function(X), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("C", [1e4, 1e6])
@pytest.mark.parametrize("intercept", [False, True])
def test_weak_penalties_are_certified(kind, C, intercept):
    X, y = _data()
    assert _certified(_fit(X, y, kind, C, fit_intercept=intercept))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_twelve_orders_apart_are_certified(kind):
    X, y = _data()
    assert _certified(_fit(X, y, kind, weights=10.0 ** np.random.default_rng(1).uniform(-6.0, 6.0, len(y))))


@pytest.mark.parametrize("kind", KINDS)
def test_more_columns_than_rows_that_are_separable(kind):
    X, y = _data(40, 200)
    assert _certified(_fit(X + 3.0, y, kind, C=100.0))


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_one_number(kind):
    X, y = _data()
    X[:, 1:] = 7.0
    assert _certified(_fit(X, y, kind))
    assert _certified(_fit(X[:, 1:], y, kind))


@pytest.mark.parametrize("loss", [CrammerSinger(), WestonWatkins()], ids=KINDS)
@pytest.mark.parametrize("alpha", [1e-1, 1e-2])
def test_a_centred_copy_and_epochs_alone_reach_what_the_interior_point_method_does(loss, alpha):
    X, y = _data(80)
    n = len(y)
    problem = MulticlassProblem(as_source(X + 100.0), y, np.full(n, 1.0 / n), loss, get_penalty("l2", alpha), True, 3)
    solver = MulticlassDual(second_order=False)
    state = solver.start(problem, np.zeros(problem.size))
    assert state.mean is not None
    for _ in range(600):
        round_ = solver.advance(state)
        if round_.bound.relative <= 1e-5:
            break
    assert problem.evaluate(round_.at.w).value == pytest.approx(round_.at.value, rel=1e-9)
    found = minimise(X + 100.0, y, problem.p, 1.0 - np.eye(3), loss.name == "weston_watkins", problem.traits.l2, True)
    assert found is not None
    value = problem.evaluate(np.append(found.W, found.b)).value
    assert round_.at.value * (1.0 - 2e-5) <= value <= round_.at.value * (1.0 + 1e-9)


def test_costs_and_the_conditions_of_optimality():
    X, y = _data(50, 3)
    p = np.random.default_rng(2).uniform(0.1, 1.0, 50)
    costs = np.array([[0.0, 2.0, 1.0], [0.5, 0.0, 3.0], [1.0, 1.0, 0.0]])
    found = minimise(X, y, p, costs, False, 1e-3, True)
    assert found is not None
    q = found.u + np.eye(3)[y]
    g = costs[y] + X @ found.W + found.b
    assert q.min() >= -1e-15
    np.testing.assert_allclose(q.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(p @ found.u, 0.0, atol=1e-10)
    np.testing.assert_allclose(found.W, -X.T @ (p[:, None] * found.u) / 1e-3, atol=1e-7)
    np.testing.assert_allclose((q * (g.max(axis=1, keepdims=True) - g)).max(), 0.0, atol=1e-7)


def test_large_problems_are_not_small():
    assert is_small(60, 4, 3)
    assert is_small(50, 100_000, 4)
    assert not is_small(1_000_000, 100, 3)
    assert not is_small(5_000, 5_000, 10)
