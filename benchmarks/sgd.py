"""Stochastic gradient: seconds an epoch of single-sample logistic steps, against scikit-learn and Vowpal Wabbit.

    python -m benchmarks.sgd [--cells a9a-x30,20news] [--repeat 5] [--vw PYTHON] [--out FILE]

An epoch is (seconds of a fit of ``--epochs`` epochs - seconds of a fit of one) / (``--epochs`` - 1), both the least of
``--repeat`` turns, which all contestants take in one process: drawing the order counts, checking the data does not, and
what steepest evaluates on the way does.  All run one thread, L2, a constant rate, no stopping rule.  *Wide* is the same
with as many empty columns beside: twice the columns, the same non-zeros.  Vowpal Wabbit learns in passes over its own
cache, in a Python of its own (``pip install vowpalwabbit`` there); a9a is given to it once and counted 30 times.
Results are printed as a table and kept as JSON, which `benchmarks.race --render` puts into RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

WORK = Path(__file__).parent / "_work"
OUT = WORK / "results" / "sgd.json"
RULES = ("momentum", "adagrad", "rmsprop", "adam", "ftrl")
RATE = 0.01
VW = """
import sys, time
from vowpalwabbit import pyvw
path, repeat, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
least = {}
for _ in range(repeat + 1):  # the first makes the cache
    for passes in (1, epochs):
        began = time.perf_counter()
        model = pyvw.Workspace(
            f"-d {path} --cache_file {path}.cache --passes {passes} --holdout_off --quiet "
            "--sgd --loss_function logistic -l 0.01 --power_t 0 --l2 1e-9"
        )
        if not model.parser_ran:
            model.run_parser()
        model.finish()
        if _:
            least[passes] = min(least.get(passes, 1e9), time.perf_counter() - began)
print((least[epochs] - least[1]) / (epochs - 1))
"""


def cells(name: str) -> tuple[Any, Any, int]:
    """Rows, labels -1 and 1, and how many times the rows of the file are repeated."""
    from benchmarks import data

    X, y = data.load("a9a" if name == "a9a-x30" else "news_binary")
    X, y = sp.csr_matrix(X), np.where(np.asarray(y) > 0, 1.0, -1.0)
    times = 30 if name == "a9a-x30" else 1
    return (sp.vstack([X] * times).tocsr(), np.tile(y, times), times) if times > 1 else (X, y, 1)


def ours(penalty: str = "l2", rule: str = "sgd") -> Callable[[int], Any]:
    """steepest's estimator of so many epochs."""
    from steepest import SGDClassifier

    common: dict[str, Any] = {"alpha": 1e-5, "learning_rate": "constant", "eta0": RATE, "tol": None, "n_jobs": 1}
    return lambda epochs: SGDClassifier(
        "log_loss", penalty=penalty, optimizer=rule, max_iter=epochs, on_unconverged="ignore", **common
    )


def theirs(penalty: str = "l2") -> Callable[[int], Any]:
    """scikit-learn's."""
    from sklearn.linear_model import SGDClassifier

    common: dict[str, Any] = {"alpha": 1e-5, "learning_rate": "constant", "eta0": RATE, "tol": None}
    return lambda epochs: SGDClassifier("log_loss", penalty=penalty, max_iter=epochs, random_state=0, **common)


def widened(X: Any) -> Any:
    """Twice the columns, the same non-zeros: a step that visited every column would take twice as long."""
    return sp.csr_matrix((X.data, X.indices, X.indptr), shape=(X.shape[0], 2 * X.shape[1]))


