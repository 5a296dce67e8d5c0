"""The threads of a training: matrix products and updates in parts that any of them takes.

Programs are laid out with NumPy's products; a team takes those over that it can.  BLAS is left out of training steps
altogether: its threads wait for the next product by spinning, on the processors that the rest of the step needs.
Results have the same bits for every number of threads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numba
import numpy as np

from steepest.jit import Entry
from steepest.kernels.addresses import PARTS, PLACES, ROOM, SIZES, WHAT
from steepest.kernels.network_gather import add_sparse_product, gather_columns, gather_dense, sparse_gradient
from steepest.kernels.network_tasks import add_sparse_part, gather_columns_part, gather_part, sparse_gradient_part
from steepest.kernels.network_update import update
from steepest.kernels.products import LEFT, PLAIN, RIGHT, SCRATCH, product_part
from steepest.kernels.team import UPDATE, WORDS, team
from steepest.kernels.tiles import VECTOR
from steepest.networks.operations import Call
from steepest.parallel import effective_jobs
from steepest.protocols import AnyArray

MOST = 8  # threads
NAME = "steepest-team"  # of the helpers
PIECES = 16  # of a task at most
PRODUCT = 1.0e6  # multiply-adds of a part
DEPTH = 64  # of a sum, below which a tile costs more to write than to compute
MOVED = 16_000  # weights of a part
GATHERED = 12_000  # numbers of a part
ADDED = 2.5e4  # multiply-adds of compressed rows of a part
ENOUGH = 1.2e7  # multiply-adds of a step from which a second thread gained on every network that was measured

_rest = getattr(os, "sched_yield", partial(time.sleep, 0.0))


class Team:
    """The thread that trains, and others that help while the team is entered.

    Parameters
    ----------
    rule : rule
        Of the vector's dtype, see `steepest.rules.narrowed`.
    w, slots, g : arrays of shape (size,), (rule.slots, size), (size,)
    work : float
        Multiply-adds of a step.
    threads : int, optional
        By default the processors that this process may use, see `steepest.parallel.effective_jobs`; `MOST` at most.

    Attributes
    ----------
    threads : int
        That there will be.
    w, slots, g, dtype
        As given.
    """

    def __init__(
        self, rule: Any, w: AnyArray, slots: AnyArray, g: AnyArray, work: float, threads: int | None = None
    ) -> None:
        self._end = np.zeros(1, np.int64)  # 1 when the helpers shall go; each entry has its own
        shared = work >= ENOUGH and not numba.config.DISABLE_JIT
        self.threads = min(effective_jobs(threads), MOST) if shared else 1
        self.w, self.slots, self.g, self.dtype = w, slots, g, w.dtype
        self._words = np.zeros(WORDS, np.uint64)
        self._task = np.zeros(ROOM, np.int64)
        self._numbers = np.zeros(6)
        self._sums = np.zeros(PIECES)
        self._scratch = [np.empty(SCRATCH // w.itemsize, w.dtype) for _ in range(self.threads)]
        self._context = (rule, w, slots, g, self._sums)
        self._helpers: list[threading.Thread] = []
        self._again = self._lead(np.empty(0, np.int64))
        self._moves: dict[tuple[int, int], tuple[Any, int]] = {}  # no `Task`: it would hold the team that holds it

    def _lead(self, given: AnyArray) -> Any:
        kernel: Any = team
        return kernel.prepared(True, self._words, self._task, self._numbers, self._scratch[0], self._context, given)

    # ------------------------------------------------------------------------------------------------- threads

    def __enter__(self) -> Team:
        self.__exit__()  # whom an interrupt may have left behind
        self._end = np.zeros(1, np.int64)
        kernel: Any = team
        try:
            for scratch in self._scratch[1:]:
                given = (False, self._words, self._task, self._numbers, scratch, self._context, self._end)
                helper = threading.Thread(target=_help, args=(kernel.prepared(*given),), name=NAME, daemon=True)
                with suppress(RuntimeError):  # no more threads to be had: those that there are do all
                    helper.start()
                    self._helpers.append(helper)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end[0] = 1
        interrupt: KeyboardInterrupt | None = None
        while self._helpers:  # what they compute lies in arrays that may be gone once we are out
            try:
                self._helpers[-1].join()
                self._helpers.pop()
            except KeyboardInterrupt as raised:
                interrupt = raised
        if interrupt is not None:
            raise interrupt

    def __del__(self) -> None:
        self._end[0] = 1  # an interrupt may come before `__exit__` has done anything

    # --------------------------------------------------------------------------------------------------- tasks

    def take_over(self, call: Call) -> Call:
        """The same by the team, where it is a product of two matrices, or one of `_SHARED`; else the call as it is."""
        if not isinstance(call, partial) or numba.config.DISABLE_JIT:
            return call
        if call.func is np.matmul:
            return self._product(call) or call
        share = _SHARED.get(call.func)
        return call if share is None else share(self, call.args) or call

    def _product(self, call: partial[Any]) -> Task | None:
        a, b, out = call.args
        left, right, target = _lie(a, self.dtype), _lie(b, self.dtype), _lie(out, self.dtype)
        if left is None or right is None or target is None or target[0] or (left[0] and right[0]):
            return None
        kind = LEFT if left[0] else RIGHT if right[0] else PLAIN
        (m, n), k = out.shape, a.shape[1]
        panel = 2 * VECTOR // out.itemsize  # columns; what is missing of the last is worked on all the same
        panels = -(-n // panel)
        parts = _parts(m * panels * panel * max(k, DEPTH) / PRODUCT)
        if kind != LEFT and panels > 1:  # a part packs the panels that it needs
            parts = -(-panels // -(-panels // parts))  # each as many
        what = product_part.address(self.dtype, *[None] * (SIZES - PLACES))
        return Task(self, what, parts, (a, b, out), (kind, left[1], right[1], target[1], m, n, k))

    def _task_of(self, code: Entry, parts: int, arrays: tuple[AnyArray, ...], sizes: tuple[int, ...]) -> Task | None:
        """A task whose code is compiled for the types of its arrays, where these lie without gaps."""
        if not all(array.flags.c_contiguous and array.dtype.kind != "b" for array in arrays):
            return None
        kinds = [array.dtype for array in arrays] + [None] * (SIZES - PLACES - len(arrays))
        return Task(self, code.address(self.dtype, *kinds), parts, arrays, sizes)

    def update(
        self, start: int, stop: int, l2: float, scale: float, limit: float, keep: float, rate: float, t: float
    ) -> float:
        """As `steepest.kernels.network_update.update`."""
        if numba.config.DISABLE_JIT:
            rule, w, slots, g, _ = self._context
            return float(update(rule, w, slots, g, start, stop, l2, scale, limit, keep, rate, t))
        kept = self._moves.get((start, stop))
        if kept is None:
            parts = _parts((stop - start) / MOVED)
            kept = self._moves[start, stop] = (self._lead(_given(UPDATE, parts, (), (start, stop - start))), parts)
        lead, parts = kept
        self._numbers[:] = l2, scale, limit, keep, rate, t
        if lead():
            self.wait()
        return float(sum(self._sums[:parts].tolist()))

    def wait(self) -> None:
        """Until the others are done with what they hold."""
        while self._again():
            _rest()


def _help(wait: Callable[[], int]) -> None:
    """What a helper does; it does not hold the team."""
    while not wait():
        _rest()


class Task:
    """Something to do, as a call; it holds the arrays whose addresses it has."""

    __slots__ = ("_held", "_lead", "_team")

    def __init__(self, whose: Team, what: int, parts: int, held: tuple[AnyArray, ...], sizes: tuple[int, ...]) -> None:
        self._team, self._held, self._lead = whose, held, whose._lead(_given(what, parts, held, sizes))

    def __call__(self) -> None:
        if self._lead():
            self._team.wait()


def _given(what: int, parts: int, held: tuple[AnyArray, ...], sizes: tuple[int, ...]) -> AnyArray:
    """A task as the threads read it."""
    out = np.zeros(ROOM, np.int64)
    out[WHAT], out[PARTS] = what, parts
    out[PLACES : PLACES + len(held)] = [array.ctypes.data for array in held]
    out[SIZES : SIZES + len(sizes)] = sizes
    return out


def _gather(team: Team, args: tuple[AnyArray, ...]) -> Task | None:
    X, rows, _, factor, out = args
    parts = _parts(out.size / GATHERED)
    return team._task_of(gather_part, parts, args, (*X.shape, len(rows), len(factor)))


def _gather_columns(team: Team, args: tuple[AnyArray, ...]) -> Task | None:
    X, rows, columns, _, factor, out = args
    sizes = (*X.shape, len(rows), len(factor), len(columns))
    return team._task_of(gather_columns_part, _parts(out.size / GATHERED), args, sizes)


def _rare(code: Entry, team: Team, args: tuple[AnyArray, ...]) -> Task | None:
    indptr, _, data, rows, factor, left, right = args
    d = left.shape[0] if code is add_sparse_part else right.shape[0]
    width = left.shape[1]
    products = len(data) / max(1, len(indptr) - 1) * len(rows) * width
    sizes = (len(indptr) - 1, len(data), len(rows), len(factor), d, width)
    return team._task_of(code, _parts(products / ADDED), args, sizes)


_SHARED: dict[Any, Callable[[Team, tuple[AnyArray, ...]], Task | None]] = {
    gather_dense: _gather,
    gather_columns: _gather_columns,
    add_sparse_product: partial(_rare, add_sparse_part),
    sparse_gradient: partial(_rare, sparse_gradient_part),
}


def _parts(wanted: float) -> int:
    return int(min(max(wanted, 1.0), PIECES))


def _lie(x: AnyArray, dtype: Any) -> tuple[bool, int] | None:
    """Whether a matrix lies transposed, and the numbers between its rows (columns, where it does); None for others."""
    if x.ndim != 2 or x.dtype != dtype or not x.size:
        return None
    size = x.itemsize
    for turned, (rows, columns), (far, near) in ((False, x.shape, x.strides), (True, x.shape[::-1], x.strides[::-1])):
        if (near == size or columns == 1) and (rows == 1 or (far >= columns * size and far % size == 0)):
            return turned, max(far // size, columns)
    return None
