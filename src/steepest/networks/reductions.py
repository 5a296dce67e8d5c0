"""Sums, means, largest entries, and the softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.elementwise import Elementwise, divide, multiply, subtract
from steepest.networks.node import Node, as_nodes
from steepest.networks.operations import Call, Operation, Scratch
from steepest.networks.shaping import Linear, reshape, spread
from steepest.protocols import AnyArray


@dataclass(frozen=True)
class Reduction(Operation):
    """Over some axes, which are left out or kept with length 1."""

    axes: tuple[int, ...]
    keep: bool

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        given = inputs[0].shape
        if self.keep:
            return self.kept(given)
        return tuple(n for k, n in enumerate(given) if k not in self.axes)

    def kept(self, given: tuple[int, ...]) -> tuple[int, ...]:
        """The shape with the axes kept."""
        return tuple(1 if k in self.axes else n for k, n in enumerate(given))

    def back(self, node: Node, g: Node) -> Node:
        """A gradient in the result, repeated to the shape of the input."""
        given = node.inputs[0].shape
        return spread(reshape(g, self.kept(given)), given)

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        if split[0] and 0 in self.axes:
            raise IncompatibleError(f"{self.symbol}: goes over the samples")
        return type(self)(tuple(k + 1 for k in self.axes), self.keep)(inputs[0]), split[0]


@dataclass(frozen=True)
class Sum(Reduction, Linear):
    """The sum over some axes."""

    symbol = "sum"

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.add.reduce, ins[0], self.axes, None, out, self.keep)]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return self.back(node, g)


@dataclass(frozen=True)
class Amax(Reduction):
    """The largest along some axes; entries that share it share its derivative."""

    symbol = "amax"

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.maximum.reduce, ins[0], self.axes, None, out, self.keep)]

    def _shares(self, node: Node) -> Node:
        (x,) = node.inputs
        hits = Equal()(x, reshape(node, self.kept(x.shape)))
        return divide(hits, Sum(self.axes, True)(hits))

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return multiply(self.back(node, g), self._shares(node))

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        (t,) = tangents
        return None if t is None else Sum(self.axes, self.keep)(multiply(t, self._shares(node)))


class Equal(Elementwise):
    """1 where both are equal, 0 else."""

    symbol, ufunc = "equal", np.equal
    inplace = False  # the result of the comparison is cast

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        return None


@dataclass(frozen=True)
class LogSumExp(Reduction):
    """``log sum exp``, the largest entry taken out first: no overflow."""

    symbol = "logsumexp"

    def scratch(self, node: Node) -> list[Scratch]:
        given = node.inputs[0].shape
        return [(given, node.dtype), (self.kept(given), node.dtype)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        (x,), (work, top) = ins, scratch
        kept = out.reshape(top.shape)
        return [
            partial(np.maximum.reduce, x, self.axes, None, top, True),
            partial(np.subtract, x, top, work),
            partial(np.exp, work, work),
            partial(np.add.reduce, work, self.axes, None, kept, True),
            partial(np.log, kept, kept),
            partial(np.add, kept, top, kept),
        ]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return multiply(self.back(node, g), Softmax(self.axes)(node.inputs[0]))

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        (t,) = tangents
        return None if t is None else Sum(self.axes, self.keep)(multiply(t, Softmax(self.axes)(node.inputs[0])))


@dataclass(frozen=True)
class Softmax(Operation):
    """``exp(x) / sum exp(x)`` along some axes.  Its Jacobian, ``diag(p) - p p'``, is symmetric."""

    axes: tuple[int, ...]
    symbol, inplace = "softmax", True

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape

    def scratch(self, node: Node) -> list[Scratch]:
        return [(tuple(1 if k in self.axes else n for k, n in enumerate(node.shape)), node.dtype)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        (x,), (row,) = ins, scratch
        return [
            partial(np.maximum.reduce, x, self.axes, None, row, True),
            partial(np.subtract, x, row, out),
            partial(np.exp, out, out),
            partial(np.add.reduce, out, self.axes, None, row, True),
            partial(np.divide, out, row, out),
        ]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return multiply(node, subtract(g, Sum(self.axes, True)(multiply(g, node))))

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self.pull(node, tangents[0], 0)

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        if split[0] and 0 in self.axes:
            raise IncompatibleError("softmax: goes over the samples")
        return Softmax(tuple(k + 1 for k in self.axes))(inputs[0]), split[0]


# ------------------------------------------------------------------------------------------- as users call them


def _axes(what: str, node: Node, axis: Any) -> tuple[int, ...]:
    given = tuple(range(node.ndim)) if axis is None else tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    whole = [k for k in given if isinstance(k, int | np.integer) and not isinstance(k, bool)]
    out = tuple(sorted({int(k) % node.ndim for k in whole if -node.ndim <= k < node.ndim}))
    if len(out) != len(given):
        raise InvalidParameterError(
            f"axis: expected axes of {what}'s operand of shape {node.shape}, each once, got {axis!r}. "
            "Try None for all of them."
        )
    return out


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Node:  # noqa: A001
    """The sum over some axes, by default all.

    Examples
    --------
    >>> from steepest import networks
    >>> networks.sum(networks.Input((4, 3)), axis=0).shape
    (3,)
    """
    (node,) = as_nodes("sum", x)
    axes = _axes("sum", node, axis)
    return Sum(axes, bool(keepdims))(node) if axes else node


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Node:
    """The mean over some axes, by default all."""
    (node,) = as_nodes("mean", x)
    axes = _axes("mean", node, axis)
    count = int(np.prod([node.shape[k] for k in axes]))
    return multiply(sum(node, axes, keepdims), 1.0 / count) if axes else node


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Node:
    """The largest entry along some axes; where several share it, each has its part of the derivative."""
    (node,) = as_nodes("amax", x)
    axes = _axes("amax", node, axis)
    return Amax(axes, bool(keepdims))(node) if axes else node


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Node:
    """``log sum exp(x)`` along some axes, without overflow; NaN where the largest entry is infinite."""
    (node,) = as_nodes("logsumexp", x)
    axes = _axes("logsumexp", node, axis)
    return LogSumExp(axes, bool(keepdims))(node) if axes else node


def softmax(x: Any, axis: Any = -1) -> Node:
    """``exp(x) / sum exp(x)`` along an axis, by default the last."""
    (node,) = as_nodes("softmax", x)
    return Softmax(_axes("softmax", node, axis))(node)


def log_softmax(x: Any, axis: Any = -1) -> Node:
    """``x - logsumexp(x)`` along an axis, by default the last."""
    (node,) = as_nodes("log_softmax", x)
    return subtract(node, logsumexp(node, axis, keepdims=True))
