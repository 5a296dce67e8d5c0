"""The ends of a Hessian's spectrum: dense for few parameters, Lanczos for many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steepest.analysis.functions import Function
from steepest.problems.lanczos import Pair, extreme_pair
from steepest.protocols import FloatArray

DENSE = 200  # parameters up to which the Hessian is formed
DENSE_VALUES = 40  # the same where gradients come from differences of values


class Ends(NamedTuple):
    """Smallest and largest eigenvalue with their vectors; all of them where the Hessian was formed.

    ``error`` is what differences and rounding may have done to an eigenvalue: the asymmetry that they left, their
    order of size, and the change that a step twice as long makes.
    """

    smallest: Pair
    largest: Pair
    values: FloatArray | None
    vectors: FloatArray | None
    error: float

    @property
    def size(self) -> float:
        """The largest absolute eigenvalue."""
        return max(abs(self.smallest.value), abs(self.largest.value))


def ends(f: Function, x: FloatArray, *, dense: int | None = None, tol: float = 1e-3, restarts: int = 300) -> Ends:
    """The ends of the spectrum of the Hessian of f at x.

    Cost: one Hessian-vector product a parameter up to ``dense`` parameters; else up to 20 a restart of Lanczos.
    NaN where a Hessian is not finite or Lanczos does not settle.

    Examples
    --------
    >>> from steepest.analysis.functions import as_functions
    >>> (f,) = as_functions(lambda x: x[0] ** 2 - 3.0 * x[1] ** 2, dim=2)
    >>> found = ends(f, np.ones(2))
    >>> round(found.smallest.value, 4), round(found.largest.value, 4)
    (-6.0, 2.0)
    """
    limit = dense if dense is not None else (DENSE if f.slope is not None else DENSE_VALUES)
    if f.size <= max(limit, 2):
        H = np.column_stack([f.hvp(x, e) for e in np.eye(f.size)])
        if not np.all(np.isfinite(H)):
            nowhere = Pair(np.nan, np.zeros(f.size))
            return Ends(nowhere, nowhere, None, None, np.inf)
        values, vectors = np.linalg.eigh(0.5 * (H + H.T))
        top = float(np.abs(values).max())
        error = max(float(np.linalg.norm(H - H.T)), _relative_error(f) * top) + _absolute_error(f, x)
        first, last = Pair(float(values[0]), vectors[:, 0]), Pair(float(values[-1]), vectors[:, -1])
        return Ends(first, last, values, vectors, max(error, _curving(f, x, first, last)))
    low = extreme_pair(lambda v: f.hvp(x, v), f.size, "SA", tol=tol, restarts=restarts)
    high = extreme_pair(lambda v: f.hvp(x, v), f.size, "LA", tol=tol, restarts=restarts)
    if not (np.isfinite(low.value) and np.isfinite(high.value)):
        return Ends(low, high, None, None, np.inf)
    error = max(_relative_error(f), tol * 1e-3) * max(abs(low.value), abs(high.value)) + _absolute_error(f, x)
    return Ends(low, high, None, None, max(error, _curving(f, x, low, high)))


def _curving(f: Function, x: FloatArray, *pairs: Pair) -> float:
    if f.product is not None:
        return 0.0
    return max(abs(float(p.vector @ (f.hvp(x, p.vector, 2.0) - f.hvp(x, p.vector)))) for p in pairs)


def _relative_error(f: Function) -> float:
    """Of a Hessian-vector product, relative to the largest eigenvalue."""
    if f.product is not None:
        return 1e-10
    return float(f.precision ** (2.0 / 3.0 if f.slope is not None else 4.0 / 9.0))


def _absolute_error(f: Function, x: FloatArray) -> float:
    """Of a Hessian-vector product by differences: the rounding of what is differenced, over the step."""
    if f.product is not None:
        return 0.0
    reach = max(1.0, float(np.linalg.norm(x)))
    if f.slope is not None:
        size = float(np.linalg.norm(f.gradient(x)))
        return float(f.precision ** (2.0 / 3.0) * size / reach)
    return float(4.0 * f.precision ** (4.0 / 9.0) * abs(f.value(x)) / reach**2)
