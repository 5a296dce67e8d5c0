"""Constructor parameters: a small table of what each may be, checked when a fit begins.

The wording is that of scikit-learn, so that code which matches on it keeps working::

    The 'tol' parameter of Ridge must be a float in the range [0, inf). Got -1 instead.
"""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from steepest.exceptions import InvalidParameterError


class Rule(NamedTuple):
    """One alternative for a parameter: the words for it, and the test."""

    words: str
    allows: Callable[[Any], bool]


Rules: TypeAlias = tuple[Rule, ...]


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def real(low: float, high: float = np.inf, closed: str = "neither") -> Rule:
    """A float between two bounds; ``closed`` is "neither", "left", "right" or "both"."""
    return _interval("a float", numbers.Real, low, high, closed)


def integer(low: float, high: float = np.inf, closed: str = "left") -> Rule:
    """An integer between two bounds."""
    return _interval("an int", numbers.Integral, low, high, closed)


def _interval(noun: str, kind: type, low: float, high: float, closed: str) -> Rule:
    left, right = closed in ("left", "both"), closed in ("right", "both")

    def allows(value: Any) -> bool:
        if not isinstance(value, kind) or _is_bool(value):
            return False
        number: Any = value
        return bool((low <= number if left else low < number) and (number <= high if right else number < high))

    return Rule(f"{noun} in the range {'[' if left else '('}{low:g}, {high:g}{']' if right else ')'}", allows)


def one_of(*options: str) -> Rule:
    """One of some strings."""
    listing = ", ".join(repr(option) for option in sorted(options))
    return Rule(f"a str among {{{listing}}}", lambda value: isinstance(value, str) and value in options)


def instance(words: str, *kinds: type) -> Rule:
    """An instance of some classes."""
    return Rule(words, lambda value: isinstance(value, kinds))


NONE = Rule("None", lambda value: value is None)
BOOL = Rule("an instance of 'bool'", _is_bool)
VERBOSE = Rule("a bool or an int in the range [0, inf)", lambda v: isinstance(v, numbers.Integral) and int(v) >= 0)
JOBS = Rule("an int other than 0", lambda v: isinstance(v, numbers.Integral) and not _is_bool(v) and int(v) != 0)
SEED = Rule(
    "an int, a RandomState or a Generator",
    lambda v: (
        isinstance(v, np.random.RandomState | np.random.Generator)
        or (isinstance(v, numbers.Integral) and not _is_bool(v) and int(v) >= 0)
    ),
)
WEIGHTS = Rule("a dict or 'balanced'", lambda v: isinstance(v, Mapping) or (isinstance(v, str) and v == "balanced"))
ANYTHING = Rule("anything", lambda value: True)

#: Parameters that every estimator has, with the same meaning everywhere.
COMMON: dict[str, Rules] = {
    "fit_intercept": (BOOL,),
    "tol": (real(0, closed="left"),),
    "max_iter": (integer(0), NONE),
    "max_time": (real(0), NONE),
    "n_jobs": (JOBS, NONE),
    "random_state": (SEED, NONE),
    "verbose": (VERBOSE,),
    "warm_start": (BOOL,),
    "copy_X": (BOOL,),
    "class_weight": (WEIGHTS, NONE),
    "solver_options": (Rule("a dict", lambda v: isinstance(v, Mapping)), NONE),
    "on_unconverged": (one_of("warn", "raise", "ignore"),),
    "patience": (integer(1), NONE),
    "min_delta": (real(0, closed="left"),),
    "validation_fraction": (real(0, 1), NONE),
    "monitor": (Rule("'loss', the name of a scorer or a callable", lambda v: isinstance(v, str) or callable(v)),),
}


def validate(owner: str, values: Mapping[str, Any], table: Mapping[str, Rules]) -> None:
    """Check every parameter that the table names.

    Parameters
    ----------
    owner : str
        Class name of the estimator.
    values : mapping
        Parameter values.
    table : mapping
        For each parameter the alternatives, one of which must hold.

    Raises
    ------
    InvalidParameterError
        Names the parameter, what is allowed and what came; for a misspelt string the nearest one too.
    """
    for name, rules in table.items():
        if name not in values:
            continue
        value = values[name]
        if any(rule.allows(value) for rule in rules):
            continue
        words = [rule.words for rule in rules]
        allowed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
        hint = ""
        if isinstance(value, str):
            near = difflib.get_close_matches(value, _quoted(allowed), n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
        got = f"Got {value!r} instead.{hint}"
        raise InvalidParameterError(f"The '{name}' parameter of {owner} must be {allowed}. {got}")


def _quoted(words: str) -> list[str]:
    return words.split("'")[1::2]
