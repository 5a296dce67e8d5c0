"""Layers in few passes: bias, unit and mask at once, and their derivatives; batch normalization; the softmax loss.

    forward     Z = X W                   A = phi(Z + b) * mask               one pass, over Z
    backward    dZ = dA * mask * phi'     db = sum_i dZ_i                     one pass, phi' from A
                dW = X' dZ,  dX = dZ W'

Each operation but the products is one call of a compiled kernel (`steepest.kernels.network_passes`).  What belongs to
the whole batch (a bias gradient, moments) is written behind the rows of the same array, and taken from there as a view.

These operations have first derivatives in reverse mode alone; the same functions of plain nodes, for Hessians, are
those of ``Stack.network(..., fused=False)``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels import network_passes as passes
from steepest.kernels import network_units as codes
from steepest.networks.elementwise import multiply
from steepest.networks.node import FLOATS, INDEX, Node
from steepest.networks.operations import Call, Operation, Scratch, in_order
from steepest.networks.shaping import Part, Reshape, part
from steepest.networks.units import Identity, Maxout, Unit
from steepest.protocols import AnyArray

EPSILON = 1e-5  # added to variances, as PyTorch does

_CODES = {
    "identity": codes.IDENTITY,
    "sigmoid": codes.SIGMOID,
    "tanh": codes.TANH,
    "relu": codes.RELU,
    "leaky_relu": codes.LEAKY,
    "elu": codes.ELU,
    "softplus": codes.SOFTPLUS,
}


class Fused(Operation):
    """An operation without forward mode and without second derivatives."""

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        raise IncompatibleError(f"{self.symbol}: has first derivatives only. Build the network with fused=False.")

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        raise IncompatibleError(f"{self.symbol}: has first derivatives only. Build the network with fused=False.")


class Made:
    """Backward passes of an operation's node, by the gradient that they start from.

    They are made of that node, so they are not held here: graphs would be cycles, and their arrays outlive them.
    """

    def __init__(self) -> None:
        self._known: dict[int, weakref.ref[Node]] = {}

    def of(self, g: Node, make: Callable[[], Node]) -> Node:
        """The pass that starts from g, made where there is none."""
        known = self._known.get(g.serial)
        node = None if known is None else known()
        if node is None:
            node = make()
            self._known[g.serial] = weakref.ref(node)
        return node

    def __reduce__(self) -> tuple[type[Made], tuple[()]]:
        return Made, ()


@dataclass(frozen=True)
class Terms:
    """How a pass reads its unit: code, number, and the share that dropout keeps; which optional inputs come."""

    unit: Unit
    biased: bool = False
    masked: bool = False
    keep: float = 1.0

    def numbers(self, dtype: Any) -> tuple[int, Any]:
        """Code and number of the unit for a kernel."""
        return _CODES[self.unit.name], dtype.type(self.unit.parameter)

    def rest(self, inputs: Sequence[Any], first: int, empty: Any) -> tuple[Any, Any]:
        """Bias and mask among the inputs from ``first`` on, or what stands for none."""
        b = inputs[first] if self.biased else empty.reshape(0)
        mask = inputs[first + self.biased] if self.masked else empty.reshape(0, 0)
        return b, mask


# ------------------------------------------------------------------------------------------------- bias and unit


@dataclass(frozen=True)
class BiasUnit(Fused):
    """``phi(Z + b) * mask`` of Z, a bias and a mask, written over Z."""

    terms: Terms
    made: Made = field(default_factory=Made, init=False, repr=False, compare=False)
    inplace = True

    @property
    def symbol(self) -> str:  # type: ignore[override]
        """The name of the unit."""
        return f"{self.terms.unit.name} fused"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, *rest = (in_order(array, calls) for array in ins)
        if self.terms.masked and np.may_share_memory(rest[-1], out):  # only the first input may be written over
            calls.append(partial(np.copyto, held := np.empty_like(out), rest[-1]))
            rest[-1] = held
        if z.__array_interface__["data"] != out.__array_interface__["data"]:
            calls.append(partial(np.copyto, out, z))
        b, mask = self.terms.rest(rest, 0, np.empty(0, out.dtype))
        run: Any = passes.bias_unit
        return [*calls, run.prepared(out, b, *self.terms.numbers(out.dtype), mask)]

    def differentiable(self, i: int) -> bool:
        return i <= self.terms.biased

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        mask = node.inputs[1 + self.terms.biased :]
        if self.terms.unit.name == "identity" and not mask:
            return g if i == 0 else SumRows()(g)
        if not self.terms.biased:
            return BiasUnitBack(self.terms)(g, node, *mask)
        both = self.made.of(g, lambda: BiasUnitBack(self.terms)(g, node, *mask))
        rows = node.shape[0]
        return part(both, slice(0, rows)) if i == 0 else part(both, rows)


@dataclass(frozen=True)
class BiasUnitBack(Fused):
    """``g * mask * phi'`` of the gradient, the outputs and a mask; with a bias its gradient in a row behind."""

    terms: Terms
    symbol = "unit back"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        rows, width = inputs[0].shape
        return rows + self.terms.biased, width

    def scratch(self, node: Node) -> list[Scratch]:
        return [((node.shape[1],), np.float64)] if self.terms.biased else []

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        g, a, *masks = (in_order(array, calls) for array in ins)
        mask = masks[0] if masks else np.empty((0, 0), out.dtype)
        given = (g, a, *self.terms.numbers(out.dtype), mask, out.dtype.type(self.terms.keep))
        run: Any = passes.bias_unit_sums if self.terms.biased else passes.bias_unit_back
        return [*calls, run.prepared(*given, *scratch, out)]


