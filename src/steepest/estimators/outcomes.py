"""What came of the jobs of a fit, put together: one certificate, and what the record says about X."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from steepest.protocols import Certificate, Status


def unasked(certificate: Certificate) -> Certificate:
    """The certificate of a run of which no proof was asked: what its sentence says of a tol is left out.

    Examples
    --------
    >>> said = "max_iter=3 reached; the duality gap 0.01 is 0.04 of the optimum; 0 was asked, which is less than ..."
    >>> facts = ("duality_gap", 0.01, 0.04, 0.0, False, "suboptimality", 0.27, 0.26, Status.BUDGET)
    >>> unasked(Certificate(*facts, said)).reason
    'max_iter=3 reached; the duality gap 0.01 is 0.04 of the optimum'
    """
    head, asked, tail = certificate.reason.partition("; 0 was asked")
    if not asked:
        head, asked, tail = certificate.reason.partition("; 0 of the optimum was asked")
    rest = tail.partition(";")[2]
    return replace(certificate, reason=f"{head};{rest}" if rest else head) if asked else certificate


def facts(source: Any, jobs: Sequence[Any]) -> dict[str, Any]:
    """What the record says about X."""
    n, d = source.shape
    return {
        "n_samples": n,
        "n_features": d,
        "n_outputs": len(jobs) if len(jobs) > 1 else jobs[0].n_outputs,
        "nnz": int(source.nnz),
        "density": float(source.nnz) / max(1, n * d),
        "dtype": str(source.dtype),
        "kind": source.kind,
        "bytes": int(source.nbytes),
    }


_SEVERITY = (
    Status.CERTIFIED,
    Status.STOPPED_EARLY,
    Status.APPROXIMATE,
    Status.STALLED,
    Status.BUDGET,
    Status.ILL_POSED,
    Status.DIVERGED,
    Status.INTERRUPTED,
)


def combine(certificates: Sequence[Certificate], labels: Sequence[str]) -> Certificate:
    """One certificate for independent problems.

    The objective is their sum, so values, primal and dual add up.  ``relative`` is the worst one: each problem
    is proven to at least that.  Status and reason are those of the worst problem.
    """
    if len(certificates) == 1:
        return certificates[0]
    worst = max(
        range(len(certificates)),
        key=lambda i: (
            not certificates[i].passed,
            _SEVERITY.index(certificates[i].status),
            certificates[i].relative if not math.isnan(certificates[i].relative) else math.inf,
        ),
    )
    chosen = certificates[worst]
    same = all(c.bounds == chosen.bounds for c in certificates)
    evidence = dict(chosen.evidence)
    evidence["outputs"] = [
        {"label": label, "value": c.value, "relative": c.relative, "passed": c.passed, "status": str(c.status)}
        for label, c in zip(labels, certificates, strict=True)
    ]
    return Certificate(
        kind=chosen.kind,
        value=math.fsum(c.value for c in certificates) if same else chosen.value,
        relative=max(c.relative for c in certificates) if same else chosen.relative,
        tol=chosen.tol,
        passed=all(c.passed for c in certificates),
        bounds=chosen.bounds,
        primal=math.fsum(c.primal for c in certificates),
        dual=sum(c.dual for c in certificates),
        status=chosen.status,
        reason=f"{labels[worst]}: {chosen.reason}" if labels[worst] else chosen.reason,
        fallbacks=tuple(dict.fromkeys(line for c in certificates for line in c.fallbacks)),
        evidence=evidence,
    )
