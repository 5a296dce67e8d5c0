"""From a network and its data to certified parameters: the run of one fit."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steepest.certify.network import WORK, certify_network, product_work
from steepest.estimators.network_data import Scaling, SomeRows, make_feed
from steepest.estimators.network_model import Trained
from steepest.estimators.network_objective import describe_network
from steepest.estimators.network_plan import Method, batch_rows, schedule_of
from steepest.estimators.network_start import Start
from steepest.estimators.network_targets import Taught
from steepest.estimators.network_watch import HeldRows, NetworkMonitor
from steepest.exceptions import DataError
from steepest.jit import compile_clock
from steepest.networks.feed import Feed
from steepest.networks.probes import Probes
from steepest.networks.stack import Stack
from steepest.parallel import one_blas_thread
from steepest.problems.network import NetworkProblem
from steepest.protocols import AnyArray, Certificate, FloatArray, Observer, Status
from steepest.record.history import History
from steepest.record.observers import watching
from steepest.solvers.loop import Limits, Outcome, run
from steepest.solvers.network import NetworkEpochs, NetworkMemory
from steepest.solvers.network_batch import NetworkDescent, network_solver

NEVER = -1.0  # a target that no bound meets
THREADED = 8_000_000  # multiply-adds of a product from which two threads of BLAS gain
SHARE = 0.5  # of the work of the training, that the certificate may cost


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
    s: FloatArray | None
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
    probes: Any
    objective: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> list[AnyArray]:
        """For callbacks: the parameters of the only job."""
        return [self.net.w]


def blas_threads(stack: Stack, rows: int) -> AbstractContextManager[None]:
    """One thread of BLAS where no product of a batch is large enough for two: they would wait for each other."""
    fans = [stack.n_features, *(layer.width for layer in stack.layers)]
    largest = max(rows * fan * layer.columns for fan, layer in zip(fans, stack.layers, strict=False))
    return one_blas_thread() if largest < THREADED else nullcontext()


def make_problem(stack: Stack, start: Start, given: Given, alpha: float, feed: Feed) -> NetworkProblem:
    """The objective on the training rows."""
    y = given.taught.y if given.train is None else given.taught.y[given.train]
    return NetworkProblem(
        stack,
        given.taught.meaning.objective(),
        feed,
        y,
        given.weights,
        l2=alpha / given.m,
        statistics=start.statistics,
        start=start.w,
    )


def make_epochs(
    model: Any, asked: Asked, stack: Stack, n: int, probe: Any, memory: NetworkMemory | None, waits: bool
) -> Any:
    """The solver of epochs that the parameters describe; ``waits``: only held-out rows end it."""
    rows = batch_rows(model, n)
    tol = -math.inf if model.tol is None or waits else float(model.tol)
    epochs = model.n_iter_no_change
    average: bool | int = False
    if model.average:
        average = max(1, int(model.max_iter) // 2 * -(-n // rows))
    return NetworkEpochs(
        asked.method.rule,
        learning_rate=schedule_of(model, n, -(-n // rows)),
        eta0=float(model.learning_rate_init) if model.learning_rate == "adaptive" else None,
        order=model.order if model.order is not None else ("shuffled" if model.shuffle else "cyclic"),
        batch_size=rows,
        tol=tol,
        n_iter_no_change=2**62 if epochs == np.inf else int(epochs),
        decay=asked.decay or 0.0,
        clip_norm=model.clip_norm,
        clip_value=model.clip_value,
        augment=asked.augmentation,
        seed=asked.seed,
        average=average,
        probe=probe,
        dtype=stack.dtype,
        memory=memory,
    )


def make_probes(model: Any, stack: Stack, n: int) -> Probes | None:
    """What samples the layers; None where it is not wanted."""
    if model.probes is False:
        return None
    every = "auto" if model.probes is True or isinstance(model.probes, str) else int(model.probes)
    return Probes(stack, every, batch_size=batch_rows(model, n))


def run_network(
    model: Any, stack: Stack, start: Start, given: Given, asked: Asked, began: float, onlookers: Any
) -> Ended:
    """Train, certify, record; ``onlookers.statistics`` becomes the running statistics as they are at any time."""
    validated = time.perf_counter() - began
    feed = make_feed(given.X, stack.dtype, given.scaling)
    if given.train is not None:
        feed = SomeRows(feed, given.train)
    with ExitStack() as context:
        clock = context.enter_context(compile_clock())
        context.enter_context(blas_threads(stack, feed.n if asked.method.batch else batch_rows(model, feed.n)))
        context.enter_context(np.errstate(all="ignore"))  # loop and certificate judge the numbers themselves
        observers: list[Observer] = context.enter_context(watching())
        if model.verbose:
            from steepest.record.progress import Progress

            progress = Progress(title=type(model).__name__)
            context.callback(progress.close)
            observers.append(progress)
        problem = make_problem(stack, start, given, float(model.alpha), feed)
        onlookers.statistics = problem.statistics
        probes = None if asked.method.batch else make_probes(model, stack, feed.n)
        monitor = _monitor(stack, problem, given, asked.watch)
        if asked.method.batch:
            tol = 0.0 if model.tol is None else float(model.tol)
            solver: Any = network_solver(asked.method.name, problem, tol=tol, most=float(min(model.max_fun, 2**62)))
        else:
            waits = monitor is not None and monitor.patience is not None
            solver = make_epochs(model, asked, stack, feed.n, probes, None, waits)
        work = _Work(model, stack, problem, solver, monitor)
        limits = Limits(NEVER, int(model.max_iter), model.max_time, lambda: float(clock.seconds))
        outcome = run(
            solver,
            problem,
            problem.start() if asked.method.batch else start.w,
            limits=limits,
            certify=work.judge,
            null_value=problem.null_value,
            observers=observers,
            info={
                "title": type(model).__name__,
                "solver": asked.method.name,
                "round": "iteration" if asked.method.batch else "epoch",
                "value": "objective" if asked.method.batch else "loss",
            },
            monitor=monitor,
        )
    work.check(outcome)
    statistics = work.statistics(outcome.w)
    net = Trained.of(stack, outcome.w, statistics, given.scaling)
    losses = work.losses(outcome)
    seconds = {**outcome.seconds, "total": time.perf_counter() - began, "validate": validated, "compile": clock.seconds}
    ended = Ended(
        net=net,
        memory=work.memory(net),
        certificate=outcome.certificate,
        history=outcome.history,
        losses=losses,
        validation_scores=_scores(outcome, monitor),
        iterations=outcome.iterations if asked.method.batch else len(losses),  # whole epochs
        rows=feed.n,
        batch=asked.method.batch,
        seed=asked.seed,
        rule=type(asked.method.rule).__name__,
        probes=None if probes is None else probes.result(),
        objective=describe_network(problem, given, float(model.alpha)),
    )
    ended.facts = _facts(given, feed, problem, outcome, asked, monitor, seconds, ended)
    return ended


class _Work:
    """A run under way: which running statistics belong to which parameters, and what a certificate may cost."""

    def __init__(self, model: Any, stack: Stack, problem: NetworkProblem, solver: Any, monitor: Any) -> None:
        self.model, self.stack, self.problem, self.solver, self.monitor = model, stack, problem, solver, monitor

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
        kept = w.astype(self.stack.dtype).astype(np.float64)
        kept = w if np.array_equal(kept, w) else kept
        assert self.problem.statistics is not None
        self.problem.statistics[:] = self.statistics(w)
        solver = self.solver
        if hasattr(solver, "rest"):
            solver.rest()
        if status is Status.STALLED and (not isinstance(solver, NetworkDescent) or solver.rested):
            status = Status.APPROXIMATE  # the rule of tol ended the run, as was asked
        elif status is Status.STALLED and solver.spent:
            status, reason = Status.BUDGET, f"max_fun={self.model.max_fun} reached: {reason}"
        trained = SHARE * float(self.problem.passes) * product_work(self.problem) / 2.0  # a product is two passes
        found = certify_network(
            self.problem,
            kept,
            tol=1e-4 if self.model.tol is None else float(self.model.tol),
            status=status,
            reason=reason,
            curvature=False if status is Status.DIVERGED else self.model.curvature,
            work=min(WORK, trained),
        )
        if found.status is Status.APPROXIMATE and reason and not found.reason.startswith(reason):
            found = replace(found, reason=f"{reason}; {found.reason}")
        return found

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
        said = outcome.certificate.reason.partition(";")[0]
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


def _monitor(stack: Stack, problem: NetworkProblem, given: Given, watch: Watch | None) -> NetworkMonitor | None:
    if watch is None:
        return None
    assert problem.statistics is not None
    held: AnyArray = problem.statistics
    rows = HeldRows(stack, given.taught.meaning, watch.feed, watch.y, watch.s, lambda: held)
    scored = not isinstance(watch.scorer, str) or watch.scorer == "score"
    if scored and not isinstance(watch.scorer, str):
        rows.scorer = watch.scorer(stack)
    return NetworkMonitor(
        rows, scored, given.trained, patience=watch.patience, min_delta=watch.min_delta, name=watch.name
    )


def _scores(outcome: Outcome, monitor: NetworkMonitor | None) -> list[float] | None:
    """What was scored after each epoch."""
    if monitor is None or monitor.score is None:
        return None
    return [float(value) for value in outcome.history["validation_score"][1:]]


def _facts(
    given: Given,
    feed: Feed,
    problem: NetworkProblem,
    outcome: Outcome,
    asked: Asked,
    monitor: NetworkMonitor | None,
    seconds: dict[str, float],
    ended: Ended,
) -> dict[str, Any]:
    """What the record says."""
    X, sparse = given.X, sp.issparse(given.X)
    nnz = int(X.nnz) if sparse else int(X.shape[0]) * int(X.shape[1])
    data: dict[str, Any] = {
        "n_samples": feed.n,
        "n_features": feed.n_features,
        "n_outputs": given.taught.meaning.n_outputs,
        "nnz": nnz,
        "density": nnz / max(1, int(X.shape[0]) * int(X.shape[1])),
        "dtype": str(X.dtype),
        "kind": "csr" if sparse else "dense",
        "bytes": int(X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) if sparse else int(X.nbytes),
    }
    if monitor is not None:
        data["validation"] = {"n_samples": monitor.rows_.feed.n, **monitor.summary()}
    stack = ended.net.stack
    shape = " - ".join(str(n) for n in (stack.n_features, *(layer.width for layer in stack.layers)))
    solver = {
        "name": asked.method.name,
        "why": "asked for by name",
        "expected": "a stationary point; no other proof exists for a network",
        "options": {"layers": shape, "parameters": stack.size},
        "notes": list(dict.fromkeys(outcome.notes)),
    }
    if ended.probes is not None:
        seen = ended.probes  # its arrays, which a stored model has once; JSON has what `ProbeTable.to_dict` gives
        solver["probes"] = {"layers": seen.layers, "steps": seen.steps, "every": seen.every, "table": dict(seen.table)}
    return {
        "data": data,
        "solver": solver,
        "seconds": seconds,
        "passes": float(problem.passes),
        "iterations": ended.iterations,
    }
