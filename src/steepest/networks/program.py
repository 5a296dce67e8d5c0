"""Programs: a graph turned into a list of calls without arguments, on arrays that are laid out once.

Which array a node is written to is decided when a program is made.  A node's array is free again after the last node
that reads it, views of it included, and later nodes of its type take it over; an operation entry by entry writes over
an operand that nobody needs any more.  What depends on constants alone is computed at once.  A run then makes no
arrays and decides nothing: it is a loop over prepared calls, whose price beside the work is that of a call of NumPy
(which for broadcasting has a buffer of its own, of 8192 numbers at most).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks.node import Constant, Input, Node, Parameter, ancestors
from steepest.networks.operations import Call
from steepest.protocols import AnyArray

_SLACK = 4  # an array that is free serves nodes of down to this fraction of its size


class Program:
    """Calls that compute some nodes, in stages.

    Parameters
    ----------
    *stages : sequence of Node
        What is wanted.  A stage computes what the stages before it have not; its nodes may be read after every run of
        it and of later ones.
    bind : dict of Node to array, optional
        Where nodes lie: the arrays of inputs, of parameters (by default their ``value``), and of results, such as
        pieces of one flat vector (in C order).
    repeatable : bool
        Whether a later stage may run several times on one run of an earlier one.  False lets it write over what the
        earlier one left: less memory.

    Attributes
    ----------
    values : dict of Node to array
        Where the wanted nodes and all inputs lie.
    nbytes : int
        Of all arrays that the program made for results.
    steps : int
        Nodes that a run of all stages computes.

    Examples
    --------
    >>> from steepest import networks
    >>> x = networks.Input((2,), "x")
    >>> y = networks.exp(2.0 * x)
    >>> program = networks.Program([y])
    >>> program.values[x][:] = 0.0, 1.0
    >>> program.run()
    >>> program.values[y].round(3).tolist(), program.nbytes
    ([1.0, 7.389], 16)
    """

    def __init__(
        self, *stages: Sequence[Node], bind: Mapping[Node, AnyArray] | None = None, repeatable: bool = True
    ) -> None:
        self._bound = dict(bind or {})
        for node, array in self._bound.items():
            if array.shape != node.shape or array.dtype != node.dtype:
                raise InvalidParameterError(
                    f"bind: expected {node.dtype} of shape {node.shape} for {node!r}, got {array.dtype} of "
                    f"{array.shape}. Give a view of that shape."
                )
            if node.operation is not None and not array.flags.c_contiguous:  # its flat view would be a copy
                raise InvalidParameterError(
                    f"bind: expected an array in C order for the result {node!r}, got strides {array.strides}. "
                    "Copy the result instead."
                )
        order, stage_of = self._order(stages)
        wanted = {node for stage in stages for node in stage}
        fixed = self._fixed(order)
        last = self._last_uses(order, stage_of, wanted | fixed, repeatable)
        self._arrays: dict[Node, AnyArray] = {}
        self._roots: dict[Node, Node] = {}  # the node whose array a view lies in
        self._free: dict[Any, list[AnyArray]] = {}
        self._blocks: dict[Node, AnyArray] = {}  # arrays of the pool, by the node that holds them
        self.nbytes = 0
        self._calls: list[list[Call]] = [[] for _ in stages]
        self.steps = 0
        expire: dict[float, list[Node]] = {}
        for step, node in enumerate(order):
            if node.operation is None:
                self._leaf(node)
                continue
            calls = self._place(step, node, last, fresh=node in fixed)
            if self._roots[node] is node and node in self._blocks:
                expire.setdefault(last[node], []).append(node)
            if node in fixed:
                with np.errstate(all="ignore"):
                    for call in calls:
                        call()
            elif calls:
                self._calls[stage_of[node]] += calls
                self.steps += 1
            for done in expire.pop(step, ()):
                block = self._blocks.pop(done, None)
                if block is not None:  # else a result took it over
                    self._release(block)
        self.values = {node: self._arrays[node] for node in order if node in wanted or isinstance(node, Input)}
        self._all = [call for calls in self._calls for call in calls]
        del self._arrays, self._roots, self._free, self._blocks

    def run(self, stage: int | None = None) -> None:
        """Compute one stage, whose predecessors have run, or all."""
        calls = self._all if stage is None else self._calls[stage]
        with np.errstate(all="ignore"):
            for call in calls:
                call()

    def rewrite(self, change: Callable[[Call], Call]) -> None:
        """Put other calls in place of those that compute the same, on the same arrays."""
        self._calls = [[change(call) for call in calls] for calls in self._calls]
        self._all = [call for calls in self._calls for call in calls]

    # ------------------------------------------------------------------------------------------------- planning

    @staticmethod
    def _order(stages: Sequence[Sequence[Node]]) -> tuple[list[Node], dict[Node, int]]:
        order: list[Node] = []
        stage_of: dict[Node, int] = {}
        for k, stage in enumerate(stages):
            for node in ancestors(stage):
                if node not in stage_of:
                    stage_of[node] = k
                    order.append(node)
        return order, stage_of

    @staticmethod
    def _fixed(order: Sequence[Node]) -> set[Node]:
        """What depends on constants alone."""
        out: set[Node] = set()
        for node in order:
            if isinstance(node, Constant) or (node.operation is not None and all(x in out for x in node.inputs)):
                out.add(node)
        return out

    def _last_uses(
        self, order: Sequence[Node], stage_of: Mapping[Node, int], kept: set[Node], repeatable: bool
    ) -> dict[Node, float]:
        """The step after which a node's array is free, counting what reads views of it."""
        last: dict[Node, float] = {node: math.inf if node in kept else -1.0 for node in order}
        for step in range(len(order) - 1, -1, -1):
            node = order[step]
            if node.operation is None:
                continue
            until = max(float(step), last[node] if node.operation.views else -1.0)
            for x in node.inputs:
                later = repeatable and stage_of[x] < stage_of[node]
                last[x] = max(last[x], math.inf if later else until)
        return last

    def _leaf(self, node: Node) -> None:
        if node in self._bound:
            array = self._bound[node]
        elif isinstance(node, Parameter | Constant):
            array = node.value
        else:
            array = np.zeros(node.shape, node.dtype)
        self._arrays[node] = array
        self._roots[node] = node

    def _place(self, step: int, node: Node, last: Mapping[Node, float], fresh: bool) -> list[Call]:
        """Choose the array of a node; the calls that fill it, none for a view.

        What is computed but once must be ``fresh``: an array of the pool is written to at every run.
        """
        operation = node.operation
        assert operation is not None
        ins = [self._arrays[x] for x in node.inputs]
        bound = self._bound.get(node)
        if operation.views and bound is None:
            seen = operation.view(ins[0])
            if np.may_share_memory(seen, ins[0]):
                self._arrays[node] = seen
                self._roots[node] = self._roots[node.inputs[0]]
                return []
        self._roots[node] = node
        if bound is not None:
            out = bound
        else:
            block = self._take_over(step, node, last) if operation.inplace and not fresh else None
            if block is None:
                block = self._new(node.size, node.dtype, fresh)
            self._blocks[node] = block
            out = block[: node.size].reshape(node.shape)
        work = [self._new(math.prod(shape), np.dtype(dtype)) for shape, dtype in operation.scratch(node)]
        scratch = [
            block[: math.prod(shape)].reshape(shape)
            for block, (shape, _) in zip(work, operation.scratch(node), strict=True)
        ]
        self._arrays[node] = out
        calls = operation.bind(out, ins, scratch)
        for block in work:
            self._release(block)
        return calls

    def _take_over(self, step: int, node: Node, last: Mapping[Node, float]) -> AnyArray | None:
        """The array of an operand that is not needed after this step and lies as the result will."""
        for x in node.inputs:
            root, array = self._roots[x], self._arrays[x]
            if not (root in self._blocks and last[root] == step and x.shape == node.shape and x.dtype == node.dtype):
                continue
            if not array.flags.c_contiguous or array.size != root.size:
                continue
            others = [self._arrays[y] for y in node.inputs if self._roots[y] is root]
            if any(other.strides != array.strides or other.shape != array.shape for other in others):
                continue
            return self._blocks.pop(root)
        return None

    def _new(self, size: int, dtype: Any, fresh: bool = False) -> AnyArray:
        free = [] if fresh else self._free.get(dtype, [])
        best = min(
            (k for k, block in enumerate(free) if size <= block.size <= _SLACK * size),
            key=lambda k: free[k].size,
            default=None,
        )
        if best is not None:
            return free.pop(best)
        block = np.empty(size, dtype)
        self.nbytes += block.nbytes
        return block

    def _release(self, block: AnyArray) -> None:
        self._free.setdefault(block.dtype, []).append(block)
