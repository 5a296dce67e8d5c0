"""What is proven about a structured SVM: a duality gap, whose upper half rests on the oracle.

With planes ``loss_a + w.difference_a`` below the hinge of their examples and weights ``a``, of sum at most p_i over the
planes of example i, the dual is

    D(a) = sum_a a loss_a - alpha/2 |w(a)|^2,     w(a) = -(1/alpha) sum_a a difference_a.

Any such weights prove ``D(a) <= P*``.  P(w) takes the largest of all labels, which only the oracle knows: the
certificate is as good as its ``maximise``.  It asks once more for every example, recomputes D from the planes alone,
and looks whether a kept plane lies above what the oracle calls the largest: then the oracle is refuted, and nothing
proven.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.certify.bounds import FLOOR, relative_to
from steepest.certify.verdict import diverged, joined, judged, missed, nothing
from steepest.protocols import Bound, Certificate, FloatArray, Status

_EPS = 2.0**-52
_ABOVE = 2.0**-36  # of the numbers that are added up: a plane this far above the largest is above it


def certify_structured(
    problem: Any,
    w: FloatArray,
    proposal: Any = None,
    *,
    tol: float,
    status: Status = Status.CERTIFIED,
    reason: str = "",
    null_value: float = 1.0,
) -> Certificate:
    """The certificate of parameters ``w``; ``evidence`` has ``exact_oracle``, and ``n_calls`` of the oracle.

    Parameters
    ----------
    problem : StructuredProblem
    w : array of shape (size,)
    proposal : DualPoint, optional
        Planes and weights; weights are made feasible here.
    tol : float
        Relative suboptimality to be proven.
    status, reason : Status, str
        How the run ended; kept where the certificate does not pass.
    null_value : float
        The objective at zero.

    Examples
    --------
    >>> from steepest.problems.structured import StructuredProblem
    >>> from steepest.structured.working_set import DualPoint
    >>> class Sign:  # phi = y x / 2 for the one example x = 1, y = 1
    ...     n, width, exact, features = 1, 1, True, None
    ...     def planes(self, scores, rows):
    ...         wrong = 1.0 - scores[0] > 0.0
    ...         return np.array([float(wrong)]), np.array([[-float(wrong)]])
    >>> problem = StructuredProblem(Sign(), np.ones(1), 2.0)
    >>> point = DualPoint(np.zeros(1, dtype=int), np.ones(1), np.ones(1), np.array([[-1.0]]))
    >>> certificate = certify_structured(problem, np.array([0.5]), point, tol=1e-9)
    >>> certificate.passed, certificate.primal, certificate.dual
    (True, 0.75, 0.75)
    """
    w = np.ascontiguousarray(w, dtype=np.float64)
    calls = problem.calls
    lost = diverged(w, tol)
    if lost is not None:
        return lost
    at = problem.evaluate(w)
    if not math.isfinite(at.value):
        return nothing(tol, Status.DIVERGED, f"the objective is {at.value}")
    lower, size, above = 0.0, 0.0, 0.0  # P* >= 0, for the truth is a label too
    if proposal is not None and len(proposal.weights):
        lower, size, above = _dual(problem, w, at.extra["hinges"], proposal)
    exact = problem.planes.exact and above <= 0.0
    evidence = {"exact_oracle": exact, "n_calls": problem.calls - calls}
    if not exact:
        why = (
            "the oracle states that it is not exact"
            if not problem.planes.exact
            else f"the oracle missed the largest: a label that it found before scores higher, by {above:.3g}"
        )
        said = f"{why}, so the objective may be larger than the {at.value:.6g} that was found"
        after = Status.APPROXIMATE if status is Status.STALLED else missed(status)
        return nothing(tol, after, joined(status, reason, said), evidence, at.value, lower)
    gap = max(at.value - lower, 0.0) + 4.0 * _EPS * (abs(at.value) + size + abs(null_value))
    bound = Bound(
        "duality_gap",
        gap,
        relative_to(gap, lower, at.value, FLOOR * abs(null_value)),
        "suboptimality",
        at.value,
        lower,
    )
    return judged(bound, tol, status, reason, evidence)


def _dual(problem: Any, w: FloatArray, hinges: FloatArray, point: Any) -> tuple[float, float, float]:
    """The dual objective, the size of its terms, and by how much a plane lies above its hinge at w; 0 for none."""
    weights = np.where(np.isfinite(point.weights), np.maximum(point.weights, 0.0), 0.0)
    codes = point.codes
    if point.owner is None:
        total = float(weights.sum())
        weights = weights / total if total > 1.0 else weights
        difference = np.asarray(weights @ codes)
        values = point.losses + codes @ w
        sizes = point.losses + np.abs(codes) @ np.abs(w)
        above = values - float(problem.p @ hinges)
    else:
        given = np.bincount(point.owner, weights, len(problem.p))
        allowed = np.where(given > problem.p, problem.p / np.where(given > 0.0, given, 1.0), 1.0)
        weights = weights * allowed[point.owner]
        difference = np.zeros(problem.size)
        for lot in problem.blocks(np.arange(len(weights))):
            difference += problem.mean_difference(point.owner[lot], weights[lot], sp.csr_array(codes[lot]))
        values, sizes = _values(problem, w, point)
        above = values - hinges[point.owner]
    w_dual = difference / -problem.alpha
    square = 0.5 * problem.alpha * float(w_dual @ w_dual)
    linear = float(weights @ point.losses)
    return linear - square, linear + square, float(np.max(above - _ABOVE * sizes, initial=0.0))


def _values(problem: Any, w: FloatArray, point: Any) -> tuple[FloatArray, FloatArray]:
    """The values of planes at w, and the sizes of what they are the sums of; a lot of planes at a time."""
    values, sizes = np.array(point.losses), np.array(point.losses)
    W = w.reshape(-1, problem.width)
    codes = sp.csr_array(point.codes)
    if problem.plain:
        return values + codes @ w, sizes + abs(codes) @ np.abs(w)
    for lot in problem.blocks(np.arange(len(values))):
        own = codes[lot]
        scores = problem.scores(W, point.owner[lot])
        values[lot] += own.multiply(scores).sum(axis=1)
        sizes[lot] += abs(own).multiply(np.abs(scores)).sum(axis=1)
    return values, sizes
