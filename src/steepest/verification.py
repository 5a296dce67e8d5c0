"""A fitted SVM against the exact program, solved by an interior-point method of another library.

The soft margin in scikit-learn's scale, with multipliers a in [0, C s_i] (no upper limit for the squared hinge):

    primal   minimise    |w|^2 / 2 + C sum s_i xi_i          subject to   y_i (x_i.w + b) >= 1 - xi_i,  xi >= 0
    dual     maximise    sum a_i - |sum a_i y_i x_i|^2 / 2   subject to   sum a_i y_i = 0,  0 <= a_i <= C s_i

and with ``|w|_1`` in place of ``|w|^2 / 2`` linear programs, whose dual has ``|sum a_i y_i x_ij| <= 1``.  Without a
free intercept the equality is not there; squared slacks add ``- sum a_i^2 / (4 C s_i)``; a hard margin has no slacks.

Regression with a tube, with multipliers a in [-C s_i, C s_i]:

    primal   minimise    |w|^2 / 2 + C sum s_i xi_i          subject to   |y_i - x_i.w - b| <= epsilon + xi_i,  xi >= 0
    dual     maximise    sum a_i y_i - epsilon sum |a_i| - |sum a_i x_i|^2 / 2   subject to   sum a_i = 0
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest.exceptions import IncompatibleError
from steepest.protocols import FloatArray
from steepest.verification_joint import rows_of, solve, verify_joint

if TYPE_CHECKING:
    from steepest.estimators.margin import LinearSVC
    from steepest.estimators.margin_regression import LinearSVR


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
        Of the program's solution; (k, d) and (k,) for one problem of all classes.
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
    intercept: float | FloatArray
    solver: str

    def __str__(self) -> str:
        word = "agrees" if self.agrees else "DISAGREES"
        return (
            f"the fit {word} with the {self.program}: objective {self.objective:.9g}, program {self.primal:.9g} "
            f"(primal) and {self.dual:.9g} (dual, {self.solver}); excess {self.excess:.2g}, own gap {self.duality:.2g}"
        )


def verify(
    estimator: LinearSVC | LinearSVR,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    accuracy: float = 1e-6,
    solver: str = "CLARABEL",
) -> Verification:
    """Solve the program of a `LinearSVC` of two classes, or a `LinearSVR`, by an interior-point method, and compare.

    Parameters
    ----------
    estimator : LinearSVC or LinearSVR
        Fitted on X and y; of two classes where ``multi_class="ovr"``.
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

    if not hasattr(estimator, "coef_") or not hasattr(estimator, "penalize_intercept"):
        raise IncompatibleError(
            f"estimator: expected a fitted LinearSVC or LinearSVR, got {type(estimator).__name__}. Fit one first."
        )
    if getattr(estimator, "multi_class", "ovr") != "ovr":
        found = verify_joint(cvxpy, estimator, rows_of(estimator, X, y, sample_weight), solver)
        return _judged(estimator, accuracy, solver, *found)
    x, target, s, given = _data(estimator, X, y, sample_weight)
    free = bool(estimator.fit_intercept) and not given.penalised
    w: Any = cvxpy.Variable(x.shape[1])
    b: Any = cvxpy.Variable() if free else 0.0
    costs = float(estimator.C) * s
    lasso, hard = getattr(estimator, "penalty", "l2") == "l1", bool(getattr(estimator, "hard_margin", False))
    squared = estimator.loss.startswith("squared") and not hard
    kind = _Kind(lasso, hard, squared, None if given.classes else float(estimator.epsilon))
    primal = _primal(cvxpy, kind, x, target, costs, w, b)
    dual = _dual(cvxpy, kind, x, target, costs, free)
    solve(primal, dual, solver)
    own = _objective(given, kind, x, target, costs)
    null = _objective(_Given(0.0 * given.w), kind._replace(hard=False), x, target, costs)
    coef = np.asarray(w.value, dtype=np.float64)[: np.size(estimator.coef_)]
    intercept = float(b.value) if free else given.constant * float(w.value[-1]) if given.penalised else 0.0
    program = "LP" if lasso and not squared else "QP"
    return _judged(estimator, accuracy, solver, program, own, null, primal, dual, coef, intercept)


