"""The ways of several methods to a minimum, drawn over the level sets of a function of two variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from steepest.analysis.landscape import Surface, level_sets
from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray
from steepest.report.display_landscape import _levels
from steepest.report.labels import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 0.12  # of the width of the paths, around them


class Trajectory(NamedTuple):
    """A name and the points that a method went through, (m, 2)."""

    name: str
    points: FloatArray


class TrajectoryDisplay:
    """Paths over level sets: where each began (a square), went, and ended (a disc).

    Parameters
    ----------
    surface : Surface
        Values on the plane of two variables, from `steepest.analysis.level_sets`.
    trajectories : sequence of Trajectory

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    contours_ : matplotlib.contour.QuadContourSet
    lines_ : dict of str to matplotlib.lines.Line2D
        The paths by name.

    Examples
    --------
    >>> import steepest
    >>> f = steepest.functions.get("rosenbrock")
    >>> found = {m: steepest.minimize(f, f.start, grad=f.grad, method=m) for m in ("newton", "bfgs")}
    >>> display = steepest.TrajectoryDisplay.from_function(f, found)
    >>> list(display.lines_)
    ['newton', 'bfgs']
    """

    def __init__(self, surface: Surface, trajectories: Sequence[Trajectory]) -> None:
        self.surface = surface
        self.trajectories = list(trajectories)

    @classmethod
    def from_function(
        cls,
        fun: Any,
        paths: Any,
        *,
        minima: Any = None,
        span: Any = None,
        n: int = 121,
        ax: Axes | None = None,
        levels: int = 18,
        colorbar: bool = True,
        **line: Any,
    ) -> Self:
        """Compute the level sets around the paths and draw everything.

        Parameters
        ----------
        fun : callable of two variables, or problem
        paths : mapping of str to paths, sequence of paths, or Race
            A path is an array (m, 2), or a `Minimum`, whose points and method are taken.  Of a race of a function, all
            its runs.
        minima : array-like of shape (k, 2), optional
            Drawn as stars.  Default: those of a `steepest.functions.TestFunction`.
        span : (low, high, low, high), optional
            Of the first and the second variable.  Default: all paths and minima, and a margin.
        n : int
            Points a side: n^2 values.
        ax : matplotlib.axes.Axes, optional
        levels : int
            Level sets, denser towards the least value.
        colorbar : bool
        **line : keywords of ``ax.plot``
        """
        trajectories = _named(paths)
        stars = _points(minima if minima is not None else getattr(fun, "minima", ()), "minima")
        frame = _frame(span, [*(item.points for item in trajectories), stars])
        centre = np.array([0.5 * (frame[0] + frame[1]), 0.5 * (frame[2] + frame[3])])
        half = (0.5 * (frame[1] - frame[0]), 0.5 * (frame[3] - frame[2]))
        surface = level_sets(fun, centre, directions=np.eye(2), span=half, n=n)
        display = cls(surface, trajectories)
        display.minima = stars
        return display.plot(ax=ax, levels=levels, colorbar=colorbar, **line)

    minima: FloatArray = np.empty((0, 2))

    def plot(self, *, ax: Axes | None = None, levels: int = 18, colorbar: bool = True, **line: Any) -> Self:
        """Draw it.

        Parameters
        ----------
        ax, levels, colorbar, **line
            As for `from_function`.

        Returns
        -------
        TrajectoryDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(7.0, 5.2), layout="constrained")
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)
        whole = self.surface
        across, up = whole.centre[0] + whole.a, whole.centre[1] + whole.b
        steps = _levels(whole.values, levels)
        shown = np.ma.masked_invalid(whole.values)
        self.contours_ = ax.contourf(across, up, shown, steps, cmap="Greys", alpha=0.55, extend="both")
        ax.contour(across, up, shown, steps, colors="0.45", linewidths=0.4)
        self.lines_ = {}
        for i, item in enumerate(self.trajectories):
            colour, dashes = style(i)
            many = len(item.points) > 60
            look: dict[str, Any] = {"color": colour, "marker": "" if many else ".", "markersize": 5.0}
            look["linewidth"] = 1.7 if len(self.trajectories) <= 3 else 1.3
            if dashes:
                look["dashes"] = dashes
            count = len(item.points) - 1
            rounds = f"{item.name}, {count:,} round{'' if count == 1 else 's'}"
            (drawn,) = ax.plot(*item.points.T, label=rounds, zorder=3, **{**look, **line})
            self.lines_[item.name] = drawn
            ax.plot(*item.points[-1], "o", color=drawn.get_color(), markeredgecolor="white", markersize=6.0, zorder=5)
        starts = np.unique(np.array([item.points[0] for item in self.trajectories]), axis=0)
        square = {"color": "black", "markeredgecolor": "white", "markersize": 7.0, "linestyle": "none"}
        ax.plot(*starts.T, marker="s", zorder=6, label="start", **square)
        if len(self.minima):
            ax.plot(*self.minima.T, "*", color="#f0e442", markeredgecolor="black", markersize=16, zorder=4,
                    linestyle="none", label="minimum")  # fmt: skip
        ax.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]), xlabel="first variable", ylabel="second variable")
        ax.legend(fontsize=8.5, framealpha=0.9, edgecolor="0.8", loc="best")
        if colorbar:
            self.figure_.colorbar(self.contours_, ax=ax, label="value", shrink=0.9, format="%.3g")
        return self


