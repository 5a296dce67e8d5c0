"""What a second thread is worth to lock-free stochastic steps.

    python -m benchmarks.hogwild [--turns 15]

20 newsgroups, tf-idf, comp.* against the rest, logistic with C = 1.  Three things, taking turns, the fastest counts:

- an epoch: the plain kernel of ``solver="sgd"``, as Hogwild on one thread; two threads that share all columns, two
  that hold copies of the frequent ones, and two on vectors of their own, which is what the processors would give if
  nothing were shared; beside them the seconds that it takes to sort the rows for the copies, once a fit;
- a fit to a certified 1e-3, from data in memory: Hogwild and synchronous shards, on one thread and on two.  Hogwild on
  two threads is not the same run twice, so its epochs are given as a range.

Written to benchmarks/_work/results/hogwild.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.gradient_pass import fastest

ETA = 0.05  # a rate as it is in the middle of a fit
NEVER = 1e9  # one at which no column is worth a copy
TOL = 1e-3


def epochs(X: Any, y: np.ndarray) -> dict[str, Callable[[], Any]]:
    """One epoch each, in the same order of the rows."""
    from steepest.data.source import as_source
    from steepest.kernels.epochs import plain_epoch
    from steepest.kernels.hogwild import hogwild_steps
    from steepest.losses.registry import get_loss
    from steepest.parallel import Pool
    from steepest.penalties import L2
    from steepest.problems.linear import LinearProblem
    from steepest.solvers.hogwild import head_for

    n, d = X.shape
    loss, l2, none = get_loss("logistic"), 1.0 / n, np.empty(0)
    problem = LinearProblem(as_source(X, pool=Pool(2)), y, np.full(n, 1.0 / n), loss, L2(l2), False)
    pool, rows = problem.source.pool, problem.source.rows
    order = np.random.default_rng(0).permutation(n).astype(np.uint32)
    rates = np.full(n, ETA)
    after = np.cumprod(1.0 - rates * l2)
    arrays = (order, np.append(1.0, after)[:-1], rates / after)
    dealt = [[np.ascontiguousarray(a[t::2]) for a in arrays] for t in range(2)]
    plain = np.zeros(d)

    def serial() -> None:
        plain_epoch(loss, rows, y, none, order, none, rates, 1, l2, 0.0, 0.0, plain, d, none, none, none, none)

    def both(rate: float, apart: bool = False) -> Callable[[], Any]:
        head = head_for(problem, none, rate, 2, 0)
        every, bias = head.intervals(rate), np.zeros(1)
        vectors = [np.zeros(d) for _ in range(1 + apart)]

        def lane(t: int) -> None:
            hogwild_steps(
                loss, head.rows, head.split, y, none, *dealt[t], none, vectors[t * apart], head.hub, *head.copies[t],
                head.edges, every, bias, 0.5,
            )  # fmt: skip

        return lambda: pool.map(lane, range(2))

    return {
        "one thread": serial,
        "two, all columns shared": both(NEVER),
        "two, copies of the frequent columns": both(ETA),
        "two vectors": both(NEVER, apart=True),
        "(sorting the rows)": lambda: head_for(problem, none, ETA, 2, 0),
    }


def settled(functions: dict[str, Callable[[], Any]], turns: int, again: int = 3) -> dict[str, float]:
    """Seconds of each, taking turns of several calls, so that a fit's second epoch is measured and not its first."""
    best = dict.fromkeys(functions, float("inf"))
    for turn in range(turns + 1):
        for name, function in functions.items():
            for _ in range(again):
                began = time.perf_counter()
                function()
                if turn:  # the first turn compiles
                    best[name] = min(best[name], time.perf_counter() - began)
    return best


def fits(X: Any, y: np.ndarray, seen: dict[str, list[int]]) -> dict[str, Callable[[], Any]]:
    """A fit to `TOL` each; the epochs it took go into ``seen``."""
    from steepest import LinearClassifier

    def fit(solver: str, threads: int) -> None:
        model = LinearClassifier(
            loss="logistic", penalty="l2", alpha=1.0 / len(y), fit_intercept=False, solver=solver, tol=TOL,
            n_jobs=threads,
        ).fit(X, y)  # fmt: skip
        if not model.certificate_.passed:
            raise RuntimeError(f"{solver} on {threads} threads is not certified: {model.certificate_}")
        seen.setdefault(f"{solver} {threads}", []).append(int(np.max(model.n_iter_)))

    return {
        f"{solver} {threads}": partial(fit, solver, threads)
        for solver in ("hogwild", "parallel_sgd")
        for threads in (1, 2)
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hogwild", description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns
    X, y = data.load("news_binary")
    began = time.perf_counter()
    found: dict[str, Any] = {}
    found["load of the machine, over 1 minute"] = os.getloadavg()[0]
    epoch = settled(epochs(X, y), turns)
    for name, seconds in epoch.items():
        found[f"epoch, {name}: ms"] = 1e3 * seconds
    for name in ("two, all columns shared", "two, copies of the frequent columns", "two vectors"):
        found[f"epoch: {name}, over one thread"] = epoch["one thread"] / epoch[name]
    seen: dict[str, list[int]] = {}
    whole = fastest(fits(X, y, seen), turns)
    for name, seconds in whole.items():
        found[f"certified {TOL:g}, {name}: ms"] = 1e3 * seconds
        found[f"certified {TOL:g}, {name}: epochs"] = [min(seen[name]), max(seen[name])]
    for solver in ("hogwild", "parallel_sgd"):
        found[f"certified {TOL:g}, {solver}: two threads over one"] = whole[f"{solver} 1"] / whole[f"{solver} 2"]
    found["seconds of this benchmark"] = time.perf_counter() - began
    path = data.WORK / "results" / "hogwild.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1))
    for name, value in found.items():
        print(f"{name:60} {value if isinstance(value, list) else format(value, '.4g')}")


if __name__ == "__main__":
    main()
