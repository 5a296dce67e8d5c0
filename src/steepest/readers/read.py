"""One door to all formats: a built-in name, a file, or a folder with idx images."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

from steepest.exceptions import DataError
from steepest.readers.builtin import BUILTIN, read_builtin
from steepest.readers.dataset import Dataset
from steepest.readers.files import FOREIGN, bare_name, read_bytes
from steepest.readers.idx import find_images, is_idx, read_idx
from steepest.readers.libsvm import read_libsvm
from steepest.readers.table import TABLE_ENDINGS

_FORMATS = (
    "idx images (train-images-idx3-ubyte, with the label file beside it) and LIBSVM text, each plain, .gz, .bz2, "
    f".xz or .zst, a folder with idx images, and the built-in names {', '.join(BUILTIN)}"
)


def read_dataset(
    name_or_path: str | Path, *, n_features: int | None = None, part: Literal["train", "test"] = "train"
) -> Dataset:
    """Read data by name or path.

    Parameters
    ----------
    name_or_path : str or Path
        A built-in name (write ``./digits`` for a file of that name), a file, or a folder with idx images.
    n_features : int, optional
        The number of features the result must have: that of the train part when a test part is read.
    part : {"train", "test"}
        Which images a folder with both stands for.

    Examples
    --------
    >>> from steepest.readers import read_dataset
    >>> read_dataset("iris").describe()
    '150 rows x 4 features, dense float64'
    """
    if isinstance(name_or_path, str) and name_or_path in BUILTIN:
        return _checked(read_builtin(name_or_path), n_features)
    path = Path(name_or_path)
    if not path.exists():
        raise DataError(_unknown(str(name_or_path), path))
    if path.is_dir():
        return _checked(read_idx(find_images(path, part)), n_features)
    ending = Path(bare_name(path)).suffix.lower()
    if ending in FOREIGN:
        table = "; tables are read by read_table and become numbers by TableEncoder" if ending in TABLE_ENDINGS else ""
        raise DataError(f"{path}: cannot read {ending} files; formats are {_FORMATS}{table}")
    raw = read_bytes(path)
    if not raw:
        raise DataError(f"{path}: the file is empty; formats are {_FORMATS}")
    if is_idx(raw[:4]):
        return _checked(read_idx(path, raw), n_features)
    if b"\x00" in raw[:4096]:
        raise DataError(
            f"{path}: binary data that is no idx file (it starts with 0x{raw[:4].hex()}, idx images with 0x00000803); "
            f"formats are {_FORMATS}"
        )
    return read_libsvm(path, raw, n_features=n_features)


def _checked(data: Dataset, n_features: int | None) -> Dataset:
    if n_features is not None and data.n_features != n_features:
        raise DataError(
            f"{data.source}: has {data.n_features:,} features, the train part has {n_features:,}; "
            "train and test must have the same features"
        )
    return data


def _unknown(name: str, path: Path) -> str:
    folder = path.parent
    near = difflib.get_close_matches(name, BUILTIN, n=1)
    if not near and folder.is_dir():
        near = difflib.get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1, cutoff=0.8)
        near = [str(folder / hit) for hit in near]
    hint = f"; did you mean {near[0]!r}?" if near else f"; built-in names are {', '.join(BUILTIN)}"
    return f"{name}: no such file and no built-in data set{hint}"
