"""Multipliers and slacks of margin models as matplotlib pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray
from steepest.report.labels import COLOURS, darker
from steepest.report.margin_plane import edges
from steepest.report.margins import AT_ZERO, SLACK, Counts, Multipliers, multipliers, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("multipliers", "slacks")


class DualDisplay:
    """The multipliers of the rows, sorted, by class; or the distribution of the slacks.

    The two belong together: a row beyond its margin line has no slack and a multiplier of zero, a row on the line has
    one between the limits, and a row with a slack has the largest multiplier that C allows (hinge), or one in
    proportion to its slack (squared hinge).

    Parameters
    ----------
    duals : Multipliers
    slacks : array of shape (problems, n)
    problem : int
        Which of several problems one against the rest.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    counts_ : dict of str to Counts
        By class (of a regression by the side of the error): multipliers at zero, free, and at the limit.

    Examples
    --------
    >>> from steepest import DualDisplay, LinearSVC
    >>> X, y = [[0.0], [1.0], [1.4], [2.0], [3.0], [4.0]], [0, 0, 1, 0, 1, 1]
    >>> display = DualDisplay.from_estimator(LinearSVC(loss="hinge", tol=1e-6).fit(X, y), y)
    >>> display.counts_["0"]
    Counts(at_zero=1, free=1, at_limit=1)
    """

    def __init__(self, duals: Multipliers, slacks: FloatArray, *, problem: int = 0) -> None:
        if not 0 <= problem < len(duals.values):
            raise InvalidParameterError(
                f"problem: expected one of 0 to {len(duals.values) - 1}, got {problem!r}. There is one a class."
            )
        self.duals, self.slacks, self.problem = duals, slacks, problem
        self.counts_: dict[str, Counts] = {name: self._counted(mine) for name, mine, _ in self._groups()}

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        y: Any = None,
        *,
        kind: str = "multipliers",
        sample_weight: Any = None,
        problem: int = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the multipliers, or the slacks, of a fitted model.

        Parameters
        ----------
        estimator : fitted LinearSVC or LinearSVR, or a pipeline that ends with one
        y : array of shape (n,), optional
            Labels of the fit, for the classes.
        kind : {"multipliers", "slacks"}
        sample_weight : array of shape (n,), optional
            Of the fit: the limit of row i is ``C s_i``.
        problem : int
            Of more than two classes one against the rest: the class.
        ax : matplotlib.axes.Axes, optional
        """
        model = require(estimator)
        slacks = np.asarray(model.slacks_, dtype=np.float64)
        rows = slacks[None, :] if slacks.ndim == 1 else np.ascontiguousarray(slacks.T)
        return cls(multipliers(model, y, sample_weight), rows, problem=problem).plot(kind=kind, ax=ax)

    def _groups(self) -> list[tuple[str, Any, str]]:
        """Names, masks and colours of the rows that are drawn together."""
        duals = self.duals
        if not duals.classes:
            signs = duals.values[self.problem]
            used = np.abs(signs) > AT_ZERO * np.abs(signs).max(initial=0.0)
            names = ("above the line", "below the line")
            return [(names[0], used & (signs > 0.0), COLOURS[0]), (names[1], used & (signs < 0.0), COLOURS[1])]
        if duals.codes is None:
            return [("rows", np.ones(duals.values.shape[1], dtype=bool), COLOURS[0])]
        if len(duals.values) > 1:
            own = duals.codes == self.problem
            return [(duals.classes[self.problem], own, COLOURS[0]), ("the rest", ~own, COLOURS[1])]
        return [(name, duals.codes == code, COLOURS[code]) for code, name in enumerate(duals.classes)]

    def _counted(self, mine: Any) -> Counts:
        a = np.abs(self.duals.values[self.problem])
        part = Multipliers(
            self.duals.values[self.problem : self.problem + 1],
            self.duals.limits,
            np.asarray(mine, dtype=np.intp),
            self.duals.classes or ("",),
        )
        return part.counts(0, 1) if len(a) else Counts(0, 0, 0)

    def plot(self, *, kind: str = "multipliers", ax: Axes | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        kind, ax
            As for `from_estimator`.

        Returns
        -------
        DualDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        if kind not in KINDS:
            raise InvalidParameterError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}. Use 'multipliers'.")
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)
        if kind == "multipliers":
            self._draw_multipliers(ax)
        else:
            self._draw_slacks(ax)
        return self

    def _draw_multipliers(self, ax: Axes) -> None:
        duals = self.duals
        shares = duals.limits is not None
        a = np.abs(duals.values[self.problem])
        if duals.limits is not None:
            a = np.divide(a, duals.limits, out=np.zeros_like(a), where=duals.limits > 0.0)
        longest = max((count.support for count in self.counts_.values()), default=0)
        for name, mine, colour in self._groups():
            count = self.counts_[name]
            values = np.sort(a[mine])[::-1]
            said = (
                f"{name}: {count.at_limit} at the limit, {count.free} free"
                if shares
                else f"{name}: {count.support} above zero"
            )
            if duals.classes:
                said += f", {count.at_zero} at zero"
            shown = values[: int(1.15 * longest) + 3]
            ax.plot(np.arange(1, len(shown) + 1), shown, color=colour, marker=".", markersize=4, label=said)
        if shares:
            ax.axhline(1.0, color="0.35", linewidth=1.0, linestyle=(0, (5, 3)))
            ax.set_ylabel("multiplier, in units of its limit C s")
        else:
            ax.set_ylabel("multiplier")
        ax.set(xlabel="rows, largest multiplier first", xlim=(0.0, None), ylim=(0.0, None))
        ax.legend(fontsize="small", frameon=True, framealpha=0.9, edgecolor="0.85")

    def _draw_slacks(self, ax: Axes) -> None:
        slack = self.slacks[min(self.problem, len(self.slacks) - 1)]
        # one slack a row of several classes in one problem has no such side
        classifies = bool(self.duals.classes) and len(self.slacks) == len(self.duals.values)
        positive = slack > SLACK * (1.0 if classifies else max(float(slack.max(initial=0.0)), 1e-300))
        bins = edges(slack, np.array([0.0, 1.0] if classifies else [0.0]), 24)
        every: list[FloatArray] = []
        labels: list[str] = []
        colours: list[str] = []
        for name, mine, colour in self._groups():
            every.append(slack[mine & positive])
            said = f"{name}: {len(every[-1])} with a slack"
            if classifies:
                wrong = int((slack[mine] > 1.0).sum())
                said += f", {wrong} of them on the wrong side"
            labels.append(said)
            colours.append(colour)
        ax.hist(every, bins=bins.tolist(), stacked=True, color=colours, label=labels, alpha=0.75, edgecolor="white",
                linewidth=0.6)  # fmt: skip
        if classifies:
            ax.axvline(1.0, color="0.15", linewidth=1.4)
            ax.annotate(
                "boundary", (1.0, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                textcoords="offset points", ha="center", va="bottom", fontsize="small", color="0.15",
            )  # fmt: skip
        without = int(len(slack) - positive.sum())
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.set_ylim(0.0, 1.3 * ax.get_ylim()[1])  # room for the words
        ax.text(
            0.98, 0.76, f"{without:,} rows without", transform=ax.transAxes, ha="right", fontsize="small",
            color=darker("#6b6b6b"),
        )  # fmt: skip
        ax.set(xlabel="slack", ylabel="rows", xlim=(0.0, float(bins[-1])))
        ax.legend(fontsize="small", framealpha=0.95, edgecolor="white", loc="upper right")
