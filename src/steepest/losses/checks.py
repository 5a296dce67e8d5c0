"""`check_loss` tells whether a loss's methods and stated facts are right, as far as samples can tell.

Everything is evaluated by the compiled methods, as a solver would, and once more in plain Python.  A passed
check is evidence on the samples, not a proof; a failed one comes with the sample that shows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.jit import kernel
from steepest.losses.compiling import require_compiled
from steepest.losses.registry import VECTOR_LOSSES, conjugate, curvature, get_loss, has, slope, value
from steepest.protocols import AnyArray, FloatArray

Verdict = Literal["pass", "fail", "note"]
_EPS = 2.0**-52

# ------------------------------------------------------------------------------------------------- report


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was checked, how it ended, in words, and the worst sample where there is one."""

    check: str
    verdict: Verdict
    message: str
    worst: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        mark = {"pass": "ok  ", "fail": "FAIL", "note": "note"}[self.verdict]
        at = ", ".join(f"{k} = {_show(v)}" for k, v in self.worst.items())
        return f"{mark}  {self.check:<17} {self.message}" + (f" (worst at {at})" if at else "")


@dataclass(frozen=True, slots=True)
class LossReport:
    """What `check_loss` found; ``ok`` where nothing failed."""

    loss: Any
    n_samples: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.verdict != "fail" for finding in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "fail")

    def __getitem__(self, check: str) -> Finding:
        """The finding of a check, by its name."""
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(f"{check!r}; there are {[finding.check for finding in self.findings]}")

    def __str__(self) -> str:
        end = "all checks passed" if self.ok else f"{len(self.failures)} of {len(self.findings)} checks failed"
        head = f"{self.loss!r}: {end} on {self.n_samples} samples"
        return "\n".join([head, *(f"  {finding}" for finding in self.findings)])


def _show(v: Any) -> str:
    if isinstance(v, np.ndarray):
        return "[" + ", ".join(f"{x:.6g}" for x in v) + "]"
    return f"{v:.6g}"


def judged(check: str, excess: FloatArray, message: str, wrong: str, **points: AnyArray) -> Finding:
    """Fail at the largest ``excess`` over 0, or where it is NaN; else pass."""
    bad = np.where(np.isnan(excess), np.inf, excess)
    if bad.size == 0 or bad.max() <= 0.0:
        return Finding(check, "pass", message)
    i = int(np.argmax(bad))
    return Finding(check, "fail", wrong, {name: _item(values[i]) for name, values in points.items()})


def _item(v: Any) -> Any:
    return v.copy() if isinstance(v, np.ndarray) else v.item() if isinstance(v, np.generic) else v


# ------------------------------------------------------------------------------------ compiled evaluation


@kernel
def _values(loss: Any, z: FloatArray, y: FloatArray, out: FloatArray) -> None:
    for i in range(z.shape[0]):
        out[i] = value(loss, z[i], y[i])


@kernel
def _slopes(loss: Any, z: FloatArray, y: FloatArray, out: FloatArray) -> None:
    for i in range(z.shape[0]):
        out[i] = slope(loss, z[i], y[i])


@kernel
def _curvatures(loss: Any, z: FloatArray, y: FloatArray, out: FloatArray) -> None:
    for i in range(z.shape[0]):
        out[i] = curvature(loss, z[i], y[i])


@kernel
def _conjugates(loss: Any, u: FloatArray, y: FloatArray, out: FloatArray) -> None:
    for i in range(u.shape[0]):
        out[i] = conjugate(loss, u[i], y[i])


_EVALUATORS = {"value": _values, "slope": _slopes, "curvature": _curvatures, "conjugate": _conjugates}


