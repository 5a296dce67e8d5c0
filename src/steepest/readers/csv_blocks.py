"""A text file as blocks of whole rows, in UTF-8, with the line at which each begins."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from steepest.exceptions import DataError
from steepest.readers.csv_dialect import Dialect
from steepest.readers.files import ByteStream

_LONGEST_ROW = 1 << 28
_BOM = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Whole rows; ``line`` is the line of the file, from 1, at which they begin."""

    line: int
    data: bytes


def blocks(stream: ByteStream, head: bytes, dialect: Dialect, size: int) -> Iterator[Block]:
    """The rows of a file in blocks of about ``size`` bytes, without the lines before the first row.

    Parameters
    ----------
    stream : ByteStream
        Stands behind ``head``.
    head : bytes
        What was read already.
    dialect : Dialect
    size : int

    Notes
    -----
    A block ends at a line break; where quoted cells may hold line breaks, at one with an even number of
    quotes before it.  Memory: two blocks.
    """
    newline = dialect.newline.encode()
    path = stream.path
    decoder = None if dialect.encoding == "utf-8" else codecs.getincrementaldecoder(dialect.encoding)()
    line, left, skip = 1, b"", dialect.skip
    piece, head = head[:size], head[size:]
    first = True
    while True:
        last = not piece
        try:
            text = piece if decoder is None else decoder.decode(piece, last).encode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: the text is neither UTF-8 nor {dialect.encoding} ({error.reason}); save it as UTF-8"
            ) from None
        if first:
            text, first = text.removeprefix(_BOM), False
        data = left + text if left else text
        while skip and data:
            cut = data.find(newline)
            if cut < 0 and not last:
                break
            data = data[cut + 1 :] if cut >= 0 else b""
            line, skip = line + 1, skip - 1
        end = len(data) if last else _end(data, newline, dialect.multiline)
        if last and dialect.multiline and data.count(b'"') % 2:
            raise _open_quote(path, line, data, newline)
        if end and not skip:
            block = data[:end]
            yield Block(line, _closed_gaps(block, dialect))
            line += block.count(newline)
            data = data[end:]
        if last:
            return
        if len(data) > _LONGEST_ROW:
            raise _open_quote(path, line, data, newline)
        left = data
        piece, head = (head[:size], head[size:]) if head else (stream.read(size), b"")


def _end(data: bytes, newline: bytes, multiline: bool) -> int:
    """Where the last whole row ends; 0 where there is none."""
    at = data.rfind(newline)
    if not multiline:
        return at + 1
    quotes = data.count(b'"', 0, at + 1)
    while at >= 0 and quotes % 2:
        before = data.rfind(newline, 0, at)
        quotes -= data.count(b'"', before + 1, at + 1)
        at = before
    return at + 1


def _closed_gaps(block: bytes, dialect: Dialect) -> bytes:
    """A space between a separator and an opening quote hides the quote from the parser."""
    if not dialect.gaps:
        return block
    separator = re.escape(dialect.separator.encode())
    opening = separator + b' "(?!"[^' + separator + b"\r\n])"  # a doubled quote is one inside a cell
    return re.sub(opening, dialect.separator.encode() + b'"', block)


def _open_quote(path: object, line: int, data: bytes, newline: bytes) -> DataError:
    """An error that names the last line on which a quoted cell began that never ends."""
    inside, opened = False, line
    for number, row in enumerate(data.split(newline), line):
        if row.count(b'"') % 2:
            inside = not inside
            opened = number if inside else opened
    return DataError(
        f'{path}, line {opened:,}: a quote (") opens a cell here and none closes it; close it, or write "" for a quote '
        "inside a quoted cell"
    )
