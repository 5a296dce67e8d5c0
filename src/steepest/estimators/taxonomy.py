"""Classes in a tree: a support vector machine for which a near miss costs less than a far one."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from steepest.estimators.base import untouched_by_errors
from steepest.estimators.classification import LinearClassification
from steepest.estimators.margin_attributes import with_constant
from steepest.estimators.parameters import NONE, Rule, Rules, one_of, real
from steepest.estimators.structured import SOLVERS, fit_planes
from steepest.estimators.targets import check_weights
from steepest.exceptions import DataError
from steepest.penalties import alpha_from_C
from steepest.protocols import FloatArray
from steepest.structured.taxonomy import COSTS, TaxonomyPlanes, cost_matrix
from steepest.structured.tree import plant

MATRIX = Rule("an array", lambda v: isinstance(v, list | tuple | np.ndarray))


class TaxonomySVM(LinearClassification):
    r"""A support vector machine for classes that are nodes of a tree.

    ::

        P(W) = (1/S) sum_i s_i max_y [ Delta(y_i, y) + f_y(x_i) - f_{y_i}(x_i) ] + alpha/2 |W|_2^2,    S = sum s_i
        f_y(x) = sum over the nodes v on the way from the root to y of x.w_v + b_v

    ``Delta`` is the number of edges between two classes, or a matrix.  A node has its own weights, so classes that lie
    close share most of theirs, and classes with few rows learn from their neighbours.  The root is on every way and has
    no weights, for a sum that all classes share decides nothing.  Without a tree every class hangs from the root: the
    multiclass support vector machine of Crammer and Singer, with a margin of 2.

    Intercepts are weights of a constant feature and are penalised as all weights are.

    Parameters
    ----------
    tree : dict, array of int, list of paths or None, default=None
        The parent of each node (None, or left out, for the root); of node i at place i, -1 for the root; or for each
        class a path from the root.  Classes are names of nodes, inner ones too.  Parts of the tree that lead to no
        class of the data are left out.
    costs : {"tree", "scaled", "zero_one"} or array of shape (k, k), default="tree"
        Delta: edges between the classes; the same over the largest; 1 for all errors; or cost [true, predicted], by the
        order of ``classes_``.
    alpha : float, default=1e-3
        Strength of the penalty, for the mean over rows.
    C : float or None, default=None
        The other spelling, ``alpha = 1 / (C S)``; in the place of ``alpha`` where it is given.
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1
        Value of the constant feature; the larger, the less an intercept is penalised.
    class_weight : dict, "balanced" or None
    solver : {"auto", "frank_wolfe", "cutting_planes"}, default="auto"
        "auto" is "frank_wolfe".
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
    coef_, intercept_ : arrays of shape (k, d) and (k,)
        Of the classes: the sums along their ways.
    nodes_ : list
        The m nodes on the ways to the classes, the root left out.
    node_coef_, node_intercept_ : arrays of shape (m, d) and (m,)
    costs_ : array of shape (k, k)
        Delta.
    n_iter_ : int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import TaxonomySVM
    >>> X = [[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]]
    >>> model = TaxonomySVM({"cat": "animal", "dog": "animal", "animal": "all", "oak": "plant", "fir": "plant",
    ...                      "plant": "all"}, alpha=0.01).fit(X, ["cat", "dog", "oak", "fir"])
    >>> model.predict([[3.0, 0.9]]).tolist()
    ['fir']
    >>> model.costs_[0].astype(int).tolist()  # of 'cat', 'dog', 'fir', 'oak' in the place of 'cat'
    [0, 2, 4, 4]
    """

    monitor = "loss"
    _rules: ClassVar[dict[str, Rules]] = {
        "costs": (one_of(*COSTS), MATRIX),
        "alpha": (real(0),),
        "C": (real(0), NONE),
        "intercept_scaling": (real(0),),
        "solver": (one_of("auto", *SOLVERS),),
    }

    def __init__(
        self,
        tree: Any = None,
        *,
        costs: Any = "tree",
        alpha: float = 1e-3,
        C: float | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int | None = 1000,
        max_time: float | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        on_unconverged: str = "warn",
    ) -> None:
        self.tree = tree
        self.costs = costs
        self.alpha = alpha
        self.C = C
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.on_unconverged = on_unconverged

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # type: ignore[override]
        """Minimise the objective and certify the result.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
            Names of nodes of the tree.
        sample_weight : array-like of shape (n,), optional
            0 counts a row as absent, k as k rows.
        """
        with untouched_by_errors(self):
            self._fit_tree(X, y, sample_weight)
        self._conclude()
        return self

    def _fit_tree(self, X: Any, y: Any, sample_weight: Any) -> None:
        began = time.perf_counter()
        self._check_parameters()
        data = self._encode(X, y, sample_weight)
        self.classes_ = data.labels.classes
        tree = plant(self.tree, self.classes_.tolist())
        self.costs_ = cost_matrix(self.costs, tree)
        total, d = data.weights.total, data.X.shape[1]
        alpha = float(self.alpha) if self.C is None else alpha_from_C(float(self.C), total)
        rows = with_constant(data.X, float(self.intercept_scaling)) if self.fit_intercept else data.X
        planes = TaxonomyPlanes(rows, data.labels.codes, tree, self.costs_)
        formula = "max_y [ Delta(y_i, y) + f_y(x_i) - f_{y_i}(x_i) ]"
        W = fit_planes(self, planes, data.weights, alpha, formula, began).reshape(rows.shape[1], -1).T
        self.nodes_ = list(tree.nodes)
        self.node_coef_ = np.ascontiguousarray(W[:, :d])
        self.node_intercept_ = self.intercept_scaling * W[:, d] if self.fit_intercept else np.zeros(len(W))
        self.coef_ = np.ascontiguousarray(tree.paths @ self.node_coef_)
        self.intercept_ = np.asarray(tree.paths @ self.node_intercept_)

    def mean_cost(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The mean of ``Delta(y_i, predicted)``: how far off the predictions are; 0 is best.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
            Classes of the training data.
        sample_weight : array-like of shape (n,), optional
        """
        check_is_fitted(self)
        place = {label: code for code, label in enumerate(self.classes_.tolist())}
        labels = np.asarray(y).tolist()
        unknown = [label for label in dict.fromkeys(labels) if label not in place]
        if unknown:
            raise DataError(
                f"y: {unknown[:5]} {'is' if len(unknown) == 1 else 'are'} not among the classes "
                f"{self.classes_.tolist()[:20]}, so no cost is known. Leave those rows out."
            )
        true = np.array([place[label] for label in labels], dtype=np.int64)
        found = np.searchsorted(self.classes_, self.predict(X))
        weights: FloatArray | None = check_weights(sample_weight, len(true))
        return float(np.average(self.costs_[true, found], weights=weights))
