"""Layers, as values: ``a = phi(BN(x W + b)) * mask``."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks.initializers import Initializer, get_initializer
from steepest.networks.units import Unit, get_unit


@dataclass(frozen=True)
class Dense:
    """A layer in which every unit sees every input.

    Parameters
    ----------
    width : int
        Units.
    activation : str or unit
        Such as ``"relu"`` or ``LeakyRelu(0.1)``; see `steepest.networks.units`.
    batch_norm : bool
        Sums are normalised over the batch, column by column, then scaled and shifted by learned numbers
        (``gamma (z - mean) / sqrt(variance + 1e-5) + beta``; Ioffe and Szegedy, 2015).  It has no bias beside beta.
        Predictions use running means and variances.
    dropout : float
        The share of outputs set to 0 in each training step, the rest divided by ``1 - dropout`` (Srivastava et al.,
        2014); predictions use all.
    init : str or initializer
        See `steepest.networks.initializers`.
    bias : bool
        Whether units have a bias; it begins at 0.
    trainable : bool
        False keeps all numbers of the layer where they begin: random weights, biases of 0.

    Examples
    --------
    >>> from steepest.networks.layers import Dense
    >>> Dense(64, "tanh", dropout=0.2).unit
    Tanh()
    """

    width: int
    activation: Any = "relu"
    _: KW_ONLY
    batch_norm: bool = False
    dropout: float = 0.0
    init: Any = "auto"
    bias: bool = True
    trainable: bool = True

    def __post_init__(self) -> None:
        width, rate = self.width, self.dropout
        if isinstance(width, bool) or not isinstance(width, int | np.integer) or width < 1:
            raise InvalidParameterError(f"width: expected a number of units of at least 1, got {width!r}.")
        number = isinstance(rate, int | float | np.number) and not isinstance(rate, bool)
        if not number or not 0.0 <= rate < 1.0:
            raise InvalidParameterError(f"dropout: expected a share from 0 to below 1, got {rate!r}. Try 0.2.")
        for name in ("batch_norm", "bias", "trainable"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise InvalidParameterError(f"{name}: expected True or False, got {getattr(self, name)!r}.")
        get_initializer(self.init, self.unit)

    @property
    def unit(self) -> Unit:
        """The activation as a value."""
        return get_unit(self.activation)

    @property
    def initializer(self) -> Initializer:
        """The initializer as a value."""
        return get_initializer(self.init, self.unit)

    @property
    def columns(self) -> int:
        """Sums of a row: ``width``, times the pieces of maxout."""
        return self.width * self.unit.pieces
