"""What ``steepest fit`` asks of margin models: their options as parameters of `LinearSVC` and `LinearSVR`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from steepest.cli.checks import MARGIN_LOSSES, MODELS


def margin_parameters(
    model: str, margins: Mapping[str, Any], others: Mapping[str, Any], penalty: str | None
) -> dict[str, Any]:
    """Parameters of the estimator; options that it does not know are refused, not ignored.

    Parameters
    ----------
    model : {"svm", "svr"}
    margins : mapping
        Options of margin models, None where they are not given.
    others : mapping
        Options of other models.
    penalty : str or None
    """
    for name, value in others.items():
        if value is not None:
            hint = "the strength of a margin model is --C" if name == "alpha" else "it belongs to elasticnet"
            raise typer.BadParameter(f"--{name.replace('_', '-')} does not go with --model {model}: {hint}")
    parameters = {name: value for name, value in margins.items() if value is not None}
    loss = parameters.setdefault("loss", MODELS[model].loss)
    if loss not in MARGIN_LOSSES[model]:
        raise typer.BadParameter(f"--model {model} has the losses {', '.join(MARGIN_LOSSES[model])}, got {loss!r}")
    allowed = ("l2", "l1") if model == "svm" else ("l2",)
    if penalty is not None and penalty not in allowed:
        raise typer.BadParameter(f"--model {model} has the penalty {' or '.join(allowed)}, got {penalty!r}")
    if penalty is not None and model == "svm":
        parameters["penalty"] = penalty
    wrong = {"svm": "epsilon", "svr": "hard_margin"}[model]
    if wrong in parameters:
        other = "svr" if model == "svm" else "svm"
        raise typer.BadParameter(f"--{wrong.replace('_', '-')} belongs to --model {other}, got it with --model {model}")
    return parameters
