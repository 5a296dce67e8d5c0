"""No library: the normal equations by hand, as a bar for ridge."""

from __future__ import annotations

import importlib

import numpy as np

from benchmarks.objective import Facts, Problem
from benchmarks.peers import Fitted, Ladder, Peer


def load() -> None:
    importlib.import_module("scipy.linalg")


def variants(facts: Facts) -> dict[str, Ladder]:
    if facts.loss != "squared" or facts.l1 > 0 or facts.sparse or facts.d > 5000:
        return {}
    return {"X.T @ X": (0.0,), "syrk": (0.0,)}


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    from scipy import linalg

    X, y = problem.X, problem.y
    if variant == "syrk":
        syrk = linalg.get_blas_funcs("syrk", (X,))
        gram = syrk(1.0, X.T, lower=0).astype(np.float64)  # X.T is in Fortran order: no copy
    else:
        gram = (X.T @ X).astype(np.float64)
    gram[np.diag_indices_from(gram)] += problem.l2 * len(y)
    target = X.T @ y.astype(X.dtype)
    return linalg.cho_solve(linalg.cho_factor(gram, lower=False), target.astype(np.float64)), {}


PEER = Peer("numpy", ("numpy", "scipy"), load, variants, fit)
