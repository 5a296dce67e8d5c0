"""Newton's method with a full Hessian, safeguarded to descend whatever its signature is."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh

from steepest.protocols import Evaluation, FloatArray, Traits

#: Parameters beyond which a full Hessian is refused: 8 size^2 bytes, and size^3 / 3 operations a step.
LARGEST = 6000


class SafeFactor:
    """``H^-1 v`` for a symmetric H, made positive definite where it is not; what was done stands in ``note``.

    H is scaled to a unit diagonal and factored by Cholesky.  Where that fails or a pivot is at rounding level:

    - a Hessian that theory says is positive semi-definite gets a ridge, 1e-12 of its scaled diagonal and a
      hundredfold more until it factors (the gradient has no part in the null space, so the step is Newton's);
    - any other is split into eigenvalues, which are replaced by their absolute values, at least 1e-8 of the
      largest: the step then leaves a saddle point along negative curvature (Gill, Murray & Wright 1981).

    Cost: size^3 / 3 operations; about 10 size^3 with eigenvalues.
    """

    def __init__(self, H: FloatArray, semidefinite: bool) -> None:
        self.note = ""
        diagonal = np.abs(np.diag(H))
        scale = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        self._inverse = 1.0 / scale
        scaled = H * self._inverse[:, None] * self._inverse
        self._factor: Any = None
        self._vectors: FloatArray | None = None
        size = len(scaled)
        ridges = (0.0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2) if semidefinite else (0.0,)
        for ridge in ridges:
            trial = scaled.copy()
            trial[np.arange(size), np.arange(size)] += ridge
            try:
                factor = cho_factor(trial, lower=True, overwrite_a=True, check_finite=False)
            except LinAlgError:
                continue
            smallest = float(np.diag(factor[0]).min(initial=1.0)) ** 2
            if smallest > max(1e-14, 0.25 * ridge):
                self._factor = factor
                if ridge:
                    self.note = f"Hessian singular to rounding: ridge of {ridge:g} times its diagonal added"
                return
        values, vectors = eigh(scaled, check_finite=False)
        largest = float(np.abs(values).max(initial=0.0))
        changed = np.maximum(np.abs(values), max(1e-8 * largest, np.finfo(np.float64).tiny))
        negative = int(np.sum(values < 0.0))
        self.note = (
            f"Hessian not positive definite: {negative} of {size} eigenvalues negative, "
            f"smallest {values[0]:.3g} of largest {largest:.3g} (scaled); their absolute values taken"
        )
        self._vectors, self._values = vectors, changed

    def solve(self, v: FloatArray) -> FloatArray:
        """H^-1 v."""
        t = self._inverse * v
        if self._vectors is None:
            return self._inverse * cho_solve(self._factor, t, check_finite=False)  # type: ignore[no-any-return]
        return self._inverse * (self._vectors @ ((self._vectors.T @ t) / self._values))  # type: ignore[no-any-return]


class NewtonCholesky:
    """``d = -H^-1 g`` with the full Hessian H (E11).

    One step solves a quadratic; near a minimiser with a Lipschitz Hessian the error is squared in each step.
    With a line search from t = 1 it converges from any start for strictly convex P.  Cost of a step: the
    Hessian, ``n d^2`` multiply-adds (``n d^2 k (k + 1) / 2`` for softmax), and ``size^3 / 3`` for its factor.
    Extra memory: two matrices of ``size^2`` numbers.  Source: Nocedal & Wright (2006), section 3.4.

    Safeguards (`SafeFactor`) are noted in the record.
    """

    scaled = True

    def __init__(self) -> None:
        self.note = ""
        self._said: set[str] = set()

    def missing(self, traits: Traits) -> str | None:
        """Curvature."""
        return None if traits.has_curvature else "a loss with a second derivative (method curvature)"

    def __call__(self, problem: Any, at: Evaluation) -> FloatArray:
        factor = SafeFactor(problem.hessian(at), semidefinite=problem.traits.convex)
        kind = factor.note.partition(":")[0]
        self.note = factor.note if kind not in self._said else ""  # once a fit is enough
        self._said.add(kind)
        return -factor.solve(at.gradient)

    def update(self, problem: Any, old: Evaluation, new: Evaluation) -> None:
        """Nothing is remembered."""
