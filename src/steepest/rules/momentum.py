"""Rules that move along the gradient, plain or with a velocity."""
# mypy: disable-error-code="misc,no-untyped-def"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

from typing import NamedTuple

from steepest.elementary import unit_power
from steepest.rules.registry import between, rule


@rule("sgd")
class SGD(NamedTuple):
    """``w <- w - eta g``.

    Sparse steps are exact with both penalties: ``w = scale v`` carries the squared one, a running sum of
    truncations the absolute one (see `steepest.kernels.epochs`).
    """

    exact = True
    exact_l1 = True
    exact_l2 = True

    def validate(self):
        pass

    def constants(self, eta, t):
        return eta, 0.0, 0.0

    def advance(self, w, s, r, g, a, b, c):
        return w - a * g, s, r

    def rest(self, w, s, r, missed, c):
        return w, s, r

    def stiffness(self, s, r, a, b, c):
        return 1.0


@rule("momentum")
class Momentum(NamedTuple):
    """Heavy ball: ``V <- m V - eta g``, ``w <- w + V``.

    A resting coordinate rolls on: after s steps its velocity is ``m^s V`` and it has gone ``V m (1 - m^s) / (1 - m)``,
    whatever the rates, so sparse steps without a penalty are exact.

    Parameters
    ----------
    momentum : float
        m in [0, 1).

    References
    ----------
    Polyak (1964), Some methods of speeding up the convergence of iteration methods.
    """

    momentum: float = 0.9

    slots = 1
    exact = True

    def validate(self):
        between("momentum", self.momentum, 0.0, 1.0)

    def constants(self, eta, t):
        return eta, 0.0, 0.0

    def advance(self, w, s, r, g, a, b, c):
        v = self.momentum * s - a * g
        return w + v, v, r

    def rest(self, w, s, r, missed, c):
        kept = unit_power(self.momentum, missed)
        return w + s * self.momentum * (1.0 - kept) / (1.0 - self.momentum), kept * s, r

    def stiffness(self, s, r, a, b, c):
        return 1.0 - self.momentum  # one gradient carries so much further in the end


@rule("nesterov")
class Nesterov(NamedTuple):
    """Nesterov's momentum: ``V <- m V - eta g``, ``w <- w + m V - eta g``.

    The gradient is that at w; w is the point looked ahead to (Sutskever et al. 2013, in the variables of Bengio et
    al. 2013).  Sparse steps without a penalty are exact, as those of `Momentum`.

    Parameters
    ----------
    momentum : float
        m in [0, 1).

    References
    ----------
    Nesterov (1983), A method of solving a convex programming problem with convergence rate O(1/k^2).
    """

    momentum: float = 0.9

    slots = 1
    exact = True

    def validate(self):
        between("momentum", self.momentum, 0.0, 1.0)

    def constants(self, eta, t):
        return eta, 0.0, 0.0

    def advance(self, w, s, r, g, a, b, c):
        v = self.momentum * s - a * g
        return w + (self.momentum * v - a * g), v, r

    def rest(self, w, s, r, missed, c):
        kept = unit_power(self.momentum, missed)
        return w + s * self.momentum * self.momentum * (1.0 - kept) / (1.0 - self.momentum), kept * s, r

    def stiffness(self, s, r, a, b, c):
        return 1.0 - self.momentum
