"""The update of a step: clipping, penalty, decay and a rule on the flat vector, by one thread or two.

For networks of some 100,000 weights a rule waits for memory: it reads and writes up to seven numbers a weight, which
fit into no core's cache.  Two threads have two caches.  While both are at it, the second also gathers the rows of the
next batch.  Where the vector is cut depends on sizes alone, so results have the same bits with and without the thread.
"""

from __future__ import annotations

import math
import numbers
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from steepest.exceptions import InvalidParameterError
from steepest.kernels.network_update import square_sum, update
from steepest.protocols import AnyArray
from steepest.rules import RULES, get_rule, narrowed, unpenalised

SHARED = 60_000  # weights, and numbers of a batch, from which a second thread pays: it takes some 10 us to reach
RETRIED = 32  # pieces
TIMED = 8  # steps
_GATHER = 0.6  # of the time that a weight's update takes, for a number of a batch
_FIRST = 0.54  # of the work is the first thread's, so that it need not sleep for the second


class Helper:
    """A thread that does one thing at a time, handed over by locks: no queue, some microseconds.

    Use it as a context; the thread ends with it.
    """

    def __init__(self) -> None:
        self._go, self._done = threading.Lock(), threading.Lock()
        self._task: Callable[[], Any] | None = None
        self._error: BaseException | None = None
        self._open = True
        self._thread = threading.Thread(target=self._run, name="steepest-helper", daemon=True)

    def __enter__(self) -> Helper:
        self._go.acquire()
        self._done.acquire()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._task = None
        with suppress(RuntimeError):  # interrupted between the two: a task is handed over, and none is waited for
            self._go.release()
        self._thread.join()

    def start(self, task: Callable[[], Any]) -> None:
        """Hand over a task; `wait` must follow before the next."""
        self._task = task
        self._go.release()

    def wait(self) -> None:
        """Until the task is done; raises what it raised."""
        self._done.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while True:
            self._go.acquire()
            task = self._task
            if not self._open or task is None:
                return
            try:
                task()
            except BaseException as error:  # `wait` raises it in the thread that asked
                self._error = error
            self._done.release()


class Pace:
    """Whether a helper pays, from seconds a step with and without it.

    On a machine that others use as well it does not: threads of BLAS, waiting for work, lose their processors to it.
    """

    def __init__(self, possible: bool) -> None:
        self.possible = possible
        self._seconds: dict[bool, float] = {}
        self._pieces = 0

    def choose(self) -> bool:
        """For the next piece of steps; now and then the slower way, for loads change."""
        if not self.possible:
            return False
        self._pieces += 1
        if len(self._seconds) < 2:
            return False in self._seconds
        faster = self._seconds[True] < self._seconds[False]
        return faster != (self._pieces % RETRIED == 0)

    def note(self, helped: bool, seconds: float, steps: int) -> None:
        """What a step of the piece took; short pieces, and the first, which lays programs out, say nothing."""
        if self.possible and steps >= TIMED and self._pieces > 1:
            self._seconds[helped] = 0.5 * (self._seconds.get(helped, seconds) + seconds)


class Move:
    """Moves a flat vector along its gradient.

    Parameters
    ----------
    rule : rule
    size, decayed : int
        Of the vector, and of its first part, which the penalty and decay touch.
    dtype : dtype
    l2, decay, clip_norm, clip_value
        As of `steepest.networks.training.Training`.
    numbers : int
        Of a batch, which the second thread gathers.
    """

    def __init__(
        self,
        rule: Any,
        size: int,
        decayed: int,
        dtype: Any,
        *,
        l2: float,
        decay: float,
        clip_norm: float | None,
        clip_value: float | None,
        numbers: int,
    ) -> None:
        self.l2, self.decay = number("l2", l2), number("decay", decay)
        self.clip_norm = math.inf if clip_norm is None else number("clip_norm", clip_norm, positive=True)
        self.clip_value = math.inf if clip_value is None else number("clip_value", clip_value, positive=True)
        self._absorbed = "decay" in rule.absorbs  # the rule decays weights itself
        if self._absorbed and self.decay > 0.0:
            rule = rule._replace(decay=self.decay)
        self._rule, self._free = narrowed(rule, dtype), narrowed(unpenalised(rule), dtype)
        self.size, self.decayed = size, decayed
        self.shared = size + numbers >= SHARED
        first = int(_FIRST * (size + _GATHER * numbers)) - (size - decayed)
        self.cut = min(max(first, 0), decayed) // 64 * 64 if self.shared else decayed

    def __call__(
        self,
        w: AnyArray,
        g: AnyArray,
        slots: AnyArray,
        rate: float,
        t: int,
        helper: Helper | None = None,
        ahead: Callable[[], Any] | None = None,
    ) -> float:
        """Step t from 1 on, at a rate; the squared norm of the weights before.

        ``ahead`` is done meanwhile, by the helper where there is one.
        """
        scale, limit = 1.0, self.clip_value
        if self.clip_norm < math.inf:
            length = math.sqrt(square_sum(g, limit))
            scale = 1.0 if length <= self.clip_norm else self.clip_norm / length
        keep = 1.0 if self._absorbed else max(0.0, 1.0 - rate * self.decay)
        cut, decayed, rule, step = self.cut, self.decayed, self._rule, float(t)
        rest = 0.0

        def second() -> None:
            nonlocal rest
            if cut < decayed:
                rest = update(rule, w, slots, g, cut, decayed, self.l2, scale, limit, keep, rate, step)
            if ahead is not None:
                ahead()

        if helper is not None:
            helper.start(second)
        else:
            second()
        try:
            squares = update(rule, w, slots, g, 0, cut, self.l2, scale, limit, keep, rate, step)
            update(self._free, w, slots, g, decayed, self.size, 0.0, scale, limit, 1.0, rate, step)
        finally:
            if helper is not None:
                helper.wait()
        return float(squares) + float(rest)


def stepping(rule: Any) -> Any:
    """The rule, where it can train a network."""
    chosen = get_rule(rule)
    if chosen.whole or chosen.name == "ftrl":
        offered = sorted(name for name, kind in RULES.items() if not kind.whole and name != "ftrl")  # type: ignore[attr-defined]
        why = "couples all weights" if chosen.whole else "begins at zero weights, where a network stays"
        raise InvalidParameterError(f"rule: expected one of {offered}, got '{chosen.name}', which {why}. Use 'adam'.")
    return chosen


def number(name: str, given: Any, positive: bool = False) -> float:
    """A finite number that is not negative."""
    good = isinstance(given, numbers.Real) and not isinstance(given, bool) and 0.0 <= float(given) < math.inf
    if not good or (positive and float(given) == 0.0):
        raise InvalidParameterError(
            f"{name}: expected a number {'>' if positive else '>='} 0, got {given!r}. Leave it out for none."
        )
    return float(given)
