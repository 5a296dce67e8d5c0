"""What classifiers share: labels in, scores, labels and probabilities out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from steepest.estimators.base import CHUNK, LinearModel, scores, split
from steepest.estimators.jobs import HeldOut, Job, Solution
from steepest.estimators.links import LINKS, log_expit, log_softmax
from steepest.estimators.targets import (
    Labels,
    Weights,
    apply_class_weight,
    check_weights,
    encode,
    normalise,
    plain_labels,
)
from steepest.estimators.validation import FLOATS, Rows, check_rows, codes_of, name_of, scorer_of, scoring
from steepest.exceptions import DataError
from steepest.losses.registry import VECTOR_LOSSES
from steepest.protocols import AnyArray, FloatArray


class Encoded(NamedTuple):
    """Validated data of a classifier."""

    X: Any
    labels: Labels
    weights: Weights


def _against(codes: AnyArray, row: int, k: int, loss: Any) -> FloatArray:
    """Targets of a loss of one score: class ``row`` against the rest, for two classes the second against the first."""
    low = 0.0 if loss.targets == "unit" else -1.0
    return np.where(codes == (1 if k == 2 else row), 1.0, low)


class LinearClassification(ClassifierMixin, LinearModel):  # type: ignore[misc]
    """Base of the classifiers.

    A score vector per row gives ``coef_`` of shape (k, d); two classes with a loss of one score give (1, d),
    and more than two one-vs-rest rows.
    """

    classes_: AnyArray
    class_weight: Any
    monitor: Any
    n_iter_: Any

    def _encode(self, X: Any, y: Any, sample_weight: Any) -> Encoded:
        X, y = self._check_data(X, plain_labels(y), numeric=False)
        name = type(self).__name__
        s = check_weights(sample_weight, len(y))
        labels = encode(y, s, name)
        s, _ = apply_class_weight(self.class_weight, labels, s, name)
        if s is not None and not s.any():
            raise DataError(f"class_weight: {name} has only weights of zero left. Give one class a weight above zero.")
        return Encoded(X, labels, normalise(s, len(y)))

    def _jobs(self, loss: Any, penalty: Any, labels: Labels, p: FloatArray) -> list[Job]:
        """One vector job, one binary job, or one-vs-rest jobs."""
        k = len(labels.classes)
        if type(loss) in VECTOR_LOSSES.values():
            return [Job(labels.codes, p, loss, penalty, k)]
        jobs = []
        for row in range(k if k > 2 else 1):
            label = "" if k == 2 else f"class {labels.classes[row]!s} against the rest"
            jobs.append(Job(_against(labels.codes, row, k, loss), p, loss, penalty, label=label))
        return jobs

    def _comparable(self, data: Encoded) -> bool:
        return hasattr(self, "classes_") and np.array_equal(self.classes_, data.labels.classes)

    def _hold_out(self, jobs: Sequence[Job], data: Encoded, held: Rows) -> None:
        """Labels as each job sees them; class weights count as they do in training, for the loss."""
        X, y, s = check_rows(self, held)
        classes, scorer = data.labels.classes, scorer_of(self)
        codes, k = codes_of(y, classes), len(classes)
        weights = s
        if self.class_weight is not None:
            factor = apply_class_weight(self.class_weight, data.labels, None, type(self).__name__)[1][codes]
            weights = factor if s is None else s * factor
        p = normalise(weights, len(codes)).p
        for row, job in enumerate(jobs):
            vector = job.n_outputs > 1
            job.held = HeldOut(X, codes if vector else _against(codes, row, k, job.loss), p)
            if scorer is None:
                continue
            outputs = job.n_outputs
            alone = len(jobs) > 1  # one class against the rest is a model of its own, of the classes 0 and 1

            def keep(view: Any, w: FloatArray, outputs: int = outputs) -> None:
                view.coef_, view.intercept_ = split([w], X.shape[1], outputs, bool(view.fit_intercept))

            model = copy.copy(self)
            model.classes_ = np.array([0, 1]) if alone else classes
            target = (codes == row).astype(np.int64) if alone else classes[codes]
            job.held.score = scoring(model, scorer, keep, X, target, s)
            job.held.name = name_of(self.monitor)

    def _finish(self, solution: Solution, data: Encoded, jobs: Sequence[Job], fit_intercept: bool) -> None:
        self.classes_ = data.labels.classes
        self.coef_, self.intercept_ = self._split(solution, data.X.shape[1], jobs[0].n_outputs, fit_intercept)
        self.n_iter_ = np.array(solution.iterations, dtype=np.int32)

    def _two_from_vector(self) -> bool:
        """Whether two classes have a score each, so that their difference decides."""
        return len(self.classes_) == 2 and self.coef_.shape[0] == 2

    def decision_function(self, X: Any) -> FloatArray:
        """Scores: (n,) for two classes, above zero for ``classes_[1]``; else (n, k).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        z = self._scores(X)
        if self._two_from_vector():
            return z[:, 1] - z[:, 0]
        return z.ravel() if z.shape[1] == 1 else z

    def predict(self, X: Any) -> AnyArray:
        """The class of the highest score; (n,).

        Rows are taken in blocks, so memory does not grow with rows times classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        k = self.coef_.shape[0]
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        codes = np.empty(X.shape[0], dtype=np.intp)
        step = max(1024, 4 * CHUNK // (8 * k))
        for low in range(0, X.shape[0], step):
            block = X if step >= X.shape[0] else X[low : low + step]
            z = scores(block, coef, self.intercept_)
            codes[low : low + step] = z[:, 0] > 0.0 if k == 1 else z.argmax(axis=1)
        return self.classes_[codes]

    def _probabilities(self, X: Any, link: str) -> FloatArray:
        """Probabilities by the link; one-vs-rest ones are divided by their sum."""
        z = self._scores(X)
        if link == "softmax":
            return LINKS["softmax"](z)  # type: ignore[no-any-return]
        q = LINKS["logistic"](z)
        if z.shape[1] == 1:
            return np.hstack([LINKS["logistic"](-z), q])
        total = q.sum(axis=1, keepdims=True)
        shares: FloatArray = np.where(total > 0.0, q / np.where(total > 0.0, total, 1.0), 1.0 / z.shape[1])
        return shares

    def _log_probabilities(self, X: Any, link: str) -> FloatArray:
        """Logarithms of `_probabilities`, finite for any finite scores."""
        z = self._scores(X)
        if link == "softmax":
            return log_softmax(z)
        q = log_expit(z)
        if z.shape[1] == 1:
            return np.hstack([log_expit(-z), q])
        return q - np.logaddexp.reduce(q, axis=1, keepdims=True)

    def sparsify(self) -> Any:
        """Keep ``coef_`` as a CSR array: smaller where an l1 penalty has left few non-zeros."""
        check_is_fitted(self)
        if not sp.issparse(self.coef_):
            self.coef_ = sp.csr_array(self.coef_)
        return self

    def densify(self) -> Any:
        """Keep ``coef_`` as an array, as ``fit`` leaves it."""
        check_is_fitted(self)
        if sp.issparse(self.coef_):
            self.coef_ = self.coef_.toarray()
        return self
