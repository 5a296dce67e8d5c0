"""Bytes of a file, decompressed, or an error that says what is wrong with it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, BinaryIO

from steepest.exceptions import DataError

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
Progress = Callable[[int, int], None]
"""Told the bytes of the file that are read, and those it has."""

# LIBSVM files come under any name, so only endings that surely mean something else are refused by name.
FOREIGN = (
    {".csv", ".tsv", ".tab", ".parquet", ".pq", ".feather", ".arrow", ".arff", ".json", ".jsonl", ".xls", ".xlsx"}
    | {".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".joblib", ".zip", ".tar", ".tgz", ".7z"}
    | {".png", ".jpg", ".jpeg", ".gif", ".pdf", ".html", ".py"}
)


def need_arrow(what: str) -> ModuleType:
    """The package pyarrow, or an error that says how to install it."""
    try:
        import pyarrow
    except ImportError:
        raise DataError(f'{what} needs pyarrow, which is not installed; pip install "steepest[arrow]"') from None
    module: ModuleType = pyarrow
    return module


def _zstd(raw: Any) -> Any:
    arrow = need_arrow("reading .zst files")
    return arrow.CompressedInputStream(arrow.PythonFile(raw, "r"), "zstd")


_KINDS: dict[str, tuple[bytes, Callable[[Any], Any]]] = {
    ".gz": (b"\x1f\x8b", gzip.open),
    ".bz2": (b"BZh", bz2.open),
    ".xz": (b"\xfd7zXZ\x00", lzma.open),
    ".zst": (b"\x28\xb5\x2f\xfd", _zstd),
}


class ByteStream:
    """The decompressed bytes of a file, piece by piece.

    Compression is recognised by the first bytes, so a compressed file without its ending is read too; a
    name that promises compression which the bytes do not have is an error.

    Parameters
    ----------
    path : Path
    progress : callable, optional
        Called with the (compressed) bytes read so far and the size of the file, after every piece.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path, self.progress, self.done = path, progress, 0
        self._kind = ""
        try:
            self._raw: BinaryIO = path.open("rb")
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; check the path") from None
        except IsADirectoryError:
            raise DataError(f"{path}: is a folder, a file was expected; name the file inside it") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
        try:
            self.total = path.stat().st_size
            self._stream = self._opened()
        except BaseException:
            self._raw.close()
            raise

    def _opened(self) -> Any:
        head = self._raw.read(6)
        self._raw.seek(0)
        for ending, (magic, decompress) in _KINDS.items():
            if head.startswith(magic):
                self._kind = ending
                return decompress(self._raw)
            if self.path.suffix == ending:
                what = "the file is empty" if not head else f"the file starts with {head!r}"
                raise DataError(
                    f"{self.path}: the name ends in {ending}, but {what}, not with the {ending[1:]} signature "
                    f"{magic!r}; fetch the file again, or drop {ending} from its name if it is not compressed"
                )
        return self._raw

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, fewer only at the end of the file; all that is left where ``size`` is -1."""
        pieces: list[bytes] = []
        left = size
        while left:
            try:
                piece = bytes(self._stream.read(left) if left > 0 else self._stream.read())
            except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
                if not self._kind:
                    raise DataError(f"{self.path}: cannot be read ({error})") from None
                raise DataError(
                    f"{self.path}: the {self._kind[1:]} data is truncated or damaged after {self._raw.tell():,} of "
                    f"{self.total:,} compressed bytes ({error}); fetch or compress the file again"
                ) from None
            if not piece:
                break
            pieces.append(piece)
            left = left - len(piece) if left > 0 else left
        self.done = self._raw.tell()
        if self.progress is not None:
            self.progress(self.done, self.total)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def __enter__(self) -> ByteStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._kind:
            self._stream.close()
        self._raw.close()


def read_bytes(path: Path) -> bytes:
    """The content of ``path``, decompressed; see `ByteStream`."""
    with ByteStream(path) as stream:
        return stream.read()


def bare_name(path: Path) -> str:
    """The file name without the ending of its compression."""
    return path.stem if path.suffix in COMPRESSED else path.name
