"""Sets that weights may be held in: box, non-negative, L2 ball, L1 ball, simplex.

A constraint acts on the weights, never on an intercept; with k outputs, on the weight vector of each output.  It is a
plain value, as penalties are, and knows

- ``project(w)``: the nearest point of the set;
- ``project_metric(w, q)``: the nearest one where coordinate j is measured with weight ``q_j`` (Adagrad's metric);
- ``support(v)``: ``sup v.w`` over the set;
- ``violation(w)`` and ``contains(w, tol)``: how far outside a point is;
- ``project_into(w, d)``: the projection of ``w[:d]`` in place, which compiled loops call through `project_into`.
"""
# mypy: disable-error-code="misc"

from __future__ import annotations

import difflib
import math
from typing import Any, NamedTuple, cast

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.jit import dispatch
from steepest.penalties.nearest import norm, shrink, threshold, threshold_into
from steepest.protocols import FloatArray


@dispatch
def project_into(self: Any, w: Any, d: Any) -> Any:
    """Replace ``w[:d]`` by its projection, in place; callable from kernels.

    Examples
    --------
    >>> w = np.array([2.0, -1.0, 7.0])
    >>> project_into(NonNegative(), w, 2)
    >>> w
    array([2., 0., 7.])
    """
    return self.project_into(w, d)


# ------------------------------------------------------------------------------------------ what all share


def _equal(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b))


class _Constraint:
    """What all sets share: values that compare and hash by content, columns, violation."""

    __slots__ = ()
    name = ""
    separable = False  # whether the set is a product of intervals

    @classmethod
    def _make(cls, fields: Any) -> Any:  # so that _replace validates
        return cls(*fields)

    def project(self, w: FloatArray) -> FloatArray:
        """The nearest point of the set, a new array.

        Parameters
        ----------
        w : array of shape (d,) or (d, k)
            With k columns, each is projected by itself.
        """
        w = np.asarray(w, dtype=np.float64)
        if w.ndim == 2:
            return np.stack([self._project(column, None) for column in w.T], axis=1) if w.shape[1] else w.copy()
        return self._project(w, None)

    def project_metric(self, w: FloatArray, q: FloatArray) -> FloatArray:
        """``argmin over v of the set of sum_j q_j (v_j - w_j)**2``, a new array.

        Parameters
        ----------
        w : array of shape (d,) or (d, k)
        q : array of the shape of w, or (d,)
            Positive and finite.
        """
        w = np.asarray(w, dtype=np.float64)
        q = np.asarray(q, dtype=np.float64)
        if not (np.all(q > 0.0) and np.all(np.isfinite(q))):
            raise InvalidParameterError("q: expected positive finite numbers. Add a small constant to the metric.")
        if w.ndim == 2:
            q = np.broadcast_to(q if q.ndim == 2 else q[:, None], w.shape)
            return np.stack([self._project(w[:, j], q[:, j]) for j in range(w.shape[1])], axis=1)
        return self._project(w, np.broadcast_to(q, w.shape))

    def contains(self, w: FloatArray, tol: float = 1e-12) -> bool:
        """Whether `violation` is at most tol."""
        return self.violation(w) <= tol

    def violation(self, w: FloatArray) -> float:
        """How far outside w is: 0 inside; NaN outside by inf.  The worst of the columns of a (d, k) array."""
        w = np.asarray(w, dtype=np.float64)
        columns = w.T if w.ndim == 2 else [w]
        worst = max((self._violation(np.asarray(column)) for column in columns), default=0.0)
        return math.inf if math.isnan(worst) or not np.all(np.isfinite(w)) else worst

    def support(self, v: FloatArray) -> float:
        """``sup v.w`` over the set; for a (d, k) array the sum over its columns."""
        v = np.asarray(v, dtype=np.float64)
        columns = v.T if v.ndim == 2 else [v]
        return float(sum(self._support(np.asarray(column)) for column in columns))

    def _project(self, w: FloatArray, q: FloatArray | None) -> FloatArray:
        raise NotImplementedError

    def _violation(self, w: FloatArray) -> float:
        raise NotImplementedError

    def _support(self, v: FloatArray) -> float:
        raise NotImplementedError

    # Tuples compare by content alone: L1Ball(1.0) would equal L2Ball(1.0), and an empty one would be false.
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(map(_equal, cast(Any, self), cast(Any, other)))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self).__qualname__, *(np.asarray(field).tobytes() for field in cast(Any, self))))

    def __bool__(self) -> bool:
        return True


