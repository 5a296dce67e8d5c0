"""What first and second derivatives say about a trained network."""

from __future__ import annotations

from typing import Any, Literal

from steepest.protocols import Certificate, FloatArray, Status


def certify_network(
    problem: Any,
    w: FloatArray,
    *,
    tol: float,
    status: Status,
    reason: str,
    curvature: bool | Literal["auto"] = "auto",
    asks: str = "curvature=True",
) -> Certificate:
    """The certificate of a network's parameters, recomputed in float64 on all rows.

    Parameters
    ----------
    problem : NetworkProblem
    w : array of shape (problem.size,)
    tol : float
        Share of the objective that may be left to second order at a stationary point.
    status, reason : Status, str
        How the run ended.
    curvature : bool or "auto"
        Whether second derivatives are looked at; "auto": where that takes a few seconds at most.
    asks : str
        How the user's parameter that asks for curvature is spelt, for the reason.
    """
    raise NotImplementedError
