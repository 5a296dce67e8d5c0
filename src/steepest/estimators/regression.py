"""What regressors share: numeric targets in, one row of coefficients a target, predictions by the link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import RegressorMixin

from steepest.estimators.base import LinearModel, split
from steepest.estimators.jobs import HeldOut, Job, Solution
from steepest.estimators.links import LINKS
from steepest.estimators.targets import Weights, check_weights, normalise
from steepest.estimators.validation import Rows, check_rows, name_of, scorer_of, scoring
from steepest.exceptions import DataError
from steepest.penalties import NonNegative
from steepest.protocols import FloatArray


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
    monitor: Any
    n_iter_: Any

    def _encode(self, X: Any, y: Any, sample_weight: Any) -> Encoded:
        X, y = self._check_data(X, y, numeric=True, multi_output=self._multi_output)
        s = check_weights(sample_weight, len(y))
        many = y.ndim == 2
        # one row a target, each of them a fresh contiguous array: one type for the compiler
        Y = np.array(y.T if many else y[None, :], dtype=np.float64, order="C")
        return Encoded(X, Y, normalise(s, len(y)), many)

    def _jobs(self, data: Encoded, loss: Any, penalties: Sequence[Any], constraint: Any = None) -> list[Job]:
        """One job a target; with ``positive=True`` its weights are not negative."""
        several = data.many and len(data.Y) > 1
        if getattr(self, "positive", False):
            constraint = NonNegative()
        return [
            Job(y, data.weights.p, loss, penalty, label=f"target {t}" if several else "", constraint=constraint)
            for t, (y, penalty) in enumerate(zip(data.Y, penalties, strict=True))
        ]

    def _check_targets(self, Y: FloatArray, name: str) -> None:
        """Raises where the loss does not take these targets."""

    def _hold_out(self, jobs: Sequence[Job], data: Encoded, held: Rows) -> None:
        """Every target is watched on its own."""
        X, y, s = check_rows(self, held)
        if y.ndim > 2 or (y.shape[1] if y.ndim == 2 else 1) != len(jobs):
            raise DataError(f"y_val: expected the targets of y, {len(jobs)} a row, got shape {y.shape}. Pass the same.")
        Y = np.ascontiguousarray(np.atleast_2d(y.T), dtype=np.float64)
        self._check_targets(Y, "y_val")
        scorer, p = scorer_of(self), normalise(s, X.shape[0]).p

        def keep(view: Any, w: FloatArray) -> None:
            coef, intercept = split([w], X.shape[1], 1, bool(view.fit_intercept))
            view.coef_, view.intercept_ = coef[0], float(intercept[0])

        for job, target in zip(jobs, Y, strict=True):
            job.held = HeldOut(X, target, p)
            if scorer is not None:
                job.held.score = scoring(self, scorer, keep, X, target, s)
                job.held.name = name_of(self.monitor)

    def _finish(self, solution: Solution, data: Encoded, jobs: Sequence[Job], fit_intercept: bool) -> None:
        self._keep(solution, data, fit_intercept)
        self.n_iter_ = solution.iterations if data.many else solution.iterations[0]

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
