"""What is told of sparse rows that could not be used as they were given."""

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, bool])
@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array])
def test_a_copy_of_the_entries_is_told(dtype, make):
    X = np.random.default_rng(0).integers(0, 2, (20, 4)).astype(dtype)
    source = as_source(make(X))
    assert source.notes[-1] == f"the entries of X were copied: {np.dtype(dtype)} to float64"
    assert len(source.notes) == (1 if make is sp.csr_array else 2)
    np.testing.assert_array_equal(source.matvec(np.ones(4)), X.sum(axis=1, dtype=float))


def test_repeated_entries_of_whole_numbers_are_told_once_each():
    X = sp.csr_array((np.array([1, 2, 3]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    source = as_source(X)
    np.testing.assert_array_equal(source.moments(np.ones(2))[1], [9.0, 9.0])
    assert source.notes == ["the entries of X were copied: int64 to float64", "X was copied: repeated entries summed"]
