"""Delimited text as Arrow columns, read in blocks by pyarrow.

The first block settles the type of every column: whole number, number, true/false, date, or text, which is
kept as a dictionary (each level once, a 32-bit code a row).  A later block may contradict: whole numbers
become numbers in place; for text among numbers the file is read again, with that column as text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steepest.exceptions import DataError
from steepest.readers.csv_blocks import Block, blocks
from steepest.readers.csv_dialect import HEAD, MISSING, Dialect, Header, encoding_of, sniff
from steepest.readers.files import ByteStream, Progress

BLOCK = 16 << 20
_PIECE = 1 << 20  # what one thread of pyarrow parses at a time
_CONVERSION = re.compile(r"In CSV column #(\d+): .*?CSV conversion error to (\w+).*?: invalid value '(.*)'", re.DOTALL)
_NULLS = [spaced for word in MISSING for spaced in (word, f" {word}", f"{word} ", f" {word} ", f"  {word}")]


class _Again(Exception):
    """The file must be read again, with another dialect or other types."""


class CsvReader:
    """Reads one file.

    Parameters
    ----------
    path : Path
    header : {"auto", "yes", "no"}
    kinds : mapping of name to kind, optional
        Kinds that columns must have: "number" or "category".  The others are told from the values.
    expected : tuple of str
        Names that a header is known by.
    orders : sequence of tuples of str
        Names for a file without a header; the first of its number of columns is taken, and there must be one.
    progress : callable, optional
    block_size : int
        Bytes of text in memory at a time.
    """

    def __init__(
        self,
        path: Path,
        *,
        header: Header = "auto",
        kinds: Mapping[str, str] | None = None,
        expected: tuple[str, ...] = (),
        orders: Sequence[tuple[str, ...]] = (),
        progress: Progress | None = None,
        block_size: int = BLOCK,
    ) -> None:
        self.path, self.header, self.progress, self.block_size = path, header, progress, block_size
        self.expected, self.orders = expected, orders
        self.kinds = dict(kinds or {})
        self.types: dict[str, Any] = {}
        self.notes: list[str] = []
        self.encoding = ""
        self.multiline = self.wide = False
        self.dialect: Dialect | None = None

    def read(self) -> Any:
        """The columns, a `pyarrow.Table` in pieces; `dialect` and `notes` say what was found."""
        while True:
            try:
                return self._pass()
            except _Again:
                continue

    def _pass(self) -> Any:
        import pyarrow as pa

        with ByteStream(self.path, self.progress) as stream:
            head = stream.read(max(HEAD, self.block_size))
            if not head or head.isspace():
                raise DataError(f"{self.path}: no rows; the file is empty")
            self.encoding = self.encoding or encoding_of(head)
            dialect = sniff(head, self.path, header=self.header, encoding=self.encoding, expected=self.expected)
            if self.orders and not dialect.header:
                dialect = replace(dialect, names=self._ordered(len(dialect.names)))
            self.dialect = dialect = replace(dialect, multiline=dialect.multiline or self.multiline)
            if not self.types:
                self.types = {name: _arrow_type(self.kinds[name]) for name in dialect.names if name in self.kinds}
            parts: list[Any] = []
            for block in blocks(stream, head, dialect, self.block_size):
                # empty lines at the end; tabs may be the separators of empty cells
                if not block.data.isspace() or dialect.separator.encode() in block.data:
                    parts.append(self._parse(block, first=not parts))
        if not parts:
            raise DataError(f"{self.path}: no rows after the header; a table has at least one")
        schema = pa.schema([(name, self.types[name]) for name in dialect.names])
        return pa.concat_tables([part.cast(schema, safe=False) for part in parts])

    def _ordered(self, width: int) -> tuple[str, ...]:
        for names in self.orders:
            if len(names) == width:
                return names
        expected = " or ".join(str(n) for n in sorted({len(names) for names in self.orders}))
        raise DataError(
            f"{self.path}: has {width} columns without names, the train part has {expected}; give the same columns, or "
            "a header that names them"
        )

    def _parse(self, block: Block, *, first: bool) -> Any:
        """One block as a table, with the types settled so far; settles those of the first block."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        dialect = self.dialect
        assert dialect is not None
        again = False
        while True:
            bad: list[Any] = []
            try:
                table = arrow_csv.read_csv(
                    pa.BufferReader(block.data),
                    read_options=arrow_csv.ReadOptions(
                        column_names=list(dialect.names), block_size=self._piece(block.data)
                    ),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=dialect.separator,
                        newlines_in_values=dialect.multiline,
                        invalid_row_handler=lambda row, bad=bad: (bad.append(row), "error")[1],
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=self.types,
                        null_values=_NULLS,
                        strings_can_be_null=False,
                        decimal_point=dialect.decimal,
                    ),
                )
            except pa.ArrowInvalid as error:
                again |= self._mend(block, str(error), bad) and not first
                continue
            self._settle(table.schema)
            table = self._settled(table)
            if table is None:
                continue
            if again:
                raise _Again
            return table.unify_dictionaries().combine_chunks()

    def _piece(self, data: bytes) -> int:
        """What one thread parses at a time: some hundred rows at least, as every column of a piece is an array."""
        row = data.find(self._newline()) + 1
        return len(data) + 1 if self.wide or not row else min(len(data) + 1, max(_PIECE, 500 * row))

    def _settle(self, schema: Any) -> None:
        """Types of the columns that the first block was free to choose."""
        import pyarrow as pa

        for field in [field for field in schema if field.name not in self.types]:
            kind = field.type
            if pa.types.is_binary(kind):
                self._as_windows("the text is not valid UTF-8")
            if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
                self.types[field.name] = pa.timestamp("ns" if getattr(kind, "unit", "s") == "ns" else "s")
            elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
                self.types[field.name] = kind
            else:  # text, times of the day, and columns without a value so far
                self.types[field.name] = _arrow_type("category")

    def _settled(self, table: Any) -> Any:
        """The first block in the types settled after it was parsed; None where only parsing again gives them."""
        import pyarrow as pa

        for k, field in enumerate(table.schema):
            wanted = self.types[field.name]
            if wanted == field.type:
                continue
            column = table.column(k)
            if pa.types.is_string(field.type):
                column = column.dictionary_encode().cast(wanted)
            elif pa.types.is_null(field.type):
                column = pa.nulls(len(column), wanted)
            elif pa.types.is_timestamp(wanted):
                column = column.cast(wanted)
            else:
                return None
            table = table.set_column(k, field.name, column)
        return table

    def _mend(self, block: Block, message: str, bad: list[Any]) -> bool:
        """After a failed block: other types for it (True where the blocks before need them too), or an error."""
        import pyarrow as pa

        dialect = self.dialect
        assert dialect is not None
        if bad:
            self._ragged(block, bad[0])
        if "invalid UTF8" in message:
            self._as_windows(message)
        if "straddling" in message and not self.wide:
            self.wide = True  # a row longer than a piece
            return False
        match = _CONVERSION.search(message)
        if match is None:
            raise DataError(f"{self.path}, after line {block.line:,}: {message}")
        name, value = dialect.names[int(match.group(1))], match.group(3)
        kind = self.types.get(name)
        if kind is not None and pa.types.is_integer(kind):
            self.types[name] = pa.float64()
            return False
        if kind == pa.timestamp("s"):
            self.types[name] = pa.timestamp("us")  # a fraction of a second
            return False
        line = self._line_of(block, int(match.group(1)), value)
        if self.kinds.get(name) == "number":
            raise DataError(
                f"{self.path}, line {line:,}: column {name!r} holds numbers in the train part, got "
                f"{value.strip()!r}; mend the cell, or leave it empty if the value is not known"
            )
        self.notes.append(
            f"column {name!r} mixes {'numbers' if kind == pa.float64() else f'values of type {kind}'} and text such as "
            f"{value.strip()[:30]!r} (line {line:,}), so it is read as text"
        )
        self.types[name] = _arrow_type("category")
        return True

    def _as_windows(self, message: str) -> None:
        if self.encoding != "utf-8":
            raise DataError(f"{self.path}: {message}")
        self.encoding = "cp1252"
        self.types = {}
        raise _Again

    def _ragged(self, block: Block, row: Any) -> None:
        if b'"' in block.data and self.dialect is not None and not self.dialect.multiline:
            self.multiline = True  # perhaps a quoted cell with a line break
            raise _Again
        pattern = rb"(?:\A|[\r\n])" + re.escape(row.text.encode()) + rb"(?:\r|\n|\Z)"
        found = re.search(pattern, block.data)
        at = 0 if found is None else found.start() + (found.start() > 0)
        line = block.line + block.data.count(self._newline(), 0, at)
        hint = "quote cells that hold the separator" if row.actual_columns > row.expected_columns else "fill it up"
        if "\n" in row.text:
            hint = 'a quote (") may be open in it'
        raise DataError(
            f"{self.path}, line {line:,}: the row has {row.actual_columns} cells, expected {row.expected_columns}, got "
            f"{row.text[:80]!r}; {hint}"
        )

    def _newline(self) -> bytes:
        assert self.dialect is not None
        return self.dialect.newline.encode()

    def _line_of(self, block: Block, column: int, value: str) -> int:
        """The line of a cell; the block is read again by a slower parser that counts lines."""
        assert self.dialect is not None
        text = io.StringIO(block.data.decode("utf-8", "replace"), newline="")
        reader = csv.reader(text, delimiter=self.dialect.separator)
        before = 0
        for cells in reader:
            if len(cells) > column and cells[column] == value:
                return block.line + before
            before = reader.line_num
        return block.line


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    return pa.float64() if kind == "number" else pa.dictionary(pa.int32(), pa.string())
