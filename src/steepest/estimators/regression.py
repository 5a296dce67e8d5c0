"""What regressors share: numeric targets in, one row of coefficients a target, predictions by the link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import RegressorMixin

from steepest.estimators.base import LinearModel
from steepest.estimators.fitting import Job, Solution
from steepest.estimators.links import LINKS
from steepest.estimators.parameters import Rule
from steepest.estimators.targets import Weights, check_weights, normalise
from steepest.protocols import FloatArray

NOT_POSITIVE = Rule("False (coefficients of one sign are not offered: use an unconstrained fit)", lambda v: v is False)


class Encoded(NamedTuple):
    """Validated data of a regressor; Y has one row a target."""

    X: Any
    Y: FloatArray
    weights: Weights
    many: bool


class LinearRegressionBase(RegressorMixin, LinearModel):  # type: ignore[misc]
    """Base of the regressors."""

    _link = "identity"
    _multi_output = True

    def _encode(self, X: Any, y: Any, sample_weight: Any) -> Encoded:
        X, y = self._check_data(X, y, numeric=True, multi_output=self._multi_output)
        s = check_weights(sample_weight, len(y))
        many = y.ndim == 2
        # one row a target, each of them a fresh contiguous array: one type for the compiler
        Y = np.array(y.T if many else y[None, :], dtype=np.float64, order="C")
        return Encoded(X, Y, normalise(s, len(y)), many)

    def _jobs(self, data: Encoded, loss: Any, penalties: Sequence[Any]) -> list[Job]:
        """One job a target."""
        d = data.X.shape[1]
        before = self._previous(len(data.Y), d)
        jobs = []
        for t, (y, penalty) in enumerate(zip(data.Y, penalties, strict=True)):
            start = None
            if before is not None:
                own = bool(getattr(self, "fit_intercept", True))
                start = np.append(before[0][t], before[1][t]) if own else before[0][t].copy()
            label = f"target {t}" if data.many and len(data.Y) > 1 else ""
            jobs.append(Job(y, data.weights.p, loss, penalty, 1, start, label))
        return jobs

    def _keep(self, solution: Solution, data: Encoded, fit_intercept: bool) -> None:
        """Coefficients as scikit-learn shapes them: (d,) and a number for y of shape (n,)."""
        coef, intercept = self._split(solution, data.X.shape[1], 1, fit_intercept)
        if data.many:
            self.coef_, self.intercept_ = coef, intercept
        else:
            self.coef_, self.intercept_ = coef[0], float(intercept[0])

    def predict(self, X: Any) -> FloatArray:
        """Predictions, of the shape that y had.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        return LINKS[self._link](self._scores(X))  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self._multi_output
        return tags
