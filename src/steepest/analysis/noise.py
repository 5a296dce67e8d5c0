"""How much of a function's value is rounding, measured from its values alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

EPS = 2.0**-52
_POINTS = 9


def noise(along: Callable[[float], float], scale: float = 1.0, spread: float = 0.0) -> float:
    """The standard deviation of the rounding in ``along(t)`` near t = 0; 0 where none is seen.

    Values at nine points close together differ by rounding and by next to nothing else: the k-th differences of a
    smooth function are of the size of ``h^k``, those of independent errors of deviation s have mean square
    ``s^2 (2k)! / (k!)^2``.  Where a kink is that near, the estimate is too large, never too small.

    Source: Moré and Wild (2011), Estimating computational noise, SIAM J. Sci. Comput. 33.

    Parameters
    ----------
    along : callable
        A function of one number.
    scale : float
        The size of t that counts as 1.
    spread : float
        Distance of the points over ``scale``; 0 seeks one that moves the value, from 1e-9 to 1e-4.

    Examples
    --------
    >>> 1e-17 < noise(lambda t: math.exp(0.3 + t)) < 1e-15
    True
    >>> 1e-8 < noise(lambda t: float(np.float32(math.exp(0.3 + t)))) < 1e-6
    True
    """
    steps = (spread,) if spread else (1e-9, 1e-7, 1e-5, 1e-4)
    for step in steps:
        values = np.array([along(step * scale * k) for k in range(-(_POINTS // 2), _POINTS // 2 + 1)])
        if not np.all(np.isfinite(values)):
            return math.inf
        if len(np.unique(values)) > _POINTS // 2:
            break
    table, estimates = values, []
    for k in range(1, 7):
        table = np.diff(table)
        if k >= 4:
            gamma = math.factorial(k) ** 2 / math.factorial(2 * k)
            estimates.append(math.sqrt(gamma * float(np.mean(table**2))))
    return max(estimates)
