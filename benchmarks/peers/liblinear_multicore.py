"""Multi-core LIBLINEAR: -s 0, 1, 2, 3 and 6 on two threads."""

from __future__ import annotations

from benchmarks.objective import Problem
from benchmarks.peers import THREADS, Fitted, Peer, _liblinear


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    return _liblinear.fit(problem, f"{variant} -m {THREADS} -e {rung!r}")


PEER = Peer(
    "liblinear_multicore",
    ("liblinear-multicore",),
    lambda: _liblinear.load("liblinear-multicore"),
    lambda facts: _liblinear.variants(facts, (0, 1, 2, 3, 6)),
    fit,
    jit=True,
    paths=(_liblinear.folder("liblinear-multicore"),),
)
