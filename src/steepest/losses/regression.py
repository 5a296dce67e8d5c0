"""Losses of the residual ``r = z - y``, and the Poisson deviance without its constant.

Slopes at a kink are the subgradient of least norm.  Conjugates are infinite outside their domain, exactly: a
caller that scales a dual point must scale it into the domain.
"""
# mypy: disable-error-code="misc"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

from typing import NamedTuple

from steepest.losses.registry import scalar_loss


@scalar_loss(name="squared")
class Squared(NamedTuple):
    """Squared loss ``(z - y)^2 / 2``.

    Averaged over the samples it gives the ``1/(2N)`` form, and with the penalty multiplied by the total weight
    the sum form (`steepest.penalties.strength`).  Conjugate: ``u^2 / 2 + u y``.

    Examples
    --------
    >>> Squared().value(3.0, 1.0), Squared().slope(3.0, 1.0), Squared().conjugate(2.0, 1.0)
    (2.0, 2.0, 4.0)
    """

    convex = True
    smoothness = 1.0
    self_concordance = 0.0

    def value(self, z: float, y: float) -> float:
        return 0.5 * (z - y) * (z - y)

    def slope(self, z: float, y: float) -> float:
        return z - y

    def curvature(self, z: float, y: float) -> float:
        return 1.0

    def conjugate(self, u: float, y: float) -> float:
        return 0.5 * u * u + u * y
