"""The race: every contestant on every cell, one process at a time, and the table.

    python -m benchmarks.race [GROUP ...] [--cells a,b] [--peers p,q] [--repeat 3] [--out benchmarks/RESULTS.md]

For each cell: (1) a certified optimum (`benchmarks.reference`, kept on disk); (2) *screening*: each variant of
each library climbs its ladder of tolerances in one process; (3) *timing*: the rungs that reached a target, of
all variants within ``--within`` of the fastest, run ``--repeat`` times, each time in a fresh process, in turn
(so that a slower hour of the machine meets all alike).  Raw results: benchmarks/_work/results/CELL.json.
``--render`` only writes the table anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cells, data, ladder, machine, objective, peers, reference, table
from benchmarks.ladder import Run
from benchmarks.objective import Problem

ROOT = Path(__file__).parents[1]
RESULTS = data.WORK / "results"
START_LIMIT = 180.0  # seconds a worker may take to load its data and import its library
ALWAYS = ("steepest", "sklearn")
HOPELESS = 90  # times the fastest; screening goes on while a rung takes a third of it, 30 times


def work(spec: dict[str, Any], peer: peers.Peer, cap: float) -> tuple[list[dict[str, Any]], dict[int, np.ndarray]]:
    """Run one worker to its end, or kill it where a single fit takes more than ``cap`` seconds."""
    folder = Path(tempfile.mkdtemp(prefix="race-"))
    try:
        (folder / "spec.json").write_text(json.dumps(spec))
        path = [*peer.paths, str(ROOT), str(ROOT / "src")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
        command = [peer.interpreter, "-m", "benchmarks.worker", str(folder)]
        with (folder / "output").open("w") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
            killed = _watch(process, folder / "events.jsonl", cap)
        log = folder / "events.jsonl"
        events = [json.loads(text) for text in log.read_text().splitlines()] if log.is_file() else []
        if killed:
            events.append({"event": "capped", "message": f"a fit took more than {cap:.0f} s"})
        elif not events or events[-1]["event"] not in ("done", "missing", "error"):
            tail = (folder / "output").read_text()[-500:]
            events.append({"event": "error", "message": f"exit {process.returncode}: {tail}"})
        coefs = {int(file.stem[4:]): np.load(file) for file in folder.glob("coef*.npy")}
        return events, coefs
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _watch(process: subprocess.Popen[bytes], log: Path, cap: float) -> bool:
    """Wait for the worker; True where it had to be killed."""
    lines, since, limit = 0, time.monotonic(), START_LIMIT
    while process.poll() is None:
        time.sleep(0.05)
        count = log.read_bytes().count(b"\n") if log.is_file() else 0
        if count > lines:
            lines, since, limit = count, time.monotonic(), cap
        if time.monotonic() - since > limit:
            process.kill()
            process.wait()
            return True
    return False


def optimum(name: str, problem: Problem, max_seconds: float) -> reference.Reference:
    """The cell's certified optimum, computed once for its data and strengths."""
    key = f"{name}-{data.VERSION}-{problem.facts}"
    path = data.WORK / "reference" / f"{name.replace('/', '_')}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
    if path.is_file():
        kept = np.load(path)
        return reference.Reference(kept["w"], float(kept["value"]), float(kept["gap"]), float(kept["seconds"]))
    found = reference.solve(problem, max_seconds=max_seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, w=found.w, value=found.value, gap=found.gap, seconds=found.seconds)
    return found


