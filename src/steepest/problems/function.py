"""Any Python function as a problem, so that the solvers of linear models minimise it too.

    minimise over x:  f(x)

The gradient is given, returned beside the value, or taken by central differences; a Hessian, or its product with a
vector, is given or taken by differences of gradients.  A point where f or its gradient is not finite counts as
outside the domain: its value becomes infinite, and every search steps back from it.  With a constraint, x stays in a
set; differences stay within bounds too, so that f is never asked outside of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.exceptions import InvalidParameterError
from steepest.penalties.nearest import norm
from steepest.protocols import Evaluation, FloatArray, Traits

_EPS = 2.0**-52
STEP = _EPS ** (1 / 3)  # the best step of a central difference, in units of the variable
WIDER = 1e3  # times that step, where a function does not change over it
_SECOND = 1e-4  # the same for differences of gradients that are differences themselves
_ROUND = 1e-14  # what rounding adds to a sum, or a norm, that a set bounds
_NOTHING = 1e-100  # a start that near to zero tells no size
_NONE = np.empty(0)


@dataclass(slots=True)
class Calls:
    """How often the user's functions ran: values, gradients, Hessians or products with them."""

    values: int = 0
    gradients: int = 0
    hessians: int = 0


class FunctionProblem:
    """``f`` at flat vectors of the length of ``x0``.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> float``, or ``(float, gradient)``.
    x0 : array-like
        The start; it also tells the typical size of each variable (1 where it is zero, or below 1e-100).
    grad : callable, True or None
        ``grad(x)``; True or None with a ``fun`` that returns pairs; None else means central differences.
    hess : callable, optional
        ``hess(x)``, the matrix of second derivatives.
    hessp : callable, optional
        ``hessp(x, v)``, its product with v.
    constraint : optional
        A value of `steepest.penalties.constraints`; a start outside is projected.

    Notes
    -----
    Steps of differences follow each variable: ``h_i = eps^(1/3) max(|x_i|, typical_i / 100)``, which balances a
    truncation of ``h^2 f''' / 6`` against a rounding of ``eps |f| / h``: about 10 digits of the gradient.  Cost: 2
    values a variable; a Hessian costs 2 gradients a variable, a product with it 2 gradients.  At a bound they are
    one-sided, ``(-3 f(x) + 4 f(x + h) - f(x + 2h)) / 2h``.
    """

    def __init__(
        self,
        fun: Callable[[FloatArray], Any],
        x0: Any,
        grad: Any = None,
        hess: Callable[[FloatArray], Any] | None = None,
        hessp: Callable[[FloatArray, FloatArray], Any] | None = None,
        constraint: Any = None,
    ) -> None:
        self.x0 = starting_point(x0)
        self.constraint = constraint
        self.low, self.high = limits(constraint, len(self.x0))
        allowed = _ROUND if constraint is not None and not constraint.separable else 0.0
        self.moved = constraint is not None and not constraint.contains(self.x0, allowed)
        if self.moved:
            self.x0 = self.project(self.x0)
        self.typical = np.where(np.abs(self.x0) > _NOTHING, np.abs(self.x0), 1.0)
        for name, given in (("hess", hess), ("hessp", hessp)):
            if not (given is None or callable(given)):
                raise InvalidParameterError(
                    f"{name}: expected a function of x{', v' * (name == 'hessp')} or None, got {type(given).__name__}. "
                    "Leave it out for differences of gradients."
                )
        self.fun, self.hess, self.hessp = fun, hess, hessp
        self.size = len(self.x0)
        self.calls = Calls()
        self.traits = Traits(
            convex=False, smooth=True, quadratic=False, has_curvature=True, has_conjugate=False, l1=0.0, l2=0.0,
            n_outputs=1, constrained=constraint is not None,
        )  # fmt: skip
        self.grad = grad if callable(grad) else None
        first = self._call(self.x0)
        self.paired = isinstance(first, tuple)
        if grad is True and not self.paired:
            raise InvalidParameterError(
                f"grad: True expects fun to return (value, gradient), but it returned {type(first).__name__}. "
                "Give grad as a function, or leave it out."
            )
        said = first[0] if self.paired else first
        if not math.isfinite(self._number(said)):
            what = float(np.asarray(said).reshape(()))
            raise InvalidParameterError(
                f"x0: fun must be finite at the start, but it is {what}. Begin inside its domain."
            )

    @property
    def differenced(self) -> bool:
        """Whether gradients are central differences of values."""
        return self.grad is None and not self.paired

    @property
    def ray_first(self) -> bool:
        """Differences along a ray cost 2 values, a gradient 2 of them a variable."""
        return self.differenced

    @property
    def passes(self) -> float:
        """Calls of the user's functions so far, of any kind."""
        return float(self.calls.values + self.calls.gradients + self.calls.hessians)

    # --------------------------------------------------------------------------------------- the user's functions

    def _call(self, x: FloatArray) -> Any:
        self.calls.values += 1
        try:
            with np.errstate(all="ignore"):  # what is not finite is handled
                return self.fun(x.copy())
        except ArithmeticError:  # math.exp and division of Python's own numbers raise where NumPy gives inf
            return (math.inf, np.full(len(x), math.nan)) if getattr(self, "paired", False) else math.inf

    def _number(self, value: Any) -> float:
        try:
            out = np.asarray(value)
        except ValueError:  # lists of unequal lengths
            out = np.asarray(None)
        if out.size != 1 or out.dtype.kind not in "fiub":
            raise InvalidParameterError(
                f"fun: expected one real number, got {type(value).__name__} of shape {out.shape}. "
                "Return a float, or a tuple (value, gradient); a sum of squares is given as steepest.LeastSquares."
            )
        number = float(out.reshape(()))
        return math.inf if math.isnan(number) else number

    def _vector(self, value: Any, name: str) -> FloatArray:
        out = copied(value, name)
        if out.shape != (self.size,):
            raise InvalidParameterError(f"{name}: expected an array of shape ({self.size},), got {out.shape}.")
        return out

    def value(self, x: FloatArray) -> float:
        """f alone; inf where it is not a number."""
        out = self._call(x)
        return self._number(out[0] if self.paired else out)

    def gradient(self, x: FloatArray) -> FloatArray:
        """The gradient, as given or by differences."""
        if self.paired:
            return self._vector(self._call(x)[1], "gradient returned by fun")
        if self.grad is None:
            return self._differences(x)
        self.calls.gradients += 1
        try:
            with np.errstate(all="ignore"):
                return self._vector(self.grad(x.copy()), "grad")
        except ArithmeticError:
            return np.full(self.size, math.nan)

    def units(self, x: FloatArray) -> FloatArray:
        """The size of each variable at x, for steps of differences."""
        return np.maximum(np.abs(x), 0.01 * self.typical)

    def project(self, x: FloatArray) -> FloatArray:
        """The nearest point of the set that x is held in; x itself where there is none."""
        return x if self.constraint is None else self.constraint.project(x)

    def _stencil(self, x: FloatArray, i: int, h: float) -> tuple[float, bool]:
        """A step for differences in x_i that stays within its bounds, and whether it may go to both sides."""
        up, down = self.high[i] - x[i], x[i] - self.low[i]
        if up >= h and down >= h:
            return h, True
        return (min(h, 0.5 * up), False) if up >= down else (-min(h, 0.5 * down), False)

    def _differences(self, x: FloatArray) -> FloatArray:
        g = np.empty(self.size)
        here = math.nan
        for i, h in enumerate(STEP * self.units(x)):
            step, both = self._stencil(x, i, h)
            if step == 0.0:  # low and high are the same
                g[i] = 0.0
                continue
            ahead, behind = x.copy(), x.copy()
            ahead[i] += step
            behind[i] += -step if both else 2.0 * step
            up, down = self.value(ahead), self.value(behind)
            if both and math.isfinite(up) and math.isfinite(down) and up != down:
                g[i] = (up - down) / (ahead[i] - behind[i])
                continue
            here = self.value(x) if math.isnan(here) else here
            if both and up == down:
                g[i] = self._coarse(x, i, WIDER * h) if up == here else 0.0
                continue
            if both:  # the edge of the domain: one side
                g[i] = (up - here) / (ahead[i] - x[i]) if math.isfinite(up) else (here - down) / (x[i] - behind[i])
            else:
                g[i] = (4.0 * (up - here) - (down - here)) / (2.0 * (ahead[i] - x[i]))
        return g

    def _coarse(self, x: FloatArray, i: int, h: float) -> float:
        """The slope in x_i over a wide step, for a function that rounding makes constant over a narrow one."""
        if not (x[i] + h <= self.high[i] and x[i] - h >= self.low[i]):
            return 0.0
        ahead, behind = x.copy(), x.copy()
        ahead[i] += h
        behind[i] -= h
        up, down = self.value(ahead), self.value(behind)
        return (up - down) / (ahead[i] - behind[i]) if math.isfinite(up) and math.isfinite(down) else 0.0

    # ------------------------------------------------------------------------------------------ as solvers see it

    def start(self) -> FloatArray:
        """x0."""
        return self.x0.copy()

    def weights(self, w: FloatArray) -> FloatArray:
        """The variables themselves."""
        return w

    def inner(self, a: FloatArray, b: FloatArray) -> float:
        """The Euclidean scalar product."""
        return float(a @ b)

    def evaluate(self, w: FloatArray) -> Evaluation:
        """Value and gradient; where one of them is not finite the value is inf (-inf stays)."""
        if self.paired:
            pair = self._call(w)
            value, g = self._number(pair[0]), self._vector(pair[1], "gradient returned by fun")
        else:
            value = self.value(w)
            g = self.gradient(w) if math.isfinite(value) else np.full(self.size, math.nan)
        if value > -math.inf and not np.all(np.isfinite(g)):
            value = math.inf
        return Evaluation(w, value, value, g, _NONE, _NONE)

    def step(self, at: Evaluation, d: FloatArray, t: float) -> Evaluation:
        """Everything at ``w + t d``."""
        return self.evaluate(at.w + t * d)

    def along(self, at: Evaluation, d: FloatArray, ahead: Evaluation | None = None) -> FunctionRay:
        """f along ``w + t d``; ``ahead`` is the evaluation at t = 1 where it exists."""
        return FunctionRay(self, at, d, ahead)

    def complete(self, ray: FunctionRay, t: float) -> Evaluation:
        """Everything at a point of a ray; free where the ray has been there."""
        known = ray.known.get(t)
        return known if known is not None else self.evaluate(ray.at.w + t * ray.d)

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """The Hessian times v: as given, else a central difference of two gradients."""
        if "hessian" in at.extra:
            return at.extra["hessian"] @ v  # type: ignore[no-any-return]
        if self.hessp is not None:
            self.calls.hessians += 1
            return self._vector(self.hessp(at.w.copy(), v.copy()), "hessp")
        if self.hess is not None:
            return self.hessian(at) @ v
        length = float(np.linalg.norm(v / self.units(at.w)))
        if length == 0.0:
            return np.zeros(self.size)
        h = (_SECOND if self.differenced else STEP) / length
        return self._change(at, h * v) / h

    def _room(self, x: FloatArray) -> NDArray[np.bool_]:
        return (x >= self.low) & (x <= self.high)

    def _inside(self, x: FloatArray) -> bool:
        return bool(np.all(self._room(x)))

    def _one_sided(self, at: Evaluation, step: FloatArray) -> FloatArray:
        if not np.any(step):
            return np.zeros(self.size)
        near, far = self.gradient(at.w + step), self.gradient(at.w + 2.0 * step)
        return 2.0 * (near - at.gradient) - 0.5 * (far - at.gradient)

    def _change(self, at: Evaluation, step: FloatArray) -> FloatArray:
        """``H step`` by gradients on both sides, or on the one that is within bounds and in the domain."""
        if not (self._inside(at.w + step) and self._inside(at.w - step)):
            ahead = self._room(at.w + 2.0 * step)
            behind = ~ahead & self._room(at.w - 2.0 * step)
            sides = (np.where(ahead, step, 0.0), np.where(behind, -step, 0.0))  # a variable that has no room is fixed
            forward, back = (self._one_sided(at, side) for side in sides)
            return forward - back
        up, down = self.gradient(at.w + step), self.gradient(at.w - step)
        if np.all(np.isfinite(up)) and np.all(np.isfinite(down)):
            return 0.5 * (up - down)
        return up - at.gradient if np.all(np.isfinite(up)) else at.gradient - down

    def hessian(self, at: Evaluation) -> FloatArray:
        """The matrix of second derivatives, symmetric; computed once for each evaluation."""
        if "hessian" not in at.extra:
            H = self._hessian(at)
            at.extra["hessian"] = 0.5 * (H + H.T)
        return at.extra["hessian"]  # type: ignore[no-any-return]

    def _hessian(self, at: Evaluation) -> FloatArray:
        if self.hess is not None:
            self.calls.hessians += 1
            H = copied(self.hess(at.w.copy()), "hess")
            if H.shape != (self.size, self.size):
                raise InvalidParameterError(
                    f"hess: expected an array of shape ({self.size}, {self.size}), got {H.shape}."
                )
            return H
        if self.hessp is not None:
            return np.array([self.hvp(at, row) for row in np.eye(self.size)])
        H = np.zeros((self.size, self.size))
        for i, h in enumerate((_SECOND if self.differenced else STEP) * self.units(at.w)):
            step = self._stencil(at.w, i, h)[0]
            if step != 0.0:
                d = np.zeros(self.size)
                d[i] = step
                H[i] = self._change(at, d) / step
        return H


