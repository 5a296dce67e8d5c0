"""Data on which scikit-learn's saga does not converge: SVRG and SAGA certify 1e-6 on them as they are."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steepest

BOTH = ("svrg", "saga")


def certified(name, X, y, weights=None, **options):
    """A certified fit, whose optimum is also that of Newton's method."""

    def fit(solver, tol):
        model = steepest.LinearClassifier("logistic", **options, solver=solver, tol=tol, max_iter=3000)
        return model.fit(X, y, weights)

    got, best = fit(name, 1e-6), fit("newton-cholesky", 1e-9)
    assert got.certificate_.passed, str(got.certificate_)
    assert got.certificate_.relative <= 1e-6
    assert got.certificate_.primal <= best.certificate_.primal * (1.0 + 1e-6) + 1e-15
    return got


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_unscaled_one_hot_data(name, make):
    rng = np.random.default_rng(0)
    n = 2000
    groups = rng.integers(0, 8, n)
    X = np.column_stack([np.eye(8)[groups], rng.uniform(0, 1e5, n), rng.uniform(0, 90, n)])
    y = (rng.random(n) < 1 / (1 + np.exp(-(groups - 4 + 3e-5 * X[:, 8] - 1.5)))).astype(int)
    model = certified(name, make(X), y, alpha=1.0 / n)
    assert model.n_iter_ < 200


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_columns_of_different_scale_and_offset(name, make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 10))
    y = (X @ rng.normal(size=10) + rng.normal(size=300) > 0).astype(int)
    X[:, 1] += 1e4
    X[:, 0] *= 1e4
    certified(name, make(X), y, alpha=1.0 / 300)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_large_uneven_weights_and_a_weak_penalty(name, make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8))
    y = (X @ rng.normal(size=8) + rng.normal(size=300) > 0).astype(int)
    weights = rng.uniform(1e3, 1e6, 300)
    weights[::60] *= 100.0
    certified(name, make(X), y, weights, alpha=1e-6)


@pytest.mark.slow
@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA does not name a folder of data sets")
@pytest.mark.parametrize("name", BOTH)
def test_census_data_as_they_are(name):
    file = Path(os.environ["STEEPEST_DATA"]) / "adult.data.gz"
    if not file.exists():
        pytest.skip(f"{file} does not exist")
    table = pd.read_csv(file, header=None, skipinitialspace=True).dropna()
    X = sp.csr_array(pd.get_dummies(table.iloc[:, :-1], dtype=float).to_numpy())
    y = table.iloc[:, -1].to_numpy()
    model = steepest.LinearClassifier("logistic", alpha=1.0 / len(y), solver=name, tol=1e-6, max_iter=3000).fit(X, y)
    assert model.certificate_.passed, str(model.certificate_)
    assert model.score(X, y) > 0.85
