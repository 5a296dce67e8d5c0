"""The landscape of a function as a matplotlib picture: level sets with a path, or slices, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.analysis.landscape import Slices, Surface, level_sets, slices
from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LandscapeDisplay:
    """Level sets of a function on a plane with a path over them, or its slices along lines.

    Parameters
    ----------
    landscape : Surface or Slices
        Of the whole function.
    batches : mapping of str to Surface or Slices, optional
        The same places in the objectives of batches of the data.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Of the whole function.
    axes_ : list of matplotlib.axes.Axes
        Of the whole function and of the batches; for slices all the same.
    figure_ : matplotlib.figure.Figure
    contours_ : list of matplotlib.contour.QuadContourSet
    lines_ : list of matplotlib.lines.Line2D
        The path over each panel, or the slices.

    Examples
    --------
    >>> from steepest import LandscapeDisplay
    >>> path = [[2.0, 1.0], [0.4, -0.8], [0.1, 0.5], [0.0, 0.0]]
    >>> display = LandscapeDisplay.from_function(lambda x: x[0] ** 2 + 4 * x[1] ** 2, path=path)
    >>> display.landscape.lowest
    (0.0, 0.0, 0.0)
    """

    def __init__(
        self, landscape: Surface | Slices, *, batches: Mapping[str, Surface] | Mapping[str, Slices] | None = None
    ) -> None:
        self.landscape = landscape
        self.batches = dict(batches or {})
        for name, other in self.batches.items():
            if type(other) is not type(landscape):
                raise InvalidParameterError(
                    f"batches: expected {type(landscape).__name__} of each, got {type(other).__name__} of {name}."
                )

    @classmethod
    def from_function(
        cls,
        fun: Any,
        x: Any = None,
        *,
        kind: str = "levels",
        path: Any = None,
        directions: Any = None,
        grad: Any = None,
        span: Any = None,
        n: int = 61,
        batches: Mapping[str, Any] | Sequence[Any] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Compute a landscape and draw it.

        Parameters
        ----------
        fun : callable or problem
        x : array, optional
            The centre.  Default: the end of the path.
        kind : {"levels", "slices"}
        path : array of shape (m, size), optional
            The points of a solver, in order.
        directions : array, optional
            See `steepest.analysis.level_sets` and `steepest.analysis.slices`.
        grad : callable or True, optional
        span : float, optional
            How far the picture reaches.
        n : int
            Points a side.
        batches : mapping of str to functions, or sequence of functions, optional
            The objectives of batches, drawn at the same places.
        ax : matplotlib.axes.Axes, optional
            Without batches of level sets, which take panels of their own.
        """
        if kind not in ("levels", "slices"):
            raise InvalidParameterError(f"kind: expected 'levels' or 'slices', got {kind!r}. Try 'levels'.")
        named = _named(batches)
        if kind == "levels":
            whole = level_sets(fun, x, path=path, directions=directions, grad=grad, span=span, n=n)
            plane: dict[str, Any] = {
                "directions": [whole.u, whole.v],
                "span": (float(whole.a[-1]), float(whole.b[-1])),
                "n": n,
            }
            parts: dict[str, Any] = {
                key: level_sets(part, whole.centre, path=path, **plane) for key, part in named.items()
            }
            return cls(whole, batches=parts).plot(ax=ax)
        if x is None and path is None:
            raise InvalidParameterError("x: expected the point to cut through, or a path, got neither. Give an array.")
        centre = x if x is not None else np.atleast_2d(np.asarray(path, dtype=np.float64))[-1]
        lines = slices(fun, centre, directions, grad=grad, span=1.0 if span is None else float(span), n=n)
        parts = {
            key: slices(part, centre, lines.directions, span=float(lines.offsets[-1]), n=n)
            for key, part in named.items()
        }
        return cls(lines, batches=parts).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None, levels: int = 14) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        levels : int
            Level sets, denser towards the lowest value.

        Returns
        -------
        LandscapeDisplay
            Itself.
        """
        self.contours_: list[Any] = []
        self.lines_: list[Any] = []
        if isinstance(self.landscape, Surface):
            self._draw_levels(self.landscape, ax, levels)
        else:
            self._draw_slices(self.landscape, ax)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        return self

    def _draw_levels(self, whole: Surface, ax: Axes | None, levels: int) -> None:
        import matplotlib.pyplot as plt

        surfaces = [whole, *(part for part in self.batches.values() if isinstance(part, Surface))]
        if ax is not None and len(surfaces) > 1:
            raise InvalidParameterError("ax: expected None where there are batches, which take panels of their own.")
        if ax is None:
            across = min(len(surfaces), 3)
            down = -(-len(surfaces) // across)
            size = (4.6 * across + 1.0, 4.1 * down)
            figure, grid = plt.subplots(
                down, across, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
            )
            panels = list(grid.ravel())
            for spare in panels[len(surfaces) :]:
                spare.remove()
            self.axes_ = panels[: len(surfaces)]
            figure.align_labels()
        else:
            self.axes_ = [ax]
        values = np.concatenate([surface.values.ravel() for surface in surfaces])
        steps = _levels(values, levels)
        titles = ["all data" if self.batches else "", *self.batches]
        for panel, surface, title in zip(self.axes_, surfaces, titles, strict=True):
            finite = np.where(np.isfinite(surface.values), surface.values, np.nan)
            filled = panel.contourf(surface.a, surface.b, finite, steps, cmap="viridis_r", alpha=0.75, extend="both")
            panel.contour(surface.a, surface.b, finite, steps, colors="black", linewidths=0.4)
            self.contours_.append(filled)
            if surface.path is not None:
                (line,) = panel.plot(*surface.path.T, color="#d1242f", marker="o", markersize=2.5, linewidth=1.1)
                panel.plot(*surface.path[0], "s", color="#d1242f", markersize=5)
                self.lines_.append(line)
            low = surface.lowest
            panel.plot(low[0], low[1], "*", color="white", markeredgecolor="black", markersize=11, zorder=5)
            panel.set_title(title)
        coordinates = whole.u.size == 2 and np.array_equal(whole.u, [1.0, 0.0])
        for panel in self.axes_:
            panel.set(
                xlabel="first coordinate, from the centre" if coordinates else "along u",
                ylabel="second coordinate, from the centre" if coordinates else "along v",
            )
            if len(self.axes_) > 1:
                panel.label_outer()
        self.axes_[0].figure.colorbar(self.contours_[0], ax=self.axes_, label="value", shrink=0.9, format="%.3g")

    def _draw_slices(self, whole: Slices, ax: Axes | None) -> None:
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
        self.axes_ = [ax]
        colours = plt.get_cmap("tab10")
        for i, label in enumerate(whole.labels):
            for part in (part for part in self.batches.values() if isinstance(part, Slices)):
                (line,) = ax.plot(part.offsets, part.values[i], color=colours(i % 10), linewidth=0.7, alpha=0.55)
                self.lines_.append(line)
            (line,) = ax.plot(whole.offsets, whole.values[i], color=colours(i % 10), linewidth=2.0, label=label)
            self.lines_.append(line)
        ax.axvline(0.0, color="black", linewidth=0.6)
        ax.set(xlabel="distance from the point", ylabel="value")
        ax.set_title("thick: all data, thin: batches" if self.batches else "")
        ax.legend(frameon=False, fontsize=9)


def _named(batches: Mapping[str, Any] | Sequence[Any] | None) -> dict[str, Any]:
    if batches is None:
        return {}
    if isinstance(batches, Mapping):
        return {str(key): part for key, part in batches.items()}
    return {f"batch {i}": part for i, part in enumerate(batches, 1)}


def _levels(values: FloatArray, n: int) -> FloatArray:
    """Increasing levels, quadratically denser towards the least value; the largest twentieth is left out."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise InvalidParameterError(
            "fun: expected finite values on the plane, got none. Change the centre or the span."
        )
    low, high = float(finite.min()), float(np.quantile(finite, 0.95))
    if not high > low:
        high = max(float(finite.max()), low + max(1e-12, 1e-9 * abs(low)))
    return np.asarray(low + (high - low) * np.linspace(0.0, 1.0, n + 1) ** 2, dtype=np.float64)
