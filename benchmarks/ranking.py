"""Ranking: RankSVM to a certified 1e-3 against solvers of the listed pairs, and time against the rows of one query.

    python -m benchmarks.ranking [--turns 1] [--rows 1000000]

MQ2008 (LETOR 4.0), train part of fold 1, C times the sum over pairs for C = 0.01, 0.1 and 1, hinge and squared hinge.
Peers solve the differences of the pairs, labels of both signs, without intercept: forming them counts, and each variant
of each peer gets the loosest of its tolerances that comes within 1e-3 of the optimum, which it does not know.  steepest
stops when it has proven 1e-3.  Every library runs in a process of its own; the fastest of the turns counts.

Growth: one query, five levels of relevance, ten columns.  An evaluation is the objective with its gradient and gap; a
fit is to a certified 1e-3.

Written to benchmarks/_work/results/ranking.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data, peers
from benchmarks.objective import Problem, losses

TARGET = 1e-3
STRENGTHS = (0.01, 0.1, 1.0)
LOSSES = ("hinge", "squared_hinge")
RIVALS = ("liblinear", "liblinear_multicore", "sklearn", "snapml")
FOLD = ("S1", "S2", "S3")
PATIENCE = 5.0  # seconds of a fit, after which a variant climbs no further
SET = data.WORK / "data" / "mq2008.npz"


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, relevances and queries of the train part of the first fold."""
    if not SET.is_file():
        from sklearn.datasets import load_svmlight_files

        files = [data.open_any(f"MQ2008/{name}.txt") for name in FOLD]
        parts = load_svmlight_files(files, query_id=True)
        X, y, qid = np.vstack([X.toarray() for X in parts[::3]]), *map(np.concatenate, (parts[1::3], parts[2::3]))
        if X.shape != (9630, 46):
            raise ValueError(f"MQ2008: expected 9630 rows of 46 columns, read {X.shape}; is this LETOR 4.0?")
        SET.parent.mkdir(parents=True, exist_ok=True)
        np.savez(SET, X=X, y=y, qid=qid)
    with np.load(SET) as kept:
        return kept["X"], kept["y"], kept["qid"]


