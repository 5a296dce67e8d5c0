"""An oracle that knows all labels of each example: tables of features and losses, for exact comparisons."""

from __future__ import annotations

import numpy as np


class Listed:
    """Example x is a table (labels, size) of its joint features; labels are its rows; the loss is a matrix."""

    def __init__(self, losses):
        self.losses = losses

    def size(self, X, Y):
        return X[0].shape[1]

    def joint_feature(self, x, y):
        return x[y]

    def loss(self, y_true, y):
        return self.losses[y_true, y]

    def maximise(self, w, x, y_true=None):
        scores = x @ w
        return int(np.argmax(scores if y_true is None else scores + self.losses[y_true]))


def listed(rng, n=12, labels=4, size=5, scale=1.0):
    """A random oracle, examples, and labels, that have something to do with the features."""
    losses = rng.uniform(0.2, 2.0, (labels, labels))
    np.fill_diagonal(losses, 0.0)
    X = [scale * rng.standard_normal((labels, size)) for _ in range(n)]
    w = rng.standard_normal(size) / scale
    Y = [int(np.argmax(x @ w + 2.0 * rng.standard_normal(labels))) for x in X]
    return Listed(losses), X, Y


class Sign:
    """The binary support vector machine: phi(x, y) = x y / 2, and a loss of 1."""

    def size(self, X, Y):
        return len(X[0])

    def joint_feature(self, x, y):
        return np.asarray(x) * y / 2.0

    def loss(self, y_true, y):
        return float(y != y_true)

    def maximise(self, w, x, y_true=None):
        return max((-1, 1), key=lambda y: (y_true is not None and y != y_true) + (w @ x) * y / 2.0)
