"""PyTorch on the CPU: the normal equations, for ridge (data enter without a copy)."""

from __future__ import annotations

import importlib

import numpy as np

from benchmarks.objective import Facts, Problem
from benchmarks.peers import PEERS_FOLDER, THREADS, Fitted, Ladder, Peer


def load() -> None:
    importlib.import_module("torch").set_num_threads(THREADS)


def variants(facts: Facts) -> dict[str, Ladder]:
    ridge = facts.loss == "squared" and facts.l1 == 0 and not facts.sparse and facts.d <= 5000
    return {"normal equations": (0.0,)} if ridge else {}


def fit(problem: Problem, variant: str, rung: float) -> Fitted:
    import torch

    X = torch.from_numpy(problem.X)
    y = torch.from_numpy(problem.y.astype(problem.X.dtype))
    gram = (X.T @ X).double()
    gram.diagonal().add_(problem.l2 * len(y))
    w = torch.cholesky_solve((X.T @ y).double()[:, None], torch.linalg.cholesky(gram))
    return np.asarray(w.numpy()).ravel(), {}


PEER = Peer("torch", ("torch",), load, variants, fit, paths=(str(PEERS_FOLDER / "torch"),))
