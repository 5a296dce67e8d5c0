"""Parquet files as Arrow columns, read in batches by pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steepest.exceptions import DataError
from steepest.readers.columns import regular
from steepest.readers.files import Progress

MAGIC = b"PAR1"
_BATCH = 1 << 16


def read_parquet(
    path: Path, *, ignore: Sequence[str] = (), progress: Progress | None = None
) -> tuple[Any, tuple[str, ...]]:
    """The columns of a Parquet file as a `pyarrow.Table`, and notes.

    Text is read as dictionaries, so that each level is kept once.  The index that pandas stores is left out.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        text = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        file = parquet.ParquetFile(path, read_dictionary=text)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: damaged or no Parquet file ({error}); write or fetch it again") from None
    notes = []
    repeated = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: the column name {repeated[0]!r} stands twice; rename one of the columns")
    index = [name for name in schema.names if name.startswith("__index_level_")]
    if index:
        notes.append("the index stored by pandas is left out")
    names = [name for name in schema.names if name not in index]
    total, done, batches = path.stat().st_size, 0.0, []
    rows = max(1, file.metadata.num_rows)
    with file:
        try:
            for batch in file.iter_batches(_BATCH, columns=names):
                batches.append(batch)
                done += batch.num_rows / rows
                if progress is not None:
                    progress(min(total, round(done * total)), total)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path}: damaged after {round(done * rows):,} rows ({error}); write it again") from None
        arrow_schema = batches[0].schema if batches else file.schema_arrow
    if not sum(batch.num_rows for batch in batches):
        raise DataError(f"{path}: no rows; a table has at least one")
    table = pa.Table.from_batches(batches, arrow_schema).select(names)
    del batches
    columns = [table.column(name) if name in ignore else regular(table.column(name), name, str(path)) for name in names]
    return pa.table(columns, names=names), tuple(notes)
