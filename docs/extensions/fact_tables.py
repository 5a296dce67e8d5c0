"""The directives ``loss-table``, ``penalty-table``, ``command-options``: made by asking losses, penalties, commands."""

import math
import re
from typing import Any

from solver_table import Table
from sphinx.application import Sphinx

from steepest.losses import SCALAR_LOSSES, VECTOR_LOSSES, get_loss, has
from steepest.losses.registry import is_composed
from steepest.penalties import get_penalty

TARGETS = {
    "sign": "two classes",
    "unit": "0, 1 or a share",
    "real": "numbers",
    "nonnegative": "counts",
    "class": "classes",
}
LINKS = {"identity": "the score", "logistic": "probability", "log": "exp(score)", "softmax": "probabilities"}


def ours(loss: Any) -> bool:
    return type(loss).__module__.startswith("steepest.")


def proof(loss: Any) -> str:
    """What a certificate of this loss can rest on, by the facts that it states."""
    if not loss.trainable:
        return "for evaluation only"
    if not loss.convex:
        return "a verdict: stationary or not, minimum to second order or saddle"
    if not has(loss, "conjugate"):
        return "strong convexity, with l2"
    return "duality gap"


def plain(text: str) -> str:
    """Markup of docstrings as markup of pages."""
    return re.sub(r"(?<!`)`(?!`)([^`]+)`", r"``\1``", text)


class LossTable(Table):
    """Every registered loss with its facts."""

    def rows(self) -> tuple[list[list[str]], str]:
        head = ["name", "what it is", "targets", "predicts", "convex", "smooth", "proven by"]
        rows = [head]
        for name, kind in (SCALAR_LOSSES | VECTOR_LOSSES).items():
            if is_composed(kind):  # a sum, whose facts are those of its terms
                continue
            loss = get_loss(name)
            if not ours(loss):
                continue
            sentence = " ".join((type(loss).__doc__ or "").split("\n\n")[0].split())
            sentence = plain(re.split(r"(?<=[^.]\.)\s", sentence)[0])
            smooth = f"L = {loss.smoothness:.3g}" if math.isfinite(loss.smoothness) else "no limit"
            if not has(loss, "curvature") and not math.isfinite(loss.smoothness):
                smooth = "kinks"
            rows.append(
                [
                    f":py:obj:`{name} <steepest.losses.{type(loss).__name__}>`",
                    sentence,
                    TARGETS[loss.targets],
                    LINKS.get(loss.link, "sign"),
                    "yes" if loss.convex else "no",
                    smooth if loss.trainable else "–",
                    proof(loss),
                ]
            )
        return rows, "22 32 11 13 9 9 17"


class PenaltyTable(Table):
    """Every penalty by name, with its facts."""

    def rows(self) -> tuple[list[list[str]], str]:
        rows = [["name", "R(w)", "exact zeros", "one minimiser only"]]
        for name in ("l2", "l1", "elasticnet", "none"):
            value = get_penalty(name, 1.0)
            formula = (type(value).__doc__ or "").split("\n")[0]
            rows.append(
                [
                    f"``{name}``",
                    formula,
                    "yes" if value.l1 > 0.0 else "no",
                    "yes" if value.l2 > 0.0 else "not always",
                ]
            )
        return rows, "16 50 17 17"


def options(command: str) -> list[list[str]]:
    """Arguments and options of a command: how they are written, what they are."""
    import typer

    from steepest.cli import app

    found: Any = typer.main.get_command(app)
    rows = []
    for parameter in found.commands[command].params:
        if parameter.param_type_name == "argument":
            written = f"``{parameter.metavar or parameter.name.upper()}``"
        else:
            written = ", ".join(f"``{name}``" for name in [*parameter.opts, *parameter.secondary_opts])
        words = " ".join((parameter.help or "").split())
        default = parameter.default
        shown = isinstance(default, int | float | str) and not isinstance(default, bool)
        if shown and "[default" not in words:
            words += f"  [default: {default:g}]" if isinstance(default, float) else f"  [default: {default}]"
        rows.append([written, re.sub(r"(?<!\S)(--?[a-z][\w-]*)", r"``\1``", words)])
    return rows


class CommandOptions(Table):
    """The options of one command."""

    required_arguments = 1

    def rows(self) -> tuple[list[list[str]], str]:
        return [["option", "meaning"], *options(self.arguments[0])], "25 75"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("loss-table", LossTable)
    app.add_directive("penalty-table", PenaltyTable)
    app.add_directive("command-options", CommandOptions)
    return {"version": "1", "parallel_read_safe": True}
