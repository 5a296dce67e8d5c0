"""``steepest race DATA``: every solver that fits, on the user's data, and which of them to use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steepest.cli.checks import CERTIFIED, NOT_CERTIFIED, PENALTIES, between, complete, jobs, one_of
from steepest.cli.options import Header, Ignored, Scaled, Target
from steepest.cli.saying import errors, say, silent
from steepest.cli.spelling import spelling

if TYPE_CHECKING:
    from steepest.readers import Dataset


def race(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Rows with targets, in any form that steepest fit reads, or one of digits, iris, breast_cancer, wine, "
            "diabetes (their train part).",
        ),
    ],
    loss: Annotated[
        str,
        typer.Option(
            help="Name of a loss, such as squared_hinge or huber; auto is squared for numbers, logistic for two "
            "labels, softmax for more."
        ),
    ] = "auto",
    penalty: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join(PENALTIES)}.", callback=one_of(PENALTIES), autocompletion=complete(PENALTIES)
        ),
    ] = "l2",
    alpha: Annotated[
        float, typer.Option(callback=between(0), help="Strength of the penalty: mean loss + alpha * penalty.")
    ] = 1e-4,
    l1_ratio: Annotated[
        float | None,
        typer.Option(callback=between(0, 1), help="Share of l1 in an elasticnet penalty.  [default: 0.5]"),
    ] = None,
    solvers: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Names with commas between.  [default: all that fit]")
    ] = None,
    tol: Annotated[
        float, typer.Option(callback=between(0, above=True), help="Relative suboptimality to be proven.")
    ] = 1e-6,
    max_time: Annotated[
        float, typer.Option(callback=between(0, above=True), help="Most seconds for each solver.")
    ] = 10.0,
    max_iter: Annotated[int | None, typer.Option(callback=between(1), help="Most rounds of each solver.")] = None,
    repeat: Annotated[
        int | None,
        typer.Option(callback=between(1), help="Runs of each; the fastest counts.  [default: 3 of short ones, else 1]"),
    ] = None,
    target: Target = None,
    ignore: Ignored = None,
    header: Header = "auto",
    scale: Scaled = False,
    jobs: Annotated[int, typer.Option(callback=jobs, help="Threads; -1 is all cores.")] = -1,
    seed: Annotated[int, typer.Option(callback=between(0), help="Seed of the solvers that draw rows.")] = 0,
    intercept: Annotated[bool, typer.Option("--intercept/--no-intercept", help="Fit an intercept.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Write curves and table to this file, as a self-contained HTML page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the advice only.")] = False,
) -> None:
    """Run every solver that fits, and say which to use.

    Exit code 0: a solver was certified to --tol.  3: none was.  2: bad usage or data.  130: interrupted; what had
    been run is shown.
    """
    if penalty == "none" and alpha != 1e-4 and alpha > 0.0:
        raise typer.BadParameter(f"--alpha {alpha:g} needs a penalty, and --penalty none has none; use --penalty l2")
    if penalty != "elasticnet" and l1_ratio is not None:
        raise typer.BadParameter(f"--l1-ratio belongs to the elasticnet penalty, got it with {penalty!r}")
    named = None if solvers is None else [name.strip() for name in solvers.split(",") if name.strip()]
    options: dict[str, Any] = {
        "loss": loss, "penalty": None if penalty == "none" else penalty, "alpha": alpha,
        "l1_ratio": 0.5 if l1_ratio is None else l1_ratio, "solvers": named, "tol": tol, "max_time": max_time,
        "max_iter": max_iter, "repeat": repeat, "n_jobs": jobs, "random_state": seed, "fit_intercept": intercept,
        "verbose": 0 if quiet or as_json else 1,
    }  # fmt: skip
    with errors(spelling("race")):
        from steepest.cli.inputs import Wanted

        wanted = Wanted(target, header, tuple(ignore or ()), loss != "squared", seed, quiet or as_json)
        code = _run(data, wanted, options, out, scale=scale, as_json=as_json, quiet=quiet)
    raise typer.Exit(code)


def _run(
    path: str, wanted: Any, options: dict[str, Any], out: Path | None, *, scale: bool, as_json: bool, quiet: bool
) -> int:
    import steepest
    from steepest.atomic import check_writable
    from steepest.cli.inputs import read_inputs
    from steepest.exceptions import DataError, SteepestError

    if out is not None:
        check_writable(out, "race.html")
    tell = silent if as_json or quiet else say
    data: Dataset = read_inputs(path, None, None, wanted).train
    tell(f"Racing on {data.source}")
    tell(f"  {data.describe()}")
    for line in filter(None, data.note.split("; ")):
        tell(f"  note: {line}")
    try:
        X = steepest.Scaler().fit_transform(data.X) if scale else data.X
        found = steepest.race(X, data.y, **options)
    except SteepestError:
        raise
    except ValueError as error:  # scikit-learn's checks of the data
        raise DataError(f"{data.source}: {error}") from error
    if out is not None:
        found.save_html(out, title=f"Solvers on {data.name}")
    if as_json:
        typer.echo(json.dumps({**found.to_dict(), "data": data.source, "page": None if out is None else str(out)}))
    else:
        tell(f"  minimised {found.objective}")
        *lines, advice = str(found).split("\n")
        for line in lines:
            tell(f"  {line}")
        say(advice, style="bold green" if found.best.success else "bold yellow")
        if out is not None:
            tell(f"  page: {out}")
    if found.interrupted:
        return 130
    return CERTIFIED if found.best.success else NOT_CERTIFIED
