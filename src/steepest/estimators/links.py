"""From scores to predictions: one table of links, for every generalised linear model.

=========  ======================  ==========================
link       prediction              with the losses
=========  ======================  ==========================
identity   z                       squared, huber, quantile, ...
log        exp(z)                  poisson
logistic   1 / (1 + exp(-z))       logistic, bernoulli
softmax    exp(z_j) / sum exp(z)   softmax
sign       -1 or +1                hinge and other margins
argmax     class of the largest z  crammer_singer, ...
=========  ======================  ==========================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from steepest.protocols import FloatArray

_LARGEST = float(np.log(np.finfo(np.float64).max))  # exp of it is the largest float


def softmax(z: FloatArray) -> FloatArray:
    """Rows of probabilities; the largest score is subtracted first.

    Examples
    --------
    >>> softmax(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """
    out: FloatArray = z - z.max(axis=1, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


def log_softmax(z: FloatArray) -> FloatArray:
    """Logarithm of `softmax`, finite for any finite scores."""
    shifted: FloatArray = z - z.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def log_expit(z: FloatArray) -> FloatArray:
    """Logarithm of the logistic function, finite for any finite score."""
    return -np.logaddexp(0.0, -z)


LINKS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "log": lambda z: np.exp(np.minimum(z, _LARGEST)),
    "logistic": expit,
    "softmax": softmax,
    "argmax": lambda z: np.argmax(z, axis=1),
    "sign": lambda z: np.where(z > 0.0, 1.0, -1.0),
}
