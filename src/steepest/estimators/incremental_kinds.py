"""Classifiers and regressors that go on from where they stopped; see `steepest.estimators.incremental`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from steepest.estimators import classification, regression
from steepest.estimators.base import split
from steepest.estimators.batches import Batches
from steepest.estimators.incremental import Incremental
from steepest.estimators.jobs import Solution
from steepest.estimators.targets import (
    Labels,
    apply_class_weight,
    check_weights,
    encode,
    normalise,
    plain_labels,
)
from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray


class IncrementalClassifier(Incremental):
    """`partial_fit` and `fit_batches` of classifiers."""

    classes_: AnyArray

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these rows, going on from the last call, or from ``fit``.

        Nothing is evaluated and nothing proven (``certificate_.kind`` is "none").  k calls with the same rows equal
        ``fit`` with ``max_iter=k, tol=None``, bit for bit, also where the model was stored in between.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
        classes : array-like of shape (k,)
            All labels that will come; needed in the first call.
        sample_weight : array-like of shape (n,), optional
            Counted in units of the mean weight of the first call, so that all batches are weighed alike.
        """
        return self._partial(X, y, sample_weight, classes)

    def fit_batches(self, batches: Any, *, classes: Any = None, max_iter: int | None = None) -> Self:
        """`fit` of data larger than memory, read piece by piece in every epoch.

        The objective and the steps of ``order="cyclic"`` with single rows are those of `fit` with all rows in memory;
        other orders mix the rows of a piece.  The certificate is recomputed over all pieces from the parameters alone:
        of kinked losses it proves less than `fit`, which carries a dual point along.  In memory are a piece, and some
        numbers a row.  Each
        epoch reads the batches once, and once more where it is evaluated (epochs 1, 2, 3, 4, 6, 8, 11, 16, ...); one
        reading comes before, for labels and weights, and each of several classes one against the rest has its own.

        Parameters
        ----------
        batches : iterable, or callable that returns one
            Of tuples ``(X, y)`` or ``(X, y, sample_weight)``; the same ones each time it is called, or iterated over.
            A generator can be read once only: pass the function that makes it.
        classes : array-like, optional
            All labels; default: those that come.
        max_iter : int, optional
            Epochs; default: the parameter.
        """
        return self._stream(batches, classes, max_iter)

    def _known(self, classes: Any) -> AnyArray:
        """All labels, sorted; those of earlier calls must be the same."""
        before: AnyArray | None = getattr(self, "classes_", None)
        if classes is None:
            if before is None:
                raise DataError(
                    "classes must be passed on the first call to partial_fit: a batch need not have all. "
                    "Pass classes=np.unique(y) of all labels."
                )
            return before
        if before is not None and before is classes:
            return before
        found = self._all_labels(classes)
        if before is not None and not np.array_equal(before, found):
            raise DataError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {before!r}. "
                "Leave it out, or make a new estimator."
            )
        return found if before is None else before

    def _all_labels(self, classes: Any) -> AnyArray:
        """What is given as ``classes``, sorted."""
        labels = np.asarray(plain_labels(classes))
        if labels.ndim != 1 or labels.size == 0:
            raise DataError(
                f"classes: expected an array of labels of shape (k,), got shape {labels.shape}. "
                "Pass np.unique(y) of all labels."
            )
        return encode(labels, None, type(self).__name__).classes

    def _encode_more(self, X: Any, y: Any, sample_weight: Any, classes: Any, fresh: bool) -> Any:
        X, y = self._rows_of(X, plain_labels(y), False, fresh)
        known = self._known(classes)
        s = check_weights(sample_weight, len(y))
        labels = Labels(known, codes_among(y, known), np.ones(len(known)))
        s, _ = apply_class_weight(self.class_weight, labels, s, type(self).__name__)
        self.classes_ = known
        return classification.Encoded(X, labels, self._weighed(s, len(y)))

    def _encode_batches(self, batches: Batches, classes: Any) -> Any:
        X, y, s = batches.survey(numeric=False)
        name = type(self).__name__
        if classes is None:
            labels = encode(y, s, name)
        else:
            known = self._all_labels(classes)
            codes = codes_among(y, known)
            labels = Labels(known, codes, np.bincount(codes, weights=s, minlength=len(known)).astype(np.float64))
        s, _ = apply_class_weight(self.class_weight, labels, s, name)
        return classification.Encoded(X, labels, normalise(s, len(y)))

    def _set_coefficients(self, weights: list[FloatArray], data: Any, outputs: int, own: bool) -> None:
        self.coef_, self.intercept_ = split(weights, data.X.shape[1], outputs, own)

    def _stub(self) -> Any:
        labels = Labels(self.classes_, np.zeros(1, dtype=np.int64), np.ones(len(self.classes_)))
        return classification.Encoded(np.zeros((1, self.n_features_in_)), labels, normalise(None, 1))


