"""The data of the races: read or generated once, kept as .npy files, loaded by every run.

Real sets come from the folder that the environment variable STEEPEST_DATA names (``python -m benchmarks.fetch``
fills one); generated sets have fixed seeds.  ``prepare`` imports scikit-learn for reading; ``load`` needs NumPy
and SciPy only, so that a contestant's own interpreter can run it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

WORK = Path(__file__).parent / "_work"
VERSION = 1  # raise it when a set below changes
Data = tuple[Any, np.ndarray]


def folder() -> Path:
    """Where the real data sets are."""
    path = os.environ.get("STEEPEST_DATA")
    if not path:
        raise FileNotFoundError(
            "STEEPEST_DATA is not set: name the folder with a9a, w8a, mnist/ and 20news-bydate.tar.gz in it;"
            " `python -m benchmarks.fetch FOLDER` makes one"
        )
    return Path(path)


def open_any(name: str) -> io.BufferedIOBase:
    """Open a file of the data folder, plain or compressed."""
    opens: dict[str, Callable[..., Any]] = {"": open, ".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
    for suffix, opener in opens.items():
        path = folder() / (name + suffix)
        if path.is_file():
            return opener(path, "rb")  # type: ignore[no-any-return]
    raise FileNotFoundError(f"{folder()} has no {name} (plain, .xz, .gz or .bz2); see `python -m benchmarks.fetch`")


def _expect(name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if got != wanted:
        raise ValueError(f"{name}: expected rows, columns, non-zeros {wanted}, read {got}; is this the original file?")


# --------------------------------------------------------------------------------------------- real sets


def _libsvm(name: str, shape: tuple[int, int], nnz: int) -> Data:
    from sklearn.datasets import load_svmlight_file

    with open_any(name) as file:
        X, y = load_svmlight_file(io.BytesIO(file.read()), n_features=shape[1])
    _expect(name, (*X.shape, X.nnz), (*shape, nnz))
    return X, np.where(y > 0, 1.0, -1.0)


def a9a() -> Data:
    """Adult in LIBSVM's binary form."""
    return _libsvm("a9a", (32_561, 123), 451_592)


def w8a() -> Data:
    """Web pages, LIBSVM."""
    return _libsvm("w8a", (49_749, 300), 579_586)


def newsgroups() -> tuple[list[str], list[str]]:
    """Texts and group names of the by-date train part, in one fixed random order."""
    texts, groups = [], []
    with tarfile.open(folder() / "20news-bydate.tar.gz") as archive:
        members = [m for m in archive if m.isfile() and "20news-bydate-train" in m.name]
        for member in sorted(members, key=lambda m: m.name):
            file = archive.extractfile(member)
            assert file is not None
            texts.append(file.read().decode("latin-1"))
            groups.append(member.name.split("/")[-2])
    if len(texts) != 11_314 or len(set(groups)) != 20:
        raise ValueError(f"20news: expected 11314 texts of 20 groups, read {len(texts)} of {len(set(groups))}")
    order = np.random.default_rng(0).permutation(len(texts))
    return [texts[i] for i in order], [groups[i] for i in order]


def _tfidf() -> tuple[Any, list[str], list[str]]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, groups = newsgroups()
    X = TfidfVectorizer().fit_transform(texts)
    _expect("20news", (*X.shape, X.nnz), (11_314, 130_107, 1_787_565))
    return X, texts, groups


def news_binary() -> Data:
    """20 newsgroups, tf-idf; comp.* against the rest."""
    X, _, groups = _tfidf()
    return X, np.array([1.0 if group.startswith("comp.") else -1.0 for group in groups])


def news_classes() -> Data:
    """20 newsgroups, tf-idf; all 20 classes, numbered alphabetically."""
    X, _, groups = _tfidf()
    return X, np.unique(groups, return_inverse=True)[1].astype(np.int64)


def news_length() -> Data:
    """20 newsgroups, tf-idf; the logarithm of the document's length in characters, centred."""
    X, texts, _ = _tfidf()
    y = np.log([len(text) for text in texts])
    return X, y - y.mean()


def mnist() -> Data:
    """MNIST train images / 255 as float32."""
    with open_any("mnist/train-images-idx3-ubyte") as file:
        pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 784)
    with open_any("mnist/train-labels-idx1-ubyte") as file:
        y = np.frombuffer(file.read(), dtype=np.uint8, offset=8)
    if pixels.shape != (60_000, 784) or len(y) != 60_000:
        raise ValueError(f"mnist: expected 60000 images of 784 pixels, read {pixels.shape} and {len(y)} labels")
    return pixels.astype(np.float32) / np.float32(255), y.astype(np.int64)


# ---------------------------------------------------------------------------------------- generated sets


