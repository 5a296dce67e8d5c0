"""What every reader returns: rows, targets, and the facts a report wants to tell about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.protocols import AnyArray


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows, targets and their description.

    Attributes
    ----------
    X : ndarray of shape (n, d) or scipy.sparse.csr_array
    y : ndarray of shape (n,)
        Integers where every label of the file is a whole number, else float64.
    name : str
        Short name for titles.
    source : str
        Where the numbers come from (a path, or the name of a built-in set), in words.
    note : str
        What was done to the values on reading, in words; empty where nothing was.
    feature_names, target_names : tuple of str, optional
        ``target_names[c]`` is the name of class ``c`` where labels are 0, 1, ...
    image_shape : tuple of int, optional
        ``(height, width)`` where each row is a picture in row-major order.
    qid : ndarray of shape (n,), optional
        Query ids of ranking files.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest.readers import Dataset
    >>> data = Dataset(np.eye(3), np.array([0, 1, 1]), name="toy", source="made by hand")
    >>> data.describe()
    '3 rows x 3 features, dense float64'
    """

    X: Any
    y: AnyArray
    name: str
    source: str
    note: str = ""
    feature_names: tuple[str, ...] | None = None
    target_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int] | None = None
    qid: AnyArray | None = None

    @property
    def n_samples(self) -> int:
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.X.shape[1])

    def describe(self) -> str:
        """Size and form of X in words."""
        size = f"{self.n_samples:,} rows x {self.n_features:,} features"
        if isinstance(self.X, np.ndarray):
            return f"{size}, dense {self.X.dtype}"
        share = self.X.nnz / max(1, self.n_samples * self.n_features)
        return f"{size}, sparse {self.X.dtype}, {self.X.nnz:,} non-zeros ({100 * share:.3g} %)"

    def feature_name(self, index: int) -> str:
        """Name of column ``index`` (from 0); "feature 1" is the first where the file names none."""
        return self.feature_names[index] if self.feature_names is not None else f"feature {index + 1}"

    def label_name(self, label: Any) -> str:
        """The name of a class where there is one, else the label itself as text."""
        names = self.target_names or ()
        if isinstance(label, int | np.integer) and 0 <= int(label) < len(names):
            return names[int(label)]
        return str(label)

    def take(self, rows: AnyArray, part: str) -> Dataset:
        """The given rows as a data set of their own; ``part`` is added to the source."""
        return Dataset(
            self.X[rows],
            self.y[rows],
            name=self.name,
            source=f"{self.source}, {part}",
            note=self.note,
            feature_names=self.feature_names,
            target_names=self.target_names,
            image_shape=self.image_shape,
            qid=None if self.qid is None else self.qid[rows],
        )
