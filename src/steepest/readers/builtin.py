"""The small real data sets that scikit-learn carries, by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.exceptions import DataError
from steepest.readers.dataset import Dataset

BUILTIN = ("digits", "iris", "breast_cancer", "wine", "diabetes")
TEST_SHARE = 0.25


def read_builtin(name: str) -> Dataset:
    """A built-in data set whole; see `split` for its fixed train and test parts."""
    from sklearn import datasets

    if name not in BUILTIN:
        raise DataError(f"no built-in data set {name!r}; there are {', '.join(BUILTIN)}")
    bunch: Any = getattr(datasets, f"load_{name}")()
    X, note, shape = np.ascontiguousarray(bunch.data, dtype=np.float64), "", None
    if name == "digits":
        X, note, shape = X / 16.0, "pixel values divided by 16", (8, 8)
    elif name == "diabetes":
        note = "features centred and scaled to length 1, as scikit-learn ships them"
    targets = getattr(bunch, "target_names", None)
    y = np.asarray(bunch.target)
    return Dataset(
        X,
        y if name == "diabetes" else y.astype(np.int64),
        name=name,
        source=f"{name} (built in, from scikit-learn)",
        note=note,
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        target_names=None if targets is None else tuple(str(target) for target in targets),
        image_shape=shape,
    )


def split(data: Dataset, *, stratify: bool, share: float = TEST_SHARE) -> tuple[Dataset, Dataset]:
    """The same train and test rows every time.

    With ``stratify`` each class gives the same share of its rows, at least one; ``np.random.default_rng(0)``
    picks them, and the rows keep their order.
    """
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(data.y == label) for label in np.unique(data.y)] if stratify else [np.arange(len(data.y))]
    picked = [rng.permutation(group)[: max(1, round(share * len(group)))] for group in groups]
    mask = np.zeros(len(data.y), dtype=bool)
    mask[np.concatenate(picked)] = True
    how = f"a fixed {'stratified ' if stratify else ''}split"
    train, test = np.flatnonzero(~mask), np.flatnonzero(mask)
    return (
        data.take(train, f"{len(train):,} of {len(data.y):,} rows by {how}"),
        data.take(test, f"the other {len(test):,} of {len(data.y):,} rows"),
    )
