"""Logistic regression, binary and multinomial, with scikit-learn's parameters and their meanings."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

from steepest.estimators.classification import Encoded, LinearClassification
from steepest.estimators.jobs import Job
from steepest.estimators.parameters import BOOL, NONE, Rules, one_of, real
from steepest.estimators.solvers import SOLVER
from steepest.losses.registry import get_loss
from steepest.penalties import get_penalty
from steepest.protocols import FloatArray


class LogisticRegression(LinearClassification):
    r"""Logistic (maximum-entropy) regression with a certificate.

    Two classes, y in {-1, +1}::

        P(w, b) = (1/S) sum_i s_i log(1 + exp(-y_i (x_i.w + b))) + (1/(C S)) R(w)

    more classes::

        P(W, b) = (1/S) sum_i s_i (log sum_j exp(z_ij) - z_i,y_i) + (1/(C S)) R(W),   z_i = x_i W + b

    with ``S = sum s_i``, ``R(w) = l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|_2^2``.  This is scikit-learn's
    ``C sum s_i loss_i + R(w)`` over ``C S``: the same minimiser.  The intercept is never penalised.

    Parameters
    ----------
    penalty : {"l1", "l2", "elasticnet", None}, default="deprecated"
        Deprecated in scikit-learn 1.8, where l1_ratio and C say the same; accepted here.
    C : float in (0, inf], default=1.0
        Inverse strength; ``C=inf`` is no penalty.
    l1_ratio : float in [0, 1], default=0.0
        0: L2, 1: L1, between: elastic net.
    dual, intercept_scaling
        Accepted; they choose how LIBLINEAR solves a problem and change nothing here.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.  (In scikit-learn tol means something else for
        every solver.)
    fit_intercept : bool, default=True
    class_weight : dict, "balanced" or None
        Multiplies sample weights; "balanced" makes classes weigh the same.
    random_state : int, RandomState or None
        Not used by the deterministic solvers.
    solver : str, default="auto"
        scikit-learn's names mean the nearest solver here; ``fit_record_.solver`` says which and why.
    max_iter : int or None, default=10000
        Rounds of the solver.
    verbose : int, default=0
        1: live progress on standard error.
    warm_start : bool, default=False
        Begin from the coefficients of the last fit.
    n_jobs : int or None, default=None
        Threads; None: all that BLAS would use, -1: all.  The result has the same bits for any number.
    max_time : float or None, default=None
        Seconds for the solver; those of compiling, in the first fits on a machine, are not counted.
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"
        What to do where the certificate does not prove tol.
    patience : int or None, default=None
        Rounds without improvement on the validation rows after which the fit stops; the best round is the result.
        Validation rows are those given to `fit`, or ``validation_fraction``.
    min_delta : float, default=0.0
        What a round must gain to count as an improvement.
    monitor : "loss", scorer name or callable, default="loss"
        What is watched: the mean loss of the validation rows, or ``scorer(estimator, X, y)``, higher is better.
        Several targets, or classes one against the rest, are watched each on its own.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the rows to hold out where no validation rows are given; stratified for classifiers, drawn by
        ``random_state``.

    Attributes
    ----------
    classes_ : array of shape (k,)
        Sorted labels that have a weight above zero.
    coef_ : array of shape (1, d) or (k, d)
    intercept_ : array of shape (1,) or (k,)
    n_iter_ : array of shape (1,)
    certificate_ : Certificate
        What is proven about the coefficients.
    history_ : History
    fit_record_ : FitRecord
    objective_ : str

    Examples
    --------
    >>> from steepest import LogisticRegression
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> model = LogisticRegression().fit(X, ["no", "no", "yes", "yes"])
    >>> model.predict([[2.5]])
    array(['yes'], dtype='<U3')
    >>> model.certificate_.passed
    True
    """

    _inert: ClassVar[dict[str, Any]] = {"dual": False, "intercept_scaling": 1}
    _rules: ClassVar[dict[str, Rules]] = {
        "penalty": (one_of("l1", "l2", "elasticnet", "deprecated"), NONE),
        "C": (real(0, math.inf, closed="right"),),
        "l1_ratio": (real(0, 1, closed="both"), NONE),
        "dual": (BOOL,),
        "intercept_scaling": (real(0),),
        "solver": SOLVER,
    }

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "auto",
        max_iter: int | None = 10_000,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
        max_time: float | None = None,
        on_unconverged: str = "warn",
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: Any = "loss",
        validation_fraction: float | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.max_time = max_time
        self.on_unconverged = on_unconverged
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.validation_fraction = validation_fraction

    def _problems(self, data: Encoded) -> list[Job]:
        ratio, C = self._strengths()
        k = len(data.labels.classes)
        alpha = 0.0 if math.isinf(C) else 1.0 / (C * data.weights.total)
        name = "none" if alpha == 0.0 else {0.0: "l2", 1.0: "l1"}.get(ratio, "elasticnet")
        loss = get_loss("logistic" if k == 2 else "softmax")
        return self._jobs(loss, get_penalty(name, alpha, ratio), data.labels, data.weights.p)

    def _strengths(self) -> tuple[float, float]:
        """(l1_ratio, C) after the older spelling with ``penalty``."""
        ratio = float(self.l1_ratio) if self.l1_ratio is not None else 0.0
        if isinstance(self.penalty, str) and self.penalty == "deprecated":
            return ratio, float(self.C)
        if self.penalty is None:
            if self.C != 1.0:
                warnings.warn("penalty=None ignores C and l1_ratio. Leave C at its default.", UserWarning, stacklevel=4)
            return 0.0, math.inf
        wanted = {"l2": 0.0, "l1": 1.0}.get(self.penalty)
        if wanted is None:
            return ratio, float(self.C)
        if self.l1_ratio not in (None, 0.0, wanted):
            warnings.warn(
                f"penalty='{self.penalty}' overrides l1_ratio={self.l1_ratio}. Leave one of them at its default.",
                UserWarning,
                stacklevel=4,
            )
        return wanted, float(self.C)

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities of the classes, in the order of ``classes_``; (n, k).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        return self._probabilities(X, "logistic" if self._one_score() else "softmax")

    def predict_log_proba(self, X: Any) -> FloatArray:
        """Logarithms of the probabilities, finite for any finite scores; (n, k).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        """
        return self._log_probabilities(X, "logistic" if self._one_score() else "softmax")

    def _one_score(self) -> bool:
        return len(getattr(self, "classes_", ())) == 2
