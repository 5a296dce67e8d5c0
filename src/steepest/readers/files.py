"""Bytes of a file, decompressed, or an error that says what is wrong with it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

from steepest.exceptions import DataError

COMPRESSED = (".gz", ".bz2", ".xz")
_KINDS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    ".gz": (b"\x1f\x8b", gzip.decompress),
    ".bz2": (b"BZh", bz2.decompress),
    ".xz": (b"\xfd7zXZ\x00", lzma.decompress),
}


def read_bytes(path: Path) -> bytes:
    """The content of ``path``; .gz, .bz2 and .xz are decompressed.

    Compression is recognised by the first bytes, so a compressed file without its ending is read too; a
    name that promises compression which the bytes do not have is an error.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, a file was expected; name the file inside it") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    for ending, (magic, decompress) in _KINDS.items():
        if raw.startswith(magic):
            try:
                return decompress(raw)
            except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise DataError(
                    f"{path}: the {ending[1:]} data is truncated or damaged after {len(raw):,} compressed bytes "
                    f"({error}); fetch or compress the file again"
                ) from None
        if path.suffix == ending:
            what = "the file is empty" if not raw else f"the file starts with {raw[:6]!r}"
            raise DataError(
                f"{path}: the name ends in {ending}, but {what}, not with the {ending[1:]} signature {magic!r}; "
                f"fetch the file again, or drop {ending} from its name if it is not compressed"
            )
    return raw


def bare_name(path: Path) -> str:
    """The file name without the ending of its compression."""
    return path.stem if path.suffix in COMPRESSED else path.name
