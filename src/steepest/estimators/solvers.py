"""Solver names: steepest's own, and scikit-learn's for the nearest of them."""

from __future__ import annotations

from steepest.estimators.parameters import Rules, instance

#: What scikit-learn's names mean here.  Names that both know are not in the table.
ELSEWHERE: dict[str, str] = {
    "liblinear": "auto",
    "sag": "auto",
    "saga": "auto",
    "svd": "auto",
    "cholesky": "auto",
    "lsqr": "auto",
    "sparse_cg": "auto",
}

SOLVER: Rules = (instance("a str", str),)  # the choice of solvers names those that it knows


def own_name(solver: str) -> str:
    """The solver here for a name from scikit-learn; other names stay.

    Examples
    --------
    >>> own_name("saga"), own_name("lbfgs")
    ('auto', 'lbfgs')
    """
    return ELSEWHERE.get(solver, solver)
