"""Gradient descent: the direction of steepest descent, and the Lipschitz constant that bounds its step.

With a step search this is the method of E1 and E2: ``w <- w - t M^-1 grad P(w)``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import IncompatibleError
from steepest.protocols import Evaluation, FloatArray
from steepest.solvers.searches import Step


class SteepestDescent:
    """``d = -M^-1 g``: steepest in the norm of the metric M (default: the Euclidean one).

    With an L-Lipschitz gradient and step ``1/L`` every step decreases P by at least ``|g|^2 / (2 L)``, so
    ``P(w_t) - P* <= L |w_0 - w*|^2 / (2 t)``, and linearly at rate ``1 - mu/L`` under mu-strong convexity.
    Cost: one vector operation.  Source: Cauchy (1847); Nesterov, Introductory Lectures (2004), 2.1.5.

    Parameters
    ----------
    metric : optional
        With a method ``solve``; see `steepest.solvers.metric`.
    """

    def __init__(self, metric: Any = None) -> None:
        self.metric = metric

    @property
    def scaled(self) -> bool:
        """Whether the first direction already has a sensible length."""
        return self.metric is not None

    def __call__(self, problem: Any, at: Evaluation) -> FloatArray:
        return -at.gradient if self.metric is None else -self.metric.solve(at.gradient)

    def update(self, problem: Any, old: Evaluation, new: Evaluation) -> None:
        """Nothing is remembered."""

    def renew(self, metric: Any) -> None:
        """Another metric."""
        self.metric = metric


class Spectrum(NamedTuple):
    """The largest eigenvalue of ``X^T P X``, with the intercept's column of ones where there is one."""

    value: float  # Ritz value: at most the eigenvalue
    residual: float  # an eigenvalue lies within this of ``value``
    products: int


def largest_eigenvalue(problem: Any, accuracy: float = 1e-3, most: int = 60) -> Spectrum:
    """``lambda_max([X, 1]^T diag(p) [X, 1])`` by the method of Lanczos on products.

    Parameters
    ----------
    problem : LinearProblem, MulticlassProblem or RowSpanProblem
    accuracy : float
        Of the residual, relative to the value.
    most : int
        Products at most; each is one pass.

    Notes
    -----
    Full reorthogonalisation; the start is a fixed random vector, so the result is deterministic.  Ritz values
    approach the largest eigenvalue from below at the rate of Chebyshev polynomials (Kuczynski & Wozniakowski
    1992), far faster than power iteration.  Extra memory: ``most`` vectors of length d + 1.
    """
    base = getattr(problem, "base", problem)
    source, p, intercept = base.source, base.p, base.layout.intercept
    size = source.shape[1] + int(intercept)
    v = np.random.default_rng(0).standard_normal(size)
    v /= np.linalg.norm(v)
    basis: list[FloatArray] = []
    alphas: list[float] = []
    betas: list[float] = []
    value, residual = 0.0, math.inf
    for _ in range(min(most, size)):
        basis.append(v)
        z = source.matvec(v[: source.shape[1]], float(v[-1]) if intercept else 0.0)
        g, total = source.rmatvec(p, z)
        base.passes += 1.0
        u = np.append(g, total) if intercept else g
        alphas.append(float(u @ v))
        Q = np.array(basis)
        for _repeat in range(2):  # twice is enough (Kahan)
            u = u - Q.T @ (Q @ u)
        beta = float(np.linalg.norm(u))
        T = np.diag(alphas) + np.diag(betas, 1) + np.diag(betas, -1)
        values, vectors = np.linalg.eigh(T)
        value, residual = float(values[-1]), beta * abs(float(vectors[-1, -1]))
        if residual <= accuracy * value or beta == 0.0:
            break
        betas.append(beta)
        v = u / beta
    else:
        if len(basis) == size:
            residual = 0.0
    return Spectrum(value, residual, len(basis))


class OneOverL:
    """The constant step ``t = 1/L`` (E1): no search, every step decreases P.

    ``L = smoothness * lambda_max([X, 1]^T P [X, 1]) + l2`` with the Lipschitz constant of the loss's slope; the
    eigenvalue is estimated once by `largest_eigenvalue`, and its residual added for safety.  Past ``2/L``
    gradient descent diverges on a quadratic.

    Parameters
    ----------
    scale : float
        The step is ``scale / L``.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.L = math.nan

    def prepare(self, problem: Any) -> str:
        """Estimate L; a note for the record."""
        loss = getattr(problem, "base", problem).loss
        smoothness = float(loss.smoothness)
        if not math.isfinite(smoothness):
            raise IncompatibleError(
                f"line_search: '1/L' needs a loss whose slope has a Lipschitz constant; {loss.name} has none. "
                "Use line_search='armijo'."
            )
        spectrum = largest_eigenvalue(problem)
        self.L = smoothness * (spectrum.value + spectrum.residual) + problem.traits.l2
        if not self.L > 0.0:
            self.L = 1.0  # X is zero: every step does nothing
        return (
            f"step {self.scale:g}/L with L = {self.L:.6g} = {smoothness:g} * "
            f"{spectrum.value + spectrum.residual:.6g} + {problem.traits.l2:.3g} ({spectrum.products} products)"
        )

    def schedule(self, problem: Any, at: Evaluation, rounds: int, direction: Any) -> str:
        """Estimates L before the first step, and says so; made to be a schedule of `Batch`."""
        return self.prepare(problem) if rounds == 0 and math.isnan(self.L) else ""

    def __call__(self, problem: Any, at: Evaluation, d: FloatArray, slope: float, first: float = 1.0) -> Step | None:
        if math.isnan(self.L):
            self.prepare(problem)
        t = self.scale / self.L
        return Step(problem.step(at, d, t), t)
