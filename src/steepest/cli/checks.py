"""What options may be: checks that answer a wrong value with the allowed ones and the nearest."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import typer

CERTIFIED, BAD_INPUT, NOT_CERTIFIED = 0, 2, 3  # exit codes


class Model(NamedTuple):
    """What ``--model`` stands for; ``penalty`` is None where ``--penalty`` decides.

    A margin model has a class of its own and its strength as ``--C``; whether a network classifies is for the targets
    to say (``classifies`` is None).
    """

    classifies: bool | None
    loss: str
    penalty: str | None
    words: str
    margin: str | None = None


MODELS = {
    "softmax": Model(True, "softmax", None, "softmax regression"),
    "logistic": Model(True, "logistic", None, "logistic regression"),
    "linear": Model(False, "squared", "none", "least squares"),
    "ridge": Model(False, "squared", "l2", "ridge regression"),
    "lasso": Model(False, "squared", "l1", "the lasso"),
    "elasticnet": Model(False, "squared", "elasticnet", "the elastic net"),
    "svm": Model(True, "squared_hinge", None, "a support vector machine", "LinearSVC"),
    "svr": Model(False, "epsilon_insensitive", "l2", "support vector regression", "LinearSVR"),
    "rank": Model(False, "hinge", "l2", "a ranking support vector machine", "RankSVM"),
    "mlp": Model(None, "auto", "l2", "a multilayer perceptron"),
}
MARGIN_LOSSES = {
    "svm": ("hinge", "squared_hinge"),
    "svr": ("epsilon_insensitive", "squared_epsilon_insensitive"),
    "rank": ("hinge", "squared_hinge"),
}
PENALTIES = ("l2", "l1", "elasticnet", "none")
UNITS = ("relu", "tanh", "sigmoid", "identity", "leaky_relu", "elu", "softplus", "maxout")
SCHEDULES = ("constant", "cosine", "invscaling", "adaptive")
ON_UNCONVERGED = ("ignore", "warn", "raise")
WHITENING = ("pca", "zca", "cholesky")
HEADERS = ("auto", "yes", "no")


def one_of(allowed: Sequence[str]) -> Callable[[str | None], str | None]:
    """A check of an option that answers an unknown name with the nearest known one."""

    def check(value: str | None) -> str | None:
        if value is None or value in allowed:
            return value
        near = difflib.get_close_matches(value, allowed, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise typer.BadParameter(f"must be one of {', '.join(allowed)}, got {value!r}{hint}")

    return check


def complete(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    """What a shell may complete an option to."""
    return lambda incomplete: [name for name in allowed if name.startswith(incomplete)]


def between(low: float, high: float = math.inf, *, above: bool = False) -> Callable[[float | None], float | None]:
    """A check that a number is finite and in [low, high], or in (low, high] where it must be ``above``."""
    limit = f"above {low:g}" if above else f"at least {low:g}"
    words = limit if high == math.inf else f"between {low:g} and {high:g}"

    def check(value: float | None) -> float | None:
        if value is None or (math.isfinite(value) and low <= value <= high and not (above and value == low)):
            return value
        raise typer.BadParameter(f"must be {words}, got {value:g}")

    return check


def jobs(value: int) -> int:
    """A number of threads."""
    if value == 0 or value < -1:
        raise typer.BadParameter(f"must be 1 or more, or -1 for all cores, got {value}")
    return value


def share(value: str) -> float | None:
    """The share that a text such as ``0.25`` stands for, None where it is no number (but a file).

    >>> share("0.25"), share("rows.csv")
    (0.25, None)
    """
    try:
        number = float(value)
    except ValueError:
        return None
    if not 0.0 < number < 1.0:
        raise typer.BadParameter(
            f"a share of the rows must be between 0 and 1, got {value}; a file ./{value} is a path"
        )
    return number
