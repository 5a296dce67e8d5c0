"""Losses of the margin ``m = y z``, for two classes coded -1 and +1 (and 0, 1 for `Bernoulli`, `SigmoidSquared`).

Each class is a plain value; its methods are compiled into every kernel that meets it.  Slopes at a kink are
the subgradient of least norm, but for `PerceptronLoss`.  Conjugates are infinite outside their domain, exactly:
a caller that scales a dual point must scale it into the domain.
"""
# mypy: disable-error-code="misc"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import NamedTuple

from steepest.elementary import exp_neg, sigmoid, softplus
from steepest.exceptions import InvalidParameterError
from steepest.jit import inner
from steepest.losses.registry import scalar_loss

_STEEPEST = (15.0 - math.sqrt(33.0)) / 24.0  # the sigmoid where the slope of `SigmoidSquared` is steepest


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


@inner
def safe_exp(x: float) -> float:
    """exp(x), inf where that is beyond the largest float (plain Python would raise)."""
    return math.inf if x > 709.782712893384 else math.exp(x)


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


@scalar_loss(name="bernoulli")
class Bernoulli(NamedTuple):
    """Logistic loss for targets y in {0, 1}, or probabilities in between: ``log(1 + exp(z)) - y z``.

    The cross-entropy ``-y log p - (1 - y) log(1 - p)`` of ``p = sigmoid(z)``; slope ``p - y``.  For y in {0, 1} it
    is `Logistic` at ``2 y - 1``.  Conjugate, with ``q = u + y`` in [0, 1]: ``q log q + (1 - q) log(1 - q)``.

    Examples
    --------
    >>> Bernoulli().slope(0.0, 1.0), Bernoulli().slope(0.0, 0.25)
    (-0.5, 0.25)
    """

    convex = True
    smoothness = 0.25
    self_concordance = 1.0
    targets = "unit"
    link = "logistic"

    # Written so that nothing cancels for y in {0, 1}: the small number stays accurate at large margins.
    def value(self, z: float, y: float) -> float:
        return ((1.0 - y) * z if z > 0.0 else -y * z) + softplus(-abs(z))

    def slope(self, z: float, y: float) -> float:
        small = sigmoid(-abs(z))
        return (1.0 - y) - small if z > 0.0 else small - y

    def curvature(self, z: float, y: float) -> float:
        e = exp_neg(-abs(z))
        return e / ((1.0 + e) * (1.0 + e))

    def conjugate(self, u: float, y: float) -> float:
        return binary_entropy(u + y)


@scalar_loss(name="hinge")
class Hinge(NamedTuple):
    """Hinge loss ``[1 - y z]_+``, of the support vector machine.

    Slope ``-y`` where ``y z < 1``, else 0.  Conjugate: ``y u`` for ``-1 <= y u <= 0``.

    Examples
    --------
    >>> Hinge().value(0.5, 1.0), Hinge().slope(0.5, 1.0), Hinge().slope(1.0, 1.0)
    (0.5, -1.0, 0.0)
    """

    convex = True
    smoothness = math.inf
    self_concordance = math.inf
    targets = "sign"
    link = "sign"

    def value(self, z: float, y: float) -> float:
        gap = 1.0 - y * z
        return 0.0 if gap <= 0.0 else gap

    def slope(self, z: float, y: float) -> float:
        return 0.0 if y * z >= 1.0 else -y

    def conjugate(self, u: float, y: float) -> float:
        s = y * u
        return math.inf if s < -1.0 or s > 0.0 else s

    def prox(self, z: float, y: float, step: float) -> float:
        m = y * z
        return y * max(m, min(m + step, 1.0))


@scalar_loss(name="squared_hinge")
class SquaredHinge(NamedTuple):
    """Squared hinge loss ``[1 - y z]_+^2``: the slope is continuous, the curvature 2 or 0.

    Conjugate, with ``s = y u <= 0``: ``s + s^2 / 4``.

    Examples
    --------
    >>> SquaredHinge().value(-1.0, 1.0), SquaredHinge().slope(-1.0, 1.0)
    (4.0, -4.0)
    """

    convex = True
    smoothness = 2.0
    self_concordance = math.inf
    targets = "sign"
    link = "sign"

    def value(self, z: float, y: float) -> float:
        gap = 1.0 - y * z
        return 0.0 if gap <= 0.0 else gap * gap

    def slope(self, z: float, y: float) -> float:
        gap = 1.0 - y * z
        return 0.0 if gap <= 0.0 else -2.0 * y * gap

    def curvature(self, z: float, y: float) -> float:
        return 0.0 if y * z >= 1.0 else 2.0

    def conjugate(self, u: float, y: float) -> float:
        s = y * u
        return math.inf if s > 0.0 else s * (1.0 + 0.25 * s)


