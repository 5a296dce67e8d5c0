"""Parameters of Python, which errors of estimators name, as options of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable

_COMMON = {
    "alpha": "--alpha",
    "tol": "--tol",
    "solver": "--solver",
    "max_iter": "--max-iter",
    "max_time": "--max-time",
    "n_jobs": "--jobs",
    "random_state": "--seed",
}
_FIT = {
    "on_unconverged": "--on-unconverged",
    "X_val": "--valid",
    "patience": "--patience",
    "monitor": "--monitor",
}
_PENALTY = {"penalty": "--penalty", "l1_ratio": "--l1-ratio"}
_MARGIN = {"loss": "--loss", "C": "--C", "epsilon": "--epsilon", "hard_margin": "--hard-margin"}
_NETWORK = {
    "solver": "--optimizer",
    "optimizer": "--optimizer",
    "max_iter": "--epochs",
    "layers": "--layers",
    "activation": "--activation",
    "dropout": "--dropout",
    "batch_norm": "--batch-norm",
    "augment": "--augment",
    "batch_size": "--batch-size",
    "learning_rate_init": "--learning-rate",
    "learning_rate": "--schedule",
    "weight_decay": "--weight-decay",
    "scale": "--scale",
}
_INTERCEPT = {"fit_intercept": "--intercept"}
_LINEAR = _COMMON | _FIT | _PENALTY | _INTERCEPT
_OF_MODELS = {
    "mlp": {name: option for name, option in (_COMMON | _FIT | _NETWORK).items() if name != "n_jobs"},
    "svm": _COMMON | _FIT | _MARGIN | {"penalty": "--penalty"} | _INTERCEPT,
    "svr": _COMMON | _FIT | _MARGIN | _INTERCEPT,
    "rank": _COMMON | _FIT | {"loss": "--loss", "C": "--C"},
    "race": _COMMON | _PENALTY | _INTERCEPT | {"solver": "--solvers", "loss": "--loss"},
}
#: Options without a value: what is written for a value of the parameter; others have no option.
_FLAGS = {
    ("scale", "standard"): "--scale",
    ("batch_norm", "True"): "--batch-norm",
    ("hard_margin", "True"): "--hard-margin",
    ("fit_intercept", "True"): "--intercept",
    ("fit_intercept", "False"): "--no-intercept",
}
_FLAG_NAMES = {name for name, _ in _FLAGS}
_VALUE = re.compile(r"(?<![\w.\-'])([A-Za-z_]\w*)=(?:'([^']*)'|((?:[\w+\-]|\.(?=\w))+))")
_NAMED = re.compile(r"(?:^|(?<=: ))([A-Za-z_]\w*)(?=: )")
_CHECKED = re.compile(r"The '(\w+)' parameter of \w+ (?=must )")
_BARE = re.compile(r"(?<![\w.\-'=/\\])([A-Za-z]\w*_\w+|tol|alpha)(?![\w=('/\\]|\.\w)")


def spelling(model: str) -> Callable[[str], str]:
    """What turns the words of Python in a message into those of the command line; a name without option stays.

    Parameters
    ----------
    model : str
        As ``--model`` names it, or "race" for that command.

    Examples
    --------
    >>> say = spelling("mlp")
    >>> say("batch_size: expected a whole number >= 1, got 0. Use batch_size=128, or solver='adam' with clip_norm=1.")
    '--batch-size: expected a whole number >= 1, got 0. Use --batch-size 128, or --optimizer adam with clip_norm=1.'
    >>> spelling("ridge")("solver: 'sgd' takes max_iter=3 or more.")
    "--solver: 'sgd' takes --max-iter 3 or more."
    """
    options = _OF_MODELS.get(model, _LINEAR)

    def valued(found: re.Match[str]) -> str:
        name, value = found[1], found[2] if found[2] is not None else found[3]
        if name in _FLAG_NAMES:
            return _FLAGS.get((name, value), found[0]) if name in options else found[0]
        return found[0] if name not in options or value == "None" else f"{options[name]} {value}"

    def named(found: re.Match[str]) -> str:
        return options.get(found[1], found[1])

    def checked(found: re.Match[str]) -> str:
        return f"{options[found[1]]} " if found[1] in options else found[0]

    def say(message: str) -> str:
        for pattern, put in ((_CHECKED, checked), (_NAMED, named), (_VALUE, valued), (_BARE, named)):
            message = pattern.sub(put, message)
        return message

    return say
