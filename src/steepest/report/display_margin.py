"""Margins as a matplotlib picture: the boundary, the margin lines, support vectors and slacks; or scores by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import AnyArray, FloatArray
from steepest.report.labels import COLOURS, darker
from steepest.report.margin_plane import draw_plane, draw_scores, draw_tube
from steepest.report.margins import classes_of, codes_of, last

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("plane", "scores")
NEAR = 1e-3  # of the margin: rows within count as support vectors where a model has none
FRAMES = 8


class MarginDisplay:
    """What a linear model of margins does with its rows.

    "plane", of two features: the boundary ``z = 0``, the lines ``z = -1`` and ``z = 1``, the rows by class, support
    vectors ringed, and slacks as segments from a row to the margin line of its class.  Several classes are drawn as
    regions, with the line ``z = 0`` of each against the rest.  Of a regression on one feature: the line, the tube
    around it, and what is outside.

    "scores", of any number of features: a histogram of the scores by class with the margin lines; of several classes,
    of the score of the own class less the best of the others; of a regression, of the residuals with the tube.

    Parameters
    ----------
    model : fitted linear model
    X : array of shape (n, d)
        In the columns of the model.
    y : array of shape (n,)

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    support_ : array of int
        Rows that are ringed: those of the model, or with ``y z <= 1`` where it has no ``support_`` of these rows.
    slacks_ : array of shape (n,) or (n, k)
        ``[1 - y z]_+``, of a regression ``[|z - y| - epsilon]_+``.

    Examples
    --------
    >>> from steepest import LinearSVC, MarginDisplay
    >>> X, y = [[0, 0], [1, 0], [0, 1], [3, 3], [4, 3], [3, 4]], [0, 0, 0, 1, 1, 1]
    >>> display = MarginDisplay.from_estimator(LinearSVC(hard_margin=True).fit(X, y), X, y)
    >>> display.support_.tolist()
    [1, 2, 3]
    """

    def __init__(self, model: Any, X: Any, y: Any) -> None:
        if not hasattr(model, "coef_") or not hasattr(model, "intercept_"):
            raise InvalidParameterError(
                f"estimator: expected a fitted linear model, got {type(model).__name__}. Call fit first."
            )
        coef = model.coef_
        self.model = model
        self.coef: FloatArray = np.atleast_2d(
            np.asarray(coef.toarray() if hasattr(coef, "toarray") else coef, dtype=np.float64)
        )
        self.intercept: FloatArray = np.broadcast_to(
            np.asarray(model.intercept_, dtype=np.float64).ravel(), (len(self.coef),)
        )
        self.names = [str(name) for name in getattr(X, "columns", ())]
        self.X = X if hasattr(X, "tocsr") else np.asarray(X, dtype=np.float64)
        if self.X.ndim != 2 or self.X.shape[1] != self.coef.shape[1]:
            raise InvalidParameterError(
                f"X: expected rows of {self.coef.shape[1]} features, got an array of shape {self.X.shape}. "
                "Give the rows that the model was fitted on."
            )
        n = self.X.shape[0]
        self.classes = classes_of(model)
        self.scores: FloatArray = np.asarray(self.X @ self.coef.T, dtype=np.float64) + self.intercept
        if self.classes:
            self.codes: AnyArray = codes_of(model, y, n)
            k = self.scores.shape[1]
            ones = np.arange(k) if k > 1 else np.array([1])
            self.signs: FloatArray = np.where(self.codes[:, None] == ones, 1.0, -1.0)
            slacks = np.maximum(1.0 - self.signs * self.scores, 0.0)
            own = getattr(model, "slacks_", None)
            if getattr(model, "multi_class", "ovr") != "ovr" and own is not None and len(own) == n:
                slacks = np.asarray(own, dtype=np.float64).reshape(n, -1)  # of all classes in one problem
        else:
            self.target: FloatArray = np.asarray(y, dtype=np.float64).ravel()
            if len(self.target) != n or self.coef.shape[0] != 1:
                raise InvalidParameterError(f"y: expected one number for each of the {n} rows, got {np.shape(y)}.")
            self.epsilon = float(getattr(model, "epsilon", 0.0))
            slacks = np.maximum(np.abs(self.scores - self.target[:, None]) - self.epsilon, 0.0)
        self.slacks_ = slacks[:, 0] if slacks.shape[1] == 1 else slacks
        self.support_: AnyArray = self._support(n)

    def _support(self, n: int) -> AnyArray:
        known = getattr(self.model, "support_", None)
        duals = np.atleast_2d(getattr(self.model, "dual_coef_", np.empty((0, 0))))
        if known is not None and duals.shape[1] == n:
            return np.asarray(known)
        if not self.classes:
            near = self.slacks_ >= -NEAR * max(1.0, self.epsilon)
            return np.flatnonzero(near & (np.abs(self.scores[:, 0] - self.target) >= self.epsilon * (1.0 - NEAR)))
        return np.flatnonzero((self.signs * self.scores <= 1.0 + NEAR).any(axis=1))

    # ------------------------------------------------------------------------------------------------ makers

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        kind: str = "plane",
        slacks: bool = True,
        width: bool = True,
        legend: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Draw a fitted model and the rows.

        Parameters
        ----------
        estimator : fitted linear model, or a pipeline that ends with one
            `LinearSVC`, `LinearSVR`, `SGDClassifier` or any other with ``coef_`` and ``intercept_``.  The picture of a
            pipeline is in the columns after its first steps.
        X : array or frame of shape (n, d)
        y : array of shape (n,)
        kind : {"plane", "scores"}
            "plane" needs two features (of a regression one).
        slacks, width, legend : bool
            Whether slacks, the margin's width and a legend are drawn.
        ax : matplotlib.axes.Axes, optional
        """
        if hasattr(estimator, "steps"):
            X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
        return cls(last(estimator), X, y).plot(kind=kind, slacks=slacks, width=width, legend=legend, ax=ax)

    @classmethod
    def frames(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        rounds: Sequence[int] | None = None,
        columns: int = 4,
        kind: str = "plane",
        slacks: bool = False,
    ) -> list[Self]:
        """Fit a copy of an estimator and draw it after each round: for stochastic methods, after each pass.

        Parameters
        ----------
        estimator : estimator of two classes
            Not fitted by this; a copy is.
        X, y : array of shape (n, d), array of shape (n,)
        rounds : sequence of int, optional
            Those to draw, 0 being the start.  Default: at most eight, the first ones and the last, closer at the
            beginning.
        columns : int
            Panels side by side.
        kind, slacks
            As for `from_estimator`.

        Returns
        -------
        list of MarginDisplay
            One a frame, all in one figure; ``display.round_`` is its round.
        """
        import matplotlib.pyplot as plt

        from steepest.record.observers import observe

        model, seen = type(estimator)(**estimator.get_params(deep=False)), []
        with observe(lambda row, w: seen.append((int(row["iteration"]), np.array(w, dtype=np.float64)))):
            model.fit(X, y)
        d = np.shape(X)[1]
        path = {number: w for number, w in seen if len(w) in (d, d + 1)}
        if np.atleast_2d(model.coef_).shape[0] != 1 or not path:
            raise InvalidParameterError("estimator: frames are of one score, of two classes or a regression.")
        chosen = thinned(sorted(path)) if rounds is None else [int(number) for number in rounds]
        unknown = [number for number in chosen if number not in path]
        if unknown:
            raise InvalidParameterError(
                f"rounds: expected rounds that the fit took, 0 to {max(path)}, got {unknown[0]}. "
                "Raise max_iter, or leave it out."
            )
        across = min(columns, len(chosen))
        down = -(-len(chosen) // across)
        tall = 0.3 + 2.9 * (_shape(cls(model, X, y)) if kind == "plane" else 0.8)
        _, grid = plt.subplots(
            down, across, figsize=(3.1 * across, tall * down + 0.2), squeeze=False, layout="constrained",
            sharex=kind == "plane", sharey=kind == "plane",
        )  # fmt: skip
        panels = list(grid.ravel())
        for spare in panels[len(chosen) :]:
            spare.remove()
        displays = []
        for number, panel in zip(chosen, panels, strict=False):
            w = path[number]
            model.coef_ = w[None, :d].copy() if model.coef_.ndim == 2 else w[:d].copy()
            offset = float(w[d]) if len(w) > d else 0.0
            model.intercept_ = np.full_like(np.asarray(model.intercept_, dtype=np.float64), offset)
            display = cls(_Shown(model), X, y)
            display.round_ = number
            display.plot(kind=kind, slacks=slacks, width=False, legend=False, ax=panel)
            title = f"after {number} round{'' if number == 1 else 's'}" if number else "start"
            panel.set_title(title, fontsize="medium")
            panel.set(xlabel="", ylabel="")
            displays.append(display)
        return displays

    round_: int = -1

    # ---------------------------------------------------------------------------------------------- drawing

    def plot(
        self,
        *,
        kind: str = "plane",
        slacks: bool = True,
        width: bool = True,
        legend: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Draw it.

        Parameters
        ----------
        kind, slacks, width, legend, ax
            As for `from_estimator`.

        Returns
        -------
        MarginDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        if kind not in KINDS:
            raise InvalidParameterError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}. Use 'plane'.")
        d = self.coef.shape[1]
        needed = 2 if self.classes else 1
        if kind == "plane" and d != needed:
            raise InvalidParameterError(
                f"X: kind='plane' draws models of {needed} feature{'s' if needed > 1 else ''}, this one has {d}. "
                "Use kind='scores', the projection of all rows onto the direction of the weights."
            )
        if ax is None:
            _, ax = plt.subplots(figsize=(6.6, 5.2) if kind == "plane" else (6.6, 4.0), layout="constrained")
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)
        if kind == "scores":
            draw_scores(self, ax, legend)
        elif self.classes:
            draw_plane(self, ax, slacks, width, legend)
        else:
            draw_tube(self, ax, slacks, legend)
        return self

    def colour(self, code: int, *, text: bool = False) -> str:
        """The colour of a class, or a darker one for letters."""
        colour = COLOURS[code % len(COLOURS)]
        return darker(colour) if text else colour

    @property
    def margin(self) -> float:
        """``2 / |w|`` of a model of one score."""
        size = math.sqrt(float(self.coef[0] @ self.coef[0]))
        return 2.0 / size if size > 0.0 else math.inf


def _shape(display: MarginDisplay) -> float:
    """Height of a panel for its width."""
    if display.coef.shape[1] != 2:
        return 0.8
    wide, high = np.ptp(np.asarray(display.X), axis=0)
    return float(np.clip(high / wide, 0.5, 1.3)) if wide > 0.0 else 1.0


class _Shown:
    """A model at one point of its way: coefficients and classes, without what belongs to its end."""

    def __init__(self, model: Any) -> None:
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        for name in ("classes_", "epsilon"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))


def thinned(numbers: Sequence[int], most: int = FRAMES) -> list[int]:
    """At most so many of the numbers, closer at the beginning; the first and the last are among them.

    >>> thinned(range(5)), thinned(range(101))
    ([0, 1, 2, 3, 4], [0, 1, 2, 5, 10, 22, 46, 100])
    """
    if len(numbers) <= most:
        return list(numbers)
    places = np.geomspace(1.0, len(numbers) - 1.0, most - 1).round().astype(int)
    for i in range(1, len(places)):  # close ones at the beginning fall together
        places[i] = max(places[i], places[i - 1] + 1)
    return [numbers[0], *(numbers[i] for i in places)]
