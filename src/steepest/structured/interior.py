"""An interior point method for the dual of a structured SVM over few planes: immune to what slows steps down."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from steepest.protocols import AnyArray, FloatArray

ROUNDS = 60
INSIDE = 0.99  # of the way to the boundary
BLEND = 0.1  # of the centre in the start


def simplex_program(
    A: FloatArray, b: FloatArray, alpha: float, at: AnyArray, totals: FloatArray, weights: FloatArray, enough: float
) -> FloatArray:
    """Weights that maximise ``b.a - |A'a|^2 / (2 alpha)``, with a >= 0 and the sum ``totals[i]`` where ``at == i``.

    A primal-dual method with Mehrotra's corrector, from a mean of ``weights`` and the centre.  Both residuals are zero
    at the start and stay so, for both sides take the same step; then ``a.z`` is the duality gap.  Its rounds depend
    little on how the columns of A are scaled or alike.

    Parameters
    ----------
    A : array of shape (m, s)
        Where s > m a factor of A A' of shape (m, m) does the same.
    b : array of shape (m,)
    alpha : float
    at : integer array of shape (m,)
    totals : array of shape (k,)
        Positive.
    weights : array of shape (m,)
        Feasible.
    enough : float
        The gap at which to stop.

    Returns
    -------
    array of shape (m,)
        Feasible but for rounding; all entries are positive.

    Notes
    -----
    A round costs O(m s^2 + s^3).  Newton's equations are those for ``u = A'da / alpha``::

        (alpha I + A'QA) u = A'Qh,   Q = T - T E (E'T E)^-1 E'T,   T = diag(a / z),   E the indicator of ``at``

    Source: Mehrotra (1992), On the implementation of a primal-dual interior point method.

    Examples
    --------
    >>> A, b = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])  # max a - a^2 / 4 with a in [0, 1]
    >>> simplex_program(A, b, 2.0, np.zeros(2, dtype=int), np.ones(1), np.array([1.0, 0.0]), 1e-9).round(6)
    array([0., 1.])
    """
    m, k = len(b), len(totals)
    centre = (totals / np.bincount(at, minlength=k))[at]
    a = (1.0 - BLEND) * weights + BLEND * centre
    g = b - A @ (A.T @ a) / alpha
    top = np.full(k, -np.inf)
    np.maximum.at(top, at, g)
    below = top[at] - g
    apart = float(a @ below) / float(totals.sum())
    z = below + (apart if apart > 0.0 else 1.0)
    eye = alpha * np.eye(A.shape[1])
    for _ in range(ROUNDS):
        gap = float(a @ z)
        if gap <= enough:
            break
        T = a / z
        S = np.bincount(at, T, k)
        mean = np.empty((k, A.shape[1]))
        TA = T[:, None] * A
        for j in range(A.shape[1]):
            mean[:, j] = np.bincount(at, TA[:, j], k)
        mean /= np.sqrt(S)[:, None]
        try:
            factor = cho_factor(eye + A.T @ TA - mean.T @ mean)
        except (LinAlgError, ValueError):  # rounding, or numbers that are not finite: what was reached stands
            break
        root = np.sqrt(S)

        def solved(h: FloatArray) -> tuple[FloatArray, FloatArray]:
            """The step of a, and the change of ``g - xi``."""
            Th = T * h  # noqa: B023
            right = TA.T @ h - mean.T @ (np.bincount(at, Th, k) / root)  # noqa: B023
            u = cho_solve(factor, right)  # noqa: B023
            rest = h - A @ u
            xi = np.bincount(at, T * rest, k) / S  # noqa: B023
            return T * (rest - xi[at]), A @ u + xi[at]  # noqa: B023

        da, dz = solved(-z)
        t = min(1.0, _longest(a, da), _longest(z, dz))
        aimed = float((a + t * da) @ (z + t * dz))
        mu = (aimed / gap) ** 3 * gap / m
        da, dz = solved((mu - da * dz) / a - z)
        t = min(1.0, INSIDE * _longest(a, da), INSIDE * _longest(z, dz))
        if not (t > 1e-10 and math.isfinite(float(da.sum() + dz.sum()))):
            break
        a = a + t * da
        z = z + t * dz
    return a


def _longest(values: FloatArray, step: FloatArray) -> float:
    falls = step < 0.0
    return float(np.min(values[falls] / -step[falls])) if falls.any() else np.inf
