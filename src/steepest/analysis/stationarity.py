"""What kind of point this is: a minimum, a maximum, a saddle, one that second derivatives cannot tell, or none.

A point is *stationary* when a Newton step, ``|H|^-1 g`` with the absolute values of the eigenvalues, is short.  The
eigenvalues then decide: all positive, a minimum; all negative, a maximum; of both signs, a saddle.  With zeros among
eigenvalues of one sign the point is *degenerate*: values along the flat direction are looked at, and reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from steepest.analysis.functions import Function, as_functions, point
from steepest.analysis.noise import noise
from steepest.analysis.spectrum import Ends, ends
from steepest.analysis.words import vector
from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray

Kind = Literal["minimum", "maximum", "saddle", "degenerate", "not stationary"]
_FLAT = 1e-7  # eigenvalues below this share of the largest count as zero


@dataclass(frozen=True, slots=True, eq=False)
class StationaryPoint:
    """What `classify_point` found.

    Parameters
    ----------
    kind : {"minimum", "maximum", "saddle", "degenerate", "not stationary"}
        "minimum" and "maximum" are local, and strict.
    value, gradient_norm : float
    step : float
        The length of the Newton step that remains, over ``max(1, |x|)``.
    smallest, largest : float
        The ends of the Hessian's spectrum.
    lowest_direction, highest_direction : array
        Their unit vectors.
    eigenvalues : array or None
        All of them, where the Hessian was formed.
    falls : bool or None
        For a degenerate point: whether f falls along its lowest direction close to x.
    """

    name: str
    kind: Kind
    x: FloatArray
    value: float
    gradient_norm: float
    step: float
    smallest: float
    largest: float
    lowest_direction: FloatArray
    highest_direction: FloatArray
    eigenvalues: FloatArray | None
    falls: bool | None

    @property
    def n_negative(self) -> int | None:
        """How many eigenvalues are negative; None where only the ends are known."""
        if self.eigenvalues is None:
            return None
        return int(np.sum(self.eigenvalues < -_FLAT * float(np.abs(self.eigenvalues).max(initial=0.0))))

    def __str__(self) -> str:
        ends = f"curvature from {self.smallest:.6g} to {self.largest:.6g}"
        head = f"{self.name} at {vector(self.x)}: {self.kind}"
        if self.kind == "not stationary":
            why = f"the gradient has norm {self.gradient_norm:.4g}, a Newton step {self.step:.2g} max(1, |x|)"
        elif self.kind == "minimum":
            why = f"every direction curves upwards: {ends}"
        elif self.kind == "maximum":
            why = f"every direction curves downwards: {ends}"
        elif self.kind == "saddle":
            count = "" if self.n_negative is None else f" ({self.n_negative} of {self.x.size} negative)"
            why = f"{ends}{count}; f falls along v = {vector(self.lowest_direction)}"
        else:
            seen = {
                True: "; f falls along it, so this is no minimum",
                False: "; f does not fall along it close by",
                None: "",
            }[self.falls]
            why = f"{ends}, zero to rounding along v = {vector(self.lowest_direction)}{seen}"
            if self.smallest < 0.0 and self.n_negative:
                why = f"{ends}: no direction curves upwards and some are flat, so this is no strict minimum"
        return f"{head}\n  {why}\n  f = {self.value:.6g}, |gradient| = {self.gradient_norm:.3g}"


def classify_point(
    fun: Any,
    x: Any,
    *,
    grad: Any = None,
    hvp: Callable[[FloatArray, FloatArray], Any] | None = None,
    tol: float = 1e-5,
    dense: int | None = None,
) -> StationaryPoint:
    """Tell a minimum from a maximum, a saddle, and a point that is not stationary.

    Parameters
    ----------
    fun, grad, hvp
        As for `check_convexity`; one function, so no loss by itself.
    x : array
    tol : float
        A Newton step of at most this share of ``max(1, |x|)`` counts as none.
    dense : int, optional
        Up to so many arguments the Hessian is formed, above it Lanczos finds the ends of its spectrum.

    Returns
    -------
    StationaryPoint

    Notes
    -----
    Cost: one Hessian-vector product an argument, or some tens to hundreds by Lanczos.

    Examples
    --------
    >>> print(classify_point(lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0]))
    the function at [0, 0]: saddle
      curvature from -2 to 2 (1 of 2 negative); f falls along v = [0, 1]
      f = 0, |gradient| = 0
    >>> classify_point(lambda x: 3 * x[0] ** 2 + 2 * x[1] ** 2 - 2, [0.0, 0.0]).kind
    'minimum'
    """
    if not (math.isfinite(tol) and tol > 0.0):
        raise InvalidParameterError(f"tol: expected a positive number, got {tol!r}. Try 1e-5.")
    functions = as_functions(fun, grad, hvp, x=x)
    if len(functions) > 1:
        raise InvalidParameterError("fun: expected one function, got a loss, which is one for each target. Fix y.")
    f, at = functions[0], point(x, functions[0].size)
    value, g = f.value(at), f.gradient(at)
    if not (math.isfinite(value) and np.all(np.isfinite(g))):
        raise InvalidParameterError(f"x: expected a point where f is finite, got f = {value} at {vector(at)}. Move it.")
    found = ends(f, at, dense=dense)
    low, high = found.smallest, found.largest
    norm, size = float(np.linalg.norm(g)), max(1.0, float(np.linalg.norm(at)))
    flat = max(_FLAT * found.size, found.error)
    step = _newton_step(f, at, g, found, flat) / size
    if not (math.isfinite(low.value) and math.isfinite(high.value)):
        kind: Kind = "degenerate" if norm <= _gradient_error(f, at, value) else "not stationary"
    elif step > tol:
        kind = "not stationary"
    elif low.value > flat:
        kind = "minimum"
    elif high.value < -flat:
        kind = "maximum"
    elif low.value < -flat and high.value > flat:
        kind = "saddle"
    else:
        kind = "degenerate"
    falls = _falls(f, at, low.vector, value) if kind == "degenerate" else None
    lowest = _signed(low.vector)
    return StationaryPoint(
        f.name, kind, at, value, norm, step, low.value, high.value, lowest, _signed(high.vector), found.values, falls
    )


def _signed(v: FloatArray) -> FloatArray:
    """The largest entry positive, no minus zeros."""
    return (v if v[int(np.argmax(np.abs(v)))] >= 0.0 else -v) + 0.0


def _gradient_error(f: Function, x: FloatArray, value: float) -> float:
    """What a gradient may come out as that is zero."""
    size = max(1.0, float(np.linalg.norm(x)))
    if f.slope is None:
        curving = float(np.linalg.norm(f.gradient(x, 2.0) - f.gradient(x)))
        return float(curving + 8.0 * math.sqrt(f.size) * f.precision ** (2.0 / 3.0) * abs(value) / size)
    d = np.random.default_rng(0).standard_normal(f.size)
    d /= np.linalg.norm(d)
    slope = f.slope
    seen = noise(lambda t: float(np.linalg.norm(slope(x + t * d))), size)
    return 64.0 * f.precision * max(abs(value) / size, 1e-3) + (seen if math.isfinite(seen) else 0.0)


def _newton_step(f: Function, x: FloatArray, g: FloatArray, found: Ends, flat: float) -> float:
    """The length of ``|H|^-1 g``; estimated from the ends of the spectrum where only those are known."""
    norm, top = float(np.linalg.norm(g)), found.size
    if norm <= _gradient_error(f, x, f.value(x)):
        return 0.0
    if not top > 0.0:
        return math.inf
    if found.values is None or found.vectors is None:
        return norm / max(min(abs(found.smallest.value), abs(found.largest.value)), 1e-3 * top)
    return float(np.linalg.norm((found.vectors.T @ g) / np.maximum(np.abs(found.values), max(flat, 1e-12 * top))))


def _falls(f: Function, x: FloatArray, v: FloatArray, value: float) -> bool | None:
    """Whether values close to x along v are lower than at x, beyond rounding."""
    size = max(1.0, float(np.linalg.norm(x)))
    rounding = noise(lambda t: f.value(x + t * v), size)
    if not math.isfinite(rounding) or not np.any(v):
        return None
    lower = [f.value(x + s * h * size * v) for h in (1e-3, 3e-3, 1e-2) for s in (-1.0, 1.0)]
    return bool(min(lower) < value - 20.0 * rounding - 1e-300)
