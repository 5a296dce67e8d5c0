"""X is read where it lies: a fit takes less than a fifth of it in memory, whatever it is made of."""

import gc
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import MLPClassifier, MLPRegressor

SHARE = 0.2


def pixels(n, d=400):
    return np.random.default_rng(0).integers(0, 256, (n, d), dtype=np.uint8)


def mapped(tmp_path, n, d=400):
    X = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float32, shape=(n, d))
    for low in range(0, n, 1000):
        X[low : low + 1000] = pixels(min(1000, n - low), d) / np.float32(255)
    X.flush()
    del X
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def words(n, d=6000):
    rng = np.random.default_rng(0)
    each = 80
    columns = np.sort(rng.integers(0, d, (n, each)), axis=1).astype(np.int32).ravel()
    values = rng.random(n * each, dtype=np.float32)
    return sp.csr_array((values, columns, np.arange(0, n * each + 1, each, dtype=np.int32)), shape=(n, d))


def size(X):
    return X.nbytes if isinstance(X, np.ndarray) else X.data.nbytes + X.indices.nbytes + X.indptr.nbytes


def peak(model, X, y):
    """Bytes that a fit allocates, of arrays, beyond what there was."""
    model.fit(X, y)  # compiles and imports all that this very fit needs
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        model.fit(X, y)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["bytes", "bytes, scaled", "float32", "mapped float32", "CSR", "narrow CSR"])
def test_a_fit_takes_less_than_a_fifth_of_the_data(kind, tmp_path):
    options = {"scale": "range"} if kind == "bytes, scaled" else {}
    if kind == "float32":
        X = pixels(16_000) / np.float32(255)
    elif kind == "mapped float32":
        X = mapped(tmp_path, 16_000)
    elif "CSR" in kind:
        X = words(50_000, 6000 if kind == "CSR" else 1000)
    else:
        X = pixels(60_000)
    y = np.random.default_rng(1).integers(0, 3, X.shape[0])
    model = MLPClassifier(
        (8,), max_iter=1, batch_size=256, tol=None, dtype="float32", learning_rate_init=1e-4, **options
    )
    assert peak(model, X, y) < SHARE * size(X)


def test_predictions_and_held_out_rows_copy_nothing_either():
    X = pixels(60_000)
    y = np.random.default_rng(1).random(len(X))
    model = MLPRegressor(
        hidden_layer_sizes=(8,), max_iter=1, batch_size=256, tol=None, dtype="float32", early_stopping=True,
        learning_rate_init=1e-5, on_unconverged="ignore", scale="range",
    )  # fmt: skip
    assert peak(model, X, y) < SHARE * size(X)
    tracemalloc.start()
    try:
        model.predict(X)
        assert tracemalloc.get_traced_memory()[1] < SHARE * size(X)
    finally:
        tracemalloc.stop()


def test_what_certificates_and_batches_need_does_not_grow_with_the_rows():
    few, many = (
        peak(MLPClassifier((64,), max_iter=1, batch_size=64, tol=None, dtype="float32"), X, np.arange(len(X)) % 3)
        for X in (pixels(3000), pixels(12_000))
    )
    assert many - few < 9000 * 64  # bytes: labels, orders and the like, of each row
