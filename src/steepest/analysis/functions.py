"""A function as analysis sees it: values, gradients and Hessian-vector products, wherever they come from.

Python functions, losses of steepest (one function of the score for each target) and problems of linear models become
`Function` values.  What is not given is had by differences, with steps that fit the rounding of the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.analysis.noise import EPS, noise
from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import SCALAR_LOSSES, VECTOR_LOSSES, get_loss, has
from steepest.protocols import FloatArray

N_CLASSES = 3  # scores of a vector loss that is analysed by itself


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of ``size`` numbers.

    ``slope`` and ``product`` are None where gradients and Hessian-vector products must come from differences;
    ``precision`` is the relative rounding of the values, ``centre`` a point to sample around.
    """

    name: str
    size: int
    value: Callable[[FloatArray], float]
    slope: Callable[[FloatArray], FloatArray] | None
    product: Callable[[FloatArray, FloatArray], FloatArray] | None
    centre: FloatArray
    precision: float = EPS
    plane: Callable[[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray], FloatArray] | None = None

    def gradient(self, x: FloatArray, stretch: float = 1.0) -> FloatArray:
        """The gradient at x; central differences, 2 values a coordinate, where none is given.

        ``stretch`` times the usual step shows, by the change, what curving does to them.
        """
        if self.slope is not None:
            return self.slope(x)
        out = np.empty(self.size)
        for i in range(self.size):
            h = stretch * self.step(x[i])
            up, down = x.copy(), x.copy()
            up[i] += h
            down[i] -= h
            out[i] = (self.value(up) - self.value(down)) / (up[i] - down[i])
        return out

    def step(self, size: float) -> float:
        """The step of central differences that balances rounding and curving."""
        return float(np.cbrt(self.precision)) * max(1.0, abs(float(size)))

    def hvp(self, x: FloatArray, v: FloatArray, stretch: float = 1.0) -> FloatArray:
        """The Hessian at x times v; a difference of gradients along v where no product is given."""
        if self.product is not None:
            return self.product(x, v)
        length = float(np.linalg.norm(v))
        if length == 0.0:
            return np.zeros(self.size)
        rounding = self.precision if self.slope is not None else self.precision ** (2.0 / 3.0)
        h = stretch * float(np.cbrt(rounding)) * max(1.0, float(np.linalg.norm(x))) / length
        return (self.gradient(x + h * v, stretch) - self.gradient(x - h * v, stretch)) / (2.0 * h)


def as_functions(
    fun: Any, grad: Any = None, hvp: Any = None, *, x: Any = None, dim: int | None = None
) -> tuple[Function, ...]:
    """One or more functions: a Python function, a problem, or a loss with some of its targets.

    Parameters
    ----------
    fun : callable, problem, or a loss of steepest by name, class or value
        A callable with attributes ``grad`` and ``hess`` or ``hessp``, such as those of `steepest.functions` and
        `steepest.networks.Graph`, brings its own.
    grad : callable, True, or None
        x to the gradient; True where ``fun`` returns ``(value, gradient)``.
    hvp : callable, optional
        ``(x, v)`` to the Hessian at x times v.
    x : array, optional
        A point of the domain.
    dim : int, optional
        The number of arguments of a Python function, where no x is given.
    """
    if isinstance(fun, str) or type(fun) in _losses() or (isinstance(fun, type) and fun in _losses()):
        return _of_loss(get_loss(fun))
    if hasattr(fun, "evaluate") and hasattr(fun, "size"):
        return (_of_problem(fun, x),)
    if hasattr(fun, "fit"):
        raise InvalidParameterError(
            f"fun: expected a function, a loss or a problem, got an estimator {type(fun).__name__}. "
            "Make its problem: steepest.problems.linear.LinearProblem(source, y, p, loss, penalty)."
        )
    if not callable(fun):
        raise InvalidParameterError(
            f"fun: expected a function of an array, a loss of steepest or a problem, got {fun!r}. "
            "Write 'def fun(x): return x @ x'."
        )
    if grad is None and hvp is None and callable(getattr(fun, "grad", None)):
        grad, hess, hvp = fun.grad, getattr(fun, "hess", None), getattr(fun, "hessp", None)
        if callable(hess) and not callable(hvp):
            hvp = lambda at, v: np.asarray(hess(at)) @ v  # noqa: E731
        x = getattr(fun, "start", None) if x is None and dim is None else x
    return (_of_callable(fun, grad, hvp, x, dim),)


