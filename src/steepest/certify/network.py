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

After a short training a pass over all rows would cost more than the training did.  Value and gradient are then those of
a sample (`NetworkProblem.sample`), and the certificate says of how many rows; curvature is never that of a sample.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from steepest.certify.krylov import floor_of, krylov
from steepest.certify.verdict import certificate_of, diverged, missed, nothing
from steepest.certify.words import KEPT, ended
from steepest.protocols import Bound, Certificate, CertificateKind, Evaluation, FloatArray, Status

DENSE = 150  # parameters up to which all curvatures are computed
MOST = 100  # products with H in the search for the smallest curvature
ALONG = 30  # products in the Krylov space of the gradient
FEWEST = 20  # products without which neither says anything
WORK = 5e10  # operations that "auto" may spend: some seconds
ENOUGH = 4e9  # operations of value and gradient that are never too many: a tenth of a second
_UNIT_WORK = 500  # operations that a unit costs in a product beside its weights
_NUMBERS = 20_000_000  # of the vectors that Lanczos' method keeps
_FLAT = 1e-9  # of the largest curvature: less is none
_FLOOR = 1e-10  # of the loss of zero outputs, as for all certificates
_TINY = 1e-300  # where that is 0 too: all targets are 0, and so is the objective
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

    def bent_by(self, curvature: float, radius: float) -> bool:
        """Whether a direction of such curvature would make a saddle."""
        return curvature < -_FLAT * self.largest and -0.5 * curvature * (0.1 * radius) ** 2 > self.allowed


def allowed_decrease(problem: Any, at: Evaluation, tol: float) -> float:
    """What may be left at a stationary point."""
    lower = float(problem.objective.lower)
    above = at.value - lower if math.isfinite(lower) else abs(at.value)
    return max(tol * max(above, _FLOOR * abs(float(problem.null_value)), _TINY), 8.0 * _EPS * abs(at.value))


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
    verdict = "not stationary" if not promised <= allowed else "minimum to second order"
    look = NetworkLook(verdict, promised, allowed, smallest, largest, floor, certain, direction, flat, products)
    falls = promised <= allowed and look.bent_by(smallest, radius)
    return look._replace(verdict="saddle") if falls else look


def certify_network(
    problem: Any,
    w: FloatArray,
    *,
    tol: float,
    status: Status,
    reason: str,
    curvature: bool | Literal["auto"] = "auto",
    work: float = WORK,
    passes: float = math.inf,
) -> Certificate:
    """The certificate of a network's parameters, recomputed in float64, on all rows or a sample.

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
    work : float
        Operations that "auto" may spend; a tenth of them after an interrupt.
    passes : float
        Evaluations on all rows that value and gradient may cost.  Below 1 they are those of such a share of the rows,
        or of as many as take `ENOUGH` operations; all rows count where ``curvature`` is True.

    Returns
    -------
    Certificate
        Of kind "second_order", with the evidence ``verdict``, ``gradient_norm``, ``relative_gradient`` (``|g| R`` over
        the objective), ``predicted_decrease``, ``allowed_decrease``, ``smallest_curvature``, ``largest_curvature``,
        ``curvature_floor``, ``flat_directions``, ``products``, ``kinks``, ``rows``, and at a saddle the ``direction``.
        Of kind "gradient_norm", with the verdict "not examined", where curvature was not looked at; where not all rows
        were, ``sample`` says so in words, and ``primal`` and ``value`` are of those rows.  It never passes.
    """
    bad = diverged(w, tol)
    if bad is not None:
        return bad
    w = np.require(w, np.float64, ["C", "W"])
    rows = problem.n if curvature is True else affordable_rows(problem, passes)
    problem.release()
    seen = problem if rows >= problem.n else problem.sample(rows)
    seen.stand(w)
    try:
        return _certified(seen, problem.n, w, tol, status, reason, curvature, work)
    finally:
        seen.release()
        if seen is not problem:
            problem.passes += seen.passes * seen.n / problem.n