def codes_among(y: AnyArray, classes: AnyArray) -> AnyArray:
    """Class indices of labels; one that is not among the classes is an error.

    Examples
    --------
    >>> codes_among(np.array(["b", "a"]), np.array(["a", "b", "c"]))
    array([1, 0])
    """
    numbers = y.dtype.kind in "biuf" and classes.dtype.kind in "biuf"
    try:
        if numbers and len(classes) == 2:  # no search: a comparison of each reads y twice and is done
            second = y == classes[1]
            if np.all(second | (y == classes[0])):
                return np.asarray(second, dtype=np.int64)
        codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
        strange = classes[codes] != y
    except TypeError:
        strange = np.ones(len(y), dtype=bool)
    if np.any(strange):
        new = list(dict.fromkeys(np.asarray(y)[strange].tolist()))[:5]
        raise DataError(
            f"y: {new} {'is' if len(new) == 1 else 'are'} not among the classes, {classes.tolist()[:20]}. "
            "Name all labels in `classes` of the first call."
        )
    return np.asarray(codes, dtype=np.int64)


class IncrementalRegressor(Incremental):
    """`partial_fit` and `fit_batches` of regressors."""

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows, going on from the last call, or from ``fit``.

        Nothing is evaluated and nothing proven (``certificate_.kind`` is "none").  k calls with the same rows equal
        ``fit`` with ``max_iter=k, tol=None``, bit for bit, also where the model was stored in between.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            Counted in units of the mean weight of the first call, so that all batches are weighed alike.
        """
        return self._partial(X, y, sample_weight, None)

    def fit_batches(self, batches: Any, *, max_iter: int | None = None) -> Self:
        """`fit` of data larger than memory, read piece by piece in every epoch; see `SGDClassifier.fit_batches`.

        Parameters
        ----------
        batches : iterable, or callable that returns one
            Of tuples ``(X, y)`` or ``(X, y, sample_weight)``; the same ones each time it is called, or iterated over.
        max_iter : int, optional
            Epochs; default: the parameter.
        """
        return self._stream(batches, None, max_iter)

    def _encode_more(self, X: Any, y: Any, sample_weight: Any, classes: Any, fresh: bool) -> Any:
        X, y = self._rows_of(X, y, True, fresh)
        weights = self._weighed(check_weights(sample_weight, len(y)), len(y))
        return regression.Encoded(X, np.array(y[None, :], dtype=np.float64, order="C"), weights, False)

    def _encode_batches(self, batches: Batches, classes: Any) -> Any:
        X, y, s = batches.survey(numeric=True)
        return regression.Encoded(X, np.array(y[None, :], dtype=np.float64, order="C"), normalise(s, len(y)), False)

    def _finish(self, solution: Solution, data: Any, jobs: Any, fit_intercept: bool) -> None:
        super()._finish(solution, data, jobs, fit_intercept)
        self.intercept_ = np.array([self.intercept_])  # as scikit-learn shapes it

    def _set_coefficients(self, weights: list[FloatArray], data: Any, outputs: int, own: bool) -> None:
        coef, self.intercept_ = split(weights, data.X.shape[1], 1, own)
        self.coef_ = coef[0]

    def _stub(self) -> Any:
        return regression.Encoded(np.zeros((1, self.n_features_in_)), np.zeros((1, 1)), normalise(None, 1), False)
