"""Options that commands share: how a table is read."""

from __future__ import annotations

from typing import Annotated

import typer

from steepest.cli.checks import HEADERS, MARGIN_LOSSES, between, complete, one_of

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
_LOSSES = list(dict.fromkeys(loss for losses in MARGIN_LOSSES.values() for loss in losses))
MarginLoss = Annotated[
    str | None,
    typer.Option(
        help="Of svm and rank: hinge or squared_hinge; of svr: epsilon_insensitive or squared_epsilon_insensitive.  "
        "[default: squared_hinge, of rank hinge, of svr epsilon_insensitive]",
        callback=one_of(_LOSSES),
        autocompletion=complete(_LOSSES),
    ),
]
MarginC = Annotated[
    float | None,
    typer.Option(
        "--C",
        callback=between(0, above=True),
        help="Of svm, svr and rank: C * sum of losses + penalty.  [default: 1; of rank --alpha]",
    ),
]
Epsilon = Annotated[
    float | None,
    typer.Option(callback=between(0), help="Of svr: errors up to this size cost nothing.  [default: 0]"),
]
HardMargin = Annotated[
    bool, typer.Option("--hard-margin", help="Of svm: the widest margin without errors, or say that there is none.")
]
