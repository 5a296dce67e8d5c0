"""Sums over pairs that are never listed, against the pairs listed."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.source import as_source
from steepest.exceptions import DataError
from steepest.problems.ranking import RankingProblem, queries


def data(seed: int, n: int = 40, levels: int = 4, n_queries: int = 5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    y = rng.integers(0, levels, n).astype(float) * 0.5
    return X, y, rng.integers(0, n_queries, n)


def listed(X, y, codes, graded):
    i, j = np.nonzero((y[:, None] > y[None, :]) & (codes[:, None] == codes[None, :]))
    q = y[i] - y[j] if graded else np.ones(len(i))
    return X[i] - X[j], q / q.sum(), q.sum()


def problem_of(X, y, codes, loss, graded, l2=0.1, short=None):
    parts = queries(y, np.unique(codes, return_inverse=True)[1])
    if short is not None:  # by trees, pair by pair, or some queries so and some so
        parts = parts._replace(short=np.arange(parts.n_queries) % 2 == 0 if short == "some" else parts.short & short)
    return RankingProblem(as_source(X), parts, loss, l2, graded)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from(["hinge", "squared_hinge"]),
    st.sampled_from([2, 4, 60]),
    st.sampled_from([True, False, "some"]),
)
def test_value_slopes_and_curvature_are_those_of_the_listed_pairs(seed, graded, loss, levels, short):
    X, y, codes = data(seed, levels=levels)
    D, q, total = listed(X, y, codes, graded)
    problem = problem_of(X, y, codes, loss, graded, short=short)
    rng = np.random.default_rng(seed)
    w, v, width, l2 = rng.standard_normal(3), rng.standard_normal(3), 0.5, 0.1
    t = D @ w
    slack = np.maximum(1.0 - t, 0.0)
    if loss == "hinge":
        a = np.minimum(slack / width, 1.0)
        value, bend = q @ slack, ((t < 1.0) & (t >= 1.0 - width)) / width
        smooth = q @ np.where(slack <= width, slack**2 / (2.0 * width), slack - 0.5 * width)
        conjugate = -a
    else:
        a = 2.0 * slack
        value, bend = q @ slack**2, 2.0 * (t < 1.0)
        smooth, conjugate = value, -a + 0.25 * a**2
    c = -(D.T @ (q * a))
    at = problem.evaluate(w, width)
    ridge = 0.5 * l2 * w @ w
    assert problem.total == pytest.approx(total)
    assert at.value == pytest.approx(value + ridge)
    assert at.extra["smooth"] == pytest.approx(smooth + ridge)
    assert at.gradient == pytest.approx(c + l2 * w)
    assert at.extra["dual"] == pytest.approx(-(q @ conjugate) - c @ c / (2.0 * l2))
    H = D.T @ ((q * bend)[:, None] * D) + l2 * np.eye(3)
    assert problem.hvp(at, v) == pytest.approx(H @ v)
    assert problem.hessian(at, X) == pytest.approx(H, abs=1e-12)
    ray = problem.along(at, v)
    step = problem.evaluate(w + 0.3 * v, width)
    assert ray.value_slope(0.3) == pytest.approx((step.extra["smooth"], step.gradient @ v))


def test_equal_scores_and_pairs_exactly_at_the_margin():
    X = np.array([[1.0], [0.0], [0.0], [2.0], [1.0]])
    y, codes = np.array([1.0, 0.0, 0.0, 2.0, 2.0]), np.zeros(5, dtype=int)
    problem = problem_of(X, y, codes, "hinge", False)
    D, q, _ = listed(X, y, codes, False)
    for w in (0.0, 1.0, 0.5, -1.0):
        at = problem.evaluate(np.array([w]), 0.5)
        assert at.loss == pytest.approx(q @ np.maximum(1.0 - D[:, 0] * w, 0.0), abs=1e-15)


def test_a_constant_in_a_query_changes_nothing():
    X, y, codes = data(3)
    far = X + 1e6 * codes[:, None]
    a = problem_of(X, y, codes, "squared_hinge", False).evaluate(np.ones(3))
    b = problem_of(far, y, codes, "squared_hinge", False).evaluate(np.ones(3))
    assert b.value == pytest.approx(a.value, rel=1e-8)


def test_sparse_rows_and_long_queries():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3)) * (rng.random((300, 3)) < 0.5)
    y, codes = rng.integers(0, 3, 300).astype(float), np.zeros(300, dtype=int)
    D, q, _ = listed(X, y, codes, False)
    at = problem_of(sp.csr_array(X), y, codes, "squared_hinge", False).evaluate(np.ones(3))
    assert at.loss == pytest.approx(q @ np.maximum(1.0 - D.sum(axis=1), 0.0) ** 2)


def test_no_pair_is_an_error():
    with pytest.raises(DataError, match="two relevances"):
        problem_of(np.ones((4, 3)), np.array([1.0, 1.0, 2.0, 2.0]), np.array([0, 0, 1, 1]), "hinge", False)
