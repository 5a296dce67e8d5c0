"""A fitted SVM against the exact program, solved by an interior-point method of another library.

The soft margin in scikit-learn's scale, with multipliers a in [0, C s_i] (no upper limit for the squared hinge):

    primal   minimise    |w|^2 / 2 + C sum s_i xi_i          subject to   y_i (x_i.w + b) >= 1 - xi_i,  xi >= 0
    dual     maximise    sum a_i - |sum a_i y_i x_i|^2 / 2   subject to   sum a_i y_i = 0,  0 <= a_i <= C s_i

and with ``|w|_1`` in place of ``|w|^2 / 2`` linear programs, whose dual has ``|sum a_i y_i x_ij| <= 1``.  Without a
free intercept the equality is not there; squared slacks add ``- sum a_i^2 / (4 C s_i)``; a hard margin has no slacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.exceptions import DataError, IncompatibleError
from steepest.protocols import FloatArray

if TYPE_CHECKING:
    from steepest.estimators.margin import LinearSVC

MOST = 4_000_000  # entries of X: beyond, an interior-point method on explicit constraints takes minutes


@dataclass(frozen=True, slots=True)
class Verification:
    """What the exact program says of a fit.

    Attributes
    ----------
    program : str
        "QP" or "LP".
    objective : float
        ``C sum s_i loss_i + R(w)`` of the fitted model.
    primal, dual : float
        Optimal values of the two programs.
    excess : float
        ``(objective - dual) / max(|dual|, 1e-10 objective at zero)``.
    duality : float
        ``|primal - dual|`` on the same scale: how exact the reference itself is.
    agrees : bool
        Whether the excess is at most the fit's own ``tol`` and the accuracy asked for.
    coef, intercept
        Of the program's solution.
    solver : str
    """

    program: str
    objective: float
    primal: float
    dual: float
    excess: float
    duality: float
    agrees: bool
    coef: FloatArray
    intercept: float
    solver: str

    def __str__(self) -> str:
        word = "agrees" if self.agrees else "DISAGREES"
        return (
            f"the fit {word} with the {self.program}: objective {self.objective:.9g}, program {self.primal:.9g} "
            f"(primal) and {self.dual:.9g} (dual, {self.solver}); excess {self.excess:.2g}, own gap {self.duality:.2g}"
        )


def verify(
    estimator: LinearSVC, X: Any, y: Any, sample_weight: Any = None, *, accuracy: float = 1e-6, solver: str = "CLARABEL"
) -> Verification:
    """Solve the program of a fitted `LinearSVC` of two classes by an interior-point method, and compare.

    Parameters
    ----------
    estimator : LinearSVC
        Fitted on X and y; two classes, and ``multi_class="ovr"``.
    X : array-like or sparse matrix of shape (n, d)
        At most four million entries.
    y : array-like of shape (n,)
    sample_weight : array-like of shape (n,), optional
    accuracy : float
        Added to the model's ``tol``: what the reference itself may be off by.
    solver : str
        Of CVXPY.

    Examples
    --------
    >>> from steepest import LinearSVC, verify
    >>> X, y = [[0.0], [1.0], [1.5], [3.0]], [0, 0, 1, 1]
    >>> verify(LinearSVC(loss="hinge", tol=1e-6).fit(X, y), X, y).agrees  # doctest: +SKIP
    True
    """
    try:
        cvxpy: Any = import_module("cvxpy")
    except ImportError as error:
        raise ImportError("verify: the package cvxpy is not installed. Run: pip install 'steepest[verify]'") from error

    x, target, s, given = _data(estimator, X, y, sample_weight)
    n, d = x.shape
    free = bool(estimator.fit_intercept) and not given.penalised
    w, slack = cvxpy.Variable(d), cvxpy.Variable(n, nonneg=True)
    b: Any = cvxpy.Variable() if free else 0.0
    lasso, hard = estimator.penalty == "l1", bool(estimator.hard_margin)
    squared = estimator.loss == "squared_hinge" and not hard
    costs = float(estimator.C) * s
    penalty = cvxpy.norm1(w) if lasso else 0.5 * cvxpy.sum_squares(w)
    loss = 0.0 if hard else costs @ (cvxpy.square(slack) if squared else slack)
    margins = cvxpy.multiply(target, x @ w + b)
    primal = cvxpy.Problem(cvxpy.Minimize(penalty + loss), [margins >= (1.0 if hard else 1.0 - slack)])
    primal.solve(solver=solver)

    a = cvxpy.Variable(n, nonneg=True)
    pull = x.T @ cvxpy.multiply(target, a)
    limits = [] if hard or squared else [a <= costs]
    if free:
        limits.append(target @ a == 0.0)
    value = cvxpy.sum(a)
    if lasso:
        limits.append(cvxpy.norm_inf(pull) <= 1.0)
    else:
        value = value - 0.5 * cvxpy.sum_squares(pull)
    if squared:
        value = value - cvxpy.sum(cvxpy.multiply(0.25 / costs, cvxpy.square(a)))
    dual = cvxpy.Problem(cvxpy.Maximize(value), limits)
    dual.solve(solver=solver)
    for name, problem in (("primal", primal), ("dual", dual)):
        if problem.status not in ("optimal", "optimal_inaccurate"):
            raise DataError(f"verify: the {name} program is {problem.status}. Try another solver, or scale X.")

    own = _objective(given, x, target, costs, lasso, squared, hard)
    scale = max(abs(float(dual.value)), 1e-10 * float(costs.sum()))
    excess, duality = (own - float(dual.value)) / scale, abs(float(primal.value) - float(dual.value)) / scale
    return Verification(
        program="LP" if lasso and not squared else "QP",
        objective=own,
        primal=float(primal.value),
        dual=float(dual.value),
        excess=excess,
        duality=duality,
        agrees=bool(-accuracy <= excess <= float(estimator.tol) + accuracy and duality <= accuracy),
        coef=np.asarray(w.value, dtype=np.float64)[: len(estimator.coef_[0])],
        intercept=float(b.value) if free else given.constant * float(w.value[-1]) if given.penalised else 0.0,
        solver=solver,
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """The fitted point in the coordinates of the program."""

    w: FloatArray
    b: float
    penalised: bool
    constant: float


def _data(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[FloatArray, FloatArray, FloatArray, _Given]:
    name = type(estimator).__name__
    if not hasattr(estimator, "coef_") or not hasattr(estimator, "slacks_"):
        raise IncompatibleError(f"estimator: expected a fitted LinearSVC, got {name}. Fit one first.")
    if len(estimator.coef_) != 1 or estimator.multi_class != "ovr":
        raise IncompatibleError(
            f"estimator: verify takes two classes, got {len(estimator.classes_)}. Verify them apart."
        )
    x = np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
    if x.size > MOST:
        raise DataError(f"X: verify takes at most {MOST} entries, got {x.size}. Take a part of the rows.")
    labels = np.asarray(y)
    s = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if estimator.class_weight is not None:
        from steepest.estimators.targets import apply_class_weight, encode

        codes = encode(labels, s, name)
        s = np.asarray(apply_class_weight(estimator.class_weight, codes, s, name)[0], dtype=np.float64)
    kept = s > 0.0
    x, labels, s = x[kept], labels[kept], s[kept]
    target = np.where(labels == estimator.classes_[1], 1.0, -1.0)
    w, b = np.asarray(estimator.coef_[0], dtype=np.float64), float(estimator.intercept_[0])
    penalised = bool(estimator.penalize_intercept and estimator.fit_intercept)
    constant = float(estimator.intercept_scaling)
    if penalised:
        x, w, b = np.hstack([x, np.full((len(x), 1), constant)]), np.append(w, b / constant), 0.0
    return x, target, s, _Given(w, b, penalised, constant)


def _objective(
    given: _Given, x: FloatArray, y: FloatArray, costs: FloatArray, lasso: bool, squared: bool, hard: bool
) -> float:
    slack = np.maximum(1.0 - y * (x @ given.w + given.b), 0.0)
    penalty = float(np.abs(given.w).sum()) if lasso else 0.5 * float(given.w @ given.w)
    return penalty if hard else penalty + float(costs @ (slack * slack if squared else slack))
