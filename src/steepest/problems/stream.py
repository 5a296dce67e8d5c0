"""Problems whose rows are read in pieces: the same value, gradient and duality gap, up to rounding.

What needs the scores alone (an intercept's best value, conjugates) is that of the problems in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.data.stream import StreamSource
from steepest.losses.registry import VECTOR_LOSSES
from steepest.penalties import NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import Evaluation, FloatArray


class _Streamed:
    """Evaluation piece by piece; a mixin before the problem in memory."""

    source: StreamSource

    def pieces(self, penalty: Any = None) -> Iterator[Any]:
        """The problems of the pieces, whose p are those of the whole: one pass of reading."""
        whole: Any = self
        for low, high, source in self.source.sources():
            yield whole.part(source, slice(low, high), penalty or NoPenalty())

    def evaluate(self, w: FloatArray) -> Evaluation:
        """Everything at w: one pass."""
        whole: Any = self
        n, k = self.source.shape[0], whole.layout.n_outputs
        z, u = (np.empty(n if k == 1 else (n, k)) for _ in range(2))
        gradient, loss, low = np.zeros(whole.size), 0.0, 0
        for piece in self.pieces():
            at = piece.evaluate(w)
            high = low + len(at.scores)
            z[low:high], u[low:high] = at.scores, at.slopes
            gradient += at.gradient
            loss += at.loss
            low = high
        whole.passes += 1.0
        whole.add_ridge(gradient, w)
        return Evaluation(w, loss + whole.penalty_value(w), loss, gradient, z, u)


class StreamLinearProblem(_Streamed, LinearProblem):
    """`LinearProblem` on a `StreamSource`."""

    in_memory = LinearProblem

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """Hessian of the smooth part times v: two readings."""
        head, tail = self.layout.split(v)
        t = self.source.matvec(head, float(tail[0]) if len(tail) else 0.0)
        out, own = self.source.rmatvec(np.ones(len(t)), self.curvatures(at) * t)
        self.passes += 1.0
        if self.layout.intercept:
            out = np.append(out, own)
        self.add_ridge(out, v)
        return out

    def part(self, source: Any, rows: slice, penalty: Any) -> LinearProblem:
        """The problem of some rows."""
        return LinearProblem(source, self.y[rows], self.p[rows], self.loss, penalty, self.layout.intercept)


class StreamMulticlassProblem(_Streamed, MulticlassProblem):
    """`MulticlassProblem` on a `StreamSource`."""

    in_memory = MulticlassProblem

    def part(self, source: Any, rows: slice, penalty: Any) -> MulticlassProblem:
        """The problem of some rows."""
        layout = self.layout
        return MulticlassProblem(
            source, self.y[rows], self.p[rows], self.loss, penalty, layout.intercept, layout.n_outputs
        )


def make_stream_problem(
    source: StreamSource, y: Any, p: FloatArray, loss: Any, penalty: Any, fit_intercept: bool, n_outputs: int
) -> StreamLinearProblem | StreamMulticlassProblem:
    """The problem for a loss of one score or of several."""
    if type(loss) in VECTOR_LOSSES.values():
        return StreamMulticlassProblem(source, y, p, loss, penalty, fit_intercept, n_outputs)
    return StreamLinearProblem(source, y, p, loss, penalty, fit_intercept)
