"""The widest margin without an error, and the proof that there is none.

A soft margin with C above the largest multiplier is the hard one, so C grows until that is proven.  Multipliers a >= 0
of any soft margin, with ``v = sum a_i y_i x_i`` and, with an intercept, ``sum a_i y_i = 0``, bound the hard one by weak
duality, for ``t a`` is feasible too for every t > 0:

    1/2 |w|^2  >=  max_t  t sum a - t^2 |v|^2 / 2  =  (sum a)^2 / (2 |v|^2)      for all w with  y_i z_i >= 1,

so no margin 2 / |w| is wider than ``2 |v| / sum a``.  Where the classes are not separable that falls to zero.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, NoReturn

import numpy as np

from steepest.certify.balance import shrunk
from steepest.exceptions import DataError
from steepest.protocols import Certificate, FloatArray, Status

C_STEPS = (1e2, 1e4, 1e6, 1e8, 1e10)


class Hard(NamedTuple):
    """A hyperplane with margins of at least 1 and its certificate, or None; the widest margin that there may be."""

    w: FloatArray
    b: float
    certificate: Certificate | None
    width: float


def judged(X: Any, y: FloatArray, w: FloatArray, b: float, a: FloatArray, tol: float, intercept: bool) -> Hard:
    """The point of a soft margin, scaled until every margin is at least 1, against the bound of its multipliers."""
    signed = y * a
    if intercept:  # multipliers of one class alone come to nothing: they bound no margin
        signed = shrunk(signed, np.ones(len(signed)))
    v = np.asarray(X.T @ signed, dtype=np.float64).ravel()
    total, length = float(np.abs(signed).sum()), float(np.linalg.norm(v))
    width = 2.0 * length / total if total > 0.0 else math.inf
    least = float((y * (np.asarray(X @ w).ravel() + b)).min())
    if not least > 0.0:
        return Hard(w, b, None, width)
    w, b = w / least, b / least
    primal = 0.5 * float(w @ w)
    dual = 2.0 / width**2 if width > 0.0 else math.inf
    gap = max(primal - dual, 0.0)
    relative = gap / dual if dual > 0.0 else math.inf
    if not relative <= tol:
        return Hard(w, b, None, width)
    reason = f"the margin is within {relative:.2g} of the widest (of |w|^2 / 2); {tol:g} was asked"
    certificate = Certificate(
        "duality_gap", gap, relative, tol, relative <= tol, "suboptimality", primal, dual, Status.CERTIFIED, reason
    )
    return Hard(w, b, certificate, width)


def refuse(width: float) -> NoReturn:
    """The error for classes that are not separable, with what is proven."""
    raise DataError(
        f"y: hard_margin needs classes that a hyperplane separates; no separating one was found, and none can have a "
        f"margin wider than {width:.3g} (proven by weak duality). Use a soft margin: LinearSVC(C=...)."
    )
