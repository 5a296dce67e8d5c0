"""Whether the methods of a loss agree with each other at the scores of this fit.

A bound from slopes is a proof only if the slopes are those of the loss.  Where a conjugate exists, Fenchel's
equality ``loss(z) + loss*(loss'(z)) = z loss'(z)`` ties value, slope and conjugate together, and a slope that is
off by one part in a thousand breaks it visibly.  Without a conjugate the subgradient inequality is tried at a few
points beside each score: it refutes a wrong slope, and cannot prove a right one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.certify.gap import fenchel_sum
from steepest.kernels import fenchel
from steepest.protocols import Evaluation

_SAMPLE = 1024  # rows looked at for losses of this package, whose methods its tests check


def contradiction(problem: Any, at: Evaluation) -> tuple[str, dict[str, Any]] | None:
    """A sentence and the numbers of a row where the loss contradicts itself; None where none was found.

    All rows for a loss from outside the package, about a thousand rows for its own.
    """
    if not problem.traits.has_conjugate:
        return _broken_slope(problem, at) if problem.traits.n_outputs == 1 else None
    row = _sampled(problem, at) if _ours(problem.loss) else fenchel_sum(problem, at.scores, at.slopes)[2]
    if row < 0:
        return None
    return (
        f"value, slope and conjugate of the loss {problem.loss!r} contradict each other in row {row}, so nothing is "
        "proven; steepest.check_loss tells which one is wrong",
        _facts(problem, at, row),
    )


def _ours(loss: Any) -> bool:
    return type(loss).__module__.partition(".")[0] == __name__.partition(".")[0]


def _sampled(problem: Any, at: Evaluation) -> int:
    n = len(at.scores)
    stride = max(1, n // _SAMPLE)
    z, u, y, p = (np.ascontiguousarray(a[::stride]) for a in (at.scores, at.slopes, problem.y, problem.p))
    function: Any = fenchel.fenchel if z.ndim == 1 else fenchel.fenchel_many
    row = int(function(problem.loss, z, u, 1.0, y, p, 0, len(z))[2])
    return row * stride if row >= 0 else -1


def _broken_slope(problem: Any, at: Evaluation) -> tuple[str, dict[str, Any]] | None:
    row = int(fenchel.broken_subgradient(problem.loss, at.scores, at.slopes, problem.y, problem.p, 0, len(at.scores)))
    if row < 0:
        return None
    return (
        f"the slope of the loss {problem.loss!r} in row {row} is no subgradient of its value, so nothing is proven; "
        "steepest.check_loss tells more",
        _facts(problem, at, row),
    )


def _facts(problem: Any, at: Evaluation, row: int) -> dict[str, Any]:
    def plain(v: Any) -> Any:
        return np.asarray(v).tolist()

    return {
        "row": row,
        "score": plain(at.scores[row]),
        "slope": plain(at.slopes[row]),
        "target": plain(problem.y[row]),
    }
