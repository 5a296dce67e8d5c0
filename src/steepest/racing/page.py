"""A race as one self-contained HTML page: the sentence, the curves, the table, and what did not run."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from steepest.report.display_race import curve, measure, points
from steepest.report.html import document
from steepest.report.sections import facts
from steepest.report.svg_curves import CURVES, Line, curve_chart
from steepest.report.words import count, number, seconds

if TYPE_CHECKING:
    from steepest.racing.result import Race, Run

_STYLE = (
    "table.race { font-variant-numeric: tabular-nums; }\n"
    "table.race th, table.race td { white-space: nowrap; text-align: right; padding-right: 14px; }\n"
    "table.race th:nth-child(-n+2), table.race td:nth-child(-n+2) { text-align: left; }\n"
    "table.race tr.best td { font-weight: 700; }\n"
    ".race-curves { display: grid; gap: 14px;\n"
    "  grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); }\n"
    ".race-curves .card { margin: 0; } .race-curves + p { margin-top: 10px; }\n"
    "table.lacking th { font-weight: 500; color: var(--soft); padding-right: 20px; overflow-wrap: normal; }\n"
    "table.lacking td { width: 60%; }\n"
)


def render(race: Race, *, title: str | None = None) -> str:
    """The page as text."""
    best = race.best
    what = "Solvers on" if race.kind == "data" else "Methods on"
    title = title or f"{what} {race.where if race.kind == 'data' else race.objective.split(':')[0]}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">Minimised: {escape(race.objective)}</p>',
        f'<div class="card verdict{" passed" if best.success else ""}"><strong>{escape(_headline(race))}</strong>'
        f"<p>{escape(race.advice)}</p></div>",
        f'<h2>How they got there</h2><div class="race-curves">{_curves(race)}</div>',
        f'<p class="soft">{escape(_reading(race))}</p>',
        f'<h2>All that ran</h2><div class="card scroll">{_table(race, best)}</div>',
    ]
    if race.skipped:
        body.append(f'<h2>What did not run</h2><div class="card">{_listing(race)}</div>')
    body.append(f'<h2>Circumstances</h2><div class="columns">{_circumstances(race)}</div>')
    return document(title, body, race.to_dict(), "steepest-race", _STYLE + CURVES)


def _headline(race: Race) -> str:
    best = race.best
    return f"✓ {best.name}" if best.success else f"✗ {best.name}, {race.ended(best)}"


def _curves(race: Race) -> str:
    unit = "passes over the data" if race.kind == "data" else "calls of the function"
    level = race.tol if race.kind == "data" else None
    charts = []
    for x, label in (("passes", unit), ("seconds", "seconds")):
        lines = []
        for run in race.runs:
            across, up = points(curve(race, run), x)
            lines.append(Line(run.name, across, up, run.success))
        chart = curve_chart(
            lines, title=f"Against {label}", x_label=label, y_label=measure(race), level=level,
            describe=f"{measure(race)}, of {count(len(lines), 'solver')}",
        )  # fmt: skip
        charts.append(f'<div class="card">{chart}</div>' if chart else "")
    return "".join(charts)


def _reading(race: Race) -> str:
    text = f"Vertical: {measure(race)}; counted from {race.bound}, {number(race.reference)}."
    if race.kind == "data" and math.isfinite(race.lower):
        text += f" The optimum lies between {race.lower:.12g} and {race.upper:.12g}."
    if any(not run.success for run in race.runs):
        text += " Names in italics did not arrive."
    return text


def _table(race: Race, best: Run) -> str:
    from steepest.racing.result import cost, shown

    head = ("solver", "status", "seconds", "passes" if race.kind == "data" else "calls", "rounds", "objective", "gap")
    rows = [f"<tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>"]
    for run in race.ranking:
        cells = (
            shown(run),
            race.ended(run),
            seconds(run.seconds),
            cost(run.passes),
            f"{run.iterations:,}",
            f"{run.objective:.8g}",
            f"{race.relative_gap(run):.1e}",
        )
        kind = ' class="best"' if run is best else ""
        rows.append(f"<tr{kind}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return f'<table class="race numbers">{"".join(rows)}</table>'


def _listing(race: Race) -> str:
    rows = [f"<tr><th>{escape(name)}</th><td>{escape(why)}</td></tr>" for name, why in race.reasons]
    return f'<table class="lacking">{"".join(rows)}</table>'


def _circumstances(race: Race) -> str:
    from steepest.record.record import environment

    budget = "none" if race.max_time is None else f"{seconds(race.max_time)} a solver"
    asked = [
        ("data" if race.kind == "data" else "start", race.where),
        ("asked for", f"{race.tol:g}"),
        ("budget", budget),
        ("whole race", seconds(race.seconds)),
        ("of it compiling", seconds(race.compile_seconds)),
        ("interrupted", "yes" if race.interrupted else "no"),
    ]
    found = [
        ("counted from", race.bound),
        ("lower bound", number(race.lower)),
        ("least objective", number(race.upper)),
    ]
    return facts("Race", asked) + facts("Optimum", found) + facts("Environment", environment())