def affordable_rows(problem: Any, passes: float) -> int:
    """Rows on which value and gradient cost at most so many passes, but for what is never too much."""
    least = ENOUGH * problem.n / (0.5 * product_work(problem))
    return int(min(max(passes * problem.n, least, 1.0), problem.n))


def _certified(
    problem: Any,
    n: int,
    w: FloatArray,
    tol: float,
    status: Status,
    reason: str,
    curvature: bool | Literal["auto"],
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
    evidence |= {"kinks": list(problem.kinks), "rows": problem.n}
    sampled = problem.n < n
    if sampled:
        evidence["sample"] = f"{problem.n:,} of {n:,} rows"
    budget = math.inf if curvature is True else work * (0.1 if status is Status.INTERRUPTED else 1.0)
    seen = look_network(problem, at, tol, budget) if curvature and not sampled else None
    if seen is None:
        words = _first_order(problem, evidence, curvature)
        bound = Bound("gradient_norm", norm, math.inf, "stationarity", at.value, math.nan)
        return _made(bound, tol, status, reason, words, evidence | {"verdict": "not examined"})
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
    return _made(bound, tol, status, reason, _second_order(problem, seen, reach(w), scale), evidence)


# ---------------------------------------------------------------------------------------------------------- words

_NEVER = "this is no proof of a global minimum"


def _made(
    bound: Bound, tol: float, status: Status, reason: str, said: list[str], evidence: dict[str, Any]
) -> Certificate:
    after = missed(status)
    if evidence["verdict"] == "minimum to second order" and status in (Status.BUDGET, Status.STALLED):
        after = Status.APPROXIMATE
    how = ended(status, reason) if status in KEPT or reason else ""
    sentences = [*([how] if how else []), *said]
    text = ". ".join([sentences[0], *(sentence[0].upper() + sentence[1:] for sentence in sentences[1:])])
    return certificate_of(bound, tol, False, after, text, (), evidence)


def _second_order(problem: Any, seen: NetworkLook, radius: float, scale: float) -> list[str]:
    """What the point is, and its curvatures, in sentences; the gradient norm is the certificate's value."""
    names, found = ", ".join(problem.kinks), "" if seen.certain else " seen"
    lowest = f"the lowest curvature{found} is {seen.smallest:.2g}"
    bends = f"{lowest}, the largest in size {seen.largest:.2g}"
    left = f"steps promise {_share(seen.promised / scale)}, {seen.allowed / scale:.2g} is allowed"
    if seen.verdict == "not stationary":
        kinks = [f"at kinks ({names}) even a minimum has a gradient"] if names else []
        return [f"not a stationary point: {left}", bends, *kinks]
    piece = [f"curvature is that of the piece between kinks ({names})"] if names else []
    if seen.verdict == "saddle":
        return [f"a saddle: {lowest}, and along it the objective falls", *piece]
    if seen.flat:
        bends += f", and {seen.flat} of {problem.size} directions are flat"
    if not seen.certain and not math.isfinite(seen.floor):
        bends += f"; {seen.products} products are too few to exclude a saddle"
    elif not seen.certain and seen.bent_by(seen.floor, radius):
        bends += f"; {seen.products} products could miss one of {seen.floor:.2g}, which would make this a saddle"
    return [f"a minimum to second order: {left}", bends, *piece, _NEVER]


def _first_order(problem: Any, evidence: dict[str, Any], curvature: Any) -> list[str]:
    much = _share(0.01 * evidence["relative_gradient"])
    said = f"a step down the gradient by 1 % of the parameters' size promises {much}"
    if "sample" in evidence:
        said = f"on a sample of {evidence['sample']}, {said}"
    if not problem.traits.has_curvature:
        why = f"the loss '{problem.objective.name}' states none"
    elif curvature is True:
        why = "it is not finite"
    else:
        why = f"{'as was asked' if curvature is False else 'it is expensive here'}, curvature=True asks for it"
    return [said, f"curvature was not examined ({why}), and {_NEVER}"]


def _share(part: float) -> str:
    return f"{part:.2g} of the objective" if part < 1.0 else "more than the whole objective"