def pairs(X: np.ndarray, y: np.ndarray, qid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The differences of all pairs of a query, more relevant less other, every second one turned round."""
    order = np.argsort(qid, kind="stable")
    above, below = [], []
    for rows in np.split(order, np.flatnonzero(np.diff(qid[order])) + 1):
        i, j = np.nonzero(y[rows][:, None] > y[rows][None, :])
        above.append(rows[i])
        below.append(rows[j])
    signs = np.where(np.arange(sum(map(len, above))) % 2, 1.0, -1.0)
    rows, others = np.concatenate(above), np.concatenate(below)
    rows, others = np.where(signs > 0, rows, others), np.where(signs > 0, others, rows)
    return X[rows] - X[others], signs


def value(problem: Problem, w: np.ndarray) -> float:
    """The objective in float64."""
    return float(losses(problem.loss, problem.X @ w, problem.y).mean() + 0.5 * problem.l2 * float(w @ w))


def fastest(function: Any, turns: int) -> float:
    """Least seconds of several calls."""
    best = math.inf
    for _ in range(turns):
        began = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - began)
    return best


def rival(name: str, turns: int, best: dict[str, float]) -> dict[str, float]:
    """Seconds of all variants of one peer, without those of forming the pairs; inf where one does not get there."""
    peer = peers.get(name)
    peer.load()
    D, signs = pairs(*load())
    found = {}
    for loss in LOSSES:
        for C in STRENGTHS:
            problem = Problem(D, signs, loss, 0.0, 1.0 / (C * len(D)))
            goal = (1.0 + TARGET) * best[f"{loss} {C:g}"]
            for variant, rungs in peer.variants(problem.facts).items():
                seconds = math.inf
                for rung in rungs:
                    began = time.perf_counter()
                    w = np.asarray(peer.fit(problem, variant, rung)[0]).ravel()
                    took = time.perf_counter() - began
                    if value(problem, w) <= goal:
                        seconds = fastest(lambda p=problem, v=variant, r=rung: peer.fit(p, v, r), turns)
                        break
                    if took > PATIENCE:
                        break
                found[f"{loss} {C:g} {name} {variant}"] = seconds
    return found


def ours(loss: str, C: float, tol: float = TARGET, n_jobs: int = 1) -> Any:
    """An estimator of steepest."""
    import steepest

    return steepest.RankSVM(C=C, loss=loss, tol=tol, n_jobs=n_jobs)


def race(turns: int) -> dict[str, float]:
    """Everything about MQ2008."""
    X, y, qid = load()
    D, signs = pairs(X, y, qid)
    forming = fastest(lambda: pairs(X, y, qid), turns)
    found = {"pairs": float(len(D)), "forming the pairs: seconds": forming}
    best, mine = {}, {}
    for loss in LOSSES:
        for C in STRENGTHS:
            exact = ours(loss, C, 1e-8).fit(X, y, qid)
            if not exact.certificate_.passed:
                raise RuntimeError(f"no reference for {loss}, C = {C:g}: {exact.certificate_.reason}")
            best[f"{loss} {C:g}"] = exact.certificate_.dual
            for jobs in (1, 2):
                model = ours(loss, C, n_jobs=jobs)
                model.fit(X, y, qid)
                reached = value(Problem(D, signs, loss, 0.0, 1.0 / (C * len(D))), model.coef_)
                if not model.certificate_.passed or reached > (1.0 + TARGET) * exact.certificate_.primal:
                    raise RuntimeError(f"{loss}, C = {C:g}: the certificate does not hold")
                mine[f"{loss} {C:g} {jobs}"] = fastest(lambda m=model: m.fit(X, y, qid), 2 * turns)
    theirs: dict[str, float] = {}
    for name in RIVALS:
        theirs |= _in_process(name, turns, best)
    for loss in LOSSES:
        for C in STRENGTHS:
            cell = f"{loss} {C:g}"
            us = min(mine[f"{cell} {jobs}"] for jobs in (1, 2))
            words = f"{loss.replace('_', ' ')}, C = {C:g}"
            for jobs in (1, 2):
                found[f"{words}, steepest, {jobs} thread{'s' * (jobs > 1)}: seconds"] = mine[f"{cell} {jobs}"]
            known = {key[len(cell) + 1 :]: s for key, s in theirs.items() if key.startswith(f"{cell} ")}
            for key, seconds in known.items():
                if math.isfinite(seconds):
                    found[f"{words}, {key}: seconds"] = seconds
                    found[f"{words}, {key}: seconds with the pairs"] = seconds + forming
            quickest = min(known.values(), default=math.inf)
            if math.isfinite(quickest):
                found[f"{words}: best peer over steepest"] = (quickest + forming) / us
    return found


def _in_process(name: str, turns: int, best: dict[str, float]) -> dict[str, float]:
    """`rival` in a process of its own, where its paths come first."""
    peer = peers.get(name)
    path = os.pathsep.join([*peer.paths, os.environ.get("PYTHONPATH", "")])
    command = [peer.interpreter, "-m", "benchmarks.ranking", "--rival", name, "--turns", str(turns)]
    done = subprocess.run(
        [*command, "--best", json.dumps(best)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=Path(__file__).parents[1],
    )
    if done.returncode:
        print(f"    {name}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}", flush=True)
        return {}
    return {key: math.inf if s is None else s for key, s in json.loads(done.stdout.splitlines()[-1]).items()}


def growth(most: int) -> dict[str, float]:
    """Seconds of an evaluation and of a fit against the rows of a query."""
    from steepest.data.source import as_source
    from steepest.problems.ranking import RankingProblem, queries

    found: dict[str, float] = {}
    for m in (10**k for k in range(3, 7)):
        if m > most:
            break
        rng = np.random.default_rng(0)
        X = rng.standard_normal((m, 10))
        score = X @ rng.standard_normal(10) + rng.standard_normal(m)
        y = np.digitize(score, np.quantile(score, (0.2, 0.4, 0.6, 0.8))).astype(float)
        problem = RankingProblem(as_source(X), queries(y, np.zeros(m, dtype=np.int64)), "hinge", 1e-4)
        w = rng.standard_normal(10)
        problem.evaluate(w, 0.1)
        seconds = fastest(lambda p=problem, w=w: p.evaluate(w, 0.1), 5)
        found[f"one query of {m:,} rows, an evaluation: seconds"] = seconds
        found[f"one query of {m:,} rows, an evaluation over m log2 m: nanoseconds"] = 1e9 * seconds / (m * math.log2(m))
        import steepest

        model = steepest.RankSVM(alpha=1e-4, tol=TARGET)
        found[f"one query of {m:,} rows, a fit: seconds"] = fastest(
            lambda model=model, X=X, y=y, m=m: model.fit(X, y, groups=[m]), 2
        )
        found[f"one query of {m:,} rows, a fit: certified"] = float(model.certificate_.relative)
        found[f"one query of {m:,} rows: pairs"] = float(model.n_pairs_)
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking", description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1_000_000, help="the most rows of one query")
    parser.add_argument("--rival", help=argparse.SUPPRESS)
    parser.add_argument("--best", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.rival:
        times = rival(options.rival, options.turns, json.loads(options.best))
        print(json.dumps({key: s if math.isfinite(s) else None for key, s in times.items()}))
        return
    found = race(options.turns) | growth(options.rows)
    for key, number in found.items():
        print(f"{key:80} {number:.4g}", flush=True)
    path = data.WORK / "results" / "ranking.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
