"""Lipschitz constants, the safe step, the condition number, and how long gradient descent will take.

With ``L`` the Lipschitz constant of the gradient (the largest ``|v'Hv|``) a step of ``1/L`` lowers f by at least
``|g|^2 / 2L``.  Where moreover every curvature is at least ``mu > 0``, the gap to the minimum shrinks in every step::

    f(x_k) - f*  <=  (1 - mu/L)^k (f(x_0) - f*),        condition number kappa = L / mu,

and without mu, for a convex f, ``f(x_k) - f* <= L |x_0 - x*|^2 / 2k``.

Sources: Karimi, Nutini and Schmidt (2016), Linear convergence of gradient and proximal-gradient methods, theorem 1;
Beck (2017), First-order methods in optimization, theorem 10.21.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.analysis.functions import Function, as_functions, point
from steepest.analysis.spectrum import ends
from steepest.analysis.words import vector
from steepest.exceptions import InvalidParameterError
from steepest.problems.lanczos import extreme_pair
from steepest.protocols import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Smoothness:
    """What `estimate_smoothness` found.

    Parameters
    ----------
    name : str
    n_points : int
    lipschitz : float
        Of f: the longest gradient seen.  It grows with the region unless f is truly Lipschitz.
    L : float
        Of the gradient: the largest absolute curvature seen, a lower bound for other points.
    mu : float
        The smallest curvature seen; negative where f is not convex.
    bound : float
        For the problem of a linear model with a stated smoothness: an L for all points; else nan.
    steepest_at : array
        Where L was seen.
    """

    name: str
    n_points: int
    lipschitz: float
    L: float
    mu: float
    bound: float
    steepest_at: FloatArray

    @property
    def safe_step(self) -> float:
        """1/L, with the L for all points where it is known."""
        top = self.bound if math.isfinite(self.bound) else self.L
        return 1.0 / top if top > 0.0 else math.inf

    @property
    def condition(self) -> float:
        """L / mu; inf where some curvature is zero or negative."""
        return self.L / self.mu if self.mu > 0.0 else math.inf

    def iterations(self, share: float, *, momentum: bool = False) -> float:
        """Steps of 1/L after which at most this share of the gap f(x_0) - f* is left; inf without a mu > 0.

        A guarantee where L and mu hold on the way.  On a quadratic about half as many are enough.  With ``momentum``
        (Nesterov's method with constant momentum), the share is of twice the gap.

        Examples
        --------
        >>> estimate_smoothness(lambda x: 50.0 * x[0] ** 2 + 0.5 * x[1] ** 2, dim=2).iterations(1e-3)
        688
        """
        if not 0.0 < share < 1.0:
            raise InvalidParameterError(f"share: expected a number between 0 and 1, got {share!r}. Try 1e-6.")
        top = max(self.L, self.bound) if math.isfinite(self.bound) else self.L
        if not self.mu > 0.0 or not math.isfinite(top):
            return math.inf
        kept = self.mu / top
        rate = math.sqrt(kept) if momentum else kept
        return 1 if rate >= 1.0 else math.ceil(math.log(share) / math.log1p(-rate) - 1e-9)

    def iterations_convex(self, accuracy: float, distance: float) -> float:
        """Steps of 1/L after which f is within ``accuracy`` of the minimum, at a ``distance``; needs no mu.

        Examples
        --------
        >>> estimate_smoothness(lambda x: 0.5 * x[0] ** 2 + x[1], dim=2).iterations_convex(1e-2, 3.0)
        450
        """
        if not (accuracy > 0.0 and distance >= 0.0):
            raise InvalidParameterError(
                f"accuracy, distance: expected positive numbers, got {accuracy!r} and {distance!r}. Try 1e-3 and 1.0."
            )
        if self.mu < -1e-6 * self.L:
            return math.inf
        return math.ceil(distance**2 / (2.0 * accuracy * self.safe_step) * (1.0 - 1e-6))

    def __str__(self) -> str:
        places = f"{self.n_points} points" if self.n_points > 1 else "one point"
        lines = [f"{self.name}, from {places}:"]
        lines.append(f"  slope        |gradient| up to {self.lipschitz:.6g}")
        lines.append(f"  curvature    from {self.mu:.6g} to L = {self.L:.6g} (at {vector(self.steepest_at)})")
        everywhere = math.isfinite(self.bound)
        if everywhere:
            lines.append(f"  everywhere   L <= {self.bound:.6g}, from the smoothness that the loss states")
        scope = "for all points" if everywhere else "for the points seen"
        lines.append(f"  safe step    1/L = {self.safe_step:.6g}, {scope}")
        if self.mu > 0.0:
            lines.append(f"  condition    L / mu = {self.condition:.6g}")
            need, quick = self.iterations(1e-6), self.iterations(1e-6, momentum=True)
            lines.append(f"  prediction   {need} steps of gradient descent, {quick} with momentum, to 1e-6 of the gap")
        else:
            sign = "negative" if self.mu < -1e-6 * self.L else "no positive smallest"
            lines.append(f"  condition    none: {sign} curvature was seen, so no linear rate is promised")
        return "\n".join(lines)


def estimate_smoothness(
    fun: Any,
    x0: Any = None,
    *,
    grad: Any = None,
    hvp: Callable[[FloatArray, FloatArray], Any] | None = None,
    dim: int | None = None,
    points: Any = None,
    scale: float = 1.0,
    n_points: int = 10,
    dense: int | None = None,
    rng: Any = 0,
) -> Smoothness:
    """Lipschitz constants of f and of its gradient, smallest curvature, and what follows from them.

    Parameters
    ----------
    fun, x0, grad, hvp, dim
        As for `check_convexity`.
    points : array of shape (m, size), optional
        Where to look, for instance the path of a solver.  Default: x0 and random points around it.
    scale : float
        The deviation of the random points.
    n_points : int
    dense : int, optional
        Up to so many arguments the Hessian is formed, above it Lanczos is used.  Default: 200, or 40 where only
        values are given.
    rng : int or numpy.random.Generator

    Returns
    -------
    Smoothness
        ``print(result)`` shows the numbers; ``result.safe_step``, ``result.condition``, ``result.iterations(1e-6)``.

    Notes
    -----
    Cost: at each point one Hessian-vector product an argument; some tens to hundreds by Lanczos.  Eigenvalues by
    Lanczos are accurate to 0.1 %, or nan where they do not settle.

    Examples
    --------
    >>> found = estimate_smoothness(lambda x: 3 * x[0] ** 2 + 2 * x[1] ** 2 - 2, dim=2)
    >>> round(found.L, 4), round(found.mu, 4), round(found.condition, 4)
    (6.0, 4.0, 1.5)
    """
    if not (math.isfinite(scale) and scale > 0.0):
        raise InvalidParameterError(f"scale: expected a positive number, got {scale!r}. Try 1.0.")
    if not (isinstance(n_points, int | np.integer) and n_points >= 1):
        raise InvalidParameterError(f"n_points: expected an integer of at least 1, got {n_points!r}. Try 10.")
    rng = np.random.default_rng(rng)
    given = None if points is None else np.atleast_2d(np.asarray(points, dtype=np.float64))
    functions = as_functions(fun, grad, hvp, x=x0 if x0 is not None or given is None else given[0], dim=dim)
    parts = []
    for f in functions:
        if given is None:
            at = f.centre + scale * rng.standard_normal((n_points, f.size))
            at[0] = f.centre
        else:
            at = np.array([point(x, f.size, "points") for x in given])
        parts.append(_measure(f, at, dense))
    if len(parts) == 1:
        (found,) = parts
    else:
        top = max(parts, key=lambda part: part.L)
        found = Smoothness(
            top.name.split(" at ")[0],
            sum(part.n_points for part in parts),
            max(part.lipschitz for part in parts),
            top.L,
            min(part.mu for part in parts),
            math.nan,
            top.steepest_at,
        )
    return found if not hasattr(fun, "evaluate") else _with_bound(found, fun)


def _measure(f: Function, points: FloatArray, dense: int | None) -> Smoothness:
    slopes, low, high, where, seen = 0.0, math.inf, -math.inf, points[0], 0
    for x in points:
        slope = float(np.linalg.norm(f.gradient(x)))
        found = ends(f, x, dense=dense)
        if not (math.isfinite(slope) and math.isfinite(found.smallest.value) and math.isfinite(found.largest.value)):
            continue
        seen += 1
        slopes = max(slopes, slope)
        # curvature that differences and rounding cannot tell from none is none
        least = 0.0 if abs(found.smallest.value) <= found.error else found.smallest.value
        low = min(low, least)
        if found.size > high:
            high, where = found.size, x
    if not seen:
        return Smoothness(f.name, 0, math.nan, math.nan, math.nan, math.nan, points[0])
    return Smoothness(f.name, seen, slopes, high, low, math.nan, where)


def _with_bound(found: Smoothness, problem: Any) -> Smoothness:
    """With ``smoothness * lambda_max(X' P X) + l2``, which holds at all points."""
    known = float(getattr(getattr(problem, "loss", None), "smoothness", math.nan))
    if not math.isfinite(known) or not all(hasattr(problem, name) for name in ("source", "layout", "p")):
        return found
    layout, source = problem.layout, problem.source
    size = layout.n_features + int(layout.intercept)

    def product(v: FloatArray) -> FloatArray:
        head, tail = np.ascontiguousarray(v[: layout.n_features]), v[layout.n_features :]
        z = source.matvec(head, float(tail[0]) if len(tail) else 0.0)
        g, total = source.rmatvec(problem.p, z)
        return np.append(g, total) if layout.intercept else g

    if size < 2:
        top = float(product(np.ones(1))[0])
    else:
        pair = extreme_pair(product, size, "LA", tol=1e-4, restarts=100)
        # a Ritz value lies below; its residual says by how much at most one eigenvalue near it differs
        top = pair.value + float(np.linalg.norm(product(pair.vector) - pair.value * pair.vector))
    bound = known * top + float(problem.traits.l2)
    return Smoothness(
        found.name, found.n_points, found.lipschitz, found.L, found.mu, max(bound, found.L), found.steepest_at
    )
