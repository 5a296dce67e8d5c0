"""What a delimited text file looks like, told from its first lines: separator, header, names, encoding."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steepest.exceptions import DataError

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NAN", "NULL", "null")
"""Cells that stand for "not known"; spaces around them do not matter."""

SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar"}
Header = Literal["auto", "yes", "no"]
_COMMENT = ("#", "|", "%", "//", "sep=")
_MOST_SKIPPED = 20
HEAD = 1 << 16
"""Bytes from the beginning of a file that tell its dialect; more do not hurt, fewer are the whole file."""
_SAMPLE_LINES, _SAMPLE_BYTES = 1000, 1 << 18
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
_LIBSVM = re.compile(rb"[+-]?[\d.]+(?:[eE][+-]?\d+)?(?:[ \t]+qid:\d+)?(?:[ \t]+\d+:\S+)+[ \t]*(?:#.*)?\r?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read one file.

    Attributes
    ----------
    separator, decimal, newline, encoding : str
    names : tuple of str
        The columns; "column 1", ... where the file names none.
    header : bool
        Whether the names stand in the file.
    skip : int
        Lines before the first row of data, the header among them.
    multiline : bool
        Whether quoted cells hold line breaks.
    gaps : bool
        Whether a space stands between a separator and an opening quote.
    notes : tuple of str
        What a person may want to know, in words.
    """

    separator: str
    decimal: str
    newline: str
    encoding: str
    names: tuple[str, ...]
    header: bool
    skip: int
    multiline: bool
    gaps: bool
    notes: tuple[str, ...] = ()


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a missing value.

    >>> is_missing(" ? "), is_missing("none")
    (True, False)
    """
    return cell.strip() in MISSING


def encoding_of(head: bytes) -> str:
    """UTF-16 by its byte order mark; UTF-8, or Windows-1252 where the first bytes are not that.

    >>> encoding_of("größe".encode()), encoding_of("größe".encode("cp1252"))
    ('utf-8', 'cp1252')
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    sample = head[:_SAMPLE_BYTES]
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return "utf-8" if error.reason == "unexpected end of data" else "cp1252"
    return "utf-8"


def looks_like_libsvm(head: bytes) -> bool:
    """Whether the first lines are ``label index:value ...``."""
    lines = [line for line in head.split(b"\n")[:20] if line.strip() and not line.startswith(b"#")]
    return bool(lines) and all(_LIBSVM.fullmatch(line) for line in lines[: max(1, len(lines) - 1)])


def sniff(head: bytes, path: Path, *, header: Header, encoding: str, expected: Sequence[str] = ()) -> Dialect:
    """Tell the dialect from the first bytes of a file.

    Parameters
    ----------
    head : bytes
        The beginning of the file, decompressed.
    path : Path
        For messages.
    header : {"auto", "yes", "no"}
    encoding : str
    expected : sequence of str
        Names that a header may have, those of the train part: a first line of these is a header.
    """
    if encoding != "utf-16" and b"\x00" in head[:_SAMPLE_BYTES]:
        raise DataError(
            f"{path}: binary data (byte 0 at position {head.index(0):,}), a table of text was expected; "
            "tables are CSV, TSV and Parquet"
        )
    text = _sample(head, encoding, path)
    newline = "\n" if "\n" in text or "\r" not in text else "\r"
    lines = text.split(newline)[:_SAMPLE_LINES]
    separator, rows = _separator([line.removesuffix("\r") + "\n" for line in lines])
    if not rows:
        raise DataError(f"{path}: no rows; the file holds nothing but empty lines")
    width = _mode(rows)
    notes = ["the text is not UTF-8 and was read as Windows-1252"] if encoding == "cp1252" else []
    skip, body = _leading(lines, rows, width, notes)
    if not body:
        raise DataError(f"{path}: no rows after {skip} comment lines")
    notes += [f"columns are separated by {SEPARATORS[separator]}s"] if separator != "," else []
    decimal = _decimal(separator, body)
    if decimal == ",":
        notes.append("numbers have decimal commas")
    first = [cell.strip() for cell in body[0].cells]
    named = header == "yes" or (header == "auto" and _is_header(first, body[1:], decimal, expected))
    if named:
        skip += body[0].lines
    names = _names(first, width, path, notes) if named else tuple(f"column {k + 1}" for k in range(width))
    if not named and header == "auto":
        notes.append("no header was found, so columns are called column 1, column 2, ...")
    multiline = any("\n" in cell for row in body[:-1] for cell in row.cells)
    spaced = (
        [line.removesuffix("\r") + "\n" for line in lines] if any(f'{separator} "' in line for line in lines) else []
    )
    gaps = any(cell.startswith(' "') for row in _rows(spaced, separator, gaps=False) for cell in row.cells)
    return Dialect(separator, decimal, newline, encoding, names, named, skip, multiline, gaps, tuple(notes))


@dataclass(slots=True)
class _Row:
    cells: list[str]
    lines: int  # that it spans, empty ones before it included


