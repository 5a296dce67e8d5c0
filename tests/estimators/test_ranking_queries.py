"""Weights, names and odd shapes of queries, and what a fit of RankSVM has in common with other fits."""

from __future__ import annotations

import os
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score

from steepest import LinearClassifier, RankSVM
from steepest.exceptions import DataError
from steepest.metrics import ndcg_at_k
from steepest.protocols import Status
from steepest.readers import read_dataset
from steepest.record.observers import observe

FOLDS = [("123", "4", "5"), ("234", "5", "1"), ("345", "1", "2"), ("451", "2", "3"), ("512", "3", "4")]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 4))
    qid = np.concatenate([np.zeros(200, dtype=int), rng.integers(1, 20, 200)])  # a long query, and short ones
    y = np.clip(np.round(X[:, 0] + 0.7 * rng.standard_normal(400)), 0, 2)
    return X, y, qid


def objective(X, y, qid, w, alpha, loss, q_of_pair):
    i, j = np.nonzero((y[:, None] > y[None, :]) & (qid[:, None] == qid[None, :]))
    q, slack = q_of_pair(i, j), np.maximum(1.0 - (X[i] - X[j]) @ w, 0.0)
    return q @ slack ** (1 if loss == "hinge" else 2) / q.sum() + 0.5 * alpha * w @ w


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_a_weight_of_a_query_counts_its_pairs_so_often(data, loss):
    X, y, qid = data
    times = 1 + qid % 3
    weighed = RankSVM(alpha=0.01, loss=loss, tol=1e-8).fit(X, y, qid, sample_weight=times)
    repeated = [np.flatnonzero(times > k) for k in range(3)]
    rows = np.concatenate(repeated)
    ids = np.concatenate([qid[r] + 100 * k for k, r in enumerate(repeated)])
    twice = RankSVM(alpha=0.01, loss=loss, tol=1e-8).fit(X[rows], y[rows], ids)
    assert weighed.certificate_.passed
    assert weighed.certificate_.primal == pytest.approx(twice.certificate_.primal, rel=3e-8)
    value = objective(X, y, qid, weighed.coef_, 0.01, loss, lambda i, j: times[i].astype(float))
    assert weighed.certificate_.primal == pytest.approx(value, rel=1e-10)
    assert "s_q" in weighed.objective_


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_gains_weigh_kinds_of_pairs(data, loss):
    X, y, qid = data
    model = RankSVM(alpha=0.01, loss=loss, pair_weights={0: 0, 1: 1, 2: 3}, tol=1e-7).fit(X, y, qid)
    gain = np.array([0.0, 1.0, 3.0])[y.astype(int)]
    assert model.certificate_.passed
    value = objective(X, y, qid, model.coef_, 0.01, loss, lambda i, j: gain[i] - gain[j])
    assert model.certificate_.primal == pytest.approx(value, rel=1e-10)
    same = RankSVM(alpha=0.01, loss=loss, pair_weights={0: 5, 1: 6, 2: 7}, tol=1e-7).fit(X, y, qid)
    difference = RankSVM(alpha=0.01, loss=loss, pair_weights="difference", tol=1e-7).fit(X, y, qid)
    assert same.certificate_.primal == pytest.approx(difference.certificate_.primal, rel=2e-7)
    assert clone(model).get_params() == model.get_params()


def test_weights_that_are_none_of_queries_are_refused(data):
    X, y, qid = data
    with pytest.raises(DataError, match="one weight for all rows of a query"):
        RankSVM().fit(X, y, qid, sample_weight=np.arange(400.0))
    with pytest.raises(DataError, match="got none for 2"):
        RankSVM(pair_weights={0: 0, 1: 1}).fit(X, y, qid)
    with pytest.raises(DataError, match="grow with the relevance"):
        RankSVM(pair_weights={0: 0, 1: 2, 2: 1}).fit(X, y, qid)
    flat = np.where(qid == 0, 1.0, y)
    with pytest.raises(DataError, match="a query with pairs and a weight above 0"):
        RankSVM().fit(X, flat, qid, sample_weight=(qid == 0).astype(float))
    mixed = np.array([1, "a"] * 200, dtype=object)
    with pytest.raises(DataError, match="ids of several types"):
        RankSVM().fit(X, y, mixed)
    with pytest.raises(DataError, match="an id in every row"):
        RankSVM().fit(X, y, np.where(qid == 3, np.nan, qid.astype(float)))
    with pytest.raises(ValueError, match="NaN"):
        RankSVM().fit(np.where(X > 3.0, np.nan, X), y, qid)


def test_queries_without_pairs_change_nothing(data):
    X, y, qid = data
    plain = RankSVM(alpha=0.01, tol=1e-8).fit(X, y, qid)
    rng = np.random.default_rng(4)
    more = rng.standard_normal((30, 4))  # ten single rows, and a query of twenty equal relevances
    ids = np.concatenate([qid, np.arange(1000, 1010), np.full(20, 2000)])
    order = rng.permutation(430)
    far = RankSVM(alpha=0.01, tol=1e-8)
    far.fit(np.concatenate([X, more])[order], np.concatenate([y, np.ones(30)])[order], ids[order].astype(str))
    assert far.n_pairs_ == plain.n_pairs_
    assert far.n_queries_ == plain.n_queries_ + 11
    assert far.certificate_.passed
    assert far.certificate_.primal == pytest.approx(plain.certificate_.primal, rel=2e-8)


