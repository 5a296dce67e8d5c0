"""Functions to try a method on, with gradient, Hessian and what is known of their stationary points.

Every entry of `CATALOGUE` is a `TestFunction`, which is called as ``f(x)``::

    f = steepest.functions.get("rosenbrock")
    steepest.minimize(f, f.start, grad=f.grad, hess=f.hess)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray


@dataclass(frozen=True)
class TestFunction:
    """A function and the facts about it.

    Attributes
    ----------
    name, formula : str
    value, grad, hess : callable
        Of a vector x; exact derivatives.
    start : array
        The customary start.
    minima : tuple of arrays
        Its local minima, as far as they are points; empty where there is none.
    least : float
        Its lowest value; -inf where it has none.
    saddles : tuple of arrays
        Where curvatures of both signs tell one.
    convex : bool
    smooth : bool
        False where it has kinks; ``grad`` is then a subgradient, and ``hess`` what it is elsewhere.
    """

    __test__ = False  # no test of pytest's, though it is called so

    name: str
    formula: str
    value: Callable[[FloatArray], float]
    grad: Callable[[FloatArray], FloatArray]
    hess: Callable[[FloatArray], FloatArray]
    start: FloatArray
    minima: tuple[FloatArray, ...]
    least: float
    saddles: tuple[FloatArray, ...] = field(default=())
    convex: bool = False
    smooth: bool = True

    def __call__(self, x: FloatArray) -> float:
        return float(self.value(np.asarray(x, dtype=np.float64)))


def quadratic(condition: float = 100.0, size: int = 2, seed: int = 0) -> TestFunction:
    """``1/2 (x - m)' H (x - m)`` with eigenvalues spread evenly in logarithm from 1 to ``condition``.

    Parameters
    ----------
    condition : float
    size : int
    seed : int
        Of the random axes and of m.

    Examples
    --------
    >>> f = quadratic(50.0, size=3)
    >>> round(float(np.linalg.cond(f.hess(f.start))), 6)
    50.0
    """
    if not (condition >= 1.0 and np.isfinite(condition)):
        raise InvalidParameterError(f"condition: expected a finite number >= 1, got {condition!r}.")
    if size < 1:
        raise InvalidParameterError(f"size: expected at least 1, got {size!r}.")
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(random.standard_normal((size, size)))
    H = (axes * np.geomspace(1.0, condition, size)) @ axes.T
    H = 0.5 * (H + H.T)
    m = random.standard_normal(size)
    return TestFunction(
        "quadratic",
        f"1/2 (x - m)' H (x - m), condition {condition:g}",
        lambda x: 0.5 * float((x - m) @ H @ (x - m)),
        lambda x: H @ (x - m),
        lambda x: H.copy(),
        m + axes.sum(axis=1),
        (m,),
        0.0,
        convex=True,
    )


def rosenbrock(size: int = 2) -> TestFunction:
    """Rosenbrock's curved valley, ``sum 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2``.

    Parameters
    ----------
    size : int
        At least 2.  From 4 variables on there is a second minimum near (-1, 1, ..., 1), which is not listed.
    """
    if size < 2:
        raise InvalidParameterError(f"size: expected at least 2, got {size!r}.")

    def value(x: FloatArray) -> float:
        return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))

    def grad(x: FloatArray) -> FloatArray:
        g = np.zeros_like(x)
        bend = x[1:] - x[:-1] ** 2
        g[:-1] = -400.0 * x[:-1] * bend - 2.0 * (1.0 - x[:-1])
        g[1:] += 200.0 * bend
        return g

    def hess(x: FloatArray) -> FloatArray:
        diagonal = np.zeros_like(x)
        diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
        diagonal[1:] += 200.0
        side = -400.0 * x[:-1]
        return np.asarray(np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1))

    start = np.tile([-1.2, 1.0], (size + 1) // 2)[:size]
    return TestFunction(
        "rosenbrock", "sum 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2", value, grad, hess, start, (np.ones(size),), 0.0
    )


def _beale_parts(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Residuals ``c_k - x (1 - y^k)``, their gradients and their Hessians."""
    a, b = x
    k = np.arange(1, 4)
    r = np.array([1.5, 2.25, 2.625]) - a * (1.0 - b**k)
    J = np.column_stack([b**k - 1.0, a * k * b ** (k - 1)])
    curve = np.array([0.0, 2.0 * a, 6.0 * a * b])
    cross = k * b ** (k - 1)
    S = np.array([[[0.0, c], [c, q]] for c, q in zip(cross, curve, strict=True)])
    return r, J, S


def _beale_hess(x: FloatArray) -> FloatArray:
    r, J, S = _beale_parts(x)
    return np.asarray(2.0 * (J.T @ J + np.tensordot(r, S, 1)))


def _v(*values: float) -> FloatArray:
    return np.array(values)


def _himmelblau_grad(x: FloatArray) -> FloatArray:
    u, v = x[0] ** 2 + x[1] - 11.0, x[0] + x[1] ** 2 - 7.0
    return _v(4.0 * x[0] * u + 2.0 * v, 2.0 * u + 4.0 * x[1] * v)


def _himmelblau_hess(x: FloatArray) -> FloatArray:
    cross = 4.0 * (x[0] + x[1])
    first = 12.0 * x[0] ** 2 + 4.0 * x[1] - 42.0
    return np.array([[first, cross], [cross, 4.0 * x[0] + 12.0 * x[1] ** 2 - 26.0]])


def _plateau(x: FloatArray) -> float:
    return 1.0 - float(np.exp(-(x @ x)))


def _hinges(x: FloatArray) -> FloatArray:
    return np.array([1.0 - x[0] - x[1], 1.0 - x[0] + x[1]])


