"""The error of a solver that cannot do a problem."""

from __future__ import annotations

from typing import Any

from steepest.exceptions import IncompatibleError


def require(name: str, solver: Any, problem: Any) -> None:
    """Raises where a solver, asked for by name, cannot do the problem."""
    if problem.traits.constrained and not getattr(solver, "constraints", False):
        raise IncompatibleError(
            f"solver: '{name}' needs weights without a constraint, got {problem.constraint!r}. Use solver='auto'."
        )
    found = solver.missing(problem.traits)
    if found is not None:
        loss = getattr(problem, "base", problem).loss.name
        raise IncompatibleError(
            f"solver: '{name}' needs {found}; the loss '{loss}' with this penalty does not give it. Use solver='auto'."
        )
