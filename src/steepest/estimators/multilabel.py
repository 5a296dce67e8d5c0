"""Sets of labels: a support vector machine that predicts any number of k labels for a row."""

from __future__ import annotations

import time
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from steepest.estimators.base import scores, untouched_by_errors
from steepest.estimators.callbacks import under_callbacks
from steepest.estimators.classification import LinearClassification
from steepest.estimators.fitting import solve
from steepest.estimators.jobs import Job
from steepest.estimators.margin_attributes import with_constant
from steepest.estimators.parameters import NONE, Rule, Rules, one_of, real
from steepest.estimators.structured import SOLVERS, fit_planes
from steepest.estimators.targets import Labels, Weights, check_weights, encode, normalise, plain_labels
from steepest.estimators.validation import FLOATS
from steepest.exceptions import DataError, IncompatibleError
from steepest.losses.registry import get_loss
from steepest.penalties import L2, alpha_from_C
from steepest.protocols import AnyArray, FloatArray
from steepest.structured.multilabel import Forest, MultilabelPlanes, indicator, likely_pairs

PAIRS = Rule("'tree' or a list of pairs of int", lambda v: isinstance(v, list | tuple | np.ndarray) or v == "tree")


class Sets(NamedTuple):
    """Validated data: rows, label sets as bytes, weights, and the classes where each row has one label."""

    X: Any
    Y: AnyArray
    weights: Weights
    labels: Labels | None


def _is_indicator(y: Any) -> bool:
    """Whether y has a column for each label; an array of one column is one of labels."""
    try:
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    except ValueError:
        raise DataError(
            "y: expected an indicator of shape (n, k), 1 where a row has a label, got lists of different lengths. "
            "scikit-learn's MultiLabelBinarizer makes one of lists of labels."
        ) from None
    return sp.issparse(y) or (len(shape) == 2 and shape[1] != 1)