class FunctionRay:
    """f along ``w + t d``, each point computed once."""

    def __init__(self, problem: FunctionProblem, at: Evaluation, d: FloatArray, ahead: Evaluation | None) -> None:
        self.problem, self.at, self.d = problem, at, d
        self.known: dict[float, Evaluation] = {} if ahead is None else {1.0: ahead}
        length = norm(d / problem.units(at.w))
        self._h = STEP / length if 0.0 < length < math.inf else 1.0

    def value(self, t: float) -> float:
        """f at t."""
        known = self.known.get(t)
        return known.value if known is not None else self.problem.value(self.at.w + t * self.d)

    def value_slope(self, t: float) -> tuple[float, float]:
        """f and its derivative in t: 3 values where gradients are differences, else one evaluation."""
        if self.problem.differenced and t not in self.known:
            value = self.value(t)
            if not math.isfinite(value):
                return value, math.nan
            h = self._h
            up, down = self.value(t + h), self.value(t - h)
            if math.isfinite(up) and math.isfinite(down):
                return value, (up - down) / (2.0 * h)
            return value, ((up - value) / h if math.isfinite(up) else (value - down) / h)
        if t not in self.known:
            self.known[t] = self.problem.evaluate(self.at.w + t * self.d)
        at = self.known[t]
        return at.value, float(at.gradient @ self.d)


