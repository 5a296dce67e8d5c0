"""Held-out rows beside a run: measured every round, seen by no solver, and a stop where they get no better.

Validation changes no iterate.  Without patience it only measures; with patience the parameters of the round that
was best on the held-out rows are the result, and the certificate says how far they are from the optimum.

Cost of a round: one product with the held-out rows, and the scorer where there is one.  Source of the rule: Prechelt
(1998), Early stopping - but when?, in Neural Networks: Tricks of the Trade.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.protocols import FloatArray


class Monitor:
    """What the held-out rows say about each round of one run.

    Parameters
    ----------
    loss : callable
        ``loss(w)`` of flat parameters: the mean loss of the held-out rows, without the penalty.
    score : callable, optional
        ``score(w)``, higher is better.  It takes the place of the loss as the number that is monitored.
    patience : int or None
        Rounds without improvement after which the run is stopped; None never stops it.
    min_delta : float
        What a round must gain to count as an improvement.
    name : str
        Of the monitored number, for messages.

    Attributes
    ----------
    row : dict
        ``validation_loss`` and ``validation_score`` of the last round; nan for what is not measured.
    best, best_round : float, int
        The best number and its round, counted from 0; of equal ones the last, whose objective is lower.
    weights : array or None
        The parameters of that round.
    seconds : float
        What measuring took.

    Examples
    --------
    >>> import numpy as np
    >>> monitor = Monitor(lambda w: float((w[0] - 2.0) ** 2), patience=2)
    >>> [monitor.see(np.array([float(k)])) for k in range(6)]
    [False, False, False, False, True, True]
    >>> monitor.best_round, monitor.weights
    (2, array([2.]))
    """

    def __init__(
        self,
        loss: Callable[[FloatArray], float],
        score: Callable[[FloatArray], float] | None = None,
        *,
        patience: int | None = None,
        min_delta: float = 0.0,
        name: str = "loss",
    ) -> None:
        self.loss, self.score = loss, score
        self.patience, self.min_delta, self.name = patience, float(min_delta), name
        self.row: dict[str, float] = {}
        self.rounds = 0
        self.best, self.best_round = math.nan, -1
        self.weights: FloatArray | None = None
        self.seconds = 0.0
        self._reference = -math.inf  # the number that the next improvement is counted from, higher is better
        self._since = 0

    def see(self, w: FloatArray) -> bool:
        """Measure a round; True where patience is spent."""
        began = time.perf_counter()
        finite = bool(np.all(np.isfinite(w)))
        loss = self.loss(w) if finite else math.nan
        score = self.score(w) if finite and self.score is not None else math.nan
        self.row = {"validation_loss": loss, "validation_score": score}
        value, sign = (loss, -1.0) if self.score is None else (score, 1.0)
        if not math.isnan(value) and (self.weights is None or sign * value >= sign * self.best):
            self.best, self.best_round, self.weights = value, self.rounds, w
        if sign * value > self._reference + self.min_delta:
            self._reference, self._since = sign * value, 0
        else:
            self._since += 1
        self.rounds += 1
        self.seconds += time.perf_counter() - began
        return self.selects and self._since >= int(self.patience or 0)

    @property
    def selects(self) -> bool:
        """Whether the best round on the held-out rows is the result."""
        return self.patience is not None and self.weights is not None

    def reason(self) -> str:
        """Which round was chosen, for the certificate and the record."""
        return (
            f"the validation {self.name} was best in round {self.best_round} of {self.rounds - 1}, "
            f"{self.best:.6g}: its parameters are kept"
        )

    def summary(self) -> dict[str, Any]:
        """For the record."""
        return {"monitor": self.name, "best": self.best, "best_round": self.best_round, "patience": self.patience}
