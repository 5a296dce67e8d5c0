"""No certificate may claim less than the true suboptimality."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.certify.certificate import certify
from steepest.protocols import Status

LOSSES = (
    "squared",
    "logistic",
    "bernoulli",
    "squared_hinge",
    "modified_huber",
    "exponential",
    "huber",
    "squared_epsilon_insensitive",
    "poisson",
    "hinge",
    "perceptron",
    "absolute",
    "quantile",
    "epsilon_insensitive",
    "softmax",
)


def points(rng, best, size):
    """Parameters of several qualities."""
    noise = rng.standard_normal(size) * (np.abs(best) + 0.1)
    yield best
    yield np.zeros(size)
    for power in (0, -1, -2, -4, -6):
        yield best + 10.0**power * noise


def check(reference, name, penalty, seeds):
    proven = passed = 0
    for seed in seeds:
        rng = np.random.default_rng([seed, LOSSES.index(name), reference.penalties.index(penalty)])
        if name == "softmax":
            problem, X = reference.softmax(rng, penalty)
        else:
            problem, X = reference.scalar(rng, name, penalty)
        best, least = reference.minimise(problem, X, name)
        null = reference.value_of(problem, X, name, np.zeros(problem.size))
        if not np.all(np.isfinite(best)):
            continue
        for w in points(rng, best, problem.size):
            value = reference.value_of(problem, X, name, w)
            if not np.isfinite(value) or value > 1e100:
                continue
            certificate = certify(problem, w, tol=1e-6, null_value=null)
            assert certificate.status is not Status.DIVERGED
            assert certificate.primal == pytest.approx(value, rel=1e-10, abs=1e-12 * (1 + abs(null)))
            if certificate.bounds != "suboptimality":
                assert not certificate.passed
                continue
            assert certificate.value >= 0.0
            missing = (value - least) - certificate.value
            assert missing <= 1e-12 * (abs(value) + abs(least) + abs(null)), (seed, certificate)
            proven += 1
            passed += certificate.passed
    return proven, passed


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_bound_is_never_below_the_truth(reference, name, penalty):
    proven, passed = check(reference, name, penalty, range(8))
    if penalty != "none":
        assert proven >= 40
        assert passed >= 4 or name in reference.kinked


@pytest.mark.slow
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_bound_is_never_below_the_truth_on_200_problems(reference, name, penalty):
    proven, _ = check(reference, name, penalty, range(1000, 1200))
    assert penalty == "none" or proven >= 1000
