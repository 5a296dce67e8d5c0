"""Losses of the residual ``r = z - y``, and the Poisson deviance without its constant.

Slopes at a kink are the subgradient of least norm.  Conjugates are infinite outside their domain, exactly: a
caller that scales a dual point must scale it into the domain.
"""
# mypy: disable-error-code="misc"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import NamedTuple

from steepest.exceptions import InvalidParameterError
from steepest.losses.margin import safe_exp, xlogx
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
        return u * (0.5 * u + y)


@scalar_loss(name="absolute")
class Absolute(NamedTuple):
    """Absolute loss ``|z - y|``, whose best constant is the median.  Conjugate: ``u y`` for ``|u| <= 1``.

    Examples
    --------
    >>> Absolute().value(3.0, 1.0), Absolute().slope(3.0, 1.0), Absolute().slope(1.0, 1.0)
    (2.0, 1.0, 0.0)
    """

    convex = True
    smoothness = math.inf
    self_concordance = math.inf

    def value(self, z: float, y: float) -> float:
        return abs(z - y)

    def slope(self, z: float, y: float) -> float:
        r = z - y
        return 1.0 if r > 0.0 else (-1.0 if r < 0.0 else 0.0 * r)

    def conjugate(self, u: float, y: float) -> float:
        return math.inf if abs(u) > 1.0 else u * y

    def prox(self, z: float, y: float, step: float) -> float:
        r = z - y
        return y + max(r - step, min(r + step, 0.0))


@scalar_loss(name="quantile")
class Quantile(NamedTuple):
    """Quantile (pinball) loss ``q [y - z]_+ + (1 - q) [z - y]_+``, whose best constant is the q-quantile.

    Conjugate: ``u y`` for ``-q <= u <= 1 - q``.

    Parameters
    ----------
    q : float
        Strictly between 0 and 1.

    Examples
    --------
    >>> Quantile(0.75).value(0.0, 2.0), Quantile(0.75).value(2.0, 0.0)
    (1.5, 0.5)
    """

    q: float = 0.5

    convex = True
    smoothness = math.inf
    self_concordance = math.inf

    def validate(self) -> None:
        if not 0.0 < self.q < 1.0:
            raise InvalidParameterError(f"q: expected a number strictly between 0 and 1, got {self.q}. Try 0.5.")

    def value(self, z: float, y: float) -> float:
        r = z - y
        return (1.0 - self.q) * r if r > 0.0 else -self.q * r

    def slope(self, z: float, y: float) -> float:
        r = z - y
        return 1.0 - self.q if r > 0.0 else (-self.q if r < 0.0 else 0.0 * r)

    def conjugate(self, u: float, y: float) -> float:
        return math.inf if u < -self.q or u > 1.0 - self.q else u * y

    def prox(self, z: float, y: float, step: float) -> float:
        r = z - y
        return y + max(r - (1.0 - self.q) * step, min(r + self.q * step, 0.0))


@scalar_loss(name="huber")
class Huber(NamedTuple):
    """Huber loss: ``r^2 / 2`` for ``|r| <= delta``, else ``delta (|r| - delta / 2)``.

    The default keeps 95 % of the efficiency of least squares where the noise is Gaussian of unit variance
    (Huber 1981).  Conjugate: ``u^2 / 2 + u y`` for ``|u| <= delta``.

    Parameters
    ----------
    delta : float
        Positive, in the units of y.

    Examples
    --------
    >>> Huber(1.0).value(0.5, 0.0), Huber(1.0).value(3.0, 0.0), Huber(1.0).slope(3.0, 0.0)
    (0.125, 2.5, 1.0)
    """

    delta: float = 1.35

    convex = True
    smoothness = 1.0
    self_concordance = math.inf

    def validate(self) -> None:
        if not 0.0 < self.delta < math.inf:
            raise InvalidParameterError(f"delta: expected a finite number > 0, got {self.delta}. Try 1.35.")

    def value(self, z: float, y: float) -> float:
        r = abs(z - y)
        return self.delta * (r - 0.5 * self.delta) if r > self.delta else 0.5 * r * r

    def slope(self, z: float, y: float) -> float:
        r = z - y
        return self.delta if r > self.delta else (-self.delta if r < -self.delta else r)

    def curvature(self, z: float, y: float) -> float:
        return 0.0 if abs(z - y) > self.delta else 1.0

    def conjugate(self, u: float, y: float) -> float:
        return math.inf if abs(u) > self.delta else 0.5 * u * u + u * y


