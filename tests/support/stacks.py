"""A stack with a batch: its value, gradient and Hessian-vector product as functions of the flat vector."""

from __future__ import annotations

import numpy as np

from steepest import networks as nw
from steepest.networks.fused import mean_cross_entropy
from steepest.networks.node import Input


class Batch:
    """The mean softmax loss of a stack on random rows, weights and masks."""

    def __init__(self, stack, rows=9, *, training, fused, seed=0, second=False, of="sums"):
        random = np.random.default_rng(seed)
        self.stack, dtype = stack, stack.dtype
        self.w = stack.initial(seed) + 0.1 * random.normal(size=stack.size)
        self._flat = self.w.astype(dtype)
        statistics = stack.initial_statistics()
        statistics += random.uniform(0.1, 0.5, statistics.shape).astype(dtype)
        net = self.net = stack.network(
            rows, training=training, fused=fused, statistics=statistics, parameters=self._flat
        )
        y, s = Input((rows,), "y", int), Input((rows,), "s", dtype)
        self.losses = nw.softmax_cross_entropy(net.scores, y)
        self.loss = mean_cross_entropy(net.scores, y, s) if fused else nw.mean(self.losses * s)
        self.slopes = nw.gradient(self.loss, net.parameters)
        self.along = np.zeros(stack.size, dtype)
        stages, bind = [[self.loss, *net.moments], self.slopes], {}
        if of == "all":  # sums are read too, so that outputs are written to arrays of their own
            stages.append([*net.sums, *net.activations])
        if second:
            directions = [Input(p.shape, "", dtype) for p in net.parameters]
            bind = {d: self.along[b.slice].reshape(b.shape) for d, b in zip(directions, stack.blocks, strict=True)}
            self.products = nw.tangent(self.slopes, dict(zip(net.parameters, directions, strict=True)))
            stages.append(self.products)
        self.program = nw.Program(*stages, bind=bind)
        values = self.program.values
        values[net.x][...] = random.normal(size=net.x.shape)
        values[y][...] = random.integers(0, stack.n_outputs, rows)
        values[s][...] = random.uniform(0.5, 1.5, rows)
        dropped = [layer.dropout for layer in stack.layers if layer.dropout > 0.0]
        for mask, rate in zip(net.masks, dropped, strict=bool(net.masks)):
            values[mask][...] = (random.random(mask.shape) >= rate) / (1.0 - rate)

    def at(self, w):
        """Run with the parameters at w."""
        self._flat[...] = w
        self.program.run()
        return self

    def value(self, w):
        """The loss."""
        return float(self.at(w).program.values[self.loss])

    def gradient(self, w):
        """Its gradient, flat."""
        return self._joined(self.at(w), self.slopes)

    def product(self, w, v):
        """Its Hessian times v."""
        self.along[...] = v
        return self._joined(self.at(w), self.products)

    def array(self, node):
        """What a wanted node holds after the last run."""
        return self.program.values[node].copy()

    def _joined(self, _, nodes):
        return np.concatenate([self.program.values[node].ravel() for node in nodes])


def differences(f, w, h=1e-6):
    """Central differences of f, entry by entry."""
    eye = np.eye(len(w))
    return np.array([(f(w + h * e) - f(w - h * e)) / (2 * h) for e in eye])
