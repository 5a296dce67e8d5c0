"""Files to data sets: tables are encoded as their train part says, everything else is read as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from steepest.cli.checks import share
from steepest.cli.saying import reading
from steepest.exceptions import DataError
from steepest.protocols import AnyArray
from steepest.readers import Dataset, Layout, Table, is_table, read_dataset, read_table
from steepest.readers.builtin import BUILTIN, split
from steepest.readers.idx import has_images


@dataclass(slots=True)
class Inputs:
    """Parts of the data, and the transformers fitted on the train part that made them (of a table)."""

    train: Dataset
    test: Dataset | None = None
    valid: Dataset | None = None
    steps: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say about reading."""

    target: str | None = None
    header: str = "auto"
    ignore: Sequence[str] = ()
    classifies: bool | None = True  # None: as the targets are
    seed: int = 0
    quiet: bool = False
    ranks: bool = False  # whether a share is one of whole queries


def read_inputs(train: str, test: str | None, valid: str | None, wanted: Wanted) -> Inputs:
    """All parts; ``test`` and ``valid`` are files, or shares of the rows of ``train``."""
    if train not in BUILTIN and is_table(train):
        return _tables(train, test, valid, wanted)
    for option, given in (("--target", wanted.target), ("--ignore", wanted.ignore)):
        if given:
            raise DataError(f"{train}: {option} is for CSV and Parquet files; leave it out here")
    data, held, watched = read_dataset(train), None, None
    if test is not None and share(test) is not None:
        data, held = _split(data, float(test), wanted, "test")
    elif test is not None:
        held = read_dataset(test, n_features=data.n_features, part="test")
    elif train in BUILTIN:
        data, held = split(data, stratify=data.y.dtype.kind != "f")
    elif Path(train).is_dir() and has_images(Path(train), "test"):
        held = read_dataset(train, n_features=data.n_features, part="test")
    if valid is not None and share(valid) is not None:
        data, watched = _split(data, float(valid), wanted, "validation")
    elif valid is not None:
        watched = read_dataset(valid, n_features=data.n_features, part="test")
    return Inputs(data, held, watched)


def _tables(train: str, test: str | None, valid: str | None, wanted: Wanted) -> Inputs:
    from steepest.transforms.encoding import TableEncoder

    table = read_one(train, wanted)
    parts: dict[str, Table] = {}
    for name, given in (("test", test), ("validation", valid)):
        if given is not None and share(given) is not None:
            rest, picked = _picked(table.y(), float(given), wanted)
            parts[name] = _rows(table, picked, f"{len(picked):,} of {table.n_samples:,} rows, picked at random")
            table = _rows(table, rest, f"{len(rest):,} of {table.n_samples:,} rows, picked at random")
        elif given is not None:
            if not is_table(given):
                raise DataError(f"{given}: expected a table like {train}; give a CSV or Parquet file")
            parts[name] = read_one(given, wanted, table.layout)
    encoder = TableEncoder()
    X = encoder.fit_transform(table)
    names = encoder.get_feature_names_out().tolist()
    found = {name: part.dataset(encoder.transform(part), names) for name, part in parts.items()}
    return Inputs(
        table.dataset(X, names, encoder.notes_), found.get("test"), found.get("validation"), [("table", encoder)]
    )


def read_one(path: str, wanted: Wanted, like: Layout | None = None, *, needs_target: bool = True) -> Table:
    """A table, with a bar where somebody looks."""
    with reading(Path(path).name, quiet=wanted.quiet) as progress:
        return read_table(
            path,
            target=wanted.target,
            header=wanted.header,  # type: ignore[arg-type]
            like=like,
            ignore=tuple(wanted.ignore),
            needs_target=needs_target,
            progress=progress,
        )


def _picked(y: AnyArray, part: float, wanted: Wanted) -> tuple[AnyArray, AnyArray]:
    """Row numbers of the rest and of the part: of each class alike, where there are classes."""
    rng = np.random.default_rng(wanted.seed)
    groups = [np.arange(len(y))]
    if wanted.classifies or (wanted.classifies is None and y.dtype.kind != "f"):
        _, codes = np.unique(y, return_inverse=True)
        groups = [np.flatnonzero(codes == c) for c in range(int(codes.max()) + 1)]
    mask = np.zeros(len(y), dtype=bool)
    for group in groups:
        mask[rng.permutation(group)[: round(part * len(group))]] = True
    if mask.all() or not mask.any():
        raise DataError(f"a share of {part:g} of {len(y):,} rows leaves one part without rows; choose another share")
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _split(data: Dataset, part: float, wanted: Wanted, what: str) -> tuple[Dataset, Dataset]:
    n = data.n_samples
    if wanted.ranks and data.qid is not None:
        ids = np.unique(data.qid)
        mask = np.isin(data.qid, ids[_picked(ids, part, wanted)[1]])
        rest, picked = np.flatnonzero(~mask), np.flatnonzero(mask)
        words = f"rows of {{:,}} of {len(ids):,} queries, picked at random"
        return (
            data.take(rest, f"the {len(rest):,} " + words.format(len(np.unique(data.qid[rest])))),
            data.take(picked, f"the {len(picked):,} " + words.format(len(np.unique(data.qid[picked])))),
        )
    rest, picked = _picked(data.y, part, wanted)
    return (
        data.take(rest, f"{len(rest):,} of {n:,} rows, picked at random"),
        data.take(picked, f"{len(picked):,} of {n:,} rows for {what}"),
    )


def _rows(table: Table, rows: AnyArray, words: str) -> Table:
    return replace(
        table, arrow=table.arrow.take(rows), target=table.target.take(rows), source=f"{table.source}, {words}"
    )
