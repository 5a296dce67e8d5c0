"""Training a network: steps of a rule along gradients of batches, without allocating.

A step gathers its rows, runs a `Program` forward and backward, and moves the flat vector of weights in one pass.  All
that a run remembers is in a `TrainingState`, so a run that goes on from one is the run that never stopped, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.protocols import AnyArray, FloatArray


@dataclass(slots=True)
class TrainingState:
    """All that training remembers between steps; picklable.

    Attributes
    ----------
    w : array of shape (stack.size,), of the stack's dtype
        The trainable numbers.
    slots : array of shape (rule.slots, stack.size)
        What the rule remembers.
    statistics : array of shape (stack.statistics_size,)
        Running means and variances of batch normalisation.
    t, epoch : int
        Steps and whole epochs so far.
    mean : array of shape (stack.size,), float64, or None
        The mean of the iterates, where it is kept.
    averaged : int
        Iterates in it.
    """

    w: AnyArray
    slots: AnyArray
    statistics: AnyArray
    t: int = 0
    epoch: int = 0
    mean: FloatArray | None = None
    averaged: int = 0

    def point(self) -> AnyArray:
        """The numbers that stand for the network: the mean where there is one."""
        return self.w if self.mean is None or self.averaged == 0 else self.mean

    def copy(self) -> TrainingState:
        """The same numbers in arrays of their own."""
        mean = None if self.mean is None else self.mean.copy()
        return TrainingState(
            self.w.copy(), self.slots.copy(), self.statistics.copy(), self.t, self.epoch, mean, self.averaged
        )


class Training:
    """A network, its data, a rule, and where they stand.

    Parameters
    ----------
    stack : Stack
    objective : Objective
    feed : Feed
        See `as_feed`.
    y : array
        Targets as the objective takes them, one (row) a row of X.
    s : array of shape (n,), optional
        Row weights of mean 1.
    rule : str or rule
        Of `steepest.rules`, but those that begin at zero or couple all coordinates ("ftrl", "adagrad_full").
    batch_size : int
        Rows of a step; the last step of an epoch takes what is left.
    l2 : float
        ``l2 / 2 |W|^2`` is part of the objective, of weights alone.
    decay : float
        Decoupled weight decay: ``W <- (1 - rate decay) W`` before each step (Loshchilov, Hutter 2019), with any rule.
    clip_norm, clip_value : float, optional
        The gradient of the loss is cut entry by entry to ``[-clip_value, clip_value]``, then scaled down to the norm
        ``clip_norm`` where it is longer (Pascanu, Mikolov, Bengio 2013).  The penalty's is added after.
    augment : object, optional
        ``augment.apply(batch, rows, epoch, seed)`` changes a batch (m, d) in place.  Batches are then gathered and
        changed in a background thread, one ahead; the numbers are those without the thread.
    seed : int
        Of dropout masks and augmentation.
    average : bool or int
        Whether the mean of the iterates is kept; a number begins it at that step.
    state : TrainingState, optional
        To go on from; by default ``stack.initial(seed)``.
    probe : callable, optional
        ``probe(training, moment)`` with the moments "before" (between backward and update) and "after"; must change
        nothing.
    probe_every : int
        Steps between two that are probed.

    Attributes
    ----------
    state : TrainingState
    w, g : arrays of shape (stack.size,)
        Weights and the gradient of the last step (of the loss, as clipped by nothing).
    network : Network
        That of the last step; `value` reads its nodes.
    """

    def __init__(
        self,
        stack: Any,
        objective: Any,
        feed: Any,
        y: AnyArray,
        s: AnyArray | None = None,
        *,
        rule: Any = "adam",
        batch_size: int = 128,
        l2: float = 0.0,
        decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        augment: Any = None,
        seed: int = 0,
        average: bool | int = False,
        state: TrainingState | None = None,
        probe: Callable[[Training, str], None] | None = None,
        probe_every: int = 100,
    ) -> None:
        raise NotImplementedError

    def value(self, node: Any) -> AnyArray:
        """The numbers of a node of `network` at the last step: sums, activations, scores (where a probe is set)."""
        raise NotImplementedError

    def count(self, rows: AnyArray) -> int:
        """Steps that an epoch over these rows takes."""
        raise NotImplementedError

    def steps(self, rows: AnyArray, factors: FloatArray, rates: FloatArray, start: int, stop: int) -> float:
        """Steps start to stop of an epoch; the sum over them of rows times the mean loss (with the penalty).

        ``rates[k]`` is the rate of step k of the epoch; ``factors`` (of length 0: all 1) multiply the rows' losses.
        """
        raise NotImplementedError

    def epoch(self, visit: Any, rates: FloatArray) -> float:
        """An epoch over the rows of a `Visit`; the mean of the loss (with the penalty) as its batches met it."""
        raise NotImplementedError
