"""The warning that a fit was not certified, and what to do about it.

A search makes hundreds of fits; what becomes of their certificates is the matter of ``collecting``.
"""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning as _ConvergenceWarning

from steepest.protocols import Certificate, Status


class ConvergenceWarning(_ConvergenceWarning):  # type: ignore[misc]
    """A fit that ended without the proof that was asked for; the text has the gap, the reason and a cure.

    It is a subclass of scikit-learn's, so filters written for that one work.
    """


_CURES: dict[Status, str] = {
    Status.BUDGET: "Raise the limit, loosen tol, or go on from here with warm_start=True.",
    Status.INTERRUPTED: "The best parameters so far are kept; warm_start=True goes on from them.",
    Status.STALLED: "Rounding or scaling stops progress: scale the features, strengthen the penalty, or "
    "accept this gap by a larger tol.",
    Status.DIVERGED: "Scale the features and the target, or use solver='auto'.",
    Status.ILL_POSED: "Add a penalty (a smaller C, a larger alpha), or drop the separating features.",
    Status.APPROXIMATE: "This problem offers no tighter proof: add an l2 penalty, use a loss with a known conjugate, "
    "or silence this with on_unconverged='ignore'.",
}


_SLOW = (Status.BUDGET, Status.STALLED, Status.APPROXIMATE)
#: What minimises the objective of an estimator by a method that certifies.
_CERTIFYING = {
    "SGDClassifier": "LinearClassifier(solver='auto')",
    "SGDRegressor": "LinearRegressor(solver='auto')",
}


def sentence(name: str, certificate: Certificate) -> str:
    """What was proven, what was asked, why it ended, and a cure.

    Parameters
    ----------
    name : str
        The estimator's class name.
    certificate : Certificate
    """
    if certificate.bounds == "suboptimality":
        proven = f"proven relative gap {certificate.relative:.3g}, asked tol={certificate.tol:g}"
    elif certificate.bounds == "stationarity":
        of = " of a sample" if "sample" in certificate.evidence else ""
        proven = (
            f"gradient norm{of} {certificate.value:.3g}; no bound on the objective is proven (tol={certificate.tol:g})"
        )
    else:
        proven = f"nothing is proven (tol={certificate.tol:g})"
    cure = _CURES.get(certificate.status, _CURES[Status.STALLED])
    if name.startswith("MLP") and certificate.status is Status.DIVERGED:
        cure = "Use a smaller learning_rate_init, clip_norm=1 or scale='standard', and scale the targets."
    elif name.startswith("MLP") and certificate.status is Status.STALLED:  # of methods on all rows alone
        cure = (
            "At a kink no line search goes on: use a smooth activation such as 'softplus' or 'tanh', or solver='adam', "
            "or accept this point by a larger tol."
            if certificate.evidence.get("kinks")
            else "Rounding stops progress: use scale='standard', a larger alpha, or accept this point by a larger tol."
        )
    advice = certificate.evidence.get("advice")
    if advice is not None and certificate.bounds == "suboptimality" and name != "Perceptron":
        other = _CERTIFYING.get(name, f"{name}(solver='auto')")
        if certificate.status in _SLOW:
            cure = f"{advice} {other} minimises the same objective by methods that reach small gaps in few passes."
        elif certificate.status is Status.DIVERGED:
            cure = f"Scale the features, or use {other}, which needs no rate."
        cure = cure.lstrip()
    elif name == "Perceptron" and certificate.status is Status.BUDGET:
        cure = (
            "Steps end by themselves only where classes can be separated: allow more epochs, or take "
            "LinearClassifier('hinge'), which has an optimum in any case."
        )
    return f"{name} is not certified: {proven}. Status '{certificate.status}': {certificate.reason.rstrip('.')}. {cure}"
