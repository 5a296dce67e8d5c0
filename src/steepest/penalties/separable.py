"""Penalties ``l1 |w|_1 + l2/2 |w|_2^2``: none, L1, L2 and the elastic net.

They act on the weights only; a problem never shows them an intercept.  All methods are O(size of w).
"""
# mypy: disable-error-code="misc"

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray


def _strength(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (0.0 <= number < math.inf):
        raise InvalidParameterError(f"{name}: expected a finite number >= 0, got {value!r}. Use 0 for no penalty.")
    return number


class _Separable:
    """``l1 |w|_1 + l2/2 |w|^2``, its proximal map and its conjugate."""

    __slots__ = ()

    @classmethod
    def _make(cls, fields: Any) -> Any:  # so that _replace validates
        return cls(*fields)

    @property
    def l1(self) -> float:
        """Strength of ``|w|_1``."""
        return 0.0

    @property
    def l2(self) -> float:
        """Strength of ``|w|^2 / 2``: the strong convexity in the weights."""
        return 0.0

    def value(self, w: FloatArray) -> float:
        """``l1 |w|_1 + l2/2 |w|^2``; inf where that is beyond the largest float."""
        w = np.asarray(w, dtype=np.float64)
        total = 0.0
        with np.errstate(over="ignore"):
            if self.l1 > 0.0:
                total += self.l1 * float(np.abs(w).sum())
            if self.l2 > 0.0:
                flat = w.ravel()
                total += 0.5 * self.l2 * float(flat @ flat)
        return total

    def prox(self, w: FloatArray, step: float | FloatArray) -> FloatArray:
        """``argmin_v  penalty(v) + sum (v - w)^2 / (2 step)``, a new array.

        Soft threshold at ``step l1``, then division by ``1 + step l2``.

        Parameters
        ----------
        w : array
        step : float or array of the shape of w
            Positive; one step a coordinate is the proximal map in a diagonal metric.
        """
        w = np.asarray(w, dtype=np.float64)
        out = w.copy()
        if self.l1 > 0.0:
            out = np.sign(w) * np.maximum(np.abs(w) - step * self.l1, 0.0)
        if self.l2 > 0.0:
            out /= 1.0 + step * self.l2
        return out

    def conjugate(self, v: FloatArray) -> float:
        """``sup_w  v.w - penalty(w)``.

        ``sum [|v| - l1]_+^2 / (2 l2)`` where l2 > 0; else 0 on the box ``|v| <= l1`` and inf outside.  The box
        is widened by 4 units in the last place, so that a v scaled onto its boundary counts as inside.
        """
        v = np.asarray(v, dtype=np.float64)
        if self.l2 > 0.0:
            with np.errstate(over="ignore"):
                excess = np.maximum(np.abs(v) - self.l1, 0.0).ravel()
                return float(excess @ excess) / (2.0 * self.l2)
        largest = float(np.max(np.abs(v), initial=0.0))
        if math.isnan(largest):
            return math.nan
        return 0.0 if largest <= self.l1 * (1.0 + 4.0 * 2.0**-52) else math.inf

    # Tuples compare by content alone: L1(0.1) would equal L2(0.1), and an empty one would be false.
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and tuple(cast(Any, self)) == tuple(cast(Any, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self).__qualname__, tuple(cast(Any, self))))

    def __bool__(self) -> bool:
        return True


class _None(NamedTuple):
    pass


class _Alpha(NamedTuple):
    alpha: float


class _Mix(NamedTuple):
    alpha: float
    l1_ratio: float


class NoPenalty(_Separable, _None):
    """The zero penalty.

    Examples
    --------
    >>> NoPenalty().value(np.ones(3)), NoPenalty().conjugate(np.ones(3))
    (0.0, inf)
    """

    __slots__ = ()


class L1(_Separable, _Alpha):
    """``alpha |w|_1``.

    Examples
    --------
    >>> L1(0.5).prox(np.array([2.0, -0.2]), 1.0)
    array([ 1.5, -0. ])
    """

    __slots__ = ()

    def __new__(cls, alpha: float = 1.0) -> L1:
        return super().__new__(cls, _strength("alpha", alpha))

    @property
    def l1(self) -> float:
        return self.alpha


class L2(_Separable, _Alpha):
    """``alpha/2 |w|_2^2``.

    Examples
    --------
    >>> L2(2.0).value(np.array([3.0, 4.0])), L2(2.0).prox(np.array([3.0]), 1.0)
    (25.0, array([1.]))
    """

    __slots__ = ()

    def __new__(cls, alpha: float = 1.0) -> L2:
        return super().__new__(cls, _strength("alpha", alpha))

    @property
    def l2(self) -> float:
        return self.alpha


class ElasticNet(_Separable, _Mix):
    """``alpha (l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|_2^2)``.

    Examples
    --------
    >>> ElasticNet(2.0, 0.25).l1, ElasticNet(2.0, 0.25).l2
    (0.5, 1.5)
    """

    __slots__ = ()

    def __new__(cls, alpha: float = 1.0, l1_ratio: float = 0.5) -> ElasticNet:
        ratio = _strength("l1_ratio", l1_ratio)
        if ratio > 1.0:
            raise InvalidParameterError(f"l1_ratio: expected a number in [0, 1], got {l1_ratio!r}. Use 1 for pure L1.")
        return super().__new__(cls, _strength("alpha", alpha), ratio)

    @property
    def l1(self) -> float:
        return self.alpha * self.l1_ratio

    @property
    def l2(self) -> float:
        return self.alpha * (1.0 - self.l1_ratio)


def get_penalty(penalty: Any, alpha: float = 1.0, l1_ratio: float = 0.5) -> Any:
    """The penalty value for a name and its strengths; a value is returned as it is.

    Parameters
    ----------
    penalty : {"l1", "l2", "elasticnet", "none"}, None or a penalty
    alpha : float
        Strength; not used where a value is given.
    l1_ratio : float
        Used by "elasticnet" only.
    """
    if penalty is None or penalty == "none":
        return NoPenalty()
    if penalty == "l1":
        return L1(alpha)
    if penalty == "l2":
        return L2(alpha)
    if penalty == "elasticnet":
        return ElasticNet(alpha, l1_ratio)
    offered = all(hasattr(penalty, name) for name in ("l1", "l2", "value", "prox", "conjugate"))
    if offered and not isinstance(penalty, type):
        return penalty
    raise InvalidParameterError(
        f"penalty: expected 'l1', 'l2', 'elasticnet', 'none', None or a penalty value, got {penalty!r}. Try 'l2'."
    )
