"""The included oracles against lists of all labels, and against themselves: one example at a time and all at once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.exceptions import DataError
from steepest.structured import ChainOracle, MultilabelOracle, TaxonomyOracle, check_oracle
from steepest.structured.multilabel import Forest, indicator, likely_pairs
from steepest.structured.oracle import OraclePlanes, bound_planes

TREE = {"cat": "animal", "dog": "animal", "oak": "plant", "fir": "plant", "animal": "all", "plant": "all"}
LEAVES = ["cat", "dog", "fir", "oak"]
SEEDS = st.integers(0, 2**32 - 1)


def multilabel(rng, k=3, pairs=((0, 1), (2, 1))):
    X, Y = rng.standard_normal((5, 2)), rng.integers(0, 2, (5, k))
    labels = [np.array(y) for y in itertools.product((0, 1), repeat=k)]
    return MultilabelOracle(pairs), X, Y, [labels] * 5


def taxonomy(rng, costs="tree"):
    X, Y = rng.standard_normal((6, 2)), [*LEAVES, *rng.choice(LEAVES, 2).tolist()]
    return TaxonomyOracle(TREE, costs), X, Y, [LEAVES] * 6


def chain(rng, scaled=False):
    lengths = [1, 3, 4, 2, 0]
    X = [rng.standard_normal((length, 2)) for length in lengths]
    Y = [rng.integers(0, 3, length) for length in lengths]
    labels = [[np.array(y, dtype=int) for y in itertools.product(range(3), repeat=length)] for length in lengths]
    return ChainOracle(3, scaled), X, Y, labels


MAKERS = {
    "multilabel": multilabel,
    "multilabel without pairs": lambda rng: multilabel(rng, pairs=()),
    "taxonomy": taxonomy,
    "taxonomy, scaled": lambda rng: taxonomy(rng, "scaled"),
    "taxonomy, given costs": lambda rng: taxonomy(rng, np.abs(rng.standard_normal((4, 4))) * (1.0 - np.eye(4))),
    "chain": chain,
    "chain, scaled": lambda rng: chain(rng, scaled=True),
}


def hinges(oracle, w, X, Y, labels):
    """``max_y [Delta + w . difference]`` of every example, over a list of all labels."""
    return [
        max(
            oracle.loss(Y[i], y) + w @ (oracle.joint_feature(X[i], y) - oracle.joint_feature(X[i], Y[i]))
            for y in labels[i]
        )
        for i in range(len(Y))
    ]


def worth(planes, w, rows):
    """The value of the planes at w, as solvers compute it."""
    scores = w
    if planes.features is not None:
        scores = planes.features[rows] @ w.reshape(-1, planes.width)
    losses, codes = planes.planes(scores, rows)
    codes = codes.toarray() if sp.issparse(codes) else codes
    return losses + (codes * scores).sum(axis=1)


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([0.0, 0.3, 3.0]))
def test_maximisers_are_the_best_of_all_labels(maker, seed, scale):
    rng = np.random.default_rng(seed)
    oracle, X, Y, labels = MAKERS[maker](rng)
    w = scale * rng.standard_normal(oracle.size(X, Y))
    expected = hinges(oracle, w, X, Y, labels)
    rows = rng.permutation(len(Y))
    np.testing.assert_allclose(worth(bound_planes(oracle, X, Y), w, rows), np.take(expected, rows), atol=1e-12)
    np.testing.assert_allclose(worth(OraclePlanes(oracle, X, Y), w, rows), np.take(expected, rows), atol=1e-12)
    for x, some in zip(X, labels, strict=True):
        best = max(w @ oracle.joint_feature(x, y) for y in some)
        assert w @ oracle.joint_feature(x, oracle.maximise(w, x)) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("maker", MAKERS)
def test_they_pass_the_check_of_oracles(maker):
    oracle, X, Y, labels = MAKERS[maker](np.random.default_rng(0))
    check_oracle(oracle, X, Y, candidates=() if "chain" in maker else labels[0])


@pytest.mark.parametrize("maker", ["multilabel", "taxonomy", "chain"])
def test_sparse_examples_give_the_same_planes(maker):
    rng = np.random.default_rng(1)
    oracle, X, Y, _ = MAKERS[maker](rng)
    w = rng.standard_normal(oracle.size(X, Y))
    rows = np.arange(len(Y))
    sparse = [sp.csr_array(x) for x in X] if maker == "chain" else sp.csr_array(X)
    np.testing.assert_allclose(
        worth(bound_planes(oracle, sparse, Y), w, rows), worth(bound_planes(oracle, X, Y), w, rows), atol=1e-13
    )
    single = sparse[1] if maker == "chain" else sparse[[1]]
    np.testing.assert_array_equal(oracle.joint_feature(single, Y[1]), oracle.joint_feature(X[1], Y[1]))


def test_many_labels_have_sparse_codes_of_the_same_worth():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((4, 3)), rng.random((4, 100)) < 0.1
    planes = bound_planes(MultilabelOracle(), X, Y)
    W = rng.standard_normal((3, 100))
    losses, codes = planes.planes(X @ W, np.arange(4))
    assert sp.issparse(codes)
    t = 2.0 * Y - 1.0
    np.testing.assert_allclose(losses + (codes.toarray() * (X @ W)).sum(1), np.maximum(1.0 - t * (X @ W), 0.0).sum(1))


# -------------------------------------------------------------------------------------- pairs of labels


def test_likely_pairs_join_labels_that_go_together():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 400))
    noisy = np.where(rng.random(400) < 0.1, 1 - a, a)
    Y = np.stack([a, b, noisy, 1 - b, np.zeros(400, dtype=int)], axis=1)
    found = likely_pairs(Y.astype(np.int8), np.full(400, 1 / 400))
    assert {(0, 2), (1, 3)} <= set(found)
    assert all(4 not in pair for pair in found), "a label that never occurs tells nothing"
    Forest(5, found)  # no cycle


def test_likely_pairs_are_the_tree_of_most_information():
    rng = np.random.default_rng(3)
    Y = (rng.standard_normal((200, 4)) @ rng.standard_normal((4, 4)) > 0).astype(np.int8)
    p = rng.random(200)
    p /= p.sum()

    def information(a, b):
        total = 0.0
        for u, v in itertools.product((0, 1), repeat=2):
            both, left, right = p[(Y[:, a] == u) & (Y[:, b] == v)].sum(), p[Y[:, a] == u].sum(), p[Y[:, b] == v].sum()
            total += both * np.log(both / (left * right)) if both > 0 else 0.0
        return total

    values = {pair: information(*pair) for pair in itertools.combinations(range(4), 2)}
    best = 0.0
    for edges in itertools.combinations(values, 3):
        if {label for edge in edges for label in edge} == set(range(4)):
            best = max(best, sum(values[edge] for edge in edges))
    assert sum(values[pair] for pair in likely_pairs(Y, p)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(0, 1), (1, 2), (2, 0)], "without a cycle"),
        ([(0, 1), (1, 0)], "without a cycle"),
        ([(1, 1)], "without a cycle"),
        ([(0, 3)], "columns from 0 to 2, got 3"),
        ([(0, -1)], "pairs of columns"),
        ([0, 1], "pairs of columns"),
        ([("a", "b")], "pairs of columns"),
    ],
)
def test_pairs_that_cannot_be_searched_are_named(pairs, message):
    with pytest.raises(DataError, match=message):
        Forest(3, pairs)


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("Y", "message"),
    [
        ([[0, 2]], "got 2 among the entries"),
        ([0, 1], "expected an indicator"),
        ([["a", "b"]], "expected an indicator"),
        (np.zeros((1, 0)), "expected an indicator"),
    ],
)
def test_label_sets_are_checked(Y, message):
    with pytest.raises(DataError, match=message):
        indicator(Y)


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ("edges", "expected one of tree, scaled, zero_one or a matrix, got 'edges'"),
        (np.ones((4, 3)), "got the shape \\(4, 3\\)"),
        (np.ones((4, 4)), "zeros on the diagonal"),
        (np.eye(4) - 1.0, "entries >= 0"),
    ],
)
def test_costs_are_checked(costs, message):
    with pytest.raises(DataError, match=message):
        TaxonomyOracle(TREE, costs).size(np.zeros((1, 2)), LEAVES)


def test_labels_outside_the_classes_are_named():
    oracle = TaxonomyOracle(TREE, classes=["cat", "dog"])
    with pytest.raises(DataError, match="the label 'oak' is not among the classes"):
        oracle.bind(np.zeros((1, 2)), ["oak"])


@pytest.mark.parametrize(
    ("oracle", "X", "Y", "message"),
    [
        (ChainOracle(), [np.zeros((2, 1))], [np.array([0.5, 1.0])], "expected an integer for each place of X\\[0\\]"),
        (ChainOracle(), [np.zeros((2, 1))], [np.array([0])], "expected an integer for each place"),
        (ChainOracle(), [np.zeros((1, 1))], [np.array([-1])], "labels of at least 0"),
        (ChainOracle(2), [np.zeros((1, 1))], [np.array([2])], "labels below n_states=2, got 2"),
        (ChainOracle(), [np.zeros((1, 1)), np.zeros((1, 2))], [np.array([0])] * 2, "the same d"),
        (ChainOracle(), [np.zeros(2)], [np.array([0, 1])], "the same d"),
    ],
)
def test_sequences_are_checked(oracle, X, Y, message):
    with pytest.raises(DataError, match=message):
        oracle.size(X, Y)
