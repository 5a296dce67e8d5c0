"""Extreme eigenvalues of a symmetric matrix that is known by its products with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

from steepest.protocols import FloatArray


class Pair(NamedTuple):
    """An eigenvalue and its unit vector; nan and zeros where the iteration did not settle."""

    value: float
    vector: FloatArray


def extreme_pair(
    product: Callable[[FloatArray], FloatArray],
    size: int,
    which: Literal["LM", "LA", "SA"],
    *,
    tol: float,
    restarts: int,
    seed: int = 0,
) -> Pair:
    """The eigenvalue of largest size (LM), the largest (LA) or the smallest (SA), by restarted Lanczos.

    A Ritz value lies inside the spectrum: a smallest eigenvalue comes out too large if anything, a largest one too
    small.  Cost: up to 20 products a restart.

    Parameters
    ----------
    product : callable
        v to H v.
    size : int
        At least 2.
    which : {"LM", "LA", "SA"}
    tol : float
        Relative accuracy of the value.
    restarts : int
    seed : int
        Of the random start.

    Examples
    --------
    >>> H = np.diag(np.arange(-3.0, 10.0))
    >>> round(extreme_pair(lambda v: H @ v, 13, "SA", tol=1e-9, restarts=50).value, 6)
    -3.0
    """
    operator = LinearOperator((size, size), matvec=lambda v: product(np.ravel(v)), dtype=np.float64)
    start = np.random.default_rng(seed).standard_normal(size)
    try:
        values, vectors = eigsh(operator, k=1, which=which, v0=start, tol=tol, maxiter=restarts)
    except ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
    except ArpackError:
        return Pair(math.nan, np.zeros(size))
    return Pair(float(values[0]), vectors[:, 0].copy()) if len(values) else Pair(math.nan, np.zeros(size))
