"""Activations: what a unit makes of its sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from steepest.exceptions import InvalidParameterError
from steepest.networks.elementwise import Elementwise, multiply, of_one, square, subtract
from steepest.networks.node import Node
from steepest.networks.operations import Call, Scratch
from steepest.protocols import AnyArray


class Sigmoid(Elementwise):
    """1 / (1 + exp(-a)), with derivative s (1 - s)."""

    symbol, ufunc = "sigmoid", expit

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, subtract(node, square(node)))


class Tanh(Elementwise):
    """tanh(a), with derivative 1 - tanh(a)^2."""

    symbol, ufunc = "tanh", np.tanh

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, subtract(1.0, square(node)))


class Softplus(Elementwise):
    """log(1 + exp(a)), with derivative sigmoid(a)."""

    symbol = "softplus"

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.logaddexp, ins[0], 0.0, out)]

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, sigmoid(node.inputs[0]))


@dataclass(frozen=True)
class Step(Elementwise):
    """1 where a > 0, ``low`` else."""

    low: float = 0.0
    symbol = "step"
    inplace = False  # the result of the comparison is cast

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = [partial(np.greater, ins[0], 0.0, out)]
        if self.low != 0.0:
            calls += [partial(np.multiply, out, 1.0 - self.low, out), partial(np.add, out, self.low, out)]
        return calls

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return None


class Relu(Elementwise):
    """max(a, 0); at 0 the derivative is 0."""

    symbol = "relu"

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.maximum, ins[0], 0.0, out=out)]

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, Step()(node.inputs[0]))


@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """The number itself where it is positive, ``slope a`` else; at 0 the derivative is the slope."""

    slope: float
    symbol = "leaky_relu"
    inplace = False

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        joined = np.maximum if self.slope <= 1.0 else np.minimum
        return [partial(np.multiply, ins[0], self.slope, out), partial(joined, ins[0], out, out=out)]

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, Step(self.slope)(node.inputs[0]))


@dataclass(frozen=True)
class EluSlope(Elementwise):
    """The derivative of elu from its value: 1 above zero, else the value plus alpha."""

    alpha: float
    symbol = "elu'"

    def scratch(self, node: Node) -> list[Scratch]:
        return [(node.shape, np.bool_)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [
            partial(np.greater, ins[0], 0.0, scratch[0]),
            partial(np.add, ins[0], self.alpha, out),
            partial(np.copyto, out, 1.0, where=scratch[0]),
        ]

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, subtract(1.0, Step()(node.inputs[0])))


@dataclass(frozen=True)
class Elu(Elementwise):
    """The number itself where it is positive, ``alpha (exp(a) - 1)`` else; at 0 the derivative is alpha."""

    alpha: float
    symbol = "elu"
    inplace = False

    def scratch(self, node: Node) -> list[Scratch]:
        return [(node.shape, np.bool_)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [
            partial(np.greater, ins[0], 0.0, scratch[0]),
            partial(np.minimum, ins[0], 0.0, out=out),  # no overflow where it is not used
            partial(np.expm1, out, out),
            partial(np.multiply, out, self.alpha, out),
            partial(np.copyto, out, ins[0], where=scratch[0]),
        ]

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, EluSlope(self.alpha)(node))


# ------------------------------------------------------------------------------------------- as users call them


def sigmoid(x: Any) -> Node:
    """``1 / (1 + exp(-x))``, without overflow."""
    return of_one(Sigmoid(), x)


def tanh(x: Any) -> Node:
    """The hyperbolic tangent."""
    return of_one(Tanh(), x)


def softplus(x: Any) -> Node:
    """``log(1 + exp(x))``, without overflow."""
    return of_one(Softplus(), x)


def relu(x: Any) -> Node:
    """``max(x, 0)``; the derivative at zero is 0."""
    return of_one(Relu(), x)


def leaky_relu(x: Any, slope: float = 0.01) -> Node:
    """x above zero, ``slope x`` below; the derivative at zero is the slope."""
    return of_one(LeakyRelu(_finite("slope", slope)), x)


def elu(x: Any, alpha: float = 1.0) -> Node:
    """x above zero, ``alpha (exp(x) - 1)`` below; the derivative at zero is alpha."""
    return of_one(Elu(_finite("alpha", alpha, positive=True)), x)


def _finite(name: str, value: Any, positive: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
        raise InvalidParameterError(f"{name}: expected a finite number, got {value!r}.")
    if positive and value <= 0:
        raise InvalidParameterError(f"{name}: expected a number above 0, got {value!r}. Try 1.0.")
    return float(value)
