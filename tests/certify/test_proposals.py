"""Proposed dual points: judged first, at the price of one pass, and never believed."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.certify.certificate import certify
from steepest.certify.proposal import scored
from steepest.data.source import as_source
from steepest.losses import Logistic, Softmax
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem


@pytest.fixture(params=["logistic", "softmax"])
def solved(request):
    """A problem, its optimum to rounding, and the slopes there."""
    rng = np.random.default_rng(3)
    X = sp.random_array((60, 30), density=0.3, rng=rng, format="csr")
    p = rng.integers(1, 4, 60).astype(float)
    p /= p.sum()
    if request.param == "softmax":
        problem = MulticlassProblem(as_source(X), rng.integers(0, 3, 60), p, Softmax(), L2(0.05), False, 3)
    else:
        problem = LinearProblem(as_source(X), np.where(rng.random(60) < 0.5, 1.0, -1.0), p, Logistic(), L2(0.05), False)
    w = problem.start()
    at = problem.evaluate(w)
    for _ in range(400):  # gradient descent: 1 / (largest curvature) is a safe step
        w = w - at.gradient / (0.5 + 0.05)
        at = problem.evaluate(w)
    assert np.linalg.norm(at.gradient) < 1e-7
    return problem, w, at


def test_a_good_proposal_passes_in_one_pass(solved) -> None:
    problem, w, at = solved
    near = w + 1e-3 * np.random.default_rng(0).normal(size=len(w))  # whose own slopes prove less
    before = problem.passes
    found = certify(problem, near, tol=1e-5, null_value=1.0, dual=at.slopes)
    assert found.passed
    assert found.kind == "duality_gap"
    assert problem.passes - before == 1.0
    truth = problem.evaluate(near).value - at.value
    assert truth - 1e-12 <= found.value <= truth + 1e-10
    assert found.value < certify(problem, near, tol=1e-5, null_value=1.0).value


def test_a_bad_proposal_neither_helps_nor_harms(solved) -> None:
    problem, w, at = solved
    plain = certify(problem, w, tol=1e-9, null_value=1.0)
    assert plain.passed
    for wrong in (np.zeros_like(at.slopes), -at.slopes, np.full_like(at.slopes, np.nan), at.slopes[:-1]):
        found = certify(problem, w, tol=1e-9, null_value=1.0, dual=wrong)
        assert found.passed
        assert found.value <= max(plain.value, 1e-9 * found.primal)
        far = certify(problem, np.ones_like(w), tol=1e-9, null_value=1.0, dual=wrong)
        assert not far.passed
        assert far.value >= problem.evaluate(np.ones_like(w)).value - at.value - 1e-9


def test_scores_and_value_without_a_gradient_are_those_of_an_evaluation(solved) -> None:
    problem, w, at = solved
    seen = scored(problem, w)
    assert seen.value == pytest.approx(at.value, rel=1e-14)
    np.testing.assert_allclose(seen.scores, at.scores, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(seen.slopes, at.slopes, rtol=1e-12, atol=1e-14)
    assert seen.gradient.size == 0
