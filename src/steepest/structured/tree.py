"""Trees of classes: which nodes lie on the way from the root to each class, and how far classes are apart."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray

_ROOT = object()  # of a tree that is not given


class Tree(NamedTuple):
    """Classes and their ways from the root; the root itself is on all of them and is left out.

    Attributes
    ----------
    nodes : tuple
        Labels of the m nodes that lie on the way to a class, the root left out, by depth.
    paths : CSR matrix of shape (k, m)
        1 where a node lies on the way to a class; the class itself is a node.
    depths : array of shape (k,)
        Edges between the root and the class.
    """

    nodes: tuple[Any, ...]
    paths: sp.csr_array
    depths: FloatArray

    def distances(self, codes: AnyArray) -> FloatArray:
        """Edges between some classes and all of them, (len(codes), k).

        ``d(a, b) = depth(a) + depth(b) - 2 |path(a) & path(b)|``: O(k) numbers for each class that is asked for.
        """
        shared = (self.paths[codes] @ self.paths.T).toarray()
        return np.asarray(self.depths[codes][:, None] + self.depths[None, :] - 2.0 * shared)


def plant(tree: Any, classes: Sequence[Hashable]) -> Tree:
    """The part of a tree that leads to some classes.

    Parameters
    ----------
    tree : None, mapping, array of int, or sequence of paths
        None is a root with every class below it.  A mapping says the parent of each node, None for the root (which may
        also be left out of the keys).  An array says the parent of node i at place i, -1 for the root; classes are
        then places.  A path is a sequence of nodes from the root to a class.
    classes : sequence of hashable
        The labels; each is a node of the tree other than its root.

    Raises
    ------
    DataError
        A cycle, several roots, a node with two parents, a class that is not in the tree, or is its root.

    Examples
    --------
    >>> tree = plant({"cat": "animal", "dog": "animal", "oak": "thing", "animal": "thing"}, ["cat", "dog", "oak"])
    >>> tree.nodes
    ('animal', 'oak', 'cat', 'dog')
    >>> tree.distances(np.array([0, 2]))
    array([[0., 2., 3.],
           [3., 3., 0.]])
    """
    parents = dict.fromkeys(classes, _ROOT) if tree is None else _parents(tree)
    roots = _roots(parents)
    ways = [_way(parents, roots, label) for label in classes]
    height = {node: depth for way in ways for depth, node in enumerate(way)}
    nodes = tuple(sorted(height, key=lambda node: height[node]))  # stable: by depth, then by the order of classes
    place = {node: at for at, node in enumerate(nodes)}
    lengths = np.array([len(way) for way in ways], dtype=np.int64)
    columns = np.array([place[node] for way in ways for node in way], dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    paths = sp.csr_array((np.ones(len(columns)), columns, starts), shape=(len(classes), len(nodes)))
    paths.sort_indices()
    return Tree(nodes, paths, lengths.astype(np.float64))


# ------------------------------------------------------------------------------------- forms of a tree


def _parents(tree: Any) -> dict[Any, Any]:
    """Each node with its parent; a root has None, or is no key."""
    if isinstance(tree, Mapping):
        odd = [parent for parent in tree.values() if not isinstance(parent, Hashable)]
        if odd:
            raise DataError(
                f"tree: expected a node as the parent of each, got {odd[0]!r}. Write {{'child': 'parent'}}."
            )
        return {_plain(child): _plain(parent) for child, parent in tree.items()}
    if isinstance(tree, str | bytes) or not isinstance(tree, Iterable):
        raise DataError(
            f"tree: expected None, a dict from child to parent, an array of parents or a list of paths, "
            f"got {type(tree).__name__}. For classes without an order leave it out."
        )
    rows = tree.tolist() if isinstance(tree, np.ndarray) else list(tree)
    if not rows:
        raise DataError("tree: expected at least one node, got none. For classes without an order leave it out.")
    if all(isinstance(row, int | np.integer) and not isinstance(row, bool) for row in rows):
        return _from_array([int(row) for row in rows])
    return _from_paths(rows)


def _from_array(rows: list[int]) -> dict[Any, Any]:
    outside = [row for row in rows if not -1 <= row < len(rows)]
    if outside:
        raise DataError(
            f"tree: expected parents among the places 0 to {len(rows) - 1}, or -1 for the root, got {outside[:5]}. "
            "Give the place of the parent of node i at place i."
        )
    return {child: parent if parent >= 0 else None for child, parent in enumerate(rows)}


def _from_paths(rows: list[Any]) -> dict[Any, Any]:
    parents: dict[Any, Any] = {}
    for row in rows:
        if isinstance(row, str | bytes) or not isinstance(row, Iterable):
            raise DataError(
                f"tree: expected paths, each a sequence of nodes from the root to a class, got {row!r} among them. "
                "Write ('root', 'inner', 'class')."
            )
        way = [_plain(node) for node in row]
        for parent, child in zip(way[:-1], way[1:], strict=True):
            known = parents.get(child)
            parents[child] = parent
            if known is not None and known != parent:
                raise DataError(
                    f"tree: node {child!r} has two parents, {known!r} and {parent!r}. "
                    "Give nodes of different places different names."
                )
        if way:
            parents.setdefault(way[0], None)
    return parents


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


# --------------------------------------------------------------------------------------- what must hold


def _roots(parents: dict[Any, Any]) -> Any:
    """The only root; names what is wrong where there is none, or more than one."""
    if not parents:
        raise DataError("tree: expected at least one node, got none. For classes without an order leave it out.")
    above = (parent for parent in parents.values() if parent is not None and parent not in parents)
    roots = list(dict.fromkeys([*above, *(node for node, parent in parents.items() if parent is None)]))
    if len(roots) > 1:
        raise DataError(
            f"tree: expected one root, got {len(roots)}: {', '.join(map(repr, roots[:5]))}. "
            "Put one node above them as their parent."
        )
    settled: set[Any] = set(roots)
    for node in parents:
        way: list[Any] = []
        seen: set[Any] = set()
        while node not in settled:
            if node in seen:
                cycle = way[way.index(node) :]
                raise DataError(
                    f"tree: the parents go round in a cycle: {' -> '.join(map(repr, [*cycle, node]))}. "
                    "One of them must be the root (parent None) or have another parent."
                )
            way.append(node)
            seen.add(node)
            node = parents[node]
        settled.update(way)
    return roots[0]


def _way(parents: dict[Any, Any], root: Any, label: Any) -> list[Any]:
    """Nodes from below the root to a class."""
    label = _plain(label)
    if label == root:
        raise DataError(f"y: the class {label!r} is the root of the tree. Give it a node of its own below the root.")
    if label not in parents:
        inner = set(parents.values())
        known = [node for node in parents if node not in inner]
        raise DataError(
            f"y: the class {label!r} is not in the tree, whose leaves are {known[:10]}"
            f"{' ...' if len(known) > 10 else ''}. Add it, or correct the label."
        )
    way = [label]
    while parents[way[-1]] != root:
        way.append(parents[way[-1]])
    return way[::-1]