class CellRace:
    """All the runs of one cell."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        self.problem = cells.load(name)
        self.reference = optimum(name, self.problem, options.reference_seconds)
        self.best = self.reference.value
        self.runs: list[Run] = []
        self.attempts: list[tuple[str, str, float]] = []
        self.notes: list[str] = []
        self.versions: dict[str, str] = {}

    def entries(self) -> Iterator[tuple[str, str, peers.Ladder]]:
        for name in self.options.peers:
            for variant, rungs in peers.get(name).variants(self.problem.facts).items():
                if re.search(self.options.only, f"{name} {variant}"):
                    yield name, variant, rungs

    def cap(self) -> float:
        """Seconds a fit may take: there is nothing to learn from one far slower than the fastest."""
        found = ladder.results(self.runs, ladder.TARGETS[-1])
        return min(self.options.cap, max(10.0, HOPELESS * found[0].seconds)) if found else self.options.cap

    def run(self, name: str, variant: str, rungs: peers.Ladder, screening: bool) -> None:
        cap = self.cap()
        if not screening:
            self.attempts.append((name, variant, rungs[0]))
        spec = {
            "cell": self.name,
            "peer": name,
            "variant": variant,
            "rungs": rungs,
            "fits": 1 if screening else self.options.fits,
            "best": self.best,
            "enough": 0.5 * ladder.TARGETS[-1] if screening else -1.0,
            "prove": ladder.TARGETS[-1],
            "long": cap / 3 if screening else float("inf"),
        }
        events, coefs = work(spec, peers.get(name), cap)
        for event in events:
            kind = event["event"]
            if kind == "ready":
                self.versions |= event["versions"]
            elif kind == "rung":
                self.runs.append(self.judge(name, variant, event, coefs[event["index"]], screening))
            elif kind in ("missing", "error", "capped"):
                reached = f" after rung {self.runs[-1].rung:g}" if kind == "capped" and self.runs else ""
                self.notes.append(f"{name} {variant}: {kind}{reached}: {event['message']}")
                print(f"    {self.notes[-1]}", flush=True)

    def timed(self, name: str, variant: str, rung: float) -> int:
        """How often a rung has been run after screening (failures count)."""
        return self.attempts.count((name, variant, rung))

    def judge(self, name: str, variant: str, event: dict[str, Any], coef: np.ndarray, screening: bool) -> Run:
        reached = objective.value(self.problem, coef)
        if reached < self.best:
            self.best = reached
        said = event["said"]
        if said.get("gap") is not None and said.get("primal"):  # its objective may be a multiple of ours
            said["gap"] *= reached / said["primal"]
        relative = objective.suboptimality(reached, self.best)
        timing = {"seconds": event["seconds"], "first": event["first"]}
        memory = {"peak": event["peak"], "first_peak": event["first_peak"]}
        run = Run(
            *(name, variant, event["rung"]),
            **timing,
            value=reached,
            relative=relative,
            **memory,
            certified=said.get("certified"),
            screening=screening,
            said=said,
        )
        phase = "screening" if screening else "timed"
        print(f"    {name} {variant} {run.rung:g}: {run.best:.4g} s, {relative:.1e} ({phase})", flush=True)
        return run

    def go(self) -> dict[str, Any]:
        """Screen, time, judge all against the same optimum; the record."""
        print(f"{self.name}: P* = {self.best:.12g}, proven to {self.reference.gap:.1e}", flush=True)
        missing: set[str] = set()
        for name, variant, rungs in self.entries():
            if name in missing:
                continue
            self.run(name, variant, rungs, screening=True)
            if self.notes and self.notes[-1].startswith(f"{name} {variant}: missing"):
                missing.add(name)
        for _ in range(3 * self.options.repeat):  # a variant may come near the fastest as that is timed again
            chosen = ladder.contenders(self.runs, self.options.within, ALWAYS)
            todo = [key for key in chosen if self.timed(*key) < self.options.repeat]
            if not todo:
                break
            for name, variant, rung in todo:
                self.run(name, variant, (rung,), screening=False)
        for run in self.runs:
            run.relative = objective.suboptimality(run.value, self.best)
        false = ladder.false_claims(self.runs, self.best)
        self.notes += [f"FALSE CERTIFICATE: {r.peer} {r.variant} {r.rung:g}: {r.said['gap']:.3g}" for r in false]
        return {
            "cell": self.name,
            "facts": self.problem.facts._asdict(),
            "nnz": int(getattr(self.problem.X, "nnz", self.problem.X.size)),
            "best": self.best,
            "reference": {"value": self.reference.value, "gap": self.reference.gap, "seconds": self.reference.seconds},
            "runs": [run.to_dict() for run in self.runs],
            "notes": self.notes,
            "versions": self.versions,
            "machine": machine.line(),
            "load": machine.load_average(),
            "date": date.today().isoformat(),
            "command": "python -m benchmarks.race " + " ".join(sys.argv[1:]),
        }


def main(arguments: list[str] | None = None) -> None:
    """Run the race from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__.partition("\n")[0])
    default = [name for name, cell in cells.CELLS.items() if cell.group != "small"]
    names = "a group, a cell, or the start of several names, e.g. logistic"
    parser.add_argument("groups", nargs="*", help=f"{names}; more of what --cells takes")
    parser.add_argument("--cells", default="", help=f"separated by commas; {names}")
    parser.add_argument("--peers", default=",".join(peers.NAMES), help="separated by commas")
    parser.add_argument("--only", default="", help="a regular expression that 'peer variant' must contain")
    parser.add_argument("--repeat", type=int, default=3, help="fresh processes for each timed rung")
    parser.add_argument("--fits", type=int, default=3, help="timed fits in each process; the fastest counts")
    parser.add_argument("--within", type=float, default=2.0, help="time variants again up to this times the fastest")
    parser.add_argument("--cap", type=float, default=120.0, help="seconds after which a single fit is given up")
    parser.add_argument("--reference-seconds", type=float, default=900.0, help="limit of the high-precision solve")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "RESULTS.md")
    parser.add_argument("--render", action="store_true", help="write the table from the kept results, run nothing")
    parser.add_argument("--list", action="store_true", help="print the cells and stop")
    options = parser.parse_args(arguments)
    if options.list:
        for cell in cells.CELLS.values():
            print(f"{cell.name:28} {cell.words}")
        return
    options.peers = options.peers.split(",")
    for name in options.peers:
        peers.get(name)
    parts = [*options.groups, *filter(None, options.cells.split(","))]
    for part in parts:
        if not cells.named([part]):
            parser.error(f"no group or cell is called {part!r}; --list names them")
    wanted = cells.named(parts) if parts else default
    RESULTS.mkdir(parents=True, exist_ok=True)
    if not options.render:
        for name in wanted:
            record = CellRace(name, options).go()
            (RESULTS / f"{name.replace('/', '_')}.json").write_text(json.dumps(record, indent=1))
            options.out.write_text(table.render(RESULTS))
    options.out.write_text(table.render(RESULTS))
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
