"""What ``steepest fit --model mlp`` asks of options and data, as parameters of `MLPClassifier` and `MLPRegressor`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from steepest.protocols import Certificate
    from steepest.readers import Dataset

_SQUARE = 8  # pixels a side, from which on rows of a square number of columns may be images
FAILED = ("diverged", "interrupted", "ill_posed")  # ends that were not asked for


def network_parameters(
    given: Mapping[str, Any], common: Mapping[str, Any], idle: Mapping[str, tuple[Any, Any]]
) -> dict[str, Any]:
    """Options as parameters; those that networks do not know are refused, not ignored.

    Parameters
    ----------
    given : mapping
        Options of networks by name, None (or False) where they are not given.
    common : mapping
        ``alpha, solver, tol, max_iter, max_time, patience, monitor, watched, seed, verbose, on_unconverged, scale``.
    idle : mapping
        Options of other models: what was given, and the value that says nothing.
    """
    for name, (value, silent) in idle.items():
        if value != silent:
            hint = "leave it out"
            if name == "jobs":
                hint = "it uses all processors that it may, or OMP_NUM_THREADS of them; set that"
            option = "--" + name.replace("_", "-")
            raise typer.BadParameter(f"{option} does not go with --model mlp: {hint}")
    named = {"optimizer": given["optimizer"], "solver": None if common["solver"] == "auto" else common["solver"]}
    if all(named.values()):
        raise typer.BadParameter("--optimizer and --solver are two spellings here; give one")
    if given["epochs"] is not None and common["max_iter"] is not None:
        raise typer.BadParameter("--epochs and --max-iter are two spellings here; give one")
    parameters: dict[str, Any] = {
        "layers": _layers(given),
        "optimizer": named["optimizer"] or named["solver"] or "adam",
        "random_state": common["seed"],
        "verbose": common["verbose"],
        "on_unconverged": common["on_unconverged"],
        "max_time": common["max_time"],
    }
    optional = {
        "alpha": common["alpha"],
        "tol": common["tol"],
        "max_iter": given["epochs"] if given["epochs"] is not None else common["max_iter"],
        "batch_size": given["batch_size"],
        "learning_rate_init": given["learning_rate"],
        "learning_rate": given["schedule"],
        "weight_decay": given["weight_decay"],
        "augment": given["augment"],
        "patience": common["patience"],
        "scale": "standard" if common["scale"] else None,
    }
    parameters.update({name: value for name, value in optional.items() if value is not None})
    if given["epochs"] is not None and common["tol"] is None:
        parameters["tol"] = None  # all of them, as was asked
    if common["watched"]:
        parameters["monitor"] = common["monitor"]
    return parameters


def _layers(given: Mapping[str, Any]) -> list[Any]:
    """Hidden layers from their widths and what they share."""
    from steepest.networks.layers import Dense

    text = "100" if given["layers"] is None else given["layers"]
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise typer.BadParameter(f"--layers must be widths of at least 1 with commas, such as 256,128, got {text!r}")
    dropout = given["dropout"] or 0.0
    if dropout == 1.0:
        raise typer.BadParameter("--dropout must be below 1, got 1: nothing would be left; try 0.2")
    options: dict[str, Any] = {"batch_norm": bool(given["batch_norm"]), "dropout": dropout}
    return [Dense(int(word), given["activation"] or "relu", **options) for word in words]


def of_data(parameters: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    """Parameters that depend on the rows: the shape of images, and rates that fall over all epochs."""
    from steepest.exceptions import DataError
    from steepest.solvers.schedules import Cosine

    out = dict(parameters)
    side = math.isqrt(data.n_features)
    if data.image_shape is not None:
        out["image_shape"] = tuple(int(n) for n in data.image_shape)
    elif "augment" in out and side * side == data.n_features and side >= _SQUARE:  # images as the columns of a table
        out["image_shape"] = (side, side)
    elif "augment" in out:
        raise DataError(
            f"{data.source}: --augment changes images, and these rows of {data.n_features} columns are none; "
            "leave it out"
        )
    if out.get("learning_rate") == "cosine":
        steps = math.ceil(data.n_samples / min(int(out.get("batch_size", 200)), data.n_samples))
        out["learning_rate"] = Cosine(out.get("learning_rate_init", 1e-3), steps * int(out.get("max_iter", 200)))
    return out


def went_well(certificate: Certificate) -> bool:
    """Whether a training ended as was asked; its point is never certified as the best."""
    return certificate.status not in FAILED
