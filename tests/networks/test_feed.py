"""Rows into batches: every dtype and layout, nothing copied; sparse products and their derivatives."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.exceptions import DataError, InvalidParameterError
from steepest.networks.derivatives import curvature, gradient
from steepest.networks.elementwise import square
from steepest.networks.feed import as_feed
from steepest.networks.node import Constant, Parameter
from steepest.networks.program import Program

RNG = np.random.default_rng(0)
ROWS = np.array([3, 0, 3, 6, 1], np.uint32)


def layouts(dtype: Any) -> dict[str, Any]:
    base = RNG.integers(0, 2 if np.dtype(dtype) == bool else 100, (7, 19)).astype(dtype)
    wide = np.zeros((14, 40), dtype)
    wide[::2, 1:39:2] = base
    return {
        "C": base,
        "F": np.asfortranarray(base),
        "strided": wide[::2, 1:39:2],
        "backwards": base[::-1, ::-1].copy()[::-1, ::-1],
        "frozen": np.broadcast_to(base[:1], (7, 19)),
    }


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("out", [np.float32, np.float64])
def test_rows_of_any_dtype_and_layout(dtype: str, out: Any) -> None:
    """The rows that indexing gives, shifted and scaled or not."""
    shift, factor = RNG.random(19), RNG.random(19) + 0.5
    for name, X in layouts(dtype).items():
        batch = np.full((5, 19), np.nan, out)
        as_feed(X, out).take(ROWS, batch)
        np.testing.assert_array_equal(batch, X[ROWS].astype(out), err_msg=name)
        as_feed(X, out, shift, factor).take(ROWS, batch)
        expected = (X[ROWS].astype(float) - shift) * factor
        np.testing.assert_allclose(batch, expected, rtol=1e-5 if out == np.float32 else 1e-14, atol=1e-5, err_msg=name)
        as_feed(X, out, shift).astype(np.float64).take(ROWS, full := np.empty((5, 19)))
        np.testing.assert_array_equal(full, X[ROWS].astype(float) - shift)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 70), st.integers(0, 2**32 - 1), st.booleans())
def test_sparse_rows_written_out(n: int, d: int, seed: int, scaled: bool) -> None:
    rng = np.random.default_rng(seed)
    S = sp.random(n, d, 0.3, format="csr", random_state=rng)
    shift, factor = (rng.random(d), rng.random(d)) if scaled else (None, None)
    rows = rng.integers(0, n, 6)
    out = np.full((6, d), np.nan)
    as_feed(S, np.float64, shift, factor).take(rows, out)
    dense = S.toarray()[rows]
    np.testing.assert_allclose(out, (dense - shift) * factor if scaled else dense, rtol=1e-12, atol=1e-14)


def test_a_map_of_a_file_stays_one(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "rows", np.uint8, "w+", shape=(50, 300))
    mapped[:] = RNG.integers(0, 255, mapped.shape)
    feed = as_feed(mapped, np.float32, factor=np.full(300, 1.0 / 255.0))
    out = np.empty((5, 300), np.float32)
    feed.take(ROWS, out)
    np.testing.assert_allclose(out, mapped[ROWS] / 255.0, rtol=1e-6)
    assert np.shares_memory(feed.X, mapped)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_nothing_is_copied(dtype: Any) -> None:
    """A feed of 8 to 64 MB and its batches take a few kilobytes."""
    X = np.ones((20_000, 400), dtype)[:, ::2]
    out, rows = np.empty((64, 200), np.float32), np.arange(64, dtype=np.uint32)
    as_feed(X).take(rows, out)
    tracemalloc.start()
    feed = as_feed(X, shift=np.zeros(200))
    feed.take(rows, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.shares_memory(feed.X, X)
    assert peak < 100_000


def test_which_sparse_rows_stay_sparse() -> None:
    wide = sp.random(30, 5000, 0.01, format="csr", random_state=0)
    assert as_feed(wide).sparse
    assert not as_feed(wide, shift=np.ones(5000)).sparse
    assert not as_feed(wide[:, :300]).sparse
    assert as_feed(wide[:, :300], sparse=True).sparse
    assert as_feed(wide.tocsc()).sparse


@pytest.mark.parametrize("scaled", [False, True])
def test_products_of_sparse_rows_and_their_derivatives(scaled: bool) -> None:
    """Value, gradient and curvature of ``|X_B W - T|^2`` against dense algebra."""
    S = sp.random(9, 21, 0.3, format="csr", random_state=3)
    factor = RNG.random(21) + 0.5 if scaled else None
    batch = as_feed(S, np.float64, factor=factor, sparse=True).batch(5)
    A = S.toarray()[ROWS] * (1.0 if factor is None else factor)
    W, V, T = Parameter(RNG.standard_normal((21, 4))), RNG.standard_normal((21, 4)), RNG.standard_normal((5, 4))
    cost = square(batch.product(W) - T).sum()
    (slope,) = gradient(cost, [W])
    (bent,) = curvature(cost, [W], [Constant(V)])
    program = Program([cost, slope, bent])
    batch.take(ROWS)
    program.run()
    residual = A @ W.value - T
    assert float(program.values[cost]) == pytest.approx(np.sum(residual**2), rel=1e-12)
    np.testing.assert_allclose(program.values[slope], 2 * A.T @ residual, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(program.values[bent], 2 * A.T @ (A @ V), rtol=1e-12, atol=1e-13)


def test_what_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="dtype"):
        as_feed(np.ones((2, 2)), np.int64)
    with pytest.raises(InvalidParameterError, match="shift"):
        as_feed(np.ones((2, 2)), shift=np.ones(3))
    with pytest.raises(InvalidParameterError, match="fill"):
        as_feed(sp.eye(3, format="csr"), shift=np.ones(3), sparse=True)
    with pytest.raises(DataError, match="float16"):
        as_feed(np.ones((2, 2), np.float16))
    with pytest.raises(DataError, match="float32 or float64"):
        as_feed(sp.csr_matrix(np.ones((2, 2), np.complex64)))
    with pytest.raises(DataError, match="matrix of numbers"):
        as_feed(np.array([["a"]]))
    with pytest.raises(InvalidParameterError, match="dense"):
        as_feed(np.ones((2, 2))).batch(1)
