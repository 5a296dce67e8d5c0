"""What a structured model is: joint features, a loss, and the label that violates the margin most.

::

    P(w) = (1/S) sum_i s_i max_y [ Delta(y_i, y) + w.(phi(x_i, y) - phi(x_i, y_i)) ] + alpha/2 |w|^2,   S = sum s_i

A user writes an `Oracle`: Python functions of one example.  Solvers see `Planes`: the maximisers of many examples at
once, as a loss and a *code* each.  `bound_planes` makes the second of the first; the included models are both.

A plane is the affine function ``w -> loss + w.(phi(x_i, y) - phi(x_i, y_i))`` below the hinge of example i.  Its code u
stands for the difference of the features.  Where the features are a product ``phi(x, y) = x (x) v(y)`` (multilabel,
multiclass, taxonomies), the difference is ``x_i (x) u`` with ``u = v(y) - v(y_i)``, and solvers keep u alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import scipy.sparse as sp

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray

Codes: TypeAlias = "FloatArray | sp.csr_array"  # (m, width): a row for each plane

SLACK = 2.0**-36  # of the numbers that are added up: a score that is lower by more than this is not the largest


@runtime_checkable
class Oracle(Protocol):
    """A structured model, as a user writes it; x and y are any objects.

    An oracle may say ``exact = False``: then `maximise` may miss the largest, and nothing can be proven.  It may have

    - ``maximise_many(w, X, Y=None)``: a list of the results of `maximise` for sequences, where that is faster;
    - ``bind(X, Y)``: the whole training set as `Planes`, which solvers then use in place of all else here.
    """

    def size(self, X: Sequence[Any], Y: Sequence[Any]) -> int:
        """How many joint features there are; called once, before all else, with the training data."""
        ...

    def joint_feature(self, x: Any, y: Any) -> Any:
        """phi(x, y): an array (size,), or a pair of arrays (indices, values) that stand for one."""
        ...

    def loss(self, y_true: Any, y: Any) -> float:
        """Delta(y_true, y): at least 0, and 0 for the truth itself."""
        ...

    def maximise(self, w: FloatArray, x: Any, y_true: Any = None) -> Any:
        """The label with the largest w.phi(x, y); with a truth, with the largest Delta(y_true, y) + w.phi(x, y)."""
        ...


class Planes(Protocol):
    """The training set as solvers see it.

    ``features`` is X of shape (n, d), an array or a CSR matrix, and w holds (d, width) numbers in C order; or None, and
    w holds ``width`` numbers.  Codes are float64, an array (m, width) or a ``scipy.sparse.csr_array``, without repeated
    indices.
    """

    n: int
    width: int
    exact: bool
    features: Any

    def planes(self, scores: FloatArray, rows: AnyArray) -> tuple[FloatArray, Codes]:
        """Losses (m,) and codes (m, width) of the maximisers ``max_y [Delta(y_i, y) + w.difference]`` of some examples.

        Parameters
        ----------
        scores : array
            With features: ``X[rows] @ W`` of shape (m, width), so that a label is worth ``loss + scores . code``.
            Without: w itself, of shape (width,).
        rows : array of integers, shape (m,)
            Which examples.

        Notes
        -----
        The truth of example i has loss 0 and the code 0, so the largest value is never negative.  Results may be
        written over by the next call.
        """
        ...


def bound_planes(oracle: Any, X: Sequence[Any], Y: Sequence[Any]) -> Any:
    """The `Planes` of an oracle and its training data: its own where it has ``bind``, else call by call."""
    bind = getattr(oracle, "bind", None)
    return bind(X, Y) if bind is not None else OraclePlanes(oracle, X, Y)


class OraclePlanes:
    """`Planes` from the functions of a user's oracle; the features of the truth are computed once.

    Examples
    --------
    >>> class Sign:
    ...     def size(self, X, Y):
    ...         return 1
    ...     def joint_feature(self, x, y):
    ...         return np.array([x * y / 2.0])
    ...     def loss(self, y_true, y):
    ...         return float(y != y_true)
    ...     def maximise(self, w, x, y_true=None):
    ...         return max((-1, 1), key=lambda y: (y_true is not None and y != y_true) + w[0] * x * y / 2.0)
    >>> planes = OraclePlanes(Sign(), [3.0, -1.0], [1, -1])
    >>> losses, codes = planes.planes(np.zeros(1), np.array([0, 1]))
    >>> losses, codes.toarray()
    (array([1., 1.]), array([[-3.],
           [-1.]]))
    """

    features = None

    def __init__(self, oracle: Any, X: Sequence[Any], Y: Sequence[Any]) -> None:
        self.oracle, self.X, self.Y = oracle, X, Y
        self.n = _count(Y)
        self.exact = bool(getattr(oracle, "exact", True))
        size = oracle.size(X, Y)
        if not isinstance(size, int | np.integer) or size < 1:
            raise DataError(f"oracle.size: expected how many joint features there are, at least 1, got {size!r}.")
        self.width = int(size)
        self._many = getattr(oracle, "maximise_many", None)
        self._truth: dict[int, tuple[AnyArray, FloatArray]] = {}

    def planes(self, scores: FloatArray, rows: AnyArray) -> tuple[FloatArray, Codes]:
        """See `Planes.planes`."""
        labels = self.labels(scores, rows)
        losses = np.empty(len(rows))
        starts, indices, values = np.zeros(len(rows) + 1, dtype=np.int64), [], []
        for k, (i, y) in enumerate(zip(rows.tolist(), labels, strict=True)):
            losses[k] = self.loss(i, y)
            at, v = difference(self.sparse(i, y), self.truth(i))
            indices.append(at)
            values.append(v)
            starts[k + 1] = starts[k] + len(at)
        shape = (len(rows), self.width)
        return losses, sp.csr_array((np.concatenate(values), np.concatenate(indices), starts), shape=shape)

    def labels(self, w: FloatArray, rows: AnyArray) -> list[Any]:
        """What the oracle says maximises."""
        chosen = rows.tolist()
        if self._many is None:
            return [self.oracle.maximise(w, self.X[i], self.Y[i]) for i in chosen]
        found = list(self._many(w, [self.X[i] for i in chosen], [self.Y[i] for i in chosen]))
        if len(found) != len(chosen):
            raise DataError(
                f"oracle.maximise_many: expected one label for each of {len(chosen)} examples, got {len(found)}."
            )
        return found

    def loss(self, i: int, y: Any) -> float:
        """Delta of a label, checked."""
        value = float(self.oracle.loss(self.Y[i], y))
        if not 0.0 <= value < np.inf:
            raise DataError(
                f"oracle.loss: expected a finite number of at least 0, got {value} for example {i} and the label "
                f"{_brief(y)}."
            )
        return value

    def truth(self, i: int) -> tuple[AnyArray, FloatArray]:
        """phi(x_i, y_i)."""
        if i not in self._truth:
            self._truth[i] = self.sparse(i, self.Y[i])
        return self._truth[i]

    def sparse(self, i: int, y: Any) -> tuple[AnyArray, FloatArray]:
        """phi(x_i, y) as increasing indices without repetition, and finite values."""
        found = self.oracle.joint_feature(self.X[i], y)
        if isinstance(found, tuple):
            at, values = np.asarray(found[0], dtype=np.int64).ravel(), np.asarray(found[1], dtype=np.float64).ravel()
            if len(at) != len(values) or (len(at) and (at.min() < 0 or at.max() >= self.width)):
                raise DataError(
                    f"oracle.joint_feature: expected as many values as indices, from 0 to {self.width - 1}, got "
                    f"{len(at)} indices and {len(values)} values for example {i} and the label {_brief(y)}."
                )
            if np.any(at[1:] <= at[:-1]):
                at, inverse = np.unique(at, return_inverse=True)
                values = np.asarray(np.bincount(inverse, values, len(at)), dtype=np.float64)
        else:
            whole = np.asarray(found, dtype=np.float64)
            if whole.shape != (self.width,):
                raise DataError(
                    f"oracle.joint_feature: expected an array of shape ({self.width},), as oracle.size says, or a pair "
                    f"(indices, values), got the shape {whole.shape} for example {i} and the label {_brief(y)}."
                )
            at = np.flatnonzero(whole)
            values = whole[at]
        if not np.all(np.isfinite(values)):
            raise DataError(
                f"oracle.joint_feature: expected finite numbers, got NaN or infinity for example {i} and the label "
                f"{_brief(y)}. Check the features of x."
            )
        return at, values


def difference(a: tuple[AnyArray, FloatArray], b: tuple[AnyArray, FloatArray]) -> tuple[AnyArray, FloatArray]:
    """``a - b`` of sparse vectors with increasing indices.

    >>> at, values = difference((np.array([0, 2]), np.array([1.0, 5.0])), (np.array([2, 3]), np.array([5.0, 1.0])))
    >>> at, values
    (array([0, 3]), array([ 1., -1.]))
    """
    at, inverse = np.unique(np.concatenate([a[0], b[0]]), return_inverse=True)
    values = np.bincount(inverse, np.concatenate([a[1], -b[1]]), len(at))
    kept = values != 0.0
    return at[kept], values[kept]


def check_oracle(
    oracle: Any,
    X: Sequence[Any],
    Y: Sequence[Any],
    *,
    candidates: Sequence[Any] = (),
    n_examples: int = 5,
    n_weights: int = 4,
    random_state: int = 0,
) -> None:
    """Raise `DataError` where an oracle contradicts itself on some examples and random weights.

    Sizes and numbers of the features; a loss of 0 at the truth and of at least 0 elsewhere; and that the label of
    `maximise` scores at least as high as the truth, as what maximised the same example at other weights, and as
    ``candidates``.  A passed check is evidence, not a proof.  An oracle with ``exact = False`` may be beaten.

    Parameters
    ----------
    oracle : Oracle
    X, Y : sequences
        Examples and their labels.
    candidates : sequence, optional
        Labels that every example may have; for many models those of the other examples, Y.
    n_examples, n_weights : int
    random_state : int, default=0

    Examples
    --------
    >>> class Wrong:
    ...     def size(self, X, Y):
    ...         return 1
    ...     def joint_feature(self, x, y):
    ...         return np.array([x * y])
    ...     def loss(self, y_true, y):
    ...         return float(y != y_true)
    ...     def maximise(self, w, x, y_true=None):
    ...         return 1
    >>> check_oracle(Wrong(), [3.0, -1.0], [1, -1])  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: oracle.maximise: ...
    """
    n, given = _count(X), _count(Y)
    if n != given or n == 0:
        raise DataError(f"Y: expected a label for each of the {n} examples, at least one, got {given}.")
    some = OraclePlanes(oracle, X, Y)
    rng = np.random.default_rng(random_state)
    rows = np.sort(rng.permutation(n)[:n_examples])
    chosen = rows.tolist()
    for i in chosen:
        if some.loss(i, Y[i]) != 0.0:
            raise DataError(
                f"oracle.loss: expected 0 for the truth itself, got {some.loss(i, Y[i])} for example {i} and the label "
                f"{_brief(Y[i])}."
            )
    scale = 1.0 / max(max(float(np.abs(some.truth(i)[1]).max(initial=0.0)) for i in chosen), 1e-300)
    tried = {i: [Y[i], *candidates] for i in chosen}
    for k in range(n_weights):
        w = rng.standard_normal(some.width) * (scale if k else 0.0)
        for i, found in zip(chosen, some.labels(w, rows), strict=True):
            plain = oracle.maximise(w, X[i])
            tried[i] += [found, plain]
            _compare(some, w, i, found, tried[i], True)
            _compare(some, w, i, plain, tried[i], False)


def _compare(some: OraclePlanes, w: FloatArray, i: int, found: Any, others: list[Any], augmented: bool) -> None:
    """Raise where another label scores higher than the one found."""
    best, size = _value(some, w, i, found, augmented)
    for y in others:
        value, other_size = _value(some, w, i, y, augmented)
        if some.exact and value > best + SLACK * (size + other_size):
            call = "maximise(w, x, y_true)" if augmented else "maximise(w, x)"
            raise DataError(
                f"oracle.maximise: {call} gave {_brief(found)} for example {i}, with the score {best:.6g}; the "
                f"label {_brief(y)} scores {value:.6g}. Correct it, or state exact = False; nothing is proven then."
            )


def _value(some: OraclePlanes, w: FloatArray, i: int, y: Any, augmented: bool) -> tuple[float, float]:
    """The (augmented) score of a label, and the size of the numbers that it is the sum of."""
    at, values = some.sparse(i, y)
    loss = some.loss(i, y) if augmented else 0.0
    parts = w[at] * values
    return loss + float(parts.sum()), loss + float(np.abs(parts).sum())


def _count(values: Any) -> int:
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def _brief(y: Any) -> str:
    said = " ".join(repr(y).split())
    return said if len(said) <= 60 else said[:57] + "..."
