"""The numbers behind pictures of a function: slices along directions, and values on a plane.

A function of many parameters is looked at along one line, ``f(c + a u)``, or on a plane, ``f(c + a u + b v)``.  The
plane of a path is that of its two principal directions, in which it is wide; the share of the path's length that the
plane shows is reported, for a path may leave it.

Source: Li, Xu, Taylor, Studer and Goldstein (2018), Visualizing the loss landscape of neural nets, section 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.analysis.functions import Function, as_functions, point
from steepest.analysis.spectrum import ends
from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Values along lines through a point: ``values[i, j] = f(centre + offsets[j] directions[i])``."""

    name: str
    centre: FloatArray
    directions: FloatArray
    offsets: FloatArray
    values: FloatArray
    labels: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.name} along {len(self.labels)} lines through a point, f = {self._middle():.6g} there"]
        for label, row in zip(self.labels, self.values, strict=True):
            if not np.any(np.isfinite(row)):
                lines.append(f"  {label}: nowhere finite")
                continue
            low, at = float(np.nanmin(row)), float(self.offsets[int(np.nanargmin(row))])
            lines.append(f"  {label}: from {low:.6g} at {at:.4g} to {float(np.nanmax(row)):.6g}")
        return "\n".join(lines)

    def _middle(self) -> float:
        return float(self.values[0, int(np.argmin(np.abs(self.offsets)))])


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Values on a plane: ``values[i, j] = f(centre + a[j] u + b[i] v)``, u and v orthonormal.

    ``path`` are the coordinates of the points of a path, (m, 2), and ``shown`` the share of its squared length
    that lies in the plane; None and nan without one.
    """

    name: str
    centre: FloatArray
    u: FloatArray
    v: FloatArray
    a: FloatArray
    b: FloatArray
    values: FloatArray
    path: FloatArray | None
    shown: float

    @property
    def lowest(self) -> tuple[float, float, float]:
        """``(a, b, f)`` where the least value of the grid is."""
        i, j = np.unravel_index(int(np.nanargmin(self.values)), self.values.shape)
        return float(self.a[j]), float(self.b[i]), float(self.values[i, j])

    def __str__(self) -> str:
        at = self.lowest
        text = f"{self.name} on a plane: least {at[2]:.6g} at ({at[0]:.4g}, {at[1]:.4g}), "
        text += f"largest {float(np.nanmax(self.values)):.6g}"
        if self.path is not None:
            text += f"; {100.0 * self.shown:.0f} % of the path's squared length lies in the plane"
        return text


def slices(
    fun: Any,
    x: Any,
    directions: Any = None,
    *,
    grad: Any = None,
    hvp: Callable[[FloatArray, FloatArray], Any] | None = None,
    span: float = 1.0,
    n: int = 101,
) -> Slices:
    """Values of a function along lines through x.

    Parameters
    ----------
    fun, grad, hvp
        As for `check_convexity`; one function.
    x : array
    directions : array of shape (m, size), optional
        Default: the directions of largest and of smallest curvature at x.
    span : float
        The lines reach so far to both sides.
    n : int
        Points a line.

    Examples
    --------
    >>> print(slices(lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0], n=11))
    the function along 2 lines through a point, f = 0 there
      largest curvature 2: from 0 at 0 to 1
      smallest curvature -2: from -1 at -1 to 0
    """
    f = _one(fun, grad, hvp, x)
    centre = point(x, f.size)
    offsets = _offsets(span, n)
    if directions is None:
        found = ends(f, centre)
        D = np.array([found.largest.vector, found.smallest.vector])[: f.size]
        names = ("largest", "smallest")
        curved = (found.largest.value, found.smallest.value)
        labels = tuple(f"{word} curvature {v:.4g}" for word, v in zip(names, curved, strict=True))[: f.size]
    else:
        D = np.atleast_2d(np.asarray(directions, dtype=np.float64))
        D = np.array([_unit(row, f.size) for row in D])
        labels = tuple(f"direction {i}" for i in range(len(D)))
    values = np.array([[f.value(centre + t * d) for t in offsets] for d in D])
    return Slices(f.name, centre, D, offsets, values, labels)


def level_sets(
    fun: Any,
    x: Any = None,
    *,
    path: Any = None,
    directions: Any = None,
    grad: Any = None,
    hvp: Callable[[FloatArray, FloatArray], Any] | None = None,
    span: float | tuple[float, float] | None = None,
    n: int = 61,
) -> Surface:
    """Values of a function on a plane, with a path in it.

    Parameters
    ----------
    fun, grad, hvp
        As for `check_convexity`; one function of two arguments or more.
    x : array, optional
        The centre.  Default: the last point of the path, or 0.
    path : array of shape (m, size), optional
        The points of a solver, in order.
    directions : array of shape (2, size), optional
        They span the plane.  Default: the coordinates where there are two; the principal directions of the path;
        else the directions of largest and smallest curvature.
    span : float or (float, float), optional
        The plane reaches so far in a and b.  Default: 1.15 times as far as the path, or 1.
    n : int
        Points a side: n^2 values.  Those of a linear model's problem cost no pass over the data.

    Examples
    --------
    >>> print(level_sets(lambda x: 3 * x[0] ** 2 + 2 * x[1] ** 2 - 2, [0.0, 0.0], n=11))
    the function on a plane: least -2 at (0, 0), largest 3
    """
    points = None if path is None else np.atleast_2d(np.asarray(path, dtype=np.float64))
    if x is None and points is None and not hasattr(fun, "start"):
        raise InvalidParameterError("x: expected the centre, or a path, got neither. Give an array.")
    middle = x if x is not None else (points[-1] if points is not None else fun.start)
    middle = middle() if callable(middle) else middle
    f = _one(fun, grad, hvp, middle)
    if f.size < 2:
        raise InvalidParameterError(f"fun: expected at least two arguments, got {f.size}. Use slices.")
    centre = point(middle, f.size)
    if points is not None and points.shape[1] != f.size:
        raise InvalidParameterError(f"path: expected points of {f.size} numbers, got {points.shape[1]}.")
    u, v = _plane(f, centre, points, directions)
    coordinates, shown = None, math.nan
    if points is not None:
        moved = points - centre
        coordinates = np.column_stack([moved @ u, moved @ v])
        whole = float(np.sum((moved - moved[-1]) ** 2))
        shown = 1.0 if whole == 0.0 else float(np.sum((coordinates - coordinates[-1]) ** 2)) / whole
    wide, high = _reach(span, coordinates)
    a, b = _offsets(wide, n), _offsets(high, n)
    if f.plane is not None:
        values = f.plane(centre, u, v, a, b)
    else:
        values = np.array([[f.value(centre + s * u + t * v) for s in a] for t in b])
    return Surface(f.name, centre, u, v, a, b, values, coordinates, shown)


def _one(fun: Any, grad: Any, hvp: Any, x: Any) -> Function:
    functions = as_functions(fun, grad, hvp, x=x)
    if len(functions) > 1:
        raise InvalidParameterError("fun: expected one function, got a loss, which is one for each target. Fix y.")
    return functions[0]


def _offsets(span: float, n: int) -> FloatArray:
    if not (math.isfinite(span) and span > 0.0):
        raise InvalidParameterError(f"span: expected a positive number, got {span!r}. Try 1.0.")
    if not (isinstance(n, int | np.integer) and n >= 3):
        raise InvalidParameterError(f"n: expected an integer of at least 3, got {n!r}. Try 61.")
    return np.linspace(-span, span, int(n))


def _unit(d: Any, size: int) -> FloatArray:
    out = point(d, size, "directions")
    length = float(np.linalg.norm(out))
    if length == 0.0:
        raise InvalidParameterError("directions: expected vectors that are not zero, got one. Leave it out.")
    return out / length


def _plane(f: Function, centre: FloatArray, path: FloatArray | None, directions: Any) -> tuple[FloatArray, FloatArray]:
    if directions is not None:
        D = np.asarray(directions, dtype=np.float64)
        if D.shape != (2, f.size):
            raise InvalidParameterError(f"directions: expected shape (2, {f.size}), got {D.shape}.")
        u = _unit(D[0], f.size)
        rest = D[1] - (D[1] @ u) * u
        if float(np.linalg.norm(rest)) <= 1e-10 * float(np.linalg.norm(D[1])):
            raise InvalidParameterError("directions: expected two that span a plane, got parallel ones. Change one.")
        return u, _unit(rest, f.size)
    if f.size == 2:
        return np.array([1.0, 0.0]), np.array([0.0, 1.0])
    if path is not None and len(path) > 1:
        _, sizes, rows = np.linalg.svd(path - path[-1], full_matrices=False)
        if sizes[0] > 0.0:
            u = rows[0] * (1.0 if rows[0][int(np.argmax(np.abs(rows[0])))] > 0.0 else -1.0)
            second = rows[1] if len(rows) > 1 and sizes[1] > 1e-12 * sizes[0] else _across(f, centre, u)
            second = second - (second @ u) * u
            return u, second / np.linalg.norm(second)
    found = ends(f, centre)
    u = found.largest.vector
    second = found.smallest.vector - (found.smallest.vector @ u) * u
    if not float(np.linalg.norm(second)) > 1e-6:
        second = _across(f, centre, u)
    return u, second / np.linalg.norm(second)


def _across(f: Function, x: FloatArray, u: FloatArray) -> FloatArray:
    """A direction orthogonal to u: that of the gradient, or of the coordinate that u has least of."""
    g = f.gradient(x)
    rest = g - (g @ u) * u
    if np.all(np.isfinite(rest)) and float(np.linalg.norm(rest)) > 1e-6 * float(np.linalg.norm(g)) > 0.0:
        return rest
    e = np.zeros(f.size)
    e[int(np.argmin(np.abs(u)))] = 1.0
    return e - (e @ u) * u


def _reach(span: Any, coordinates: FloatArray | None) -> tuple[float, float]:
    if span is not None:
        wide, high = (span, span) if np.ndim(span) == 0 else span
        return float(wide), float(high)
    if coordinates is None:
        return 1.0, 1.0
    wide, high = (float(v) for v in np.abs(coordinates).max(axis=0))
    top = max(wide, high)
    if top == 0.0:
        return 1.0, 1.0
    return 1.15 * max(wide, 0.05 * top), 1.15 * max(high, 0.05 * top)
