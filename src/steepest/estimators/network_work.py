"""A run of a network under way: what is certified, and which running statistics belong to which parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.certify.network import WORK, certify_network, product_work
from steepest.estimators.network_model import Trained
from steepest.exceptions import DataError
from steepest.networks.stack import Stack
from steepest.problems.network import NetworkProblem
from steepest.protocols import AnyArray, Certificate, FloatArray, Status
from steepest.solvers.loop import Outcome
from steepest.solvers.network import NetworkEpochs, NetworkMemory
from steepest.solvers.network_batch import NetworkDescent

SHARE = 0.5  # of the work of the training, that the certificate may cost


class Work:
    """A run under way: which running statistics belong to which parameters, and what a certificate may cost."""

    def __init__(self, model: Any, stack: Stack, problem: NetworkProblem, solver: Any, monitor: Any) -> None:
        self.model, self.stack, self.problem, self.solver, self.monitor = model, stack, problem, solver, monitor
        self.ended = ""  # how the run ended

    def statistics(self, w: FloatArray) -> AnyArray:
        """The running means and variances that belong to w."""
        monitor = self.monitor
        if monitor is not None and monitor.weights is not None and np.array_equal(monitor.weights, w):
            return np.asarray(monitor.statistics)
        memory = getattr(self.solver, "memory", None)
        if memory is not None and np.array_equal(memory.state.point(), w):
            return np.asarray(memory.state.statistics)
        assert self.problem.statistics is not None
        return self.problem.statistics

    def judge(self, w: FloatArray, status: Status, reason: str, dual: Any) -> Certificate:
        """The certificate of parameters as they are kept, in the precision of the network."""
        kept = w if w.dtype == self.stack.dtype else w.astype(self.stack.dtype)
        assert self.problem.statistics is not None
        self.problem.statistics[:] = self.statistics(w)
        solver, self.ended = self.solver, reason
        if hasattr(solver, "rest"):
            solver.rest()
        if status is Status.STALLED and (not isinstance(solver, NetworkDescent) or solver.rested):
            status = Status.APPROXIMATE  # the rule of tol ended the run, as was asked
        elif status is Status.STALLED and solver.spent:
            status, reason = Status.BUDGET, f"max_fun={self.model.max_fun} reached: {reason}"
        trained = SHARE * float(self.problem.passes) * product_work(self.problem) / 2.0  # a product is two passes
        return certify_network(
            self.problem,
            kept,
            tol=1e-4 if self.model.tol is None else float(self.model.tol),
            status=status,
            reason=reason,
            curvature=False if status is Status.DIVERGED else self.model.curvature,
            work=min(WORK, trained),
            passes=SHARE * self._passes(),
        )

    def _passes(self) -> float:
        """How many evaluations in float64 the training was worth; one of float32 is about half of one."""
        halved = isinstance(self.solver, NetworkEpochs) and self.stack.dtype == np.float32
        return (0.5 if halved else 1.0) * float(self.problem.passes)

    def check(self, outcome: Outcome) -> None:
        """Raises where the steps went out of all bounds and no earlier parameters were chosen.

        Raises
        ------
        DataError
            Names the rate, and what to change.
        """
        if outcome.certificate.status is not Status.DIVERGED:
            return
        monitor = self.monitor
        if monitor is not None and monitor.selects and monitor.improved:
            return  # the best parameters on the held-out rows are kept, and a warning says why the run ended
        said = self.ended or outcome.certificate.reason
        if isinstance(self.solver, NetworkDescent):
            raise DataError(
                f"X: the objective is not finite where '{self.solver.name}' began or went: {said}. "
                "Scale the columns, with scale='standard', and the targets."
            )
        raise DataError(
            f"learning_rate_init={self.model.learning_rate_init:g}: the training exploded, {said}; scale targets too. "
            "The model is as it was before."
        )

    def losses(self, outcome: Outcome) -> list[float]:
        """The mean loss of each epoch, or the objective of each iteration."""
        if isinstance(self.solver, NetworkDescent):
            return [float(value) for value in outcome.history["objective"][1:]]
        return [float(value) for value in self.solver.losses]

    def memory(self, net: Trained) -> NetworkMemory | None:
        """What the rule remembers, where the kept parameters are those of its last epoch."""
        memory: NetworkMemory | None = getattr(self.solver, "memory", None)
        if memory is None or not np.array_equal(np.asarray(memory.state.point(), net.w.dtype), net.w):
            return None
        return memory
