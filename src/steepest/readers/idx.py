"""The idx format of MNIST and its relatives: unsigned bytes after a big-endian header.

Images: magic 0x00000803, then rows, height, width as 32-bit numbers, then the pixels.  Labels: magic
0x00000801, then rows, then one byte a row.  The label file is found by the name of the image file.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steepest.exceptions import DataError
from steepest.readers.dataset import Dataset
from steepest.readers.files import COMPRESSED, bare_name, read_bytes

IMAGES = 0x00000803
LABELS = 0x00000801
_WHAT = {IMAGES: "images (unsigned bytes, 3 dimensions)", LABELS: "labels (unsigned bytes, 1 dimension)"}


def is_idx(head: bytes) -> bool:
    """Whether these are the first bytes of an idx file of unsigned bytes."""
    return len(head) >= 4 and head[:3] == b"\x00\x00\x08" and 1 <= head[3] <= 8


def parse_idx(raw: bytes, magic: int, path: Path) -> NDArray[np.uint8]:
    """The array of an idx file whose magic number must be ``magic``; a view of ``raw``."""
    if len(raw) < 4:
        raise DataError(f"{path}: an idx file starts with a 4-byte magic number, this one has {len(raw)} bytes in all")
    found = struct.unpack(">I", raw[:4])[0]
    if found != magic:
        known = f", which is that of idx {_WHAT[found]}" if found in _WHAT else ", which is not an idx file of bytes"
        raise DataError(
            f"{path}, byte 0: expected the magic number 0x{magic:08x} of idx {_WHAT[magic]}, "
            f"got 0x{found:08x}{known}; give the {'image' if magic == IMAGES else 'label'} file here"
        )
    dimensions = raw[3]
    header = 4 + 4 * dimensions
    if len(raw) < header:
        raise DataError(f"{path}, byte 4: the idx header has {header} bytes, the file ends after {len(raw)}")
    shape = struct.unpack(f">{dimensions}I", raw[4:header])
    expected, held = math.prod(shape), len(raw) - header
    if held != expected:
        state = "truncated: it" if held < expected else "longer than its header says: it"
        raise DataError(
            f"{path}, byte 4: the header promises {' x '.join(f'{s:,}' for s in shape)} = {expected:,} bytes; "
            f"the file is {state} holds {held:,} after the header; fetch the file again"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def label_names(images: Path) -> list[str]:
    """Names that the label file of ``images`` may have, most likely first.

    >>> from pathlib import Path
    >>> label_names(Path("t10k-images-idx3-ubyte.gz"))[:2]
    ['t10k-labels-idx1-ubyte.gz', 't10k-labels-idx1-ubyte']
    """
    bare = bare_name(images)
    own = images.suffix if images.suffix in COMPRESSED else ""
    labels = bare.replace("images", "labels").replace("idx3", "idx1")
    if labels == bare:
        return []
    spellings = [labels, labels.replace("-idx1", ".idx1"), labels.replace(".idx1", "-idx1")]
    endings = [own, *(ending for ending in ("", *COMPRESSED) if ending != own)]
    return [spelling + ending for spelling in dict.fromkeys(spellings) for ending in endings]


def find_labels(images: Path) -> Path:
    """The label file beside ``images``; an error lists the names that were tried."""
    names = label_names(images)
    if not names:
        raise DataError(
            f"{images}: the label file is found by replacing 'images' with 'labels' in the name, and this name has no "
            "'images' in it; rename the pair to the pattern train-images-idx3-ubyte, train-labels-idx1-ubyte"
        )
    for name in names:
        if (images.parent / name).is_file():
            return images.parent / name
    raise DataError(f"{images}: no label file beside it; tried {', '.join(names)}; put it in {images.parent}")


def _images(folder: Path, part: str) -> list[Path]:
    found = sorted(p for p in folder.iterdir() if "images" in p.name and "idx3" in p.name and p.is_file())
    if part == "test":
        found = [p for p in found if p.name.startswith(("t10k", "test"))]
    else:
        found = [p for p in found if p.name.startswith("train")] or found
    same = len({bare_name(p) for p in found}) == 1  # one file, plain and compressed
    return found[:1] if same else found


def has_images(folder: Path, part: str) -> bool:
    """Whether ``folder`` holds exactly one image file for ``part`` ("train" or "test")."""
    return len(_images(folder, part)) == 1


def find_images(folder: Path, part: str) -> Path:
    """The one image file of ``folder`` for ``part`` ("train" or "test")."""
    found = _images(folder, part)
    if len(found) == 1:
        return found[0]
    what = "none of its files is" if not found else f"{', '.join(p.name for p in found)} are"
    raise DataError(
        f"{folder}: is a folder, and {what} named like idx images of the {part} part "
        f"({'t10k' if part == 'test' else 'train'}-images-idx3-ubyte[.gz]); name one file"
    )


def read_idx(path: Path, raw: bytes | None = None) -> Dataset:
    """Images of ``path`` and the labels beside it.

    Pixels become ``value / 255`` in float32, so that they lie in [0, 1].  Memory: 4 bytes a pixel, and the
    file's bytes while reading.
    """
    images = parse_idx(read_bytes(path) if raw is None else raw, IMAGES, path)
    beside = find_labels(path)
    labels = parse_idx(read_bytes(beside), LABELS, beside)
    if len(labels) != len(images):
        raise DataError(
            f"{beside}: holds {len(labels):,} labels, but {path.name} holds {len(images):,} images; "
            "the two files are not a pair"
        )
    n, height, width = images.shape
    if n == 0 or height * width == 0:
        raise DataError(f"{path}: the header says {n:,} images of {height} x {width} pixels; there is nothing to fit")
    return Dataset(
        np.divide(images.reshape(n, height * width), np.float32(255), dtype=np.float32),
        labels.astype(np.int64),
        name=f"{path.resolve().parent.name} {bare_name(path).partition('-images')[0]}",
        source=f"idx images {path} with labels {beside.name}",
        note="pixel values divided by 255, as float32",
        image_shape=(height, width),
    )
