"""Rows that a network is watched on while it is trained: held out of X, or given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.estimators.network_model import Forward
from steepest.estimators.network_targets import CLASSES, NUMBERS, SHARES, Meaning, numbers_of
from steepest.exceptions import DataError
from steepest.networks.feed import Feed
from steepest.networks.stack import Stack
from steepest.protocols import AnyArray, FloatArray
from steepest.record.validation import Monitor


def split_rows(
    fraction: float, n: int, codes: AnyArray | None, seed: int, s: FloatArray | None = None
) -> tuple[AnyArray, AnyArray]:
    """Indices of training rows and of held-out ones; classes in equal shares where there are some.

    Rows of weight zero are in neither.

    Raises
    ------
    DataError
        Too few rows, or a class with a single one.
    """
    from sklearn.model_selection import train_test_split

    if fraction <= 0.0:
        raise DataError("validation_fraction: expected a share above 0 with early_stopping, got 0. Use 0.1.")
    rows = np.arange(n) if s is None else np.flatnonzero(s)
    n, codes = len(rows), None if codes is None else codes[rows]
    try:
        train, held = train_test_split(rows, test_size=fraction, random_state=seed % 2**32, stratify=codes)
    except ValueError as error:
        raise DataError(
            f"validation_fraction={fraction:g}: the rows cannot be split: {str(error).rstrip('.')}. "
            "Pass X_val and y_val instead."
        ) from error
    if len(held) < 2:
        raise DataError(
            f"validation_fraction={fraction:g}: The validation set is too small, {len(held)} of {n} rows. "
            "Increase validation_fraction, or pass X_val and y_val."
        )
    return train, held


class HeldRows:
    """Loss and score of held-out rows at any parameters.

    Parameters
    ----------
    stack : Stack
    meaning : Meaning
    feed : Feed
        Of the stack's dtype.
    y : array
        Targets as the objective takes them.
    s, counts : array or None
        Weights of the rows in the loss, and in the score: those of classes are in the first alone.
    statistics : callable
        The running means and variances that belong to the parameters of the moment.
    """

    def __init__(
        self,
        stack: Stack,
        meaning: Meaning,
        feed: Feed,
        y: AnyArray,
        s: FloatArray | None,
        counts: FloatArray | None,
        statistics: Callable[[], AnyArray],
    ) -> None:
        self.meaning, self.feed, self.y, self.s, self.counts = meaning, feed, y, s, counts
        self.objective, self.statistics = meaning.objective(), statistics
        start = np.zeros(stack.size, stack.dtype)
        self.forward = Forward(stack, start, np.zeros(stack.statistics_size, stack.dtype))
        self.scorer: Callable[[AnyArray], float] | None = None  # of parameters and statistics, one after the other
        self._z: AnyArray | None = None

    def scores(self, w: AnyArray) -> AnyArray:
        """Scores of the rows; those of the last parameters are kept."""
        statistics, forward = self.statistics(), self.forward
        if self._z is None or not (np.array_equal(forward.w, w) and np.array_equal(forward.statistics, statistics)):
            forward.load(w, statistics)
            self._z = self.forward(self.feed)
        return self._z

    def loss(self, w: AnyArray) -> float:
        """The mean loss, without the penalty."""
        with np.errstate(all="ignore"):
            each = self.objective.values(self.scores(w), self.y)
            value = float(each.mean() if self.s is None else each @ self.s / self.s.sum())
        return value if math.isfinite(value) else math.nan

    @property
    def scorable(self) -> bool:
        """Whether there is a score: R^2 of a single row is none."""
        return self.meaning.sort != NUMBERS or self.feed.n > 1

    def score(self, w: AnyArray) -> float:
        """Accuracy or R^2, or what a scorer says; nan where scores are not finite."""
        z = self.scores(w)
        if not np.isfinite(z).all():
            return math.nan
        if self.scorer is None:
            return own_score(self.meaning, z, self.y, self.counts)
        return self.scorer(np.concatenate([self.forward.w, self.forward.statistics]))


def own_score(meaning: Meaning, z: AnyArray, y: AnyArray, s: FloatArray | None) -> float:
    """Accuracy (of sets: that all labels are right), or R^2.

    Parameters
    ----------
    meaning : Meaning
    z : array (n, n_outputs)
        Scores.
    y : array
        Targets as the objective takes them.
    s : array or None
    """
    from sklearn.metrics import r2_score

    if meaning.sort == NUMBERS:
        found = np.asarray(numbers_of(meaning, z), dtype=np.float64).reshape(len(z), -1)
        return float(r2_score(y, found, sample_weight=s))
    right = _codes(meaning, z) == _codes_of_targets(meaning, y)
    if right.ndim == 2:
        right = right.all(axis=1)
    return float(np.average(right, weights=s))


def _codes(meaning: Meaning, z: AnyArray) -> AnyArray:
    if meaning.sort == CLASSES or meaning.sort == SHARES:
        return (
            np.asarray(z.argmax(axis=1))
            if meaning.n_outputs > 1
            else np.asarray(z[:, 0] > meaning.middle, dtype=np.intp)
        )
    return np.asarray(z > meaning.middle)


def _codes_of_targets(meaning: Meaning, y: AnyArray) -> AnyArray:
    if y.ndim == 1:
        return y
    if meaning.sort in (CLASSES, SHARES) and meaning.n_outputs > 1:
        return np.asarray(y.argmax(axis=1))
    above: AnyArray = y > (0.0 if y.min(initial=0.0) < 0.0 else 0.5)  # coded as -1 and 1, or 0 and 1
    return np.asarray(above[:, 0], dtype=np.intp) if meaning.sort == CLASSES else above


class NetworkMonitor(Monitor):
    """A monitor that keeps, beside the best parameters, the running statistics that belong to them.

    Parameters
    ----------
    rows : HeldRows
    scored : bool
        Whether the score is watched, else the loss; the score is measured beside it.
    trained : bool
        Whether the start has been trained before: random weights are no result, however lucky on few rows.
    """

    def __init__(self, rows: HeldRows, scored: bool, trained: bool, **how: Any) -> None:
        super().__init__(rows.loss, rows.score if scored else None, **how)
        self.rows_, self.trained = rows, trained
        self.first = math.nan
        self.statistics: AnyArray | None = None

    @property
    def improved(self) -> bool:
        """Whether what was best is better than the start."""
        if self.weights is None:
            return False
        gain = self.first - self.best if self.score is None else self.best - self.first
        return not gain <= 0.0

    def see(self, w: FloatArray) -> bool:
        """Measure a round; True where patience is spent."""
        spent = super().see(w)
        if self.score is None and self.rows_.scorable:
            self.row["validation_score"] = self._beside(w)
        if self.rounds == 1:
            self.first = self.best
        if self.rounds == 1 and not self.trained:
            self.best, self.best_round, self.weights = math.nan, -1, None
            self._reference, self._since = -math.inf, 0
            return False
        if self.best_round == self.rounds - 1:
            self.statistics = np.array(self.rows_.statistics())
        return spent

    def _beside(self, w: FloatArray) -> float:
        """The score where the loss is watched: of scores of rows that the loss has computed already."""
        began = time.perf_counter()
        found = self.rows_.score(w) if np.all(np.isfinite(w)) else math.nan
        self.seconds += time.perf_counter() - began
        return found
