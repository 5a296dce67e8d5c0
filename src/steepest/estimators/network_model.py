"""A trained network: its numbers, its layers, and scores of any rows by programs that are laid out once."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.estimators.network_data import Scaling, make_feed
from steepest.networks.feed import Feed
from steepest.networks.layers import Dense
from steepest.networks.program import Program
from steepest.networks.stack import Stack
from steepest.protocols import AnyArray

CHUNK = 512  # rows of the largest program
BYTES = 1 << 23  # of the widest layer of a chunk


@dataclass(eq=False)
class Trained:
    """All that prediction needs.

    Attributes
    ----------
    n_features, n_outputs : int
    layers : tuple of Dense
        The hidden ones.
    dtype : str
    output_activation, output_init
        As `Stack` takes them.
    w, fixed, statistics : arrays
        Trainable numbers, those of fixed layers, running means and variances; of that dtype.
    shift, factor : array or None
        Of the columns.
    """

    n_features: int
    n_outputs: int
    layers: tuple[Dense, ...]
    dtype: str
    output_activation: Any
    output_init: Any
    w: AnyArray
    fixed: AnyArray
    statistics: AnyArray
    shift: Any = None
    factor: Any = None
    _stack: Any = field(default=None, init=False, repr=False)
    _forward: Any = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, stack: Stack, w: AnyArray, statistics: AnyArray, scaling: Scaling) -> Trained:
        """A network at some numbers; copies them."""
        made = cls(
            stack.n_features,
            stack.n_outputs,
            stack.layers[:-1],
            str(stack.dtype),
            stack.layers[-1].activation,
            stack.layers[-1].init,
            np.array(w, dtype=stack.dtype),
            np.array(stack.fixed, dtype=stack.dtype),
            np.array(statistics, dtype=stack.dtype),
            scaling.shift,
            scaling.factor,
        )
        made._stack = stack
        return made

    @property
    def stack(self) -> Stack:
        """The layers as a `Stack`."""
        if self._stack is None:
            self._stack = Stack(
                self.n_features,
                self.layers,
                self.n_outputs,
                dtype=self.dtype,
                output_activation=self.output_activation,
                output_init=self.output_init,
            )
            self._stack.fixed = self.fixed
        return self._stack  # type: ignore[no-any-return]

    @property
    def scaling(self) -> Scaling:
        """Of the columns."""
        return Scaling(self.shift, self.factor)

    def parameters(self) -> dict[str, AnyArray]:
        """Every number of every layer by name; views."""
        named = self.stack.views(self.w)
        for block in self.stack.fixed_blocks:
            named[block.name] = self.fixed[block.slice].reshape(block.shape)
        return named

    def scores(self, X: Any) -> AnyArray:
        """Scores of checked rows, (n, n_outputs), of the network's dtype."""
        return self.forward(make_feed(X, self.dtype, self.scaling))

    @property
    def forward(self) -> Forward:
        """The programs of this network."""
        if self._forward is None:
            self._forward = Forward(self.stack, self.w, self.statistics)
        return self._forward  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stack": None, "_forward": None}


class Forward:
    """Scores in prediction mode, a chunk of rows at a time; threads take turns.

    Parameters
    ----------
    stack : Stack
    w, statistics : arrays of the stack's dtype
        Read at every call; `load` writes into copies.
    """

    def __init__(self, stack: Stack, w: AnyArray, statistics: AnyArray) -> None:
        self.stack, self.w, self.statistics = stack, np.ascontiguousarray(w), np.ascontiguousarray(statistics)
        widest = max(stack.n_features, *(layer.columns for layer in stack.layers))
        most = max(1, BYTES // (stack.dtype.itemsize * widest))
        self.chunk = min(CHUNK, 1 << (most.bit_length() - 1))
        self._programs: dict[int, tuple[Program, AnyArray, AnyArray]] = {}
        self._locks = {os.getpid(): threading.Lock()}  # a forked child may find its parent's taken for ever

    def load(self, w: AnyArray, statistics: AnyArray) -> None:
        """Other numbers for the same programs."""
        self.w[:] = w
        self.statistics[:] = statistics

    def __call__(self, feed: Feed) -> AnyArray:
        """Scores of all rows of a feed of the stack's dtype, (n, n_outputs)."""
        out = np.empty((feed.n, self.stack.n_outputs), self.stack.dtype)
        rows = np.arange(feed.n, dtype=np.intp)
        with self._locks.setdefault(os.getpid(), threading.Lock()), np.errstate(all="ignore"):
            if feed.sparse:
                self._sparse(feed, rows, out)
            else:
                for low in range(0, feed.n, self.chunk):
                    part = rows[low : low + self.chunk]
                    program, x, z = self._program(len(part))
                    feed.take(part, x[: len(part)])
                    program.run()
                    out[low : low + len(part)] = z[: len(part)]
        return out

    def _program(self, count: int) -> tuple[Program, AnyArray, AnyArray]:
        """A program for at least so many rows: 1, 4, 16, ... or a chunk."""
        size = 1
        while size < count:
            size *= 4
        size = min(size, self.chunk)
        if size not in self._programs:
            network = self.stack.network(size, training=False, statistics=self.statistics, parameters=self.w)
            program = Program([network.scores], repeatable=False)
            assert network.x is not None
            self._programs[size] = (program, program.values[network.x], program.values[network.scores])
        return self._programs[size]

    def _sparse(self, feed: Feed, rows: AnyArray, out: AnyArray) -> None:
        """Rows that are multiplied as they lie belong to a program of their own."""
        size = min(self.chunk, feed.n)
        batch = feed.batch(size)
        network = self.stack.network(
            size, training=False, sparse=batch.product, statistics=self.statistics, parameters=self.w
        )
        program = Program([network.scores], repeatable=False)
        for low in range(0, feed.n, size):
            part = rows[low : low + size]
            batch.take(np.resize(part, size))  # the last ones again and again, where fewer are left
            program.run()
            out[low : low + len(part)] = program.values[network.scores][: len(part)]
