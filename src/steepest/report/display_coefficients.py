"""Coefficients as a matplotlib picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

RED, BLUE = "#d63e2a", "#266ed8"


class CoefficientDisplay:
    """The largest coefficients as bars, or all of them as pictures where the rows are images.

    Parameters
    ----------
    coef : array of shape (k, d)
    feature_names : sequence of str of length d
    output_names : sequence of str of length k

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from steepest import CoefficientDisplay, Lasso
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> display = CoefficientDisplay.from_estimator(Lasso(alpha=0.1).fit(X, y), top=3)
    >>> [label.get_text() for label in display.axes_[0].get_yticklabels()]
    ['bmi', 's5', 'bp']
    """

    def __init__(self, coef: FloatArray, feature_names: Sequence[str], output_names: Sequence[str]) -> None:
        self.coef = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        self.feature_names = list(feature_names)
        self.output_names = list(output_names)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        feature_names: Sequence[str] | None = None,
        image_shape: tuple[int, int] | None = None,
        top: int = 20,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the coefficients of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator, or a pipeline that ends in one
            Names come from the pipeline's steps, or from the frame it was fitted on.
        feature_names : sequence of str, optional
        image_shape : (height, width), optional
            Draw each row of coefficients as a picture of this shape.
        top : int
            Bars drawn, the largest coefficients first.
        ax : matplotlib.axes.Axes, optional
            For a single output drawn as bars.
        """
        model, before = estimator, None
        if hasattr(estimator, "steps"):
            model, before = estimator.steps[-1][1], estimator[:-1] if len(estimator.steps) > 1 else None
        if not hasattr(model, "coef_"):
            raise InvalidParameterError(f"estimator: {type(model).__name__} has no coef_. Call fit first.")
        coef = model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_
        coef = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        names = feature_names
        if names is None:
            names = getattr(model, "feature_names_in_", None)
            if names is None and before is not None and hasattr(before, "get_feature_names_out"):
                names = before.get_feature_names_out()
        names = [f"x{j}" for j in range(coef.shape[1])] if names is None else [str(name) for name in names]
        if len(names) != coef.shape[1]:
            raise InvalidParameterError(f"feature_names: expected {coef.shape[1]} names, got {len(names)}.")
        classes = getattr(model, "classes_", None)
        if classes is None:
            outputs = [f"output {j}" for j in range(len(coef))]
        elif len(coef) == 1:
            outputs = [f"{classes[1]} against {classes[0]}"]
        else:
            outputs = [str(label) for label in classes]
        return cls(coef, names, outputs).plot(image_shape=image_shape, top=top, ax=ax)

    def plot(self, *, image_shape: tuple[int, int] | None = None, top: int = 20, ax: Axes | None = None) -> Self:
        """Draw bars, red above zero and blue below, or pictures on one scale of colours.

        Parameters
        ----------
        image_shape, top, ax
            As for `from_estimator`.

        Returns
        -------
        CoefficientDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        k, d = self.coef.shape
        if image_shape is not None and int(np.prod(image_shape)) != d:
            raise InvalidParameterError(f"image_shape: expected a shape of {d} pixels, got {tuple(image_shape)}.")
        if ax is not None and (k > 1 or image_shape is not None):
            raise InvalidParameterError(f"ax: one frame holds one output drawn as bars, got {k} outputs. Leave it out.")
        if ax is not None:
            axes: NDArray[Any] = np.array([ax])
        else:
            columns = min(k, 5 if image_shape is not None else 2)
            rows = -(-k // columns)
            line = 2.4 if image_shape is not None else 1.0 + 0.24 * min(top, d)
            size = (2.2 * columns if image_shape is not None else 5.6 * columns, line * rows)
            _, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
            axes = grid.ravel()
            for spare in axes[k:]:
                spare.set_axis_off()
        self.axes_, self.figure_ = axes[:k], axes[0].get_figure()
        scale = float(np.abs(self.coef).max(initial=0.0)) or 1.0
        for frame, row, name in zip(self.axes_, self.coef, self.output_names, strict=True):
            if image_shape is not None:
                seen = frame.imshow(row.reshape(image_shape), cmap="RdBu_r", vmin=-scale, vmax=scale)
                frame.set(xticks=[], yticks=[], title=name)
            else:
                self._bars(frame, row, top, "" if k == 1 and not name.count(" against ") else name)
        if image_shape is not None:
            self.figure_.colorbar(seen, ax=list(axes), shrink=0.6, label="coefficient")
        return self

    def _bars(self, frame: Any, row: FloatArray, top: int, title: str) -> None:
        order = np.argsort(-np.abs(row), kind="stable")[:top]
        order = order[row[order] != 0.0]
        at = np.arange(len(order))
        frame.barh(at, row[order], color=[RED if row[j] > 0 else BLUE for j in order])
        frame.axvline(0.0, color="0.4", linewidth=0.8)
        frame.set_yticks(at, [self.feature_names[j] for j in order])
        frame.set_ylim(len(order) - 0.4, -0.6)
        frame.set(xlabel="coefficient", title=title)
