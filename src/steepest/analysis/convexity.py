"""Whether a function is convex, as far as samples can tell, and why not where it is not.

A function is convex when no value lies above a chord, no value below a tangent, and no direction curves downwards::

    f(t a + (1 - t) b) <= t f(a) + (1 - t) f(b),      f(b) >= f(a) + f'(a) (b - a),      v' f''(x) v >= 0.

Each line is tested on samples, the last in the direction of the smallest eigenvalue.  Curvature is confirmed by a
difference of gradients or of values along v, which no convex function makes negative whatever the step, kinks
included.  A violation counts only where it exceeds the rounding measured at that place.  So "not convex" comes with
numbers that anyone can compute again; "convex" is a statement about the samples and proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.analysis.functions import Function, as_functions, point
from steepest.analysis.noise import EPS, noise
from steepest.analysis.spectrum import ends
from steepest.analysis.words import vector
from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray

_CONFIRM = 20.0  # deviations of the rounding that a violation must exceed
_TRIES = 30  # violations that are looked at, the worst first


@dataclass(frozen=True, slots=True, eq=False)
class ConvexityTest:
    """One of the three tests: whether it ``holds`` (None where it could not be made), in words and numbers."""

    name: str
    holds: bool | None
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "none"}[self.holds]
        return f"{mark}  {self.name:<10} {self.message}"


@dataclass(frozen=True, slots=True, eq=False)
class Convexity:
    """What `check_convexity` found.

    ``convex`` is True ("convex on the samples"), False ("not convex") or None ("not known"); ``tests`` are the
    definition, the tangents and the curvature.  Where curvature was found negative, ``point``, ``direction`` and
    ``curvature`` are the x, the unit v and the number v'Hv < 0; else None.
    """

    name: str
    convex: bool | None
    n_samples: int
    tests: tuple[ConvexityTest, ...]

    @property
    def verdict(self) -> str:
        """In words."""
        return {True: "convex on the samples", False: "not convex", None: "not known"}[self.convex]

    @property
    def point(self) -> FloatArray | None:
        """Where the curvature is negative."""
        return self.tests[2].evidence.get("x")

    @property
    def direction(self) -> FloatArray | None:
        """The unit v with v'Hv < 0."""
        return self.tests[2].evidence.get("v")

    @property
    def curvature(self) -> float | None:
        """v'Hv."""
        return self.tests[2].evidence.get("curvature")

    def __getitem__(self, name: str) -> ConvexityTest:
        """The test of a name: "chords", "tangents" or "curvature"."""
        for test in self.tests:
            if test.name == name:
                return test
        raise KeyError(f"{name!r}; there are {[test.name for test in self.tests]}")

    def __str__(self) -> str:
        why = ", here is why" if self.convex is False else ""
        head = f"{self.name}: {self.verdict}{why} ({self.n_samples} pairs of points)"
        return "\n".join([head, *(f"  {test}" for test in self.tests)])


