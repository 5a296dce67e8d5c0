"""Several losses at once, weighted, on one model: ``a first(z, y) + b second(z, y)``, nested for more than two.

A sum is a value like any other loss: it is compiled into every kernel, and what is known about it follows from its
terms.  It has no conjugate, for that of a sum is an infimal convolution: certificates come from strong convexity.
"""
# mypy: disable-error-code="misc"

from __future__ import annotations

import math
from typing import Any, NamedTuple

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses.registry import SCALAR_LOSSES, curvature, get_loss, has, scalar_loss, slope, value

#: Targets that a loss of the key takes besides those of its own kind.
_TAKES = {"real": {"real", "sign", "unit", "nonnegative"}, "nonnegative": {"nonnegative", "unit"}}


@scalar_loss(name="weighted_sum")
class WeightedSum(NamedTuple):
    """The loss ``a first(z, y) + b second(z, y)``; `sum_of` writes longer ones.

    Slope and curvature are those sums.  Facts: convex where both are and no weight is negative; smoothness
    ``|a| L1 + |b| L2``; self-concordance the larger of both.  Targets are those that both take: a loss of real targets
    takes all others as well.  Terms that would read a score in two ways, as ``exp(z)`` and as ``z``, are refused; for
    classes their sum predicts a class and no probability.

    Parameters
    ----------
    first, second : loss values of one score
    a, b : float
        Finite, not 0.

    Examples
    --------
    >>> from steepest.losses import Absolute, Squared
    >>> both = WeightedSum(Squared(), Absolute(), 1.0, 0.5)
    >>> both.value(3.0, 1.0), both.slope(3.0, 1.0), both.convex, both.smoothness
    (3.0, 2.5, True, inf)
    """

    first: Any
    second: Any
    a: float = 1.0
    b: float = 1.0

    def validate(self) -> None:
        for name, term in (("first", self.first), ("second", self.second)):
            if type(term) not in SCALAR_LOSSES.values():
                raise InvalidParameterError(
                    f"{name}: expected a loss value of one score, got {term!r}. "
                    "Use losses.sum_of(('logistic', 1.0), ('hinge', 0.5)), which takes names."
                )
        for name, weight in (("a", self.a), ("b", self.b)):
            if not (isinstance(weight, float) and math.isfinite(weight) and weight != 0.0):
                raise InvalidParameterError(
                    f"{name}: expected a finite weight other than 0, got {weight!r}. Leave the term out instead."
                )
        _ = self.targets, self.link

    def offers(self, method: str) -> bool:
        """Whether an optional method can be called: where both terms have it, and it adds up."""
        return method in ("value", "slope", "curvature") and has(self.first, method) and has(self.second, method)

    def terms(self) -> list[tuple[Any, float]]:
        """The losses that are no sums, with their weights.

        >>> [(loss.name, weight) for loss, weight in sum_of(("hinge", 1), ("squared", 2), ("logistic", 3)).terms()]
        [('hinge', 1.0), ('squared', 2.0), ('logistic', 3.0)]
        """
        out: list[tuple[Any, float]] = []
        for term, weight in ((self.first, self.a), (self.second, self.b)):
            within = term.terms() if isinstance(term, WeightedSum) else [(term, 1.0)]
            out += [(loss, weight * inside) for loss, inside in within]
        return out

    @property
    def convex(self) -> bool:
        return bool(self.first.convex and self.second.convex and self.a > 0.0 and self.b > 0.0)

    @property
    def smoothness(self) -> float:
        return float(abs(self.a) * self.first.smoothness + abs(self.b) * self.second.smoothness)

    @property
    def self_concordance(self) -> float:
        if self.a < 0.0 or self.b < 0.0:
            return math.inf
        both = (self.first.self_concordance, self.second.self_concordance)
        return math.nan if any(map(math.isnan, both)) else float(max(both))

    @property
    def lower(self) -> float:
        if self.a < 0.0 or self.b < 0.0:
            return -math.inf
        return float(self.a * self.first.lower + self.b * self.second.lower)

    @property
    def targets(self) -> str:
        one, two = str(self.first.targets), str(self.second.targets)
        if one in _TAKES.get(two, {two}):
            return one
        if two in _TAKES.get(one, {one}):
            return two
        raise IncompatibleError(
            f"losses: '{self.first.name}' takes the targets '{one}' and '{self.second.name}' the targets '{two}'; one "
            "model has one kind. Use 'bernoulli' for classes coded 0 and 1, 'logistic' for -1 and 1."
        )

    @property
    def link(self) -> str:
        one, two = str(self.first.link), str(self.second.link)
        if one == two:
            return one
        if self.targets == "sign":
            return "sign"
        raise IncompatibleError(
            f"losses: '{self.first.name}' reads a score with the link '{one}' and '{self.second.name}' with '{two}', "
            "so their sum would predict nothing. Use terms of one link."
        )

    @property
    def trainable(self) -> bool:
        return bool(self.first.trainable and self.second.trainable)

    def value(self, z: float, y: float) -> float:
        return self.a * value(self.first, z, y) + self.b * value(self.second, z, y)

    def slope(self, z: float, y: float) -> float:
        return self.a * slope(self.first, z, y) + self.b * slope(self.second, z, y)

    def curvature(self, z: float, y: float) -> float:
        return self.a * curvature(self.first, z, y) + self.b * curvature(self.second, z, y)


def sum_of(*terms: tuple[Any, float]) -> Any:
    """A loss that is the weighted sum of others: ``sum_of(("logistic", 1.0), ("squared_hinge", 0.5))``.

    Parameters
    ----------
    *terms : (loss, weight)
        A name, class or value of a loss of one score, and its weight.  A single term of weight 1 is itself.

    Returns
    -------
    loss value
        `WeightedSum`, nested from the left.

    Raises
    ------
    InvalidParameterError
        A loss of several scores, or a weight that is zero, infinite or NaN.
    IncompatibleError
        Terms for different kinds of targets.

    Examples
    --------
    >>> sum_of(("logistic", 1.0), ("squared_hinge", 0.5)).slope(0.0, 1.0)
    -1.5
    """
    example = "sum_of(('logistic', 1.0), ('squared_hinge', 0.5))"
    pairs: list[tuple[Any, float]] = []
    for term in terms:
        if not (isinstance(term, tuple | list) and len(term) == 2) or hasattr(term, "_fields"):
            raise InvalidParameterError(f"terms: expected pairs of a loss and a weight, got {term!r}. Write {example}.")
        loss = get_loss(term[0])
        if type(loss) not in SCALAR_LOSSES.values():
            raise InvalidParameterError(
                f"terms: '{loss.name}' is a loss of several scores; only losses of one score add up. Write {example}."
            )
        pairs.append((loss, term[1]))
    if not pairs or (len(pairs) == 1 and pairs[0][1] != 1):
        raise InvalidParameterError(
            f"terms: expected two or more, or one of weight 1, got {len(pairs)}. "
            "A factor on the whole loss is one on the strength of the penalty: divide alpha by it."
        )
    out, first = pairs[0]
    for number, (loss, weight) in enumerate(pairs[1:]):
        out = WeightedSum(out, loss, first if number == 0 else 1.0, weight)
    return out