def _named(paths: Any) -> list[Trajectory]:
    if hasattr(paths, "runs"):
        paths = {run.name: run.result for run in paths.runs}
    if isinstance(paths, Mapping):
        pairs = [(str(name), path) for name, path in paths.items()]
    else:
        listed = [paths] if hasattr(paths, "path") or getattr(paths, "ndim", 0) == 2 else list(paths)
        pairs = [(str(getattr(path, "method", f"path {i}")), path) for i, path in enumerate(listed, 1)]
    if not pairs:
        raise InvalidParameterError("paths: expected at least one path, got none. Give arrays of shape (m, 2).")
    found = []
    for name, path in pairs:
        given = getattr(path, "path", path)
        if given is None:
            raise InvalidParameterError(f"paths: '{name}' kept no path. Minimise a function of two variables.")
        found.append(Trajectory(name, _points(given, "paths")))
        if not len(found[-1].points):
            raise InvalidParameterError(f"paths: '{name}' has no point. Give at least its start.")
    return found


def _points(given: Any, name: str) -> FloatArray:
    points = np.asarray(given, dtype=np.float64)
    points = points.reshape(-1, 2) if points.size == 0 else np.atleast_2d(points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InvalidParameterError(
            f"{name}: expected points of two numbers, got an array of shape {points.shape}. "
            "Use LandscapeDisplay, which shows a plane of more."
        )
    return points


def _frame(span: Any, parts: Sequence[FloatArray]) -> FloatArray:
    """(low, high, low, high) of both variables: as asked, or around all finite points."""
    if span is not None:
        frame = np.asarray(span, dtype=np.float64).ravel()
        if frame.shape != (4,) or not (np.isfinite(frame).all() and frame[0] < frame[1] and frame[2] < frame[3]):
            raise InvalidParameterError(f"span: expected (low, high, low, high) with low < high, got {span!r}.")
        return frame
    every = np.concatenate([part for part in parts if len(part)])
    every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        raise InvalidParameterError("paths: expected finite points, got none. Give span.")
    low, high = every.min(axis=0), every.max(axis=0)
    wide = high - low
    wide = np.where(wide > 0.0, wide, max(float(wide.max()), 1.0))
    wide = np.maximum(wide, 0.25 * wide.max())  # a straight path still shows both sides
    middle = 0.5 * (low + high)
    low, high = middle - (0.5 + MARGIN) * wide, middle + (0.5 + MARGIN) * wide
    return np.array([low[0], high[0], low[1], high[1]])
