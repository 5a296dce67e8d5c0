"""Estimators that go on from where they stopped: ``partial_fit``, and ``fit`` of data larger than memory.

Contract: k calls of ``partial_fit`` with the same rows are one ``fit`` with ``max_iter=k`` and ``tol=None``, bit for
bit, before and after a model was stored.  All that a call needs of those before it is the *memory* of the solver: last
iterate, state of the rule, number of steps and epochs, schedule, average.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from steepest.estimators.base import LinearModel, shortened, untouched_by_errors
from steepest.estimators.batches import Batches
from steepest.estimators.jobs import Control, Job, Solution, make_problem
from steepest.estimators.objective import describe
from steepest.estimators.rates import rule_value, schedule
from steepest.estimators.targets import (
    Weights,
    check_numbers,
    normalise,
)
from steepest.estimators.validation import FLOATS
from steepest.exceptions import DataError, InvalidParameterError
from steepest.protocols import AnyArray, Certificate, FloatArray, Status
from steepest.record.history import History
from steepest.record.record import FitRecord

UNMEASURED = "partial_fit measures nothing: call {count} of {rows} rows so far. {instead}"


def make_solver(model: Any, seed: int, observed: bool, kind: Any, **options: Any) -> Any:
    """The solver that an estimator's parameters describe.

    Parameters
    ----------
    model : Incremental
    seed : int
    observed : bool
        Whether a schedule may look at the objective, the gap may steer a rate, and a proof is asked for.
    kind : class
        `StochasticGradient`, or one with its options.
    options
        Others.
    """
    return kind(
        **options,
        learning_rate=schedule(
            model.learning_rate,
            alpha=_strength(model.penalty, float(model.alpha)),
            eta0=float(model.eta0),
            power_t=float(model.power_t),
            patience=int(model.n_iter_no_change),
            observed=observed,
        ),
        order=model.order if model.order is not None else ("shuffled" if model.shuffle else "cyclic"),
        batch_size=model.batch_size,
        average=model.average,
        seed=seed,
        steer=observed,
        evaluate="geometric" if observed else "rarely",
    )


def _strength(penalty: Any, alpha: float) -> float:
    """What "optimal" takes for the strength of the penalty: alpha, as in scikit-learn, or that of a value."""
    return alpha if isinstance(penalty, str | None) else float(penalty.l1) + float(penalty.l2)


def seed_of(random_state: Any) -> int:
    """The seed of the orders: None is 0, an integer itself, a generator draws one."""
    if random_state is None:
        return 0
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31 - 1))
    return int(check_random_state(random_state).randint(2**31 - 1))


class Incremental(LinearModel):
    """What classifiers and regressors that go on share; a mixin before their bases."""

    n_iter_: int
    t_: float
    _memories: list[Any] | None
    _rule: str  # whose they are
    _mean: float | None  # the mean weight of the rows of the first call
    _rows_seen: float
    _calls: int

    # ------------------------------------------------------------------------------------------------ fit

    def _stopping(self) -> tuple[float | None, int | None]:
        """scikit-learn's early stopping, or a patience for rows that are given."""
        fraction = float(self.validation_fraction) if self.early_stopping else None
        patience = self.patience
        return fraction, int(self.n_iter_no_change) if patience is None and self.early_stopping else patience

    def _control(self) -> Control:
        control = super()._control()
        seed, observed = seed_of(self.random_state), self.tol is not None
        self._seed = seed
        control.make = lambda: self._solver(seed, observed)
        return control

    def _solver(self, seed: int, observed: bool) -> Any:
        from steepest.solvers.stochastic import StochasticGradient

        # by its name the solver lets a rule hold the penalty of the problem
        given, value = self.optimizer, rule_value(self.optimizer)
        rule = given if isinstance(given, str) else value
        return make_solver(self, seed, observed, StochasticGradient, rule=rule)

    def _finish(self, solution: Solution, data: Any, jobs: Any, fit_intercept: bool) -> None:
        super()._finish(solution, data, jobs, fit_intercept)
        self.n_iter_ = int(max(solution.iterations))
        self._mean = data.weights.total / data.X.shape[0]
        self._rows_seen, self._calls = data.weights.total, 0
        self._memories = [_at(m, w) for m, w in zip(solution.memories, solution.weights, strict=True)]
        self._rule = rule_value(self.optimizer).name
        self._count()
        if hasattr(self, "_process"):
            del self._process

    def _count(self) -> None:
        memory = self._memories[0] if self._memories else None
        self.t_ = 1.0 + (0.0 if memory is None else float(memory.t))

    # ---------------------------------------------------------------------------------------- partial_fit

    def _partial(self, X: Any, y: Any, sample_weight: Any, classes: Any) -> Self:
        began = time.perf_counter()
        with untouched_by_errors(self):
            parameters = self._prepared()
            fresh = not hasattr(self, "coef_")
            data = self._encode_more(X, y, sample_weight, classes, fresh)
            self._epoch(data, fresh)
            self._note(data, parameters, time.perf_counter() - began)
        return self

    def _prepared(self) -> dict[str, Any]:
        """Checks parameters where they differ from those of the last call; returns them as the record keeps them."""
        given = [self.__dict__.get(name) for name in self._get_param_names()]
        kept = self.__dict__.get("_process")
        if kept is None or len(kept[0]) != len(given) or any(a is not b for a, b in zip(kept[0], given, strict=True)):
            self._check_parameters()
            if self.early_stopping:
                raise InvalidParameterError("early_stopping should be False with partial_fit: no rows can be held out.")
            if isinstance(getattr(self, "class_weight", None), str):
                raise InvalidParameterError(
                    "class_weight 'balanced' is not supported for partial_fit: a batch does not tell how often a class "
                    "comes. Pass a dict, for example of sklearn.utils.class_weight.compute_class_weight on all labels."
                )
            if not hasattr(self, "_seed"):
                self._seed = seed_of(self.random_state)
            solver = self._solver(self._seed, False)
            solver.evaluate = "never"
            brief = {name: shortened(value) for name, value in self.get_params(deep=False).items()}
            self._process = kept = (given, solver, brief)
        return kept[2]

    def _encode_more(self, X: Any, y: Any, sample_weight: Any, classes: Any, fresh: bool) -> Any:
        """Validated rows of a further batch, as `_encode` gives those of a fit."""
        raise NotImplementedError

    def _rows_of(self, X: Any, y: Any, numeric: bool, fresh: bool) -> tuple[Any, AnyArray]:
        """Checked rows; plain arrays, and compressed rows, without the price of scikit-learn's checks."""
        if type(y) is np.ndarray and y.ndim == 1 and "feature_names_in_" not in self.__dict__ and _finite(X):
            known = y.dtype.kind in "iub" or (y.dtype.kind == "f" and np.isfinite(y.sum()))
            same = X.shape[0] == len(y) and (fresh or X.shape[1] == self.n_features_in_)
            if same and (known or (y.dtype.kind in "US" and not numeric)):
                self.n_features_in_ = int(X.shape[1])
                return X, y
        if numeric:
            check_numbers(y)
        X, y = validate_data(
            self,
            X,
            y,
            reset=fresh,
            accept_sparse="csr",
            accept_large_sparse=True,
            dtype=FLOATS,
            y_numeric=numeric,
        )
        return X, np.asarray(y)

    def _weighed(self, s: FloatArray | None, n: int) -> Weights:
        weights = normalise(s, n)
        if getattr(self, "_mean", None) is None:
            self._mean = weights.total / n
        return weights

    def _epoch(self, data: Any, fresh: bool) -> None:
        """One epoch over the rows of every job; sets coefficients."""
        from steepest.data.source import as_source
        from steepest.solvers.rates import bounded
        from steepest.solvers.streamed import advance_once, finite

        jobs: list[Job] = self._problems(data)
        own = bool(self.fit_intercept)
        solver = self._process[1]
        if fresh:
            self._memories, self._rows_seen, self._calls = None, 0.0, 0
        kept = self._usable(jobs, data.X.shape[1] + own, solver.name)
        if None in kept and not fresh:
            self._starts(jobs, data.X.shape[1], own)
        source, n = as_source(data.X), data.X.shape[0]
        weights, memories = [], []
        assert self._mean is not None
        for job, memory in zip(jobs, kept, strict=True):
            problem = make_problem(source, job, own)
            if memory is not None and not isinstance(solver.learning_rate, str):
                memory.schedule = solver.learning_rate  # a rate may be changed between two calls
            elif memory is not None:
                memory.schedule = bounded(problem, solver.rule, solver.batch_size, memory.schedule)
            solver.memory = memory
            solver.mean_weight = data.weights.total / n / self._mean
            with np.errstate(all="ignore"):
                done = advance_once(solver, problem, problem.start() if job.start is None else job.start)
            if not finite(done):
                raise DataError(
                    f"learning_rate: the steps diverged, {job.label or 'the parameters'} are not finite after this "
                    "epoch; the model stays as it was. Use learning_rate='auto', or a smaller rate, and scale the "
                    "columns."
                )
            memories.append(solver.memory)
            weights.append(solver.memory.point())
        self._memories, self._rule = memories, solver.name
        solver.memory = None
        self._set_coefficients(weights, data, jobs[0].n_outputs, own)

    def _usable(self, jobs: list[Job], size: int, rule: str) -> list[Any]:
        """The memories of earlier calls; None where there is none, or parameters changed what it would mean."""
        memories = getattr(self, "_memories", None)
        if memories is None or len(memories) != len(jobs) or self._rule != rule:
            return [None] * len(jobs)
        return [m if m is not None and len(m.w) == size * jobs[0].n_outputs else None for m in memories]

    def _starts(self, jobs: list[Job], d: int, own: bool) -> None:
        """A model without a memory goes on from its coefficients."""
        k = jobs[0].n_outputs if len(jobs) == 1 else len(jobs)
        found = self._previous(k, d)
        if found is None:
            raise InvalidParameterError(
                f"loss: expected one with the scores a row of the calls before, {len(np.atleast_2d(self.coef_))}, got "
                f"{k} with {self.loss!r}. Make a new estimator."
            )
        W, b = found
        if jobs[0].n_outputs > 1:
            jobs[0].start = np.concatenate([W.T.ravel(), b if own else b[:0]])
            return
        for row, job in enumerate(jobs):
            job.start = np.append(W[row], b[row]) if own else W[row].copy()

    def _set_coefficients(self, weights: list[FloatArray], data: Any, outputs: int, own: bool) -> None:
        raise NotImplementedError

    def _note(self, data: Any, parameters: dict[str, Any], seconds: float) -> None:
        """What can be said of a call: how many there were, and that nothing is proven."""
        self._calls += 1
        self._rows_seen += data.weights.total
        self.n_iter_ = 1
        self._count()
        self._objective = ""  # said when it is asked for
        instead = "fit, or fit_batches, proves a bound"
        reason = UNMEASURED.format(count=self._calls, rows=f"{self._rows_seen:.10g}", instead=instead)
        nan, inf = float("nan"), float("inf")
        self.certificate_ = Certificate(
            "none", inf, inf, self.tol or 0.0, False, "nothing", nan, nan, Status.APPROXIMATE, reason
        )
        self.history_ = History()
        self.fit_record_ = FitRecord(
            estimator=type(self).__name__,
            objective="",
            parameters=parameters,
            data={"n_samples": data.X.shape[0], "n_features": data.X.shape[1]},
            solver={"name": self._process[1].name, "why": "partial_fit", "options": {}, "notes": []},
            seconds={"total": seconds},
            passes=1.0,
            iterations=1,
            certificate=self.certificate_,
            history=self.history_,
        )

    @property
    def objective_(self) -> str:
        """The exact function that was minimised, with its numbers; the sum is over all rows seen."""
        said = LinearModel.objective_.fget(self)  # type: ignore[attr-defined]
        if not said:
            data, memories = self._stub(), self._memories or []
            jobs = self._problems(data)
            said = describe(
                jobs[0].loss,
                jobs[0].penalty,
                total=self._rows_seen,
                weighted=abs(self._rows_seen - round(self._rows_seen)) > 0.0,
                intercept=bool(self.fit_intercept),
                n_outputs=jobs[0].n_outputs,
            ) + (f", for each of {len(memories)} targets" if len(memories) > 1 else "")
            self._objective = said
        return str(said)

    def _stub(self) -> Any:
        """Data of one row, for the form of the problems."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_process", None)  # made again from the parameters
        return state

    # ---------------------------------------------------------------------------------------- fit_batches

    def _stream(self, batches: Any, classes: Any, max_iter: int | None) -> Self:
        with untouched_by_errors(self):
            began = time.perf_counter()
            self._check_parameters()
            if self.early_stopping:
                raise InvalidParameterError(
                    "early_stopping should be False with fit_batches: no rows can be held out. Keep a batch for tests."
                )
            control = self._control()
            if max_iter is not None:
                control.max_iter = max_iter
            data = self._encode_batches(Batches(self, batches), classes)
            jobs = self._problems(data)
            if getattr(self, "warm_start", False):
                self._place(jobs, data, None, None, control.notes)
            weights = data.weights
            solution = self._run(data.X, jobs, control, began, weights.total, weights.raw is not None)
            self._duals = None
            self._finish(solution, data, jobs, control.fit_intercept)
        self._conclude()
        return self

    def _encode_batches(self, batches: Batches, classes: Any) -> Any:
        """The stream as X, and targets and weights of all rows."""
        raise NotImplementedError


def _at(memory: Any, w: FloatArray) -> Any:
    """The memory of a solver, moved to the parameters that were chosen in the end; None where it cannot be."""
    if memory is None or np.array_equal(memory.point(), w):
        return memory
    if memory.state.size and np.any(memory.state):
        return None  # what a rule remembers belongs to where it was
    return replace(memory.copy(), w=w.copy(), mean=None if memory.mean is None else w.copy())


def _finite(X: Any) -> bool:
    """Whether X is a plain float matrix, or compressed rows, of finite numbers."""
    if type(X) is np.ndarray:
        plain = X.ndim == 2 and X.size > 0 and X.dtype in FLOATS
        return plain and bool(np.isfinite(X.sum()))
    if not sp.issparse(X) or X.format != "csr" or X.dtype not in FLOATS or 0 in X.shape:
        return False
    return bool(np.isfinite(X.data.sum()))
