"""glum: IRLS (least squares or coordinate descent inside) where columns are few, L-BFGS otherwise."""

from __future__ import annotations

import importlib

from benchmarks.objective import Facts, Problem
from benchmarks.peers import Fitted, Ladder, Peer, ladder

HESSIAN = 5000  # it forms the p x p Hessian


def load() -> None:
    importlib.import_module("glum")


def variants(facts: Facts) -> dict[str, Ladder]:
    if facts.loss not in ("logistic", "squared"):
        return {}
    if facts.l1 > 0:
        return {"irls-cd": ladder(-1, -8)} if facts.d <= HESSIAN else {}
    direct = {"irls-ls": ladder(-1, -8)} if facts.d <= HESSIAN else {}
    return direct | {"lbfgs": ladder(-1, -8)}


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    from glum import GeneralizedLinearRegressor

    binary = problem.loss == "logistic"
    model = GeneralizedLinearRegressor(
        alpha=problem.l1 or problem.l2,
        l1_ratio=1.0 if problem.l1 > 0 else 0.0,
        fit_intercept=False,
        family="binomial" if binary else "normal",
        solver=variant,
        gradient_tol=rung,
        max_iter=10**4,
    )
    model.fit(problem.X, (problem.y > 0).astype(float) if binary else problem.y)
    return model.coef_, {}


PEER = Peer("glum", ("glum", "tabmat"), load, variants, fit)