def _signs(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Labels drawn from the logistic model with scores z."""
    return np.where(rng.random(len(z)) < 1 / (1 + np.exp(-z)), 1.0, -1.0)


def dense_500k(n: int = 500_000, d: int = 120) -> Data:
    """Tabular-like: half the columns 0/1, all correlated by ten factors, standardised; a third of the rows are repeats.

    A repeated row keeps its own label, drawn from the same model.
    """
    rng = np.random.default_rng(500)
    distinct = n - n // 3
    mix = rng.standard_normal((10, d))
    X = rng.standard_normal((distinct, 10)) @ mix / np.sqrt(10) + rng.standard_normal((distinct, d))
    X[:, 1::2] = X[:, 1::2] > rng.uniform(-1.0, 2.0, d // 2)
    X = X[rng.permutation(np.concatenate([np.arange(distinct), rng.integers(0, distinct, n - distinct)]))]
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    return X, _signs(rng, X @ (rng.standard_normal(d) / np.sqrt(d)))


def dense_narrow(n: int = 500_000, d: int = 120) -> Data:
    """Scales over three decades, half the columns 0/1; the classes touch in a thin layer, with 1 % of rows inside."""
    rng = np.random.default_rng(501)
    X = rng.standard_normal((n, d))
    X[:, 1::2] = X[:, 1::2] > rng.uniform(-1.0, 2.0, d // 2)
    X[:, 0::2] *= rng.permutation(np.geomspace(10**-1.5, 10**1.5, len(range(0, d, 2))))
    z = (X - X.mean(axis=0)) / X.std(axis=0) @ (rng.standard_normal(d) / np.sqrt(d))
    return X, np.where(z + 0.003 * rng.standard_normal(n) > 0, 1.0, -1.0)


def ridge_1m(n: int = 1_000_000, d: int = 100) -> Data:
    """Gaussian columns with correlation, a linear target with noise."""
    rng = np.random.default_rng(100)
    X = rng.standard_normal((n, d)) + 0.5 * rng.standard_normal((n, 1))
    return X, X @ rng.standard_normal(d) + 5.0 * rng.standard_normal(n)


def ridge_1m_float32() -> Data:
    """The same in single precision (X only)."""
    X, y = ridge_1m()
    return X.astype(np.float32), y


def lasso_gram(n: int = 50_000, d: int = 300) -> Data:
    """Many rows, few correlated columns: where a Gram matrix decides."""
    rng = np.random.default_rng(300)
    X = rng.standard_normal((n, 20)) @ rng.standard_normal((20, d)) / np.sqrt(20) + rng.standard_normal((n, d))
    w = np.where(rng.random(d) < 0.1, rng.standard_normal(d), 0.0)
    y = X @ w + 2.0 * rng.standard_normal(n)
    return X, y - y.mean()


def small_binary() -> Data:
    """2,000 x 20, dense."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2000, 20)) * np.geomspace(0.3, 3.0, 20)
    return X, _signs(rng, X @ rng.standard_normal(20))


def small_sparse() -> Data:
    """1,500 x 400 with 5 % non-zeros."""
    rng = np.random.default_rng(2)
    X = sparse.random(1500, 400, density=0.05, random_state=rng, format="csr")
    return X, _signs(rng, X @ rng.standard_normal(400) * 3)


def small_regression() -> Data:
    """2,000 x 60, dense, sparse truth."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((2000, 60))
    y = X[:, :6] @ rng.standard_normal(6) + 0.5 * rng.standard_normal(2000)
    return X, y - y.mean()


def digits() -> Data:
    """scikit-learn's 8 x 8 digits / 16 as float64."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return np.ascontiguousarray(X / 16.0), y.astype(np.int64)


SETS: dict[str, Callable[[], Data]] = {
    f.__name__: f
    for f in (
        *(a9a, w8a, news_binary, news_classes, news_length, mnist),
        *(dense_500k, dense_narrow, ridge_1m, ridge_1m_float32, lasso_gram),
        *(small_binary, small_sparse, small_regression, digits),
    )
}


# ------------------------------------------------------------------------------------------------- cache


def prepare(name: str) -> Path:
    """Make sure that the set is on disk; its folder."""
    path = WORK / "data" / f"{name}-{VERSION}"
    if (path / "meta.json").is_file():
        return path
    X, y = SETS[name]()
    path.mkdir(parents=True, exist_ok=True)
    if sparse.issparse(X):
        X = sparse.csr_matrix(X)
        X.sort_indices()
        for part in ("data", "indices", "indptr"):
            np.save(path / f"{part}.npy", getattr(X, part))
    else:
        np.save(path / "X.npy", np.ascontiguousarray(X))
    np.save(path / "y.npy", y)
    meta = {"shape": X.shape, "sparse": bool(sparse.issparse(X)), "dtype": str(X.dtype)}
    (path / "meta.json").write_text(json.dumps(meta))
    return path


def load(name: str) -> Data:
    """X (C-ordered array or CSR matrix) and y, in memory."""
    path = prepare(name)
    meta = json.loads((path / "meta.json").read_text())
    y = np.load(path / "y.npy")
    if not meta["sparse"]:
        return np.load(path / "X.npy"), y
    parts = tuple(np.load(path / f"{part}.npy") for part in ("data", "indices", "indptr"))
    X = sparse.csr_matrix(parts, shape=tuple(meta["shape"]))
    X.has_sorted_indices = True
    return X, y
