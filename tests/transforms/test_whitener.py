"""Whitening: the covariance becomes the identity, in each form, for every kind of input."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from steepest import Whitener
from steepest.exceptions import DataError, InvalidParameterError

METHODS = ("pca", "zca", "cholesky")


def made(n=800, d=7, spread=1e-3, offset=0.0, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((d, d)) @ np.diag(np.geomspace(1.0, spread, d)) @ rng.standard_normal((d, d))
    return (rng.standard_normal((n, d)) @ mixing + offset).astype(dtype)


def distance(Z, target=None):
    """Of the covariance from the identity."""
    C = np.atleast_2d(np.cov(Z.T.astype(np.float64)))
    return np.abs(C - (np.eye(len(C)) if target is None else target)).max()


@parametrize_with_checks(
    [Whitener(), Whitener("zca"), Whitener("cholesky"), Whitener(n_components=1, center=False), Whitener(ridge=0.1)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_covariance_becomes_the_identity(method, spread, offset):
    X = made(spread=spread, offset=offset)
    whitener = Whitener(method)
    Z = whitener.fit_transform(X)
    assert Z.shape == X.shape
    assert distance(Z) < 1e-8
    assert np.abs(Z.mean(axis=0)).max() < 1e-6
    assert np.abs(whitener.inverse_transform(Z) - X).max() < 1e-7 * np.abs(X).max()


@pytest.mark.parametrize("method", METHODS)
def test_float32_stays_float32(method):
    X = made(dtype=np.float32, offset=100.0)
    Z = Whitener(method).fit_transform(X)
    assert Z.dtype == np.float32
    assert distance(Z) < 1e-3


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 60),
    d=st.integers(1, 12),
    rank=st.integers(1, 12),
    scale=st.floats(-6, 6),
    method=st.sampled_from(METHODS),
    seed=st.integers(0, 2**32 - 1),
)
def test_whitens_on_the_range_whatever_the_rank_and_the_units(n, d, rank, scale, method, seed):
    rng = np.random.default_rng(seed)
    rank = min(rank, d)
    X = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d)) * np.geomspace(1.0, 10.0**scale, d)
    whitener = Whitener(method).fit(X)
    assert whitener.rank_ <= min(rank, n - 1)
    Z = whitener.transform(X)
    P = whitener.whitening_ @ whitener.dewhitening_  # the identity, or for "zca" the projector on the range
    assert distance(Z, (P + P.T) / 2) < 1e-6
    assert np.allclose(whitener.inverse_transform(Z), X, rtol=1e-5, atol=1e-5 * np.abs(X).max(axis=0).max())


def test_is_scikit_learns_pca_up_to_signs():
    X = made(d=9)
    ours, theirs = Whitener(n_components=6).fit(X), PCA(6, whiten=True).fit(X)
    Z, P = ours.transform(X), theirs.transform(X)
    assert np.allclose(Z * np.sign((Z * P).sum(axis=0)), P, atol=1e-9)
    assert np.allclose(ours.explained_variance_, theirs.explained_variance_)
    assert np.allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_)


def test_forms_are_what_they_are_called():
    X = made()
    zca, triangular = Whitener("zca").fit(X), Whitener("cholesky").fit(X)
    assert np.allclose(zca.whitening_, zca.whitening_.T)
    assert np.linalg.eigvalsh(zca.whitening_).min() > 0.0
    assert np.array_equal(triangular.whitening_, np.triu(triangular.whitening_))
    precision = np.linalg.inv(np.cov(X.T))
    assert np.allclose(triangular.whitening_.T @ triangular.whitening_, precision, rtol=1e-6)


def test_a_columns_unit_decides_nothing():
    X = made(d=5, spread=0.1)
    units = np.array([1e-9, 1e9, 1.0, 1e-4, 1e5])
    for method in METHODS:
        whitener = Whitener(method).fit(X * units)
        assert whitener.rank_ == 5
        assert distance(whitener.transform(X * units)) < 1e-8


def test_zca_is_nearest_to_the_original():
    X = made()
    errors = {m: np.square(Whitener(m).fit_transform(X) - (X - X.mean(axis=0))).sum() for m in METHODS}
    assert min(errors, key=errors.get) == "zca"


def test_components_by_number_and_by_share():
    X = made(d=8, spread=1e-2)
    three = Whitener(n_components=3).fit(X)
    assert three.transform(X).shape == (800, 3)
    assert distance(three.transform(X)) < 1e-10
    share = Whitener(n_components=0.9).fit(X)
    assert share.explained_variance_ratio_.sum() >= 0.9
    assert share.explained_variance_ratio_[:-1].sum() < 0.9
    top = Whitener("zca", n_components=3).fit(X)
    assert top.transform(X).shape == X.shape
    assert np.linalg.matrix_rank(top.transform(X)) == 3


def test_ridge_holds_small_directions_down():
    X = made(spread=1e-5)
    ridge = 1e-4
    Z = Whitener(ridge=ridge).fit_transform(X)
    values = np.linalg.eigvalsh(np.cov(X.T))[::-1]
    assert np.allclose(np.cov(Z.T), np.diag(values / (values + ridge * values[0])), atol=1e-8)


def test_without_centring_moments_are_about_zero():
    X = made(offset=3.0)
    Z = Whitener(center=False).fit_transform(X)
    assert np.abs(Z.T @ Z / len(Z) - np.eye(7)).max() < 1e-8


@pytest.mark.parametrize("center", [True, False])
def test_sparse_rows_are_dense_rows(center):
    X = sp.random_array((300, 12), density=0.3, rng=np.random.default_rng(0), format="csr")
    sparse, dense = Whitener(center=center).fit(X), Whitener(center=center).fit(X.toarray())
    assert np.allclose(sparse.transform(X), dense.transform(X.toarray()), atol=1e-9)
    assert isinstance(sparse.transform(X), np.ndarray)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 799), max_size=5, unique=True), center=st.booleans())
def test_batches_add_up(cuts, center):
    X = made(offset=10.0, spread=0.1)
    whole, parts = Whitener(center=center).fit(X), Whitener(center=center)
    for part in np.split(X, sorted(cuts)):
        parts.partial_fit(part)
    assert parts.n_samples_seen_ == 800
    assert np.allclose(parts.mean_, whole.mean_, rtol=1e-12)
    assert np.allclose(parts.whitening_, whole.whitening_, rtol=1e-6)


def test_batches_after_pickle():
    X = made()
    first = Whitener().partial_fit(X[:300])
    again = pickle.loads(pickle.dumps(first)).partial_fit(X[300:])
    assert np.array_equal(again.whitening_, first.partial_fit(X[300:]).whitening_)


def test_weights_are_repeated_rows():
    X = made(n=60)
    weights = np.random.default_rng(0).integers(0, 4, 60)
    weighted = Whitener().fit(X, sample_weight=weights)
    repeated = Whitener().fit(np.repeat(X, weights, axis=0))
    assert np.allclose(weighted.whitening_, repeated.whitening_)


def test_the_test_rows_take_the_map_of_the_training_rows():
    X = made(n=1000)
    whitener = Whitener().fit(X[:800])
    expected = (X[800:] - X[:800].mean(axis=0)) @ whitener.whitening_.T
    assert np.allclose(whitener.transform(X[800:]), expected)


def test_frames_and_names():
    X = pd.DataFrame(made(d=3), columns=["a", "b", "c"])
    assert list(Whitener("zca").set_output(transform="pandas").fit_transform(X).columns) == ["a", "b", "c"]
    names = list(Whitener().set_output(transform="polars").fit_transform(X).columns)
    assert names == ["whitener0", "whitener1", "whitener2"]


def test_constant_columns_and_constant_rows():
    X = made(d=4)
    X[:, 2] = 5.0
    whitener = Whitener().fit(X)
    assert whitener.rank_ == 3
    assert distance(whitener.transform(X)) < 1e-10
    assert np.array_equal(Whitener().fit(np.ones((5, 3))).transform(np.ones((2, 3))), np.zeros((2, 1)))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"method": "PCA"}, "method: expected one of pca, zca, cholesky"),
        ({"n_components": 0}, "n_components: expected None, a positive whole number"),
        ({"n_components": 1.5}, "n_components"),
        ({"n_components": 9}, "at most 7, the number of columns, got 9"),
        ({"ridge": -1.0}, "ridge: expected a finite number of at least 0, got -1.0"),
        ({"center": "yes"}, "center: expected True or False"),
    ],
)
def test_bad_parameters(parameters, words):
    with pytest.raises(InvalidParameterError, match=words):
        Whitener(**parameters).fit(made())


def test_bad_data():
    with pytest.raises(DataError, match="Scale the columns"):
        Whitener().fit(made() * 1e200)
    with pytest.raises(DataError, match="all zero"):
        Whitener().fit(made(), sample_weight=np.zeros(800))
    with pytest.raises(DataError, match=r"expected shape \(800,\)"):
        Whitener().fit(made(), sample_weight=np.ones(3))
    with pytest.raises(DataError, match="limit is 30,000 columns"):
        Whitener().fit(sp.csr_array((5, 40_000)))
    with pytest.raises(DataError, match="expected 7 whitened columns, got 3"):
        Whitener().fit(made()).inverse_transform(np.ones((2, 3)))


def test_parameters_are_left_alone():
    whitener = Whitener("zca", n_components=2, ridge=0.5)
    assert clone(whitener.fit(made())).get_params() == whitener.get_params()


@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA is not set: no MNIST")
def test_mnist_in_its_first_144_directions():
    from steepest.readers import read_dataset

    data = read_dataset(Path(os.environ["STEEPEST_DATA"]) / "mnist")
    X = data.X[:12_000].astype(np.float32)
    Z = Whitener(n_components=144).fit_transform(X)
    assert Z.shape == (12_000, 144)
    assert Z.dtype == np.float32
    assert distance(Z) < 1e-3
