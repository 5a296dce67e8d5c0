"""Threads: coarse shards of rows, fixed by the data alone, reduced in order.

Kernels release the interpreter lock, so a few threads of the standard library are all that is needed.
Shard boundaries depend on the data and never on ``n_jobs``, and partial sums are added in shard order:
the result has the same bits for every ``n_jobs``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import AnyArray

T = TypeVar("T")

SHARD_WORK = 200_000  # multiply-adds below which a thread does not pay for its start (about 50 us)
MAX_SHARDS = 16


def effective_jobs(n_jobs: int | None) -> int:
    """Threads to use.

    None: the processors that this process may run on, or ``OMP_NUM_THREADS`` where that is fewer, as for
    the BLAS below scikit-learn (joblib sets it in its workers, so that searches do not oversubscribe).
    -1: all processors, -2: all but one; a positive number: that many.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    if n_jobs is None:
        limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
        return max(1, min(cores, int(limit))) if limit.isdigit() else cores
    if not isinstance(n_jobs, int | np.integer) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise InvalidParameterError(f"n_jobs: expected None, a positive integer, or -1 for all, got {n_jobs!r}.")
    return int(n_jobs) if n_jobs > 0 else max(1, cores + 1 + int(n_jobs))


def shard_bounds(offsets: AnyArray | int, work: float, width: int) -> list[tuple[int, int]]:
    """Row ranges of about equal work.

    Parameters
    ----------
    offsets : int or array of shape (n + 1,)
        Number of rows, or the running count of non-zeros where rows differ.
    work : float
        Multiply-adds of one pass.
    width : int
        Length of the private sum that each shard needs: wide sums allow fewer shards.
    """
    n = offsets if isinstance(offsets, int) else len(offsets) - 1
    most = min(MAX_SHARDS, int(work // SHARD_WORK), int(work // (4 * max(width, 1))), n)
    count = 1
    while count * 2 <= most:  # powers of two divide evenly among 2, 4, 8 threads
        count *= 2
    if count <= 1:
        return [(0, n)]
    if isinstance(offsets, int):
        edges = np.linspace(0, n, count + 1).astype(np.int64)
    else:
        edges = np.searchsorted(offsets, np.linspace(0, float(offsets[-1]), count + 1)[1:-1])
        edges = np.concatenate([[0], edges, [n]])
    return [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


class Pool:
    """A few threads for the length of a fit; ``n_jobs = 1`` runs everything in the caller."""

    def __init__(self, n_jobs: int = 1) -> None:
        self.n_jobs = n_jobs
        self._executor: ThreadPoolExecutor | None = None

    def map(self, task: Callable[..., T], items: Sequence[Any]) -> list[T]:
        """``[task(item) for item in items]``, on the threads; the caller works too."""
        if self.n_jobs == 1 or len(items) <= 1:
            return [task(item) for item in items]
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.n_jobs - 1, thread_name_prefix="steepest")
        lanes = min(self.n_jobs, len(items))

        def lane(start: int) -> list[T]:
            return [task(item) for item in items[start::lanes]]

        futures = [self._executor.submit(lane, k) for k in range(1, lanes)]
        done = [lane(0)] + [future.result() for future in futures]
        out: list[Any] = [None] * len(items)
        for k, results in enumerate(done):
            out[k::lanes] = results
        return out

    def close(self) -> None:
        """Ends the threads."""
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None


# --------------------------------------------------------------------------------- the threads of BLAS

_CONTROLLER: list[Any] = []
_BLAS_LOCK = threading.Lock()
_BLAS_LIMITS: list[Any] = []  # one entry a running fit; the first is the limiter that restores


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Shards of rows are the threads; BLAS below them must not start its own, not even for a scalar product.

    The limit is that of the process: the first of several fits at once sets it, the last one restores.
    """
    with _BLAS_LOCK:
        if not _CONTROLLER:  # looking for the libraries takes milliseconds: once a process
            from threadpoolctl import ThreadpoolController

            _CONTROLLER.append(ThreadpoolController())
        _BLAS_LIMITS.append(None if _BLAS_LIMITS else _CONTROLLER[0].limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _BLAS_LOCK:
            if len(_BLAS_LIMITS) == 1:
                _BLAS_LIMITS[0].restore_original_limits()
            _BLAS_LIMITS.pop()


def _forget_limits() -> None:
    """In a forked child no other thread lives on: neither its fit nor its hold of the lock."""
    global _BLAS_LOCK
    _BLAS_LOCK = threading.Lock()
    if _BLAS_LIMITS:
        _BLAS_LIMITS[0].restore_original_limits()
        _BLAS_LIMITS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_limits)
