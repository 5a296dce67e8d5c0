"""How `MarginDisplay` draws: a plane with a boundary, a tube, and histograms of scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.protocols import AnyArray, FloatArray
from steepest.report.margins import SLACK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from steepest.report.display_margin import MarginDisplay

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "0.15"
PAD = 0.08  # of the rows' extent, around them
SQUARE = 4.0  # extents whose ratio is below are drawn to scale, so that distances can be seen
BINS = 40
_RING = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.1}
_HALO = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}


def draw_plane(display: MarginDisplay, ax: Axes, slacks: bool, width: bool, legend: bool) -> None:
    """Two features: regions, lines, rows, support vectors and slacks."""
    X = np.asarray(display.X.toarray() if hasattr(display.X, "toarray") else display.X)
    frame = _frame(ax, X)
    if len(display.coef) == 1:
        _halves(display, ax, frame, legend)
    else:
        _regions(display, ax, frame)
    n = len(X)
    size, cut = 26.0 if n <= 400 else 12.0, 0
    if slacks and len(display.coef) == 1:
        cut = _segments(display, ax, X)
    for code, name in enumerate(display.classes):
        mine = display.codes == code
        ax.scatter(
            *X[mine].T, s=size, marker=MARKERS[code % len(MARKERS)], color=display.colour(code), linewidths=0,
            alpha=0.9, label=name, zorder=3,
        )  # fmt: skip
    rows = X[display.support_]
    ax.scatter(*rows.T, s=2.3 * size, label=f"support vectors ({len(rows)})", zorder=4, **_RING)
    if cut:
        ax.plot([], [], color="0.5", linewidth=0.9, label=f"slacks ({cut})")
    if width and len(display.coef) == 1 and math.isfinite(display.margin):
        _width(display, ax, frame, X)
    names = display.names if len(display.names) == 2 else ["first feature", "second feature"]
    ax.set(xlim=frame[:2], ylim=frame[2:], xlabel=names[0], ylabel=names[1])
    if legend:
        ax.legend(fontsize="small", framealpha=0.9, edgecolor="0.85", loc="best")


def _frame(ax: Axes, X: FloatArray) -> FloatArray:
    low, high = X.min(axis=0), X.max(axis=0)
    wide = np.where(high > low, high - low, max(float((high - low).max()), 1.0))
    if max(wide) < SQUARE * min(wide):
        wide = np.maximum(wide, 0.5 * wide.max())
        ax.set_aspect("equal")
    middle = 0.5 * (low + high)
    reach = (0.5 + PAD) * wide
    return np.array([middle[0] - reach[0], middle[0] + reach[0], middle[1] - reach[1], middle[1] + reach[1]])


def _line(w: FloatArray, level: float, frame: FloatArray) -> FloatArray | None:
    """The two points in which ``w.x = level`` leaves the frame; None where it does not pass through."""
    found: list[tuple[float, float]] = []
    for axis in (0, 1):
        other = 1 - axis
        if w[other] == 0.0:
            continue
        for end in frame[2 * axis : 2 * axis + 2]:
            at = (level - w[axis] * end) / w[other]
            low, high = frame[2 * other : 2 * other + 2]
            slack = 1e-9 * (high - low)
            if low - slack <= at <= high + slack:
                found.append((float(end), float(at)) if axis == 0 else (float(at), float(end)))
    if len(found) < 2:
        return None
    points = np.array(found)
    far = np.unravel_index(np.argmax(((points[:, None] - points[None]) ** 2).sum(axis=2)), (len(points), len(points)))
    ends = points[list(far)]
    return ends[np.argsort(ends[:, 0], kind="stable")] if (ends[0] != ends[1]).any() else None


def _halves(display: MarginDisplay, ax: Axes, frame: FloatArray, named: bool) -> None:
    """The sides of the boundary, tinted, and the three lines, named where they leave the frame."""
    w, b = display.coef[0], float(display.intercept[0])
    if not np.any(w):
        return
    across, up = (np.linspace(frame[i], frame[i + 1], 200) for i in (0, 2))
    z = w[0] * across[None, :] + w[1] * up[:, None] + b
    tints = [display.colour(0), display.colour(1)]
    ax.contourf(across, up, z, [-np.inf, 0.0, np.inf], colors=tints, alpha=0.08, zorder=0)
    for level, look in (
        (0.0, {"linewidth": 2.0}),
        (-1.0, {"linestyle": (0, (5, 3))}),
        (1.0, {"linestyle": (0, (5, 3))}),
    ):
        ends = _line(w, level - b, frame)
        if ends is None:
            continue
        ax.plot(*ends.T, **{"color": INK, "linewidth": 1.1, "zorder": 2, **look})
        if not named:
            continue
        angle = math.degrees(math.atan2(*(ends[1] - ends[0])[::-1]))
        at = ends[1] - 0.09 * (ends[1] - ends[0])
        ax.annotate(
            f"z = {level:+.0f}" if level else "z = 0", at, ha="center", va="center", rotation=angle,
            rotation_mode="anchor", transform_rotates_text=True, color=INK, fontsize="small", bbox=_HALO, zorder=5,
            annotation_clip=True,
        )  # fmt: skip


def _regions(display: MarginDisplay, ax: Axes, frame: FloatArray) -> None:
    """Where each class is predicted; of one against the rest, the line of each class with its margins."""
    across, up = (np.linspace(frame[i], frame[i + 1], 400) for i in (0, 2))
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    best = (grid @ display.coef.T + display.intercept).argmax(axis=-1)
    k = len(display.classes)
    tints = [display.colour(code) for code in range(k)]
    ax.contourf(across, up, best, np.arange(k + 1) - 0.5, colors=tints, alpha=0.13, zorder=0)
    for code in range(k):
        ax.contour(across, up, best == code, [0.5], colors=INK, linewidths=1.4, zorder=1)
    if getattr(display.model, "multi_class", "ovr") != "ovr":
        return
    for code in range(k):
        for level in (0.0, 1.0, -1.0):
            ends = _line(display.coef[code], level - float(display.intercept[code]), frame)
            if ends is None:
                continue
            look: dict[str, Any] = {"linewidth": 0.9, "linestyle": (0, (5, 3))} if level else {"linewidth": 1.6}
            ax.plot(*ends.T, color=display.colour(code), zorder=2, alpha=0.9, **look)


def _segments(display: MarginDisplay, ax: Axes, X: FloatArray) -> int:
    """From each row with a slack to the margin line of its class; how many."""
    from matplotlib.collections import LineCollection

    w = display.coef[0]
    square = float(w @ w)
    slack = display.slacks_
    rows = np.flatnonzero(slack > SLACK)
    if square == 0.0 or not len(rows):
        return 0
    ends = X[rows] + (slack[rows] * display.signs[rows, 0] / square)[:, None] * w
    colours = [display.colour(int(code)) for code in display.codes[rows]]
    pairs = np.stack([X[rows], ends], axis=1)
    ax.add_collection(LineCollection(list(pairs), colors=colours, linewidths=0.8, alpha=0.6, zorder=1), autolim=False)
    return len(rows)


def _width(display: MarginDisplay, ax: Axes, frame: FloatArray, X: FloatArray) -> None:
    """An arrow from line to line where it covers no row, with the width beside it."""
    w, b = display.coef[0], float(display.intercept[0])
    ends = _line(w, -b, frame)
    if ends is None:
        return
    normal = w / float(w @ w)  # from z = 0 to z = 1
    scale = np.array([frame[1] - frame[0], frame[3] - frame[2]])
    best, place = -1.0, None
    for share in np.linspace(0.15, 0.80, 49):
        at = ends[0] + share * (ends[1] - ends[0])
        line = at + np.linspace(-1.0, 1.0, 9)[:, None] * normal
        if np.any(line < frame[[0, 2]]) or np.any(line > frame[[1, 3]]):
            continue
        room = float(((((X[:, None] - line[None]) / scale) ** 2).sum(axis=2)).min())
        if room > best * 1.02:
            best, place = room, at
    if place is None:
        return
    arrow = {"arrowstyle": "<->", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", place - normal, place + normal, arrowprops=arrow, zorder=5)
    ax.annotate(
        f"2/|w| = {display.margin:.3g}", place, ha="center", va="center", color=INK, fontsize="small", bbox=_HALO,
        zorder=6,
    )  # fmt: skip


def draw_tube(display: MarginDisplay, ax: Axes, slacks: bool, legend: bool) -> None:
    """A regression on one feature: the line, the tube of width 2 epsilon, rows on and outside it."""
    X = np.asarray(display.X.toarray() if hasattr(display.X, "toarray") else display.X)
    x, y = X[:, 0], display.target
    pad = PAD * (float(np.ptp(x)) or 1.0)
    ends = np.array([x.min() - pad, x.max() + pad])
    z = display.coef[0, 0] * ends + display.intercept[0]
    epsilon = display.epsilon
    if epsilon > 0.0:
        said = f"tube, epsilon = {epsilon:g}"
        ax.fill_between(ends, z - epsilon, z + epsilon, color=display.colour(0), alpha=0.12, linewidth=0, label=said)
        for side in (-epsilon, epsilon):
            ax.plot(ends, z + side, color=INK, linewidth=1.0, linestyle=(0, (5, 3)))
    ax.plot(ends, z, color=INK, linewidth=2.0)
    if slacks:
        out = np.flatnonzero(display.slacks_ > SLACK * float(display.slacks_.max(initial=0.0)))
        edge = display.scores[out, 0] + np.sign(y[out] - display.scores[out, 0]) * epsilon
        ax.vlines(x[out], edge, y[out], color=display.colour(1), linewidth=0.8, alpha=0.7, label=f"slacks ({len(out)})")
    size = 26.0 if len(x) <= 400 else 12.0
    ax.scatter(x, y, s=size, color=display.colour(0), linewidths=0, zorder=3, label=f"rows ({len(x)})")
    rows = display.support_
    ax.scatter(x[rows], y[rows], s=2.3 * size, zorder=4, label=f"support vectors ({len(rows)})", **_RING)
    ax.set(xlim=ends, xlabel=display.names[0] if display.names else "feature", ylabel="target")
    if legend:
        ax.legend(fontsize="small", framealpha=0.9, edgecolor="0.85", loc="best")


def projections(display: MarginDisplay) -> FloatArray:
    """One number a row: its score; of several classes that of the own class less the best of the others."""
    z = display.scores
    if not display.classes:
        return np.asarray(display.target - z[:, 0])
    if z.shape[1] == 1:
        return z[:, 0]
    rows = np.arange(len(z))
    own = z[rows, display.codes]
    others = z.copy()
    others[rows, display.codes] = -np.inf
    return np.asarray(own - others.max(axis=1))


def edges(values: FloatArray, anchors: AnyArray, bins: int = BINS) -> FloatArray:
    """Edges of equal bins with an edge at the first anchor, and so a width that divides the anchors' distance."""
    low, high = min(float(values.min()), float(min(anchors))), max(float(values.max()), float(max(anchors)))
    wide = (high - low) / bins or 1.0
    steps = np.diff(np.sort(np.asarray(anchors, dtype=np.float64)))
    step = float(steps[0]) if len(steps) and steps[0] > 0.0 else 0.0
    if step > 0.0:
        wide = step / math.ceil(step / wide) if step >= wide else step * math.ceil(wide / step)
    first = float(min(anchors))
    start, stop = math.floor((low - first) / wide - 1e-9), math.ceil((high - first) / wide + 1e-9)
    return np.asarray(first + wide * np.arange(start, max(stop, start + 1) + 1))


