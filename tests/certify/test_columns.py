"""Columns of huge scale: what a certificate takes from their correlations, against exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import steepest
from steepest.certify.columns import column_sizes, correlation_errors, culprit
from steepest.certify.gap import duality_gap
from steepest.data.source import as_source
from steepest.losses import Squared
from steepest.parallel import Pool
from steepest.penalties import L1, L2, ElasticNet
from steepest.problems.linear import LinearProblem


def exact(A: Any) -> Any:
    return np.vectorize(Fraction, otypes=[object])(np.asarray(A, dtype=float))


def made(X: Any, y: Any, penalty: Any, p: Any = None) -> LinearProblem:
    n = len(y)
    p = np.full(n, 1.0 / n) if p is None else p
    return LinearProblem(as_source(X, pool=Pool(1)), np.asarray(y, dtype=float), p, Squared(), penalty, False)


def huge(seed: int, n: int, scale: float, ordered: bool = False) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = X @ [1.0, 2.0, 0.0] + rng.normal(size=n)
    X[:, 1] *= scale
    if ordered:  # equal signs together: partial sums grow far beyond the whole
        order = np.argsort(y)
        X, y = X[order], y[order]
    return X, y


def exact_gap(problem: LinearProblem, w: Any, u: Any, scale: float) -> tuple[Fraction, bool]:
    """``P(w) - D(scale u)`` of squared loss, and whether the point lies in the box of an l1 penalty."""
    l1, l2 = Fraction(problem.traits.l1), Fraction(problem.traits.l2)
    X, y, p, w, u = exact(problem.source.X), exact(problem.y), exact(problem.p), exact(w), exact(u) * Fraction(scale)
    c = X.T @ (p * u)
    excess = np.array([max(abs(v) - l1, Fraction(0)) for v in c])
    primal = p @ (X @ w - y) ** 2 / 2 + l1 * sum(map(abs, w)) + l2 * (w @ w) / 2
    dual = -(p @ (u * u / 2 + u * y)) - (excess @ excess / (2 * l2) if l2 else 0)
    return primal - dual, not np.any(excess)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("n", [8, 100, 3000])
@pytest.mark.parametrize("scale", [1.0, 1e8, 1e15])
def test_errors_contain_what_rounding_did(scale: float, n: int, ordered: bool) -> None:
    for seed in range(3):
        X, y = huge(seed, n, scale, ordered)
        problem = made(X, y, L1(1e-3))
        u = np.ascontiguousarray(y - y.mean())
        c = problem.source.rmatvec(problem.p, u)[0]
        truth = exact(X).T @ (exact(problem.p) * exact(u))
        finer, errors = correlation_errors(problem, u, c, 1.0)
        off = np.array([abs(float(Fraction(a) - b)) for a, b in zip(finer, truth, strict=True)])
        assert np.all(off <= errors)
        if scale < 1e8:
            assert finer is c
        else:
            assert errors[1] < 1e-2 * scale * 2.0**-52 + 2.0**-51 * abs(c[1])
        np.testing.assert_allclose(column_sizes(problem), np.sqrt((X * X).mean(axis=0)), rtol=1e-12)


@pytest.mark.parametrize("penalty", [L1(1.0), L1(0.01), ElasticNet(1.0, 0.5), L2(1.0), L2(1e-6)])
@pytest.mark.parametrize("scale", [1.0, 1e8, 1e12, 1e15, 1e18])
def test_the_gap_is_no_smaller_than_the_true_one(penalty: Any, scale: float) -> None:
    for seed in range(6):
        X, y = huge(seed, 20, scale)
        problem = made(X, y, penalty)
        rng = np.random.default_rng(seed)
        for w in (np.zeros(3), np.array([0.9, 1.9 / scale, 0.0]), rng.normal(size=3) / [1.0, scale, 1.0]):
            at = problem.evaluate(w)
            gap = duality_gap(problem, at)
            assert gap is not None
            truth, inside = exact_gap(problem, w, gap.slopes, gap.scale)
            assert inside or problem.traits.l2 > 0.0
            assert Fraction(gap.value) >= truth


def test_a_sum_that_cancels_in_float64_alone_is_not_believed() -> None:
    big = 2.0**53
    X, y = np.array([[big], [1.0], [-big], [0.0]]), -np.ones(4)
    problem = made(X, y, L1(0.125))
    at = problem.evaluate(np.zeros(1))
    assert at.gradient[0] == 0.0  # and is 1/4
    gap = duality_gap(problem, at)
    assert gap is not None
    truth, inside = exact_gap(problem, at.w, at.slopes, gap.scale)
    assert inside
    assert Fraction(gap.value) >= truth
    assert not exact_gap(problem, at.w, at.slopes, 1.0)[1]


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("scale", [1e15, 1e30, 1e150, 1e160])
def test_the_reason_names_the_column_and_scaling_it_helps(scale: float, make: Any) -> None:
    X, y = huge(0, 200, scale)
    model = steepest.Lasso(0.01, on_unconverged="ignore", max_time=5.0, fit_intercept=False).fit(make(X), y)
    assert not model.certificate_.passed
    assert "column 1 of X" in model.certificate_.reason
    assert "steepest.Scaler" in model.certificate_.reason
    assert model.certificate_.evidence["column"] == 1
    X[:, 1] /= np.abs(X[:, 1]).max()
    assert model.fit(make(X), y).certificate_.passed
    assert "column" not in model.certificate_.evidence


def test_ordinary_columns_are_not_blamed() -> None:
    X, y = huge(0, 200, 1.0)
    for tol in (1e-4, 1e-16, 0.0):
        problem = made(X, y, L1(0.01))
        assert culprit(problem, problem.evaluate(np.zeros(3)), tol) is None
    certificate = steepest.Lasso(1e-3, max_iter=1, tol=1e-12, on_unconverged="ignore").fit(X, y).certificate_
    assert "column" not in certificate.reason


def test_ordinary_columns_cost_no_pass() -> None:
    X, y = huge(0, 5000, 1.0)
    for penalty in (L1(0.01), L2(0.01)):
        problem = made(X, y, penalty)
        at = problem.evaluate(np.zeros(3))
        before = problem.passes
        assert duality_gap(problem, at) is not None
        assert problem.passes == before
    X[:, 1] *= 1e15
    problem = made(X, y, L1(0.01))
    at = problem.evaluate(np.zeros(3))
    before = problem.passes
    for _ in range(3):
        assert duality_gap(problem, at) is not None
    assert problem.passes == before + 0.5  # once


@given(
    st.floats(0.01, 10.0),
    st.just(0.0) | st.floats(1e-6, 2.0),
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 1), st.floats(-1, 1)), min_size=1, max_size=5),
)
def test_errors_of_a_penalty_gap_are_the_worst_case(l1: float, l2: float, rows: list[Any]) -> None:
    from steepest.certify.gap import penalty_gap

    w, c, e, t = (np.array(v) for v in zip(*rows, strict=True))
    worst, one = penalty_gap(w, c, l1, l2, e), penalty_gap(w, c + t * e, l1, l2)
    assert worst >= one * (1.0 - 1e-9) - 1e-9 or math.isinf(worst)
    assert math.isclose(penalty_gap(w, c, l1, l2, 0.0 * e), penalty_gap(w, c, l1, l2), rel_tol=1e-12)