def _hinges_grad(x: FloatArray) -> FloatArray:
    first, second = _hinges(x) > 0.0
    return np.asarray(0.5 * x - first * _v(1.0, 1.0) - second * _v(1.0, -1.0))


_ENTRIES = (
    rosenbrock(),
    quadratic(),
    TestFunction(
        "beale", "(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2",
        lambda x: float(np.sum(_beale_parts(x)[0] ** 2)),
        lambda x: 2.0 * _beale_parts(x)[1].T @ _beale_parts(x)[0],
        _beale_hess,
        _v(1.0, 1.0), (_v(3.0, 0.5),), 0.0, (_v(0.0, 1.0),),
    ),
    TestFunction(
        "himmelblau", "(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
        lambda x: (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2,
        _himmelblau_grad, _himmelblau_hess, _v(0.0, 0.0),
        (
            _v(3.0, 2.0), _v(-2.805118086952745, 3.131312518250573),
            _v(-3.779310253377747, -3.283185991286170), _v(3.584428340330492, -1.848126526964404),
        ), 0.0,
    ),
    TestFunction(
        "double_well", "x^4 / 4 - x^2 / 2 + y^2 / 2",
        lambda x: x[0] ** 4 / 4.0 - x[0] ** 2 / 2.0 + x[1] ** 2 / 2.0,
        lambda x: _v(x[0] ** 3 - x[0], x[1]),
        lambda x: np.diag([3.0 * x[0] ** 2 - 1.0, 1.0]),
        _v(0.0, 0.0), (_v(1.0, 0.0), _v(-1.0, 0.0)), -0.25, (_v(0.0, 0.0),),
    ),
    TestFunction(
        "saddle", "x^2 - y^2",
        lambda x: x[0] ** 2 - x[1] ** 2,
        lambda x: _v(2.0 * x[0], -2.0 * x[1]),
        lambda x: np.diag([2.0, -2.0]),
        _v(1.0, 0.0), (), -np.inf, (_v(0.0, 0.0),),
    ),
    TestFunction(
        "unbounded_parabola", "x^2 + y + 5",
        lambda x: x[0] ** 2 + x[1] + 5.0,
        lambda x: _v(2.0 * x[0], 1.0),
        lambda x: np.diag([2.0, 0.0]),
        _v(1.0, 1.0), (), -np.inf, convex=True,
    ),
    TestFunction(
        "quartic_with_cross_term", "x^4 + x y + x^2",
        lambda x: x[0] ** 4 + x[0] * x[1] + x[0] ** 2,
        lambda x: _v(4.0 * x[0] ** 3 + x[1] + 2.0 * x[0], x[0]),
        lambda x: np.array([[12.0 * x[0] ** 2 + 2.0, 1.0], [1.0, 0.0]]),
        _v(1.0, 1.0), (), -np.inf, (_v(0.0, 0.0),),
    ),
    TestFunction(
        "bowl", "3 x^2 + 2 y^2 - 2",
        lambda x: 3.0 * x[0] ** 2 + 2.0 * x[1] ** 2 - 2.0,
        lambda x: _v(6.0 * x[0], 4.0 * x[1]),
        lambda x: np.diag([6.0, 4.0]),
        _v(1.0, 1.0), (_v(0.0, 0.0),), -2.0, convex=True,
    ),
    TestFunction(
        "plateau", "1 - exp(-x^2 - y^2)",
        _plateau,
        lambda x: 2.0 * x * (1.0 - _plateau(x)),
        lambda x: (2.0 * np.eye(2) - 4.0 * np.outer(x, x)) * (1.0 - _plateau(x)),
        _v(1.5, 1.0), (_v(0.0, 0.0),), 0.0,
    ),
    TestFunction(  # three ways down and three up meet at 0, where all curvatures vanish
        "monkey_saddle", "x^3 - 3 x y^2",
        lambda x: x[0] ** 3 - 3.0 * x[0] * x[1] ** 2,
        lambda x: _v(3.0 * x[0] ** 2 - 3.0 * x[1] ** 2, -6.0 * x[0] * x[1]),
        lambda x: np.array([[6.0 * x[0], -6.0 * x[1]], [-6.0 * x[1], -6.0 * x[0]]]),
        _v(1.0, 0.5), (), -np.inf,
    ),
    TestFunction(
        "absolute", "|x| + 2 |y|",
        lambda x: abs(x[0]) + 2.0 * abs(x[1]),
        lambda x: _v(1.0, 2.0) * np.sign(x),
        lambda x: np.zeros((2, 2)),
        _v(1.5, 1.0), (_v(0.0, 0.0),), 0.0, convex=True, smooth=False,
    ),
    TestFunction(
        "hinges", "[1 - x - y]_+ + [1 - x + y]_+ + (x^2 + y^2) / 4",
        lambda x: float(np.sum(np.maximum(_hinges(x), 0.0))) + 0.25 * float(x @ x),
        _hinges_grad,
        lambda x: 0.5 * np.eye(2),
        _v(-1.0, 1.5), (_v(1.0, 0.0),), 0.25, convex=True, smooth=False,
    ),
)  # fmt: skip

CATALOGUE: dict[str, TestFunction] = {entry.name: entry for entry in _ENTRIES}


def get(name: str) -> TestFunction:
    """The function of that name.

    Examples
    --------
    >>> get("bowl")([0.0, 0.0])
    -2.0
    """
    if name not in CATALOGUE:
        near = difflib.get_close_matches(str(name), CATALOGUE, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"name: expected one of {sorted(CATALOGUE)}, got {name!r}.{hint}")
    return CATALOGUE[name]
