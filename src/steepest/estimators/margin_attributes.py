"""What margin models show beside their coefficients: multipliers of the rows, and a constant feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.certify.balance import shrunk
from steepest.certify.transport import into_polytope, transported
from steepest.estimators.jobs import Job, Solution
from steepest.kernels import fenchel, multiclass, passes
from steepest.protocols import FloatArray


def with_constant(X: Any, value: float) -> Any:
    """A copy of X with a last column of one value, in the precision of X."""
    column = np.full((X.shape[0], 1), value, dtype=X.dtype)
    return sp.hstack([X, sp.csr_array(column)], format="csr") if sp.issparse(X) else np.hstack([X, column])


def scalar_slopes(job: Job, z: FloatArray, proposed: FloatArray | None, intercept: bool) -> FloatArray:
    """The dual point that proves most: what the solver proposed where the conjugate allows it, else the slopes at z."""
    slopes = np.empty_like(z)
    passes.losses_slopes(job.loss, z, job.y, job.p, slopes)
    if proposed is None or proposed.shape != z.shape:
        return slopes
    u, values = np.array(proposed, dtype=np.float64), np.empty_like(z)
    fenchel.conjugates(job.loss, u, job.y, values)
    outside = ~np.isfinite(values)
    u[outside] = slopes[outside]
    return shrunk(u, job.p) if intercept else u


def joint_multipliers(job: Job, Z: FloatArray, proposed: FloatArray | None, intercept: bool) -> FloatArray:
    """Of one problem of all classes: (k, n) numbers ``-u p / alpha``, the multiples of rows in each class's weights.

    ``u`` is what the solver proposed, or the slopes at the scores Z of shape (n, k).
    """
    u = np.empty_like(Z)
    if proposed is None or proposed.shape != Z.shape:
        multiclass.losses_slopes_many(job.loss, Z, job.y, job.p, 0, len(Z), u)
    else:
        u = into_polytope(job.loss, proposed, job.y)
    if intercept:
        moved = transported(job, u, Z)
        u = u if moved is None else moved
    return np.ascontiguousarray(-(u * job.p[:, None]).T / _strength(job)) + 0.0  # no -0


def joint_scores(X: Any, solution: Solution, coef: FloatArray, intercept: FloatArray) -> FloatArray:
    """Scores of all rows, (n, k): those of the certificate where it has met these parameters."""
    known = solution.scores[0]
    if known is not None:
        return known
    Z: FloatArray = np.asarray(X @ coef.T, dtype=np.float64) + intercept
    return Z


def joint_slacks(job: Job, Z: FloatArray) -> FloatArray:
    """What each row lacks: (n,) the worst for Crammer-Singer, (n, k) by class for Weston-Watkins."""
    n, k = Z.shape
    own = Z[np.arange(n), job.y][:, None]
    if job.loss.name == "crammer_singer":
        lacks: FloatArray = (job.loss.matrix(k)[job.y] + (Z - own)).max(axis=1)
        return lacks
    lacks = np.maximum(1.0 + (Z - own), 0.0)
    lacks[np.arange(n), job.y] = 0.0
    return lacks


def joint_widths(job: Job, coef: FloatArray) -> FloatArray:
    """The width between each two classes, ``(costs_jm + costs_mj) / |w_j - w_m|``: (k, k), inf on the diagonal."""
    k = len(coef)
    costs = job.loss.matrix(k) if job.loss.name == "crammer_singer" else 1.0 - np.eye(k)
    products = coef @ coef.T
    squares = np.diag(products)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * products, 0.0))
    np.fill_diagonal(apart, 0.0)
    widths: FloatArray = np.divide(costs + costs.T, apart, out=np.full((k, k), np.inf), where=apart > 0.0)
    return widths


def multipliers(
    X: Any, jobs: Sequence[Job], solution: Solution, coef: FloatArray, intercept: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Signs y, multipliers a >= 0 and scores z, each of shape (problems, n).

    With the mean loss and a strength ``alpha`` the weights are ``sum_i a_i y_i x_i``, ``a = -y u p / alpha`` for slopes
    u: the multipliers of ``C sum s_i loss_i + |w|^2 / 2``.
    """
    known = [scores for scores in solution.scores if scores is not None]
    if len(known) == len(jobs):
        Z = np.stack(known)
    else:
        Z = np.ascontiguousarray(np.asarray(X @ coef.T, dtype=np.float64).T + intercept[:, None])
    signs, amounts = np.empty_like(Z), np.empty_like(Z)
    for row, job in enumerate(jobs):
        u = scalar_slopes(job, Z[row], solution.duals[row], bool(np.any(intercept)))
        signs[row] = job.y
        amounts[row] = np.maximum(-job.y * u, 0.0) * job.p / _strength(job)
    return signs, amounts, Z


def _strength(job: Job) -> float:
    return float(job.penalty.l2) or float(job.penalty.l1)
