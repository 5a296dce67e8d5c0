"""A chart of many curves as SVG text: both axes logarithmic, each curve named at its end.

Colours are classes, ``c0`` to ``c6``, whose rules (`CURVES`) follow light, dark and print; dashes tell equal colours
apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from steepest.protocols import AnyArray, FloatArray
from steepest.report.labels import COLOURS, darker, spread, style

WIDTH, HEIGHT = 560, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 148, 36, 44
_LINE = 14.5  # pixels from one name to the next
_POINTS_MOST = 400
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _lighter(colour: str) -> str:
    """Half way to a light grey: for a dark page."""
    return "#" + "".join(f"{(int(colour[k : k + 2], 16) + 200) // 2:02x}" for k in (1, 3, 5))


def _rules(colours: Sequence[str], words: Sequence[str], before: str = "") -> str:
    rules = [f"{before}svg path.c{i}, {before}svg circle.c{i} {{ stroke: {c}; }}" for i, c in enumerate(colours)]
    rules += [f"{before}svg circle.c{i} {{ fill: {c}; }}" for i, c in enumerate(colours)]
    return "\n".join([*rules, *(f"{before}svg text.c{i} {{ fill: {c}; }}" for i, c in enumerate(words))])


_LIGHT = _rules(COLOURS, [darker(colour) for colour in COLOURS])
_DARK = _rules([_lighter(colour) for colour in COLOURS], [_lighter(colour) for colour in COLOURS])

#: Rules of the style sheet that these charts need.
CURVES = (
    f"svg path.curve {{ stroke-width: 1.9; stroke-linejoin: round; }}\n"
    f"svg path.leader {{ stroke-width: .8; opacity: .55; }}\nsvg text.failed {{ font-style: italic; }}\n"
    f"{_LIGHT}\n@media (prefers-color-scheme: dark) {{ {_DARK} }}\n@media print {{ {_LIGHT} }}\n"
)


class Line(NamedTuple):
    """A curve of positive numbers; ``passed`` is False for one that did not arrive."""

    name: str
    x: FloatArray
    y: FloatArray
    passed: bool = True


class _Log(NamedTuple):
    low: float
    high: float
    ticks: list[float]

    def place(self, value: FloatArray | float) -> FloatArray:
        span = math.log10(self.high) - math.log10(self.low)
        return np.asarray((np.log10(value) - math.log10(self.low)) / span, dtype=np.float64)


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Powers of ten between two positive numbers, thinned to ``most``; with 2 and 5 times them on a short axis.

    >>> log_ticks(0.7, 30.0)
    [1.0, 2.0, 5.0, 10.0, 20.0]
    >>> log_ticks(1e-9, 1.0, 5)
    [1e-08, 1e-06, 0.0001, 0.01, 1.0]
    """
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    if high <= 100.0 * low:
        every = [float(f"{m}e{p}") for p in range(first, last + 1) for m in (1, 2, 5)]
    else:
        step = max(1, math.ceil((last - first) / most))
        every = [float(f"1e{p}") for p in range(last, first - 1, -step)][::-1]
    inside = [tick for tick in every if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return inside or [low, high]


def _labels(ticks: Sequence[float]) -> list[str]:
    """As powers of ten, where numbers in full would be long."""
    powers = [round(math.log10(tick)) for tick in ticks]
    exact = all(math.isclose(tick, 10.0**power) for tick, power in zip(ticks, powers, strict=True))
    if exact and max(abs(power) for power in powers) > 3:
        return [f"10{str(power).translate(_SUPERSCRIPT)}" if power else "1" for power in powers]
    return [f"{tick:,.4g}" for tick in ticks]


def _axis(values: FloatArray, pad: float) -> _Log:
    low, high = math.log10(float(values.min())), math.log10(float(values.max()))
    room = max(pad * (high - low), 0.08)
    bottom, top = 10.0 ** (low - room), 10.0 ** (high + room)
    return _Log(bottom, top, log_ticks(bottom, top))


def curve_chart(
    lines: Sequence[Line], *, title: str, x_label: str, y_label: str, level: float | None = None, describe: str = ""
) -> str:
    """Curves in one frame, named at their right ends; "" where there is nothing to draw.

    Parameters
    ----------
    lines : sequence of Line
        Numbers that are not positive and finite are left out.
    title, x_label, y_label, describe : str
    level : float, optional
        What was asked for, drawn across.
    """
    kept = []
    for i, line in enumerate(lines):
        good = np.isfinite(line.x) & np.isfinite(line.y) & (line.x > 0.0) & (line.y > 0.0)
        if good.any():
            kept.append((i, line._replace(x=line.x[good], y=line.y[good])))
    if not kept:
        return ""
    levels = [] if level is None else [np.array([level])]
    xs = _axis(np.concatenate([line.x for _, line in kept]), 0.02)
    ys = _axis(np.concatenate([*(line.y for _, line in kept), *levels]), 0.03)
    wide = WIDTH - _LEFT - _RIGHT
    height = max(HEIGHT, _TOP + _BOTTOM + int(_LINE * len(kept)))
    bottom = height - _BOTTOM
    tall = bottom - _TOP

    def px(values: FloatArray) -> FloatArray:
        return _LEFT + wide * xs.place(values)

    def py(values: FloatArray) -> FloatArray:
        return _TOP + tall * (1.0 - ys.place(values))

    right = WIDTH - _RIGHT
    body = [f'<text class="title" x="6" y="18">{escape(title)}</text>']
    for tick, label in zip(ys.ticks, _labels(ys.ticks), strict=True):
        y = float(py(np.array(tick)))
        body.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        body.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for tick, label in zip(xs.ticks, _labels(xs.ticks), strict=True):
        x = float(px(np.array(tick)))
        body.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        body.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{label}</text>')
    body.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    middle = (_LEFT + right) / 2
    body.append(f'<text class="label" x="{middle}" y="{height - 6}" text-anchor="middle">{escape(x_label)}</text>')
    if level is not None:
        y = float(py(np.array(level)))
        body.append(f'<path class="chance" d="M{_LEFT} {y:.1f}H{right}"/>')
        body.append(f'<text class="tick" x="{_LEFT + 5}" y="{y - 5:.1f}">asked: {level:g}</text>')
    ends = []
    for i, line in kept:
        thin = _thin(len(line.x))
        points = list(zip(px(line.x[thin]), py(line.y[thin]), strict=True))
        body.append(_curve(i, line, points))
        ends.append(points[-1])
    places = spread([(end[1] - _TOP) / tall for end in ends], _LINE / tall)
    for (i, line), (x, y), place in zip(kept, ends, places, strict=True):
        colour, at = i % len(COLOURS), _TOP + tall * place
        body.append(f'<path class="leader c{colour}" d="M{x:.1f} {y:.1f}L{right + 8} {at:.1f}"/>')
        short = line.name if len(line.name) <= 22 else f"{line.name[:21]}…"
        kind = "" if line.passed else " failed"
        body.append(f'<text class="c{colour}{kind}" x="{right + 11}" y="{at + 4:.1f}">{escape(short)}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title><desc>{escape(describe or f'{y_label} against {x_label}')}</desc>"
        f"{''.join(body)}</svg>"
    )


def _curve(i: int, line: Line, points: list[tuple[float, float]]) -> str:
    colour, (_, dashes) = i % len(COLOURS), style(i)
    dashed = f' stroke-dasharray="{" ".join(f"{2 * part:g}" for part in dashes)}"' if dashes else ""
    way = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    x, y = points[-1]
    return (
        f'<g><title>{escape(line.name)}</title><path class="curve c{colour}"{dashed} d="M{way}"/>'
        f'<circle class="c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="2.8"/></g>'
    )


def _thin(size: int) -> AnyArray:
    """At most `_POINTS_MOST` positions, close together at first, as a logarithmic axis shows them."""
    if size <= _POINTS_MOST:
        return np.arange(size)
    even = np.geomspace(1.0, float(size), _POINTS_MOST).astype(np.int64) - 1
    return np.unique(np.append(even, size - 1))
