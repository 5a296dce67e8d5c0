"""idx images: exact values, the label file found by name, and every way a pair can be broken."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from steepest.exceptions import DataError
from steepest.readers import read_dataset
from steepest.readers.idx import label_names

PIXELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4) * 10
IMAGES = struct.pack(">IIII", 0x803, 2, 3, 4) + PIXELS.tobytes()
LABELS = struct.pack(">II", 0x801, 2) + bytes([7, 2])


def write(folder, images=IMAGES, labels=LABELS, stem="train", ending=""):
    pack = gzip.compress if ending == ".gz" else bytes
    path = folder / f"{stem}-images-idx3-ubyte{ending}"
    path.write_bytes(pack(images))
    if labels is not None:
        (folder / f"{stem}-labels-idx1-ubyte{ending}").write_bytes(pack(labels))
    return path


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_pixels_and_labels(tmp_path, ending):
    data = read_dataset(write(tmp_path, ending=ending))
    assert data.X.dtype == np.float32
    assert np.array_equal(data.X, PIXELS.reshape(2, 12).astype(np.float32) / np.float32(255))
    assert data.y.tolist() == [7, 2]
    assert data.image_shape == (3, 4)
    assert "255" in data.note


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("t10k-images.idx3-ubyte", "t10k-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte", "train-labels.idx1-ubyte"),
        ("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte"),
    ],
)
def test_label_file_is_found_by_name(tmp_path, images, labels):
    (tmp_path / images).write_bytes(IMAGES)
    (tmp_path / labels).write_bytes(gzip.compress(LABELS) if labels.endswith(".gz") else LABELS)
    assert read_dataset(tmp_path / images).y.tolist() == [7, 2]


def test_folder(tmp_path):
    write(tmp_path, ending=".gz")
    write(tmp_path, stem="t10k", labels=LABELS[:-2] + bytes([1, 1]))
    assert read_dataset(tmp_path).y.tolist() == [7, 2]
    assert read_dataset(tmp_path, part="test").y.tolist() == [1, 1]


def test_ambiguous_and_empty_folders(tmp_path):
    with pytest.raises(DataError, match="none of its files"):
        read_dataset(tmp_path)
    write(tmp_path, stem="train")
    write(tmp_path, stem="train2")
    with pytest.raises(DataError, match="train-images-idx3-ubyte, train2-images-idx3-ubyte are"):
        read_dataset(tmp_path)


def test_no_label_file_lists_the_names_tried(tmp_path):
    with pytest.raises(DataError) as caught:
        read_dataset(write(tmp_path, labels=None))
    for name in label_names(tmp_path / "train-images-idx3-ubyte"):
        assert name in str(caught.value)


def test_name_without_images(tmp_path):
    (tmp_path / "pictures").write_bytes(IMAGES)
    with pytest.raises(DataError, match="no 'images' in it"):
        read_dataset(tmp_path / "pictures")


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (IMAGES[:-1], LABELS, "promises 2 x 3 x 4 = 24 bytes; the file is truncated: it holds 23"),
        (IMAGES + b"\0", LABELS, "longer than its header says: it holds 25"),
        (IMAGES[:9], LABELS, "header has 16 bytes, the file ends after 9"),
        (LABELS, LABELS, "0x00000803 of idx images .* got 0x00000801, which is that of idx labels"),
        (IMAGES, IMAGES, "0x00000801 of idx labels .* got 0x00000803, which is that of idx images"),
        (IMAGES, LABELS[:-1], "truncated: it holds 1"),
        (IMAGES, struct.pack(">II", 0x801, 3) + bytes(3), "holds 3 labels, but .* holds 2 images"),
        (IMAGES, b"", "4-byte magic number"),
        (struct.pack(">IIII", 0x803, 0, 3, 4), struct.pack(">II", 0x801, 0), "nothing to fit"),
        (b"\0\0\x0d\x03" + IMAGES[4:], LABELS, "no idx file.* 0x00000d03"),
    ],
)
def test_broken_pairs(tmp_path, images, labels, words):
    path = write(tmp_path, images, labels)
    with pytest.raises(DataError, match=words) as caught:
        read_dataset(path)
    assert str(tmp_path) in str(caught.value)


def test_truncated_gzip(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(IMAGES)[:-12])
    with pytest.raises(DataError, match="gz data is truncated or damaged"):
        read_dataset(path)


def test_width_must_match_the_train_part(tmp_path):
    with pytest.raises(DataError, match="has 12 features, the train part has 784"):
        read_dataset(write(tmp_path), n_features=784)


def test_mnist(data_folder):
    data = read_dataset(data_folder / "mnist")
    assert data.X.shape == (60000, 784)
    assert np.bincount(data.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (data.X.min(), data.X.max()) == (0.0, 1.0)
    assert read_dataset(data_folder / "mnist", part="test").X.shape == (10000, 784)
