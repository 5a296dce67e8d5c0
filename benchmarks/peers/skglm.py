"""skglm: Anderson CD and Gram CD for the lasso and the hinge's dual, prox-Newton for L1 logistic, L-BFGS for L2."""

from __future__ import annotations

import importlib

import numpy as np
from scipy import sparse

from benchmarks.objective import Facts, Problem
from benchmarks.peers import Fitted, Ladder, Peer, ladder


def load() -> None:
    importlib.import_module("skglm")


def variants(facts: Facts) -> dict[str, Ladder]:
    if facts.loss in ("softmax", "squared_hinge"):
        return {}
    if facts.loss == "hinge":
        return {"LinearSVC": ladder(0, -7)}
    if facts.l1 > 0:
        if facts.loss == "logistic":
            return {"ProxNewton": ladder(-1, -8)}
        return {"AndersonCD": ladder(-1, -8)} | ({"GramCD": ladder(-1, -8)} if facts.d <= 5000 else {})
    return {"LBFGS": ladder(-1, -8)}


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    from skglm.datafits import Logistic, Quadratic
    from skglm.penalties import L1, L2
    from skglm.solvers import LBFGS, AndersonCD, GramCD, ProxNewton

    if variant == "LinearSVC":
        return _hinge(problem, rung), {}
    solver = {
        "ProxNewton": lambda: ProxNewton(tol=rung, max_iter=200, max_pn_iter=10**4, fit_intercept=False),
        "AndersonCD": lambda: AndersonCD(tol=rung, max_iter=500, max_epochs=10**5, fit_intercept=False),
        "GramCD": lambda: GramCD(tol=rung, max_iter=10**5, fit_intercept=False),
        "LBFGS": lambda: LBFGS(tol=rung, max_iter=10**5),
    }[variant]()
    datafit = Logistic() if problem.loss == "logistic" else None if variant == "GramCD" else Quadratic()
    penalty = L1(problem.l1) if problem.l1 > 0 else L2(problem.l2)
    X = problem.X
    X = X.tocsc() if sparse.issparse(X) else np.asfortranarray(X)
    w, _, _ = solver.solve(X, problem.y, datafit, penalty)
    return np.asarray(w, dtype=np.float64).ravel(), {}


def _hinge(problem: Problem, rung: float) -> np.ndarray:
    from skglm import LinearSVC

    model = LinearSVC(C=1 / (len(problem.y) * problem.l2), tol=rung, max_iter=200, max_epochs=10**4)
    model.fit(problem.X, problem.y)
    return np.asarray(model.coef_, dtype=np.float64).ravel()


PEER = Peer("skglm", ("skglm",), load, variants, fit, jit=True)