class MultilabelSVM(LinearClassification):
    r"""A support vector machine whose prediction is a set of labels, any of the 2^k.

    ::

        P(w) = (1/S) sum_i s_i max_y [ Delta(y_i, y) + w.phi(x_i, y) - w.phi(x_i, y_i) ] + alpha/2 |w|_2^2

    over all sets y in {0, 1}^k, with ``S = sum s_i``, the number of wrong labels ``Delta`` (Hamming), and
    ``w.phi(x, y) = sum_j y_j z_j``, plus ``sum y_a y_b z_ab`` over pairs of labels that are coupled.  Each score z is
    ``x.w_j + b_j``, with weights of its own.

    Without pairs the largest is found label by label, and the objective is a sum of binary support vector machines,
    ``(1/S) sum_i s_i sum_j max(0, 1 - t_ij z_ij) + alpha/2 |w|^2`` with ``t = 2 y - 1``; that is how it is minimised.
    The pairs must make no cycle: the best set is then found by max-product in O(k), and the objective is minimised by
    solvers that need nothing but this.  The share of wrong labels in the place of their number would be the same
    problem with ``alpha k``.

    Intercepts are weights of a constant feature and are penalised as all weights are: only then is the objective
    strongly convex in all of them, and any set of labels a bound.

    Parameters
    ----------
    alpha : float, default=1e-3
        Strength of the penalty, for the mean over rows.
    C : float or None, default=None
        The other spelling, ``alpha = 1 / (C S)``; in the place of ``alpha`` where it is given.
    pairs : None, "tree" or list of pairs of int, default=None
        Columns of Y that are coupled; "tree" takes the tree of the largest mutual information (Chow & Liu).
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1
        Value of the constant feature; the larger, the less an intercept is penalised.
    solver : {"auto", "binary", "frank_wolfe", "cutting_planes"}, default="auto"
        "binary" solves a binary problem for each label; "auto" is that where there are no pairs, else "frank_wolfe".
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    max_iter : int or None, default=1000
    max_time : float or None, default=None
        Seconds for the solver, without those of compiling.
    n_jobs : int or None, default=None
        Threads for products with X.
    verbose : int, default=0
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    classes_ : array of shape (k,)
        The columns of Y, 0 to k - 1; names of columns where Y is a frame; classes where y has one label a row.
    multilabel_ : bool
        False where y was an array of one label a row.
    coef_, intercept_ : arrays of shape (k, d) and (k,)
        (1, d) and (1,) for one label of two.
    pairs_ : array of shape (e, 2)
    pair_coef_, pair_intercept_ : arrays of shape (e, d) and (e,)
        Those of the coupled pairs.
    n_iter_ : int or array of int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import MultilabelSVM
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    >>> model = MultilabelSVM(alpha=0.01).fit(X, X.astype(int))
    >>> model.predict([[1.0, 0.9], [0.1, 0.8]])
    array([[1, 1],
           [0, 1]])
    """

    monitor = "loss"
    class_weight = None
    _rules: ClassVar[dict[str, Rules]] = {
        "alpha": (real(0),),
        "C": (real(0), NONE),
        "pairs": (PAIRS, NONE),
        "intercept_scaling": (real(0),),
        "solver": (one_of("auto", "binary", *SOLVERS),),
    }

    def __init__(
        self,
        alpha: float = 1e-3,
        *,
        C: float | None = None,
        pairs: Any = None,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int | None = 1000,
        max_time: float | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        on_unconverged: str = "warn",
    ) -> None:
        self.alpha = alpha
        self.C = C
        self.pairs = pairs
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.on_unconverged = on_unconverged

    # ----------------------------------------------------------------------------------------------- data

    def _check_sets(self, X: Any, y: Any, sample_weight: Any) -> Sets:
        names = getattr(y, "columns", None)
        several, labels = _is_indicator(y), None
        if several:
            self._sparse_labels = sp.issparse(y)
            X = validate_data(self, X, accept_sparse="csr", accept_large_sparse=True, dtype=FLOATS)
            Y = indicator(y)
            check_consistent_length(X, Y)
            s = check_weights(sample_weight, len(Y))
            self.classes_ = np.arange(Y.shape[1]) if names is None else np.asarray(names)
        else:
            X, y = self._check_data(X, plain_labels(y), numeric=False)
            s = check_weights(sample_weight, len(y))
            labels = encode(y, s, type(self).__name__)
            k = len(labels.classes)
            Y = (labels.codes[:, None] == (np.array([1]) if k == 2 else np.arange(k))).astype(np.int8)
            self._sparse_labels, self.classes_ = False, labels.classes
        self.multilabel_ = several
        return Sets(X, Y, normalise(s, len(Y)), labels)

    def _strength(self, total: float) -> float:
        return float(self.alpha) if self.C is None else alpha_from_C(float(self.C), total)

    def _forest(self, data: Sets) -> Forest:
        pairs = () if self.pairs is None else self.pairs
        return Forest(data.Y.shape[1], likely_pairs(data.Y, data.weights.p) if isinstance(pairs, str) else pairs)

    # ------------------------------------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # type: ignore[override]
        """Minimise the objective and certify the result.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like or sparse matrix of shape (n, k)
            1 where a row has a label, else 0.  An array (n,) of classes is taken as one label a row: one class against
            the rest.
        sample_weight : array-like of shape (n,), optional
            0 counts a row as absent, k as k rows.
        """
        with untouched_by_errors(self):
            self._fit_sets(X, y, sample_weight)
        self._conclude()
        return self

    def _fit_sets(self, X: Any, y: Any, sample_weight: Any) -> None:
        began = time.perf_counter()
        self._check_parameters()
        data = self._check_sets(X, y, sample_weight)
        forest = self._forest(data)
        binary = self.solver == "binary" or (self.solver == "auto" and not len(forest.edges))
        if binary and len(forest.edges):
            raise IncompatibleError(
                f"solver: 'binary' solves each label by itself, and {len(forest.edges)} pairs couple them. "
                "Use solver='auto', or leave pairs out."
            )
        k, d = data.Y.shape[1], data.X.shape[1]
        alpha = self._strength(data.weights.total)
        if self.fit_intercept:
            data = data._replace(X=with_constant(data.X, float(self.intercept_scaling)))
        if binary:
            W = self._one_by_one(data, alpha, (X, y, sample_weight), began)
        else:
            planes = MultilabelPlanes(data.X, data.Y, forest)
            formula = "max_y [ Hamming(y_i, y) + w.phi(x_i, y) - w.phi(x_i, y_i) ]"
            W = fit_planes(self, planes, data.weights, alpha, formula, began).reshape(data.X.shape[1], -1).T
        W, b = (W[:, :d], self.intercept_scaling * W[:, d]) if self.fit_intercept else (W, np.zeros(len(W)))
        self.coef_, self.intercept_ = np.ascontiguousarray(W[:k]), b[:k].copy()
        self.pairs_: AnyArray = forest.edges
        self.pair_coef_, self.pair_intercept_ = np.ascontiguousarray(W[k:]), b[k:].copy()

    def _one_by_one(self, data: Sets, alpha: float, given: tuple[Any, Any, Any], began: float) -> FloatArray:
        """A binary problem for each label: the same objective, term by term."""
        k = data.Y.shape[1]
        names = [f"label {name!s}" for name in self.classes_] if k > 1 else [""]
        jobs = [
            Job(np.where(data.Y[:, j], 1.0, -1.0), data.weights.p, get_loss("hinge"), L2(alpha), label=names[j])
            for j in range(k)
        ]
        control = self._control()
        control.fit_intercept, control.solver = False, "auto"
        if self.fit_intercept:
            control.notes.append("intercepts are the weights of a constant feature, in a copy of X")
        if k > 1:
            control.notes.append("labels are independent given the row: a binary problem for each")
        solution = under_callbacks(
            self, *given, jobs, data, lambda: solve(data.X, jobs, control, time.perf_counter() - began)
        )
        self._record(solution, jobs, control, data.weights.total, data.weights.raw is not None)
        s = "s_i " if data.weights.raw is not None else ""
        self._objective = self.fit_record_.objective = (
            f"P(W) = (1/{data.weights.total:.10g}) sum_i {s}sum_j max(0, 1 - t_ij z_ij) + {alpha:.6g}/2 |W|_2^2,  "
            f"z_i = W {'(x_i, ' + format(self.intercept_scaling, 'g') + ')' if self.fit_intercept else 'x_i'},  "
            f"t_ij in {{-1, +1}},  {k} label{'s' if k > 1 else ''}"
        )
        self.n_iter_ = np.array(solution.iterations, dtype=np.int32)
        return np.stack(solution.weights)

    # ------------------------------------------------------------------------------------------ after it

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)

    def _with_pairs(self, X: Any) -> tuple[Forest, FloatArray]:
        """The forest, and the scores of labels and pairs."""
        z = scores(X, self.coef_, self.intercept_)
        return Forest(len(self.coef_), self.pairs_.tolist()), np.hstack(
            [z, scores(X, self.pair_coef_, self.pair_intercept_)]
        )

    def decision_function(self, X: Any) -> FloatArray:
        """How much higher the best set with a label scores than the best one without it, (n, k).

        Without pairs this is the label's own score ``x.w_j + b_j``.  A label is predicted where it is above zero.  For
        one label a row: (n,) for two classes, above zero for ``classes_[1]``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        X = self._rows(X)
        if not len(self.pairs_):
            z = scores(X, self.coef_, self.intercept_)
        else:
            forest, z = self._with_pairs(X)
            z = forest.margins(z)
        return z.ravel() if not self.multilabel_ and z.shape[1] == 1 else z

    def predict(self, X: Any) -> Any:
        """The set of the highest score for each row, (n, k) of 0 and 1; sparse where the labels of ``fit`` were.

        For one label a row: its class, that of the highest score.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        check_is_fitted(self)
        if not self.multilabel_:
            z = self.decision_function(X)
            return self.classes_[(z > 0.0).astype(np.intp) if z.ndim == 1 else z.argmax(axis=1)]
        X = self._rows(X)
        if len(self.pairs_):
            forest, z = self._with_pairs(X)
            found = forest.best(z).astype(np.int64)
        else:
            found = (scores(X, self.coef_, self.intercept_) > 0.0).astype(np.int64)
        return sp.csr_array(found) if self._sparse_labels else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
