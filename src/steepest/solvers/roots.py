"""Roots of functions of one variable: Newton's method, and a secant that cannot leave its bracket."""

from __future__ import annotations

import math
from collections.abc import Callable

from steepest.exceptions import InvalidParameterError


def newton_root(
    function: Callable[[float], tuple[float, float]],
    x: float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    accuracy: float = 1e-12,
    most: int = 100,
) -> float:
    """A root of ``f`` by Newton's method, kept inside a bracket where one is given.

    Parameters
    ----------
    function : callable
        ``function(x) -> (f(x), f'(x))``.
    x : float
        The start.
    low, high : float
        A bracket: f changes its sign between them.  It shrinks with every step, and a Newton step that leaves
        it, or does not halve ``|f|``, is replaced by bisection, so that the method cannot fail.  Without a bracket it
        converges only from a start that is close enough.
    accuracy : float
        Stop where ``|f| <= accuracy``, or where x moves by less than rounding.
    most : int
        Steps at most.

    Returns
    -------
    float

    Notes
    -----
    Near a simple root the number of correct digits doubles in each step.

    Examples
    --------
    >>> print(round(newton_root(lambda x: (x * x - 2.0, 2.0 * x), 1.0), 12))
    1.414213562373
    """
    bracketed = math.isfinite(low) and math.isfinite(high)
    f, slope = function(x)
    rising = True
    if bracketed:
        f_low, f_high = function(low)[0], function(high)[0]
        if f_low * f_high > 0.0:
            raise InvalidParameterError(
                f"low, high: expected a bracket where f changes its sign, got f({low:g}) = {f_low:g} and "
                f"f({high:g}) = {f_high:g}. Widen it."
            )
        rising = f_high > f_low
    for _ in range(most):
        if abs(f) <= accuracy:
            return x
        if bracketed:
            if (f > 0.0) == rising:
                high = x
            else:
                low = x
        step = f / slope if slope != 0.0 else math.inf
        new = x - step
        if bracketed and not low < new < high:
            new = 0.5 * (low + high)
        if new == x or not math.isfinite(new):
            return x
        g, slope = function(new)
        if bracketed and not abs(g) <= 0.5 * abs(f):  # no progress to speak of: halve the bracket as well
            if (g > 0.0) == rising:
                high = min(high, new)
            else:
                low = max(low, new)
            new = 0.5 * (low + high)
            g, slope = function(new)
        x, f = new, g
    return x


def bracketed_root(
    function: Callable[[float], float],
    low: float,
    high: float,
    f_low: float,
    f_high: float,
    *,
    accuracy: float,
    most: int = 100,
) -> float:
    """A root of f between ``low`` and ``high``, where f has opposite signs, by regula falsi.

    The end that stays for two steps has its value halved (the Illinois rule: order 1.44), and a bracket that
    did not halve in three steps is bisected, so that the bracket shrinks at least that fast.  Stops where
    ``|f| <= accuracy`` or the bracket is down to rounding.

    Examples
    --------
    >>> print(round(bracketed_root(lambda x: x**3 - 2.0, 0.0, 2.0, -2.0, 6.0, accuracy=1e-13), 9))
    1.25992105
    """
    if abs(f_high) <= accuracy:
        return high
    side, width, slow = 0, high - low, 0
    t = high
    for _ in range(most):
        if high - low <= 4e-16 * max(abs(low), abs(high)):
            break
        if slow >= 3:
            t, slow, width = 0.5 * (low + high), 0, high - low
        else:
            t = high - f_high * (high - low) / (f_high - f_low)
            if not low < t < high:
                t = 0.5 * (low + high)
        f = function(t)
        if abs(f) <= accuracy:
            return t
        if (f > 0.0) == (f_high > 0.0):
            high, f_high = t, f
            if side == 1:
                f_low *= 0.5
            side = 1
        else:
            low, f_low = t, f
            if side == -1:
                f_high *= 0.5
            side = -1
        slow += 1
        if high - low <= 0.5 * width:
            slow, width = 0, high - low
    return t
