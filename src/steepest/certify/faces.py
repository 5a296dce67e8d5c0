"""Where a constraint holds a point, and along what it may still move.

Near a point a set is known by its *face*: the coordinates that it holds, at most one direction ``n`` among the others
that its boundary forbids, and how much that boundary curves.  With Z an orthonormal basis of what is left, x is a
minimum to second order where

    Z'g = 0,   Z'(H + bend I)Z is positive definite,   and every multiplier presses towards the boundary.

=========== ========================= ===================== ===============
set         held                      n                     bend
=========== ========================= ===================== ===============
box         bounds with ``g`` outward  none                  0
simplex     zeros                     ones                  0
L1 sphere   zeros                     signs of x            0
L2 sphere   none                      ``x / |x|``           ``-g.x / r^2``
=========== ========================= ===================== ===============

A boundary whose multiplier is zero or points inwards does not hold.  Source: Nocedal & Wright, Numerical Optimization
(2006), chapter 12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steepest.penalties.constraints import Box, L1Ball, L2Ball, NonNegative, Simplex
from steepest.protocols import FloatArray

KNOWN = (Box, NonNegative, L2Ball, L1Ball, Simplex)
EDGE = 1e-10  # of a radius, or of a variable's unit: what counts as being on a boundary
_SHOWN = 4  # coordinates named in a sentence


class Face(NamedTuple):
    """The directions that a set leaves free at a point.

    ``pressures`` are the multipliers of the coordinates in ``held``, not negative where they press on the boundary;
    ``multiplier`` is that of the boundary itself (nan: none).  ``left`` is what f could still lose to first order on
    the way to boundaries that are reached but for rounding.
    """

    free: NDArray[np.bool_]
    normal: FloatArray | None
    bend: float
    held: NDArray[np.intp]
    targets: FloatArray  # the values of the coordinates in ``held`` on the boundary
    pressures: FloatArray
    multiplier: float
    left: float
    surface: str  # the boundary in words, where it is more than coordinates

    @property
    def size(self) -> int:
        """How many directions are free."""
        return int(self.free.sum()) - (self.normal is not None)

    @property
    def whole(self) -> bool:
        """Whether nothing is held."""
        return self.normal is None and len(self.held) == 0

    def along(self, v: FloatArray) -> FloatArray:
        """The part of v in the face; O(d)."""
        out = np.where(self.free, v, 0.0)
        return out if self.normal is None else out - self.normal * float(self.normal @ out)

    def basis(self) -> FloatArray:
        """Z, of shape (d, size), with orthonormal columns."""
        index = np.flatnonzero(self.free)
        Z = np.zeros((len(self.free), self.size))
        if self.normal is None:
            Z[index, np.arange(len(index))] = 1.0
        elif len(index):
            Z[index] = np.linalg.qr(self.normal[index][:, None], mode="complete")[0][:, 1:]
        return Z

    def words(self, x: FloatArray) -> str:
        """Where x is held, as "on the bounds x[0] = 1, x[3] = 0"; empty where it is not."""
        if self.whole:
            return ""
        named = ", ".join(f"x[{i}] = {x[i]:.6g}" for i in self.held[:_SHOWN])
        if len(self.held) > _SHOWN:
            named += f" and {len(self.held) - _SHOWN} more"
        if not self.surface:
            return f"on the bound{'s' if len(self.held) > 1 else ''} {named}"
        return f"on the {self.surface}" + (f" with {named}" if named else "")


def face_at(constraint: Any, x: FloatArray, g: FloatArray, slack: FloatArray, weak: FloatArray | float = 0.0) -> Face:
    """The face of x.

    Parameters
    ----------
    constraint : one of `KNOWN`, or None
    x, g : array of shape (d,)
        A point of the set, and the gradient there.
    slack : array of shape (d,)
        Coordinates within it of a bound are there.
    weak : float or array of shape (d,)
        Multipliers up to it count as zero.

    Examples
    --------
    >>> face = face_at(Box(0.0, 1.0), np.array([0.0, 0.5, 1.0]), np.array([2.0, 0.0, -1.0]), np.zeros(3))
    >>> face.held, face.pressures, face.words(np.array([0.0, 0.5, 1.0]))
    (array([0, 2]), array([2., 1.]), 'on the bounds x[0] = 0, x[2] = 1')
    """
    if constraint is None:
        return _interior(x)
    for kind, make in _MAKERS:
        if isinstance(constraint, kind):
            return make(constraint, x, g, slack, np.broadcast_to(weak, x.shape))
    raise TypeError(f"no face of a {type(constraint).__name__} is known")


def _interior(x: FloatArray, surface: str = "") -> Face:
    none = np.empty(0)
    return Face(np.full(len(x), True), None, 0.0, np.empty(0, np.intp), none, none, math.nan, 0.0, surface)


def _box(box: Any, x: FloatArray, g: FloatArray, slack: FloatArray, weak: FloatArray) -> Face:
    low, high = np.broadcast_to(box.low, x.shape), np.broadcast_to(box.high, x.shape)
    below = (x - low <= slack) & (g > weak)
    above = (high - x <= slack) & (g < -weak)
    held = below | above | (low == high)
    index = np.flatnonzero(held)
    targets = np.where(below | (low == high), low, high)[index]
    left = float(np.sum(np.abs(g[index] * (x[index] - targets))))
    return Face(~held, None, 0.0, index, targets, np.abs(g[index]), math.nan, left, "")


def _simplex(simplex: Any, x: FloatArray, g: FloatArray, slack: FloatArray, weak: FloatArray) -> Face:
    zero = x <= slack
    level = float(g[~zero].mean()) if not np.all(zero) else float(g.min())
    held = zero & (g - level > weak)
    index = np.flatnonzero(held)
    normal = np.where(held, 0.0, 1.0 / math.sqrt(max(len(x) - len(index), 1)))
    pressures = (g - level)[index]
    left = float(np.sum(pressures * np.abs(x[index])))
    return Face(~held, normal, 0.0, index, np.zeros(len(index)), pressures, -level, left, "simplex")


def _l1(ball: Any, x: FloatArray, g: FloatArray, slack: FloatArray, weak: FloatArray) -> Face:
    room = ball.radius - float(np.abs(x).sum())
    if room > EDGE * ball.radius:
        return _interior(x)
    zero = np.abs(x) <= slack
    level = -float((np.sign(x) * g)[~zero].mean()) if not np.all(zero) else 0.0
    if not level > float(weak.max()):
        return _interior(x)
    held = zero & (level - np.abs(g) > weak)
    index = np.flatnonzero(held)
    normal = np.where(zero, -np.sign(g), np.sign(x)) * ~held
    normal = normal / float(np.linalg.norm(normal))
    pressures = level - np.abs(g[index])
    left = level * max(room, 0.0) + float(np.sum(pressures * np.abs(x[index])))
    return Face(~held, normal, 0.0, index, np.zeros(len(index)), pressures, level, left, "L1 sphere")


def _l2(ball: Any, x: FloatArray, g: FloatArray, slack: FloatArray, weak: FloatArray) -> Face:
    norm = float(np.linalg.norm(x))
    bend = -float(g @ x) / ball.radius**2
    room = ball.radius - norm
    if room > EDGE * ball.radius or not bend * ball.radius > float(weak.max()):
        return _interior(x)
    left = bend * ball.radius * max(room, 0.0)
    return _interior(x)._replace(normal=x / norm, bend=bend, multiplier=bend, left=left, surface="sphere")


_MAKERS: tuple[tuple[Any, Callable[..., Face]], ...] = (
    ((Box, NonNegative), _box),
    (Simplex, _simplex),
    (L1Ball, _l1),
    (L2Ball, _l2),
)
