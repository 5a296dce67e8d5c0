"""Units of a network, as values: what a layer makes of its sums.

    identity      a
    sigmoid       1 / (1 + exp(-a))                  (also "logistic")
    tanh          tanh(a)
    relu          max(a, 0)                           slope 0 at 0
    leaky_relu    a above zero, slope a else          the slope at 0
    elu           a above zero, alpha (exp(a) - 1) else      alpha at 0 (Clevert, Unterthiner and Hochreiter, 2016)
    softplus      log(1 + exp(a))
    maxout        the largest of ``pieces`` sums      the first of the largest at a tie (Goodfellow et al., 2013)

Every derivative but that of maxout can be had from the output alone, so that a pass may write over the sums
(`steepest.networks.fused`).  ``node`` builds the unit of operations that can be differentiated any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks import activations
from steepest.networks.elementwise import multiply
from steepest.networks.node import Node
from steepest.networks.operations import Call, Operation
from steepest.networks.reductions import sum as summed
from steepest.networks.shaping import reshape, spread
from steepest.protocols import AnyArray


@dataclass(frozen=True)
class _Unit:
    """What all units state.

    Attributes
    ----------
    name : str
    pieces : int
        Sums that one unit needs.
    twice : bool
        Whether it is twice continuously differentiable everywhere.
    limits : tuple of float
        Its range, which a saturated unit is near the ends of.
    parameter : float
        The number that its kernel needs; 0 where there is none.
    """

    name: ClassVar[str] = ""
    twice: ClassVar[bool] = False
    limits: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    pieces: ClassVar[int] = 1

    @property
    def parameter(self) -> float:
        """The number that its kernel needs."""
        return 0.0

    def node(self, sums: Node) -> Node:
        """The outputs, (rows, width), of sums of shape (rows, pieces * width)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Identity(_Unit):
    """``a`` itself."""

    name: ClassVar[str] = "identity"
    twice: ClassVar[bool] = True

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        return sums


@dataclass(frozen=True)
class Sigmoid(_Unit):
    """``s = 1 / (1 + exp(-a))``, with derivative ``s (1 - s)``, at most 1/4."""

    name: ClassVar[str] = "sigmoid"
    twice: ClassVar[bool] = True
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        return activations.sigmoid(sums)


@dataclass(frozen=True)
class Tanh(_Unit):
    """``t = tanh(a)``, with derivative ``1 - t^2``."""

    name: ClassVar[str] = "tanh"
    twice: ClassVar[bool] = True
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        return activations.tanh(sums)


@dataclass(frozen=True)
class Relu(_Unit):
    """``max(a, 0)``; the derivative at 0 is 0."""

    name: ClassVar[str] = "relu"
    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        return activations.relu(sums)


@dataclass(frozen=True)
class LeakyRelu(_Unit):
    """``a`` above zero, ``slope a`` else; the derivative at 0 is the slope."""

    slope: float = 0.01
    name: ClassVar[str] = "leaky_relu"

    def __post_init__(self) -> None:
        _at_least_zero("slope", self.slope, 0.01)

    @property
    def parameter(self) -> float:
        """The slope."""
        return float(self.slope)

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        return activations.leaky_relu(sums, self.slope)


@dataclass(frozen=True)
class Elu(_Unit):
    """``a`` above zero, ``alpha (exp(a) - 1)`` else; the derivative at 0 is alpha."""

    alpha: float = 1.0
    name: ClassVar[str] = "elu"

    def __post_init__(self) -> None:
        _at_least_zero("alpha", self.alpha, 1.0)
        if self.alpha == 0:
            raise InvalidParameterError("alpha: expected a number above 0, got 0. For alpha = 0 choose Relu().")

    @property
    def parameter(self) -> float:
        """Alpha."""
        return float(self.alpha)

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        return activations.elu(sums, self.alpha)


