"""What the record of a network's fit says of its data, its solver and its cost."""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp

from steepest.estimators.network_objective import in_runs
from steepest.estimators.network_values import Asked, Ended, Given
from steepest.estimators.network_watch import NetworkMonitor
from steepest.networks.feed import Feed
from steepest.problems.network import NetworkProblem
from steepest.solvers.loop import Outcome


def facts_of(
    given: Given,
    feed: Feed,
    problem: NetworkProblem,
    outcome: Outcome,
    asked: Asked,
    monitor: NetworkMonitor | None,
    seconds: dict[str, float],
    ended: Ended,
) -> dict[str, Any]:
    """For `steepest.record.record.FitRecord`; ``ended`` has its other numbers by then."""
    X, sparse = given.X, sp.issparse(given.X)
    nnz = int(X.nnz) if sparse else int(X.shape[0]) * int(X.shape[1])
    data: dict[str, Any] = {
        "n_samples": feed.n,
        "n_features": feed.n_features,
        "n_outputs": given.taught.meaning.n_outputs,
        "nnz": nnz,
        "density": nnz / max(1, int(X.shape[0]) * int(X.shape[1])),
        "dtype": str(X.dtype),
        "kind": "csr" if sparse else "dense",
        "bytes": int(X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) if sparse else int(X.nbytes),
    }
    if monitor is not None:
        data["validation"] = {"n_samples": monitor.rows_.feed.n, **monitor.summary()}
    stack = ended.net.stack
    shape = in_runs(str(n) for n in (stack.n_features, *(layer.width for layer in stack.layers)))
    solver = {
        "name": asked.method.name,
        "why": "asked for by name",
        "expected": "a stationary point; no other proof exists for a network",
        "options": {"layers": shape, "parameters": stack.size},
        "notes": list(dict.fromkeys(outcome.notes)),
    }
    if ended.probes is not None:
        seen = ended.probes  # its arrays, which a stored model has once; JSON has what `ProbeTable.to_dict` gives
        solver["probes"] = {"layers": seen.layers, "steps": seen.steps, "every": seen.every, "table": dict(seen.table)}
    return {
        "data": data,
        "solver": solver,
        "seconds": seconds,
        "passes": float(problem.passes),
        "iterations": ended.iterations,
    }
