"""Scaling: mean zero, deviation one, at every scale and for every kind of input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from steepest import Scaler
from steepest.exceptions import DataError, InvalidParameterError


def made(n=500, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 4)) * np.array([1.0, 1e3, 1e-3, 5.0]) + np.array([0.0, 10.0, 5.0, -100.0])


@parametrize_with_checks([Scaler(), Scaler(with_mean=False), Scaler(with_std=False)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("with_mean", [True, False])
@pytest.mark.parametrize("with_std", [True, False])
def test_is_scikit_learns_scaler(with_mean, with_std):
    X = made()
    ours = Scaler(with_mean=with_mean, with_std=with_std).fit(X)
    theirs = StandardScaler(with_mean=with_mean, with_std=with_std).fit(X)
    assert np.allclose(ours.transform(X), theirs.transform(X), rtol=1e-10)
    assert np.allclose(ours.inverse_transform(ours.transform(X)), X)


@settings(max_examples=60, deadline=None)
@given(scale=st.floats(-150, 150), offset=st.floats(-1e4, 1e4), seed=st.integers(0, 2**32 - 1))
def test_mean_zero_and_deviation_one_at_every_scale(scale, offset, seed):
    X = (np.random.default_rng(seed).standard_normal((50, 3)) + offset) * 10.0**scale
    Z = Scaler().fit_transform(X)
    assert np.abs(Z.mean(axis=0)).max() < 1e-10
    assert np.abs(Z.std(axis=0) - 1.0).max() < 1e-10


def test_the_range_of_float64_is_not_left():
    X = np.array([[1e300, 1e-300, -1.7e308], [-1e300, 3e-300, 1.7e308], [0.0, 0.0, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        Z = Scaler().fit_transform(X)
    assert np.allclose(Z.std(axis=0), 1.0)


def test_float32_keeps_its_digits_far_from_zero():
    X = (np.random.default_rng(0).standard_normal((2000, 2)) + 1e4).astype(np.float32)
    Z = Scaler().fit_transform(X)
    assert Z.dtype == np.float32
    assert np.abs(Z.astype(np.float64).mean(axis=0)).max() < 1e-6
    assert np.abs(Z.astype(np.float64).std(axis=0) - 1.0).max() < 1e-5


def test_constant_columns_stay():
    X = np.column_stack([np.full(9, 0.1), np.arange(9.0), np.zeros(9)])
    scaler = Scaler().fit(X)
    assert scaler.constant_.tolist() == [True, False, True]
    assert scaler.scale_[0] == scaler.scale_[2] == 1.0
    assert np.abs(scaler.transform(X)[:, [0, 2]]).max() < 1e-15


def test_sparse_rows_stay_sparse():
    X = sp.random_array((400, 30), density=0.1, rng=np.random.default_rng(0), format="csr")
    scaler = Scaler().fit(X)
    Z = scaler.transform(X)
    assert Z.nnz == X.nnz
    assert np.allclose(scaler.var_, X.toarray().var(axis=0))
    assert np.allclose(Z.toarray(), StandardScaler(with_mean=False).fit_transform(X.toarray()))
    assert np.allclose(scaler.inverse_transform(Z).toarray(), X.toarray())
    with pytest.raises(InvalidParameterError, match="with_mean='auto'"):
        Scaler(with_mean=True).fit(X)
    with pytest.raises(InvalidParameterError, match="Fit it on sparse rows"):
        Scaler().fit(X.toarray()).transform(X)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 499), max_size=5, unique=True))
def test_batches_add_up(cuts):
    X, parts = made(), Scaler()
    for part in np.split(X, sorted(cuts)):
        parts.partial_fit(part)
    whole = Scaler().fit(X)
    assert np.allclose(parts.scale_, whole.scale_, rtol=1e-12)
    assert np.allclose(parts.mean_, whole.mean_, rtol=1e-10, atol=1e-12)


def test_fit_forgets():
    assert np.array_equal(Scaler().fit(made(seed=1)).fit(made()).scale_, Scaler().fit(made()).scale_)


def test_weights_are_repeated_rows():
    X, weights = made(60), np.random.default_rng(0).integers(0, 4, 60)
    weighted, repeated = Scaler().fit(X, sample_weight=weights), Scaler().fit(np.repeat(X, weights, axis=0))
    assert np.allclose(weighted.scale_, repeated.scale_)


def test_frames_keep_their_names():
    X = pd.DataFrame(made(), columns=list("abcd"))
    assert list(Scaler().set_output(transform="pandas").fit_transform(X).columns) == list("abcd")


def test_bad_parameters_and_data():
    with pytest.raises(InvalidParameterError, match="with_mean: expected True, False or 'auto', got 'no'"):
        Scaler(with_mean="no").fit(made())
    with pytest.raises(InvalidParameterError, match="with_std: expected True or False, got 2"):
        Scaler(with_std=2).fit(made())
    with pytest.raises(DataError, match="at least 0"):
        Scaler().fit(made(), sample_weight=-np.ones(500))
