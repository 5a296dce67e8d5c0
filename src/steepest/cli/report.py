"""``steepest report MODEL``: what a stored model knows about itself, and how it does on data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.cli.options import Header
from steepest.cli.saying import errors, say


def report(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A file written by steepest fit --out.")],
    test: Annotated[
        str | None, typer.Option(help="Rows with targets to judge the predictions by, in the form of the fit.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a self-contained HTML report to this file.  [default: words only]")
    ] = None,
    header: Header = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
) -> None:
    """Describe a stored model, with its certificate.

    With --test also how it does on data; with --out as an HTML report.

    Exit code 0: done.  2: bad usage, model or data.
    """
    with errors():
        _run(model, test, out, header, as_json=as_json, quiet=quiet)


def _run(path: Path, test: str | None, out: Path | None, header: str, *, as_json: bool, quiet: bool) -> None:
    from steepest.atomic import check_writable, write_text
    from steepest.cli.inputs import Wanted
    from steepest.cli.models import load, rows_for
    from steepest.persistence import describe
    from steepest.report.html import render
    from steepest.report.margin_sections import margin_words
    from steepest.report.metrics import score
    from steepest.report.network_sections import network_words
    from steepest.report.words import metric, verdict

    if out is not None:
        check_writable(out, "report.html")
    about, model = describe(path), load(path)
    shown = model.shown
    said = verdict(shown.certificate_)
    data = scores = None
    if test is not None:
        data = rows_for(model, test, Wanted(header=header, quiet=quiet or as_json)).dataset(Path(test).name)
        scores = score(shown, data)
    if out is not None:
        names = about["expects"]["feature_names"]
        if model.before:
            last = model.before[-1][1]
            names = last.get_feature_names_out().tolist() if hasattr(last, "get_feature_names_out") else None
        page = render(shown, test=data, scores=scores, title=f"{about['estimator']}, {path.name}", feature_names=names)
        write_text(out, page)
    if as_json:
        content: dict[str, Any] = {
            "model": about,
            "verdict": said.text(),
            "metrics": None if scores is None else scores.to_dict(),
            "report": None if out is None else str(out),
        }
        typer.echo(json.dumps(content))
        return
    say(said.text(), style="bold green" if said.passed else "bold yellow")
    if quiet:
        return
    for line in [*_lines(about), *margin_words(shown), *network_words(shown)]:
        say(f"  {line}")
    if scores is not None and test is not None:
        found = ", ".join(f"{name} {metric(name, value)}" for name, value in scores.values.items())
        say(f"  on {test}: {found} ({scores.n_samples:,} rows)")
    if out is not None:
        say(f"  report: {out}")


def _lines(about: dict[str, Any]) -> list[str]:
    """A model file in words."""
    expects, record = about["expects"], about["record"] or {}
    steps = " -> ".join(kind for _, kind in about["steps"]) or about["estimator"]
    lines = [f"model: {steps}", f"minimised {about['objective']}"]
    names = expects["feature_names"]
    if names:
        shown = ", ".join(names[:8]) + (f", ... ({len(names):,} in all)" if len(names) > 8 else "")
        lines.append(f"expects the columns {shown}")
    elif expects["n_features"]:
        lines.append(f"expects {expects['n_features']:,} features")
    if about["classes"]:
        classes = [str(label) for label in about["classes"]]
        lines.append(f"classes: {', '.join(classes[:12])}{' ...' if len(classes) > 12 else ''}")
    data = record.get("data", {})
    if data:
        lines.append(f"fitted on {data['n_samples']:,} rows x {data['n_features']:,} features")
    solver = record.get("solver", {})
    if solver:
        lines.append(f"by {solver.get('name')} in {record.get('seconds', {}).get('total', 0.0):.3g} s")
    made = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines.append(f"written {about.get('created', 'at an unknown time')} with {made}")
    return lines
