"""The rounding of a function is measured from its values alone."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.analysis.noise import noise


@pytest.mark.parametrize("deviation", [1e-12, 1e-9, 1e-6])
def test_planted_noise_is_measured(deviation):
    rng = np.random.default_rng(0)
    found = [noise(lambda t: np.cos(t + 0.3) + deviation * rng.standard_normal()) for _ in range(30)]
    assert deviation / 2 < np.median(found) < 2 * deviation


def test_rounding_of_either_precision():
    assert 1e-18 < noise(lambda t: np.exp(0.3 + t)) < 5e-16
    assert 1e-9 < noise(lambda t: float(np.float32(np.exp(0.3 + t)))) < 5e-7
    # cancellation counts
    assert 1e-11 < noise(lambda t: (1e6 + np.exp(0.3 + t)) - 1e6) < 1e-9


def test_no_noise_and_no_number():
    assert noise(lambda t: 1.0) == 0.0
    assert noise(lambda t: np.nan) == np.inf
