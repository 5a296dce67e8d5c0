"""A rule at work on one flat vector, with the block that remembers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.jit import kernel
from steepest.protocols import FloatArray
from steepest.rules.registry import advance, between, constants, get_rule, rule


@kernel
def dense_step(rule, w, state, g, eta, t):
    """One step of every coordinate, in one pass over w, its state and g."""
    a, b, c = constants(rule, eta, t)
    slots = state.shape[0]
    if slots == 0:
        for j in range(w.shape[0]):
            w[j], _, _ = advance(rule, w[j], 0.0, 0.0, g[j], a, b, c)
    elif slots == 1:
        for j in range(w.shape[0]):
            w[j], state[0, j], _ = advance(rule, w[j], state[0, j], 0.0, g[j], a, b, c)
    else:
        for j in range(w.shape[0]):
            w[j], state[0, j], state[1, j] = advance(rule, w[j], state[0, j], state[1, j], g[j], a, b, c)


@rule("adagrad_full")
class AdagradFull(NamedTuple):
    """Adagrad with the whole matrix: ``G <- G + g g'``, ``w <- w - eta (delta I + G^(1/2))^-1 g``.

    The metric sees correlations between coordinates, not only their scales.  O(d^2) numbers and O(d^3) work a step,
    by the eigenvectors of G: for small d.

    Parameters
    ----------
    delta : float
        Positive; what directions never seen are divided by.

    References
    ----------
    Duchi, Hazan, Singer (2011), Adaptive subgradient methods for online learning and stochastic optimization.
    """

    delta: float = 1e-6

    whole = True  # type: ignore[misc]

    def validate(self) -> None:
        between("delta", self.delta, 0.0, np.inf, open_low=True)

    def step(self, w: FloatArray, G: FloatArray, g: FloatArray, eta: float) -> None:
        """Change w and G in place."""
        G += np.outer(g, g)
        values, vectors = np.linalg.eigh(G)
        w -= eta * (vectors @ ((vectors.T @ g) / (self.delta + np.sqrt(np.maximum(values, 0.0)))))


class Stepper:
    """A rule, its state in one block, and the count of steps; picklable.

    Parameters
    ----------
    rule : str or rule
    size : int
        The length of the vectors that it moves.

    Attributes
    ----------
    state : ndarray of shape (slots, size), or (size, size) for a whole matrix
    t : int
        Steps taken.

    Examples
    --------
    >>> w = np.array([1.0, -2.0])
    >>> stepper = Stepper("momentum", 2)
    >>> for _ in range(200):
    ...     stepper.step(w, 2.0 * w, 0.05)  # the gradient of |w|^2
    >>> bool(abs(w).max() < 1e-3), stepper.t, stepper.state.shape
    (True, 200, (1, 2))
    """

    def __init__(self, rule: Any, size: int) -> None:
        self.rule = get_rule(rule)
        self.t = 0
        self.state: FloatArray = np.zeros((size if self.rule.whole else self.rule.slots, size))

    def reset(self) -> None:
        """Forget the past; the block stays where it is."""
        self.state[...] = 0.0
        self.t = 0

    def step(self, w: FloatArray, g: FloatArray, eta: float) -> None:
        """Move w, a C-contiguous float64 vector, in place along the gradient g at the rate eta."""
        size = self.state.shape[1]
        for name, array in (("w", w), ("g", g)):
            if array.shape != (size,) or array.dtype != np.float64 or not array.flags.c_contiguous:
                raise InvalidParameterError(
                    f"{name}: expected a contiguous float64 vector of length {size}, "
                    f"got {array.dtype} of shape {array.shape}. Use np.ascontiguousarray({name}, dtype=float)."
                )
        self.t += 1
        if self.rule.whole:
            self.rule.step(w, self.state, g, eta)
        else:
            dense_step(self.rule, w, self.state, g, float(eta), float(self.t))
