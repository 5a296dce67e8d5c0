"""Entries that a row lists twice, told by marks of a byte or of a word."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source


def listed(n: int, d: int, twice: int | None) -> sp.csr_array:
    """Row i lists column 3; row ``twice`` lists it two times."""
    counts = np.ones(n, dtype=np.int32)
    if twice is not None:
        counts[twice] = 2
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return sp.csr_array((np.ones(indptr[-1]), np.full(indptr[-1], 3, dtype=np.int32), indptr), shape=(n, d))


@pytest.mark.parametrize("d", [5, 100_000])  # 100,000 columns are too many to be cleared for a few rows
@pytest.mark.parametrize("twice", [0, 254, 255, 256, 511, 699])
def test_a_repeat_is_found_wherever_marks_begin_anew(d: int, twice: int) -> None:
    source = as_source(listed(700, d, twice))
    expected = np.ones(700)
    expected[twice] = 4.0
    np.testing.assert_array_equal(source.square_norms(), expected)
    assert source.notes == ["X was copied: repeated entries summed"]


@pytest.mark.parametrize("d", [5, 100_000])
def test_rows_that_share_a_column_do_not_repeat_it(d: int) -> None:
    source = as_source(listed(700, d, None))
    np.testing.assert_array_equal(source.square_norms(), np.ones(700))
    assert source.notes == []
