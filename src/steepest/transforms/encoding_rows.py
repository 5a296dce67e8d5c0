"""Encoded rows, filled in batches: from plans, one a column, to a dense or a sparse matrix."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steepest.exceptions import DataError
from steepest.protocols import FloatArray
from steepest.transforms.frames import Column

BATCH = 1 << 13  # rows whose encoded form stays in the cache while it is filled column by column


class Plan(NamedTuple):
    """How one column becomes features: ``at`` is its first one.

    Numbers: ``(value or fill - center) / scale``.  Categories: ``slots[code]`` is the feature that is 1, or -1.
    """

    column: Column
    at: int
    fill: float
    center: float
    scale: float
    slots: NDArray[np.int64] | None


def dense_rows(plans: list[Plan], n: int, width: int) -> FloatArray:
    """Encoded rows as an array."""
    out = np.zeros((n, width))
    for start in range(0, n, BATCH):
        stop = min(n, start + BATCH)
        view, rows = out[start:stop], np.arange(stop - start)
        for plan in plans:
            if plan.slots is None:
                view[:, plan.at] = _scaled(plan, start, stop)
            else:
                slots = plan.slots[plan.column.read(start, stop)]
                if slots.min() < 0:
                    kept = np.flatnonzero(slots >= 0)
                    view[kept, slots[kept]] = 1.0
                else:
                    view[rows, slots] = 1.0
    return out


def sparse_rows(plans: list[Plan], n: int, width: int) -> Any:
    """Rows of indices and values, without those that are zero."""
    from scipy.sparse import csr_array

    room = n * len(plans)
    narrow = np.int32 if max(room, width) < 2**31 else np.int64
    indices, data, indptr = np.empty(room, narrow), np.empty(room), np.zeros(n + 1, narrow)
    at = 0
    for start in range(0, n, BATCH):
        stop = min(n, start + BATCH)
        places = np.empty((stop - start, len(plans)), narrow)
        values = np.ones((stop - start, len(plans)))
        for j, plan in enumerate(plans):
            if plan.slots is None:
                places[:, j], values[:, j] = plan.at, _scaled(plan, start, stop)
            else:
                slots = plan.slots[plan.column.read(start, stop)]
                places[:, j] = slots
                if slots.min() < 0:
                    values[slots < 0, j] = 0.0
        kept = values != 0.0
        counts = kept.sum(axis=1)
        new = at + int(counts.sum())
        indptr[start + 1 : stop + 1] = at + np.cumsum(counts)
        whole = new - at == kept.size
        indices[at:new] = places.ravel() if whole else places[kept]
        data[at:new] = values.ravel() if whole else values[kept]
        at = new
    if at < 0.9 * room:
        indices, data = indices[:at].copy(), data[:at].copy()
    return csr_array((data[:at], indices[:at], indptr), shape=(n, width))


def finite(column: Column, start: int, stop: int) -> FloatArray:
    """Numbers of some rows; infinity is an error that names the first such row."""
    values: FloatArray = column.read(start, stop)
    with np.errstate(over="ignore", invalid="ignore"):
        if not math.isfinite(values.sum()):
            odd = np.flatnonzero(np.isinf(values))
            if len(odd):
                raise DataError(
                    f"X: column {column.name!r} contains infinity in row {start + int(odd[0]) + 1:,}; use a "
                    "finite number, or leave the cell empty if the value is not known"
                )
    return values


def _scaled(plan: Plan, start: int, stop: int) -> FloatArray:
    values = finite(plan.column, start, stop)
    if math.isnan(values.sum()):
        values = np.where(np.isnan(values), plan.fill, values)
    if plan.center == 0.0 and plan.scale == 1.0:
        return values
    scaled = values - plan.center
    scaled /= plan.scale
    return scaled


def counted(column: Column) -> tuple[dict[str, int], int]:
    """Rows of every level that occurs, and of missing values."""
    totals = np.zeros(len(column.levels) + 1, dtype=np.int64)
    for start in range(0, column.n, 1 << 20):
        totals += np.bincount(column.read(start, min(column.n, start + (1 << 20))) + 1, minlength=len(totals))
    counts: dict[str, int] = {}
    lost = int(totals[0])
    for level, count in zip(column.levels, totals[1:].tolist(), strict=True):
        if level is None:
            lost += count
        elif count:
            counts[level] = counts.get(level, 0) + count
    return counts, lost
