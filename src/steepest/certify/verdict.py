"""From a bound to a certificate: whether it passes, which status is kept, and what is said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steepest.certify.words import KEPT, ended, measured
from steepest.protocols import Bound, Certificate, FloatArray, Status


def certificate_of(
    bound: Bound,
    tol: float,
    passed: bool,
    status: Status,
    reason: str,
    fallbacks: Sequence[str] = (),
    evidence: Mapping[str, Any] | None = None,
) -> Certificate:
    """The certificate that says what a bound proves."""
    return Certificate(
        kind=bound.kind,
        value=bound.value,
        relative=bound.relative,
        tol=tol,
        passed=passed,
        bounds=bound.bounds,
        primal=bound.primal,
        dual=bound.dual,
        status=status,
        reason=reason,
        fallbacks=tuple(fallbacks),
        evidence=dict(evidence or {}),
    )


def missed(status: Status) -> Status:
    """The status of a run whose point misses its tolerance."""
    return status if status in KEPT else Status.APPROXIMATE


def joined(status: Status, reason: str, what: str) -> str:
    """The reason of an early end, followed by what was found."""
    return f"{ended(status, reason)}; {what}" if status in KEPT else what


def judged(
    bound: Bound, tol: float, status: Status, reason: str, evidence: Mapping[str, Any] | None = None
) -> Certificate:
    """The certificate of a bound of the suboptimality, which passes where it is at most ``tol``.

    >>> certificate = judged(Bound("duality_gap", 1e-3, 2e-3, "suboptimality", 0.5, 0.499), 1e-2, Status.BUDGET, "")
    >>> certificate.passed, certificate.status.value
    (True, 'certified')
    """
    passed = bound.relative <= tol
    after = Status.CERTIFIED if passed else missed(status)
    return certificate_of(bound, tol, passed, after, joined(status, reason, measured(bound, tol)), (), evidence)


def nothing(
    tol: float,
    status: Status,
    reason: str,
    evidence: Mapping[str, Any] | None = None,
    primal: float = math.nan,
    dual: float = math.nan,
) -> Certificate:
    """The certificate that proves nothing, and says why."""
    bound = Bound("none", math.inf, math.inf, "nothing", primal, dual)
    return certificate_of(bound, tol, False, status, reason, (), evidence)


def diverged(w: FloatArray, tol: float) -> Certificate | None:
    """The certificate of parameters that are not all finite; None where they are."""
    bad = int(np.count_nonzero(~np.isfinite(w)))
    if not bad:
        return None
    return nothing(tol, Status.DIVERGED, f"{bad} of {len(w)} parameters are not finite")
