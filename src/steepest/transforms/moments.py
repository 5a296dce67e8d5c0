"""Means and scatter of columns, batch by batch, in float64.

Batches merge exactly (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance"): the scatter of
the union is the sum of the scatters plus that of the two means, so no difference of large numbers is taken and
columns far from zero lose no digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray

BLOCK_BYTES = 4 << 20  # of float64 rows converted at a time


@dataclass(slots=True)
class Moments:
    """What is known of the columns so far.

    Attributes
    ----------
    rows : int
        Rows seen.
    weight : float
        Sum of the weights, the number of rows where there are none.
    mean : array of shape (d,)
        Weighted means; zeros where moments are taken about zero.
    scatter : array of shape (d, d) or (d,)
        sum_i s_i (x_i - mean)(x_i - mean)^T, or its diagonal alone.
    """

    rows: int
    weight: float
    mean: FloatArray
    scatter: FloatArray

    def merged(self, other: Moments, center: bool) -> Moments:
        """Moments of both batches together; neither is changed."""
        weight = self.weight + other.weight
        if weight == 0.0:
            return self
        scatter = self.scatter + other.scatter
        if not center:
            return Moments(self.rows + other.rows, weight, self.mean, scatter)
        shift = other.mean - self.mean
        share = other.weight / weight
        between = shift * shift if scatter.ndim == 1 else np.outer(shift, shift)
        scatter += (self.weight * share) * between
        return Moments(self.rows + other.rows, weight, self.mean + share * shift, scatter)


def blocks(X: Any) -> Iterator[tuple[int, int]]:
    """Row ranges of a dense array whose float64 copies stay small."""
    n, d = X.shape
    step = max(16, BLOCK_BYTES // (8 * max(1, d)))
    for low in range(0, n, step):
        yield low, min(low + step, n)


def moments(X: Any, weights: FloatArray | None = None, *, center: bool = True, full: bool = True) -> Moments:
    """Moments of one batch.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, d), finite
    weights : array of shape (n,), optional
        Non-negative; a weight of 2 counts as two equal rows.
    center : bool
        About the mean, or about zero.
    full : bool
        The (d, d) scatter, n d^2 multiply-adds; otherwise its diagonal, n d.

    Returns
    -------
    Moments
    """
    n, d = X.shape
    weight = float(n) if weights is None else float(weights.sum())
    if sp.issparse(X):
        return _sparse(X, weights, weight, center, full)
    mean = np.zeros(d)
    if center:
        # a first mean of few digits, then that of what is left: the second sum cancels nothing
        for _ in range(2):
            left = np.zeros(d)
            for low, high in blocks(X):
                block = X[low:high].astype(np.float64) - mean
                left += block.sum(axis=0) if weights is None else weights[low:high] @ block
            mean = mean + left / weight
    scatter = np.zeros((d, d) if full else d)
    for low, high in blocks(X):
        block = X[low:high].astype(np.float64)
        if center:
            block -= mean
        if full:
            scatter += block.T @ (block if weights is None else block * weights[low:high, None])
        else:
            block *= block
            scatter += block.sum(axis=0) if weights is None else weights[low:high] @ block
    return Moments(n, weight, mean, scatter)


def _sparse(X: Any, weights: FloatArray | None, weight: float, center: bool, full: bool) -> Moments:
    """The same in O(non-zeros) for the diagonal, and without a dense copy of X for the scatter."""
    n, d = X.shape
    X = sp.csr_array(X, dtype=np.float64)
    s = np.ones(n) if weights is None else weights
    total = np.asarray(X.T @ s)
    mean = total / weight if center else np.zeros(d)
    if full:
        scaled = X if weights is None else sp.diags_array(np.sqrt(weights)) @ X
        product = (scaled.T @ scaled).toarray()
        return Moments(n, weight, mean, product - weight * np.outer(mean, mean))
    # stored entries about the mean, and the mean itself once for each entry that is not stored
    X.sum_duplicates()
    rows = np.repeat(np.arange(n), np.diff(X.indptr))
    about = X.data - mean[X.indices]
    scatter = np.bincount(X.indices, weights=s[rows] * about * about, minlength=d)
    stored = np.bincount(X.indices, weights=s[rows], minlength=d)
    return Moments(n, weight, mean, scatter + np.maximum(weight - stored, 0.0) * mean * mean)


def check_weights(sample_weight: Any, n: int) -> FloatArray | None:
    """Weights as float64, or None where there are none.

    Raises
    ------
    DataError
        Another length, a negative or non-finite number.
    """
    if sample_weight is None:
        return None
    weights: AnyArray = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n, float(weights))
    if weights.shape != (n,):
        raise DataError(f"sample_weight: expected shape ({n},), one number a row, got {weights.shape}.")
    if n and not weights.any():
        raise DataError("sample_weight: expected a positive sum, got weights that are all zero. Leave it out.")
    if not np.isfinite(weights).all() or weights.min(initial=0.0) < 0.0:
        raise DataError("sample_weight: expected finite numbers of at least 0. Remove those rows, or mend them.")
    return weights
