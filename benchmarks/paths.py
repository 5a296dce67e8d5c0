"""Paths: 100 strengths certified at 1e-4, against 100 fits and against scikit-learn's paths and CV estimators.

    python -m benchmarks.paths [--cells dense-lasso,a9a-l2] [--repeat 3] [--threads 2] [--out FILE]

For each cell the certified path is timed first.  *Separate fits*: every ``--sample``-th strength is fitted from
nothing, and the mean times 100 counts.  *scikit-learn*: its path at the loosest tolerance of a ladder at which the
worst point is no further from the optimum than 1e-4 of it (the certified lower bounds of a path at 1e-7 are the
optimum); a tolerance that needs more than ``--cap`` seconds ends the ladder.  Then all take turns ``--repeat`` times in
one process, and the least seconds of each count.  ``cv`` cells compare `LassoCV` and `LogisticRegressionCV`, 5 folds,
at scikit-learn's best tolerance of the path cell.  Results are printed as a table and kept as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TARGET = 1e-4
OUT = Path(__file__).parent / "_work" / "results" / "paths.json"
LADDER = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


class Cell(NamedTuple):
    """A data set, a penalty, and how both libraries are asked."""

    data: Callable[[], tuple[Any, Any]]
    ratio: float
    logistic: bool
    solvers: tuple[str, ...] = ()


def dense() -> tuple[Any, Any]:
    """50,000 correlated rows of 300 features, 40 of which matter."""
    rng = np.random.default_rng(0)
    n, d = 50_000, 300
    X = rng.standard_normal((n, 30)) @ (0.3 * rng.standard_normal((30, d))) + rng.standard_normal((n, d))
    w = np.where(np.arange(d) < 40, rng.standard_normal(d), 0.0)
    return X, X @ w + 3.0 * rng.standard_normal(n)


def a9a() -> tuple[Any, Any]:
    """a9a with its labels."""
    from benchmarks import data

    return data.load("a9a")


def lengths() -> tuple[Any, Any]:
    """20 newsgroups: the length of a text from its words' tf-idf."""
    from benchmarks import data

    return data.load("news_length")


CELLS: dict[str, Cell] = {
    "dense-lasso": Cell(dense, 1.0, False),
    "20news-lasso": Cell(lengths, 1.0, False),
    "a9a-l2": Cell(a9a, 0.0, True, ("lbfgs", "newton-cholesky")),
    "a9a-l1": Cell(a9a, 1.0, True, ("liblinear", "saga")),
}


def estimator(cell: Cell, tol: float = TARGET) -> Any:
    """The steepest estimator whose path is followed."""
    from steepest import Lasso, LogisticRegression

    return LogisticRegression(l1_ratio=cell.ratio, tol=tol) if cell.logistic else Lasso(tol=tol)


def objective(cell: Cell, X: Any, y: Any, alpha: float, coef: Any, intercept: float) -> float:
    """The mean objective at scikit-learn's parameters, in float64."""
    z = np.asarray(X @ coef).ravel() + intercept
    if cell.logistic:
        loss = float(np.logaddexp(0.0, -y * z).mean())
        size = np.abs(coef).sum() if cell.ratio == 1.0 else 0.5 * float(coef @ coef)
        return loss + alpha * float(size) / len(y)
    return 0.5 * float(np.mean((z - y) ** 2)) + alpha * float(np.abs(coef).sum())


def sklearn_path(cell: Cell, X: Any, y: Any, alphas: Any, tol: float, solver: str) -> tuple[Any, Any]:
    """Coefficients (m, d) and intercepts (m,) of scikit-learn's path."""
    from sklearn.linear_model import LogisticRegression, lasso_path

    if not cell.logistic:
        mean = np.asarray(X.mean(axis=0)).ravel()
        shift = float(y.mean())
        if isinstance(X, np.ndarray):
            _, coefs, _ = lasso_path(np.asfortranarray(X - mean), y - shift, alphas=alphas, tol=tol, max_iter=100_000)
        else:  # its path takes the centring of sparse columns as an offset
            _, coefs, _ = lasso_path(
                X.tocsc(),
                y - shift,
                alphas=alphas,
                tol=tol,
                max_iter=100_000,
                X_offset=mean,
                X_scale=np.ones(len(mean)),
            )
        return coefs.T, shift - mean @ coefs
    coefs, intercepts = [], []
    extra = {"warm_start": True} if solver != "liblinear" else {"intercept_scaling": 100.0}
    model = LogisticRegression(l1_ratio=cell.ratio, solver=solver, tol=tol, max_iter=100_000, **extra)
    for alpha in alphas:
        model.set_params(C=1.0 / alpha).fit(X, y)
        coefs.append(model.coef_[0].copy())
        intercepts.append(float(model.intercept_[0]))
    return np.array(coefs), np.array(intercepts)


