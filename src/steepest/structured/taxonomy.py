"""Classes that are nodes of a tree: an error costs the way between the two, and classes share what lies above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray
from steepest.structured.multilabel import NARROW, _row, require_matrix
from steepest.structured.oracle import Codes
from steepest.structured.tree import Tree, plant

COSTS = ("tree", "scaled", "zero_one")


def cost_matrix(costs: Any, tree: Tree) -> FloatArray:
    """Delta of all classes, (k, k): by name, or a matrix that the user gave.

    Parameters
    ----------
    costs : {"tree", "scaled", "zero_one"} or array of shape (k, k)
        The number of edges between two classes; the same over the largest; 1 for all errors; or cost [true, predicted].
    tree : Tree
    """
    k = len(tree.depths)
    if isinstance(costs, str):
        if costs not in COSTS:
            raise DataError(f"costs: expected one of {', '.join(COSTS)} or a matrix, got {costs!r}.")
        if costs == "zero_one":
            return 1.0 - np.eye(k)
        edges = tree.distances(np.arange(k))
        return edges / max(edges.max(initial=0.0), 1.0) if costs == "scaled" else edges
    try:
        matrix = np.array(costs, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"costs: expected a matrix of numbers of shape {(k, k)}, got {_said(costs)}. Give rows of one length."
        ) from None
    bad = ~np.isfinite(matrix) | (matrix < 0.0)
    if matrix.shape != (k, k) or bad.any():
        got = f"the shape {matrix.shape}" if matrix.shape != (k, k) else f"{matrix[bad][0]:g} among them"
        raise DataError(
            f"costs: expected a matrix of shape {(k, k)} with finite entries >= 0, got {got}. "
            "Row and column j belong to classes_[j]."
        )
    if np.any(np.diag(matrix) != 0.0):
        raise DataError("costs: expected zeros on the diagonal, got others. A right answer costs nothing.")
    return matrix


def _said(value: Any) -> str:
    said = " ".join(repr(value).split())
    return said if len(said) <= 60 else said[:57] + "..."


class TaxonomyOracle:
    r"""Classes in a tree, under the tree distance.

    ::

        phi(x, y) = x (x) v(y),   v_node(y) = 1 where the node lies on the way from the root to y
        Delta(y, y') = edges between y and y'

    Each node but the root has a weight vector, and the score of a class is the sum of those on its way.  The largest is
    found by adding scores along the ways, O(k depth) an example.

    L. Cai and T. Hofmann (2004), Hierarchical document categorization with support vector machines.

    Parameters
    ----------
    tree : dict, array of int, list of paths or None
        See `steepest.structured.tree.plant`.
    costs : {"tree", "scaled", "zero_one"} or array of shape (k, k), default="tree"
    classes : sequence, optional
        The labels that may be predicted; None takes those of the training data.

    Examples
    --------
    >>> oracle = TaxonomyOracle({"cat": "animal", "dog": "animal", "oak": "plant", "animal": "all", "plant": "all"})
    >>> oracle.size([[1.0]], ["cat", "dog", "oak"])
    5
    >>> oracle.loss("cat", "dog"), oracle.loss("cat", "oak")
    (2.0, 4.0)
    >>> oracle.maximise(np.zeros(5), [1.0], "cat")
    'oak'
    """

    exact = True

    def __init__(self, tree: Any = None, costs: Any = "tree", classes: Sequence[Any] | None = None) -> None:
        self.tree, self.costs, self.classes = tree, costs, classes

    def size(self, X: Any, Y: Any) -> int:
        """Features times nodes below the root."""
        found = Y if self.classes is None else self.classes
        try:
            labels = list(dict.fromkeys(value.item() if isinstance(value, np.generic) else value for value in found))
            self._labels = labels if self.classes is not None else sorted(labels)
        except TypeError as error:
            raise DataError(
                f"Y: expected labels that sort and can be keys of a dict, such as strings, got others: {error}. "
                "Convert them to strings, or name them in classes."
            ) from None
        self._place = {label: code for code, label in enumerate(self._labels)}
        self._tree = plant(self.tree, self._labels)
        self._costs = cost_matrix(self.costs, self._tree)
        return int(require_matrix(X).shape[1]) * len(self._tree.nodes)

    def _code(self, y: Any) -> int:
        label = y.item() if isinstance(y, np.generic) else y
        if label not in self._place:
            raise DataError(f"Y: the label {label!r} is not among the classes {self._labels[:10]}. Name it in classes.")
        return self._place[label]

    def joint_feature(self, x: Any, y: Any) -> FloatArray:
        """phi(x, y) of shape (d m,)."""
        return np.outer(_row(x), self._tree.paths[[self._code(y)]].toarray()[0]).ravel()

    def loss(self, y_true: Any, y: Any) -> float:
        """The cost of y in the place of y_true."""
        return float(self._costs[self._code(y_true), self._code(y)])

    def maximise(self, w: FloatArray, x: Any, y_true: Any = None) -> Any:
        """The best class."""
        scores = self._tree.paths @ (_row(x) @ w.reshape(-1, len(self._tree.nodes)))
        if y_true is not None:
            scores = scores + self._costs[self._code(y_true)]
        return self._labels[int(np.argmax(scores))]

    def bind(self, X: Any, Y: Any) -> TaxonomyPlanes:
        """The training set as solvers take it."""
        self.size(X, Y)
        codes = np.array([self._code(y) for y in Y], dtype=np.int64)
        return TaxonomyPlanes(require_matrix(X), codes, self._tree, self._costs)


class TaxonomyPlanes:
    """`Planes` of classes in a tree; see `TaxonomyOracle`.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, d)
    y : array of shape (n,)
        Class indices.
    tree : Tree
    costs : array of shape (k, k)
    """

    exact = True

    def __init__(self, X: Any, y: AnyArray, tree: Tree, costs: FloatArray) -> None:
        self.features, self.y, self.tree, self.costs = X, y, tree, costs
        self.n, self.width = len(y), len(tree.nodes)
        self._paths: Any = tree.paths.toarray() if self.width <= NARROW else tree.paths

    def planes(self, scores: FloatArray, rows: AnyArray) -> tuple[FloatArray, Codes]:
        """See `Planes.planes`."""
        true = self.y[rows]
        values = np.asarray((self.tree.paths @ scores.T).T) + self.costs[true]
        found = values.argmax(axis=1)
        return self.costs[true, found], self._paths[found] - self._paths[true]
