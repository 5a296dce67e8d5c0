"""Structured prediction: labels of any kind, described by an oracle."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from steepest.certify.structured import certify_structured
from steepest.estimators.base import LinearModel, shortened, untouched_by_errors
from steepest.estimators.parameters import BOOL, NONE, Rule, Rules, one_of, real
from steepest.estimators.targets import Weights, check_weights, normalise
from steepest.exceptions import DataError
from steepest.jit import compile_clock
from steepest.parallel import Pool, effective_jobs, one_blas_thread
from steepest.penalties import alpha_from_C
from steepest.problems.structured import StructuredProblem
from steepest.protocols import FloatArray
from steepest.record.observers import watching
from steepest.record.record import FitRecord
from steepest.solvers.loop import Limits, Outcome, run
from steepest.structured.cutting_plane import CuttingPlanes
from steepest.structured.frank_wolfe import FrankWolfe
from steepest.structured.oracle import bound_planes, check_oracle

SOLVERS = ("frank_wolfe", "cutting_planes")
CHECKED = 3  # examples on which an oracle is tried before a fit

_ORACLE = Rule(
    "an oracle with the methods size, joint_feature, loss and maximise",
    lambda v: all(callable(getattr(v, name, None)) for name in ("size", "joint_feature", "loss", "maximise")),
)


def fit_planes(
    model: Any,
    planes: Any,
    weights: Weights,
    alpha: float,
    formula: str,
    began: float,
    start: FloatArray | None = None,
) -> FloatArray:
    """Minimise a structured hinge; returns w, flat, and sets what an estimator says about its fit.

    Sets ``certificate_``, ``history_``, ``fit_record_``, ``n_iter_``, ``n_oracle_calls_``, ``slacks_`` and the
    objective.

    Parameters
    ----------
    model : estimator
        With ``solver``, ``tol``, ``max_iter``, ``max_time``, ``n_jobs``, ``verbose``; ``average`` and ``random_state``
        where it has them.
    planes : Planes
    weights : Weights
    alpha : float
        Strength of the penalty.
    formula : str
        The hinge of an example in words, ``max_y [ ... ]``.
    began : float
        When the fit began, by `time.perf_counter`.
    start : array of shape (d width,), optional
        Where the oracle is asked first.
    """
    validated = time.perf_counter() - began
    name = type(model).__name__
    with ExitStack() as stack:
        clock = stack.enter_context(compile_clock())
        stack.enter_context(one_blas_thread())
        stack.enter_context(np.errstate(all="ignore"))  # loop and certificate judge the numbers themselves
        pool = Pool(effective_jobs(model.n_jobs))
        stack.callback(pool.close)
        observers = list(stack.enter_context(watching()))
        if model.verbose:
            from steepest.record.progress import Progress

            progress = Progress(title=name)
            stack.callback(progress.close)
            observers.append(progress)
        problem = StructuredProblem(planes, weights.p, alpha, pool)
        solver = _solver(model)
        tol = float(model.tol)
        outcome = run(
            solver,
            problem,
            problem.start() if start is None else start,
            limits=Limits(tol, model.max_iter, model.max_time, lambda: float(clock.seconds)),
            certify=lambda w, status, reason, dual: certify_structured(
                problem, w, solver.proposal(), tol=tol, status=status, reason=reason, null_value=_null(solver)
            ),
            null_value=1.0,  # every round carries its own bound
            observers=observers,
            info={"title": name, "solver": solver.name},
        )
        last = problem.last
        model.slacks_ = (last if np.array_equal(last.w, outcome.w) else problem.evaluate(outcome.w)).extra["hinges"]
    seconds = {"validate": validated, "compile": clock.seconds, "total": time.perf_counter() - began}
    _keep(model, problem, solver, outcome, weights, formula, seconds)
    return outcome.w


def _solver(model: Any) -> Any:
    if model.solver == "cutting_planes":
        return CuttingPlanes(near=float(model.tol))
    random_state = getattr(model, "random_state", None)
    if not isinstance(random_state, int | np.integer | type(None)):
        random_state = (
            random_state.integers(2**31) if hasattr(random_state, "integers") else random_state.randint(2**31)
        )
    return FrankWolfe(bool(getattr(model, "average", False)), int(random_state or 0), near=float(model.tol))


def _null(solver: Any) -> float:
    """P at zero, where the solver has come to know it."""
    return float(solver.state.null) if solver.state is not None else 0.0


def _keep(
    model: Any,
    problem: StructuredProblem,
    solver: Any,
    outcome: Outcome,
    weights: Weights,
    formula: str,
    seconds: dict[str, float],
) -> None:
    """Sets the attributes that say what was minimised, what is proven and how it went."""
    source, name = problem.source, type(model).__name__
    plain = problem.plain
    s = "s_i " if weights.raw is not None else ""
    model._objective = (
        f"P(w) = (1/{weights.total:.10g}) sum_i {s}{formula} + {problem.alpha:.6g}/2 |w|_2^2,  {problem.size} weights"
    )
    model.certificate_ = outcome.certificate
    model.history_ = outcome.history
    model.n_iter_ = outcome.iterations
    model.n_oracle_calls_ = problem.calls
    why = {
        "frank_wolfe": "steps on the weights of kept planes, between the oracle's answers",
        "cutting_planes": "as asked: one plane a round, whatever the number of examples",
    }
    model.fit_record_ = FitRecord(
        estimator=name,
        objective=model._objective,
        parameters={key: shortened(value) for key, value in model.get_params(deep=False).items()},
        data={
            "n_samples": int(problem.planes.n),
            "n_features": problem.size if plain else int(source.shape[1]),
            "n_outputs": 1 if plain else problem.width,
            "nnz": 0 if plain else int(source.nnz),
            "density": 0.0 if plain else float(source.nnz) / max(1, source.shape[0] * source.shape[1]),
            "dtype": str(source.dtype),
            "kind": "oracle" if plain else source.kind,
            "bytes": 0 if plain else int(source.nbytes),
            "n_oracle_calls": problem.calls,
        },
        solver={
            "name": solver.name,
            "why": why[solver.name],
            "expected": "10 to 100 rounds of oracle calls" if solver.name == "frank_wolfe" else "50 to 1000 rounds",
            "options": {},
            "notes": [*source.notes, *outcome.notes],
        },
        seconds={**outcome.seconds, **seconds},
        passes=float(problem.passes),
        iterations=outcome.iterations,
        certificate=outcome.certificate,
        history=outcome.history,
    )


def _sequence(name: str, values: Any) -> Sequence[Any]:
    """Examples or labels that can be counted and taken by their number."""
    if hasattr(values, "iloc"):
        values = values.to_numpy()
    if sp.issparse(values):
        return values.tocsr()  # type: ignore[no-any-return]
    if hasattr(values, "__getitem__") and hasattr(values, "__len__") and not isinstance(values, str | bytes | dict):
        if isinstance(values, np.ndarray) and values.ndim == 0:
            raise DataError(f"{name}: expected a sequence with one item an example, got a single number.")
        return values  # type: ignore[no-any-return]
    raise DataError(
        f"{name}: expected a sequence with one item an example, as a list or an array, got {type(values).__name__}. "
        "Make a list of it."
    )


def _count(values: Any) -> int:
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


class StructuredSVM(LinearModel):
    """A support vector machine for labels of any kind: sequences, sets, trees, matchings.

    ::

        P(w) = (1/S) sum_i s_i max_y [ Delta(y_i, y) + w.phi(x_i, y) - w.phi(x_i, y_i) ] + alpha/2 |w|_2^2

    with ``S = sum s_i``, the joint features ``phi``, and the loss ``Delta`` between labels.  Labels are never listed:
    an *oracle* says which one is the largest.  The prediction is the label with the largest ``w.phi(x, y)``.

    The certificate is a duality gap.  Its lower half is proven by planes, labels with weights, alone; the upper half
    is the value that the oracle finds at the final w, so the proof is as good as ``oracle.maximise``.  An oracle that
    says ``exact = False``, or is caught missing a larger label, proves nothing, and the certificate says so.

    Parameters
    ----------
    oracle : Oracle
        An object with the methods of `steepest.structured.Oracle`: ``size``, ``joint_feature``, ``loss``,
        ``maximise``.  It is tried on a few examples before a fit, see `steepest.structured.check_oracle`.
    alpha : float, default=1e-2
        Strength of the penalty, for the mean over examples.
    C : float or None, default=None
        The other spelling, ``alpha = 1 / (C S)``; in the place of ``alpha`` where it is given.
    solver : {"auto", "frank_wolfe", "cutting_planes"}, default="auto"
        Block-coordinate Frank-Wolfe with kept planes, or one-slack cutting planes; "auto" is the first.
    average : bool, default=False
        Whether "frank_wolfe" measures weighted means of its points.
    tol : float, default=1e-4
        Relative suboptimality that the certificate must prove.
    max_iter : int or None, default=1000
        Rounds, each a call of the oracle for every example.
    max_time : float or None, default=None
        Seconds for the solver, without those of compiling.
    warm_start : bool, default=False
        Whether a fit asks the oracle first at the weights of the last one.
    n_jobs : int or None, default=None
        Threads for products with features; the oracle is always asked from one.
    random_state : int, RandomState, Generator or None, default=0
        The order in which examples are looked at.
    verbose : int, default=0
    on_unconverged : {"warn", "raise", "ignore"}, default="warn"

    Attributes
    ----------
    coef_ : array of shape (size,)
    oracle_ : Oracle
        The copy of ``oracle`` that has seen the data.
    slacks_ : array of shape (n,)
        The structured hinge of each example: 0 where its label wins by the margin that the loss asks for.
    n_oracle_calls_ : int
        Calls for single examples, with those of the certificate.
    n_iter_ : int
    certificate_, history_, fit_record_, objective_
        See `LogisticRegression`.  The history's gap is that of the best bounds so far, and never rises.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import StructuredSVM
    >>> class Sign:
    ...     def size(self, X, Y):
    ...         return 1
    ...     def joint_feature(self, x, y):
    ...         return np.array([x * y / 2.0])
    ...     def loss(self, y_true, y):
    ...         return float(y != y_true)
    ...     def maximise(self, w, x, y_true=None):
    ...         return max((-1, 1), key=lambda y: (y_true is not None and y != y_true) + w[0] * x * y / 2.0)
    >>> model = StructuredSVM(Sign(), alpha=0.1).fit([3.0, -1.0, 2.0], [1, -1, 1])
    >>> model.predict([5.0, -0.5]), model.certificate_.passed
    ([1, -1], True)
    """

    intercept_ = 0.0
    _rules: ClassVar[dict[str, Rules]] = {
        "oracle": (_ORACLE,),
        "alpha": (real(0),),
        "C": (real(0), NONE),
        "solver": (one_of("auto", *SOLVERS),),
        "average": (BOOL,),
    }

    def __init__(
        self,
        oracle: Any,
        *,
        alpha: float = 1e-2,
        C: float | None = None,
        solver: str = "auto",
        average: bool = False,
        tol: float = 1e-4,
        max_iter: int | None = 1000,
        max_time: float | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = 0,
        verbose: int = 0,
        on_unconverged: str = "warn",
    ) -> None:
        self.oracle = oracle
        self.alpha = alpha
        self.C = C
        self.solver = solver
        self.average = average
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.on_unconverged = on_unconverged

    def fit(self, X: Any, Y: Any, sample_weight: Any = None) -> Self:  # type: ignore[override]
        """Minimise the objective and certify the result.

        Parameters
        ----------
        X, Y : sequences of n items
            Examples and their labels, whatever the oracle takes; arrays and sparse matrices are sequences of rows.
        sample_weight : array-like of shape (n,), optional
            0 counts an example as absent, k as k examples.
        """
        with untouched_by_errors(self):
            self._fit_sequences(_sequence("X", X), _sequence("Y", Y), sample_weight)
        self._conclude()
        return self

    def _fit_sequences(self, X: Sequence[Any], Y: Sequence[Any], sample_weight: Any) -> None:
        began = time.perf_counter()
        self._check_parameters()
        n = _count(Y)
        if _count(X) != n or n == 0:
            raise DataError(f"Y: expected a label for each of the {_count(X)} examples, at least one, got {n}.")
        weights = normalise(check_weights(sample_weight, n), n)
        alpha = float(self.alpha) if self.C is None else alpha_from_C(float(self.C), weights.total)
        oracle = copy.copy(self.oracle)
        check_oracle(oracle, X, Y, n_examples=CHECKED)
        planes = bound_planes(oracle, X, Y)
        size = planes.width * (1 if planes.features is None else planes.features.shape[1])
        start = getattr(self, "coef_", None) if self.warm_start else None
        if start is not None and start.shape != (size,):
            start = None
        formula = "max_y [ Delta(y_i, y) + w.phi(x_i, y) - w.phi(x_i, y_i) ]"
        self.coef_ = fit_planes(self, planes, weights, alpha, formula, began, start)
        self.oracle_ = oracle

    def predict(self, X: Any) -> list[Any]:
        """The label with the largest ``w.phi(x, y)`` for each example, a list.

        Parameters
        ----------
        X : sequence of examples
        """
        check_is_fitted(self)
        X = _sequence("X", X)
        many = getattr(self.oracle_, "maximise_many", None)
        examples = [X[i] for i in range(_count(X))]
        if many is not None:
            return list(many(self.coef_, examples))
        return [self.oracle_.maximise(self.coef_, x) for x in examples]

    def score(self, X: Any, Y: Any, sample_weight: Any = None) -> float:
        """One less the mean loss: ``1 - (1/S) sum_i s_i Delta(y_i, predicted)``; 1 where all is right.

        It may be negative where a loss exceeds 1.

        Parameters
        ----------
        X, Y : sequences of n items
        sample_weight : array-like of shape (n,), optional
        """
        found, Y = self.predict(X), _sequence("Y", Y)
        if _count(Y) != len(found) or not found:
            raise DataError(
                f"Y: expected a label for each of the {len(found)} examples, at least one, got {_count(Y)}."
            )
        losses = np.array([float(self.oracle_.loss(Y[i], y)) for i, y in enumerate(found)])
        weights = normalise(check_weights(sample_weight, len(found)), len(found))
        return 1.0 - float(weights.p @ losses)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags
