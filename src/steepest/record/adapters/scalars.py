"""What every adapter logs, and under which names."""

from __future__ import annotations

import math
from collections.abc import Mapping

from steepest.protocols import Certificate

#: Columns of the history that are logged; seconds and passes are left to the tool's own clock and step.
LOGGED = (
    "objective",
    "gap",
    "relative_gap",
    "gradient_norm",
    "step",
    "validation_loss",
    "validation_score",
)


def of_round(row: Mapping[str, float]) -> dict[str, float]:
    """The finite numbers of a round; tools show nan and infinities badly or refuse them.

    Examples
    --------
    >>> of_round({"iteration": 3.0, "objective": 0.5, "gap": float("nan"), "step": 1.0})
    {'objective': 0.5, 'step': 1.0}
    """
    return {name: row[name] for name in LOGGED if math.isfinite(row.get(name, math.nan))}


def of_certificate(certificate: Certificate) -> dict[str, float]:
    """The finite numbers of a verdict, and whether it passed."""
    found = {
        "certificate_passed": float(certificate.passed),
        "certificate_gap": certificate.value,
        "certificate_relative_gap": certificate.relative,
        "certificate_objective": certificate.primal,
        "certificate_lower_bound": certificate.dual,
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}
