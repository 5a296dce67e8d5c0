"""The exact programs of Weston-Watkins and Crammer-Singer, with slacks and constraints, by an interior-point method."""

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np


@dataclass
class Reference:
    """Optimal value, flat parameters, and the multipliers as loss slopes."""

    value: float
    w: Any
    u: Any


def reference(X, y, p, k, kind, costs=None, alpha=0.1, penalty="l2", fit_intercept=True):
    """Least of ``sum_i p_i slack + alpha R(W)`` with a slack a row (Crammer-Singer) or a row and class."""
    n, d = X.shape
    own, others = np.eye(k)[y], 1.0 - np.eye(k)[y]
    margins = (1.0 - np.eye(k) if costs is None else np.asarray(costs))[y]
    W = cp.Variable((d, k))
    Z = X @ W
    if fit_intercept:
        b = cp.Variable((1, k))
        Z = Z + np.ones((n, 1)) @ b
    behind = margins + Z - cp.sum(cp.multiply(Z, own), axis=1, keepdims=True) @ np.ones((1, k))
    if kind == "weston_watkins":
        slack = cp.Variable((n, k), nonneg=True)
        held, loss = cp.multiply(others, behind) <= slack, p @ cp.sum(cp.multiply(slack, others), axis=1)
    else:
        slack = cp.Variable((n, 1), nonneg=True)
        held, loss = behind <= slack @ np.ones((1, k)), p @ slack[:, 0]
    size = cp.norm1(W) if penalty == "l1" else 0.5 * cp.sum_squares(W)
    program = cp.Problem(cp.Minimize(loss + alpha * size), [held])
    program.solve(solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    u = others * held.dual_value / np.where(p > 0.0, p, 1.0)[:, None]
    u -= own * u.sum(axis=1, keepdims=True)
    w = np.concatenate([W.value.ravel(), b.value.ravel()]) if fit_intercept else W.value.ravel()
    return Reference(float(program.value), w, u)
