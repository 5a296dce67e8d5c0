"""What first and second derivatives say about a trained network.

Let g be the gradient and H the Hessian of P in float64, on all rows, and ``R = max(|w|, 1)`` the parameters' size.
Along an axis of H (or of its part in a Krylov space that begins at g) with slope c and curvature lam, a step of at most
R promises the decrease

    c^2 / (2 |lam|)  where |c| <= |lam| R,   else   |c| R - |lam| R^2 / 2,

and their sum is what second derivatives promise.  A point is *stationary* where that is at most

    allowed = tol max(P - lower, 1e-10 P(outputs of zero)),

the share tol of all that could be gained, lower being the least that the losses can be.  It is a *saddle* where a step
of R / 10 along a direction of negative curvature promises more than that, and a *minimum to second order within
allowed* where none was found.  Directions without any curvature, which networks have by their symmetries (scaling the
weights into a relu unit up and those out of it down changes nothing), promise nothing, and are told.

Curvatures are those of the whole Hessian for small networks.  Else Lanczos' method looks for the smallest, from a
random vector, and how far it can be wrong is known (`steepest.certify.krylov`).  At kinks (relu units, hinge losses)
derivatives are those of the piece that w is on.  Nothing of this is a proof about other minima, and no certificate of a
network ever passes.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from steepest.certify.krylov import floor_of, krylov
from steepest.certify.verdict import certificate_of, diverged, joined, missed, nothing
from steepest.protocols import Bound, Certificate, CertificateKind, Evaluation, FloatArray, Status

DENSE = 150  # parameters up to which all curvatures are computed
MOST = 100  # products with H in the search for the smallest curvature
ALONG = 30  # products in the Krylov space of the gradient
FEWEST = 20  # products without which neither says anything
WORK = 5e10  # operations that "auto" may spend: some seconds
_UNIT_WORK = 500  # operations that a unit costs in a product beside its weights
_NUMBERS = 20_000_000  # of the vectors that Lanczos' method keeps
_FLAT = 1e-9  # of the largest curvature: less is none
_FLOOR = 1e-10  # of the loss of zero outputs, as for all certificates
_EPS = 2.0**-52


class NetworkLook(NamedTuple):
    """What second derivatives say.

    Attributes
    ----------
    verdict : str
        "minimum to second order", "saddle" or "not stationary".
    promised, allowed : float
        The decrease that second derivatives promise, and that a stationary point may leave.
    smallest, largest : float
        The smallest curvature seen, and the largest of any sign.
    floor : float
        No curvature is below it: certainly where ``certain``, else but for a chance of one in a thousand.
    certain : bool
    direction : array of shape (size,)
        Unit vector of the smallest curvature.
    flat : int or None
        Directions without curvature, where all were computed.
    products : int
    """

    verdict: str
    promised: float
    allowed: float
    smallest: float
    largest: float
    floor: float
    certain: bool
    direction: FloatArray
    flat: int | None
    products: int


def allowed_decrease(problem: Any, at: Evaluation, tol: float) -> float:
    """What may be left at a stationary point."""
    lower = float(problem.objective.lower)
    above = at.value - lower if math.isfinite(lower) else abs(at.value)
    return max(tol * max(above, _FLOOR * abs(float(problem.null_value))), 8.0 * _EPS * abs(at.value))


def reach(w: FloatArray) -> float:
    """The size of the parameters, at least 1."""
    return max(float(np.linalg.norm(w)), 1.0)


def promise(slopes: FloatArray, curvatures: FloatArray, radius: float) -> float:
    """The decrease that steps of at most ``radius`` along axes promise.

    >>> promise(np.array([1.0, 1.0, 0.0]), np.array([2.0, 0.0, -1.0]), 3.0)
    3.25
    """
    c, bends = np.abs(slopes), np.abs(curvatures)
    near = c <= bends * radius
    inside = np.divide(c * c, 2.0 * bends, out=np.zeros_like(c), where=near & (bends > 0.0))
    return float(np.sum(np.where(near, inside, c * radius - 0.5 * bends * radius**2)))


def product_work(problem: Any) -> float:
    """Operations of one product with the Hessian."""
    stack = problem.stack
    units = float(sum(layer.columns for layer in stack.layers))
    shapes = [block.shape for block in (*stack.blocks, *stack.fixed_blocks) if block.kind == "weights"]
    weights = float(sum(math.prod(shape) for shape in shapes))
    if problem.feed.sparse:
        X, first = problem.feed.X, stack.layers[0].columns
        weights += float(first * (X.nnz / X.shape[0] - X.shape[1]))
    n = float(problem.n)
    return n * (12.0 * weights + _UNIT_WORK * units)


def look_network(problem: Any, at: Evaluation, tol: float, budget: float = math.inf) -> NetworkLook | None:
    """Judge a point by second derivatives.

    Parameters
    ----------
    problem : NetworkProblem
    at : Evaluation
    tol : float
    budget : float
        Operations at most.

    Returns
    -------
    NetworkLook or None
        None where the budget is too small, or second derivatives are unknown or not finite.
    """
    if not problem.traits.has_curvature:
        return None
    affordable = min(budget / product_work(problem), 1e9)
    allowed, radius = allowed_decrease(problem, at, tol), reach(at.w)
    g = at.gradient
    if problem.size <= DENSE and problem.size <= affordable:
        H = problem.hessian(at)
        if not np.all(np.isfinite(H)):
            return None
        values, vectors = np.linalg.eigh(H)
        largest = float(np.abs(values).max())
        promised = promise(vectors.T @ g, values, radius)
        flat = int(np.count_nonzero(np.abs(values) <= _FLAT * largest))
        smallest, direction, floor = float(values[0]), vectors[:, 0], float(values[0])
        certain, products = True, problem.size
    else:
        most = int(min(affordable, ALONG + MOST, max(_NUMBERS // problem.size, FEWEST)))
        if most < FEWEST:
            return None
        along = krylov(lambda v: problem.hvp(at, v), g, min(ALONG, most // 3)) if np.any(g) else None
        spent = along.products if along is not None else 0
        start = np.random.default_rng(0).standard_normal(problem.size)
        seen = krylov(lambda v: problem.hvp(at, v), start, min(MOST, most - spent))
        if seen is None or (along is None and np.any(g)):
            return None
        promised = 0.0 if along is None else promise(along.slopes(g), along.values, radius)
        smallest, direction = float(seen.values[0]), seen.vector(0)
        if along is not None and float(along.values[0]) < smallest:
            smallest, direction = float(along.values[0]), along.vector(0)
        largest = float(np.abs(seen.values).max())
        floor, certain, flat = min(floor_of(seen, problem.size), smallest), seen.complete, None
        products = spent + seen.products
    falls = smallest < -_FLAT * largest and -0.5 * smallest * (0.1 * radius) ** 2 > allowed
    verdict = "not stationary" if not promised <= allowed else "saddle" if falls else "minimum to second order"
    return NetworkLook(verdict, promised, allowed, smallest, largest, floor, certain, direction, flat, products)


def certify_network(
    problem: Any,
    w: FloatArray,
    *,
    tol: float,
    status: Status,
    reason: str,
    curvature: bool | Literal["auto"] = "auto",
    asks: str = "curvature=True",
    work: float = WORK,
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
    work : float
        Operations that "auto" may spend; a tenth of them after an interrupt.

    Returns
    -------
    Certificate
        Of kind "second_order", with the evidence ``verdict``, ``gradient_norm``, ``relative_gradient`` (``|g| R`` over
        the objective), ``predicted_decrease``, ``allowed_decrease``, ``smallest_curvature``, ``largest_curvature``,
        ``curvature_floor``, ``flat_directions``, ``products``, ``kinks``, and at a saddle the ``direction``.  Of kind
        "gradient_norm", with the verdict "not examined", where curvature was not looked at.  It never passes.
    """
    bad = diverged(w, tol)
    if bad is not None:
        return bad
    w = np.require(w, np.float64, ["C", "W"])
    problem.stand(w)
    try:
        return _certified(problem, w, tol, status, reason, curvature, asks, work)
    finally:
        problem.release()


