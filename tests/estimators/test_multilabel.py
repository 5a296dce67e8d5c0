"""MultilabelSVM against the program of all 2^k label sets, and against a binary machine for each label."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from enumerated import objective, optimum
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, hamming_loss

from steepest import LinearSVC, MultilabelSVM
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError
from steepest.structured import MultilabelOracle

SOLVERS = ["auto", "frank_wolfe", "cutting_planes"]
SETS = {k: [np.array(y) for y in itertools.product((0, 1), repeat=k)] for k in (1, 3, 4)}


def data(n=24, d=3, k=3, seed=0):
    """Labels that depend on the row and on each other, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    Z = X @ rng.standard_normal((d, k)) + 0.5 * rng.standard_normal((n, k))
    Z[:, 1:] += 1.5 * np.sign(Z[:, :1])
    return X, (Z > 0).astype(int)


def flat(model, scale=1.0):
    """The weights as the oracle orders them: a row a feature, the constant last; a column a label, then pairs."""
    W = np.vstack([model.coef_, model.pair_coef_])
    b = np.append(model.intercept_, model.pair_intercept_)
    return np.vstack([W.T, b / scale]).ravel() if model.fit_intercept else W.T.ravel()


@pytest.mark.parametrize("pairs", [None, [(0, 1), (2, 1)]])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_program_of_all_sets(pairs, solver, weighted):
    X, Y = data()
    s = np.random.default_rng(1).random(len(Y)) if weighted else np.ones(len(Y))
    model = MultilabelSVM(alpha=0.05, pairs=pairs, solver=solver, tol=1e-7).fit(X, Y, s if weighted else None)
    oracle, rows = MultilabelOracle(pairs or ()), np.hstack([X, np.ones((len(X), 1))])
    sets = [SETS[3]] * len(Y)
    best, w = optimum(oracle, rows, Y, sets, 0.05, s / s.sum())
    certificate = model.certificate_
    assert certificate.passed
    assert certificate.kind == "duality_gap"
    assert certificate.primal == pytest.approx(objective(oracle, rows, Y, sets, flat(model), 0.05, s / s.sum()), 1e-12)
    assert certificate.primal == pytest.approx(best, rel=1e-6)
    assert certificate.dual <= best * (1 + 1e-7)
    np.testing.assert_allclose(flat(model), w, atol=2e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_pairs_it_is_a_binary_machine_for_each_label(solver):
    X, Y = data()
    model = MultilabelSVM(C=0.5, solver=solver, tol=1e-7).fit(X, Y)
    value = 0.0
    for j in range(3):
        alone = LinearSVC(loss="hinge", C=0.5, penalize_intercept=True, tol=1e-8).fit(X, Y[:, j])
        value += alone.certificate_.primal
        np.testing.assert_allclose(model.coef_[j], alone.coef_[0], atol=1e-3)
        assert model.intercept_[j] == pytest.approx(alone.intercept_[0], abs=1e-3)
    assert model.certificate_.primal == pytest.approx(value, rel=2e-7)


def test_one_label_of_two_is_the_binary_machine():
    X, Y = data()
    model = MultilabelSVM(C=0.5, tol=1e-8).fit(X, np.where(Y[:, 0], "yes", "no"))
    alone = LinearSVC(loss="hinge", C=0.5, penalize_intercept=True, tol=1e-8).fit(X, Y[:, 0])
    np.testing.assert_allclose(model.coef_, alone.coef_, atol=1e-5)
    assert model.classes_.tolist() == ["no", "yes"]
    assert not model.multilabel_
    np.testing.assert_array_equal(model.predict(X) == "yes", alone.predict(X) == 1)
    np.testing.assert_array_equal(model.decision_function(X) > 0, alone.predict(X) == 1)


def test_one_label_of_many_goes_to_the_highest_score():
    X, _ = data(60)
    y = np.array(["a", "b", "c"])[(X @ np.eye(3)).argmax(axis=1)]
    model = MultilabelSVM(alpha=0.01).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.classes_[model.decision_function(X).argmax(axis=1)])
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("pairs", [None, "tree"])
def test_predictions_are_the_best_sets(pairs):
    X, Y = data(60, k=4)
    model = MultilabelSVM(alpha=0.01, pairs=pairs, tol=1e-3).fit(X, Y)
    assert len(model.pairs_) == (0 if pairs is None else 3)
    oracle, rows = MultilabelOracle(model.pairs_), np.hstack([X, np.ones((len(X), 1))])
    oracle.size(rows, Y)
    w = flat(model)
    predicted, margins = model.predict(X), model.decision_function(X)
    for x, y, margin in zip(rows, predicted, margins, strict=True):
        worth = {tuple(other): w @ oracle.joint_feature(x, other) for other in SETS[4]}
        assert worth[tuple(y)] == max(worth.values())
        for j in range(4):
            best = [max(v for other, v in worth.items() if other[j] == value) for value in (0, 1)]
            assert margin[j] == pytest.approx(best[1] - best[0], abs=1e-10)
    np.testing.assert_array_equal(predicted, margins > 0)
    assert model.score(X, Y) == accuracy_score(Y, predicted), "all labels of a row must be right"


