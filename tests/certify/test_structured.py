"""Certificates of structured machines: what weights claim is made feasible, and oracles are caught."""

from __future__ import annotations

import numpy as np
import pytest
from enumerated import optimum
from listed import Listed, listed

from steepest.certify.structured import certify_structured
from steepest.problems.structured import StructuredProblem
from steepest.protocols import Status
from steepest.structured.cutting_plane import CuttingPlanes
from steepest.structured.frank_wolfe import FrankWolfe
from steepest.structured.oracle import OraclePlanes

ALPHA = 0.05


def solved(make=FrankWolfe, most=60):
    oracle, X, Y = listed(np.random.default_rng(0), n=20)
    problem = StructuredProblem(OraclePlanes(oracle, X, Y), np.full(20, 0.05), ALPHA)
    solver = make()
    state = solver.start(problem, problem.start())
    for _ in range(most):
        round_ = solver.advance(state)
        if round_.at is not None and round_.bound.relative <= 1e-8:
            break
    return (oracle, X, Y), problem, solver, state.best.w


@pytest.mark.parametrize("make", [FrankWolfe, CuttingPlanes])
@pytest.mark.parametrize("claim", ["more", "negative", "nan", "as it is"])
def test_no_claim_proves_more_than_is_true(make, claim):
    (oracle, X, Y), problem, solver, w = solved(make, 200)
    best, _ = optimum(oracle, X, Y, [range(4)] * 20, ALPHA)
    point = solver.proposal()
    weights = point.weights.copy()
    if claim == "more":
        weights *= 3.0
    elif claim == "negative":
        weights[0] = -5.0
    elif claim == "nan":
        weights[0] = np.nan
    certificate = certify_structured(problem, w, point._replace(weights=weights), tol=1e-4)
    assert certificate.dual <= best * (1.0 + 1e-6)
    assert certificate.primal >= best * (1.0 - 1e-6)
    assert certificate.evidence["n_calls"] == 20
    if claim == "as it is":
        assert certificate.passed
        assert certificate.value <= 1e-4 * best


def test_nothing_proposed_leaves_zero_as_the_bound():
    _, problem, _, w = solved()
    certificate = certify_structured(problem, w, None, tol=1e-4)
    assert not certificate.passed
    assert certificate.dual == 0.0
    assert certificate.kind == "duality_gap"


def test_an_oracle_that_says_so_proves_nothing():
    _, problem, solver, w = solved()
    problem.planes.exact = False
    certificate = certify_structured(problem, w, solver.proposal(), tol=1.0)
    assert (certificate.kind, certificate.bounds, certificate.passed) == ("none", "nothing", False)
    assert "states that it is not exact" in certificate.reason
    assert certificate.evidence["exact_oracle"] is False


@pytest.mark.parametrize("make", [FrankWolfe, CuttingPlanes])
def test_an_oracle_that_misses_a_kept_label_is_refuted(make):
    """At the end it forgets the loss, so the labels that it named before lie above what it finds."""
    _, problem, solver, w = solved(make)
    problem.planes.oracle.__class__ = type(
        "Forgetful", (Listed,), {"maximise": lambda self, w, x, y_true=None: int(np.argmax(x @ w))}
    )
    certificate = certify_structured(problem, w, solver.proposal(), tol=1.0)
    assert (certificate.kind, certificate.passed) == ("none", False)
    assert "missed the largest" in certificate.reason


def test_parameters_that_are_not_finite():
    _, problem, solver, w = solved()
    w = w.copy()
    w[1] = np.nan
    certificate = certify_structured(problem, w, solver.proposal(), tol=1.0)
    assert certificate.status is Status.DIVERGED
    assert "1 of 5 parameters are not finite" in certificate.reason