def _certified(
    problem: Any,
    w: FloatArray,
    tol: float,
    status: Status,
    reason: str,
    curvature: bool | Literal["auto"],
    asks: str,
    work: float,
) -> Certificate:
    at = problem.evaluate(w)
    problem.stand(w)  # gives the program back: products with the Hessian have one of their own
    if not math.isfinite(at.value):
        said = f"{reason}; the objective or its gradient is not finite" if reason else "the objective is not finite"
        return nothing(tol, Status.DIVERGED, said, {"verdict": "not stationary"}, at.value)
    norm = float(np.linalg.norm(at.gradient))
    scale = allowed_decrease(problem, at, 1.0)
    evidence: dict[str, Any] = {"gradient_norm": norm, "relative_gradient": norm * reach(w) / scale}
    evidence["kinks"] = list(problem.kinks)
    budget = math.inf if curvature is True else work * (0.1 if status is Status.INTERRUPTED else 1.0)
    seen = look_network(problem, at, tol, budget) if curvature else None
    if seen is None:
        said = _first_order(problem, evidence, curvature, asks)
        bound = Bound("gradient_norm", norm, math.inf, "stationarity", at.value, math.nan)
        return _made(bound, tol, status, reason, said, evidence | {"verdict": "not examined"})
    kind: CertificateKind = "second_order"
    evidence |= {
        "verdict": seen.verdict,
        "predicted_decrease": seen.promised,
        "allowed_decrease": seen.allowed,
        "smallest_curvature": seen.smallest,
        "largest_curvature": seen.largest,
        "curvature_floor": seen.floor,
        "flat_directions": seen.flat,
        "products": seen.products,
    }
    if seen.verdict == "saddle":
        evidence["direction"] = seen.direction
    bound = Bound(kind, norm, seen.promised / scale, "stationarity", at.value, math.nan)
    return _made(bound, tol, status, reason, _second_order(problem, seen, norm, scale), evidence)


