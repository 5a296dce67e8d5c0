"""A bound of the spectral norm of a matrix that costs a few products with it."""

from __future__ import annotations

import math

import numpy as np

from steepest.protocols import AnyArray

SMALL = 32  # smaller sides up to this get their exact norm
COLUMNS = 8  # each makes it ten times less likely that the bound fails
POWER = 8
_ALPHA = 10.0
_SLACK = 1.001  # rounding of products in float32


def norm_bound(matrix: AnyArray, seed: int = 0) -> float:
    """At least ``||V||_2``: exact for a side of at most 32, else by powers of ``V'V`` on random vectors.

    For standard normal vectors ``w_1 .. w_r`` and any fixed matrix B, ``||B|| <= 10 sqrt(2 / pi) max_i ||B w_i||``
    fails with probability at most ``10^-r``.  With ``B = (V'V)^q`` the root of order 2q brings the factor 8 down to
    1.14 (q = 8, r = 8: it fails once in a hundred million).  Never above the Frobenius norm.

    Parameters
    ----------
    matrix : array of shape (n, k)
    seed : int
        Of the random vectors.

    Returns
    -------
    float
        nan where an entry is not finite.

    Notes
    -----
    ``32 r`` operations an entry, r = 8: a third of what a step of a batch of 128 costs.

    References
    ----------
    Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review 2011, lemma 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.random.default_rng(0).normal(size=(200, 100))
    >>> bool(1.0 <= norm_bound(V) / np.linalg.norm(V, 2) <= 1.3)
    True
    """
    wide = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    frobenius = float(np.linalg.norm(wide.astype(np.float64, copy=False)))
    if not math.isfinite(frobenius):
        return math.nan
    if frobenius < float(np.finfo(wide.dtype).tiny) * 2.0**8:  # its inverse is no number of this type
        return frobenius
    if wide.shape[1] <= SMALL:
        scaled = wide.astype(np.float64) / frobenius
        return frobenius * math.sqrt(max(float(np.linalg.eigvalsh(scaled.T @ scaled)[-1]), 0.0) * (1.0 + 1e-12))
    # Scaled to Frobenius norm 1: no power overflows, and each product is scaled again.
    unit = wide.dtype.type(1.0 / frobenius)
    block = np.random.default_rng(seed).standard_normal((wide.shape[1], COLUMNS)).astype(wide.dtype)
    logs = 0.0
    for _ in range(POWER):
        block = wide.T @ (wide @ (block * unit))
        block *= unit
        size = float(np.linalg.norm(block))
        if not size > 0.0:
            return frobenius
        logs += math.log(size)
        block /= wide.dtype.type(size)
    largest = float(np.sqrt(np.einsum("ij,ij->j", block, block).max()))
    power = (math.log(_ALPHA * math.sqrt(2.0 / math.pi) * largest) + logs) / (2 * POWER)
    return min(frobenius, frobenius * math.exp(power) * _SLACK)
