"""Where the weights of a layer begin.

With n_in inputs of variance v and independent weights of mean 0 and variance s, a sum has variance ``n_in s v``; going
back, a gradient's variance is multiplied by ``n_out s``.  To keep both over many layers:

    zeros     0             all units of a layer stay equal for ever: for layers above which nothing lies
    normal    std           a fixed standard deviation
    fan_in    1 / n_in      keeps the sums                        (LeCun, Bottou, Orr and Mueller, 1998)
    glorot    2 / (n_in + n_out)     between both directions      (Glorot and Bengio, 2010)
    he        2 / n_in      for units that pass half of what comes: relu  (He, Zhang, Ren and Sun, 2015)

The variance is that of a normal distribution or of a uniform one on [-r, r], ``r = sqrt(3 s)``.  Biases begin at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks.units import Elu, LeakyRelu, Maxout, Relu, Sigmoid, Unit
from steepest.protocols import FloatArray


@dataclass(frozen=True)
class Zeros:
    """All weights 0."""

    name: ClassVar[str] = "zeros"

    def deviation(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the weights."""
        return 0.0

    def draw(self, shape: tuple[int, int], generator: np.random.Generator) -> FloatArray:
        """Weights of shape (fan_in, fan_out), float64."""
        return np.zeros(shape)


@dataclass(frozen=True)
class _Scaled:
    distribution: str = "normal"

    def __post_init__(self) -> None:
        if self.distribution not in ("normal", "uniform"):
            raise InvalidParameterError(
                f'distribution: expected "normal" or "uniform", got {self.distribution!r}. Try "normal".'
            )

    def deviation(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the weights."""
        raise NotImplementedError

    def draw(self, shape: tuple[int, int], generator: np.random.Generator) -> FloatArray:
        """Weights of shape (fan_in, fan_out), float64."""
        std = self.deviation(*shape)
        if self.distribution == "normal":
            return generator.normal(0.0, std, shape)
        bound = math.sqrt(3.0) * std
        return generator.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class Normal:
    """Normal with one standard deviation for layers of any width.

    Parameters
    ----------
    std : float
        At least 0.
    """

    std: float = 0.01
    name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        ok = isinstance(self.std, int | float | np.number) and not isinstance(self.std, bool)
        if not ok or not np.isfinite(self.std) or self.std < 0:
            raise InvalidParameterError(f"std: expected a finite number of at least 0, got {self.std!r}. Try 0.01.")

    def deviation(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the weights."""
        return float(self.std)

    def draw(self, shape: tuple[int, int], generator: np.random.Generator) -> FloatArray:
        """Weights of shape (fan_in, fan_out), float64."""
        return generator.normal(0.0, self.std, shape)


@dataclass(frozen=True)
class FanIn(_Scaled):
    """Variance ``1 / n_in`` (LeCun et al., 1998).

    Parameters
    ----------
    distribution : {"normal", "uniform"}
    """

    name: ClassVar[str] = "fan_in"

    def deviation(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the weights."""
        return 1.0 / math.sqrt(fan_in)


@dataclass(frozen=True)
class Glorot(_Scaled):
    """Variance ``gain^2 2 / (n_in + n_out)`` (Glorot and Bengio, 2010).

    Parameters
    ----------
    distribution : {"uniform", "normal"}
    gain : float
        Above 0; what the standard deviation is multiplied by.
    """

    distribution: str = "uniform"
    gain: float = 1.0
    name: ClassVar[str] = "glorot"

    def __post_init__(self) -> None:
        super().__post_init__()
        ok = isinstance(self.gain, int | float | np.number) and not isinstance(self.gain, bool)
        if not ok or not np.isfinite(self.gain) or self.gain <= 0:
            raise InvalidParameterError(f"gain: expected a finite number above 0, got {self.gain!r}. Try 1.0.")

    def deviation(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the weights."""
        return self.gain * math.sqrt(2.0 / (fan_in + fan_out))


@dataclass(frozen=True)
class He(_Scaled):
    """Variance ``2 / n_in``, which relu units halve (He et al., 2015).

    Parameters
    ----------
    distribution : {"normal", "uniform"}
    """

    name: ClassVar[str] = "he"

    def deviation(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the weights."""
        return math.sqrt(2.0 / fan_in)


Initializer: TypeAlias = Zeros | Normal | FanIn | Glorot | He

INITIALIZERS: dict[str, type] = {"zeros": Zeros, "normal": Normal, "fan_in": FanIn, "glorot": Glorot, "he": He}


def get_initializer(init: Any, unit: Unit | None = None) -> Initializer:
    """An initializer by its name or its value.

    Parameters
    ----------
    init : str or initializer
        ``"auto"`` follows the unit: He for relu, leaky_relu, elu and maxout, else Glorot's uniform distribution, for
        the sigmoid narrower by ``sqrt(3)`` (both as in scikit-learn).
    unit : unit, optional
        Needed by ``"auto"``; without it, Glorot.

    Raises
    ------
    InvalidParameterError
        For what is neither a name nor an initializer.

    Examples
    --------
    >>> from steepest.networks.initializers import get_initializer
    >>> from steepest.networks.units import Relu, Tanh
    >>> get_initializer("auto", Relu()), get_initializer("auto", Tanh())
    (He(distribution='normal'), Glorot(distribution='uniform', gain=1.0))
    """
    if isinstance(init, str):
        if init == "auto":
            if isinstance(unit, Relu | LeakyRelu | Elu | Maxout):
                return He()
            return Glorot(gain=1.0 / math.sqrt(3.0)) if isinstance(unit, Sigmoid) else Glorot()
        if init in INITIALIZERS:
            made: Initializer = INITIALIZERS[init]()
            return made
    elif isinstance(init, Zeros | Normal | FanIn | Glorot | He):
        return init
    raise InvalidParameterError(
        f"init: expected auto, {', '.join(INITIALIZERS)}, or an initializer such as Normal(0.01), got {init!r}. "
        'Try "auto".'
    )
