"""Follow the regularised leader, the rule of sparse online models."""
# mypy: disable-error-code="misc,no-untyped-def"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import NamedTuple

from steepest.rules.registry import between, rule


@rule("ftrl")
class FTRL(NamedTuple):
    """FTRL-proximal, a rate for each coordinate and both penalties in closed form.

    With ``n`` the sum of squared gradients, ``s = (sqrt(n + g^2) - sqrt(n)) / eta``: ``z <- z + g - s w``, and

        ``w = 0``  where ``|z| <= l1``,  else  ``w = -(z - sign(z) l1) / ((beta + sqrt(n)) / eta + l2)``.

    The penalties stand against the *sum* of the gradients: to match an average loss over N steps with strength
    lambda, take ``l1 = N lambda``.  w is a function of (z, n), both at rest while the coordinate is: sparse steps
    equal dense ones, with both penalties, and weights are exactly zero.  Begins at w = 0 with the rate constant.

    Parameters
    ----------
    beta, l1, l2 : float
        Not negative; beta is 1 in the paper.

    References
    ----------
    McMahan et al. (2013), Ad click prediction: a view from the trenches.
    """

    beta: float = 1.0
    l1: float = 0.0
    l2: float = 0.0

    slots = 2
    exact = True
    absorbs = ("l1", "l2")
    not_for_networks = "begins at zero weights, where a network stays"

    def validate(self):
        for name, value in zip(self._fields, self, strict=True):
            between(name, value, 0.0, math.inf)

    def constants(self, eta, t):
        return 1.0 / eta, 0.0, 0.0

    def advance(self, w, s, r, g, a, b, c):
        n = r + g * g
        new = math.sqrt(n)
        z = s + g - (new - math.sqrt(r)) * a * w
        excess = abs(z) - self.l1
        denominator = (self.beta + new) * a + self.l2
        moved = -math.copysign(excess / denominator, z) if excess > 0.0 and denominator > 0.0 else 0.0
        return moved, z, n

    def rest(self, w, s, r, missed, c):
        return w, s, r

    def stiffness(self, s, r, a, b, c):
        return 0.0