@scalar_loss(name="epsilon_insensitive")
class EpsilonInsensitive(NamedTuple):
    """Loss of support vector regression, ``[|z - y| - epsilon]_+``: errors below epsilon are free.

    Conjugate: ``u y + epsilon |u|`` for ``|u| <= 1``.

    Parameters
    ----------
    epsilon : float
        At least 0, in the units of y.

    Examples
    --------
    >>> EpsilonInsensitive(0.5).value(2.0, 0.0), EpsilonInsensitive(0.5).slope(0.25, 0.0)
    (1.5, 0.0)
    """

    epsilon: float = 0.1

    convex = True
    smoothness = math.inf
    self_concordance = math.inf

    def validate(self) -> None:
        if not 0.0 <= self.epsilon < math.inf:
            raise InvalidParameterError(f"epsilon: expected a finite number >= 0, got {self.epsilon}. Try 0.1.")

    def value(self, z: float, y: float) -> float:
        excess = abs(z - y) - self.epsilon
        return 0.0 if excess <= 0.0 else excess

    def slope(self, z: float, y: float) -> float:
        r = z - y
        return 1.0 if r > self.epsilon else (-1.0 if r < -self.epsilon else 0.0 * r)

    def conjugate(self, u: float, y: float) -> float:
        return math.inf if abs(u) > 1.0 else u * y + self.epsilon * abs(u)

    def prox(self, z: float, y: float, step: float) -> float:
        r = z - y
        inside = min(max(r, -self.epsilon), self.epsilon)
        return y + max(r - step, min(r + step, inside))


@scalar_loss(name="squared_epsilon_insensitive")
class SquaredEpsilonInsensitive(NamedTuple):
    """``[|z - y| - epsilon]_+^2``.  Conjugate: ``u y + epsilon |u| + u^2 / 4``.

    Parameters
    ----------
    epsilon : float
        At least 0, in the units of y.

    Examples
    --------
    >>> SquaredEpsilonInsensitive(0.5).value(2.5, 0.0), SquaredEpsilonInsensitive(0.5).slope(2.5, 0.0)
    (4.0, 4.0)
    """

    epsilon: float = 0.1

    convex = True
    smoothness = 2.0
    self_concordance = math.inf

    def validate(self) -> None:
        if not 0.0 <= self.epsilon < math.inf:
            raise InvalidParameterError(f"epsilon: expected a finite number >= 0, got {self.epsilon}. Try 0.1.")

    def value(self, z: float, y: float) -> float:
        excess = abs(z - y) - self.epsilon
        return 0.0 if excess <= 0.0 else excess * excess

    def slope(self, z: float, y: float) -> float:
        r = z - y
        if r > self.epsilon:
            return 2.0 * (r - self.epsilon)
        return 2.0 * (r + self.epsilon) if r < -self.epsilon else 0.0 * r

    def curvature(self, z: float, y: float) -> float:
        return 2.0 if abs(z - y) > self.epsilon else 0.0

    def conjugate(self, u: float, y: float) -> float:
        return u * (0.25 * u + y) + self.epsilon * abs(u)


@scalar_loss(name="poisson")
class Poisson(NamedTuple):
    """Poisson loss ``exp(z) - y z`` for counts ``y >= 0``: the negative log-likelihood of mean ``exp(z)``.

    Twice ``loss + y log y - y`` is the deviance.  The least value, ``y - y log y``, is negative for y > e, so
    no lower bound holds for all y.  Slope ``exp(z) - y``; it has no Lipschitz constant, but the third derivative
    equals the second.  Conjugate, with ``v = u + y >= 0``: ``v log v - v``.

    Examples
    --------
    >>> Poisson().value(0.0, 3.0), Poisson().slope(0.0, 3.0), Poisson().value(1000.0, 3.0)
    (1.0, -2.0, inf)
    """

    convex = True
    smoothness = math.inf
    self_concordance = 1.0
    lower = -math.inf
    targets = "nonnegative"
    link = "log"

    def value(self, z: float, y: float) -> float:
        mean = safe_exp(z)
        return mean if mean == math.inf else mean - y * z

    def slope(self, z: float, y: float) -> float:
        return safe_exp(z) - y

    def curvature(self, z: float, y: float) -> float:
        return safe_exp(z)

    def conjugate(self, u: float, y: float) -> float:
        v = u + y
        return math.inf if v < 0.0 else xlogx(v) - v
