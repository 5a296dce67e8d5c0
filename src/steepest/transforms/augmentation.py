"""Random versions of images for training: moved, turned, bent, cut, noisy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from steepest.exceptions import DataError, InvalidParameterError
from steepest.kernels.augment import Plan
from steepest.protocols import AnyArray, FloatArray
from steepest.transforms.augmentation_ready import Augmentation

#: What a bare name means in `Augmenter.parse`: right for digits of 28 x 28 pixels.
USUAL: dict[str, Any] = {
    "flip": "horizontal",
    "rotate": 10.0,
    "shift": 2,
    "zoom": 0.1,
    "shear": 0.1,
    "crop": 0.2,
    "cut_rows": 4,
    "cut_columns": 4,
    "erase": 0.1,
    "elastic": 1.2,
}
_FLIPS = (None, "horizontal", "vertical", "both")
_NEEDS_SHAPE = tuple(USUAL)
_BLOCK_BYTES = 1 << 24


class Augmenter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Random versions of images: more to learn from than the rows there are.

    Rows of X are images, row by row of pixels.  A model that is trained with an augmenter meets another version of
    every image in every epoch; `augment` and `sample` give such versions as arrays.  ``transform`` changes nothing:
    in a pipeline rows to predict must stay as they are.

    Parameters
    ----------
    image_shape : (rows, columns) or (rows, columns, channels), optional
        None for square images of one channel: 784 features are 28 x 28 pixels.
    flip : {None, "horizontal", "vertical", "both"}
        Mirror left and right, up and down, or each, with probability 1/2.
    rotate : float
        Degrees: the angle is uniform in [-rotate, rotate].
    shift : int
        Pixels: whole ones of {-shift, ..., shift} down and to the right.
    zoom : float
        Larger by a factor that is uniform in [1 - zoom, 1 + zoom].
    shear : float
        Each row of pixels slides against the next by a number uniform in [-shear, shear].
    crop : float
        A window anywhere in the image, scaled back to the image's size; its sides are shorter by a share that is
        uniform in [0, crop].
    cut_rows, cut_columns : int
        A band of at most so many rows (columns) of pixels becomes ``fill``.
    erase : float
        A rectangle of at most this share of the area becomes ``fill``.
    elastic : float
        Standard deviation, in pixels, of a smooth random displacement of the pixels.
    noise : float
        Standard deviation of noise on every pixel, in the units of X.
    fill : float
        The value of pixels that come from outside the image, in the units of X: what its background has.
    random_state : int, RandomState instance or None
        For `augment` and `sample`.  Training has a seed of its own.

    Attributes
    ----------
    image_shape_ : (rows, columns, channels)
    n_features_in_ : int

    Notes
    -----
    Rotation, zoom, shear, shift, crop and displacement are one map and one bilinear interpolation; shifts by
    themselves and flips change no number.  The displacement is a cubic spline through random control points a
    quarter of the shorter side apart, the counterpart of fields smoothed by a Gaussian (of deviation 4 pixels in images
    of 28 x 28) [1]_.  The noise is a sum of four uniform numbers, close to normal.

    Versions are decided by seed, epoch and row.  Cost: a few nanoseconds a pixel, compiled, without the interpreter
    lock.

    References
    ----------
    .. [1] Simard, Steinkraus, Platt (2003), Best practices for convolutional neural networks applied to visual
       document analysis, ICDAR.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import Augmenter
    >>> X = np.array([[1, 2, 3, 4, 5, 6, 7, 8, 9]])
    >>> augmenter = Augmenter(shift=1, random_state=0).fit(X)
    >>> augmenter.augment(X).reshape(3, 3)
    array([[0, 0, 0],
           [0, 1, 2],
           [0, 4, 5]])
    >>> augmenter.sample(X, copies=5).shape
    (5, 9)
    >>> Augmenter.parse("rotate=15,elastic")
    Augmenter(elastic=1.2, rotate=15.0)
    """

    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        *,
        flip: str | None = None,
        rotate: float = 0.0,
        shift: int = 0,
        zoom: float = 0.0,
        shear: float = 0.0,
        crop: float = 0.0,
        cut_rows: int = 0,
        cut_columns: int = 0,
        erase: float = 0.0,
        elastic: float = 0.0,
        noise: float = 0.0,
        fill: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.image_shape = image_shape
        self.flip = flip
        self.rotate = rotate
        self.shift = shift
        self.zoom = zoom
        self.shear = shear
        self.crop = crop
        self.cut_rows = cut_rows
        self.cut_columns = cut_columns
        self.erase = erase
        self.elastic = elastic
        self.noise = noise
        self.fill = fill
        self.random_state = random_state

    # -------------------------------------------------------------------------------------------- as text

    @classmethod
    def parse(cls, text: str) -> Self:
        """An augmenter from words, as in ``"shift,rotate=15,elastic"``.

        Parameters
        ----------
        text : str
            Names of changes, each by itself or with its size.  By itself: flip=horizontal, rotate=10, shift=2,
            zoom=0.1, shear=0.1, crop=0.2, cut_rows=4, cut_columns=4, erase=0.1, elastic=1.2, right for digits of
            28 x 28 pixels.  ``noise`` and ``fill`` need a number, ``image_shape`` one as in ``32x32x3``.
        """
        allowed = (*USUAL, "noise", "fill", "image_shape")
        found: dict[str, Any] = {}
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (part.strip() for part in word.partition("="))
            name = name.replace("-", "_")
            if name not in allowed:
                raise InvalidParameterError(
                    f"augment: expected names of {', '.join(allowed)}, got {name!r} in {text!r}."
                )
            if not equals and name not in USUAL:
                example = "image_shape=28x28" if name == "image_shape" else f"{name}=0.1"
                raise InvalidParameterError(f"augment: {name} needs a value, as in {example!r}; got {text!r}.")
            if name in found:
                raise InvalidParameterError(f"augment: expected every name once, got {name!r} twice in {text!r}.")
            found[name] = _parsed(name, value, text) if equals else USUAL[name]
        if not found:
            raise InvalidParameterError(f"augment: expected names of {', '.join(allowed)}, got {text!r}.")
        return cls(**found)

    # ------------------------------------------------------------------------------------------ transformer

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and learn the shape of the images.

        Parameters
        ----------
        X : array or frame of shape (n, d)
        y : ignored
        """
        X = validate_data(self, X)
        self.image_shape_ = self._shape(X.shape[1])
        self._plan(self.image_shape_)
        return self

    def transform(self, X: Any) -> AnyArray:
        """The rows as they are: rows to predict are not changed.

        Parameters
        ----------
        X : array or frame of shape (n, d)
        """
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, reset=False))

    def augment(self, X: Any, epoch: int = 0) -> AnyArray:
        """A random version of every row.

        Parameters
        ----------
        X : array or frame of shape (n, d)
            Numbers of any type.
        epoch : int
            Another epoch, other versions, if ``random_state`` is a number.

        Returns
        -------
        Z : array of shape (n, d)
            Of the type of X; whole numbers are rounded and stay in the range of their type.
        """
        check_is_fitted(self)
        if not _is_whole(epoch):
            raise InvalidParameterError(f"epoch: expected a whole number, got {epoch!r}. Count from 0.")
        return self._versions(X, [int(epoch)])

    def sample(self, X: Any, y: Any = None, *, copies: int = 1) -> Any:
        """Several random versions of every row: first one of each, then a second of each, and so on.

        Parameters
        ----------
        X : array or frame of shape (n, d)
        y : array of shape (n,) or (n, k), optional
            Repeated for the versions.
        copies : int

        Returns
        -------
        Z : array of shape (copies * n, d), or (Z, y) with y
        """
        check_is_fitted(self)
        if not _is_whole(copies) or copies < 1:
            raise InvalidParameterError(f"copies: expected a whole number of at least 1, got {copies!r}.")
        Z = self._versions(X, range(int(copies)))
        if y is None:
            return Z
        y = np.asarray(y)
        if not y.ndim or len(y) * copies != len(Z):
            got = f"{len(y):,}" if y.ndim else f"{y.item()!r:.80}"
            raise DataError(f"y: expected {len(Z) // int(copies):,} entries, one a row of X, got {got}.")
        return Z, np.concatenate([y] * int(copies))

    def prepared(self, n_features: int) -> Augmentation:
        """The compiled form for rows of so many features; it needs no fit.

        Parameters
        ----------
        n_features : int
        """
        return Augmentation(self._plan(self._shape(n_features)))

    def apply(self, batch: FloatArray, rows: NDArray[Any], epoch: int, seed: int) -> None:
        """As `Augmentation.apply`; where batches are many, prepare once.

        Parameters
        ----------
        batch : (m, d) float32 or float64, C-contiguous
        rows : (m,) integers
        epoch, seed : int
        """
        self.prepared(batch.shape[1]).apply(batch, rows, epoch, seed)

    # -------------------------------------------------------------------------------------------- inside

    def _versions(self, X: Any, epochs: Any) -> AnyArray:
        X = validate_data(self, X, reset=False)
        ready, n = self.prepared(X.shape[1]), X.shape[0]
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        small = X.dtype.kind in "biu" and X.dtype.itemsize <= 2
        kind = np.dtype(np.float32 if small or X.dtype in (np.float16, np.float32) else np.float64)
        out = np.empty((len(epochs) * n, X.shape[1]), X.dtype)
        step = max(1, _BLOCK_BYTES // (kind.itemsize * X.shape[1]))
        for part, epoch in enumerate(epochs):
            for low in range(0, n, step):
                rows = np.arange(low, min(low + step, n))
                batch = np.array(X[low : low + step], dtype=kind, order="C")
                ready.apply(batch, rows, epoch, seed)
                out[part * n + low : part * n + low + len(rows)] = _as_type(batch, X.dtype)
        return out

    def _shape(self, n_features: int) -> tuple[int, int, int]:
        shape = self.image_shape
        if shape is None:
            side = math.isqrt(n_features)
            if side * side == n_features:
                return side, side, 1
            if any(getattr(self, name) for name in _NEEDS_SHAPE):
                raise InvalidParameterError(
                    f"image_shape: None means square images, and {n_features:,} features are no square. "
                    "Give it as (rows, columns) or (rows, columns, channels)."
                )
            return 1, n_features, 1
        try:
            sizes = tuple(shape)
        except TypeError:
            sizes = ()
        if len(sizes) not in (2, 3) or not all(_is_whole(size) and size >= 1 for size in sizes):
            raise InvalidParameterError(
                f"image_shape: expected (rows, columns) or (rows, columns, channels), got {shape!r}. Try (28, 28)."
            )
        if math.prod(sizes) != n_features:
            raise InvalidParameterError(
                f"image_shape: {' x '.join(str(size) for size in sizes)} pixels are {math.prod(sizes):,} features, "
                f"and X has {n_features:,}. Give the shape of one row."
            )
        return int(sizes[0]), int(sizes[1]), int(sizes[2]) if len(sizes) == 3 else 1

    def _plan(self, shape: tuple[int, int, int]) -> Plan:
        rows, columns, channels = shape
        if self.flip not in _FLIPS:
            raise InvalidParameterError(f"flip: expected one of {_FLIPS}, got {self.flip!r}. Try flip='horizontal'.")
        return Plan(
            rows,
            columns,
            channels,
            self.flip in ("horizontal", "both"),
            self.flip in ("vertical", "both"),
            math.radians(self._size("rotate", 180.0)),
            self._pixels("shift", max(rows, columns)),
            self._size("zoom", 1.0, inside=True),
            self._size("shear", float(max(rows, columns))),
            self._size("crop", 1.0, inside=True),
            self._pixels("cut_rows", rows),
            self._pixels("cut_columns", columns),
            self._size("erase", 1.0),
            self._size("elastic", float(max(rows, columns))),
            self._size("noise", math.inf),
            _number("fill", self.fill),
        )

    def _size(self, name: str, largest: float, inside: bool = False) -> float:
        value = _number(name, getattr(self, name))
        if not 0.0 <= value <= largest or (inside and value == largest):
            upper = "" if math.isinf(largest) else f" and {'less than' if inside else 'at most'} {largest:g}"
            usual = f"{name}={USUAL.get(name, 0.1)!r}"
            raise InvalidParameterError(f"{name}: expected a number of at least 0{upper}, got {value!r}. Try {usual}.")
        return value

    def _pixels(self, name: str, largest: int) -> int:
        value = getattr(self, name)
        if not _is_whole(value) or not 0 <= value <= largest:
            usual = f"{name}={min(USUAL[name], largest)}"
            raise InvalidParameterError(
                f"{name}: expected a whole number of pixels, of 0 to {largest}, got {value!r}. Try {usual}."
            )
        return int(value)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def as_augmenter(value: Any, image_shape: Any = None) -> Augmenter:
    """An augmenter from a value of it, from words as `Augmenter.parse` reads them, or from its parameters.

    Parameters
    ----------
    value : Augmenter, str or mapping
    image_shape : tuple, optional
        The shape of the images where the value has none.
    """
    if isinstance(value, Augmenter):
        found = value
    elif isinstance(value, str):
        found = Augmenter.parse(value)
    elif isinstance(value, Mapping):
        allowed = Augmenter().get_params()
        unknown = [str(name) for name in value if name not in allowed]
        if unknown:
            raise InvalidParameterError(
                f"augment: expected parameters of Augmenter, {', '.join(allowed)}; got {unknown[0]!r}."
            )
        found = Augmenter(**value)
    else:
        raise InvalidParameterError(
            "augment: expected an Augmenter, its parameters as a dictionary, or words such as 'shift,rotate=10', "
            f"got {value!r}."
        )
    if image_shape is not None and found.image_shape is None:
        found = Augmenter(**{**found.get_params(), "image_shape": image_shape})
    return found


# ---------------------------------------------------------------------------------------------------- parts


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return False
    return isinstance(value, int | np.integer) or (isinstance(value, float | np.floating) and float(value).is_integer())


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InvalidParameterError(f"{name}: expected a number, got {value!r}.")
    if not math.isfinite(value):
        raise InvalidParameterError(f"{name}: expected a finite number, got {value!r}.")
    return float(value)


def _parsed(name: str, value: str, text: str) -> Any:
    if name == "flip":
        return value
    try:
        if name == "image_shape":
            return tuple(int(size) for size in value.lower().split("x"))
        return int(value) if isinstance(USUAL.get(name), int) else float(value)
    except ValueError:
        whole = "a whole number" if isinstance(USUAL.get(name), int) else "a number"
        what = "sizes, as in 28x28" if name == "image_shape" else whole
        raise InvalidParameterError(f"augment: expected {what} for {name}, got {value!r} in {text!r}.") from None


def _as_type(values: FloatArray, dtype: np.dtype[Any]) -> AnyArray:
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        largest = limits.max if dtype.itemsize < 8 else np.nextafter(float(limits.max), 0.0)  # 2^63 - 1 is no float
        return np.clip(np.rint(values), limits.min, largest).astype(dtype)
    return values.astype(dtype, copy=False)