def _losses() -> set[type]:
    import steepest.losses  # noqa: F401  (fills the tables)

    return {*SCALAR_LOSSES.values(), *VECTOR_LOSSES.values()}


def point(x: Any, size: int | None = None, name: str = "x") -> FloatArray:
    """A finite float64 vector of the given size.

    Examples
    --------
    >>> point([1, 2])
    array([1., 2.])
    """
    out = np.atleast_1d(np.array(x, dtype=np.float64)).ravel()
    if size is not None and out.size != size:
        raise InvalidParameterError(f"{name}: expected {size} numbers, got {out.size}. Give one for each argument.")
    if not np.all(np.isfinite(out)):
        raise InvalidParameterError(f"{name}: expected finite numbers, got {out}. Leave NaN and infinity out.")
    return out


def _number(v: Any) -> float:
    array = np.asarray(v, dtype=np.float64)
    if array.size != 1:
        raise InvalidParameterError(f"fun: expected one number as its value, got shape {array.shape}. Sum it up.")
    return float(array.reshape(()))


def _of_callable(fun: Any, grad: Any, hvp: Any, x: Any, dim: int | None) -> Function:
    if x is None and dim is None:
        raise InvalidParameterError(
            "dim: expected the number of arguments of fun, or a point x, got neither. Try dim=2."
        )
    centre = point(x) if x is not None else np.zeros(int(dim or 0))
    if centre.size < 1 or (dim is not None and dim != centre.size):
        raise InvalidParameterError(f"dim: expected {centre.size or 'at least 1'}, got {dim}. Leave dim out, or x.")
    size = centre.size

    def value(at: FloatArray) -> float:
        with np.errstate(all="ignore"):
            got = fun(at.copy())
        return _number(got[0] if grad is True else got)

    def slope(at: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            got = fun(at.copy())[1] if grad is True else grad(at.copy())
        out = np.array(got, dtype=np.float64).ravel()
        if out.size != size:
            raise InvalidParameterError(f"grad: expected {size} numbers, got {out.size}. Return one for each argument.")
        return out

    def product(at: FloatArray, v: FloatArray) -> FloatArray:
        return np.array(hvp(at.copy(), v.copy()), dtype=np.float64).ravel()

    name = getattr(fun, "__name__", None) or getattr(fun, "formula", None) or type(fun).__name__
    name = "the function" if name == "<lambda>" else name
    has_slope = grad is not None and grad is not False
    return Function(
        name,
        size,
        value,
        slope if has_slope else None,
        product if hvp is not None else None,
        centre,
        _precision(value, centre),
    )


def _precision(value: Callable[[FloatArray], float], centre: FloatArray) -> float:
    """The relative rounding of the values near a point: 2^-52 at least, 1e-3 at most."""
    rng = np.random.default_rng(0)
    scale = max(1.0, float(np.abs(centre).max()))
    sizes, errors = [], []
    for _ in range(3):
        x = centre + 0.1 * scale * rng.standard_normal(centre.size)
        d = rng.standard_normal(centre.size)
        d /= np.linalg.norm(d)
        size = abs(value(x))
        if math.isfinite(size):
            sizes.append(size)
            errors.append(noise(lambda t, x=x, d=d: value(x + t * d), scale))  # type: ignore[misc]
    top = max(sizes, default=0.0)
    if not top > 0.0:
        return EPS
    return float(np.clip(np.median(errors) / top, EPS, 1e-3))


# ---------------------------------------------------------------------------------------------------- losses


def some_targets(loss: Any) -> Sequence[float]:
    """A few targets of every kind that a scalar loss accepts."""
    table = {"sign": (-1.0, 1.0), "unit": (0.0, 0.3, 1.0), "nonnegative": (0.0, 1.0, 7.0)}
    return table.get(loss.targets, (-2.0, 0.0, 3.5))


def _of_loss(loss: Any) -> tuple[Function, ...]:
    if type(loss) in VECTOR_LOSSES.values():
        return tuple(_of_vector_loss(loss, y) for y in range(N_CLASSES))
    return tuple(_of_scalar_loss(loss, y) for y in some_targets(loss))


def _of_scalar_loss(loss: Any, y: float) -> Function:
    def value(z: FloatArray) -> float:
        return float(_quiet(loss.value, float(z[0]), y))

    def slope(z: FloatArray) -> FloatArray:
        return np.array([float(_quiet(loss.slope, float(z[0]), y))])

    def product(z: FloatArray, v: FloatArray) -> FloatArray:
        return np.array([float(_quiet(loss.curvature, float(z[0]), y)) * v[0]])

    centre = np.array([y if loss.targets == "real" else 0.0])
    curved = product if has(loss, "curvature") else None
    return Function(f"{loss!r} at y = {y:g}", 1, value, slope, curved, centre)


def _quiet(method: Callable[[float, float], float], z: float, y: float) -> float:
    try:
        with np.errstate(all="ignore"):
            return method(z, y)
    except OverflowError:
        return math.inf


def _of_vector_loss(loss: Any, y: int) -> Function:
    def both(z: FloatArray) -> tuple[float, FloatArray]:
        out = np.zeros(N_CLASSES)
        return float(loss.value_slope(z.copy(), y, out)), out

    return Function(
        f"{loss!r} at class {y} of {N_CLASSES}",
        N_CLASSES,
        lambda z: both(z)[0],
        lambda z: both(z)[1],
        None,
        np.zeros(N_CLASSES),
    )


# -------------------------------------------------------------------------------------------------- problems


def _of_problem(problem: Any, x: Any) -> Function:
    centre = point(x, problem.size) if x is not None else problem.start()
    probe = np.random.default_rng(0).standard_normal(problem.size)
    if not math.isclose(problem.inner(probe, probe), float(probe @ probe), rel_tol=1e-9):
        raise InvalidParameterError(
            f"fun: expected a problem in its own parameters, got {type(problem).__name__}, whose scalar product is "
            "another. Use LinearProblem or MulticlassProblem."
        )
    l1, m = float(problem.traits.l1), problem.layout.n_weights if hasattr(problem, "layout") else problem.size
    recent: list[Any] = [None]

    def at(w: FloatArray) -> Any:
        if recent[0] is None or not np.array_equal(recent[0].w, w):
            recent[0] = problem.evaluate(w.copy())
        return recent[0]

    def slope(w: FloatArray) -> FloatArray:
        g = np.array(at(w).gradient, dtype=np.float64)
        if l1:
            g[:m] += l1 * np.sign(w[:m])
        return g

    def product(w: FloatArray, v: FloatArray) -> FloatArray:
        return np.array(problem.hvp(at(w), v), dtype=np.float64)

    def plane(c: FloatArray, u: FloatArray, v: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
        z = problem.evaluate(c).scores
        along_u, along_v = problem.evaluate(c + u).scores - z, problem.evaluate(c + v).scores - z
        out = np.empty((len(b), len(a)))
        for i, t in enumerate(b):
            for j, s in enumerate(a):
                out[i, j] = problem.losses_at(z + s * along_u + t * along_v) + problem.penalty_value(c + s * u + t * v)
        return out

    curved = problem.traits.has_curvature and not (
        problem.traits.n_outputs > 1 and getattr(problem.loss, "link", "") != "softmax"
    )
    single = getattr(getattr(problem, "source", None), "dtype", None) == np.float32 and not problem.precise
    return Function(
        f"the objective of {problem.loss!r}" if hasattr(problem, "loss") else type(problem).__name__,
        problem.size,
        lambda w: float(at(w).value),
        slope,
        product if curved else None,
        np.array(centre, dtype=np.float64),
        2.0**-23 if single else EPS,
        plane if hasattr(problem, "losses_at") and hasattr(problem, "penalty_value") else None,
    )
