"""Rates of stochastic steps as values: ``rates(first, count)`` of the steps first, first + 1, ..., counted from 0.

Robbins and Monro (1951, A stochastic approximation method) prove that stochastic approximation converges where

    sum eta_t = inf   and   sum eta_t^2 < inf:

the steps can reach any point, and the noise dies away.  Each schedule states which of the two it meets; None where
that depends on what is observed.  A schedule that misses one may do well for a fixed number of steps.
"""
# mypy: disable-error-code="misc"
# `_make` validates, as that of a NamedTuple does not.

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray


class RobbinsMonro(NamedTuple):
    """Which of the two conditions a schedule meets; None where it depends on the run."""

    sum_diverges: bool | None
    squares_converge: bool | None

    @property
    def holds(self) -> bool | None:
        """Whether both do."""
        if self.sum_diverges is False or self.squares_converge is False:
            return False
        return None if None in self else True


def check_number(name: str, value: Any, *, low: float = 0.0, high: float = math.inf, open_low: bool = True) -> None:
    """Raises where a parameter of a schedule is no number between ``low`` and ``high``."""
    try:
        good = math.isfinite(value) and (low < value <= high if open_low else low <= value <= high)
    except TypeError:
        good = False
    if not good:
        sign = ">" if open_low else ">="
        raise InvalidParameterError(
            f"{name}: expected a number {sign} {low:g}{f' and <= {high:g}' if high < math.inf else ''}, got {value!r}."
        )


class BaseSchedule:
    """What schedules share: positive rates, one law."""

    __slots__ = ()

    def _law(self, t: FloatArray) -> FloatArray:
        raise NotImplementedError

    def rates(self, first: int, count: int) -> FloatArray:
        """The rates of ``count`` steps; ``first`` steps were taken before."""
        return self._law(np.arange(first, first + count, dtype=np.float64))

    def observed(self, value: float) -> Any:
        """The schedule after an epoch that ended at an objective of ``value``; most do not look at it."""
        return self

    @classmethod
    def _make(cls, fields: Any) -> Any:  # so that _replace validates
        return cls(*fields)

    # tuples compare by content alone
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and tuple(cast(Any, self)) == tuple(cast(Any, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self).__qualname__, tuple(cast(Any, self))))


class _Rate(NamedTuple):
    eta0: float


class _Power(NamedTuple):
    eta0: float
    power: float


class _Fading(NamedTuple):
    eta0: float
    decay: float
    power: float


class _Steps(NamedTuple):
    eta0: float
    every: int
    factor: float


class _Cosine(NamedTuple):
    eta0: float
    steps: int
    floor: float


class _WarmUp(NamedTuple):
    then: Any
    steps: int


class _Decay(NamedTuple):
    alpha: float
    shift: float


class Constant(BaseSchedule, _Rate):
    """``eta0``.  The sum diverges, that of the squares too: the iterates end in a ball whose size goes with eta0.

    Examples
    --------
    >>> Constant(0.1).rates(0, 3), Constant(0.1).robbins_monro.holds
    (array([0.1, 0.1, 0.1]), False)
    """

    __slots__ = ()

    def __new__(cls, eta0: float = 0.01) -> Constant:
        check_number("eta0", eta0)
        return super().__new__(cls, float(eta0))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(True, False)

    def _law(self, t: FloatArray) -> FloatArray:
        return np.full(t.shape, self.eta0)


class InverseScaling(BaseSchedule, _Power):
    """``eta0 / (t + 1)^power``; meets both conditions for powers above 1/2 up to 1.

    Examples
    --------
    >>> InverseScaling(1.0, 0.5).rates(0, 4)
    array([1.        , 0.70710678, 0.57735027, 0.5       ])
    """

    __slots__ = ()

    def __new__(cls, eta0: float = 0.01, power: float = 0.5) -> InverseScaling:
        check_number("eta0", eta0)
        check_number("power", power, open_low=False)
        return super().__new__(cls, float(eta0), float(power))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(self.power <= 1.0, self.power > 0.5)

    def _law(self, t: FloatArray) -> FloatArray:
        return np.asarray(self.eta0 / (t + 1.0) ** self.power)


