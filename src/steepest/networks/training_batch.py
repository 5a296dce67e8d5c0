"""A batch of a fixed number of rows: where its numbers lie, and the program that runs a network on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.kernels.network_gather import gather_labels, gather_weights
from steepest.kernels.network_masks import draw_mask
from steepest.kernels.network_passes import move_moments
from steepest.networks.derivatives import gradient
from steepest.networks.node import Node
from steepest.networks.operations import Call
from steepest.networks.program import Program
from steepest.networks.stack import MOMENTUM
from steepest.protocols import AnyArray

_NONE = np.empty(0)


class Batch:
    """Rows, targets, weights and masks of a step, and the cost and gradient there.

    Parameters
    ----------
    stack, objective, feed
        As of `Training`.
    count : int
        Rows.
    w, g : arrays of shape (stack.size,)
        Parameters and gradients are views of them.
    weighted : bool
        Whether rows have weights.
    change : callable
        What takes over calls of the program, see `Program.rewrite`.

    Attributes
    ----------
    network : Network
    cost : array of shape ()
    """

    def __init__(
        self,
        stack: Any,
        objective: Any,
        feed: Any,
        count: int,
        w: AnyArray,
        g: AnyArray,
        weighted: bool,
        change: Callable[[Call], Call],
    ) -> None:
        self.stack, self.objective, self.feed, self.count, self.weighted = stack, objective, feed, count, weighted
        self._w = w
        self._sparse = feed.batch(count, stack.dtype) if feed.sparse else None
        self.network = self._network(True)
        y, s = objective.inputs(count, stack.dtype)
        self._cost = objective.node(self.network.scores, y, s)  # with ones it is one pass all the same
        gradients = gradient(self._cost, self.network.parameters)
        bind: dict[Node, AnyArray] = {}
        for block, parameter, slope in zip(stack.blocks, self.network.parameters, gradients, strict=True):
            bind[parameter] = w[block.slice].reshape(block.shape)
            bind[slope] = g[block.slice].reshape(block.shape)
        self.x: AnyArray = np.zeros((0 if feed.sparse else count, stack.n_features), stack.dtype)
        self.y: AnyArray = np.zeros(y.shape, y.dtype)
        self.s: AnyArray = np.ones(count, stack.dtype)
        self.masks = tuple(np.ones(mask.shape, stack.dtype) for mask in self.network.masks)
        self._keeps = [1.0 - layer.dropout for layer in stack.layers if layer.dropout > 0.0]
        leaves = self._leaves(self.network, y, s)
        bind.update(leaves)
        moments = self.network.moments
        self._program = Program([self._cost, *gradients, *moments], bind=bind, repeatable=False)
        self._program.rewrite(change)
        self._rows: AnyArray = np.zeros(
            0 if feed.sparse else count, np.uint32 if feed.X.shape[0] <= 2**32 else np.uint64
        )
        taking = feed.taking(self._rows, self.x) if self._sparse is None else self._sparse.taking()
        self._fetch = None if taking is None else change(taking)
        self.cost: AnyArray = self._program.values[self._cost]
        self.run = self._program.run
        means = [block for block in stack.statistics_blocks if block.kind == "mean"]
        variances = [block for block in stack.statistics_blocks if block.kind == "variance"]
        self._moments = [
            (self._program.values[moment], slice(mean.slice.start, variance.slice.stop))
            for moment, mean, variance in zip(moments, means, variances, strict=True)
        ]

    def _network(self, fused: bool) -> Any:
        sparse = None if self._sparse is None else self._sparse.product
        return self.stack.network(self.count, training=True, fused=fused, sparse=sparse, parameters=self._w)

    def _leaves(self, network: Any, y: Node, s: Node) -> dict[Node, AnyArray]:
        out: dict[Node, AnyArray] = {y: self.y, s: self.s}
        if network.x is not None:
            out[network.x] = self.x
        out.update(zip(network.masks, self.masks, strict=True))
        return out

    def graph(self) -> tuple[Any, Node, dict[Node, AnyArray]]:
        """The batch as a plain graph, which can be differentiated again: network, cost, and where its leaves lie."""
        network = self._network(False)
        y, s = self.objective.inputs(self.count, self.stack.dtype)
        cost = self.objective.node(network.scores, y, s, fused=False)
        leaves = self._leaves(network, y, s)
        for block, parameter in zip(self.stack.blocks, network.parameters, strict=True):
            leaves[parameter] = self._w[block.slice].reshape(block.shape)
        return network, cost, leaves

    # -------------------------------------------------------------------------------------------------- numbers

    def gather(self, rows: AnyArray) -> None:
        """Rows of X; may run in another thread than the rest."""
        if self._sparse is not None:
            self._sparse.take(rows)
        else:
            self.feed.take(rows, self.x)

    def fetch(self, rows: AnyArray) -> None:
        """`gather` by all threads of the training, in the one that trains."""
        if self._sparse is not None:
            self._sparse.place(rows)
        else:
            self.feed.place(rows, self._rows)
        if self._fetch is not None:
            self._fetch()

    def norm(self) -> float:
        """The Frobenius norm of the rows, as the network sees them; nan where it is not known."""
        if self._sparse is not None:
            return float(self._sparse.norm())
        return float(np.linalg.norm(self.x.astype(np.float64)))

    def label(self, rows: AnyArray, y: AnyArray, s: AnyArray, factors: AnyArray) -> None:
        """Targets, and row weights times factors (either of length 0: all 1)."""
        gather_labels(y, rows, self.y)
        if self.weighted:
            gather_weights(s, factors, rows, self.s)

    def draw(self, seed: int, t: int) -> None:
        """The masks of step t."""
        for k, (mask, keep) in enumerate(zip(self.masks, self._keeps, strict=True)):
            draw_mask(np.uint64(seed), np.uint64(t), np.uint64(k), keep, mask.reshape(-1))

    def observe(self, statistics: AnyArray) -> None:
        """Running means and variances move towards those of the batch, variances without bias, as PyTorch's do."""
        for moment, place in self._moments:
            move_moments(statistics[place].reshape(moment.shape), moment, MOMENTUM, self.count)