def _sample(head: bytes, encoding: str, path: Path) -> str:
    """The first lines as text, without a last one that is cut off."""
    sample = head[:_SAMPLE_BYTES]
    if len(sample) < len(head) and sample.count(b"\n") < 3:
        sample = head  # very long lines
    if encoding == "utf-16":
        sample = sample[: len(sample) // 2 * 2]
    text = sample.decode(encoding, errors="replace").removeprefix("\ufeff")
    start = text[:10_000]
    if len(start) > 100 and sum(c < " " and c not in "\t\r\n\f\v" for c in start) > 0.05 * len(start):
        raise DataError(f"{path}: binary data, a table of text was expected; tables are CSV, TSV and Parquet")
    whole = len(head) < HEAD
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text if whole or end <= 0 else text[: end + 1]


def _rows(lines: list[str], separator: str, *, gaps: bool = True) -> list[_Row]:
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=gaps)
    found: list[_Row] = []
    before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return found
        except csv.Error:  # a cell without end: a quote that nothing closes
            return found
        if cells and cells != [""] and not (len(cells) == 1 and not cells[0].strip()):
            found.append(_Row(cells, reader.line_num - before))
            before = reader.line_num


def _mode(rows: list[_Row]) -> int:
    counts = Counter(len(row.cells) for row in rows)
    return max(counts, key=lambda width: (counts[width], width))


def _separator(lines: list[str]) -> tuple[str, list[_Row]]:
    """The separator that cuts nearly all lines into the same number of cells, and the rows it makes."""
    best: tuple[float, str, list[_Row]] = (0.0, ",", _rows(lines, ","))
    for separator in SEPARATORS:
        if not any(separator in line for line in lines):
            continue
        rows = _rows(lines, separator)
        width = _mode(rows) if rows else 1
        share = sum(len(row.cells) == width for row in rows) / len(rows) if width > 1 else 0.0
        if share > best[0] + 0.02:  # a bar or a tab in a few cells makes no separator
            best = (share, separator, rows)
    return best[1], best[2]


def _leading(lines: list[str], rows: list[_Row], width: int, notes: list[str]) -> tuple[int, list[_Row]]:
    """Lines before the table: comments, and lines of one cell where the rows have more."""
    skip = count = 0
    for row in rows[:_MOST_SKIPPED]:
        odd = len(row.cells) != width and (len(row.cells) == 1 or row.cells[0].lstrip().startswith(_COMMENT))
        if not odd:
            break
        shown = lines[skip + row.lines - 1].strip()
        notes.append(f"line {skip + row.lines} was skipped: {shown[:60]!r}")
        skip += row.lines
        count += 1
    return skip, rows[count:]


def _decimal(separator: str, body: list[_Row]) -> str:
    if separator == ",":
        return "."
    cells = [cell.strip() for row in body for cell in row.cells]
    commas = sum(_COMMA_NUMBER.fullmatch(cell) is not None for cell in cells)
    points = sum("." in cell and _NUMBER.fullmatch(cell) is not None for cell in cells)
    return "," if commas > points else "."


def _is_header(first: list[str], body: list[_Row], decimal: str, expected: Sequence[str]) -> bool:
    """Names are text above numbers, or text that no row repeats."""
    if expected and len(set(first) & set(expected)) >= max(1, len(set(expected)) // 2):
        return True
    if not body:
        return not any(is_number(cell, decimal) for cell in first)
    columns = [[row.cells[k].strip() for row in body if len(row.cells) > k] for k in range(len(first))]
    for name, column in zip(first, columns, strict=True):
        known = [cell for cell in column if cell not in MISSING]
        text = name not in MISSING and not is_number(name, decimal)
        if known and text and all(is_number(cell, decimal) for cell in known):
            return True
    if any(is_number(name, decimal) or name in MISSING for name in first[1:]) or is_number(first[0], decimal):
        return False
    return len(set(first)) == len(first) and not any(
        name in column for name, column in zip(first, columns, strict=True)
    )


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a cell is a number, infinity among them."""
    return _NUMBER.fullmatch(cell.replace(",", ".", 1) if decimal == "," else cell) is not None


def _names(first: list[str], width: int, path: Path, notes: list[str]) -> tuple[str, ...]:
    """Names of the header; empty ones are numbered, repeated ones told apart."""
    if len(first) != width:
        raise DataError(
            f"{path}: the header has {len(first)} names and the rows have {width} cells; name every column, or pass "
            'header="no" if the file has no header'
        )
    names: dict[str, None] = {}
    seen = set(first)
    for k, name in enumerate(first):
        wanted = name or f"column {k + 1}"
        given, copy = wanted, 0
        while given in names or (given != name and given in seen):
            copy += 1
            given = f"{wanted}.{copy}"
        if given != name:
            why = "has no name" if not name else f"repeats the name {name!r}"
            notes.append(f"column {k + 1} {why} and is called {given!r}")
        names[given] = None
    return tuple(names)
