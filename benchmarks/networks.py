"""Networks: seconds of an epoch beside the bare matrix products and other libraries, start to first epoch, memory.

    python -m benchmarks.networks [--cells 784-256-128-10] [--only epochs,start,memory] [--contestants steepest,jax]
    python -m benchmarks.networks --accuracy            # the recipes of networks_accuracy.py alone: up to 20 minutes

MNIST (pixels / 255, float32), Adam with step 1e-3, batches of 128; everybody is kept to two processors (on Linux).

- epochs: every contestant lives in a process of its own and they take turns; the first turn warms up (compiles), the
  others train ``EPOCHS`` epochs, and the second scores after the first and the last of them.  The least seconds
  of an epoch count: for the others measured around it, for steepest from the history of the public `MLPClassifier`.
  "products" is NumPy's matmul of the same shapes into arrays that are there already, nothing else.
- start: from the start of a new process (pixels as .npy on disk) to the end of the first epoch, in turn; the least of
  some turns.  JAX compiles in every process.  Of steepest also the seconds until the process is over, with the
  certificate, and, once, with an empty folder of compiled code.
- memory: peak resident memory of a fit beyond that of the process with everything imported and X loaded, with X as
  uint8, float32 and a memory-mapped float32 file, plus X: what counts as "X" is its own size in each case.  Of a
  mapped file, pages count as resident although the system can drop them.

Written to benchmarks/_work/results/networks.json, part by part; `benchmarks.race --render` puts it into RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks import data, machine, networks_data
from benchmarks.networks_contestants import BATCH, CELLS, CONTESTANTS, takes
from benchmarks.peers import THREADS

ROOT = Path(__file__).parents[1]
RESULT = data.WORK / "results" / "networks.json"
EPOCHS = 3
ROUNDS = {"784-256-128-10": 4, "784-1024-1024-10": 2, "784-256-128-10, batch norm, dropout": 3}
STARTERS = ("steepest", "jax", "torch fused", "scikit-learn")
STARTED = "784-256-128-10"  # the cell whose start is measured where none is named
FEW = 10_000
COMPILE_LIMIT = 120.0  # seconds that the first turn of a contestant may take
PARTS = ("epochs", "start", "memory")
KINDS = ("uint8", "float32", "memory-mapped float32")
TORCH = ("torch eager", "torch fused", "torch compile")


class Process:
    """A contestant in a process of its own, which trains when told to."""

    def __init__(self, name: str, cell: str, rows: int) -> None:
        self.name = name
        command = [sys.executable, "-m", "benchmarks.networks", "--worker", name, "--cells", cell, "--rows", str(rows)]
        self.errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(name),
            cwd=ROOT,
        )

    def ask(self, limit: float, **order: Any) -> dict[str, Any] | None:
        """What came of an order; None (and a printed line) where the contestant failed or took too long."""
        import select

        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            self.child.stdin.write(json.dumps(order) + "\n")
            self.child.stdin.flush()
            ready, _, _ = select.select([self.child.stdout], [], [], limit)
            line = self.child.stdout.readline() if ready else ""
        except OSError:
            ready, line = [True], ""
        if line:
            return dict(json.loads(line))
        self.child.kill()
        self.child.wait()
        self.errors.seek(0)
        why = (self.errors.read().strip().splitlines() or ["no output"])[-1] if ready else f"more than {limit:.0f} s"
        self.end()
        print(f"    {self.name}: left out ({why[:160]})", flush=True)
        return None

    def end(self) -> None:
        self.child.kill()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout, self.errors):
            with contextlib.suppress(OSError):  # a line that the child did not take
                stream.close()  # type: ignore[union-attr]


def environment(name: str) -> dict[str, str]:
    """The environment of a contestant's process."""
    paths = [*CONTESTANTS[name].paths, str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "JAX_PLATFORMS": "cpu"}


def worker(name: str, cell: str, rows: int) -> None:
    """Train whenever a line comes in."""
    out = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    warnings.simplefilter("ignore")
    contestant = CONTESTANTS[name](CELLS[cell], _arrays(rows))
    for line in sys.stdin:
        order = json.loads(line)
        began = time.perf_counter()
        done = contestant.train(order["epochs"], order["score"])
        answer = {"seconds": done.seconds, "accuracy": done.accuracy, "whole": time.perf_counter() - began}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def _arrays(rows: int) -> tuple[Any, ...]:
    X, y = networks_data.shares("train"), networks_data.labels("train")
    return X[:rows], y[:rows], networks_data.shares("test"), networks_data.labels("test")


# ---------------------------------------------------------------------------------------------------------- epochs


