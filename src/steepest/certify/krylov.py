"""A symmetric matrix that is known by its products, seen through a Krylov space.

Lanczos' method from a vector b builds an orthonormal basis V of ``span(b, H b, ..., H^(m-1) b)`` with ``V' H V``
tridiagonal.  Its eigenvalues (Ritz values) lie inside the spectrum of H, so none of them is below the smallest
curvature.  How far above it the lowest of them can be, from a random b, is known (Kuczynski and Wozniakowski 1992,
SIAM J. Matrix Anal. Appl. 13, theorem 4.2): with ``R = lam_max - lam_min`` and d rows,

    P(theta_min - lam_min > eps R) <= 1.648 sqrt(d) exp(-sqrt(eps) (2m - 1)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from steepest.protocols import FloatArray

_EPS = 2.0**-52
CHANCE = 1e-3  # that a floor is wrong


class Krylov(NamedTuple):
    """What m products tell.

    Attributes
    ----------
    values : array of shape (m,)
        Ritz values, ascending.
    basis : array of shape (m, d)
        Orthonormal rows.
    axes : array of shape (m, m)
        Columns: the Ritz vectors in that basis.
    products : int
    complete : bool
        Whether the space is invariant: the values are eigenvalues then.
    """

    values: FloatArray
    basis: FloatArray
    axes: FloatArray
    products: int
    complete: bool

    def vector(self, i: int) -> FloatArray:
        """The Ritz vector of ``values[i]``, of unit length."""
        return self.axes[:, i] @ self.basis

    def slopes(self, g: FloatArray) -> FloatArray:
        """A vector along the Ritz vectors."""
        return (self.basis @ g) @ self.axes


def krylov(product: Callable[[FloatArray], FloatArray], start: FloatArray, most: int) -> Krylov | None:
    """Lanczos' method with full orthogonalisation; None where a product is not finite or the start is zero.

    Cost: ``most`` products at most and ``4 most^2 d`` operations; ``most`` vectors are kept.

    Examples
    --------
    >>> H = np.diag([-1.0, 2.0, 5.0])
    >>> seen = krylov(lambda v: H @ v, np.ones(3), 10)
    >>> seen.values.round(12).tolist(), seen.products, seen.complete
    ([-1.0, 2.0, 5.0], 3, True)
    """
    d = len(start)
    most = min(most, d)
    length = float(np.linalg.norm(start))
    if most == 0 or not 0.0 < length < math.inf:
        return None
    basis = np.empty((most, d))
    basis[0] = start / length
    diagonal, beside = np.zeros(most), np.zeros(most)
    size, complete = 0.0, False
    m = most
    for k in range(most):
        u = product(basis[k])
        if not np.all(np.isfinite(u)):
            return None
        diagonal[k] = float(basis[k] @ u)
        for _ in range(2):
            u = u - (basis[: k + 1] @ u) @ basis[: k + 1]
        beside[k] = float(np.linalg.norm(u))
        size = max(size, abs(diagonal[k]) + beside[k])
        if beside[k] <= 64.0 * _EPS * math.sqrt(d) * size or k + 1 == d:
            m, complete = k + 1, True
            break
        if k + 1 < most:
            basis[k + 1] = u / beside[k]
    tridiagonal = np.diag(diagonal[:m]) + np.diag(beside[: m - 1], 1) + np.diag(beside[: m - 1], -1)
    values, axes = np.linalg.eigh(tridiagonal)
    return Krylov(values, basis[:m], axes, m, complete)


def floor_of(seen: Krylov, size: int, chance: float = CHANCE) -> float:
    """A number that no curvature is below, but for ``chance``; ``seen`` began at a random vector.

    ``theta_min - eps r / (1 - 2 eps)`` with the range r of the Ritz values, which eps bounds at both ends.  -inf where
    the products were too few to say.
    """
    low, high = float(seen.values[0]), float(seen.values[-1])
    if seen.complete:
        return low
    eps = (math.log(2.0 * 1.648 * math.sqrt(size) / chance) / (2 * seen.products - 1)) ** 2
    return low - eps * (high - low) / (1.0 - 2.0 * eps) if eps < 0.5 else -math.inf
