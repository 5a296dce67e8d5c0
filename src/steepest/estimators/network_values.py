"""What the steps of a network's fit hand to each other: data, what is watched, how to run, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from steepest.estimators.network_data import Scaling
from steepest.estimators.network_model import Trained
from steepest.estimators.network_plan import Method
from steepest.estimators.network_targets import Taught
from steepest.networks.feed import Feed
from steepest.protocols import AnyArray, Certificate, FloatArray
from steepest.record.history import History
from steepest.solvers.network import NetworkMemory


class Given(NamedTuple):
    """The data of a fit.

    Attributes
    ----------
    X : array or CSR matrix
        All rows.
    taught : Taught
        Targets of all rows.
    weights : array or None
        Of the training rows.
    train : array of int or None
        Training rows; None: all.
    scaling : Scaling
    total : float
        The sum of the weights.
    m : float
        What alpha is divided by.
    dtype : dtype
        Of the network.
    trained : bool
        Whether the start is no random one.
    """

    X: Any
    taught: Taught
    weights: FloatArray | None
    train: AnyArray | None
    scaling: Scaling
    total: float
    m: float
    dtype: Any
    trained: bool = False


class Watch(NamedTuple):
    """Held-out rows: a feed of the network's dtype, targets, weights, and what is watched on them."""

    feed: Feed
    y: AnyArray
    s: FloatArray | None  # of losses, those of classes among them
    counts: FloatArray | None  # of scores
    scorer: Any  # "loss", "score", or ``make(stack) -> score(parameters and statistics)``
    name: str
    patience: int | None
    min_delta: float


class Asked(NamedTuple):
    """How to run."""

    method: Method
    seed: int
    decay: float | None
    augmentation: Any
    watch: Watch | None


@dataclass(slots=True)
class Ended:
    """What came of a fit."""

    net: Trained
    memory: NetworkMemory | None
    certificate: Certificate
    history: History
    losses: list[float]
    validation_scores: list[float] | None
    iterations: int
    rows: int
    batch: bool
    seed: int
    rule: str
    rates: Any  # the schedule that was asked for
    probes: Any
    objective: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> list[AnyArray]:
        """For callbacks: the parameters of the only job."""
        return [self.net.w]
