"""The history of a fit: one row per round, kept as columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.protocols import HISTORY_COLUMNS, FloatArray

_KNOWN = frozenset(HISTORY_COLUMNS)


class History:
    """Rounds of a fit, as columns.

    ``history["objective"]`` is a float64 array with one entry per recorded round; see
    `steepest.protocols.HISTORY_COLUMNS` for the names.  Entries that a solver does not know are nan.

    Examples
    --------
    >>> from steepest.record.history import History
    >>> history = History()
    >>> history.append(iteration=0, passes=1.0, seconds=0.01, objective=0.69)
    >>> history["objective"]
    array([0.69])
    >>> len(history)
    1
    """

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []

    def append(self, **row: float) -> None:
        """Add a round; columns left out are nan.  An unknown column is an error."""
        if not row.keys() <= _KNOWN:
            unknown = set(row) - _KNOWN
            raise KeyError(f"unknown history columns {sorted(unknown)}; known are {list(HISTORY_COLUMNS)}")
        self._rows.append(tuple(float(row.get(name, np.nan)) for name in HISTORY_COLUMNS))

    def __contains__(self, column: object) -> bool:
        """Whether there is such a column; its entries may be nan."""
        return column in _KNOWN if isinstance(column, str) else False

    def __getitem__(self, column: str) -> FloatArray:
        if column not in _KNOWN:
            raise KeyError(f"no history column {column!r}; there are {list(HISTORY_COLUMNS)}")
        index = list(HISTORY_COLUMNS).index(column)
        return np.array([row[index] for row in self._rows], dtype=np.float64)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return (dict(zip(HISTORY_COLUMNS, row, strict=True)) for row in self._rows)

    def __repr__(self) -> str:
        last = dict(zip(HISTORY_COLUMNS, self._rows[-1], strict=True)) if self._rows else {}
        tail = f", objective {last['objective']:.6g}, gap {last['gap']:.3g}" if last else ""
        return f"History({len(self)} rounds{tail})"

    def to_dict(self) -> dict[str, list[float]]:
        """Columns as plain lists."""
        return {name: self[name].tolist() for name in HISTORY_COLUMNS}

    def to_frame(self) -> Any:
        """Columns as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame({name: self[name] for name in HISTORY_COLUMNS})
