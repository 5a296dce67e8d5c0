"""Probes: what flows through a network while it is trained, looked at every now and then.

Training calls its probe between the backward pass and the update of a step, and again behind the update.  Probes run a
program of their own on that step's batch and write to nothing of the training, so they leave every weight as it would
be, bit for bit.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.kernels.network_probes import difference_norm, norm, output_facts, slope_facts
from steepest.networks.derivatives import gradient
from steepest.networks.fused import EPSILON
from steepest.networks.node import Constant, Node
from steepest.networks.operations import Call
from steepest.networks.probe_norms import COLUMNS as VECTORS
from steepest.networks.probe_norms import POWER, SMALL, norm_bound
from steepest.networks.probe_table import COLUMNS, ProbeTable
from steepest.networks.program import Program
from steepest.protocols import AnyArray, FloatArray

LOOKS_MOST = 128  # more are thinned to every second one
EARLY = 8e6  # nanoseconds that the first looks may cost, however short the training
_DENSER = 8  # times as many of them
_FIRST = 12  # at most so many
SHARE = 0.015  # of the counted cost of a training that looks may have
AT_LIMIT = 0.0127  # of the range from an end: there the slope of a sigmoid or tanh is below 5 % of its largest
_FLOPS = 80.0  # multiplications and additions of a product in a nanosecond: fast, so that looks are seldom
_CALL = 1000.0  # nanoseconds of a call
_NODE = 1.5  # nanoseconds a number of an operation entry by entry, in a program without fused passes
_FUSED = 0.2


class Probed(Protocol):
    """What probes read of a training.

    Attributes
    ----------
    stack : Stack
    w, g : flat vectors
        Parameters, and the gradient of the batch's loss in them, not clipped, without the penalty.
    """

    stack: Any
    w: AnyArray
    g: AnyArray

    @property
    def t(self) -> int:
        """Steps done."""
        ...

    @property
    def last(self) -> Any:
        """The batch of the last step: ``count`` rows, of the Frobenius norm ``norm()``."""
        ...

    def take_over(self, call: Call) -> Call:
        """A call by all threads of the training, where they can."""
        ...

    def graph(self) -> tuple[Any, Node, dict[Node, AnyArray]]:
        """The last batch as a plain graph: its ``Network``, its loss, and where its leaves lie."""
        ...


class Probes:
    """Looks at a training every few steps; the ``probe`` of a `Training`.

    Parameters
    ----------
    stack : Stack
    every : int or "auto"
        Steps from one look to the next.  "auto" comes from counted operations, not from clocks, so that a run can be
        repeated, and makes all looks together cost less than a twentieth of the training (or than some hundredths of a
        second: the first looks at small networks are closer together).
    batch_size : int
        Rows of a step.

    Attributes
    ----------
    every : int
        Steps between two calls of the training.

    Notes
    -----
    A look costs what one to six steps do, the first one more: it lays out a program.  Probes keep one more batch of
    activations and one more vector of parameters.

    Examples
    --------
    >>> from steepest.networks.layers import Dense
    >>> from steepest.networks.stack import Stack
    >>> Probes(Stack(784, (Dense(256), Dense(128)), 10), batch_size=128).every > 20
    True
    """

    def __init__(self, stack: Any, every: int | str = "auto", *, batch_size: int = 200) -> None:
        self._early, self._wanted = LOOKS_MOST, 1
        if every == "auto":
            every, self._early, self._wanted = _interval(stack, int(batch_size))
        if isinstance(every, bool | str) or not isinstance(every, int | np.integer) or every < 1:
            raise InvalidParameterError(f"probes: expected a number of steps of at least 1, or 'auto', got {every!r}.")
        self.stack, self.every = stack, int(every)
        self._apart = 1  # looks are at every so many calls
        self._calls = 0
        self._steps: list[int] = []
        self._rows: list[FloatArray] = []
        self._views: dict[Any, _View] = {}
        self._before: AnyArray | None = None

    def __call__(self, training: Probed, moment: str) -> None:
        """Look at the step: ``moment`` is "before" the update or "after" it."""
        if moment == "before":
            self._calls += 1
            self._before = None
            if (self._calls - 1) % self._apart:
                return
            view = self._view(training)
            if view is None:
                return
            if len(self._rows) >= (LOOKS_MOST if self._apart >= self._wanted else self._early):
                self._thin()
                if (self._calls - 1) % self._apart:
                    return
            self._rows.append(view.look())
            self._steps.append(int(training.t))
            self._before = training.w.copy()
        elif self._before is not None:
            row = self._rows[-1]
            names = list(COLUMNS)
            for block in self.stack.blocks:
                if block.kind != "weights":
                    continue
                moved = difference_norm(training.w[block.slice], self._before[block.slice])
                size = row[names.index("weight_norm"), block.layer]
                row[names.index("update_norm"), block.layer] = moved
                row[names.index("ratio"), block.layer] = moved / size if size > 0.0 else math.nan
            self._before = None

    def _view(self, training: Probed) -> _View | None:
        """The program for the last batch; None for a smaller batch at the end of an epoch."""
        batch = training.last
        known = next(iter(self._views), None)
        if known is not None and self._views[known].training is training:
            if batch.count < known.count:
                return None
            if batch.count > known.count:
                self._views.clear()
        elif known is not None:
            self._views.clear()
        if batch not in self._views:
            self._views[batch] = _View(training)
        return self._views[batch]

    def rest(self) -> None:
        """No more looks will come: give back the programs, which know the training."""
        self._views.clear()
        self._before = None

    def _thin(self) -> None:
        self._apart *= 2
        self._rows, self._steps = self._rows[::2], self._steps[::2]

    def result(self) -> ProbeTable:
        """What was seen so far."""
        layers = [*(f"layer {k + 1}" for k in range(len(self.stack.layers) - 1)), "output"]
        seen = np.array(self._rows) if self._rows else np.empty((0, len(COLUMNS), len(layers)))
        table = {name: np.ascontiguousarray(seen[:, i]) for i, name in enumerate(COLUMNS)}
        return ProbeTable(layers, np.array(self._steps, dtype=np.int64), table, self.every * self._apart)


class _View:
    """A program that computes what a look needs from the batch of a training."""

    def __init__(self, training: Probed) -> None:
        self.training = training
        stack = training.stack
        network, cost, bind = training.graph()
        self._network, self._layers = network, stack.layers
        self._deltas = gradient(cost, list(network.sums))
        self._slopes: list[Node | None] = []
        for sums, outputs in zip(network.sums, network.activations, strict=True):
            ones = Constant(np.ones(outputs.shape), dtype=outputs.dtype)
            self._slopes.append(gradient(outputs, [sums], ones)[0] if outputs is not sums else None)
        wanted = [*network.sums, *network.activations, *self._deltas, *network.moments]
        wanted += [node for node in self._slopes if node is not None]
        self._program = Program([*dict.fromkeys(wanted)], bind=bind)
        self._program.rewrite(training.take_over)
        masks = iter(network.masks)
        self._masks = [next(masks) if layer.dropout > 0.0 else None for layer in self._layers]
        self._none = np.empty((0, 0), stack.dtype)
        self._weights = {block.layer: block for block in stack.blocks if block.kind == "weights"}
        self._gammas = {block.layer: block for block in stack.blocks if block.kind == "gamma"}
        self._held = {block.layer: block for block in stack.fixed_blocks if block.kind == "weights"}
        self._held_gammas = {block.layer: block for block in stack.fixed_blocks if block.kind == "gamma"}

    def look(self) -> FloatArray:
        """One number of each kind and layer; shape (kinds, layers)."""
        self._program.run()
        value, count = self._program.values, len(self._layers)
        seen = {name: np.full(count, math.nan) for name in COLUMNS}
        bounds = np.empty(count)  # of the norm of each layer's batch normalisation
        moments = iter(self._network.moments)
        for k, layer in enumerate(self._layers):
            self._outputs(k, layer, seen)
            bounds[k] = 1.0
            if layer.batch_norm:
                spread = np.sqrt(np.asarray(value[next(moments)][1], np.float64) + EPSILON)
                bounds[k] = float(np.max(np.abs(self._piece(self._gammas, self._held_gammas, k)) / spread))
            weights = self._piece(self._weights, self._held, k)
            seen["factor"][k] = norm_bound(weights) * bounds[k]
            seen["weight_norm"][k] = norm(weights.reshape(-1))
            if k in self._weights:
                seen["gradient_norm"][k] = norm(self.training.g[self._weights[k].slice])
            seen["delta_norm"][k] = norm(value[self._deltas[k]].reshape(-1))
        seen["delta_bound"][-1] = seen["delta_norm"][-1]
        for k in range(count - 2, -1, -1):
            seen["delta_bound"][k] = seen["slope_max"][k] * seen["factor"][k + 1] * seen["delta_bound"][k + 1]
        seen["gradient_bound"][0] = self._rows()
        for k in range(1, count):
            seen["gradient_bound"][k] = norm(value[self._network.activations[k - 1]].reshape(-1))
        seen["gradient_bound"] *= bounds * seen["delta_bound"]
        seen["gradient_bound"][[k for k in range(count) if k not in self._weights]] = math.nan
        return np.array(list(seen.values()))

    def _rows(self) -> float:
        """The norm of the batch."""
        x, last = self._network.x, self.training.last
        if x is not None:
            return float(norm(self._program.values[x].reshape(-1)))
        return math.nan if last is None else float(last.norm())

    def _piece(self, free: dict[int, Any], held: dict[int, Any], layer: int) -> AnyArray:
        block = free.get(layer) or held[layer]
        numbers: AnyArray = self.training.w if layer in free else self.training.stack.fixed
        piece: AnyArray = numbers[block.slice].reshape(block.shape)
        return piece

    def _outputs(self, k: int, layer: Any, seen: dict[str, FloatArray]) -> None:
        """Facts about the outputs of a layer and the slopes of its units."""
        value, unit = self._program.values, layer.unit
        low, high = unit.limits
        bounded = math.isfinite(low) and math.isfinite(high)
        room = AT_LIMIT * (high - low) if bounded else 0.0
        mask = self._masks[k]
        outputs = value[self._network.activations[k]]
        on, facts = np.empty(outputs.shape[1], np.bool_), np.empty(4)
        output_facts(outputs, self._none if mask is None else value[mask], low + room, high - room, on, facts)
        seen["activation_mean"][k], seen["activation_variance"][k] = facts[0], facts[1]
        if bounded:
            seen["saturated"][k] = facts[2]
        if low == 0.0 and not bounded:
            seen["dead"][k] = facts[3]
        slopes = self._slopes[k]
        if slopes is None:  # the identity
            seen["slope_mean"][k] = seen["slope_max"][k] = 1.0
            return
        array, two = value[slopes], np.empty(2)
        slope_facts(array, two)
        seen["slope_mean"][k], seen["slope_max"][k] = two[0] / array.size, two[1]


def _interval(stack: Any, rows: int) -> tuple[int, int, int]:
    """Steps from one look to the next at first, how many such looks, and how much further apart they get.

    In the end looks cost `SHARE` of the training by counted operations; the first ones are closer together where they
    cost next to nothing, for trainings of a few steps.
    """
    fan_in, step, look = stack.n_features, 20.0 * _CALL, 40.0 * _CALL
    for k, layer in enumerate(stack.layers):
        weights, numbers = fan_in * layer.columns, rows * layer.columns
        passes = 2 if k == 0 else 3  # products: forward, gradient in the weights, gradient in what came in
        step += passes * 2.0 * rows * weights / _FLOPS + _FUSED * (weights + 3.0 * numbers) + 10.0 * _CALL
        look += (passes - 1) * 2.0 * rows * weights / _FLOPS + (4.0 * POWER * VECTORS / _FLOPS + 2.0) * weights
        operations = 16.0 + (14.0 if layer.batch_norm else 0.0) + (2.0 if layer.dropout > 0.0 else 0.0)
        look += operations * (_NODE * numbers + _CALL) + 45.0 * _CALL + 1.5 * min(fan_in, layer.columns, SMALL) ** 3
        fan_in = layer.width
    every, early = max(1, math.ceil(look / (SHARE * step))), int(EARLY / look)
    if early < _DENSER:
        return every, LOOKS_MOST, 1
    first = max(1, every // _DENSER)
    return first, min(early, _FIRST), -(-every // first)
