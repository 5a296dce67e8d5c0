"""Nonlinear least squares, ``f(x) = 1/2 |r(x)|^2``: a function whose residuals a solver may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.problems.function import STEP, FunctionProblem, copied
from steepest.protocols import Evaluation, FloatArray


class LeastSquares:
    """``1/2 |r(x)|^2``, a function of x as any other, with gradient ``J' r``.

    Parameters
    ----------
    residuals : callable
        ``residuals(x)``, an array of shape (m,).
    jacobian : callable, optional
        ``jacobian(x)``, of shape (m, d): ``J[i, j] = d r_i / d x_j``.  Without it, central differences of the
        residuals.

    Examples
    --------
    >>> import numpy as np
    >>> f = LeastSquares(lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]))
    >>> f([1.0, 1.0])
    0.0
    """

    def __init__(
        self, residuals: Callable[[FloatArray], Any], jacobian: Callable[[FloatArray], Any] | None = None
    ) -> None:
        self.residuals = residuals
        self.jacobian = jacobian

    def __call__(self, x: Any) -> float:
        r = np.asarray(self.residuals(np.asarray(x, dtype=np.float64)), dtype=np.float64)
        return 0.5 * float(r @ r)


class LeastSquaresProblem(FunctionProblem):
    """A `LeastSquares` function as a problem; evaluations carry ``residuals`` and ``jacobian`` in ``extra``.

    Parameters
    ----------
    fun : LeastSquares
    x0 : array-like
    constraint : optional
        As for `FunctionProblem`.
    """

    def __init__(self, fun: LeastSquares, x0: Any, constraint: Any = None) -> None:
        self.squares = fun
        super().__init__(fun, x0, grad=lambda x: self._gradient(x), constraint=constraint)

    @property
    def differenced(self) -> bool:
        """Gradients are exact but for the differences of single residuals, which do not cancel."""
        return False

    def residuals(self, x: FloatArray) -> FloatArray:
        """r(x); one value."""
        self.calls.values += 1
        try:
            with np.errstate(all="ignore"):
                r = copied(self.squares.residuals(x.copy()), "residuals")
        except ArithmeticError:
            return np.full(1, np.nan)
        if r.ndim != 1:
            raise InvalidParameterError(f"residuals: expected an array of shape (m,), got {r.shape}.")
        return r

    def jacobian(self, x: FloatArray) -> FloatArray:
        """J(x), as given or by central differences."""
        if self.squares.jacobian is not None:
            self.calls.gradients += 1
            with np.errstate(all="ignore"):
                J = copied(self.squares.jacobian(x.copy()), "jacobian")
            if J.ndim != 2 or J.shape[1] != self.size:
                raise InvalidParameterError(f"jacobian: expected an array of shape (m, {self.size}), got {J.shape}.")
            return J
        return np.array([self._slope(self.residuals, x, i, h) for i, h in enumerate(STEP * self.units(x))]).T

    def _slope(self, part: Callable[[FloatArray], FloatArray], x: FloatArray, i: int, h: float) -> FloatArray:
        """The derivative of ``part`` in x_i by differences within bounds."""
        step, both = self._stencil(x, i, h)
        if step == 0.0:  # low and high are the same
            return np.zeros_like(part(x))
        ahead, behind = x.copy(), x.copy()
        ahead[i] += step
        behind[i] += -step if both else 2.0 * step
        up, down = part(ahead), part(behind)
        if both:
            return (up - down) / (ahead[i] - behind[i])  # type: ignore[no-any-return]
        here = part(x)
        return (4.0 * (up - here) - (down - here)) / (2.0 * (ahead[i] - x[i]))  # type: ignore[no-any-return]

    def _gradient(self, x: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return self.jacobian(x).T @ self.residuals(x)

    def evaluate(self, w: FloatArray) -> Evaluation:
        """Value, gradient, residuals and their Jacobian; the value is inf where one of them is not finite."""
        r = self.residuals(w)
        with np.errstate(all="ignore"):
            value = 0.5 * float(r @ r)
            if not np.isfinite(value):
                none = np.full(self.size, np.nan)
                return Evaluation(w, np.inf, np.inf, none, r[:0], r[:0])
            J = self.jacobian(w)
            g = J.T @ r
        if not np.all(np.isfinite(g)):
            value = np.inf
        return Evaluation(w, value, value, g, r[:0], r[:0], {"residuals": r, "jacobian": J})

    def residual_curvature(self, at: Evaluation) -> FloatArray:
        """``sum_i r_i H_i`` with the Hessians of the residuals: differences of J at fixed residuals."""
        if "residual_curvature" not in at.extra:
            r = at.extra["residuals"]
            with np.errstate(all="ignore"):
                S = np.array(
                    [self._slope(self.jacobian, at.w, i, h).T @ r for i, h in enumerate(STEP * self.units(at.w))]
                )
            at.extra["residual_curvature"] = 0.5 * (S + S.T)
        return at.extra["residual_curvature"]  # type: ignore[no-any-return]

    def _hessian(self, at: Evaluation) -> FloatArray:
        J = at.extra["jacobian"]
        return J.T @ J + self.residual_curvature(at)  # type: ignore[no-any-return]
