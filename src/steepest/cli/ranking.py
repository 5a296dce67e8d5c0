"""What ``steepest fit --model rank`` asks of options and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from steepest.cli.checks import MARGIN_LOSSES
from steepest.exceptions import DataError

if TYPE_CHECKING:
    from steepest.cli.inputs import Inputs

_IDLE = ("solver", "fit_intercept", "random_state")  # a score has no intercept, and one method draws no numbers


def rank_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of `RankSVM`; options that it does not know are refused, not ignored.

    Parameters
    ----------
    given : mapping
        Options by name, None where they are not given.
    """
    for name, value in given.items():
        if value is not None and name not in ("loss", "C", "alpha"):
            raise typer.BadParameter(f"--{name.replace('_', '-')} does not go with --model rank; leave it out")
    if given.get("alpha") is not None and given.get("C") is not None:
        raise typer.BadParameter("--alpha and --C are two spellings of one strength; give one")
    parameters = {name: value for name, value in given.items() if value is not None}
    if parameters.setdefault("loss", "hinge") not in MARGIN_LOSSES["rank"]:
        raise typer.BadParameter(
            f"--model rank has the losses {', '.join(MARGIN_LOSSES['rank'])}, got {parameters['loss']!r}"
        )
    return parameters


def of_ranker(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that `RankSVM` has."""
    if parameters["solver"] != "auto":
        raise typer.BadParameter(f"--model rank has one solver, got {parameters['solver']!r}; leave out --solver")
    return {name: value for name, value in parameters.items() if name not in _IDLE}


def check_queries(inputs: Inputs) -> None:
    """Every part must say which query a row belongs to."""
    for part in (inputs.train, inputs.test, inputs.valid):
        if part is not None and part.qid is None:
            raise DataError(
                f"{part.source}: --model rank needs the query of every row, and the file has none. Write it after the "
                "label, as SVM-rank and LETOR do: '2 qid:7 1:0.5 2:1.3'."
            )
