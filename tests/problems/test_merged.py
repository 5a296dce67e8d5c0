"""Equal rows taken together: the same function, found exactly, and only where it pays."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import steepest
from steepest.data.source import as_source
from steepest.losses import Logistic
from steepest.parallel import Pool
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem
from steepest.problems.merged import first_equal, merged


def table(n: int, kinds: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cards = rng.integers(0, 2, (kinds, d)).astype(np.float64)
    which = rng.integers(0, kinds, n)
    y = np.where(rng.random(n) < 0.3 + 0.4 * cards[which, 0], 1.0, -1.0)
    return cards[which], y, rng.integers(0, 3, n).astype(np.float64)


def problem(X, y, s, intercept: bool = True) -> LinearProblem:
    return LinearProblem(as_source(X, pool=Pool(2)), y, s / s.sum(), Logistic(), L2(1e-3), intercept)


@pytest.mark.parametrize("form", [np.asarray, np.float32, sp.csr_array])
def test_the_same_function_from_fewer_rows(form) -> None:
    X, y, s = table(12_000, 50, 7, 0)
    whole = problem(form(X), y, s)
    small = merged(whole)
    assert small is not None
    assert small.source.shape[0] <= 100
    w = np.random.default_rng(1).normal(size=whole.size)
    a, b = whole.evaluate(w), small.evaluate(w)
    assert a.value == pytest.approx(b.value, rel=1e-12)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-10, atol=1e-14)


def test_grouping_equals_that_of_numpy() -> None:
    X, y, _ = table(3_000, 400, 6, 2)
    X[0, 0] = -0.0  # equal to 0.0
    first, groups = first_equal(as_source(X), y, len(y))
    _, index, inverse = np.unique(np.column_stack([X + 0.0, y]), axis=0, return_index=True, return_inverse=True)
    assert groups == len(index)
    np.testing.assert_array_equal(first, index[inverse.ravel()])


def test_passes_over_a_share_count_as_that_share() -> None:
    X, y, s = table(12_000, 50, 7, 3)
    whole = problem(X, y, s)
    small = merged(whole)
    assert small is not None
    before = whole.passes
    small.evaluate(small.start())
    assert whole.passes - before == pytest.approx(small.source.shape[0] / 12_000)


def test_distinct_rows_stay_as_they_are() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(12_000, 3))
    y = np.where(rng.random(12_000) < 0.5, 1.0, -1.0)
    assert merged(problem(X, y, np.ones(12_000))) is None


def test_the_record_says_so_and_the_certificate_uses_all_rows() -> None:
    X, y, s = table(12_000, 50, 7, 5)
    model = steepest.LogisticRegression(tol=1e-8).fit(X, y, sample_weight=s)
    assert "equal to others" in model.fit_record_.solver["why"]
    assert model.certificate_.passed
    z = X @ model.coef_.ravel() + model.intercept_
    p = s / s.sum()
    value = p @ np.logaddexp(0.0, -y * z) + 0.5 / s.sum() * model.coef_.ravel() @ model.coef_.ravel()
    assert model.certificate_.primal == pytest.approx(value, rel=1e-12)