@scalar_loss(name="modified_huber")
class ModifiedHuber(NamedTuple):
    """Squared hinge, continued as a straight line below a knee: outliers pull with a bounded force.

    With ``m = y z``: 0 above 1, ``(1 - m)^2`` from the knee to 1, and the tangent at the knee below it.  The
    default ``knee = 0`` gives ``1 - 2 m`` below 0; ``knee = -1`` gives ``-4 m`` below -1, scikit-learn's
    "modified_huber" (Zhang 2004).  Conjugate, with ``s = y u`` in ``[-2 (1 - knee), 0]``: ``s + s^2 / 4``.

    Parameters
    ----------
    knee : float
        Below 1.

    Examples
    --------
    >>> ModifiedHuber().value(-2.0, 1.0), ModifiedHuber(knee=-1.0).value(-2.0, 1.0)
    (5.0, 8.0)
    """

    knee: float = 0.0

    convex = True
    smoothness = 2.0
    self_concordance = math.inf
    targets = "sign"
    link = "sign"

    def validate(self) -> None:
        if not -math.inf < self.knee < 1.0:
            raise InvalidParameterError(f"knee: expected a finite number below 1, got {self.knee}. Use 0 or -1.")

    def value(self, z: float, y: float) -> float:
        m = y * z
        if m >= 1.0:
            return 0.0
        rise = 1.0 - self.knee
        return rise * (rise - 2.0 * (m - self.knee)) if m < self.knee else (1.0 - m) * (1.0 - m)

    def slope(self, z: float, y: float) -> float:
        m = y * z
        if m >= 1.0:
            return 0.0
        return -2.0 * y * (1.0 - (self.knee if m < self.knee else m))

    def curvature(self, z: float, y: float) -> float:
        m = y * z
        return 0.0 if m >= 1.0 or m < self.knee else 2.0

    def conjugate(self, u: float, y: float) -> float:
        s = y * u
        if s > 0.0 or s < -2.0 * (1.0 - self.knee):
            return math.inf
        return s * (1.0 + 0.25 * s)


@scalar_loss(name="exponential")
class Exponential(NamedTuple):
    """Exponential loss ``exp(-y z)``, of boosting.

    The slope is not bounded: one gross outlier decides.  Conjugate, with ``a = -y u >= 0``: ``a log a - a``.

    Examples
    --------
    >>> Exponential().value(0.0, -1.0), Exponential().slope(0.0, -1.0)
    (1.0, 1.0)
    """

    convex = True
    smoothness = math.inf
    self_concordance = 1.0
    targets = "sign"
    link = "sign"

    def value(self, z: float, y: float) -> float:
        return safe_exp(-y * z)

    def slope(self, z: float, y: float) -> float:
        return -y * safe_exp(-y * z)

    def curvature(self, z: float, y: float) -> float:
        return safe_exp(-y * z)

    def conjugate(self, u: float, y: float) -> float:
        a = -y * u
        return math.inf if a < 0.0 else xlogx(a) - a


@scalar_loss(name="sigmoid")
class SigmoidLoss(NamedTuple):
    """Sigmoid loss ``1 / (1 + exp(y z))``: a smooth 0-1 loss, bounded, robust to wrong labels, not convex.

    The slope is ``1 / (6 sqrt 3)``-Lipschitz.

    Examples
    --------
    >>> SigmoidLoss().value(0.0, 1.0), SigmoidLoss().slope(0.0, 1.0)
    (0.5, -0.25)
    """

    convex = False
    smoothness = 1.0 / (6.0 * math.sqrt(3.0))
    self_concordance = math.inf
    targets = "sign"
    link = "sign"

    def value(self, z: float, y: float) -> float:
        return sigmoid(-y * z)

    def slope(self, z: float, y: float) -> float:
        e = exp_neg(-abs(y * z))
        return -y * e / ((1.0 + e) * (1.0 + e))

    def curvature(self, z: float, y: float) -> float:
        m = y * z
        e = exp_neg(-abs(m))
        bend = e * (1.0 - e) / ((1.0 + e) * (1.0 + e) * (1.0 + e))
        return bend if m >= 0.0 else -bend


