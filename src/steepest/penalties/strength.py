"""One family, many spellings: how the strength of a penalty is written elsewhere.

With ``S = sum s_i`` the total sample weight (n where there are none), these have the same minimiser:

- ``(1/S) sum s_i loss_i + alpha R(w)``, steepest's own form, with ``R = |w|^2 / 2``, ``|w|_1`` or a mix;
- ``C sum s_i loss_i + R(w)`` where ``C = 1 / (alpha S)``: support vector machines, LIBLINEAR, scikit-learn's
  LogisticRegression and LinearSVC;
- ``sum s_i loss_i + a R(w)`` where ``a = alpha S``: scikit-learn's Ridge, whose ``|y - X w|^2 + a |w|^2`` is twice
  this with the squared loss ``(z - y)^2 / 2``.

The first is the third divided by S, and the third is the second divided by C.
"""

from __future__ import annotations

import math

from steepest.exceptions import InvalidParameterError


def _positive(name: str, value: float, zero: bool = False) -> float:
    number = float(value)
    if not (0.0 < number < math.inf or (zero and number == 0.0)):
        allowed = ">= 0" if zero else "> 0"
        raise InvalidParameterError(f"{name}: expected a finite number {allowed}, got {value!r}. Try 1.0.")
    return number


def alpha_from_C(C: float, total_weight: float) -> float:
    """``alpha = 1 / (C S)`` of the mean form for a C of the form ``C sum loss + R(w)``; C = inf gives 0.

    Parameters
    ----------
    C : float
        Positive.
    total_weight : float
        S: the number of samples, or the sum of their weights.

    Examples
    --------
    >>> alpha_from_C(2.0, 100)
    0.005
    """
    if math.isinf(C) and C > 0.0:
        return 0.0
    return 1.0 / (_positive("C", C) * _positive("total_weight", total_weight))


def C_from_alpha(alpha: float, total_weight: float) -> float:
    """``C = 1 / (alpha S)``, the inverse of `alpha_from_C`; alpha = 0 gives inf.

    Examples
    --------
    >>> C_from_alpha(0.005, 100)
    2.0
    """
    total = _positive("total_weight", total_weight)
    strength = _positive("alpha", alpha, zero=True)
    return 1.0 / (strength * total) if strength > 0.0 else math.inf


def alpha_from_sum(a: float, total_weight: float) -> float:
    """``alpha = a / S`` of the mean form for the a of the form ``sum loss + a R(w)``.

    Examples
    --------
    >>> alpha_from_sum(5.0, 100)
    0.05
    """
    return _positive("a", a, zero=True) / _positive("total_weight", total_weight)


def sum_from_alpha(alpha: float, total_weight: float) -> float:
    """``a = alpha S``, the inverse of `alpha_from_sum`.

    Examples
    --------
    >>> sum_from_alpha(0.05, 100)
    5.0
    """
    return _positive("alpha", alpha, zero=True) * _positive("total_weight", total_weight)