class Sampled:
    """The methods of a scalar loss on arrays, compiled."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __call__(self, method: str, z: FloatArray, y: FloatArray) -> FloatArray:
        z, y = np.broadcast_arrays(z, y)
        out = np.empty(z.size)
        with np.errstate(all="ignore"):
            _EVALUATORS[method](self.loss, np.array(z).ravel(), np.array(y).ravel(), out)
        return out.reshape(z.shape)


# ------------------------------------------------------------------------------------------------- checks


def check_loss(loss: Any, *, n_samples: int = 2000, rng: Any = 0, targets: Any = None) -> LossReport:
    """Verify the methods and the stated facts of a loss on random and on awkward samples.

    Checked: value at or above ``lower``; slope against differences of the value (at a kink: between those of
    either side); whether the slope is bounded; curvature against differences of the slope; convexity as stated,
    and whether it could be stated; ``smoothness``; ``self_concordance`` in its integrated form
    ``|log loss''(a) - log loss''(b)| <= R |a - b|``; the conjugate by Fenchel-Young, ``loss(z) + conjugate(u) >=
    u z`` for all u and with equality at ``u = slope(z)``; compiled equal to plain Python.

    Parameters
    ----------
    loss : str, class or loss value
    n_samples : int
        Random samples of (z, y); a grid of kinks, ties and large scores is added.
    rng : int or numpy.random.Generator
    targets : array, optional
        Values of y to draw from.  Default: those that the loss's ``targets`` fact asks for.

    Returns
    -------
    LossReport
        ``print(report)`` shows a line a check; ``report.ok``.

    Raises
    ------
    LossCompileError
        Where a method cannot be compiled: names the method, the line and the operation.

    Examples
    --------
    >>> print(check_loss("absolute"))  # doctest: +ELLIPSIS
    Absolute(): all checks passed on ... samples
      ok    lower             value >= 0 ...
    >>> check_loss("absolute")["bounded slope"].message
    '|slope| <= 1 on scores up to 1e+08'
    """
    loss = get_loss(loss)
    if not (isinstance(n_samples, int | np.integer) and n_samples >= 10):
        raise InvalidParameterError(f"n_samples: expected an integer of at least 10, got {n_samples!r}. Try 2000.")
    rng = np.random.default_rng(rng)
    require_compiled(loss)  # alone: a kernel may accept what another would not
    if type(loss) in VECTOR_LOSSES.values():
        from steepest.losses.checks_vector import check_vector

        return check_vector(loss, n_samples, rng)
    f = Sampled(loss)
    z, y = _samples(loss, n_samples, rng, targets)
    findings = [_check_lower(f, z, y), _check_slope(f, z, y)]
    findings.append(_check_bounded(f, y))
    if has(loss, "curvature"):
        findings.append(_check_curvature(f, z, y))
    findings.append(_check_convex(f, z, y, rng))
    findings.append(_check_smoothness(f, z, y, rng))
    if has(loss, "curvature") and math.isfinite(loss.self_concordance):
        findings.append(_check_self_concordance(f, z, y, rng))
    if has(loss, "conjugate"):
        findings += _check_conjugate(f, z, y, rng)
    findings.append(_check_plain(f, z, y))
    return LossReport(loss, z.size, tuple(findings))


def _targets(loss: Any, n: int, rng: np.random.Generator) -> FloatArray:
    if loss.targets == "sign":
        return rng.choice([-1.0, 1.0], n)
    if loss.targets == "unit":
        return np.where(rng.random(n) < 0.5, rng.integers(0, 2, n).astype(float), rng.random(n))
    if loss.targets == "nonnegative":
        return np.where(rng.random(n) < 0.8, rng.poisson(3.0, n).astype(float), rng.exponential(3.0, n))
    return rng.normal(0.0, 3.0, n)


def _numbers(loss: Any) -> list[float]:
    """The fields of a loss, and of the losses that it holds."""
    return [x for part in loss for x in (_numbers(part) if isinstance(part, tuple) else [part])]


def _samples(loss: Any, n: int, rng: np.random.Generator, targets: Any) -> tuple[FloatArray, FloatArray]:
    y = _targets(loss, n, rng) if targets is None else rng.choice(np.asarray(targets, dtype=np.float64).ravel(), n)
    z = rng.normal(size=n) * rng.choice([0.1, 1.0, 3.0, 10.0], n)
    if loss.targets == "real":
        z = np.where(rng.random(n) < 0.7, y + z, z)
    few = y[: min(n, 20)]
    # Kinks sit at simple places: 0, the target, a unit or a field away from either.
    steps = np.array(
        [0.0, *(sign * v for v in (0.5, 1.0, 2.0, 30.0, *map(abs, _numbers(loss))) for sign in (1.0, -1.0))]
    )
    grid = np.concatenate([(few[:, None] + steps).ravel(), np.broadcast_to(steps, (few.size, steps.size)).ravel()])
    return np.concatenate([z, grid]), np.concatenate([y, np.tile(np.repeat(few, steps.size), 2)])


def _check_lower(f: Sampled, z: FloatArray, y: FloatArray) -> Finding:
    lower = f.loss.lower
    v = f("value", z, y)
    excess = np.where(np.isnan(v), np.nan, lower - v - 8 * _EPS * abs(lower) if math.isfinite(lower) else 0.0)
    least = f"least seen {np.nanmin(v):.3g}" if not np.isnan(v).all() else "always NaN"
    text = f"value >= {lower:g} as stated, {least}" if math.isfinite(lower) else f"no lower bound stated, {least}"
    return judged("lower", excess, text, f"value is NaN or below the stated lower = {lower:g}", z=z, y=y, value=v)


def _differences(g: Callable[[FloatArray], FloatArray], z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bounds on the derivative of g from its two sides, and the error that rounding and curving may bring."""
    h = np.cbrt(_EPS) * np.maximum(1.0, np.abs(z))
    at, up, down, up2, down2 = g(z), g(z + h), g(z - h), g(z + 2 * h), g(z - 2 * h)
    right, left = (up - at) / h, (at - down) / h
    near, far = (up - down) / (2 * h), (up2 - down2) / (4 * h)
    curving = np.abs((up2 - 2 * up + at) / h - (at - 2 * down + down2) / h)
    rounding = 8 * _EPS * (np.abs(at) + np.abs(up) + np.abs(down) + np.abs(near) * np.abs(z)) / h
    scale = np.nanmedian(np.abs(near[np.isfinite(near)])) if np.isfinite(near).any() else 0.0
    slack = np.abs(near - far) + np.minimum(curving, np.abs(right - left)) + rounding
    slack += 1e-7 * (np.abs(near) + scale)
    return np.minimum(left, right), np.maximum(left, right), slack


