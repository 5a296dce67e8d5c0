"""Who interrupts a run does not wait for second derivatives."""

import numpy as np
import pytest

from steepest.certify import certificate
from steepest.data.source import as_source
from steepest.losses import Logistic
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem
from steepest.protocols import Status


@pytest.mark.parametrize("status", [Status.BUDGET, Status.INTERRUPTED])
def test_only_a_run_that_ended_by_itself_pays_for_a_large_hessian(status, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 180))
    problem = LinearProblem(
        as_source(X), np.sign(X[:, 0]), np.full(2000, 1.0 / 2000), Logistic(), L2(1e-4), fit_intercept=True
    )
    formed = []
    factor = certificate.factor
    monkeypatch.setattr(certificate, "factor", lambda problem, at: formed.append(1) or factor(problem, at))
    found = certificate.certify(problem, np.zeros(181), tol=1e-9, status=status, reason="asked", null_value=0.7)
    assert found.status is status
    assert len(formed) == (status is Status.BUDGET)
    assert np.isfinite(found.value)
