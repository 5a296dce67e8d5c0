"""RankSVM is the support vector machine on the differences of pairs, without the pairs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import steepest
from steepest import LinearClassifier, RankSVM
from steepest.certify.ranking import certify_ranking
from steepest.data.source import as_source
from steepest.exceptions import DataError, InvalidParameterError
from steepest.metrics import ndcg_at_k
from steepest.problems.ranking import RankingProblem, queries
from steepest.protocols import Status
from steepest.readers import read_dataset


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    qid = np.sort(rng.integers(0, 8, 120))
    y = np.clip(np.round(X[:, 0] + 0.7 * rng.standard_normal(120)), 0, 2)
    return X, y, qid


def pairs(X, y, qid, graded=False):
    i, j = np.nonzero((y[:, None] > y[None, :]) & (qid[:, None] == qid[None, :]))
    return X[i] - X[j], (y[i] - y[j] if graded else np.ones(len(i)))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("weights", ["equal", "difference"])
def test_equals_the_classifier_of_listed_pairs(data, loss, weights):
    X, y, qid = data
    D, q = pairs(X, y, qid, weights == "difference")
    model = RankSVM(alpha=0.01, loss=loss, pair_weights=weights, tol=1e-7).fit(X, y, qid)
    t = D @ model.coef_
    value = q @ np.maximum(1.0 - t, 0.0) ** (1 if loss == "hinge" else 2) / q.sum() + 0.005 * model.coef_ @ model.coef_
    assert model.certificate_.passed
    assert model.certificate_.primal == pytest.approx(value, rel=1e-10)
    signs = np.where(np.arange(len(D)) % 2, 1, -1)
    listed = LinearClassifier(loss=loss, alpha=0.01, fit_intercept=False, tol=1e-7)
    listed.fit(D * signs[:, None], signs, sample_weight=q)
    assert model.certificate_.primal == pytest.approx(listed.certificate_.primal, rel=3e-7)
    assert model.n_pairs_ == len(D)


def test_the_lower_bound_is_below_the_optimum_of_the_quadratic_program(data):
    cp = pytest.importorskip("cvxpy")
    X, y, qid = data
    D, _ = pairs(X, y, qid)
    w = cp.Variable(4)
    best = cp.Problem(cp.Minimize(cp.sum(cp.pos(1 - D @ w)) / len(D) + 0.005 * cp.sum_squares(w))).solve(
        solver=cp.CLARABEL
    )
    problem = RankingProblem(as_source(X), queries(y, qid), "hinge", 0.01)
    rng = np.random.default_rng(1)
    for size in (0.0, 0.3, 1.0, 5.0):
        found = certify_ranking(problem, size * rng.standard_normal(4), tol=1e-3)
        assert found.dual <= best * (1 + 1e-9) <= found.primal * (1 + 2e-9)
    model = RankSVM(alpha=0.01, tol=1e-8).fit(X, y, qid)
    assert model.certificate_.dual <= best * (1 + 1e-8)
    assert model.certificate_.primal == pytest.approx(best, rel=1e-7)


def test_a_proposal_of_the_solver_is_judged_by_what_it_proves(data):
    X, y, qid = data
    problem = RankingProblem(as_source(X), queries(y, qid), "hinge", 0.01)
    model = RankSVM(alpha=0.01, tol=1e-6).fit(X, y, qid)
    wrong = np.append(100.0 * model.coef_, 1.0)
    found = certify_ranking(problem, model.coef_, tol=1e-6, dual=wrong)
    assert not found.passed
    assert found.dual <= model.certificate_.primal
    assert certify_ranking(problem, np.full(4, np.nan), tol=1e-6).status is Status.DIVERGED


def test_order_of_rows_names_of_queries_and_sparse_rows_change_nothing(data):
    X, y, qid = data
    plain = RankSVM(C=0.1, tol=1e-8, loss="squared_hinge").fit(X, y, qid)
    shuffled = np.random.default_rng(3).permutation(len(y))
    named = np.array([f"query {q}" for q in qid])
    others = [
        RankSVM(C=0.1, tol=1e-8, loss="squared_hinge").fit(X[shuffled], y[shuffled], named[shuffled]),
        RankSVM(C=0.1, tol=1e-8, loss="squared_hinge").fit(X, y, groups=np.bincount(qid)),
        RankSVM(alpha=1.0 / (0.1 * plain.n_pairs_), tol=1e-8, loss="squared_hinge").fit(sp.csr_matrix(X), y, qid),
    ]
    for other in others:
        assert other.coef_ == pytest.approx(plain.coef_, rel=1e-3, abs=1e-4)
        assert other.certificate_.primal == pytest.approx(plain.certificate_.primal, rel=2e-8)


def test_ranks_and_score(data):
    X, y, qid = data
    model = RankSVM(alpha=0.01).fit(X, y, qid)
    place = model.rank(X, qid)
    z = model.predict(X)
    for q in np.unique(qid):
        own = qid == q
        assert sorted(place[own]) == list(range(1, own.sum() + 1))
        assert np.all(np.diff(z[own][np.argsort(place[own])]) <= 0.0)
    assert model.score(X, y, qid) == ndcg_at_k(y, z, qid, 10) == model.score(X, y, groups=np.bincount(qid))
    assert model.score(X, y, qid) > 0.8


def test_a_model_comes_back_from_its_file(data, tmp_path):
    X, y, qid = data
    model = RankSVM(alpha=0.01).fit(X, y, qid)
    steepest.save(model, tmp_path / "rank.skops")
    back = steepest.load(tmp_path / "rank.skops")
    assert np.array_equal(back.predict(X), model.predict(X))


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_separable_queries_and_a_weak_penalty_are_certified(scale):
    X = scale * np.array([[1.0, 0.0], [0.0, 1.0], [0.5, -1.0]])
    model = RankSVM(alpha=1e-6 * scale**2, tol=1e-4).fit(X, [2, 1, 0], groups=[3])
    assert model.certificate_.passed
    assert model.certificate_.primal == pytest.approx(2.5e-6, rel=1e-3)  # w = (2, 1) / scale: no pair in the margin


def test_a_start_on_a_sample_and_threads_change_no_proof():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((6000, 3))
    y, qid = np.round(X[:, 0] + rng.standard_normal(6000)), rng.integers(0, 400, 6000)
    one = RankSVM(alpha=0.01, tol=1e-6, n_jobs=1).fit(X, y, qid)
    two = RankSVM(alpha=0.01, tol=1e-6, n_jobs=2).fit(X, y, qid)
    assert "began from the solution on" in " ".join(one.fit_record_.solver["notes"])
    assert np.array_equal(one.coef_, two.coef_)
    D, _ = pairs(X, y, qid)
    value = np.maximum(1.0 - D @ one.coef_, 0.0).mean() + 0.005 * one.coef_ @ one.coef_
    assert one.certificate_.primal == pytest.approx(value, rel=1e-10)


def test_what_cannot_be_done_is_said(data):
    X, y, qid = data
    with pytest.raises(DataError, match="either a query id"):
        RankSVM().fit(X, y)
    with pytest.raises(DataError, match="either a query id"):
        RankSVM().fit(X, y, qid, groups=[120])
    with pytest.raises(DataError, match="add up to the 120 rows"):
        RankSVM().fit(X, y, groups=[60, 50])
    with pytest.raises(DataError, match="one id for each of 120 rows"):
        RankSVM().fit(X, y, qid[:5])
    with pytest.raises(DataError, match="two relevances"):
        RankSVM().fit(X, np.ones(120), qid)
    with pytest.raises(InvalidParameterError, match="'loss' parameter of RankSVM"):
        RankSVM(loss="logistic").fit(X, y, qid)
    with pytest.warns(steepest.estimators.ConvergenceWarning, match="max_iter=1"):
        RankSVM(max_iter=1).fit(X, y, qid)


@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA is not set")
def test_mq2008_is_read_fitted_and_certified():
    folder = Path(os.environ["STEEPEST_DATA"]) / "MQ2008"
    train = read_dataset(str(folder / "S1.txt.gz"))
    test = read_dataset(str(folder / "S5.txt.gz"), n_features=train.n_features)
    assert len(np.unique(train.qid)) == 157
    model = RankSVM(C=0.01, tol=1e-3).fit(train.X.toarray(), train.y, train.qid)
    assert model.certificate_.passed
    assert model.score(test.X, test.y, test.qid) > 0.4
