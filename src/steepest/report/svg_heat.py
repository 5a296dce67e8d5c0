"""A heat map as SVG text: rows by name, time across, colours by a norm; the key below, last numbers at the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from steepest.protocols import FloatArray
from steepest.report.picture import data_address
from steepest.report.svg import Axis, linear_axis, log_axis

WIDTH = 440
_LEFT, _RIGHT, _TOP = 62, 62, 34
_ROW = 22.0
_HIGHEST = 300.0  # of all rows together
_LABEL = 13.0  # pixels that a name needs
# From dark to light, even to the eye and to readers who see no red or green.
_COLOURS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
_TABLE = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in _COLOURS], dtype=np.float64)


def colours(shares: FloatArray) -> NDArray[np.uint8]:
    """RGBA pixels of shares from 0 to 1; clear where there is no number.

    >>> import numpy as np
    >>> colours(np.array([0.0, np.nan])).tolist()
    [[68, 1, 84, 255], [0, 0, 0, 0]]
    """
    out = np.zeros((*shares.shape, 4), dtype=np.uint8)
    good = np.isfinite(shares)
    at = np.clip(shares[good], 0.0, 1.0) * (len(_TABLE) - 1)
    for channel in range(3):
        out[good, channel] = np.rint(np.interp(at, np.arange(len(_TABLE)), _TABLE[:, channel]))
    out[good, 3] = 255
    return out


def heat_map(
    names: Sequence[str],
    values: FloatArray,
    steps: FloatArray,
    *,
    title: str,
    x_label: str,
    log: bool = True,
    unit: bool = False,
    describe: str = "",
) -> str:
    """One row a name, the last at the top; "" where there is nothing to draw.

    Parameters
    ----------
    names : sequence of str
        Of length k.
    values : array of shape (t, k)
        What is not finite, and on a logarithmic scale not positive, is left clear.
    steps : array of shape (t + 1,)
        Where each column begins, and where the last one ends; evenly spaced.
    title, x_label, describe : str
    log : bool
    unit : bool
        Colours from 0 to 1, for shares.
    """
    shown = np.where(np.isfinite(values) & ((values > 0.0) | (not log)), values, np.nan)
    seen = shown[np.isfinite(shown)]
    if not seen.size:
        return ""
    low, high = (0.0, 1.0) if unit else (float(seen.min()), float(seen.max()))
    if not high > low:
        low, high = (low / 3.0, high * 3.0) if log else (low - 0.5, high + 0.5)
    scale = Axis(low, high, log, [], [])
    row = min(_ROW, _HIGHEST / len(names))
    tall, right = row * len(names), WIDTH - _RIGHT
    bottom = _TOP + tall
    wide = right - _LEFT
    picture = data_address(np.ascontiguousarray(colours(scale.place(shown)).transpose(1, 0, 2)[::-1]))
    body = [
        f'<image x="{_LEFT}" y="{_TOP}" width="{wide}" height="{tall:.1f}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="{picture}"/>',
        f'<rect class="grid" fill="none" x="{_LEFT}" y="{_TOP}" width="{wide}" height="{tall:.1f}"/>',
    ]
    every = max(1, math.ceil(_LABEL / row))
    for k, name in enumerate(names):
        middle = bottom - (k + 0.5) * row + 4
        last = values[:, k][np.isfinite(values[:, k])]
        if k % every and k != len(names) - 1:
            continue
        said = f"{last[-1]:.2g}" if last.size else "–"
        body.append(f'<text class="tick" x="{_LEFT - 6}" y="{middle:.1f}" text-anchor="end">{escape(name)}</text>')
        body.append(f'<text class="tick" x="{right + 6}" y="{middle:.1f}">{said}</text>')
    body.append(f'<text class="tick" x="{right + 6}" y="{_TOP - 4}">last</text>')
    across = linear_axis(float(steps[0]), float(steps[-1]), tight=True)
    for value, label in zip(across.ticks, across.labels, strict=True):
        x = _LEFT + wide * float(across.place(value))
        body.append(f'<path class="axis" d="M{x:.1f} {bottom:.1f}v4"/>')
        body.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">{label}</text>')
    at = f'x="{_LEFT + wide / 2}" y="{bottom + 33:.1f}"'
    body.append(f'<text class="label" {at} text-anchor="middle">{escape(x_label)}</text>')
    body.append(_key(scale, bottom + 44, wide))
    height = round(bottom + 78)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title><desc>{escape(describe or title)}</desc>"
        f'<text class="title" x="6" y="18">{escape(title)}</text>{"".join(body)}</svg>'
    )


def _key(scale: Axis, y: float, wide: int) -> str:
    """The colours with some of their numbers."""
    ramp = data_address(colours(np.linspace(0.0, 1.0, 128)[None, :]))
    out = [
        f'<image x="{_LEFT}" y="{y:.1f}" width="{wide}" height="9" preserveAspectRatio="none" href="{ramp}"/>',
    ]
    for value, label in _ticks(scale):
        x = _LEFT + wide * float(scale.place(value))
        out.append(f'<path class="axis" d="M{x:.1f} {y + 9:.1f}v4"/>')
        out.append(f'<text class="tick" x="{x:.1f}" y="{y + 25:.1f}" text-anchor="middle">{label}</text>')
    return "".join(out)


def _ticks(scale: Axis) -> list[tuple[float, str]]:
    """Round numbers within the scale; its ends where there are none."""
    axis = log_axis(scale.low, scale.high) if scale.log else linear_axis(scale.low, scale.high, 4)
    ticks = zip(axis.ticks, axis.labels, strict=True)
    inside = [(value, label) for value, label in ticks if -1e-9 <= float(scale.place(value)) <= 1.0 + 1e-9]
    if scale.log and len(inside) < 2:
        return [(scale.low, f"{scale.low:.2g}"), (scale.high, f"{scale.high:.2g}")]
    return inside