def test_coupled_labels_are_predicted_better_where_they_depend_on_each_other():
    """Properties of digits: of 32 sets eight occur, so that each label tells of the others."""
    X, digit = load_digits(return_X_y=True)
    properties = [digit % 2 == 0, digit > 4, *(np.isin(digit, some) for some in ([2, 3, 5, 7], [0, 6, 8, 9]))]
    Y = np.stack([*properties, np.isin(digit, [0, 1, 4, 9])], axis=1).astype(int)
    train, test = slice(0, 200), slice(200, None)
    score, wrong = {}, {}
    for pairs in (None, "tree"):
        model = MultilabelSVM(alpha=0.01, pairs=pairs, tol=1e-3).fit(X[train] / 16.0, Y[train])
        assert model.certificate_.passed
        score[pairs] = model.score(X[test] / 16.0, Y[test])
        wrong[pairs] = hamming_loss(Y[test], model.predict(X[test] / 16.0))
    assert score["tree"] > score[None] + 0.08
    assert wrong["tree"] < 0.95 * wrong[None]


def test_forms_of_the_data_are_one():
    X, Y = data()
    plain = MultilabelSVM(alpha=0.05, tol=1e-6).fit(X, Y)
    frame = MultilabelSVM(alpha=0.05, tol=1e-6).fit(X, pd.DataFrame(Y.astype(bool), columns=["red", "round", "ripe"]))
    assert frame.classes_.tolist() == ["red", "round", "ripe"]
    assert plain.classes_.tolist() == [0, 1, 2]
    sparse = MultilabelSVM(alpha=0.05, tol=1e-6).fit(sp.csr_matrix(X), sp.csr_matrix(Y))
    for other in (frame, sparse):
        np.testing.assert_allclose(other.coef_, plain.coef_, atol=1e-4)
    np.testing.assert_array_equal(frame.predict(X), plain.predict(X))
    found = sparse.predict(sp.csr_matrix(X))
    assert sp.issparse(found)
    np.testing.assert_array_equal(found.toarray(), plain.predict(X))
    listed = MultilabelSVM(alpha=0.05, tol=1e-6).fit(X.tolist(), Y.tolist())
    np.testing.assert_array_equal(listed.coef_, plain.coef_)


@pytest.mark.parametrize("solver", ["auto", "frank_wolfe"])
def test_sparse_rows_with_pairs_and_without_intercept(solver):
    X, Y = data()
    X[np.abs(X) < 0.5] = 0.0
    pairs = None if solver == "auto" else [(0, 1)]
    models = [
        MultilabelSVM(alpha=0.05, pairs=pairs, solver=solver, fit_intercept=False, tol=1e-7).fit(rows, Y)
        for rows in (X, sp.csr_array(X), X.astype(np.float32))
    ]
    assert not models[0].intercept_.any()
    for other in models[1:]:
        assert other.certificate_.primal == pytest.approx(models[0].certificate_.primal, rel=3e-7)
        np.testing.assert_array_equal(other.predict(X), models[0].predict(X))


