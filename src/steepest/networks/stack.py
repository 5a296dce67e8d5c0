"""Stacks: layers one after the other, their numbers in one flat vector, and the graphs that compute them.

    a_0 = x,    z_l = a_{l-1} W_l + b_l,    a_l = phi_l(z_l) * mask_l,    scores = z_L or phi_L(z_L)

The flat vector holds all weights first, of shape (inputs, sums) in C order, then biases, then gammas and betas of
batch normalization: one penalty on ``[0, decayed)`` is one on all weights and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks import elementwise
from steepest.networks import fused as passes
from steepest.networks.fused import EPSILON
from steepest.networks.layers import Dense
from steepest.networks.node import FLOATS, Constant, Input, Node, Parameter
from steepest.networks.operations import matmul
from steepest.networks.reductions import mean
from steepest.networks.shaping import concatenate, reshape
from steepest.protocols import AnyArray, FloatArray

KINDS = ("weights", "bias", "gamma", "beta")
MOMENTUM = 0.1  # of running means and variances

Sparse = Callable[[Node], Node]


class Block(NamedTuple):
    """A piece of a flat vector.

    Attributes
    ----------
    name : str
        Such as ``"layers.0.weights"``.
    layer : int
        Counted from 0; the output layer is the last.
    kind : str
        "weights", "bias", "gamma" or "beta"; "mean" or "variance" of running statistics.
    shape : tuple of int
    slice : slice
    """

    name: str
    layer: int
    kind: str
    shape: tuple[int, ...]
    slice: slice


class Network(NamedTuple):
    """The nodes of a stack for a number of rows.

    Attributes
    ----------
    x : Input or None
        (rows, n_features); None where a sparse product takes its place.
    masks : tuple of Input
        (rows, width), entries 0 or ``1 / (1 - dropout)``: one for each layer with dropout, in training only.
    parameters : tuple of Parameter
        In the order of `Stack.blocks`.
    sums, activations : tuple of Node
        Of each layer: what its units are given (after batch normalization), and what the next layer sees.
    scores : Node
        (rows, n_outputs); the last of the activations.
    moments : tuple of Node
        In training only, of each layer with batch normalization: (2, sums), the means of the batch and its variances
        (divided by the number of rows).
    """

    x: Input | None
    masks: tuple[Input, ...]
    parameters: tuple[Node, ...]
    sums: tuple[Node, ...]
    activations: tuple[Node, ...]
    scores: Node
    moments: tuple[Node, ...]


class Stack:
    """Layers one after the other, ended by a layer of outputs.

    Parameters
    ----------
    n_features : int
    layers : sequence of Dense
        The hidden layers; none gives a linear model.
    n_outputs : int
    dtype : dtype
        float32 or float64: of the graphs and the flat vectors.
    output_activation : str or unit
        What the outputs pass through before the loss sees them; "identity" for all losses of scores.
    output_init : str or initializer

    Attributes
    ----------
    layers : tuple of Dense
        With the output layer.
    blocks : tuple of Block
        Of the flat vector of trainable numbers, in its order.
    size, decayed : int
        Its length, and the length of its first part, the weights.
    fixed : array
        The numbers of layers that are not trained, drawn by `initial`; ``fixed_blocks`` are its pieces.
    statistics_blocks : tuple of Block
        Running means and variances of batch normalization; ``statistics_size`` numbers.

    Examples
    --------
    >>> from steepest.networks.layers import Dense
    >>> from steepest.networks.stack import Stack
    >>> stack = Stack(4, (Dense(3, "tanh"),), 2)
    >>> [(block.name, block.shape) for block in stack.blocks][:2]
    [('layers.0.weights', (4, 3)), ('layers.1.weights', (3, 2))]
    >>> stack.size, stack.decayed
    (23, 18)
    """

    def __init__(
        self,
        n_features: int,
        layers: Sequence[Dense],
        n_outputs: int,
        *,
        dtype: Any = np.float32,
        output_activation: Any = "identity",
        output_init: Any = "auto",
    ) -> None:
        for name, count in (("n_features", n_features), ("n_outputs", n_outputs)):
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
                raise InvalidParameterError(f"{name}: expected an integer of at least 1, got {count!r}.")
        for layer in layers:
            if not isinstance(layer, Dense):
                raise InvalidParameterError(f"layers: expected layers such as Dense(100), got {layer!r}.")
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        if self.dtype not in FLOATS:
            raise InvalidParameterError(f"dtype: expected float32 or float64, got {self.dtype}.")
        self.n_features, self.n_outputs = int(n_features), int(n_outputs)
        self.layers = (*layers, Dense(self.n_outputs, output_activation, init=output_init))
        trained = [_pieces(layer, fan_in) if layer.trainable else {} for layer, fan_in in self._fans()]
        held = [{} if layer.trainable else _pieces(layer, fan_in) for layer, fan_in in self._fans()]
        normal: list[dict[str, tuple[int, ...]]] = [
            dict.fromkeys(("mean", "variance"), (layer.columns,)) if layer.batch_norm else {} for layer in self.layers
        ]
        self.blocks = _blocks(trained, [(kind,) for kind in KINDS])
        self.fixed_blocks = _blocks(held, [(kind,) for kind in KINDS])
        self.statistics_blocks = _blocks(normal, [("mean", "variance")])
        self.size = _length(self.blocks)
        self.decayed = sum(block.slice.stop - block.slice.start for block in self.blocks if block.kind == "weights")
        self.statistics_size = _length(self.statistics_blocks)
        self.fixed: AnyArray | None = None if self.fixed_blocks else np.empty(0, self.dtype)

    def __repr__(self) -> str:
        return f"Stack({self.n_features}, {self.layers[:-1]!r}, {self.n_outputs}, dtype={self.dtype})"

    def _fans(self) -> list[tuple[Dense, int]]:
        """Each layer with the number of its inputs."""
        return list(zip(self.layers, (self.n_features, *(layer.width for layer in self.layers)), strict=False))

    # ---------------------------------------------------------------------------------------------------- numbers

    def initial(self, seed: Any) -> FloatArray:
        """Where the numbers begin: weights as the layers say, biases and betas 0, gammas 1; draws ``fixed`` as well.

        Parameters
        ----------
        seed : int, numpy.random.SeedSequence or numpy.random.Generator

        Returns
        -------
        array of shape (size,), float64
        """
        generator = np.random.default_rng(seed)
        out, fixed = np.zeros(self.size), np.zeros(_length(self.fixed_blocks))
        places = {block.name: (out, block) for block in self.blocks}
        places |= {block.name: (fixed, block) for block in self.fixed_blocks}
        for array, block in sorted(places.values(), key=lambda item: (item[1].layer, KINDS.index(item[1].kind))):
            if block.kind == "weights":
                drawn = self.layers[block.layer].initializer.draw((block.shape[0], block.shape[1]), generator)
                array[block.slice] = drawn.ravel()
            elif block.kind == "gamma":
                array[block.slice] = 1.0
        self.fixed = fixed.astype(self.dtype)
        return out

    def initial_statistics(self) -> AnyArray:
        """Running means 0 and variances 1, of the stack's dtype."""
        out = np.zeros(self.statistics_size, self.dtype)
        for block in self.statistics_blocks:
            if block.kind == "variance":
                out[block.slice] = 1.0
        return out

    def views(self, w: AnyArray) -> dict[str, AnyArray]:
        """The pieces of a flat vector by the names of the blocks; views, not copies."""
        if w.shape != (self.size,):
            raise InvalidParameterError(f"w: expected a vector of {self.size} numbers, got shape {w.shape}.")
        return {block.name: w[block.slice].reshape(block.shape) for block in self.blocks}

    # ----------------------------------------------------------------------------------------------------- graphs

    def network(
        self,
        rows: int,
        *,
        training: bool,
        fused: bool = True,
        sparse: Sparse | None = None,
        statistics: AnyArray | None = None,
        parameters: AnyArray | Sequence[Node] | None = None,
    ) -> Network:
        """The graph for a batch.

        Parameters
        ----------
        rows : int
            Of the batch; at least 2 for training with batch normalization.
        training : bool
            True: batch normalization by the moments of the batch, and dropout by masks.  False: the function that
            predicts, by running statistics and without masks.
        fused : bool
            Operations of `steepest.networks.fused`, which have first derivatives only; False builds the same function
            of operations that can be differentiated any number of times.
        sparse : callable, optional
            From the first layer's weights to the node of the first product, in place of ``x @ weights``.
        statistics : array of shape (statistics_size,), optional
            Running means and variances, read at every run; needed for predictions with batch normalization.
        parameters : array of shape (size,), or nodes in the order of `blocks`, optional
            A flat vector of the stack's dtype whose pieces the parameters are (read at every run), or parameters that
            another graph has.  By default parameters of their own, 0.
        """
        if training and rows < 2 and self.statistics_blocks:
            raise InvalidParameterError(
                f"rows: expected at least 2 for batch normalization in training, got {rows}. "
                "Join the last rows to the batch before, or leave them out."
            )
        nodes = self._parameters(parameters)
        numbers = {block.name: node for block, node in zip(self.blocks, nodes, strict=True)} | self._constants()
        running = self._running(statistics) if not training else {}
        x = None if sparse is not None else Input((rows, self.n_features), "x", self.dtype)
        masks: list[Input] = []
        sums: list[Node] = []
        outputs: list[Node] = []
        moments: list[Node] = []
        seen: Node | None = x
        for k, layer in enumerate(self.layers):
            weights = numbers[f"layers.{k}.weights"]
            product = sparse(weights) if sparse is not None and k == 0 else matmul(seen, weights)
            mask = None
            if training and layer.dropout > 0.0:
                mask = Input((rows, layer.width), f"layers.{k}.mask", self.dtype)
                masks.append(mask)
            bias = numbers.get(f"layers.{k}.bias")
            if layer.batch_norm:
                gamma, beta = numbers[f"layers.{k}.gamma"], numbers[f"layers.{k}.beta"]
                if training:
                    centred, variance, moment = _moments(product)
                    total = centred / elementwise.sqrt(variance + EPSILON) * gamma + beta
                    if fused:
                        seen, moment = passes.norm_unit(product, gamma, beta, layer.unit, mask, layer.dropout)
                    moments.append(moment)
                else:
                    means, variances = running[f"layers.{k}.mean"], running[f"layers.{k}.variance"]
                    factor = gamma / elementwise.sqrt(variances + EPSILON)
                    product, bias = product * factor, beta - means * factor
                    total = product + bias
            else:
                total = product if bias is None else product + bias
            if not fused:
                seen = layer.unit.node(total)
                seen = seen if mask is None else seen * mask
            elif not (layer.batch_norm and training):
                seen = passes.bias_unit(product, bias, layer.unit, mask, layer.dropout)
            assert seen is not None
            sums.append(total)
            outputs.append(seen)
        return Network(x, tuple(masks), nodes, tuple(sums), tuple(outputs), outputs[-1], tuple(moments))

    def _parameters(self, given: AnyArray | Sequence[Node] | None) -> tuple[Node, ...]:
        if given is not None and not isinstance(given, np.ndarray):
            nodes = tuple(given)
            if [node.shape for node in nodes] != [block.shape for block in self.blocks]:
                raise InvalidParameterError("parameters: expected one node for each of the blocks, of its shape.")
            return nodes
        if given is None:
            return tuple(Parameter(np.zeros(block.shape), block.name, self.dtype) for block in self.blocks)
        return _leaves("parameters", given, self.blocks, self.dtype)

    def _constants(self) -> dict[str, Node]:
        if self.fixed is None:
            raise InvalidParameterError(
                "fixed: expected numbers for the layers that are not trained. Call initial first."
            )
        return {
            block.name: Constant(self.fixed[block.slice].reshape(block.shape), block.name, self.dtype)
            for block in self.fixed_blocks
        }

    def _running(self, statistics: AnyArray | None) -> dict[str, Node]:
        if not self.statistics_blocks:
            return {}
        if statistics is None:
            raise InvalidParameterError(
                "statistics: expected running means and variances for predictions with batch normalization, got None."
            )
        leaves = _leaves("statistics", statistics, self.statistics_blocks, self.dtype)
        return {block.name: leaf for block, leaf in zip(self.statistics_blocks, leaves, strict=True)}


