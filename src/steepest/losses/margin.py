"""Losses of the margin ``m = y z``, for two classes coded -1 and +1 (and 0, 1 for `Bernoulli`).

Each class is a plain value; its methods are compiled into every kernel that meets it.  Slopes at a kink are
the subgradient of least norm.  Conjugates are infinite outside their domain, exactly: a caller that scales a
dual point must scale it into the domain.
"""
# mypy: disable-error-code="misc"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import NamedTuple

from steepest.elementary import exp_neg, sigmoid, softplus
from steepest.jit import inner
from steepest.losses.registry import scalar_loss


@inner
def xlogx(x: float) -> float:
    """x log x, with its limit 0 at x = 0; NaN for x < 0."""
    return 0.0 if x == 0.0 else x * math.log(x)


@inner
def binary_entropy(a: float) -> float:
    """a log a + (1 - a) log(1 - a) on [0, 1], infinite outside; NaN stays."""
    if a < 0.0 or a > 1.0:
        return math.inf
    if a == 0.0 or a == 1.0:
        return 0.0
    return a * math.log(a) + (1.0 - a) * math.log1p(-a)


@scalar_loss(name="logistic")
class Logistic(NamedTuple):
    """Logistic loss ``log(1 + exp(-y z))``, natural logarithm, y in {-1, +1}.

    The negative log-likelihood of ``P(y | z) = sigmoid(y z)``.  With ``t = (y + 1) / 2`` in {0, 1} and
    ``p = sigmoid(z)`` the slope is ``p - t``, so the gradient in the weights is ``x (p - t)``: the same number as
    `Bernoulli` gives on t.  In bits (logarithm of base 2) value, slope, curvature and conjugate are all divided
    by ``log 2``; the minimiser is the same for the strength ``alpha / log 2``.

    Facts: convex, slope 1/4-Lipschitz, ``|loss'''| <= loss''``.  Conjugate, with ``a = -u y`` in [0, 1]:
    ``a log a + (1 - a) log(1 - a)``.

    Examples
    --------
    >>> Logistic().value(0.0, 1.0) == math.log(2.0), Logistic().slope(0.0, 1.0)
    (True, -0.5)
    """

    convex = True
    smoothness = 0.25
    self_concordance = 1.0
    targets = "sign"
    link = "logistic"

    def value(self, z: float, y: float) -> float:
        return softplus(-y * z)

    def slope(self, z: float, y: float) -> float:
        return -y * sigmoid(-y * z)

    def curvature(self, z: float, y: float) -> float:
        e = exp_neg(-abs(y * z))
        return e / ((1.0 + e) * (1.0 + e))

    def conjugate(self, u: float, y: float) -> float:
        return binary_entropy(-u * y)