def race(cell: str, names: list[str], rounds: int, rows: int) -> dict[str, float]:
    """Seconds of an epoch and accuracies of one cell."""
    running = {name: Process(name, cell, rows) for name in names if takes(name, CELLS[cell])}
    least: dict[str, float] = {}
    found: dict[str, float] = {}
    try:
        for turn in range(rounds + 1):
            for name, process in list(running.items()):
                limit = COMPILE_LIMIT if turn == 0 else 300.0
                answer = process.ask(limit, epochs=EPOCHS if turn else 1, score=turn == 1)
                if answer is None:
                    del running[name]
                    least.pop(name, None)
                elif turn == 0:
                    found[f"{cell}, {name}: first call, seconds"] = answer["whole"]
                else:
                    least[name] = min(least.get(name, math.inf), *answer["seconds"])
                    for epochs, share in answer["accuracy"].items():
                        if int(epochs) in (1, EPOCHS):
                            found[f"{cell}, {name}: test accuracy, {epochs} epochs"] = share
                    print(f"    {cell}, {name}: {min(answer['seconds']):.3f} s", flush=True)
                time.sleep(0.2)  # until threads of the last no longer spin
    finally:
        for process in running.values():
            process.end()
    found |= {f"{cell}, {name}: seconds an epoch": seconds for name, seconds in least.items()}
    return found | ratios(cell, least)


def ratios(cell: str, least: dict[str, float]) -> dict[str, float]:
    """What is compared with the targets."""
    out: dict[str, float] = {}
    ours = least.get("steepest", math.nan)
    if "products" in least and not math.isnan(ours):
        out[f"{cell}: steepest over products"] = ours / least["products"]
    torch = [least[name] for name in TORCH if name in least]
    for who, seconds in (
        ("jax", least.get("jax")),
        ("best torch", min(torch, default=None)),
        ("scikit-learn", least.get("scikit-learn")),
    ):
        if seconds is not None and not math.isnan(ours):
            out[f"{cell}: {who} over steepest"] = seconds / ours
    return out


# ----------------------------------------------------------------------------------------------------------- start


def start(cell: str, names: list[str], turns: int, rows: int) -> dict[str, float]:
    """Seconds from the start of a process to the end of the first epoch."""
    warm = [name for name in STARTERS if name in names and takes(name, CELLS[cell])]
    least: dict[str, float] = {}
    over = math.inf
    for turn in range(turns + 1):  # the first fills caches on disk
        for name in list(warm):
            seconds = _started(name, cell, rows, {})
            if seconds is None:
                warm.remove(name)
            elif turn:
                least[name] = min(least.get(name, math.inf), seconds[0])
                over = min(over, seconds[1]) if name == "steepest" else over
                print(f"    {cell}, {name}: {seconds[0]:.2f} s from start", flush=True)
    found = {f"{cell}, {name}: start to first epoch, seconds": seconds for name, seconds in least.items()}
    if "steepest" in least:
        found[f"{cell}, steepest: start to end with certificate, seconds"] = over
        with tempfile.TemporaryDirectory() as empty:
            cold = _started("steepest", cell, rows, {"NUMBA_CACHE_DIR": empty})
        if cold is not None:
            found[f"{cell}, steepest, nothing compiled: start to first epoch, seconds"] = cold[0]
    if "steepest" in least and "jax" in least:
        found[f"{cell}: start to first epoch, steepest over jax"] = least["steepest"] / least["jax"]
    return found


def _started(name: str, cell: str, rows: int, extra: dict[str, str]) -> tuple[float, float] | None:
    """Seconds from the start of a process to the end of its first epoch, and to its own end."""
    command = [sys.executable, "-m", "benchmarks.networks", "--once", name, "--cells", cell, "--rows", str(rows)]
    began = time.time()
    done = subprocess.run(command, env=environment(name) | extra, cwd=ROOT, capture_output=True, text=True)
    over = time.time() - began
    if done.returncode == 0:
        return float(done.stdout.splitlines()[-1]) - began, over
    print(f"    {name}: left out ({(done.stderr.strip().splitlines() or ['no output'])[-1][:160]})", flush=True)
    return None


def once(name: str, cell: str, rows: int) -> None:
    """One epoch, from nothing; prints when it ended."""
    warnings.simplefilter("ignore")
    X, y = networks_data.shares("train")[:rows], networks_data.labels("train")[:rows]
    print(repr(CONTESTANTS[name](CELLS[cell], (X, y, X[:0], y[:0])).first()))


# ---------------------------------------------------------------------------------------------------------- memory