def _positive(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (0.0 < number < math.inf):
        raise InvalidParameterError(f"{name}: expected a finite number > 0, got {value!r}. Try 1.0.")
    return number


# ---------------------------------------------------------------------------------------------- intervals


def _limit(name: str, value: Any) -> Any:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.array(math.nan)
    if array.ndim > 1 or np.any(np.isnan(array)):
        raise InvalidParameterError(
            f"{name}: expected a number or an array of shape (n_features,), without NaN, got {value!r}. "
            "Use -inf or inf where there is no limit."
        )
    return array


def _column(limit: Any, w: FloatArray) -> Any:
    return limit[:, None] if np.ndim(limit) == 1 and w.ndim == 2 else limit


class _Limits(NamedTuple):
    low: Any
    high: Any


class Box(_Constraint, _Limits):
    """``low <= w <= high``, coordinate by coordinate.

    Parameters
    ----------
    low, high : float or array of shape (n_features,)
        ``-inf`` and ``inf`` stand for no limit.

    Examples
    --------
    >>> Box(-1.0, [1.0, 0.5]).project(np.array([-3.0, 2.0]))
    array([-1. ,  0.5])
    >>> Box(-1.0, 2.0).support(np.array([1.0, -1.0]))
    3.0
    """

    __slots__ = ()
    name = "box"
    separable = True

    def __new__(cls, low: Any, high: Any) -> Box:
        lower, upper = _limit("low", low), _limit("high", high)
        if lower.ndim and upper.ndim and lower.shape != upper.shape:
            raise InvalidParameterError(
                f"high: expected the shape of low, {lower.shape}, got {upper.shape}. Give one number for all."
            )
        empty = np.any(lower > upper) or np.any(lower == math.inf) or np.any(upper == -math.inf)
        if empty:
            raise InvalidParameterError(
                f"low: expected numbers at most high, got {low!r} and {high!r}. Swap them, or widen the box."
            )
        if lower.ndim == upper.ndim == 0:
            return super().__new__(cls, float(lower), float(upper))
        both = [
            np.array(np.broadcast_to(side, np.broadcast_shapes(lower.shape, upper.shape))) for side in (lower, upper)
        ]
        for side in both:
            side.flags.writeable = False
        return super().__new__(cls, *both)

    def project(self, w: FloatArray) -> FloatArray:
        w = np.asarray(w, dtype=np.float64)
        return cast(FloatArray, np.minimum(np.maximum(w, _column(self.low, w)), _column(self.high, w)))

    def _project(self, w: FloatArray, q: FloatArray | None) -> FloatArray:
        return self.project(w)

    def _violation(self, w: FloatArray) -> float:
        return float(np.max(np.maximum(self.low - w, w - self.high), initial=0.0))

    def _support(self, v: FloatArray) -> float:
        with np.errstate(invalid="ignore"):  # 0 times inf
            sides = np.where(v > 0.0, v * self.high, np.where(v < 0.0, v * self.low, 0.0 * v))
        return float(sides.sum())

    def project_into(self, w: Any, d: int) -> None:
        low, high = np.broadcast_to(self.low, (d,)), np.broadcast_to(self.high, (d,))
        for j in range(d):
            if w[j] < low[j]:
                w[j] = low[j]
            elif w[j] > high[j]:
                w[j] = high[j]


class _Nothing(NamedTuple):
    pass


class NonNegative(_Constraint, _Nothing):
    """``w >= 0``.

    Examples
    --------
    >>> NonNegative().project(np.array([-3.0, 2.0]))
    array([0., 2.])
    >>> NonNegative().support(np.array([-3.0, 2.0]))
    inf
    """

    __slots__ = ()
    name = "nonnegative"
    separable = True
    low = 0.0
    high = math.inf

    def project(self, w: FloatArray) -> FloatArray:
        return np.maximum(np.asarray(w, dtype=np.float64), 0.0)

    def _project(self, w: FloatArray, q: FloatArray | None) -> FloatArray:
        return self.project(w)

    def _violation(self, w: FloatArray) -> float:
        return float(np.max(-w, initial=0.0))

    def _support(self, v: FloatArray) -> float:
        largest = float(np.max(v, initial=0.0))
        return largest if math.isnan(largest) else (math.inf if largest > 0.0 else 0.0)

    def project_into(self, w: Any, d: int) -> None:
        for j in range(d):
            if w[j] < 0.0:
                w[j] = 0.0


# ----------------------------------------------------------------------------------------------- L2 ball


class _Radius(NamedTuple):
    radius: float


class L2Ball(_Constraint, _Radius):
    """``|w|_2 <= radius``.

    Examples
    --------
    >>> L2Ball(1.0).project(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    >>> L2Ball(2.0).support(np.array([3.0, 4.0]))
    10.0
    """

    __slots__ = ()
    name = "l2_ball"

    def __new__(cls, radius: float = 1.0) -> L2Ball:
        return super().__new__(cls, _positive("radius", radius))

    def _project(self, w: FloatArray, q: FloatArray | None) -> FloatArray:
        scale = float(np.max(np.abs(w), initial=0.0))
        if not 0.0 < scale < math.inf:
            return w.copy()  # zero, or not finite
        unit, radius = w / scale, self.radius / scale  # nothing overflows
        if float(np.linalg.norm(unit)) <= radius:
            return w.copy()
        if q is not None:
            unit = shrink(unit, q / float(q.max()), radius)
        unit = unit / float(np.abs(unit).max())
        return unit * (self.radius / float(np.linalg.norm(unit)))

    def _violation(self, w: FloatArray) -> float:
        with np.errstate(over="ignore"):
            return max(norm(w / self.radius) - 1.0, 0.0)

    def _support(self, v: FloatArray) -> float:
        return self.radius * norm(v)

    def project_into(self, w: Any, d: int) -> None:
        total = 0.0
        for j in range(d):
            total += w[j] * w[j]
        if total > self.radius * self.radius:
            factor = self.radius / math.sqrt(total)
            for j in range(d):
                w[j] *= factor


# --------------------------------------------------------------------------------- simplex and L1 ball


_ROUNDING = 16.0 * float(np.finfo(np.float64).eps)  # of a sum


class _Total(NamedTuple):
    total: float


class Simplex(_Constraint, _Total):
    """``w >= 0`` and ``sum w = total``.

    Examples
    --------
    >>> Simplex().project(np.array([0.9, 0.5, -1.0]))
    array([0.7, 0.3, 0. ])
    >>> Simplex(2.0).support(np.array([3.0, 4.0]))
    8.0
    """

    __slots__ = ()
    name = "simplex"

    def __new__(cls, total: float = 1.0) -> Simplex:
        return super().__new__(cls, _positive("total", total))

    def _project(self, w: FloatArray, q: FloatArray | None) -> FloatArray:
        if not np.all(np.isfinite(w)) or not len(w):
            return w.copy()
        if float(w.min()) >= 0.0 and abs(float(w.sum()) - self.total) <= _ROUNDING * self.total:
            return w.copy()  # another projection would turn zeros into the rounding of the sum
        return threshold(w, None if q is None else float(q.max()) / q, self.total)

    def _violation(self, w: FloatArray) -> float:
        below = float(np.max(-w, initial=0.0))
        return max(below, abs(float(w.sum()) - self.total)) / self.total

    def _support(self, v: FloatArray) -> float:
        return self.total * float(np.max(v)) if len(v) else -math.inf

    def project_into(self, w: Any, d: int) -> None:
        threshold_into(w, d, self.total)


class L1Ball(_Constraint, _Radius):
    """``|w|_1 <= radius``.

    Examples
    --------
    >>> L1Ball(1.0).project(np.array([0.9, -0.5, 0.1]))
    array([ 0.7, -0.3,  0. ])
    >>> L1Ball(2.0).support(np.array([3.0, -4.0]))
    8.0
    """

    __slots__ = ()
    name = "l1_ball"

    def __new__(cls, radius: float = 1.0) -> L1Ball:
        return super().__new__(cls, _positive("radius", radius))

    def _project(self, w: FloatArray, q: FloatArray | None) -> FloatArray:
        size = np.abs(w)
        if not np.all(np.isfinite(w)) or float((size / self.radius).sum()) <= 1.0:
            return w.copy()
        # + 0.0 so that what is cut off is 0, never -0
        return (
            cast(FloatArray, np.copysign(threshold(size, None if q is None else float(q.max()) / q, self.radius), w))
            + 0.0
        )

    def _violation(self, w: FloatArray) -> float:
        return max(float(np.abs(w / self.radius).sum()) - 1.0, 0.0)

    def _support(self, v: FloatArray) -> float:
        return self.radius * float(np.max(np.abs(v), initial=0.0))

    def project_into(self, w: Any, d: int) -> None:
        total = 0.0
        for j in range(d):
            total += abs(w[j])
        if total > self.radius:
            sign = np.empty(d)
            for j in range(d):
                sign[j] = -1.0 if w[j] < 0.0 else 1.0
                w[j] = abs(w[j])
            threshold_into(w, d, self.radius)
            for j in range(d):
                w[j] = w[j] * sign[j] + 0.0


def check_size(constraint: Any, n_features: int) -> None:
    """Raises where the limits of a box are not those of so many weights."""
    if isinstance(constraint, Box) and np.ndim(constraint.low) and len(constraint.low) != n_features:
        raise InvalidParameterError(
            f"constraint: expected limits for {n_features} weights, got {len(constraint.low)}. "
            "Give one number for all of them."
        )


# -------------------------------------------------------------------------------------------- by name

CONSTRAINTS: dict[str, type[Any]] = {cls.name: cls for cls in (Box, NonNegative, Simplex, L2Ball, L1Ball)}
_NAMED = {name: cls for name, cls in CONSTRAINTS.items() if cls is not Box}  # a name alone says all


def get_constraint(constraint: Any) -> Any:
    """The constraint for a name; a value, or None, is returned as it is.

    Parameters
    ----------
    constraint : {"nonnegative", "simplex", "l2_ball", "l1_ball"}, None or a constraint
        The simplex by name has total 1, the balls radius 1.

    Examples
    --------
    >>> get_constraint("simplex")
    Simplex(total=1.0)
    """
    if constraint is None:
        return None
    if isinstance(constraint, str):
        if constraint in _NAMED:
            return _NAMED[constraint]()
        close = difflib.get_close_matches(constraint, _NAMED, 1)
        raise InvalidParameterError(
            f"constraint: expected one of {sorted(_NAMED)}, a constraint such as Box(0.0, 1.0), or None, "
            f"got {constraint!r}. Try '{close[0] if close else 'nonnegative'}'."
        )
    if isinstance(constraint, _Constraint):
        return constraint
    raise InvalidParameterError(
        f"constraint: expected one of {sorted(_NAMED)}, a constraint such as Box(0.0, 1.0), or None, "
        f"got {constraint!r}. Try 'nonnegative'."
    )
