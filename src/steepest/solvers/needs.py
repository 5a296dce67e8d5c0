"""The error of a solver that cannot do a problem."""

from __future__ import annotations

from typing import Any

from steepest.exceptions import IncompatibleError

LIMITS = "limits"  # ``solver.constraints`` of one that keeps to limits of single weights only


def require_limits(name: str, problem: Any) -> None:
    """Raises where the weights are held in a set that is no product of intervals."""
    if problem.traits.constrained and not problem.constraint.separable:
        raise IncompatibleError(
            f"solver: '{name}' keeps to limits of single weights, not to {problem.constraint!r}. Use solver='fista'."
        )


def require(name: str, solver: Any, problem: Any) -> None:
    """Raises where a solver, asked for by name, cannot do the problem."""
    keeps_to = getattr(solver, "constraints", False)
    if problem.traits.constrained and not keeps_to:
        raise IncompatibleError(
            f"solver: '{name}' needs weights without a constraint, got {problem.constraint!r}. Use solver='auto'."
        )
    if keeps_to == LIMITS:
        require_limits(name, problem)
    found = solver.missing(problem.traits)
    if found is not None:
        loss = getattr(problem, "base", problem).loss.name
        raise IncompatibleError(
            f"solver: '{name}' needs {found}; the loss '{loss}' with this penalty does not give it. Use solver='auto'."
        )