def copied(value: Any, name: str) -> FloatArray:
    """Numbers that a user's function returned, in an array of their own: it may use its buffer again."""
    try:
        out = np.array(value)
        if out.dtype.kind == "c":
            raise TypeError("complex numbers")
        return out.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"{name}: expected an array of real numbers, got {value!r:.80} ({error})."
        ) from None


def limits(constraint: Any, size: int) -> tuple[FloatArray, FloatArray]:
    """Bounds of each variable under a constraint: those of a box, zero and infinity on a simplex; none else."""
    if constraint is None:
        return np.full(size, -math.inf), np.full(size, math.inf)
    low = getattr(constraint, "low", 0.0 if constraint.name == "simplex" else -math.inf)
    high = getattr(constraint, "high", math.inf)
    for side in (low, high):
        if np.ndim(side) and np.shape(side) != (size,):
            raise InvalidParameterError(
                f"bounds: expected limits for {size} variables as in x0, got {np.size(side)}. Give one pair for each."
            )
    return np.broadcast_to(low, size).astype(np.float64), np.broadcast_to(high, size).astype(np.float64)


def starting_point(x0: Any) -> FloatArray:
    """x0 as a float64 vector, checked; a number is a vector of one."""
    try:
        out = np.atleast_1d(np.array(x0, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"x0: expected real numbers, got {type(x0).__name__} ({error}).") from None
    if out.ndim != 1:
        raise InvalidParameterError(
            f"x0: expected a vector, got shape {out.shape}. Give x0.ravel(), and let fun begin with "
            f"x = x.reshape({out.shape})."
        )
    if len(out) == 0:
        raise InvalidParameterError("x0: expected at least one variable, got an empty array.")
    bad = np.flatnonzero(~np.isfinite(out))
    if len(bad):
        raise InvalidParameterError(f"x0: expected finite numbers, but x0[{bad[0]}] is {out[bad[0]]}.")
    return out


def gradient_error(problem: FunctionProblem, at: Evaluation) -> tuple[int, float, float] | None:
    """The worst variable of a gradient that differences contradict: its index, what was given and what was measured.

    Central differences with two steps bound their own error by how far they disagree; a contradiction exceeds ten
    times that and 1e-4 of the largest slope, each variable in its own unit.  Cost: 4 values for a random direction,
    and 4 more a variable where that disagrees.
    """
    if problem.differenced:
        return None
    units = problem.units(at.w)
    room = np.minimum(4e-5 * units, 0.25 * (problem.high - problem.low))
    inside = np.minimum(np.maximum(at.w, problem.low + room), problem.high - room)
    if np.any(inside != at.w):  # differences go to both sides
        at = problem.evaluate(inside)
        if not math.isfinite(at.value):
            return None
    units = np.minimum(units, room / 4e-5)  # zero where a variable is fixed
    largest = float(np.abs(at.gradient * units).max())

    def measured(d: FloatArray) -> tuple[float, float]:
        slopes = []
        for h in (1e-5, 3e-5):
            up, down = problem.value(at.w + h * d), problem.value(at.w - h * d)
            slopes.append((up - down) / (2.0 * h))
        size = abs(at.value) if any(slopes) else max(abs(at.value), 1.0)  # no change at all: a sum inside hides it
        rounding = 1e2 * _EPS * size / 1e-5
        return slopes[0], 10.0 * abs(slopes[1] - slopes[0]) + rounding

    def contradicts(d: FloatArray, given: float) -> tuple[float, float] | None:
        slope, error = measured(d)
        allowed = error + 1e-4 * max(largest, abs(slope))
        return (slope, abs(slope - given)) if abs(slope - given) > allowed else None

    random = np.random.default_rng(0).uniform(0.5, 1.0, problem.size) * units
    if contradicts(random, float(at.gradient @ random)) is None:
        return None
    worst: tuple[int, float, float] | None = None
    off = 0.0
    for i in range(problem.size):
        d = np.zeros(problem.size)
        d[i] = units[i]
        found = contradicts(d, float(at.gradient[i] * units[i]))
        if found is not None and found[1] > off:
            worst, off = (i, float(at.gradient[i]), found[0] / float(units[i])), found[1]
    return worst