def _pieces(layer: Dense, fan_in: int) -> dict[str, tuple[int, ...]]:
    """What a layer learns: kinds and shapes."""
    out: dict[str, tuple[int, ...]] = {"weights": (fan_in, layer.columns)}
    if layer.batch_norm:
        out |= {"gamma": (layer.columns,), "beta": (layer.columns,)}
    elif layer.bias:
        out["bias"] = (layer.columns,)
    return out


def _blocks(pieces: Sequence[dict[str, tuple[int, ...]]], passes: Sequence[Sequence[str]]) -> tuple[Block, ...]:
    """Blocks one after the other: for each pass, layer by layer, the kinds that it names."""
    out: list[Block] = []
    start = 0
    for kinds in passes:
        for layer, shapes in enumerate(pieces):
            for kind in kinds:
                if kind in shapes:
                    stop = start + int(np.prod(shapes[kind]))
                    out.append(Block(f"layers.{layer}.{kind}", layer, kind, shapes[kind], slice(start, stop)))
                    start = stop
    return tuple(out)


def _length(blocks: Sequence[Block]) -> int:
    return blocks[-1].slice.stop if blocks else 0


def _leaves(what: str, vector: AnyArray, blocks: Sequence[Block], dtype: Any) -> tuple[Parameter, ...]:
    """Leaves that lie in the pieces of a vector."""
    if vector.shape != (_length(blocks),) or vector.dtype != dtype or not vector.flags.c_contiguous:
        raise InvalidParameterError(
            f"{what}: expected a contiguous {dtype} vector of {_length(blocks)} numbers, got {vector.dtype} of shape "
            f"{vector.shape}."
        )
    out = []
    for block in blocks:
        leaf = Parameter(0.0, block.name, dtype)
        leaf.shape = block.shape
        leaf.value = vector[block.slice].reshape(block.shape)
        out.append(leaf)
    return tuple(out)


def _moments(sums: Node) -> tuple[Node, Node, Node]:
    """The sums less their means, their variances, and both moments as one node."""
    means = mean(sums, 0)
    centred = sums - means
    variance = mean(elementwise.square(centred), 0)
    width = sums.shape[1]
    return centred, variance, concatenate([reshape(means, (1, width)), reshape(variance, (1, width))])