@dataclass(frozen=True)
class Softplus(_Unit):
    """``log(1 + exp(a))``, with derivative ``sigmoid(a) = 1 - exp(-output)``."""

    name: ClassVar[str] = "softplus"
    twice: ClassVar[bool] = True
    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        return activations.softplus(sums)


@dataclass(frozen=True)
class Maxout(_Unit):
    """The largest of some sums: piece p of unit j is column ``p * width + j`` of the sums.

    The unit learns its own convex shape.  Where several are largest the first of them has the derivative.
    """

    pieces: int = 2  # type: ignore[misc]
    name: ClassVar[str] = "maxout"

    def __post_init__(self) -> None:
        if isinstance(self.pieces, bool) or not isinstance(self.pieces, int | np.integer) or self.pieces < 2:
            raise InvalidParameterError(f"pieces: expected an integer of at least 2, got {self.pieces!r}. Try 2.")

    def node(self, sums: Node) -> Node:
        """As `_Unit.node`."""
        rows, columns = sums.shape
        return LargestPiece()(reshape(sums, (rows, self.pieces, columns // self.pieces)))


Unit: TypeAlias = Identity | Sigmoid | Tanh | Relu | LeakyRelu | Elu | Softplus | Maxout

UNITS: dict[str, type] = {
    "identity": Identity,
    "sigmoid": Sigmoid,
    "logistic": Sigmoid,
    "tanh": Tanh,
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "elu": Elu,
    "softplus": Softplus,
    "maxout": Maxout,
}


def get_unit(unit: Any) -> Unit:
    """A unit by its name or its value.

    Raises
    ------
    InvalidParameterError
        For what is neither; it names the parameter "activation".

    Examples
    --------
    >>> from steepest.networks.units import get_unit
    >>> get_unit("logistic"), get_unit("leaky_relu")
    (Sigmoid(), LeakyRelu(slope=0.01))
    """
    if isinstance(unit, str) and unit in UNITS:
        made: Unit = UNITS[unit]()
        return made
    if isinstance(unit, _Unit) and type(unit) in UNITS.values():
        return unit  # type: ignore[return-value]
    raise InvalidParameterError(
        f"activation: expected one of {', '.join(sorted(UNITS))}, or a unit such as LeakyRelu(0.1), got {unit!r}. "
        'Try "relu".'
    )


def _at_least_zero(name: str, value: Any, hint: float) -> None:
    ok = isinstance(value, int | float | np.number) and not isinstance(value, bool) and np.isfinite(value)
    if not ok or value < 0:
        raise InvalidParameterError(f"{name}: expected a finite number of at least 0, got {value!r}. Try {hint}.")


# ------------------------------------------------------------------------------------------------- maxout as nodes


class FirstLargest(Operation):
    """1 at the first largest entry along axis 1 of three, 0 else; its derivative is zero."""

    symbol = "first largest"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        (x,) = ins
        best = np.empty((x.shape[0], 1, x.shape[2]), np.intp)

        def run() -> None:
            np.argmax(x, axis=1, out=best, keepdims=True)
            out.fill(0)
            np.put_along_axis(out, best, 1, axis=1)

        return [run]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return None

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None


class LargestPiece(Operation):
    """The largest along axis 1 of three; the first of the largest has the derivative."""

    symbol = "maxout"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        rows, _, width = inputs[0].shape
        return rows, width

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        (x,) = ins
        return [partial(np.maximum.reduce, x, 1, None, out)]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        (x,) = node.inputs
        rows, _, width = x.shape
        return multiply(spread(reshape(g, (rows, 1, width)), x.shape), FirstLargest()(x))

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        (t,) = tangents
        return None if t is None else summed(multiply(t, FirstLargest()(node.inputs[0])), 1)

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        if not split[0]:
            raise IncompatibleError("maxout: sums do not belong to samples")
        (x,) = inputs  # (samples, 1, pieces, width)
        samples, _, pieces, width = x.shape
        return reshape(self(reshape(x, (samples, pieces, width))), (samples, 1, width)), True
