"""How a fit converged, as a matplotlib picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import HISTORY_COLUMNS
from steepest.record.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = {
    "passes": "passes over the data",
    "seconds": "seconds",
    "iteration": "rounds",
    "relative_gap": "proven relative gap",
    "gap": "proven gap",
    "objective": "objective",
    "gradient_norm": "gradient norm",
    "step": "step",
    "validation_loss": "loss on the validation rows",
    "validation_score": "score on the validation rows",
}
_LOG = ("relative_gap", "gap", "gradient_norm", "step")


class ConvergenceDisplay:
    """Curves of one or several fits: what was reached, against what it cost.

    Parameters
    ----------
    histories : mapping of str to History
        One curve each, with its name.
    tol : float, optional
        The relative gap that was asked for, drawn as a level where gaps are shown.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    lines_ : list of matplotlib.lines.Line2D

    Examples
    --------
    >>> from steepest import LinearRegressor, ConvergenceDisplay
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> fits = {name: LinearRegressor(solver=name, alpha=1e-3).fit(X, y) for name in ("lbfgs", "gradient_descent")}
    >>> display = ConvergenceDisplay.from_estimator(fits)
    >>> [line.get_label() for line in display.lines_]
    ['lbfgs', 'gradient_descent']
    """

    def __init__(self, histories: Mapping[str, History], *, tol: float | None = None) -> None:
        self.histories = dict(histories)
        self.tol = tol

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        x: str = "passes",
        y: str = "relative_gap",
        ax: Axes | None = None,
        **line: Any,
    ) -> Self:
        """Draw the history of a fitted estimator, or of several.

        Parameters
        ----------
        estimator : fitted estimator, or mapping of str to fitted estimators
            A pipeline's last step counts.
        x : {"passes", "seconds", "iteration"}
        y : a column of the history, such as "relative_gap", "objective", "validation_loss"
        ax : matplotlib.axes.Axes, optional
        **line : keywords of ``ax.plot``
        """
        fits = estimator if isinstance(estimator, Mapping) else {type(last_step(estimator)).__name__: estimator}
        fits = {str(name): last_step(fit) for name, fit in fits.items()}
        for name, fit in fits.items():
            if not hasattr(fit, "history_"):
                raise InvalidParameterError(f"estimator: {name} is not fitted, or keeps no history_. Call fit first.")
        tols = {float(fit.certificate_.tol) for fit in fits.values()}
        display = cls({name: fit.history_ for name, fit in fits.items()}, tol=tols.pop() if len(tols) == 1 else None)
        return display.plot(x=x, y=y, ax=ax, **line)

    def plot(self, *, x: str = "passes", y: str = "relative_gap", ax: Axes | None = None, **line: Any) -> Self:
        """Draw the curves; gaps, gradients and steps on a log scale.

        Parameters
        ----------
        x, y, ax, **line
            As for `from_estimator`.

        Returns
        -------
        ConvergenceDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        for name, column, allowed in (("x", x, ("passes", "seconds", "iteration")), ("y", y, tuple(HISTORY_COLUMNS))):
            if column not in allowed:
                raise InvalidParameterError(f"{name}: expected one of {', '.join(allowed)}, got {column!r}.")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_, self.lines_ = ax, _figure(ax), []
        for name, history in self.histories.items():
            across, up = history[x], history[y]
            good = np.isfinite(up) & ((up > 0.0) | (y not in _LOG))
            style = {"marker": "o" if good.sum() <= 40 else "", "markersize": 3.5, **line}
            self.lines_ += ax.plot(across[good], up[good], label=name, **style)
        if y in _LOG:
            ax.set_yscale("log")
        if y == "relative_gap" and self.tol is not None:
            ax.axhline(self.tol, color="0.45", linestyle=":", linewidth=1.2)
            ax.annotate(
                f"asked: {self.tol:g}", (1.0, self.tol), xycoords=("axes fraction", "data"), xytext=(-3, 3),
                textcoords="offset points", ha="right", va="bottom", color="0.35", fontsize="small",
            )  # fmt: skip
        ax.set(xlabel=_LABELS[x], ylabel=_LABELS.get(y, y))
        if len(self.histories) > 1:
            ax.legend(frameon=False)
        return self


def last_step(estimator: Any) -> Any:
    """The estimator itself, or the last step of a pipeline."""
    return last_step(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def _figure(ax: Axes) -> Figure:
    return ax.get_figure(root=True)
