"""Watching fits from outside: observers for the length of a block.

Observers see every round and change nothing; what they return may ask for a stop.  They are no parameters of
an estimator, so an estimator can always be cloned and pickled::

    with observe(print_gap):
        Ridge().fit(X, y)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from steepest.protocols import Certificate, FloatArray, Observer

_ACTIVE: ContextVar[tuple[Observer, ...]] = ContextVar("steepest_observers", default=())


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
def observe(*observers: Observer | Callable[[dict[str, float], FloatArray], Any]) -> Iterator[None]:
    """Let observers see every fit that this thread begins inside the block.

    Parameters
    ----------
    *observers : Observer or callable
        A plain function becomes a `RoundCallback`.

    Examples
    --------
    >>> from steepest.record.observers import active, observe
    >>> with observe(lambda row, w: None):
    ...     len(active())
    1
    >>> len(active())
    0
    """
    made: tuple[Any, ...] = tuple(item if hasattr(item, "round") else RoundCallback(item) for item in observers)
    token = _ACTIVE.set((*_ACTIVE.get(), *made))
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def active() -> tuple[Observer, ...]:
    """Observers of the blocks around the caller."""
    return _ACTIVE.get()
