"""What one full gradient costs, in plain reads of X.

    python -m benchmarks.gradient_pass [--rows 1000000 --columns 100]

Dense float32.  The pass is `Problem.evaluate` (scores, losses, slopes, gradient: all that a solver asks for), logistic
and, on MNIST-like shape, softmax.  The plain read is the faster of NumPy's sum and a compiled loop that adds up X
in vector lanes, both on the same number of threads.  Pass and read take turns; the fastest of each counts.
Written to benchmarks/_work/results/gradient_pass.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from benchmarks import data


@numba.njit(nogil=True, fastmath=True)
def read(x):  # type: ignore[no-untyped-def]
    """Add up a flat array, in 128 independent sums so that memory and not addition is the limit."""
    sums = np.zeros(128, x.dtype)
    whole = len(x) // 128 * 128
    for start in range(0, whole, 128):
        for lane in range(128):
            sums[lane] += x[start + lane]
    return sums.sum() + x[whole:].sum()


def reader(X: np.ndarray, threads: int, kernel: Callable[[Any], Any]) -> Callable[[], Any]:
    """Read all of X on some threads, in pieces of 4 MB."""
    flat = X.reshape(-1)
    parts = np.array_split(flat, max(threads, flat.nbytes >> 22))
    if threads == 1:
        return lambda: [kernel(part) for part in parts]
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(kernel, parts))


def gradient(X: np.ndarray, y: np.ndarray, loss: str, k: int, threads: int) -> Callable[[], Any]:
    """One full evaluation by steepest."""
    from steepest.data.source import as_source
    from steepest.losses.registry import get_loss
    from steepest.parallel import Pool
    from steepest.penalties import L2
    from steepest.problems.linear import LinearProblem
    from steepest.problems.multiclass import MulticlassProblem

    source = as_source(X, pool=Pool(threads))
    p = np.full(len(y), 1.0 / len(y))
    shared = {"fit_intercept": False}
    if loss == "softmax":
        problem: Any = MulticlassProblem(source, y, p, get_loss(loss), L2(1e-4), n_outputs=k, **shared)
    else:
        problem = LinearProblem(source, y, p, get_loss(loss), L2(1e-4), **shared)
    problem.precise = False  # as fits of float32 data begin; sums over blocks of rows are float64
    w = 0.01 * np.random.default_rng(1).standard_normal(X.shape[1] * k)
    return lambda: problem.evaluate(w)


def fastest(functions: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Seconds of each, taking turns."""
    best = dict.fromkeys(functions, float("inf"))
    for turn in range(repeat + 1):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            if turn:  # the first turn compiles
                best[name] = min(best[name], time.perf_counter() - began)
    return best


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gradient_pass", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    shapes = {"logistic": (options.rows, options.columns, 1), "softmax": (60_000, 784, 10)}
    found: dict[str, float] = {}
    for loss, (n, d, k) in shapes.items():
        X = rng.standard_normal((n, d), dtype=np.float32)
        y = rng.integers(0, k, n) if loss == "softmax" else np.where(rng.random(n) < 0.5, 1.0, -1.0)
        for threads in (1, 2):
            functions = {
                "pass": gradient(X, y, loss, k, threads),
                "loop": reader(X, threads, read),
                "numpy": reader(X, threads, np.sum),
            }
            best = fastest(functions, options.repeat)
            plain = min(best["loop"], best["numpy"])
            name = f"{loss} {n}x{d}, {threads} threads"
            found |= {
                f"{name}: pass": best["pass"],
                f"{name}: plain read": plain,
                f"{name}: ratio": best["pass"] / plain,
            }
            found[f"{name}: read GB/s"] = X.nbytes / plain / 1e9
    logistic = [value for name, value in found.items() if name.startswith("logistic") and name.endswith("ratio")]
    found["ratio"] = logistic[-1]
    path = data.WORK / "results" / "gradient_pass.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1))
    for name, value in found.items():
        print(f"{name:50} {value:.4g}")


if __name__ == "__main__":
    main()
