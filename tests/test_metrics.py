"""Measures of rankings agree with the libraries that have them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.metrics import average_precision_score, ndcg_score

from steepest.exceptions import DataError, InvalidParameterError
from steepest.metrics import kendall_tau, mean_average_precision, ndcg_at_k, pair_accuracy


@pytest.fixture(params=range(4))
def data(request):
    rng = np.random.default_rng(request.param)
    y = rng.integers(0, 3, 90).astype(float)
    z = np.round(rng.standard_normal(90) + 0.5 * y, request.param)  # few decimals make ties
    return y, z, rng.integers(0, 6, 90)


@pytest.mark.parametrize("k", [3, 10, None])
def test_ndcg(data, k):
    y, z, qid = data
    each = [ndcg_score([y[qid == q]], [z[qid == q]], k=k) for q in np.unique(qid)]
    assert ndcg_at_k(y, z, qid, k, "linear") == pytest.approx(np.mean(each))
    each = [ndcg_score([2.0 ** y[qid == q] - 1.0], [z[qid == q]], k=k) for q in np.unique(qid)]
    assert ndcg_at_k(y, z, qid, k) == pytest.approx(np.mean(each))


def test_average_precision(data):
    y, z, qid = data
    each = [average_precision_score(y[qid == q] > 0, z[qid == q]) for q in np.unique(qid)]
    assert mean_average_precision(y, z, qid) == pytest.approx(np.mean(each))


def test_kendall_and_pairs(data):
    y, z, qid = data
    each = [kendalltau(y[qid == q], z[qid == q]).statistic for q in np.unique(qid)]
    assert kendall_tau(y, z, qid) == pytest.approx(np.mean(each))
    i, j = np.nonzero((y[:, None] > y[None, :]) & (qid[:, None] == qid[None, :]))
    assert pair_accuracy(y, z, qid) == pytest.approx(np.mean((z[i] > z[j]) + 0.5 * (z[i] == z[j])))


def test_queries_without_anything_to_order():
    y, z, qid = [0, 0, 1, 0], [1.0, 2.0, 2.0, 1.0], [7, 7, 9, 9]
    assert ndcg_at_k(y, z, qid) == 0.5
    assert mean_average_precision(y, z, qid) == 0.5
    assert kendall_tau(y, z, qid) == 1.0
    assert pair_accuracy(y, z, qid) == 1.0
    assert np.isnan(pair_accuracy([1, 1], [0.0, 1.0]))
    assert np.isnan(kendall_tau([1, 1], [0.0, 1.0]))


def test_what_is_wrong_is_named():
    with pytest.raises(InvalidParameterError, match="k: expected"):
        ndcg_at_k([1, 0], [1.0, 0.0], k=0)
    with pytest.raises(InvalidParameterError, match="gain: expected"):
        ndcg_at_k([1, 0], [1.0, 0.0], gain="cubic")
    with pytest.raises(DataError, match="at least 0"):
        ndcg_at_k([-1, 0], [1.0, 0.0])
    with pytest.raises(DataError, match="finite"):
        pair_accuracy([1, 0], [1.0, np.nan])
    with pytest.raises(DataError, match="one score a row"):
        kendall_tau([1, 0], [1.0])
