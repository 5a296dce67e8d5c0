"""Trees in all their forms, the distances in them, and what is no tree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.exceptions import DataError
from steepest.structured.tree import plant

ZOO = {"cat": "animal", "dog": "animal", "animal": "all", "oak": "plant", "plant": "all"}


def walk(parents, a, b):
    """Edges between two nodes, by going up from both."""

    def up(node):
        way = [node]
        while parents[way[-1]] >= 0:
            way.append(parents[way[-1]])
        return way

    left, right = up(a), up(b)
    return min(left.index(node) + right.index(node) for node in left if node in right)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_distances_are_the_shortest_ways(seed, m):
    rng = np.random.default_rng(seed)
    parents = np.array([-1, *(rng.integers(0, i) for i in range(1, m))])
    classes = np.sort(rng.permutation(np.arange(1, m))[: rng.integers(1, m)])
    tree = plant(parents, classes.tolist())
    expected = [[walk(parents, a, b) for b in classes] for a in classes]
    np.testing.assert_array_equal(tree.distances(np.arange(len(classes))), expected)
    ways = tree.paths.toarray()
    for label, way in zip(classes, ways, strict=True):
        nodes = {tree.nodes[at] for at in np.flatnonzero(way)}
        assert label in nodes
        assert 0 not in nodes, "the root lies on every way and is left out"
        assert nodes == {label} | {parents[node] for node in nodes} - {0}


def test_all_forms_are_one_tree():
    classes = ["cat", "dog", "oak"]
    paths = [("all", "animal", "cat"), ("all", "animal", "dog"), ("all", "plant", "oak")]
    for form in (ZOO, {**ZOO, "all": None}, paths):
        tree = plant(form, classes)
        assert tree.nodes == ("animal", "plant", "cat", "dog", "oak")
        np.testing.assert_array_equal(tree.distances(np.arange(3)), [[0, 2, 4], [2, 0, 4], [4, 4, 0]])
    flat = plant(None, classes)
    assert flat.nodes == ("cat", "dog", "oak")
    np.testing.assert_array_equal(flat.distances(np.arange(3)), 2.0 * (1.0 - np.eye(3)))


def test_an_inner_node_may_be_a_class_and_unused_branches_are_left_out():
    tree = plant(ZOO, ["animal", "cat"])
    assert tree.nodes == ("animal", "cat")
    np.testing.assert_array_equal(tree.distances(np.array([0])), [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": "b", "b": "a", "c": "r"}, "round in a cycle: 'a' -> 'b' -> 'a'"),
        ({"a": "b", "b": "a"}, "round in a cycle"),
        ({"a": "a"}, "round in a cycle"),
        ({"a": "r", "b": "s"}, "expected one root, got 2: 'r', 's'"),
        ({"a": None, "b": None}, "expected one root, got 2: 'a', 'b'"),
        ([("r", "a", "c"), ("r", "b", "c")], "'c' has two parents, 'a' and 'b'"),
        ({"b": "r"}, "the class 'a' is not in the tree, whose leaves are \\['b'\\]"),
        ({"b": "a"}, "the class 'a' is the root of the tree"),
        ({}, "at least one node"),
        ([], "at least one node"),
        (["r/a"], "expected paths"),
        ("a", "expected None, a dict from child to parent"),
        (3, "expected None, a dict from child to parent"),
        ([-1, 5], "expected parents among the places 0 to 1"),
    ],
)
def test_what_is_no_tree_is_named(tree, message):
    with pytest.raises(DataError, match=message):
        plant(tree, ["a"])
