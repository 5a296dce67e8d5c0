"""One door to table files: CSV and its relatives, and Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steepest.exceptions import DataError, InvalidParameterError
from steepest.readers.columns import clean_text, mixture
from steepest.readers.csv_dialect import HEAD, Header, encoding_of, looks_like_libsvm, sniff
from steepest.readers.csv_table import BLOCK, CsvReader
from steepest.readers.files import FOREIGN, ByteStream, Progress, bare_name, need_arrow
from steepest.readers.idx import is_idx
from steepest.readers.parquet import MAGIC, read_parquet
from steepest.readers.table import TABLE_ENDINGS, Layout, Table, choose_target, kind_of


def is_table(path: str | Path) -> bool:
    """Whether a file is a table: by its ending, else by its first bytes (so ``adult.data.gz`` is one).

    LIBSVM text, idx images and binary data are none.
    """
    path = Path(path)
    if not path.is_file():
        return False
    ending = Path(bare_name(path)).suffix.lower()
    if ending in TABLE_ENDINGS or ending in FOREIGN:
        return ending in TABLE_ENDINGS
    try:
        with ByteStream(path) as stream:
            head = stream.read(HEAD)
        if head.startswith(MAGIC):
            return True
        if not head.strip() or is_idx(head[:4]) or looks_like_libsvm(head):
            return False
        return len(sniff(head, path, header="auto", encoding=encoding_of(head)).names) > 1
    except DataError:
        return False


def read_table(
    path: str | Path,
    *,
    target: str | int | None = None,
    header: Header = "auto",
    like: Layout | None = None,
    ignore: Sequence[str] = (),
    needs_target: bool = True,
    progress: Progress | None = None,
    block_size: int = BLOCK,
) -> Table:
    """Read a CSV file (plain, .gz, .bz2, .xz, .zst) or a Parquet file.

    Separator (comma, semicolon, tab, bar), header, encoding and decimal commas are told from the first lines;
    comment lines before the table are skipped; spaces around cells do not count.  The words in
    `csv_dialect.MISSING`, with or without spaces, are missing values.

    Parameters
    ----------
    path : str or Path
    target : str or int, optional
        Name of the target column, or its position from 1 (-1 is the last).  By default that of ``like``; else a
        column called target, label, class or y; else the last.  A note says which it was.
    header : {"auto", "yes", "no"}
        Whether the first line of a CSV file holds the names.
    like : Layout, optional
        Layout of the train part: its target, names and kinds hold for this file too.  Columns of files with a
        header go by name, those of others by position.
    ignore : sequence of str
        Columns to leave out.
    needs_target : bool
        With False the target may be absent, as in data to predict.
    progress : callable, optional
        ``progress(bytes_done, bytes_total)``, called after every block.
    block_size : int
        Bytes of text in memory at a time.

    Raises
    ------
    DataError
        Names the file, and the line or column where there is one.

    Notes
    -----
    Rows without a target are left out, and a note counts them.  Memory: 8 bytes a number, 4 bytes a text cell,
    each distinct text once, and two blocks.
    """
    if header not in ("auto", "yes", "no"):
        raise InvalidParameterError(f"header must be one of auto, yes, no, got {header!r}")
    path = Path(path)
    need_arrow("reading CSV and Parquet files")
    with ByteStream(path) as stream:
        magic = stream.read(4)
    if magic == MAGIC:
        arrow, notes = read_parquet(path, ignore=ignore, progress=progress)
        named, what = True, "Parquet"
    else:
        if Path(bare_name(path)).suffix.lower() in (".parquet", ".pq"):
            raise DataError(f"{path}: no Parquet file (it starts with {magic!r}, not with {MAGIC!r}); fetch it again")
        arrow, notes, named = _read_csv(path, header, like, ignore, progress, block_size)
        what = "CSV"
    unknown = [name for name in ignore if name not in arrow.column_names]
    if unknown and like is None:
        raise DataError(f"{path}: ignore: no column is called {unknown[0]!r} (columns: {_listed(arrow.column_names)})")
    left = {*ignore, *(like.left_out() if like is not None else ())}
    position, why = _find_target(arrow.column_names, path, target, like, needs_target)
    name, column, found = None if like is None else like.target, None, [*notes, why] if why else list(notes)
    columns = tuple(arrow.column_names)
    if position >= 0:
        name = columns[position]
        if name in left:
            raise DataError(f"{path}: ignore: {name!r} is the target; choose another target, or do not leave it out")
        arrow, column = _without_empty(arrow, name, path, found)
    arrow = arrow.drop_columns([other for other in columns if other in left or other == name])
    if not arrow.num_columns:
        raise DataError(
            f"{path}: one column ({columns[0]!r}), a table has a target and at least one feature; separators tried are "
            "comma, semicolon, tab and bar"
        )
    if column is not None:
        kind = kind_of(column.type)
    else:
        kind = like.target_kind if like is not None else "category"
    kinds = {field.name: kind_of(field.type) for field in arrow.schema}
    layout = Layout(kinds, name, kind, named, columns)
    title = bare_name(path).rpartition(".")[0] or bare_name(path)
    return Table(arrow, column, layout, title, f"{what} table {path}", tuple(found))


def _read_csv(
    path: Path,
    header: Header,
    like: Layout | None,
    ignore: Sequence[str],
    progress: Progress | None,
    block_size: int,
) -> tuple[Any, tuple[str, ...], bool]:
    import pyarrow as pa

    kinds: dict[str, str] = {}
    if like is not None:
        kinds = {name: kind for name, kind in like.kinds.items() if kind in ("number", "category")}
        if like.target is not None and like.target_kind == "category":
            kinds[like.target] = "category"
        if header == "auto" and not like.header:
            header = "no"
    reader = CsvReader(
        path,
        header=header,
        kinds=kinds,
        expected=() if like is None else like.columns,
        orders=() if like is None else like.orders(),
        progress=progress,
        block_size=block_size,
    )
    arrow = reader.read()
    assert reader.dialect is not None
    columns = []
    for name in arrow.column_names:
        column = arrow.column(name)
        if pa.types.is_dictionary(column.type) and name not in ignore:
            column = clean_text(column, may_be_numbers=name not in kinds)
            mixed = mixture(column, name) if pa.types.is_dictionary(column.type) and name not in kinds else ""
            if mixed and not any(note.startswith(f"column {name!r} mixes") for note in reader.notes):
                reader.notes.append(mixed)
        columns.append(column)
    notes = tuple(dict.fromkeys([*reader.dialect.notes, *reader.notes]))
    return pa.table(columns, names=arrow.column_names), notes, reader.dialect.header


def _find_target(
    names: Sequence[str], path: Path, target: str | int | None, like: Layout | None, needs_target: bool
) -> tuple[int, str]:
    """Position of the target, -1 where there is none and none is needed, and how it was chosen."""
    if target is None and like is not None and like.target is not None:
        if like.target in names:
            return list(names).index(like.target), ""
        if needs_target:
            raise DataError(
                f"{path}: has no column {like.target!r}, the target of the train part (columns: {_listed(names)})"
            )
    elif target is not None or needs_target:
        return choose_target(names, target, str(path))
    return -1, ""


def _without_empty(arrow: Any, name: str, path: Path, notes: list[str]) -> tuple[Any, Any]:
    """The rows that have a target, and their targets."""
    import pyarrow as pa

    column = arrow.column(name)
    if column.null_count:
        notes.append(f"{column.null_count:,} of {len(column):,} rows have no target and are left out")
        arrow = arrow.filter(column.is_valid())
        column = arrow.column(name)
        if not len(column):
            raise DataError(f"{path}: no row has a value in the target column {name!r}; choose another target")
    return arrow, _without_dots(column, notes) if pa.types.is_dictionary(column.type) else column


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _without_dots(target: Any, notes: list[str]) -> Any:
    """Labels without the dot that every one of them ends in, as in the test part of the Adult data."""
    import pyarrow as pa

    target = target.unify_dictionaries()
    levels = target.chunk(0).dictionary.to_pylist()
    used = {level for level in levels if level is not None}
    if not used or not all(len(level) > 1 and level.endswith(".") for level in used):
        return target
    notes.append("labels end in a dot, which is dropped")
    plain = pa.array([level[:-1].rstrip() for level in levels], pa.string())
    return pa.chunked_array([pa.DictionaryArray.from_arrays(chunk.indices, plain) for chunk in target.chunks])
