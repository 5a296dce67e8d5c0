"""Certificates at the limit of float64, against optima in exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import steepest
from steepest.certify.certificate import certify
from steepest.certify.gap import rounding
from steepest.data.source import as_source
from steepest.losses import Squared
from steepest.parallel import Pool
from steepest.penalties import L2, NoPenalty
from steepest.problems.linear import LinearProblem


def exact(A: Any) -> Any:
    return np.vectorize(Fraction, otypes=[object])(np.asarray(A, dtype=float))


def solve(H: Any, b: Any) -> Any:
    """Gauss and Jordan, of fractions."""
    M = np.column_stack([H, b])
    for i in range(len(M)):
        pivot = next(r for r in range(i, len(M)) if M[r, i] != 0)
        M[[i, pivot]] = M[[pivot, i]]
        M[i] = M[i] / M[i, i]
        for r in range(len(M)):
            if r != i:
                M[r] = M[r] - M[r, i] * M[i]
    return M[:, -1]


def case(seed: int, l2: float, offset: float) -> tuple[LinearProblem, Any, Any]:
    """A problem, its exact minimiser, and its objective in exact arithmetic."""
    rng = np.random.default_rng(seed)
    n, d = 25, 3
    X, y = rng.normal(size=(n, d)) + offset, rng.normal(size=n)
    p = rng.random(n)
    p /= p.sum()
    problem = LinearProblem(as_source(X, pool=Pool(1)), y, p, Squared(), L2(l2) if l2 else NoPenalty(), True)
    A, P, Y = exact(np.column_stack([X, np.ones(n)])), exact(p), exact(y)
    ridge = exact(np.diag([l2] * d + [0.0]))
    best = solve(A.T @ (P[:, None] * A) + ridge, A.T @ (P * Y))

    def objective(w: Any) -> Any:
        r = A @ w - Y
        return (P * r) @ r / 2 + w @ ridge @ w / 2

    return problem, best, objective


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-6])
def test_neither_the_bound_nor_the_dual_value_claims_too_much(noise: float, l2: float, offset: float) -> None:
    for seed in range(12):
        problem, best, objective = case(seed, l2, offset)
        w = best.astype(float) * (1.0 + noise * np.random.default_rng(seed).normal(size=4))
        certificate = certify(problem, w, tol=1e-3, null_value=problem.null_value())
        assert certificate.passed
        least = objective(best)
        assert Fraction(certificate.value) >= objective(exact(w)) - least
        assert Fraction(certificate.dual) <= least
        assert abs(Fraction(certificate.primal) - objective(exact(w))) <= Fraction(
            rounding(problem, problem.evaluate(w))
        )


@pytest.mark.parametrize("tol", [1e-15, 1e-16, 0.0])
def test_a_tol_below_rounding_ends_with_that_reason(tol: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    z = X @ rng.normal(size=4) + rng.normal(size=100)
    for model, y in (
        (steepest.Ridge(tol=tol), z),
        (steepest.LinearRegression(tol=tol), z),
        (steepest.LogisticRegression(tol=tol, solver="lbfgs"), z > 0),
        (steepest.LogisticRegression(tol=tol, solver="newton-cholesky"), z > 0),
        (steepest.Lasso(0.1, tol=tol), z),
        (steepest.LinearClassifier("hinge", tol=tol), z > 0),
    ):
        certificate = model.set_params(on_unconverged="ignore", max_time=20.0).fit(X, y).certificate_
        assert not certificate.passed
        assert "less than rounding in float64 leaves" in certificate.reason
        assert tol < certificate.relative <= 1e-12


@pytest.mark.parametrize("tol", [1e-12, 1e-13])
def test_a_tol_above_rounding_is_reached(tol: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    z = X @ rng.normal(size=4) + rng.normal(size=100)
    for model, y in (
        (steepest.Ridge(tol=tol), z),
        (steepest.LogisticRegression(tol=tol), z > 0),
        (steepest.Lasso(0.1, tol=tol), z),
        (steepest.LinearClassifier("hinge", tol=tol), z > 0),
    ):
        model.set_params(on_unconverged="raise", max_time=20.0).fit(X, y)
        assert 2.0**-52 <= model.certificate_.relative <= tol


def test_nothing_is_added_where_nothing_is_rounded() -> None:
    model = steepest.Lasso(1.0).fit(np.random.default_rng(0).normal(size=(30, 3)), np.zeros(30))
    assert model.certificate_.value == 0.0
