"""Stochastic gradient: seconds an epoch of single-sample logistic steps, against scikit-learn and Vowpal Wabbit.

    python -m benchmarks.sgd [--cells a9a-x30,20news] [--repeat 4] [--vw PYTHON] [--out FILE]

An epoch is one call of ``partial_fit`` with all rows, in both libraries: drawing the order and checking the data count.
It is the least of ``--repeat`` turns, which all contestants take in one process.  *Of fit* is what one more epoch adds
to ``fit``: (seconds of ``max_iter=11`` - seconds of 1) / 10 with ``tol=None``, least of each.  All run one thread, L2
and a constant rate.  *Wide* is the same with as many empty columns beside: twice the columns, the same non-zeros.
Vowpal Wabbit learns in passes over its own cache, in a Python of its own (``pip install vowpalwabbit`` there):
(seconds of ``--passes`` passes - seconds of one) / (``--passes`` - 1), and a9a is given to it once and counts 30 times.
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
ADDED = 10  # epochs
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


def ours(penalty: str = "l2", rule: str = "sgd") -> Callable[[], Any]:
    """steepest's estimator."""
    from steepest import SGDClassifier

    common: dict[str, Any] = {"alpha": 1e-5, "learning_rate": "constant", "eta0": RATE, "tol": None, "n_jobs": 1}
    return lambda: SGDClassifier("log_loss", penalty=penalty, optimizer=rule, **common)


def theirs(penalty: str = "l2") -> Callable[[], Any]:
    """scikit-learn's."""
    from sklearn.linear_model import SGDClassifier

    common: dict[str, Any] = {"alpha": 1e-5, "learning_rate": "constant", "eta0": RATE, "tol": None}
    return lambda: SGDClassifier("log_loss", penalty=penalty, random_state=0, **common)


def widened(X: Any) -> Any:
    """Twice the columns, the same non-zeros: a step that visited every column would take twice as long."""
    return sp.csr_matrix((X.data, X.indices, X.indptr), shape=(X.shape[0], 2 * X.shape[1]))


def vowpal(python: Path, X: Any, y: Any, repeat: int, passes: int) -> float | None:
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
        command = [str(python), "-c", VW, str(path), str(repeat), str(passes)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"    no Vowpal Wabbit: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return None
    return float(done.stdout)


def epoch_seconds(jobs: dict[str, tuple[Callable[[], Any], Any]], y: Any, repeat: int) -> dict[str, float]:
    """Seconds of an epoch of every contestant; they take turns."""
    least = dict.fromkeys(jobs, np.inf)
    models = {name: make() for name, (make, _) in jobs.items()}
    classes = np.array([-1.0, 1.0])
    for name, (_, X) in jobs.items():  # compiles; the first call also sets a model up
        models[name].partial_fit(X, y, classes=classes)
    for _ in range(repeat):
        for name, (_, X) in jobs.items():
            began = time.perf_counter()
            models[name].partial_fit(X, y)
            least[name] = min(least[name], time.perf_counter() - began)
    return least


def added_seconds(jobs: dict[str, tuple[Callable[[], Any], Any]], y: Any, repeat: int) -> dict[str, float]:
    """Seconds that an epoch adds to a fit."""
    least = {(name, epochs): np.inf for name in jobs for epochs in (1, 1 + ADDED)}
    for _ in range(repeat):
        for name, epochs in least:
            make, X = jobs[name]
            model = make().set_params(max_iter=epochs)
            began = time.perf_counter()
            model.fit(X, y)
            least[name, epochs] = min(least[name, epochs], time.perf_counter() - began)
    return {name: (least[name, 1 + ADDED] - least[name, 1]) / ADDED for name in jobs}


def race(name: str, repeat: int, passes: int, vw: Path) -> dict[str, Any]:
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
    seconds: dict[str, float | None] = dict(epoch_seconds(jobs, y, repeat))
    both = {name: jobs[name] for name in ("steepest", "scikit-learn")}
    seconds |= {f"{name} of fit": s for name, s in added_seconds(both, y, repeat).items()}
    one = X.shape[0] // times
    learned = vowpal(vw, X[:one], y[:one], repeat, passes)
    seconds["vowpal wabbit"] = None if learned is None else learned * times
    return {"cell": name, "rows": X.shape[0], "columns": X.shape[1], "non-zeros": int(X.nnz), "seconds": seconds}


def table(results: list[dict[str, Any]]) -> str:
    """A markdown table; adaptive rules, and wider rows, as multiples of the plain epoch."""
    head = ["cell", "steepest, ms", "scikit-learn, ms", "ratio", "Vowpal Wabbit, ms", "ratio", "l1, ms"]
    head += ["of fit: steepest, ms", "scikit-learn, ms", "ratio", "twice the columns: l2", "l1", *RULES]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in results:
        s = row["seconds"]
        plain, vw = s["steepest"], s["vowpal wabbit"]
        cells = [row["cell"], f"{1e3 * plain:.1f}", f"{1e3 * s['scikit-learn']:.1f}"]
        cells += [f"{s['scikit-learn'] / plain:.2f}x"]
        cells += [f"{1e3 * vw:.1f}", f"{vw / plain:.1f}x"] if vw is not None else ["not installed", "-"]
        cells += [f"{1e3 * s['steepest l1']:.1f}"]
        cells += [f"{1e3 * s[f'{name} of fit']:.1f}" for name in ("steepest", "scikit-learn")]
        cells += [f"{s['scikit-learn of fit'] / s['steepest of fit']:.2f}x", f"{s['steepest wide'] / plain:.2f}x"]
        cells += [f"{s['steepest l1 wide'] / s['steepest l1']:.2f}x"]
        cells += [f"{s[rule] / plain:.2f}x" for rule in RULES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sgd", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cells", default="a9a-x30,20news")
    parser.add_argument("--repeat", type=int, default=4)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--vw", type=Path, default=WORK / "vw" / "bin" / "python", help="a Python with vowpalwabbit")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    kept = json.loads(given.out.read_text()) if given.out.is_file() else []
    results = {row["cell"]: row for row in kept}
    for name in given.cells.split(","):
        results[name] = race(name, given.repeat, given.passes, given.vw)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(list(results.values()), indent=1))
    print(table(list(results.values())))


if __name__ == "__main__":
    main()
