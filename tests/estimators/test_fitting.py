from __future__ import annotations

import math

import numpy as np
import pytest

from steepest.estimators.jobs import Job, null_value
from steepest.estimators.outcomes import combine
from steepest.kernels import multiclass, passes
from steepest.losses import SCALAR_LOSSES, Softmax
from steepest.losses.registry import is_composed
from steepest.penalties import NoPenalty
from steepest.protocols import Certificate, Status

NAMES = sorted(name for name, kind in SCALAR_LOSSES.items() if name != "zero_one" and not is_composed(kind))


@pytest.mark.parametrize("name", NAMES)
def test_the_value_at_zero_is_that_of_the_kernels(name: str) -> None:
    rng = np.random.default_rng(0)
    cls = SCALAR_LOSSES[name]
    y = {
        "sign": rng.choice([-1.0, 1.0], 50),
        "unit": rng.random(50),
        "nonnegative": rng.poisson(2.0, 50).astype(float),
    }.get(cls.targets, rng.normal(size=50))
    p = rng.dirichlet(np.ones(50))
    expected = passes.losses_slopes(cls(), np.zeros(50), y, p, np.empty(50))
    assert null_value(Job(y, p, cls(), NoPenalty())) == pytest.approx(expected, rel=1e-13)


def test_the_value_at_zero_of_softmax() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(50))
    for y in (rng.integers(0, 4, 50), rng.dirichlet(np.ones(4), 50)):
        expected = multiclass.losses_slopes_many(Softmax(), np.zeros((50, 4)), y, p, 0, 50, np.empty((50, 4)))
        assert null_value(Job(y, p, Softmax(), NoPenalty(), 4)) == pytest.approx(expected, rel=1e-13)


def certificate(value: float, status: Status = Status.CERTIFIED, bounds: str = "suboptimality") -> Certificate:
    passed = status is Status.CERTIFIED
    return Certificate(
        "duality_gap", value, value, 0.01, passed, bounds, 1.0, 1.0 - value, status, "a reason", (f"note {value}",)
    )


def test_certificates_add_up() -> None:
    one = certificate(0.001)
    assert combine([one], [""]) is one
    both = combine([one, certificate(0.002)], ["target 0", "target 1"])
    assert both.passed
    assert both.status is Status.CERTIFIED
    assert both.value == pytest.approx(0.003)
    assert both.primal == 2.0
    assert both.dual == pytest.approx(1.997)
    assert both.relative == 0.002
    assert both.fallbacks == ("note 0.001", "note 0.002")
    assert [item["label"] for item in both.evidence["outputs"]] == ["target 0", "target 1"]


def test_the_worst_certificate_speaks_for_all() -> None:
    many = combine(
        [certificate(0.001), certificate(0.5, Status.BUDGET), certificate(0.2, Status.STALLED)], ["a", "b", "c"]
    )
    assert not many.passed
    assert many.status is Status.BUDGET
    assert many.reason == "b: a reason"
    assert many.relative == 0.5
    mixed = combine([certificate(0.001), certificate(3.0, Status.APPROXIMATE, "stationarity")], ["a", "b"])
    assert mixed.bounds == "stationarity"
    assert mixed.value == 3.0
    unknown = combine([certificate(math.nan, Status.DIVERGED, "nothing"), certificate(0.001)], ["a", "b"])
    assert unknown.status is Status.DIVERGED
    assert not unknown.passed
