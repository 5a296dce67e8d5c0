"""A race as a matplotlib picture: how far above the optimum every solver was, against passes and against seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray
from steepest.report.labels import darker, spread, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from steepest.racing.result import Race

LEAST = 1e-16  # shares below it are rounding; they are drawn there
_LABELS = {"passes": "passes over the data", "seconds": "seconds", "iteration": "rounds"}


class Curve(NamedTuple):
    """What one solver did: ``cost`` holds an array for each axis, ``share`` the suboptimality; nan where not known."""

    name: str
    cost: Mapping[str, FloatArray]
    share: FloatArray
    success: bool = True


class RaceDisplay:
    """Suboptimality against what it cost, one curve a solver, on logarithmic axes, each with its name at its end.

    Parameters
    ----------
    curves : sequence of Curve
    tol : float, optional
        Drawn as a level.
    label : str
        Of the vertical axis.
    units : mapping of str to str, optional
        Of the horizontal axes.

    Attributes
    ----------
    axes_ : list of matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    lines_ : dict of str to list of matplotlib.lines.Line2D
        One a panel, by the name of the run.

    Examples
    --------
    >>> import steepest
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> found = steepest.race(X, y, alpha=1e-3, solvers=["lbfgs", "newton-cg"], verbose=0)
    >>> display = steepest.RaceDisplay.from_race(found)
    >>> list(display.lines_)
    ['lbfgs', 'newton-cg']
    """

    def __init__(
        self,
        curves: Sequence[Curve],
        *,
        tol: float | None = None,
        label: str = "relative suboptimality",
        units: Mapping[str, str] | None = None,
    ) -> None:
        self.curves = list(curves)
        self.tol = tol
        self.label = label
        self.units = {**_LABELS, **(units or {})}

    @classmethod
    def from_race(cls, race: Race, *, x: Any = ("passes", "seconds"), ax: Any = None, **line: Any) -> Self:
        """Draw a race.

        Parameters
        ----------
        race : Race
        x : {"passes", "seconds", "iteration"}, or several of them
            One panel each.
        ax : matplotlib.axes.Axes, or as many as there are panels, optional
        **line : keywords of ``ax.plot``
        """
        return cls(
            [curve(race, run) for run in race.runs],
            tol=race.tol if race.kind == "data" else None,
            label=measure(race),
            units={"passes": "calls of the function"} if race.kind == "function" else None,
        ).plot(x=x, ax=ax, **line)

    def plot(self, *, x: Any = ("passes", "seconds"), ax: Any = None, **line: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        x, ax, **line
            As for `from_race`.

        Returns
        -------
        RaceDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        panels = [x] if isinstance(x, str) else list(x)
        for name in panels:
            if name not in _LABELS:
                raise InvalidParameterError(f"x: expected of {', '.join(_LABELS)}, got {name!r}. Try 'passes'.")
        if ax is None:
            width = 1.2 + 5.2 * len(panels)
            _, made = plt.subplots(
                1, len(panels), figsize=(width, 4.4), sharey=True, layout="constrained", squeeze=False
            )
            axes = list(made[0])
        else:
            axes = list(np.atleast_1d(ax).ravel())
        if len(axes) != len(panels):
            raise InvalidParameterError(f"ax: expected {len(panels)} axes, one a panel, got {len(axes)}.")
        self.axes_, self.figure_ = axes, axes[0].get_figure(root=True)
        self.lines_: dict[str, list[Any]] = {curve.name: [] for curve in self.curves}
        for panel, name in zip(axes, panels, strict=True):
            self._draw(panel, name, line)
        axes[0].set_ylabel(self.label)
        return self

    def _draw(self, ax: Axes, x: str, line: dict[str, Any]) -> None:
        ends = []
        for i, item in enumerate(self.curves):
            across, up = points(item, x)
            colour, dashes = style(i)
            look: dict[str, Any] = {"color": colour, "linewidth": 1.6, "marker": "o", "markersize": 3.0}
            look["markevery"] = None if len(up) <= 25 else [len(up) - 1]
            if dashes:
                look["dashes"] = dashes
            (drawn,) = ax.plot(across, up, label=item.name, **{**look, **line})
            self.lines_[item.name].append(drawn)
            if len(up):
                ends.append((item, across[-1], up[-1], drawn.get_color()))
        ax.set_xscale("log")
        ax.set_yscale("log")
        if self.tol is not None:
            ax.axhline(self.tol, color="0.45", linestyle=":", linewidth=1.2, zorder=1)
            ax.annotate(
                f"asked: {self.tol:g}", (0.0, self.tol), xycoords=("axes fraction", "data"), xytext=(4, 3),
                textcoords="offset points", va="bottom", color="0.35", fontsize="small",
            )  # fmt: skip
        ax.set_xlabel(self.units[x])
        ax.grid(True, which="major", color="0.9", linewidth=0.7)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        self._name(ax, ends)

    def _name(self, ax: Axes, ends: list[tuple[Curve, float, float, Any]]) -> None:
        """Names beside the panel, as near to the ends of their curves as they fit, tied to them by thin lines."""
        low, high = np.log10(ax.get_ylim())
        heights = [float((np.log10(up) - low) / (high - low)) for _, _, up, _ in ends]
        inches = ax.get_position().height * ax.figure.get_size_inches()[1]
        size = 8.5
        places = spread(heights, 1.25 * size / 72.0 / max(inches, 0.5))
        for (item, across, up, colour), place in zip(ends, places, strict=True):
            ax.annotate(
                item.name, (across, up), xytext=(1.03, place), textcoords="axes fraction", va="center", fontsize=size,
                color=darker(colour), annotation_clip=False,
                fontstyle="normal" if item.success else "italic",
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6,
                            "shrinkA": 1.0, "shrinkB": 2.0, "relpos": (0.0, 0.5)},
            )  # fmt: skip


def points(item: Curve, x: str) -> tuple[FloatArray, FloatArray]:
    """What can be drawn of a curve on logarithmic axes: finite, in order of cost, shares not below `LEAST`."""
    across, up = np.asarray(item.cost[x], dtype=np.float64), np.asarray(item.share, dtype=np.float64)
    good = np.isfinite(across) & np.isfinite(up)
    across, up = across[good], np.maximum(up[good], LEAST)
    positive = across[across > 0.0]
    least = 0.5 * float(positive.min()) if positive.size else 0.5  # a start that cost nothing stands before the rest
    return np.maximum(across, least), up


def curve(race: Race, run: Any) -> Curve:
    """The curve of a run."""
    cost = {name: run.history[name] for name in _LABELS}
    return Curve(run.name, cost, race.suboptimality(run), run.success)


def measure(race: Race) -> str:
    """What the vertical axis shows."""
    if race.kind == "function":
        what = "least value" if np.isfinite(race.known) else "least value seen"
        return f"above the {what}, as a share of the start"
    if np.isfinite(race.lower):
        return "relative suboptimality, at most"
    return "above the least objective seen, relative"