def _against_differences(f: Sampled, method: str, of: str, z: FloatArray, y: FloatArray) -> Finding:
    with np.errstate(all="ignore"):
        low, high, slack = _differences(lambda at: f(of, at, y), z)
        got = f(method, z, y)
        usable = np.isfinite(low) & np.isfinite(high) & np.isfinite(slack)
        excess = np.maximum(low - got, got - high) - slack
    excess = np.where(usable, excess, 0.0)
    size = np.maximum(np.abs(low), np.abs(high))
    # The largest relative miss, so that the sample shown is not merely the largest number.
    relative = np.where(excess > 0.0, excess / (size + np.nanmedian(size[usable]) + 1e-300), excess)
    relative = np.where(usable & np.isnan(got), np.nan, relative)
    middle = 0.5 * (low + high)
    message = f"agrees with differences of the {of} ({int(usable.sum())} samples)"
    wrong = f"differs from the differences of the {of}"
    if not usable.any():
        return Finding(method, "fail", f"the {of} is finite at no sample")
    return judged(method, relative, message, wrong, z=z, y=y, got=got, expected=middle)


def _check_slope(f: Sampled, z: FloatArray, y: FloatArray) -> Finding:
    return _against_differences(f, "slope", "value", z, y)


def _check_curvature(f: Sampled, z: FloatArray, y: FloatArray) -> Finding:
    return _against_differences(f, "curvature", "slope", z, y)


