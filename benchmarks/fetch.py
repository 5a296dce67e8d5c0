"""Download the real data sets of the races, and check them.

    python -m benchmarks.fetch FOLDER          then: export STEEPEST_DATA=FOLDER

a9a and w8a come from the LIBSVM page, MNIST from the mirror that PyTorch uses, 20 newsgroups from its home page.  A
file that is already there is checked, not fetched again.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import sys
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LIBSVM = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/"
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
NEWS = "http://qwone.com/~jason/20Newsgroups/"


class File(NamedTuple):
    """A file: where it comes from, what it is called here, and what says that it is whole."""

    url: str
    name: str
    check: Callable[[Path], str | None]  # what is wrong, or None


def lines(count: int, pairs: int) -> Callable[[Path], str | None]:
    """LIBSVM text with so many rows and non-zeros."""

    def check(path: Path) -> str | None:
        text = path.read_bytes()
        got = len(text.splitlines()), text.count(b":")
        return (
            None if got == (count, pairs) else f"expected {count} rows and {pairs} values, found {got[0]} and {got[1]}"
        )

    return check


def content(md5: str) -> Callable[[Path], str | None]:
    """A gzip file whose content has this MD5 sum."""

    def check(path: Path) -> str | None:
        got = hashlib.md5(gzip.decompress(path.read_bytes()), usedforsecurity=False).hexdigest()
        return None if got == md5 else f"expected content with MD5 {md5}, found {got}"

    return check


def unzipped_size(size: int) -> Callable[[Path], str | None]:
    """A gzip file of so many bytes unpacked."""

    def check(path: Path) -> str | None:
        got = len(gzip.decompress(path.read_bytes()))
        return None if got == size else f"expected {size} bytes unpacked, found {got}"

    return check


def documents(train: int, test: int) -> Callable[[Path], str | None]:
    """The newsgroups archive with so many texts."""

    def check(path: Path) -> str | None:
        with tarfile.open(path) as archive:
            names = [member.name for member in archive if member.isfile()]
        got = tuple(sum(part in name for name in names) for part in ("bydate-train", "bydate-test"))
        return None if got == (train, test) else f"expected {train} + {test} documents, found {got[0]} + {got[1]}"

    return check


FILES = (
    File(LIBSVM + "a9a", "a9a", lines(32_561, 451_592)),
    File(LIBSVM + "w8a", "w8a", lines(49_749, 579_586)),
    File(NEWS + "20news-bydate.tar.gz", "20news-bydate.tar.gz", documents(11_314, 7_532)),
    File(
        MNIST + "train-images-idx3-ubyte.gz",
        "mnist/train-images-idx3-ubyte.gz",
        content("6bbc9ace898e44ae57da46a324031adb"),
    ),
    File(MNIST + "train-labels-idx1-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz", unzipped_size(60_008)),
    File(MNIST + "t10k-images-idx3-ubyte.gz", "mnist/t10k-images-idx3-ubyte.gz", unzipped_size(7_840_016)),
    File(MNIST + "t10k-labels-idx1-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz", unzipped_size(10_008)),
)


def fetch(file: File, folder: Path) -> str | None:
    """Have one file in the folder, whole; what is wrong, or None."""
    path = folder / file.name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        try:
            with urllib.request.urlopen(file.url, timeout=60) as answer, part.open("wb") as out:
                while chunk := answer.read(1 << 20):
                    out.write(chunk)
        except OSError as error:
            part.unlink(missing_ok=True)
            return f"{file.url}: {error}"
        part.replace(path)
    wrong = file.check(path)
    return f"{path}: {wrong}; delete it and run this again" if wrong else None


def main() -> int:
    """Fetch all; 0 where everything is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fetch", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    failed = 0
    for file in FILES:
        wrong = fetch(file, folder)
        failed += wrong is not None
        print(wrong or f"{folder / file.name}: ok")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
