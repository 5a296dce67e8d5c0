"""Snap ML: LogisticRegression, LinearRegression and SupportVectorMachine, dual and primal, one and two threads."""

from __future__ import annotations

import importlib

import numpy as np

from benchmarks.objective import Facts, Problem
from benchmarks.peers import Fitted, Ladder, Peer, ladder


def load() -> None:
    importlib.import_module("snapml")


def variants(facts: Facts) -> dict[str, Ladder]:
    if facts.loss == "softmax":
        return {}  # one against the rest only
    if facts.loss in ("hinge", "squared_hinge"):
        return {f"dual {threads}t": ladder(0, -8, half=False) for threads in (1, 2)}
    forms = ("primal",) if facts.l1 > 0 else ("dual", "primal")
    return {f"{form} {threads}t": ladder(0, -8, half=False) for form in forms for threads in (1, 2)}


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    from snapml import LinearRegression, LogisticRegression, SupportVectorMachine

    form, threads = variant.split()
    if problem.loss in ("hinge", "squared_hinge"):
        margin = SupportVectorMachine(
            loss=problem.loss,
            regularizer=len(problem.y) * problem.l2,
            n_jobs=int(threads[0]),
            tol=rung,
            max_iter=10**4,
            fit_intercept=False,
            random_state=0,
        )
        margin.fit(problem.X, problem.y)
        return np.asarray(margin.coef_, dtype=np.float64).ravel(), {}
    model = (LogisticRegression if problem.loss == "logistic" else LinearRegression)(
        regularizer=len(problem.y) * (problem.l1 or problem.l2),
        penalty="l1" if problem.l1 > 0 else "l2",
        dual=form == "dual",
        n_jobs=int(threads[0]),
        tol=rung,
        max_iter=10**4,
        fit_intercept=False,
        random_state=0,
    )
    model.fit(problem.X, problem.y)
    return np.asarray(model.coef_, dtype=np.float64).ravel(), {}


PEER = Peer("snapml", ("snapml",), load, variants, fit)
