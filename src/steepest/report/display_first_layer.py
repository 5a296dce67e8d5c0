"""The weights of a network's first layer as pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import AnyArray, FloatArray
from steepest.report.display_convergence import last_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 64
_SATURATED = 0.998


def first_weights(model: Any, image_shape: Any = None, most: int = MOST) -> tuple[AnyArray, tuple[int, ...], int]:
    """Weights of the units with the largest norms, as pictures; their shape, and the number of all units.

    Parameters
    ----------
    model : fitted network
    image_shape : tuple of int, optional
        Height and width, or height, width and 3 colours; by default that of the model, or a square.
    most : int

    Raises
    ------
    InvalidParameterError
        Where rows of the model are no pictures of that shape, or none are wanted.
    """
    weights = getattr(model, "coefs_", None)
    if not weights:
        raise InvalidParameterError(
            f"estimator: expected a fitted MLPClassifier or MLPRegressor, got {type(model).__name__}. Fit one."
        )
    first: FloatArray = np.asarray(weights[0], dtype=np.float64)
    shape = picture_shape(model, image_shape, len(first))
    if isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1:
        raise InvalidParameterError(f"most: expected a number of pictures of at least 1, got {most!r}. Try {MOST}.")
    order = np.argsort(-np.linalg.norm(first, axis=0), kind="stable")[:most]
    return first[:, order].T.reshape(len(order), *shape), shape, first.shape[1]


def picture_shape(model: Any, image_shape: Any, size: int) -> tuple[int, ...]:
    """The shape of a row as a picture: as given, as the model says, or a square."""
    given = image_shape if image_shape is not None else getattr(model, "image_shape", None)
    if given is None:
        side = math.isqrt(size)
        if side * side != size:
            raise InvalidParameterError(
                f"image_shape: expected height and width of the rows, whose {size} columns are no square. "
                "Give image_shape=(height, width)."
            )
        return side, side
    shape = tuple(int(n) for n in given) if np.ndim(given) == 1 else ()
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) not in (2, 3) or math.prod(shape) != size or (len(shape) == 3 and shape[2] != 3):
        raise InvalidParameterError(
            f"image_shape: expected height and width (and 3 colours) with {size} columns in all, got {given!r}."
        )
    return shape


def common_scale(pictures: FloatArray) -> float:
    """The size of weights from which on colours are deepest: all but the largest 0.2 %."""
    sizes = np.abs(pictures[np.isfinite(pictures) & (pictures != 0.0)])
    return float(np.quantile(sizes, _SATURATED)) if sizes.size else 1.0


class FirstLayerDisplay:
    """One picture a unit of the first layer: what it looks for in rows that are images.

    Parameters
    ----------
    pictures : array of shape (units, height, width) or (units, height, width, 3)
    of : int
        Units that the layer has.

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    scale_ : float
        The weight of the deepest colour.

    Notes
    -----
    Red pixels switch a unit on, blue ones off, white ones do neither: one scale for all, symmetric at zero.  Weights of
    three colours are shown in these colours around grey.

    Examples
    --------
    >>> from steepest import FirstLayerDisplay, MLPClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPClassifier((12,), max_iter=5, scale="range", random_state=0, on_unconverged="ignore").fit(X, y)
    >>> FirstLayerDisplay.from_estimator(model).pictures.shape
    (12, 8, 8)
    """

    def __init__(self, pictures: FloatArray, *, of: int | None = None) -> None:
        self.pictures = np.asarray(pictures)
        self.of = len(self.pictures) if of is None else of

    @classmethod
    def from_estimator(cls, estimator: Any, image_shape: Any = None, *, most: int = MOST, axes: Any = None) -> Self:
        """Draw the units of the largest weights, largest first.

        Parameters
        ----------
        estimator : fitted MLPClassifier or MLPRegressor, or a pipeline that ends with one
        image_shape : tuple of int, optional
            Height and width; by default as the estimator was told, or a square.
        most : int
            Pictures.
        axes : array of matplotlib.axes.Axes, optional
            One a picture, at least.
        """
        pictures, _, count = first_weights(last_step(estimator), image_shape, most)
        return cls(pictures, of=count).plot(axes=axes)

    def plot(self, *, axes: Any = None) -> Self:
        """Draw the pictures.

        Parameters
        ----------
        axes
            As for `from_estimator`.

        Returns
        -------
        FirstLayerDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        count = len(self.pictures)
        if axes is None:
            across = min(count, max(4, math.ceil(math.sqrt(1.6 * count))))
            down = math.ceil(count / across)
            size = (0.85 * across + 0.9, 0.85 * down + 0.5)
            _, axes = plt.subplots(down, across, figsize=size, squeeze=False, layout="constrained")
        frames: list[Axes] = list(np.ravel(axes))
        if len(frames) < count:
            raise InvalidParameterError(f"axes: expected at least {count}, one a picture, got {len(frames)}.")
        self.scale_ = common_scale(self.pictures)
        shown: Any = None
        for ax, picture in zip(frames, self.pictures, strict=False):
            if picture.ndim == 3:
                ax.imshow(np.clip(0.5 + 0.5 * picture / self.scale_, 0.0, 1.0), interpolation="nearest")
            else:
                shown = ax.imshow(picture, cmap="RdBu_r", vmin=-self.scale_, vmax=self.scale_, interpolation="nearest")
        for ax in frames:
            ax.set_axis_off()
        self.axes_, self.figure_ = np.array(frames[:count]), frames[0].figure
        if shown is not None:
            self.figure_.colorbar(shown, ax=frames, shrink=0.6, pad=0.02, label="weight")
        rest = f"{count} of {self.of} units, largest weights first" if self.of > count else f"{count} units"
        self.figure_.suptitle(f"Weights of the first layer: {rest}", fontsize="medium")
        return self
