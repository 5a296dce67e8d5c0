"""Numbers behind the curves that judge scores and probabilities: ROC, precision and recall, reliability."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steepest.protocols import FloatArray


class Curve(NamedTuple):
    """Points (x, y) of a curve, and the area below it."""

    x: FloatArray
    y: FloatArray
    area: float


class Reliability(NamedTuple):
    """By bins of the predicted probability: its mean, the share of hits, the number of rows."""

    predicted: FloatArray
    observed: FloatArray
    rows: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |observed - predicted| over the rows."""
        return float(self.rows @ np.abs(self.observed - self.predicted) / max(1, int(self.rows.sum())))


def _steps(positive: NDArray[np.bool_], score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """True and false positives at every threshold, largest score first; equal scores are one threshold."""
    order = np.argsort(-score, kind="stable")
    ordered, hits = score[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true = np.cumsum(hits)[last].astype(np.float64)
    return true, last + 1.0 - true


def roc(positive: NDArray[np.bool_], score: FloatArray) -> Curve:
    """True-positive rate over false-positive rate; nan area where one class is absent.

    >>> import numpy as np
    >>> roc(np.array([False, True, True, False]), np.array([0.1, 0.9, 0.4, 0.4])).area
    0.875
    """
    true, false = _steps(positive, score)
    if true[-1] == 0 or false[-1] == 0:
        return Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.nan)
    x, y = np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])
    return Curve(x, y, float(np.trapezoid(y, x)))


def precision_recall(positive: NDArray[np.bool_], score: FloatArray) -> Curve:
    """Precision over recall; the area is the average precision, a sum of steps that interpolates nothing."""
    true, false = _steps(positive, score)
    if true[-1] == 0:
        return Curve(np.array([0.0, 1.0]), np.array([0.0, 0.0]), np.nan)
    recall, precision = true / true[-1], true / (true + false)
    area = float(np.diff(recall, prepend=0.0) @ precision)
    return Curve(np.append(0.0, recall), np.append(precision[0], precision), area)


def reliability(probability: FloatArray, hit: NDArray[np.bool_], bins: int = 10) -> Reliability:
    """Rows grouped by their predicted probability in bins of equal width; empty bins are left out."""
    at = np.minimum((probability * bins).astype(np.int64), bins - 1)
    count = np.bincount(at, minlength=bins)
    full = count > 0
    predicted = np.bincount(at, weights=probability, minlength=bins)[full] / count[full]
    observed = np.bincount(at, weights=hit.astype(np.float64), minlength=bins)[full] / count[full]
    return Reliability(predicted, observed, count[full])


def thinned(curve: Curve, resolution: int = 400) -> Curve:
    """The curve without points nearer than 1 / resolution to the last one kept; both ends stay."""
    cell = np.stack([np.round(curve.x * resolution), np.round(curve.y * resolution)])
    keep = np.append(True, np.any(np.diff(cell, axis=1) != 0, axis=0))
    keep[-1] = True
    return Curve(curve.x[keep], curve.y[keep], curve.area)
