"""Charts as SVG text: lines, bars and points, with axes, ticks, a legend and a description.

Colours come from the classes of the page's style sheet, so that the charts follow light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from steepest.protocols import FloatArray

WIDTH, HEIGHT = 440, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 26, 52, 44
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Series(NamedTuple):
    """Points of one curve; ``style`` is a class of the style sheet: "main", "second", "chance", "bound" or "asked"."""

    name: str
    x: FloatArray
    y: FloatArray
    style: str = "main"


class Axis(NamedTuple):
    """An axis from ``low`` to ``high``, its ticks and their labels."""

    low: float
    high: float
    log: bool
    ticks: list[float]
    labels: list[str]

    def place(self, values: FloatArray | float) -> FloatArray:
        """Where values lie, 0 at the low end and 1 at the high."""
        v = np.asarray(values, dtype=np.float64)
        if self.log:
            return (np.log10(v) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (v - self.low) / (self.high - self.low)


def linear_axis(low: float, high: float, count: int = 5, *, tight: bool = False) -> Axis:
    """About ``count`` ticks at 1, 2 or 5 times a power of ten; the ends are ticks, or the data if ``tight``.

    >>> linear_axis(0.0, 97.0).labels
    ['0', '20', '40', '60', '80', '100']
    """
    if not high > low:
        pad = abs(low) * 0.5 or 1.0
        low, high = low - pad, high + pad
    size = max(abs(low), abs(high))
    if high - low < max(1e-12 * size, 1e-290):  # too close for ticks of their own
        pad = max(1e-6 * size, 1e-280)
        low, high = low - pad, high + pad
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    if tight:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    else:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [k * step for k in range(first, last + 1)]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    big = max(abs(ticks[0]), abs(ticks[-1]))
    if big >= 1e6 or (decimals > 6 and big < 1e-3):
        labels = [f"{tick:.3g}" for tick in ticks]
    else:
        labels = [f"{tick + 0.0:,.{decimals}f}" for tick in ticks]  # no minus before a zero
    return Axis(low, high, False, ticks, labels) if tight else Axis(ticks[0], ticks[-1], False, ticks, labels)


def log_axis(low: float, high: float, count: int = 6) -> Axis:
    """Ticks at powers of ten, thinned to at most about ``count``; the ends are powers of ten."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    if last == first:
        last += 1
    step = max(1, math.ceil((last - first) / count))
    powers = list(range(first, last + 1, step))
    labels = [f"10{str(p).translate(_SUPERSCRIPT)}" if abs(p) > 2 else f"{10.0**p:g}" for p in powers]
    return Axis(10.0**first, 10.0**last, True, [10.0**p for p in powers], labels)


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    unit: bool = False,
    describe: str = "",
) -> str:
    """Curves in one frame; points that are not finite (or not positive on a log axis) are left out.

    ``unit`` frames both axes from 0 to 1, for shares.
    """
    kept = []
    for curve in series:
        good = np.isfinite(curve.x) & np.isfinite(curve.y) & ((curve.y > 0) | (not log_y))
        if good.any():
            kept.append(curve._replace(x=curve.x[good], y=curve.y[good]))
    if not kept:
        return ""
    every_x, every_y = (np.concatenate([getattr(curve, axis) for curve in kept]) for axis in ("x", "y"))
    x_axis = linear_axis(min(0.0, float(every_x.min())), float(every_x.max()) or 1.0, tight=True)
    y_axis = (log_axis if log_y else linear_axis)(float(every_y.min()), float(every_y.max()))
    if unit:
        x_axis = y_axis = linear_axis(0.0, 1.0)
    px, py = scales(x_axis, y_axis)
    body = [frame(x_axis, y_axis, x_label, y_label)]
    for curve in kept:
        if curve.style in ("bound", "asked"):  # a level, drawn across the whole frame
            y = py(curve.y)[0]
            body.append(f'<path class="{curve.style}" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
            continue
        thin = _thin(len(curve.x))
        points = list(zip(px(curve.x[thin]), py(curve.y[thin]), strict=True))
        if len(points) > 1:
            body.append(f'<path class="{curve.style}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}"/>')
        if len(points) <= 40 and curve.style != "chance":
            body += [f'<circle class="{curve.style}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in points]
    return wrap(title, describe or f"{y_label} against {x_label}", body, legend=kept if len(kept) > 1 else ())


def scatter_chart(
    x: FloatArray,
    y: FloatArray,
    *,
    title: str,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    describe: str = "",
) -> str:
    """Points, and the line y = 0, or the line y = x."""
    x_axis = linear_axis(float(x.min()), float(x.max()))
    floor, top = (float(y.min()), float(y.max())) if diagonal else (min(0.0, float(y.min())), max(0.0, float(y.max())))
    y_axis = linear_axis(floor, top)
    px, py = scales(x_axis, y_axis)
    body = [frame(x_axis, y_axis, x_label, y_label)]
    if diagonal:
        ends = np.array([max(x_axis.low, y_axis.low), min(x_axis.high, y_axis.high)])
        if ends[1] > ends[0]:
            (a, b), (c, d) = px(ends), py(ends)
            body.append(f'<path class="zero" d="M{a:.1f} {c:.1f}L{b:.1f} {d:.1f}"/>')
    else:
        body.append(f'<path class="zero" d="M{_LEFT} {py(np.zeros(1))[0]:.1f}H{WIDTH - _RIGHT}"/>')
    body += [f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="2.4"/>' for a, b in zip(px(x), py(y), strict=True)]
    return wrap(title, describe or f"{y_label} against {x_label}", body)


def brief(value: float) -> str:
    """Three digits, and no exponent where a person would write none.

    >>> brief(72512.3), brief(-0.01234), brief(3.2e9)
    ('72,512', '-0.0123', '3.2e+09')
    """
    return f"{value:,.0f}" if 1000.0 <= abs(value) < 1e7 else f"{value:.3g}"


def bar_chart(
    names: Sequence[str],
    values: FloatArray,
    *,
    title: str,
    describe: str = "",
    scale: float = 0.0,
    signed: bool = True,
) -> str:
    """Horizontal bars from a common zero, one line each: name, bar, number.

    ``scale`` is the value of the longest possible bar, for charts that are to be compared; 0 takes the largest.
    Bars are coloured by their sign unless all are of one kind, ``signed=False``.
    """
    top, line, left, right = 34, 20, 184, 74
    height = top + line * len(names) + 6
    low, high = (1.0 if (values < 0).any() else 0.0), (1.0 if (values > 0).any() else 0.0)
    scale = max(scale, float(np.abs(values).max(initial=0.0))) or 1.0
    unit = (WIDTH - left - right) / ((low + high or 1.0) * scale)
    zero = left + low * scale * unit
    body = [f'<path class="axis" d="M{zero:.1f} {top - 4}V{height - 4}"/>']
    for row, (name, value) in enumerate(zip(names, values.tolist(), strict=True)):
        y = top + line * row
        start, size = (zero, value * unit) if value >= 0 else (zero + value * unit, -value * unit)
        kind = "main" if not signed else "plus" if value >= 0 else "minus"
        short = name if len(name) <= 22 else f"{name[:10]}…{name[-11:]}"  # names of one column differ at their ends
        body.append(
            f'<g><title>{escape(name)}: {value:.6g}</title><text class="tick" x="{left - 8}" y="{y + 13}" '
            f'text-anchor="end">{escape(short)}</text><rect class="{kind}" '
            f'x="{start:.1f}" y="{y + 2}" width="{size:.1f}" height="{line - 6}"/>'
            f'<text class="tick" x="{WIDTH - 6}" y="{y + 13}" text-anchor="end">{brief(value)}</text></g>'
        )
    listing = describe or "; ".join(f"{name} {value:.3g}" for name, value in zip(names, values.tolist(), strict=True))
    return wrap(title, listing, body, height=height)


def scales(x_axis: Axis, y_axis: Axis) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    """From values to pixels, across and down."""
    wide, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    return lambda v: _LEFT + wide * x_axis.place(v), lambda v: _TOP + high * (1.0 - y_axis.place(v))


def frame(x_axis: Axis, y_axis: Axis, x_label: str, y_label: str) -> str:
    """Axes with ticks and labels, and the lines of a grid."""
    px, py = scales(x_axis, y_axis)
    bottom = HEIGHT - _BOTTOM
    out = []
    for value, label in zip(y_axis.ticks, y_axis.labels, strict=True):
        y = float(py(np.array(value)))
        out.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        out.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for value, label in zip(x_axis.ticks, x_axis.labels, strict=True):
        x = float(px(np.array(value)))
        out.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        out.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{label}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    out.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{WIDTH - _RIGHT}"/>')
    out.append(f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    return "".join(out)


def wrap(title: str, describe: str, body: list[str], *, legend: Sequence[Series] = (), height: int = HEIGHT) -> str:
    """The whole picture: title, description, legend and what was drawn."""
    key, x = [], float(_LEFT)
    for curve in legend:
        key.append(f'<path class="{curve.style}" d="M{x:.0f} 35h18"/>')
        key.append(f'<text class="tick" x="{x + 23:.0f}" y="39">{escape(curve.name)}</text>')
        x += 23 + 6.2 * len(curve.name) + 16
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title><desc>{escape(describe)}</desc>"
        f'<text class="title" x="6" y="18">{escape(title)}</text>{"".join(key)}{"".join(body)}</svg>'
    )


def _thin(size: int, most: int = 800) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """At most ``most`` positions of a curve, the first and the last among them."""
    if size <= most:
        return np.arange(size)
    return np.unique(np.linspace(0, size - 1, most).round().astype(np.int64))
