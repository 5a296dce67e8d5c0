"""One run, in a process of its own: load the data, fit once to warm up, then fit by the clock.

    python -m benchmarks.worker FOLDER       (FOLDER/spec.json says what; the answers go to FOLDER/events.jsonl)

Spec: ``cell, peer, variant, rungs, fits, best, enough, prove, long``.  The rungs are fitted from loose to tight
until the suboptimality ``enough`` against the optimum ``best`` is reached (and, by a library that certifies its
results, ``prove`` is proven), or a fit takes ``long`` seconds.  The clock runs from the data in memory to the
fitted coefficients: conversions count, loading and importing do not.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import sys
import time
import traceback
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cells, objective, peers

FIRST_ONLY = 10.0  # seconds; a fit of a library that compiles nothing needs no warm-up beyond this


class Memory:
    """Peak resident memory above a baseline, in MB (Linux; nan elsewhere)."""

    def __init__(self) -> None:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self.baseline = self._read("VmRSS")

    @staticmethod
    def _read(key: str) -> float:
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return float("nan")
        return next((float(line.split()[1]) / 1024 for line in lines if line.startswith(key)), float("nan"))

    def peak(self) -> float:
        return self._read("VmHWM") - self.baseline


def main(folder: Path) -> None:
    """Run the spec of a folder."""
    spec = json.loads((folder / "spec.json").read_text())
    with (folder / "events.jsonl").open("a", buffering=1) as log:

        def say(event: str, **values: Any) -> None:
            log.write(json.dumps({"event": event, **values}) + "\n")

        try:
            _run(spec, folder, say)
        except ImportError as error:
            say("missing", message=str(error))
        except Exception as error:
            say("error", message=f"{type(error).__name__}: {error}"[:500], trace=traceback.format_exc()[-3000:])


def _run(spec: dict[str, Any], folder: Path, say: Any) -> None:
    peer = peers.get(spec["peer"])
    problem = cells.load(spec["cell"])
    began = time.perf_counter()
    peer.load()
    say("ready", import_seconds=time.perf_counter() - began, versions=_versions(peer))
    warnings.simplefilter("ignore")

    for index, rung in enumerate(spec["rungs"]):
        seconds: list[float] = []
        first, first_peak, peak = float("nan"), float("nan"), float("nan")
        while True:
            memory = Memory()
            say("start")
            began = time.perf_counter()
            coef, said = peer.fit(problem, spec["variant"], rung)
            taken = time.perf_counter() - began
            peak = memory.peak()
            warming = (index == 0 or peer.jit) and np.isnan(first)
            if warming:
                first, first_peak = taken, peak
            if not warming or (taken > FIRST_ONLY and not peer.jit):
                seconds.append(taken)
            if len(seconds) >= spec["fits"] or (seconds and sum(seconds) > FIRST_ONLY / 2):
                break
        np.save(folder / f"coef{index}.npy", coef)
        reached = objective.suboptimality(objective.value(problem, coef), spec["best"])
        say("rung", index=index, rung=rung, seconds=seconds, first=first, first_peak=first_peak, peak=peak, said=said)
        proven = said.get("certified")
        there = reached <= spec["enough"] and (proven is None or proven <= spec["prove"])
        if there or min(seconds) > spec["long"]:
            break
    say("done")


def _versions(peer: peers.Peer) -> dict[str, str]:
    found = {}
    for name in peer.distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "source tree"
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
