"""Training a network epoch by epoch, as a solver that the loop drives."""

from __future__ import annotations

from typing import Any

from steepest.protocols import FloatArray, Round, Traits


class NetworkEpochs:
    """Epochs of stochastic steps on a network.

    Parameters
    ----------
    rule : str or rule
    learning_rate : float or schedule
        Of `steepest.solvers.schedules`: rates of steps.  "adaptive" divides by 5 when the loss has not improved by
        ``tol`` in two epochs, as scikit-learn's.
    order : str or order
        One of `steepest.data.orders.ORDERS`.
    batch_size : int
    tol : float
    n_iter_no_change : int
        A run ends when the loss has not improved by ``tol`` for that many epochs: that proves nothing.
    decay, clip_norm, clip_value, augment, average, seed, probe, probe_every
        As of `steepest.networks.training.Training`.
    memory : NetworkMemory, optional
        To go on from.

    Attributes
    ----------
    memory : NetworkMemory or None
        Where the last finished epoch ended (weights, what the rule remembers, statistics, schedule); picklable.
    losses : list of float
        The mean loss (with the penalty) of every epoch of this run, as its batches met it.
    """

    name = "epochs"
    keeps = "last"

    def missing(self, traits: Traits) -> str | None:
        raise NotImplementedError

    def start(self, problem: Any, w: FloatArray) -> Any:
        raise NotImplementedError

    def advance(self, state: Any) -> Round:
        raise NotImplementedError