def _judged(
    estimator: Any,
    accuracy: float,
    solver: str,
    program: str,
    own: float,
    null: float,
    primal: Any,
    dual: Any,
    coef: FloatArray,
    intercept: float | FloatArray,
) -> Verification:
    """The objective of the fit, and at zero, beside the solved programs."""
    scale = max(abs(float(dual.value)), 1e-10 * null)
    excess, duality = (own - float(dual.value)) / scale, abs(float(primal.value) - float(dual.value)) / scale
    agrees = bool(-accuracy <= excess <= float(estimator.tol) + accuracy and duality <= accuracy)
    return Verification(
        program, own, float(primal.value), float(dual.value), excess, duality, agrees, coef, intercept, solver
    )


class _Kind(NamedTuple):
    """Which program: its penalty, its slacks, and the half width of the tube of a regression."""

    lasso: bool
    hard: bool
    squared: bool
    epsilon: float | None


@dataclass(frozen=True, slots=True)
class _Given:
    """The fitted point in the coordinates of the program."""

    w: FloatArray
    b: float = 0.0
    penalised: bool = False
    constant: float = 1.0
    classes: bool = True


def _primal(cvxpy: Any, kind: _Kind, x: FloatArray, y: FloatArray, costs: FloatArray, w: Any, b: Any) -> Any:
    slack = cvxpy.Variable(len(y), nonneg=True)
    penalty = cvxpy.norm1(w) if kind.lasso else 0.5 * cvxpy.sum_squares(w)
    loss = 0.0 if kind.hard else costs @ (cvxpy.square(slack) if kind.squared else slack)
    z = x @ w + b
    if kind.epsilon is None:
        limits = [cvxpy.multiply(y, z) >= (1.0 if kind.hard else 1.0 - slack)]
    else:
        limits = [y - z <= kind.epsilon + slack, z - y <= kind.epsilon + slack]
    return cvxpy.Problem(cvxpy.Minimize(penalty + loss), limits)


def _dual(cvxpy: Any, kind: _Kind, x: FloatArray, y: FloatArray, costs: FloatArray, free: bool) -> Any:
    """In multipliers a >= 0 of rows times signs, or signed ones of a regression."""
    limited = not (kind.hard or kind.squared)
    if kind.epsilon is None:
        a = cvxpy.Variable(len(y), nonneg=True)
        signed, value = cvxpy.multiply(y, a), cvxpy.sum(a)
        limits = [a <= costs] if limited else []
    else:
        a = signed = cvxpy.Variable(len(y))
        value = y @ a - kind.epsilon * cvxpy.norm1(a)
        limits = [cvxpy.abs(a) <= costs] if limited else []
    pull = x.T @ signed
    if free:
        limits.append(cvxpy.sum(signed) == 0.0)
    if kind.lasso:
        limits.append(cvxpy.norm_inf(pull) <= 1.0)
    else:
        value = value - 0.5 * cvxpy.sum_squares(pull)
    if kind.squared:
        value = value - cvxpy.sum(cvxpy.multiply(0.25 / costs, cvxpy.square(a)))
    return cvxpy.Problem(cvxpy.Maximize(value), limits)


def _data(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[FloatArray, FloatArray, FloatArray, _Given]:
    classes = hasattr(estimator, "classes_")
    if classes and len(estimator.coef_) != 1:
        raise IncompatibleError(
            f"estimator: one against the rest, verify takes two classes, got {len(estimator.classes_)}. "
            "Verify them apart."
        )
    x, labels, s = rows_of(estimator, X, y, sample_weight)
    target = np.where(labels == estimator.classes_[1], 1.0, -1.0) if classes else labels.astype(np.float64)
    w, b = np.array(np.ravel(estimator.coef_), dtype=np.float64), float(np.ravel(estimator.intercept_)[0])
    penalised = bool(estimator.penalize_intercept and estimator.fit_intercept)
    constant = float(estimator.intercept_scaling)
    if penalised:
        w, b = np.append(w, b / constant), 0.0
    return x, target, s, _Given(w, b, penalised, constant, classes)


def _objective(given: _Given, kind: _Kind, x: FloatArray, y: FloatArray, costs: FloatArray) -> float:
    z = x @ given.w + given.b
    slack = np.maximum(1.0 - y * z if kind.epsilon is None else np.abs(y - z) - kind.epsilon, 0.0)
    penalty = float(np.abs(given.w).sum()) if kind.lasso else 0.5 * float(given.w @ given.w)
    return penalty if kind.hard else penalty + float(costs @ (slack * slack if kind.squared else slack))
