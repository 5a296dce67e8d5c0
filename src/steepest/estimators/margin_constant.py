"""An intercept that is penalised: the weight of a constant feature, as LIBLINEAR has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steepest.estimators.base import LinearModel
from steepest.estimators.jobs import Control, Job
from steepest.estimators.margin_attributes import with_constant
from steepest.estimators.validation import Rows
from steepest.exceptions import IncompatibleError


class WithConstant(LinearModel):
    """What `LinearSVC` and `LinearSVR` do where ``penalize_intercept`` is asked for; stands before their base."""

    fit_intercept: bool
    intercept_scaling: float
    penalize_intercept: bool

    def _constant(self) -> float:
        """The value of the feature that carries a penalised intercept; 0 without one."""
        return float(self.intercept_scaling) if self.penalize_intercept and self.fit_intercept else 0.0

    def _control(self) -> Control:
        control = super()._control()
        if self._constant():
            control.fit_intercept = False
            control.notes.append("the intercept is the weight of a constant feature, in a copy of X")
        elif self.intercept_scaling != 1:
            control.notes.append("intercept_scaling only counts where the intercept is penalised: not used")
        return control

    def _encode(self, X: Any, y: Any, sample_weight: Any) -> Any:
        data = super()._encode(X, y, sample_weight)
        return data._replace(X=with_constant(data.X, self._constant())) if self._constant() else data

    def _hold_out(self, jobs: Sequence[Job], data: Any, held: Rows) -> None:
        super()._hold_out(jobs, data, held)
        for job in jobs:
            if self._constant() and job.held is not None:
                job.held.X = with_constant(job.held.X, self._constant())

    def _place(self, jobs: Sequence[Job], data: Any, coef: Any, intercept: Any, notes: list[str]) -> None:
        if not self._constant():
            super()._place(jobs, data, coef, intercept, notes)
        elif coef is not None or intercept is not None:
            raise IncompatibleError("coef_init: not taken where the intercept is penalised. Leave it out.")

    def _take_constant(self) -> None:
        """The last weight becomes the intercept where that is penalised."""
        constant = self._constant()
        if constant:
            last = self.coef_[..., -1]
            self.intercept_ = constant * (last if last.ndim else float(last))
            self.coef_ = self.coef_[..., :-1].copy()
