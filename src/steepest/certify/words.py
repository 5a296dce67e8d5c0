"""A certificate in one or two sentences."""

from __future__ import annotations

import math

from steepest.certify.columns import Culprit
from steepest.protocols import Bound, Certificate, Status

ROUNDING = 8.0 * 2.0**-52  # of the objective: what a gap contains of it (`gap.rounding`), at the least
NAMES = {
    "duality_gap": "the duality gap",
    "strong_convexity": "the bound from strong convexity",
    "prox_residual": "the norm of the least subgradient",
    "second_order": "the bound from second derivatives",
    "gradient_norm": "the gradient norm",
    "none": "the bound",
}
_ENDED = {
    Status.STOPPED_EARLY: "the validation rows chose this point",
    Status.BUDGET: "the budget was used up",
    Status.STALLED: "no further progress was possible",
    Status.INTERRUPTED: "the run was interrupted",
    Status.DIVERGED: "the run diverged",
}
KEPT = frozenset(_ENDED)  # ends that a certificate which misses its tolerance tells


def measured(bound: Bound, tol: float) -> str:
    """What was measured and what was asked, of a bound of the suboptimality.

    >>> measured(Bound("duality_gap", 3.1e-6, 1.2e-5, "suboptimality", 0.26, 0.25), 1e-5)
    'the duality gap 3.1e-06 is 1.2e-05 of the optimum; 1e-05 was asked'
    >>> measured(Bound("duality_gap", 4.2e-16, 1.6e-15, "suboptimality", 0.26, 0.26), 1e-15)
    'the duality gap 4.2e-16 is 1.6e-15 of the optimum; 1e-15 was asked, which is less than rounding in float64 leaves'
    """
    name = NAMES[bound.kind]
    if not math.isfinite(bound.value):
        return f"{name} is infinite; {tol:.3g} of the optimum was asked"
    of = "the optimum" if bound.dual > 0.0 else "the objective"
    asked = f"{tol:.3g} was asked"
    if tol < bound.relative and tol < ROUNDING:
        asked += ", which is less than rounding in float64 leaves"
    return f"{name} {bound.value:.2g} is {bound.relative:.2g} of {of}; {asked}"


def hidden(huge: Culprit, l1: float) -> str:
    """Which column's scale keeps a bound wide, and what to do.

    >>> hidden(Culprit(1, 1e15, 0.22), 0.01)
    'the entries of column 1 of X are about 1e+15, and rounding hides 0.22 of its correlation with the slopes, beside \
an l1 penalty of 0.01: scale that column, for example by steepest.Scaler'
    """
    size = f"about {huge.size:.2g}" if math.isfinite(huge.size) else "so large that their squares overflow"
    lost = f"{huge.error:.2g} of" if math.isfinite(huge.error) else "all of"
    beside = f", beside an l1 penalty of {l1:.2g}" if l1 > 0.0 else ""
    return (
        f"the entries of column {huge.column} of X are {size}, and rounding hides {lost} its correlation with the "
        f"slopes{beside}: scale that column, for example by steepest.Scaler"
    )


def explain(certificate: Certificate) -> str:
    """The certificate in words, for people.

    >>> facts = ("duality_gap", 1.2e-5, 4.3e-5, 1e-4, True, "suboptimality", 0.27, 0.26)
    >>> print(explain(Certificate(*facts, status=Status.CERTIFIED, reason="")))
    Proven: the objective 0.27 is at most 1.2e-05 above the optimum, 4.3e-05 of it (duality gap; 0.0001 was asked).
    """
    c = certificate
    name = NAMES[c.kind].removeprefix("the ")
    of = "it" if c.dual > 0.0 else "the objective"
    if c.passed:
        return (
            f"Proven: the objective {c.primal:.6g} is at most {c.value:.2g} above the optimum, "
            f"{c.relative:.2g} of {of} ({name}; {c.tol:.3g} was asked)."
        )
    reason = _sentence(c.reason)
    if c.status == Status.ILL_POSED:
        return f"No optimum exists to be proven. {reason}"
    if c.bounds == "suboptimality" and math.isfinite(c.value):
        return (
            f"Not proven to the accuracy asked: the objective {c.primal:.6g} is at most {c.value:.2g} above the "
            f"optimum ({name}). {reason}"
        )
    if c.bounds == "stationarity" and math.isfinite(c.value):
        where = "on a sample of rows " if "sample" in c.evidence else ""
        return f"Nothing is proven about the optimum; {where}the gradient norm is {c.value:.2g}. {reason}"
    return f"Nothing is proven. {reason}"


def ended(status: Status, reason: str) -> str:
    """How a run ended, for a reason that goes on with what was measured."""
    return reason.strip().rstrip(".") or _ENDED.get(status, "")


def _sentence(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    first = text[0].upper() if text.split()[0].isalpha() else text[0]
    return first + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
