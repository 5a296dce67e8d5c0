"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from steepest.exceptions import DataError


def check_writable(path: Path, example: str = "report.html") -> None:
    """Fail now, before any work, where `write_bytes` could not put a file at ``path``."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder, a file name was expected; write for instance {path / example}")
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist; create it first")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise DataError(f"{path}: the folder {path.parent} cannot be written to ({error.strerror})") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path`` and move it there in one step.

    Another process sees the old file or the new one, never a part; a failure leaves the old one untouched.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp makes files for the owner alone
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, like `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))
