"""Rows as networks read them: any type, any layout, frames, files and sparse rows, never copied; predictions of any."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from steepest import MLPClassifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])]
FAST = {"max_iter": 8, "tol": None, "curvature": False}


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))


def forms():
    counts = RNG.integers(0, 200, size=(60, 5))
    return {
        "uint8": (counts.astype(np.uint8), counts.astype(float)),
        "int64": (counts, counts.astype(float)),
        "float32": (counts.astype(np.float32), counts.astype(float)),
        "columns": (np.asfortranarray(counts.astype(float)), counts.astype(float)),
        "strides": (np.repeat(counts.astype(float), 2, axis=0)[::2], counts.astype(float)),
        "csr": (sp.csr_array(counts.astype(float)), counts.astype(float)),
        "csr of bytes": (sp.csr_matrix(counts.astype(np.uint8)), counts.astype(float)),
        "csc": (sp.csc_array(counts.astype(float)), counts.astype(float)),
        "list": (counts.tolist(), counts.astype(float)),
        "booleans": (counts > 100, (counts > 100).astype(float)),
        "half": (counts.astype(np.float16), counts.astype(float)),
        "big-endian": (counts.astype(">f8"), counts.astype(float)),
    }


@pytest.mark.parametrize("form", forms())
@pytest.mark.parametrize("scale", [None, "range", "standard"])
def test_all_forms_of_numbers_train_alike(form, scale):
    given, plain = forms()[form]
    if scale == "standard" and sp.issparse(given):  # which is not centred
        plain = sp.csr_array(plain)
    how = {"scale": scale, "dtype": "float32", **FAST}
    a, b = MLPClassifier((6,), **how).fit(given, THREE), MLPClassifier((6,), **how).fit(plain, THREE)
    if scale == "standard":  # numbers are shifted in the wider of two types
        np.testing.assert_allclose(a.predict_proba(given), b.predict_proba(plain), rtol=1e-4)
        return
    assert same(a, b)
    np.testing.assert_array_equal(a.predict_proba(given), b.predict_proba(plain))


def test_frames_bring_names():
    frame = pd.DataFrame(X, columns=list("vwxyz"))
    model = MLPClassifier((4,), **FAST).fit(frame, pd.Series(THREE))
    assert model.feature_names_in_.tolist() == list("vwxyz")
    np.testing.assert_array_equal(model.predict(frame), model.predict(pl.DataFrame(frame)))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("zyxwv")])
    sets = pd.DataFrame((X[:, :2] > 0).astype(int), columns=["up", "right"])
    both = MLPClassifier((4,), **FAST).fit(frame, sets)
    assert both.predict(frame).shape == (60, 2)
    assert both.classes_.tolist() == ["up", "right"]


def test_a_scale_is_part_of_the_model():
    wild = X * [1e-3, 1.0, 1e3, 1e5, 1.0] + [0.0, 50.0, 0.0, 1e6, 7.0]
    tame = (wild - wild.mean(axis=0)) / wild.std(axis=0)
    how = {"dtype": "float64", **FAST}
    a = MLPClassifier((6,), scale="standard", **how).fit(wild, THREE)
    b = MLPClassifier((6,), **how).fit(tame, THREE)
    np.testing.assert_allclose(a.predict_proba(wild), b.predict_proba(tame), rtol=1e-6)
    constant = np.c_[X, np.full(60, 3.0)]
    assert np.isfinite(MLPClassifier((6,), scale="standard", **FAST).fit(constant, THREE).predict_proba(constant)).all()


def test_memory_mapped_rows_are_not_copied(tmp_path):
    n, d = 40_000, 300
    big = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.uint8, (n, d))
    big[:] = RNG.integers(0, 255, size=(1000, d), dtype=np.uint8)[RNG.integers(0, 1000, n)]
    y = (big[:, 0] > 127).astype(int)
    model = MLPClassifier((8,), max_iter=1, scale="range", on_unconverged="ignore", curvature=False)
    model.fit(big[:500], y[:500]).predict(big[:500])  # compiles
    size = n * d
    for work in (lambda: model.fit(big, y), lambda: model.predict(big), lambda: model.partial_fit(big, y)):
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1.5 * size  # in float32 it would be 4 times that


def test_early_stopping_copies_no_rows():
    big = np.zeros((20_000, 200), np.uint8)
    big[:, :2] = RNG.integers(0, 255, size=(20_000, 2))
    y = (big[:, 0] > 127).astype(int)
    model = MLPClassifier(
        (4,), max_iter=2, scale="range", early_stopping=True, on_unconverged="ignore", curvature=False
    )
    model.fit(big[:500], y[:500])
    tracemalloc.start()
    model.fit(big, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * big.nbytes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_of_any_number_of_rows_and_threads(dtype):
    model = MLPClassifier((16, 8), dtype=dtype, **FAST).fit(X, THREE)
    many = RNG.normal(size=(1500, 5))
    whole = model.predict_proba(many)
    for size in (1, 3, 17, 512, 513, 1499):
        np.testing.assert_allclose(model.predict_proba(many[:size]), whole[:size], rtol=2e-5, atol=1e-7)
    hidden = many.astype(dtype)
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ W + b, 0.0)
    np.testing.assert_allclose(
        model.decision_function(many), hidden @ model.coefs_[-1] + model.intercepts_[-1], rtol=1e-3, atol=1e-5
    )
    barrier = threading.Barrier(4)

    def one(k):
        barrier.wait()
        return model.predict_proba(many[k:])

    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(one, range(4))):
            np.testing.assert_allclose(found, whole[k:], rtol=2e-5, atol=1e-7)


def test_wide_sparse_rows_are_never_written_out():
    wide = sp.random_array((300, 20_000), density=0.001, format="csr", rng=np.random.default_rng(0))
    y = np.asarray(wide[:, :10_000].sum(axis=1) > wide[:, 10_000:].sum(axis=1)).astype(int)
    how = {"learning_rate_init": 0.02, "dtype": "float32", **FAST}
    sparse, dense = MLPClassifier((4,), **how).fit(wide, y), MLPClassifier((4,), **how).fit(wide.toarray(), y)
    np.testing.assert_allclose(sparse.predict_proba(wide), dense.predict_proba(wide.toarray()), rtol=1e-3, atol=1e-4)
    split = MLPClassifier((4,), early_stopping=True, **how).fit(wide, y)
    assert len(split.validation_scores_) > 0