class Fading(BaseSchedule, _Fading):
    """``eta0 (1 + decay t)^-power``: eta0 for about ``1 / decay`` steps, then as `InverseScaling`.

    With ``decay = eta0 alpha`` and power 1 it ends as ``1 / (alpha t)``, with power 3/4 it suits averaging.

    References
    ----------
    Bottou (2012), Stochastic gradient descent tricks.  Xu (2011), Towards optimal one pass large scale learning with
    averaged stochastic gradient descent.

    Examples
    --------
    >>> Fading(0.5, 1.0, 1.0).rates(0, 4)
    array([0.5       , 0.25      , 0.16666667, 0.125     ])
    """

    __slots__ = ()

    def __new__(cls, eta0: float = 0.01, decay: float = 1e-4, power: float = 0.75) -> Fading:
        check_number("eta0", eta0)
        check_number("decay", decay)
        check_number("power", power, open_low=False)
        return super().__new__(cls, float(eta0), float(decay), float(power))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(self.power <= 1.0, self.power > 0.5)

    def _law(self, t: FloatArray) -> FloatArray:
        return np.asarray(self.eta0 / (1.0 + self.decay * t) ** self.power)


class Inverse(BaseSchedule, _Rate):
    """``eta0 / k`` for k = 1, 2, ...; meets both conditions."""

    __slots__ = ()

    def __new__(cls, eta0: float = 1.0) -> Inverse:
        check_number("eta0", eta0)
        return super().__new__(cls, float(eta0))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(True, True)

    def _law(self, t: FloatArray) -> FloatArray:
        return self.eta0 / (t + 1.0)


class InverseNext(BaseSchedule, _Rate):
    """``eta0 / (k + 1)`` for k = 1, 2, ...: begins at half of eta0; meets both conditions."""

    __slots__ = ()

    def __new__(cls, eta0: float = 1.0) -> InverseNext:
        check_number("eta0", eta0)
        return super().__new__(cls, float(eta0))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(True, True)

    def _law(self, t: FloatArray) -> FloatArray:
        return self.eta0 / (t + 2.0)


class InverseRoot(BaseSchedule, _Rate):
    """``eta0 / sqrt(k)`` for k = 1, 2, ...

    The squares sum to a logarithm: the second condition just fails.  The rate of subgradient methods, whose best, or
    mean, iterate is ``O(1/sqrt(k))`` from the minimum all the same (with a factor ``log k``).
    """

    __slots__ = ()

    def __new__(cls, eta0: float = 1.0) -> InverseRoot:
        check_number("eta0", eta0)
        return super().__new__(cls, float(eta0))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(True, False)

    def _law(self, t: FloatArray) -> FloatArray:
        return self.eta0 / np.sqrt(t + 1.0)


class Pegasos(BaseSchedule, _Decay):
    """``1 / (alpha (k + shift))`` for k = 1, 2, ...; meets both conditions.

    With an objective alpha-strongly convex, ``P - P* = O(log k / (alpha k))``.  Shift 0 is that of the paper, whose
    first step forgets the start; a large shift begins gently (scikit-learn's "optimal" has ``t0 - 1``).

    Parameters
    ----------
    alpha : float
        The strength of the squared penalty.
    shift : float
        Not negative.

    References
    ----------
    Shalev-Shwartz, Singer, Srebro, Cotter (2011), Pegasos: primal estimated sub-gradient solver for SVM.

    Examples
    --------
    >>> Pegasos(0.1).rates(0, 3)
    array([10.        ,  5.        ,  3.33333333])
    """

    __slots__ = ()

    def __new__(cls, alpha: float, shift: float = 0.0) -> Pegasos:
        check_number("alpha", alpha)
        check_number("shift", shift, open_low=False)
        return super().__new__(cls, float(alpha), float(shift))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(True, True)

    def _law(self, t: FloatArray) -> FloatArray:
        return 1.0 / (self.alpha * (t + 1.0 + self.shift))


