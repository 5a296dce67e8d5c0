"""The least that probes need of a training: a batch, a stack, and plain gradient steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.networks.derivatives import gradient
from steepest.networks.program import Program
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective


class Steps:
    """Gradient steps on one batch."""

    def __init__(self, stack: Stack, objective: Objective, x: Any, y: Any, seed: int = 0) -> None:
        self.stack, self.objective = stack, objective
        self.x = np.ascontiguousarray(x, stack.dtype)
        self.y, self.s = np.asarray(y), np.ones(len(x))
        self.w = stack.initial(seed).astype(stack.dtype)
        self.g = np.zeros_like(self.w)
        self.t, self.count, self.last = 0, len(x), self
        rng = np.random.default_rng(seed)
        self.masks = [
            (rng.random((len(x), layer.width)) > layer.dropout).astype(stack.dtype)
            / stack.dtype.type(1 - layer.dropout)
            for layer in stack.layers
            if layer.dropout > 0.0
        ]

    def take_over(self, call: Any) -> Any:
        """There is no team."""
        return call

    def graph(self) -> Any:
        """The batch as a plain graph."""
        rows = len(self.x)
        network = self.stack.network(rows, training=True, fused=False, parameters=self.w)
        y, s = self.objective.inputs(rows, self.stack.dtype)
        cost = self.objective.node(network.scores, y, s)
        bind = {network.x: self.x, y: self.y.astype(y.dtype).reshape(y.shape), s: self.s.astype(s.dtype)}
        return network, cost, bind | dict(zip(network.masks, self.masks, strict=True))

    def run(self, count: int, rate: float, probe: Any = None, every: int = 1) -> None:
        """Steps, with a probe around every so many updates."""
        network, cost, bind = self.graph()
        slopes = gradient(cost, list(network.parameters))
        for node, block in zip(slopes, self.stack.blocks, strict=True):
            bind[node] = self.g[block.slice].reshape(block.shape)
        program = Program([cost], slopes, bind=bind)
        for _ in range(count):
            program.run()
            looked = probe is not None and self.t % every == 0
            if looked:
                probe(self, "before")
            self.w -= self.stack.dtype.type(rate) * self.g
            if looked:
                probe(self, "after")
            self.t += 1
