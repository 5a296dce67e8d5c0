"""An augmentation that is ready to run on batches: it holds no state, and any thread may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.exceptions import DataError
from steepest.kernels.augment import DRAWN, Plan, augment, draw
from steepest.protocols import FloatArray

_INTERVALS = 4  # between control points of the distortion along the shorter side
_Spline = tuple[NDArray[np.int64], FloatArray]


@dataclass(frozen=True)
class Augmentation:
    """What an `Augmenter` does to images of one shape, ready to run; it holds no state and any thread may use it.

    Parameters
    ----------
    plan : Plan
    """

    plan: Plan
    #: The distortion's splines, down the rows and across the columns: for every pixel the first of the four control
    #: points that reach it, and their weights.
    splines: Mapping[np.dtype[Any], tuple[_Spline, _Spline]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = (self.plan.rows, self.plan.columns)
        kinds = [np.dtype(kind) for kind in (np.float32, np.float64)]
        made = {kind: tuple(_spline(size, min(sizes), kind) for size in sizes) for kind in kinds}
        object.__setattr__(self, "splines", made)

    @property
    def mixes(self) -> bool:
        """Whether pixels get the values of other pixels or ``fill``: whether anything but noise happens."""
        p = self.plan
        sizes = (p.rotate, p.shift, p.zoom, p.shear, p.crop, p.cut_rows, p.cut_columns, p.erase, p.elastic)
        return p.horizontal or p.vertical or any(sizes)

    def apply(self, batch: FloatArray, rows: NDArray[Any], epoch: int, seed: int) -> None:
        """Make every image of a batch a random version of itself, in place.

        Parameters
        ----------
        batch : (m, d) float32 or float64, C-contiguous
            In the units of the data: before columns are centred or scaled, so that ``fill`` is a pixel's value.
        rows : (m,) integers
            The rows' numbers in the data set; with seed and epoch they decide what happens, and nothing else does.
        epoch, seed : int
        """
        d = self.plan.rows * self.plan.columns * self.plan.channels
        kinds = [str(kind) for kind in self.splines]
        if str(batch.dtype) not in kinds or batch.shape != (len(batch), d) or not batch.flags.carray:
            raise DataError(
                f"batch: expected a C-contiguous {' or '.join(kinds)} array of rows of {d:,} numbers that may be "
                f"written to, got {batch.dtype} of shape {batch.shape}. Use np.array(X, 'float32', order='C')."
            )
        rows = _places(rows)
        if len(rows) != len(batch):
            raise DataError(f"rows: expected {len(batch):,} numbers, one a row of the batch, got {len(rows):,}.")
        augment(batch, rows, _word(epoch), _word(seed), self.plan, *self.splines[batch.dtype])

    def drawn(self, rows: NDArray[Any], epoch: int, seed: int) -> dict[str, FloatArray]:
        """What `apply` does to rows: one array a number, ``angle`` in radians, places and shifts in pixels.

        Parameters
        ----------
        rows : (m,) integers
        epoch, seed : int
        """
        rows = _places(rows)
        out = np.empty((len(rows), len(DRAWN)))
        draw(rows, _word(epoch), _word(seed), self.plan, out)
        return {name: out[:, k] for k, name in enumerate(DRAWN)}


# ---------------------------------------------------------------------------------------------------- parts


def _word(value: int) -> np.uint64:
    return np.uint64(int(value) & 0xFFFFFFFFFFFFFFFF)


def _places(rows: Any) -> NDArray[np.int64]:
    """Numbers of rows in the one type that kernels are compiled for."""
    rows = np.asarray(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise DataError(f"rows: expected a vector of whole numbers, got {rows.dtype} of shape {rows.shape}.")
    return np.ascontiguousarray(rows, np.int64)


def _spline(size: int, shorter: int, kind: Any) -> _Spline:
    """Uniform cubic splines at the pixels 0, ..., size - 1: the first of four control points, and their weights."""
    place = (np.arange(size) + 0.5) * _INTERVALS / shorter
    first = np.floor(place)
    t = place - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * t * (1 + t - t**2) + 1, t**3]) / 6.0
    return first.astype(np.int64), weights.astype(kind)
