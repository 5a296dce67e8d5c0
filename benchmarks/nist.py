"""Nonlinear regression as certified by NIST: `minimize` beside scipy.optimize, on the same functions and starts.

    STEEPEST_DATA=folder python -m benchmarks.nist [method ...]

The folder holds ``nist_strd/*.dat``.  Digits are those of the worst parameter; a run counts as right with six.  A claim
is false where a method reports success with fewer than six digits, or no success with six or more.  scipy's methods for
any function (all of them, or those named) run with their default tolerances and with the tightest, which they rarely
call met.  Hessians, where a method needs one, are differences of the exact gradients.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize

import steepest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

SCIPY = (
    "BFGS", "SLSQP", "trust-exact", "trust-ncg", "trust-krylov", "trust-constr", "dogleg", "Newton-CG", "L-BFGS-B",
    "TNC", "CG", "Nelder-Mead", "Powell", "COBYLA", "COBYQA",
)  # fmt: skip
VALUES_ONLY = ("Nelder-Mead", "Powell", "COBYLA", "COBYQA")
MOST = 5000  # rounds or values of one run
TIGHT: dict[str, dict[str, Any]] = {
    "BFGS": {"gtol": 1e-14, "maxiter": MOST},
    "SLSQP": {"ftol": 1e-18, "maxiter": MOST},
    "trust-exact": {"gtol": 1e-14, "maxiter": MOST},
    "L-BFGS-B": {"ftol": 1e-16, "gtol": 1e-14, "maxiter": MOST, "maxfun": MOST},
    "Nelder-Mead": {"xatol": 1e-14, "fatol": 1e-16, "maxiter": MOST, "maxfev": MOST},
    "TNC": {"ftol": 1e-16, "gtol": 1e-14, "maxfun": MOST},
    "CG": {"gtol": 1e-14, "maxiter": MOST},
    "trust-ncg": {"gtol": 1e-14, "maxiter": MOST},
    "trust-krylov": {"gtol": 1e-14, "maxiter": MOST},
    "trust-constr": {"gtol": 1e-14, "xtol": 1e-15, "maxiter": MOST},
    "dogleg": {"gtol": 1e-14, "maxiter": MOST},
    "Newton-CG": {"xtol": 1e-14, "maxiter": MOST},
    "Powell": {"xtol": 1e-14, "ftol": 1e-16, "maxiter": MOST, "maxfev": MOST},
    "COBYLA": {"tol": 1e-14, "maxiter": MOST},
    "COBYQA": {"final_tr_radius": 1e-14, "maxiter": MOST, "maxfev": MOST},
}


class Tally:
    """Right runs, false claims and seconds of one method."""

    def __init__(self) -> None:
        self.right, self.false, self.seconds, self.digits = 0, 0, 0.0, []

    def add(self, digits: float, claimed: bool, seconds: float) -> None:
        """One run."""
        self.right += digits >= 6.0
        self.false += claimed != (digits >= 6.0)
        self.seconds += seconds
        self.digits.append(digits)

    def line(self, name: str) -> str:
        """A row of the table."""
        middle = float(np.median(self.digits))
        return f"{name:<34}{self.right:6d}{self.false:8d}{middle:9.1f}{self.seconds:9.2f}"


def scipy_run(problem: Any, start: Any, method: str, options: dict[str, Any]) -> tuple[float, bool, float]:
    """Digits, claim and seconds of one run of scipy.optimize.minimize."""

    def value(b: Any) -> float:
        r = problem.residuals(b)
        return 0.5 * float(r @ r)

    def gradient(b: Any) -> Any:
        return problem.jacobian(b).T @ problem.residuals(b)

    def hessian(b: Any) -> Any:
        steps = 6e-6 * np.maximum(np.abs(b), 1e-2 * np.abs(start)) * np.eye(len(b))
        H = np.array([(gradient(b + h) - gradient(b - h)) / (2.0 * h.sum()) for h in steps])
        return 0.5 * (H + H.T)

    extra: dict[str, Any] = {} if method in VALUES_ONLY else {"jac": gradient}
    if method.startswith("trust") or method in ("dogleg", "Newton-CG"):
        extra["hess"] = hessian
    began = time.perf_counter()
    try:
        found = scipy.optimize.minimize(value, start, method=method, options=options, **extra)
    except (ValueError, np.linalg.LinAlgError, OverflowError, ZeroDivisionError):
        return -np.inf, False, time.perf_counter() - began
    return problem.digits(found.x), bool(found.success), time.perf_counter() - began


def main() -> None:
    """Print the table."""
    from nist import MODELS, read

    folder = Path(os.environ["STEEPEST_DATA"]) / "nist_strd"
    problems = [read(folder / f"{name}.dat") for name in MODELS]
    runs = [(problem, start) for problem in problems for start in problem.starts]
    print(f"{len(runs)} runs{'':<27}right   false   digits  seconds")
    ours = Tally()
    for problem, start in runs:
        began = time.perf_counter()
        found = steepest.minimize(steepest.LeastSquares(problem.residuals, problem.jacobian), start)
        ours.add(problem.digits(found.x), found.success, time.perf_counter() - began)
    print(ours.line("steepest.minimize"))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        squares = Tally()
        for problem, start in runs:
            began = time.perf_counter()
            least = scipy.optimize.least_squares(
                problem.residuals, start, problem.jacobian, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15
            )
            squares.add(problem.digits(least.x), bool(least.success), time.perf_counter() - began)
        print(squares.line("scipy least_squares, lm"))
        for method in sys.argv[1:] or SCIPY:
            for said, options in (("", {}), (", tight", TIGHT[method])):
                tally = Tally()
                for problem, start in runs:
                    tally.add(*scipy_run(problem, start, method, options))
                print(tally.line(f"scipy minimize, {method}{said}"), flush=True)


if __name__ == "__main__":
    main()
