"""The structured hinge: the worst violated margin of each example, found by an oracle.

::

    P(w) = sum_i p_i max_y [ Delta(y_i, y) + w.(phi(x_i, y) - phi(x_i, y_i)) ] + alpha/2 |w|^2,     sum p_i = 1

Every evaluation asks the oracle for every example that counts, and finds a plane below each hinge on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy.sparse as sp

from steepest.data.dense import row_norms
from steepest.data.source import as_source
from steepest.exceptions import DataError
from steepest.kernels import structured
from steepest.protocols import AnyArray, Evaluation, FloatArray, Traits

if TYPE_CHECKING:
    from steepest.structured.oracle import Planes

BLOCK = 1 << 18  # scores that are computed at a time
LOTS = 32  # of examples, where the oracle is all that costs time
COPIED = 1 << 20  # numbers of dense rows that are copied at a time
NONE = np.empty(0)
Taker = Callable[[AnyArray, FloatArray, sp.csr_array], Any]
T = TypeVar("T")


def exhausted(steps: Generator[None, None, T]) -> T:
    """What a generator returns, in one go."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class StructuredProblem:
    """See the head of this file.

    Parameters
    ----------
    planes : Planes
    p : array of shape (n,)
        Weights of the examples, of sum 1; those of weight 0 are never looked at.
    alpha : float
        Positive.
    pool : Pool, optional
        Threads for products with the features.
    """

    def __init__(self, planes: Planes, p: FloatArray, alpha: float, pool: Any = None) -> None:
        self.planes, self.p, self.alpha = planes, p, float(alpha)
        self.plain = planes.features is None
        self.source: Any = as_source(np.ones((1, 1)) if self.plain else planes.features, pool=pool)
        self.width = planes.width
        self.size = self.source.shape[1] * self.width
        self.norms: FloatArray = np.ones(planes.n)
        if not self.plain:
            if self.source.kind == "csr":
                self.source.distinct()
            self.norms = row_norms(self.source)
        self.counted: AnyArray = np.flatnonzero(p > 0.0)
        self.calls = 0  # of the oracle, for one example each
        self.passes = 0.0
        self.last: Evaluation
        self.traits = Traits(True, False, False, False, False, 0.0, self.alpha, 1)

    # ---------------------------------------------------------------------------------------- as solvers see it

    def start(self) -> FloatArray:
        """Zero."""
        return np.zeros(self.size)

    def inner(self, a: FloatArray, b: FloatArray) -> float:
        """The scalar product."""
        return float(a @ b)

    def weights(self, w: FloatArray) -> FloatArray:
        """The parameters themselves."""
        return w

    def blocks(self, chosen: AnyArray) -> list[AnyArray]:
        """Examples in lots whose scores lie in the cache, or after which one may look at the clock."""
        step = max(64, len(chosen) // LOTS if self.plain else BLOCK // self.width)
        if not self.plain and self.source.kind == "dense":
            step = max(64, min(step, COPIED // self.source.shape[1]))
        return [chosen[low : low + step] for low in range(0, len(chosen), step)]

    def ask(self, w: FloatArray, chosen: AnyArray) -> tuple[FloatArray, sp.csr_array, FloatArray]:
        """Losses and codes of the maximisers of some examples, and the values of these planes at w.

        Raises
        ------
        DataError
            A loss or a code is not finite.
        """
        W = w.reshape(-1, self.width)
        scores = w if self.plain else self.scores(W, chosen)
        losses, found = self.planes.planes(scores, chosen)
        self.calls += len(chosen)
        self.passes += len(chosen) / self.planes.n
        codes = found if sp.issparse(found) else sp.csr_array(found)
        if sp.issparse(found):
            values = codes @ scores if self.plain else _row_products(codes, scores)
        else:
            values = found @ scores if self.plain else np.einsum("tc,tc->t", found, scores)
        if not (np.all(np.isfinite(losses)) and np.all(np.isfinite(codes.data))):
            raise DataError("planes: expected finite losses and codes, got NaN or infinity. Check the features.")
        return losses, codes, losses + values

    def scores(self, W: FloatArray, chosen: AnyArray) -> FloatArray:
        """X[chosen] W."""
        if self.source.kind == "dense":
            return self.source.X[chosen].astype(np.float64, copy=False) @ W  # type: ignore[no-any-return]
        Z = np.empty((len(chosen), self.width))
        edges = np.linspace(0, len(chosen), 1 + min(8, 1 + len(chosen) // 256)).astype(np.int64).tolist()
        self.source.pool.map(
            lambda s: structured.row_scores(self.source.rows, chosen, s[0], s[1], W, Z),
            list(zip(edges[:-1], edges[1:], strict=True)),
        )
        return Z

    def evaluate(self, w: FloatArray, slopes: bool = False) -> Evaluation:
        """P(w): one call of the oracle for every example; see `sweep`."""
        return exhausted(self.sweep(w, slopes=slopes))

    def sweep(
        self, w: FloatArray, take: Taker | None = None, slopes: bool = False
    ) -> Generator[None, None, Evaluation]:
        """P(w), lot by lot: yields after each, and returns the evaluation.

        Parameters
        ----------
        w : array of shape (size,)
        take : callable, optional
            Is handed examples, losses and codes of the planes of a lot.
        slopes : bool, default=False
            Whether the mean of the planes is wanted: ``extra["offset"]`` and ``extra["mean"]``, and the gradient.
        """
        hinges = np.zeros(self.planes.n)
        offset, mean = 0.0, np.zeros(self.size if slopes else 0)
        for lot in self.blocks(self.counted):
            losses, codes, values = self.ask(w, lot)
            hinges[lot] = np.maximum(values, 0.0)  # the truth is a label too
            if take is not None:
                take(lot, losses, codes)
            if slopes:
                used = self.p[lot] * (values > 0.0)
                offset += float(used @ losses)
                mean += self.mean_difference(lot, used, codes)
            yield
        loss = float(self.p @ hinges)
        value = loss + 0.5 * self.alpha * float(w @ w)
        gradient = mean + self.alpha * w if slopes else np.full(1, math.nan)
        extra = {"hinges": hinges, "offset": offset, "mean": mean}
        self.last = Evaluation(w, value, loss, gradient, NONE, NONE, extra)
        return self.last

    def mean_difference(self, chosen: AnyArray, weights: FloatArray, codes: sp.csr_array) -> FloatArray:
        """``sum_t weights_t x_i (x) u_t`` with i = chosen[t], as a flat vector."""
        if self.plain:
            return np.asarray(codes.T @ weights)
        scaled = sp.diags_array(weights) @ codes
        X = self.source.X[chosen] if self.source.kind == "dense" else self.source.matrix[chosen]
        product = (scaled.T @ X).T if isinstance(X, np.ndarray) else (X.T @ scaled).toarray()
        return np.ascontiguousarray(product, dtype=np.float64).ravel()


def _row_products(codes: sp.csr_array, scores: FloatArray) -> FloatArray:
    """``codes[t] . scores[t]`` for every row."""
    owner = np.repeat(np.arange(codes.shape[0]), np.diff(codes.indptr))
    products = codes.data * scores[owner, codes.indices]
    return np.bincount(owner, products, codes.shape[0]).astype(np.float64, copy=False)