@scalar_loss(name="sigmoid_squared")
class SigmoidSquared(NamedTuple):
    """Squared error of a sigmoid unit, ``1/2 (p - y)^2`` with ``p = sigmoid(z)``, for y in {0, 1} or in between.

    The slope ``(p - y) p (1 - p)`` carries the factor ``p (1 - p)`` of the sigmoid: a unit that starts far on the wrong
    side has a slope of almost zero and stays there, where that of `Bernoulli`, ``p - y``, is near one.  Not convex:
    bounded, and flat at both ends.  The slope is ``g(s)``-Lipschitz, ``g(s) = s^2 (1 - s) (2 - 3 s)`` at
    ``s = (15 - sqrt 33) / 24``: 0.0770.

    Examples
    --------
    >>> SigmoidSquared().value(0.0, 1.0), SigmoidSquared().slope(0.0, 1.0)
    (0.125, -0.125)
    >>> print(f"{SigmoidSquared().slope(-8.0, 1.0):.5f} against {Bernoulli().slope(-8.0, 1.0):.5f}")
    -0.00034 against -0.99966
    """

    convex = False
    smoothness = _STEEPEST**2 * (1.0 - _STEEPEST) * (2.0 - 3.0 * _STEEPEST)
    self_concordance = math.inf
    targets = "unit"
    link = "logistic"

    # p - y for y in {0, 1} is the small of p and 1 - p, written so that nothing cancels
    def value(self, z: float, y: float) -> float:
        small = sigmoid(-abs(z))
        r = (1.0 - y) - small if z > 0.0 else small - y
        return 0.5 * r * r

    def slope(self, z: float, y: float) -> float:
        small = sigmoid(-abs(z))
        r = (1.0 - y) - small if z > 0.0 else small - y
        return r * (small * (1.0 - small))

    def curvature(self, z: float, y: float) -> float:
        small = sigmoid(-abs(z))
        bend = small * (1.0 - small)
        if z > 0.0:
            return bend * (bend - ((1.0 - y) - small) * (1.0 - 2.0 * small))
        return bend * (bend + (small - y) * (1.0 - 2.0 * small))


@scalar_loss(name="perceptron")
class PerceptronLoss(NamedTuple):
    """Perceptron loss ``[-y z]_+``: what a step unit pays for a wrong sign.

    Slope ``-y`` where ``y z <= 0``.  At the kink this is the subgradient of the perceptron rule, without which
    training from w = 0, a minimiser without any use, would never move.  Conjugate: 0 for ``-1 <= y u <= 0``.

    Examples
    --------
    >>> PerceptronLoss().value(-2.0, 1.0), PerceptronLoss().slope(0.0, 1.0)
    (2.0, -1.0)
    """

    convex = True
    smoothness = math.inf
    self_concordance = math.inf
    targets = "sign"
    link = "sign"

    def value(self, z: float, y: float) -> float:
        m = y * z
        return 0.0 if m >= 0.0 else -m

    def slope(self, z: float, y: float) -> float:
        return 0.0 if y * z > 0.0 else -y

    def conjugate(self, u: float, y: float) -> float:
        s = y * u
        return math.inf if s < -1.0 or s > 0.0 else 0.0 * s

    def prox(self, z: float, y: float, step: float) -> float:
        m = y * z
        return y * max(m, min(m + step, 0.0))


@scalar_loss(name="zero_one")
class ZeroOne(NamedTuple):
    """0-1 loss ``1[y z <= 0]``, for evaluation only: its slope is 0 wherever there is one.

    Examples
    --------
    >>> ZeroOne().value(-0.1, 1.0), ZeroOne().slope(-0.1, 1.0), ZeroOne.trainable
    (1.0, 0.0, False)
    """

    convex = False
    smoothness = math.inf
    self_concordance = math.inf
    targets = "sign"
    link = "sign"
    trainable = False

    def value(self, z: float, y: float) -> float:
        m = y * z
        return 1.0 if m <= 0.0 else (0.0 if m > 0.0 else math.nan)

    def slope(self, z: float, y: float) -> float:
        return 0.0
