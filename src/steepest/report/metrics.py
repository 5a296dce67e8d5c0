"""How well a fitted model predicts a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steepest.protocols import AnyArray, FloatArray
from steepest.report.ranks import roc

if TYPE_CHECKING:
    from steepest.readers import Dataset
    from steepest.report.ranking import QueryScores


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics of one data set.

    ``values`` maps names to numbers.  For classes, ``confusion[i, j]`` counts rows of class ``classes[i]``
    predicted as ``classes[j]``, and ``target`` and ``predicted`` are positions in ``classes``; ``scores`` are
    decision values and ``probabilities`` what `predict_proba` says, by the columns ``known`` of ``classes``.  For
    numbers, ``target`` and ``predicted`` are the numbers.
    """

    n_samples: int
    values: dict[str, float]
    classes: AnyArray | None = None
    confusion: NDArray[np.int64] | None = None
    target: AnyArray | None = None
    predicted: AnyArray | None = None
    scores: FloatArray | None = None
    probabilities: FloatArray | None = None
    known: NDArray[np.int64] | None = None
    queries: QueryScores | None = None  # of a ranking

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

    Classes: accuracy, balanced accuracy (the mean over the classes of the share found), the area under the ROC
    curve (of several classes the mean of each against the rest) where the estimator has decision values, and the
    log loss where it has probabilities.  Numbers: ``R2 = 1 - sum (y - p)^2 / sum (y - mean y)^2``, nan for a
    constant y, the root of the mean squared error (RMSE) and the mean absolute error (MAE).  Rankings: see
    `steepest.report.ranking.ranking_scores`.
    """
    predicted = np.asarray(estimator.predict(data.X))
    if hasattr(estimator, "rank"):
        from steepest.report.ranking import ranking_scores

        return ranking_scores(data.y, predicted, data.qid)
    if getattr(estimator, "classes_", None) is None:
        return regression_scores(np.asarray(data.y, dtype=np.float64), predicted.astype(np.float64).ravel())
    decide = getattr(estimator, "decision_function", None)
    chances = getattr(estimator, "predict_proba", None)
    return classification_scores(
        data.y,
        predicted,
        np.asarray(estimator.classes_),
        None if decide is None else np.asarray(decide(data.X)),
        None if chances is None else np.asarray(chances(data.X)),
    )


def classification_scores(
    y: AnyArray,
    predicted: AnyArray,
    classes: AnyArray,
    scores: FloatArray | None = None,
    probabilities: FloatArray | None = None,
) -> Scores:
    """The metrics of `score`; classes never seen in training get a row of the confusion matrix too.

    Parameters
    ----------
    y, predicted : arrays of shape (n,)
    classes : array of shape (k,)
        Those of the training, the order of the columns below.
    scores : array of shape (n,) or (n, k), optional
        Decision values; of two classes, for the second.
    probabilities : array of shape (n, k), optional
    """
    labels = np.unique(np.concatenate([classes, np.unique(y)]))
    rows, columns = np.searchsorted(labels, y), np.searchsorted(labels, predicted)
    known = np.searchsorted(labels, classes)
    k = len(labels)
    confusion = np.bincount(rows * k + columns, minlength=k * k).reshape(k, k)
    totals = confusion.sum(axis=1)
    found = np.diag(confusion)[totals > 0] / totals[totals > 0]
    values = {"accuracy": float(np.trace(confusion) / max(1, len(y))), "balanced accuracy": float(found.mean())}
    if scores is not None:
        if scores.ndim == 1:
            values["ROC AUC"] = roc(rows == known[-1], scores).area
        else:
            ranks = scores if probabilities is None else probabilities  # scores of several classes share no zero
            areas = np.array([roc(rows == known[j], ranks[:, j]).area for j in range(len(known))])
            seen = areas[np.isfinite(areas)]
            values["mean ROC AUC"] = float(seen.mean()) if len(seen) else math.nan
    if probabilities is not None:
        whole = np.zeros((len(y), k))
        whole[:, known] = probabilities
        chance = np.maximum(whole[np.arange(len(y)), rows], np.finfo(np.float64).tiny)
        values["log loss"] = float(-np.log(chance).mean())
    return Scores(
        len(y),
        values,
        classes=labels,
        confusion=confusion,
        target=rows,
        predicted=columns,
        scores=scores,
        probabilities=probabilities,
        known=known,
    )


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