def draw_scores(display: MarginDisplay, ax: Axes, legend: bool) -> None:
    """Histograms by class with the margin lines, or of residuals with the tube."""
    z = projections(display)
    if display.classes:
        levels = [-1.0, 0.0, 1.0] if len(display.coef) == 1 else [0.0, 1.0]
        names = {-1.0: "-1", 0.0: "0", 1.0: "1"}
        groups = [(name, z[display.codes == code], display.colour(code)) for code, name in enumerate(display.classes)]
        ax.set_xlabel("score z" if len(display.coef) == 1 else "score of the own class less the best of the others")
    else:
        levels = [-display.epsilon, display.epsilon] if display.epsilon > 0.0 else [0.0]
        names = {level: f"{level:+g}" if level else "0" for level in levels}
        groups = [("rows", z, display.colour(0))]
        ax.set_xlabel("residual: target less prediction")
    bins = edges(z, np.asarray(levels))
    for name, values, colour in groups:
        ax.hist(values, bins=bins.tolist(), color=colour, alpha=0.35, linewidth=0)
        ax.hist(
            values, bins=bins.tolist(), histtype="step", color=colour, linewidth=1.4, label=f"{name} ({len(values)})"
        )
    for level in levels:
        look: dict[str, Any] = {"linewidth": 1.6} if level == 0.0 else {"linewidth": 1.1, "linestyle": (0, (5, 3))}
        ax.axvline(level, color=INK, **look)
        ax.annotate(
            names[level], (level, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
            ha="center", va="bottom", fontsize="small", color=INK,
        )  # fmt: skip
    if not display.classes and display.epsilon > 0.0:
        ax.axvspan(-display.epsilon, display.epsilon, color=display.colour(0), alpha=0.08, linewidth=0)
    ax.set(xlim=(bins[0], bins[-1]), ylabel="rows")
    if legend and len(groups) > 1:
        ax.legend(fontsize="small", frameon=False)
