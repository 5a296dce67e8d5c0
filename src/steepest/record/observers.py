"""Watching fits from outside: observers for the length of a block.

Observers see every round and change nothing; what they return may ask for a stop.  They are no parameters of
an estimator, so an estimator can always be cloned and pickled.  What holds a file or a connection is given as a
*factory*, plain settings with a method ``observer()``, of which every fit has its own observer::

    with observe(print_gap):
        Ridge().fit(X, y)

    with observe(TensorBoard("runs")):
        Ridge().fit(X, y)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from steepest.protocols import Certificate, FloatArray, Observer

_ACTIVE: ContextVar[tuple[Any, ...]] = ContextVar("steepest_observers", default=())


class ObserverFactory(Protocol):
    """Settings that make an observer for each fit; picklable and free of state."""

    def observer(self) -> Observer: ...


class RoundCallback:
    """An observer made of a function of one row of the history and the read-only parameters.

    Parameters
    ----------
    function : callable
        ``function(row, w)``; a true result asks the fit to stop, which then ends as "interrupted".
    """

    def __init__(self, function: Callable[[dict[str, float], FloatArray], Any]) -> None:
        self.function = function

    def begin(self, info: dict[str, Any]) -> None:
        """Nothing to prepare."""

    def round(self, row: dict[str, float], w: FloatArray) -> bool | None:
        """Hands the round on."""
        return bool(self.function(row, w))

    def end(self, certificate: Certificate) -> None:
        """Nothing to finish."""


@contextmanager
def observe(
    *observers: Observer | ObserverFactory | Callable[[dict[str, float], FloatArray], Any],
) -> Iterator[None]:
    """Let observers see every fit that this thread begins inside the block.

    Parameters
    ----------
    *observers : Observer, factory or callable
        Of a factory every fit has its own observer.  A plain function becomes a `RoundCallback`.

    Notes
    -----
    Fits in other threads and in worker processes (``n_jobs`` of a search) are not seen.

    Examples
    --------
    >>> from steepest.record.observers import active, observe
    >>> with observe(lambda row, w: None):
    ...     len(active())
    1
    >>> len(active())
    0
    """
    made: tuple[Any, ...] = tuple(
        item if hasattr(item, "round") or hasattr(item, "observer") else RoundCallback(item) for item in observers
    )
    token = _ACTIVE.set((*_ACTIVE.get(), *made))
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def active() -> tuple[Any, ...]:
    """Observers and factories of the blocks around the caller."""
    return _ACTIVE.get()


@contextmanager
def watching() -> Iterator[list[Observer]]:
    """Observers for one fit: those of the blocks around it, and one of every factory, closed when the fit ends."""
    with ExitStack() as stack:
        observers = []
        for item in active():
            observer = item.observer() if hasattr(item, "observer") else item
            if observer is not item and hasattr(observer, "close"):
                stack.callback(observer.close)
            observers.append(observer)
        yield observers
