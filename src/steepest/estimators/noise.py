"""The Gaussian view of least squares: the variance of the noise, and that of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh

from steepest.data.source import as_source
from steepest.estimators.targets import Weights
from steepest.exceptions import DataError
from steepest.protocols import FloatArray

LARGEST = 2000  # features up to which the (d, d) matrix of second moments is kept


@dataclass(slots=True)
class Noise:
    """What predictions with a standard deviation need.

    Attributes
    ----------
    sigma : array of shape (t,)
        Standard deviation of the noise of each target; nan without degrees of freedom.
    rank : int
    total : float
        Sum of the weights.
    mean : array of shape (d,) or None
        The weighted mean row, None without intercept.
    root : array of shape (d, rank) or None
        ``root root^T = (X_c^T diag(s) X_c)^+``; None above `LARGEST` features.
    """

    sigma: FloatArray
    rank: int
    total: float
    mean: FloatArray | None
    root: FloatArray | None

    def deviation(self, X: Any, like: FloatArray) -> FloatArray:
        """Standard deviation of a new observation at each row, of the shape of ``like``."""
        if self.root is None:
            raise DataError(f"return_std: offered up to {LARGEST} features. Use sigma_, that of the noise alone.")
        if np.isnan(self.sigma).any():
            raise DataError("return_std: no degrees of freedom are left to estimate the noise. Add rows.")
        rows = X if sp.issparse(X) else np.asarray(X, dtype=np.float64)
        projected = np.asarray(rows @ self.root)
        own = 0.0
        if self.mean is not None:
            projected = projected - self.mean @ self.root
            own = 1.0 / self.total
        factor = np.sqrt(1.0 + own + np.einsum("ij,ij->i", projected, projected))
        deviation: FloatArray = factor * self.sigma[0] if like.ndim == 1 else factor[:, None] * self.sigma
        return deviation


def estimate_noise(X: Any, weights: Weights, half_mean_squares: Sequence[float], intercept: bool) -> Noise:
    """Noise of each target from the least objective ``sum p r^2 / 2``.

    Cost: one weighted Gram matrix of the rows, ``n d^2 / 2``, and an eigendecomposition ``O(d^3)``, where
    ``d <= LARGEST``.  The rank counts eigenvalues above ``d`` units of rounding of the largest.

    Parameters
    ----------
    X : array or CSR matrix, validated
    weights : Weights
    half_mean_squares : sequence of float
        Objective values at the minimiser.
    intercept : bool
    """
    n, d = X.shape
    root = mean = None
    rank = min(d, int(np.count_nonzero(weights.p)) - intercept)
    if d <= LARGEST:
        source = as_source(X)
        G = source.gram(weights.p)
        moments = G[d, :d].copy()
        G = np.array(G[:d, :d], dtype=np.float64)
        if intercept:
            mean = moments
            G -= np.outer(mean, mean)
        scale = np.sqrt(np.maximum(np.diag(G), 0.0))
        scale[scale == 0.0] = 1.0
        values, vectors = eigh(G / np.outer(scale, scale), check_finite=False)
        kept = values > max(values[-1], 0.0) * max(n, d) * np.finfo(X.dtype).eps
        rank = int(np.count_nonzero(kept))
        root = (vectors[:, kept] / np.sqrt(values[kept])) / scale[:, None] / np.sqrt(weights.total)
    freedom = weights.total - rank - intercept
    squares = 2.0 * weights.total * np.maximum(np.asarray(half_mean_squares), 0.0)
    sigma = np.sqrt(squares / freedom) if freedom > 0.0 else np.full(len(squares), np.nan)
    return Noise(sigma, rank, weights.total, mean, root)
