"""What an estimator's path needs: validated data, its problems, and how a strength becomes a penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.estimators.jobs import Control, Job
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses.registry import get_loss
from steepest.penalties import NoPenalty, get_penalty
from steepest.protocols import AnyArray

ROUNDED = 1.0 + 1e-13  # sums in another order must not leave the box at the strongest penalty
LEAST_SHARE = 1e-3  # of an l1 part that a grid without one is made for: a squared penalty has no largest strength


@dataclass(slots=True)
class Setup:
    """Data and problems of an estimator, but for the strength of the penalty.

    ``scale`` turns the estimator's strength into that of the mean form: ``1 / S`` where it stands beside a sum.
    """

    X: Any
    jobs: list[Job]
    control: Control
    ratio: float
    scale: float
    total: float
    weighted: bool
    many: bool  # coefficients have a row for each target or class
    classes: AnyArray | None = None

    def penalty(self, alpha: float) -> Any:
        """The penalty of strength alpha."""
        return mixed(alpha * self.scale, self.ratio)


def mixed(strength: float, ratio: float) -> Any:
    """``strength (ratio |w|_1 + (1 - ratio) |w|^2 / 2)``, as the simplest penalty that says so."""
    name = "none" if strength == 0.0 else {0.0: "l2", 1.0: "l1"}.get(ratio, "elasticnet")
    return get_penalty(name, strength, ratio)


def prepare(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Setup:
    """Validate data as the estimator's ``fit`` does and state its problems.

    Raises
    ------
    IncompatibleError
        The estimator has no strength to vary, or holds its weights in a set.
    """
    from steepest.estimators.general import LinearClassifier, LinearRegressor
    from steepest.estimators.least_squares import Ridge
    from steepest.estimators.logistic import LogisticRegression
    from steepest.estimators.sparse_regression import ElasticNet

    makers: list[tuple[Any, Callable[..., Setup]]] = [
        (LogisticRegression, _logistic),
        (LinearClassifier, _classifier),
        (LinearRegressor, _regressor),
        (ElasticNet, _least_squares),
        (Ridge, _least_squares),
    ]
    for kind, make in makers:
        if isinstance(estimator, kind):
            estimator._check_parameters()
            _refuse_sets(estimator)
            return make(estimator, X, y, sample_weight)
    known = ", ".join(kind.__name__ for kind, _ in makers)
    raise IncompatibleError(
        f"estimator: {type(estimator).__name__} has no strength of a penalty to vary. A path needs one of {known}."
    )


def _refuse_sets(estimator: Any) -> None:
    for name, free in (("positive", False), ("constraint", None)):
        given = getattr(estimator, name, free)
        if given is not None and given != free:
            raise IncompatibleError(
                f"{name}: paths of weights that are held in a set are not offered, got {given!r}. "
                "Fit each strength, with warm_start=True."
            )


def _logistic(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Setup:
    ratio, _ = estimator._strengths()
    X, labels, weights = estimator._encode(X, y, sample_weight)
    k = len(labels.classes)
    loss = get_loss("logistic" if k == 2 else "softmax")
    jobs = estimator._jobs(loss, NoPenalty(), labels, weights.p)
    args = (X, jobs, estimator._control(), ratio, 1.0 / weights.total, weights.total, weights.raw is not None)
    return Setup(*args, many=True, classes=labels.classes)


def _classifier(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Setup:
    from steepest.estimators.general import allowed_loss

    ratio = _named(estimator)
    X, labels, weights = estimator._encode(X, y, sample_weight)
    jobs = estimator._jobs(allowed_loss(estimator.loss), NoPenalty(), labels, weights.p)
    args = (X, jobs, estimator._control(), ratio, 1.0, weights.total, weights.raw is not None)
    return Setup(*args, many=True, classes=labels.classes)


def _regressor(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Setup:
    from steepest.estimators.general import allowed_loss
    from steepest.losses.registry import VECTOR_LOSSES

    ratio, loss = _named(estimator), allowed_loss(estimator.loss)
    if type(loss) in VECTOR_LOSSES.values() or loss.targets in ("sign", "class"):
        raise IncompatibleError(f"loss: '{loss.name}' is for classes, not for numbers. Use LinearClassifier.")
    return _regression(estimator, X, y, sample_weight, loss, ratio, False)


def _least_squares(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Setup:
    ridge = not hasattr(estimator, "l1_ratio")
    ratio = 0.0 if ridge else float(estimator.l1_ratio)
    return _regression(estimator, X, y, sample_weight, get_loss("squared"), ratio, ridge)


def _regression(estimator: Any, X: Any, y: Any, sample_weight: Any, loss: Any, ratio: float, summed: bool) -> Setup:
    data = estimator._encode(X, y, sample_weight)
    jobs = estimator._jobs(data, loss, [NoPenalty()] * len(data.Y))
    weights = data.weights
    scale = 1.0 / weights.total if summed else 1.0
    weighted = weights.raw is not None
    return Setup(data.X, jobs, estimator._control(), ratio, scale, weights.total, weighted, many=data.many)


def _named(estimator: Any) -> float:
    """The share of the l1 part of a penalty that is named."""
    ratios = {"l2": 0.0, "l1": 1.0, "elasticnet": float(estimator.l1_ratio)}
    name = estimator.penalty
    if not isinstance(name, str) or name not in ratios:
        raise InvalidParameterError(
            f"penalty: a path varies the strength of 'l1', 'l2' or 'elasticnet', got {name!r}. Name one of them."
        )
    return ratios[name]


def strongest(problem: Any, ratio: float) -> float:
    """The strength from which on all weights are zero: ``max |X^T p u| / ratio`` at the best intercept alone.

    For the squared loss with weights p that is ``max_j |sum_i p_i x_ij (y_i - mean(y))| / ratio``.  A squared penalty
    alone never makes weights vanish; its grid begins where one with an l1 share of a thousandth would.

    Cost: half a pass.
    """
    n, k = problem.source.shape[0], problem.layout.n_outputs
    zeros = np.zeros(n) if k == 1 else np.zeros((n, k))
    if problem.layout.intercept and (k > 1 or problem.traits.has_curvature):
        u = problem.best_shift(zeros)[2]
    elif problem.layout.intercept:
        u = _kinked_slopes(problem, zeros)
    else:
        u = problem.evaluate(problem.start()).slopes
    c, _ = problem.source.rmatvec(problem.p, u)
    problem.passes += 0.5
    return float(np.abs(c).max(initial=0.0)) * ROUNDED / max(ratio, LEAST_SHARE)


def _kinked_slopes(problem: Any, zeros: AnyArray) -> AnyArray:
    """Balanced slopes at the best intercept of a loss with kinks."""
    from steepest.certify.balance import balanced

    found = balanced(problem, problem.evaluate(problem.start()))
    return problem.evaluate(problem.start()).slopes if found is None else found.slopes


def grid(largest: float, count: int, eps: float) -> AnyArray:
    """``count`` strengths from ``largest`` down to ``eps * largest``, of equal ratio."""
    tiny = float(np.finfo(np.float64).resolution)
    if largest <= tiny:
        return np.full(count, tiny)
    return np.geomspace(largest, largest * eps, num=count)
