"""Every kind of input becomes a source of the same numbers, without a copy where none is needed."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from steepest.data.dense import DenseSource
from steepest.data.source import as_source
from steepest.data.sparse import SparseSource
from steepest.exceptions import DataError
from steepest.parallel import Pool

N, D = 23, 5


@pytest.fixture
def X():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, D)).round(2)
    X[rng.random((N, D)) < 0.5] = 0.0
    return X


def check_numbers(source, X, rtol=1e-12):
    """Products, Gram, moments and norms agree with NumPy on the float64 matrix X."""
    rng = np.random.default_rng(4)
    n, d = X.shape
    assert source.shape == (n, d)
    w, W, p = rng.standard_normal(d), rng.standard_normal((d, 3)), rng.random(n)
    u, U = rng.standard_normal(n), rng.standard_normal((n, 3))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1.0, float(np.abs(b).max())))  # noqa: E731
    close(source.matvec(w, 0.5), X @ w + 0.5)
    close(source.matvec(W, np.arange(3.0)), X @ W + np.arange(3.0))
    g, total = source.rmatvec(p, u)
    close(g, X.T @ (p * u))
    close(total, p @ u)
    G, totals = source.rmatvec(p, U)
    close(G, X.T @ (p[:, None] * U))
    close(totals, p @ U)
    bordered = np.column_stack([X, np.ones(n)])
    close(source.gram(p), bordered.T @ (p[:, None] * bordered))
    close(source.gram(np.full(n, 0.25)), 0.25 * bordered.T @ bordered)
    rows = np.array([0, n // 2, n - 1])
    close(source.gram(p[rows], rows), bordered[rows].T @ (p[rows, None] * bordered[rows]))
    first, second = source.moments(p)
    close(first, p @ X)
    close(second, p @ X**2)
    close(source.square_norms(), np.sum(X**2, axis=1))


DENSE = {
    "c_order": lambda X, path: X,
    "fortran": lambda X, path: np.asfortranarray(X),
    "strided": lambda X, path: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X, path: X[::-1][::-1],
    "big_endian": lambda X, path: X.astype(">f8"),
    "read_only": lambda X, path: _read_only(X),
    "memmap": lambda X, path: _memmap(X, path),
    "list": lambda X, path: X.tolist(),
    "pandas": lambda X, path: pd.DataFrame(X, columns=list("abcde")),
    "pandas_mixed": lambda X, path: pd.DataFrame(X).astype({1: "Float64", 3: "float64[pyarrow]"}),
    "pandas_missing_aware": lambda X, path: pd.DataFrame(X).astype("Float64"),
    "polars": lambda X, path: pl.DataFrame(X, schema=list("abcde")),
    "matrix_subclass": lambda X, path: X.view(_Tagged),
}


class _Tagged(np.ndarray):
    pass


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _memmap(X, path):
    np.save(path / "x.npy", X)
    return np.load(path / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("kind", DENSE)
def test_dense_inputs_give_the_same_numbers(kind, X, tmp_path):
    source = as_source(DENSE[kind](X, tmp_path))
    assert isinstance(source, DenseSource)
    assert source.dtype == np.float64
    assert source.nnz == N * D
    check_numbers(source, X)


SPARSE = {
    "csr_array": sp.csr_array,
    "csr_matrix": sp.csr_matrix,
    "csc_array": sp.csc_array,
    "csc_matrix": sp.csc_matrix,
    "coo_array": sp.coo_array,
    "lil_array": sp.lil_array,
    "bsr_array": sp.bsr_array,
    "dok_array": sp.dok_array,
    "int64_indices": lambda X: _with_indices(sp.csr_array(X), np.int64),
    "read_only": lambda X: _frozen_csr(sp.csr_array(X)),
    "unsorted": lambda X: _unsorted(sp.csr_array(X)),
    "duplicates": lambda X: _duplicated(sp.csr_array(X)),
    "spare_room": lambda X: _spare(sp.csr_array(X)),
    "explicit_zeros": lambda X: sp.csr_array(
        (X.ravel(), np.tile(np.arange(D), N), np.arange(0, N * D + 1, D)), X.shape
    ),
}


def _full(X):
    return sp.csr_array((X.ravel(), np.tile(np.arange(D), N), np.arange(0, N * D + 1, D)), X.shape)


def _with_indices(S, dtype):
    S.indices, S.indptr = S.indices.astype(dtype), S.indptr.astype(dtype)
    return S


def _frozen_csr(S):
    for array in (S.data, S.indices, S.indptr):
        array.flags.writeable = False
    return S


def _unsorted(S):
    data, indices = S.data.copy(), S.indices.copy()
    for a, b in zip(S.indptr[:-1], S.indptr[1:], strict=True):
        data[a:b], indices[a:b] = data[a:b][::-1].copy(), indices[a:b][::-1].copy()
    return sp.csr_array((data, indices, S.indptr), S.shape)


def _duplicated(S):
    """Every entry in two unequal parts."""
    data = np.column_stack([0.25 * S.data, 0.75 * S.data]).ravel()
    return sp.csr_array((data, np.repeat(S.indices, 2), 2 * S.indptr), S.shape)


def _spare(S):
    """More room than entries, as scipy leaves after a deletion."""
    return sp.csr_array(
        (np.append(S.data, [np.nan] * 4), np.append(S.indices, [0] * 4).astype(np.int32), S.indptr), S.shape
    )


@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_inputs_give_the_same_numbers(kind, X):
    source = as_source(SPARSE[kind](X))
    assert isinstance(source, SparseSource)
    check_numbers(source, X)


@pytest.mark.parametrize("kind", SPARSE)
def test_the_callers_matrix_is_left_alone(kind, X):
    S = SPARSE[kind](X)
    before = S.copy()
    check_numbers(as_source(S), X)
    assert type(S) is type(before)
    assert S.format == before.format
    if S.format == "csr":
        np.testing.assert_array_equal(S.data, before.data)
        np.testing.assert_array_equal(S.indices, before.indices)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool])
@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_array])
def test_integers_become_float64(dtype, wrap):
    X = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    source = as_source(wrap(X))
    assert source.dtype == np.float64
    check_numbers(source, X.astype(np.float64))


@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_array, np.asfortranarray, sp.csc_array])
def test_float32_is_kept_and_sums_are_float64(wrap, X):
    X = X.astype(np.float32)
    source = as_source(wrap(X))
    assert source.dtype == np.float32
    w = np.random.default_rng(0).standard_normal(D)
    np.testing.assert_allclose(source.matvec(w), X.astype(np.float64) @ w, rtol=1e-14, atol=1e-14)
    assert source.matvec(w).dtype == np.float64
    check_numbers(source, X.astype(np.float64), rtol=2e-6)  # gram multiplies in float32


def test_float16_and_extended_become_float64(X):
    assert as_source(X.astype(np.float16)).dtype == np.float64
    assert as_source(X.astype(np.longdouble)).dtype == np.float64


class TestNoCopy:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_dense_in_c_order(self, X, dtype):
        X = X.astype(dtype)
        source = as_source(X)
        assert np.shares_memory(source.X, X)
        assert source.notes == []
        assert X.flags.writeable

    def test_read_only_and_memory_mapped(self, X, tmp_path):
        for array in (_read_only(X), _memmap(X, tmp_path)):
            source = as_source(array)
            assert np.shares_memory(source.X, array)
            assert source.notes == []

    def test_pandas_of_one_dtype(self, X):
        assert np.shares_memory(as_source(pd.DataFrame(X, copy=False)).X, X)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("index", [np.int32, np.int64])
    def test_csr(self, X, dtype, index):
        S = _with_indices(sp.csr_array(X.astype(dtype)), index)
        source = as_source(S)
        assert np.shares_memory(source.rows.data, S.data)
        assert np.shares_memory(source.rows.indices, S.indices)
        assert source.notes == []
        assert source.rows.indices.dtype == (np.uint32 if index == np.int32 else np.uint64)

    @pytest.mark.parametrize("convert", [np.asfortranarray, lambda X: X.astype(np.int64), sp.csc_array, sp.coo_array])
    def test_a_copy_is_told(self, X, convert):
        assert "copied" in as_source(convert(X)).notes[0]

    def test_a_source_stays_itself(self, X):
        source = as_source(X)
        assert as_source(source) is source


class TestErrors:
    @pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 2, 2)), 1.0])
    def test_dimensions(self, bad):
        with pytest.raises(DataError, match="matrix of shape"):
            as_source(bad)

    @pytest.mark.parametrize("bad", [[["a", "b"]], np.array([[None, 1]]), np.zeros((2, 2), complex)])
    def test_not_numbers(self, bad):
        with pytest.raises(DataError, match="expected numbers"):
            as_source(bad)

    def test_text_in_a_frame(self):
        with pytest.raises(DataError, match="expected numbers"):
            as_source(pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))

    @pytest.mark.parametrize("bad", [5, -1])
    def test_column_index_out_of_range(self, X, bad):
        S = sp.csr_array(X)
        S.indices[2] = bad
        with pytest.raises(DataError, match="column indices"):
            as_source(S)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (4, 1), (1, 4), (3, 7)])
@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_array])
def test_small_shapes(shape, wrap):
    X = np.arange(float(np.prod(shape))).reshape(shape)
    source = as_source(wrap(X))
    assert source.matvec(np.ones(shape[1])).shape == (shape[0],)
    g, _ = source.rmatvec(np.ones(shape[0]), np.ones(shape[0]))
    np.testing.assert_allclose(g, X.sum(axis=0))


def test_rows_and_columns_without_entries():
    X = np.zeros((9, 6))
    X[2, 3], X[7, 0] = 2.0, -1.0
    check_numbers(as_source(sp.csr_array(X)), X)


class TestGram:
    def test_shift_saves_what_a_large_mean_drowns(self):
        rng = np.random.default_rng(1)
        X = (rng.standard_normal((500, 3)) + 1e4).astype(np.float32)
        p = rng.random(500)
        p /= p.sum()
        exact = X.astype(np.float64) - 1e4
        bordered = np.column_stack([exact, np.ones(500)])
        want = bordered.T @ (p[:, None] * bordered)
        got = as_source(X).gram(p, shift=np.full(3, 1e4, np.float32))
        np.testing.assert_allclose(got, want, atol=3e-6)
        plain = as_source(X).gram(p)  # centred after the fact, the variances are gone
        assert np.abs(plain[:3, :3] - np.outer(plain[:3, 3], plain[:3, 3]) - want[:3, :3]).max() > 1.0

    def test_float64_on_request(self):
        X = np.random.default_rng(2).random((3000, 4)).astype(np.float32)
        p = np.full(3000, 1 / 3000)
        X64 = X.astype(np.float64)
        error = [np.abs(as_source(X).gram(p, dtype=t)[:4, :4] - X64.T @ X64 / 3000).max() for t in (None, np.float64)]
        assert error[1] < 1e-15 * 10 < error[0] < 1e-5

    @pytest.mark.parametrize("border", [True, False])
    @pytest.mark.parametrize("shift", [None, 0.5])
    @pytest.mark.parametrize("equal", [True, False])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_normal_equations_are_both_in_one_reading(self, dtype, equal, shift, border):
        rng = np.random.default_rng(5)
        n, d = 20_001, 40
        X = rng.standard_normal((n, d)).astype(dtype)
        p, u = np.full(n, 1.0 / n) if equal else rng.random(n) / n, rng.standard_normal(n)
        moved = None if shift is None else np.full(d, shift, dtype)
        found = [as_source(X, pool=Pool(jobs)).normal_equations(p, u, None, moved, border) for jobs in (1, 3)]
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)
        G, g, total = found[0]
        A = np.column_stack([X.astype(np.float64) - (shift or 0.0), np.full(n, float(border))])
        np.testing.assert_allclose(G, A.T @ (p[:, None] * A), atol=1e-4 if dtype == np.float32 else 1e-14)
        np.testing.assert_array_equal(G, G.T)
        np.testing.assert_allclose(g, X.astype(np.float64).T @ (p * u), atol=1e-14)
        np.testing.assert_allclose(total, p @ u, atol=1e-14)

    @pytest.mark.parametrize("wrap", [np.asarray, sp.csr_array])
    def test_symmetric_and_positive(self, wrap, X):
        G = as_source(wrap(X)).gram(np.random.default_rng(0).random(N))
        np.testing.assert_array_equal(G, G.T)
        assert np.linalg.eigvalsh(G).min() > -1e-12


@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_array])
def test_any_number_of_threads_gives_the_same_bits(wrap):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 40)) * (rng.random((20_000, 40)) < 0.7)
    p, u, W = rng.random(20_000), rng.standard_normal(20_000), rng.standard_normal((40, 3))
    results = []
    for jobs in (1, 2, 3):
        pool = Pool(jobs)
        source = as_source(wrap(X), pool=pool)
        assert len(source.shards) > 1  # or the test would show nothing
        results.append(
            [source.rmatvec(p, u)[0], source.matvec(W), source.rmatvec(p, source.matvec(W))[0], source.moments(p)[1]]
        )
        pool.close()
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
