"""How long until a first answer: process start to a first fitted tiny LogisticRegression, and the imports.

    python -m benchmarks.startup [--repeat 9]

steepest and scikit-learn take turns, each in a fresh process with a warm disk cache; the medians count.  "First
fit ever" starts with an empty folder of compiled code (NUMBA_CACHE_DIR).  Written to
benchmarks/_work/results/startup.json, which `benchmarks.race --render` puts into RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import data

ROOT = Path(__file__).parents[1]
FIT = """
import numpy as np
from {library} import LogisticRegression
rng = np.random.default_rng(0)
X = rng.standard_normal((100, 5))
y = (X[:, 0] + 0.5 * rng.standard_normal(100) > 0).astype(int)
LogisticRegression().fit(X, y)
"""
LOADED = "import sys, steepest; print(','.join(m for m in sys.modules if m.partition('.')[0] == 'sklearn'))"


def seconds(code: str, environment: dict[str, str]) -> float:
    """Wall-clock seconds of a fresh Python that runs the code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def measure(repeat: int) -> dict[str, float]:
    """All the figures."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": ""}
    fit_ours, fit_theirs = FIT.format(library="steepest"), FIT.format(library="sklearn.linear_model")
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()
    same_imports = f"import {loaded}" if loaded else "pass"
    codes = {
        "steepest": fit_ours,
        "scikit_learn": fit_theirs,
        "import_steepest": "import steepest",
        "import_its_scikit_learn": same_imports,
        "import_names": "from steepest import LogisticRegression",
        "python": "pass",
    }
    for code in codes.values():  # warm the disk, and the caches of compiled code
        seconds(code, environment)
    taken: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(repeat):
        for name, code in codes.items():
            taken[name].append(seconds(code, environment))
    ever = []
    for _ in range(min(3, repeat)):
        with tempfile.TemporaryDirectory() as empty:
            ever.append(seconds(fit_ours, environment | {"NUMBA_CACHE_DIR": empty}))
    found = {name: statistics.median(values) for name, values in taken.items()}
    return found | {
        "first_ever": statistics.median(ever),
        "ratio": found["steepest"] / found["scikit_learn"],
        "first_ever_extra": statistics.median(ever) - found["steepest"],
        "import_extra": found["import_steepest"] - found["import_its_scikit_learn"],
        "repeat": repeat,
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=9)
    found = measure(parser.parse_args().repeat)
    path = data.WORK / "results" / "startup.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1))
    for name, value in found.items():
        print(f"{name:26} {value:.3f}")


if __name__ == "__main__":
    main()
