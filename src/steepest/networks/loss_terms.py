"""The terms of a network's objective: one loss, its weight, and what it asks of targets.

Losses are those of `steepest.losses` by name or value, and by the names that people use for networks:

    "cross_entropy"   softmax on integer labels          "log_loss"         sigmoid, entry by entry
    "kl"              softmax on rows of shares          "squared_error"    (z - y)^2 / 2
    "crammer_singer", "weston_watkins"                   "absolute_error", "huber", "quantile", "poisson" ...
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.special import xlogy

from steepest.exceptions import InvalidParameterError
from steepest.kernels.network_losses import mean_divergence, mean_entries
from steepest.losses.registry import SCALAR_LOSSES, VECTOR_LOSSES, get_loss, has, is_composed
from steepest.networks.costs import EntryLoss, RowLoss
from steepest.networks.elementwise import multiply
from steepest.networks.fused import Fused
from steepest.networks.node import Node
from steepest.networks.operations import Call, Operation, in_order
from steepest.networks.reductions import sum as summed
from steepest.networks.shaping import reshape
from steepest.protocols import AnyArray, FloatArray

ALIASES = {
    "cross_entropy": "softmax",
    "kl": "softmax",
    "log_loss": "bernoulli",
    "squared_error": "squared",
    "absolute_error": "absolute",
}
_SHOWN = {"softmax": "cross_entropy", "bernoulli": "log_loss", "squared": "squared_error", "absolute": "absolute_error"}
PIECES = frozenset({"hinge", "perceptron", "absolute", "quantile", "epsilon_insensitive"})  # straight but for kinks
_PIECE_ROWS = ("crammer_singer", "weston_watkins")


class Term(NamedTuple):
    """``weight * loss``; ``targets`` is "class", "shares" or the fact of a scalar loss."""

    weight: float
    name: str
    loss: Any
    targets: str

    @property
    def by_entry(self) -> bool:
        """Whether the loss is that of one score, summed over the outputs."""
        return self.targets not in ("class", "shares")

    @property
    def kinks(self) -> bool:
        """Whether the slope of the loss jumps."""
        vector = self.targets == "class" and self.loss.name != "softmax"
        return vector or self.loss.name in PIECES or not self.has_curvature

    @property
    def has_curvature(self) -> bool:
        """Whether second derivatives are known: stated, or zero on each piece of a loss made of straight ones."""
        if not self.by_entry:
            return self.loss.name in ("softmax", *_PIECE_ROWS)
        return self.loss.name in PIECES or has(self.loss, "curvature")

    @property
    def link(self) -> str:
        """From score to prediction, as losses state it."""
        return str(self.loss.link)


def as_terms(terms: Any) -> tuple[Term, ...]:
    """Terms from a loss, or from pairs ``(weight, loss)``.

    Examples
    --------
    >>> [(term.weight, term.name, term.targets) for term in as_terms([(1, "squared_error"), (0.1, "absolute_error")])]
    [(1.0, 'squared_error', 'real'), (0.1, 'absolute_error', 'real')]
    """
    if isinstance(terms, str | type) or hasattr(terms, "_fields"):
        return (_term(1.0, terms),)
    try:
        pairs = [(weight, loss) for weight, loss in terms]
    except (TypeError, ValueError):
        raise InvalidParameterError(
            f"loss: expected a name, a loss, or pairs (weight, loss), got {terms!r:.80}. "
            "Write for example [(1.0, 'squared_error'), (0.1, 'absolute_error')]."
        ) from None
    if not pairs:
        raise InvalidParameterError("loss: expected at least one pair (weight, loss), got none.")
    out = tuple(_term(weight, loss) for weight, loss in pairs)
    if not any(term.weight > 0.0 for term in out):
        raise InvalidParameterError("loss: expected a weight above zero, got zeros only. There is nothing to minimise.")
    return out


def _term(weight: Any, loss: Any) -> Term:
    if not (isinstance(weight, Real) and not isinstance(weight, bool) and 0.0 <= float(weight) < math.inf):
        raise InvalidParameterError(f"loss: expected finite weights >= 0 of the terms, got {weight!r} for {loss!r}.")
    given = str(loss) if isinstance(loss, str) else ""
    chosen = _known(ALIASES.get(given, loss))
    if not chosen.trainable:
        raise InvalidParameterError(f"loss: '{chosen.name}' has no slope to follow. Choose another one.")
    if chosen.name == "softmax":
        soft = given == "kl"
        return Term(float(weight), "kl" if soft else "cross_entropy", chosen, "shares" if soft else "class")
    vector = type(chosen) in VECTOR_LOSSES.values()
    targets = "class" if vector else str(chosen.targets)
    return Term(float(weight), _SHOWN.get(chosen.name, chosen.name), chosen, targets)


def _known(loss: Any) -> Any:
    if isinstance(loss, str):
        import steepest.losses  # noqa: F401  (fills the tables)

        tables = SCALAR_LOSSES | VECTOR_LOSSES
        names = sorted({*ALIASES, *(name for name, cls in tables.items() if not is_composed(cls))})
        if loss not in names:
            near = difflib.get_close_matches(loss, names, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise InvalidParameterError(f"loss: expected one of {names} or a loss value, got '{loss}'.{hint}")
    return get_loss(loss)


# --------------------------------------------------------------------------------------------------- operations


@dataclass(frozen=True)
class PieceLoss(EntryLoss):
    """A scalar loss that is straight between its kinks: the curvature of its piece is zero."""

    def chain(self, node: Node, t: Node, i: int) -> Node | None:
        if i == 1 or self.order == 1:
            return None
        return multiply(t, PieceLoss(self.loss, 1)(*node.inputs))


@dataclass(frozen=True)
class PieceRows(RowLoss):
    """The same for a loss of a vector of scores, such as the multiclass hinge."""

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        if i == 1 or self.order == 1:
            return None
        return multiply(reshape(g, (*g.shape, 1)), PieceRows(self.loss, 1)(*node.inputs))

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        if tangents[0] is None or self.order == 1:
            return None
        return summed(multiply(tangents[0], PieceRows(self.loss, 1)(*node.inputs)), -1)


@dataclass(frozen=True)
class EntryPass(Fused):
    """Of scores, targets and row weights: the gradient of their mean loss, then its value, in one pass.

    Targets are ``factor y + shift``: signs made of zeros and ones where those are given.
    """

    loss: Any
    factor: float = 1.0
    shift: float = 0.0

    @property
    def symbol(self) -> str:  # type: ignore[override]
        """The loss."""
        return f"{self.loss.name} pass"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return (inputs[0].size + 1,)

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, y, s = (in_order(array, calls) for array in ins)
        run: Any = mean_entries
        return [*calls, run.prepared(self.loss, z, y, s, self.factor, self.shift, out)]

    def differentiable(self, i: int) -> bool:
        return False  # the last entry has the derivative, as that of a softmax pass


class DivergencePass(Fused):
    """The same of the divergence of shares from the softmax, `constants` included."""

    symbol = "divergence pass"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return (inputs[0].size + 1,)

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        z, y, s = (in_order(array, calls) for array in ins)
        run: Any = mean_divergence
        return [*calls, run.prepared(z, y, s, out)]

    def differentiable(self, i: int) -> bool:
        return False


def constants(term: Term, y: AnyArray) -> FloatArray | None:
    """What the value of each row contains beside the loss of its scores, so that zero means a perfect fit.

    Minus the entropy of shares, ``sum y log y``; ``y log y - y`` of counts (half the deviance, then).  None for losses
    that need nothing.
    """
    if term.targets == "shares":
        return np.asarray(xlogy(y, y).sum(axis=-1, dtype=np.float64))
    if term.loss.name == "poisson":
        return np.asarray((xlogy(y, y) - y).sum(axis=-1, dtype=np.float64))
    return None


@dataclass(frozen=True)
class TargetConstants(Operation):
    """`constants` of a batch of targets; nothing to learn depends on it."""

    term: Term
    symbol = "constant"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape[:-1]

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(self._fill, out, ins[0])]

    def _fill(self, out: AnyArray, y: AnyArray) -> None:
        out[...] = constants(self.term, y)

    def differentiable(self, i: int) -> bool:
        return False
