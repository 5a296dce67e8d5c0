"""RESULTS.md from the kept records."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import nist, paths, sgd, targets
from benchmarks.cells import CELLS
from benchmarks.ladder import TARGETS, Result, Run, fastest, geometric_mean, results

US = targets.US
INTRODUCTION = """# Results

Written by the race; do not edit. Seconds from data in memory to coefficients (conversions included; imports and
the first, compiling fit apart), one process at a time. Relative suboptimality (P - P*)/P* is computed by the
harness in float64 for the same objective; each variant of each library climbs a ladder of tolerances and is
given its fastest rung that gets there. A number is the median over fresh processes of each one's fastest fit;
in brackets the spread over processes. Differences below 25 % are ties on a shared machine. steepest is entered
as every peer is: its fastest variant. `certified` is the time after which steepest has itself *proven* the
accuracy; peers prove nothing but where noted. P* is proven by a duality gap, stated for each cell.
"""


def seconds(value: float) -> str:
    """Three significant digits."""
    return "-" if math.isnan(value) else f"{value:.3g}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def render(folder: Path) -> str:
    """The page for all records of a folder."""
    records = [json.loads((path).read_text()) for path in sorted(folder.glob("*.json")) if path.stem not in EXTRAS]
    order = {name: index for index, name in enumerate(CELLS)}
    records.sort(key=lambda record: order.get(record["cell"], len(order)))
    runs = {record["cell"]: [Run(**run) for run in record["runs"]] for record in records}
    proven = {cell: {target: results(of, target) for target in TARGETS} for cell, of in runs.items()}
    extras = {name: _read(folder / f"{name}.json") for name in EXTRAS}
    parts = [INTRODUCTION, _provenance(records)]
    parts.append("## Targets\n\n" + _targets(proven, runs, extras))
    parts.append("## steepest against the best peer\n\n" + _summary(proven, runs))
    parts.append(_groups(proven))
    parts += [_extra(name, extras[name]) for name in EXTRAS if extras[name] and name not in ("paths", "sgd", "nist")]
    if extras["paths"]:
        parts.append(f"## paths (`python -m benchmarks.paths`)\n\n{paths.table(extras['paths'])}\n")
    if extras["sgd"]:
        found = sgd.table(extras["sgd"])
        parts.append(f"## sgd (`python -m benchmarks.sgd`)\n\nOne epoch of single-sample logistic steps.\n\n{found}\n")
    if extras["nist"]:
        words = (
            "54 runs of nonlinear regression certified by NIST. Right: six digits of every parameter. A method that "
            "has taken `--cap` seconds begins no further run; the column of runs says how many there were."
        )
        parts.append(f"## nist (`python -m benchmarks.nist`)\n\n{words}\n\n{nist.table(extras['nist'])}\n")
    parts += [_cell(record, runs[record["cell"]], proven[record["cell"]]) for record in records]
    return "\n".join(parts)


EXTRAS = (
    "startup",
    "gradient_pass",
    "read_csv",
    "paths",
    "sgd",
    "variance",
    "hogwild",
    "ranking",
    "multiclass_svm",
    "networks",
    "nist",
)


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else {}


def _provenance(records: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for machine in dict.fromkeys(record["machine"] for record in records):
        dates = sorted({record["date"] for record in records if record["machine"] == machine})
        lines.append(f"- Machine: {machine} ({dates[0]}{' to ' + dates[-1] if len(dates) > 1 else ''})")
    versions: dict[str, str] = {}
    for record in records:
        versions |= record["versions"]
    lines.append("- Versions: " + ", ".join(f"{name} {number}" for name, number in sorted(versions.items())))
    lines += [f"- Command: `{command.strip()}`" for command in dict.fromkeys(record["command"] for record in records)]
    busy = max((record["load"] for record in records), default=0.0)
    lines.append(f"- Largest one-minute load average at the end of a cell: {busy:.1f}")
    return "\n".join(lines) + "\n"


def _targets(
    proven: Mapping[str, targets.CellResults], runs: Mapping[str, list[Run]], extras: Mapping[str, Any]
) -> str:
    certified = {cell: {target: results(of, target, certified=True) for target in TARGETS} for cell, of in runs.items()}
    verdicts = (
        targets.race(proven, certified) + targets.startup(extras["startup"]) + targets.gradient(extras["gradient_pass"])
    )
    verdicts += targets.reading(extras["read_csv"]) + targets.paths(extras["paths"] or [])
    verdicts += targets.stochastic(extras["sgd"] or [])
    verdicts += targets.variance(extras["variance"]) + targets.hogwild(extras["hogwild"])
    verdicts += targets.ranking(extras["ranking"]) + targets.multiclass(extras["multiclass_svm"])
    verdicts += targets.networks(extras["networks"])
    verdicts += targets.nist(extras["nist"] or [])
    words = {True: "met", False: "**missed**", None: ""}
    return table(("target", "measured", ""), [(v.words, v.measured, words[v.met]) for v in verdicts])


def _who(result: Result | None) -> str:
    return f"{seconds(result.seconds)} {result.peer} {result.variant}" if result else "-"


def _summary(proven: Mapping[str, targets.CellResults], runs: Mapping[str, list[Run]]) -> str:
    rows = []
    for cell, found in proven.items():
        row = [cell]
        for target in TARGETS:
            ours, theirs = fastest(found[target], US), fastest(found[target], against=US)
            sure = fastest(results(runs[cell], target, certified=True), US)
            ratio = targets.ratio(found, target)
            row += [
                seconds(ours.seconds) if ours else "-",
                seconds(sure.seconds) if sure else "-",
                _who(theirs),
                "-" if math.isnan(ratio) else f"{ratio:.2f}",
            ]
        rows.append(row)
    columns = [f"{name} {target:g}" for target in TARGETS for name in ("steepest", "certified", "best peer", "ratio")]
    return table(("cell", *columns), rows)


def _groups(proven: Mapping[str, targets.CellResults]) -> str:
    groups: dict[str, list[str]] = {}
    for cell in proven:
        groups.setdefault(CELLS[cell].group if cell in CELLS else "other", []).append(cell)
    rows = []
    for group, cells in groups.items():
        row = [group, str(len(cells))]
        for target in TARGETS:
            for choose in (lambda r: True, targets.of_scikit_learn):
                known = [targets.ratio(proven[cell], target, choose) for cell in cells]
                known = [ratio for ratio in known if not math.isnan(ratio)]
                row.append(f"{geometric_mean(known):.2f} ({len(known)})" if known else "-")
        rows.append(row)
    columns = [f"{target:g} over {who}" for target in TARGETS for who in ("best peer", "scikit-learn")]
    return "Geometric means of the ratios (cells counted):\n\n" + table(("group", "cells", *columns), rows)


def _extra(name: str, found: Mapping[str, Any]) -> str:
    rows = [(str(key), seconds(value) if isinstance(value, float) else str(value)) for key, value in found.items()]
    return f"## {name} (`python -m benchmarks.{name}`)\n\n" + table(("", ""), rows)


def _cell(record: Mapping[str, Any], runs: list[Run], found: targets.CellResults) -> str:
    facts = record["facts"]
    words = CELLS[record["cell"]].words if record["cell"] in CELLS else ""
    title = f"### {record['cell']}\n\n{words}. {facts['n']:,} x {facts['d']:,}, {record['nnz']:,} values, "
    title += f"{facts['dtype']}. "
    title += f"P* = {record['best']:.10g} (mean form), proven to {record['reference']['gap']:.0e}.\n\n"
    sure = {target: {(r.peer, r.variant): r for r in results(runs, target, certified=True)} for target in TARGETS}
    at = {target: {(r.peer, r.variant): r for r in found[target]} for target in TARGETS}
    everyone = list(dict.fromkeys((run.peer, run.variant) for run in runs))
    everyone.sort(
        key=lambda key: min((at[t][key].seconds for t in reversed(TARGETS) if key in at[t]), default=math.inf)
    )
    rows = []
    for key in everyone:
        row = [" ".join(key)]
        for target in TARGETS:
            result = at[target].get(key)
            proof = sure[target].get(key)
            row += [_timing(result), seconds(proof.seconds) if proof else ""]
        result = at[TARGETS[-1]].get(key) or at[TARGETS[0]].get(key)
        mine = [run for run in runs if (run.peer, run.variant) == key]
        row.append(f"{min(run.relative for run in mine):.0e}")
        row.append(f"{result.peak:.0f}" if result else "-")
        row.append(seconds(result.first) if result else "-")
        rows.append(row)
    columns = [name for target in TARGETS for name in (f"to {target:g}", "certified")]
    body = table(("contestant", *columns, "best reached", "extra MB", "first fit"), rows)
    notes = "".join(f"- {note}\n" for note in record["notes"])
    return title + body + ("\n" + notes if notes else "")


def _timing(result: Result | None) -> str:
    if result is None:
        return "-"
    spread = f" ({seconds(result.low)}-{seconds(result.high)})" if result.runs > 1 else ""
    return f"{seconds(result.seconds)}{spread} at {result.rung:g}"
