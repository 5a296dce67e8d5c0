"""Linear support vector regression: losses that do not see errors below epsilon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from steepest.estimators.jobs import Job, Solution
from steepest.estimators.margin_attributes import scalar_slopes
from steepest.estimators.margin_constant import WithConstant
from steepest.estimators.parameters import BOOL, Rules, one_of, real
from steepest.estimators.regression import Encoded, LinearRegressionBase
from steepest.estimators.solvers import SOLVER
from steepest.losses.registry import get_loss
from steepest.losses.regression import EpsilonInsensitive, SquaredEpsilonInsensitive
from steepest.penalties import get_penalty
from steepest.protocols import AnyArray


class LinearSVR(WithConstant, LinearRegressionBase):
    r"""Linear support vector regression with a certificate.

    ::

        P(w, b) = (1/S) sum_i s_i loss(x_i.w + b - y_i) + (1/(C S)) |w|_2^2 / 2,      S = sum s_i

    with the loss ``[|r| - epsilon]_+`` or its square.  This is scikit-learn's ``C sum s_i loss_i + |w|^2 / 2`` over
    ``C S``: the same minimiser, but for the intercept, which is not penalised here.

    Parameters
    ----------
    epsilon : float, default=0.0
        Errors up to it cost nothing; in the units of y.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    C : float, default=1.0
        Weight of the losses.
    loss : {"epsilon_insensitive", "squared_epsilon_insensitive"}, default="epsilon_insensitive"
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1.0
        Value of the constant feature where the intercept is penalised; else it changes nothing.
    dual : "auto" or bool, default="auto"
        Accepted; which form is solved is the solver's choice, and ``fit_record_.solver`` says it.
    verbose : int, default=0
    random_state : int, RandomState or None
        Not used: the solvers are deterministic.
    max_iter : int or None, default=10000
        Rounds of the solver.
    penalize_intercept : bool, default=False
        True: LIBLINEAR's problem, in which the intercept is the weight of a constant feature, penalised like all.
    solver : str, default="auto"
    warm_start : bool, default=False
    n_jobs : int or None, default=None
    max_time : float or None, default=None
        Seconds for the solver; those of compiling are not counted.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    coef_ : array of shape (d,)
    intercept_ : float
    dual_coef_ : array of shape (n,)
        Multipliers of the rows with their signs; w is the sum of rows times these.
    support_ : array of int
        Rows whose multiplier is not zero: those with errors of at least epsilon.
    slacks_ : array of shape (n,)
        ``[|z_i - y_i| - epsilon]_+``.
    n_iter_ : int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.

    Examples
    --------
    >>> from steepest import LinearSVR
    >>> model = LinearSVR(C=100.0).fit([[0.0], [1.0], [2.0], [3.0], [4.0]], [0.0, 1.0, 2.0, 3.0, 40.0])
    >>> print(f"{model.predict([[5.0]])[0]:.2f}")
    5.00
    """

    _multi_output = False
    monitor = "loss"  # of validation rows given to fit
    _inert: ClassVar[dict[str, Any]] = {"dual": "auto"}
    _rules: ClassVar[dict[str, Rules]] = {
        "epsilon": (real(0, closed="left"),),
        "C": (real(0, math.inf),),
        "loss": (one_of("epsilon_insensitive", "squared_epsilon_insensitive"),),
        "intercept_scaling": (real(0),),
        "dual": (one_of("auto"), BOOL),
        "penalize_intercept": (BOOL,),
        "solver": SOLVER,
    }

    def __init__(
        self,
        *,
        epsilon: float = 0.0,
        tol: float = 1e-4,
        C: float = 1.0,
        loss: str = "epsilon_insensitive",
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        dual: Any = "auto",
        verbose: int = 0,
        random_state: Any = None,
        max_iter: int | None = 10_000,
        penalize_intercept: bool = False,
        solver: str = "auto",
        warm_start: bool = False,
        n_jobs: int | None = None,
        max_time: float | None = None,
        on_unconverged: str = "warn",
    ) -> None:
        self.epsilon = epsilon
        self.tol = tol
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.dual = dual
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter
        self.penalize_intercept = penalize_intercept
        self.solver = solver
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.max_time = max_time
        self.on_unconverged = on_unconverged

    def _problems(self, data: Encoded) -> list[Job]:
        epsilon, scale = float(self.epsilon), float(self.C) * data.weights.total
        loss: Any
        if self.loss == "epsilon_insensitive":
            loss = EpsilonInsensitive(epsilon) if epsilon > 0.0 else get_loss("absolute")  # type: ignore[call-arg]
            return self._jobs(data, loss, [get_penalty("l2", 1.0 / scale)])
        if epsilon > 0.0:
            loss = SquaredEpsilonInsensitive(epsilon)  # type: ignore[call-arg]  # facts are no fields
            return self._jobs(data, loss, [get_penalty("l2", 1.0 / scale)])
        # r^2 is twice the half square that has a closed form
        return self._jobs(data, get_loss("squared"), [get_penalty("l2", 0.5 / scale)])

    def _finish(self, solution: Solution, data: Encoded, jobs: Sequence[Job], fit_intercept: bool) -> None:
        super()._finish(solution, data, jobs, fit_intercept)
        job = jobs[0]
        z = np.asarray(data.X @ self.coef_, dtype=np.float64) + self.intercept_
        u = scalar_slopes(job, z, solution.duals[0], fit_intercept)
        self.dual_coef_ = -u * job.p / float(job.penalty.l2)
        size = np.abs(self.dual_coef_)
        self.support_: AnyArray = np.flatnonzero(size > 1e-9 * size.max(initial=0.0)).astype(np.int32)
        self.slacks_ = np.maximum(np.abs(z - job.y) - float(self.epsilon), 0.0)
        self._take_constant()
