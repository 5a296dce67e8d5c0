"""What LIBLINEAR and its multi-core form share: both are a module named liblinear, each in a folder of its own."""

from __future__ import annotations

import importlib
import sys

import numpy as np
from scipy import sparse

from benchmarks.objective import Facts, Problem
from benchmarks.peers import PEERS_FOLDER, Fitted, Ladder, ladder

LADDERS = {  # of its solvers for an l2 penalty; the duals stop at 300 passes, whatever the tolerance
    "logistic": {0: ladder(0, -6), 7: ladder(1, -5)},
    "hinge": {3: ladder(1, -5)},
    "squared_hinge": {1: ladder(1, -5), 2: ladder(0, -6)},
}


def folder(name: str) -> str:
    return str(PEERS_FOLDER / name)


def load(name: str) -> None:
    """Import the right one; the two overwrite each other when installed in one place."""
    module = importlib.import_module("liblinear.liblinearutil")
    if not str(module.__file__).startswith(folder(name)):
        install = f"{sys.executable} -m pip install --no-deps --target {folder(name)} {name}"
        raise ImportError(f"{name} is not in {folder(name)}: `{install}`")


def variants(facts: Facts, solvers: tuple[int, ...]) -> dict[str, Ladder]:
    if facts.loss not in LADDERS or (facts.l1 > 0 and (facts.l2 > 0 or facts.loss != "logistic")):
        return {}
    if facts.l1 > 0:
        return {"-s 6": ladder(0, -6)} if 6 in solvers else {}
    ladders = LADDERS[facts.loss]
    return {f"-s {s}": ladders[s] for s in solvers if s in ladders}


def fit(problem: Problem, options: str) -> Fitted:
    from liblinear.liblinearutil import parameter, train
    from liblinear.liblinearutil import problem as rows

    X = problem.X if sparse.issparse(problem.X) else sparse.csr_matrix(problem.X)
    c = 1 / (len(problem.y) * (problem.l1 or problem.l2))
    model = train(rows(problem.y, X), parameter(f"{options} -c {c!r} -q"))
    w = np.ctypeslib.as_array(model.w, (X.shape[1],)).copy()
    return (w if model.get_labels()[0] == 1 else -w), {}
