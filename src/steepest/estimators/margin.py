"""Linear support vector classification: hinge or squared hinge, soft or hard margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from steepest.estimators.classification import Encoded, LinearClassification
from steepest.estimators.jobs import Control, Job, Solution
from steepest.estimators.margin_attributes import (
    joint_multipliers,
    joint_scores,
    joint_slacks,
    joint_widths,
    multipliers,
)
from steepest.estimators.margin_constant import WithConstant
from steepest.estimators.margin_hard import C_STEPS, judged, refuse
from steepest.estimators.parameters import ANYTHING, BOOL, Rules, one_of, real
from steepest.estimators.solvers import SOLVER
from steepest.estimators.validation import Rows
from steepest.exceptions import DataError, IncompatibleError
from steepest.losses.margin_multiclass import CrammerSinger, require_scores
from steepest.losses.registry import get_loss
from steepest.penalties import get_penalty
from steepest.protocols import AnyArray, FloatArray

DUAL: Rules = (one_of("auto"), BOOL)


class LinearSVC(WithConstant, LinearClassification):
    r"""Linear support vector machine with a certificate.

    ::

        P(w, b) = (1/S) sum_i s_i loss(y_i z_i) + (1/(C S)) R(w),      z_i = x_i.w + b,  y_i in {-1, +1},  S = sum s_i

    with the loss ``[1 - m]_+`` ("hinge") or its square, and ``R(w) = |w|_2^2 / 2`` or ``|w|_1``.  This is
    scikit-learn's ``C sum s_i loss_i + R(w)`` over ``C S``: the same minimiser, but for the intercept, which is not
    penalised here.  More than two classes are taken one against the rest, or in one problem with weights W of a score
    for each class, ``(1/S) sum_i s_i loss(z_i, y_i) + (1/(C S)) R(W)``, by the loss `CrammerSinger` or `WestonWatkins`.

    Parameters
    ----------
    penalty : {"l2", "l1"}, default="l2"
    loss : {"squared_hinge", "hinge"}, default="squared_hinge"
    dual : "auto" or bool, default="auto"
        Accepted; which form is solved is the solver's choice, and ``fit_record_.solver`` says it.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    C : float, default=1.0
        Weight of the losses.
    multi_class : {"ovr", "crammer_singer", "weston_watkins"}, default="ovr"
        "crammer_singer" is ``max_j [costs_yj + z_j - z_y]``, "weston_watkins" ``sum_j [1 + z_j - z_y]_+`` over wrong
        classes j; both have one problem for all classes and do not look at ``loss``.  Without an intercept, or with one
        that is penalised, "crammer_singer" is LIBLINEAR's ``-s 4`` for the same C.
    costs : array of shape (k, k) or None, default=None
        For "crammer_singer": ``costs[i, j]``, by how much the score of class ``classes_[i]`` must exceed that of
        ``classes_[j]`` in its rows; zero on the diagonal, not negative.  None: 1 for all different classes.
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1
        Value of the constant feature where the intercept is penalised; else it changes nothing.
    class_weight : dict, "balanced" or None
    verbose : int, default=0
    random_state : int, RandomState or None
        Not used: the order of rows is drawn by a fixed seed.
    max_iter : int or None, default=10000
        Rounds of the solver.
    penalize_intercept : bool, default=False
        True: LIBLINEAR's problem, in which the intercept is the weight of a constant feature, penalised like all.
    hard_margin : bool, default=False
        The widest margin without any error: ``|w|^2 / 2`` least with ``y_i z_i >= 1`` for all rows, whatever C and loss
        say.  Two classes that no hyperplane separates raise a `DataError` that says how narrow any margin would be.
    solver : str, default="auto"
    warm_start : bool, default=False
    n_jobs : int or None, default=None
    max_time : float or None, default=None
        Seconds for the solver; those of compiling are not counted.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    classes_ : array of shape (k,)
    coef_ : array of shape (1, d) or (k, d)
        One row for two classes: where they have a score each, the difference of their weights.
    intercept_ : array of shape (1,) or (k,)
    margin_ : float, or array of shape (k,) or (k, k)
        ``2 / |w|``, the width between the lines ``z = -1`` and ``z = 1``; for one problem of all classes that between
        each two, ``(costs_jm + costs_mj) / |w_j - w_m|``.
    dual_coef_ : array of shape (1, n) or (k, n)
        ``y_i a_i`` with the multipliers a_i of the rows, in [0, C s_i] for the hinge; for an l2 penalty ``w`` is the
        sum of rows times these.  For one problem of all classes a column sums to zero and is positive in the row's own
        class alone; for two classes the difference of both.
    support_ : array of int
        Rows with a multiplier above zero, in any of the problems.
    n_support_ : array of shape (k,)
        Their number by class.
    slacks_ : array of shape (n,) or (n, k)
        ``[1 - y_i z_i]_+``; for "crammer_singer" (n,) the worst, for "weston_watkins" (n, k) by wrong class.
    n_iter_ : array of int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import LinearSVC
    >>> X = [[0.0], [1.0], [3.0], [4.0]]
    >>> model = LinearSVC(hard_margin=True).fit(X, ["low", "low", "high", "high"])
    >>> print(f"{model.margin_:.4f}", model.support_)
    2.0000 [1 2]
    """

    monitor = "loss"  # of validation rows given to fit
    _inert: ClassVar[dict[str, Any]] = {"dual": "auto"}
    _rules: ClassVar[dict[str, Rules]] = {
        "penalty": (one_of("l1", "l2"),),
        "loss": (one_of("hinge", "squared_hinge"),),
        "dual": DUAL,
        "C": (real(0, math.inf),),
        "multi_class": (one_of("crammer_singer", "ovr", "weston_watkins"),),
        "costs": (ANYTHING,),  # the loss names what is wrong with them
        "intercept_scaling": (real(0),),
        "penalize_intercept": (BOOL,),
        "hard_margin": (BOOL,),
        "solver": SOLVER,
    }

    def __init__(
        self,
        penalty: str = "l2",
        loss: str = "squared_hinge",
        *,
        dual: Any = "auto",
        tol: float = 1e-4,
        C: float = 1.0,
        multi_class: str = "ovr",
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        max_iter: int | None = 10_000,
        penalize_intercept: bool = False,
        hard_margin: bool = False,
        costs: Any = None,
        solver: str = "auto",
        warm_start: bool = False,
        n_jobs: int | None = None,
        max_time: float | None = None,
        on_unconverged: str = "warn",
    ) -> None:
        self.penalty = penalty
        self.loss = loss
        self.dual = dual
        self.tol = tol
        self.C = C
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter
        self.penalize_intercept = penalize_intercept
        self.hard_margin = hard_margin
        self.costs = costs
        self.solver = solver
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.max_time = max_time
        self.on_unconverged = on_unconverged

    # ----------------------------------------------------------------------------------------- the problem

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.hard_margin and (self.penalty != "l2" or self.multi_class != "ovr" or self.penalize_intercept):
            raise IncompatibleError(
                "hard_margin: expected penalty='l2', multi_class='ovr' and an intercept that is not penalised, got "
                f"penalty={self.penalty!r}, multi_class={self.multi_class!r}, "
                f"penalize_intercept={self.penalize_intercept}. Leave them at their defaults."
            )

        if self.costs is not None and self.multi_class != "crammer_singer":
            raise IncompatibleError(
                f"costs: only multi_class='crammer_singer' takes them, got multi_class={self.multi_class!r}. "
                "Leave them out."
            )

    def _loss(self, k: int) -> Any:
        """The loss of the problem, or of the problems one against the rest."""
        if self.hard_margin:
            return get_loss("hinge")
        if self.multi_class == "ovr":
            return get_loss(self.loss)
        if self.costs is None:
            return get_loss(self.multi_class)
        kind: Any = CrammerSinger  # mypy takes the facts of a loss for fields
        loss = get_loss(kind(self.costs))
        require_scores(loss, k)
        return loss

    def _control(self) -> Control:
        control = super()._control()
        control.keep_scores = True
        return control

    def _encode(self, X: Any, y: Any, sample_weight: Any) -> Encoded:
        data: Encoded = super()._encode(X, y, sample_weight)
        if self.hard_margin and len(data.labels.classes) != 2:
            raise DataError(
                f"y: hard_margin takes two classes, got {len(data.labels.classes)}. "
                "Use OneVsRestClassifier, or a soft margin."
            )
        return data

    def _problems(self, data: Encoded) -> list[Job]:
        C = self._hard_C if self.hard_margin else float(self.C)
        loss = self._loss(len(data.labels.classes))
        return self._jobs(loss, get_penalty(self.penalty, 1.0 / (C * data.weights.total)), data.labels, data.weights.p)

    # --------------------------------------------------------------------------------------- hard margins

    _hard_C = 1.0

    def _fit(self, rows: Rows, watched: Rows, coef_init: Any, intercept_init: Any) -> None:
        if not self.hard_margin:
            super()._fit(rows, watched, coef_init, intercept_init)
            return
        self._check_parameters()
        narrowest = math.inf
        for step in C_STEPS:
            self._hard_C = step
            super()._fit(rows, watched, coef_init, intercept_init)
            found, bound = self._hard
            narrowest = min(narrowest, bound)
            if found:
                break
        else:
            refuse(narrowest)
        del self._hard, self._hard_C

    def _harden(self, X: Any, y: FloatArray, a: FloatArray) -> None:
        """The separating hyperplane with margins of at least 1, and what is proven about it."""
        outcome = judged(X, y, self.coef_[0], float(self.intercept_[0]), a, self.tol, self.fit_intercept)
        self._hard = outcome.certificate is not None, outcome.width
        if outcome.certificate is None:
            return
        self.coef_, self.intercept_ = outcome.w[None, :], np.array([outcome.b])
        self.certificate_ = outcome.certificate
        self.fit_record_.certificate = outcome.certificate
        self._objective = "P(w, b) = 1/2 |w|_2^2,  y_i (x_i.w + b) >= 1 for all i,  y_i in {-1, +1}"
        self.fit_record_.objective = self._objective

    # ------------------------------------------------------------------------------------------- results

    def _finish(self, solution: Solution, data: Encoded, jobs: Sequence[Job], fit_intercept: bool) -> None:
        super()._finish(solution, data, jobs, fit_intercept)
        if jobs[0].n_outputs > 1:
            self._finish_joint(solution, data, jobs[0])
            return
        Y, A, Z = multipliers(data.X, jobs, solution, self.coef_, self.intercept_)
        self._take_constant()
        if self.hard_margin:
            present = data.weights.p > 0.0
            X, y, a = (data.X, Y[0], A[0]) if present.all() else (data.X[present], Y[0][present], A[0][present])
            self._harden(X, y, a)
            if not self._hard[0]:
                return
            Z = (data.X @ self.coef_[0] + self.intercept_[0])[None, :]
        norms = np.sqrt((self.coef_ * self.coef_).sum(axis=1))
        widths = np.divide(2.0, norms, out=np.full_like(norms, np.inf), where=norms > 0.0)
        self.margin_: Any = float(widths[0]) if len(widths) == 1 else widths
        self.dual_coef_ = Y * A
        self._support(A, data)
        slacks = np.maximum(1.0 - Y * Z, 0.0)
        self.slacks_ = slacks[0] if len(slacks) == 1 else np.ascontiguousarray(slacks.T)

    def _support(self, amounts: FloatArray, data: Encoded) -> None:
        used = np.maximum(1e-9 * amounts.max(axis=1, keepdims=True, initial=0.0), 0.0) < amounts
        self.support_: AnyArray = np.flatnonzero(used.any(axis=0)).astype(np.int32)
        self.n_support_ = np.bincount(data.labels.codes[self.support_], minlength=len(self.classes_)).astype(np.int32)

    def _finish_joint(self, solution: Solution, data: Encoded, job: Job) -> None:
        """Multipliers, widths and slacks of one problem of all classes; two classes become one score."""
        Z = joint_scores(data.X, solution, self.coef_, self.intercept_)
        self.dual_coef_ = joint_multipliers(job, Z, solution.duals[0], bool(np.any(self.intercept_)))
        self._support(np.abs(self.dual_coef_).max(axis=0, keepdims=True), data)
        self.slacks_ = joint_slacks(job, Z)
        self._take_constant()
        widths = joint_widths(job, self.coef_)
        self.margin_ = widths
        if len(widths) == 2:
            self.margin_ = float(widths[0, 1])
            self.coef_ = self.coef_[1:] - self.coef_[:1]
            self.intercept_ = self.intercept_[1:] - self.intercept_[:1]
            self.dual_coef_ = self.dual_coef_[1:] - self.dual_coef_[:1]
            if self.slacks_.ndim == 2:
                self.slacks_ = self.slacks_.sum(axis=1)

    def _previous(self, outputs: int, d: int) -> tuple[FloatArray, FloatArray] | None:
        """Two scores that differ by the one of the last fit, halved between them: the least weights that do."""
        if outputs != 2 or self.multi_class == "ovr" or np.shape(self.coef_)[0] != 1:
            return super()._previous(outputs, d)
        one = super()._previous(1, d)
        return None if one is None else (np.vstack([-0.5 * one[0], 0.5 * one[0]]), np.array([-0.5, 0.5]) * one[1][0])