def _check_bounded(f: Sampled, y: FloatArray) -> Finding:
    few = y[:200]
    sizes = []
    for reach in (1e2, 1e4, 1e8):
        ends = np.concatenate([np.linspace(-1.0, 1.0, 41) * reach, np.linspace(-40.0, 40.0, 161)])
        sizes.append(np.abs(f("slope", ends[:, None], few[None, :])).max())
    if np.isnan(sizes).any():
        return Finding("bounded slope", "fail", "the slope is NaN at scores up to 1e+08")
    if sizes[2] <= sizes[1] * (1 + 1e-6) and math.isfinite(sizes[2]):
        return Finding("bounded slope", "pass", f"|slope| <= {sizes[2]:.6g} on scores up to 1e+08")
    return Finding("bounded slope", "note", f"not bounded: |slope| reaches {sizes[2]:.3g} at scores up to 1e+08")


def _check_convex(f: Sampled, z: FloatArray, y: FloatArray, rng: np.random.Generator) -> Finding:
    other = np.concatenate(
        [rng.permutation(z[: z.size // 2]), z[z.size // 2 :] + rng.normal(size=z.size - z.size // 2)]
    )
    middle = 0.5 * (z + other)
    with np.errstate(all="ignore"):
        va, vb, vm = (f("value", at, y) for at in (z, other, middle))
        ga, gb = f("slope", z, y), f("slope", other, y)
        usable = np.isfinite(va) & np.isfinite(vb) & np.isfinite(vm) & np.isfinite(ga) & np.isfinite(gb)
        size = np.abs(va) + np.abs(vb) + np.abs(vm)
        chord = (vm - 0.5 * (va + vb)) - 1e-13 * size
        tangent = (va + ga * (other - z) - vb) - 1e-13 * (size + np.abs(ga) * (np.abs(other) + np.abs(z)))
        excess = np.where(usable, np.maximum(chord, tangent) / (size + 1e-300), 0.0)
    holds = bool((excess <= 0.0).all())
    if f.loss.convex:
        wrong = "stated convex, but the value lies above a chord or below a tangent"
        return judged("convexity", excess, "convex as stated", wrong, z=z, other=other, y=y)
    if holds and f.loss.trainable:
        return Finding(
            "convexity", "note", "convex on the samples, not stated: 'convex = True' would allow more solvers"
        )
    return Finding("convexity", "pass", "not convex, and not stated to be")


def _pairs(z: FloatArray, rng: np.random.Generator) -> FloatArray:
    return z + rng.normal(size=z.size) * rng.choice([1e-3, 0.1, 1.0, 5.0], z.size)


def _check_smoothness(f: Sampled, z: FloatArray, y: FloatArray, rng: np.random.Generator) -> Finding:
    other = _pairs(z, rng)
    with np.errstate(all="ignore"):
        a, b = f("slope", z, y), f("slope", other, y)
        gap = np.abs(other - z)
        quotient = np.where(gap > 0.0, np.abs(a - b) / gap, 0.0)
        noise = 8 * _EPS * (np.abs(a) + np.abs(b) + np.abs(y) + np.abs(z)) / np.where(gap > 0.0, gap, 1.0)
    finite = np.isfinite(quotient)
    steepest = float(quotient[finite].max(initial=0.0))
    stated = f.loss.smoothness
    if math.isnan(stated):
        return Finding("smoothness", "note", f"not stated; the slope's Lipschitz constant is at least {steepest:.6g}")
    if math.isinf(stated):
        return Finding("smoothness", "pass", "none stated")
    excess = np.where(finite, quotient - stated * (1 + 1e-9) - noise, 0.0)
    wrong = f"the slope is steeper than the stated smoothness = {stated:.6g}: {steepest:.6g}"
    return judged("smoothness", excess, f"{steepest:.6g} seen, {stated:.6g} stated", wrong, z=z, other=other, y=y)


def _check_self_concordance(f: Sampled, z: FloatArray, y: FloatArray, rng: np.random.Generator) -> Finding:
    other = _pairs(z, rng)
    with np.errstate(all="ignore"):
        a, b = f("curvature", z, y), f("curvature", other, y)
        usable = np.isfinite(a) & np.isfinite(b) & ((a > 0.0) | (b > 0.0))
        change = np.where(usable, np.abs(np.log(a) - np.log(b)), 0.0)
        stated = f.loss.self_concordance
        allowed = stated * np.abs(other - z)
        excess = np.where(usable, change - allowed - 1e-9 * (1 + change), 0.0)
    wrong = f"log loss'' changes faster than the stated self_concordance = {stated:g}"
    return judged("self-concordance", excess, f"within the stated {stated:g}", wrong, z=z, other=other, y=y)


def _check_conjugate(f: Sampled, z: FloatArray, y: FloatArray, rng: np.random.Generator) -> list[Finding]:
    with np.errstate(all="ignore"):
        v, s = f("value", z, y), f("slope", z, y)
        c = f("conjugate", s, y)
        usable = np.isfinite(v) & np.isfinite(s)
        size = np.abs(v) + np.abs(s * z) + np.abs(s * y) + np.abs(np.where(np.isfinite(c), c, 0.0)) + np.abs(y)
        excess = np.where(usable, (np.abs(v + c - s * z) - 1e-10 * size - 1e-13) / (size + 1e-300), 0.0)
    tight = judged(
        "conjugate",
        excess,
        "value + conjugate = slope z at u = slope(z)",
        "value(z) + conjugate(slope(z)) is not slope(z) z",
        z=z,
        y=y,
        u=s,
        value=v,
        conjugate=c,
    )
    # Any u against any z, far ones too: where the conjugate is finite although the supremum is not, this shows it.
    u = np.where(rng.random(z.size) < 0.5, rng.permutation(s), rng.normal(0.0, 2.0, z.size))
    u = np.where(np.isfinite(u), u, 0.0)
    far = np.where(rng.random(z.size) < 0.5, z, z * rng.choice([1.0, 1e2, 1e5], z.size))
    with np.errstate(all="ignore"):
        v, c = f("value", far, y), f("conjugate", u, y)
        usable = ~(np.isinf(c) & (c > 0.0)) & ~(np.isinf(v) & (v > 0.0))
        size = np.abs(v) + np.abs(c) + np.abs(u * far) + np.abs(u * y)
        excess = np.where(usable, (u * far - v - c - 1e-12 * size) / (size + 1e-300), 0.0)
    bound = judged(
        "Fenchel-Young",
        excess,
        "value(z) + conjugate(u) >= u z",
        "value(z) + conjugate(u) < u z: the conjugate is too small, or should be inf here",
        z=far,
        y=y,
        u=u,
        conjugate=c,
    )
    return [tight, bound]


def _check_plain(f: Sampled, z: FloatArray, y: FloatArray) -> Finding:
    few = np.concatenate([np.arange(min(z.size, 50)), np.arange(max(z.size - 50, 0), z.size)])
    worst, at = 0.0, -1
    for method in ("value", "slope", "curvature", "conjugate"):
        if not has(f.loss, method):
            continue
        compiled = f(method, z[few], y[few])
        for i, j in enumerate(few):
            try:
                plain = float(getattr(f.loss, method)(float(z[j]), float(y[j])))
            except (OverflowError, ZeroDivisionError, ValueError):
                continue  # plain Python raises where compiled code gives inf or NaN
            except Exception as error:
                text = f"{method} runs compiled, but plain Python raises {type(error).__name__}: {error}"
                return Finding("plain Python", "fail", text, {"z": z[j].item(), "y": y[j].item()})
            if math.isfinite(plain) and math.isfinite(compiled[i]):
                miss = abs(plain - compiled[i]) / (abs(plain) + 1e-6)
            else:
                same = plain == compiled[i] or (math.isnan(plain) and math.isnan(compiled[i]))
                miss = 0.0 if same else math.inf
            if miss > worst:
                worst, at = miss, int(j)
    if worst > 1e-9:
        return Finding(
            "plain Python", "fail", "compiled and plain Python differ", {"z": z[at].item(), "y": y[at].item()}
        )
    return Finding("plain Python", "pass", "compiled and plain Python agree")
