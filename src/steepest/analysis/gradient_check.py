"""Whether a gradient is the gradient of a function: which coordinate is wrong, and Taylor's test.

Each coordinate is compared with differences of the values; at a kink any number between the slopes of the two sides
is right.  And along random directions the remainder of Taylor's formula is watched,

    r(h) = |f(x + h v) - f(x) - h g'v|,

which falls like ``h^2`` where g is the gradient and like ``h`` where it is not: the order is the slope of ``log r``
against ``log h``, 2 against 1, as far down as rounding lets it be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from steepest.analysis.functions import Function, as_functions, point
from steepest.analysis.noise import noise
from steepest.exceptions import InvalidParameterError
from steepest.protocols import AnyArray, FloatArray

_ORDER = 1.35  # between the order of a wrong gradient, 1, and that of |x|^1.5


@dataclass(frozen=True, slots=True, eq=False)
class GradientCheck:
    """What `check_gradient` found; ``ok`` where no coordinate is wrong and Taylor's test holds.

    Parameters
    ----------
    ok : bool
    worst : int
        The coordinate that is furthest off, relative to the gradient's size.
    got, expected : float
        Its entry in the gradient and the difference quotient.
    error : float
        Relative error of the worst coordinate.
    wrong : array of int
        All coordinates that are wrong.
    checked : array of int
        Those that were compared, all of them up to ``most``.
    kinks : array of int
        Coordinates along which f has a kink at x.
    order : float
        How fast Taylor's remainder falls: 2 for a gradient, 1 for a wrong one; inf where rounding is all there is.
    steps, remainders : array
        h and r(h) of the direction of the lowest order.
    hint : str
        What kind of mistake it looks like, where that shows.
    """

    name: str
    ok: bool
    x: FloatArray
    worst: int
    got: float
    expected: float
    error: float
    wrong: AnyArray
    checked: AnyArray
    kinks: AnyArray
    order: float
    steps: FloatArray
    remainders: FloatArray
    hint: str

    def __str__(self) -> str:
        n = len(self.checked)
        head = f"{self.name}: the gradient is {'right' if self.ok else 'wrong'}"
        worst = f"coordinate {self.worst}: {self.got:.8g}, differences give {self.expected:.8g}"
        if len(self.wrong):
            lines = [f"  {len(self.wrong)} of {n} coordinates are off; worst {worst} (relative error {self.error:.2g})"]
        else:
            lines = [f"  {n} coordinates agree; worst {worst} (relative error {self.error:.2g})"]
        if len(self.kinks):
            lines.append(f"  at a kink along {len(self.kinks)} coordinates, where any slope between the sides is right")
        if math.isinf(self.order):
            lines.append("  Taylor: nothing remains but rounding")
        else:
            means = "at a kink 1 is usual" if len(self.kinks) else "a gradient has 2, a wrong one 1"
            lines.append(f"  Taylor: the remainder falls like h^{self.order:.2f}; {means}")
        return "\n".join([head, *lines, *([f"  {self.hint}"] if self.hint else [])])


def check_gradient(
    fun: Any,
    grad: Any = None,
    x: Any = None,
    *,
    tol: float = 1e-6,
    most: int = 500,
    n_directions: int = 3,
    n_points: int = 20,
    rng: Any = 0,
) -> GradientCheck:
    """Compare a gradient with differences of the function.

    Parameters
    ----------
    fun : callable, loss or problem
        ``fun(x)``; or a loss of steepest by name or value, or the problem of a linear model, whose own gradient is
        checked.
    grad : callable or True
        x to the gradient; True where ``fun`` returns ``(value, gradient)``.
    x : array, optional
        Where.  Needed for a Python function; losses and problems are checked at random points without it.
    tol : float
        Relative error that is allowed to a coordinate, beside that of the differences themselves.
    most : int
        Coordinates that are compared; of more, so many are drawn.
    n_directions : int
        Random directions of Taylor's test.
    n_points : int
        Random points for a loss or a problem where no x is given.
    rng : int or numpy.random.Generator

    Returns
    -------
    GradientCheck
        Of several points or targets the first that is wrong, or the one with the largest error.

    Notes
    -----
    Cost: 4 values a coordinate and about 20 a direction.

    Examples
    --------
    >>> fun = lambda x: x[0] ** 2 + x[0] * x[1] ** 3
    >>> check_gradient(fun, lambda x: [2 * x[0] + x[1] ** 3, 3 * x[0] * x[1] ** 2], [1.0, 2.0]).ok
    True
    >>> print(check_gradient(fun, lambda x: [2 * x[0] + x[1] ** 3, x[0] * x[1] ** 2], [1.0, 2.0]))
    the function: the gradient is wrong
      1 of 2 coordinates are off; worst coordinate 1: 4, differences give 12 (relative error 0.67)
      Taylor: the remainder falls like h^1.00; a gradient has 2, a wrong one 1
      the wrong coordinates are 0.333333 times what they should be
    >>> check_gradient("logistic").ok
    True
    """
    if not (math.isfinite(tol) and tol > 0.0):
        raise InvalidParameterError(f"tol: expected a positive number, got {tol!r}. Try 1e-6.")
    for name, count in (("most", most), ("n_directions", n_directions), ("n_points", n_points)):
        if not (isinstance(count, int | np.integer) and count >= 1):
            raise InvalidParameterError(f"{name}: expected an integer of at least 1, got {count!r}. Try 20.")
    own = not callable(fun) or isinstance(fun, type) or (grad is None and callable(getattr(fun, "grad", None)))
    if not own and grad is None:
        raise InvalidParameterError("grad: expected the gradient of fun, got None. Give a function, or True.")
    if not own and x is None:
        raise InvalidParameterError("x: expected the point at which to check, got None. Give an array.")
    rng = np.random.default_rng(rng)
    found = []
    for f in as_functions(fun, grad, x=None if own else x):
        if x is not None:
            places = [point(x, f.size)]
        else:
            widths = rng.choice([0.1, 1.0, 3.0], n_points)
            places = [f.centre + width * rng.standard_normal(f.size) for width in widths]
        for at in places:
            result = _check(f, at, tol, most, n_directions, rng)
            if not result.ok:
                return result
            found.append(result)
    return max(found, key=lambda result: result.error)


def _check(
    f: Function, x: FloatArray, tol: float, most: int, n_directions: int, rng: np.random.Generator
) -> GradientCheck:
    g, value = f.gradient(x), f.value(x)
    if not math.isfinite(value):
        raise InvalidParameterError(f"x: expected a point where f is finite, got f = {value}. Move it.")
    chosen = np.arange(f.size) if f.size <= most else np.sort(rng.choice(f.size, most, replace=False))
    quotients = np.array([_sides(f, x, int(i), value) for i in chosen])
    low, high, middle, slack, kinked = quotients.T
    got = g[chosen]
    scale = float(np.max(np.abs(middle)[np.isfinite(middle)], initial=0.0))
    miss = np.maximum(np.maximum(low - got, got - high), 0.0)
    miss = np.where(np.isnan(got), np.inf, np.where(np.isfinite(middle), miss, 0.0))
    bad = miss > slack + tol * (np.abs(middle) + 1e-3 * scale)
    relative = miss / np.maximum(np.maximum(np.abs(middle), 1e-3 * scale), slack + 1e-300)
    order, defect, steps, remainders = _taylor(f, x, g, value, tol, n_directions, rng)
    j = int(np.argmax(np.where(bad, relative, -1.0) if np.any(bad) else relative))
    kinks = chosen[kinked > 0.0]
    falls = order > _ORDER or defect <= tol
    ok = not np.any(bad) and (len(kinks) > 0 or falls)
    hint = _hint(got, middle, bad)
    if not np.any(bad) and not ok:
        hint = "no compared coordinate is off, yet the remainder falls too slowly: another one is, or f has a kink at x"
    return GradientCheck(
        f.name,
        ok,
        x,
        int(chosen[j]),
        float(got[j]),
        float(middle[j]),
        float(relative[j]),
        chosen[bad],
        chosen,
        kinks,
        order,
        steps,
        remainders,
        hint,
    )


def _sides(f: Function, x: FloatArray, i: int, value: float) -> tuple[float, float, float, float, float]:
    """Bounds on the slope along a coordinate, their middle, the error of differences, and 1 at a kink."""

    def at(t: float) -> float:
        moved = x.copy()
        moved[i] += t
        return f.value(moved)

    h = f.step(x[i])
    h = float((x[i] + h) - x[i])
    up, down, up2, down2 = at(h), at(-h), at(2.0 * h), at(-2.0 * h)
    near, far = (up - down) / (2.0 * h), (up2 - down2) / (4.0 * h)
    right, left = (up - value) / h, (value - down) / h
    # sums of many terms round worse than their total shows
    rounding = 16.0 * f.precision * (abs(value) + abs(up) + abs(down)) / h
    jump, wide = abs(right - left), abs((up2 - value) - (value - down2)) / (2.0 * h)
    # between one side's slope and the other's lies h f'' where f is smooth, and what does not shrink with h at a kink
    kink = jump > 0.75 * wide and jump > 1e-3 * (abs(right) + abs(left)) + 4.0 * rounding
    middle = (4.0 * near - far) / 3.0
    slack = abs(near - far) + rounding
    if kink:
        slack = abs(right - (up2 - value) / (2.0 * h)) + abs(left - (value - down2) / (2.0 * h)) + rounding
        return min(left, right), max(left, right), near, slack, 1.0
    return middle, middle, middle, slack, 0.0


def _taylor(
    f: Function, x: FloatArray, g: FloatArray, value: float, tol: float, n: int, rng: np.random.Generator
) -> tuple[float, float, FloatArray, FloatArray]:
    """The lowest order among random directions, the slope that is missing there, the steps and the remainders."""
    size = max(1.0, float(np.linalg.norm(x)))
    steps: FloatArray = size * 0.1 * 0.5 ** np.arange(24, dtype=np.float64)
    worst: tuple[float, float, FloatArray, FloatArray] = math.inf, 0.0, steps, np.zeros(len(steps))
    for _ in range(n):
        v = rng.standard_normal(f.size)
        v /= np.linalg.norm(v)
        slope = float(g @ v)
        if not math.isfinite(slope):
            return 0.0, math.inf, steps, np.full(len(steps), np.nan)
        values = np.array([f.value(x + h * v) for h in steps], dtype=np.float64)
        remainders: FloatArray = np.abs(values - value - steps * slope)
        rounding = min(noise(_line(f, x, v), size), abs(value) * 1e-6)
        terms = abs(value) + steps * float(np.abs(g) @ np.abs(v))
        floor: FloatArray = 50.0 * (rounding + f.precision * terms)
        clear = np.isfinite(remainders) & (remainders > floor)
        seen = np.flatnonzero(clear[:-1] & clear[1:])
        seen = seen[: int(np.argmin(np.append(clear, False)))]  # up to where rounding begins
        if len(seen) < 3:
            continue
        last = seen[-7:]  # where terms of h^2 and h^3 cancel, two of them say nothing
        order = float(np.median(np.log2(remainders[last] / remainders[last + 1])))
        if order < worst[0]:
            # a wrong gradient misses a slope however small the step; what a kink nearby adds is gone there
            steep = max(float(np.linalg.norm(g)), 1e-3 * float(np.max((np.abs(values - value) / steps)[clear])))
            shows = np.flatnonzero(tol * steep * steps > floor)
            k = int(shows[-1]) if len(shows) else int(last[-1])
            worst = order, float(remainders[k] / steps[k]) / steep, steps, remainders
    return worst


def _line(f: Function, x: FloatArray, v: FloatArray) -> Callable[[float], float]:
    return lambda t: f.value(x + t * v)


def _hint(got: FloatArray, expected: FloatArray, bad: Any) -> str:
    """A mistake that many make, where the numbers look like one."""
    if not np.any(bad):
        return ""
    if np.any(np.isnan(got[bad])):
        return "the gradient has NaN entries"
    g, e = got[bad], expected[bad]
    usable = np.abs(e) > 1e-8 * float(np.abs(e).max(initial=0.0))
    if not np.any(g):
        return "the wrong coordinates are all zero: forgotten?"
    if np.any(usable):
        ratios = g[usable] / e[usable]
        if float(np.ptp(ratios)) <= 1e-4 * float(np.abs(ratios).max()):
            ratio = float(np.median(ratios))
            near = Fraction(ratio).limit_denominator(12)
            plain = abs(near.numerator) <= 12 and abs(float(near) - ratio) <= 1e-5 * abs(ratio)
            if len(ratios) == 1 < len(got) and not plain:  # any number is some multiple of another
                return ""
            sign = ": the sign is wrong" if abs(ratio + 1.0) < 1e-4 else ""
            return f"the wrong coordinates are {ratio:.6g} times what they should be{sign}"
    if len(g) > 1 and np.allclose(np.sort(g), np.sort(e), rtol=1e-4, atol=1e-6 * float(np.abs(e).max())):
        return "the wrong coordinates have each other's values: the order is mixed up"
    return ""
