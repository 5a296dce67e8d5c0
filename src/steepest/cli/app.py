"""The commands in one application."""

from __future__ import annotations

from typing import Annotated

import typer

from steepest.cli.doctor import doctor
from steepest.cli.fit import fit
from steepest.cli.predict import predict
from steepest.cli.race import race
from steepest.cli.report import report
from steepest.cli.warm import warm

app = typer.Typer(
    name="steepest", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _version(asked: bool) -> None:
    if asked:
        import steepest

        typer.echo(f"steepest {steepest.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Linear models and networks trained by gradient methods, with a certificate of how good the result is."""


for command in (fit, predict, report, race, warm, doctor):
    app.command()(command)
