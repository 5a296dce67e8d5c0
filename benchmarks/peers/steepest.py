"""steepest, by its public estimators; ``tol`` is the relative suboptimality to be proven.

The variants are the default solver with one and two threads; the environment variable STEEPEST_RACE_SOLVERS (names
separated by commas) adds others for comparison.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from benchmarks.objective import Facts, Problem
from benchmarks.peers import Fitted, Ladder, Peer, ladder


def load() -> None:
    importlib.import_module("steepest").LogisticRegression  # noqa: B018  (public names are lazy)


def variants(facts: Facts) -> dict[str, Ladder]:
    solvers = ["auto", *filter(None, os.environ.get("STEEPEST_RACE_SOLVERS", "").split(","))]
    loosest = 0 if facts.loss in ("hinge", "squared_hinge") else -1
    return {f"{solver} {threads}t": ladder(loosest, -8) for solver in solvers for threads in (2, 1)}


def estimator(problem: Problem, **shared: Any) -> Any:
    """The estimator that a user would take for this objective."""
    import steepest

    n = len(problem.y)
    if problem.loss == "softmax":
        return steepest.LinearClassifier(loss="softmax", penalty="l2", alpha=problem.l2, **shared)
    if problem.loss == "logistic":
        kind = {"C": 1 / (n * problem.l1), "l1_ratio": 1.0} if problem.l1 > 0 else {"C": 1 / (n * problem.l2)}
        return steepest.LogisticRegression(**kind, **shared)
    if problem.loss in ("hinge", "squared_hinge"):
        return steepest.LinearSVC(loss=problem.loss, C=1 / (n * problem.l2), **shared)
    if problem.l1 > 0:
        return steepest.Lasso(alpha=problem.l1, **shared)
    return steepest.Ridge(alpha=problem.l2 * n, **shared)


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    solver, threads = variant.split()
    shared = {"tol": rung, "n_jobs": int(threads[0]), "fit_intercept": False, "on_unconverged": "ignore"}
    model = estimator(problem, **shared, **({} if solver == "auto" else {"solver": solver}))
    model.fit(problem.X, problem.y)
    coef = np.asarray(model.coef_, dtype=np.float64)
    certificate, record = model.certificate_, model.fit_record_
    said = {
        "certified": float(certificate.relative) if certificate.bounds == "suboptimality" else None,
        "gap": float(certificate.value) if certificate.bounds == "suboptimality" else None,
        "primal": float(certificate.primal),
        "status": str(certificate.status),
        "solver": str(record.solver.get("name")),
        "passes": float(record.passes),
        "split": {name: float(seconds) for name, seconds in record.seconds.items()},
    }
    return (coef.T if problem.loss == "softmax" else coef.ravel()), said


PEER = Peer("steepest", ("steepest", "numba"), load, variants, fit, jit=True)
