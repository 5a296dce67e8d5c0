"""A regularisation path as a matplotlib picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MUTED = "#9aa0a6"


class RegularizationPathDisplay:
    """Coefficients against the strength of the penalty, the weakest at the right; the largest are named.

    Parameters
    ----------
    alphas : array of shape (m,)
        Largest first.
    coefs : array of shape (m, d)
    feature_names : sequence of str of length d
    n_nonzero : array of int of shape (m,)
    certified : array of bool of shape (m,)
        Points without a proof are marked.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    lines_ : list of matplotlib.lines.Line2D
        One a feature.

    Examples
    --------
    >>> from steepest import Lasso, RegularizationPathDisplay, regularization_path
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> display = RegularizationPathDisplay.from_path(regularization_path(Lasso(), X, y, n_alphas=20), top=3)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['s5', 's1', 'bmi']
    """

    def __init__(
        self,
        alphas: FloatArray,
        coefs: FloatArray,
        feature_names: Sequence[str],
        n_nonzero: Any,
        certified: Any,
    ) -> None:
        self.alphas, self.coefs = np.asarray(alphas), np.asarray(coefs)
        self.feature_names = list(feature_names)
        self.n_nonzero, self.certified = np.asarray(n_nonzero), np.asarray(certified, dtype=bool)

    @classmethod
    def from_path(
        cls, path: Any, *, output: int = 0, top: int = 10, chosen: float | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw the result of `regularization_path`.

        Parameters
        ----------
        path : RegularizationPath
        output : int
            Which target or class, where there are several.
        top : int
            Features that are coloured and named: those of the largest coefficients.
        chosen : float, optional
            A strength to mark, for instance the ``alpha_`` of `LassoCV`.
        ax : matplotlib.axes.Axes, optional
        """
        coefs = path.coefs
        if coefs.ndim == 3:
            if not 0 <= output < coefs.shape[1]:
                raise InvalidParameterError(f"output: expected 0 to {coefs.shape[1] - 1}, got {output!r}.")
            coefs = coefs[:, output]
        used = (coefs != 0.0).sum(axis=1)
        certified = [certificate.passed for certificate in path.certificates]
        return cls(path.alphas, coefs, path.feature_names, used, certified).plot(top=top, chosen=chosen, ax=ax)

    def plot(self, *, top: int = 10, chosen: float | None = None, ax: Axes | None = None) -> Self:
        """Draw one line a feature, on a logarithmic axis of strengths.

        Parameters
        ----------
        top, chosen, ax
            As for `from_path`.

        Returns
        -------
        RegularizationPathDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
        reach = np.abs(self.coefs).max(axis=0)
        order = np.argsort(-reach, kind="stable")
        named = [int(j) for j in order[:top] if reach[j] > 0.0]
        colours = plt.get_cmap("tab10" if len(named) <= 10 else "tab20")
        positive = self.alphas > 0.0
        strengths = np.where(positive, self.alphas, np.nan)
        self.lines_ = []
        for j in range(self.coefs.shape[1]):
            rank = named.index(j) if j in named else -1
            colour = colours(rank % colours.N) if rank >= 0 else MUTED
            label = self.feature_names[j] if rank >= 0 else None
            width, front = (1.6, 3) if rank >= 0 else (0.7, 2)
            (line,) = ax.plot(strengths, self.coefs[:, j], color=colour, linewidth=width, zorder=front, label=label)
            self.lines_.append(line)
        if not self.certified.all():
            missed = strengths[~self.certified]
            ax.plot(missed, np.zeros(len(missed)), "kx", markersize=5, label="not certified", zorder=4)
        if chosen is not None:
            ax.axvline(chosen, color="black", linestyle=":", linewidth=1.2, zorder=1)
        ax.axhline(0.0, color="black", linewidth=0.6, zorder=1)
        ax.set(xscale="log", xlabel="strength of the penalty", ylabel="coefficient")
        if not ax.xaxis_inverted():
            ax.invert_xaxis()
        self._count_above(ax)
        if named:
            handles = [self.lines_[j] for j in named]
            ax.legend(handles=handles, frameon=False, fontsize=8, ncols=2 if len(named) > 5 else 1, loc="best")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _count_above(self, ax: Axes) -> None:
        """The number of features in use, above the frame at a few strengths."""
        ends = np.linspace(0, len(self.alphas) - 1, min(6, len(self.alphas))).astype(int)
        for i in ends:
            if self.alphas[i] > 0.0:
                place = (float(self.alphas[i]), 1.01)
                ax.text(
                    *place, str(int(self.n_nonzero[i])), transform=ax.get_xaxis_transform(), ha="center", fontsize=8
                )
        ax.set_title("features in use", fontsize=8, pad=16)
