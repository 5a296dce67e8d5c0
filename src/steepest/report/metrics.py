"""How well a fitted model predicts a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steepest.protocols import AnyArray, FloatArray

if TYPE_CHECKING:
    from steepest.readers import Dataset


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics of one data set.

    ``values`` maps names to numbers.  For classes, ``confusion[i, j]`` counts rows of class ``classes[i]``
    predicted as ``classes[j]``; for numbers, ``target`` and ``predicted`` are kept.
    """

    n_samples: int
    values: dict[str, float]
    classes: AnyArray | None = None
    confusion: NDArray[np.int64] | None = None
    target: FloatArray | None = None
    predicted: FloatArray | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for JSON; None where a metric is undefined."""
        out: dict[str, Any] = {"n_samples": self.n_samples}
        out.update({name: value if math.isfinite(value) else None for name, value in self.values.items()})
        if self.classes is not None and self.confusion is not None:
            out["classes"] = [str(label) for label in self.classes]
            out["confusion"] = self.confusion.tolist()
        return out


def score(estimator: Any, data: Dataset) -> Scores:
    """Predict ``data.X`` and compare with ``data.y``.

    Classes: accuracy, and balanced accuracy (the mean over the classes of the share found).  Numbers:
    ``R2 = 1 - sum (y - p)^2 / sum (y - mean y)^2``, nan for a constant y, the root of the mean squared error
    (RMSE) and the mean absolute error (MAE).
    """
    predicted = np.asarray(estimator.predict(data.X))
    if getattr(estimator, "classes_", None) is None:
        return regression_scores(np.asarray(data.y, dtype=np.float64), predicted.astype(np.float64).ravel())
    return classification_scores(data.y, predicted, np.asarray(estimator.classes_))


def classification_scores(y: AnyArray, predicted: AnyArray, classes: AnyArray) -> Scores:
    """Accuracy, balanced accuracy and the confusion matrix; classes never seen in training get a row too."""
    labels = np.unique(np.concatenate([classes, np.unique(y)]))
    rows, columns = np.searchsorted(labels, y), np.searchsorted(labels, predicted)
    k = len(labels)
    confusion = np.bincount(rows * k + columns, minlength=k * k).reshape(k, k)
    totals = confusion.sum(axis=1)
    found = np.diag(confusion)[totals > 0] / totals[totals > 0]
    values = {"accuracy": float(np.trace(confusion) / max(1, len(y))), "balanced accuracy": float(found.mean())}
    return Scores(len(y), values, classes=labels, confusion=confusion)


def regression_scores(y: FloatArray, predicted: FloatArray) -> Scores:
    """R2, RMSE and MAE."""
    residual = y - predicted
    total = float(((y - y.mean()) ** 2).sum())
    values = {
        "R2": 1.0 - float((residual**2).sum()) / total if total > 0 else math.nan,
        "RMSE": float(np.sqrt(np.mean(residual**2))),
        "MAE": float(np.abs(residual).mean()),
    }
    return Scores(len(y), values, target=y, predicted=predicted)
