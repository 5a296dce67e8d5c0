"""Batches of rows from an iterator: validated piece by piece, surveyed once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from steepest.data.stream import StreamSource
from steepest.estimators.targets import check_numbers, check_weights, plain_labels
from steepest.estimators.validation import FLOATS
from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray


class Batches:
    """What a user gives as batches, as an iterable that begins afresh each time.

    Parameters
    ----------
    model : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set by the first batch.
    given : iterable, or callable that returns one
        Of ``(X, y)`` or ``(X, y, sample_weight)``.
    """

    def __init__(self, model: Any, given: Any) -> None:
        self.model, self.given = model, given
        if not callable(given) and (iter(given) if hasattr(given, "__iter__") else given) is given:
            raise DataError(
                f"batches: expected a callable that returns an iterator, or an iterable that can be read again, got "
                f"{type(given).__name__}. Pass the function that makes it, not what it returned."
            )

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        found = self.given() if callable(self.given) else self.given
        for number, batch in enumerate(found):
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                raise DataError(
                    f"batches: expected tuples (X, y) or (X, y, sample_weight), got {type(batch).__name__}"
                    f"{f' of {len(batch)}' if isinstance(batch, tuple | list) else ''} as number {number}."
                )
            yield batch[0], batch[1], batch[2] if len(batch) == 3 else None

    def pieces(self) -> Iterator[Any]:
        """The matrices alone, checked."""
        for X, _, _ in self:
            yield self._checked(X)

    def survey(self, numeric: bool) -> tuple[StreamSource, AnyArray, FloatArray | None]:
        """All targets and weights, and the stream of matrices: one reading.

        Parameters
        ----------
        numeric : bool
            Whether targets are numbers.
        """
        targets: list[AnyArray] = []
        weights: list[FloatArray | None] = []

        def reading() -> Iterator[Any]:
            for X, y, s in self:
                if numeric:
                    check_numbers(y)
                X, y = validate_data(
                    self.model,
                    X,
                    plain_labels(y),
                    reset=not targets,
                    accept_sparse="csr",
                    accept_large_sparse=True,
                    dtype=FLOATS,
                    y_numeric=numeric,
                )
                targets.append(np.asarray(y))
                weights.append(check_weights(s, len(targets[-1])))
                yield X

        source = StreamSource(self.pieces, first=reading())
        if not targets:
            raise DataError("batches: expected at least one batch, got none. Return a fresh iterator at every call.")
        weighted = any(s is not None for s in weights)
        s = (
            np.concatenate([np.ones(len(y)) if w is None else w for y, w in zip(targets, weights, strict=True)])
            if weighted
            else None
        )
        return source, np.concatenate(targets), s

    def _checked(self, X: Any) -> Any:
        return validate_data(self.model, X, reset=False, accept_sparse="csr", accept_large_sparse=True, dtype=FLOATS)
