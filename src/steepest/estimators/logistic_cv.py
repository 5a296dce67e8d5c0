"""Logistic regression with built-in cross-validation, along certified paths."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import check_cv

from steepest.estimators.base import scores, untouched_by_errors
from steepest.estimators.classification import LinearClassification
from steepest.estimators.cv_common import (
    CV_RULES,
    GRID,
    LIST,
    SCORING,
    check_strengths,
    coefficients,
    collect,
    conclude,
    routed,
    router,
)
from steepest.estimators.jobs import Job
from steepest.estimators.logistic import LogisticRegression
from steepest.estimators.parameters import BOOL, NONE, Rules, one_of, real
from steepest.estimators.path import solution_of
from steepest.estimators.path_runs import Runner, runner
from steepest.estimators.path_setup import mixed
from steepest.estimators.solvers import SOLVER
from steepest.estimators.targets import Labels, Weights, check_weights, normalise
from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import get_loss
from steepest.penalties import NoPenalty
from steepest.protocols import AnyArray, FloatArray
from steepest.solvers.path import Point


class LogisticRegressionCV(LogisticRegression):
    """Logistic regression whose ``C`` and mix of penalties are chosen by cross-validation.

    For each fold and ``l1_ratio`` the path is followed from the smallest C on, each point from the one before, and
    each is certified.  Parameters, attributes and choices are scikit-learn's; see `LogisticRegression` for the
    function that is minimised.

    Parameters
    ----------
    Cs : int or array-like, default=10
        Length of a grid from 1e-4 to 1e4, or the values.
    l1_ratios : array-like or None, default=None
        Mixes to try; None is ``[0.0]``, a squared penalty.
    fit_intercept : bool, default=True
    cv : int, splitter or iterable, default=None
        None: 5 stratified folds.
    dual, intercept_scaling, random_state
        Accepted; they change nothing in the result.
    penalty : {"l1", "l2", "elasticnet"}, default="deprecated"
        Deprecated in scikit-learn 1.8, where ``l1_ratios`` says the same.
    scoring : str, callable or None, default=None
        None: accuracy.
    solver : str, default="auto"
    tol : float, default=1e-4
        Relative suboptimality that every certificate must prove.
    max_iter : int or None, default=10000
        Rounds of the solver for a point.
    class_weight : dict, "balanced" or None
        "balanced" is computed from all rows.
    n_jobs : int or None, default=None
        Threads within a fit; see `LogisticRegression`.
    verbose : int, default=0
    refit : bool, default=True
        False: coefficients, C and mix are the means over the folds of those at the fold's best score.
    use_legacy_attributes : bool, default=True
        False gives the shapes of scikit-learn 1.10: see there.
    max_time : float or None, default=None
        Seconds for the path of a fold.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    classes_ : array of shape (k,)
    C_, l1_ratio_ : array of shape (1,) or (k,), or float
    Cs_ : array of shape (m,)
    l1_ratios_ : array of shape (r,)
    scores_ : dict of class to array of shape (f, m) or (f, m, r), or array of shape (f, r, m)
    coefs_paths_ : dict of class to array of shape (f, m, dof) or (f, m, r, dof), or array (f, r, m, k, dof)
    certificates_ : array of Certificate, shape (f, r, m)
        What is proven about each point in each fold.
    n_iter_ : array of shape (1, f, m) or (1, f, m, r), or (f, r, m)
    coef_ : array of shape (1, d) or (k, d)
    intercept_ : array of shape (1,) or (k,)
    certificate_, history_, fit_record_, objective_
        Of the refit; without one, of the folds' best points.

    Examples
    --------
    >>> from steepest import LogisticRegressionCV
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
    >>> model = LogisticRegressionCV(Cs=5, cv=3).fit(X, [0, 0, 0, 1, 1, 1])
    >>> model.predict([[0.5], [4.5]]), all(c.passed for c in model.certificates_.flat)
    (array([0, 1]), True)
    """

    _rules: ClassVar[dict[str, Rules]] = {
        "Cs": GRID,
        "l1_ratios": (LIST, NONE),
        "cv": CV_RULES,
        "penalty": (one_of("l1", "l2", "elasticnet", "deprecated"),),
        "scoring": SCORING,
        "refit": (BOOL,),
        "dual": (BOOL,),
        "intercept_scaling": (real(0),),
        "solver": SOLVER,
        "use_legacy_attributes": (BOOL,),
    }
    certificates_: AnyArray
    C_: Any
    l1_ratio_: Any
    scores_: Any
    coefs_paths_: Any
    n_iter_: Any

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = None,
        fit_intercept: bool = True,
        cv: Any = None,
        dual: bool = False,
        penalty: str = "deprecated",
        scoring: Any = None,
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int | None = 10_000,
        class_weight: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        refit: bool = True,
        intercept_scaling: float = 1.0,
        random_state: Any = None,
        use_legacy_attributes: bool = True,
        max_time: float | None = None,
        on_unconverged: str = "warn",
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes
        self.max_time = max_time
        self.on_unconverged = on_unconverged

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:
        """Follow the paths of all folds, choose, and refit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
            Labels: integers, booleans or strings.
        sample_weight : array-like of shape (n,), optional
            Weigh rows in the fits and in the scores.
        **params
            For splitter and scorer, with scikit-learn's metadata routing.
        """
        with untouched_by_errors(self):
            began = time.perf_counter()
            self._check_parameters()
            Cs, ratios = self._grid()
            X, labels, weights = LinearClassification._encode(self, X, y, sample_weight)
            splits, score_params = routed(self, params, sample_weight, scored=True)
            y = labels.classes[labels.codes]
            folds = list(check_cv(self.cv, y, classifier=True).split(X, y, **splits))
            k, d = len(labels.classes), X.shape[1]
            outputs = 1 if k == 2 else k
            control = self._control()
            shape = (len(folds), len(ratios), len(Cs))
            values, certificates = np.full(shape, -np.inf), collect(shape)
            dof = d + int(control.fit_intercept)
            paths_ = np.zeros((*shape, outputs, dof))
            iterations = np.zeros(shape, dtype=np.int32)
            points: list[list[list[Point]]] = []
            for f, (train, test) in enumerate(folds):
                score = self._scorer_for(X[test], y[test], labels.classes, _rows(score_params, test, len(y)))
                job, total = self._job(labels, weights, train)
                points.append([])
                with runner(X[train], control) as runs:
                    for r, ratio in enumerate(ratios):
                        found = self._points(runs, job, Cs, ratio, total)
                        coef, intercept = coefficients(found, d, outputs, control.fit_intercept)
                        values[f, r] = score(coef, intercept)
                        paths_[f, r, :, :, :d] = coef
                        if control.fit_intercept:
                            paths_[f, r, :, :, d] = intercept
                        certificates[f, r] = [point.certificate for point in found]
                        iterations[f, r] = [max(1, point.iterations) for point in found]
                        points[f].append(found)
            self.classes_ = labels.classes
            self.Cs_, self.l1_ratios_, self.certificates_ = Cs, ratios, certificates
            job, total = self._job(labels, weights, None)
            with runner(X, control) as whole:
                if self.refit:
                    c, r = _best(values.sum(axis=0))
                    C, share, jobs = float(Cs[c]), float(ratios[r]), [job]
                    job.start = _flat(paths_[:, r, c].mean(axis=0), d, control.fit_intercept)
                    job.penalty = mixed(1.0 / (C * total), share)
                    chosen = whole.path(job, [job.penalty], job.start)
                else:
                    best = [_best(own) for own in values]
                    C, share = float(np.mean([Cs[c] for c, _ in best])), float(np.mean([ratios[r] for _, r in best]))
                    chosen = [own[r][c] for own, (c, r) in zip(points, best, strict=True)]
                    penalty = mixed(1.0 / (C * total), share)
                    jobs = [Job(job.y, job.p, job.loss, penalty, job.n_outputs) for _ in chosen]
                    for f, one in enumerate(jobs):
                        one.label = f"fold {f}"
                    whole.plan = {"name": self.solver, "why": "the mean of the folds' best points", "notes": []}
                seconds = {"solve": time.perf_counter() - began, "certify": 0.0, "compile": 0.0, "validate": 0.0}
                solution = solution_of(whole, jobs, chosen, seconds | {"total": time.perf_counter() - began})
            self._record(solution, jobs[:1], control, weights.total, weights.raw is not None)
            if not self.refit:
                self._objective += f", the mean over {len(jobs)} folds"
            coef, intercept = coefficients(chosen, d, outputs, control.fit_intercept)
            self.coef_, self.intercept_ = coef.mean(axis=0), intercept.mean(axis=0)
            self._publish(C, share, values, paths_, iterations, outputs)
        conclude(self, certificates)
        return self

    # ------------------------------------------------------------------------------------------ the grid

    def _grid(self) -> tuple[FloatArray, FloatArray]:
        """Values of C and mixes of penalties."""
        name = type(self).__name__
        if isinstance(self.Cs, int | np.integer):
            Cs: FloatArray = np.logspace(-4.0, 4.0, int(self.Cs))
        else:
            Cs = check_strengths(self.Cs, "Cs", name, zero=False, top=np.inf)
        if self.penalty in ("l1", "l2"):
            return Cs, np.array([1.0 if self.penalty == "l1" else 0.0])
        if self.l1_ratios is None:
            if self.penalty == "elasticnet":
                raise InvalidParameterError(
                    "l1_ratios must be an array-like of numbers between 0 and 1; got None. Give some, e.g. [0.5]."
                )
            return Cs, np.zeros(1)
        ratios = np.asarray(self.l1_ratios)
        if ratios.dtype.kind not in "fiu" or not ((ratios >= 0.0) & (ratios <= 1.0)).all():
            raise InvalidParameterError(
                f"l1_ratios must be an array-like of numbers between 0 and 1; got {self.l1_ratios!r}. Try [0, 0.5, 1]."
            )
        return Cs, ratios.astype(np.float64)

    def _strengths(self) -> tuple[float, float]:
        """(l1_ratio, C) that were chosen."""
        return float(np.ravel(self.l1_ratio_)[0]), float(np.ravel(self.C_)[0])

    # ------------------------------------------------------------------------------------------- the runs

    def _job(self, labels: Labels, weights: Weights, rows: Any) -> tuple[Job, float]:
        """The problem of some rows, or of all, and the sum of their weights."""
        k = len(labels.classes)
        codes = labels.codes if rows is None else labels.codes[rows]
        s = weights.raw if rows is None or weights.raw is None else check_weights(weights.raw[rows], len(codes))
        own = weights if rows is None else normalise(s, len(codes))
        if k == 2:
            return Job(np.where(codes == 1, 1.0, -1.0), own.p, get_loss("logistic"), NoPenalty()), own.total
        return Job(np.ascontiguousarray(codes), own.p, get_loss("softmax"), NoPenalty(), k), own.total

    def _points(self, runs: Runner, job: Job, Cs: FloatArray, ratio: float, total: float) -> list[Point]:
        """Certified points for the values of C, in their order; followed from the smallest on."""
        order = np.argsort(Cs, kind="stable")
        found = runs.path(job, [mixed(1.0 / (float(Cs[i]) * total), float(ratio)) for i in order])
        out: list[Any] = [found[-1]] * len(Cs)  # Ctrl-C: later points are the last one that there is
        for i, point in zip(order, found, strict=False):
            out[i] = point
        return out

    # -------------------------------------------------------------------------------------------- scoring

    def _scorer_for(
        self, X: Any, y: AnyArray, classes: AnyArray, params: dict[str, Any]
    ) -> Callable[[FloatArray, FloatArray], FloatArray]:
        """``score(coefs, intercepts)`` of all points of a path on the rows left out."""
        if self.scoring is None or self.scoring == "accuracy":
            weights = params.get("sample_weight")

            def accuracy(coef: FloatArray, intercept: FloatArray) -> FloatArray:
                m, k, d = coef.shape
                Z = scores(X, coef.reshape(m * k, d), intercept.ravel()).reshape(-1, m, k)
                codes = (Z[:, :, 0] > 0.0).astype(np.intp) if k == 1 else Z.argmax(axis=2)
                return np.average(classes[codes] == y[:, None], axis=0, weights=weights)

            return accuracy
        scorer = _with_labels(get_scorer(self.scoring), classes)
        probe = LogisticRegression()
        probe.classes_, probe.n_features_in_ = classes, X.shape[1]

        def general(coef: FloatArray, intercept: FloatArray) -> FloatArray:
            values = []
            for own, shift in zip(coef, intercept, strict=True):
                probe.coef_, probe.intercept_ = own, shift
                values.append(scorer(probe, X, y, **params))
            return np.array(values)

        return general

    def score(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> float:
        """The value of ``scoring`` on these rows; accuracy where it is None.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
        **params
            For the scorer.
        """
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        return float(get_scorer(self.scoring or "accuracy")(self, X, y, **params))

    # --------------------------------------------------------------------------------------- attributes

    def _publish(
        self,
        C: float,
        share: float,
        values: FloatArray,
        paths: FloatArray,
        iterations: AnyArray,
        outputs: int,
    ) -> None:
        """Attributes in the shapes of scikit-learn, those before 1.10 or those from then on."""
        if not self.use_legacy_attributes:
            self.C_, self.l1_ratio_ = C, share
            self.scores_, self.coefs_paths_, self.n_iter_ = values, paths, iterations
            return
        self.C_, self.l1_ratio_ = np.full(outputs, C), np.full(outputs, share)
        names = self.classes_[1:] if outputs == 1 else self.classes_
        by_C = values.swapaxes(1, 2)  # (folds, Cs, mixes)
        coefs, rounds = paths.swapaxes(1, 2), iterations.swapaxes(1, 2)
        if self.l1_ratios is None:
            by_C, coefs, rounds = by_C[:, :, 0], coefs[:, :, 0], rounds[:, :, 0]
        self.scores_ = {name: by_C.copy() for name in names}
        self.coefs_paths_ = {name: coefs[..., c, :].copy() for c, name in enumerate(names)}
        self.n_iter_ = rounds[None]

    def get_metadata_routing(self) -> Any:
        """What the splitter and the scorer ask for."""
        return router(self, self.cv, get_scorer(self.scoring or "accuracy"), score_too=True)


def _best(values: FloatArray) -> tuple[int, int]:
    """(which C, which mix) of the highest of (mixes, Cs) scores; the first C of equal ones."""
    c, r = divmod(int(np.argmax(values.T)), len(values))
    return c, r


def _rows(params: dict[str, Any], rows: Any, n: int) -> dict[str, Any]:
    """Arguments with an entry a row, restricted to some rows."""

    def cut(value: Any) -> Any:
        array = np.asarray(value)
        return array[rows] if array.ndim == 1 and len(array) == n else value

    return {name: cut(value) for name, value in params.items()}


def _flat(table: FloatArray, d: int, intercept: bool) -> FloatArray:
    """(k, dof) coefficients as the flat parameters of a problem."""
    head = table[:, :d].T.ravel()
    return np.concatenate([head, table[:, d]]) if intercept else head.copy()


def _with_labels(scorer: Any, classes: Sequence[Any] | AnyArray) -> Any:
    """The scorer told of all classes, where it takes them: a fold may lack one."""
    function = getattr(scorer, "_score_func", None)
    if function is None or "labels" not in inspect.signature(function).parameters:
        return scorer
    extra = {"labels": classes}
    if len(classes) == 2 and "pos_label" in inspect.signature(function).parameters:
        extra["pos_label"] = classes[-1]
    return make_scorer(
        function,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **{**extra, **getattr(scorer, "_kwargs", {})},
    )
