"""Learning to rank: a linear score that orders the rows of each query."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from steepest.certify.ranking import certify_ranking
from steepest.data.source import as_source
from steepest.estimators.base import LinearModel, shortened, untouched_by_errors
from steepest.estimators.parameters import NONE, Rules, instance, one_of, real
from steepest.estimators.targets import check_weights
from steepest.exceptions import DataError
from steepest.jit import compile_clock
from steepest.metrics import ndcg_at_k, query_codes
from steepest.parallel import Pool, effective_jobs, one_blas_thread
from steepest.penalties import alpha_from_C
from steepest.problems.ranking import LOSSES, RankingProblem, queries
from steepest.protocols import AnyArray, FloatArray
from steepest.record.observers import watching
from steepest.record.record import FitRecord
from steepest.solvers.loop import Limits, Outcome, run
from steepest.solvers.ranking import RankNewton

_TERMS = {"hinge": "max(0, 1 - (z_i - z_j))", "squared_hinge": "max(0, 1 - (z_i - z_j))^2"}


def _codes(qid: Any, groups: Any, n: int) -> AnyArray:
    """The query of each row, from ids or from the sizes of queries that follow each other."""
    if (qid is None) == (groups is None):
        given = "neither" if qid is None else "both"
        raise DataError(
            f"qid: expected either a query id for each row (qid) or the sizes of the queries (groups), got {given}. "
            "For one query give groups=[len(y)]."
        )
    if qid is not None:
        return query_codes(qid, n)
    sizes = np.asarray(groups)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or np.any(sizes < 0) or int(sizes.sum()) != n:
        raise DataError(
            f"groups: expected sizes of queries that add up to the {n} rows, got {shortened(groups)!r}. "
            "Give one whole number for each query, in the order of the rows."
        )
    return np.repeat(np.arange(len(sizes)), sizes)


def _filled(X: Any) -> Any:
    """An array in the place of sparse rows that would need as much memory: files of rankings list every zero."""
    if issparse(X) and X.nnz * (X.data.itemsize + X.indices.itemsize) >= X.shape[0] * X.shape[1] * X.data.itemsize:
        return X.toarray()
    return X


def _query_weights(sample_weight: Any, codes: AnyArray) -> FloatArray | None:
    """Weights of rows that are weights of queries."""
    if sample_weight is None:
        return None
    weights = check_weights(sample_weight, len(codes))
    assert weights is not None
    first = np.full(int(codes.max()) + 1, -1)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    odd = np.flatnonzero(weights != weights[first[codes]])
    if len(odd):
        raise DataError(
            f"sample_weight: expected one weight for all rows of a query, got {weights[first[codes[odd[0]]]]:g} and "
            f"{weights[odd[0]]:g} in the query of row {odd[0]}. A pair has no weight of its own rows: weigh queries, "
            "or kinds of pairs by pair_weights."
        )
    return weights


def _gains(y: FloatArray, gains: Any) -> FloatArray:
    """What a row of each relevance is worth, by a mapping; a pair weighs the difference."""
    levels, codes = np.unique(y, return_inverse=True)
    missing = [level for level in levels.tolist() if level not in gains]
    if missing:
        raise DataError(f"pair_weights: expected a gain for every relevance in y, got none for {missing[0]:g}. Add it.")
    try:
        worth = np.array([float(gains[level]) for level in levels.tolist()])
    except (TypeError, ValueError):
        raise DataError(
            f"pair_weights: expected a number as every gain, got {dict(gains)}. Write {{0: 0, 1: 1}}."
        ) from None
    if not (np.all(np.isfinite(worth)) and np.all(np.diff(worth) > 0.0)):
        raise DataError(
            f"pair_weights: expected gains that grow with the relevance, got {worth.tolist()} for {levels.tolist()}. "
            "A pair weighs the difference of its gains."
        )
    return worth[codes.reshape(-1)]


class RankSVM(LinearModel):
    """A ranking support vector machine: a linear score, higher for the more relevant row of each pair of a query.

    ::

        P(w) = (1/Q) sum over pairs q_ij loss(z_i - z_j) + alpha/2 |w|_2^2,     z_i = x_i.w,   Q = sum q_ij

    over the pairs (i, j) of rows of one query with ``y_i > y_j``.  The loss is the hinge ``max(0, 1 - t)`` or its
    square, the pair weight ``q_ij`` is 1, ``y_i - y_j``, or ``g(y_i) - g(y_j)`` for gains g; with a ``sample_weight``,
    times that of the query.  With ``C = 1 / (alpha Q)`` this is ``C sum q_ij loss + |w|^2 / 2``, up to a factor.  No
    pair is ever listed: memory is O(nnz + n), and time grows as m log m in the rows m of a query.  A score needs no
    intercept, for differences do not see it.

    Parameters
    ----------
    alpha : float, default=1e-4
        Strength of the penalty, for the mean over pairs.
    C : float or None, default=None
        The other spelling; in the place of ``alpha`` where it is given.
    loss : {"hinge", "squared_hinge"}, default="hinge"
    pair_weights : {"equal", "difference"} or dict, default="equal"
        Weight 1 for every pair, the difference of the relevances, or of gains: ``{0: 0, 1: 1, 2: 3}`` gives every
        relevance its gain, and a pair of relevances 2 and 1 the weight 2.  Gains grow with the relevance.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    max_iter : int or None, default=1000
    max_time : float or None, default=None
        Seconds for the solver, without those of compiling.
    n_jobs : int or None, default=None
        Threads for products with X.
    verbose : int, default=0
    warm_start : bool, default=False
        Start from the coefficients of the last fit, where they have as many features.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    coef_ : array of shape (d,)
    n_pairs_ : int
        Pairs of different relevance within a query.
    n_queries_ : int
    n_iter_ : int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.  The certificate is a duality gap, with a dual variable for every pair.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import RankSVM
    >>> X = np.array([[1.0, 0.0], [0.6, 1.0], [0.1, 0.0], [0.9, 1.0], [0.2, 0.5]])
    >>> model = RankSVM(alpha=0.01).fit(X, [2, 1, 0, 1, 0], qid=[1, 1, 1, 2, 2])
    >>> model.rank(X, qid=[1, 1, 1, 2, 2])
    array([1, 2, 3, 1, 2])
    >>> model.certificate_.passed
    True
    """

    # what scikit-learn routes: ids go where they are wanted; "groups" are those of a splitter such as GroupKFold
    __metadata_request__fit: ClassVar[dict[str, Any]] = {"qid": True, "groups": UNUSED}
    __metadata_request__score: ClassVar[dict[str, Any]] = {"qid": True, "groups": UNUSED}

    _rules: ClassVar[dict[str, Rules]] = {
        "alpha": (real(0),),
        "C": (real(0), NONE),
        "loss": (one_of(*LOSSES),),
        "pair_weights": (one_of("equal", "difference"), instance("a dict", Mapping)),
    }

    def __init__(
        self,
        alpha: float = 1e-4,
        *,
        C: float | None = None,
        loss: str = "hinge",
        pair_weights: Any = "equal",
        tol: float = 1e-4,
        max_iter: int | None = 1000,
        max_time: float | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        on_unconverged: str = "warn",
    ) -> None:
        self.alpha = alpha
        self.C = C
        self.loss = loss
        self.pair_weights = pair_weights
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start
        self.on_unconverged = on_unconverged

    def fit(  # type: ignore[override]
        self, X: Any, y: Any, qid: Any = None, *, groups: Any = None, sample_weight: Any = None
    ) -> Self:
        """Minimise the objective and certify the result.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
            Relevances; what counts is their order within a query, and their differences for
            ``pair_weights="difference"``.
        qid : array-like of shape (n,), optional
            The query of each row: ids of any kind, in any order.
        groups : array-like of int, optional
            Instead: the sizes of queries whose rows follow each other.
        sample_weight : array-like of shape (n,), optional
            How much the pairs of a query count: one weight for all its rows.
        """
        with untouched_by_errors(self):
            self._fit_queries(X, y, qid, groups, sample_weight)
        self._conclude()
        return self

    def _fit_queries(self, X: Any, y: Any, qid: Any, groups: Any, sample_weight: Any) -> None:
        began = time.perf_counter()
        self._check_parameters()
        X, y = self._check_data(X, y, numeric=True)
        codes = _codes(qid, groups, len(y))
        y = np.ascontiguousarray(y, dtype=np.float64)
        if isinstance(self.pair_weights, Mapping):
            y = _gains(y, self.pair_weights)
        parts = queries(y, codes, _query_weights(sample_weight, codes))
        before = getattr(self, "coef_", None) if self.warm_start else None
        validated = time.perf_counter() - began
        with ExitStack() as stack:
            clock = stack.enter_context(compile_clock())
            stack.enter_context(one_blas_thread())
            stack.enter_context(np.errstate(all="ignore"))  # loop and certificate judge the numbers themselves
            pool = Pool(effective_jobs(self.n_jobs))
            stack.callback(pool.close)
            observers = list(stack.enter_context(watching()))
            if self.verbose:
                from steepest.record.progress import Progress

                progress = Progress(title="RankSVM")
                stack.callback(progress.close)
                observers.append(progress)
            source = as_source(_filled(X), pool=pool)
            problem = RankingProblem(source, parts, self.loss, float(self.alpha), self.pair_weights != "equal")
            if self.C is not None:
                problem.traits = problem.traits._replace(l2=alpha_from_C(self.C, problem.total))
            if not problem.traits.l2 > 0.0:
                raise DataError(f"C: expected a finite number, got {self.C}. Without a penalty nothing is proven.")
            warm = before is not None and before.shape == (problem.size,) and bool(np.all(np.isfinite(before)))
            start = np.array(before, dtype=np.float64) if warm else problem.start()
            outcome = self._run_loop(problem, start, observers, clock)
            if before is not None and not warm:
                outcome.notes.append("warm_start: the last fit had other features: a cold start")
        self.coef_ = outcome.w
        self.intercept_ = 0.0
        self.n_iter_ = outcome.iterations
        self.n_queries_ = parts.n_queries
        self.n_pairs_ = round(problem.n_pairs)
        self._keep(problem, outcome, {"validate": validated, "compile": clock.seconds}, time.perf_counter() - began)

    def _run_loop(self, problem: RankingProblem, start: FloatArray, observers: list[Any], clock: Any) -> Outcome:
        tol = float(self.tol)
        return run(
            RankNewton(),
            problem,
            start,
            limits=Limits(tol, self.max_iter, self.max_time, lambda: float(clock.seconds)),
            certify=lambda w, status, reason, dual: certify_ranking(
                problem, w, tol=tol, status=status, reason=reason, dual=dual
            ),
            null_value=1.0,  # either loss at equal scores
            observers=observers,
            info={"title": "RankSVM", "solver": RankNewton.name},
        )

    def _keep(self, problem: RankingProblem, outcome: Outcome, seconds: dict[str, float], total: float) -> None:
        """Sets the attributes that say what was minimised, what is proven and how it went."""
        source = problem.source
        n, d = source.shape
        weight = "" if not problem.graded else "(y_i - y_j) " if self.pair_weights == "difference" else "(g_i - g_j) "
        if np.any(problem.parts.weights != 1.0):
            weight = "s_q " + weight
        self._objective = (
            f"P(w) = (1/{problem.total:.10g}) sum_ij {weight}{_TERMS[self.loss]} + {problem.traits.l2:.6g}/2 |w|_2^2,  "
            "z_i = x_i.w,  over pairs of one query with y_i > y_j"
        )
        self.certificate_ = outcome.certificate
        self.history_ = outcome.history
        self.fit_record_ = FitRecord(
            estimator="RankSVM",
            objective=self._objective,
            parameters={name: shortened(value) for name, value in self.get_params(deep=False).items()},
            data={
                "n_samples": n,
                "n_features": d,
                "n_outputs": 1,
                "nnz": int(source.nnz),
                "density": float(source.nnz) / max(1, n * d),
                "dtype": str(source.dtype),
                "kind": source.kind,
                "bytes": int(source.nbytes),
                "n_queries": self.n_queries_,
                "n_pairs": self.n_pairs_,
            },
            solver={
                "name": RankNewton.name,
                "why": f"{self.n_pairs_} pairs in {self.n_queries_} queries: sums over them by sorting",
                "expected": "5 to 50 Newton steps",
                "options": {},
                "notes": [*source.notes, *outcome.notes],
            },
            seconds={**outcome.seconds, **seconds, "total": total},
            passes=float(problem.passes),
            iterations=outcome.iterations,
            certificate=outcome.certificate,
            history=outcome.history,
        )

    def predict(self, X: Any) -> FloatArray:
        """Scores (n,), to be compared within a query: higher is more relevant.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        return self._scores(X)

    def rank(self, X: Any, qid: Any = None) -> AnyArray:
        """The place of each row in its query, 1 for the highest score; rows of equal score in the order given.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        qid : array-like of shape (n,), optional
            None is one query.
        """
        z = self.predict(X)
        codes = query_codes(qid, len(z))
        order = np.lexsort((-z, codes))
        place = np.empty(len(z), dtype=np.int64)
        sizes = np.bincount(codes)
        place[order] = np.arange(len(z)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
        return place

    def score(self, X: Any, y: Any, qid: Any = None, *, groups: Any = None, k: int | None = 10) -> float:
        """NDCG of the first k places, the mean over queries; see `steepest.metrics.ndcg_at_k`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
            Relevances, at least 0.
        qid, groups
            As for `fit`; neither is one query.
        k : int or None, default=10
        """
        check_is_fitted(self)
        z = self.predict(X)
        return ndcg_at_k(y, z, _codes(qid, groups, len(z)) if qid is not None or groups is not None else None, k)
