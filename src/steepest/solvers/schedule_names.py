"""Schedules by their names, and numbers as constant rates."""

from __future__ import annotations

import difflib
import math
import numbers
from typing import Any

from steepest.exceptions import InvalidParameterError
from steepest.solvers.schedules import SCHEDULES, Constant

#: The names as they are written in formulas and elsewhere.
ALIASES: dict[str, str] = {
    "1/k": "inverse",
    "1/(k+1)": "inverse_next",
    "1/sqrt(k)": "inverse_root",
    "optimal": "pegasos",
    "adaptive": "plateau",
}


def get_schedule(given: Any, *, eta0: float | None = None, alpha: float = 0.0, **parameters: Any) -> Any:
    """The schedule for a rate, a name, or a value itself.

    Parameters
    ----------
    given : float, str or schedule
        A number is a constant rate; names are those of `SCHEDULES` and `ALIASES`.
    eta0 : float, optional
        The first rate, where a name is given; that of the schedule's own default without it.
    alpha : float
        What "pegasos" takes, and the gentler "optimal": the strength of the penalty.
    parameters
        Others of the schedule.

    Examples
    --------
    >>> get_schedule("1/k", eta0=2.0), get_schedule(0.1)
    (Inverse(eta0=2.0), Constant(eta0=0.1))
    """
    if hasattr(given, "rates"):
        if eta0 is not None or parameters:
            named = "eta0" if eta0 is not None else min(parameters)
            raise InvalidParameterError(
                f"{named}: expected none beside a schedule value, got one. Put it into the value."
            )
        return given
    if not isinstance(given, str):
        if eta0 is not None or parameters:
            named = "eta0" if eta0 is not None else min(parameters)
            raise InvalidParameterError(
                f"{named}: expected none beside learning_rate={given!r}. Leave one of them out."
            )
        good = isinstance(given, numbers.Real) and not isinstance(given, bool) and 0.0 < float(given) < math.inf
        if not good:
            raise InvalidParameterError(f"learning_rate: expected 'auto', a name or a number > 0, got {given!r}.")
        return Constant(float(given))
    name = ALIASES.get(given, given)
    if name not in SCHEDULES:
        known = sorted([*SCHEDULES, *ALIASES])
        near = difflib.get_close_matches(given, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(
            f"learning_rate: expected 'auto', a number > 0, or one of {known}, got '{given}'.{hint}"
        )
    cls = SCHEDULES[name]
    fields = [field for field in cls._fields if field not in ("rate", "best", "waited")]  # type: ignore[attr-defined]
    if name == "pegasos":
        if not alpha > 0.0 and "alpha" not in parameters:
            raise InvalidParameterError(
                f"learning_rate: '{given}' is 1 / (alpha k) and expects a penalty of positive strength, got {alpha!r}. "
                "Use learning_rate='auto'."
            )
        parameters.setdefault("alpha", alpha)
        if given == "optimal":  # a first step of the size of usual weights (Bottou 2012)
            parameters.setdefault("shift", max(parameters["alpha"] ** -0.75, 1.0) - 1.0)
    if given == "adaptive":
        parameters = {"factor": 0.2, "patience": 4, "threshold": 1e-4, **parameters}
    if name == "warm_up":
        parameters.setdefault("then", Constant(0.01 if eta0 is None else eta0))
        eta0 = None
    if eta0 is not None and "eta0" in fields:
        parameters["eta0"] = eta0
    unknown = sorted(set(parameters) - set(fields))
    if unknown:
        raise InvalidParameterError(f"{unknown[0]}: learning_rate='{given}' takes {fields}. Leave it out.")
    return cls(**parameters)
