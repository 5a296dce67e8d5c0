"""A certificate and its numbers in words; the one place that phrases them for people."""

from __future__ import annotations

import math
from typing import NamedTuple

from steepest.protocols import Certificate, Status

_KINDS = {
    "duality_gap": "duality gap",
    "strong_convexity": "bound from strong convexity",
    "prox_residual": "proximal residual",
    "second_order": "second-order test",
    "gradient_norm": "gradient norm",
    "none": "no certificate",
}
_LOCAL = {  # what a network's certificate says of its point
    "minimum to second order": "a minimum to second order",
    "saddle": "a saddle",
    "not stationary": "not a stationary point",
    "not examined": "curvature not examined",
}
_STOPPED = {
    Status.STOPPED_EARLY: "The validation rows chose an earlier point than the optimum.",
    Status.APPROXIMATE: "The solver ended before the bound was proven.",
    Status.STALLED: "The solver could make no further progress.",
    Status.BUDGET: "The budget of iterations or time was used up.",
    Status.INTERRUPTED: "The fit was interrupted; the best iterate was kept.",
    Status.DIVERGED: "The iterates diverged.",
    Status.ILL_POSED: "The problem has no minimiser.",
}


class Verdict(NamedTuple):
    """``passed``, a headline of two or three words, what is proven, and why no more is."""

    passed: bool
    headline: str
    proven: str
    reason: str

    def text(self) -> str:
        """The whole verdict in one or two sentences."""
        return f"{self.headline}: {self.proven}.{' ' + self.reason if self.reason else ''}"


def percent(share: float) -> str:
    """A share with two significant digits, as per cent.

    >>> percent(4.3e-5)
    '0.0043 %'
    """
    if not math.isfinite(share):
        return "an unknown share"
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def number(value: float | None) -> str:
    """Five significant digits, large numbers in full; "unknown" for what is not a finite number.

    >>> number(112500.4), number(0.31774987), number(2.4e9), number(None)
    ('112,500', '0.31775', '2.4e+09', 'unknown')
    """
    if value is None or not math.isfinite(value):
        return "unknown"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.5g}"


def metric(name: str, value: float) -> str:
    """A metric for reading: shares as per cent.

    >>> metric("accuracy", 0.9234), metric("RMSE", 53.41234)
    ('92.34 %', '53.412')
    """
    return f"{100 * value:.2f} %" if "accuracy" in name else number(value)


def count(n: int, what: str) -> str:
    """A number of things.

    >>> count(1, "round"), count(1200, "round")
    ('1 round', '1,200 rounds')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def seconds(value: float) -> str:
    """A duration for reading.

    >>> seconds(0.0312), seconds(4.26), seconds(754.0)
    ('31 ms', '4.3 s', '12 min 34 s')
    """
    if value < 0.9995:
        return f"{1000 * value:.0f} ms" if value >= 0.00095 else f"{1e6 * value:.0f} µs"
    if value < 120:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def verdict(certificate: Certificate) -> Verdict:
    """What a certificate proves, in words.

    >>> from steepest.protocols import Certificate, Status
    >>> facts = ("duality_gap", 1.2e-5, 4.3e-5, 1e-4, True, "suboptimality", 0.27, 0.26)
    >>> proof = Certificate(*facts, status=Status.CERTIFIED, reason="")
    >>> verdict(proof).text()
    'Certified: the objective is within 0.0043 % of the optimum (duality gap 1.2e-05; 0.01 % was asked).'
    """
    passed = certificate.passed and certificate.status == Status.CERTIFIED
    if passed:
        headline = "Certified"
    elif certificate.status == Status.ILL_POSED:
        headline = "No minimiser"
    elif is_local(certificate):
        headline = f"Trained, {_LOCAL[certificate.evidence['verdict']]}"
    elif certificate.status == Status.STOPPED_EARLY:
        headline = "Stopped early"
    else:
        headline = "Not certified"
    reason = "" if passed else (_sentence(certificate.reason) or _STOPPED.get(certificate.status, ""))
    return Verdict(passed, headline, _proven(certificate), reason)


def is_local(certificate: Certificate) -> bool:
    """Whether a certificate speaks of a point of a network, where no more than its neighbourhood can be known."""
    return certificate.bounds == "stationarity" and certificate.evidence.get("verdict") in _LOCAL


def _proven(certificate: Certificate) -> str:
    kind, value, asked = _KINDS[certificate.kind], certificate.value, percent(certificate.tol)
    if certificate.bounds == "nothing" or not math.isfinite(value):
        return "nothing is proven about the distance to the optimum"
    if certificate.bounds == "suboptimality":
        if math.isfinite(certificate.relative):
            within = f"within {percent(certificate.relative)} of the optimum"
            return f"the objective is {within} ({kind} {value:.2g}; {asked} was asked)"
        return f"the objective is within {value:.2g} of the optimum ({kind}; {asked} of it was asked)"
    if certificate.bounds == "distance":
        return f"the coefficients are within {value:.2g} of the minimiser ({kind})"
    if is_local(certificate):
        where = "on a sample of rows " if "sample" in certificate.evidence else ""
        return f"{where}the objective is {number(certificate.primal)} and its gradient has the norm {value:.2g}"
    return f"the point is stationary up to {value:.2g} ({kind}); whether it is a minimum is not proven"


def _sentence(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    word = text.split()[0]
    first = text[0].upper() if word.isalpha() else text[0]  # names of parameters keep their case
    return first + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
