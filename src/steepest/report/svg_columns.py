"""Histograms as SVG text: stacked columns over equal bins, with levels across."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from steepest.protocols import AnyArray, FloatArray
from steepest.report.svg import Axis, Series, frame, linear_axis, scales, wrap

_GAP = 0.6  # pixels between two columns


class Group(NamedTuple):
    """Counts a bin; ``style`` is a class of the style sheet, "main" or "second"."""

    name: str
    counts: AnyArray
    style: str = "main"


def column_chart(
    bins: FloatArray,
    groups: Sequence[Group],
    *,
    title: str,
    x_label: str,
    levels: Sequence[float] = (),
    describe: str = "",
) -> str:
    """Columns of the groups on top of each other.

    Parameters
    ----------
    bins : array of shape (m + 1,)
        Edges.
    groups : sequence of Group
        With m counts each.
    title, x_label, describe : str
    levels : sequence of float
        Vertical lines.
    """
    stacked = np.zeros(len(bins) - 1)
    top = float(np.sum([group.counts for group in groups], axis=0).max(initial=1.0))
    x_axis = linear_axis(float(bins[0]), float(bins[-1]), tight=True)
    y_axis = linear_axis(0.0, max(top, 1.0))
    whole = [i for i, tick in enumerate(y_axis.ticks) if abs(tick - round(tick)) < 1e-9]  # rows are whole
    y_axis = Axis(y_axis.low, y_axis.high, False, [y_axis.ticks[i] for i in whole],
                  [f"{round(y_axis.ticks[i]):,}" for i in whole])  # fmt: skip
    px, py = scales(x_axis, y_axis)
    body = [frame(x_axis, y_axis, x_label, "rows")]
    left, right = px(bins[:-1]), px(bins[1:])
    for group in groups:
        below, above = py(stacked), py(stacked + group.counts)
        for i in np.flatnonzero(group.counts).tolist():
            said = f"{group.name}: {int(group.counts[i]):,} from {bins[i]:.4g} to {bins[i + 1]:.4g}"
            body.append(
                f'<g><title>{escape(said)}</title><rect class="{group.style}" x="{left[i] + _GAP / 2:.2f}" '
                f'y="{above[i]:.2f}" width="{max(right[i] - left[i] - _GAP, 0.8):.2f}" '
                f'height="{max(below[i] - above[i], 0.8):.2f}"/></g>'
            )
        stacked = stacked + group.counts
    low, high = py(np.array([y_axis.low, y_axis.high]))
    for level in levels:
        x = float(px(np.array(level)))
        body.append(f'<path class="level" d="M{x:.1f} {high:.1f}V{low:.1f}"/>')
    nothing = np.empty(0)
    key = [Series(group.name, nothing, nothing, group.style) for group in groups] if len(groups) > 1 else []
    return wrap(title, describe or f"{x_label}, {title}", body, legend=key)
