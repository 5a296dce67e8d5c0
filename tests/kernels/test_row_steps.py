"""One row against w, compiled: the product, and w plus a multiple of the row."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.kernels.rows import add_row, dot_row


@numba.njit
def compiled(rows, w, i, c):
    """The product with row i, before w gains c times it."""
    found = dot_row(rows, w, i)
    add_row(rows, i, c, w)
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_a_row_of_any_length(kind, dtype):
    """Rows of 0 to 23 entries: none, fewer than are taken at a time, whole groups, and what is left over."""
    rng = np.random.default_rng(0)
    X = np.zeros((24, 30), dtype=dtype)
    for i in range(24):
        X[i, rng.choice(30, i, replace=False)] = rng.integers(-9, 10, i)
    rows = as_source(sp.csr_array(X) if kind == "csr" else X).rows
    for i in range(24):
        w = rng.integers(-9, 10, 30).astype(np.float64)
        expected, moved = float(X[i].astype(np.float64) @ w), w + 0.5 * X[i]
        assert compiled(rows, w, np.uint32(i), 0.5) == expected
        np.testing.assert_array_equal(w, moved)


def test_columns_that_a_row_lists_twice_add_up():
    """The sums of four entries taken at a time see each other."""
    X = sp.csr_array((np.arange(1.0, 7.0), np.array([1, 1, 0, 1, 1, 0]), np.array([0, 6])), shape=(1, 2))
    w = np.zeros(2)
    assert compiled(as_source(X).rows, w, np.uint32(0), 1.0) == 0.0
    np.testing.assert_array_equal(w, [9.0, 12.0])