def test_a_warm_start_is_proven_sooner(data):
    X, y, qid = data
    model = RankSVM(alpha=0.01, loss="squared_hinge", warm_start=True).fit(X, y, qid)
    cold = model.n_iter_
    model.set_params(alpha=0.0101).fit(X, y, qid)
    assert model.n_iter_ < cold
    assert model.certificate_.passed
    model.fit(X[:, :3], y, qid)
    assert "other features" in " ".join(model.fit_record_.solver["notes"])
    assert model.certificate_.passed


def test_folds_of_whole_queries(data):
    X, y, qid = data
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_val_score(RankSVM(alpha=0.01), X, y, cv=GroupKFold(3), params={"qid": qid, "groups": qid})
    each = []
    for train, test in GroupKFold(3).split(X, y, qid):
        fitted = RankSVM(alpha=0.01).fit(X[train], y[train], qid[train])
        each.append(ndcg_at_k(y[test], fitted.predict(X[test]), qid[test]))
    assert found == pytest.approx(each)


def test_limits_and_interruption_keep_what_is_there(data, interruptible):
    X, y, qid = data
    with pytest.warns(UserWarning, match="max_time"):
        model = RankSVM(alpha=1e-8, tol=1e-12, max_time=1e-9).fit(X, y, qid)
    assert model.certificate_.status is Status.BUDGET
    seen = []

    def interrupt(row, w):
        seen.append(row)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    with observe(interrupt), pytest.warns(UserWarning, match="interrupted"):
        model = RankSVM(alpha=1e-6, tol=1e-12).fit(X, y, qid)
    assert model.certificate_.status is Status.INTERRUPTED
    assert np.all(np.isfinite(model.coef_))


def test_progress_is_written(data, capsys):
    X, y, qid = data
    RankSVM(alpha=0.01, verbose=1).fit(X, y, qid)
    assert "RankSVM: certified" in capsys.readouterr().err


def test_memory_is_that_of_rows_and_not_of_pairs():
    def peak(n):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n, 5))
        y = np.round(X[:, 0] + rng.standard_normal(n))
        tracemalloc.start()
        model = RankSVM(alpha=0.01, tol=1e-2).fit(X, y, groups=[n])
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert model.certificate_.passed
        return most, model.n_pairs_

    peak(1000)
    (small, few), (large, many) = peak(4000), peak(32000)
    assert many > 60 * few  # pairs go with the square
    assert large < 10 * small
    assert large < 32000 * 800  # bytes


def listed(X, y, qid):
    parts = []
    for q in np.unique(qid):
        own = np.flatnonzero(qid == q)
        i, j = np.nonzero(y[own][:, None] > y[own][None, :])
        parts.append(X[own[i]] - X[own[j]])
    return np.concatenate(parts)


@pytest.mark.slow
@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA is not set")
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("fold", range(5))
def test_mq2008_is_as_good_as_with_listed_pairs(fold, loss):
    folder = Path(os.environ["STEEPEST_DATA"]) / "MQ2008"
    parts = {k: read_dataset(str(folder / f"S{k}.txt.gz"), n_features=46) for k in "12345"}

    def joined(names):
        chosen = [parts[k] for k in names]
        return [np.concatenate([part.X.toarray() for part in chosen])] + [
            np.concatenate([getattr(part, name) for part in chosen]) for name in ("y", "qid")
        ]

    (X, y, qid), (X_test, y_test, qid_test) = joined(FOLDS[fold][0]), joined(FOLDS[fold][2])
    model = RankSVM(C=0.01, loss=loss, tol=1e-3).fit(X, y, qid)
    D = listed(X, y, qid)
    assert model.n_pairs_ == len(D)
    signs = np.where(np.arange(len(D)) % 2, 1.0, -1.0)
    exact = LinearClassifier(loss=loss, alpha=1.0 / (0.01 * len(D)), fit_intercept=False, tol=1e-6)
    exact.fit(D * signs[:, None], signs)
    assert exact.certificate_.passed
    assert model.certificate_.passed
    assert model.certificate_.dual <= exact.certificate_.primal * (1 + 1e-12)
    assert model.certificate_.primal <= exact.certificate_.primal * (1 + 1.1e-3)
    best = ndcg_at_k(y_test, X_test @ exact.coef_.ravel(), qid_test)
    assert model.score(X_test, y_test, qid_test) == pytest.approx(best, abs=0.005)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_more_features_than_rows(make, loss):
    """The optimum is a millionth of the loss at zero; with few features the same rows are solved in their span."""
    rng = np.random.default_rng(0)
    X, y, q = rng.normal(size=(60, 1500)), rng.integers(0, 3, 60), np.repeat(np.arange(6), 10)
    wide = RankSVM(alpha=1e-4, loss=loss, tol=1e-5, on_unconverged="raise").fit(make(X), y, qid=q)
    turned = X @ np.linalg.svd(X, full_matrices=False)[2].T
    narrow = RankSVM(alpha=1e-4, loss=loss, tol=1e-5, on_unconverged="raise").fit(turned, y, qid=q)
    assert wide.certificate_.primal == pytest.approx(narrow.certificate_.primal, rel=2e-5)
    assert wide.n_iter_ < 40
