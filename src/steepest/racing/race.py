"""`race`: the solvers that fit a problem, one after the other under one budget."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.problems.least_squares import LeastSquares
from steepest.protocols import Status
from steepest.racing.live import Live
from steepest.racing.result import Race, Run
from steepest.racing.tracks import DataTrack, Entrant, FunctionTrack, Track

SHORT = 0.25  # seconds of a run below which one measurement is noise
TURNS = 3

#: What only one of the two kinds of race takes, with its default.
_OF_DATA: dict[str, Any] = {
    "loss": "auto", "penalty": "l2", "alpha": 1e-4, "l1_ratio": 0.5, "fit_intercept": True, "sample_weight": None,
    "n_jobs": None, "random_state": 0,
}  # fmt: skip
_OF_FUNCTIONS: dict[str, Any] = {"grad": None, "hess": None, "hessp": None}


def race(
    X: Any,
    y: Any,
    *,
    solvers: Any = None,
    tol: float | None = None,
    max_time: float | None = 10.0,
    max_iter: int | None = None,
    repeat: int | None = None,
    loss: Any = "auto",
    penalty: Any = "l2",
    alpha: float = 1e-4,
    l1_ratio: float = 0.5,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    constraint: Any = None,
    grad: Any = None,
    hess: Any = None,
    hessp: Any = None,
    n_jobs: int | None = None,
    random_state: Any = 0,
    verbose: int = 1,
) -> Race:
    """Run every solver that fits a problem, and say which to use.

    ``race(X, y)`` trains a linear model on rows and targets, ``race(fun, x0)`` minimises a function from a start: the
    first argument is what is given, the second where it leads or begins.  An estimator is not asked for: what it would
    say, loss, penalty and strength, are arguments here.

    Solvers run one after the other, each with the same budget, on code that has been compiled before; what is still
    compiled in a run is taken out of its clock.  Those that do not fit the problem are listed with what they lack.
    Every run is measured from the largest lower bound of the optimum that any of them proved.  Ctrl-C ends the race and
    keeps what has been run.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, d); or callable, or LeastSquares
        Rows; or a function as `minimize` takes it.
    y : array-like of shape (n,); or of shape (d,)
        Targets; or the start.
    solvers : str, sequence or mapping, optional
        Names, pairs ``(name, options)``, or a mapping of names to options; by default all that there are.
    tol : float, optional
        What is to be proven, as in a fit; 1e-6 by default.  Of functions as in `minimize`, 1e-14.
    max_time, max_iter : float, int or None
        Budget of each solver.
    repeat : int, optional
        Runs of each solver, in turns; the fastest counts.  By default one, and three where one takes less than 0.25 s.
    loss : str or loss value
        "auto": "squared" for numbers, "logistic" for two labels, "softmax" for more; whole numbers of at most 50
        different values are labels.
    penalty, alpha, l1_ratio, fit_intercept, sample_weight
        As in `LinearClassifier` and its ``fit``.
    constraint
        On the weights, or of the function, for the estimators or `minimize` to take.
    grad, hess, hessp
        Of a function, as in `minimize`.
    n_jobs : int, optional
        Threads.
    random_state : int, RandomState or None
        For the solvers that draw rows.
    verbose : int
        1 shows a live table on a terminal, and a line a solver elsewhere, on standard error; 0 nothing.

    Returns
    -------
    Race

    Examples
    --------
    >>> import steepest
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> found = steepest.race(X, y, alpha=1e-3, solvers=["lbfgs", "closed_form"], verbose=0)
    >>> found.best.name, found.best.success, list(found.skipped)
    ('lbfgs', True, ['closed_form'])
    >>> bool((found.suboptimality(found.best) >= 0.0).all())
    True
    """
    given = {
        "loss": loss, "penalty": penalty, "alpha": alpha, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept,
        "sample_weight": sample_weight, "n_jobs": n_jobs, "random_state": random_state,
        "grad": grad, "hess": hess, "hessp": hessp,
    }  # fmt: skip
    of_function = callable(X) or isinstance(X, LeastSquares)
    _check(X, of_function, given, repeat, max_time, max_iter)
    limits: dict[str, Any] = {"max_time": max_time, "max_iter": max_iter}
    if constraint is not None:
        limits["constraint"] = constraint
    track: Track
    if of_function:
        limits["tol"] = 1e-14 if tol is None else tol
        track = FunctionTrack(X, y, {"grad": grad, "hess": hess, "hessp": hessp, **limits})
    else:
        limits["tol"] = 1e-6 if tol is None else tol
        own = {name: given[name] for name in _OF_DATA if name not in ("loss", "sample_weight")}
        track = DataTrack(X, y, sample_weight, loss, {**own, **limits})
    entrants = _entrants(track, solvers)
    return _run(track, entrants, limits["tol"], max_time, repeat, Live(track, entrants, max_time) if verbose else None)


def _run(
    track: Track, entrants: Sequence[Entrant], tol: float, max_time: float | None, repeat: int | None, live: Live | None
) -> Race:
    """The race itself."""
    began = time.perf_counter()
    runs: dict[str, Run] = {}
    skipped: dict[str, str] = {}
    compiled, interrupted = 0.0, False
    failure: Exception | None = None
    show = live or _Silent()
    try:
        show.open()
        for turn in range(TURNS if repeat is None else repeat):
            for entrant in entrants:
                before = runs.get(entrant.name)
                if entrant.name in skipped or (repeat is None and before is not None and before.seconds >= SHORT):
                    continue
                show.start(entrant.name)
                try:
                    compiled += track.warm(entrant) if turn == 0 else 0.0
                    run = track.run(entrant, show)
                except IncompatibleError as error:
                    skipped[entrant.name] = _reason(entrant, error)
                    show.skip(entrant.name, skipped[entrant.name])
                    continue
                except InvalidParameterError:
                    raise  # what was asked for is wrong, not the solver
                except Exception as error:  # the others may still arrive
                    failure = failure or error
                    skipped[entrant.name] = f"failed: {error}" if str(error) else f"failed: {type(error).__name__}"
                    runs.pop(entrant.name, None)
                    show.skip(entrant.name, skipped[entrant.name])
                    continue
                compiled += run.compile_seconds
                runs[entrant.name] = _faster(before, run)
                show.done(runs[entrant.name])
                if run.status is Status.INTERRUPTED:  # the loop took the Ctrl-C, and kept what there was
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        if not runs:
            raise
        interrupted = True
        left = [entrant.name for entrant in entrants if entrant.name not in runs and entrant.name not in skipped]
        skipped.update(dict.fromkeys(left, "interrupted"))
    finally:
        show.close()
    if not runs and failure is not None:
        raise failure
    if not runs:
        name, why = next(iter(skipped.items()))
        raise IncompatibleError(
            f"solvers: none of {', '.join(skipped)} fits this problem; '{name}' {why}. Leave solvers out to try all."
        )
    return Race(
        kind=track.kind,
        objective=track.objective,
        where=track.where,
        tol=tol,
        max_time=max_time,
        runs=list(runs.values()),
        skipped=skipped,
        seconds=time.perf_counter() - began,
        compile_seconds=compiled,
        interrupted=interrupted,
        known=track.known,
    )


class _Silent:
    """A table that nobody sees."""

    def open(self) -> None: ...
    def start(self, name: str) -> None: ...
    def round(self, row: dict[str, float]) -> None: ...
    def done(self, run: Run) -> None: ...
    def skip(self, name: str, why: str) -> None: ...
    def close(self) -> None: ...


def _faster(before: Run | None, run: Run) -> Run:
    """Of two runs of one solver the faster, with the times of both; one that was interrupted never counts."""
    if before is None:
        return run
    times = (*before.times, *run.times)
    kept = run if run.seconds < before.seconds and run.status is not Status.INTERRUPTED else before
    return replace(kept, times=times)


def _reason(entrant: Entrant, error: IncompatibleError) -> str:
    """What a solver lacks, without the name of the argument and the advice that a fit would need."""
    text = str(error)
    for start in (f"solver='{entrant.solver}' ", f"solver: '{entrant.solver}' ", f"method: '{entrant.solver}' "):
        text = text.removeprefix(start)
    text = re.split(r"\. (?:Use|Give) |; the loss|; \[", text)[0]  # what would do, and what else there is
    return text.rstrip(".")


def _entrants(track: Track, solvers: Any) -> list[Entrant]:
    """Names and options as a list of entrants with names of their own."""
    if solvers is None:
        return [Entrant(name, name, {}) for name in track.names()]
    if isinstance(solvers, str):
        solvers = [solvers]
    if isinstance(solvers, Mapping):
        solvers = list(solvers.items())
    if not np.iterable(solvers):
        raise InvalidParameterError(
            f"solvers: expected names or pairs (name, options), got {solvers!r}. Leave solvers out to try all."
        )
    found: list[Entrant] = []
    for item in solvers:
        solver, options = item if isinstance(item, tuple) and len(item) == 2 else (item, {})
        if not isinstance(options, Mapping | None):
            raise InvalidParameterError(
                f"solvers: expected names or pairs (name, options), got options {options!r}. Give a dict."
            )
        options = dict(options or {})
        name = solver if isinstance(solver, str) else str(getattr(solver, "name", solver))
        words = ", ".join(f"{key}={value}" for key, value in options.items())
        found.append(Entrant(f"{name}({words})" if words else name, solver, options))
    names = [entrant.name for entrant in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not found or twice:
        what = f"got {twice[0]!r} twice" if twice else "got none"
        raise InvalidParameterError(f"solvers: expected different solvers, {what}. Leave solvers out to try all.")
    return found


def _check(
    X: Any, of_function: bool, given: Mapping[str, Any], repeat: Any, max_time: float | None, max_iter: int | None
) -> None:
    if hasattr(X, "get_params"):
        raise InvalidParameterError(
            f"X: expected rows or a function, got the estimator {type(X).__name__}. "
            "Give X and y, and its loss, penalty and alpha as arguments."
        )
    foreign = _OF_DATA if of_function else _OF_FUNCTIONS
    for name, default in foreign.items():
        value = given[name]
        if value is not default and not (np.isscalar(value) and value == default):
            kind = "a function has none" if of_function else "it belongs to a function"
            raise InvalidParameterError(f"{name}: {kind} in a race of this kind, got {value!r}. Leave it out.")
    if repeat is not None and (isinstance(repeat, bool) or not isinstance(repeat, int | np.integer) or repeat < 1):
        raise InvalidParameterError(f"repeat: expected an integer >= 1 or None, got {repeat!r}. Try 3.")
    if max_time is None and max_iter is None:
        raise InvalidParameterError(
            "max_time: a race needs a limit for solvers that do not arrive, got max_time=None and max_iter=None. "
            "Set one of them."
        )
