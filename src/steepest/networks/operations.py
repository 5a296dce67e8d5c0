"""What an operation is, and matrix products.

An operation knows five things: the shape of its result, how to write it into a given array, whether it may write over
one of its inputs, and its derivative in both directions, as nodes:

    pull(node, g, i)     J_i' g    reverse mode: from the gradient in the node to that in its input i
    push(node, t)        sum_i J_i t_i    forward mode: from directions of the inputs to that of the node

Both return nodes, so derivatives are graphs, can be differentiated again, and are planned and run as any other graph.
None stands for zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.node import Node, as_nodes
from steepest.protocols import AnyArray

Call = Callable[[], Any]
Scratch = tuple[tuple[int, ...], Any]  # shape and dtype of an array that a call writes to and nobody reads later


class Operation:
    """From inputs to a result; an operation without parameters is one object.

    Attributes
    ----------
    symbol : str
        As people write it.
    inplace : bool
        Whether the result may lie in the memory of an input of its shape: every entry is read before it is written.
    views : bool
        Whether the result is a view of the first input, wherever NumPy can make one.
    """

    symbol = ""
    inplace = False
    views = False

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        """The shape of the result; raises InvalidParameterError for inputs that do not fit."""
        raise NotImplementedError

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        """Calls without arguments that fill ``out`` from ``ins``: all that can be decided is decided here."""
        raise NotImplementedError

    def scratch(self, node: Node) -> list[Scratch]:
        """What the calls need beside inputs and result."""
        return []

    def view(self, array: AnyArray) -> AnyArray:
        """The result as a view of the input, for operations with ``views``; a copy where there is none."""
        raise NotImplementedError

    def differentiable(self, i: int) -> bool:
        """Whether input i has a derivative; indices and targets have none."""
        return True

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        """``J_i' g``, of the shape of input i."""
        raise NotImplementedError

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        """``sum_i J_i t_i``, of the shape of the node."""
        raise NotImplementedError

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        """The node with an axis of samples in front; see `steepest.networks.per_sample`.

        ``split`` says of each input whether its own first axis was that of the samples (it has size 1 now, behind the
        new one).  Returns the node, and whether its own first axis is split.
        """
        raise IncompatibleError(f"{self.symbol}: does not keep samples apart")

    def __call__(self, *inputs: Node) -> Node:
        return Node(self, inputs, self.shape(*inputs), inputs[0].dtype)


def fits(what: str, *inputs: Node) -> tuple[int, ...]:
    """The common shape by NumPy's rules."""
    try:
        return np.broadcast_shapes(*(node.shape for node in inputs))
    except ValueError:
        listed = " and ".join(f"{node.name or 'one'} of {node.shape}" for node in inputs)
        raise InvalidParameterError(
            f"{what}: expected shapes that fit together, got {listed}. Reshape one of them."
        ) from None


def in_order(array: AnyArray, calls: list[Call]) -> AnyArray:
    """The array in C order; where it is not, a copy, which a call that is added to ``calls`` makes at every run."""
    if array.flags.c_contiguous:
        return array
    held = np.empty(array.shape, array.dtype)
    calls.append(partial(np.copyto, held, array))
    return held


def add_up(terms: Sequence[Node | None]) -> Node | None:
    """The sum of those that are not zero."""
    from steepest.networks.elementwise import add

    total: Node | None = None
    for term in terms:
        total = term if total is None else total if term is None else add(total, term)
    return total


# ---------------------------------------------------------------------------------------------- matrix products


