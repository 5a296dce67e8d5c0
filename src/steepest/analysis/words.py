"""Numbers and vectors in the sentences of analysis."""

from __future__ import annotations

import numpy as np

from steepest.protocols import FloatArray


def vector(x: FloatArray, most: int = 6) -> str:
    """A vector in brackets; a long one by its largest entries and their places.

    Examples
    --------
    >>> vector(np.array([1.0, -0.5]))
    '[1, -0.5]'
    >>> vector(np.arange(100.0), most=2)
    '[98: 98, 99: 99, and 98 smaller]'
    """
    if x.size > most and not np.any(x):
        return f"[{x.size} zeros]"
    if x.size <= most:
        return "[" + ", ".join(f"{v:.4g}" for v in x) + "]"
    top = np.sort(np.argsort(-np.abs(x), kind="stable")[:most])
    return "[" + ", ".join(f"{i}: {x[i]:.4g}" for i in top) + f", and {x.size - most} smaller]"
