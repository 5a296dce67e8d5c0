"""What reading a large CSV file and encoding it costs, against pyarrow's reader and scikit-learn's encoders.

    python -m benchmarks.read_csv [--megabytes 1000] [--repeat 3]

The file is generated: 8 columns of numbers (1 % missing), 4 of whole numbers, 6 of categories (3 to 40 levels, 1 %
missing), and labels.  Both sides read it and encode it to a float64 matrix of the same columns (medians, standard
deviations, one-hot), each in a fresh process, in turn; the fastest counts.  The reader of pyarrow is `read_csv` with
dictionary-encoded text; scikit-learn's side is a `ColumnTransformer` of `SimpleImputer`, `StandardScaler` and
`OneHotEncoder` on the columns as pandas frames.  Memory is the peak above what the imports take, over the bytes of the
encoded matrix.  Written to benchmarks/_work/results/read_csv.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data

LEVELS = (3, 5, 8, 12, 20, 40)
NUMBERS, WHOLE = 8, 4
_ROWS = 200_000


def generate(path: Path, megabytes: int) -> int:
    """Write the file in pieces until it is large enough; returns the rows."""
    import pyarrow as pa
    from pyarrow import csv

    rng = np.random.default_rng(0)
    rows = 0
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        while file.tell() < megabytes * 1_000_000:
            columns: dict[str, Any] = {}
            for k in range(NUMBERS):
                values = np.round(rng.standard_normal(_ROWS) * 10.0 ** (k % 4), 4)
                columns[f"number{k}"] = pa.array(values, mask=rng.random(_ROWS) < 0.01)
            for k in range(WHOLE):
                columns[f"whole{k}"] = pa.array(rng.integers(0, 10 ** (k + 2), _ROWS))
            for k, count in enumerate(LEVELS):
                names = pa.array([f"level {chr(97 + k)}{j}" for j in range(count)])
                codes = pa.array(rng.integers(0, count, _ROWS), mask=rng.random(_ROWS) < 0.01)
                columns[f"category{k}"] = names.take(codes)
            columns["label"] = pa.array(np.where(rng.random(_ROWS) < 0.4, "yes", "no"))
            csv.write_csv(pa.table(columns), file, csv.WriteOptions(include_header=rows == 0, quoting_style="needed"))
            rows += _ROWS
    partial.rename(path)
    return rows


def ours(path: Path) -> tuple[Any, dict[str, float]]:
    """steepest."""
    from steepest.readers.tables import read_table
    from steepest.transforms.encoding import TableEncoder

    began = time.perf_counter()
    table = read_table(path, target="label")
    read = time.perf_counter()
    X = TableEncoder().fit(table).transform(table)
    y = table.y()
    done = time.perf_counter()
    assert len(y) == X.shape[0]
    return X, {"read": read - began, "encode": done - read, "seconds": done - began}


def theirs(path: Path) -> tuple[Any, dict[str, float]]:
    """Pyarrow and scikit-learn."""
    import pyarrow as pa
    from pyarrow import csv
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    began = time.perf_counter()
    text = {name: pa.dictionary(pa.int32(), pa.string()) for name in [f"category{k}" for k in range(len(LEVELS))]}
    table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=text, strings_can_be_null=True))
    read = time.perf_counter()
    frame = table.to_pandas()
    y = frame.pop("label").to_numpy()
    numbers = [name for name in frame.columns if not name.startswith("category")]
    encoder = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(text)),
        ]
    )
    X = encoder.fit_transform(frame)
    done = time.perf_counter()
    assert len(y) == X.shape[0]
    return X, {"read": read - began, "encode": done - read, "seconds": done - began}


def _peak() -> int:
    """Largest resident bytes so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def child(side: str, path: Path) -> dict[str, float]:
    """One run in this process: seconds, and memory in units of the encoded matrix."""
    import pandas  # noqa: F401  # what both sides import is no memory of the data
    import pyarrow.csv  # noqa: F401
    import sklearn.compose  # noqa: F401

    import steepest.readers.tables
    import steepest.transforms.encoding  # noqa: F401

    before = _peak()
    X, found = {"ours": ours, "theirs": theirs}[side](path)
    sizes = [X.nbytes] if isinstance(X, np.ndarray) else [X.data.nbytes, X.indices.nbytes, X.indptr.nbytes]
    return found | {
        "memory": (_peak() - before) / sum(sizes),
        "encoded_bytes": float(sum(sizes)),
        "rows": float(X.shape[0]),
        "columns": float(X.shape[1]),
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.read_csv", description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = data.WORK / f"table_{options.megabytes}.csv"
    if options.child:
        print(json.dumps(child(options.child, path)))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        generate(path, options.megabytes)
    path.read_bytes()  # into the cache of the disk
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for _ in range(options.repeat):
        for side, taken in runs.items():
            command = [
                sys.executable,
                "-m",
                "benchmarks.read_csv",
                "--megabytes",
                str(options.megabytes),
                "--child",
                side,
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            taken.append(json.loads(done.stdout))
    found: dict[str, float] = {"megabytes": path.stat().st_size / 1e6, "repeat": options.repeat}
    for side, taken in runs.items():
        best = min(taken, key=lambda run: run["seconds"])
        found |= {f"{side}_{name}": value for name, value in best.items()}
        found[f"{side}_memory"] = max(run["memory"] for run in taken)
    found["ratio"] = found["ours_seconds"] / found["theirs_seconds"]
    result = data.WORK / "results" / "read_csv.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(found, indent=1))
    for name, value in found.items():
        print(f"{name:24} {value:.4g}")


if __name__ == "__main__":
    main()
