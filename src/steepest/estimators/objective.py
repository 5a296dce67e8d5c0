"""The exact function that a fit minimises, as a line of text with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_FORMULAS: dict[str, Callable[[Any], str]] = {
    "squared": lambda q: "1/2 (z_i - y_i)^2",
    "absolute": lambda q: "|z_i - y_i|",
    "logistic": lambda q: "log(1 + exp(-y_i z_i))",
    "bernoulli": lambda q: "(log(1 + exp(z_i)) - y_i z_i)",
    "hinge": lambda q: "max(0, 1 - y_i z_i)",
    "squared_hinge": lambda q: "max(0, 1 - y_i z_i)^2",
    "exponential": lambda q: "exp(-y_i z_i)",
    "perceptron": lambda q: "max(0, -y_i z_i)",
    "poisson": lambda q: "(exp(z_i) - y_i z_i)",
    "softmax": lambda q: "(log sum_j exp(z_ij) - z_i,y_i)",
    "weston_watkins": lambda q: "sum_(j != y_i) max(0, 1 + z_ij - z_i,y_i)",
    "crammer_singer": lambda q: f"max_j ({_cost(q)} + z_ij - z_i,y_i)",
}


def _cost(loss: Any) -> str:
    """The margin between two classes; a matrix of costs is too large for a line."""
    return "costs_(y_i, j)" if len(loss.costs) else "[j != y_i]"


def loss_term(loss: Any) -> str:
    """The loss of row i with its numbers; of several with weights their sum in brackets."""
    if loss.name == "weighted_sum":
        parts = [(f"{abs(weight):g} {loss_term(term)}", weight) for term, weight in loss.terms()]
        joined = "".join(f" {'-' if weight < 0.0 else '+'} {text}" for text, weight in parts)
        return f"[{joined.removeprefix(' + ').removeprefix(' ')}]"
    if loss.name in _FORMULAS:
        return _FORMULAS[loss.name](loss)
    fields = ", ".join(f"{name}={value:g}" for name, value in zip(loss._fields, loss, strict=True))
    return f"{loss.name}(z_i, y_i{'; ' + fields if fields else ''})"


def _penalty_term(penalty: Any, letter: str) -> str:
    parts = []
    if penalty.l1 > 0.0:
        parts.append(f"{penalty.l1:.6g} |{letter}|_1")
    if penalty.l2 > 0.0:
        parts.append(f"{penalty.l2:.6g}/2 |{letter}|_2^2")
    return "".join(f" + {part}" for part in parts)


def _constraint_term(constraint: Any, letter: str) -> str:
    """Where the weights are held, in words."""
    if constraint is None:
        return ""
    w, columns = "w", f",  for each column w of {letter}" if letter != "w" else ""
    if constraint.separable:
        low, high = (
            f"{side:g}" if np.ndim(side) == 0 else name
            for side, name in zip((constraint.low, constraint.high), ("low", "high"), strict=True)
        )
        left, right = ("" if low == "-inf" else f"{low} <= "), ("" if high == "inf" else f" <= {high}")
        held = f"{w} >= {low}" if left and not right else f"{left}{w}{right}"
    else:
        held = {
            "l2_ball": f"|{w}|_2 <= {constraint[0]:g}",
            "l1_ball": f"|{w}|_1 <= {constraint[0]:g}",
            "simplex": f"{w} >= 0 and sum_j {w}_j = {constraint[0]:g}",
        }[constraint.name]
    return f",  {held}{columns}"


def describe(
    loss: Any,
    penalty: Any,
    *,
    total: float,
    weighted: bool,
    intercept: bool,
    n_outputs: int = 1,
    constraint: Any = None,
) -> str:
    """The objective as text.

    Parameters
    ----------
    loss, penalty
        The values that the problem holds.
    total : float
        Sum of the weights, n where there are none.
    weighted : bool
        Whether weights differ from one.
    intercept : bool
    n_outputs : int
        Scores a row of a vector loss.
    constraint : optional
        Where the weights are held.

    Examples
    --------
    >>> from steepest.losses import Logistic, get_loss
    >>> from steepest.penalties import L2
    >>> describe(Logistic(), L2(0.5), total=100.0, weighted=False, intercept=True)
    'P(w, b) = (1/100) sum_i log(1 + exp(-y_i z_i)) + 0.5/2 |w|_2^2,  z_i = x_i.w + b,  y_i in {-1, +1}'
    >>> from steepest.penalties import NoPenalty, NonNegative
    >>> describe(get_loss("squared"), NoPenalty(), total=9, weighted=False, intercept=False, constraint=NonNegative())
    'P(w) = (1/9) sum_i 1/2 (z_i - y_i)^2,  z_i = x_i.w,  w >= 0'
    """
    letter = "W" if n_outputs > 1 else "w"
    argument = f"{letter}, b" if intercept else letter
    score = f"z_i = x_i{' W' if n_outputs > 1 else '.w'}{' + b' if intercept else ''}"
    mean = f"(1/{total:.10g}) sum_i {'s_i ' if weighted else ''}"
    coded = {"sign": ",  y_i in {-1, +1}", "unit": ",  y_i in [0, 1]"}.get(loss.targets, "")
    held = _constraint_term(constraint, letter)
    return f"P({argument}) = {mean}{loss_term(loss)}{_penalty_term(penalty, letter)},  {score}{coded}{held}"
