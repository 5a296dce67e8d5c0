"""Gradients sample by sample.

    g_i = df/dl_i  dl_i/dw,    so that  sum_i g_i = df/dw    for  f(l_1(w), ..., l_n(w))

Each operation says how it looks with an axis of samples in front, its old first axis at length 1 (`Operation.rows`).
Each sample then has parameters of its own, all of the same values, and one gradient of the sum gives all rows: for a
product ``X W`` it is the outer product of a row and its back-propagated error.  The work is that of the batch, the
memory n times the parameters.  An operation over the samples, such as the mean of a batch in a hidden layer, has no
such form; then each row has a backward pass of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.derivatives import gradient
from steepest.networks.elementwise import Elementwise, multiply
from steepest.networks.node import Constant, Input, Node, Parameter, ancestors
from steepest.networks.program import Program
from steepest.networks.reductions import Sum
from steepest.networks.reductions import sum as summed
from steepest.networks.shaping import Reshape, reshape, spread
from steepest.protocols import AnyArray


class PerRow:
    """A program for the gradients of every row.

    Parameters
    ----------
    output : Node of shape ()
    of : Node or None
        The losses of the rows, with the samples along their first axis; None: what the output is a sum or mean of.
    parameters : dict of str to Parameter
    bind : dict of Node to array
        Where the inputs lie.

    Attributes
    ----------
    count : int
        Of rows.
    apart : bool
        Whether no row needs another, so that one pass does for all; else each has a backward pass of its own.
    """

    def __init__(
        self, output: Node, of: Node | None, parameters: Mapping[str, Parameter], bind: Mapping[Node, AnyArray]
    ) -> None:
        losses = summands(output) if of is None else of
        if losses.ndim == 0 or losses not in set(ancestors([output])):
            raise InvalidParameterError(
                f"of: expected a node with an axis of samples that the output is made of, got {losses!r}. "
                "Give the losses of the rows before they are summed up."
            )
        self.count = losses.shape[0]
        self._names = list(parameters)
        nodes = list(parameters.values())
        (weights,) = gradient(output, [losses])
        try:
            self._slopes = _all_rows(losses, weights, nodes)
            self.apart = True
            self._program = Program(self._slopes, bind=bind)
        except IncompatibleError:
            self.apart = False
            self._seed = Input(losses.shape, "", losses.dtype)
            self._slopes = gradient(losses, nodes, multiply(self._seed, weights))
            self._program = Program([losses, weights], self._slopes, bind=bind)

    def gradients(self) -> dict[str, AnyArray]:
        """For each parameter an array with the samples along its first axis."""
        values = self._program.values
        if self.apart:
            self._program.run()
            return {name: values[node].copy() for name, node in zip(self._names, self._slopes, strict=True)}
        self._program.run(0)
        out = {
            name: np.empty((self.count, *node.shape), node.dtype)
            for name, node in zip(self._names, self._slopes, strict=True)
        }
        seed = values.get(self._seed)
        if seed is None:  # nothing that has a derivative leads to the losses
            seed = np.empty(self._seed.shape, self._seed.dtype)
        for i in range(self.count):
            seed[...] = 0
            seed[i] = 1
            self._program.run(1)
            for name, node in zip(self._names, self._slopes, strict=True):
                out[name][i] = values[node]
        return out


def summands(output: Node) -> Node:
    """What an output is the sum or mean of, up to numbers that it is multiplied by."""
    node = output
    while node.operation is not None:
        if isinstance(node.operation, Sum):
            x = node.inputs[0]
            if x.ndim:
                return x
        varying = [x for x in node.inputs if not isinstance(x, Constant)]
        if not isinstance(node.operation, Elementwise | Reshape | Sum) or len(varying) != 1:
            break
        node = varying[0]
    raise InvalidParameterError(
        f"of: expected an output that is a sum or a mean over rows, got {output!r}. Give the losses of the rows as of=."
    )


def _all_rows(losses: Node, weights: Node, parameters: list[Parameter]) -> list[Node]:
    n = losses.shape[0]
    made: dict[Node, tuple[Node, bool]] = {}
    for p in parameters:
        made[p] = (spread(reshape(p, (1, *p.shape)), (n, *p.shape)), False)
    for node in ancestors([losses]):
        if node in made:
            continue
        if isinstance(node, Input) and node.ndim and node.shape[0] == n:
            made[node] = (_leaf(node, (n, 1, *node.shape[1:])), True)
        elif node.operation is None:
            made[node] = (_leaf(node, (1, *node.shape)), False)
        else:
            inputs = [made[x] for x in node.inputs]
            made[node] = node.operation.rows(node, [new for new, _ in inputs], [split for _, split in inputs])
    new, split = made[losses]
    if not split:
        raise IncompatibleError("rows: the losses do not depend on samples")
    share = multiply(new, reshape(weights, new.shape))
    return gradient(summed(share), [made[p][0] for p in parameters])


def _leaf(node: Node, shape: tuple[int, ...]) -> Node:
    """A leaf under another shape; integers too, which the operations of users do not take."""
    if isinstance(node, Constant):
        return Constant(node.value.reshape(shape), dtype=node.dtype)
    return Reshape(shape)(node)
