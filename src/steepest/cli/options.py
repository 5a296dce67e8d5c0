"""Options that commands share: how a table is read."""

from __future__ import annotations

from typing import Annotated

import typer

from steepest.cli.checks import HEADERS, complete, one_of

Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Of a table: name or number (from 1) of the column to predict.  [default: target, label, class or "
        "y, else the last]",
    ),
]
Ignored = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Of a table: a column to leave out; may be repeated.")
]
Header = Annotated[
    str,
    typer.Option(
        help="Of a CSV file: whether the first line holds the names: auto, yes or no.",
        callback=one_of(HEADERS),
        autocompletion=complete(HEADERS),
    ),
]
Scaled = Annotated[bool, typer.Option("--scale", help="Standardise the columns first (numbers of a table always are).")]
