"""A fitted model as a report shows it: predictions and coefficients for the columns that people know."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from steepest.protocols import FloatArray


class Reported:
    """An estimator behind transformers, with the face of an estimator on the columns before them.

    Parameters
    ----------
    estimator : fitted estimator
    steps : sequence of (str, transformer)
        Scaling and whitening, applied to the columns before the estimator saw them.

    Attributes
    ----------
    coef_ : array or None
        For the columns before the steps, which are folded in, so that names and pictures hold; None for models without
        coefficients.
    whitened : bool
        Whether the estimator's columns are mixtures of those before the steps.

    Notes
    -----
    Everything else is the estimator's own: what it lacks, such as probabilities, this lacks too.
    """

    def __init__(self, estimator: Any, steps: Sequence[tuple[str, Any]] = ()) -> None:
        self._estimator = estimator
        self._steps = list(steps)
        self.whitened = any(hasattr(step, "whitening_") for _, step in self._steps)
        coef = getattr(estimator, "coef_", None)
        self.coef_: FloatArray | None = None
        if coef is None:
            return
        self.coef_ = np.asarray(coef.toarray() if hasattr(coef, "toarray") else coef, dtype=np.float64)
        for _, step in reversed(self._steps):
            self.coef_ = self.coef_ @ step.whitening_ if hasattr(step, "whitening_") else self.coef_ / step.scale_

    def _asked(self, question: Callable[[Any], Any], X: Any) -> Any:
        with warnings.catch_warnings():
            # a model fitted on a frame misses the names of its columns; these are they, in the order of the fit
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            for _, step in self._steps:
                X = step.transform(X)
            return question(X)

    def predict(self, X: Any) -> Any:
        """Predictions for rows of the columns before the steps."""
        return self._asked(self._estimator.predict, X)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._estimator, name)
        if name in ("decision_function", "predict_proba"):
            return lambda X: self._asked(found, X)
        return found