def memory(cell: str, rows: int) -> dict[str, float]:
    """Megabytes of a fit of steepest for each kind of X."""
    found: dict[str, float] = {}
    networks_data.as_float32(rows)
    for kind in KINDS:
        command = [sys.executable, "-m", "benchmarks.networks", "--memory", kind, "--cells", cell, "--rows", str(rows)]
        done = subprocess.run(command, env=environment("steepest"), cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            print(f"    memory, X as {kind}: left out ({last[:160]})", flush=True)
            continue
        measured = json.loads(done.stdout.splitlines()[-1])
        allowed = 1.2 * measured["X"] + measured["rest"]
        words = f"{cell}, X as {kind}"
        found[f"{words}: MB of X"] = measured["X"]
        found[f"{words}: MB of parameters, states and a batch"] = measured["rest"]
        found[f"{words}: MB of X and beyond it"] = measured["X"] + measured["extra"]
        found[f"{words}: memory over 1.2 X, parameters, states and a batch"] = (
            measured["X"] + measured["extra"]
        ) / allowed
        print(f"    {words}: {measured['extra']:.1f} MB beyond X ({measured['X']:.1f} MB)", flush=True)
    return found


def megabytes(cell: str, kind: str, rows: int) -> dict[str, float]:
    """One fit in this process, after one on a few rows that imports and compiles everything."""
    import numpy as np

    from benchmarks.networks_contestants import Steepest
    from benchmarks.worker import Memory

    warnings.simplefilter("ignore")
    y = networks_data.labels("train")[:rows]
    X = networks_data.pixels("train")[:rows].copy()
    scale: dict[str, Any] = {"scale": "range"} if kind == "uint8" else {}
    if kind == "float32":
        X = np.multiply(X, np.float32(1 / 255), dtype=np.float32)
    elif kind != "uint8":
        X = np.load(networks_data.as_float32(rows), mmap_mode="r")
    few = np.random.default_rng(0).choice(rows, min(FEW, rows), replace=False)  # as many as need every kernel
    network = CELLS[cell]
    maker = Steepest(network, (X, y, X, y))
    first = np.ascontiguousarray(X[few])
    first.flags.writeable = X.flags.writeable  # kernels of rows that cannot be written are others
    maker.model(1).set_params(**scale).fit(first, y[few])
    X[:, ::64].sum()  # pages of a mapped file count as X, not as growth
    before = Memory()
    maker.model(1).set_params(**scale).fit(X, y)
    extra = before.peak()
    activations = BATCH * 2 * sum(network.widths)  # forward, backward
    rest = 4 * (4 * network.parameters + activations) / 2**20  # parameters, gradient, two slots of Adam
    return {"X": X.nbytes / 2**20, "extra": extra, "rest": rest}


# ------------------------------------------------------------------------------------------------------------ main


def keep(found: dict[str, float]) -> None:
    """Add numbers to the results; those of a part that was measured again are replaced."""
    kept = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(kept | found, indent=1))


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--cells", help="names, separated by semicolons; all by default")
    parser.add_argument("--contestants", default=",".join(CONTESTANTS))
    parser.add_argument("--rounds", type=int, help="turns of each contestant after the first")
    parser.add_argument("--turns", type=int, default=3, help="turns of the starts")
    parser.add_argument("--rows", type=int, default=60_000, help="fewer, to try the script; not kept")
    parser.add_argument("--accuracy", action="store_true", help="run the recipes for accuracy instead")
    for hidden in ("--worker", "--once", "--memory"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cells = options.cells.split(";") if options.cells else list(CELLS)
    if options.worker:
        return worker(options.worker, cells[0], options.rows)
    if options.once:
        return once(options.once, cells[0], options.rows)
    if options.memory:
        return print(json.dumps(megabytes(cells[0], options.memory, options.rows)))
    names, parts = options.contestants.split(","), options.only.split(",")
    for what, given, known in (
        ("--cells", cells, CELLS),
        ("--only", parts, PARTS),
        ("--contestants", names, CONTESTANTS),
    ):
        unknown = sorted(set(given) - set(known))
        if unknown:
            parser.error(f"{what}: expected some of {', '.join(map(repr, known))}, got {', '.join(map(repr, unknown))}")
    if hasattr(os, "sched_setaffinity"):  # inherited by every process that is measured
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    store = keep if options.rows == 60_000 else (lambda found: None)
    networks_data.prepare()
    if options.accuracy:
        from benchmarks import networks_accuracy

        return networks_accuracy.run(list(networks_accuracy.EPOCHS), None, options.rows, store)
    began = time.perf_counter()
    for cell in cells:
        print(cell, flush=True)
        if "epochs" in parts:
            _say(race(cell, names, options.rounds or ROUNDS[cell], options.rows), store)
        if "start" in parts and (cell == STARTED or options.cells):
            _say(start(cell, names, options.turns, options.rows), store)
        if "memory" in parts and "steepest" in names and not CELLS[cell].regularised:
            _say(memory(cell, options.rows), store)
    print(f"{time.perf_counter() - began:.0f} s, load average {machine.load_average():.1f}")
    return None


def _say(found: dict[str, float], store: Any) -> None:
    for key, number in found.items():
        print(f"{key:90} {number:.4g}", flush=True)
    store(found)


if __name__ == "__main__":
    main()
