"""The bounds of a round whose objective was measured."""

from __future__ import annotations

import math
from typing import Any

from steepest.certify.bounds import FLOOR, gap_bound
from steepest.protocols import Bound, Round


def measured_round(problem: Any, state: Any, near: float, over: str) -> Round:
    """The best point so far with the gap of the best bounds so far; nothing bounds where the oracle is not exact.

    Parameters
    ----------
    problem : StructuredProblem
    state : state of a solver
        ``best`` (an evaluation), ``dual``, and ``null``, the objective at zero.
    near : float
        Relative gap that ends the rounds of an oracle that is not exact.
    over : str
        Why the solver cannot go on; empty where it can.
    """
    best, dual = state.best, state.dual
    bound = gap_bound(best.value, dual, FLOOR * state.null)
    if problem.planes.exact:
        return Round(best, math.nan, over, bool(over), bound=bound)
    if bound.relative <= near and not over:
        over = f"by the labels that the oracle finds, the gap is {bound.relative:.2g} of the optimum"
    return Round(best, math.nan, over, bool(over), bound=Bound("none", math.inf, math.inf, "nothing", best.value, dual))
