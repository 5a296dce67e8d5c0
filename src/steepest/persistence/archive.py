"""The container of a model: a zip archive whose members are all checked before any is believed.

Members are stored, not compressed, so a small file cannot unfold into a huge one.  The digests in the manifest
tell damage and careless edits; they are no signature, and a file is not safe because they match: what protects
the reader is that only types on a list are made (see ``policy``).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

from steepest.exceptions import PersistenceError

SCHEMA = "schema.json"
MANIFEST = "steepest.json"
_NAMES = re.compile(r"[A-Za-z0-9_-]+\.(json|npy|npz|bin)")
#: What other files begin with, and what they are.
_MAGIC = (
    (b"\x80", "a pickle"),
    (b"\x1f\x8b", "a gzip file, perhaps a compressed pickle"),
    (b"BZh", "a bzip2 file, perhaps a compressed pickle"),
    (b"\xfd7zXZ", "an xz file, perhaps a compressed pickle"),
    (b"\x04\x22\x4d\x18", "an lz4 file, perhaps a compressed pickle"),
    (b"\x78", "a zlib stream, perhaps a compressed joblib pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PAR1", "a Parquet file"),
)

Members = dict[str, bytes]


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def pack(members: Members) -> bytes:
    """The archive, as bytes.  No time is stored: equal members give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def read(path: Path) -> bytes:
    """The bytes of a file that is a zip archive."""
    if path.is_dir():
        raise PersistenceError(f"{path}: is a folder, a model file was expected; name the file in it")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise PersistenceError(f"{path}: no such file; steepest.save(estimator, path) writes one") from None
    except OSError as error:
        raise PersistenceError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    if not content:
        raise PersistenceError(f"{path}: the file is empty; copy or save the model again")
    if not content.startswith(b"PK"):
        for magic, what in _MAGIC:
            if content.startswith(magic):
                raise PersistenceError(
                    f"{path}: not a model file but {what}. Pickles are never loaded, as they can run any code; "
                    "train the model again and store it with steepest.save."
                )
        raise PersistenceError(f"{path}: not a model file; give a file that steepest.save has written")
    return content


def unpack(path: Path, content: bytes) -> Members:
    """Every member, after the checks of names, sizes and checksums.

    Raises
    ------
    PersistenceError
        Truncated or damaged; compressed or overlapping members; members of other names; no model in it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if SCHEMA not in names:
                raise PersistenceError(
                    f"{path}: a zip archive without '{SCHEMA}', so not a model file; "
                    "give a file that steepest.save has written"
                )
            odd = sorted(name for name in set(names) if not _NAMES.fullmatch(name) or names.count(name) > 1)
            if odd:
                raise PersistenceError(f"{path}: unexpected members {odd[:3]} in the archive; it was tampered with")
            packed = any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos)
            if packed or sum(info.file_size for info in infos) > len(content):
                raise PersistenceError(
                    f"{path}: compressed, encrypted or overlapping members, which steepest does not write; "
                    "store the model again with steepest.save"
                )
            return {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        if isinstance(error, PersistenceError):
            raise
        raise PersistenceError(f"{path}: truncated or damaged ({error}); copy or save the model again") from error


def parse(path: Path, members: Members, name: str) -> dict[str, Any]:
    """A JSON member that must be an object."""
    try:
        found = json.loads(members[name])
    except (ValueError, RecursionError) as error:
        raise PersistenceError(f"{path}: '{name}' in it is not JSON ({error}); save the model again") from error
    if not isinstance(found, dict):
        raise PersistenceError(f"{path}: '{name}' in it is no object; save the model again")
    return found


def check_digests(path: Path, members: Members, manifest: dict[str, Any]) -> None:
    """Raises where a member is not the one that was written."""
    expected = manifest.get("members")
    found = {name: digest(content) for name, content in members.items() if name != MANIFEST}
    if not isinstance(expected, dict) or expected != found:
        listed = expected if isinstance(expected, dict) else {}
        changed = sorted(name for name in {*found, *listed} if found.get(name) != listed.get(name))
        raise PersistenceError(
            f"{path}: changed after it was written (members {changed[:3]} do not match their digests); "
            "get the original, or save the model again"
        )
