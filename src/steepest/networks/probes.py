"""Probes: what flows through a network while it is trained, looked at every now and then.

Training asks ``t == probes.next`` before a step and calls, only then, `Probes.before` between the backward pass and the
update, and `Probes.after` behind the update.  Probes run a program of their own on the batch that lies in the buffers of
the training, write to nothing of it, and so leave every weight as it would be, bit for bit.
"""

from __future__ import annotations

from typing import Any, Protocol

from steepest.networks.node import Node
from steepest.networks.probe_table import ProbeTable
from steepest.protocols import AnyArray


class Probed(Protocol):
    """What probes read of a training.

    Attributes
    ----------
    stack : Stack
    w, g : flat vectors
        Parameters and the gradient of the loss of the batch (before clipping, without the penalty).
    t : int
        Steps done.
    """

    stack: Any
    w: AnyArray
    g: AnyArray
    t: int

    def graph(self, *, fused: bool = False) -> tuple[Any, Node, dict[Node, AnyArray]]:
        """A full batch as a graph: the ``Network`` of the stack for training, the loss of the batch, and where its
        leaves lie (inputs, masks, targets and row weights in the buffers of the training, parameters in ``w``)."""
        ...


class Probes:
    """Looks at a training every ``every`` steps.

    Parameters
    ----------
    stack : Stack
    every : int or "auto"
        Steps from one look to the next.  "auto" is chosen from counted operations, not from clocks, so that all looks
        together cost less than a twentieth of the training.

    Attributes
    ----------
    next : int
        The step (counted from 0, full batches only) to look at next.
    """

    next: int

    def __init__(self, stack: Any, every: int | str = "auto") -> None:
        self.stack, self.every = stack, every
        self.next = 0

    def before(self, training: Probed) -> None:
        """Look at the batch, between the backward pass and the update."""
        raise NotImplementedError

    def after(self, training: Probed) -> None:
        """Look at the update, behind it."""
        raise NotImplementedError

    def skip(self, t: int) -> None:
        """Step ``t`` was one of a smaller batch: look at the one after it."""
        self.next = t + 1

    def result(self) -> ProbeTable:
        """What was seen."""
        raise NotImplementedError
