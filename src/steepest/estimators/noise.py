"""The Gaussian view of least squares: the variance of the noise, and that of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.estimators.targets import Weights
from steepest.exceptions import DataError
from steepest.protocols import FloatArray
from steepest.solvers.closed_form import ridge_system

LARGEST = 1000  # features up to which the (d, d) covariance is kept


@dataclass(slots=True)
class Noise:
    """What predictions with a standard deviation need.

    Attributes
    ----------
    sigma : array of shape (t,)
        Standard deviation of the noise of each target; nan without degrees of freedom.
    rank : int
        Of the (centred) rows.
    total : float
        Sum of the weights.
    mean : array of shape (d,) or None
        The weighted mean row, None without intercept.
    spread : array of shape (d, d) or None
        ``(X_c^T diag(s) X_c)^+``; None above `LARGEST` features.
    """

    sigma: FloatArray
    rank: int
    total: float
    mean: FloatArray | None
    spread: FloatArray | None

    def deviation(self, X: Any, like: FloatArray) -> FloatArray:
        """Standard deviation of a new observation at each row, of the shape of ``like``: O(d^2) a row."""
        if self.spread is None:
            raise DataError(f"return_std: offered up to {LARGEST} features. Use sigma_, that of the noise alone.")
        if np.isnan(self.sigma).any():
            raise DataError("return_std: no degrees of freedom are left to estimate the noise. Add rows.")
        own = 0.0 if self.mean is None else 1.0 / self.total
        variance = np.empty(like.shape[0])
        for low in range(0, len(variance), 4096):
            rows = X[low : low + 4096]
            rows = rows.toarray() if sp.issparse(rows) else np.asarray(rows, dtype=np.float64)
            if self.mean is not None:
                rows = rows - self.mean
            variance[low : low + 4096] = 1.0 + own + np.einsum("ij,ij->i", rows @ self.spread, rows)
        factor = np.sqrt(np.maximum(variance, 0.0))
        deviation: FloatArray = factor * self.sigma[0] if like.ndim == 1 else factor[:, None] * self.sigma
        return deviation


@np.errstate(over="ignore", invalid="ignore")  # weights may sum to less than 1e-300
def estimate_noise(
    X: Any, weights: Weights, half_mean_squares: Sequence[float], intercept: bool, systems: Sequence[Any] = ()
) -> Noise:
    """Noise of each target from the least objective ``sum p r^2 / 2``.

    Cost: O(d^3) where the fit has factored a system, which knows the rank; else that system.

    Parameters
    ----------
    X : array or CSR matrix, validated
    weights : Weights
    half_mean_squares : sequence of float
        Objective values at the minimiser.
    intercept : bool
    systems : sequence
        What the closed form has factored, if it ran.
    """
    d = X.shape[1]
    spread = mean = None
    rank = min(d, int(np.count_nonzero(weights.p)) - intercept)
    if d <= LARGEST:
        system = systems[0] if systems else _factored(X, weights, intercept)
        rank = int(system.rank)
        spread = np.asarray(system.inverse(np.eye(d))) / weights.total
        mean = np.array(system.mean) if intercept else None
    freedom = weights.total - rank - intercept
    squares = 2.0 * weights.total * np.maximum(np.asarray(half_mean_squares), 0.0)
    sigma = np.sqrt(squares / freedom) if freedom > 0.0 else np.full(len(squares), np.nan)
    return Noise(sigma, rank, weights.total, mean, spread)


def _factored(X: Any, weights: Weights, intercept: bool) -> Any:
    system, _ = ridge_system(as_source(X), weights.p, 0.0, intercept)
    system.solve(np.zeros((X.shape[0], 1)))  # orthogonal factors are found with a target
    return system
