"""celer: Lasso and L1 logistic regression with working sets and dual extrapolation."""

from __future__ import annotations

import importlib

import numpy as np

from benchmarks.objective import Facts, Problem
from benchmarks.peers import Fitted, Ladder, Peer, ladder


def load() -> None:
    importlib.import_module("celer")


def variants(facts: Facts) -> dict[str, Ladder]:
    if facts.l1 == 0 or facts.l2 > 0 or facts.loss == "softmax":
        return {}
    return {"Lasso" if facts.loss == "squared" else "LogisticRegression": ladder(-1, -8)}


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    from celer import Lasso, LogisticRegression

    if variant == "Lasso":
        model = Lasso(alpha=problem.l1, fit_intercept=False, tol=rung)
    else:
        model = LogisticRegression(C=1 / (len(problem.y) * problem.l1), fit_intercept=False, tol=rung)
    model.fit(problem.X, problem.y)
    return np.asarray(model.coef_, dtype=np.float64).ravel(), {}


PEER = Peer("celer", ("celer",), load, variants, fit)
