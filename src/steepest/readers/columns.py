"""Columns as they come from a file, made regular: trimmed levels, missing values, no exotic types."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.exceptions import DataError
from steepest.readers.csv_dialect import is_missing, is_number


def clean_text(column: Any, *, may_be_numbers: bool) -> Any:
    """A dictionary column whose levels are trimmed and distinct, and whose missing words are missing values.

    Work on the text is done once a level.  With ``may_be_numbers``, a column whose every level is a number
    becomes one of numbers: spaces around a word for "missing" had hidden that.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.unify_dictionaries()
    if column.num_chunks == 0:
        return column
    old: list[str | None] = column.chunk(0).dictionary.to_pylist()
    levels: dict[str, int] = {}
    mapping = np.empty(len(old), dtype=np.int32)
    for k, level in enumerate(old):
        text = (level or "").strip()
        mapping[k] = -1 if is_missing(text) else levels.setdefault(text, len(levels))
    new = pa.array(list(levels), pa.string())
    if may_be_numbers and levels:
        try:
            numbers = pc.cast(new, pa.float64())
        except pa.ArrowInvalid:
            pass
        else:
            return pa.chunked_array([numbers.take(_codes(chunk, mapping)) for chunk in column.chunks])
    if list(levels) == old:
        return column
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(_codes(chunk, mapping), new) for chunk in column.chunks],
        type=pa.dictionary(pa.int32(), pa.string()),
    )


def mixture(column: Any, name: str) -> str:
    """A note where half of a column's levels are numbers and others are not, else ""."""
    import pyarrow.compute as pc

    levels = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    texts = [level for level in levels if not is_number(level)]
    if not texts or len(texts) > 0.5 * len(levels):
        return ""
    code = levels.index(texts[0])
    row = 0
    for chunk in column.chunks:
        at = pc.index(chunk.indices, code).as_py()
        if at >= 0:
            row += at
            break
        row += len(chunk)
    return f"column {name!r} mixes numbers and text such as {texts[0][:30]!r} (row {row + 1:,}), so it is read as text"


def _codes(chunk: Any, mapping: Any) -> Any:
    """New codes of a chunk; those below 0 are missing."""
    import pyarrow as pa

    codes = chunk.indices.fill_null(0).to_numpy(zero_copy_only=False)
    found = mapping[codes] if len(mapping) else np.full(len(codes), -1, dtype=np.int32)
    gone = found < 0
    if chunk.null_count:
        gone |= chunk.is_null().to_numpy(zero_copy_only=False)
    return pa.array(found, pa.int32(), mask=gone if gone.any() else None)


def regular(column: Any, name: str, source: str) -> Any:
    """A column of a Parquet file as number, true/false, timestamp or dictionary of strings."""
    import pyarrow as pa

    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        if not (types.is_string(kind.value_type) or types.is_large_string(kind.value_type)):
            return regular(column.cast(kind.value_type), name, source)
        return clean_text(column.cast(pa.dictionary(pa.int32(), pa.string())), may_be_numbers=False)
    if types.is_boolean(kind) or types.is_floating(kind) or types.is_integer(kind):
        return column.cast(pa.float64()) if types.is_float16(kind) else column
    if types.is_decimal(kind):
        return column.cast(pa.float64())
    if types.is_date(kind):
        return column.cast(pa.timestamp("s"))
    if types.is_timestamp(kind):
        return column.cast(pa.timestamp(kind.unit)) if kind.tz is not None else column
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        coded = column.cast(pa.string()).dictionary_encode()
        return clean_text(coded.cast(pa.dictionary(pa.int32(), pa.string())), may_be_numbers=False)
    if types.is_null(kind) or types.is_time(kind):
        return regular(column.cast(pa.string()), name, source)
    raise DataError(
        f"{source}: column {name!r} has the type {kind}; columns may hold numbers, true/false, dates and text; leave "
        f"it out with ignore=[{name!r}]"
    )