def _made(bound: Bound, tol: float, status: Status, reason: str, said: str, evidence: dict[str, Any]) -> Certificate:
    ended = missed(status)
    if evidence["verdict"] == "minimum to second order" and status in (Status.BUDGET, Status.STALLED):
        ended = Status.APPROXIMATE
    return certificate_of(bound, tol, False, ended, joined(ended, reason, said), (), evidence)


_NEVER = "this is never a proof of a global minimum"


def _second_order(problem: Any, seen: NetworkLook, norm: float, scale: float) -> str:
    size = f"the gradient norm is {norm:.2g}"
    promised = (
        f"second derivatives promise a decrease of {seen.promised:.2g}, {seen.promised / scale:.2g} of the objective"
    )
    left = f"{size}, {promised}"
    lowest = f"the smallest curvature {'is' if seen.certain else 'seen is'} {seen.smallest:.2g}"
    lowest += f", the largest {seen.largest:.2g}"
    if not seen.certain:
        sure = f"none is below {seen.floor:.2g}" if math.isfinite(seen.floor) else "how low it can be is not known"
        chance = " (but for a chance of 0.001)" if math.isfinite(seen.floor) else ""
        lowest += f", and after {seen.products} products {sure}{chance}"
    elif seen.flat:
        lowest += f", and {seen.flat} of {problem.size} directions are flat"
    share = seen.allowed / scale
    if seen.verdict == "not stationary":
        said = f"not a stationary point: {left} ({share:.2g} is allowed); {lowest}"
    elif seen.verdict == "saddle":
        said = f"a saddle: {left}, but {lowest}: along its direction the objective falls"
    else:
        said = f"a minimum to second order within {share:.2g} of the objective: {left}; {lowest}"
    if problem.kinks and seen.verdict == "not stationary":
        said += "; at a kink even a minimum has a gradient"
    return f"{said}{_pieces(problem)}; {_NEVER}"


def _first_order(problem: Any, evidence: dict[str, Any], curvature: Any, asks: str) -> str:
    share = 0.01 * evidence["relative_gradient"]
    much = f"{share:.2g} of the objective" if share < 1.0 else "more than the whole objective"
    said = (
        f"the gradient norm is {evidence['gradient_norm']:.2g}: a move by 1 % of the parameters' size along it "
        f"promises {much}, to first order; "
    )
    if not problem.traits.has_curvature:
        said += (
            f"the loss '{problem.objective.name}' states no curvature, so that minimum and saddle cannot be told apart"
        )
    elif curvature is False:
        said += f"second derivatives were not looked at, as was asked ({asks} does that)"
    elif curvature is True:
        said += "second derivatives are not finite"
    else:
        said += f"second derivatives would cost more than was allowed and were not looked at ({asks} does that)"
    if problem.kinks:
        said += f"; {' and '.join(problem.kinks)}: at a kink even a minimum has a gradient"
    return f"{said}; {_NEVER}"


def _pieces(problem: Any) -> str:
    if not problem.kinks:
        return ""
    listed = " and ".join(problem.kinks)
    return f"; {listed}: at kinks there is no second derivative, those here are of the piece that the parameters are on"