class StepDecay(BaseSchedule, _Steps):
    """``eta0 factor^floor(t / every)``; a geometric series: the sum is finite, and so is the way that can be gone.

    Examples
    --------
    >>> StepDecay(1.0, 2, 0.5).rates(0, 5)
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    __slots__ = ()

    def __new__(cls, eta0: float = 0.1, every: int = 1000, factor: float = 0.1) -> StepDecay:
        check_number("eta0", eta0)
        check_number("every", every, low=1, open_low=False)
        check_number("factor", factor, high=1.0)
        return super().__new__(cls, float(eta0), int(every), float(factor))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(self.factor == 1.0, self.factor < 1.0)

    def _law(self, t: FloatArray) -> FloatArray:
        return np.asarray(self.eta0 * self.factor ** np.floor(t / self.every))


class Cosine(BaseSchedule, _Cosine):
    """``floor + (eta0 - floor) (1 + cos(pi t / steps)) / 2``, and ``floor`` from step ``steps`` on.

    With a floor of 0 the steps end, and the sums are finite; with another it is constant in the end.

    References
    ----------
    Loshchilov, Hutter (2017), SGDR: stochastic gradient descent with warm restarts.
    """

    __slots__ = ()

    def __new__(cls, eta0: float = 0.1, steps: int = 1000, floor: float = 0.0) -> Cosine:
        check_number("eta0", eta0)
        check_number("steps", steps, low=1, open_low=False)
        check_number("floor", floor, high=eta0, open_low=False)
        return super().__new__(cls, float(eta0), int(steps), float(floor))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(self.floor > 0.0, self.floor == 0.0)

    def _law(self, t: FloatArray) -> FloatArray:
        phase = np.minimum(t, self.steps) * (math.pi / self.steps)
        return np.where(t < self.steps, self.floor + 0.5 * (self.eta0 - self.floor) * (1.0 + np.cos(phase)), self.floor)


class WarmUp(BaseSchedule, _WarmUp):
    """Rises in a straight line over ``steps`` steps to the first rate of ``then``, which begins after it.

    Finitely many steps change neither sum: the conditions are those of ``then``.

    Examples
    --------
    >>> WarmUp(Constant(1.0), 4).rates(0, 6)
    array([0.25, 0.5 , 0.75, 1.  , 1.  , 1.  ])
    """

    __slots__ = ()

    def __new__(cls, then: Any, steps: int = 100) -> WarmUp:
        if not isinstance(then, BaseSchedule):
            raise InvalidParameterError(f"then: expected a schedule, got {then!r}. Try Constant(0.01).")
        check_number("steps", steps, low=1, open_low=False)
        return super().__new__(cls, then, int(steps))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return self.then.robbins_monro  # type: ignore[no-any-return]

    def observed(self, value: float) -> WarmUp:
        return WarmUp(self.then.observed(value), self.steps)

    def _law(self, t: FloatArray) -> FloatArray:
        top = self.then._law(np.zeros(1))[0]
        later = self.then._law(np.maximum(t - self.steps, 0.0))
        return np.asarray(np.where(t < self.steps, top * (t + 1.0) / self.steps, later))


class _Plateau(NamedTuple):
    eta0: float
    factor: float
    patience: int
    threshold: float
    floor: float
    rate: float
    best: float
    waited: int


class ReduceOnPlateau(BaseSchedule, _Plateau):
    """Constant until the objective has not fallen, by ``threshold`` of itself, for more than ``patience`` epochs.

    Then it is multiplied by ``factor``, down to ``floor``.  `observed` returns the schedule after an epoch: the
    memory is in the value.  With a positive floor both sums diverge; without one the run decides.

    Parameters
    ----------
    eta0, factor, patience, threshold, floor
        As said.
    rate, best, waited
        The memory: the present rate (0: eta0), the best objective, epochs since.

    Examples
    --------
    >>> schedule = ReduceOnPlateau(1.0, factor=0.5, patience=1)
    >>> for objective in (3.0, 2.0, 2.0, 2.0):
    ...     schedule = schedule.observed(objective)
    >>> schedule.rate
    0.5
    """

    __slots__ = ()

    def __new__(
        cls,
        eta0: float = 0.1,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        floor: float = 0.0,
        rate: float = 0.0,
        best: float = math.inf,
        waited: int = 0,
    ) -> ReduceOnPlateau:
        check_number("eta0", eta0)
        check_number("factor", factor, high=1.0)
        check_number("patience", patience, open_low=False)
        check_number("threshold", threshold, high=1.0, open_low=False)
        check_number("floor", floor, high=eta0, open_low=False)
        return super().__new__(
            cls, float(eta0), float(factor), int(patience), float(threshold), float(floor), rate or eta0, best, waited
        )

    @property
    def robbins_monro(self) -> RobbinsMonro:
        if self.floor > 0.0 or self.factor == 1.0:
            return RobbinsMonro(True, False)
        return RobbinsMonro(None, None)

    def observed(self, value: float) -> ReduceOnPlateau:
        if value < self.best - self.threshold * abs(self.best) or (self.best == math.inf and value < math.inf):
            return self._replace(best=float(value), waited=0)
        if self.waited < self.patience:
            return self._replace(waited=self.waited + 1)
        return self._replace(rate=max(self.rate * self.factor, self.floor), waited=0)

    def _law(self, t: FloatArray) -> FloatArray:
        return np.full(t.shape, self.rate)


SCHEDULES: dict[str, type] = {
    "constant": Constant,
    "inverse": Inverse,
    "inverse_next": InverseNext,
    "inverse_root": InverseRoot,
    "invscaling": InverseScaling,
    "fading": Fading,
    "pegasos": Pegasos,
    "step": StepDecay,
    "cosine": Cosine,
    "warm_up": WarmUp,
    "plateau": ReduceOnPlateau,
}
