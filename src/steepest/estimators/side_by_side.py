"""The jobs of one fit side by side: classes one against the rest, several targets; a job a thread.

Kernels release the interpreter lock, so jobs run at once where there are threads for them.  Each sees the same X
through a source of its own that has no threads below it; shards depend on the data alone, so every job ends with the
same bits as when it runs by itself.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from steepest.parallel import Pool
from steepest.protocols import Certificate, FloatArray, Status

WORK = 50_000  # numbers in X: below, jobs spend their time in Python, which threads do not share


class Stop:
    """An observer that ends a run where another one has been interrupted."""

    def __init__(self) -> None:
        self.asked = False

    def begin(self, info: dict[str, Any]) -> None:
        """Nothing to prepare."""

    def round(self, row: dict[str, float], w: FloatArray) -> bool | None:
        """Whether to stop."""
        return self.asked

    def end(self, certificate: Certificate) -> None:
        """Nothing to finish."""


def suits(source: Any, jobs: Sequence[Any], observers: Sequence[Any]) -> bool:
    """Whether jobs may run at once: several, on data in memory, with nobody watching them in their order.

    Least squares share the factor of one matrix, and take turns.
    """
    return bool(
        len(jobs) > 1
        and source.pool.n_jobs > 1
        and source.kind != "stream"
        and source.nnz >= WORK
        and not observers
        and all(job.held is None and job.loss.name != "squared" for job in jobs)
    )


def run_side_by_side(
    source: Any, jobs: Sequence[Any], make: Callable[[Any, Stop], Any], one: Callable[[Any, Any], None]
) -> list[Any]:
    """Runs every job in a runner of its own, and returns the runners in the order of the jobs.

    Parameters
    ----------
    source : Source
    jobs : sequence of Job
    make : callable
        ``make(source, stop)`` gives a runner.
    one : callable
        ``one(runner, job)`` runs a job.
    """
    stop = Stop()
    waiting = deque(enumerate(jobs))
    runners: list[Any] = [None] * len(jobs)

    def lane() -> None:
        while waiting:
            try:
                place, job = waiting.popleft()
            except IndexError:  # another lane was quicker
                return
            own = copy.copy(source)
            own.pool = Pool(1)
            runner = make(own, stop)
            with np.errstate(all="ignore"):  # is that of a thread
                one(runner, job)
            stop.asked |= any(outcome.certificate.status is Status.INTERRUPTED for outcome in runner.outcomes)
            runners[place] = runner

    lanes = min(source.pool.n_jobs, len(jobs))
    with ThreadPoolExecutor(lanes - 1, thread_name_prefix="steepest-job") as executor:
        futures = [executor.submit(lane) for _ in range(lanes - 1)]
        try:
            lane()
        except BaseException:
            waiting.clear()
            stop.asked = True
            raise
        for future in futures:
            _result(future, stop)
    return runners


def _result(future: Future[None], stop: Stop) -> None:
    """Waits for a lane; Ctrl-C in the meantime ends its runs, whose best points are kept."""
    while True:
        try:
            return future.result()
        except KeyboardInterrupt:
            if stop.asked:
                raise
            stop.asked = True
