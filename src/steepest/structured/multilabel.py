"""Sets of labels: one example has any number of k labels, and 2^k sets are searched without a list of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.exceptions import DataError
from steepest.kernels.inference import best_forests, forest_margins
from steepest.protocols import AnyArray, FloatArray
from steepest.structured.oracle import Codes

NARROW = 64  # numbers in a code up to which arrays are the quicker form


def indicator(Y: Any) -> AnyArray:
    """Label sets as an array (n, k) of 0 and 1, a byte each.

    Parameters
    ----------
    Y : array-like or sparse matrix of shape (n, k)
        0 and 1, or booleans.
    """
    rows = Y.toarray() if sp.issparse(Y) else np.asarray(Y)
    if rows.ndim != 2 or rows.shape[1] < 1 or rows.dtype.kind not in "biuf" or not np.all((rows == 0) | (rows == 1)):
        raise DataError(
            f"Y: expected an indicator of shape (n, k) with entries 0 and 1, got {_brief(rows)}. "
            "scikit-learn's MultiLabelBinarizer makes one of lists of labels."
        )
    return np.ascontiguousarray(rows, dtype=np.int8)


def _brief(rows: AnyArray) -> str:
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        return f"an array of shape {rows.shape} and type {rows.dtype}"
    odd = rows[(rows != 0) & (rows != 1)]
    return f"{odd[0].item()!r} among the entries" if len(odd) else f"the shape {rows.shape}"


class Forest:
    """Which labels are coupled: pairs without a cycle, so that the best set is found by dynamic programming.

    Parameters
    ----------
    k : int
        Labels.
    pairs : sequence of pairs of int
        The coupled ones, by their columns.

    Attributes
    ----------
    edges : array of shape (e, 2)
    parents, order, edge_of : arrays of shape (k,)
        The parent of each label (-1 for a root), labels with parents first, and the edge to the parent.
    """

    def __init__(self, k: int, pairs: Sequence[Sequence[int]] = ()) -> None:
        edges = np.asarray(list(pairs))
        if len(edges) == 0:
            edges = np.empty((0, 2), dtype=np.int64)
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu" or edges.min(initial=0) < 0:
            raise DataError("pairs: expected pairs of columns of Y, got something else. Write [(0, 1), (1, 2)].")
        if edges.max(initial=-1) >= k:
            raise DataError(f"pairs: expected columns from 0 to {k - 1}, got {edges.max()}. Y has {k} labels.")
        self.k, self.edges = k, edges.astype(np.int64)
        self.parents = np.full(k, -1, dtype=np.int64)
        self.edge_of = np.zeros(k, dtype=np.int64)
        self.order = np.empty(k, dtype=np.int64)
        self._walk()

    def _walk(self) -> None:
        beside: list[list[tuple[int, int]]] = [[] for _ in range(self.k)]
        for e, (a, b) in enumerate(self.edges.tolist()):
            beside[a].append((b, e))
            beside[b].append((a, e))
        seen, at = np.zeros(self.k, dtype=bool), 0
        for root in range(self.k):
            if seen[root]:
                continue
            waiting = [(root, -1)]
            seen[root] = True
            while waiting:
                label, by = waiting.pop()
                self.order[at] = label
                at += 1
                for other, e in beside[label]:
                    if e == by:
                        continue
                    if seen[other]:
                        raise DataError(
                            f"pairs: expected pairs without a cycle, got one through the columns {label} and {other}. "
                            "Leave one of its pairs out; only then is the best set found exactly."
                        )
                    seen[other] = True
                    self.parents[other], self.edge_of[other] = label, e
                    waiting.append((other, e))

    def expand(self, Y: AnyArray) -> AnyArray:
        """v(y): the labels, and the products of coupled ones; (n, k + e)."""
        return np.hstack([Y, Y[:, self.edges[:, 0]] * Y[:, self.edges[:, 1]]])

    def best(self, U: FloatArray) -> AnyArray:
        """The sets of the highest ``U[i] . v(y)``, (n, k); O(k) each.  Of equal ones a label stays away."""
        if len(self.edges) == 0:
            return (U > 0.0).astype(np.int8)
        out = np.empty((len(U), self.k), dtype=np.int8)
        best_forests(*self._parts(U), out)
        return out

    def margins(self, U: FloatArray) -> FloatArray:
        """The highest ``U[i] . v(y)`` with a label, less the highest without it, (n, k); O(k) a row."""
        out = np.empty((len(U), self.k))
        forest_margins(*self._parts(U), out)
        return out

    def _parts(self, U: FloatArray) -> tuple[FloatArray, AnyArray, AnyArray, FloatArray]:
        own = np.ascontiguousarray(U[:, : self.k])
        return own, self.parents, self.order, np.ascontiguousarray(U[:, self.k + self.edge_of])


def likely_pairs(Y: AnyArray, p: FloatArray) -> list[tuple[int, int]]:
    """The tree of the largest mutual information between labels, without pairs that are as good as independent.

    It is the tree whose distribution is closest to that of the labels; O(n k^2).

    C. Chow and C. Liu (1968), Approximating discrete probability distributions with dependence trees.
    """
    k = Y.shape[1]
    both = (Y * p[:, None]).T @ Y.astype(np.float64)
    one = np.diag(both).copy()
    a, b = one[:, None], one[None, :]
    information = np.zeros((k, k))
    # yes and yes, yes and no, no and yes, no and no: the joint share, and what it would be if they were independent
    for joint, apart in (
        (both, a * b),
        (a - both, a * (1.0 - b)),
        (b - both, (1.0 - a) * b),
        (1.0 - a - b + both, (1.0 - a) * (1.0 - b)),
    ):
        seen = (joint > 0.0) & (apart > 0.0)
        information[seen] += joint[seen] * np.log(joint[seen] / apart[seen])
    np.fill_diagonal(information, 0.0)
    tree = sp.csgraph.minimum_spanning_tree(sp.csr_array(-np.where(information > 1e-6, information, 0.0))).tocoo()
    return sorted((min(a, b), max(a, b)) for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True))


class MultilabelOracle:
    r"""Sets of labels under the Hamming loss.

    ::

        phi(x, y) = x (x) v(y),    v(y) = (y_1 ... y_k, y_a y_b for each coupled pair)
        Delta(y, y') = |{j: y_j != y'_j}|

    Each label has a weight vector, and each coupled pair one more.  Without pairs labels are independent given x: the
    largest is found label by label, and the structured hinge is the sum of k binary ones, ``max(0, 1 - t_j x.w_j)``
    with ``t_j = 2 y_j - 1``.  With pairs that make no cycle it is found by max-product in O(k).

    Parameters
    ----------
    pairs : sequence of pairs of int
        Columns of Y that are coupled.

    Examples
    --------
    >>> oracle = MultilabelOracle(pairs=[(0, 1)])
    >>> oracle.size([[1.0, 2.0]], [[1, 0, 1]])
    8
    >>> oracle.maximise(np.zeros(8), [1.0, 2.0], [1, 0, 1])
    array([0, 1, 0], dtype=int8)
    """

    exact = True

    def __init__(self, pairs: Sequence[Sequence[int]] = ()) -> None:
        self.pairs = pairs

    def size(self, X: Any, Y: Any) -> int:
        """Features times labels and pairs."""
        self._forest = Forest(int(np.shape(Y)[1]), self.pairs)
        self._width = self._forest.k + len(self._forest.edges)
        return int(require_matrix(X).shape[1]) * self._width

    def joint_feature(self, x: Any, y: Any) -> FloatArray:
        """phi(x, y) of shape (d (k + e),)."""
        return np.outer(_row(x), self._forest.expand(np.asarray(y)[None, :])[0]).ravel()

    def loss(self, y_true: Any, y: Any) -> float:
        """The number of labels that differ."""
        return float(np.count_nonzero(np.asarray(y_true) != np.asarray(y)))

    def maximise(self, w: FloatArray, x: Any, y_true: Any = None) -> AnyArray:
        """The best set, (k,)."""
        U = (_row(x) @ w.reshape(-1, self._width))[None, :]
        if y_true is not None:
            U[0, : self._forest.k] += 1.0 - 2.0 * np.asarray(y_true)
        best: AnyArray = self._forest.best(U)[0]
        return best

    def maximise_many(self, w: FloatArray, X: Sequence[Any], Y: Any = None) -> list[AnyArray]:
        """The best sets of many examples."""
        U = np.stack([_row(x) for x in X]) @ w.reshape(-1, self._width)
        if Y is not None:
            U[:, : self._forest.k] += 1.0 - 2.0 * np.asarray(Y)
        return list(self._forest.best(U))

    def bind(self, X: Any, Y: Any) -> MultilabelPlanes:
        """The training set as solvers take it."""
        self.size(X, Y)
        return MultilabelPlanes(require_matrix(X), indicator(Y), self._forest)


def require_matrix(X: Any) -> Any:
    """Examples as an array or a matrix with a row each; lists of rows become arrays."""
    found = X if hasattr(X, "shape") else np.asarray(X, dtype=np.float64)
    if len(found.shape) != 2:
        raise DataError(
            f"X: expected a row of features for each example, got the shape {tuple(found.shape)}. "
            "Use X.reshape(-1, 1) for one feature."
        )
    return found


def _row(x: Any) -> FloatArray:
    return np.asarray(x.toarray() if sp.issparse(x) else x, dtype=np.float64).ravel()


class MultilabelPlanes:
    """`Planes` of label sets; see `MultilabelOracle`.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, d)
    Y : array of shape (n, k), int8
    forest : Forest
    """

    exact = True

    def __init__(self, X: Any, Y: AnyArray, forest: Forest) -> None:
        self.features, self.forest, self.Y = X, forest, Y
        self.n, self.width = len(Y), forest.k + len(forest.edges)
        self._truth = forest.expand(Y) if len(forest.edges) else Y

    def planes(self, scores: FloatArray, rows: AnyArray) -> tuple[FloatArray, Codes]:
        """See `Planes.planes`."""
        k, true = self.forest.k, self.Y[rows]
        U = np.array(scores, dtype=np.float64)
        U[:, :k] += 1.0 - 2.0 * true
        found = self.forest.best(U)
        losses = np.count_nonzero(found != true, axis=1).astype(np.float64)
        coded = self.forest.expand(found) if len(self.forest.edges) else found
        codes = coded - self._truth[rows]
        return losses, codes.astype(np.float64) if self.width <= NARROW else sp.csr_array(codes).astype(np.float64)
