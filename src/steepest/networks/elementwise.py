"""Operations entry by entry, with NumPy's broadcasting.

Each states ``chain(node, t, i)``: t times the derivative in input i, entry by entry.  Reverse mode sums it over the
axes along which that input was repeated; forward mode adds it up over the inputs.  At a kink the derivative is

    abs, sign: 0;  maximum, minimum: 1/2 to each;  relu: 0;  leaky_relu: the slope below 0;  elu: alpha,

all of which lie between the slopes of the two sides (and are those of PyTorch).  Outside a domain (the logarithm or
the root of a negative number, a division by zero) numbers are NumPy's, NaN or infinite, without a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError
from steepest.networks.node import Constant, Node, as_nodes
from steepest.networks.operations import Call, Operation, add_up, fits
from steepest.protocols import AnyArray


class Elementwise(Operation):
    """One ufunc of all inputs."""

    inplace = True
    ufunc: Any = None

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return fits(self.symbol, *inputs)

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(self.ufunc, *ins, out=out)]

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        """t times the derivative in input i; None where that is zero."""
        raise NotImplementedError

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        from steepest.networks.shaping import sum_to

        out = self.chain(node, g, i)
        return None if out is None else sum_to(out, node.inputs[i].shape)

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        from steepest.networks.shaping import spread

        total = add_up([None if t is None else self.chain(node, t, i) for i, t in enumerate(tangents)])
        return None if total is None else spread(total, node.shape)

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        from steepest.networks.shaping import reshape

        any_split = False
        for old, is_split in zip(node.inputs, split, strict=True):
            if is_split and old.ndim < node.ndim:
                raise IncompatibleError(f"{self.symbol}: samples lie along an inner axis")
            any_split |= is_split
        lined = []
        for new, old, is_split in zip(inputs, node.inputs, split, strict=True):
            own = (1,) * (node.ndim - old.ndim) + new.shape[1:]
            if any_split and not is_split and own[0] > 1:
                if new.shape[0] > 1:
                    raise IncompatibleError(f"{self.symbol}: parameters belong to samples")
                lined.append(reshape(new, (own[0], 1, *own[1:])))  # a constant for each sample
            else:
                lined.append(reshape(new, (new.shape[0], *own)))
        return self(*lined), any_split


# ------------------------------------------------------------------------------------------- arithmetic


class Add(Elementwise):
    """a + b."""

    symbol, ufunc = "+", np.add

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return t


class Subtract(Elementwise):
    """a - b."""

    symbol, ufunc = "-", np.subtract

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return t if i == 0 else negative(t)


class Negative(Elementwise):
    """-a."""

    symbol, ufunc = "neg", np.negative

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return negative(t)


class Multiply(Elementwise):
    """``a b``."""

    symbol, ufunc = "*", np.multiply

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, node.inputs[1 - i])


class Divide(Elementwise):
    """a / b."""

    symbol, ufunc = "/", np.divide

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        quotient = divide(t, node.inputs[1])
        return quotient if i == 0 else negative(multiply(quotient, node))


class Power(Elementwise):
    """``a ** b``; the derivative in a is ``b a ** (b - 1)``, that in b ``a ** b log a``."""

    symbol, ufunc = "**", np.power

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        a, b = node.inputs
        if i == 1:
            return multiply(t, multiply(node, log(a)))
        if isinstance(b, Constant):  # a ** 0 is 1 everywhere: 0 * a ** 0 is its derivative at 0 as well
            lower = np.where(b.value == 0, 0, b.value - 1)
            return multiply(t, multiply(b, power(a, Constant(lower, dtype=b.dtype))))
        return multiply(t, multiply(b, power(a, subtract(b, 1.0))))


class Prefer(Elementwise):
    """1 where a > b, 1/2 where they are equal, 0 else."""

    symbol = "prefer"

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.subtract, *ins, out), partial(np.heaviside, out, 0.5, out)]

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return None


class Maximum(Elementwise):
    """The larger of a and b."""

    symbol, ufunc = "max", np.maximum

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        a, b = node.inputs
        return multiply(t, Prefer()(a, b) if i == 0 else Prefer()(b, a))


class Minimum(Elementwise):
    """The smaller of a and b."""

    symbol, ufunc = "min", np.minimum

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        a, b = node.inputs
        return multiply(t, Prefer()(b, a) if i == 0 else Prefer()(a, b))


# ------------------------------------------------------------------------------------------- functions of one


class Exp(Elementwise):
    """exp(a)."""

    symbol, ufunc = "exp", np.exp

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, node)


class Log(Elementwise):
    """log(a)."""

    symbol, ufunc = "log", np.log

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return divide(t, node.inputs[0])


class Sqrt(Elementwise):
    """The square root of a."""

    symbol, ufunc = "sqrt", np.sqrt

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return divide(t, multiply(node, 2.0))


class Square(Elementwise):
    """``a a``."""

    symbol, ufunc = "square", np.square

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, multiply(node.inputs[0], 2.0))


class Abs(Elementwise):
    """|a|."""

    symbol, ufunc = "abs", np.absolute

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, sign(node.inputs[0]))


class Sign(Elementwise):
    """-1, 0 or 1."""

    symbol, ufunc = "sign", np.sign

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return None


class Sin(Elementwise):
    """sin(a)."""

    symbol, ufunc = "sin", np.sin

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return multiply(t, cos(node.inputs[0]))


class Cos(Elementwise):
    """cos(a)."""

    symbol, ufunc = "cos", np.cos

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return negative(multiply(t, sin(node.inputs[0])))


# ------------------------------------------------------------------------------------------- as users call them


def _number(node: Node) -> float | None:
    """The value of a constant that is one number."""
    return float(node.value.reshape(())) if isinstance(node, Constant) and node.ndim == 0 else None


def of_one(operation: Elementwise, x: Any) -> Node:
    """A function of one operand."""
    return operation(*as_nodes(operation.symbol, x))


def add(a: Any, b: Any) -> Node:
    """``a + b``."""
    return Add()(*as_nodes("+", a, b))


def subtract(a: Any, b: Any) -> Node:
    """``a - b``."""
    return Subtract()(*as_nodes("-", a, b))


def multiply(a: Any, b: Any) -> Node:
    """``a b``, entry by entry."""
    left, right = as_nodes("*", a, b)
    for one, other in ((left, right), (right, left)):
        number = _number(one)
        if number == 1.0:
            return other
        if number is not None and isinstance(other, Constant):
            return Constant(one.value * other.value, dtype=other.dtype)  # type: ignore[attr-defined]
    return Multiply()(left, right)


def divide(a: Any, b: Any) -> Node:
    """``a / b``."""
    left, right = as_nodes("/", a, b)
    return left if _number(right) == 1.0 else Divide()(left, right)


def power(a: Any, b: Any) -> Node:
    """``a ** b``; squares, roots and reciprocals are computed as such.

    At ``a = 0`` the derivative in an exponent that is no constant is NaN, as ``log 0`` is in it.
    """
    left, right = as_nodes("**", a, b)
    number = _number(right)
    if number == 1.0:
        return left
    if number == 2.0:
        return square(left)
    if number == 0.5:
        return sqrt(left)
    return divide(1.0, left) if number == -1.0 else Power()(left, right)


def negative(x: Any) -> Node:
    """``-x``."""
    (node,) = as_nodes("neg", x)
    return node.inputs[0] if isinstance(node.operation, Negative) else Negative()(node)


def maximum(a: Any, b: Any) -> Node:
    """The larger, entry by entry; where both are equal each has half of the derivative."""
    return Maximum()(*as_nodes("max", a, b))


def minimum(a: Any, b: Any) -> Node:
    """The smaller, entry by entry; where both are equal each has half of the derivative."""
    return Minimum()(*as_nodes("min", a, b))


def exp(x: Any) -> Node:
    """The exponential."""
    return of_one(Exp(), x)


def log(x: Any) -> Node:
    """The natural logarithm; NaN below zero, minus infinity at zero."""
    return of_one(Log(), x)


def sqrt(x: Any) -> Node:
    """The square root; NaN below zero, with an infinite derivative at zero."""
    return of_one(Sqrt(), x)


def square(x: Any) -> Node:
    """``x x``, entry by entry."""
    return of_one(Square(), x)


def abs(x: Any) -> Node:  # noqa: A001
    """``|x|``; the derivative at zero is 0."""
    return of_one(Abs(), x)


def sign(x: Any) -> Node:
    """-1, 0 or 1; its derivative is zero."""
    return of_one(Sign(), x)


def sin(x: Any) -> Node:
    """The sine."""
    return of_one(Sin(), x)


def cos(x: Any) -> Node:
    """The cosine."""
    return of_one(Cos(), x)
