"""Data that estimator tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


def _regression(n: int = 60, d: int = 5, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * rng.uniform(0.5, 3.0, d) + rng.normal(size=d)
    y = X @ rng.normal(size=d) + 2.0 + rng.normal(size=n)
    return X, y


def _classes(n: int = 90, d: int = 4, k: int = 2, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * rng.uniform(0.5, 2.0, d) + 0.5
    y = (X @ rng.normal(size=(d, k)) + rng.normal(size=(n, k)) * 1.5).argmax(axis=1)
    assert len(np.unique(y)) == k
    return X, y


@pytest.fixture(scope="session")
def regression_data() -> Callable[..., tuple[Any, Any]]:
    return _regression


@pytest.fixture(scope="session")
def class_data() -> Callable[..., tuple[Any, Any]]:
    return _classes
