"""`check_loss` for losses of a score vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.jit import kernel
from steepest.losses.checks import Finding, LossReport, judged
from steepest.losses.registry import conjugate, has, value_slope
from steepest.protocols import AnyArray, FloatArray

_EPS = 2.0**-52


@kernel
def _value_slopes(loss: Any, z: FloatArray, y: AnyArray, values: FloatArray, out: FloatArray) -> None:
    for i in range(z.shape[0]):
        values[i] = value_slope(loss, z[i], y[i], out[i])


@kernel
def _conjugates(loss: Any, u: FloatArray, y: AnyArray, values: FloatArray) -> None:
    for i in range(u.shape[0]):
        values[i] = conjugate(loss, u[i], y[i])


class _Sampled:
    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __call__(self, z: FloatArray, y: AnyArray) -> tuple[FloatArray, FloatArray]:
        values, out = np.empty(z.shape[0]), np.empty(z.shape)
        with np.errstate(all="ignore"):
            _value_slopes(self.loss, np.array(z), y, values, out)
        return values, out

    def conjugate(self, u: FloatArray, y: AnyArray) -> FloatArray:
        values = np.empty(u.shape[0])
        with np.errstate(all="ignore"):
            _conjugates(self.loss, np.array(u), y, values)
        return values


def check_vector(loss: Any, n_samples: int, rng: np.random.Generator) -> LossReport:
    """The checks of `steepest.check_loss` along random directions, for class indices and for soft labels."""
    f = _Sampled(loss)
    findings: list[Finding] = []
    fixed = getattr(loss, "n_scores", 0)  # of a loss that is given for one number of classes
    for k in (fixed,) if fixed else (2, 5):
        z = rng.normal(size=(n_samples, k)) * rng.choice([0.1, 1.0, 10.0, 1e4], (n_samples, 1))
        findings += _checks(f, z, rng.integers(0, k, n_samples), f" (k = {k})", rng)
    soft = rng.dirichlet(np.ones(fixed or 4), n_samples)
    z = rng.normal(size=soft.shape) * rng.choice([0.1, 1.0, 10.0], (n_samples, 1))
    try:
        f(z[:1], soft[:1])
    except Exception as error:
        text = f"no targets that are distributions ({type(error).__name__}); class indices only"
        findings.append(Finding("soft labels", "note", text))
    else:
        findings += _checks(f, z, soft, " (soft)", rng)
    return LossReport(loss, 3 * n_samples, tuple(findings))


def _checks(f: _Sampled, z: FloatArray, y: AnyArray, tag: str, rng: np.random.Generator) -> list[Finding]:
    loss = f.loss
    n, k = z.shape
    v, g = f(z, y)
    rows = np.arange(n)
    lower = loss.lower if math.isfinite(loss.lower) else -np.inf
    below = np.where(np.isnan(v), np.nan, np.where(np.isfinite(lower), lower - v, 0.0))
    out = [
        judged(
            f"lower{tag}", below, f"value >= {loss.lower:g}", f"value is NaN or below {loss.lower:g}", row=rows, value=v
        )
    ]

    d = rng.normal(size=(n, k))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    size = np.maximum(1.0, np.abs(z).max(axis=1))
    h = np.cbrt(_EPS) * size
    up, down = f(z + h[:, None] * d, y)[0], f(z - h[:, None] * d, y)[0]
    right, left, got = (up - v) / h, (v - down) / h, (g * d).sum(axis=1)
    slack = 1e-7 * (1.0 + np.abs(got)) + 16 * _EPS * (np.abs(v) + size * (1.0 + np.abs(got))) / h + np.abs(right - left)
    miss = np.maximum(np.minimum(left, right) - got, got - np.maximum(left, right)) - slack
    text = "agrees with differences of the value"
    out.append(judged(f"slope{tag}", miss, text, "differs from the differences of the value", z=z, slope=g))

    step = rng.choice([1e-2, 1.0, 10.0], (n, 1)) * rng.normal(size=(n, k))
    vb, gb = f(z + step, y)
    tangent = v + (g * step).sum(axis=1) - vb
    noise = 1e-13 * (np.abs(v) + np.abs(vb) + np.abs(z).max(axis=1) + np.abs(step).sum(axis=1))
    holds = bool((tangent <= noise).all())
    if loss.convex:
        wrong = "stated convex, but the value lies below a tangent"
        out.append(judged(f"convexity{tag}", tangent - noise, "convex as stated", wrong, z=z, other=z + step))
    elif holds:
        out.append(Finding(f"convexity{tag}", "note", "convex on the samples, not stated"))
    else:
        out.append(Finding(f"convexity{tag}", "pass", "not convex, and not stated to be"))

    length = np.linalg.norm(step, axis=1)
    quotient = np.linalg.norm(gb - g, axis=1) / length
    if math.isfinite(loss.smoothness):
        excess = quotient - loss.smoothness * (1 + 1e-9) - 16 * k * _EPS * size / length
        seen = f"{quotient.max():.6g} seen, {loss.smoothness:.6g} stated"
        out.append(judged(f"smoothness{tag}", excess, seen, f"steeper than stated: {seen}", z=z, other=z + step))
    else:
        out.append(Finding(f"smoothness{tag}", "note", f"not stated; at least {quotient.max():.6g}"))

    if has(loss, "conjugate"):
        c = f.conjugate(g, y)
        inner = (g * z).sum(axis=1)
        tolerance = 1e-12 * (1.0 + np.abs(v) + np.abs(z).max(axis=1) * k)
        wrong = "value(z) + conjugate(slope(z)) is not slope(z).z"
        equal = "value + conjugate = slope.z at u = slope(z)"
        out.append(judged(f"conjugate{tag}", np.abs(v + c - inner) - tolerance, equal, wrong, z=z, u=g))
        other = gb[rng.permutation(n)] if y.ndim == 2 else gb
        c = f.conjugate(other, y)
        usable = ~(np.isinf(c) & (c > 0.0))
        excess = np.where(usable, (other * z).sum(axis=1) - v - c - tolerance, 0.0)
        wrong = "value(z) + conjugate(u) < u.z: the conjugate is too small, or should be inf here"
        out.append(judged(f"Fenchel-Young{tag}", excess, "value(z) + conjugate(u) >= u.z", wrong, z=z, u=other))
    return out
