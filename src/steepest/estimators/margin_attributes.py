"""What margin models show beside their coefficients: multipliers of the rows, and a constant feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.certify.balance import shrunk
from steepest.estimators.fitting import Job, Solution
from steepest.kernels import fenchel, passes
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


def multipliers(
    X: Any, jobs: Sequence[Job], solution: Solution, coef: FloatArray, intercept: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Signs y, multipliers a >= 0 and scores z, each of shape (problems, n).

    With the mean loss and a strength ``alpha`` the weights are ``sum_i a_i y_i x_i``, ``a = -y u p / alpha`` for slopes
    u: the multipliers of ``C sum s_i loss_i + |w|^2 / 2``.  A problem of all classes at once has a score a class, and
    multipliers that its solver proposed with their signs.
    """
    Z = np.ascontiguousarray(np.asarray(X @ coef.T, dtype=np.float64).T + intercept[:, None])
    signs, amounts = np.empty_like(Z), np.empty_like(Z)
    if len(jobs) == 1 and jobs[0].n_outputs > 1:
        job, k = jobs[0], jobs[0].n_outputs
        signs[:] = np.where(np.asarray(job.y)[None, :] == np.arange(k)[:, None], 1.0, -1.0)
        proposed = solution.duals[0]
        u = np.zeros((len(job.p), k)) if proposed is None else proposed
        amounts[:] = np.maximum(-signs * (u * job.p[:, None]).T / _strength(job), 0.0)
        return signs, amounts, Z
    for row, job in enumerate(jobs):
        u = scalar_slopes(job, Z[row], solution.duals[row], bool(np.any(intercept)))
        signs[row] = job.y
        amounts[row] = np.maximum(-job.y * u, 0.0) * job.p / _strength(job)
    return signs, amounts, Z


def _strength(job: Job) -> float:
    return float(job.penalty.l2) or float(job.penalty.l1)
