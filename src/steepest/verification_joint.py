"""The exact programs of Crammer-Singer and Weston-Watkins, for `steepest.verify`.

With costs D (1 for different classes), and multipliers ``a_ij >= 0`` of row i and wrong class j:

    primal   minimise  |W|^2 / 2 + C sum s_i xi_i    subject to  z_iy - z_ij >= D_yj - xi_i  for j != y,  xi >= 0
    dual     maximise  sum a_ij D_yj - |sum_i x_i m_i'|^2 / 2,  m_iy = sum_j a_ij,  m_ij = -a_ij,
                       subject to  sum_j a_ij <= C s_i,  and  sum_i m_i = 0  for free intercepts

Weston-Watkins has a slack ``xi_ij`` for each wrong class, and ``a_ij <= C s_i``.  With ``|W|_1`` in place of
``|W|^2 / 2`` both are linear programs, whose dual has ``|sum_i x_i m_i'| <= 1`` in every entry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray

MOST = 4_000_000  # entries of X: beyond, an interior-point method on explicit constraints takes minutes


class Joint(NamedTuple):
    """A problem of all classes: rows, codes, ``C s_i``, costs between classes, and which form it has."""

    x: FloatArray
    codes: AnyArray
    weights: FloatArray
    costs: FloatArray
    each: bool  # a slack for each wrong class (Weston-Watkins), or one for the worst
    lasso: bool
    free: bool  # intercepts that are not penalised


def objective(joint: Joint, W: FloatArray, b: FloatArray) -> float:
    """``R(W) + C sum s_i loss_i``, for W of shape (k, d)."""
    z = joint.x @ W.T + b
    rows = np.arange(len(z))
    behind = joint.costs[joint.codes] + z - z[rows, joint.codes][:, None]
    lost = np.maximum(behind, 0.0).sum(axis=1) if joint.each else behind.max(axis=1)
    penalty = float(np.abs(W).sum()) if joint.lasso else 0.5 * float((W * W).sum())
    return penalty + float(joint.weights @ lost)


def programs(cvxpy: Any, joint: Joint) -> tuple[Any, Any, Any, Any]:
    """The primal program, its W (d, k) and b (1, k), and the dual program."""
    (n, d), k = joint.x.shape, len(joint.costs)
    own = np.eye(k)[joint.codes]
    others, margins = 1.0 - own, joint.costs[joint.codes]
    wide = np.ones((1, k))

    W, b = cvxpy.Variable((d, k)), cvxpy.Variable((1, k))
    z = joint.x @ W + (np.ones((n, 1)) @ b if joint.free else 0.0)
    ahead = cvxpy.sum(cvxpy.multiply(z, own), axis=1, keepdims=True) @ wide - z
    if joint.each:
        slack = cvxpy.Variable((n, k), nonneg=True)
        held = cvxpy.multiply(others, ahead + slack) >= others * margins
        loss = joint.weights @ cvxpy.sum(cvxpy.multiply(others, slack), axis=1)
    else:
        slack = cvxpy.Variable((n, 1), nonneg=True)
        held = ahead + slack @ wide >= margins
        loss = joint.weights @ slack[:, 0]
    penalty = cvxpy.sum(cvxpy.abs(W)) if joint.lasso else 0.5 * cvxpy.sum_squares(W)
    primal = cvxpy.Problem(cvxpy.Minimize(penalty + loss), [held])

    a = cvxpy.multiply(others, cvxpy.Variable((n, k), nonneg=True))
    total = cvxpy.sum(a, axis=1, keepdims=True)
    m = cvxpy.multiply(own, total @ wide) - a
    limits = [a <= joint.weights[:, None] @ wide] if joint.each else [total[:, 0] <= joint.weights]
    if joint.free:
        limits.append(cvxpy.sum(m, axis=0) == 0.0)
    value, pull = cvxpy.sum(cvxpy.multiply(a, margins)), joint.x.T @ m
    if joint.lasso:
        limits.append(cvxpy.abs(pull) <= 1.0)
    else:
        value = value - 0.5 * cvxpy.sum_squares(pull)
    return primal, W, b, cvxpy.Problem(cvxpy.Maximize(value), limits)


def rows_of(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[FloatArray, AnyArray, FloatArray]:
    """Dense rows of positive weight, with the constant feature where there is one; targets; weights."""
    x = np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
    if x.size > MOST:
        raise DataError(f"X: verify takes at most {MOST} entries, got {x.size}. Take a part of the rows.")
    targets = np.asarray(y)
    s = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if getattr(estimator, "class_weight", None) is not None:
        from steepest.estimators.targets import apply_class_weight, encode

        name = type(estimator).__name__
        weighted = apply_class_weight(estimator.class_weight, encode(targets, s, name), s, name)[0]
        s = np.asarray(weighted, dtype=np.float64)
    if estimator.penalize_intercept and estimator.fit_intercept:
        x = np.hstack([x, np.full((len(x), 1), float(estimator.intercept_scaling))])
    kept = s > 0.0
    return x[kept], targets[kept], s[kept]


def solve(primal: Any, dual: Any, solver: str) -> None:
    """Solves both programs, or says which one cannot be."""
    for name, problem in (("primal", primal), ("dual", dual)):
        problem.solve(solver=solver)
        if problem.status not in ("optimal", "optimal_inaccurate"):
            raise DataError(f"verify: the {name} program is {problem.status}. Try another solver, or scale X.")


def verify_joint(
    cvxpy: Any, estimator: Any, rows: tuple[FloatArray, AnyArray, FloatArray], solver: str
) -> tuple[str, float, float, Any, Any, FloatArray, FloatArray]:
    """(kind of program, objective of the fit, objective at zero, primal, dual, coefficients, intercepts)."""
    x, labels, s = rows
    k, constant = len(estimator.classes_), float(estimator.intercept_scaling)
    penalised = bool(estimator.penalize_intercept and estimator.fit_intercept)
    joint = Joint(
        x,
        np.searchsorted(estimator.classes_, labels),
        float(estimator.C) * s,
        1.0 - np.eye(k) if estimator.costs is None else np.asarray(estimator.costs, dtype=np.float64),
        each=estimator.multi_class == "weston_watkins",
        lasso=estimator.penalty == "l1",
        free=bool(estimator.fit_intercept) and not penalised,
    )
    own, shift = np.asarray(estimator.coef_, dtype=np.float64), np.asarray(estimator.intercept_, dtype=np.float64)
    if len(own) == 1:  # two scores that differ by the one
        own, shift = np.vstack([-0.5 * own, 0.5 * own]), np.array([-0.5, 0.5]) * shift
    if penalised:
        own, shift = np.column_stack([own, shift / constant]), np.zeros(k)
    primal, W, b, dual = programs(cvxpy, joint)
    solve(primal, dual, solver)
    coef = np.asarray(W.value, dtype=np.float64).T
    intercept = np.ravel(b.value) if joint.free else constant * coef[:, -1] if penalised else np.zeros(k)
    reached, null = objective(joint, own, shift), objective(joint, np.zeros_like(own), np.zeros(k))
    program = "LP" if joint.lasso else "QP"
    return program, reached, null, primal, dual, coef[:, :-1] if penalised else coef, intercept
