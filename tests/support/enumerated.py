"""The structured objective over lists of all labels, and its exact program."""

from __future__ import annotations

import numpy as np
import pytest


def margins(oracle, X, Y, labels):
    """For each example the losses and the differences of the features, of all labels."""
    for x, y, some in zip(X, Y, labels, strict=True):
        truth = oracle.joint_feature(x, y)
        yield (
            np.array([oracle.loss(y, other) for other in some]),
            np.array([oracle.joint_feature(x, other) - truth for other in some]),
        )


def objective(oracle, X, Y, labels, w, alpha, p=None):
    """``sum_i p_i max_y [Delta + w . difference] + alpha/2 |w|^2``."""
    oracle.size(X, Y)
    p = np.full(len(Y), 1.0 / len(Y)) if p is None else p
    hinges = [float((losses + D @ w).max()) for losses, D in margins(oracle, X, Y, labels)]
    return float(p @ hinges + 0.5 * alpha * w @ w)


def optimum(oracle, X, Y, labels, alpha, p=None):
    """The value of the quadratic program with a constraint for every label of every example, and its weights."""
    cp = pytest.importorskip("cvxpy")
    p = np.full(len(Y), 1.0 / len(Y)) if p is None else p
    w, slack = cp.Variable(oracle.size(X, Y)), cp.Variable(len(Y), nonneg=True)
    limits = [slack[i] >= losses + D @ w for i, (losses, D) in enumerate(margins(oracle, X, Y, labels))]
    program = cp.Problem(cp.Minimize(p @ slack + 0.5 * alpha * cp.sum_squares(w)), limits)
    return program.solve(solver=cp.CLARABEL), w.value