def test_a_larger_constant_penalises_the_intercept_less():
    X, Y = data()
    norms = []
    for scale in (1.0, 100.0):
        model = MultilabelSVM(alpha=0.05, intercept_scaling=scale, tol=1e-7).fit(X, Y)
        rows = np.hstack([X, np.full((len(X), 1), scale)])
        value = objective(MultilabelOracle(), rows, Y, [SETS[3]] * len(Y), flat(model, scale), 0.05)
        assert model.certificate_.primal == pytest.approx(value, rel=1e-10)
        norms.append(np.linalg.norm(model.intercept_))
    assert norms[1] > norms[0]


def test_weights_count_rows():
    X, Y = data()
    counts = np.random.default_rng(2).integers(0, 3, len(Y))
    for solver in ("auto", "frank_wolfe"):
        a = MultilabelSVM(alpha=0.05, solver=solver, tol=1e-7).fit(X, Y, counts)
        b = MultilabelSVM(alpha=0.05, solver=solver, tol=1e-7).fit(X.repeat(counts, axis=0), Y.repeat(counts, axis=0))
        assert a.certificate_.primal == pytest.approx(b.certificate_.primal, rel=3e-7)


def test_a_label_that_all_rows_have_or_none():
    X, Y = data()
    Y[:, 0], Y[:, 1] = 1, 0
    for pairs in (None, "tree", [(0, 1), (1, 2)]):
        model = MultilabelSVM(alpha=0.05, pairs=pairs).fit(X, Y)
        assert model.certificate_.passed
        predicted = model.predict(X)
        assert predicted[:, 0].all()
        assert not predicted[:, 1].any()


def test_a_thousand_labels():
    rng = np.random.default_rng(0)
    X = sp.random_array((60, 100), density=0.05, rng=rng, format="csr")
    Y = sp.random_array((60, 1000), density=0.002, rng=rng, format="csr").astype(bool).astype(np.int8)
    model = MultilabelSVM(alpha=0.1, tol=1e-2, solver="frank_wolfe").fit(X, Y)
    assert model.certificate_.passed
    assert model.coef_.shape == (1000, 100)
    assert model.predict(X).shape == (60, 1000)


def test_the_record_and_the_objective_say_what_was_minimised():
    X, Y = data()
    model = MultilabelSVM(alpha=0.05).fit(X, Y)
    assert model.objective_ == (
        "P(W) = (1/24) sum_i sum_j max(0, 1 - t_ij z_ij) + 0.05/2 |W|_2^2,  z_i = W (x_i, 1),  "
        "t_ij in {-1, +1},  3 labels"
    )
    assert model.fit_record_.estimator == "MultilabelSVM"
    assert any("a binary problem for each" in note for note in model.fit_record_.solver["notes"])
    model = MultilabelSVM(alpha=0.05, pairs=[(0, 1)]).fit(X, Y)
    assert "Hamming(y_i, y)" in model.objective_
    assert model.fit_record_.solver["name"] == "frank_wolfe"
    assert model.fit_record_.certificate is model.certificate_
    assert len(model.history_)


def test_errors_name_what_is_wrong():
    X, Y = data()
    with pytest.raises(DataError, match="MultiLabelBinarizer"):
        MultilabelSVM().fit(X[:2], [[1], [1, 2]])
    with pytest.raises(DataError, match="got 2 among the entries"):
        MultilabelSVM().fit(X, 2 * Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MultilabelSVM().fit(X, Y[:5])
    with pytest.raises(IncompatibleError, match="1 pairs couple them"):
        MultilabelSVM(pairs=[(0, 1)], solver="binary").fit(X, Y)
    with pytest.raises(DataError, match="without a cycle"):
        MultilabelSVM(pairs=[(0, 1), (1, 2), (0, 2)]).fit(X, Y)
    with pytest.raises(InvalidParameterError, match="'pairs' parameter of MultilabelSVM must be 'tree' or a list"):
        MultilabelSVM(pairs="all").fit(X, Y)
    with pytest.raises(InvalidParameterError, match="'alpha' parameter"):
        MultilabelSVM(alpha=0.0).fit(X, Y)