def ladder(cell: Cell, X: Any, y: Any, path: Any, optima: Any, cap: float) -> tuple[str, float, float] | None:
    """scikit-learn's fastest (solver, tolerance, worst suboptimality) that meets the target at every point."""
    best: tuple[float, str, float, float] | None = None
    for solver in cell.solvers or ("coordinate",):
        for tol in LADDER:
            began = time.perf_counter()
            coefs, intercepts = sklearn_path(cell, X, y, path.alphas, tol, solver)
            spent = time.perf_counter() - began
            values = [
                objective(cell, X, y, float(a), c, float(b))
                for a, c, b in zip(path.alphas, coefs, intercepts, strict=True)
            ]
            worst = float(np.max((np.array(values) - optima) / np.abs(optima)))
            print(f"    scikit-learn {solver} tol={tol:g}: {spent:.2f} s, worst {worst:.1e}", flush=True)
            if worst <= TARGET:
                if best is None or spent < best[0]:
                    best = (spent, solver, tol, worst)
                break
            if spent > cap:
                break
    return None if best is None else best[1:]


def least(jobs: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Least seconds of each job; the jobs take turns."""
    seconds = dict.fromkeys(jobs, np.inf)
    for _ in range(repeat):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    return seconds


def cross_validated(cell: Cell, alphas: Any, tol: float, solver: str) -> tuple[Any, Any]:
    """The CV estimators of steepest and of scikit-learn on the same grid."""
    import sklearn.linear_model as sk

    from steepest import LassoCV, LogisticRegressionCV

    if not cell.logistic:
        return LassoCV(alphas=alphas), sk.LassoCV(alphas=alphas, tol=tol, max_iter=100_000)
    common = {"Cs": 1.0 / alphas, "l1_ratios": (cell.ratio,), "use_legacy_attributes": False, "scoring": "accuracy"}
    theirs = sk.LogisticRegressionCV(solver=solver, tol=tol, max_iter=100_000, **common)
    return LogisticRegressionCV(**common), theirs


def race(name: str, repeat: int, sample: int, cap: float) -> dict[str, Any]:
    """All numbers of a cell."""
    from sklearn.base import clone

    from steepest import regularization_path

    cell = CELLS[name]
    X, y = cell.data()
    print(f"{name}: {X.shape[0]} x {X.shape[1]}", flush=True)
    model = estimator(cell)
    path = regularization_path(model, X, y)
    exact = regularization_path(estimator(cell, 1e-7), X, y, alphas=path.alphas)
    optima = np.array([certificate.dual for certificate in exact.certificates])
    found = ladder(cell, X, y, path, optima, cap)
    some = range(0, len(path), sample)
    jobs: dict[str, Callable[[], Any]] = {
        "path": lambda: regularization_path(model, X, y, alphas=path.alphas),
        "separate": lambda: [clone(path.model(i)).fit(X, y) for i in some],
    }
    if found is not None:
        solver, tol = found[:2]
        jobs["sklearn path"] = lambda: sklearn_path(cell, X, y, path.alphas, tol, solver)
        ours, theirs = cross_validated(cell, path.alphas[::10], tol, solver)
        jobs["cv"] = lambda: ours.fit(X, y)
        jobs["sklearn cv"] = lambda: theirs.fit(X, y)
    seconds = least(jobs, repeat)
    seconds["separate"] *= len(path) / len(some)
    return {
        "cell": name,
        "certified": path.certified,
        "worst relative gap": max(c.relative for c in path.certificates),
        "passes": float(path.passes.sum()),
        "solver": path.solver["name"],
        "seconds": seconds,
        "share of separate fits": seconds["path"] / seconds["separate"],
        "scikit-learn": None if found is None else {"solver": found[0], "tol": found[1], "worst": found[2]},
    }


def table(results: list[dict[str, Any]]) -> str:
    """A markdown table."""
    lines = [
        "| cell | path, s | 100 fits, s | share | scikit-learn path, s | CV (10 strengths), s | scikit-learn CV, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results:
        s = row["seconds"]
        peer = row["scikit-learn"]
        theirs = f"{s['sklearn path']:.2f} ({peer['solver']}, tol {peer['tol']:g})" if peer else "not reached"
        cv, other = (f"{s['cv']:.2f}", f"{s['sklearn cv']:.2f}") if peer else ("", "")
        lines.append(
            f"| {row['cell']} | {s['path']:.2f} | {s['separate']:.2f} | {row['share of separate fits']:.2f} "
            f"| {theirs} | {cv} | {other} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sample", type=int, default=10, help="every so many strengths are fitted alone")
    parser.add_argument("--cap", type=float, default=120.0, help="seconds after which a ladder ends")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if given.threads:
        os.environ["OMP_NUM_THREADS"] = str(given.threads)
    warnings.simplefilter("ignore")
    kept = json.loads(given.out.read_text()) if given.out.is_file() else []
    results = {row["cell"]: row for row in kept}
    for name in given.cells.split(","):
        results[name] = race(name, given.repeat, given.sample, given.cap)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(list(results.values()), indent=1))
    print(table(list(results.values())))


if __name__ == "__main__":
    main()