class MatMul(Operation):
    """``A B`` of matrices, or of stacks of matrices; BLAS writes into the result.  ``2 n k m`` operations."""

    symbol = "@"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        a, b = inputs
        if a.shape[-1] != b.shape[-2]:
            raise InvalidParameterError(
                f"@: expected as many columns on the left as rows on the right, got {_named(a)} @ {_named(b)}. "
                "Transpose one of them."
            )
        try:
            front = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise InvalidParameterError(
                f"@: expected stacks of one length, got {_named(a)} @ {_named(b)}. Reshape one of them."
            ) from None
        return (*front, a.shape[-2], b.shape[-1])

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        operands = []
        for given in ins:
            operand = given
            if not _for_blas(given):  # NumPy would copy it, or multiply without BLAS, at every run
                operand = np.empty(given.shape, given.dtype)
                calls.append(partial(np.copyto, operand, given))
            operands.append(operand)
        calls.append(partial(np.matmul, operands[0], operands[1], out))
        return calls

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        from steepest.networks.shaping import sum_to, turned

        a, b = node.inputs
        product = self(g, turned(b)) if i == 0 else self(turned(a), g)
        return sum_to(product, node.inputs[i].shape)

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        a, b = node.inputs
        left, right = tangents
        return add_up([None if left is None else self(left, b), None if right is None else self(a, right)])

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        from steepest.networks.shaping import reshape

        a, b = node.inputs
        most = max(a.ndim, b.ndim)
        if split[1] and b.ndim == 2:
            raise IncompatibleError("@: samples are summed up")
        ways = ((a, b, split[0], split[1]), (b, a, split[1], split[0]))
        for this, other, mine, its in ways:
            stacked = most > 2 and this.ndim == other.ndim and this.shape[0] > 1 and not its
            if mine and (this.ndim < most or (stacked and other.shape[0] > 1)):
                raise IncompatibleError("@: samples and stacks of matrices are mixed")
        lined = [
            reshape(new, (new.shape[0],) + (1,) * (most - old.ndim) + new.shape[1:])
            for new, old in zip(inputs, node.inputs, strict=True)
        ]
        return self(*lined), split[0] or split[1]


def _named(node: Node) -> str:
    return f"{node.name} {node.shape}" if node.name else str(node.shape)


def _for_blas(array: AnyArray) -> bool:
    """Whether the last two axes are a matrix that BLAS takes, as it is or transposed."""
    size = array.itemsize
    (rows, columns), (down, across) = array.shape[-2:], array.strides[-2:]
    plain = (across == size or columns == 1) and (down >= size * columns or rows == 1)
    turned = (down == size or rows == 1) and (across >= size * rows or columns == 1)
    return bool(plain or turned) and down % size == 0 and across % size == 0


def matmul(a: Any, b: Any) -> Node:
    """The matrix product; a vector is a row on the left and a column on the right, as in NumPy.

    Examples
    --------
    >>> from steepest import networks
    >>> networks.matmul(networks.Input((5, 3)), networks.Parameter([1.0, 2.0, 3.0])).shape
    (5,)
    """
    left, right = as_nodes("@", a, b)
    if left.ndim == 0 or right.ndim == 0:
        raise InvalidParameterError(f"@: expected vectors or matrices, got {_named(left)} @ {_named(right)}. Use *.")
    row, column = left.ndim == 1, right.ndim == 1
    if row:
        left = left.reshape((1, left.size))
    if column:
        right = right.reshape((right.size, 1))
    if left.shape[-1] != right.shape[-2]:
        raise InvalidParameterError(
            f"@: expected as many columns on the left as rows on the right, got {_shown(a)} @ {_shown(b)}. "
            "Transpose one of them."
        )
    out = MatMul()(left, right)
    if row or column:
        kept = out.shape[:-2] + (() if row else out.shape[-2:-1]) + (() if column else out.shape[-1:])
        out = out.reshape(kept)
    return out


def _shown(value: Any) -> str:
    return _named(value) if isinstance(value, Node) else f"an array of {np.shape(value)}"


def dot(a: Any, b: Any) -> Node:
    """``sum_i a_i b_i`` of two vectors."""
    left, right = as_nodes("dot", a, b)
    if left.ndim != 1 or right.ndim != 1:
        raise InvalidParameterError(f"dot: expected two vectors, got {_named(left)} and {_named(right)}. Use @.")
    return matmul(left, right)
