"""Losses as nodes: every loss of the registry on the outputs of a graph, and the softmax cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels.network_losses import entry_curvatures, entry_slopes, entry_values, row_slopes, row_values
from steepest.losses.registry import SCALAR_LOSSES, get_loss, has
from steepest.networks.elementwise import Elementwise, multiply, subtract
from steepest.networks.node import Input, Node, as_nodes
from steepest.networks.operations import Call, Operation, Scratch, in_order
from steepest.networks.reductions import logsumexp
from steepest.networks.reductions import sum as summed
from steepest.networks.shaping import AddRows, Reshape, Rows, index_node, reshape, spread
from steepest.protocols import AnyArray


def _flat(array: AnyArray, calls: list[Call]) -> AnyArray:
    """The entries side by side; copied at every run where they are not."""
    return in_order(array, calls).reshape(-1)


_ORDERS = (entry_values, entry_slopes, entry_curvatures)


@dataclass(frozen=True)
class EntryLoss(Elementwise):
    """``loss(z, y)`` of a scalar loss entry by entry, or a derivative of it in z (``order`` 1 or 2)."""

    loss: Any
    order: int = 0

    @property
    def symbol(self) -> str:  # type: ignore[override]
        """The loss and its primes."""
        return str(self.loss.name) + "'" * self.order

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, y = (_flat(np.broadcast_to(array, out.shape), calls) for array in ins)
        run: Any = _ORDERS[self.order]
        run(self.loss, z[:0], y[:0], out.reshape(-1)[:0])  # compiles now
        return [*calls, partial(run, self.loss, z, y, out.reshape(-1))]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        if i == 1:
            return None
        if self.order == 2:
            raise IncompatibleError(f"{self.loss.name}: third derivatives of this loss are not known.")
        if self.order == 1 and not has(self.loss, "curvature"):
            raise IncompatibleError(
                f"{self.loss.name}: this loss states no curvature, which second derivatives need. Choose another loss."
            )
        return multiply(t, EntryLoss(self.loss, self.order + 1)(*node.inputs))


@dataclass(frozen=True)
class RowLoss(Operation):
    """A loss of a vector of scores, row by row, or its gradient in the scores (``order`` 1)."""

    loss: Any
    order: int = 0

    @property
    def symbol(self) -> str:  # type: ignore[override]
        """The loss and its prime."""
        return str(self.loss.name) + "'" * self.order

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape if self.order else inputs[0].shape[:-1]

    def scratch(self, node: Node) -> list[Scratch]:
        k = node.inputs[0].shape[-1]
        return [((k,), np.float64), ((k,), np.float64)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        k = ins[0].shape[-1]
        z, y = _flat(ins[0], calls).reshape(-1, k), _flat(ins[1], calls)
        run: Any = row_slopes if self.order else row_values
        target = out.reshape(-1, k) if self.order else out.reshape(-1)
        run(self.loss, z[:0], y[:0], *scratch, target[:0])  # compiles now
        return [*calls, partial(run, self.loss, z, y, *scratch, target)]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return None if i else self._times(node, reshape(g, (*g.shape, 1)))

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else summed(self._times(node, tangents[0]), -1)

    def _times(self, node: Node, factor: Node) -> Node:
        if self.order:
            raise IncompatibleError(
                f"{self.loss.name}: second derivatives of this loss are not known. Use softmax_cross_entropy."
            )
        return multiply(factor, RowLoss(self.loss, 1)(*node.inputs))

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        return self(*_same_rows(self.symbol, inputs, split)), True


class Pick(Operation):
    """``z[i, y_i]``: of each row the entry that its label names."""

    symbol = "pick"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape[:-1]

    def scratch(self, node: Node) -> list[Scratch]:
        return [((int(np.prod(node.inputs[1].shape)),), np.int64)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, y = (_flat(array, calls) for array in ins)
        calls.append(partial(np.add, np.arange(len(y)) * ins[0].shape[-1], y, scratch[0]))
        return [*calls, partial(np.take, z, scratch[0], None, out.reshape(-1), "clip")]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return None if i else Put(node.inputs[0].shape)(g, node.inputs[1])

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self(tangents[0], node.inputs[1])

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        return self(*_same_rows(self.symbol, inputs, split)), True


@dataclass(frozen=True)
class Put(Operation):
    """Zeros with ``g_i`` at ``[i, y_i]``."""

    target: tuple[int, ...]
    symbol = "put"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return self.target

    def scratch(self, node: Node) -> list[Scratch]:
        return [((int(np.prod(node.inputs[1].shape)),), np.int64)]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = [partial(out.fill, 0)]
        g, y = (_flat(array, calls) for array in ins)
        calls.append(partial(np.add, np.arange(len(y)) * self.target[-1], y, scratch[0]))
        return [*calls, partial(out.reshape(-1).__setitem__, scratch[0], g)]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return None if i else Pick()(g, node.inputs[1])

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self(tangents[0], node.inputs[1])


def _same_rows(what: str, inputs: Sequence[Node], split: Sequence[bool]) -> list[Node]:
    """Scores and labels with one axis of samples in front; constant labels are shared out."""
    z, y = inputs
    if not split[0]:
        raise IncompatibleError(f"{what}: scores do not belong to samples")
    if not split[1]:
        if y.shape[0] != 1 or y.shape[1] != z.shape[0]:
            raise IncompatibleError(f"{what}: labels do not belong to samples")
        y = Reshape((y.shape[1], 1, *y.shape[2:]))(y)  # integers too
    return [spread(z, (y.shape[0], *z.shape[1:])), y]


def softmax_cross_entropy(scores: Any, y: Any) -> Node:
    """``log sum_j exp(z_j) - z_y`` of each row, or ``sum_j y_j (log sum exp(z) - z_j)`` for soft labels.

    Parameters
    ----------
    scores : Node of shape (..., k)
    y : Node or array
        Classes 0 to k - 1, an integer array of shape (...) or such an `Input`; or shares of the classes, of shape
        (..., k).

    Returns
    -------
    Node of shape (...)
        Its gradient in the scores is ``softmax(z) - y``.
    """
    (z,) = as_nodes("softmax_cross_entropy", scores)
    if z.ndim == 0:
        raise InvalidParameterError("scores: expected an axis of classes, got one number. Reshape it.")
    k = z.shape[-1]
    if (y.dtype if isinstance(y, Node) else np.asarray(y).dtype).kind in "iu":
        labels = index_node("y", y, k, "labels")
        _labels_fit(z, labels.shape)
        return subtract(logsumexp(z, -1), Pick()(z, labels))
    z, shares = as_nodes("softmax_cross_entropy", z, y)
    if shares.shape != z.shape:
        raise InvalidParameterError(
            f"y: expected shares of shape {z.shape}, or integer labels, got {shares.shape}. Give one row for each."
        )
    return subtract(multiply(logsumexp(z, -1), summed(shares, -1)), summed(multiply(shares, z), -1))


def _labels_fit(z: Node, given: tuple[int, ...]) -> None:
    if given != z.shape[:-1]:
        raise InvalidParameterError(
            f"y: expected labels of shape {z.shape[:-1]} for scores of {z.shape}, got {given}. "
            "Give one class for each row; shares of classes as floats."
        )


def loss(kind: Any, scores: Any, y: Any) -> Node:
    """A loss of `steepest.losses`, by name or value, at every score; not yet summed.

    Parameters
    ----------
    kind : str or loss
        Such as ``"hinge"`` or ``Huber(0.5)``.
    scores : Node
    y : Node or array
        Targets as that loss takes them: of the shape of the scores for a loss of one score; classes as integers for a
        loss of several.  Targets have no gradient.

    Returns
    -------
    Node
        Of the shape of the scores; without their last axis for a loss of several scores.  Second derivatives need
        the loss's curvature.

    Examples
    --------
    >>> from steepest import networks
    >>> z = networks.Parameter([0.5, -2.0], "z")
    >>> graph = networks.Graph(networks.loss("hinge", z, [1.0, 1.0]).sum())
    >>> graph.forward(), graph.backward()["z"].tolist()
    (3.5, [-1.0, -1.0])
    """
    chosen = get_loss(kind)
    if not chosen.trainable:
        raise InvalidParameterError(f"loss: '{chosen.name}' has no slope to follow. Choose another one.")
    if chosen.name == "softmax":
        return softmax_cross_entropy(scores, y)
    if type(chosen) in SCALAR_LOSSES.values():
        z, targets = as_nodes(chosen.name, scores, y)
        if targets.shape != z.shape:
            raise InvalidParameterError(
                f"y: expected targets of shape {z.shape} as the scores, got {targets.shape}. Reshape one of them."
            )
        return EntryLoss(chosen)(z, targets)
    (z,) = as_nodes(chosen.name, scores)
    if z.ndim == 0:
        raise InvalidParameterError("scores: expected an axis of classes, got one number. Reshape it.")
    labels = index_node("y", y, z.shape[-1], "labels")
    _labels_fit(z, labels.shape)
    return RowLoss(chosen)(z, labels)


def label_limit(node: Node) -> tuple[Input, int] | None:
    """The integer input of a node and the bound that its numbers must stay below."""
    operation = node.operation
    if not isinstance(operation, Pick | RowLoss | Put | Rows | AddRows) or not isinstance(node.inputs[1], Input):
        return None
    shape = operation.target if isinstance(operation, Put | AddRows) else node.inputs[0].shape
    return node.inputs[1], shape[0 if isinstance(operation, Rows | AddRows) else -1]
