"""scikit-learn: LogisticRegression LinearSVC (both forms), Lasso with and without its Gram matrix, Ridge."""

from __future__ import annotations

import importlib

import numpy as np

from benchmarks.objective import Facts, Problem
from benchmarks.peers import Fitted, Ladder, Peer, ladder

GRAM = 5000  # columns up to which a Gram matrix or a Hessian is thinkable


def load() -> None:
    importlib.import_module("sklearn.linear_model")
    importlib.import_module("sklearn.svm")


def variants(facts: Facts) -> dict[str, Ladder]:
    if facts.loss == "squared":
        if facts.l1 > 0:
            out = {"Lasso": ladder(-1, -8)}
            return out | ({"Lasso gram": ladder(-1, -8)} if facts.d <= GRAM else {})
        direct = {"Ridge cholesky": (0.0,), "Ridge svd": (0.0,)} if facts.d <= GRAM else {}
        return direct | {"Ridge lsqr": ladder(-1, -8), "Ridge sparse_cg": ladder(-1, -8)}
    if facts.loss in ("hinge", "squared_hinge"):
        primal = {"LinearSVC primal": ladder(0, -6)} if facts.loss == "squared_hinge" else {}
        return primal | {"LinearSVC dual": ladder(1, -5)}
    if facts.l1 > 0:
        return {"liblinear": ladder(0, -6), "saga": ladder(0, -5)}
    out = {"lbfgs": ladder(-1, -8), "newton-cg": ladder(-1, -8), "sag": ladder(0, -6), "saga": ladder(0, -6)}
    if facts.d * facts.k <= GRAM:
        out["newton-cholesky"] = ladder(-1, -8)
    if facts.k == 1:
        out |= {"liblinear": ladder(0, -6), "liblinear dual": ladder(1, -5)}
    if facts.dtype == "float32":
        out |= {"newton-cg float64": ladder(-1, -8), "lbfgs float64": ladder(-1, -8)}
    return out


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    from sklearn.linear_model import Lasso, LogisticRegression, Ridge
    from sklearn.svm import LinearSVC

    n = len(problem.y)
    X = problem.X
    solver, _, option = variant.partition(" ")
    if solver == "Lasso":
        model = Lasso(alpha=problem.l1, fit_intercept=False, precompute=option == "gram", tol=rung, max_iter=10**6)
    elif solver == "LinearSVC":
        model = LinearSVC(
            loss=problem.loss,
            C=1 / (n * problem.l2),
            dual=option == "dual",
            tol=rung,
            max_iter=10**5,
            fit_intercept=False,
            random_state=0,
        )
    elif solver == "Ridge":
        extra = {"tol": rung, "max_iter": 10**5} if rung else {}
        model = Ridge(alpha=problem.l2 * n, fit_intercept=False, solver=option, **extra)
    else:
        if option == "float64":
            X = X.astype(np.float64)
        penalty = {"C": 1 / (n * problem.l1), "l1_ratio": 1.0} if problem.l1 > 0 else {"C": 1 / (n * problem.l2)}
        model = LogisticRegression(
            **penalty,
            solver=solver,
            dual=option == "dual",
            tol=rung,
            max_iter=10**5,
            fit_intercept=False,
            random_state=0,
        )
    model.fit(X, problem.y)
    coef = model.coef_
    return (coef.T if problem.loss == "softmax" else coef.ravel()), {}


PEER = Peer("sklearn", ("scikit-learn",), load, variants, fit)
