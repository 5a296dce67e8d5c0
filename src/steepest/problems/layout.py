"""How the flat parameter vector is laid out."""

from __future__ import annotations

from typing import NamedTuple

from steepest.protocols import FloatArray


class Layout(NamedTuple):
    """``(d, k)`` weights in C order, then k intercepts where they are fitted; k = 1 gives vectors.

    Examples
    --------
    >>> import numpy as np
    >>> weights, intercept = Layout(2, 3, True).split(np.arange(9.0))
    >>> weights.shape, intercept
    ((2, 3), array([6., 7., 8.]))
    """

    n_features: int
    n_outputs: int
    intercept: bool

    @property
    def n_weights(self) -> int:
        """Number of penalised parameters."""
        return self.n_features * self.n_outputs

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return self.n_weights + (self.n_outputs if self.intercept else 0)

    def split(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Views of the weights, (d,) or (d, k), and of the intercepts, (k,) or empty."""
        head, tail = w[: self.n_weights], w[self.n_weights :]
        return (head if self.n_outputs == 1 else head.reshape(self.n_features, self.n_outputs)), tail