class SumRows(Fused):
    """The sum over the rows."""

    symbol = "sum"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape[1:]

    def scratch(self, node: Node) -> list[Scratch]:
        return [(node.shape, np.float64)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        g = in_order(ins[0], calls)
        run: Any = passes.sum_rows
        return [*calls, run.prepared(g, scratch[0], out)]


# ----------------------------------------------------------------------------------------------------------- maxout


def _shifts(terms: Terms, z: AnyArray, rest: Sequence[AnyArray]) -> tuple[AnyArray, AnyArray]:
    """Bias and mask of maxout, whose kernels have one loop: without a bias they add zeros."""
    b, mask = terms.rest(rest, 0, np.empty(0, z.dtype))
    return b if terms.biased else np.zeros(z.shape[1], z.dtype), mask


@dataclass(frozen=True)
class MaxoutUnit(Fused):
    """The largest piece of ``Z + b``, times a mask."""

    terms: Terms
    made: Made = field(default_factory=Made, init=False, repr=False, compare=False)
    symbol = "maxout fused"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        rows, columns = inputs[0].shape
        return rows, columns // self.terms.unit.pieces

    def scratch(self, node: Node) -> list[Scratch]:
        return [((node.shape[1],), node.dtype)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, *rest = (in_order(array, calls) for array in ins)
        run: Any = passes.maxout
        return [*calls, run.prepared(z, *_shifts(self.terms, z, rest), *scratch, out)]

    def differentiable(self, i: int) -> bool:
        return i <= self.terms.biased

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        both = self.made.of(g, lambda: MaxoutBack(self.terms)(g, *node.inputs))
        rows = node.shape[0]
        return part(both, slice(0, rows)) if i == 0 else part(both, rows)


@dataclass(frozen=True)
class MaxoutBack(Fused):
    """The gradient in Z of `MaxoutUnit`, and in a row behind that in the bias."""

    terms: Terms
    symbol = "maxout back"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        rows, columns = inputs[1].shape
        return rows + 1, columns

    def scratch(self, node: Node) -> list[Scratch]:
        return [((2, node.inputs[0].shape[1]), node.dtype), ((node.shape[1],), np.float64)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        g, z, *rest = (in_order(array, calls) for array in ins)
        run: Any = passes.maxout_back
        return [*calls, run.prepared(g, z, *_shifts(self.terms, z, rest), *scratch, out)]


# ---------------------------------------------------------------------------------------------- batch normalization


@dataclass(frozen=True)
class Normalised(Fused):
    """Outputs of Z, gamma, beta and a mask; behind them the means and the variances of the batch."""

    terms: Terms
    symbol = "batch norm"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        rows, columns = inputs[0].shape
        return rows + 2, columns

    def scratch(self, node: Node) -> list[Scratch]:
        columns = node.shape[1]
        return [((2, columns), np.float64), ((columns,), node.dtype)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, gamma, beta, *rest = (in_order(array, calls) for array in ins)
        _, mask = self.terms.rest(rest, 0, np.empty(0, out.dtype))
        run: Any = passes.norm_unit
        numbers = self.terms.numbers(out.dtype)
        return [*calls, run.prepared(z, gamma, beta, *numbers, mask, EPSILON, *scratch, out)]

    def differentiable(self, i: int) -> bool:
        return False  # `NormUnit` has the derivatives


@dataclass(frozen=True)
class NormUnit(Fused):
    """The first rows of a `Normalised`, with the derivatives in Z, gamma and beta, its other inputs."""

    terms: Terms
    made: Made = field(default_factory=Made, init=False, repr=False, compare=False)
    symbol, views = "batch norm fused", True

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[1].shape

    def view(self, array: AnyArray) -> AnyArray:
        return array[:-2]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.copyto, out, ins[0][:-2])]

    def differentiable(self, i: int) -> bool:
        return 1 <= i <= 3

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        both, z, gamma, _, *mask = node.inputs
        rows = node.shape[0]

        def made() -> Node:
            moments = part(both, slice(rows, rows + 2))
            return NormUnitBack(self.terms)(g, node, z, moments, gamma, *mask)

        back = self.made.of(g, made)
        return part(back, slice(0, rows)) if i == 1 else part(back, rows + i - 2)


@dataclass(frozen=True)
class NormUnitBack(Fused):
    """The gradient in Z, and behind it those in gamma and beta."""

    terms: Terms
    symbol = "batch norm back"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        rows, columns = inputs[0].shape
        return rows + 2, columns

    def scratch(self, node: Node) -> list[Scratch]:
        columns = node.shape[1]
        return [((2, columns), np.float64), ((3, columns), node.dtype)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        g, a, z, moments, gamma, *rest = (in_order(array, calls) for array in ins)
        _, mask = self.terms.rest(rest, 0, np.empty(0, out.dtype))
        run: Any = passes.norm_unit_back
        numbers = (*self.terms.numbers(out.dtype), mask, out.dtype.type(self.terms.keep), EPSILON)
        return [*calls, run.prepared(g, a, z, moments, gamma, *numbers, *scratch, out)]


# ------------------------------------------------------------------------------------------------------------- loss


class SoftmaxPass(Fused):
    """Of scores, labels and row weights: the gradient of their mean cross-entropy, entry by entry, then its value."""

    symbol = "softmax pass"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return (inputs[0].size + 1,)

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, y, s = (in_order(array, calls) for array in ins)
        run: Any = passes.mean_cross_entropy
        return [*calls, run.prepared(z, y, s, out)]

    def differentiable(self, i: int) -> bool:
        return False  # `MeanCrossEntropy` has the derivative


class MeanCrossEntropy(Fused):
    """The last entry of a `SoftmaxPass`, whose others are its derivative in the scores, the second input."""

    symbol, views = "mean cross-entropy", True

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return ()

    def view(self, array: AnyArray) -> AnyArray:
        return array[-1:].reshape(())

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.copyto, out, ins[0][-1:].reshape(()))]

    def differentiable(self, i: int) -> bool:
        return i == 1

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        both, scores = node.inputs
        slope = Reshape(scores.shape)(Part((slice(0, scores.size),))(both))
        return multiply(g, slope)


# ------------------------------------------------------------------------------------------- as stacks call them


def bias_unit(sums: Node, bias: Node | None, unit: Unit, mask: Node | None = None, dropout: float = 0.0) -> Node:
    """``phi(sums + bias) * mask`` in one pass.

    Parameters
    ----------
    sums : Node of shape (rows, pieces * width)
    bias : Node of shape (pieces * width,) or None
    unit : unit
    mask : Node of shape (rows, width) or None
        Entries 0 or ``1 / (1 - dropout)``.
    dropout : float

    Returns
    -------
    Node of shape (rows, width)
    """
    if bias is None and mask is None and unit.name == "identity":
        return sums
    terms = Terms(unit, bias is not None, mask is not None, 1.0 if mask is None else 1.0 - dropout)
    operation = MaxoutUnit(terms) if isinstance(unit, Maxout) else BiasUnit(terms)
    return operation(sums, *(node for node in (bias, mask) if node is not None))


def norm_unit(
    sums: Node, gamma: Node, beta: Node, unit: Unit, mask: Node | None = None, dropout: float = 0.0
) -> tuple[Node, Node]:
    """``phi(gamma (sums - mean) / sqrt(variance + 1e-5) + beta) * mask`` by the moments of the batch.

    Returns
    -------
    Node of shape (rows, width), Node of shape (2, pieces * width)
        The outputs; the means and the variances (divided by the number of rows).
    """
    if isinstance(unit, Maxout):
        normal, moments = norm_unit(sums, gamma, beta, Identity())
        return bias_unit(normal, None, unit, mask, dropout), moments
    terms = Terms(unit, False, mask is not None, 1.0 if mask is None else 1.0 - dropout)
    given = (sums, gamma, beta, *(() if mask is None else (mask,)))
    both = Normalised(terms)(*given)
    rows = sums.shape[0]
    return NormUnit(terms)(both, *given), part(both, slice(rows, rows + 2))


def mean_cross_entropy(scores: Node, y: Node, s: Node) -> Node:
    """``(1 / m) sum_i s_i (log sum_j exp(z_ij) - z_i,y_i)``: value and gradient in one pass over the scores.

    Parameters
    ----------
    scores : Node of shape (m, k)
    y : Node of m integers from 0 to k - 1
        Not checked at a run: whoever fills it has checked.
    s : Node of shape (m,)
        Row weights, of the dtype of the scores.
    """
    rows = scores.shape[:1]
    if scores.ndim != 2 or y.shape != rows or y.dtype != INDEX or s.shape != rows or s.dtype != scores.dtype:
        raise InvalidParameterError(
            f"mean_cross_entropy: expected scores (m, k), m integer labels and m weights of one float type, got "
            f"{scores!r}, {y!r} of {y.dtype} and {s!r} of {s.dtype}."
        )
    if scores.dtype not in FLOATS:
        raise InvalidParameterError(f"scores: expected floats, got {scores.dtype}.")
    return MeanCrossEntropy()(SoftmaxPass()(scores, y, s), scores)
