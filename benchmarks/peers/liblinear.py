"""LIBLINEAR (liblinear-official): -s 0 and -s 2 primal Newton, -s 1, -s 3 and -s 7 dual coordinate descent, -s 6 L1."""

from __future__ import annotations

from benchmarks.objective import Problem
from benchmarks.peers import Fitted, Peer, _liblinear


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    return _liblinear.fit(problem, f"{variant} -e {rung!r}")


PEER = Peer(
    "liblinear",
    ("liblinear-official",),
    lambda: _liblinear.load("liblinear-official"),
    lambda facts: _liblinear.variants(facts, (0, 1, 2, 3, 6, 7)),
    fit,
    jit=True,  # its conversion of CSR rows is compiled by Numba
    paths=(_liblinear.folder("liblinear-official"),),
)
