"""Sequences: a label for every place, with weights for features at a place and for labels that follow each other.

An example of an own oracle: ``StructuredSVM(ChainOracle())``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.exceptions import DataError
from steepest.kernels.inference import best_chains
from steepest.protocols import AnyArray, FloatArray
from steepest.structured.oracle import Codes


class ChainOracle:
    r"""Linear chains, maximised by Viterbi's algorithm.

    ::

        w.phi(x, y) = sum_t u[y_t].(x_t, 1) + sum_t T[y_(t-1), y_t]
        Delta(y, y') = the number of places t with y_t != y'_t,  over the length where it is scaled

    An example x is an array (length, d) of the features of its places; a label y is an array (length,) of integers from
    0 on.  The weights are u, of shape (K, d + 1), then T, of shape (K, K).  The largest is found by dynamic
    programming in O(length K^2); the loss adds to the scores of single places, so the same program finds the largest
    with the loss.

    Parameters
    ----------
    n_states : int, optional
        K; None takes the largest label of the training data, and one.
    scaled : bool, default=False
        The share of wrong places in the place of their number.

    Examples
    --------
    >>> X, Y = [np.array([[1.0], [-2.0], [0.5]])], [np.array([1, 0, 1])]
    >>> oracle = ChainOracle()
    >>> oracle.size(X, Y)
    8
    >>> w = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0])  # state 1 goes with the feature, and follows itself
    >>> oracle.maximise(w, X[0])
    array([1, 1, 1])
    """

    exact = True

    def __init__(self, n_states: int | None = None, scaled: bool = False) -> None:
        self.n_states, self.scaled = n_states, scaled

    # -------------------------------------------------------------------------------------- what a user asks

    def size(self, X: Sequence[Any], Y: Sequence[Any]) -> int:
        """``K (d + 1) + K^2``."""
        largest = -1
        for i, (x, y) in enumerate(zip(X, Y, strict=True)):
            places = np.asarray(y)
            if places.ndim != 1 or (places.size and places.dtype.kind not in "iu") or np.shape(x)[:1] != places.shape:
                raise DataError(
                    f"Y: expected an integer for each place of X[{i}], which has the shape {np.shape(x)}, got an array "
                    f"of shape {places.shape} and type {places.dtype}. Encode labels as 0, 1, 2 ..."
                )
            if places.min(initial=0) < 0:
                raise DataError(f"Y: expected labels of at least 0, got {places.min()} in Y[{i}].")
            largest = max(largest, int(places.max(initial=-1)))
        self._K = largest + 1 if self.n_states is None else int(self.n_states)
        if largest >= self._K or self._K < 1:
            raise DataError(
                f"Y: expected labels below n_states={self._K}, got {largest}. Leave n_states out, or enlarge it."
            )
        widths = {int(np.shape(x)[1]) if np.ndim(x) == 2 or sp.issparse(x) else -1 for x in X}
        if len(widths) != 1 or min(widths) < 0:
            raise DataError(
                "X: expected arrays of shape (length, d) with the same d, got others. Give each place a row."
            )
        self._d = widths.pop()
        return self._K * (self._d + 1) + self._K * self._K

    def joint_feature(self, x: Any, y: Any) -> FloatArray:
        """Sums of the features of places by their label, numbers of places, numbers of transitions."""
        y = np.asarray(y, dtype=np.int64)
        found: FloatArray = _counts(_dense(x), y, np.array([0, len(y)]), self._K)[0]
        return found

    def loss(self, y_true: Any, y: Any) -> float:
        """Places that differ."""
        wrong = float(np.count_nonzero(np.asarray(y_true) != np.asarray(y)))
        return wrong / max(len(y_true), 1) if self.scaled else wrong

    def maximise(self, w: FloatArray, x: Any, y_true: Any = None) -> AnyArray:
        """Viterbi."""
        return self.maximise_many(w, [x], None if y_true is None else [y_true])[0]

    def maximise_many(self, w: FloatArray, X: Sequence[Any], Y: Sequence[Any] | None = None) -> list[AnyArray]:
        """Viterbi for many sequences, in one call of compiled code."""
        starts = np.cumsum([0, *(np.shape(x)[0] for x in X)])
        true = None if Y is None else np.concatenate([np.asarray(y, dtype=np.int64) for y in Y])
        labels = self.label(w, _places(X), starts, true)
        return [labels[a:b] for a, b in pairwise(starts.tolist())]

    # ------------------------------------------------------------------------------ what solvers ask instead

    def bind(self, X: Sequence[Any], Y: Sequence[Any]) -> ChainPlanes:
        """The training set as solvers take it: all places in one array."""
        size = self.size(X, Y)
        return ChainPlanes(self, _places(X), [np.asarray(y, dtype=np.int64) for y in Y], size)

    def label(self, w: FloatArray, places: Any, starts: AnyArray, true: AnyArray | None = None) -> AnyArray:
        """Labels (m,) of the places (m, d) of sequences that follow each other."""
        u, T = self._parts(w)
        U = np.ascontiguousarray(places @ u[:, :-1].T + u[:, -1])
        lengths = np.diff(starts)
        costs = 1.0 / np.maximum(lengths, 1) if self.scaled else np.ones(len(lengths))
        out = np.empty(len(U), dtype=np.int64)
        best_chains(U, T, starts, np.empty(0, dtype=np.int64) if true is None else true, costs, out)
        return out

    def _parts(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        cut = self._K * (self._d + 1)
        return w[:cut].reshape(self._K, self._d + 1), np.ascontiguousarray(w[cut:]).reshape(self._K, self._K)


class ChainPlanes:
    """`Planes` of a training set of sequences; a code is the difference of the joint features itself.

    Parameters
    ----------
    oracle : ChainOracle
        Its size is known.
    places : array or CSR matrix of shape (m, d)
        Those of all sequences.
    Y : list of arrays
    size : int
    """

    exact, features = True, None

    def __init__(self, oracle: ChainOracle, places: Any, Y: list[AnyArray], size: int) -> None:
        self.oracle, self.n, self.width = oracle, len(Y), size
        self._starts = np.cumsum([0, *map(len, Y)])
        self._places, self._true = places, np.concatenate(Y)

    def planes(self, scores: FloatArray, rows: AnyArray) -> tuple[FloatArray, Codes]:
        """See `Planes.planes`."""
        lengths = self._starts[rows + 1] - self._starts[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self._starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        places, true = self._places[at], self._true[at]
        found = self.oracle.label(scores, places, starts, true)
        wrong = np.add.reduceat(np.append(found != true, False), starts[:-1], dtype=np.float64)
        losses = np.where(lengths > 0, wrong, 0.0)
        if self.oracle.scaled:
            losses /= np.maximum(lengths, 1)
        K = self.oracle._K
        return losses, _counts(places, found, starts, K) - _counts(places, true, starts, K)


def _dense(x: Any) -> FloatArray:
    return np.asarray(x.toarray() if sp.issparse(x) else x, dtype=np.float64)


def _places(X: Sequence[Any]) -> Any:
    """The places of all sequences below each other; as compressed rows where all are sparse."""
    if all(sp.issparse(x) for x in X):
        return sp.csr_array(sp.vstack(list(X), format="csr", dtype=np.float64))
    return np.vstack([_dense(x) for x in X])


def _counts(places: Any, y: AnyArray, starts: AnyArray, K: int) -> Any:
    """phi of sequences that follow each other, (n, K (d + 1) + K^2): an array, or CSR where the places are."""
    n, (m, d) = len(starts) - 1, places.shape
    sequence = np.repeat(np.arange(n), np.diff(starts))
    group = sequence * K + y
    sums = sp.csr_array((np.ones(m), (group, np.arange(m))), shape=(n * K, m)) @ places
    numbers = np.bincount(group, minlength=n * K).astype(np.float64)
    inside = sequence[1:] == sequence[:-1]
    moves = (sequence[1:] * K * K + y[:-1] * K + y[1:])[inside]
    following = np.bincount(moves, minlength=n * K * K).reshape(n, K * K).astype(np.float64)
    if not sp.issparse(places):
        return np.hstack([np.hstack([sums, numbers[:, None]]).reshape(n, K * (d + 1)), following])
    unary = sp.hstack([sums, sp.csr_array(numbers[:, None])]).reshape((n, K * (d + 1)))
    return sp.csr_array(sp.hstack([unary, sp.csr_array(following)], format="csr"))
