"""What the run of a network is made of: objective, solver of epochs, probes, monitor, threads."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from steepest.estimators.network_plan import batch_rows, schedule_of
from steepest.estimators.network_start import Start
from steepest.estimators.network_values import Asked, Given, Watch
from steepest.estimators.network_watch import HeldRows, NetworkMonitor
from steepest.networks.feed import Feed
from steepest.networks.probes import Probes
from steepest.networks.stack import Stack
from steepest.parallel import one_blas_thread
from steepest.problems.network import NetworkProblem
from steepest.protocols import AnyArray
from steepest.solvers.network import NetworkEpochs, NetworkMemory

THREADED = 8_000_000  # multiply-adds of a product from which two threads of BLAS gain


def blas_threads(stack: Stack, rows: int) -> AbstractContextManager[None]:
    """One thread of BLAS where no product of so many rows is large enough for two: they would wait for each other.

    Steps of batches have threads of their own (`steepest.networks.team`); this is for what happens beside them.
    """
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


def make_monitor(stack: Stack, problem: NetworkProblem, given: Given, watch: Watch | None) -> NetworkMonitor | None:
    """What measures the held-out rows; None where there are none."""
    if watch is None:
        return None
    assert problem.statistics is not None
    held: AnyArray = problem.statistics
    rows = HeldRows(stack, given.taught.meaning, watch.feed, watch.y, watch.s, watch.counts, lambda: held)
    scored = not isinstance(watch.scorer, str) or watch.scorer == "score"
    if scored and not isinstance(watch.scorer, str):
        rows.scorer = watch.scorer(stack)
    return NetworkMonitor(
        rows, scored, given.trained, patience=watch.patience, min_delta=watch.min_delta, name=watch.name
    )
