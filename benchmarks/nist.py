"""Nonlinear regression as certified by NIST: `minimize` beside scipy.optimize, on the same functions and starts.

    STEEPEST_DATA=folder python -m benchmarks.nist [method ...] [--cap SECONDS]

The folder holds ``nist_strd/*.dat``.  Digits are those of the worst parameter; a run counts as right with six.  A claim
is false where a method reports success with fewer than six digits, or no success with six or more.  scipy's methods for
any function (all of them, or those named) run with their default tolerances and with the tightest, which they rarely
call met.  Hessians, where a method needs one, are differences of the exact gradients.  A method that has taken
``--cap`` seconds begins no further run; those are counted as not run, never as wrong.  Methods measured before stay in
the kept table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

import steepest
from benchmarks.data import WORK

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
        self.right, self.false, self.seconds = 0, 0, 0.0
        self.digits: list[float] = []

    def add(self, digits: float, claimed: bool, seconds: float) -> None:
        """One run."""
        self.right += digits >= 6.0
        self.false += claimed != (digits >= 6.0)
        self.seconds += seconds
        self.digits.append(digits)

    def row(self, name: str) -> dict[str, Any]:
        """What is kept of it, and printed."""
        middle = float(np.median(self.digits)) if self.digits else float("nan")
        found = {
            "method": name,
            "runs": len(self.digits),
            "right": int(self.right),
            "false claims": int(self.false),
            "digits, median": round(middle, 1),
            "seconds": round(self.seconds, 2),
        }
        print(f"{name:<40}" + "".join(f"{value!s:>14}" for value in list(found.values())[1:]), flush=True)
        return found


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


def table(found: list[dict[str, Any]]) -> str:
    """The kept rows as Markdown, the most right runs first."""
    rows = sorted(found, key=lambda row: (-row["right"], row["false claims"], row["seconds"]))
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]) + "\n"


def main() -> None:
    """Run, print and keep."""
    from nist import MODELS, read

    parser = argparse.ArgumentParser(prog="python -m benchmarks.nist", description=__doc__.partition("\n")[0])
    parser.add_argument("methods", nargs="*", default=SCIPY)
    parser.add_argument("--cap", type=float, default=12.0)
    given = parser.parse_args()
    folder = Path(os.environ["STEEPEST_DATA"]) / "nist_strd"
    problems = [read(folder / f"{name}.dat") for name in MODELS]
    runs = [(problem, start) for problem in problems for start in problem.starts]
    kept: dict[str, dict[str, Any]] = {}
    out = WORK / "results" / "nist.json"
    if out.is_file():
        kept = {row["method"]: row for row in json.loads(out.read_text())}

    def keep(name: str, tally: Tally) -> None:
        kept[name] = {**tally.row(name), "cap": given.cap}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(list(kept.values()), indent=1))

    print(f"{'method':<40}" + "".join(f"{name:>14}" for name in ("runs", "right", "false claims", "digits", "seconds")))
    ours = Tally()
    for problem, start in runs:
        began = time.perf_counter()
        found = steepest.minimize(steepest.LeastSquares(problem.residuals, problem.jacobian), start)
        ours.add(problem.digits(found.x), found.success, time.perf_counter() - began)
    keep("steepest.minimize", ours)
    with warnings.catch_warnings(), np.errstate(all="ignore"), threadpool_limits(1):  # problems of a few variables
        warnings.simplefilter("ignore")
        squares = Tally()
        for problem, start in runs:
            began = time.perf_counter()
            least = scipy.optimize.least_squares(
                problem.residuals, start, problem.jacobian, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15
            )
            squares.add(problem.digits(least.x), bool(least.success), time.perf_counter() - began)
        keep("scipy least_squares, lm", squares)
        for method in given.methods:
            for said, options in (("", {}), (", tight", TIGHT[method])):
                tally = Tally()
                for problem, start in runs:
                    if tally.seconds < given.cap:
                        tally.add(*scipy_run(problem, start, method, options))
                keep(f"scipy minimize, {method}{said}", tally)


if __name__ == "__main__":
    main()
