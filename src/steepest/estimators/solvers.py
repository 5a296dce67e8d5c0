"""Solver names: steepest's own, and scikit-learn's for the nearest of them."""

from __future__ import annotations

from steepest.estimators.parameters import Rules, instance

#: What scikit-learn's names mean here.  Names that both know ("lbfgs", "newton-cg" ...) are not in the table, but for
#: "saga": what it is taken for there, "auto" does sooner; `LinearClassifier` and `LinearRegressor` take it as it is.
ELSEWHERE: dict[str, str] = {
    "liblinear": "auto",
    "sag": "auto",
    "saga": "auto",
    "svd": "closed_form",
    "cholesky": "closed_form",
    "lsqr": "auto",
    "sparse_cg": "auto",
}

SOLVER: Rules = (instance("a str", str),)  # the choice of solvers names those that it knows


def own_name(solver: str) -> tuple[str, list[str]]:
    """The solver here for a name from scikit-learn, and a note for the record; other names stay.

    Examples
    --------
    >>> own_name("saga")
    ('auto', ["solver='saga' is scikit-learn's; 'auto' is used, for the same objective"])
    >>> own_name("lbfgs")
    ('lbfgs', [])
    """
    if solver not in ELSEWHERE:
        return solver, []
    own = ELSEWHERE[solver]
    return own, [f"solver='{solver}' is scikit-learn's; '{own}' is used, for the same objective"]
