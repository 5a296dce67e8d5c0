"""Rules whose step along a coordinate is scaled by the gradients seen there."""
# mypy: disable-error-code="misc,no-untyped-def"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import NamedTuple

from steepest.elementary import complement, unit_power
from steepest.jit import inner
from steepest.rules.registry import between, rule


@inner
def one_minus_power(beta: float, t: float) -> float:
    """``1 - beta^t``; 1 where the power is below half a unit in the last place."""
    return 1.0 if (1.0 - beta) * t > 40.0 else 1.0 - math.pow(beta, t)


@rule("adagrad")
class Adagrad(NamedTuple):
    """``G <- G + g^2``, ``w <- w - eta g / (sqrt(G) + eps)``.

    G, and so the metric, stands still while a coordinate rests: sparse steps are exact without a penalty and with l1.

    Parameters
    ----------
    eps : float
        Positive.

    References
    ----------
    Duchi, Hazan, Singer (2011), Adaptive subgradient methods for online learning and stochastic optimization.
    """

    eps: float = 1e-10

    slots = 1
    exact = True
    exact_l1 = True

    def validate(self):
        between("eps", self.eps, 0.0, math.inf, open_low=True)

    def constants(self, eta, t):
        return eta, 0.0, 0.0

    def advance(self, w, s, r, g, a, b, c):
        s += g * g
        return w - a * g / (math.sqrt(s) + self.eps), s, r

    def rest(self, w, s, r, missed, c):
        return w, s, r

    def stiffness(self, s, r, a, b, c):
        return math.sqrt(s) + self.eps if s > 0.0 else 0.0  # nothing known of the coordinate yet


@rule("rmsprop")
class RMSProp(NamedTuple):
    """``v <- rho v + (1 - rho) g^2``, ``w <- w - eta g / (sqrt(v) + eps)``.

    A resting coordinate forgets, ``v <- rho^s v``, and stays: sparse steps without a penalty are exact.

    Parameters
    ----------
    rho : float
        In [0, 1).
    eps : float
        Positive.

    References
    ----------
    Tieleman, Hinton (2012), Lecture 6.5 of Neural networks for machine learning.
    """

    rho: float = 0.99
    eps: float = 1e-8

    slots = 1
    exact = True

    def validate(self):
        between("rho", self.rho, 0.0, 1.0)
        between("eps", self.eps, 0.0, math.inf, open_low=True)

    def constants(self, eta, t):
        return eta, 0.0, 0.0

    def advance(self, w, s, r, g, a, b, c):
        v = self.rho * s + complement(self.rho) * g * g
        return w - a * g / (math.sqrt(v) + self.eps), v, r

    def rest(self, w, s, r, missed, c):
        return w, s * unit_power(self.rho, missed), r

    def stiffness(self, s, r, a, b, c):
        return math.sqrt(s) + self.eps if s > 0.0 else 0.0


@rule("adam")
class Adam(NamedTuple):
    """Adam with bias correction.

    ``m <- b1 m + (1 - b1) g``, ``v <- b2 v + (1 - b2) g^2``, and with ``m' = m / (1 - b1^t)``, ``v' = v / (1 - b2^t)``:
    ``w <- w - eta m' / (sqrt(v') + eps)``.

    On sparse rows the moments of a coordinate are renewed, and it moves, only when a row touches it, while t counts
    all steps: the rule of PyTorch's SparseAdam.  It is not equal to the dense one, where a coordinate moves on.

    Parameters
    ----------
    beta1, beta2 : float
        In [0, 1).
    eps : float
        Positive.

    References
    ----------
    Kingma, Ba (2015), Adam: a method for stochastic optimization.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    slots = 2

    def validate(self):
        between("beta1", self.beta1, 0.0, 1.0)
        between("beta2", self.beta2, 0.0, 1.0)
        between("eps", self.eps, 0.0, math.inf, open_low=True)

    def constants(self, eta, t):
        return eta / one_minus_power(self.beta1, t), 1.0 / math.sqrt(one_minus_power(self.beta2, t)), 0.0

    def advance(self, w, s, r, g, a, b, c):
        m = self.beta1 * s + complement(self.beta1) * g
        v = self.beta2 * r + complement(self.beta2) * g * g
        return w - a * m / (math.sqrt(v) * b + self.eps), m, v

    def rest(self, w, s, r, missed, c):
        return w, s, r

    def stiffness(self, s, r, a, b, c):
        return math.sqrt(r) * b + self.eps if r > 0.0 else 0.0


@rule("adamw")
class AdamW(NamedTuple):
    """Adam with decoupled weight decay: ``w <- [1 - eta decay]_+ w`` before each step of `Adam`.

    On sparse rows the moments are as `Adam`'s; the decay of missed steps is made up for, exactly at a constant rate.
    The decay is not a penalty: what it converges to is no minimiser of an objective known beforehand.

    Parameters
    ----------
    beta1, beta2 : float
        In [0, 1).
    eps : float
        Positive.
    decay : float
        Not negative.

    References
    ----------
    Loshchilov, Hutter (2019), Decoupled weight decay regularization.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decay: float = 0.01

    slots = 2
    absorbs = ("decay",)

    def validate(self):
        between("beta1", self.beta1, 0.0, 1.0)
        between("beta2", self.beta2, 0.0, 1.0)
        between("eps", self.eps, 0.0, math.inf, open_low=True)
        between("decay", self.decay, 0.0, math.inf)

    def constants(self, eta, t):
        first = one_minus_power(self.beta1, t)
        return eta / first, 1.0 / math.sqrt(one_minus_power(self.beta2, t)), max(0.0, 1.0 - eta * self.decay)

    def advance(self, w, s, r, g, a, b, c):
        m = self.beta1 * s + complement(self.beta1) * g
        v = self.beta2 * r + complement(self.beta2) * g * g
        return c * w - a * m / (math.sqrt(v) * b + self.eps), m, v

    def rest(self, w, s, r, missed, c):
        return w * unit_power(c, missed), s, r

    def stiffness(self, s, r, a, b, c):
        return math.sqrt(r) * b + self.eps if r > 0.0 else 0.0
