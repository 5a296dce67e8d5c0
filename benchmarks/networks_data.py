"""MNIST for the races of networks: pixels as uint8 and digits, train and test, as .npy files that can be mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import data

FOLDER = data.WORK / "data" / "mnist-uint8"
PARTS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}


def prepare() -> Path:
    """The folder with ``train.X.npy``, ``train.y.npy`` and the same of the test part; made where it is missing."""
    for part, (name, count) in PARTS.items():
        X, y = FOLDER / f"{part}.X.npy", FOLDER / f"{part}.y.npy"
        if X.is_file() and y.is_file():
            continue
        with data.open_any(f"mnist/{name}-images-idx3-ubyte") as file:
            pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 784)
        with data.open_any(f"mnist/{name}-labels-idx1-ubyte") as file:
            labels = np.frombuffer(file.read(), dtype=np.uint8, offset=8).astype(np.int64)
        if pixels.shape != (count, 784) or len(labels) != count:
            raise ValueError(f"mnist: expected {count} images, read {pixels.shape} and {len(labels)} labels")
        FOLDER.mkdir(parents=True, exist_ok=True)
        np.save(X, pixels)
        np.save(y, labels)
    return FOLDER


def pixels(part: str, mapped: bool = False) -> np.ndarray:
    """Pixels of "train" or "test" as uint8, in memory or memory-mapped."""
    return np.asanyarray(np.load(prepare() / f"{part}.X.npy", mmap_mode="r" if mapped else None))


def labels(part: str) -> np.ndarray:
    """Digits as int64."""
    return np.asarray(np.load(prepare() / f"{part}.y.npy"))


def shares(part: str) -> np.ndarray:
    """Pixels over 255 as float32."""
    return np.multiply(pixels(part), np.float32(1 / 255), dtype=np.float32)


def as_float32(rows: int) -> Path:
    """A file of the first train rows, float32 over 255, to be mapped."""
    path = FOLDER / f"train-{rows}.float32.npy"
    if not path.is_file():
        prepare()
        np.save(path, shares("train")[:rows])
    return path