def check_convexity(
    fun: Any,
    x0: Any = None,
    *,
    grad: Any = None,
    hvp: Callable[[FloatArray, FloatArray], Any] | None = None,
    dim: int | None = None,
    bounds: Any = None,
    scale: float = 1.0,
    n_samples: int = 300,
    n_curvatures: int = 20,
    rng: Any = 0,
) -> Convexity:
    """Test a function for convexity by its chords, its tangents and its curvature.

    Parameters
    ----------
    fun : callable, loss or problem
        ``fun(x)`` of an array; a loss of steepest by name or value, tested as a function of the score for some of
        its targets; or the problem of a linear model.
    x0 : array, optional
        The middle of the samples.  Default: 0, for losses of real targets the target.
    grad : callable or True, optional
        The gradient; True where ``fun`` returns ``(value, gradient)``.  Without it the tangents are differences.
    hvp : callable, optional
        ``(x, v)`` to the Hessian at x times v.  Without it differences are used.
    dim : int, optional
        The number of arguments, where there is no x0.
    bounds : (low, high), optional
        Samples are uniform in this box.  Default: normal around x0 with deviations of 0.1 to 10 times ``scale``.
    scale : float
    n_samples : int
        Pairs of points.
    n_curvatures : int
        Points whose Hessian is examined.
    rng : int or numpy.random.Generator

    Returns
    -------
    Convexity
        ``print(result)`` shows the verdict and the numbers.

    Notes
    -----
    Cost: 3 values and 1 gradient a pair; at each of ``n_curvatures`` points one Hessian-vector product an argument,
    or some tens of them by Lanczos above 200 arguments.  Samples outside the domain (NaN, infinity) are left out;
    a point outside between two inside shows that the domain is not convex.

    Examples
    --------
    >>> check_convexity(lambda x: x[0] ** 2 + x[1] + 5, dim=2).verdict
    'convex on the samples'
    >>> found = check_convexity(lambda x: x[0] ** 4 + x[0] * x[1] + x[0] ** 2, dim=2)
    >>> found.verdict, found.curvature < 0
    ('not convex', True)
    >>> check_convexity("huber").verdict
    'convex on the samples'
    """
    if not n_samples >= 10:
        raise InvalidParameterError(f"n_samples: expected at least 10, got {n_samples!r}. Try 300.")
    if not (math.isfinite(scale) and scale > 0.0):
        raise InvalidParameterError(f"scale: expected a positive number, got {scale!r}. Try 1.0.")
    rng = np.random.default_rng(rng)
    functions = as_functions(fun, grad, hvp, x=x0, dim=dim if dim is not None else _size_of(bounds))
    share = max(10, -(-n_samples // len(functions)))
    points = max(2, -(-n_curvatures // len(functions)))
    found = [_check(f, share, points, _sampler(f, bounds, scale, rng), rng) for f in functions]
    bad = [result for result in found if result.convex is False]
    if bad:
        return bad[0]
    unknown = [result for result in found if result.convex is None]
    first = unknown[0] if unknown else found[0]
    name = first.name.split(" at ")[0] if len(functions) > 1 else first.name
    return Convexity(name, first.convex, sum(result.n_samples for result in found), first.tests)


def _size_of(bounds: Any) -> int | None:
    return None if bounds is None else max(np.atleast_1d(np.asarray(end, dtype=float)).size for end in bounds)


def _sampler(f: Function, bounds: Any, scale: float, rng: np.random.Generator) -> Callable[[int], FloatArray]:
    if bounds is None:
        widths = scale * np.array([0.1, 1.0, 3.0, 10.0])
        return lambda n: f.centre + rng.choice(widths, (n, 1)) * rng.standard_normal((n, f.size))
    if len(bounds) != 2:
        raise InvalidParameterError(f"bounds: expected (low, high), got {len(bounds)} entries. Try (-1.0, 1.0).")
    low, high = (np.broadcast_to(np.asarray(end, dtype=np.float64), (f.size,)) for end in bounds)
    point(low, f.size, "bounds")
    point(high, f.size, "bounds")
    if not np.all(low < high):
        raise InvalidParameterError("bounds: expected low < high in every coordinate. Exchange them.")
    return lambda n: rng.uniform(low, high, (n, f.size))


def _check(
    f: Function, n: int, points: int, sample: Callable[[int], FloatArray], rng: np.random.Generator
) -> Convexity:
    a, b = sample(n), sample(n)
    near = rng.random(n) < 0.3  # short chords too, for curvature that comes and goes
    b[near] = a[near] + 0.1 * (b[near] - a[near])
    va, vb = _values(f, a), _values(f, b)
    inside = np.isfinite(va) & np.isfinite(vb)
    a, b, va, vb = a[inside], b[inside], va[inside], vb[inside]
    if len(a) < min(10, n):
        nothing = tuple(
            ConvexityTest(name, None, "the function is not finite at the samples: give x0 or bounds inside its domain")
            for name in ("chords", "tangents", "curvature")
        )
        return Convexity(f.name, None, len(a), nothing)
    tests = (_chords(f, a, b, va, vb, rng), _tangents(f, a, b, va, vb), _curvatures(f, a[:points]))
    convex = not any(test.holds is False for test in tests)
    return Convexity(f.name, convex, len(a), tests)


def _values(f: Function, X: FloatArray) -> FloatArray:
    return np.array([f.value(x) for x in X], dtype=np.float64)


def _noise(f: Function, x: FloatArray, d: FloatArray) -> float:
    length = float(np.linalg.norm(d))
    if length == 0.0:
        return 0.0
    reach = max(1.0, float(np.linalg.norm(x)))
    return noise(lambda t: f.value(x + t * d / length), reach)


def _chords(
    f: Function, a: FloatArray, b: FloatArray, va: FloatArray, vb: FloatArray, rng: np.random.Generator
) -> ConvexityTest:
    t = np.where(rng.random(len(a)) < 0.5, 0.5, rng.uniform(0.05, 0.95, len(a)))
    m = t[:, None] * a + (1.0 - t[:, None]) * b
    vm = _values(f, m)
    chord = t * va + (1.0 - t) * vb
    size = np.abs(va) + np.abs(vb) + np.abs(np.where(np.isfinite(vm), vm, 0.0))
    with np.errstate(invalid="ignore"):
        excess = np.where(np.isnan(vm), -np.inf, vm - chord) - 32.0 * f.precision * size
    for i in np.argsort(-excess / (size + 1e-300), kind="stable")[:_TRIES]:
        if not excess[i] > 0.0:
            break
        if math.isfinite(vm[i]):
            rounding = sum(_noise(f, x[i], b[i] - a[i]) for x in (a, b, m))
            if not vm[i] - chord[i] > _CONFIRM * rounding:
                continue
        text = (
            f"f = {vm[i]:.6g} at {vector(m[i])} lies above the chord, {chord[i]:.6g}, from {vector(a[i])} "
            f"(f = {va[i]:.6g}) to {vector(b[i])} (f = {vb[i]:.6g})"
        )
        evidence = {"a": a[i], "b": b[i], "t": float(t[i]), "value": float(vm[i]), "chord": float(chord[i])}
        return ConvexityTest("chords", False, text, evidence)
    return ConvexityTest("chords", True, f"no value above one of {len(a)} chords")


def _tangents(f: Function, a: FloatArray, b: FloatArray, va: FloatArray, vb: FloatArray) -> ConvexityTest:
    d = b - a
    t = 0.0 if f.slope is not None else max(1e-4, 100.0 * f.precision**0.5)
    if f.slope is not None:
        slopes = np.array([float(f.slope(x) @ e) for x, e in zip(a, d, strict=True)])
        sizes = np.array([float(np.abs(f.slope(x)) @ (np.abs(x) + np.abs(e))) for x, e in zip(a, d, strict=True)])
    else:  # the slope of a short chord is at least that of the tangent, and at most that of the long chord
        slopes = (_values(f, a + t * d) - va) / t
        sizes = np.abs(va) / t
    size = np.abs(va) + np.abs(vb) + sizes
    with np.errstate(invalid="ignore"):
        excess = va + slopes - vb - 32.0 * f.precision * size
    excess = np.where(np.isfinite(excess), excess, -np.inf)
    for i in np.argsort(-excess / (size + 1e-300), kind="stable")[:_TRIES]:
        if not excess[i] > 0.0:
            break
        rounding = _noise(f, a[i], d[i]) * (2.0 + (2.0 / t if t else 0.0)) + _noise(f, b[i], d[i])
        if not va[i] + slopes[i] - vb[i] > _CONFIRM * rounding:
            continue
        text = (
            f"f = {vb[i]:.6g} at {vector(b[i])} lies below the tangent, {va[i] + slopes[i]:.6g}, "
            f"from {vector(a[i])} (f = {va[i]:.6g}, slope towards it {slopes[i]:.6g})"
        )
        evidence = {"a": a[i], "b": b[i], "value": float(vb[i]), "tangent": float(va[i] + slopes[i])}
        return ConvexityTest("tangents", False, text, evidence)
    return ConvexityTest("tangents", True, f"no value below one of {len(a)} tangents")


def _curvatures(f: Function, points: FloatArray) -> ConvexityTest:
    worst: tuple[float, FloatArray, FloatArray] | None = None
    least, seen = math.inf, 0
    for x in points:
        found = ends(f, x)
        if not math.isfinite(found.smallest.value):
            continue
        seen += 1
        least = min(least, found.smallest.value)
        if not found.smallest.value < -found.error:
            continue
        bent = bend(f, x, found.smallest.vector)
        if bent is not None and (worst is None or bent < worst[0]):
            worst = bent, x, found.smallest.vector
    if worst is not None:
        v = worst[2] * (1.0 if worst[2][int(np.argmax(np.abs(worst[2])))] > 0.0 else -1.0)
        text = f"v'Hv = {worst[0]:.6g} at x = {vector(worst[1])} in the direction v = {vector(v)}"
        return ConvexityTest("curvature", False, text, {"x": worst[1], "v": v, "curvature": worst[0]})
    if not seen:
        return ConvexityTest("curvature", None, "no Hessian is finite at the samples")
    where = f"at {seen} points" if seen > 1 else "at one point"
    return ConvexityTest("curvature", True, f"no direction of negative curvature {where}; least seen {least:.3g}")


def bend(f: Function, x: FloatArray, v: FloatArray) -> float | None:
    """v'Hv by a difference that no convex function makes negative; None where it is not below the rounding.

    With gradients ``v'(g(x + hv) - g(x - hv)) / 2h``, else ``(f(x + hv) - 2 f(x) + f(x - hv)) / h^2``.
    """
    reach = max(1.0, float(np.linalg.norm(x)))
    if f.slope is not None:
        h = float(np.cbrt(f.precision)) * reach
        slope = f.slope
        bent = float((slope(x + h * v) - slope(x - h * v)) @ v) / (2.0 * h)
        size = float(np.abs(slope(x)) @ np.abs(v))
        rounding = (noise(lambda t: float(slope(x + t * v) @ v), reach) + 4.0 * EPS * size) / h
    else:
        h = f.precision**0.25 * reach
        middle = f.value(x)
        bent = (f.value(x + h * v) - 2.0 * middle + f.value(x - h * v)) / h**2
        rounding = 4.0 * (noise(lambda t: f.value(x + t * v), reach) + f.precision * abs(middle)) / h**2
    return bent if math.isfinite(bent) and bent < -_CONFIRM * rounding else None
