"""Limits of single weights, as values that compiled loops take: none, or a low and a high end for each."""

from __future__ import annotations

from typing import Any, NamedTuple

from steepest.jit import dispatch


@dispatch
def within(self: Any, j: Any, v: Any) -> Any:
    """The number nearest to v that weight j may have."""
    return self.within(j, v)


class Unlimited(NamedTuple):
    """No limits; compiles to nothing."""

    def within(self, j, v):
        return v


class Limited(NamedTuple):
    """``low[j] <= w_j <= high[j]``."""

    low: Any
    high: Any

    def within(self, j, v):
        return min(max(v, self.low[j]), self.high[j])