def vowpal(python: Path, X: Any, y: Any, repeat: int, epochs: int) -> float | None:
    """Seconds of a pass over the cache; None where Vowpal Wabbit is not installed."""
    if not python.is_file():
        print(f"    no Vowpal Wabbit: {python} is missing", flush=True)
        return None
    binary = bool(np.all(X.data == 1.0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.vw"
        with path.open("w") as file:
            for i in range(X.shape[0]):
                at = slice(X.indptr[i], X.indptr[i + 1])
                entries = zip(X.indices[at].tolist(), X.data[at].tolist(), strict=True)
                file.write(f"{y[i]:g} | " + " ".join(f"{j}" if binary else f"{j}:{x:.9g}" for j, x in entries) + "\n")
        command = [str(python), "-c", VW, str(path), str(repeat), str(epochs)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"    no Vowpal Wabbit: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return None
    return float(done.stdout)


def epoch_seconds(
    jobs: dict[str, tuple[Callable[[int], Any], Any]], y: Any, repeat: int, epochs: int
) -> dict[str, float]:
    """Seconds of an epoch of every contestant; they take turns."""
    least: dict[tuple[str, int], float] = {}
    for make, X in jobs.values():  # compiled
        make(1).fit(X[:200], y[:200]) if len(set(y[:200])) > 1 else make(1).fit(X, y)
    for _ in range(repeat):
        for name, (make, X) in jobs.items():
            for count in (1, epochs):
                model = make(count)
                began = time.perf_counter()
                model.fit(X, y)
                least[name, count] = min(least.get((name, count), np.inf), time.perf_counter() - began)
    return {name: (least[name, epochs] - least[name, 1]) / (epochs - 1) for name in jobs}


def race(name: str, repeat: int, epochs: int, vw: Path) -> dict[str, Any]:
    """All numbers of a cell."""
    X, y, times = cells(name)
    wide = widened(X)
    print(f"{name}: {X.shape[0]} x {X.shape[1]}, {X.nnz / X.shape[0]:.1f} non-zeros a row", flush=True)
    jobs = {
        "steepest": (ours(), X),
        "steepest l1": (ours("l1"), X),
        "steepest wide": (ours(), wide),
        "steepest l1 wide": (ours("l1"), wide),
        "scikit-learn": (theirs(), X),
        **{rule: (ours(rule=rule), X) for rule in RULES},
    }
    seconds: dict[str, float | None] = dict(epoch_seconds(jobs, y, repeat, epochs))
    one = X.shape[0] // times
    learned = vowpal(vw, X[:one], y[:one], repeat, epochs)
    seconds["vowpal wabbit"] = None if learned is None else learned * times
    return {"cell": name, "rows": X.shape[0], "columns": X.shape[1], "non-zeros": int(X.nnz), "seconds": seconds}


def table(results: list[dict[str, Any]]) -> str:
    """A markdown table; adaptive rules, and wider rows, as multiples of the plain epoch."""
    head = ["cell", "steepest, ms", "scikit-learn, ms", "ratio", "Vowpal Wabbit, ms", "ratio", "l1, ms"]
    head += ["twice the columns: l2", "l1", *RULES]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in results:
        s = row["seconds"]
        plain, vw = s["steepest"], s["vowpal wabbit"]
        cells = [row["cell"], f"{1e3 * plain:.1f}", f"{1e3 * s['scikit-learn']:.1f}"]
        cells += [f"{s['scikit-learn'] / plain:.2f}x"]
        cells += [f"{1e3 * vw:.1f}", f"{vw / plain:.1f}x"] if vw is not None else ["not installed", "-"]
        cells += [f"{1e3 * s['steepest l1']:.1f}", f"{s['steepest wide'] / plain:.2f}x"]
        cells += [f"{s['steepest l1 wide'] / s['steepest l1']:.2f}x"]
        cells += [f"{s[rule] / plain:.2f}x" for rule in RULES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sgd", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cells", default="a9a-x30,20news")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--vw", type=Path, default=WORK / "vw" / "bin" / "python", help="a Python with vowpalwabbit")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    kept = json.loads(given.out.read_text()) if given.out.is_file() else []
    results = {row["cell"]: row for row in kept}
    for name in given.cells.split(","):
        results[name] = race(name, given.repeat, given.epochs, given.vw)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(list(results.values()), indent=1))
    print(table(list(results.values())))


if __name__ == "__main__":
    main()
