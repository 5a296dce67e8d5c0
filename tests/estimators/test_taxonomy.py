"""TaxonomySVM against the program of all classes, and, where the tree is flat, against Crammer and Singer's machine."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from enumerated import objective, optimum
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from steepest import TaxonomySVM
from steepest.exceptions import DataError, InvalidParameterError
from steepest.structured import TaxonomyOracle

TREE = {"cat": "animal", "dog": "animal", "oak": "plant", "fir": "plant", "animal": "all", "plant": "all"}
CLASSES = ["cat", "dog", "fir", "oak"]
COSTS = np.array([[0.0, 1.0, 2.0, 5.0], [0.5, 0.0, 2.0, 3.0], [4.0, 1.0, 0.0, 1.5], [2.0, 2.0, 0.25, 0.0]])


def data(n=32, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, n)
    centres = np.array([[2.0, 1.0, 0.0], [2.0, -1.0, 0.0], [-2.0, 0.0, 1.0], [-2.0, 0.0, -1.0]])
    return centres[codes] + 1.2 * rng.standard_normal((n, 3)), np.array(CLASSES)[codes]


def flat(model):
    """The weights as the oracle orders them."""
    W = model.node_coef_.T
    return (np.vstack([W, model.node_intercept_]) if model.fit_intercept else W).ravel()


@pytest.mark.parametrize("costs", ["tree", "scaled", "zero_one", COSTS], ids=["tree", "scaled", "zero_one", "given"])
@pytest.mark.parametrize("solver", ["auto", "cutting_planes"])
def test_equals_the_program_of_all_classes(costs, solver):
    X, y = data()
    s = np.random.default_rng(1).random(len(y))
    model = TaxonomySVM(TREE, costs=costs, alpha=0.05, solver=solver, tol=1e-7).fit(X, y, s)
    oracle, rows = TaxonomyOracle(TREE, costs, CLASSES), np.hstack([X, np.ones((len(X), 1))])
    best, w = optimum(oracle, rows, y, [CLASSES] * len(y), 0.05, s / s.sum())
    certificate = model.certificate_
    assert certificate.passed
    assert certificate.kind == "duality_gap"
    value = objective(oracle, rows, y, [CLASSES] * len(y), flat(model), 0.05, s / s.sum())
    assert certificate.primal == pytest.approx(value, rel=1e-12)
    assert certificate.primal == pytest.approx(best, rel=1e-6)
    assert certificate.dual <= best * (1 + 1e-7)
    np.testing.assert_allclose(flat(model), w, atol=5e-3)
    assert model.nodes_ == ["animal", "plant", "cat", "dog", "fir", "oak"]


def test_a_flat_tree_is_crammer_and_singers_machine():
    X, y = data(60)
    model = TaxonomySVM(costs="zero_one", C=0.5, fit_intercept=False, tol=1e-7).fit(X, y)
    theirs = LinearSVC(multi_class="crammer_singer", C=0.5, fit_intercept=False, tol=1e-7, max_iter=100_000)
    np.testing.assert_allclose(model.coef_, theirs.fit(X, y).coef_, atol=1e-3)
    np.testing.assert_array_equal(model.coef_, model.node_coef_)
    edges = TaxonomySVM(C=0.5, fit_intercept=False, tol=1e-7).fit(X, y)
    np.testing.assert_array_equal(edges.costs_, 2.0 * (1.0 - np.eye(4)))


def test_classes_of_any_kind_and_all_forms_of_a_tree():
    X, y = data(60)
    codes = np.searchsorted(CLASSES, y)
    named = TaxonomySVM(TREE, alpha=0.05, tol=1e-6).fit(X, y)
    parents = np.array([4, 4, 5, 5, 6, 6, -1])  # cat, dog, fir, oak, animal, plant, all
    paths = [("all", TREE[name], name) for name in CLASSES]
    whole = TaxonomySVM(parents, alpha=0.05, tol=1e-6).fit(X, codes)
    listed = TaxonomySVM(paths, alpha=0.05, tol=1e-6).fit(X, y)
    for other in (whole, listed):
        np.testing.assert_allclose(other.coef_, named.coef_, atol=1e-3)
        np.testing.assert_array_equal(other.costs_, named.costs_)
    assert whole.predict(X).dtype == codes.dtype
    np.testing.assert_array_equal(np.array(CLASSES)[whole.predict(X)], named.predict(X))


def test_scores_are_sums_along_the_ways():
    X, y = data(60)
    model = TaxonomySVM(TREE, alpha=0.05).fit(X, y)
    Z = X @ model.node_coef_.T + model.node_intercept_
    place = {node: at for at, node in enumerate(model.nodes_)}
    for code, label in enumerate(model.classes_):
        expected = Z[:, place[label]] + Z[:, place[TREE[label]]]
        np.testing.assert_allclose(model.decision_function(X)[:, code], expected, atol=1e-10)
    np.testing.assert_array_equal(model.predict(X), model.classes_[model.decision_function(X).argmax(axis=1)])
    assert model.score(X, y) == np.mean(model.predict(X) == y)
    found = np.searchsorted(CLASSES, model.predict(X))
    assert model.mean_cost(X, y) == model.costs_[np.searchsorted(CLASSES, y), found].mean()
    s = np.arange(60.0)
    assert model.mean_cost(X, y, s) == pytest.approx(s @ model.costs_[np.searchsorted(CLASSES, y), found] / s.sum())


def test_an_inner_node_may_be_a_class():
    X, y = data(60)
    y = np.where(X[:, 1] > 1.5, "animal", y)
    model = TaxonomySVM(TREE, alpha=0.05).fit(X, y)
    assert model.certificate_.passed
    assert model.classes_.tolist() == ["animal", "cat", "dog", "fir", "oak"]
    assert model.costs_[0].tolist() == [0.0, 1.0, 1.0, 3.0, 3.0]


def test_sparse_rows_and_class_weights():
    X, y = data(60)
    X[np.abs(X) < 0.5] = 0.0
    weights = {"cat": 2.0, "dog": 1.0, "fir": 0.5, "oak": 1.0}
    a = TaxonomySVM(TREE, alpha=0.05, class_weight=weights, tol=1e-7).fit(X, y)
    b = TaxonomySVM(TREE, alpha=0.05, tol=1e-7).fit(sp.csr_array(X), y, [weights[label] for label in y])
    assert a.certificate_.primal == pytest.approx(b.certificate_.primal, rel=3e-7)
    np.testing.assert_array_equal(a.predict(X), b.predict(sp.csr_array(X)))


def test_errors_are_less_far_off_where_the_tree_is_known():
    """Four groups of four classes, four rows of each class: neighbours share what tells their group."""
    rng = np.random.default_rng(0)
    groups, apart = rng.standard_normal((4, 20)), rng.standard_normal((16, 20))
    centres = np.repeat(6.0 * groups, 4, axis=0) + 2.0 * apart
    tree = {c: f"group {c // 4}" for c in range(16)} | {f"group {g}": "all" for g in range(4)}
    y, hidden = np.repeat(np.arange(16), 4), rng.integers(0, 16, 1000)
    X, unseen = (centres[codes] + 6.0 * rng.standard_normal((len(codes), 20)) for codes in (y, hidden))
    models = [TaxonomySVM(tree, alpha=10.0, tol=1e-3), TaxonomySVM(costs="zero_one", alpha=10.0, tol=1e-3)]
    known, flat = (model.fit(X, y) for model in models)
    cost = [known.costs_[hidden, model.predict(unseen)].mean() for model in (known, flat)]
    assert cost[0] == known.mean_cost(unseen, hidden)
    assert cost[0] < 0.9 * cost[1]
    assert known.score(unseen, hidden) > 0.4


def test_digits_with_a_tree_are_certified():
    X, y = load_digits(return_X_y=True)
    tree = dict.fromkeys((0, 6, 8, 9), "round") | dict.fromkeys((1, 4, 7), "thin") | dict.fromkeys((2, 3, 5), "open")
    tree |= {"round": "digit", "thin": "digit", "open": "digit"}
    model = TaxonomySVM(tree, alpha=0.01, tol=1e-3).fit(X[:300] / 16.0, y[:300])
    assert model.certificate_.passed
    assert model.score(X[300:] / 16.0, y[300:]) > 0.82


def test_the_record_and_the_objective_say_what_was_minimised():
    X, y = data()
    model = TaxonomySVM(TREE, alpha=0.05).fit(X, y)
    assert "max_y [ Delta(y_i, y) + f_y(x_i) - f_{y_i}(x_i) ]" in model.objective_
    assert "(1/32)" in model.objective_
    assert "0.05/2" in model.objective_
    assert model.fit_record_.objective == model.objective_
    assert model.fit_record_.data["n_samples"] == 32


def test_errors_name_what_is_wrong():
    X, y = data()
    with pytest.raises(DataError, match="the class 'fir' is not in the tree"):
        TaxonomySVM({"cat": "all", "dog": "all", "oak": "all"}).fit(X, y)
    with pytest.raises(DataError, match="round in a cycle"):
        TaxonomySVM({**TREE, "all": "cat"}).fit(X, y)
    with pytest.raises(DataError, match="got the shape \\(2, 2\\)"):
        TaxonomySVM(TREE, costs=np.zeros((2, 2))).fit(X, y)
    with pytest.raises(InvalidParameterError, match="'costs' parameter of TaxonomySVM"):
        TaxonomySVM(TREE, costs="edges").fit(X, y)
    with pytest.raises(DataError, match="only one class"):
        TaxonomySVM(TREE).fit(X, np.full(len(y), "cat"))
    model = TaxonomySVM(TREE, alpha=0.05).fit(X, y)
    with pytest.raises(DataError, match="\\['ash'\\] is not among the classes"):
        model.mean_cost(X[:1], ["ash"])
