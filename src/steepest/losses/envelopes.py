"""The Moreau envelope of a loss: a smooth loss that touches it, and whose slopes are proven dual points.

    e(x) = min_v  loss(v, y) + (v - x)^2 / (2 step),     e'(x) = (x - prox(x)) / step

For a convex loss e is convex, ``1 / step``-smooth, nowhere above the loss, and ``e'(x)`` is a subgradient of the
loss at ``prox(x)``: it always lies in the domain of the conjugate, whatever x is.  Source: Moreau (1965), Bull. Soc.
Math. France 93; Beck & Teboulle (2012), SIAM J. Optim. 22.
"""
# mypy: disable-error-code="misc"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import Any, NamedTuple

from steepest.losses.registry import conjugate, prox, value

_NEAR = 1e-4  # of a step: how far apart the proximal points are whose difference tells the curvature
_FLAT = 1e-3  # of 1 / step: less curvature than this is taken for none


class Envelope(NamedTuple):
    """The envelope of ``base`` at a shifted score, ``e(z + shift)``.

    A row's target and shift come as one complex number ``y = target + i shift``: kernels hand ``y[i]`` on as they
    stand, and two floats in one element cost no more than one.  With ``shift = step u`` for a multiplier u this is the
    augmented Lagrangian of the row, up to the constant ``step u^2 / 2``; its slope is the next multiplier.

    Conjugate: ``loss*(u) + step u^2 / 2 - shift u``.  Curvature: ``1 / step`` where the proximal point stays at a kink
    of the loss, 0 where the loss is straight, ``loss'' / (1 + step loss'')`` where it bends; taken from a difference
    of two proximal points, so that any loss with a ``prox`` will do.

    Parameters
    ----------
    base : loss value
        With a method ``prox``.
    step : float
        Positive, in units of score squared over loss.

    Examples
    --------
    >>> from steepest.losses import Hinge
    >>> smooth = Envelope(Hinge(), 0.5)
    >>> smooth.value(0.75, complex(1.0, 0.0)), smooth.slope(0.75, complex(1.0, 0.0))
    (0.0625, -0.5)
    >>> smooth.slope(-3.0, complex(1.0, 0.0)), smooth.slope(2.0, complex(1.0, 0.0))
    (-1.0, 0.0)
    """

    base: Any
    step: float

    name = "envelope"
    convex = True
    lower = -math.inf
    self_concordance = math.inf

    @property
    def smoothness(self) -> float:
        """Lipschitz constant of the slope."""
        return 1.0 / self.step

    def value(self, z: float, y: complex) -> float:
        x = z + y.imag
        v = prox(self.base, x, y.real, self.step)
        return value(self.base, v, y.real) + (x - v) * (x - v) * (0.5 / self.step)

    def slope(self, z: float, y: complex) -> float:
        x = z + y.imag
        return (x - prox(self.base, x, y.real, self.step)) * (1.0 / self.step)

    def curvature(self, z: float, y: complex) -> float:
        x = z + y.imag
        h = max(_NEAR * self.step, 1e-12 * abs(x))  # far above the rounding of x
        up = prox(self.base, x + h, y.real, self.step)
        down = prox(self.base, x - h, y.real, self.step)
        bend = 1.0 - (up - down) / (2.0 * h)
        return bend / self.step if bend > _FLAT else 0.0

    def conjugate(self, u: float, y: complex) -> float:
        return conjugate(self.base, u, y.real) + u * (0.5 * self.step * u - y.imag)
